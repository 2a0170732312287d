"""CLIP and CLIP-AC: two plain prompts, and which of the two an image is nearer to."""

from dataclasses import dataclass

import torch

from ..detector import Inspection
from ..maps import mean_over_neighbours
from ..prompts import clean_product_name
from ..scale import Scale
from .method import ImageBatch, Method, inspections, state_probability


@dataclass(frozen=True, eq=False)
class FittedPrompts:
    """Two text vectors and how what they say becomes a score and a map.

    Attributes:
        states: (2, d), of the normal and of the abnormal state, l2-normalised.
        logit_scale: inverse temperature between them.
        scale: of the score and the map.
    """

    states: torch.Tensor
    logit_scale: float
    scale: Scale

    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Abnormal probabilities of the image vectors, (N,), and of the places, (N, rows, columns), before the scale.

        The places are smoothed as in our own method, so that maps differ by their prompts alone.
        """
        whole = state_probability(batch.encoded.image, self.states, self.logit_scale)
        return whole, mean_over_neighbours(state_probability(batch.encoded.dense, self.states, self.logit_scale))

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)


class ClipAc(Method):
    name, title = "clip-ac", "CLIP-AC"
    source = "the baseline of Jeong et al., WinCLIP, CVPR 2023 (arXiv 2303.14814), table 1"
    faithful = (
        "Prompts and image score are the paper's: 'normal [o]' against 'anomalous [o]', softmax over the two cosines. "
        "The paper has no map for it; ours asks the same two prompts about the backbone's dense vectors."
    )
    seeded = False
    prompts = ("normal {}", "anomalous {}")

    def fit(self, product: str, seed: int = 0) -> FittedPrompts:
        product = clean_product_name(product)
        states = self.backbone.text_vectors([prompt.format(product) for prompt in self.prompts])  # (2, d)
        return FittedPrompts(states, self.backbone.logit_scale, self.scale)


class Clip(ClipAc):
    name, title = "clip", "CLIP"
    source = "Radford et al., ICML 2021 (arXiv 2103.00020), as a two-class classifier"
    faithful = (
        "Template and softmax are the paper's: 'a photo of a normal [o].' against 'a photo of an anomalous [o].'. The "
        "poster does not print the prompts of this row, so the wording is our reading; the map asks the same two "
        "prompts about the backbone's dense vectors."
    )
    prompts = ("a photo of a normal {}.", "a photo of an anomalous {}.")
