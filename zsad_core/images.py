"""Reading images: whatever a person hands over becomes one uint8 RGB array, or a sentence that says why not.

A file is hostile until checked: its size in bytes and in pixels, and what its decoder would have to do, are checked
before a decoder of FORMATS opens it, and no setting of PIL is changed. All decoders of the process together take no
more memory than DECODING and FILES, unless a single image needs more: that one is decoded alone.
"""

import io
import math
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from .errors import InputError
from .image_headers import Header, check_tags, read_header

MAX_PIXELS = 64_000_000
MAX_SIDE = 32_768  # keeps a strip of one pixel by millions from blowing up what pads or resizes it
MAX_BYTES = 128 * 2**20
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # "JPEG" covers MPO, the two-picture JPEG of some cameras
STRIP = 2**18  # pixels converted at a time


class _Budget:
    """Bytes that all threads share: whoever needs some waits, in turn, until they are free."""

    def __init__(self, total: int):
        self._total = self._free = total
        self._turn, self._freed = threading.Lock(), threading.Condition()

    @contextmanager
    def take(self, wanted: int) -> Iterator[None]:
        """Holds so many bytes, or all there are if it wants more."""
        wanted = min(wanted, self._total)
        with self._turn, self._freed:  # whoever waits for much is not overtaken by those who want little
            self._freed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._freed:
                self._free += wanted
                self._freed.notify_all()


DECODING = _Budget(512 * 2**20)  # pixels while they are decoded and converted
FILES = _Budget(2 * MAX_BYTES)  # files while they are decoded


