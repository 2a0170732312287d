"""The work list of a benchmark, and how one unit of it is done: one category under one corruption, by every method.

An image is read once a category (as far as the cache reaches), corrupted and encoded once a unit, and then asked by
every entrant with every seed. Nothing grows with the number of images but their scores.

An entrant is a method as it stands in a table: by its name, "ours", or with a number of good parts, "ours+4".
"""

import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch

from ..backbone import Backbone, load_backbone
from ..baselines import METHODS, Fitted, ImageBatch, Method, Resources
from ..corruptions import corrupt
from ..datasets import Category, Sample
from ..errors import InputError
from ..images import read_image
from ..masks import check, read_mask, resized
from .ablation import ABLATIONS
from .common_rule import COMMON_RULE
from .data import AT_LEAST
from .metrics import PixelCounts, Truth, compared_size, image_metrics, verdict_metrics

ALL_METHODS = {**METHODS, **COMMON_RULE, **ABLATIONS}
REDRAWN = 20  # times, where good parts that were drawn cannot be used: one is damaged, or two are the same photo
BATCH = 32  # images that are looked at together; a method that normalises by its batch sees so many
CACHE_BYTES = 512 * 2**20  # of the category at hand; what goes beyond is read again for every corruption


@dataclass(frozen=True)
class Plan:
    """What is done to every unit.

    Attributes:
        backbone, weights: as `load_backbone` takes them.
        methods: names, in the order of the table. seeds: how many, from 0; a method that draws nothing gets one.
        shots: numbers of good parts, 1 to 16; none where all is zero-shot. draws: of good parts, from 0.
        resources: what methods may need beside the backbone.
        threads: of torch, so that another process computes exactly what this one would.
    """

    methods: tuple[str, ...]
    seeds: int
    backbone: str = "embedded"
    weights: str | None = None
    resources: Resources = Resources()
    threads: int = 1
    shots: tuple[int, ...] = ()
    draws: int = 3

    def runs(self) -> list[tuple[str, int]]:
        """(entrant, seed) of every row that a unit gives; with good parts, what is drawn by the seed are the parts."""
        return [(name, seed) for name in entrants(self.methods, self.shots) for seed in range(self._seeds(name))]

    def _seeds(self, entrant):
        method, parts = method_of(entrant)
        return self.draws if parts else self.seeds if method.seeded else 1


def entrants(methods: Iterable[str], shots: Sequence[int]) -> list[str]:
    """Methods by name; those that take good parts also with each number of them, and no longer without if they can't.

    Where no number is given, a method that needs good parts stands there by its name.
    """
    names = []
    for name in methods:
        method = ALL_METHODS[name]
        with_parts = [f"{name}+{parts}" for parts in shots] if method.takes_good_parts else []
        names += with_parts if method.needs_good_parts and with_parts else [name, *with_parts]
    return names


def method_of(entrant: str) -> tuple[type[Method], int]:
    """The method of an entrant, and its number of good parts, 0 where it has none."""
    name, _, parts = entrant.partition("+")
    return ALL_METHODS[name], int(parts or 0)


def title_of(entrant: str) -> str:
    """An entrant as it is printed."""
    method, parts = method_of(entrant)
    return method.title_with(parts) if parts else method.title


@dataclass(frozen=True)
class Unit:
    """One category under one corruption ("none", severity 0, or another of severity 1 to 5)."""

    category: Category
    corruption: str
    severity: int

    def __str__(self):
        return f"{self.category} {self.corruption} {self.severity}"


@dataclass(frozen=True)
class Result:
    """What a unit gives. Everything but `seconds` is the same whenever and wherever it is computed.

    Attributes:
        rows: a dict for every entrant ("method") and seed, with the metrics, the number of "images" they are over, and
            the names of its good "parts".
        unreadable: name of a sample -> what is wrong with its image or its mask.
        failures: name of an entrant -> why it could not be used on this category.
        images: how many were inspected.
        seconds: stage of the work -> seconds spent in it.
    """

    rows: list[dict]
    unreadable: dict[str, str]
    failures: dict[str, str]
    images: int
    seconds: dict[str, float]


