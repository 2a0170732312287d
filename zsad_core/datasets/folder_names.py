"""What the names of folders say about images beside their labels: what they are for, or nothing at all."""

import re

DEPTH = ("xyz", "depth", "pcd")  # beside the photos of three-dimensional data: distances, and no photos
_TEST = re.compile(r"test(s|ing)?([ _-]public)?")
_TRAINING = re.compile(r"(train|valid|val)(ing|ation)?")
_HIDDEN_TEST = re.compile(r"test[ _-]private.*")
_PHOTOS = re.compile(r"rgb|colou?r|images?|imgs?|photos?|pictures?")


def is_test(folder: str) -> bool:
    """Whether the images of a folder are the test."""
    return bool(_TEST.fullmatch(folder.lower()))


def is_training(folder: str) -> bool:
    """Whether the images of a folder are outside of the test."""
    return bool(_TRAINING.fullmatch(folder.lower()))


def is_hidden_test(folder: str) -> bool:
    """Whether the images of a folder are a test whose labels its data set keeps to itself."""
    return bool(_HIDDEN_TEST.fullmatch(folder.lower()))


def is_split(folder: str) -> bool:
    """Whether a folder's name says what its images are for."""
    return is_test(folder) or is_training(folder) or is_hidden_test(folder)


def is_of_photos(folder: str) -> bool:
    """Whether a folder's name says only that it holds photos."""
    return bool(_PHOTOS.fullmatch(folder.lower()))


def may_name_product(folder: str) -> bool:
    """Whether a folder's name may be that of a product."""
    return not (is_split(folder) or is_of_photos(folder) or folder.lower() in ("data", "all"))
