"""Real-IAD (Wang et al., CVPR 2024): a JSON file a product names its images, wherever their folder lies."""

from pathlib import Path

from ..errors import InputError
from .category import Category, Sample, spelled
from .mask_finder import MaskFinder
from .tables import json_of, named, or_else, within
from .tree import Folder

_MARK = b'"normal_class"'  # in the first bytes of each of its files, and of no other program's
_HEAD = 4096


def read_real_iad(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The products whose JSON files lie directly in a folder; one that is damaged costs no other."""
    return [
        _read_or_note(folder.files[name], folder)
        for name in sorted(folder.files)
        if name.lower().endswith(".json") and _is_one(folder.files[name])
    ]


def _is_one(path: Path) -> bool:
    try:
        if not path.is_file():  # a pipe might never end
            return False
        with open(path, "rb") as file:
            return _MARK in file.read(_HEAD)
    except OSError:
        return False


def _read_or_note(path: Path, folder: Folder) -> Category:
    try:
        return _read(path, folder)
    except InputError as error:
        return Category("", (), notes=(str(error),))


def _read(path: Path, folder: Folder) -> Category:
    with or_else(
        f"{path.name!r} is damaged: it should name images as Real-IAD's does, in the lists train and test. Take it "
        "from the data set again."
    ):
        content = json_of(path)
        normal, prefix = content["meta"]["normal_class"], content["meta"].get("prefix") or path.stem
        name = named(prefix.replace("\\", "/").strip("/").rpartition("/")[2])
        first = [*content["test"], *content["train"]][0]["image_path"]
        home, images = _images(folder, name, first, path.name)
        splits = [
            tuple(
                Sample(
                    within(images, entry["image_path"]),
                    entry["anomaly_class"] != normal,
                    within(images, entry["mask_path"]) if entry.get("mask_path") else None,
                    entry["image_path"].replace("\\", "/"),
                )
                for entry in content[split]
            )
            for split in ("test", "train")
        ]
    return Category(spelled(name), splits[0], name=name, training=splits[1], place=home.place)


def _images(folder: Folder, product: str, first: str, listed: str) -> tuple[Folder, Path]:
    """The folder of the data set, and that of a product's images: the nearest of its name that holds the image `first`.

    Raises:
        InputError: there is none beside the JSON file, or further up.
    """
    parts = within(Path(), first).parts
    home: Folder | None = folder
    while home is not None:
        for inner in home.walk():
            if inner.name == product and (path := inner.file(*parts)):
                return inner.parent or inner, path.parents[len(parts) - 1]
        home = home.parent
    raise InputError(f"The images that {listed!r} names are nowhere: they should lie in a folder {product!r}.")
