"""What an image file says of itself, read before any decoder opens it, and what would make a decoder work for minutes.

Decoders are quick and lean on what cameras and editors write. A few hundred bytes can ask them for far more: scans
over the same pixels, tags that share their bytes, comments without end. Such files are refused here by a sentence.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from .errors import InputError
from .netpbm import is_netpbm, read_netpbm_header

MAX_SCANS = 100  # of a JPEG; progressive ones have about 10
MAX_SCANNED = 1_280_000_000  # pixels times scans, some 2 seconds of work: 20 scans of 64 million pixels
MAX_METADATA = 16 * 2**20  # bytes of a file beside its pixels
MAX_PARTS = 100_000  # segments of a JPEG, chunks of a PNG
MAX_COMMENT = 2**20  # bytes before the first frame of a GIF: Pillow joins comments piece by piece
MAX_RLE = 4_000_000  # pixels, and bytes, of a BMP in run-length code, which Pillow unpacks in Python
SPARE_CLAIMS = 2**20  # bytes that the tags of a file may claim beyond its length, as damaged ones do
FIRST_TAGS = 4  # of a TIFF's page, which are in order: among them what kind of page it is
MAX_PAGES = 100  # of a TIFF or GIF that are told apart
MAX_PIECES = 2**19  # of a GIF that are passed while its frames are counted
MAX_TAGS = 4096  # of a page of a TIFF behind the first; no program writes so many
MAX_VALUES = 2**18  # values of a TIFF tag, such as the places of its strips; each becomes a Python object

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"), (b"BM", "BMP"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"MM*\0", "TIFF"), (b"II\0*", "TIFF"), (b"MM\0+", "TIFF"),
    (b"II+\0", "TIFF"),
)  # fmt: skip


_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
KNOWN = "PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF, PGM, PPM or HEIC"
# By which folders and zips are searched; what a file is its content decides.
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"),
    *(".pgm", ".ppm", ".heic", ".heif"),
)


@dataclass(frozen=True)
class Header:
    """The kind and size of an image file, and what its decoder holds in memory.

    Attributes:
        kind: "PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM" (PGM too) or "HEIF"; "JPEG" covers MPO, the
            two-picture JPEG of some cameras.
        width, height: in pixels, as the header claims.
        held: bytes a pixel that the decoder holds of the whole picture, even while it gives a reduced one.
        pages: of a TIFF or GIF, which of its pictures are pages of their own; at most MAX_PAGES + 1 are listed.
        tags: of a TIFF, those of its page that are whole numbers; of several values the first.
    """

    kind: str
    width: int
    height: int
    held: float = 0.0
    pages: tuple[int, ...] = (0,)
    tags: Mapping[int, int] = field(default_factory=dict)


class _Damaged(Exception):
    """The file does not have the parts that its kind needs."""


def kind_of(data: bytes) -> str | None:
    """The kind of an image file by its first bytes, None for any other file."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _kind_of_boxes(data)
    if is_netpbm(data):
        return "PPM"
    return next((kind for start, kind in _KINDS if data.startswith(start)), None)


