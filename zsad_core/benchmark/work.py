"""The work list of a benchmark, and how one unit of it is done: one category under one corruption, by every method.

An image is read once a category (as far as the cache reaches), corrupted and encoded once a unit, and then asked by
every method with every seed. Nothing grows with the number of images but their scores.
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
from ..baselines import METHODS, Fitted, ImageBatch, Resources
from ..corruptions import corrupt
from ..datasets import Category
from ..errors import InputError
from ..images import read_image
from .ablation import ABLATIONS
from .metrics import PixelCounts, Truth, compared_size, image_metrics

ALL_METHODS = {**METHODS, **ABLATIONS}
BATCH = 32  # images that are looked at together; a method that normalises by its batch sees so many
CACHE_BYTES = 512 * 2**20  # of the category at hand; what goes beyond is read again for every corruption


@dataclass(frozen=True)
class Plan:
    """What is done to every unit.

    Attributes:
        backbone, weights: as `load_backbone` takes them.
        methods: names, in the order of the table. seeds: how many, from 0; a method that draws nothing gets one.
        resources: what methods may need beside the backbone.
        threads: of torch, so that another process computes exactly what this one would.
    """

    methods: tuple[str, ...]
    seeds: int
    backbone: str = "embedded"
    weights: str | None = None
    resources: Resources = Resources()
    threads: int = 1

    def runs(self) -> list[tuple[str, int]]:
        """(method, seed) of every row that a unit gives."""
        return [(name, seed) for name in self.methods for seed in range(self.seeds if ALL_METHODS[name].seeded else 1)]


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
        rows: a dict for every method and seed, with the metrics.
        unreadable: name of a sample -> why its image or its mask could not be read.
        failures: name of a method -> why it could not be used on this category.
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

    def run(self, unit: Unit) -> Result:
        """Does one unit of the plan."""
        if unit.category != self._category:
            self._category, self._images, self._cached, self._fitted = unit.category, {}, 0, {}
        clock = Clock()
        unreadable: dict[str, str] = {}
        failures: dict[str, str] = {}
        labels: list[bool] = []
        scores: dict[tuple[str, int], list[float]] = defaultdict(list)
        pixels: dict[tuple[str, int], PixelCounts] = defaultdict(PixelCounts)
        kind, severity = _corruption(unit)
        runs = [run for run in self.plan.runs() if self._fit(*run, failures, clock)]
        for batch in _batches(unit.category.samples):
            images, truths = [], []
            for sample in batch:
                image = self._read(sample, unreadable, clock)
                if image is not None:
                    with clock("corrupting"):
                        images.append(corrupt(image, kind, severity, _seed(sample)))
                    with clock("metrics"):
                        truths.append(_truth(sample, image.shape[:2], unreadable))
                    labels.append(sample.damaged)
            if images:
                self._inspect(images, truths, runs, scores, pixels, failures, clock)
        rows = []
        with clock("metrics"):
            for name, seed in runs:
                if name not in failures:
                    measured = {**image_metrics(labels, scores[name, seed]), **pixels[name, seed].metrics()}
                    rows.append({"method": name, "seed": seed, **measured})
        return Result(rows, unreadable, failures, len(labels), dict(clock.seconds))

    def _fit(self, name, seed, failures, clock):
        """Whether the method is ready for the category at hand; trains it if it has not been yet."""
        try:
            if (name, seed) not in self._fitted:
                with clock(f"{name}, training"):
                    self._fitted[name, seed] = self.methods[name].fit(self._category.product, seed)
        except InputError as error:
            failures[name] = str(error)
        return name not in failures

    def _inspect(self, images, truths, runs, scores, pixels, failures, clock):
        """Scores one batch with every method and adds up what the metrics need."""
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
                for seen, truth in zip(inspections, truths, strict=True):
                    scores[name, seed].append(seen.score)
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


def _truth(sample, size, unreadable):
    """The `Truth` of a sample at the size of comparison; None for a damaged one without a mask that can be read."""
    try:
        mask = sample.mask(compared_size(size))
    except InputError as error:
        unreadable[f"{sample.name} (mask)"] = str(error)
        return None
    return None if mask is None else Truth(mask)


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
