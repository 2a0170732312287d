"""Files that are small and would keep a decoder busy for minutes, or fill the memory, are refused by a sentence."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zsad_core import image_headers
from zsad_core.errors import InputError
from zsad_core.image_headers import read_header
from zsad_core.images import FORMATS, read_image


def encoded(image, kind, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width=64, height=48, mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def refused(data, *words):
    with pytest.raises(InputError) as caught:
        read_image(data)
    for word in words:
        assert word in str(caught.value)
    assert str(caught.value).endswith(".")


def segment(marker, body) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def behind_soi(jpeg, *segments) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def png_chunk(name, body) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_chunks(png, *chunks) -> bytes:
    return png[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + png[33:]  # behind IHDR


def tags_that_share(count, size) -> bytes:
    """A block of EXIF, or the directory of a TIFF, whose every tag has the same `size` bytes."""
    start = 8 + 2 + 12 * count + 4
    tags = b"".join(struct.pack("<HHII", 0x9000 + number, 7, size, start) for number in range(count))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + tags + bytes(4 + size)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [(64, 48), (1, 1), (7, 300)])
def test_the_size_is_the_one_that_is_decoded(kind, size):
    header = read_header(encoded(photo(*size), kind), "It")
    assert (header.kind, header.width, header.height) == (kind, *size)


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGBA", {"quality": 50}),
        ("WEBP", "RGB", {"quality": 50}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"big_tiff": True}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("GIF", "P", {"comment": b"taken on a Monday"}),
        ("PNG", "P", {}),
    ],
)
def test_what_programs_write_is_read(kind, mode, options):
    data = encoded(photo(mode=mode), kind, **options)
    header = read_header(data, "It")
    assert (header.width, header.height) == (64, 48) and read_image(data).shape == (48, 64, 3)


def test_a_jpeg_of_hundreds_of_scans_is_refused_before_it_is_decoded(monkeypatch):
    data = encoded(photo(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    refused(data[:-2] + data[last:-2] * 200 + b"\xff\xd9", "scans", "image editor")
    assert read_image(data[:-2] + data[last:-2] * 20 + b"\xff\xd9").shape == (48, 64, 3)
    monkeypatch.setattr(image_headers, "MAX_SCANNED", 25 * 64 * 48)  # a large one may have fewer
    refused(data[:-2] + data[last:-2] * 20 + b"\xff\xd9", "scans")


def test_scans_are_counted_in_the_picture_alone():
    """A phone appends a film to its photo, an editor puts a preview before it: both hold what looks like scans."""
    film = random.Random(0).randbytes(2**16) + b"\xff\xda" * 1000
    preview = segment(0xE5, b"\xff\xda" * 1000)
    assert read_image(behind_soi(encoded(photo(), "JPEG"), preview) + film).shape == (48, 64, 3)


def test_tags_that_share_their_bytes_are_refused():
    exif = tags_that_share(2500, 30_000)  # 75 MB in 60 KB
    jpeg = behind_soi(encoded(photo(), "JPEG"), segment(0xE1, b"Exif\0\0" + exif))
    refused(jpeg, "share their bytes")
    refused(behind_soi(encoded(photo(), "JPEG"), segment(0xE2, b"MPF\0" + exif)), "share their bytes")
    refused(with_chunks(encoded(photo(), "PNG"), (b"eXIf", exif)), "share their bytes")
    hexadecimal = b"Raw profile type exif\0\nexif\n  60012\n" + (b"Exif\0\0" + exif).hex().encode()
    refused(with_chunks(encoded(photo(), "PNG"), (b"tEXt", hexadecimal)), "share their bytes")
    refused(encoded(photo(), "WEBP", exif=exif), "share their bytes")
    refused(exif, "share their bytes")


def test_an_inner_directory_of_a_tiff_is_looked_at_too():
    data = encoded(photo(), "TIFF")
    at = len(data) + len(data) % 2
    bomb = tags_that_share(2500, 30_000)[8:]
    inner = bytes(at - len(data)) + bomb
    shifted = at + 2 + 12 * 2500 + 4
    inner = bytearray(inner)
    for number in range(2500):
        struct.pack_into("<I", inner, at - len(data) + 2 + 12 * number + 8, shifted)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    data = bytearray(data)
    for number in range(count):  # a tag that nobody needs now leads to it
        if struct.unpack_from("<H", data, start + 2 + 12 * number)[0] == 284:
            struct.pack_into("<HHII", data, start + 2 + 12 * number, 34665, 4, 1, at)
    refused(bytes(data + inner), "share their bytes")


def test_a_tiff_of_a_million_strips_is_refused():
    data = bytearray(tags_that_share(1, 4 * 300_000))
    struct.pack_into("<HHI", data, 10, 273, 4, 300_000)
    refused(bytes(data), "300,000 values")


def test_a_tiff_whose_tiles_dwarf_its_picture_is_refused():
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 60_000, 323: 60_000, 324: 300, 325: 100}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    refused(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(400), "tiles")


def test_comments_without_end_in_a_gif_are_refused():
    data = encoded(photo(mode="P"), "GIF")
    at = 13 + 3 * 256
    assert data[at : at + 1] in (b"!", b",")
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 5000 + b"\0"
    refused(data[:at] + comment + data[at:], "comments")
    refused(data[:at] + b"!\xfe\0" * 400_000 + data[at:], "comments")


def test_a_large_bmp_in_run_length_code_is_refused():
    def bmp(side, runs):
        header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(runs), 0, 0, 256, 0)
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(1024) + runs

    assert read_image(bmp(4, b"\4\0\0\0" * 4 + b"\0\1")).shape == (4, 4, 3)
    refused(bmp(8000, b"\1\0\0\0" * 8000), "run-length", "PNG")
    refused(bmp(4, b"\1\0" * 5_000_000), "run-length", "PNG")


def test_pieces_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(image_headers, "MAX_PARTS", 1000)
    refused(with_chunks(encoded(photo(), "PNG"), *[(b"tEXt", b"a\0b")] * 1001), "pieces")
    refused(behind_soi(encoded(photo(), "JPEG"), *[segment(0xFE, b"")] * 1001), "pieces")


def test_rubbish_between_the_parts_of_a_jpeg_is_refused():
    refused(encoded(photo(), "JPEG")[:2] + b"\xff\xfe\0\2" + bytes(2**21) + encoded(photo(), "JPEG")[2:], "pieces")


def test_more_metadata_than_any_camera_writes_is_refused(monkeypatch):
    monkeypatch.setattr(image_headers, "MAX_METADATA", 10_000)
    refused(with_chunks(encoded(photo(), "PNG"), (b"tEXt", b"a\0" + b"b" * 10_000)), "beside its pixels")
    refused(behind_soi(encoded(photo(), "JPEG"), segment(0xED, bytes(20_000))), "beside its pixels")
