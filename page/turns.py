"""Who computes: a few at once, each address and visitor in turn, so that nobody's work holds up another's."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from page.admission import Visitor

AT_MOST = 8  # at once, however many cores there are: each needs its own memory
LATELY = 5  # seconds; an address that had a turn since then is still there
SLICE = 0.1  # seconds by which one may be ahead before another gets the turn


class Turns:
    """Gives turns at computing. Whoever has computed least goes first: by address, and within it by visitor.

    One more may compute than there are cores, and an address alone has as many turns as there are cores: a newcomer
    always finds one. From then on the addresses divide the cores. Times are kept only for those who compute or wait; a
    newcomer starts level with them.
    """

    def __init__(self, cores: int | None = None):
        """`cores` that work at once; those of the machine if not given."""
        self._cores = cores or _cores()
        self._free = self._cores + 1
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []
        self._held: Counter[str] = Counter()  # turns by address
        self._present: Counter[object] = Counter()  # who computes or waits, by address and by visitor
        self._seconds: dict[object, float] = {}  # computed
        self._seen: dict[str, float] = {}  # when each address last had a turn, if lately

    @contextmanager
    def take(self, visitor: Visitor) -> Iterator["_Turn"]:
        """A turn, waited for; `pass_on` lends it to whoever is behind."""
        turn = _Turn(self, visitor)
        with self._lock:
            for key in turn.keys:
                if not self._present[key]:
                    level = [self._seconds[other] for other in self._present if type(other) is type(key)]
                    self._seconds[key] = min(level, default=0.0)
                self._present[key] += 1
        try:
            self._wait(turn)
            yield turn
        finally:
            with self._lock:
                if turn.given.is_set():
                    self._give_back(turn)
                else:
                    self._waiting.remove(turn)
                for key in turn.keys:
                    self._present[key] -= 1
                    if not self._present[key]:
                        del self._present[key], self._seconds[key]

    def _wait(self, turn: "_Turn") -> None:
        with self._lock:
            self._waiting.append(turn)
            self._hand_out()
        turn.given.wait()

    def _hand_out(self) -> None:
        """Gives what is free to those who wait; under the lock."""
        while self._free:
            most = self._of_an_address()
            able = [turn for turn in self._waiting if self._held[turn.visitor.address] < most]
            if not able:
                return
            turn = min(able, key=self._spent)
            self._waiting.remove(turn)
            self._free -= 1
            self._held[turn.visitor.address] += 1
            turn.since = time.monotonic()
            turn.given.set()

    def _of_an_address(self) -> int:
        """Turns that an address may have at once."""
        lately = time.monotonic() - LATELY
        self._seen = {address: seen for address, seen in self._seen.items() if seen > lately}
        addresses = self._seen.keys() | {key for key in self._present if isinstance(key, str)}
        return max(1, self._cores // max(1, len(addresses)))

    def _give_back(self, turn: "_Turn") -> None:
        self._count(turn)
        turn.given.clear()
        self._free += 1
        self._held -= Counter([turn.visitor.address])
        self._hand_out()

    def _count(self, turn: "_Turn") -> None:
        now = time.monotonic()
        for key in turn.keys:
            self._seconds[key] += now - turn.since
        turn.since = self._seen[turn.visitor.address] = now

    def _spent(self, turn: "_Turn") -> tuple[float, ...]:
        return tuple(self._seconds[key] for key in turn.keys)

    def _pass_on(self, turn: "_Turn") -> None:
        with self._lock:
            self._count(turn)
            self._hand_out()  # an address may have left meanwhile, and its turns with it
            too_many = self._held[turn.visitor.address] > self._of_an_address()
            if not too_many and not any(_is_behind(other, turn, self._seconds) for other in self._waiting):
                return
            self._give_back(turn)
        self._wait(turn)


class _Turn:
    def __init__(self, turns: Turns, visitor: Visitor):
        self._turns, self.visitor = turns, visitor
        self.keys = visitor.address, visitor
        self.given, self.since = threading.Event(), 0.0

    def pass_on(self) -> None:
        """Lets another go first who has computed less, and waits for the next turn."""
        self._turns._pass_on(self)


def _is_behind(theirs: "_Turn", mine: "_Turn", seconds: dict) -> bool:
    """Whether the first has computed less than the second by more than a slice."""
    level = int(theirs.visitor.address == mine.visitor.address)
    return seconds[theirs.keys[level]] + SLICE < seconds[mine.keys[level]]


def _cores() -> int:
    try:
        return min(AT_MOST, len(os.sched_getaffinity(0)))
    except AttributeError:  # only Linux tells which cores a process may use
        return min(AT_MOST, os.cpu_count() or 1)
