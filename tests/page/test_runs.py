"""What runs for a visitor, what waits behind it, and what a Stop means for both."""

import gradio as gr
import pytest

from page.run_buttons import saying_so
from page.runs import Runs, Wanted


class Work:
    def __init__(self, steps=3):
        self.left, self.stopped = steps, False

    def stop(self):
        self.stopped = True

    def __iter__(self):
        while self.left and not self.stopped:
            self.left -= 1
            yield self.left


@pytest.fixture
def runs():
    return Runs()


def test_a_stop_while_a_run_waits_alone_ends_it_at_its_first_step(runs):
    runs.expect("me")
    assert runs.is_busy("me") and not runs.is_busy("you")
    runs.stop("me")
    runs.expect("me")  # pressed once more: the stop still counts
    assert not runs.take_drop("me")
    assert list(runs.follow("me", Work())) == [] and not runs.is_busy("me")


def test_a_stop_ends_what_runs_and_drops_what_waits_behind_it(runs):
    runs.expect("me")
    steps = runs.follow("me", Work())
    next(steps)
    runs.expect("me")
    runs.stop("me")
    assert list(steps) == [] and not runs.is_busy("me")
    assert runs.take_drop("me") and not runs.take_drop("me")


def test_what_is_asked_for_behind_a_run_comes_after_it(runs):
    runs.expect("me")
    steps = runs.follow("me", Work())
    next(steps)
    runs.expect("me")
    list(steps)
    assert runs.is_busy("me") and not runs.take_drop("me")
    assert len(list(runs.follow("me", Work()))) == 3 and not runs.is_busy("me")


def test_a_run_that_will_not_come_is_no_longer_expected(runs):
    runs.expect("me")
    runs.expect_none("me")
    assert not runs.is_busy("me")


def test_a_run_says_so_with_its_first_result_and_a_dropped_one_gives_nothing(runs):
    def run(request: gr.Request, value):
        for step in runs.follow(request.session_hash, Work()):
            yield value, step

    handler, buttons = saying_so(runs, run, 2, ("off", "on")), ("off", "on")
    assert list(handler(gr.Request(session_hash="me"), "a")) == [
        ("a", 2, *buttons),
        *(("a", one, gr.skip(), gr.skip()) for one in (1, 0)),
    ]
    steps = runs.follow("me", Work())
    next(steps)
    runs.expect("me")
    runs.stop("me")
    list(steps)
    assert list(handler(gr.Request(session_hash="me"), "b")) == [(gr.skip(),) * 4]


def test_what_is_wanted_of_a_run_may_change_while_it_draws():
    wanted = Wanted()
    wanted.change("me", "before")  # nothing draws
    with wanted.during("me", "lines", 1) as latest:
        assert latest() == ("lines", 1)
        wanted.change("you", "bars", 2)
        assert latest() == ("lines", 1)
        wanted.change("me", "bars", 2)
        assert latest() == ("bars", 2)
