"""Images whose masks alone say which are damaged: those whose mask marks something.

KolektorSDD2 (`test/20000.png` and `test/20000_GT.png` for every image) and DAGM (`Class1/Test/0001.PNG`, and
`Class1/Test/Label/0001_label.PNG` for those that are damaged), or any one folder of images with masks.
"""

from ..errors import InputError
from ..masks import read_mask
from .category import Category, Sample, counted, spelled
from .folder_names import is_split, is_test, is_training
from .good_and_bad import name_giver
from .mask_finder import MaskFinder
from .tree import Folder


def read_labelled_by_masks(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The category of the images that lie directly in a folder, or in its folder for the test, if they have masks."""
    tests = [inner for name, inner in sorted(folder.folders.items()) if is_test(name)]
    others = [inner for name, inner in sorted(folder.folders.items()) if is_training(name)]
    if not tests:
        if is_split(folder.name) or not _have_masks(folder, masks):
            return []
        samples, notes = _labelled([folder], folder, masks)
        training: tuple[Sample, ...] = ()
    else:
        if not any(_have_masks(test, masks) for test in tests):
            return []
        samples, notes = _labelled(tests, folder, masks)
        training, _ = _labelled(others, folder, masks)
    giver = name_giver(folder)
    return [Category(spelled(giver.name), samples, "", giver.name, training, tuple(notes), giver.home.place)]


def _have_masks(folder: Folder, masks: MaskFinder) -> bool:
    return any(masks.find(photo) for photo in folder.own_photos())


def _labelled(folders: list[Folder], home: Folder, masks: MaskFinder) -> tuple[tuple[Sample, ...], list[str]]:
    samples, without, unknown = [], 0, []
    for photo in (photo for folder in folders for photo in folder.own_photos()):
        mask = masks.find(photo)
        without += mask is None
        try:
            damaged = mask is not None and bool(read_mask(mask).any())
        except InputError as error:
            unknown.append(f"{photo.below(home)} is left out, as its mask alone would label it: {error}")
            continue
        samples.append(Sample(photo.path, damaged, mask if damaged else None, photo.below(home)))
    if without:
        unknown.insert(0, f"Taken for good ones, as they have no mask: {without} of {counted(len(samples), 'image')}.")
    return tuple(samples), unknown
