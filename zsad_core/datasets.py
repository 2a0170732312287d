"""Labelled inspection images on disk, read where they lie: MVTec's layout, VisA's split file, AeBAD's domains, and the
`index.csv` of rendered pairs."""

import csv
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from .errors import InputError
from .images import read_image
from .labels import is_normal

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
VISA_SPLIT = "split_csv/1cls.csv"  # the one-class split: columns object, split, label, image, mask
AEBAD_DOMAINS = ("same", "background", "illumination", "view")  # the first is the one without a shift

# What a folder's name hides. The others are read as the papers spell them, "metal_nut" as "metal nut".
_SPELLED = {"chewinggum": "chewing gum", "pcb": "printed circuit board"}
RENDERED_INDEX = "index.csv"  # columns pair, product and perhaps name; a pair is three files
# Of an index without the column "name", where the family's key says it badly.
RENDERED_NAMES = {
    "lobed_nut": "metal nut",
    "hex_nut": "hex nut",
    "bottle_top": "bottle",
    "bottle_side": "bottle",
    "pcb": "circuit board",
    "nutshell": "nut",
    "fins": "heat sink",
    "array": "bottle cap array",
    "keys": "keyboard",
    "blister": "blister pack",
    "grid": "metal grid",
}
AEBAD_PRODUCT = "aero-engine blade"


@dataclass(frozen=True)
class Sample:
    """One test image.

    Attributes:
        damaged: its label.
        mask_path: the file of its pixel mask, None where there is none.
        name: what it is called within its category, such as "scratch/000.png".
    """

    path: Path
    damaged: bool
    mask_path: Path | None = None
    name: str = ""

    def mask(self, shape):
        """bool (H, W): where the damage is; nowhere on a good image; None for a damaged one without a mask.

        Raises:
            InputError: the file of the mask cannot be read.
        """
        if not self.damaged:
            return np.zeros(shape, bool)
        if self.mask_path is None:
            return None
        # MVTec marks damage as 255, VisA numbers its kinds 1, 2, ...
        marked = read_image(self.mask_path).any(axis=2)  # (H, W)
        return np.asarray(Image.fromarray(marked).resize(shape[::-1], Image.Resampling.NEAREST))


@dataclass(frozen=True)
class Category:
    """All test images of one product.

    Attributes:
        product: as a person would name it in a sentence, "metal nut".
        dataset: name of the folder that was given, "MVTecAD".
        name: as the data set calls it, "metal_nut"; of AeBAD, the domain.
        training: its intact images outside of the test, where the layout has some (MVTec's and VisA's).
    """

    product: str
    samples: tuple
    dataset: str = ""
    name: str = ""
    training: tuple = ()

    def __str__(self):
        return f"{self.dataset}/{self.name}"


def read_dataset(root):
    """Every category in a folder, whose layout is recognised from what lies in it.

    Returns:
        list of `Category`, by name.
    Raises:
        InputError: no such folder, or no data in one of the four layouts.
    """
    if not Path(root).is_dir():
        raise InputError(f"There is no folder {Path(root).name!r}: give the folder of a data set.")
    root = Path(root).resolve()
    if (root / RENDERED_INDEX).is_file():
        return read_rendered(root)
    for split in sorted(root.rglob(VISA_SPLIT)):
        return read_visa(split.parents[1], root.name)
    for good in sorted(root.rglob("test/good")):
        if any((good / domain).is_dir() for domain in AEBAD_DOMAINS):
            return read_aebad(good.parents[1], root.name)
    return read_mvtec(root)


def read_mvtec(root):
    """Every category in MVTec AD's layout at or below `root`: `<category>/test/<good or defect>/*`, `ground_truth`.

    Returns:
        list of `Category`, by name; the masks are `ground_truth/<defect>/<stem>_mask.png`.
    Raises:
        InputError: there is no such category.
    """
    root, categories = Path(root), []
    for test in sorted(path for path in root.rglob("test") if path.is_dir()):
        samples = []
        for path in _images(test.glob("*/*")):
            defect = path.parent.name
            mask = test.parent / "ground_truth" / defect / f"{path.stem}_mask.png"
            samples.append(_sample(path, defect, mask, f"{defect}/{path.name}"))
        if samples:
            name = test.parent.name
            good = _images(test.parent.glob("train/good/*"))
            training = tuple(Sample(path, False, name=f"train/good/{path.name}") for path in good)
            categories.append(Category(spelled(name), tuple(samples), root.name, name, training))
    if not categories:
        raise InputError(
            f"There is no data below {root.name!r}: give a folder in MVTec's layout (<category>/test/good/*.png), with "
            f"VisA's {VISA_SPLIT}, or with AeBAD's domains (test/good/{AEBAD_DOMAINS[0]}/*.png)."
        )
    return categories


