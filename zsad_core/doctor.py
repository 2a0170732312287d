"""Measures a backbone on the yardstick: the scale of every method, and whether it is fit for use.

The yardstick (`training.yardstick`) is rendered, and no training saw it. Every product is shown clean and under the
poster's corruptions, intact and damaged, as often the one as the other.
"""

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .backbone import Backbone
from .baselines import METHODS, ImageBatch
from .cores import idle_cores, side_by_side
from .corruptions import POSTER_CORRUPTIONS, corrupt
from .embedded import ASSETS
from .errors import InputError
from .images import read_image
from .profile import OURS, WITH_MAP, Profile
from .scale import Scale, hottest_mean, log_odds

YARDSTICK = ASSETS.parent / "yardstick"
RULE_OF = "clip", "clip-ac", "winclip", "rwda", OURS  # the methods whose ranking decides the common rule
SEVERITY = 3
LOOKS = 7  # of a product that have a damaged twin
CORRUPTED_LOOKS = 4  # of these, each under another corruption
SLOW = ("maeday",)  # methods that cost as much as the encoder; they are shown every second look
# Shares of the map in the score, and how much of the map counts: the first of each, the even share and the map's peak
# as in the literature, unless others rank clearly better.
SHARES = 0.5, 0.25, 0.75
HOTTEST = 0.005, 0.02, 0.1
MARGIN = 0.01  # of image AUROC, mean over the methods
LEAST_WEIGHT = 0.01  # of log-odds that point away from the damage: a scale is monotone, whatever was measured
# Of a backbone that is fit for use, at least; random weights are near a half in each.
LEAST_TOLD_APART = 0.75  # held-back sentences
LEAST_RANKING = 0.65  # image AUROC of the best method, clean
LEAST_POINTING = 0.65  # share of the damaged pictures whose map rises inside the mask
LEAST_SPREAD = 1e-4  # standard deviation between windows of one picture


@dataclass(frozen=True)
class Measuring:
    """How far the measuring is; printing it gives one readable line."""

    step: int
    steps: int
    product: str
    phase: str = "measuring"

    def __str__(self) -> str:
        return f"measured {self.step} of {self.steps} products  {self.product}".rstrip()


@dataclass(frozen=True)
class Product:
    """A product of the yardstick: its name, and of every look the intact picture, the damaged one and its mask."""

    name: str
    twins: tuple[tuple[Path, Path, Path], ...]


@dataclass
class Evidence:
    """What one method says of the yardstick's pictures, in log-odds: of the image, and of the map's hottest places.

    Attributes:
        damaged, corrupted: what each of the pictures is.
    """

    damaged: list[bool] = field(default_factory=list)
    corrupted: list[bool] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    hottest: dict[float, list[float]] = field(default_factory=lambda: {share: [] for share in HOTTEST})

    def add(self, damaged: Sequence[bool], corrupted: bool, whole: torch.Tensor, places: torch.Tensor) -> None:
        """Further pictures: log-odds of the images (N,) and of their places (N, rows, columns)."""
        self.damaged += damaged
        self.corrupted += [corrupted] * len(damaged)
        self.whole += whole.tolist()
        for share, means in self.hottest.items():
            means += hottest_mean(places, share).tolist()

    def join(self, other: "Evidence") -> None:
        """Takes over what another one holds."""
        self.damaged += other.damaged
        self.corrupted += other.corrupted
        self.whole += other.whole
        for share, means in self.hottest.items():
            means += other.hottest[share]

    def scale(self, share: float, hottest: float) -> Scale:
        """The scale where the map has this share in the score, and this much of the map counts."""
        values = np.array(self.whole), np.array(self.hottest[hottest])
        return fitted_scale(*values, np.array(self.damaged), share, hottest)

    def log_odds(self, scale: Scale) -> np.ndarray:
        """Of the scores (N,) on a scale."""
        hottest = np.array(self.hottest[scale.hottest])
        return scale.whole * np.array(self.whole) + scale.places * hottest + scale.offset

    def ranking(self, scale: Scale, corrupted: bool | None = None) -> float:
        """Image AUROC on a scale, of the clean pictures or of the corrupted ones; of all, where it is not said."""
        chosen = np.array([corrupted in (None, one) for one in self.corrupted])
        return ranking(np.array(self.damaged)[chosen], self.log_odds(scale)[chosen])


def read_yardstick(folder: Path = YARDSTICK) -> list[Product]:
    """The products of the yardstick. Raises InputError: it is not there."""
    products = []
    for told in sorted(folder.glob("*/product.json")):
        looks = [told.parent / str(look) for look in range(LOOKS)]
        twins = tuple((Path(f"{look}.webp"), Path(f"{look}_damaged.webp"), Path(f"{look}_mask.png")) for look in looks)
        products.append(Product(json.loads(told.read_text(encoding="utf-8"))["product"], twins))
    if not products:
        raise InputError(f"The yardstick is not there: restore the folder {folder.name} of assets from the repository.")
    return products


