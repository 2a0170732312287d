"""Pictures over 2:1, cut into overlapping squares along their long side.

A tower reads squares, and a strip that is squeezed into one is nothing that it has ever seen. So each square is read in
true proportion, as if it were a picture; the worst place gives the strip its score, and their maps are joined.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from .maps import anomaly_map

ELONGATED = 2  # times as long as wide that a picture may be and is still read in one look
STEP = 0.5  # of a square's side, from one to the next: what lies on the edge of one is in the middle of another
MOST = 80  # squares of a picture; of one over 40:1 they become oblong, and are squeezed after all
Numbered = TypeVar("Numbered", torch.Tensor, list)


def squares_in(height: int, width: int) -> int:
    """Into how many squares a picture is cut: 1 up to 2:1."""
    return len(_spans(height, width))


def cut(image: np.ndarray) -> list[np.ndarray]:
    """The squares of a picture (H, W, 3), as views, in the order of the long side; of one up to 2:1 itself."""
    height, width = image.shape[:2]
    spans = _spans(height, width)
    return [image[:, first:last] if width > height else image[first:last] for first, last in spans]


def cut_all(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The squares of all pictures, one picture after the other."""
    return [square for image in images for square in cut(image)]


def by_picture(values: Numbered, sizes: Sequence[tuple[int, int]]) -> Iterator[Numbered]:
    """What belongs to each picture, of values that there are for every square of `cut_all`.

    Args:
        sizes: (height, width) of each picture.
    """
    first = 0
    for size in sizes:
        last = first + squares_in(*size)
        yield values[first:last]
        first = last
    assert first == len(values)


def joined_scores(
    scores: list[float], sizes: Sequence[tuple[int, int]], left_out: Sequence[np.ndarray] | None = None
) -> list[float]:
    """The scores of pictures, of those of their squares: that of the worst place.

    A place lies in two squares that are next to each other, or in the first or the last one alone, and its score is the
    mean of theirs. The highest of many squares alone would be too high by chance.

    Args:
        left_out: (height, width) bool of each picture, what of it has no say; so has a place that is wholly left out.
    """
    joined = []
    for number, of_one in enumerate(by_picture(scores, sizes)):
        places = [(one + following) / 2 for one, following in zip([of_one[0], *of_one], [*of_one, of_one[-1]])]
        if left_out is not None:
            places = [score for score, says in zip(places, _with_a_say(left_out[number]), strict=True) if says]
        joined.append(max(places))
    return joined


def _with_a_say(left_out: np.ndarray) -> list[bool]:
    """Whether anything is not left out of each place of a picture, as `joined_scores` counts them."""
    height, width = left_out.shape
    spans = _spans(height, width)
    if len(spans) == 1:
        return [True, True]
    along = left_out.T if width > height else left_out  # its first axis is the long one
    edges = [*(first for first, _ in spans), spans[-2][1], len(along)]
    return [not along[begin:end].all() for begin, end in zip(edges, edges[1:])]


def joined_map(patches: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """The map of a picture, (height, width) float32 in [0, 1], of patches (N, rows, columns) of its squares.

    Where squares overlap, each fades out towards its edge, so that there is no seam.
    """
    if len(patches) == 1:
        return anomaly_map(patches[0], size)
    height, width = size
    total, weights = np.zeros(size, np.float32), np.zeros(max(size), np.float32)
    upright = total.T if width > height else total  # a view whose first axis is the long one
    for (first, last), grid in zip(_spans(height, width), patches, strict=True):
        side = last - first
        weight = np.minimum(np.arange(side), np.arange(side)[::-1]).astype(np.float32) + 0.5
        part = anomaly_map(grid, (height, side) if width > height else (side, width))
        upright[first:last] += weight[:, None] * (part.T if width > height else part)
        weights[first:last] += weight
    upright /= weights[:, None]
    return total.clip(0, 1)


def _spans(height: int, width: int) -> list[tuple[int, int]]:
    """Where each square begins and ends along the long side."""
    length, breadth = max(height, width), min(height, width)
    if length <= ELONGATED * breadth:
        return [(0, length)]
    count = min(MOST, 1 + math.ceil((length - breadth) / (STEP * breadth)))
    side = max(breadth, math.ceil(length / (1 + STEP * (count - 1))))
    return [(first, first + side) for first in np.linspace(0, length - side, count).round().astype(int).tolist()]