def work_list(categories: Iterable[Category], corruptions: Sequence[str], severities: Sequence[int]) -> list[Unit]:
    """Every unit, category by category; "none" is severity 0."""
    return [
        Unit(category, kind, severity)
        for category in categories
        for kind in corruptions
        for severity in ([0] if kind == "none" else severities)
    ]


def run_unit(plan: Plan, unit: Unit) -> Result:
    """Does one unit, in this process or in a worker's."""
    if torch.get_num_threads() != plan.threads:
        torch.set_num_threads(plan.threads)
    return bench(plan).run(unit)


@lru_cache(maxsize=1)
def bench(plan: Plan) -> "Bench":
    """This process's `Bench` for a plan: what is kept between its units."""
    return Bench(plan)


@lru_cache(maxsize=1)
def backbone_of(name: str, weights: str | None) -> Backbone:
    """This process's backbone, loaded once."""
    return load_backbone(name, weights=weights)


class Clock:
    """Seconds a stage. Time in a stage within another one is only the inner one's."""

    def __init__(self):
        self.seconds = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            taken = time.perf_counter() - started
            self.seconds[stage] += taken - self._inner.pop()
            self._inner[-1] += taken


class TimedImageBatch(ImageBatch):
    """An image batch whose windows are timed apart from the method that asks for them, and whose maps are made only as
    large as they are compared."""

    def __init__(self, backbone: Backbone, images: list[np.ndarray], clock: Clock):
        super().__init__(backbone, images)
        self.sizes = [compared_size(size) for size in self.sizes]
        self._clock = clock

    @cached_property
    def windows(self):
        with self._clock("windows"):
            return ImageBatch.windows.func(self)