def measure(
    backbone: Backbone,
    products: Sequence[Product] | None = None,
    on_progress: Callable[[Measuring], None] | None = None,
    stopped: threading.Event | None = None,
) -> Profile:
    """The profile of a backbone.

    Args:
        products: of the yardstick; all of them, if not given.
        on_progress: called before every product, or before as many as there are idle cores.
        stopped: once set, the measuring ends before the next ones.

    Raises:
        InputError: the yardstick is not there, or the measuring was stopped.
    """
    products = read_yardstick() if products is None else products
    visit, at_once = Visit(backbone), max(1, idle_cores())
    for number in range(0, len(products), at_once):
        if stopped is not None and stopped.is_set():
            raise InputError("The measuring was stopped: the backbone keeps the scale that it had.")
        few = products[number : number + at_once]
        if on_progress is not None:
            on_progress(Measuring(number, len(products), ", ".join(product.name for product in few)))
        visit.see(few)
    if on_progress is not None:
        on_progress(Measuring(len(products), len(products), "", phase="done"))
    return visit.profile()


@dataclass
class Seen:
    """What is measured of one product: what every method says, and what the doctor asks of the backbone."""

    evidence: dict[str, Evidence]
    told_apart: float
    rises: list[bool]


class Visit:
    """What is measured of a backbone, a few products at a time."""

    def __init__(self, backbone: Backbone):
        self.backbone = backbone
        methods = [method(backbone) for method in METHODS.values() if not method.needs_good_parts]
        self.methods = {method.name: method for method in methods if method.missing() is None}
        self.evidence: dict[str, Evidence] = defaultdict(Evidence)
        self._told_apart: list[float] = []
        self._rises: list[bool] = []
        self._spread: float | None = None

    def see(self, products: Sequence[Product]) -> None:
        """Asks every method about the pictures of products, side by side."""
        if self._spread is None:
            picture = read_image(products[0].twins[0][0])
            windows, _ = self.backbone.window_vectors(self.backbone.preprocess([picture]), 2)
            self._spread = windows[0].std(dim=0).mean().item()
        for seen in side_by_side(self._seen, enumerate(products, len(self._told_apart))):
            for name, evidence in seen.evidence.items():
                self.evidence[name].join(evidence)
            self._told_apart.append(seen.told_apart)
            self._rises += seen.rises

    def _seen(self, numbered: tuple[int, Product]) -> Seen:
        number, product = numbered
        fitted: dict[str, Any] = {name: method.fit(product.name) for name, method in self.methods.items()}
        seen = Seen(defaultdict(Evidence), fitted[OURS].detector.health["held_back_accuracy"], [])
        clean = [[read_image(path) for path in twin[:2]] for twin in product.twins]
        shifted = [
            [corrupt(image, kind, SEVERITY, look) for image in twin]
            for look, (twin, kind) in enumerate(zip(clean[:CORRUPTED_LOOKS], itertools.cycle(POSTER_CORRUPTIONS)))
        ]
        for corrupted, twins in ((False, clean), (True, shifted)):
            every = ImageBatch(self.backbone, [image for twin in twins for image in twin])
            half = twins[number // len(POSTER_CORRUPTIONS) % 2 :: 2]  # in turn, so that it holds every corruption
            fewer = ImageBatch(self.backbone, [image for twin in half for image in twin])
            for name, method in fitted.items():
                batch = fewer if name in SLOW else every
                whole, patches = method.evidence(batch)
                places = log_odds(patches)
                seen.evidence[name].add([False, True] * (len(places) // 2), corrupted, log_odds(whole), places)
                if name == OURS and not corrupted:
                    seen.rises += [
                        rises_inside(places[2 * look], places[2 * look + 1], mask)
                        for look, (_, _, mask) in enumerate(product.twins)
                    ]
        return seen

    def profile(self) -> Profile:
        """What was found, as a profile."""
        scales = {}
        share, hottest = best_rule([self.evidence[name] for name in RULE_OF])
        for name, found in self.evidence.items():
            scales[OURS if name == OURS else name + WITH_MAP] = found.scale(share, hottest)
            if name != OURS:
                scales[name] = found.scale(0.0, hottest)
        figures = {"share of the map": share, "part of the map that counts": hottest, **self._figures(scales)}
        return Profile(self.backbone.fingerprint, self.backbone.name, scales, figures, tuple(wrong_with(figures)))

    def _figures(self, scales: Mapping[str, Scale]) -> dict[str, float]:
        figures = {
            "states told apart": float(np.mean(self._told_apart)),
            "spread of windows": self._spread or 0.0,
            "maps point at the damage": float(np.mean(self._rises)),
        }
        for name, scale in scales.items():
            rank = partial(self.evidence[name.removesuffix(WITH_MAP)].ranking, scale)
            figures[f"{name}, clean"], figures[f"{name}, corrupted"] = rank(False), rank(True)
        return figures


def rises_inside(intact: torch.Tensor, damaged: torch.Tensor, mask: Path) -> bool:
    """Whether a map (rows, columns) of a damaged picture is hotter inside the mask than its intact twin's there."""
    inside = torch.tensor(np.asarray(Image.open(mask).convert("L")) > 127, dtype=torch.float32)
    inside = F.adaptive_avg_pool2d(inside[None], intact.shape)[0]
    return bool(((damaged - intact) * inside).sum() > 0)


def ranking(damaged: np.ndarray, scores: np.ndarray) -> float:
    """Image AUROC: how often a damaged picture scores over an intact one, half where they are equal."""
    over = np.sign(scores[damaged][:, None] - scores[~damaged][None])
    return float((over.mean() + 1) / 2)


def best_rule(asked: Sequence[Evidence]) -> tuple[float, float]:
    """The share of the map in the score and how much of the map counts, the same for every method that was asked."""
    worth = {
        rule: np.mean([found.ranking(found.scale(*rule)) for found in asked])
        for rule in itertools.product(SHARES, HOTTEST)
    }
    first, best = next(iter(worth)), max(worth, key=lambda rule: worth[rule])
    return best if worth[best] > worth[first] + MARGIN else first


def fitted_scale(
    whole: np.ndarray, hottest: np.ndarray, damaged: np.ndarray, share: float, part: float = HOTTEST[0]
) -> Scale:
    """The scale of a method: the mean of the calibrated image vector and the calibrated map, itself calibrated.

    Args:
        whole, hottest: (N,) log-odds. damaged: (N,) bool. share: of the map, from 0 to 1. part: of the map that counts.
    """
    (image, image_offset), (places, places_offset) = (balanced_logistic(each, damaged) for each in (whole, hottest))
    offset = (1 - share) * image_offset + share * places_offset
    evidence = (1 - share) * image * whole + share * places * hottest + offset
    slope, shift = balanced_logistic(evidence, damaged)
    return Scale(
        whole=slope * (1 - share) * image,
        places=slope * share * places,
        offset=slope * offset + shift,
        hottest=part,
        contrast=places,
    )


def balanced_logistic(values: np.ndarray, damaged: np.ndarray, rounds: int = 50) -> tuple[float, float]:
    """Weight, LEAST_WEIGHT at least, and offset of values (N,) in the log-odds of damage, both states weighing alike.

    Newton's method; the least bit of shrinkage keeps it finite where the states part completely.
    """
    deviation = values.std() or 1.0
    design = np.stack([values / deviation, np.ones_like(values)], axis=1)  # (N, 2)
    weights = np.where(damaged, 0.5 / max(1, damaged.sum()), 0.5 / max(1, (~damaged).sum()))
    found = np.zeros(2)
    for _ in range(rounds):
        probability = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weights * (damaged - probability)) - 1e-4 * found
        curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design + 1e-4 * np.eye(2)
        found = found + np.linalg.solve(curvature, slope)
    weight = found[0] / deviation
    if weight < LEAST_WEIGHT:  # the values point away from the damage
        return LEAST_WEIGHT, -LEAST_WEIGHT * float(np.average(values, weights=weights))
    return float(weight), float(found[1])


def wrong_with(figures: dict[str, float]) -> Iterator[str]:
    """Sentences: why a backbone with these figures is not fit for use; none where it is."""
    told_apart, spread, pointing = (
        figures[name] for name in ("states told apart", "spread of windows", "maps point at the damage")
    )
    best = max(value for name, value in figures.items() if name.endswith(", clean"))
    if told_apart < LEAST_TOLD_APART:
        yield f"Its text encoder tells {told_apart:.0%} of the held-back sentences apart, and guessing 50 %."
    if spread < LEAST_SPREAD:
        yield "All windows of a picture look the same to it: its transformer mixes windows instead of patches."
    if pointing < 1 - LEAST_POINTING:
        yield f"Its maps point away from the damage: only {pointing:.0%} rise where it is."
    elif pointing < LEAST_POINTING:
        yield f"Its maps do not point at the damage: {pointing:.0%} rise where it is, and guessing makes 50 %."
    if best < LEAST_RANKING:
        yield f"Its best method ranks {best:.0%} of the damaged above the intact pictures, and guessing 50 %."
