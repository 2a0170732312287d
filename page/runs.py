"""What runs for each visitor, may be stopped, and is drawn as they want it: trainings, sweeps and batches."""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from html import escape

import gradio as gr

ASKED, STOPPED, DROPPED = "asked", "stopped", "dropped"  # what waits for its turn


class Wanted:
    """What each visitor wants to see of the run that draws for them, and may change meanwhile."""

    def __init__(self):
        self._choices: dict[str, tuple] = {}

    @contextmanager
    def during(self, visitor: str, *choice) -> Iterator[Callable[[], tuple]]:
        """While a run draws: a function that gives the latest choice."""
        self._choices[visitor] = choice
        try:
            yield lambda: self._choices[visitor]
        finally:
            del self._choices[visitor]

    def change(self, visitor: str, *choice) -> None:
        """The visitor has chosen something else; nothing where no run draws."""
        if visitor in self._choices:
            self._choices[visitor] = choice


class Runs:
    """What runs now, by visitor, so that Stop and a closed tab reach their own and no other.

    What is run is a `Training`, a `Sweep`, or whatever else can be iterated over and has `stop()`.
    """

    def __init__(self, seconds: float = math.inf):
        """`seconds` that a run may take; then it is stopped, and what it has so far is kept."""
        self.seconds = seconds
        self._lock, self._runs = threading.Lock(), defaultdict(list)
        self._waiting: dict[str, str] = {}  # ASKED, STOPPED or DROPPED, by visitor

    def expect(self, visitor: str) -> None:
        """A run of the visitor is waiting for its turn, and can be stopped from now on."""
        with self._lock:
            if self._waiting.get(visitor) != STOPPED:
                self._waiting[visitor] = ASKED

    def expect_none(self, visitor: str) -> None:
        """What was waiting for its turn will not run."""
        with self._lock:
            self._waiting.pop(visitor, None)

    def take_drop(self, visitor: str) -> bool:
        """Whether what comes next is not to begin: it waited behind a run and was stopped with it. Says so once."""
        with self._lock:
            return self._waiting.get(visitor) == DROPPED and bool(self._waiting.pop(visitor))

    def is_busy(self, visitor: str) -> bool:
        """Whether something of the visitor runs, or waits for its turn."""
        with self._lock:
            return visitor in self._runs or self._waiting.get(visitor, DROPPED) != DROPPED

    def is_on(self, visitor: str) -> bool:
        """Whether something of the visitor runs."""
        with self._lock:
            return visitor in self._runs

    def follow(self, visitor: str, work, notes: list[str] | None = None) -> Iterator:
        """The steps of a work that its visitor can stop.

        Args:
            notes: gets a sentence where the work was stopped because it took too long.
        """
        self._begin(visitor, work)
        started, in_time = time.monotonic(), True
        try:
            with closing(iter(work)) as steps:  # also where the loop over this was left early
                for step in steps:
                    if in_time and time.monotonic() - started > self.seconds:
                        in_time = False
                        work.stop()
                        gr.Warning(escape(self._too_long))
                        if notes is not None:
                            notes.append(self._too_long)
                    yield step
        finally:
            self._end(visitor, work)

    @property
    def _too_long(self) -> str:
        return (f"This took over {self.seconds / 60:.0f} minutes, the most on a page that many share. It was stopped, "
                "and what it had come to was kept.")  # fmt: skip

    def stop(self, visitor: str) -> None:
        """Every run of the visitor ends at its next step and keeps what it has so far. One that waits behind another
        does not begin; one that waits alone ends at its first step."""
        with self._lock:
            for work in self._runs.get(visitor, ()):
                work.stop()
            if visitor in self._waiting:
                self._waiting[visitor] = DROPPED if visitor in self._runs else STOPPED

    def forget(self, visitor: str) -> None:
        """The visitor has left."""
        self.stop(visitor)
        self.expect_none(visitor)

    def _begin(self, visitor: str, work) -> None:
        with self._lock:
            self._runs[visitor].append(work)
            if self._waiting.pop(visitor, ASKED) == STOPPED:
                work.stop()

    def _end(self, visitor: str, work) -> None:
        with self._lock:
            self._runs[visitor].remove(work)
            if not self._runs[visitor]:
                del self._runs[visitor]
