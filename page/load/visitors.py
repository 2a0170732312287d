"""`python -m page.load.visitors`: many visitors of one page, one of them hostile, as Markdown.

Starts `python app.py` on loopback and visits it through `gradio_client`. Four things are measured: how much longer a
visitor waits while two others are at work; how much longer beside a greedy one than beside an honest one; whether
eight at once get what each would get alone, while one of them sends rubbish and hangs up; and whether the memory of the
page stays flat while visitors come and go.
"""

import argparse
import datetime
import functools
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from page.load.greedy import greedy
from page.load.hostile import attack
from page.load.server import Server, running_app
from zsad_core.command_line import command_line
from zsad_core.errors import InputError

PARTS = ("fairness", "greedy", "load", "memory")
PRODUCTS = ("hex nut", "bottle", "leather", "cookie", "capsule", "gear", "cable", "tile", "chain", "zipper", "spoon")
LONG = {"preset": "poster-scale"}  # what the others train meanwhile: the longest preset
AIM = 3  # times what a visitor would wait alone, with three active
GREED = 2  # seconds that the greedy one has beforehand
STAY = 5  # trainings of one visitor, where memory is measured
LEAVING = {"GRADIO_HEARTBEAT_INTERVAL": "1"}  # seconds; a client of Python leaves at a beat, a browser at once


class Visitor:
    """One client of the page, with a session of its own; `close` leaves."""

    def __init__(self, address: str, folder: Path):
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._client = Client(address, verbose=False, download_files=self._folder)
        self.close = self._client.close

    def train(self, product: str, **recipe) -> tuple[dict, str]:
        """What the training said at last, and the path of the detector's file."""
        return self._client.predict(product, **recipe, api_name="/train")

    def train_until(self, enough: threading.Event, begun: threading.Event) -> None:
        """Trains the longest preset once, or until it is enough."""
        job = self._client.submit(PRODUCTS[0], **LONG, api_name="/train")
        for _ in job:
            begun.set()
            if enough.is_set():
                job.cancel()
                return

    def inspect(self, picture: Image.Image, **values) -> tuple[float, float]:
        """The scores of a picture, clean and corrupted."""
        path = self._folder / "picture.png"
        picture.save(path)
        return self._client.predict(handle_file(path), blur=2, **values, api_name="/inspect")[:2]

    def inspect_until(self, enough: threading.Event, begun: threading.Event) -> None:
        """Inspects one picture."""
        self.inspect(picture(time.perf_counter_ns()))
        begun.set()


