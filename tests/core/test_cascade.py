"""Closer looks at large pictures: where they are taken, what they cost, and what they find."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zsad_core.cascade import closest_side, inspect_finely, windows
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.maps import anomaly_map
from zsad_core.profile import Profile
from zsad_core.recipe import Recipe


class BrightnessDetector:
    """Stands in for a detector: a patch is as abnormal as its pixels are bright. It counts its looks."""

    memory = None

    def __init__(self):
        self.looks = 0
        self.backbone = SimpleNamespace(image_size=64, encode=self._encode, profile=Profile())

    def _encode(self, pictures):
        self.looks += len(pictures)
        squares = [torch.from_numpy(picture[..., :1].copy()).permute(2, 0, 1)[None].float() for picture in pictures]
        reduced = [torch.nn.functional.interpolate(square, (64, 64), mode="area") for square in squares]
        return SimpleNamespace(dense=torch.nn.functional.max_pool2d(torch.cat(reduced), 8)[:, 0] / 255)

    def patch_probabilities(self, dense):
        return dense

    def evidence(self, encoded):
        return encoded.dense.flatten(1).amax(dim=1), encoded.dense

    def inspect(self, picture):
        grid = self._encode([picture]).dense[0]
        return SimpleNamespace(score=grid.max().item(), map=anomaly_map(grid, picture.shape[:2]))


def large_picture(height=600, width=1000, mark=None):
    """Dim, with a warm field around a small bright mark."""
    picture = np.full((height, width, 3), 20, np.uint8)
    if mark:
        top, left = mark
        picture[max(0, top - 40) : top + 40, max(0, left - 40) : left + 40] = 60
        picture[top : top + 4, left : left + 12] = 250
    return picture


def test_windows_cover_the_picture_and_overlap_by_half():
    for size in ((600, 1000), (1000, 600), (2160, 3840)):
        side = closest_side(*size, 64)
        covered = np.zeros(size, int)
        for top, left, length in windows(*size, side, overlap=True):
            assert length == side and top + side <= size[0] and left + side <= size[1]
            covered[top : top + side, left : left + side] += 1
        assert covered.min() >= 1 and np.median(covered) == 4


@pytest.mark.parametrize("size, side", [((200, 300), None), ((256, 256), 128), ((600, 1000), 150), ((511, 5000), 255)])
def test_the_closest_windows_are_twice_what_the_tower_reads_or_a_little_more(size, side):
    assert closest_side(*size, 64) == side


@pytest.mark.parametrize("mark", [(0, 0), (300, 500), (590, 980), (130, 720)])
def test_a_small_mark_is_found_at_a_quarter_of_the_cost(mark):
    clean, marked, every = BrightnessDetector(), BrightnessDetector(), BrightnessDetector()
    dim = inspect_finely(clean, large_picture())
    seen = inspect_finely(marked, large_picture(mark=mark))
    whole = marked.inspect(large_picture(mark=mark))
    assert seen.score > max(dim.score, whole.score) and seen.map.shape == (600, 1000)
    row, column = np.unravel_index(seen.map.argmax(), seen.map.shape)
    assert abs(row - mark[0]) < 30 and abs(column - mark[1]) < 30
    assert seen.map.max() == pytest.approx(seen.score, abs=0.03)
    by_all = inspect_finely(every, large_picture(mark=mark), share=1)
    assert by_all.score == pytest.approx(seen.score, abs=0.05)
    assert clean.looks <= len(windows(600, 1000, 150, overlap=True)) / 4


def test_there_is_no_seam_where_nothing_is():
    for brightness in (50, 200):
        seen = inspect_finely(BrightnessDetector(), np.full((600, 1000, 3), brightness, np.uint8))
        assert np.ptp(seen.map) < 1e-5 and seen.map.max() == pytest.approx(seen.score, abs=1e-5)


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", Recipe(prompts=4, steps=1))


def test_a_picture_of_usual_size_is_looked_at_once(detector):
    picture = np.random.default_rng(0).integers(0, 256, (300, 380, 3), np.uint8)
    fast, fine = detector.inspect(picture), detector.inspect(picture, mode="fine")
    assert fast.score == fine.score and np.array_equal(fast.map, fine.map)


@pytest.mark.parametrize("shape", [np.s_[:200, :300], np.s_[100:300, 250:], np.s_[:, 30:590]])
def test_what_is_left_out_of_a_large_picture_has_no_say(detector, shape):
    random = np.random.default_rng(3)
    one = random.integers(0, 256, (400, 620, 3), np.uint8)
    out = np.zeros((400, 620), bool)
    out[shape] = True
    other = np.where(out[..., None], random.integers(0, 256, one.shape, np.uint8), one)
    seen, also = (detector.inspect(pixels, "fine", out) for pixels in (one, other))
    assert seen.score == also.score and np.array_equal(seen.map, also.map)
    assert not seen.map[out].any() and 0 <= seen.score <= 1


def test_fine_is_a_mode_of_every_detector_by_words(detector):
    pictures = [np.random.default_rng(seed).integers(0, 256, (400, 620, 3), np.uint8) for seed in range(2)]
    for seen in detector.inspect(pictures, mode="fine"):
        assert 0 <= seen.score <= 1 and seen.map.shape == (400, 620) and 0 <= seen.map.min() <= seen.map.max() <= 1
    with pytest.raises(InputError, match="'fine', 'fast' or 'windows'"):
        detector.inspect(pictures[0], mode="finest")
    sure = detector.with_good_parts([pictures[0][:200, :200]])
    with pytest.raises(InputError, match="knows no good parts"):
        sure.inspect(pictures[1], mode="fine")
