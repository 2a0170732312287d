"""How places of a picture that are left out lose their say.

What is shown there never reaches the network: it is painted over with the mean colour of the rest. There the map is 0,
and the score speaks of the other places alone. Of 21 pairs of the yardstick whose damage was left out, the score was
then nearest to the intact twin's: .07 from it, with paint that flows in from the sides .08 to .09 (by hand).
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .backbone import Encoded


def painted_over(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 with the mean colour of the rest in the places (H, W) bool that are left out."""
    if not places.any():
        return pixels
    painted = pixels.copy()
    painted[places] = pixels.mean(axis=(0, 1), where=~places[..., None]).round()
    return painted


def without_say(
    encoded: Encoded, places: Sequence[np.ndarray], words: Callable[[torch.Tensor], torch.Tensor]
) -> Encoded:
    """Squares as the backbone saw them, but in each place that is left out it sees what words find the median place.

    So whatever is asked of the places, their hottest or their median, is asked of the others. A place of the network's
    grid is left out where any of its pixels is, or where one next to it is, as the paint has an edge; where that would
    leave none, those with the most such pixels are.

    Args:
        encoded: of N squares. places: (H, W) bool of each.
        words: dense vectors (N, rows, columns, d) -> (N, rows, columns), how abnormal words find each.
    """
    said = words(encoded.dense)
    changed = {}
    for name in ("dense", "features"):
        vectors = getattr(encoded, name)
        if vectors.shape[-1]:
            changed[name] = torch.stack([_with_median(*one) for one in zip(vectors, said, places, strict=True)])
    return dataclasses.replace(encoded, **changed)


def _with_median(vectors: torch.Tensor, said: torch.Tensor, places: np.ndarray) -> torch.Tensor:
    """Vectors (h, w, C) of a square with that of the median place in `places`; said: (rows, columns) by words."""
    cover = F.adaptive_avg_pool2d(torch.from_numpy(places)[None, None].float(), vectors.shape[:2])
    tried = F.max_pool2d(cover, 3, 1, 1) > 0, cover > 0, cover > cover.min()
    out = next(each for each in tried if not each.all()).flatten()
    here = F.adaptive_avg_pool2d(said[None, None], vectors.shape[:2]).flatten()
    middle = torch.where(out, torch.inf, here).argsort()[(~out).sum() // 2]
    flat = vectors.flatten(0, 1).clone()
    flat[out] = flat[middle].clone()
    return flat.view(vectors.shape)


def silenced(inspection, places: np.ndarray) -> np.ndarray:
    """The map of an inspection, 0 in the places (H, W) bool that are left out."""
    return np.where(places, np.float32(0), inspection.map)
