"""From probabilities of patches to the anomaly map of an image, the same for the detector and every baseline."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .gaussian import gaussian_filtered

KEPT = 2_000_000  # pixels up to which a map is kept once it is made
REACH = 4  # standard deviations after which the Gaussian is cut off


def mean_over_neighbours(patches: torch.Tensor) -> torch.Tensor:
    """The mean over 3 x 3 patches, fewer at the border: (N, rows, columns) -> (N, rows, columns)."""
    return F.avg_pool2d(patches[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def enlarged(patches: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Bilinearly, to the height and width of `size`: (N, rows, columns) -> (N, height, width)."""
    return F.interpolate(patches[:, None], size=tuple(size), mode="bilinear")[:, 0]


def smoothed(patches: torch.Tensor, side: int, deviation: float) -> torch.Tensor:
    """Enlarged to (N, side, side) and then under a Gaussian of so many pixels, as several papers do it."""
    maps = enlarged(patches, (side, side))[:, None]
    return gaussian_filtered(maps, deviation, round(REACH * deviation), border="reflect")[:, 0]


def anomaly_map(patches: torch.Tensor, size: Sequence[int]) -> np.ndarray:
    """The map that is handed out: patches (rows, columns) -> (height, width) float32 in [0, 1].

    Between patches it is interpolated; the pixel in the middle of the hottest patch has that patch's value, so that no
    picture scores more than the hottest place of its map.
    """
    found = enlarged(patches[None], size)[0]
    hottest = divmod(int(patches.argmax()), patches.shape[1])
    middle = tuple((2 * place + 1) * most // (2 * count) for place, most, count in zip(hottest, size, patches.shape))
    found[middle] = patches[hottest]
    return found.clamp(0, 1).numpy()


class MapOfSize:
    """The field of an inspection that holds its map: the array, or a function without arguments that makes it.

    What it makes is kept if it is small. A photo of 20 megapixels has a map of 80 MB, which is made anew each time.
    """

    def __get__(self, inspection, owner=None) -> np.ndarray:
        if inspection is None:
            raise AttributeError("a map has no default")  # which makes the field one that must be given
        made = inspection.__dict__["map"]
        if callable(made):
            made = made()
            if made.size <= KEPT:
                inspection.__dict__["map"] = made
        return made

    def __set__(self, inspection, given) -> None:
        inspection.__dict__["map"] = given
