"""Any number of images in bounded memory, with the maps that one image alone gets."""

import numpy as np
import pytest

from zsad_core import maps
from zsad_core.detector import Detector
from zsad_core.figures import outlined, overlay
from zsad_core.recipe import Recipe
from zsad_core.regions import Region


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", Recipe(prompts=4, steps=2, classifier_steps=20))


def test_images_are_read_as_they_are_needed_and_scored_as_alone(detector):
    given, pixels = [], np.random.default_rng(0).integers(0, 256, (20, 30, 40, 3), np.uint8)

    def images():
        for image in pixels:
            given.append(image)
            yield image

    for number, seen in enumerate(detector.inspect_each(images())):
        assert len(given) <= number + 8
        alone = detector.inspect(pixels[number])
        assert seen.score == pytest.approx(alone.score, abs=1e-6)
        np.testing.assert_allclose(seen.map, alone.map, atol=1e-6)
    assert number == 19


def test_a_large_map_is_made_anew_and_a_small_one_kept(detector, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    small = detector.inspect(image)
    assert small.map is small.map
    monkeypatch.setattr(maps, "KEPT", 1199)
    large = detector.inspect(image)
    assert large.map is not large.map and np.array_equal(large.map, small.map)


def test_a_layer_in_strips_is_the_layer(monkeypatch):
    random = np.random.default_rng(0)
    image, anomaly_map = random.integers(0, 256, (50, 37, 3), np.uint8), random.random((50, 37), np.float32)
    whole = overlay(image, anomaly_map)
    monkeypatch.setattr("zsad_core.figures.STRIP", 37 * 7)
    assert np.array_equal(overlay(image, anomaly_map), whole)


def test_the_box_of_a_region_is_drawn_around_it():
    image = np.full((60, 80, 3), 100, np.uint8)
    drawn = outlined(image, [Region((20, 10, 50, 40), 900, 0.9, (35.0, 25.0)), Region((0, 0, 80, 60), 1, 0.6, (1, 1))])
    assert (drawn[10, 20:50] == 255).all() and (drawn[39, 20:50] == 255).all() and (drawn[10:40, 49] == 255).all()
    assert (drawn[9, 20:50] == 0).all() and (drawn[12:38, 22:48] == 100).all() and (image == 100).all()
