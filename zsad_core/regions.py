"""Regions: the connected places of an anomaly map over the neutral point, as boxes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from .verdict import NEUTRAL


@dataclass(frozen=True)
class Region:
    """A connected place of a picture that looks abnormal; pixels that touch at a corner are connected.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the picture; x1 and y1 lie just outside.
        area: in pixels.
        peak: the highest value of the map in it, over NEUTRAL to 1.
        centroid: (x, y) of its centre in pixels; the first pixel's own centre is 0.5.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float
    centroid: tuple[float, float]

    def __str__(self) -> str:
        return f"{','.join(map(str, self.box))} ({self.peak:.2f})"

    def to_dict(self) -> dict:
        return asdict(self)


def abnormal_places(anomaly_map: np.ndarray) -> np.ndarray:
    """Where a map (H, W) is over the neutral point: (H, W) uint8, 255 there and 0 elsewhere."""
    return (anomaly_map > NEUTRAL).astype(np.uint8) * np.uint8(255)


def regions_of(anomaly_map: np.ndarray) -> list[Region]:
    """The regions of a map (H, W) in [0, 1], the one with the highest peak first."""
    over = anomaly_map > NEUTRAL
    starts, ends, row, stride = _runs(over)
    if not len(starts):
        return []
    # A run touches those of the row above that begin before it ends and end after it begins.
    first, last = np.searchsorted(ends, starts - stride), np.searchsorted(starts, ends - stride, "right")
    touching = np.repeat(np.arange(len(starts)), last - first)
    above = np.arange(len(touching)) - np.repeat(np.cumsum(last - first) - last, last - first)
    region = np.unique(_lowest_connected(len(starts), touching, above), return_inverse=True)[1]
    count, lengths = region.max() + 1, ends - starts
    left, right = starts - row * stride, ends - row * stride
    peaks = np.maximum.reduceat(anomaly_map[over], np.cumsum(lengths) - lengths)
    area = np.bincount(region, lengths, count)
    across = np.bincount(region, lengths * (left + right) / 2, count) / area
    down = np.bincount(region, lengths * (row + 0.5), count) / area
    x0, y0 = (_extreme(np.minimum, region, of, count) for of in (left, row))
    x1, y1, peak = (_extreme(np.maximum, region, of, count) for of in (right, row + 1, peaks))
    found = [
        Region((int(a), int(b), int(c), int(d)), int(pixels), float(highest), (float(x), float(y)))
        for a, b, c, d, pixels, highest, x, y in zip(x0, y0, x1, y1, area, peak, across, down, strict=True)
    ]
    return sorted(found, key=lambda one: one.peak, reverse=True)


def _runs(over: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Where each run of pixels begins and ends (just outside) in rows that are laid end to end with a gap of one pixel;
    its row; and the length of a row with its gap."""
    stride = over.shape[1] + 1
    flat = np.zeros((over.shape[0], stride), bool)
    flat[:, :-1] = over
    changes = np.flatnonzero(np.diff(flat.ravel(), prepend=False))
    starts, ends = changes[::2], changes[1::2]
    return starts, ends, starts // stride, stride


def _lowest_connected(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each of `count` numbers the lowest that it is connected with, by pairs (P,), (P,)."""
    lowest = np.arange(count)
    while (lowest[one] != lowest[other]).any():
        lower = np.minimum(lowest[one], lowest[other])
        np.minimum.at(lowest, lowest[one], lower)
        np.minimum.at(lowest, lowest[other], lower)
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
    return lowest


def _extreme(of_two: np.ufunc, region: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The least or greatest of the values (R,) in each of `count` regions."""
    found = np.full(count, np.inf if of_two is np.minimum else -np.inf)
    of_two.at(found, region, values)
    return found


def listed(regions: Sequence[Region], most: int) -> str:
    """The hottest regions in one line, as far as `most` of them, such as "10,20,34,60 (0.81); 90,8,99,15 (0.62)"."""
    more = [f"and {len(regions) - most} more"] if len(regions) > most else []
    return "; ".join([*map(str, regions[:most]), *more])
