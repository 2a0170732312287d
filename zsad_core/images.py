"""Reading images: whatever a person hands over becomes one uint8 RGB array, or a sentence that says why not.

A file is hostile until checked: only the decoders of FORMATS are ever tried, its size in bytes and in pixels is
checked before a pixel is decoded, and no setting of PIL is changed.
"""

import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .errors import InputError

MAX_PIXELS = 64_000_000
MAX_SIDE = 32_768  # keeps a strip of one pixel by millions from blowing up what pads or resizes it
MAX_BYTES = 128 * 2**20
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # "JPEG" covers MPO, the two-picture JPEG of some cameras


def read_image(source) -> np.ndarray:
    """Read one image as 8-bit RGB.

    `source` is a path (str or Path), the bytes of a file, an open binary file, a PIL image, or an array:
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, of uint16 (65535 is white) or of floats in [0, 1].

    Of an animation the first frame is read. EXIF rotation is applied, alpha is laid over white, grey is repeated to
    three channels, 16-bit values are divided by 257 and rounded, CMYK and palettes are converted.

    Returns a new (H, W, 3) uint8 array; it shares no memory with the source.
    Raises InputError if there is no such file, it is not an image of FORMATS, damaged, cut short, or over MAX_BYTES,
    MAX_PIXELS or MAX_SIDE, or if an array's shape, dtype or range is not one of the above.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source, "The image")
    if isinstance(source, (str, Path)):
        # Only the base name is shown: where a server keeps its files is nobody's business.
        name = repr(Path(source).name[-80:])
        return _from_bytes(_read_path(source, name), name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), "The image")
    if hasattr(source, "read"):
        return _from_bytes(_read_file(source), "The file")
    raise InputError(
        f"An image cannot be read from a {type(source).__name__}: give a path, the bytes of a file, a PIL image or an "
        "H x W x 3 array."
    )


def _read_path(path, name: str) -> bytes:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):  # a pipe or a device might never end
            with open(path, "rb") as file:
                return file.read(MAX_BYTES + 1)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        raise InputError(f"There is no file {name} that can be opened: check the path.") from None
    kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
    raise InputError(f"{name} is {kind}: give the path of one image file.")


def _read_file(file) -> bytes:
    try:
        data = file.read(MAX_BYTES + 1)
    except Exception:  # any object with a read method may come here
        raise InputError("The file cannot be read: give a file opened for binary reading.") from None
    if not isinstance(data, bytes):
        raise InputError("The file is open as text: open it for binary reading, with mode 'rb'.")
    return data


def _from_bytes(data: bytes, name: str) -> np.ndarray:
    if not data:
        raise InputError(f"{name} is empty (0 bytes): save or download it again.")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is over the limit of {MAX_BYTES >> 20} MB: save it smaller, for example as JPEG.")
    with _open(data, name) as image:
        return _from_pil(image, name)


def _open(data: bytes, name: str) -> Image.Image:
    """Parse the header with the first decoder of FORMATS that takes it.

    Not Image.open: that warns about large sizes through a global filter, before anyone can look at the size.
    """
    Image.init()
    for factory, accept in (Image.OPEN[key] for key in FORMATS):
        if accept(data[:16]) is True:  # a string means that this PIL was built without the decoder
            try:
                return factory(io.BytesIO(data), "")
            except Exception:  # parsers fail in many ways on hostile data, and each one means the same to the user
                raise _damaged(name) from None
    raise InputError(f"{name} is not an image of a known kind: give a PNG, JPEG, WebP, BMP, TIFF or GIF file.")


def _damaged(name: str) -> InputError:
    return InputError(f"{name} is damaged or cut short: save or download it again.")


def _check_size(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise InputError(f"{name} is {width} x {height} pixels, so there is nothing to see: give an image with pixels.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} is {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million pixels and "
            f"{MAX_SIDE} a side: scale it down first."
        )


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    _check_size(*image.size, name)
    try:
        image.load()
    except Exception:  # as in _open
        raise _damaged(name) from None
    image = _upright(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _three_channels(_deep_grey_to_uint8(np.asarray(image), name))
    try:
        if image.has_transparency_data:
            return _over_white(np.asarray(image.convert("RGBA")))
        return np.array(image.convert("RGB"))
    except ValueError:
        raise InputError(f"{name} has the colour mode {image.mode}, which is not supported: save it as RGB.") from None


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block does not make the pixels wrong
        return image


def _deep_grey_to_uint8(values: np.ndarray, name: str) -> np.ndarray:
    """Grey of more than 8 bits: 0..1 if floats say so, else 0..255 in an int32 or float image, else 0..65535."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):  # also catches NaN
        raise InputError(f"{name} has grey values from {low} to {high}: give 0 to 65535, or 0 to 1 for floats.")
    if values.dtype.kind == "f" and high <= 1:
        return _scaled(values, 255)
    if values.dtype.itemsize == 4 and high <= 255:
        return _scaled(values, 1)
    return _scaled(values, 1 / 257)


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"An image array has the shape {array.shape}: give H x W, H x W x 3 or H x W x 4.")
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise InputError(f"A float image array runs from {low} to {high}: give 0 to 1, or uint8 for 0 to 255.")
        array = _scaled(array, 255)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = _scaled(array, 1 / 257)
    elif array.dtype != np.uint8:
        raise InputError(f"An image array has the dtype {array.dtype}: give uint8, uint16 or floats in [0, 1].")
    if array.ndim == 3 and array.shape[2] == 4:
        return _over_white(array)
    return _three_channels(array)


def _scaled(values: np.ndarray, factor: float) -> np.ndarray:
    return np.rint(values.astype(np.float64) * factor).astype(np.uint8)


def _three_channels(array: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1) or (H, W, 3) to a new (H, W, 3)."""
    if array.ndim == 2:
        array = array[..., None]
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)), order="C")


def _over_white(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 to (H, W, 3): colour * alpha + white * (1 - alpha), rounded."""
    alpha = rgba[..., 3:].astype(np.uint16)
    # at most 255 * 255 + 127, so 16 bits are enough
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
