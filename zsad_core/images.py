"""Reading images: whatever a person hands over becomes one uint8 RGB array, or a sentence that says why not.

A file is hostile until checked: its size in bytes and in pixels, and what its decoder would have to do, are checked
before a decoder of FORMATS opens it, and no setting of PIL is changed. All decoders of the process together take no
more memory than DECODING and FILES, unless a single image needs more: that one is decoded alone.
"""

import importlib.util
import io
import math
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, features
from PIL.TiffImagePlugin import COMPRESSION_INFO

from .errors import InputError
from .image_headers import MAX_PAGES, Header, check_tags, read_header
from .netpbm import netpbm_values, read_netpbm_header

MAX_PIXELS = 64_000_000
MAX_SIDE = 32_768  # keeps a strip of one pixel by millions from blowing up what pads or resizes it
MAX_BYTES = 128 * 2**20
# "JPEG" covers MPO, the two-picture JPEG of some cameras, and "PPM" PGM. HEIF is read where pi-heif is installed.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
_READ_AT_ONCE = "PPM", "HEIF"  # not by a decoder of Pillow, which reads the header first
STRIP = 2**18  # pixels converted at a time
DEPTHS = 10, 12, 14, 16, 24, 32  # bits a value that cameras and X-ray machines give
NEARLY_BLACK = 64  # of 255: a picture whose brightest value is under it may have been read wrongly


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
            (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, of uint16 or of floats in [0, 1].
        longest: reduce the image until neither side has more pixels than this; a JPEG is then decoded reduced.
        most_pixels: that may be decoded. A JPEG that is decoded reduced may have up to MAX_PIXELS.

    Of several pages or frames the first is read. EXIF rotation is applied, alpha is laid over white, grey is repeated
    to three channels, CMYK and palettes are converted. Grey of more than 8 bits is scaled by the bits in use, 10, 12,
    14 or 16: where no value is over 4095, that is white. Where no value is over 255, 65535 is white all the same.

    Returns a new (H, W, 3) uint8 array; it shares no memory with the source.
    Raises InputError if there is no such file, it is not an image of FORMATS, damaged, cut short, made to keep a
    decoder busy, or over MAX_BYTES, MAX_PIXELS, MAX_SIDE or `most_pixels`, or if an array's shape, dtype or range is
    not one of the above.
    """
    return read_image_with_notes(source, longest, most_pixels)[0]


def read_image_with_notes(
    source, longest: int | None = None, most_pixels: int = MAX_PIXELS
) -> tuple[np.ndarray, list[str]]:
    """As `read_image`, and what a person should know of how it was read, a sentence each."""
    (page,) = _read(source, longest, most_pixels, every=False)
    return page.pixels, page.notes


@dataclass(frozen=True, eq=False)
class Page:
    """A picture (H, W, 3) uint8, and what a person should know of how it was read, a sentence each."""

    pixels: np.ndarray
    notes: list[str]


def read_pages(source, longest: int | None = None, most_pixels: int = MAX_PIXELS) -> list[Page]:
    """Every page of a TIFF and every frame of a GIF, as `read_image` reads one; of any other source the one picture.

    Smaller copies and masks within a TIFF are no pages.

    Raises:
        InputError: as `read_image`, or over MAX_PAGES pages, or over MAX_PIXELS in all of them.
    """
    return _read(source, longest, most_pixels, every=True)


def _read(source, longest: int | None, most_pixels: int, every: bool) -> list[Page]:
    """The first page of a source, or every one."""
    notes: list[str] = []
    if isinstance(source, np.ndarray):
        pages = [Page(_from_array(source, longest, notes), notes)]
    elif isinstance(source, Image.Image):
        pages = [Page(_from_pil(source, "The image", longest, notes), notes)]
    else:
        with _file(source) as (data, name):
            header = _header(data, name)
            if every and len(header.pages) > MAX_PAGES:
                raise InputError(f"{name} has over {MAX_PAGES} pages: save them as several files.")
            pages = list(_pages(data, header, header.pages or (0,) if every else (0,), name, longest, most_pixels))
    for page in pages:
        brightest = int(page.pixels.max())
        if brightest < NEARLY_BLACK:
            page.notes.append(
                f"The picture is nearly black, its brightest value is {brightest} of 255: if it is not, save it in 8 "
                "bits."
            )
    return pages


@contextmanager
def _file(source) -> Iterator[tuple[bytes, str]]:
    """The bytes of a path, of bytes or of an open file, and what to call them. Raises InputError."""
    if isinstance(source, (str, Path)):
        # Only the base name is shown: where a server keeps its files is nobody's business.
        name = repr(Path(source).name[-80:])
        with FILES.take(2 * _size_of(source, name)):  # some decoders copy the file
            yield _read_path(source, name), name
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield bytes(source), "The image"
    elif hasattr(source, "read"):
        yield _read_file(source), "The file"
    else:
        raise InputError(
            f"An image cannot be read from a {type(source).__name__}: give a path, the bytes of a file, a PIL image or "
            "an H x W x 3 array."
        )


def pixel_count(source: str | Path | bytes) -> int:
    """The number of pixels of an image file, a path or its bytes, by its header. Raises InputError as `image_size`."""
    width, height = image_size(source)
    return width * height


def image_size(source: str | Path | bytes) -> tuple[int, int]:
    """Width and height of an image file, a path or its bytes, by its header.

    Raises:
        InputError: the file cannot be read, or `read_image` would refuse it before decoding it.
    """
    if isinstance(source, bytes):
        header = _header(source, "The image")
    else:
        name = repr(Path(source).name[-80:])
        with FILES.take(_size_of(source, name)):
            header = _header(_read_path(source, name), name)
    return header.width, header.height


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


def _header(data: bytes, name: str, page: int = 0) -> Header:
    if not data:
        raise InputError(f"{name} is empty (0 bytes): save or download it again.")
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is over the limit of {MAX_BYTES >> 20} MB: save it smaller, for example as JPEG.")
    header = read_header(data, name, page)
    _check_size(header.width, header.height, name)
    return header


def _pages(
    data: bytes,
    header: Header,
    pages: Sequence[int],
    name: str,
    longest: int | None,
    most_pixels: int,
) -> Iterator[Page]:
    """These pages of a file, one after the other."""
    # The size is known before Image.open, which warns of a large image through a global filter, and names no size.
    total = 0
    with _opened(data, header, name) as image:
        count = max(len(header.pages), _frames(image, header))
        for page in pages:
            notes: list[str] = []
            if count > 1 and len(pages) == 1:
                notes.append(f"Page 1 of {f'over {MAX_PAGES}' if count > MAX_PAGES else count} is read.")
            if page:
                header = _header(data, name, page)
            total += header.width * header.height
            if total > MAX_PIXELS:
                raise InputError(
                    f"{name} has {len(pages)} pages of over {MAX_PIXELS // 10**6} million pixels together: save them "
                    "as several files."
                )
            if page:
                _turn_to(image, page, name)
            yield Page(_decoded(data, image, header, name, longest, most_pixels, notes), notes)


def _frames(image: Image.Image, header: Header) -> int:
    """How many frames a decoder has counted that need not read the file for it."""
    return getattr(image, "n_frames", 1) if header.kind in ("PNG", "WEBP", "AVIF") else 1


def _turn_to(image: Image.Image, page: int, name: str) -> None:
    try:
        image.seek(page)
    except Exception:  # as in _opened
        raise _damaged(name) from None


def _opened(data: bytes, header: Header, name: str) -> Image.Image:
    """The image by the decoder of its kind, before its pixels are decoded. Raises InputError."""
    if header.kind in _READ_AT_ONCE:
        return Image.new("RGB", (1, 1))
    if header.kind == "AVIF" and not features.check("avif"):
        raise InputError(f"{name} is an AVIF picture, which Pillow reads from 11.3 on: pip install -U pillow.")
    try:
        return Image.open(io.BytesIO(data), formats=(header.kind,))
    except Exception:  # parsers fail in many ways on hostile data, and each one means the same to the user
        raise _layout_not_read(header, name) or _damaged(name) from None


def _heif_decoded(data: bytes, name: str) -> Image.Image:
    if importlib.util.find_spec("pi_heif") is None:
        raise InputError(
            f"{name} is a HEIC picture, as iPhones take them: pip install pi-heif to have it read, or save it as JPEG."
        )
    import pi_heif  # here, because it is an optional extra

    try:
        return pi_heif.open_heif(io.BytesIO(data)).to_pillow()
    except Exception:  # as in _opened
        raise _damaged(name) from None


def _layout_not_read(header: Header, name: str) -> InputError | None:
    """What to say of a TIFF whose layout Pillow does not know; None of any other file."""
    channels, bits, packed = (header.tags.get(tag, 1) for tag in (277, 258, 259))
    usual = (channels in (1, 3, 4) and bits in (1, 8, 16)) or (channels, bits) == (2, 8)
    if header.kind != "TIFF" or (usual and packed in COMPRESSION_INFO):
        return None
    of = f"{channels} channel{'s' if channels > 1 else ''} of {bits} bits"
    how = "" if packed in COMPRESSION_INFO else f", packed by method {packed}"
    return InputError(
        f"{name} is a TIFF of {of}{how}, which is not read: save it as 8-bit RGB, or as 8- or 16-bit grey."
    )


def _decoded(
    data: bytes,
    image: Image.Image,
    header: Header,
    name: str,
    longest: int | None,
    most_pixels: int,
    notes: list[str],
) -> np.ndarray:
    size = (header.width, header.height) if header.kind in _READ_AT_ONCE else image.size
    _check_size(*size, name)  # again: this is what will be decoded
    whole = math.prod(size)
    exact_size = _ask_for_less(image, longest) if longest is not None and header.kind == "JPEG" else None
    decoded = math.prod(image.size) if exact_size else whole
    if decoded > most_pixels:
        raise InputError(
            f"{name} is {size[0]} x {size[1]} pixels; here the limit of a {header.kind} is "
            f"{most_pixels / 10**6:g} million pixels: save it as JPEG, or scale it down first."
        )
    # Besides the pixels as PIL keeps them, their conversion to the three bytes of the result.
    with DECODING.take(int(header.held * whole + (_stored_bytes(image.mode) + 3) * decoded)):
        if header.kind == "PPM":
            return _from_netpbm(data, name, longest, notes)
        if header.kind == "HEIF":
            return _from_pil(_heif_decoded(data, name), name, longest, notes)
        return _from_pil(image, name, longest, notes, exact_size, header)


def _from_netpbm(data: bytes, name: str, longest: int | None, notes: list[str]) -> np.ndarray:
    header = read_netpbm_header(data)
    try:
        values = netpbm_values(data, header)
    except ValueError:
        raise _damaged(name) from None
    white = header.white if header.white < 65535 else _white(int(values.max()), values.dtype, notes)
    return _from_values(values, white, longest)


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


def _from_pil(
    image: Image.Image,
    name: str,
    longest: int | None,
    notes: list[str],
    exact_size: tuple[float, float] | None = None,
    header: Header | None = None,
) -> np.ndarray:
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
        convert = _deep_grey(width, height, rows, name, header.tags if header else {}, notes)
    elif image.has_transparency_data:
        convert = lambda top, bottom: _over_white(rows(top, bottom, "RGBA"))  # noqa: E731
    else:
        convert = lambda top, bottom: rows(top, bottom, "RGB")  # noqa: E731
    if header and header.tags.get(277, 1) > 4:
        read = min(4, len(image.getbands()))
        notes.append(f"The picture has {header.tags[277]} channels, of which the first {read} are read.")
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


def _deep_grey(
    width: int, height: int, rows: Callable, name: str, tags: Mapping[int, int], notes: list[str]
) -> Callable[[int, int], np.ndarray]:
    """Grey of more than 8 bits: 0..1 if floats say so, 0..255 in an int32 or float image, else by the bits in use."""
    unsigned = tags.get(258) == 32 and tags.get(339, 1) == 1  # Pillow reads such a TIFF as signed

    def values(top: int, bottom: int) -> np.ndarray:
        return rows(top, bottom).view(np.uint32) if unsigned else rows(top, bottom)

    ranges = [(part.min(), part.max()) for part in (values(*strip) for strip in _strips(width, height))]
    low, high = np.min(ranges), np.max(ranges)
    kind = values(0, 1).dtype
    most = 65535 if kind.kind == "f" else 2**32 - 1
    if not (low >= 0 and high <= most):  # also catches NaN
        raise InputError(f"{name} has grey values from {low} to {high}: give 0 to {most}, or 0 to 1 for floats.")
    factor = 255 / _white(high.item(), kind, notes)
    if tags.get(262) == 0:  # white is zero, which Pillow takes into account up to 8 bits only
        return lambda top, bottom: 255 - _scaled(values(top, bottom), factor)
    return lambda top, bottom: _scaled(values(top, bottom), factor)


def _white(high: float, kind: np.dtype, notes: list[str]) -> int:
    """The value that is white, where `high` is the brightest one and its type is deeper than 8 bits."""
    if kind.kind == "f" and high <= 1:
        return 1
    if high <= 255:  # 8 bits in 16 cannot be told from a dark picture
        return 255 if kind.itemsize == 4 else 65535
    bits = next(depth for depth in DEPTHS if high < 2**depth)
    if kind.kind != "f" and bits < 8 * kind.itemsize and bits != 16:
        notes.append(f"Its values, up to {high:,} in {8 * kind.itemsize} bits, are read as {bits} bits.")
    return 2**bits - 1


def _from_array(array: np.ndarray, longest: int | None, notes: list[str]) -> np.ndarray:
    if array.ndim == 3 and array.shape[2] > 4:
        raise InputError(
            f"An image array has {array.shape[2]} channels {array.shape}: give grey, RGB or RGBA, H x W x 3."
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"An image array has the shape {array.shape}: give H x W, H x W x 3 or H x W x 4.")
    _check_size(array.shape[1], array.shape[0], "The array")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # also catches NaN
            raise InputError(f"A float image array runs from {low} to {high}: give 0 to 1, or uint8 for 0 to 255.")
        return _from_values(array, 1, longest)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        colours = array if array.ndim == 2 else array[..., :3]
        return _from_values(array, _white(colours.max().item(), array.dtype, notes), longest)
    if array.dtype != np.uint8:
        raise InputError(f"An image array has the dtype {array.dtype}: give uint8, uint16 or floats in [0, 1].")
    return _from_values(array, 255, longest)


def _from_values(values: np.ndarray, white: int, longest: int | None) -> np.ndarray:
    """(H, W) or (H, W, 1, 3 or 4) of values from 0 to `white`, as a picture."""

    def convert(top: int, bottom: int) -> np.ndarray:
        rows = values[top:bottom]
        rows = rows if rows.dtype == np.uint8 and white == 255 else _scaled(np.minimum(rows, white), 255 / white)
        return _over_white(rows) if rows.shape[2:] == (4,) else rows

    return _in_strips(values.shape[1], values.shape[0], convert, longest)


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