def read_image(source, longest: int | None = None, most_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read one image as 8-bit RGB.

    Args:
        source: a path (str or Path), the bytes of a file, an open binary file, a PIL image, or an array: (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, of uint16 (65535 is white) or of floats in [0, 1].
        longest: reduce the image until neither side has more pixels than this; a JPEG is then decoded reduced.
        most_pixels: that may be decoded. A JPEG that is decoded reduced may have up to MAX_PIXELS.

    Of an animation the first frame is read. EXIF rotation is applied, alpha is laid over white, grey is repeated to
    three channels, 16-bit values are divided by 257 and rounded, CMYK and palettes are converted.

    Returns a new (H, W, 3) uint8 array; it shares no memory with the source.
    Raises InputError if there is no such file, it is not an image of FORMATS, damaged, cut short, made to keep a
    decoder busy, or over MAX_BYTES, MAX_PIXELS, MAX_SIDE or `most_pixels`, or if an array's shape, dtype or range is
    not one of the above.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, longest)
    if isinstance(source, Image.Image):
        return _from_pil(source, "The image", longest)
    if isinstance(source, (str, Path)):
        # Only the base name is shown: where a server keeps its files is nobody's business.
        name = repr(Path(source).name[-80:])
        with FILES.take(2 * _size_of(source, name)):  # some decoders copy the file
            return _from_bytes(_read_path(source, name), name, longest, most_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(source), "The image", longest, most_pixels)
    if hasattr(source, "read"):
        return _from_bytes(_read_file(source), "The file", longest, most_pixels)
    raise InputError(
        f"An image cannot be read from a {type(source).__name__}: give a path, the bytes of a file, a PIL image or an "
        "H x W x 3 array."
    )


def pixel_count(source: str | Path | bytes) -> int:
    """The number of pixels of an image file, a path or its bytes, by its header.

    Raises:
        InputError: the file cannot be read, or `read_image` would refuse it before decoding it.
    """
    if isinstance(source, bytes):
        header = _header(source, "The image")
    else:
        name = repr(Path(source).name[-80:])
        with FILES.take(_size_of(source, name)):
            header = _header(_read_path(source, name), name)
    return header.width * header.height


def _size_of(path: str | Path, name: str) -> int:
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        raise _not_opened(name) from None
    if stat.S_ISREG(status.st_mode):  # a pipe or a device might never end
        return min(status.st_size, MAX_BYTES)
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
    raise InputError(f"{name} is {kind}: give the path of one image file.")


def _read_path(path: str | Path, name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError:
        raise _not_opened(name) from None


def _not_opened(name: str) -> InputError:
    return InputError(f"There is no file {name} that can be opened: check the path.")


def _read_file(file) -> bytes:
    try:
        data = file.read(MAX_BYTES + 1)
    except Exception:  # any object with a read method may come here
        raise InputError("The file cannot be read: give a file opened for binary reading.") from None
    if not isinstance(data, bytes):
        raise InputError("The file is open as text: open it for binary reading, with mode 'rb'.")
    return data


def _header(data: bytes, name: str) -> Header:
    if not data:
        raise InputError(f"{name} is empty (0 bytes): save or download it again.")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is over the limit of {MAX_BYTES >> 20} MB: save it smaller, for example as JPEG.")
    header = read_header(data, name)
    _check_size(header.width, header.height, name)
    return header


def _from_bytes(data: bytes, name: str, longest: int | None, most_pixels: int) -> np.ndarray:
    # The size is known before Image.open, which warns of a large image through a global filter, and names no size.
    header = _header(data, name)
    try:
        image = Image.open(io.BytesIO(data), formats=(header.kind,))
    except Exception:  # parsers fail in many ways on hostile data, and each one means the same to the user
        raise _damaged(name) from None
    with image:
        _check_size(*image.size, name)  # again: this is what will be decoded
        whole = math.prod(image.size)
        exact_size = None if longest is None else _ask_for_less(image, longest)
        decoded = math.prod(image.size)
        if decoded > most_pixels:
            raise InputError(
                f"{name} is {image.width} x {image.height} pixels; here the limit of a {image.format} is "
                f"{most_pixels / 10**6:g} million pixels: save it as JPEG, or scale it down first."
            )
        # Besides the pixels as PIL keeps them, their conversion to the three bytes of the result.
        with DECODING.take(int(header.held * whole + (_stored_bytes(image.mode) + 3) * decoded)):
            return _from_pil(image, name, longest, exact_size)


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


def _ask_for_less(image: Image.Image, longest: int) -> tuple[float, float] | None:
    """Has a decoder that can do so, JPEG's, give a smaller image, at least twice as large as it will be in the end.

    Returns the exact width and height of the image in the pixels of the smaller one, which has whole pixels only; None
    where there is no smaller one.
    """
    scale = 2 * longest / max(image.size)
    drafted = image.draft(None, tuple(math.ceil(side * scale) for side in image.size)) if scale < 1 else None
    return drafted[1][2:] if drafted else None


def _stored_bytes(mode: str) -> int:
    """Bytes of a pixel as PIL keeps it."""
    return 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;16") else 4


def _from_pil(image: Image.Image, name: str, longest: int | None, exact_size=None) -> np.ndarray:
    _check_size(*image.size, name)
    try:
        image.load()
    except Exception:  # as in _from_bytes
        raise _damaged(name) from None
    width, height = image.size

    def rows(top: int, bottom: int, mode: str | None = None) -> np.ndarray:
        strip = image.crop((0, top, width, bottom))
        return np.asarray(strip.convert(mode) if mode else strip)

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        convert = _deep_grey(width, height, rows, name)
    elif image.has_transparency_data:
        convert = lambda top, bottom: _over_white(rows(top, bottom, "RGBA"))  # noqa: E731
    else:
        convert = lambda top, bottom: rows(top, bottom, "RGB")  # noqa: E731
    orientation = _orientation(image, name)
    try:
        pixels = _in_strips(width, height, convert, longest, exact_size, orientation in _ON_ITS_SIDE)
    except ValueError:
        raise InputError(f"{name} has the colour mode {image.mode}, which is not supported: save it as RGB.") from None
    return np.ascontiguousarray(_UPRIGHT[orientation](pixels)) if orientation in _UPRIGHT else pixels


# By EXIF orientation, how (H, W, 3) is turned upright.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}
_ON_ITS_SIDE = (5, 6, 7, 8)


def _orientation(image: Image.Image, name: str) -> int | None:
    try:
        exif = image.info.get("exif")
        if exif is None:  # some programs write it as a text of hexadecimal digits, below three lines
            exif = bytes.fromhex("".join(image.info.get("Raw profile type exif", "").split("\n")[3:]))
        check_tags(exif.removeprefix(b"Exif\0\0"), name)
        return image.getexif().get(ExifTags.Base.Orientation)
    except InputError:
        raise
    except Exception:  # a damaged EXIF block does not make the pixels wrong
        return None


def _deep_grey(width: int, height: int, rows: Callable, name: str) -> Callable[[int, int], np.ndarray]:
    """Grey of more than 8 bits: 0..1 if floats say so, else 0..255 in an int32 or float image, else 0..65535."""
    ranges = [(part.min(), part.max()) for part in (rows(*strip) for strip in _strips(width, height))]
    low, high = np.min(ranges), np.max(ranges)
    if not (low >= 0 and high <= 65535):  # also catches NaN
        raise InputError(f"{name} has grey values from {low} to {high}: give 0 to 65535, or 0 to 1 for floats.")
    kind = rows(0, 1).dtype
    factor = 255 if kind.kind == "f" and high <= 1 else 1 if kind.itemsize == 4 and high <= 255 else 1 / 257
    return lambda top, bottom: _scaled(rows(top, bottom), factor)


def _from_array(array: np.ndarray, longest: int | None) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"An image array has the shape {array.shape}: give H x W, H x W x 3 or H x W x 4.")
    _check_size(array.shape[1], array.shape[0], "The array")
    factor = None
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise InputError(f"A float image array runs from {low} to {high}: give 0 to 1, or uint8 for 0 to 255.")
        factor = 255
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        factor = 1 / 257
    elif array.dtype != np.uint8:
        raise InputError(f"An image array has the dtype {array.dtype}: give uint8, uint16 or floats in [0, 1].")

    def convert(top: int, bottom: int) -> np.ndarray:
        rows = array[top:bottom] if factor is None else _scaled(array[top:bottom], factor)
        return _over_white(rows) if rows.shape[2:] == (4,) else rows

    return _in_strips(array.shape[1], array.shape[0], convert, longest)


def _strips(width: int, height: int, factor: int = 1) -> Iterator[tuple[int, int]]:
    """Top and bottom of strips that together are the image; each is converted by itself, so that no whole is copied.

    All but the last are a multiple of `factor` high.
    """
    step = factor * max(1, STRIP // (width * factor))
    return ((top, min(top + step, height)) for top in range(0, height, step))


def _in_strips(
    width: int,
    height: int,
    convert: Callable[[int, int], np.ndarray],
    longest: int | None,
    exact_size: tuple[float, float] | None = None,
    on_its_side: bool = False,
) -> np.ndarray:
    """A new (H, W, 3) of what `convert` makes of each strip, reduced to `longest` as PIL's `thumbnail` would do it.

    Args:
        convert: top and bottom of a strip of h rows -> its uint8 (h, W), (h, W, 1) or (h, W, 3).
        exact_size: of what the pixels show, where their number was rounded up.
        on_its_side: whether the image will be turned by a quarter; only rounding depends on it.
    """
    across, down = exact_size or (width, height)
    size = _fitted(down, across, longest)[::-1] if on_its_side else _fitted(across, down, longest)
    factors = tuple(max(1, int(side / less / 2)) for side, less in zip((across, down), size))
    pixels = np.empty((-(-height // factors[1]), -(-width // factors[0]), 3), np.uint8)
    for top, bottom in _strips(width, height, factors[1]):
        strip = convert(top, bottom)
        strip = strip[..., None] if strip.ndim == 2 else strip
        if max(factors) > 1:
            strip = np.ascontiguousarray(np.broadcast_to(strip, (*strip.shape[:2], 3)))
            strip = np.asarray(Image.fromarray(strip).reduce(factors))
        first = top // factors[1]
        pixels[first : first + len(strip)] = strip
    if size == (width, height):
        return pixels
    box = (0, 0, across / factors[0], down / factors[1])
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, box))


def _fitted(width: float, height: float, longest: int | None) -> tuple[int, int]:
    """Width and height of an image whose longer side is reduced to `longest`, rounded as by PIL's `thumbnail`."""
    if longest is None or max(width, height) <= longest:
        return int(width), int(height)
    aspect = width / height
    if aspect <= 1:
        return _nearer(longest * aspect, lambda side: abs(aspect - side / longest)), longest
    return longest, _nearer(longest / aspect, lambda side: abs(aspect - longest / side) if side else 0)


def _nearer(side: float, error: Callable[[int], float]) -> int:
    return max(1, min(math.floor(side), math.ceil(side), key=error))


def _scaled(values: np.ndarray, factor: float) -> np.ndarray:
    return np.rint(values.astype(np.float64) * factor).astype(np.uint8)


def _over_white(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 to (H, W, 3): colour * alpha + white * (1 - alpha), rounded."""
    alpha = rgba[..., 3:].astype(np.uint16)
    # at most 255 * 255 + 127, so 16 bits are enough
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
