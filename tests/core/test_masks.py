"""Masks as tools write them: whatever is not 0 is marked, and nothing is lost when they are made small."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zsad_core.errors import InputError
from zsad_core.masks import check, is_mask_folder, masked_stem, masks_among, read_mask, resized

MARKED = np.zeros((20, 30), np.uint8)
MARKED[5:10, 8:18] = 1


def palette(*colours):
    image = Image.frombytes("P", (30, 20), MARKED.tobytes())
    image.putpalette([value for colour in colours for value in colour])
    return image


def png_of_16_bits(colours, kind):
    """A PNG of (H, W, channels) uint16, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    head = struct.pack(">IIBBBBB", colours.shape[1], colours.shape[0], 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def tiff_of_16_bits(colours, order):
    """An unpacked TIFF of (H, W, 3) uint16 in a byte order, "<" or ">"."""
    height, width, _ = colours.shape
    data = colours.astype(f"{order}u2").tobytes()
    tags = [
        (256, width),
        (257, height),
        (258, 122),
        (259, 1),
        (262, 2),
        (273, 128),
        (277, 3),
        (278, height),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack(f"{order}HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, value)
                       for tag, value in tags)  # fmt: skip
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(tags)) + entries + struct.pack(f"{order}IHHH", 0, 16, 16, 16) + data


THREE = np.repeat(MARKED[..., None], 3, axis=2)
DRAWN = {
    "label 1.png": Image.fromarray(MARKED),
    "bits.png": Image.fromarray(MARKED.astype(bool)),
    "16 bits, label 1.png": Image.fromarray(MARKED.astype(np.uint16)),
    "16 bits.tif": Image.fromarray(MARKED.astype(np.uint16)),
    "32 bits.tif": Image.fromarray(MARKED.astype(np.int32)),
    "floats.tiff": Image.fromarray(np.where(MARKED, 0.01, np.nan).astype(np.float32)),
    "white.BMP": Image.fromarray(255 * MARKED),
    "white.jpg": Image.fromarray(255 * MARKED),
    "white.gif": Image.fromarray(255 * MARKED),
    "white.webp": Image.fromarray(255 * THREE),
    "red.png": Image.fromarray(THREE * np.array([200, 0, 0], np.uint8)),
    "palette of labels.png": palette((0, 0, 0), (1, 1, 1)),
    "palette without black.png": palette((68, 1, 84), (253, 231, 36)),
    "drawn on nothing.png": Image.fromarray(np.dstack([255 * np.ones_like(THREE), 99 * MARKED])),
    "drawn in black on nothing.png": Image.fromarray(np.dstack([0 * THREE, 99 * MARKED])),
}
PACKED = {
    "16 bits a colour.png": png_of_16_bits(THREE, 2),
    "16 bits a colour, upper byte.png": png_of_16_bits(256 * THREE.astype(int), 2),
    "16 bits and alpha.png": png_of_16_bits(np.dstack([THREE.astype(int), np.full((20, 30), 65535)]), 6),
    "16 bits a colour.tif": tiff_of_16_bits(THREE, "<"),
    "16 bits a colour, big end first.tif": tiff_of_16_bits(THREE, ">"),
}


@pytest.mark.parametrize("name", [*DRAWN, *PACKED])
def test_a_mask_is_read_as_labels(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(PACKED[name]) if name in PACKED else DRAWN[name].save(path)
    assert np.array_equal(read_mask(path), MARKED.astype(bool))


def test_lossless_webp_of_low_labels_is_not_divided_by_half(tmp_path):
    Image.fromarray(THREE * np.array([1, 0, 0], np.uint8) + np.eye(20, 30, dtype=np.uint8)[..., None] * 200).save(
        tmp_path / "labels.webp", lossless=True
    )
    assert read_mask(tmp_path / "labels.webp").sum() == 50 + 20 - 2


def test_a_transparent_colour_of_a_palette_is_not_marked(tmp_path):
    palette((255, 0, 0), (128, 0, 0)).save(tmp_path / "mask.png", transparency=0)
    assert np.array_equal(read_mask(tmp_path / "mask.png"), MARKED.astype(bool))


def test_several_masks_of_one_image_are_one(tmp_path):
    for number in range(2):
        Image.fromarray(np.roll(MARKED, 8 * number, axis=0)).save(tmp_path / f"00{number}.png")
    (tmp_path / "._000.png").write_bytes(b"litter")
    assert read_mask(tmp_path).sum() == 100
    Image.fromarray(MARKED[1:]).save(tmp_path / "002.png")
    with pytest.raises(InputError, match="differ in size"):
        read_mask(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 60])
def test_what_is_no_mask_gets_a_sentence(content, tmp_path):
    (tmp_path / "000_mask.png").write_bytes(content)
    with pytest.raises(InputError, match="'000_mask.png' is"):
        read_mask(tmp_path / "000_mask.png")


def test_a_mask_over_the_limits_of_an_image_is_not_decoded(tmp_path):
    bomb = png_of_16_bits(THREE, 2).replace(struct.pack(">II", 30, 20), struct.pack(">II", 30_000, 30_000), 1)
    (tmp_path / "000.png").write_bytes(bomb)
    with pytest.raises(InputError, match="30000 x 30000 pixels; the limit"):
        read_mask(tmp_path / "000.png")


def test_no_damage_is_lost_where_a_mask_is_made_small():
    random = np.random.default_rng(0)
    for _ in range(20):
        marked = np.zeros((2160, 3840), bool)
        top, left = random.integers(0, 2152), random.integers(0, 3828)
        marked[top : top + 8, left : left + 12] = True
        small = resized(marked, (144, 256))
        rows, columns = np.nonzero(small)
        assert 1 <= len(rows) <= 4 and top // 15 in rows and left // 15 in columns


@pytest.mark.parametrize("shape", [(7, 30), (20, 9), (1, 1), (20, 30), (41, 70), (3, 90)])
def test_a_mask_at_any_size(shape):
    small = resized(MARKED.astype(bool), shape)
    assert small.shape == shape and small.any()
    assert not resized(np.zeros((20, 30), bool), shape).any()


@pytest.mark.parametrize(
    ("marked", "size", "said"),
    [
        (MARKED == 1, (20, 30), None),
        (MARKED == 0, (20, 30), "marks 92% of the image, as an inverted one would"),
        (MARKED >= 0, (20, 30), "marks the whole image"),
        (MARKED == 1, (40, 60), "is 30 x 20 pixels and the image 60 x 40: it was brought to size"),
        (MARKED == 1, (667, 1000), "brought to size"),
    ],
)
def test_what_is_odd_about_a_mask_is_said(marked, size, said):
    found = check(marked, size)
    assert found is None if said is None else said in found


@pytest.mark.parametrize(
    ("marked", "size", "said"), [(MARKED == 7, (20, 30), "marks nothing"), (MARKED == 1, (30, 20), "another shape")]
)
def test_a_mask_that_nothing_can_be_compared_with_is_refused(marked, size, said):
    with pytest.raises(InputError, match=said):
        check(marked, size)


@pytest.mark.parametrize("name", ["ground_truth", "Ground Truth", "GroundTruth", "GT", "gt", "mask", "Masks", "LABELS"])
def test_folders_of_masks(name):
    assert is_mask_folder(name)


@pytest.mark.parametrize("name", ["good", "labelled", "masked", "gtx", "ground", "ground_truth_box", "unmasked"])
def test_folders_of_photos(name):
    assert not is_mask_folder(name)


@pytest.mark.parametrize(
    ("stem", "photo"),
    [("000_mask", "000"), ("000_GT", "000"), ("000-label", "000"), ("000 Mask", "000"), ("a_over_mask", "a_over"),
     ("000.png_mask", "000"), ("000_ground_truth", "000"), ("000", "000"), ("mask", "mask"), ("unmask", "unmask")],
)  # fmt: skip
def test_the_photo_of_a_mask_by_its_name(stem, photo):
    assert masked_stem(stem) == photo


def test_masks_beside_their_photos():
    assert masks_among(["1.png", "1_GT.png", "2.JPG", "2.png", "3_mask.png", "4.png", "5.bmp"]) == {"1_GT.png", "2.png"}
