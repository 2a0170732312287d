"""Regions and what is left out, as the view Inspect draws them."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from page.regions import box_drawn, layer, look_without
from zsad_core.baselines import METHODS, ImageBatch
from zsad_core.baselines.ours import FittedDetector
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError
from zsad_core.ignored import Ignored
from zsad_core.recipe import Recipe


def test_the_boxes_lie_where_the_regions_are():
    anomaly_map = np.zeros((50, 100), np.float32)
    anomaly_map[10:20, 25:75] = 0.8
    found = layer(Inspection(0.7, anomaly_map), (0, 0, 10, 50))
    shown, out = re.findall(r'<span class="(\w+)" style="([^"]*)"><b>([^<]*)</b>', found)
    assert shown == ("region", "left: 25.00%; top: 20.00%; width: 50.00%; height: 20.00%", "0.80")
    assert out == ("ignored", "left: 0.00%; top: 0.00%; width: 10.00%; height: 100.00%", "left out")
    assert layer(Inspection(0.2, np.zeros((5, 5), np.float32))) == ""


def test_a_rectangle_is_drawn_in_shares_of_the_picture():
    assert box_drawn(SimpleNamespace(box="0.1,0.25,0.5,0.75"), 40, 30) == (3, 10, 15, 30)
    assert box_drawn(SimpleNamespace(box="-3,0.999,0.001,9"), 40, 30) == (0, 39, 1, 40)
    assert box_drawn(SimpleNamespace(box=""), 40, 30) is None


@pytest.mark.parametrize(
    "box",
    ["0,0,1,1", "0.5,0.5,0.5,0.9", "0.9,0.9,0.1,0.1", "nan,0,1,0.5", "1,2,3", "x", "0,0,1e999,1", "1" * 10_000, 7],
)
def test_what_is_no_rectangle_gets_a_sentence(box):
    with pytest.raises(InputError):
        box_drawn(SimpleNamespace(box=box), 40, 30)


@pytest.mark.parametrize("method", ["ours", "clip"])
def test_what_is_left_out_has_no_say_by_any_method(method, tiny_backbone):
    if method == "ours":
        recipe = Recipe(prompts=4, steps=2, classifier_steps=20)
        fitted = FittedDetector(Detector.fit(tiny_backbone, "metal nut", recipe))
    else:
        fitted = METHODS[method](tiny_backbone).fit("metal nut")
    random, box = np.random.default_rng(0), (10, 5, 40, 25)
    images = random.integers(0, 256, (2, 60, 80, 3), np.uint8)
    images[1], out = images[0], Ignored((box,)).places(60, 80)
    images[1][out] = 255
    one, other = (look_without(fitted, tiny_backbone, image, box) for image in images)
    assert one.score == other.score and np.array_equal(one.map, other.map) and not one.map[out].any()
    assert fitted.inspect(ImageBatch(tiny_backbone, images[:1]))[0].score != one.score
