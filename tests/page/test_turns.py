"""Turns at computing, with threads that say when they hold one."""

import threading
import time

import pytest

from page.admission import Visitor
from page.turns import Turns

LIMIT = 180  # seconds; only a failure takes so long


class Worker(threading.Thread):
    """Waits for a turn, and holds it until it is told to `end`."""

    def __init__(self, turns, visitor):
        super().__init__(daemon=True)
        self.turns, self.visitor, self.held, self.ended = turns, visitor, threading.Event(), threading.Event()
        self.start()

    def run(self):
        with self.turns.take(self.visitor):
            self.held.set()
            assert self.ended.wait(LIMIT)

    def end(self):
        self.ended.set()
        self.join(LIMIT)


@pytest.fixture
def worker():
    workers = []

    def make(turns, session, address):
        workers.append(Worker(turns, Visitor(session, address)))
        return workers[-1]

    yield make
    for one in workers:
        one.ended.set()


def test_an_address_leaves_a_turn_to_another(worker):
    turns = Turns(cores=2)
    greedy = [worker(turns, str(number), "10.0.0.2") for number in range(6)]
    honest = worker(turns, "honest", "10.0.0.1")
    assert honest.held.wait(LIMIT)
    assert sum(one.held.is_set() for one in greedy) == 2


def test_a_turn_that_ends_goes_to_one_that_waits(worker):
    turns = Turns(cores=1)
    first = worker(turns, "a", "10.0.0.1")
    assert first.held.wait(LIMIT)
    second = worker(turns, "b", "10.0.0.1")
    assert not second.held.is_set()
    first.end()
    assert second.held.wait(LIMIT)


def test_whoever_is_ahead_lets_another_visitor_of_the_address_go_first(worker):
    turns = Turns(cores=1)
    with turns.take(Visitor("long", "10.0.0.1")) as turn:
        short = worker(turns, "short", "10.0.0.1")
        while not turns._waiting:  # until it has come
            time.sleep(0)  # waits for nothing: lets the other threads run
        turn.pass_on()
        assert not short.held.is_set()  # they are level
        turn.since -= 10  # seconds that it has computed meanwhile
        passing = threading.Thread(target=turn.pass_on, daemon=True)
        passing.start()
        assert short.held.wait(LIMIT)
        short.end()
        passing.join(LIMIT)
        assert turn.given.is_set()


def test_nothing_is_kept_of_those_who_left(worker):
    turns = Turns(cores=1)
    with turns.take(Visitor("a", "10.0.0.1")):
        worker(turns, "b", "10.0.0.2").end()
    assert not turns._present and not turns._seconds and not +turns._held
    turns._seen = {address: time.monotonic() - 60 for address in turns._seen}
    assert turns._of_an_address() == 1 and not turns._seen
