"""Categories with a folder for the test: MVTec's layout and its many relations.

`<category>/test/<good or defect>/*`, perhaps `<category>/train/good/*`, and masks in folders such as `ground_truth`
(MVTec AD, LOCO AD and AD 2, the photos of MVTec 3D-AD, BTAD, MPDD, and VisA as its own script prepares it). The split
may also stand above the categories: `test/<category>/<good or defect>/*`.
"""

from ..labels import is_normal, labels
from .category import Category, Sample, samples_of, spelled
from .folder_names import is_test, is_training
from .mask_finder import MaskFinder
from .tree import Folder


def read_mvtec(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The category of this folder, or those that lie in its folders for test and training."""
    tests = [inner for name, inner in sorted(folder.folders.items()) if is_test(name)]
    others = [inner for name, inner in sorted(folder.folders.items()) if is_training(name)]
    categories = []
    for test in tests:
        if any(map(is_normal, test.folders)):
            categories.append(_category(folder.name, folder.home, test, others, masks))
            continue
        for name, inner in sorted(test.folders.items()):
            if any(map(is_normal, inner.folders)):
                training = [other.folders[name] for other in others if name in other.folders]
                categories.append(_category(name, folder, inner, training, masks))
    return categories


def _category(name: str, home: Folder, test: Folder, others: list[Folder], masks: MaskFinder) -> Category:
    photos = [(photo, folder) for folder in (test, *others) for photo in folder.photos()]
    found = labels(photo.folders[len(home.place) :] for photo, _ in photos)  # together: one normal folder is enough
    tested = [(photo, label) for (photo, folder), label in zip(photos, found) if folder is test]
    samples, notes = samples_of(tested, test, masks)
    training = tuple(
        Sample(photo.path, bool(label), name=f"{folder.name}/{photo.below(folder)}")  # without a label it is intact
        for (photo, folder), label in zip(photos, found)
        if folder is not test
    )
    return Category(spelled(name), samples, "", name, training, tuple(notes), home.place)
