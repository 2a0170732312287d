"""A closer look at large pictures: windows of the picture itself, read only where coarser looks are warm.

One look squeezes a picture of 4K into 256 pixels, and a scratch of 60 x 14 into 4 x 1. So windows are read, each as if
it were a picture: all of a coarse grid, which tell where it is warm, and there the closest ones, as many as a quarter
of the cost of all of them allows. The hottest places of these give the score. The rule was chosen on large pictures as
`training.small_damage` makes them.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from .elongated import squares_in
from .errors import InputError
from .images import read_image
from .maps import enlarged

CLOSEST = 2  # sides of what the tower reads, that the closest windows have at least
SHARE = 0.25  # of the cost of all closest windows
HOTTEST = 1 / 32  # of a window's patches whose mean decides
CLOSE_POWER = 3  # makes .5 of .79, about where the hottest places of clean renders lie: close up, edges look damaged
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


def inspect_finely(detector, image, share: float = SHARE):
    """The `Inspection` of an image by closer looks; by one look, where that is close enough.

    Args:
        detector: a `Detector` by words alone.
        image: whatever `read_image` reads.
        share: of the cost of all closest windows that may be spent; 1 reads them all.

    Raises:
        InputError: an image that cannot be read, or a detector with good parts, which are remembered as a whole.
    """
    from .detector import Inspection  # here, because the detector offers this as one of its modes

    if detector.memory is not None:
        raise InputError('The mode "fine" knows no good parts, which are remembered as a whole: leave them out, or '
                         'choose "fast".')  # fmt: skip
    pixels = read_image(image)
    whole = detector.inspect(pixels)
    height, width = size = pixels.shape[:2]
    side = closest_side(height, width, detector.backbone.image_size)
    if side is None:
        return whole
    cell = side / CELLS
    warmth = whole.map[:: max(1, int(cell)), :: max(1, int(cell))]
    joined = enlarged(torch.from_numpy(warmth.copy())[None], [math.ceil(length / cell) for length in size])[0].numpy()
    closest = windows(height, width, side, overlap=True)
    left = int(share * len(closest)) - squares_in(height, width)
    for halvings in range(1, int(math.log2(min(height, width) // side)) if share < 1 else 0):
        coarser = windows(height, width, min(height, width) // 2**halvings, overlap=False)
        joined = _laid_over(joined, coarser, _patches(detector, pixels, coarser), cell, size)
        left -= len(coarser)
    chosen = closest if share >= 1 else _warmest(closest, joined, cell, max(0, left))
    if not chosen:
        return whole
    patches = _patches(detector, pixels, chosen)
    joined = _laid_over(joined, chosen, patches, cell, size)
    count = max(1, int(patches[0].numel() * HOTTEST))
    score = min(1.0, patches.flatten().topk(count).values.mean().item())
    return Inspection(score=score, map=enlarged(torch.from_numpy(joined)[None], size)[0].clamp(0, 1).numpy())


def _patches(detector, pixels: np.ndarray, chosen: Sequence[Window]) -> torch.Tensor:
    """What the detector says of the patches of windows, (N, rows, columns), on the scale of a whole picture."""
    found = []
    for first in range(0, len(chosen), AT_ONCE):
        parts = [pixels[top : top + side, left : left + side] for top, left, side in chosen[first : first + AT_ONCE]]
        found.append(detector.patch_probabilities(detector.backbone.encode(parts).dense))
    return torch.cat(found) ** CLOSE_POWER


def _warmest(closest: Sequence[Window], warmth: np.ndarray, cell: float, count: int) -> list[Window]:
    """The windows with the warmest hottest places, in their order."""

    def heat(window: Window) -> float:
        top, left, side = (round(length / cell) for length in window)
        within = np.sort(warmth[top : top + side, left : left + side], axis=None)
        return within[-max(1, int(within.size * HOTTEST)) :].mean()

    warmest = sorted(range(len(closest)), key=lambda index: heat(closest[index]), reverse=True)[:count]
    return [closest[index] for index in sorted(warmest)]


def _laid_over(
    joined: np.ndarray, chosen: Sequence[Window], patches: torch.Tensor, cell: float, size: tuple[int, int]
) -> np.ndarray:
    """A map in cells with the maps of windows over it; each fades out towards its edges, so that there is no seam."""
    total, weights = np.zeros_like(joined), np.zeros_like(joined)
    for (top, left, side), grid in zip(chosen, patches, strict=True):
        down, across, length = round(top / cell), round(left / cell), round(side / cell)
        place = np.s_[down : down + length, across : across + length]
        weight = np.outer(
            _fade(length, top == 0, top + side == size[0]), _fade(length, left == 0, left + side == size[1])
        )
        part = enlarged(grid[None], (length, length))[0].numpy()
        weight, part = (values[: total[place].shape[0], : total[place].shape[1]] for values in (weight, part))
        total[place] += weight * part
        weights[place] += weight
    share = weights.clip(max=1)
    return (1 - share) * joined + share * total / weights.clip(min=1e-6)


def _fade(length: int, starts: bool, ends: bool) -> np.ndarray:
    """Weights from 0 at the edges of a window to 1 in its middle; on an edge of the picture they stay 1."""
    rising = (np.arange(length, dtype=np.float32) + 0.5) * 2 / length
    return np.minimum(np.ones_like(rising) if starts else rising, np.ones_like(rising) if ends else rising[::-1]).clip(
        max=1
    )
