"""The shipped backbone and detectors do the real job on the shipped samples, clean and corrupted."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.captions import CONDITIONS
from training.text_space import condition_vectors, mean_cosine, text_space
from zsad_core import Detector, Recipe, corrupt
from zsad_core.corruptions import POSTER_CORRUPTIONS

ASSETS = Path(__file__).parents[2] / "assets"
SAMPLES = json.loads((ASSETS / "samples" / "index.json").read_text())


@pytest.fixture(scope="module")
def inspected(embedded):
    """(detector, intact, damaged, mask) of every sample product: the detector, two `Inspection`s, and bool (H, W)."""
    seen = {}
    for sample in SAMPLES:
        folder = ASSETS / "samples" / sample["folder"]
        detector = Detector.load(ASSETS / "detectors" / f"{sample['folder']}.safetensors", embedded)
        intact, damaged = detector.inspect([folder / "intact.jpg", folder / "damaged.jpg"])
        mask = np.asarray(Image.open(folder / "mask.png").convert("L")) > 127
        seen[sample["product"]] = detector, intact, damaged, mask
    return seen


def test_there_are_enough_samples_each_with_its_detector(inspected):
    assert len(inspected) >= 10
    assert all(detector.product == product for product, (detector, *_) in inspected.items())


@pytest.mark.parametrize("product", [sample["product"] for sample in SAMPLES])
def test_the_damaged_sample_scores_higher_than_the_intact_one(inspected, product):
    _, intact, damaged, _ = inspected[product]
    assert damaged.score > intact.score


@pytest.mark.parametrize("product", [sample["product"] for sample in SAMPLES])
def test_the_map_is_higher_on_the_damage_than_around_it(inspected, product):
    _, _, damaged, mask = inspected[product]
    assert damaged.map[mask].mean() > damaged.map[~mask].mean() + 0.05


def test_most_maps_peak_on_the_damage(inspected):
    near = 16  # pixels of 512: the map's own grid is 13 pixels wide
    hits = 0
    for _, _, damaged, mask in inspected.values():
        row, column = np.unravel_index(damaged.map.argmax(), damaged.map.shape)
        hits += mask[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1].any()
    assert hits >= 0.75 * len(inspected)


@pytest.mark.slow
def test_most_samples_are_still_told_apart_under_every_corruption(inspected):
    for kind in POSTER_CORRUPTIONS:
        right = 0
        for sample in SAMPLES:
            detector, *_ = inspected[sample["product"]]
            folder = ASSETS / "samples" / sample["folder"]
            shown = [corrupt(folder / f"{state}.jpg", kind, severity=3) for state in ("intact", "damaged")]
            intact, damaged = detector.inspect(shown)
            right += damaged.score > intact.score
        assert right >= 0.75 * len(SAMPLES), kind


@pytest.mark.slow
def test_a_name_it_never_read_works_through_the_state_words(embedded):
    detector = Detector.fit(embedded, "zorblatt")
    folders = [ASSETS / "samples" / sample["folder"] for sample in SAMPLES]
    intact = detector.inspect([folder / "intact.jpg" for folder in folders])
    damaged = detector.inspect([folder / "damaged.jpg" for folder in folders])
    assert np.mean([bad.score > good.score for good, bad in zip(intact, damaged, strict=True)]) >= 0.75


def test_the_text_space_has_not_collapsed(embedded):
    """A prototype gave every product the same vector, and all methods the same score (mean |cos| 1.00)."""
    figures = text_space(embedded.text_vectors)
    assert figures["50 products, mean |cos|"] <= 0.6
    assert figures["2,000 mixed prompts, effective rank"] >= 10


def test_prompt_learning_spreads_the_diversity_words_and_keeps_their_meaning(embedded):
    detector = Detector.fit(embedded, "metal nut", recipe=Recipe.quick())
    assert detector.health["mean_cosine_after"] <= detector.health["mean_cosine_before"] * 2 / 3
    assert detector.health["held_back_accuracy"] >= 0.95


def test_photographic_conditions_have_text_vectors_of_their_own(embedded):
    conditions = ("a dark photo of a bottle.", "a bright photo of a bottle.", "a blurry photo of a bottle.")
    assert mean_cosine(embedded.text_vectors(list(conditions))) < 0.9


@pytest.mark.slow
def test_a_noisy_photo_is_still_called_noisy_and_a_clean_one_is_not(embedded):
    conditions = condition_vectors(embedded.text_vectors)
    paths = [
        ASSETS / "samples" / sample["folder"] / f"{state}.jpg" for sample in SAMPLES for state in ("intact", "damaged")
    ]
    called = {}
    for severity in (0, 3):
        shown = [corrupt(path, "noise", severity, seed=0) for path in paths]
        likeliest = (embedded.image_vectors(shown) @ conditions.T).argmax(dim=1)
        called[severity] = np.mean([list(CONDITIONS)[index] == "noisy" for index in likeliest.tolist()])
    assert called[3] >= 0.9 and called[0] == 0