def read_visa(root, dataset):
    """The test images that VisA's one-class split names (Zou et al., ECCV 2022); missing ones are named when read.

    Returns:
        list of `Category`, by name.
    Raises:
        InputError: the split file is not what it should be.
    """
    categories, training = {}, {}
    try:
        with open(root / VISA_SPLIT, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                path, mask = _within(root, row["image"]), _within(root, row["mask"]) if row["mask"] else None
                name = "/".join(path.parts[-2:])
                sample = Sample(path, row["label"] != "normal", mask, name)
                if row["split"] == "test":
                    categories.setdefault(_named(row["object"]), []).append(sample)
                elif not sample.damaged:
                    training.setdefault(_named(row["object"]), []).append(sample)
    except (KeyError, TypeError, ValueError, csv.Error):
        raise InputError(
            f"{VISA_SPLIT} is damaged: it should be a table with the columns object, split, label, image and mask. "
            "Take it from the data set again."
        ) from None
    if not categories:
        raise InputError(f"{VISA_SPLIT} names no test image: take it from the data set again.")
    return [
        Category(spelled(name), tuple(samples), dataset, name, tuple(training.get(name, ())))
        for name, samples in sorted(categories.items())
    ]


def read_aebad(root, dataset):
    """The domains of AeBAD-S (Zhang et al., 2023) as categories: `test/<good or defect>/<domain>/*`, `ground_truth`.

    Returns:
        list of `Category`, in the order of AEBAD_DOMAINS; a mask has the name of its image.
    """
    categories = []
    for domain in AEBAD_DOMAINS:
        samples = []
        for path in _images(root.glob(f"test/*/{domain}/*")):
            defect = path.parents[1].name
            mask = root / "ground_truth" / defect / domain / path.name
            samples.append(_sample(path, defect, mask, f"{defect}/{path.name}"))
        if samples:
            categories.append(Category(AEBAD_PRODUCT, tuple(samples), dataset, domain))
    return categories


def read_rendered(root):
    """The pairs that an index of rendered products names: `<pair>_intact.jpg`, `_damaged.jpg` and `_mask.png`.

    Returns:
        list of `Category`, by name; a pair's intact picture stands before its damaged one.
    Raises:
        InputError: the index is not one of rendered pairs, or names none.
    """
    categories = {}
    try:
        with open(root / RENDERED_INDEX, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                family, stem = _named(row["product"]), row["pair"]
                pair = _within(root, stem)
                name = row.get("name") or RENDERED_NAMES.get(family, spelled(family))
                categories.setdefault(name, []).extend(
                    Sample(
                        pair.with_name(f"{pair.name}_{state}.jpg"),
                        state == "damaged",
                        pair.with_name(f"{pair.name}_mask.png") if state == "damaged" else None,
                        f"{stem}_{state}.jpg",
                    )
                    for state in ("intact", "damaged")
                )
    except (KeyError, TypeError, ValueError, csv.Error):
        raise InputError(
            f"The {RENDERED_INDEX} in {root.name!r} is not one of rendered pairs: give another folder."
        ) from None
    if not categories:
        raise InputError(f"The {RENDERED_INDEX} in {root.name!r} names no pairs: give another folder.")
    return [Category(name, tuple(samples), root.name, name) for name, samples in sorted(categories.items())]


def _named(product):
    if not product:
        raise ValueError("a row without a product")
    return product


def _within(root, name):
    """The path of that name in a folder. Raises TypeError if there is no name, ValueError if it leads out."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"{name!r:.80} leads out of the folder")
    return root / path


def spelled(name):
    """The name of a category's folder in words: "metal_nut" is a metal nut, "pcb3" a printed circuit board."""
    name = name.rstrip("0123456789") or name
    return _SPELLED.get(name, name.replace("_", " "))


def _images(paths):
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def _sample(path, defect, mask, name):
    damaged = not is_normal(defect)
    return Sample(path, damaged, mask if damaged and mask.exists() else None, name)
