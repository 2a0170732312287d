"""Sets of intact and damaged pictures, clean and under every corruption: what each method's fixed verdict is worth.

    python -m zsad_core.comparison          # of the samples, for the page: writes assets/comparison.json

What the page shows of the samples before anybody has pressed anything was written by this command. So is which product
its first screen shows: the one that ours holds apart best, see `Figures.gaps`.
"""

import argparse
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .backbone import load_backbone
from .baselines import METHODS, Fitted, ImageBatch, Resources, method_named
from .baselines.ours import FittedDetector
from .command_line import command_line
from .cores import idle_cores, set_threads_for, side_by_side
from .corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS, corrupt_all
from .detector import Detector
from .errors import InputError
from .images import read_image
from .profile import OURS
from .sweep import CLEAN, Place, image_scores
from .verdict import NEUTRAL

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SEVERITIES = tuple(range(MAX_SEVERITY + 1))
ALL_KINDS = "mean"  # the mean over the corruptions, beside each of them
GAP_AT = 3  # severity, the poster's
AT_ONCE = 8  # pictures encoded together: the twins of a product under the four corruptions
NO_MAP = 8, 8  # rows and columns of maps that nobody looks at
PREPARING, COMPARING = "Preparing the methods", "Comparing"  # phases
FALSE_ALARMS, CAUGHT, MISTAKEN = "false_alarms", "caught", "mistaken"


@dataclass(frozen=True, eq=False)
class Group:
    """Pictures of one product, (H, W, 3) uint8, and the methods that know it.

    Attributes:
        product: its name.
        fit: called once; gives each method by its name. A name may say how many good parts it knows: "memory+1".
    """

    product: str
    intact: Sequence[np.ndarray]
    damaged: Sequence[np.ndarray]
    fit: Callable[[], Mapping[str, Fitted]]


