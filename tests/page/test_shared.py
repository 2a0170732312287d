"""What visitors share: made once, forgotten by age, and within bounds."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from page.load.hostile import LARGEST, is_sentence
from page.runs import Runs
from page.shared import LruCache, SharedState, check_visitors_recipe, read_photo
from page.training import PRESETS
from zsad_core.corruptions import corrupt_all
from zsad_core.errors import InputError
from zsad_core.recipe import Recipe

LIMIT = 180  # seconds; only a failure takes so long
EIGHT = tuple(f"bad{number}" for number in range(8))


@pytest.fixture(scope="module")
def shared(embedded):
    return SharedState(embedded, app.ASSETS)


def test_four_who_ask_at_once_get_what_was_made_once():
    cache, made, all_ask = LruCache(4), [], threading.Barrier(4)

    def make():
        made.append(object())
        return made[-1]

    def ask(_):
        all_ask.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == set(made) and len(made) == 1


def test_what_takes_long_holds_up_no_other_key():
    cache, begun, done = LruCache(4), threading.Event(), threading.Event()

    def slow():
        begun.set()
        return done.wait(LIMIT)

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(cache.get, "slow", slow)
        assert begun.wait(LIMIT)
        assert cache.get("quick", lambda: 1) == 1
        done.set()
        assert long.result() is True


def test_a_failure_reaches_all_who_wait_and_is_not_kept():
    cache, begun, fail = LruCache(4), threading.Event(), threading.Event()

    def failing():
        begun.set()
        fail.wait(LIMIT)
        raise InputError("No.")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "key", failing)
        assert begun.wait(LIMIT)
        second = pool.submit(cache.get, "key", failing)
        fail.set()
        assert isinstance(first.exception(), InputError) and isinstance(second.exception(), InputError)
    assert cache.get("key", lambda: 1) == 1


def test_the_oldest_goes_and_so_does_what_nobody_asks_for():
    cache, made = LruCache(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        cache.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]
    cache.forget_unasked(3600)
    cache.get("b", lambda: made.append("kept no more"))
    cache.forget_unasked(-1)
    cache.get("b", lambda: made.append("again"))
    assert made == ["a", "b", "c", "b", "again"]


@pytest.mark.parametrize("severities", [{"gaussian_blur": 5}, {"motion_blur": 3}, {"blur": 2, "noise": 1}])
def test_every_corruption_counts_for_what_is_remembered_of_an_image(shared, severities):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    shared.image_batch(pixels)
    found = shared.image_batch(pixels, severities).images[0]
    assert np.array_equal(found, corrupt_all(pixels, severities, 0)) and not np.array_equal(found, pixels)


@pytest.mark.parametrize(
    ("size", "kept"), [((2000, 1500), (1024, 768)), ((256, 4096), (256, 4096)), ((40, 6000), (27, 4096))]
)
def test_a_strip_keeps_as_many_pixels_as_a_square_photo(size, kept):
    file = io.BytesIO()
    Image.new("L", size[::-1], 200).save(file, "PNG")
    assert read_photo(file.getvalue()).shape == (*kept, 3)


def test_a_large_photo_is_looked_at_in_the_pixels_of_its_file(shared, tmp_path):
    file, detector = str(tmp_path / "large.png"), shared.detector_for("metal nut")
    pixels = np.random.default_rng(0).integers(0, 256, (1100, 1300, 3), np.uint8)
    Image.fromarray(pixels).save(file)
    Image.new("RGB", (1300, 1000)).save(tmp_path / "small.png")
    assert shared.gains_by_closer_look(file) and not shared.gains_by_closer_look(str(tmp_path / "small.png"))
    shown, box = read_photo(file).shape[:2], (100, 50, 600, 700)
    picture, seen = shared.look_closer(detector, file, shown, {"contrast": 2}, box)
    assert picture.shape[:2] == seen.map.shape == shown == (866, 1024)
    assert not seen.map[60:690, 110:590].any() and seen.map.max() <= 1
    _, whole = shared.look_closer(detector, file, shown, {})
    assert whole.score == detector.inspect(pixels, "fine").score != detector.inspect(pixels).score
    assert shared.look_closer(detector, file, shown, {})[1] is whole
    shared.forget_unasked(-1)
    Path(file).unlink()
    with pytest.raises(InputError, match="upload it again"):
        shared.look_closer(detector, file, shown, {})


def test_photos_are_forgotten_by_age(shared):
    pixels = np.full((40, 40, 3), 7, np.uint8)
    first = shared.image_batch(pixels)
    assert shared.image_batch(pixels) is first
    shared.forget_unasked(-1)
    assert shared.image_batch(pixels) is not first


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_is_for_visitors_with_eight_adjectives_as_well(preset):
    check_visitors_recipe(Recipe.from_dict({**preset.to_dict(), "adjectives": EIGHT}))


def test_hours_of_work_get_a_sentence_with_the_numbers(shared):
    check_visitors_recipe(Recipe(prompts=LARGEST["prompts"], steps=LARGEST["steps"]))
    with pytest.raises(InputError, match="256 prompts x 1,000 steps x 9 states.* 2,304,000 passes.* 72,000") as refused:
        shared.training("nut", Recipe(prompts=256, steps=1000, adjectives=EIGHT))
    assert is_sentence(str(refused.value))


class Steps:
    """Goes on until it is stopped, and then once more."""

    stopped = False

    def __iter__(self):
        while not self.stopped:
            yield "step"
        yield "last"

    def stop(self):
        self.stopped = True


def test_a_run_that_takes_too_long_is_stopped_kept_and_says_so():
    notes = []
    with pytest.warns(UserWarning, match="It was stopped"):  # gradio's way of telling whoever is not on a page
        assert list(Runs(seconds=0).follow("a", Steps(), notes))[-1] == "last"
    assert len(notes) == 1 and is_sentence(notes[0])


def test_a_visitor_stops_their_own_run_alone():
    runs, notes = Runs(), []
    mine, others = runs.follow("a", Steps(), notes), runs.follow("b", Steps())
    assert (next(mine), next(others)) == ("step", "step")
    runs.stop("a")
    assert (next(mine), next(others), notes) == ("last", "step", [])
