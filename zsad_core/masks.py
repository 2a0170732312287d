"""Masks: pictures that mark where an image is damaged, as labelling tools and data sets write them.

A mask is read as labels: whatever is not 0 is marked, at any depth and in any colour; what is transparent is not. Only
where the file was packed lossily, half of its highest value divides the two.
"""

import io
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from .errors import InputError
from .file_names import is_image, is_litter, stem
from .images import DECODING, FORMATS, pixel_count

MOST_IN_FOLDER = 1000  # masks of one image
HELD = 16  # bytes a pixel while a mask is read
HALF = 0.5  # of the image: damage rarely takes more, and the sound part of an inverted mask nearly always does
SAME_SHAPE = 0.02  # by how much a side may differ

_FOLDER = re.compile(r"ground ?truths?|gts?|masks?|labels?")
_ENDING = re.compile(r"[\s._-]+(ground[\s_-]?truth|gt|masks?|labels?)$", re.IGNORECASE)
_LOSSY = ("JPEG", "MPO", "AVIF", "HEIF")


@lru_cache(1000)
def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks and no photos: ground_truth, gt, mask(s) or label(s), in any case."""
    return bool(_FOLDER.fullmatch(re.sub(r"[\s_-]+", " ", name).strip().lower()))


def masked_stem(name: str) -> str:
    """The stem of the image of a mask of this stem: of "000_mask", "000_GT" and "000-label" it is "000"."""
    plain = _ENDING.sub("", name) or name
    return stem(plain) if is_image(plain) else plain  # "000.png_mask"


def masks_among(names: Iterable[str]) -> set[str]:
    """Of the names of images in one folder those of masks that lie beside their photo: "000_mask.png" beside "000.png",
    and "000.png" beside "000.jpg", as a mask is seldom packed like a photo."""
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(stem(name).casefold(), []).append(name)
    found = set()
    for own, alike in stems.items():
        photo = masked_stem(own)
        if photo != own and photo in stems:
            found.update(alike)
        elif len(alike) > 1 and any(map(_is_packed, alike)):
            found.update(name for name in alike if not _is_packed(name))
    return found


def _is_packed(name: str) -> bool:
    return name.lower().endswith((".jpg", ".jpeg", ".jpe", ".jfif"))


def read_mask(path: Path) -> np.ndarray:
    """(H, W) bool: what a mask marks; of a folder of masks, what any of them marks.

    Raises:
        InputError: a mask cannot be read, is over the limits of an image, or those of a folder differ in size.
    """
    if not path.is_dir():
        return _read(path)
    files = sorted(file for file in path.iterdir() if is_image(file.name) and not is_litter(file.name))
    if not 0 < len(files) <= MOST_IN_FOLDER:
        raise InputError(f"The folder {path.name!r} has {len(files)} masks of one image: give 1 to {MOST_IN_FOLDER}.")
    marked = _read(files[0])
    for file in files[1:]:
        more = _read(file)
        if more.shape != marked.shape:
            raise InputError(f"The masks in {path.name!r} differ in size: save all of them as large as their image.")
        marked |= more
    return marked


def resized(marked: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) at another size, (h, w): a pixel is marked if any is that it covers, so that nothing is lost."""
    for axis in (1, 0):  # rows lie together in memory
        side, wanted = marked.shape[axis], shape[axis]
        if side != wanted:
            marked = np.logical_or.reduceat(marked, np.arange(wanted) * side // wanted, axis=axis)
    return marked


def check(marked: np.ndarray, size: tuple[int, int]) -> str | None:
    """What is odd about the mask of a damaged image of this size (height, width), as a sentence; None if nothing is.

    Raises:
        InputError: it marks nothing, or has another shape than the image, so that no map can be held against it.
    """
    height, width = marked.shape
    if abs(height - width * size[0] / size[1]) > max(1, SAME_SHAPE * height):
        raise InputError(
            f"Its mask is {width} x {height} pixels and the image {size[1]} x {size[0]}, another shape: save the mask "
            "as large as its image."
        )
    share = marked.mean()
    if not share:
        raise InputError("Its mask marks nothing: mark the damage, or put the image among the normal ones.")
    if share == 1:
        return "Its mask marks the whole image."
    if share > HALF:
        return f"Its mask marks {share:.0%} of the image, as an inverted one would."
    if (height, width) != tuple(size):
        return f"Its mask is {width} x {height} pixels and the image {size[1]} x {size[0]}: it was brought to size."
    return None


def _read(path: Path) -> np.ndarray:
    name = repr(path.name[-80:])
    pixels = pixel_count(path)  # refuses what is no image, or too large
    with DECODING.take(HELD * pixels):
        try:
            data = path.read_bytes()
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                lossless_webp = image.format == "WEBP" and b"VP8L" in data[:64]
                deep = _lower_bytes(data, image)
                marked = _marked(image, image.format in (*_LOSSY, "WEBP") and not lossless_webp)
            return marked if deep is None else marked | _marked(deep, False)
        except Exception:  # parsers fail in many ways on hostile data, and each one means the same to the user
            raise InputError(f"{name} is damaged or cut short: save or download it again.") from None


def _lower_bytes(data: bytes, image: ImageFile.ImageFile) -> Image.Image | None:
    """Of a picture of 16 bits a colour, of which Pillow keeps the upper bytes, that of the lower ones; else None."""
    tiles = [(*tile[:3], _other_byte(tile[3])) for tile in image.tile]
    if tiles == [tuple(tile) for tile in image.tile]:
        return None
    deep = Image.open(io.BytesIO(data), formats=FORMATS)
    deep.tile = tiles  # type: ignore[assignment]  # plain tuples serve every version of Pillow
    return deep


def _other_byte(how):
    """What Pillow is told about the order of bytes of a tile, turned round where it is of 16 bits a colour."""
    if isinstance(how, tuple):
        return (_other_byte(how[0]), *how[1:])
    match = re.fullmatch(r"(RGB[AX]?;16)([BLN])", str(how))
    return match[1] + ("L" if match[2] == "B" else "B") if match else how


def _marked(image: Image.Image, lossy: bool) -> np.ndarray:
    """(H, W) bool of an image in any mode of Pillow's."""
    image.load()
    clear = image.info.get("transparency")
    if image.mode == "P":
        values = _palette_values(image)
    elif image.mode in ("1", "L", "F", "I") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image))
    else:
        colours = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
        values = np.maximum(np.maximum(colours[..., 0], colours[..., 1]), colours[..., 2])  # max(axis=2) takes tenfold
    if isinstance(clear, int) and image.mode != "P":
        opaque = np.asarray(image) != clear
    elif image.has_transparency_data:
        opaque = np.asarray(image.convert("RGBA"))[..., 3] > 0
    else:
        opaque = np.ones(values.shape, bool)
    lossy = lossy or image.info.get("compression") == "jpeg"  # in a TIFF
    marked = (values > values.max() / 2 if lossy else values != 0) & opaque
    return marked if marked.any() or opaque.all() else opaque  # drawn in black on nothing


def _palette_values(image: Image.Image) -> np.ndarray:
    """0 where the colour is black; where no pixel is black, the numbers of the colours, of which 0 is the ground."""
    numbers = np.asarray(image)
    colours = np.zeros((256, 3), np.uint8)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(palette)] = palette
    lit = np.any(colours, axis=1)[numbers]
    return numbers if lit.all() else lit
