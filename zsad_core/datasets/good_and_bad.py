"""Folders side by side, one of them normal: `<category>/good/*` and `<category>/scratch/*`, perhaps with masks."""

from ..labels import is_normal, labels
from .category import Category, samples_of, spelled
from .folder_names import may_name_product
from .mask_finder import MaskFinder
from .tree import Folder


def read_good_and_bad(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The category of a folder that holds a normal one."""
    if not any(map(is_normal, folder.folders)):
        return []
    photos = [
        photo
        for name, inner in sorted(folder.folders.items())
        if is_normal(name) or not _holds_normal(inner)  # such a one is a category of its own
        for photo in inner.photos()
    ]
    found = labels(photo.folders[len(folder.place) :] for photo in photos)
    samples, notes = samples_of(zip(photos, found), folder, masks)
    giver = name_giver(folder)
    return [Category(spelled(giver.name), samples, "", giver.name, (), tuple(notes), giver.home.place)]


def name_giver(folder: Folder) -> Folder:
    """The nearest folder, this one or above it, whose name may be that of a product: of "candle/Data/Images" candle."""
    while folder.parent and not may_name_product(folder.name):
        folder = folder.parent
    return folder


def _holds_normal(folder: Folder) -> bool:
    return any(is_normal(inner.name) for inner in folder.walk() if inner is not folder)
