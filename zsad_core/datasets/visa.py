"""VisA as it is handed out (Zou et al., ECCV 2022): a table says which images are its test, and which are anomalous.

Its other form, which its own script prepares, is that of MVTec.
"""

from ..errors import InputError
from .category import Category, Sample, spelled
from .mask_finder import MaskFinder
from .tables import named, or_else, rows_of, within
from .tree import Folder

TABLES = "split_csv"
SPLITS = ("1cls.csv", "2cls_highshot.csv", "2cls_fewshot.csv")  # the first that is there; the images are the same
COLUMNS = ("object", "split", "label", "image", "mask")


def read_visa(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The objects of VisA's split; images that are missing are named when they are read. Raises InputError."""
    tables = folder.folders[TABLES].files if TABLES in folder.folders else {}
    split = next((name for name in SPLITS if name in tables), None)
    if split is None:
        return []
    tests: dict[str, list[Sample]] = {}
    training: dict[str, list[Sample]] = {}
    root = tables[split].parents[1]
    with or_else(
        f"{TABLES}/{split} is damaged: it should be a table with the columns {', '.join(COLUMNS[:-1])} and "
        f"{COLUMNS[-1]}. Take it from the data set again."
    ):
        for row in rows_of(tables[split]):
            path, mask = within(root, row["image"]), within(root, row["mask"]) if row["mask"] else None
            sample = Sample(path, row["label"] != "normal", mask, "/".join(path.parts[-2:]))
            if row["split"] == "test":
                tests.setdefault(named(row["object"]), []).append(sample)
            else:
                training.setdefault(named(row["object"]), []).append(sample)
    if not tests:
        raise InputError(f"{TABLES}/{split} names no test image: take it from the data set again.")
    return [
        Category(spelled(name), tuple(samples), name=name, training=tuple(training.get(name, ())), place=folder.place)
        for name, samples in sorted(tests.items())
    ]
