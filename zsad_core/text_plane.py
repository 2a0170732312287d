"""The plane on which a training is drawn: two fixed axes of the joint space, chosen before the first step.

The horizontal axis runs from the plain normal prompt to the plain abnormal one. Both are of unit length, so 0 is where
neither is nearer: plain CLIP's own border stands upright in the middle. The vertical axis is the direction in which the
prompts spread most before they have learned anything. A photo's vector is drawn by the same two axes.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .classifier import StateClassifier
from .prompts import semantic_words

ROWS, COLUMNS = 27, 41  # of the decision field


class TextPlane:
    """Fixed axes for the text vectors of a product.

    Attributes:
        plain: (1 + adjectives, d) text vectors of the plain prompts, the normal one first.
        axes: (2, d) orthonormal: across, from normal to abnormal, and up.
    """

    def __init__(
        self,
        backbone,
        product: str,
        adjectives: Sequence[str],
        vectors: np.ndarray,
        centre: torch.Tensor | None = None,
    ):
        """The plane of a product.

        Args:
            vectors: (N, d) vectors that spread along the vertical axis, l2-normalised.
            centre: (d,) what lies at half the height; the plain normal prompt if it is not given.
        """
        self.plain = backbone.text_vectors(semantic_words(product, adjectives)).float().cpu()
        normal, abnormal = self.plain[0], F.normalize(self.plain[1:].mean(0), dim=0)
        across = F.normalize(abnormal - normal, dim=0)
        spread = torch.as_tensor(vectors, dtype=torch.float32)
        spread = spread - spread.mean(0)
        spread = spread - (spread @ across)[:, None] * across
        up = F.normalize(torch.linalg.svd(spread, full_matrices=False).Vh[0], dim=0)
        up = F.normalize(up - (up @ across) * across, dim=0)
        self._height = (self.plain[0] if centre is None else centre) @ up
        self.axes = torch.stack([across, up])

    def places(self, vectors: np.ndarray | torch.Tensor) -> np.ndarray:
        """(N, d) vectors -> (N, 2) places: across, 0 where the plain prompts are equally near; and up."""
        places = torch.as_tensor(vectors, dtype=torch.float32) @ self.axes.T  # (N, 2)
        return (places - torch.stack([places.new_zeros(()), self._height])).numpy()

    def decisions(self, classifier: StateClassifier, about: torch.Tensor, reach: tuple[float, float]) -> np.ndarray:
        """What the FNN says around a vector, (ROWS, COLUMNS) in [0, 1], top row first.

        Args:
            about: (d,) what all points have in common: its part outside of the plane is kept.
            reach: half the width and half the height of the field, in units of the joint space.
        """
        outside = about - (self.axes @ about) @ self.axes
        across, up = torch.linspace(-reach[0], reach[0], COLUMNS), torch.linspace(reach[1], -reach[1], ROWS)
        grid = torch.stack(torch.meshgrid(up + self._height, across, indexing="ij")[::-1], dim=-1)  # (ROWS, COLUMNS, 2)
        return classifier.probability(outside + grid @ self.axes).numpy()
