"""Places of a picture that are left out: rectangles, or whatever a mask marks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError, quoted
from .masks import read_mask

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the upright picture; x1 and y1 lie just outside
SAME_SHAPE = 0.02  # by how much the proportions of a mask may differ from a picture's


@dataclass(frozen=True, eq=False)
class Ignored:
    """What is left out of every picture.

    Attributes:
        boxes: rectangles of pixels.
        masks: (h, w) bool, True where a picture of the same proportions is left out.
    """

    boxes: tuple[Box, ...] = ()
    masks: tuple[np.ndarray, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.boxes or self.masks)

    def places(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool: what is left out of a picture of this size.

        Raises:
            InputError: a box lies outside the picture, a mask has other proportions, or nothing is left.
        """
        out = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in self.boxes:
            if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
                raise InputError(
                    f"The place to leave out, {x0},{y0},{x1},{y1}, lies outside the picture of {width} x {height} "
                    "pixels: give x0,y0,x1,y1 in its pixels."
                )
            out[max(y0, 0) : y1, max(x0, 0) : x1] = True
        for mask in self.masks:
            rows, columns = mask.shape
            if abs(columns * height - rows * width) > max(SAME_SHAPE * columns * height, height, width):
                raise InputError(
                    f"The mask of what to leave out is {columns} x {rows} pixels, and the picture {width} x {height}: "
                    "give a mask of the same proportions."
                )
            out |= mask[np.arange(height) * rows // height][:, np.arange(width) * columns // width]
        if out.all():
            raise InputError("The whole picture is left out, so that nothing is there to score: leave out less.")
        return out


NOTHING = Ignored()


def as_ignored(given) -> Ignored:
    """What to leave out: an `Ignored` as it is, a mask (h, w) that is not 0 there, or nothing for None.

    Raises:
        InputError: something else, or a mask without a pixel.
    """
    if given is None or isinstance(given, Ignored):
        return given or NOTHING
    if isinstance(given, np.ndarray) and given.ndim == 2 and given.size and given.dtype.kind in "buif":
        return Ignored(masks=(given != 0,))
    said = f"an array {given.shape} of {given.dtype}" if isinstance(given, np.ndarray) else quoted(given)
    raise InputError(f"What to ignore must be a mask (height, width) or an Ignored, such as "
                     f"Ignored(boxes=((0, 0, 9, 9),)), not {said}.")  # fmt: skip


def ignored_in(texts: Iterable[str]) -> Ignored:
    """What texts say: each "x0,y0,x1,y1", or the path of a mask as `read_mask` reads it.

    Raises:
        InputError: as `box_in`, or a mask that cannot be read or marks nothing.
    """
    found = [box_in(text) or _mask(text) for text in texts]
    boxes = tuple(one for one in found if isinstance(one, tuple))
    return Ignored(boxes, tuple(one for one in found if not isinstance(one, tuple)))


def box_in(text: str) -> Box | None:
    """The rectangle "x0,y0,x1,y1"; None where the text can only be a path.

    Raises:
        InputError: numbers that are no rectangle with a pixel in it.
    """
    if not re.fullmatch(r"[-+\d\s.,;]+", text) or text.strip(".") == "":
        return None
    if not re.fullmatch(r"\s*-?\d{1,9}(\s*,\s*-?\d{1,9}){3}\s*", text):
        raise InputError(f"{text!r:.60} is no place to leave out: give x0,y0,x1,y1 in whole pixels, or a mask.")
    x0, y0, x1, y1 = map(int, text.split(","))
    if not (x0 < x1 and y0 < y1):
        raise InputError(
            f"The place to leave out, {text.strip()}, has no pixel in it: x0 must be under x1, and y0 under y1."
        )
    return x0, y0, x1, y1


def _mask(path: str) -> np.ndarray:
    marked = read_mask(Path(path))
    if not marked.any():
        raise InputError(f"The mask {Path(path).name[-80:]!r} marks nothing, so it leaves nothing out: paint what to "
                         "leave out white on black.")  # fmt: skip
    return marked
