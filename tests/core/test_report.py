"""The report picture: what a listener reads off the slide is what the detector said."""

import datetime

import numpy as np
import pytest
from PIL import ImageColor

from zsad_core.detector import Inspection
from zsad_core.figures import overlay
from zsad_core.report import COLUMN, GAP, MARGIN, PAPER, PICTURE, STATES, TOP, Panel, report_picture

RIGHT = MARGIN + COLUMN + 2 * GAP  # where the corrupted half begins
GREY = np.full((PICTURE, PICTURE, 3), 120, np.uint8)
SCORES = slice(TOP + PICTURE + 40, TOP + PICTURE + 160)  # rows


def look(score, pixels=GREY, level=0.0, title="Clean"):
    return Panel(title, pixels, Inspection(score, np.full(pixels.shape[:2], level, np.float32)))


def drawn(clean, corrupted, product="metal nut", method="16 prompts", backbone="embedded"):
    picture = report_picture(product, clean, corrupted, backbone, method, datetime.date(2026, 11, 24))
    assert picture.size == (1600, 900) and picture.mode == "RGB"
    return np.asarray(picture)


def share_of(colour, pixels):
    return (pixels == ImageColor.getrgb(colour)).all(-1).mean()


@pytest.mark.parametrize(("score", "state"), [(0.1, "normal"), (0.5, "undecided"), (0.9, "abnormal")])
def test_score_and_verdict_have_the_colour_of_their_state(score, state):
    pixels = drawn(look(score), look(0.9))[SCORES]
    for name, colour in STATES.items():
        assert (share_of(colour, pixels[:, MARGIN : MARGIN + COLUMN]) > 0.02) == (name == state)
        assert (share_of(colour, pixels[:, RIGHT : RIGHT + COLUMN]) > 0.02) == (name == "abnormal")


def test_the_pictures_are_the_image_and_the_overlay_of_the_page():
    image = np.random.default_rng(0).integers(0, 256, (PICTURE, PICTURE, 3), np.uint8)
    pixels = drawn(look(0.7, image, 0.8), look(0.7, image))
    inner = np.s_[TOP + 10 : TOP + PICTURE - 10]
    places = {MARGIN: image, MARGIN + PICTURE + GAP: overlay(image, np.full((1, 1), 0.8)), RIGHT + PICTURE + GAP: image}
    for left, expected in places.items():  # a map under the neutral point leaves the image as it is
        assert np.array_equal(pixels[inner, left + 10 : left + PICTURE - 10], expected[10:-10, 10:-10])


def test_the_mark_on_the_scale_stands_at_the_score():
    def mark(score):
        row = drawn(look(score), look(0.5))[TOP + PICTURE + 189, MARGIN : MARGIN + COLUMN].astype(int)
        return np.flatnonzero(np.abs(row - ImageColor.getrgb("#1c2430")).sum(-1) == 0).mean() / COLUMN

    assert [mark(score) for score in (0.1, 0.33, 0.84)] == pytest.approx([0.1, 0.33, 0.84], abs=0.005)


def test_an_image_of_any_shape_is_shown_whole():
    strip = np.zeros((20, 400, 3), np.uint8)
    strip[:, :10], strip[:, -10:] = (255, 0, 0), (0, 255, 0)
    frame = drawn(look(0.3, strip), look(0.3))[TOP : TOP + PICTURE, MARGIN : MARGIN + PICTURE]
    assert share_of("#ff0000", frame) > 0 and share_of("#00ff00", frame) > 0


def test_the_longest_names_stay_inside_the_margins():
    title = "Corrupted: brightness 5, contrast 5, blur 5, noise 5"
    pixels = drawn(look(0.3), look(0.3, title=title), "W" * 80, "M" * 100, "B" * 60)
    assert share_of(PAPER, pixels[:, -MARGIN + 8 :]) == 1