class Bench:
    """The backbone, the methods of a plan, and what is kept of the category at hand: its images and fitted methods."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.backbone = backbone_of(plan.backbone, plan.weights)
        self.methods = {name: ALL_METHODS[name](self.backbone, plan.resources) for name in plan.methods}
        self._category: Category | None = None
        self._images: dict[Path, np.ndarray] = {}
        self._cached = 0  # bytes of the images
        self._fitted: dict[tuple[str, int], Fitted] = {}
        self._parts: dict[tuple[str, int], list[str]] = {}  # names of the good parts of what is fitted

    def run(self, unit: Unit) -> Result:
        """Does one unit of the plan."""
        if unit.category != self._category:
            self._category, self._images, self._cached = unit.category, {}, 0
            self._fitted, self._parts = {}, {}
        clock = Clock()
        unreadable: dict[str, str] = {}
        failures: dict[str, str] = {}
        images_read = 0
        scores: dict[tuple[str, int], list[tuple[bool, float]]] = defaultdict(list)
        pixels: dict[tuple[str, int], PixelCounts] = defaultdict(PixelCounts)
        kind, severity = _corruption(unit)
        runs = [run for run in self.plan.runs() if self._fit(*run, failures, clock)]
        for batch in _batches(unit.category.samples):
            images, truths, shown = [], [], []
            for sample in batch:
                image = self._read(sample, unreadable, clock)
                if image is not None:
                    with clock("corrupting"):
                        images.append(corrupt(image, kind, severity, _seed(sample)))
                    with clock("metrics"):
                        truths.append(_truth(sample, image.shape[:2], unreadable))
                    shown.append(sample)
            if images:
                self._inspect(images, truths, shown, runs, scores, pixels, failures, clock)
                images_read += len(images)
        rows = []
        with clock("metrics"):
            for name, seed in runs:
                if name not in failures:
                    found = tuple(zip(*scores[name, seed])) or ((), ())
                    measured = {**image_metrics(*found), **verdict_metrics(*found), **pixels[name, seed].metrics()}
                    described = {"method": name, "seed": seed, "images": len(found[0])}
                    rows.append({**described, "parts": self._parts.get((name, seed), []), **measured})
        return Result(rows, unreadable, failures, images_read, dict(clock.seconds))

    def _fit(self, name, seed, failures, clock):
        """Whether the method is ready for the category at hand; trains it if it has not been yet."""
        try:
            if (name, seed) not in self._fitted:
                with clock(f"{name}, training"):
                    self._fitted[name, seed] = self._fit_now(name, seed)
        except InputError as error:
            failures[name] = str(error)
        return name not in failures

    def _fit_now(self, entrant, seed):
        name, _, parts = entrant.partition("+")
        if not parts:
            return self.methods[name].fit(self._category.product, seed)
        for attempt in range(REDRAWN):
            drawn = draw_parts(self._category, int(parts), seed, attempt)
            self._parts[entrant, seed] = [sample.name for sample in drawn]
            try:
                method = self.methods[name].with_good_parts([sample.path for sample in drawn])
                return method.fit(self._category.product)
            except InputError as error:
                reason = error
        raise reason

    def _inspect(self, images, truths, samples, runs, scores, pixels, failures, clock):
        """Scores one batch with every method and adds up what the metrics need: all but its own good parts."""
        batch = TimedImageBatch(self.backbone, images, clock)
        with clock("encoding"):
            batch.encoded  # noqa: B018 (computed here, so that no method is charged for it)
        for name, seed in runs:
            if name in failures:
                continue
            try:
                with clock(name):
                    inspections = self._fitted[name, seed].inspect(batch)
            except InputError as error:
                failures[name] = str(error)
                continue
            if not all(np.isfinite(seen.score) and np.isfinite(seen.map).all() for seen in inspections):
                failures[name] = "It gave scores that are no numbers."
                continue
            with clock("metrics"):
                parts = self._parts.get((name, seed), ())
                for seen, truth, sample in zip(inspections, truths, samples, strict=True):
                    if sample.name in parts:
                        continue
                    scores[name, seed].append((sample.damaged, seen.score))
                    if truth is not None:
                        pixels[name, seed].add(seen.map, truth)

    def _read(self, sample, unreadable, clock):
        """(H, W, 3) uint8; None, with the reason kept, for an image that is missing or damaged."""
        if sample.path in self._images:
            return self._images[sample.path]
        try:
            with clock("reading"):
                image = read_image(sample.path)
        except InputError as error:
            unreadable[sample.name] = str(error)
            return None
        if self._cached + image.nbytes <= CACHE_BYTES:
            self._images[sample.path] = image
            self._cached += image.nbytes
        return image


def draw_parts(category: Category, parts: int, seed: int, attempt: int = 0) -> list[Sample]:
    """Good parts of a category: of its images for training where these are enough, else of the intact ones of its test.

    Fewer parts of the same seed are among those of more.

    Raises:
        InputError: the test would keep too few intact images.
    """
    good: Sequence[Sample] = category.training
    if len(good) < parts:
        good = [sample for sample in category.samples if not sample.damaged]
        if len(good) - parts < AT_LEAST:
            raise InputError(
                f"Of {len(good)} good images, {parts} would be its good parts: {AT_LEAST} must be left to be tested."
            )
    order = np.random.default_rng([seed, attempt]).permutation(len(good))
    return [good[index] for index in order[:parts]]


def _truth(sample, size, unreadable):
    """The `Truth` of a sample at the size of comparison; None for a damaged one without a mask that can be used."""
    shape = compared_size(size)
    if not sample.damaged:
        return Truth(np.zeros(shape, bool))
    if sample.mask_path is None:
        return None
    try:
        marked = read_mask(sample.mask_path)
        doubt = check(marked, size)
    except InputError as error:
        unreadable[f"{sample.name} (mask)"] = str(error)
        return None
    if doubt:
        unreadable[f"{sample.name} (mask)"] = doubt
    return Truth(resized(marked, shape))


def _corruption(unit):
    """Kind and severity; of severity 0 any kind leaves the image as it is."""
    return ("noise", 0) if unit.corruption == "none" else (unit.corruption, unit.severity)


def _seed(sample):
    """Of the corruption: every image has its own, which no other image of the category can shift."""
    return zlib.crc32(sample.name.encode("utf-8", "surrogatepass"))  # not every name is UTF-8


def _batches(samples):
    """Batches of nearly equal size in a fixed random order, so that good and damaged images come together in each."""
    mixed = sorted(samples, key=_seed)
    count = -(-len(mixed) // BATCH)
    return [[mixed[index] for index in part] for part in np.array_split(np.arange(len(mixed)), count)]
