"""Grain is measured, and taken out as far as needed; a clean picture stays as it is."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zsad_core import Detector, corrupt
from zsad_core.embedded import GRAIN_LEFT
from zsad_core.grain import grain, without_grain

ASSETS = Path(__file__).resolve().parents[2] / "assets"
FOLDERS = [entry["folder"] for entry in json.loads((ASSETS / "samples" / "index.json").read_text())]
LEFT = 0.025


def scene(side=128):
    """A ramp with a dark square on it, (1, 3, side, side)."""
    ramp = torch.linspace(0.3, 0.7, side).expand(1, 3, side, side).clone()
    ramp[..., side // 4 : side // 2, side // 4 : side // 2] = 0.1
    return ramp


def noise(deviation, side=128, seed=0):
    return deviation * torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def smoothed(pixels):
    return without_grain(pixels, grain(pixels), LEFT)


@pytest.mark.parametrize("deviation", [0.02, 0.08, 0.2])
def test_grain_is_the_standard_deviation_of_the_noise_whatever_else_is_in_the_picture(deviation):
    assert grain(scene() + noise(deviation)).item() == pytest.approx(deviation, rel=0.03)


def test_edges_and_damage_are_no_grain():
    damaged = scene()
    damaged[..., 60:64, 10:110] = 0
    assert grain(damaged).item() < 0.005


@pytest.mark.parametrize("deviation", [0.06, 0.08, 0.15])
def test_as_much_noise_stays_as_was_allowed(deviation):
    clean = torch.full((1, 3, 128, 128), 0.5)
    assert (smoothed(clean + noise(deviation)) - clean).std().item() == pytest.approx(LEFT, rel=0.15)


def test_pictures_with_little_grain_come_back_to_the_last_bit():
    pictures = torch.cat([scene(), scene() + noise(0.2), scene() + noise(0.02)])
    seen = smoothed(pictures)
    assert torch.equal(seen[0], pictures[0]) and torch.equal(seen[2], pictures[2])
    assert not torch.equal(seen[1], pictures[1])


def test_a_picture_alone_is_smoothed_as_in_a_batch():
    pictures = torch.cat([scene() + noise(deviation, seed=number) for number, deviation in enumerate((0, 0.05, 0.3))])
    together = smoothed(pictures)
    assert all(torch.equal(smoothed(one[None])[0], there) for one, there in zip(pictures, together, strict=True))


def test_smoothing_keeps_the_mean_and_brings_the_picture_nearer_to_the_clean_one():
    noisy = scene() + noise(0.15)
    seen = smoothed(noisy)
    assert seen.mean().item() == pytest.approx(noisy.mean().item(), abs=1e-3)
    assert (seen - scene()).square().mean() < (noisy - scene()).square().mean() / 4


def test_the_filter_is_a_gaussian_of_the_stated_width():
    point = torch.zeros(1, 3, 65, 65)
    point[..., 32, 32] = 1
    spread = without_grain(point, torch.tensor([0.1]), LEFT)[0, 0]
    deviation, offsets = 0.1 / (2 * math.sqrt(math.pi) * LEFT), torch.arange(65) - 32
    assert spread.sum().item() == pytest.approx(1, abs=1e-5)
    for squares in (offsets[None] ** 2, offsets[:, None] ** 2):
        assert (spread * squares).sum().item() == pytest.approx(deviation**2, rel=0.05)


@pytest.mark.parametrize("side", [2, 3, 5])
def test_the_smallest_pictures_and_the_strongest_noise_are_let_through(side):
    seen = smoothed(noise(5.0, side))
    assert seen.shape == (1, 3, side, side) and torch.isfinite(seen).all()


@pytest.fixture(scope="module")
def pictures():
    """(path of the intact picture, path of the damaged one) of every sample."""
    samples = ASSETS / "samples"
    return [tuple(samples / folder / f"{state}.jpg" for state in ("intact", "damaged")) for folder in FOLDERS]


def test_a_clean_sample_has_so_little_grain_that_the_embedded_tower_reads_it_as_it_is(embedded, pictures):
    pixels = embedded.preprocess([path for both in pictures for path in both])
    assert (grain(pixels * torch.tensor(embedded._image.std).view(3, 1, 1)) <= GRAIN_LEFT).all()


@pytest.mark.slow
def test_under_noise_a_damaged_sample_still_scores_higher_and_the_intact_one_keeps_its_score(embedded, pictures):
    higher, moved = [], []
    for folder, both in zip(FOLDERS, pictures, strict=True):
        detector = Detector.load(ASSETS / "detectors" / f"{folder}.safetensors", embedded)
        clean = detector.inspect(both[0]).score
        good, bad = detector.inspect([corrupt(path, "noise", 3, seed=0) for path in both])
        higher.append(bad.score > good.score)
        moved.append(abs(good.score - clean))
    # One pair fewer than under the rule of before, which was chosen on real photographs. Intact ones moved by .08 with
    # the fifth version's text tower, by .15 with the sixth's, and by .11 since the FNN knows the plain prompts.
    assert np.mean(higher) >= 15 / 17 and np.median(moved) < 0.13
