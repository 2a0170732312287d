"""Pictures over 2:1: cut into squares, and what is said of these is joined."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zsad_core.baselines import METHODS, ImageBatch, Resources
from zsad_core.baselines.memory import GoodPartsMemory
from zsad_core.detector import Detector
from zsad_core.elongated import MOST, cut, joined_map, joined_scores, squares_in
from zsad_core.images import read_image
from zsad_core.sweep import image_scores

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (512, 256), (1, 2), (3, 5)])
def test_a_picture_up_to_2_to_1_is_read_as_it_is(size):
    picture = np.zeros((*size, 3), np.uint8)
    assert squares_in(*size) == 1 and cut(picture)[0].shape == picture.shape


@pytest.mark.parametrize("length, breadth", [(538, 256), (896, 256), (4096, 256), (640, 16), (4000, 20), (32768, 1)])
def test_squares_cover_a_strip_and_overlap(length, breadth):
    strip = np.arange(length, dtype=np.int64)[:, None, None].repeat(breadth, 1)  # each row knows its number
    squares = cut(strip)
    assert 1 < len(squares) <= MOST
    assert squares[0][0, 0, 0] == 0 and squares[-1][-1, 0, 0] == length - 1
    assert len({len(square) for square in squares}) == 1
    for one, following in zip(squares, squares[1:]):
        assert one[0, 0, 0] < following[0, 0, 0] < one[-1, 0, 0]
    if length <= 40 * breadth:
        assert all(square.shape[:2] == (breadth, breadth) for square in squares)


@pytest.mark.parametrize("size", [(64, 400), (400, 64), (64, 64)])
def test_maps_are_joined_without_a_seam_where_they_lie(size):
    count = squares_in(*size)
    flat = joined_map(torch.full((count, 8, 8), 0.3), size)
    assert flat.shape == size and flat.dtype == np.float32 and np.allclose(flat, 0.3)
    along = np.linspace(0, 1, max(size)).astype(np.float32)  # as warm as it is far along
    strip = np.broadcast_to(along[:, None, None] if size[0] > size[1] else along[:, None], (*size, 1))
    patches = [torch.from_numpy(square[4::8, 4::8, 0].copy()) for square in cut(strip)]
    joined = joined_map(torch.stack(patches), size)
    assert np.abs(joined - strip[..., 0])[4:-4, 4:-4].max() < 0.03 or count == 1


def test_a_strip_is_scored_by_its_worst_place_among_other_pictures():
    sizes = [(64, 64), (64, 192), (64, 64)]
    assert [squares_in(*size) for size in sizes] == [1, 5, 1]
    assert joined_scores([0.1, 0.2, 0.9, 0.5, 0.2, 0.4, 0.5], sizes) == [0.1, 0.7, 0.5]
    assert joined_scores([0.1, 0.9, 0.2, 0.5, 0.2, 0.4, 0.5], sizes) == [0.1, 0.9, 0.5]  # nothing else sees the end


@pytest.fixture(scope="module")
def tiles():
    """An intact and a damaged metal nut, 256 x 256."""
    folder = ASSETS / "samples" / "metal-nut"
    return [read_image(folder / f"{state}.jpg", longest=256) for state in ("intact", "damaged")]


@pytest.fixture(scope="module")
def detector(embedded):
    return Detector.load(ASSETS / "detectors" / "metal-nut.safetensors", embedded)


@pytest.mark.parametrize("turned", [False, True])
def test_the_damaged_tile_of_a_strip_gives_its_score_and_its_hottest_place(tiles, detector, turned):
    intact, damaged = tiles
    strip = np.concatenate([intact, intact, damaged, intact], axis=1)
    seen = detector.inspect(np.rot90(strip, -1) if turned else strip)
    alone = detector.inspect(np.rot90(damaged, -1) if turned else damaged)
    place = np.unravel_index(seen.map.argmax(), seen.map.shape)[0 if turned else 1]
    assert seen.map.shape == ((1024, 256) if turned else (256, 1024))
    assert 2 * 256 <= place < 3 * 256
    assert seen.score == pytest.approx(alone.score, abs=0.1)


@pytest.mark.parametrize("turned", [False, True])
def test_a_strip_of_which_a_part_is_left_out_keeps_its_damaged_tile_hottest(tiles, detector, turned):
    intact, damaged = tiles
    strip = np.concatenate([intact, intact, damaged, intact], axis=1)
    whole = detector.inspect(np.rot90(strip, -1) if turned else strip)
    last, first = (places(strip, begin, end) for begin, end in ((3 * 256 + 60, 1000), (0, 256)))  # a part, a square
    for out in (last, first, first | last):
        out = np.rot90(out, -1) if turned else out
        seen = detector.inspect(np.rot90(strip, -1) if turned else strip, ignore=out)
        hottest = np.unravel_index(seen.map.argmax(), seen.map.shape)[0 if turned else 1]
        assert 2 * 256 <= hottest < 3 * 256 and not seen.map[out].any()
        assert seen.score == pytest.approx(whole.score, abs=0.1)


def test_a_square_that_is_left_out_has_no_say(tiles, detector):
    intact, damaged = tiles
    strip = np.concatenate([damaged, intact, intact, intact], axis=1)
    seen = detector.inspect(strip, ignore=places(strip, 0, 256))
    alone = detector.inspect(np.concatenate([intact] * 4, axis=1), ignore=places(strip, 0, 256))
    assert (seen.score, seen.regions) == (alone.score, alone.regions)
    assert seen.score < detector.inspect(strip).score - 0.2
    left = detector.inspect(strip, ignore=places(strip, 0, 1020))  # nothing but the end is left
    assert not left.map[:, :1020].any()
    scores = [0.9, 0.8, 0.2, 0.4, 0.6]
    for begin, end, worst in ((0, 64, 0.6), (0, 63, 0.85), (64, 192, 0.9)):
        out = places(np.zeros((64, 192, 3)), begin, end)
        assert joined_scores(scores, [(64, 192)], [out]) == pytest.approx([worst])


def places(strip, begin, end):
    """(H, W) bool: a part of a strip along its width."""
    out = np.zeros(strip.shape[:2], bool)
    out[:, begin:end] = True
    return out


def test_every_method_reads_a_strip_among_other_pictures(tiny_backbone):
    tiles = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    strip = np.concatenate([tiles[0], tiles[0], tiles[1]], axis=1)
    batch = ImageBatch(tiny_backbone, [tiles[0], strip, tiles[1]])
    for name in ("clip", "clip-ac", "winclip", "rwda"):
        fitted = METHODS[name](tiny_backbone).fit("metal nut")
        seen = fitted.inspect(batch)
        assert [one.map.shape for one in seen] == [(32, 32), (32, 96), (32, 32)]
        assert seen[1].score != seen[0].score
        assert image_scores(fitted, batch) == [one.score for one in seen]


@pytest.mark.slow
def test_good_parts_may_be_strips(tiles, detector):
    intact, damaged = (tile[::2, ::2] for tile in tiles)
    dark = (intact * 0.9).astype(np.uint8)
    strips = [np.concatenate([one] * 2 + [one[:, :40]], axis=1) for one in (intact, dark)]
    memory = GoodPartsMemory(detector.backbone, Resources(good_parts=strips)).fit("metal nut")
    bad, good = (np.concatenate([last, dark, last[:, :40]], axis=1) for last in (damaged, intact))
    seen = memory.inspect(ImageBatch(detector.backbone, [bad, good]))
    assert memory.memory.parts == 2 and seen[0].score > seen[1].score
    assert seen[0].map.argmax() % 296 < 128
