"""Places that are left out: nothing that is shown there changes a score or a map."""

import numpy as np
import pytest
from PIL import Image

from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.ignored import Ignored, box_in, ignored_in
from zsad_core.recipe import Recipe
from zsad_core.without_say import painted_over


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", Recipe(prompts=4, steps=2, classifier_steps=20))


@pytest.fixture(scope="module")
def by_parts(detector):
    return detector.with_good_parts(list(np.random.default_rng(9).integers(0, 256, (2, 70, 90, 3), np.uint8)))


def places(*boxes, size=(70, 90)):
    return Ignored(boxes).places(*size)


SHAPES = {
    "a corner": places((0, 0, 30, 20)),
    "the middle": places((20, 10, 80, 60)),
    "a thin line": places((0, 33, 90, 36)),
    "stripes": np.indices((70, 90))[1] % 4 < 2,
    "all but a corner": ~places((70, 50, 90, 70)),
    "all but a pixel": ~places((3, 4, 4, 5)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["fast", "windows"])
def test_what_is_left_out_has_no_say_in_score_and_map(shape, mode, detector, by_parts):
    out, random = SHAPES[shape], np.random.default_rng(0)
    image = random.integers(0, 256, (70, 90, 3), np.uint8)
    other = image.copy()
    other[out] = random.integers(0, 256, (out.sum(), 3))
    for asked in (detector, by_parts):
        one, two = (asked.inspect(pixels, mode, ignore=out) for pixels in (image, other))
        assert (one.score, one.by_words) == (two.score, two.by_words) and np.array_equal(one.map, two.map)
        assert not one.map[out].any() and 0 <= one.score <= 1
        assert not any(
            out[round(y - 0.5), round(x - 0.5)] for (x, y) in (r.centroid for r in one.regions if r.area == 1)
        )


def test_a_mask_of_any_numbers_is_read_and_all_else_gets_a_sentence(detector):
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    corner = SHAPES["a corner"]
    assert detector.inspect(image, ignore=corner * np.uint8(255)).score == detector.inspect(image, ignore=corner).score
    for wrong in ("0,0,9,9", (0, 0, 9, 9), image, np.zeros((0, 5), bool), corner.ravel()):
        with pytest.raises(InputError, match="What to ignore must be a mask"):
            detector.inspect(image, ignore=wrong)


def test_leaving_out_nothing_changes_nothing(detector):
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    plain, asked = detector.inspect(image), detector.inspect(image, ignore=np.zeros((70, 90), bool))
    assert plain.score == pytest.approx(asked.score, abs=1e-6)
    np.testing.assert_allclose(plain.map, asked.map, atol=1e-6)


def test_the_paint_is_the_mean_colour_of_the_rest():
    image = np.full((40, 60, 3), (200, 30, 90), np.uint8)
    image[10:20, 10:20] = 0
    assert (painted_over(image, places((10, 10, 20, 20), size=(40, 60))) == (200, 30, 90)).all()
    assert (image[15, 15] == 0).all()  # the picture that was given stays


def test_a_mask_counts_for_every_picture_of_its_proportions(tmp_path):
    mask = np.zeros((30, 40), np.uint8)
    mask[:15] = 1  # as a label
    Image.fromarray(mask).save(tmp_path / "mask.png")
    ignored = ignored_in([str(tmp_path / "mask.png"), "0,59,1,60"])
    found = ignored.places(60, 80)
    assert found[:30].all() and not found[30:59].any() and found[59, 0] and not found[59, 1]
    with pytest.raises(InputError, match="same proportions"):
        ignored.places(80, 60)


@pytest.mark.parametrize(
    ("boxes", "told"),
    [
        ([(0, 0, 90, 70)], "whole picture"),
        ([(0, 0, 45, 70), (45, -5, 999, 999)], "whole picture"),
        ([(90, 0, 95, 9)], "outside the picture of 90 x 70"),
        ([(0, -9, 95, 0)], "outside the picture of 90 x 70"),
    ],
)
def test_what_leaves_nothing_or_lies_outside_is_refused(boxes, told, detector):
    image = np.zeros((70, 90, 3), np.uint8)
    with pytest.raises(InputError, match=told):
        detector.inspect(image, ignore=Ignored(tuple(boxes)))


def test_texts_are_rectangles_or_paths(tmp_path):
    assert box_in(" 1, 2,3 ,40") == (1, 2, 3, 40) and box_in("-5,0,3,4") == (-5, 0, 3, 4)
    assert box_in("mask.png") is None and box_in("masks/1,2,3,4.png") is None
    for wrong in ("1,2,3", "1,2,3,4,5", "4,2,3,4", "1,2,3,2", "1;2;3;4", "1.5,2,3,4", "9" * 99 + ",1,2,3"):
        with pytest.raises(InputError, match="to leave out"):
            box_in(wrong)
    Image.new("L", (4, 4)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match="marks nothing"):
        ignored_in([str(tmp_path / "black.png")])
    with pytest.raises(InputError, match="no file 'absent.png'"):
        ignored_in(["absent.png"])
