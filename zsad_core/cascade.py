"""A closer look at large pictures: windows of the picture itself, read only where coarser looks are warm.

One look squeezes a picture of 4K into 256 pixels, and a scratch of 60 x 14 into 4 x 1. So windows are read, each as if
it were a picture and on the same scale: all of a coarse grid, which tell where it is warm, and there the closest ones,
as many as a quarter of the cost of all of them allows. Their maps are joined, and the hottest places of that give the
score. The rule was chosen on large pictures as `training.small_damage` makes them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from .elongated import squares_in
from .images import read_image
from .maps import enlarged
from .profile import OURS
from .scale import log_odds
from .without_say import without_say

CLOSEST = 2  # sides of what the tower reads, that the closest windows have at least
SHARE = 0.25  # of the cost of all closest windows
CLOSE_OFFSET = -0.9  # of log-odds: close up, edges look damaged; so clean and damaged renders lie evenly about .5
AT_ONCE = 8  # windows in memory
CELLS = 64  # of a closest window's side, on which maps are joined


class Window(NamedTuple):
    """A square part of a picture, in pixels."""

    top: int
    left: int
    side: int


def closest_side(height: int, width: int, image_size: int) -> int | None:
    """The side of the closest windows of a picture, halves of its short side; None where one look is close enough."""
    halvings = int(math.log2(max(1, min(height, width) / (CLOSEST * image_size))))
    return min(height, width) // 2**halvings if halvings else None


def windows(height: int, width: int, side: int, overlap: bool) -> list[Window]:
    """Windows that cover a picture, row by row; with overlap by half of their side."""
    step = side / 2 if overlap else side
    tops, lefts = (
        np.linspace(0, length - side, 1 + math.ceil((length - side) / step)).round().astype(int).tolist()
        for length in (height, width)
    )
    return [Window(top, left, side) for top in tops for left in lefts]


def inspect_finely(detector, image, share: float = SHARE, left_out: np.ndarray | None = None):
    """The `Inspection` of an image by closer looks; by one look, where that is close enough.

    Args:
        detector: a `Detector` by words alone.
        image: whatever `read_image` reads.
        share: of the cost of all closest windows that may be spent; 1 reads them all.
        left_out: (H, W) bool, what has no say and is painted over already.

    Raises:
        InputError: an image that cannot be read.
    """
    from .detector import Inspection  # here, because the detector offers this as one of its modes

    pixels = read_image(image)
    whole = detector.inspect(pixels) if left_out is None else detector.inspect(pixels, ignore=left_out)
    height, width = size = pixels.shape[:2]
    side = closest_side(height, width, detector.backbone.image_size)
    if side is None:
        return whole
    cell = side / CELLS
    warmth = torch.from_numpy(whole.map[:: max(1, int(cell)), :: max(1, int(cell))].copy())
    coarse = enlarged(log_odds(warmth)[None], [math.ceil(length / cell) for length in size])[0].numpy()
    closest = _with_a_say(windows(height, width, side, overlap=True), left_out)
    left = int(share * len(closest)) - squares_in(height, width)
    for halvings in range(1, int(math.log2(min(height, width) // side)) if share < 1 else 0):
        coarser = _with_a_say(windows(height, width, min(height, width) // 2**halvings, overlap=False), left_out)
        found, weights = _joined(coarser, _places(detector, pixels, coarser, left_out), cell, size, coarse.shape)
        coarse += weights * (found - coarse)
        left -= len(coarser)
    scale = detector.backbone.profile.scale(OURS)
    chosen = closest if share >= 1 else _warmest(closest, coarse, cell, max(0, left), scale.hottest)
    if not chosen:
        return whole
    close, weights = _joined(chosen, _places(detector, pixels, chosen, left_out), cell, size, coarse.shape)
    hottest = _hottest(close[weights == 1], CELLS**2 * scale.hottest)
    coarse -= max(0, coarse.max() - hottest)  # where nothing closer was read, no place is hotter than the score
    joined = torch.from_numpy(coarse + weights * (close - coarse)) + CLOSE_OFFSET
    score = 1 / (1 + math.exp(-hottest - CLOSE_OFFSET))
    return Inspection(score=score, map=enlarged(joined[None], size)[0].sigmoid().numpy())


def _with_a_say(some: Sequence[Window], left_out: np.ndarray | None) -> list[Window]:
    """The windows that are not wholly left out."""
    return [one for one in some if left_out is None or not _part(left_out, one).all()]


def _part(image: np.ndarray, window: Window) -> np.ndarray:
    return image[window.top : window.top + window.side, window.left : window.left + window.side]


def _places(detector, pixels: np.ndarray, some: Sequence[Window], left_out: np.ndarray | None) -> torch.Tensor:
    """The maps of windows in log-odds, (N, rows, columns)."""
    found, scale = [], detector.backbone.profile.scale(OURS)
    for first in range(0, len(some), AT_ONCE):
        batch = some[first : first + AT_ONCE]
        encoded = detector.backbone.encode([_part(pixels, one) for one in batch])
        if left_out is not None:
            encoded = without_say(encoded, [_part(left_out, one) for one in batch], detector.patch_probabilities)
        found.append(log_odds(scale(*detector.evidence(encoded))[1]))
    return torch.cat(found)


def _hottest(places: np.ndarray, count: float) -> float:
    """The mean of so many places that are hottest, one at least."""
    return np.sort(places, axis=None)[-max(1, round(count)) :].mean().item()


def _warmest(closest: Sequence[Window], warmth: np.ndarray, cell: float, count: int, share: float) -> list[Window]:
    """The windows whose hottest places, this share of them, are warmest, in their order."""

    def heat(window: Window) -> float:
        top, left, side = (round(length / cell) for length in window)
        within = warmth[top : top + side, left : left + side]
        return _hottest(within, within.size * share)

    warmest = sorted(range(len(closest)), key=lambda index: heat(closest[index]), reverse=True)[:count]
    return [closest[index] for index in sorted(warmest)]


def _joined(
    some: Sequence[Window], places: torch.Tensor, cell: float, size: tuple[int, int], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The maps of windows joined in cells, and how much each cell is theirs, 0 to 1: each fades out towards its edges.

    So there is no seam. Both are (rows, columns) float32 of this shape.
    """
    total, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for (top, left, side), grid in zip(some, places, strict=True):
        down, across, length = round(top / cell), round(left / cell), round(side / cell)
        place = np.s_[down : down + length, across : across + length]
        weight = np.outer(
            _fade(length, top == 0, top + side == size[0]), _fade(length, left == 0, left + side == size[1])
        )
        part = enlarged(grid[None], (length, length))[0].numpy()
        weight, part = (values[: total[place].shape[0], : total[place].shape[1]] for values in (weight, part))
        total[place] += weight * part
        weights[place] += weight
    return total / weights.clip(min=1e-6), (2 * weights).clip(max=1)


def _fade(length: int, starts: bool, ends: bool) -> np.ndarray:
    """Weights from 0 at the edges of a window to 1 in its middle; on an edge of the picture they stay 1."""
    rising = (np.arange(length, dtype=np.float32) + 0.5) * 2 / length
    return np.minimum(np.ones_like(rising) if starts else rising, np.ones_like(rising) if ends else rising[::-1]).clip(
        max=1
    )
