"""Pictures of machines and phones: deep grey, many channels, pages, and kinds beside the usual ones."""

import io
import struct
import sys
import types

import numpy as np
import pytest
from PIL import Image

from zsad_core import image_headers
from zsad_core.errors import InputError
from zsad_core.images import read_image, read_image_with_notes, read_pages

SHORT, LONG = 3, 4  # types of a TIFF's tags


def encoded(image, kind, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(values: np.ndarray, sample_format=1, white_is_zero=False, **more) -> bytes:
    """An uncompressed TIFF, in the byte order of the values, of (H, W) or (H, W, C) values as they are."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    channels = values.shape[2] if values.ndim == 3 else 1
    bits, photometric = 8 * values.dtype.itemsize, 0 if white_is_zero else 2 if channels > 2 else 1
    height, width = values.shape[:2]
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [photometric], 273: [0],
            277: [channels], 278: [height], 279: [values.nbytes], 339: [sample_format] * channels}  # fmt: skip
    tags |= {338: [0] * (channels - 3)} if channels > 3 else {}
    tags |= {int(tag.removeprefix("tag_")): value for tag, value in more.items()}
    end = 8 + 2 + 12 * len(tags) + 4
    outside = b""
    for tag, numbers in tags.items():
        if len(numbers) > 2:
            tags[tag] = end + len(outside), numbers
            outside += struct.pack(f"{order}{len(numbers)}H", *numbers)
    tags[273] = [end + len(outside)]
    body = b""
    for tag, numbers in sorted(tags.items()):
        if isinstance(numbers, tuple):
            body += struct.pack(f"{order}HHII", tag, SHORT, len(numbers[1]), numbers[0])
        elif len(numbers) == 2:
            body += struct.pack(f"{order}HHIHH", tag, SHORT, 2, *numbers)
        else:
            body += struct.pack(f"{order}HHII", tag, LONG, 1, *numbers)
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(tags))
    return start + body + bytes(4) + outside + values.tobytes()


def refused(data, *words):
    with pytest.raises(InputError) as caught:
        read_image(data)
    for word in words:
        assert word in str(caught.value)
    assert "damaged" not in str(caught.value)


# Deep grey


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("order", ["<", ">"])
def test_deep_grey_is_scaled_by_the_bits_in_use(bits, order):
    white = 2**bits - 1
    values = np.array([[0, white // 2, white]], np.uint16).astype(f"{order}u2")
    native = values.astype(np.uint16)
    pgm = b"P5\n3 1\n65535\n" + values.astype(">u2").tobytes()
    sources = [tiff(values), encoded(Image.fromarray(native), "PNG"), native, values, pgm, native[..., None]]
    for source in sources:
        pixels, notes = read_image_with_notes(source)
        np.testing.assert_array_equal(pixels[0, :, 0], [0, 127, 255])
        assert f"read as {bits} bits" in notes[0] and f"{white:,}" in notes[0]


def test_the_brightest_value_may_stand_anywhere():
    values = np.full((20, 30), 300, np.uint16)
    values[-1, -1] = 4095
    for source in (values, values[..., None].repeat(3, axis=2), Image.fromarray(values)):
        assert read_image(source).max() == 255


def test_values_in_the_upper_bits_and_of_all_16_bits_are_read_as_16_bits():
    for shift in (0, 4, 6):  # 12 or 10 bits shifted upwards
        values = np.array([[0, 65535 >> shift << shift]], np.uint16)
        pixels, notes = read_image_with_notes(encoded(Image.fromarray(values), "PNG"))
        assert pixels.max() == 255 and not notes


@pytest.mark.parametrize("greatest, white", [(255, 255), (70_000, 2**24 - 1), (2**32 - 1, 2**32 - 1)])
def test_a_tiff_of_32_bits_without_a_sign_is_read_as_such(greatest, white):
    values = np.array([[0, greatest // 2, greatest]], np.uint32)
    expected = np.rint(values[0] * (255 / white))
    np.testing.assert_array_equal(read_image(tiff(values))[0, :, 0], expected)


def test_where_white_is_zero_a_deep_picture_is_turned_round():
    values = np.array([[0, 65535]], np.uint16)
    np.testing.assert_array_equal(read_image(tiff(values, white_is_zero=True))[0, :, 0], [255, 0])


@pytest.mark.parametrize("source", [np.full((4, 4, 3), 15, np.uint8), np.full((4, 4), 200, np.uint16),
                                    tiff(np.full((4, 4, 3), 4095, np.uint16))])  # fmt: skip
def test_a_nearly_black_reading_is_said(source):
    pixels, notes = read_image_with_notes(source)
    assert pixels.max() < 64 and "nearly black" in notes[-1] and notes[-1].endswith(".")
    assert not read_image_with_notes(np.full((4, 4, 3), 64, np.uint8))[1]


# Channels


def test_more_than_four_channels_are_said_as_such():
    values = np.full((4, 4, 6), 200, np.uint8)
    pixels, notes = read_image_with_notes(tiff(values))
    assert pixels.shape == (4, 4, 3) and notes == ["The picture has 6 channels, of which the first 3 are read."]
    refused(tiff(np.zeros((4, 4, 9), np.uint8)), "9 channels of 8 bits")
    refused(np.zeros((4, 4, 5), np.uint8), "5 channels")


def test_a_layout_that_is_not_read_is_named_and_not_called_damaged():
    refused(tiff(np.zeros((4, 4, 3), np.float32), sample_format=3), "3 channels of 32 bits")
    refused(tiff(np.zeros((4, 4, 2), np.uint16)), "2 channels of 16 bits")
    refused(tiff(np.zeros((4, 4), np.uint8), tag_259=[34712]), "packed by method 34712")
    jpeg = bytearray(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    refused(bytes(jpeg), "JPEG of 12 bits")


# Pages


@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_every_page_is_read_and_the_first_is_said_to_be_one_of_them(kind):
    first, *others = (Image.new("L", (8, 6), grey) for grey in (100, 150, 200))
    data = encoded(first, kind, save_all=True, append_images=others)
    assert [int(page.pixels.mean()) for page in read_pages(data)] == [100, 150, 200]
    pixels, notes = read_image_with_notes(io.BytesIO(data))
    assert int(pixels.mean()) == 100 and notes == ["Page 1 of 3 is read."]
    assert read_pages(data, longest=4)[2].pixels.shape == (3, 4, 3)


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_other_animations_is_said_to_be_one_of_them(kind):
    data = encoded(Image.new("L", (8, 6), 100), kind, save_all=True, append_images=[Image.new("L", (8, 6), 200)])
    assert read_image_with_notes(data)[1] == ["Page 1 of 2 is read."] and len(read_pages(data)) == 1


def test_one_picture_is_one_page_of_whatever_source():
    picture = np.full((6, 8, 3), 100, np.uint8)
    for source in (picture, Image.fromarray(picture), encoded(Image.fromarray(picture), "BMP")):
        (page,) = read_pages(source)
        np.testing.assert_array_equal(page.pixels, picture)
        assert not read_image_with_notes(source)[1]


def test_smaller_copies_in_a_tiff_are_no_pages():
    small = Image.new("L", (4, 3), 50)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    data = encoded(Image.new("L", (8, 6), 100), "TIFF", save_all=True, append_images=[small])
    assert len(read_pages(data)) == 1 and not read_image_with_notes(data)[1]


def test_pages_without_end_or_too_large_together_are_refused(monkeypatch):
    pages = [Image.new("L", (8, 6), 100)] * 5
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    monkeypatch.setattr("zsad_core.images.MAX_PIXELS", 100)
    with pytest.raises(InputError, match="5 pages of over 0 million pixels together"):
        read_pages(data)
    for module in ("images", "image_headers"):
        monkeypatch.setattr(f"zsad_core.{module}.MAX_PAGES", 3)
    with pytest.raises(InputError, match="over 3 pages"):
        read_pages(data)
    assert read_image_with_notes(data)[1] == ["Page 1 of over 3 is read."]


def test_pages_that_lead_in_a_circle_end():
    data = bytearray(tiff(np.full((4, 4), 100, np.uint8)))
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * count, 8)
    assert len(read_pages(bytes(data))) == 1


# Kinds


@pytest.mark.parametrize("name", ["part.jfif", "part.jpe", "part.tif", "part", "part.dat"])
def test_the_content_decides_and_not_the_name(tmp_path, name):
    (tmp_path / name).write_bytes(encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG", quality=100))
    assert np.abs(read_image(tmp_path / name).astype(int) - (200, 100, 50)).max() <= 2


def test_pgm_and_ppm_of_every_depth_are_read():
    for white in (1, 255, 1000, 4095, 65535):
        kind = ">u2" if white > 255 else "u1"
        grey = np.array([[0, white]], kind)
        pixels, notes = read_image_with_notes(b"P5 # camera 3\n2\t1\n# gain 2\n%d\n" % white + grey.tobytes())
        np.testing.assert_array_equal(pixels[0, :, 1], [0, 255])
        colour = np.array([[[0, white, 0]]], kind)
        np.testing.assert_array_equal(read_image(b"P6\n1 1\n%d\n" % white + colour.tobytes()), [[[0, 255, 0]]])
        assert not notes
    field = np.full((30, 40), 200, np.uint8)
    assert read_image(b"P5 40 30 255 " + field.tobytes(), longest=20).shape == (15, 20, 3)


@pytest.mark.parametrize("data", [b"P5\n", b"P5 4 4 255\nabc", b"P5 4 4 0\n" + bytes(16), b"P6 4 x 255\n" + bytes(99),
                                  b"P5 4 4 99999\n" + bytes(32), b"P5" + b" " * 100_000 + b"4 4 255\n"])  # fmt: skip
def test_a_damaged_pgm_is_refused(data):
    with pytest.raises(InputError, match="damaged or cut short"):
        read_image(data)


def test_a_pgm_that_claims_too_much_is_refused():
    refused(b"P5 30000 30000 255\n", "64 million")


def heic(width=40, height=30) -> bytes:
    """As much of a HEIC file as is read before its decoder."""
    size = struct.pack(">I4sIII", 20, b"ispe", 0, width, height)
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + size


def test_heic_without_its_decoder_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(heic(), "HEIC picture", "pip install pi-heif")
    refused(heic(30_000, 30_000), "30000 x 30000")


def test_heic_is_read_by_its_decoder(monkeypatch):
    def open_heif(file):
        assert file.read() == heic()
        return types.SimpleNamespace(to_pillow=lambda: Image.new("RGB", (40, 30), (1, 200, 3)))

    decoder = types.ModuleType("pi_heif")
    decoder.open_heif = open_heif
    monkeypatch.setattr("importlib.util.find_spec", lambda name: decoder)
    monkeypatch.setitem(sys.modules, "pi_heif", decoder)
    pixels = read_image(heic())
    assert pixels.shape == (30, 40, 3) and tuple(pixels[0, 0]) == (1, 200, 3)


def test_a_film_is_no_image():
    refused(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + bytes(100), "not an image of a known kind", "HEIC")


def test_an_avif_picture_is_read_at_its_size():
    pixels = np.full((30, 40, 3), 128, np.uint8)
    data = encoded(Image.fromarray(pixels), "AVIF", quality=90)
    assert image_headers.kind_of(data) == "AVIF"
    assert np.abs(read_image(data).astype(int) - 128).max() <= 3
    with pytest.raises(InputError, match="damaged"):
        read_image(data[: len(data) // 2])