def picture(*seed: int) -> Image.Image:
    """320 x 240 pixels of coloured clouds, the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)


def seconds(action: Callable) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


@contextmanager
def others(address: str, folder: Path, act: Callable, count: int = 2) -> Iterator[None]:
    """Meanwhile `count` other visitors act again and again; `act` is a method of Visitor such as `train_until`."""
    enough, begun = threading.Event(), [threading.Event() for _ in range(count)]

    def visit(begun):
        visitor = Visitor(address, folder)
        try:
            while not enough.is_set():
                act(visitor, enough, begun)
        finally:
            begun.set()  # also where it failed, or all would wait for it
            visitor.close()

    with ThreadPoolExecutor(count) as pool:
        visits = [pool.submit(visit, one) for one in begun]
        for one in begun:
            one.wait()
        try:
            yield
        finally:
            enough.set()
        for visit in visits:
            visit.result()


def fairness(address: str, turns: int) -> list[str]:
    """A Markdown table: how much longer a visitor waits with two others at work, alone and not alone in turn."""
    lines = [f"| with three active (aim: at most {AIM}x) | alone | wait, median | worst |", "|---" * 4 + "|"]
    with tempfile.TemporaryDirectory() as place, ExitStack() as leaving:
        folder = Path(place)
        visitor = Visitor(address, folder)
        leaving.callback(visitor.close)
        actions = {
            "trains (quick)": lambda turn: visitor.train(PRODUCTS[1], seed=turn),
            "inspects": lambda turn: visitor.inspect(picture(turn, 1)),
        }
        meanwhile = {"train (poster-scale)": Visitor.train_until, "inspect": Visitor.inspect_until}
        for doing, action in actions.items():
            action(0)  # fills caches, unmeasured
            for what, act in meanwhile.items():
                alone, waits = [], []
                for turn in range(1, turns + 1):
                    alone.append(seconds(functools.partial(action, 2 * turn)))
                    with others(address, folder, act):
                        waits.append(seconds(functools.partial(action, 2 * turn + 1)) / alone[-1])
                lines.append(
                    f"| one {doing}, two {what} | {median(alone):.2f} s | {median(waits):.1f}x | {max(waits):.1f}x |"
                )
    return lines


def beside_greedy(server: Server, turns: int) -> Iterator[str]:
    """A Markdown table: how much longer a visitor waits beside a greedy one, from another address, than beside one who
    trains. The greedy one comes last: what is asked for goes on when nobody is there any more.
    """
    yield f"| aim: at most {AIM}x of beside an honest one | beside an honest one | beside a greedy one | wait |"
    yield "|---" * 4 + "|"
    with tempfile.TemporaryDirectory() as place, ExitStack() as leaving:
        folder = Path(place)
        visitor = Visitor(server.address, folder)
        leaving.callback(visitor.close)
        actions = {
            "trains (quick)": lambda turn: visitor.train(PRODUCTS[1], seed=turn),
            "inspects": lambda turn: visitor.inspect(picture(turn, 1)),
        }

        def waits() -> dict[str, float]:
            return {doing: median(seconds(functools.partial(action, turn)) for turn in range(turns))
                    for doing, action in actions.items()}  # fmt: skip

        waits()  # fills caches, unmeasured
        with others(server.address, folder, Visitor.train_until, count=1):
            honest = waits()
        with greedy(server.address, "198.51.100.1") as answers:
            time.sleep(GREED)
            greedily = waits()
    for doing, wait in honest.items():
        yield f"| one {doing} | {wait:.2f} s | {greedily[doing]:.2f} s | {greedily[doing] / wait:.1f}x |"
    asked = ", ".join(f"/{way} {status} {count:,} times" for (way, status), count in sorted(answers.items()))
    yield ""
    yield f"The greedy one was answered on {asked}; peak memory {server.memory('VmHWM') / 1e9:.2f} GB"


@dataclass(frozen=True)
class Visit:
    """What one visitor was told, call after call, without anything that is a time; and the seconds of every call."""

    told: list
    training: list[float]
    inspecting: list[float]


def visit(address: str, number: int, trainings: int, inspections: int, recipe: dict) -> Visit:
    """Trains detectors of the visitor's own product, and looks through each at pictures of the visitor's own."""
    told, training, inspecting = [], [], []
    product = PRODUCTS[number % len(PRODUCTS)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as leaving:
        visitor = Visitor(address, Path(folder))
        leaving.callback(visitor.close)
        for turn in range(trainings):
            started = time.perf_counter()
            summary, detector = visitor.train(product, seed=number, **recipe)
            training.append(time.perf_counter() - started)
            told.append((summary["product"], summary["seed"], round(summary["held_back_accuracy"], 4)))
            for one in range(inspections):
                look = functools.partial(visitor.inspect, picture(number, turn, one), detector=handle_file(detector))
                started = time.perf_counter()
                scores = look()
                inspecting.append(time.perf_counter() - started)
                told.append(tuple(round(score, 4) for score in scores))
    return Visit(told, training, inspecting)


@dataclass(frozen=True)
class Load:
    """Visitors alone, one after another, and then all at once, beside a hostile one.

    Attributes:
        alone, together: the same visits.
        faults: what the hostile one sent that got no sentence, and what it got instead.
        attacks: how many times it sent everything.
    """

    alone: list[Visit]
    together: list[Visit]
    faults: list[tuple[str, str]]
    attacks: int

    @property
    def strangers(self) -> list[int]:
        """The visitors who were told something else than when they were alone."""
        return [number for number, (a, b) in enumerate(zip(self.alone, self.together)) if a.told != b.told]

    def waits(self, kind: str) -> list[float]:
        """How many times longer each call took than that visitor's calls alone; `kind` is a list of a Visit."""
        return [
            wait / median(getattr(alone, kind))
            for alone, together in zip(self.alone, self.together)
            for wait in getattr(together, kind)
        ]


def load(address: str, visitors: int, trainings: int, inspections: int, **recipe) -> Load:
    """The load of `visitors` at once, one of them hostile; whatever fails for an honest one is raised.

    Args:
        trainings: of each honest visitor.
        inspections: after each training.
        recipe: of the trainings, as /train takes it.
    """
    work = functools.partial(visit, address, trainings=trainings, inspections=inspections, recipe=recipe)
    honest = range(visitors - 1)
    alone = [work(number) for number in honest]
    over = threading.Event()

    def be_hostile():
        faults, attacks = [], 0
        while not attacks or not over.is_set():
            faults, attacks = faults + attack(address), attacks + 1
        return faults, attacks

    with ThreadPoolExecutor(visitors) as pool:
        hostile = pool.submit(be_hostile)
        try:
            together = list(pool.map(work, honest))
        finally:
            over.set()
        return Load(alone, together, *hostile.result())


