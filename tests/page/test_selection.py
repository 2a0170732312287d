"""A handler gets what is chosen, and what a page sends wrongly gets a sentence."""

import inspect
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from gradio.helpers import special_args

import app
from page.events import event_field
from page.scale import score_scale
from page.selection import SLIDERS, Photo, Selection, takes_selection
from page.words import in_words
from zsad_core.errors import InputError

SHARED = SimpleNamespace(
    shipped={"bottle": "the shipped detector"},
    samples={"bottle/intact": "a sample"},
    detector_from=lambda data: f"the detector in {data!r}",
)


def chosen(key="bottle", own=None, photo="bottle/intact", method="clip", severities=(0, 2, 0, 1)):
    return key, own or {}, photo, method, *severities


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
    assert list(View().stream(*chosen())) == ["the shipped detector", "a sample"]
    photo = Photo(np.zeros((2, 2, 3), np.uint8), "your photo")
    assert list(View().stream(*chosen("1. nut", {"1. nut": b"nut"}, photo))) == ["the detector in b'nut'", photo]


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


@pytest.fixture(scope="module")
def demo(embedded):
    return app.create_demo(embedded)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs"), [("pick", chosen()), ("pick_place", [0]), ("pick_method", []), ("restore", [])]
)
@pytest.mark.parametrize("data", [{}, None, {"sample": {}, "kind": [], "severity": 4, "method": 1, "query": None}])
def test_no_handler_of_the_page_fails_on_an_event_that_lacks_something(demo, name, inputs, data):
    (handler,) = {block.fn for block in demo.fns.values() if getattr(block.fn, "__name__", "") == name}
    with pytest.raises(gr.Error, match="did not say which"):
        handler(gr.EventData(None, data), *inputs)


def test_the_scale_tells_a_listener_its_score():
    assert 'aria-label="Anomaly score 0.62' in score_scale(0.618) and "--at: 0.6180" in score_scale(0.618)
    assert "aria-label" not in score_scale()