@dataclass(frozen=True)
class ComparisonProgress:
    """The phase a comparison is in, and how much of that is `done`, of `total` products or pictures."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Figures:
    """What the methods come to at each severity. Every figure is a share, from 0 to 1.

    Attributes:
        intact, damaged: how many pictures there are of each.
        severities: the ones that were tried, 0 the pictures as they are.
        shares: by method, then by figure, then by corruption (or ALL_KINDS): one value a severity.
            FALSE_ALARMS: of the intact pictures that score over .5. CAUGHT: of the damaged ones that do.
            MISTAKEN: of the pairs of an intact and a damaged picture of one product in which the intact one,
            corrupted, scores higher than the damaged one, clean: no threshold has a say in it.
        gaps: by product, the largest first: the lowest score that ours gives a damaged picture minus the highest that
            it gives an intact one, clean and under every corruption at severity 3. Empty until these are scored.
    """

    intact: int
    damaged: int
    severities: Sequence[int]
    shares: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
    gaps: Mapping[str, float] = field(default_factory=dict)


class Shown(NamedTuple):
    """A picture that is to be scored: of which group, damaged or not, and under which corruption it is shown."""

    group: int
    damaged: bool
    picture: np.ndarray
    place: Place


class Scored(NamedTuple):
    group: int
    damaged: bool
    score: float


class Comparison:
    """Iterate over it for `ComparisonProgress`; `figures` gives what is known meanwhile, one severity after the other.

    Args:
        groups: of pictures of a product each; an intact and a damaged picture at least in all of them together.
        severities: that are tried, from 0 to 5, the first one 0.
        seed: of the noise.

    Raises:
        InputError: a kind of picture is missing.
    """

    def __init__(self, backbone, groups: Sequence[Group], severities: Sequence[int] = SEVERITIES, seed: int = 0):
        self.groups, self.severities = list(groups), tuple(severities)
        self.intact = sum(len(group.intact) for group in groups)
        self.damaged = sum(len(group.damaged) for group in groups)
        if not (self.intact and self.damaged):
            raise InputError("A comparison needs pictures of intact and of damaged products: give some of both.")
        self._backbone, self._seed = backbone, seed
        self._stopped = threading.Event()
        self._scores: dict[str, dict[Place, list[Scored]]] = {}  # by method
        self._complete = 0  # severities of which every picture is scored

    def stop(self) -> None:
        """Ends the comparison after the pictures that are being scored, from any thread."""
        self._stopped.set()

    def __iter__(self) -> Iterator[ComparisonProgress]:
        methods: list[Mapping[str, Fitted]] = []
        for few in _chunks(self.groups, max(1, idle_cores())):
            yield ComparisonProgress(PREPARING, len(methods), len(self.groups))
            if self._stopped.is_set():
                return
            methods += side_by_side(lambda group: group.fit(), few)
        done, total = 0, (self.intact + self.damaged) * sum(len(places_at(severity)) for severity in self.severities)
        yield ComparisonProgress(COMPARING, done, total)
        for severity in self.severities:
            for chunk, pictures in self._corrupted(severity):
                self._score(chunk, pictures, methods)
                done += len(chunk)
                yield ComparisonProgress(COMPARING, done, total)
                if self._stopped.is_set():
                    return
            self._complete += 1

    def _corrupted(self, severity: int) -> Iterator[tuple[list[Shown], list[np.ndarray]]]:
        """Pictures of one product at a time, each with its place; some are corrupted while others are scored."""
        chunks = [
            chunk
            for number, group in enumerate(self.groups)
            for chunk in _chunks(
                [
                    Shown(number, damaged, picture, place)
                    for damaged, pictures in ((False, group.intact), (True, group.damaged))
                    for picture in pictures
                    for place in places_at(severity)
                ],
                AT_ONCE,
            )
        ]
        ahead = ThreadPoolExecutor(1, "corruptions")
        try:
            following = ahead.submit(self._seen, chunks[0])
            for chunk, next_chunk in zip(chunks, [*chunks[1:], []], strict=True):
                pictures = following.result()
                following = ahead.submit(self._seen, next_chunk)
                yield chunk, pictures
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)

    def _seen(self, chunk: Sequence[Shown]) -> list[np.ndarray]:
        def seen(one: Shown) -> np.ndarray:
            kind, severity = one.place
            return corrupt_all(one.picture, {kind: severity} if kind else {}, self._seed)

        return side_by_side(seen, chunk)

    def _score(self, chunk: Sequence[Shown], pictures: Sequence[np.ndarray], methods: Sequence[Mapping]) -> None:
        batch = ImageBatch(self._backbone, pictures)
        batch.sizes = [NO_MAP] * len(pictures)
        _ = batch.encoded  # once, before the methods ask for it side by side
        asked = methods[chunk[0].group]
        found = side_by_side(lambda fitted: image_scores(fitted, batch), asked.values())
        for name, scores in zip(asked, found, strict=True):
            for one, score in zip(chunk, scores, strict=True):
                at_places = self._scores.setdefault(name, {})
                at_places.setdefault(one.place, []).append(Scored(one.group, one.damaged, score))

    def figures(self) -> Figures:
        """Of the severities whose pictures are all scored."""
        severities = self.severities[: self._complete]
        shares = {
            name: {figure: _by_kind(scores, share, severities) for figure, share in SHARES.items()}
            for name, scores in self._scores.items()
        }
        gaps = self._gaps(self._scores[OURS]) if OURS in self._scores and GAP_AT in severities else {}
        return Figures(self.intact, self.damaged, severities, shares, gaps)

    def _gaps(self, scores: Mapping[Place, Sequence[Scored]]) -> dict[str, float]:
        shown = [one for place in (CLEAN, *places_at(GAP_AT)) for one in scores[place]]
        gaps = {}
        for number, group in enumerate(self.groups):
            intact, damaged = (
                [one.score for one in shown if one.group == number and one.damaged is state] for state in (False, True)
            )
            if intact and damaged:
                gaps[group.product] = round(min(damaged) - max(intact), 4)
        return dict(sorted(gaps.items(), key=lambda gap: -gap[1]))


def places_at(severity: int) -> list[Place]:
    """Every corruption at a severity; the picture as it is at 0."""
    return [(kind, severity) for kind in POSTER_CORRUPTIONS] if severity else [CLEAN]


def _by_kind(scores: Mapping, share: Callable[[Mapping, Place], float], severities: Sequence[int]) -> dict:
    curves = {
        kind: [share(scores, (kind, level) if level else CLEAN) for level in severities] for kind in POSTER_CORRUPTIONS
    }
    return {ALL_KINDS: [float(np.mean(level)) for level in zip(*curves.values())], **curves}


def _false_alarms(scores: Mapping, place: Place) -> float:
    return _share([one.score > NEUTRAL for one in scores[place] if not one.damaged])


def _caught(scores: Mapping, place: Place) -> float:
    return _share([one.score > NEUTRAL for one in scores[place] if one.damaged])


def _mistaken(scores: Mapping, place: Place) -> float:
    clean = [one for one in scores[CLEAN] if one.damaged]
    intact = [one for one in scores[place] if not one.damaged]
    return _share([one.score > other.score for one in intact for other in clean if other.group == one.group])


def _share(found: Sequence[bool]) -> float:
    return round(float(np.mean(found)), 4) if found else 0.0


SHARES = {FALSE_ALARMS: _false_alarms, CAUGHT: _caught, MISTAKEN: _mistaken}


def _chunks(items: Sequence, size: int) -> Iterator[list]:
    return (list(items[first : first + size]) for first in range(0, len(items), size))


def write_figures(path: Path, figures: Figures, backbone) -> None:
    """Writes figures with the fingerprint of the backbone that they hold for."""
    told = {"backbone": backbone.name, "fingerprint": backbone.fingerprint, **asdict(figures)}
    path.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


def read_figures(path: Path, backbone) -> Figures | None:
    """The figures in a file; None where there are none, or those of another backbone.

    Raises:
        InputError: a file that this module has not written.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("fingerprint") != backbone.fingerprint:
            return None
        del told["backbone"]
        return Figures(**told)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"The figures in {path.name} cannot be read ({error}): restore the file from the repository, "
                         "or write it anew with python -m zsad_core.comparison.") from error  # fmt: skip


