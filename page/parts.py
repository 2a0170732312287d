"""Good parts as the page keeps them, and what it calls a detector that knows some."""

import copy
import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zsad_core.detector import Detector
from zsad_core.figures import data_address


@dataclass(frozen=True, eq=False)
class Part:
    """A photo of a good part: `pixels` (H, W, 3) uint8, and what to call it."""

    pixels: np.ndarray
    name: str

    @cached_property
    def digest(self) -> str:
        """The same for the same pixels."""
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()

    @cached_property
    def thumbnail(self) -> str:
        return data_address(self.pixels, 96)


def words_alone(detector: Detector) -> Detector:
    """The detector without its memory of good parts."""
    if not detector.good_parts:
        return detector
    alone = copy.copy(detector)
    alone.memory = None
    return alone


def count_of(parts: int) -> str:
    return "1 good part" if parts == 1 else f"{parts} good parts"


def said_by(detector: Detector) -> str:
    """By what a detector judges: "by words and 4 good parts"."""
    return f"by words and {count_of(detector.good_parts)}" if detector.good_parts else "by words alone"


def doubts_of(detector: Detector) -> tuple[str, ...]:
    """A sentence for each of its good parts that stands out, or that words alone call damaged."""
    return detector.memory.doubts if detector.memory else ()