def _kind_of_boxes(data: bytes) -> str | None:
    """AVIF or HEIF by the brands in the first box of a file made of boxes; None for a film."""
    (length,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in (8, *range(16, min(length, 256, len(data)), 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None


def read_header(data: bytes, name: str, page: int = 0) -> Header:
    """The header of the bytes of an image file.

    Args:
        name: what the file is called in a message.
        page: of a TIFF, which of its pictures is meant.

    Raises:
        InputError: not an image of a known kind, cut short, or made to keep a decoder busy.
    """
    kind = kind_of(data)
    if kind is None:
        raise InputError(f"{name} is not an image of a known kind: give a {KNOWN} file.")
    try:
        return _tiff(data, name, page) if kind == "TIFF" else _READERS[kind](data, name)
    except (_Damaged, struct.error, IndexError):
        raise InputError(f"{name} is damaged or cut short: save or download it again.") from None


def check_tags(data: bytes, name: str) -> None:
    """Makes sure that the tags of a block of EXIF, or of a whole TIFF, do not claim far more bytes than there are.

    Pillow copies the bytes of every tag. In an honest file they lie side by side, in a bomb all in one place.

    Raises:
        InputError: they do.
    """
    try:
        _read_directory(data, name)
    except (_Damaged, struct.error, IndexError):  # Pillow leaves out what it cannot read of it
        pass


def _jpeg(data: bytes, name: str) -> Header:
    size, scans, held, exif = None, 0, 0.0, [b""]
    metadata = 0
    for marker, body in _jpeg_segments(data, name):
        if marker == 0xDA:
            scans += 1
            if scans > MAX_SCANS or (size and scans * size[0] * size[1] > MAX_SCANNED):
                raise InputError(f"{name} is a JPEG of over {scans - 1} scans, which takes too long to read: save it "
                                 "again with an image editor.")  # fmt: skip
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not scans:
            height, width, parts = struct.unpack_from(">HHB", body, 1)
            if body[0] != 8:
                raise InputError(
                    f"{name} is a JPEG of {body[0]} bits a value, which is not read: save it as PNG or TIFF."
                )
            size = width, height
            factors = [divmod(body[7 + 3 * part], 16) for part in range(parts)]  # (across, down)
            whole = max(across for across, _ in factors) * max(down for _, down in factors)
            held = 2 * sum(across * down for across, down in factors) / max(1, whole)  # 16-bit coefficients
        elif not scans and (0xE0 <= marker <= 0xEF or marker == 0xFE):
            metadata += len(body)
            if marker == 0xE1 and body.startswith(b"Exif\0\0"):
                exif.append(body[6:])
            elif marker == 0xE2 and body.startswith(b"MPF\0"):
                check_tags(body[4:], name)
            _check_metadata(metadata, name)
    if size is None or not scans:
        raise _Damaged
    check_tags(b"".join(exif), name)
    return Header("JPEG", *size, held if scans > 1 else 0.0)


_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # not the escaped byte, a restart, or padding


def _jpeg_segments(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """Marker and body of every segment up to the end of the first picture."""
    at, scanning, count = 2, False, 0
    while found := _NEXT_MARKER.search(data, at):
        count += 1
        if count > MAX_PARTS or (not scanning and found.start() - at > MAX_COMMENT):
            raise _too_many(name)
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return
        if marker in (0x01, 0xD8):
            continue
        scanning = scanning or marker == 0xDA
        (length,) = struct.unpack_from(">H", data, at)
        yield marker, data[at + 2 : at + length]
        at += max(2, length)


def _png(data: bytes, name: str) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    at, count, metadata = 8, 0, 0
    while at + 8 <= len(data):
        length, chunk = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        count += 1
        metadata += length if chunk != b"IDAT" else 0
        if count > MAX_PARTS:
            raise _too_many(name)
        _check_metadata(metadata, name)
    return Header("PNG", width, height)


def _webp(data: bytes, name: str) -> Header:
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise _Damaged
    # The canvas of this frame and of the one before, the unpacked values, and a copy of the result, 4 bytes each.
    return Header("WEBP", width, height, held=16.0)


def _gif(data: bytes, name: str) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (6 << (flags & 7) if flags & 128 else 0)
    start = at
    while data[at] != 0x2C:  # the first frame
        if data[at] == 0x3B:
            raise _Damaged
        if data[at] == 0x21:  # an extension: its label, then pieces of at most 255 bytes up to an empty one
            at += 2
            while data[at]:
                at += 1 + data[at]
        at += 1
        if at - start > MAX_COMMENT:
            raise InputError(f"{name} is a GIF with over {MAX_COMMENT >> 20} MB of comments before its first frame: "
                             "save it again with an image editor.")  # fmt: skip
    left, top, across, down = struct.unpack_from("<HHHH", data, at + 1)
    pages = tuple(range(_gif_frames(data, at)))
    return Header("GIF", max(width, left + across), max(height, top + down), held=1.0, pages=pages)


def _gif_frames(data: bytes, at: int) -> int:
    """How many frames begin from the first one on, as far as they are counted."""
    frames, within = 0, False
    for _ in range(MAX_PIECES):
        if at + 10 > len(data) or frames > MAX_PAGES:
            break
        if within:  # pieces of at most 255 bytes up to an empty one
            within = data[at] > 0
            at += 1 + data[at]
        elif data[at] == 0x2C:
            frames, within = frames + 1, True
            at += 11 + (6 << (data[at + 9] & 7) if data[at + 9] & 128 else 0)  # its colours, and a byte before its code
        elif data[at] == 0x21:
            at, within = at + 2, True
        else:
            break
    return max(1, frames)


def _bmp(data: bytes, name: str) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        return Header("BMP", *struct.unpack_from("<HH", data, 18))
    width, height, _, _, packed = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)
    if packed in (1, 2) and max(len(data), width * height) > MAX_RLE:
        raise InputError(f"{name} is a BMP in run-length code of {width} x {height} pixels and {len(data):,} bytes; "
                         f"the limit is {MAX_RLE:,} of either: save it as PNG.")  # fmt: skip
    return Header("BMP", width, height, held=2.0 if packed in (1, 2) else 0.0)


def _tiff(data: bytes, name: str, page: int) -> Header:
    directories = list(_directories(data))
    tags = _read_directory(data, name, directories[page] if page else None)
    width, height = tags.get(256, 0), tags.get(257, 0)
    sample = tags.get(258, 8) / 8 * tags.get(277, 1)  # bytes a pixel; where the bits are a list this reads the first
    piece = tags[322] * tags[323] if 322 in tags and 323 in tags else width * min(height, tags.get(278, height))
    if piece > 2 * max(width * height, 2**20):
        raise InputError(
            f"{name} is a TIFF with tiles far larger than its picture: save it again with an image editor."
        )
    pages = tuple(number for number, start in enumerate(directories) if not number or _is_page(data, start))
    return Header("TIFF", width, height, sample * piece / max(1, width * height), pages or (0,), tags)


def _byte_order(data: bytes) -> tuple[str, bool]:
    """Of a TIFF: as struct writes it, and whether it is a BigTIFF."""
    return "<" if data[:2] == b"II" else ">", 43 in data[2:4]


def _directories(data: bytes) -> Iterator[int]:
    """Where the directories of a TIFF begin, one a picture, MAX_PAGES + 1 at most."""
    order, big = _byte_order(data)
    place, entry = order + ("Q" if big else "I"), 20 if big else 12
    at, seen = 8 if big else 4, set[int]()
    while at + struct.calcsize(place) <= len(data) and len(seen) <= MAX_PAGES:
        (start,) = struct.unpack_from(place, data, at)
        if start in seen or not 0 < start < len(data) - 8:
            return
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
        if seen and count > MAX_TAGS:
            return
        seen.add(start)
        yield start
        at = start + (8 if big else 2) + count * entry


def _is_page(data: bytes, start: int) -> bool:
    """Whether a picture of a TIFF stands for itself, and is no smaller copy and no mask of another."""
    order, big = _byte_order(data)
    for tag, kind, _, value in islice(_entries(data, start, order, big), FIRST_TAGS):
        if tag == 254 and kind in _TIFF_WHOLE:
            return not struct.unpack_from(order + _TIFF_WHOLE[kind], value)[0] & 5
    return True


_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # by type
_TIFF_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # types of whole numbers, as struct writes them
_TIFF_TEXTS = (1, 2, 7)  # types whose values stay bytes
_TIFF_INNER = (34665, 34853, 40965)  # tags that lead to another directory: EXIF, GPS, interoperability


def _read_directory(data: bytes, name: str, start: int | None = None) -> dict[int, int]:
    """The tags of a directory, by default the first, that are whole numbers; of several values the first.

    Raises:
        InputError: the tags, with those of inner directories, claim more bytes than there are, or have too many values.
    """
    order, big = _byte_order(data)
    if start is None:
        (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    tags, claimed = _tags(data, start, order, big, name, 0)
    for tag in _TIFF_INNER:
        if tag in tags:
            claimed = _tags(data, tags[tag], order, big, name, claimed)[1]
    return tags


def _tags(data: bytes, start: int, order: str, big: bool, name: str, claimed: int) -> tuple[dict[int, int], int]:
    tags = {}
    for tag, kind, count, value in _entries(data, start, order, big):
        unit = _TIFF_BYTES.get(kind, 0)
        if unit * count > len(value):
            (place,) = struct.unpack(order + ("Q" if big else "I"), value)
            claimed += max(0, min(unit * count, len(data) - place))
            value = data[place : place + unit]
        if claimed > len(data) + SPARE_CLAIMS:
            raise InputError(f"{name} has tags that share their bytes, as no program writes them: save it again with "
                             "an image editor.")  # fmt: skip
        if kind not in _TIFF_TEXTS and MAX_VALUES < count <= len(data):
            raise InputError(f"{name} has a tag of {count:,} values: save it again with an image editor.")
        if kind in _TIFF_WHOLE and len(value) >= unit:
            tags[tag] = struct.unpack_from(order + _TIFF_WHOLE[kind], value)[0]
    return tags, claimed


def _entries(data: bytes, offset: int, order: str, big: bool) -> Iterator[tuple[int, int, int, bytes]]:
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    form = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    at = offset + (8 if big else 2)
    for _ in range(min(count, MAX_VALUES)):
        if at + form.size > len(data):
            return
        yield form.unpack_from(data, at)
        at += form.size


def _check_metadata(size: int, name: str) -> None:
    if size > MAX_METADATA:
        raise InputError(f"{name} has over {MAX_METADATA >> 20} MB beside its pixels: save it again without metadata.")


def _too_many(name: str) -> InputError:
    return InputError(f"{name} is made of over {MAX_PARTS:,} pieces: save it again with an image editor.")


def _boxes(kind: str, data: bytes) -> Header:
    """Of AVIF and HEIF: the largest of the sizes that are given for the picture, its tiles and its thumbnail."""
    sizes, at = [], 0
    while (at := data.find(b"ispe\0\0\0\0", at, MAX_METADATA)) >= 0:
        sizes.append(struct.unpack_from(">II", data, at + 8))
        at += 16
        if len(sizes) > MAX_PARTS:
            raise _Damaged
    if not sizes:
        raise _Damaged
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(kind, width, height, held=12.0)  # planes of 16 bits, and a copy in colour


def _netpbm(data: bytes, name: str) -> Header:
    try:
        header = read_netpbm_header(data)
    except ValueError:
        raise _Damaged from None
    return Header("PPM", header.width, header.height)


_READERS = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "BMP": _bmp,
    "GIF": _gif,
    "AVIF": lambda data, _: _boxes("AVIF", data),
    "HEIF": lambda data, _: _boxes("HEIF", data),
    "PPM": _netpbm,
}