def first_product(path: Path) -> str | None:
    """The product of the page's first screen: the one with the largest gap in a file of figures, on whatever backbone
    they were made; None where there is no file, or none that tells gaps."""
    try:
        return next(iter(json.loads(path.read_text(encoding="utf-8"))["gaps"]), None)
    except (OSError, ValueError, LookupError, TypeError):  # read_figures says what is wrong with it
        return None


def sample_groups(backbone, folder: Path, detectors: Path, methods: Sequence[str]) -> list[Group]:
    """A group for each product of the samples. Its intact picture is also the good part of methods that need one.

    Raises:
        InputError: a sample that cannot be read, or an index.json that does not name them.
    """
    try:
        entries = [
            (one["product"], one["folder"]) for one in json.loads((folder / "index.json").read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"There are no samples in {str(folder)!r} ({error}): name a folder like assets/samples."
        ) from error
    return [
        _sample_group(backbone, product, folder / name, detectors / f"{name}.safetensors", methods)
        for product, name in entries
    ]


def _sample_group(backbone, product: str, folder: Path, detector: Path, methods: Sequence[str]) -> Group:
    intact, damaged = (read_image(folder / f"{state}.jpg") for state in ("intact", "damaged"))

    def fit() -> dict[str, Fitted]:
        return {entrant(name, 1): _fitted(backbone, name, product, detector, intact) for name in methods}

    return Group(product, [intact], [damaged], fit)


def _fitted(backbone, name: str, product: str, detector: Path, part: np.ndarray) -> Fitted:
    method = method_named(name)
    if method.is_ours:
        return FittedDetector(_detector(backbone, product, detector))
    return method(backbone, Resources(good_parts=[part])).fit(product)


def _detector(backbone, product: str, path: Path) -> Detector:
    """The detector in a file; trained now where that is of another backbone."""
    try:
        return Detector.load(path, backbone)
    except InputError:
        return Detector.fit(backbone, product)


def entrant(method: str, parts: int) -> str:
    """The name of a method in a comparison in which those that need good parts know so many."""
    return f"{method}+{parts}" if method_named(method).needs_good_parts else method


@command_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Compares the methods on the samples, and writes the figures for the page; returns the exit code."""
    parser = argparse.ArgumentParser("python -m zsad_core.comparison", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder of samples/ and detectors/ (default: ours)")
    parser.add_argument("--out", type=Path, help="file of the figures (default: comparison.json in that folder)")
    parser.add_argument("--backbone", default="embedded", metavar="NAME", help="embedded (default), or another name")
    parser.add_argument("--methods", default=",".join(METHODS), metavar="A,B", help=f"default: {','.join(METHODS)}")
    options = parser.parse_args(arguments)
    backbone = load_backbone(options.backbone)
    set_threads_for(backbone)
    able = []
    for name in options.methods.split(","):
        method = method_named(name)(backbone)
        if (why := method.missing()) and not method.needs_good_parts:
            print(f"{method.title} is left out: {why}", file=sys.stderr)
        else:
            able.append(name)
    groups = sample_groups(backbone, options.assets / "samples", options.assets / "detectors", able)
    comparison = Comparison(backbone, groups)
    for progress in comparison:
        print(f"\r{progress.phase}: {progress.done} of {progress.total} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    figures = comparison.figures()
    write_figures(options.out or options.assets / "comparison.json", figures, backbone)
    print(_table(figures))
    print(f"\nGaps of {OURS}, from the first screen's product on:", _listed(figures.gaps))
    return 0


def _listed(gaps: Mapping[str, float]) -> str:
    return ", ".join(f"{product} {gap:.2f}" for product, gap in gaps.items()) or "none"


def _table(figures: Figures) -> str:
    """Markdown: each method's shares at severity 0, 1, ..., in percent, as means over the corruptions."""
    head = [f"| {' '.join(map(str, figures.severities))} | {' | '.join(SHARES)} |", "|---" * (1 + len(SHARES)) + "|"]
    rows = [
        f"| {name} | "
        + " | ".join(" ".join(f"{100 * share:.0f}" for share in shares[figure][ALL_KINDS]) for figure in SHARES)
        + " |"
        for name, shares in figures.shares.items()
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    sys.exit(main())
