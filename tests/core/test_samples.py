"""The sample pictures that everyone sees, by the detectors that ship: what score, verdict and map say together."""

import json
from pathlib import Path

import numpy as np
import pytest

from zsad_core.corruptions import corrupt
from zsad_core.detector import Detector
from zsad_core.doctor import ranking
from zsad_core.images import read_image

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def seen(embedded):
    """By "clean" and "noise": what is said of every sample picture, and whether it is damaged."""
    found = {"clean": [], "noise": []}
    for entry in json.loads((ASSETS / "samples/index.json").read_text(encoding="utf-8")):
        detector = Detector.load(ASSETS / "detectors" / f"{entry['folder']}.safetensors", embedded)
        pictures = [
            read_image(ASSETS / "samples" / entry["folder"] / f"{state}.jpg") for state in ("intact", "damaged")
        ]
        said = detector.inspect([*pictures, *(corrupt(picture, "noise", 3, seed=0) for picture in pictures)])
        for when, first in (("clean", 0), ("noise", 2)):
            found[when] += [(said[first + damaged], bool(damaged)) for damaged in (0, 1)]
    return found


@pytest.mark.slow
def test_a_sample_that_scores_over_a_half_has_a_place_over_a_half(seen):
    for inspection, _ in (*seen["clean"], *seen["noise"]):
        assert inspection.map.max() > 0.5 or inspection.score <= 0.5


@pytest.mark.slow
def test_damaged_samples_stand_apart_and_few_are_undecided(seen):
    for when, least in (("clean", 0.97), ("noise", 0.9)):
        scores, damaged = (np.array(each) for each in zip(*((one.score, bad) for one, bad in seen[when])))
        assert ranking(damaged, scores) > least
    assert np.mean([inspection.state == "undecided" for inspection, _ in seen["clean"]]) <= 0.15
