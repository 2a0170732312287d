"""Visitors side by side: each is told what they would be told alone, and whoever leaves takes nothing along."""

import threading
import weakref

import pytest
from gradio_client import Client
from playwright.sync_api import expect
from serving import file_input, is_training_long, serving, train_long

import page.inspection
import zsad_core.detector
from page.admission import LIMITS
from page.load import visitors
from page.load.greedy import greedy
from page.load.hostile import LARGEST, fill, is_sentence, leave_while_training
from zsad_core.detector import Detector

SMALL = {"steps": 2, "prompts": 4}
LIMIT = 180  # seconds; only a failure takes so long


@pytest.fixture
def ending(monkeypatch):
    """Waits for the end of the training that was begun, and gives how many steps it took, and had planned."""
    ended, steps = threading.Event(), [(0, 0)]

    class Watched(zsad_core.detector.Training):
        def _run(self):
            try:
                for progress in super()._run():
                    if progress.phase == "prompts":
                        steps.append((progress.step, progress.steps))
                    yield progress
            finally:  # also where it is closed on the way
                ended.set()

    monkeypatch.setattr(Detector, "training", Watched)

    def wait():
        assert ended.wait(LIMIT), "it still trains"
        return steps[-1]

    return wait


@pytest.fixture
def forgotten(monkeypatch):
    """An event: no photo of any visitor is kept any more."""
    gone = threading.Event()

    class Watched(page.inspection.Photo):
        def __init__(self, *values, **named):
            super().__init__(*values, **named)
            weakref.finalize(self, gone.set)

    monkeypatch.setattr(page.inspection, "Photo", Watched)
    return gone


@pytest.mark.slow
def test_eight_at_once_and_a_hostile_one_among_them(address):
    measured = visitors.load(address, visitors=8, trainings=1, inspections=2, **SMALL)
    assert measured.strangers == [] and measured.faults == []
    told = [visit.told for visit in measured.together]
    assert [visit[0][0] for visit in told] == list(visitors.PRODUCTS[:7])
    assert len({scores for visit in told for scores in visit[1:]}) == 14  # nobody was given another's


@pytest.mark.slow
def test_a_quick_training_does_not_wait_for_the_end_of_long_ones(address):
    """There are more of those than cores."""
    others = [Client(address, verbose=False) for _ in range(3)]
    jobs = [other.submit(**LARGEST, api_name="/train") for other in others]
    try:
        for job in jobs:
            next(iter(job))  # it has begun
        assert Client(address, verbose=False).predict("gear", **SMALL, api_name="/train")[0]["product"] == "gear"
        assert not any(job.done() for job in jobs)
    finally:
        for job in jobs:
            job.cancel()


@pytest.mark.slow
def test_whoever_fills_the_queue_is_refused_in_words_and_another_is_served(embedded):
    with serving(embedded) as address:
        refused = fill(address, "greedy", 20)
        assert len(refused) == 20 - LIMITS["training"].visitor and all(map(is_sentence, refused))
        assert Client(address, verbose=False).predict("gear", **SMALL, api_name="/train")[0]["product"] == "gear"


@pytest.mark.slow
def test_a_greedy_visitor_with_ever_new_sessions_takes_nothing_from_another(embedded, tmp_path):
    with serving(embedded) as address, greedy(address, "198.51.100.1") as answers:
        visitor = visitors.Visitor(address, tmp_path)
        for turn in range(3):
            assert visitor.train("gear", **SMALL)[0]["product"] == "gear"
            assert 0 <= visitor.inspect(visitors.picture(turn))[0] <= 1
        visitor.close()
    assert {status for (way, status) in answers if way == "run"} == {404}  # there is no way around the queue
    assert {status for (way, status) in answers if way != "run"} == {200}  # the sentence is in the answer


@pytest.mark.slow
@pytest.mark.usefixtures("slow_steps")
def test_a_client_that_hangs_up_ends_its_training(address, ending):
    leave_while_training(address)
    step, steps = ending()
    assert step < steps == 1000


@pytest.mark.slow
@pytest.mark.usefixtures("slow_steps")
def test_a_closed_tab_ends_its_training_and_its_photo_is_forgotten(address, browser, photo, ending, forgotten):
    tab = browser.new_page()
    tab.goto(address)
    file_input(tab, "upload").set_input_files(photo)
    expect(tab.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")
    train_long(tab)
    is_training_long(tab)
    assert not forgotten.is_set()
    tab.close()
    step, steps = ending()
    assert 0 < step < steps == 1000
    assert forgotten.wait(LIMIT)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The severity 99 of blur is not possible: give a whole number from 0 to 5.", True),
        ("", False),
        ("None", False),
        ("Traceback (most recent call last): File api.py, line 3.", False),
        ("Something went wrong in the program, and its log says what.", False),
    ],
)
def test_what_counts_as_a_sentence(answer, verdict):
    assert is_sentence(answer) == verdict


def test_a_part_that_does_not_exist_gets_a_sentence(capsys):
    assert visitors.main(["--parts", "load,speed"]) == 1
    assert "no part 'speed'" in capsys.readouterr().err
