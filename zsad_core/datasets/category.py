"""What a data set is made of: categories, each of one product, and their images with labels and masks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..masks import read_mask, resized
from .mask_finder import MaskFinder
from .tree import Folder, Photo

# What a folder's name hides. The others are read as the papers spell them, "metal_nut" as "metal nut".
_SPELLED = {
    "audiojack": "audio jack",
    "chewinggum": "chewing gum",
    "KolektorSDD": "surface",
    "pcb": "printed circuit board",
    "terminalblock": "terminal block",
    "wallplugs": "wall plugs",
}
UNNAMED = "object"  # the product of a category that is a number


@dataclass(frozen=True)
class Sample:
    """One image.

    Attributes:
        damaged: its label.
        mask_path: the file of its pixel mask, or the folder of several; None where there is none.
        name: what it is called within its category, such as "scratch/000.png".
    """

    path: Path
    damaged: bool
    mask_path: Path | None = None
    name: str = ""

    def mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W): where the damage is; nowhere on a good image; None for a damaged one without a mask.

        Raises:
            InputError: the mask cannot be read.
        """
        if not self.damaged:
            return np.zeros(shape, bool)
        return None if self.mask_path is None else resized(read_mask(self.mask_path), shape)


@dataclass(frozen=True)
class Category:
    """All test images of one product.

    Attributes:
        product: as a person would name it in a sentence, "metal nut".
        dataset: name of the folder of the data set, "MVTecAD".
        name: as the data set calls it, "metal_nut"; of AeBAD, the domain.
        training: its images outside of the test, where the layout has some: of what is found the intact ones.
        notes: sentences on what its data leave open.
        place: the folders that lead to its data set from the folder that was searched.
    """

    product: str
    samples: tuple[Sample, ...]
    dataset: str = ""
    name: str = ""
    training: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()
    place: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.dataset}/{self.name}"


def spelled(name: str) -> str:
    """The name of a category's folder in words: "metal_nut" is a metal nut, "pcb3" a printed circuit board.

    A number is an "object".
    """
    name = name.rstrip("0123456789").rstrip("_- ")
    if name.casefold() in ("", "class", "category", "product"):
        return UNNAMED
    return _SPELLED.get(name, name.replace("_", " ").replace("-", " "))


def samples_of(
    photos: Iterable[tuple[Photo, bool | None]], folder: Folder, masks: MaskFinder
) -> tuple[tuple[Sample, ...], list[str]]:
    """The samples of photos with labels, named from `folder` on, and sentences on their masks.

    A photo without a label is no sample. A mask that fits several damaged ones is nobody's.
    """
    labelled = [(photo, damaged) for photo, damaged in photos if damaged is not None]
    found = [masks.find(photo) if damaged else None for photo, damaged in labelled]
    counts = Counter(found)
    samples = tuple(
        Sample(photo.path, damaged, mask if counts[mask] == 1 else None, photo.below(folder))
        for (photo, damaged), mask in zip(labelled, found)
    )
    shared = sum(count > 1 for mask, count in counts.items() if mask)
    if not shared:
        return samples, []
    return samples, [f"Not used, as they fit several damaged images: {counted(shared, 'mask')}. Put them into folders."]


def counted(number: int, thing: str) -> str:
    """ "1 image", "3 images"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
