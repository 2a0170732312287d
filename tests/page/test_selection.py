"""A handler gets what is chosen, and what a page sends wrongly gets a sentence."""

import inspect
from dataclasses import dataclass
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.helpers import special_args
from PIL import Image

import app
from page.events import event_field
from page.parts import Part
from page.scale import score_scale
from page.selection import SLIDERS, Photo, Selection, takes_selection
from page.shared import MEMORY, OURS
from page.words import in_words
from zsad_core.errors import InputError


@dataclass(frozen=True)
class Kept:
    """Stands in for a detector."""

    name: str
    product: str = "bottle"
    good_parts: int = 0


SHARED = SimpleNamespace(
    shipped={"bottle": Kept("the shipped detector")},
    samples={"bottle/intact": "a sample"},
    detector_from=lambda data: Kept(f"the detector in {data!r}"),
    with_good_parts=lambda detector, parts: f"{detector.name} with {len(parts)} good parts" if parts else detector,
)


def chosen(
    key="bottle", own=None, photo="bottle/intact", method="clip", good=None, words_only=False, severities=(0, 2, 0, 1)
):
    return key, own or {}, photo, method, good or {}, words_only, {}, *severities


def part(level):
    return Part(np.full((4, 4, 3), level, np.uint8), "a part")


class View:
    shared = SHARED

    @in_words
    @takes_selection
    def answer(self, event: gr.EventData, first, selection: Selection):
        return event.name, first, selection

    @in_words
    @takes_selection
    def stream(self, selection: Selection):
        yield selection.detector
        yield selection.picture


def test_a_handler_gets_the_event_its_own_inputs_and_the_selection():
    name, first, selection = View().answer(SimpleNamespace(name="select"), "first", *chosen())
    assert (name, first, selection.key, selection.method) == ("select", "first", "bottle", "clip")
    assert selection.severities == dict(zip(SLIDERS, (0, 2, 0, 1)))
    assert selection.corruptions == "contrast 2, noise 1" and not selection.by_ours


def test_gradio_calls_a_handler_with_the_event_and_streams_what_it_yields():
    """The two things that gradio reads off a function: which parameters it fills in itself, and whether it streams."""
    inputs, *_ = special_args(View().answer, ["first", *chosen()], event_data=gr.EventData(None, {"name": "select"}))
    assert View().answer(*inputs)[:2] == ("select", "first")
    assert inspect.isgeneratorfunction(View.stream) and not inspect.isgeneratorfunction(View.answer)


def test_the_detector_and_the_image_are_the_shipped_ones_or_the_visitors_own():
    assert list(View().stream(*chosen())) == [Kept("the shipped detector"), "a sample"]
    photo = Photo(np.zeros((2, 2, 3), np.uint8), "your photo")
    assert list(View().stream(*chosen("1. nut", {"1. nut": b"nut"}, photo))) == [Kept("the detector in b'nut'"), photo]


def test_good_parts_have_a_say_for_their_own_product_unless_words_alone_are_asked_for():
    good = {"bottle": (part(1), part(2)), "gear": (part(3),)}
    assert next(View().stream(*chosen(good=good))) == "the shipped detector with 2 good parts"
    assert next(View().stream(*chosen(good={"gear": good["gear"]}))) == Kept("the shipped detector")
    assert next(View().stream(*chosen(good=good, words_only=True))) == Kept("the shipped detector")


def test_other_good_parts_are_another_subject():
    subjects = [
        Selection.of(SHARED, *chosen(good={"bottle": tuple(parts)}, words_only=words_only)).subject
        for parts, words_only in (((), False), ([part(1)], False), ([part(2)], False), ([part(2)], True))
    ]
    assert len(set(subjects)) == 4
    assert subjects[1] == Selection.of(SHARED, *chosen(good={"bottle": (part(1),)})).subject


def test_a_memory_without_its_parts_gives_way_to_ours():
    assert Selection.of(SHARED, *chosen(method=MEMORY)).method == OURS
    assert Selection.of(SHARED, *chosen(method=MEMORY, good={"bottle": (part(1),)})).method == MEMORY


def test_a_detector_that_is_no_longer_kept_is_named():
    with pytest.raises(gr.Error, match="9. nut.*no longer kept"):
        list(View().stream(*chosen("9. nut")))


@pytest.mark.parametrize(
    "data", [{}, {"sample": None}, {"sample": ["a"]}, {"sample": 3}, None, 7, "sample", ["sample"]]
)
def test_an_event_without_its_field_gets_a_sentence(data):
    with pytest.raises(InputError, match="did not say which sample"):
        event_field(gr.EventData(None, data), "sample")
    with pytest.raises(InputError, match="did not say which sample"):
        event_field(None, "sample")


def test_an_event_with_its_field_gives_it():
    assert event_field(gr.EventData(None, {"sample": "bottle/intact"}), "sample") == "bottle/intact"


SHIPPED = chosen("metal nut", photo="metal-nut/intact")


@pytest.fixture(scope="module")
def demo(embedded):
    return app.create_demo(embedded)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs"),
    [("pick", chosen()), ("pick_place", [0]), ("pick_method", SHIPPED), ("remove", SHIPPED), ("restore", [])],
)
@pytest.mark.parametrize("data", [{}, None, {"sample": {}, "kind": [], "severity": 4, "method": 1, "query": None}])
def test_no_handler_of_the_page_fails_on_an_event_that_lacks_something(demo, name, inputs, data):
    (handler,) = {block.fn for block in demo.fns.values() if getattr(block.fn, "__name__", "") == name}
    with pytest.raises(gr.Error, match="did not say which"):
        handler(gr.EventData(None, data), *inputs)


@pytest.mark.slow
def test_look_closer_is_for_large_files_of_the_visitors_own_and_turns_off_again(demo, tmp_path):
    file = str(tmp_path / "large.png")
    Image.new("RGB", (1300, 1100)).save(file)
    (handler,) = {block.fn for block in demo.fns.values() if getattr(block.fn, "__name__", "") == "look_closer"}
    pixels = np.zeros((866, 1024, 3), np.uint8)
    for photo in ("metal-nut/intact", Photo(pixels, "your photo")):
        assert handler(*chosen("metal nut", photo=photo)) == (gr.skip(), gr.skip())
    photo, _ = handler(*chosen("metal nut", photo=Photo(pixels, "your photo", file=file)))
    assert photo.closer and Selection.of(SHARED, *chosen(photo=photo, method=OURS)).closer
    assert not handler(*chosen("metal nut", photo=photo))[0].closer
    assert not Selection.of(SHARED, *chosen(photo=photo, method="clip")).closer


def test_the_scale_tells_a_listener_its_score():
    assert 'aria-label="Anomaly score 0.62' in score_scale(0.618) and "--at: 0.6180" in score_scale(0.618)
    assert "aria-label" not in score_scale()
