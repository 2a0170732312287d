"""WinCLIP without any image: the compositional prompt ensemble, asked about the image and about its windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..detector import Inspection
from ..prompts import ABNORMAL_STATES, NORMAL_STATES, TEMPLATES, clean_product_name
from .clip import FittedPrompts
from .method import ImageBatch, Method, inspections, state_probability

SCALE = 1 / 0.07  # inverse of the published temperature
# Of this project's abnormal states "broken {}" was added by AnomalyCLIP; WinCLIP has the other four.
STATES = NORMAL_STATES, tuple(state for state in ABNORMAL_STATES if state != "broken {}")


def harmonic_map(image_scores: torch.Tensor, windows: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Scores of windows as a map: for every patch the harmonic mean over the windows that hold it (equation 3 of the
    paper), then the harmonic mean over the scales, the whole image being one of them.

    Args:
        image_scores: (N,) in (0, 1].
        windows: of each size the scores (N, windows) in (0, 1] and cover (windows, rows, columns), bool, in which
            every patch lies in one window at least.
    Returns:
        (N, rows, columns) in (0, 1].
    """
    inverses = [
        torch.einsum("nw,wrc->nrc", 1 / scores, cover.to(scores.dtype) / cover.sum(0)) for scores, cover in windows
    ]
    whole = (1 / image_scores)[:, None, None].expand_as(inverses[0])  # (N, rows, columns)
    return 1 / torch.stack([whole, *inverses]).mean(0)


@dataclass(frozen=True, eq=False)
class FittedEnsemble(FittedPrompts):
    """The mean text vectors of the normal and the abnormal sentences; the map is made of windows."""

    def image_scores(self, batch: ImageBatch) -> torch.Tensor:
        """(N,) scores of the images, which are the image vectors' alone; asks for no windows."""
        whole = state_probability(batch.encoded.image, self.states, self.logit_scale)
        return self.scale(whole, whole[:, None, None])[0]

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        whole = state_probability(batch.encoded.image, self.states, self.logit_scale)
        windows = [
            (state_probability(vectors, self.states, self.logit_scale), cover) for vectors, cover in batch.windows
        ]
        return inspections(*self.scale(whole, harmonic_map(whole, windows)), batch.sizes)


class WinClip(Method):
    name, title = "winclip", "WinCLIP"
    source = "Jeong et al., CVPR 2023 (arXiv 2303.14814)"
    faithful = (
        "On a ViT as published for zero shots: 7 and 4 states in 22 templates, windows of 2 x 2 and 3 x 3 patches with "
        "the class token, harmonic means over windows and scales, the image score from the image vector alone; but "
        "images are resized to the square, and prompt vectors are normalised before their mean. Convolutional towers, "
        "`embedded` among them, have no tokens to drop: their windows are overlapping crops."
    )
    seeded = False

    def fit(self, product: str, seed: int = 0) -> FittedPrompts:
        product = clean_product_name(product)
        sentences = [[template.format(state.format(product)) for state in states for template in TEMPLATES]
                     for states in STATES]  # fmt: skip
        vectors = self.backbone.text_vectors(sentences[0] + sentences[1]).split([len(group) for group in sentences])
        states = F.normalize(torch.stack([group.mean(0) for group in vectors]), dim=-1)
        return FittedEnsemble(states, SCALE, self.scale)
