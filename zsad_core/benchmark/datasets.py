"""Labelled inspection images on disk, read where they lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Sample:
    """One test image. `damaged` is its label; `mask_path` the file of its pixel mask, None where there is none."""

    path: Path
    damaged: bool
    mask_path: Path | None = None

    def mask(self, shape):
        """bool (H, W): where the damage is; nowhere on a good image; None for a damaged one without a mask."""
        if not self.damaged:
            return np.zeros(shape, bool)
        if self.mask_path is None:
            return None
        image = Image.open(self.mask_path).convert("L").resize(shape[::-1], Image.Resampling.NEAREST)
        return np.asarray(image) > 127


@dataclass(frozen=True)
class Category:
    """All test images of one product, as a person would name it ("metal nut")."""

    product: str
    samples: tuple


def read_mvtec(root):
    """Every category in MVTec AD's layout at or below `root`: `<category>/test/<good or defect>/*`, `ground_truth`.

    Returns:
        list of `Category`, by name; the masks are `ground_truth/<defect>/<stem>_mask.png`.
    Raises:
        InputError: there is no such category.
    """
    categories = []
    for test in sorted(path for path in Path(root).rglob("test") if path.is_dir()):
        samples = []
        for path in sorted(path for path in test.glob("*/*") if path.suffix.lower() in SUFFIXES):
            defect = path.parent.name
            mask = test.parent / "ground_truth" / defect / f"{path.stem}_mask.png"
            samples.append(Sample(path, defect != "good", mask if defect != "good" and mask.exists() else None))
        if samples:
            categories.append(Category(test.parent.name.replace("_", " "), tuple(samples)))
    if not categories:
        raise InputError(f"There is no data in MVTec's layout (<category>/test/good/*.png) below {Path(root).name!r}.")
    return categories
