"""The comparison over a set, in the view Robustness: every method's false alarms and catches against severity."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import gradio as gr
import numpy as np

from page.comparison_chart import Compared, comparison_chart, nothing_compared
from page.inspection import AT_ONCE
from page.parts import Part, count_of, words_alone
from page.run_buttons import RunButtons
from page.runs import Runs, Wanted
from page.selection import Selection, takes_selection
from page.shared import MEMORY, OURS, SharedState, read_photo_with_notes
from page.status import status_line
from page.training import SWEEPING
from page.words import at_once, in_words
from zsad_core.archives import ImageFiles
from zsad_core.baselines import Fitted
from zsad_core.baselines.ours import FittedDetector
from zsad_core.comparison import ALL_KINDS, COMPARING, Comparison, Group, entrant
from zsad_core.corruptions import POSTER_CORRUPTIONS
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.images import Page

SAMPLES, OWN = "The samples", "My photos in Batch"
LIVE = (0, 3, 5)  # severities of a live run: with all six the samples would take over half a minute on two cores
SLOW = ("maeday",)  # methods of 100 ms a picture and more, which a live run leaves out
MOST_OF_EACH = 16  # intact and damaged photos of a visitor's that are compared
PARTS = 4  # of a visitor's intact photos that become the good parts where none were given
LEAST_PAUSE = 0.3  # seconds between two words about a run
GIVE_PHOTOS = "Give a zip with folders like good and bad in Batch: photos of one product, some intact and some damaged."
NO_MEMORY = "No memory: of one intact photo there is none to spare for it."
ITS_OWN_PICTURE = "The one good part of a product is its intact picture itself, as it is."


class ComparisonView:
    """Builds the view inside the current layout; `connect` wires it to the view Batch, whose photos may be the set."""

    def __init__(self, shared: SharedState, comparisons: Runs):
        self.shared, self.comparisons, self.wanted = shared, comparisons, Wanted()
        self.seen = gr.State({})  # what was compared, by set
        with gr.Column(elem_classes="sheet", elem_id="set"):
            with gr.Row(elem_classes="go"):
                self.start = gr.Button("Run", variant="primary", elem_id="set-run", min_width=84, scale=0)
                self.stop = gr.Button("Stop", interactive=False, elem_id="set-stop", min_width=70, scale=0)
                self.source = _segments([SAMPLES, OWN], "Set", "set-of")
                kinds = [("all four", ALL_KINDS), *((kind, kind) for kind in POSTER_CORRUPTIONS)]
                self.kind = _segments(kinds, "Corruption", "set-kind")
            self.status = gr.HTML(self._ready({}, SAMPLES), elem_id="set-status")
            self.chart = gr.HTML(self._chart({}, SAMPLES, ALL_KINDS), elem_id="set-chart")

    def connect(self, upload: gr.UploadButton, chosen: Sequence) -> None:
        """`upload` holds the photos that a visitor gave in Batch, `chosen` are the components of a Selection."""
        choice = [self.seen, self.source, self.kind]
        last = {"trigger_mode": "always_last", **AT_ONCE}
        self.source.input(self.turn_to, choice, [self.status, self.chart], **last)
        self.kind.input(self.draw, choice, self.chart, **last)
        drawn = [self.seen, self.status, self.chart]
        buttons = RunButtons(self.comparisons, self.start, self.stop)
        running = buttons.wire([self.start.click], self.run, [*choice, upload, *chosen], drawn, **SWEEPING)
        running.success(self.draw, choice, self.chart, **AT_ONCE)  # another may have been chosen since the last picture

    @at_once
    def turn_to(self, request: gr.Request, seen, source, kind):
        """Another set was chosen; a run that draws goes on, and shows that one."""
        self.wanted.change(request.session_hash, source, kind)
        return self._ready(seen, source), self._chart(seen, source, kind)

    @at_once
    def draw(self, request: gr.Request, seen, source, kind):
        """Another corruption was chosen."""
        self.wanted.change(request.session_hash, source, kind)
        return self._chart(seen, source, kind)

    @in_words
    @takes_selection
    def run(self, request: gr.Request, seen, source, kind, paths, selection: Selection) -> Iterator[tuple]:
        """Compares the methods on the set, and draws whenever another severity is complete."""
        with self.wanted.during(request.session_hash, source, kind) as wanted:
            yield from self._run(request.session_hash, wanted, seen, source, paths, selection)

    def _run(self, visitor: str, wanted, seen, source, paths, selection: Selection) -> Iterator[tuple]:
        started, said, severities = time.monotonic(), 0.0, 0
        groups, of, parts = self._samples() if source == SAMPLES else self._photos(paths, selection)
        comparison = Comparison(self.shared.backbone, groups, LIVE)
        for progress in self.comparisons.follow(visitor, comparison):
            figures, now = comparison.figures(), time.monotonic()
            further = len(figures.severities) > severities
            if not further and now - said < LEAST_PAUSE:
                continue
            said, severities = now, len(figures.severities)
            if further:
                seen = {**seen, source: Compared(figures, of, parts)}
            share = progress.done / progress.total
            left = f"{(now - started) * (1 / share - 1):.0f} s left" if progress.phase == COMPARING and share else ""
            status = status_line(progress.phase, f"{progress.done} of {progress.total}", share, left)
            yield seen, status, self._chart(seen, *wanted()) if further else gr.skip()
        seen = {**seen, source: Compared(comparison.figures(), of, parts)}
        done = len(seen[source].figures.severities)
        words = "Done" if done == len(LIVE) else "Stopped and kept"
        status = status_line(
            words, f"{done} of {len(LIVE)} severities", done / len(LIVE), f"{time.monotonic() - started:.0f} s"
        )
        shown, kind = wanted()
        yield seen, status if shown == source else self._ready(seen, shown), self._chart(seen, shown, kind)

    def _samples(self) -> tuple[list[Group], str, str]:
        """A group a product; its intact picture is the good part of the memory."""
        groups, samples = [], self.shared.samples
        for damaged in (sample for name, sample in samples.items() if name.endswith("/damaged")):
            intact = samples[f"{damaged.name.rpartition('/')[0]}/intact"]
            part = self.shared.part(intact.pixels, intact.description)
            fit = partial(self._fit, partial(self.shared.detector_for, damaged.product), [part])
            groups.append(Group(damaged.product, [intact.pixels], [damaged.pixels], fit))
        return groups, samples_compared(len(groups)), ITS_OWN_PICTURE

    def _photos(self, paths, selection: Selection) -> tuple[list[Group], str, str]:
        """The visitor's labelled photos of one product, and good parts that are not among those that are scored."""
        intact, damaged, notes = _labelled(paths)
        parts, detector = selection.parts, selection.kept
        if parts:
            known = {part.digest for part in parts}
            intact = [photo for photo in intact if self.shared.part(photo, "").digest not in known]
        else:
            chosen = spread(len(intact), min(PARTS, len(intact) // 2))
            parts = [self.shared.part(intact[number], f"photo {number + 1}") for number in chosen]
            intact = [photo for number, photo in enumerate(intact) if number not in chosen]
        said = f"Not scored: the {count_of(len(parts))} that the memory is made of." if parts else NO_MEMORY
        intact, damaged = ([some[one] for one in spread(len(some), MOST_OF_EACH)] for some in (intact, damaged))
        fit = partial(self._fit, lambda: detector, parts, with_ours=True)
        groups = [Group(detector.product, intact, damaged, fit)]
        of = f"{len(intact)} intact and {len(damaged)} damaged photos of yours ({detector.product})"
        return groups, of, " ".join([said, *notes])

    def _fit(
        self, known: Callable[[], Detector], parts: Sequence[Part], with_ours: bool = False
    ) -> Mapping[str, Fitted]:
        """The methods of a live run, for the product of a detector. `with_ours`: ours knows the parts too, beside."""
        detector = words_alone(known())
        able = [name for name, why in self.shared.missing.items() if not why and name not in SLOW]
        fitted = {name: self.shared.fitted(name, detector) for name in able}
        if parts:
            photos = [part.pixels for part in parts]
            fitted[entrant(MEMORY, len(parts))] = (
                self.shared.methods[MEMORY].with_good_parts(photos).fit(detector.product)
            )
        if parts and with_ours:
            fitted[f"{OURS}+{len(parts)}"] = FittedDetector(self.shared.with_good_parts(detector, parts))
        return fitted

    def _ready(self, seen: Mapping[str, Compared], source: str) -> str:
        """The status before a run."""
        if source in seen:
            return status_line("Done", seen[source].of, 1)
        if source == SAMPLES and self.shared.compared:
            return status_line("Made beforehand", "press Run to see it made here", 0)
        return status_line("Ready", "press Run", 0)

    def _chart(self, seen: Mapping[str, Compared], source: str, kind: str) -> str:
        if source in seen:
            compared = seen[source]
        elif source == SAMPLES and self.shared.compared:
            figures = self.shared.compared
            compared = Compared(figures, samples_compared(figures.intact), ITS_OWN_PICTURE)
        else:
            return nothing_compared(GIVE_PHOTOS if source == OWN else "")
        return comparison_chart(compared, kind, self.shared.methods)


def samples_compared(products: int) -> str:
    return f"{products} products, each with an intact and a damaged picture"


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers under `count`, evenly spread, in their order."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist() if most > 0 else []


def _labelled(paths) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Intact and damaged photos among what was given in Batch, by their folders; more than are compared, not all.

    Beside them sentences on how they were read, such as that of several pages the first one is.

    Raises:
        InputError: there are none of one of both, or one cannot be read.
    """
    if not paths:
        raise InputError(GIVE_PHOTOS)
    files = ImageFiles(paths, lambda source: [Page(*read_photo_with_notes(source))])
    kept = [
        [number for number, entry in enumerate(files.entries) if entry.damaged is damaged] for damaged in (False, True)
    ]
    if not all(kept):
        named = f"{len(kept[False])} of your photos are labelled intact and {len(kept[True])} damaged"
        raise InputError(f"{named}. {GIVE_PHOTOS}")
    taken = sorted(some[one] for some in kept for one in spread(len(some), MOST_OF_EACH + PARTS))
    photos: dict[bool, list[np.ndarray]] = {False: [], True: []}
    notes: Counter[str] = Counter()
    for entry, found in files.only(taken):
        if isinstance(found, InputError):
            raise InputError(f"The photo {entry.name!r} cannot be used: {found}") from found
        photos[entry.damaged].append(found[0].pixels)
        notes.update(found[0].notes)
    return photos[False], photos[True], [_of_photos(note, count) for note, count in notes.items()]


def _of_photos(note: str, count: int) -> str:
    return f"{note} (So in {count} photo{'s' if count > 1 else ''}.)"


def _segments(choices: Sequence, label: str, anchor: str) -> gr.Radio:
    first = choices[0] if isinstance(choices[0], str) else choices[0][1]
    return gr.Radio(choices, value=first, show_label=False, label=label, elem_id=anchor, elem_classes="segments")