def load_lines(measured: Load) -> list[str]:
    """What a load came to, as Markdown."""
    lines = [f"{len(measured.alone)} honest visitors at once, and a hostile one who sent everything "
             f"{measured.attacks} times:", ""]  # fmt: skip
    for kind in ("training", "inspecting"):
        waits = measured.waits(kind)
        lines.append(f"- wait for {kind}, against alone: median {median(waits):.1f}x, worst {max(waits):.1f}x "
                     f"({len(waits)} calls)")  # fmt: skip
    lines.append(f"- honest visitors who were told something else than alone: {measured.strangers or 'none'}")
    lines += [f"- no sentence for {what}: {answer[:200]!r}" for what, answer in measured.faults]
    return lines if measured.faults else [*lines, "- a sentence for everything that was wrong"]


@dataclass(frozen=True)
class Memory:
    """`resident` bytes of the page, warm and then after each further so many `trainings` and `inspections`."""

    resident: list[int]
    trainings: int
    inspections: int


def memory(server: Server, trainings: int, inspections: int, rounds: int) -> Memory:
    """Memory of the page after a warm-up by eight at once, and after each round of visitors who come and go.

    Args:
        trainings, inspections: of all rounds together, rounded to what visitors of STAY trainings come to.
    """
    visits = max(1, round(trainings / (rounds * STAY)))  # a round
    a_training = max(1, round(inspections / (rounds * visits * STAY)))
    work = functools.partial(visit, server.address, trainings=STAY, inspections=a_training, recipe={})
    with ThreadPoolExecutor(8) as pool:  # as many threads of the page have their caches then as ever will
        list(pool.map(work, range(8)))
    resident = [server.memory()]
    for round_ in range(rounds):
        for number in range(visits):
            work(8 + round_ * visits + number)
        resident.append(server.memory())
    return Memory(resident, visits * STAY, visits * STAY * a_training)


def slope(values: Sequence[float]) -> float:
    """Rise from one value to the next, by least squares."""
    return float(np.polyfit(range(len(values)), values, 1)[0])


def memory_lines(measured: Memory) -> list[str]:
    """What a measurement of memory came to, as Markdown."""
    shown = ", ".join(f"{count / 1e6:.0f}" for count in measured.resident)
    return [f"Resident memory, warm and then after every {measured.trainings} trainings and {measured.inspections} "
            f"inspections: {shown} MB; slope {slope(measured.resident) / 1e6:+.1f} MB each time"]  # fmt: skip


def report(parts: Sequence[str], options) -> Iterator[str]:
    """What was measured, as lines of Markdown, each as soon as it is known."""
    yield (f"Measured on {datetime.date.today()}: {platform.machine()}, {os.cpu_count()} cores, "
           f"Python {platform.python_version()}, embedded backbone.")  # fmt: skip
    for part in parts:
        with running_app(**LEAVING) as server:
            yield ""
            if part == "fairness":
                yield from fairness(server.address, options.turns)
            elif part == "greedy":
                yield from beside_greedy(server, options.turns)
            elif part == "load":
                measured = load(server.address, options.visitors, options.trainings, options.inspections)
                yield from load_lines(measured)
            else:
                counts = options.memory_trainings, options.memory_inspections, options.rounds
                yield from memory_lines(memory(server, *counts))


@command_line
def main(arguments=None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m page.load.visitors", description=__doc__.split("\n\n")[1])
    parser.add_argument("--parts", default=",".join(PARTS), help="what is measured, with commas between")
    parser.add_argument("--turns", type=int, default=5, help="of fairness and greed: what is compared, in turn")
    parser.add_argument("--visitors", type=int, default=8, help="of the load: at once, one of them hostile")
    parser.add_argument("--trainings", type=int, default=3, help="of the load: of each honest visitor")
    parser.add_argument("--inspections", type=int, default=8, help="of the load: after each training")
    parser.add_argument("--memory-trainings", type=int, default=200)
    parser.add_argument("--memory-inspections", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4, help="of memory: how many times it is read")
    parser.add_argument("--out", metavar="FILE.md", help="write the report into this file as well")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    try:
        if unknown := set(parts) - set(PARTS):
            raise InputError(f"There is no part {min(unknown)!r:.40}: choose from {', '.join(PARTS)}.")
        if {"greedy", "memory"} & set(parts) and sys.platform != "linux":
            raise InputError("Memory is read from /proc, which Linux alone has: give --parts fairness,load.")
        lines = []
        for line in report(parts, options):
            print(line, flush=True)
            lines.append(line)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    if options.out:
        Path(options.out).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
