"""CLIP and CLIP-AC: two plain prompts, and which of the two an image is nearer to."""

from dataclasses import dataclass

import torch

from ..detector import Inspection
from ..maps import mean_over_neighbours
from ..prompts import clean_product_name
from .method import ImageBatch, Method, inspections, state_probability


@dataclass(frozen=True, eq=False)
class FittedPrompts:
    """The text vectors of a normal and an abnormal prompt, (2, d), and the inverse temperature between them."""

    states: torch.Tensor
    scale: float

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        scores = state_probability(batch.encoded.image, self.states, self.scale)  # (N,)
        maps = state_probability(batch.encoded.dense, self.states, self.scale)  # (N, rows, columns)
        # As in our own method, so that maps differ by their prompts alone.
        return inspections(scores, mean_over_neighbours(maps), batch.sizes)


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
        return FittedPrompts(states, self.backbone.logit_scale)


class Clip(ClipAc):
    name, title = "clip", "CLIP"
    source = "Radford et al., ICML 2021 (arXiv 2103.00020), as a two-class classifier"
    faithful = (
        "Template and softmax are the paper's: 'a photo of a normal [o].' against 'a photo of an anomalous [o].'. The "
        "poster does not print the prompts of this row, so the wording is our reading; the map asks the same two "
        "prompts about the backbone's dense vectors."
    )
    prompts = ("a photo of a normal {}.", "a photo of an anomalous {}.")
