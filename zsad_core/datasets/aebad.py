"""AeBAD-S (Zhang et al., 2023): blades under four domains, each of which is taken for a category.

`test/<good or defect>/<domain>/*`, and masks of the same names below `ground_truth`.
"""

from ..labels import is_normal
from .category import Category, Sample, samples_of
from .mask_finder import MaskFinder
from .tree import Folder

DOMAINS = ("same", "background", "illumination", "view")  # the first is the one without a shift
PRODUCT = "aero-engine blade"


def read_aebad(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The domains that a folder has, in the order of DOMAINS."""
    test, train = (folder.folders[name].folders if name in folder.folders else {} for name in ("test", "train"))
    if not any(domain in inner.folders for name, inner in test.items() if is_normal(name) for domain in DOMAINS):
        return []
    training = tuple(
        Sample(photo.path, False, name=photo.below(folder))
        for name, inner in sorted(train.items())
        if is_normal(name)
        for photo in inner.photos()
    )
    categories = []
    for domain in DOMAINS:
        photos = [
            (photo, not is_normal(name))
            for name, inner in sorted(test.items())
            if domain in inner.folders
            for photo in inner.folders[domain].photos()
        ]
        samples, notes = samples_of(photos, folder, masks)
        named = tuple(Sample(one.path, one.damaged, one.mask_path, _short(one.name)) for one in samples)
        if samples:
            categories.append(Category(PRODUCT, named, "", domain, training, tuple(notes), folder.place))
    return categories


def _short(name: str) -> str:
    """ "good/000.png" of "test/good/view/000.png"."""
    _, defect, _, *rest = name.split("/")
    return "/".join((defect, *rest))
