"""What runs for each visitor, and may be stopped: trainings, sweeps and batches."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from html import escape

import gradio as gr


class Runs:
    """What runs now, by visitor, so that Stop and a closed tab reach their own and no other.

    What is run is a `Training`, a `Sweep`, or whatever else can be iterated over and has `stop()`.
    """

    def __init__(self, seconds: float):
        """`seconds` that a run may take; then it is stopped, and what it has so far is kept."""
        self.seconds = seconds
        self._lock, self._runs, self._waiting = threading.Lock(), defaultdict(list), {}

    def expect(self, visitor: str) -> None:
        """A run of the visitor is waiting for its turn, and can be stopped from now on."""
        with self._lock:
            self._waiting[visitor] = False

    def follow(self, visitor: str, work) -> "Run":
        """The work as a run that its visitor can stop; iterate over it."""
        return Run(self, visitor, work)

    def stop(self, visitor: str) -> None:
        """Every run of the visitor ends at its next step and keeps what it has so far."""
        with self._lock:
            for work in self._runs.get(visitor, ()):
                work.stop()
            if visitor in self._waiting:
                self._waiting[visitor] = True

    def forget(self, visitor: str) -> None:
        """The visitor has left."""
        self.stop(visitor)
        with self._lock:
            self._waiting.pop(visitor, None)

    def _begin(self, visitor: str, work) -> None:
        with self._lock:
            self._runs[visitor].append(work)
            if self._waiting.pop(visitor, False):
                work.stop()

    def _end(self, visitor: str, work) -> None:
        with self._lock:
            self._runs[visitor].remove(work)
            if not self._runs[visitor]:
                del self._runs[visitor]


class Run:
    """One pass over a work, step by step.

    Attributes:
        note: why it was stopped before its end, in a sentence; empty where it was not, or its visitor stopped it.
    """

    def __init__(self, runs: Runs, visitor: str, work):
        self._runs, self._visitor, self._work, self.note = runs, visitor, work, ""

    def __iter__(self) -> Iterator:
        self._runs._begin(self._visitor, self._work)
        started = time.monotonic()
        try:
            with closing(iter(self._work)) as steps:  # also where the loop over this was left early
                for step in steps:
                    if not self.note and time.monotonic() - started > self._runs.seconds:
                        self._work.stop()
                        self.note = (
                            f"This took over {self._runs.seconds / 60:.0f} minutes, the most on a page that many "
                            "share. It was stopped, and what it had come to was kept."
                        )
                        gr.Warning(escape(self.note))
                    yield step
        finally:
            self._runs._end(self._visitor, self._work)
