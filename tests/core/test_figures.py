"""Figures: one colour scale for all maps, and pictures in which points move and never flip."""

import base64
import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from zsad_core.colour_tables import CIVIDIS, INFERNO
from zsad_core.figures import (
    LINES,
    apart,
    curves,
    data_address,
    decision_picture,
    heat,
    overlay,
    severity_chart,
    severity_picture,
    similarity_picture,
)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def decoded(address):
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)


def test_a_normal_image_stays_as_it_is(image):
    assert np.array_equal(overlay(image, np.full((60, 80), 0.5)), image)
    assert np.array_equal(overlay(image, np.random.default_rng(1).uniform(0, 0.5, (60, 80))), image)


def test_the_same_value_has_the_same_colour_whatever_else_is_in_the_map():
    alone, beside_a_maximum = np.full((1, 3), 0.7), np.array([[0.7, 1.0, 0.0]])
    assert np.array_equal(heat(alone)[0, 0], heat(beside_a_maximum)[0, 0])


def test_a_higher_value_is_never_darker_nor_clearer():
    layer = heat(np.linspace(0, 1, 200)[None])[0].astype(float)
    lightness = layer[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[100:]) >= -1).all() and lightness[-1] > lightness[100] + 80
    assert (np.diff(layer[:, 3]) >= 0).all() and layer[-1, 3] == 255


def test_values_outside_the_scale_are_its_ends():
    assert np.array_equal(heat(np.array([[-1.0, 2.0]])), heat(np.array([[0.0, 1.0]])))


def test_the_map_lies_over_the_place_it_speaks_of(image):
    small = np.zeros((4, 4))
    small[0, 3] = 1.0  # top right
    changed = (overlay(image, small) != image).any(axis=2)
    assert changed[:10, 70:].all() and not changed[30:].any() and not changed[:, :40].any()


def test_opacity_goes_from_not_seen_to_the_colour_alone(image):
    hot = np.ones(image.shape[:2])
    assert np.array_equal(overlay(image, hot, opacity=0), image)
    assert (overlay(image, hot, opacity=1) == INFERNO[-1]).all()


@pytest.mark.parametrize(("name", "table"), [("inferno", INFERNO), ("cividis", CIVIDIS)])
def test_the_colour_tables_are_those_of_matplotlib(name, table):
    assert np.array_equal(table, (colormaps[name](np.arange(256))[:, :3] * 255).round())


@pytest.mark.slow
def test_what_a_page_draws_first_does_not_wait_for_matplotlib():
    drawn = "figures.heat(numpy.ones((2, 2))), figures.severity_chart({'blur': [0.5]}, 'Ours'), report.Panel"
    code = f"import sys, numpy; from zsad_core import figures, report; {drawn}; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_decision_field_is_red_where_abnormal_blue_where_normal_and_clear_between():
    field = decoded(decision_picture(np.array([[0.0, 0.5, 1.0]]))).astype(int)[0]  # (3, 4)
    normal, neutral, abnormal = field
    assert normal[2] > normal[0] and abnormal[0] > abnormal[2]
    assert neutral[3] == 0 and min(normal[3], abnormal[3]) > 100


def test_the_similarity_matrix_is_brightest_where_vectors_agree():
    vectors = np.eye(6)
    vectors[1] = -vectors[0]  # |cos| is 1
    matrix = decoded(similarity_picture(vectors)).astype(int).sum(axis=2)
    assert (np.diag(matrix) == matrix[0, 1]).all() and matrix[0, 1] > matrix[0, 2] + 200
    assert len(matrix) == 6


def test_curves_stay_in_their_frame_and_start_at_their_step():
    svg = curves({"loss": [(1, 3.0), (5, 0.5), (10, -1.0)]}, steps=10, title="FNN")
    height = float(re.search(r'viewBox="0 0 \S+ (\S+)"', svg)[1])
    line = next(part for part in ElementTree.fromstring(svg) if part.get("class") == "line-0")
    columns, rows = zip(*(map(float, point.split(",")) for point in line.get("points").split()), strict=True)
    assert columns == pytest.approx((24, 120, 240)) and rows == pytest.approx((1, height / 2, height - 1))


def chart_parts(svg, name):
    """Lines and labels of a severity chart, by number."""
    return {
        part.get("class").split("-")[-1]: part
        for part in ElementTree.fromstring(svg).iter("g")
        if part.get("class").startswith(name)
    }


def places(line):
    return np.array([[float(value) for value in point.split(",")] for point in line[0].get("points").split()])


def test_a_severity_chart_is_on_the_fixed_scale_whatever_else_is_in_it():
    alone = severity_chart({"blur": [0.7, 0.6, 0.5]}, "Ours")
    beside = severity_chart({"blur": [0.7, 0.6, 0.5], "noise": [0.0] * 6, "contrast": [1.0] * 6}, "Ours")
    low, middle, high = (places(chart_parts(beside, "line")[number])[2] for number in "102")
    assert np.array_equal(places(chart_parts(alone, "line")["0"]), places(chart_parts(beside, "line")["0"]))
    assert middle == pytest.approx((low + high) / 2) and high[1] < low[1]
    neutral = next(part for part in ElementTree.fromstring(alone) if part.get("class") == "neutral")
    assert f" {middle[1]:.1f}H" in neutral.get("d")


def test_every_line_of_a_severity_chart_is_named_at_its_end_and_told_apart_without_colour():
    names = [f"method <{number}>" for number in range(8)]
    svg = severity_chart(dict.fromkeys(names, [0.5] * 6), "By <method>")
    labels, lines = chart_parts(svg, "label"), chart_parts(svg, "line")
    assert ["".join(part.itertext()) for part in labels.values()] == [f"{name} 0.50" for name in names]
    heights = sorted(float(part[1].get("y")) for part in labels.values())
    assert np.diff(heights).min() >= 19.9 and heights[0] > 0 and heights[-1] < 346
    assert len({(part[0].get("stroke-dasharray"), part[1].get("d")) for part in lines.values()}) == 8


def test_a_severity_chart_can_be_drawn_before_there_is_any_score():
    assert "line-0" in severity_chart({"blur": []}, "Ours") and "<text" in severity_chart({}, "Ours")


def test_the_severity_chart_as_a_picture_shows_its_lines_in_their_colours():
    pixels = severity_picture({"blur": [0.9] * 6, "noise": [0.1] * 6}, "Ours")
    for (colour, *_), half in zip(LINES, (slice(0, 360), slice(360, None))):
        drawn = (pixels == [int(colour[place : place + 2], 16) for place in (1, 3, 5)]).all(axis=2)
        assert drawn[half].sum() > 1000 and drawn.sum() == drawn[half].sum()


def test_labels_are_moved_apart_evenly_and_stay_in_their_range():
    assert apart([0.5, 0.52, 0.1], 0.1, 0, 1) == pytest.approx([0.46, 0.56, 0.1])
    assert apart([1.0, 1.0, 1.0], 0.1, 0, 1) == pytest.approx([0.8, 0.9, 1.0])
    assert apart([], 0.1, 0, 1) == []


def test_pictures_for_the_page_are_reduced_and_keep_their_shape(image):
    assert decoded(data_address(image, longest=40)).shape == (30, 40, 3)
    layer = heat(np.random.default_rng(0).random((20, 30)))
    assert np.array_equal(decoded(data_address(layer)), layer)
