"""What read_image makes of every kind of image a person may hand over, pixel by pixel."""

import io
import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from zsad_core import images
from zsad_core.errors import InputError
from zsad_core.images import read_image

RGB = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [128, 128, 128], [250, 240, 230]]], dtype=np.uint8
)  # (2, 3, 3)


def encoded(image, kind="PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_of_size(width, height) -> bytes:
    """A PNG whose header claims a size and whose pixels are a few bytes."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


def refused(source, *words) -> str:
    with pytest.raises(InputError) as caught:
        read_image(source)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert message.endswith(".") and "\n" not in message
    return message


# Where it comes from


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_every_lossless_format_keeps_its_pixels(kind, options):
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(RGB), kind, **options)), RGB)


def test_jpeg_is_read():
    flat = Image.new("RGB", (16, 16), (200, 100, 50))
    assert np.abs(read_image(encoded(flat, "JPEG", quality=100)).astype(int) - (200, 100, 50)).max() <= 2


def test_two_picture_jpeg_gives_its_first_picture():
    first, second = Image.new("RGB", (16, 16), (200, 200, 200)), Image.new("RGB", (16, 16), (10, 10, 10))
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert np.abs(read_image(data).astype(int) - 200).max() <= 1


def test_every_kind_of_source_gives_the_same_pixels(tmp_path):
    data = encoded(Image.fromarray(RGB))
    path = tmp_path / "nut.png"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), io.BytesIO(data), Image.fromarray(RGB), RGB):
        np.testing.assert_array_equal(read_image(source), RGB)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_image(file), RGB)


def test_result_is_a_new_array_that_may_be_written():
    pixels = RGB.copy()
    result = read_image(pixels)
    result[:] = 0
    np.testing.assert_array_equal(pixels, RGB)
    assert read_image(RGB[:, ::-1]).flags.c_contiguous
    read_image(encoded(Image.fromarray(RGB)))[:] = 0


def test_one_pixel():
    np.testing.assert_array_equal(read_image(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))), [[[1, 2, 3]]])


# Modes


def test_grey_and_one_bit_become_three_equal_channels():
    grey = np.array([[0, 77, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(grey))), [[[0] * 3, [77] * 3, [255] * 3]])
    bits = Image.fromarray(grey).convert("1", dither=Image.Dither.NONE)
    np.testing.assert_array_equal(read_image(encoded(bits)), [[[0] * 3, [0] * 3, [255] * 3]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_file_is_divided_by_257_and_rounded(kind):
    deep = np.array([[0, 128, 129, 257, 32896, 65535]], dtype=np.uint16)
    result = read_image(encoded(Image.fromarray(deep), kind))
    np.testing.assert_array_equal(result[0, :, 0], [0, 0, 1, 1, 128, 255])
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def test_dark_16_bit_file_stays_dark():
    assert read_image(encoded(Image.fromarray(np.full((2, 2), 200, np.uint16)), "TIFF")).max() == 1


def test_32_bit_grey_is_taken_as_8_or_16_bit_by_its_range():
    shallow, deep = np.array([[0, 7, 255]], np.int32), np.array([[0, 257, 65535]], np.int32)
    np.testing.assert_array_equal(read_image(Image.fromarray(shallow))[0, :, 1], [0, 7, 255])
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(deep), "TIFF"))[0, :, 1], [0, 1, 255])
    refused(Image.fromarray(np.array([[-1, 70000]], np.int32)), "-1", "70000")


def test_float_grey_is_taken_by_its_range():
    unit, bytes_, deep = (np.array([[0, high / 2, high]], np.float32) for high in (1, 255, 65535))
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(unit), "TIFF"))[0, :, 0], [0, 128, 255])
    np.testing.assert_array_equal(read_image(Image.fromarray(bytes_))[0, :, 0], [0, 128, 255])
    np.testing.assert_array_equal(read_image(Image.fromarray(deep))[0, :, 0], [0, 128, 255])
    refused(Image.fromarray(np.array([[0, np.nan]], np.float32)), "nan")


def test_cmyk_is_converted():
    image = Image.frombytes("CMYK", (3, 1), bytes([0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]))  # paper, cyan, black
    np.testing.assert_array_equal(read_image(encoded(image, "TIFF")), [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]])
    cyan = read_image(encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100))
    assert np.abs(cyan.astype(int) - (0, 255, 255)).max() <= 2


def test_alpha_is_laid_over_white():
    rgba = np.array([[[0, 100, 200, 255], [0, 100, 200, 0], [0, 100, 200, 51]]], dtype=np.uint8)
    expected = [[[0, 100, 200], [255, 255, 255], [204, 224, 244]]]  # 51 / 255 = one fifth of the colour
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(rgba))), expected)
    np.testing.assert_array_equal(read_image(rgba), expected)


def test_grey_with_alpha_is_laid_over_white():
    image = Image.frombytes("LA", (2, 1), bytes([50, 255, 50, 0]))
    np.testing.assert_array_equal(read_image(encoded(image)), [[[50] * 3, [255] * 3]])


def test_palette_with_transparency_is_laid_over_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(read_image(encoded(image)), [[[10, 20, 30], [40, 50, 60]]])
    expected = [[[255, 255, 255], [40, 50, 60]]]
    np.testing.assert_array_equal(read_image(encoded(image, transparency=0)), expected)
    np.testing.assert_array_equal(read_image(encoded(image, "GIF", transparency=0)), expected)


def test_one_transparent_colour_of_rgb_is_white():
    data = encoded(Image.fromarray(RGB), transparency=(10, 20, 30))
    result = read_image(data)
    np.testing.assert_array_equal(result[1, 0], [255, 255, 255])
    np.testing.assert_array_equal(result[0], RGB[0])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert np.abs(read_image(data).astype(int) - (255, 0, 0)).max() <= 2


# How each orientation is stored, as numpy sees it: what a viewer must show is always RGB.
STORED = {
    2: RGB[:, ::-1],
    3: RGB[::-1, ::-1],
    4: RGB[::-1],
    5: RGB.transpose(1, 0, 2),
    6: np.rot90(RGB),
    7: RGB[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(RGB, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    np.testing.assert_array_equal(read_image(encoded(stored, kind, exif=exif)), RGB)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_spoil_the_picture():
    data = encoded(Image.fromarray(RGB), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(data), RGB)


# Reduced


def smooth(width, height, mode="RGB"):
    few = np.random.default_rng(0).integers(0, 256, (height // 40 + 2, width // 40 + 2, 4), np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "off"),
    [
        ("PNG", "RGB", {}, 0),
        ("PNG", "RGBA", {}, 0),
        ("PNG", "P", {}, 0),
        ("PNG", "L", {}, 0),
        ("WEBP", "RGBA", {"lossless": True}, 0),
        ("TIFF", "CMYK", {}, 0),
        ("JPEG", "RGB", {"quality": 95}, 1),
        ("JPEG", "L", {"quality": 95, "progressive": True}, 1),
    ],
)
@pytest.mark.parametrize("size", [(450, 300), (301, 217), (600, 19), (50, 40)])
def test_a_reduced_image_is_the_whole_one_made_smaller(kind, mode, options, off, size):
    image = smooth(*size, "RGB" if mode == "CMYK" else mode).convert(mode)
    data = encoded(image, kind, **options)
    whole = Image.fromarray(read_image(data))
    whole.thumbnail((64, 64), Image.Resampling.BICUBIC)
    reduced = read_image(data, longest=64)
    assert reduced.shape == np.asarray(whole).shape
    assert np.abs(reduced.astype(int) - np.asarray(whole)).mean() <= off
    np.testing.assert_array_equal(read_image(Image.open(io.BytesIO(data)), longest=64), whole)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_reduced_image_stands_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(smooth(603, 401), kind, exif=exif)
    whole = Image.fromarray(read_image(data))
    whole.thumbnail((128, 128), Image.Resampling.BICUBIC)
    reduced = read_image(data, longest=128)
    assert reduced.shape == np.asarray(whole).shape
    assert np.abs(reduced.astype(int) - np.asarray(whole)).mean() < 2


def test_arrays_are_reduced_too():
    pixels = np.asarray(smooth(300, 200))
    assert read_image(pixels, longest=100).shape == (67, 100, 3)
    assert read_image(pixels, longest=1000).shape == (200, 300, 3)


def test_most_pixels_are_those_that_are_decoded():
    image = smooth(1000, 800)
    assert read_image(encoded(image, "JPEG"), longest=100, most_pixels=200_000).shape == (80, 100, 3)
    with pytest.raises(InputError, match=r"1000 x 800 pixels; here the limit of a PNG is 0.2 million.*save it as JPEG"):
        read_image(encoded(image), longest=100, most_pixels=200_000)


# Memory


def test_no_more_is_decoded_at_once_than_the_budget_holds(monkeypatch):
    """Ten threads with images of which two fit: never do three decode, and all are read."""
    data = encoded(smooth(200, 100))
    monkeypatch.setattr(images, "DECODING", images._Budget(2 * 200 * 100 * 7 + 5))
    decoding, most, lock, load = 0, 0, threading.Lock(), ImageFile.ImageFile.load

    def watched(image):
        nonlocal decoding, most
        with lock:
            decoding += 1
            most = max(most, decoding)
        try:
            return load(image)
        finally:
            with lock:
                decoding -= 1

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    with ThreadPoolExecutor(10) as pool:
        read = list(pool.map(read_image, [data] * 10))
    assert most <= 2 and {pixels.shape for pixels in read} == {(100, 200, 3)}


def test_an_image_over_the_budget_is_decoded_alone_and_not_overtaken(monkeypatch):
    monkeypatch.setattr(images, "DECODING", images._Budget(1000))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(read_image, [encoded(smooth(200, 100)), encoded(smooth(4, 4))] * 4))
    assert len(read) == 8
    assert images.DECODING._free == 1000


def test_what_fails_gives_its_memory_back():
    free = images.DECODING._free, images.FILES._free
    data = encoded(smooth(200, 100))
    refused(data[: len(data) // 2], "cut short")
    assert (images.DECODING._free, images.FILES._free) == free


# Arrays


def test_arrays_of_every_kind():
    grey = RGB[..., 0]
    expected = np.stack([grey] * 3, axis=-1)
    for array in (grey, grey[..., None], grey.astype(np.uint16) * 257, grey / 255.0, (grey / 255.0).astype(np.float32)):
        np.testing.assert_array_equal(read_image(array), expected)
    np.testing.assert_array_equal(read_image(RGB.astype(">u2") * 257), RGB)


@pytest.mark.parametrize(
    "array, words",
    [
        (np.full((2, 2, 3), 1.5), ("1.5", "0 to 1")),
        (np.full((2, 2, 3), -0.5), ("-0.5", "0 to 1")),
        (np.full((2, 2, 3), np.nan), ("nan",)),
        (np.zeros((2, 2, 3), np.int64), ("int64", "uint8")),
        (np.zeros((2, 2), bool), ("bool",)),
        (np.array([["a"]]), ("dtype",)),
        (np.zeros((2, 2, 2), np.uint8), ("(2, 2, 2)",)),
        (np.zeros((3, 2, 2, 3), np.uint8), ("(3, 2, 2, 3)",)),
        (np.zeros(5, np.uint8), ("(5,)",)),
        (np.zeros((0, 4, 3), np.uint8), ("4 x 0",)),
        (np.zeros((0, 4)), ("4 x 0",)),
    ],
)
def test_arrays_that_are_refused(array, words):
    refused(array, *words)


def test_sources_that_are_refused():
    refused(torch.zeros(3, 4, 4), "Tensor", "H x W x 3 array")
    refused(None, "NoneType")
    refused(io.StringIO("text"), "binary")
    refused(Image.new("RGB", (0, 5)), "0 x 5")


# Hostile files


def test_missing_file_is_named_without_its_folder(tmp_path):
    message = refused(tmp_path / "secret-folder" / "nut.png", "'nut.png'", "check the path")
    assert "secret-folder" not in message and str(tmp_path) not in message


@pytest.mark.parametrize("path", ["a\0b.png", "x" * 10_000, "http://nowhere.invalid/nut.png"])
def test_impossible_paths_are_refused(path):
    assert len(refused(path, "check the path")) < 200


def test_folder_and_pipe_are_refused(tmp_path):
    refused(tmp_path, "folder", tmp_path.name)
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "'pipe.png'", "not a regular file")


def test_empty_file(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "'empty.png'", "0 bytes")


def test_text_named_png(tmp_path):
    (tmp_path / "notes.png").write_text("not an image at all, but long enough to look like one")
    refused(tmp_path / "notes.png", "'notes.png'", "PNG, JPEG")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", images.FORMATS)
def test_cut_short_anywhere_is_refused_or_read_never_a_traceback(kind):
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    refused(data[: len(data) // 2], "cut short")
    for length in range(1, len(data), max(1, len(data) // 40)):
        try:
            assert read_image(data[:length]).shape == (24, 24, 3)
        except InputError:
            pass


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_are_refused_or_read_never_a_traceback():
    generator = np.random.default_rng(0)
    for kind in images.FORMATS:
        data = np.frombuffer(encoded(Image.fromarray(RGB.repeat(4, 0)), kind), np.uint8)
        for _ in range(40):
            damaged = data.copy()
            damaged[generator.integers(0, len(data), 3)] = generator.integers(0, 256, 3)
            try:
                read_image(damaged.tobytes())
            except InputError:
                pass


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 10_000), (40_000, 1), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_from_its_header_without_a_warning(size):
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(png_of_size(*size), f"{size[0]} x {size[1]}", "64 million")
    assert Image.MAX_IMAGE_PIXELS == limit


def test_no_pixel_of_a_bomb_is_decoded(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded before its size was checked"))
    refused(png_of_size(30_000, 30_000), "30000 x 30000")


def test_too_many_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "MAX_BYTES", 2**20)
    (tmp_path / "long.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2**20))
    for source in (tmp_path / "long.png", (tmp_path / "long.png").read_bytes(), io.BytesIO(bytes(2**21))):
        refused(source, "limit of 1 MB")


def test_decoders_outside_the_list_are_out_of_reach():
    for kind in ("ICO", "PCX", "TGA", "SGI"):
        refused(encoded(Image.fromarray(RGB.repeat(8, 0).repeat(6, 1)), kind), "not an image of a known kind")


def test_a_lazy_pil_image_that_is_cut_short_is_refused():
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    refused(Image.open(io.BytesIO(data[: len(data) // 2])), "cut short")
