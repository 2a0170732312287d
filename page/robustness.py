"""The view Robustness: one image under every corruption at every severity, and through every method."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import gradio as gr
import numpy as np

from page.comparison import ComparisonView
from page.comparison_chart import gap_chart
from page.events import event_field
from page.inspection import AT_ONCE, SCORING, WAITING, InspectView
from page.methods import about_methods
from page.parts import Part, count_of
from page.run_buttons import RunButtons
from page.runs import Runs, Wanted
from page.scale import score_scale
from page.selection import SLIDERS, Photo, Selection, takes_selection
from page.shared import MEMORY, OURS, SharedState
from page.status import status_line
from page.training import SWEEPING
from page.words import at_once, in_words
from zsad_core.baselines import Fitted, ImageBatch
from zsad_core.baselines.ours import FittedDetector
from zsad_core.baselines.winclip import WinClip
from zsad_core.corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS, corrupt_all
from zsad_core.detector import BATCH, Inspection
from zsad_core.errors import InputError
from zsad_core.figures import data_address, heat, severity_chart
from zsad_core.sweep import CLEAN, Place, Sweep, asks_for_windows, curves, image_scores, mean_curve
from zsad_core.verdict import NEUTRAL, state

SMALL, MAP = 160, 64  # pixels, the longer side of a small picture and of the map over it
LEVELS = range(MAX_SEVERITY + 1)
BY_CORRUPTION, BY_METHOD, BY_REFERENCE, BY_GAP = "by corruption", "by method", "words, memory, both", "gap"


@dataclass(frozen=True, eq=False)
class Swept:
    """What a sweep has given so far.

    Attributes:
        subject: that of its Selection.
        name: what the image is. ratio: its width by its height.
        pictures: by place, the image under that corruption as a data address.
        scores, maps: by method, then by place; a method whose maps take many passes may have scores alone.
        compared: scores of words alone, of a memory alone and of both, by place.
        gaps: of the same three, by place: how much higher the damaged picture of a pair scores than the intact one.
    """

    subject: tuple
    name: str
    ratio: float
    pictures: Mapping[Place, str]
    scores: Mapping[str, Mapping[Place, float]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[Place, str]] = field(default_factory=dict)
    compared: Mapping[str, Mapping[Place, float]] = field(default_factory=dict)
    gaps: Mapping[str, Mapping[Place, float]] = field(default_factory=dict)

    def extended(
        self, places: Sequence[Place], images, scores: Mapping, maps: Mapping, compared: Mapping, gaps: Mapping
    ) -> "Swept":
        """This and another batch, in the order of the places: images, and the rest as it is kept, by method."""
        return replace(
            self,
            pictures={**self.pictures, **{place: data_address(image, SMALL) for place, image in zip(places, images)}},
            scores=_joined(self.scores, places, scores),
            maps={
                name: {
                    **self.maps.get(name, {}),
                    **{place: data_address(heat(m)) for place, m in zip(places, maps[name])},
                }
                for name in maps
            },
            compared=_joined(self.compared, places, compared),
            gaps=_joined(self.gaps, places, gaps),
        )


@dataclass(frozen=True, eq=False)
class References:
    """Words, a memory of good parts, and both, for the same picture.

    Attributes:
        both: ours with the good parts, which also says what words alone do.
        memory: of the same parts, without words and without any look at a shift.
        partner: the picture (H, W, 3) that the one on show is held against: its twin, or else the first good part.
        partner_is_damaged: it is the damaged one of the two.
    """

    both: Fitted
    memory: Fitted
    partner: np.ndarray
    partner_is_damaged: bool

    @classmethod
    def of(cls, selection: Selection) -> "References | None":
        """With the visitor's good parts, or else with the intact twin of a sample; None where there is neither."""
        shared, parts = selection.shared, selection.parts or _twin(selection)
        if not parts:
            return None
        both = FittedDetector(shared.with_good_parts(selection.kept, parts))
        partner, damaged = parts[0].pixels, False
        if not isinstance(selection.photo, Photo):
            folder, _, shown = selection.photo.rpartition("/")
            damaged = shown == "intact"
            partner = shared.samples[f"{folder}/{'damaged' if damaged else 'intact'}"].pixels
        return cls(both, shared.fitted(MEMORY, selection.kept, parts), partner, damaged)

    def scores(self, batch: ImageBatch) -> dict[str, list[float]]:
        both = self.both.inspect(batch)
        memory = [seen.score for seen in self.memory.inspect(batch)]
        return {"words": [seen.by_words for seen in both], "memory": memory, "both": [seen.score for seen in both]}

    def gaps(self, scores: Mapping[str, Sequence[float]], places: Sequence[Place], backbone) -> dict[str, list[float]]:
        """How much higher the damaged one of the two scores, both under the corruption of each place."""
        looks = [corrupt_all(self.partner, {kind: severity} if kind else {}) for kind, severity in places]
        partners = self.scores(ImageBatch(backbone, looks))
        sign = -1 if self.partner_is_damaged else 1
        return {
            name: [sign * (score - other) for score, other in zip(scores[name], partners[name], strict=True)]
            for name in scores
        }


class RobustnessView:
    """Builds the view inside the current layout, a tab, and wires it to the view whose image and method it takes."""

    def __init__(self, shared: SharedState, sweeps: Runs, comparisons: Runs, inspect: InspectView, tab: gr.Tab):
        self.shared, self.sweeps, self.wanted = shared, sweeps, Wanted()
        with gr.Tabs(elem_id="robust-views"):
            with gr.Tab("A set of pictures") as of_set:
                self.comparison = ComparisonView(shared, comparisons)
            with gr.Tab("One picture") as of_picture:
                self._build(inspect)
        self._wire(inspect)
        self._wire_arrival(inspect, tab, of_set, of_picture)

    def _build(self, inspect: InspectView) -> None:
        """Chart left, grid of maps right, the methods below."""
        start = unswept(inspect.start)
        self.swept = gr.State(start)
        with gr.Row(elem_classes="board robust"):
            with gr.Column(elem_classes="sheet", min_width=320):
                self.title = gr.HTML(_title(start), elem_classes="heading")
                with gr.Row(elem_classes="go"):
                    self.start = gr.Button("Run", variant="primary", elem_id="sweep", min_width=84, scale=0)
                    self.stop = gr.Button("Stop", interactive=False, elem_id="sweep-stop", min_width=70, scale=0)
                    self.by = gr.Radio(
                        [BY_CORRUPTION, BY_METHOD, BY_REFERENCE, BY_GAP],
                        value=BY_CORRUPTION,
                        show_label=False,
                        label="Lines of the chart",
                        elem_id="chart-by",
                        elem_classes="segments",
                    )
                self.status = gr.HTML(READY, elem_id="sweep-status")
                self.drawn = gr.HTML(self.chart(start, BY_CORRUPTION, inspect.start), elem_id="sweep-chart")
            with gr.Column(elem_classes="sheet", min_width=320):
                gr.HTML(
                    f"<h2>Maps <small>press one to see it large in Inspect</small></h2>{score_scale()}",
                    elem_classes="heading key",
                )
                self.cells = gr.HTML(self.grid(start, OURS), elem_id="grid", js_on_load=_on_press("button[data-kind]"))
        with gr.Column(elem_classes="sheet compare"):
            gr.HTML(
                f"<h2>Methods <small>the same image, scored by each; press one for its chart and maps</small></h2>"
                f"{about_methods(self.shared, 'methods-compared')}",
                elem_classes="heading",
            )
            self.asked = gr.HTML(
                self.cards(inspect.start, {}), elem_id="methods", js_on_load=_on_press("button[data-method]")
            )

    def _wire(self, inspect: InspectView) -> None:
        """What is pressed: run and stop, another chart or method, a cell of the grid."""
        of_sweep = [self.swept, self.title, self.status, self.drawn, self.cells]
        drawn = {"inputs": [self.swept, self.by, *inspect.chosen], "outputs": [self.drawn, self.cells], **AT_ONCE}
        compared = {"inputs": inspect.chosen, "outputs": self.asked, "trigger_mode": "always_last", **WAITING}
        gr.on([self.by.input, inspect.method.change], self.draw, trigger_mode="always_last", **drawn)
        inspect.method.change(None, inspect.method, js=PRESS_METHOD)
        self.asked.select(self.pick_method, inspect.chosen, inspect.method, **AT_ONCE)
        placed = self.cells.select(
            self.pick_place,
            inspect.restored,
            [*inspect.severities, inspect.restored],
            trigger_mode="multiple",
            **SCORING,
        )
        placed.success(self.compare, **compared)

        buttons = RunButtons(self.sweeps, self.start, self.stop)
        running = buttons.wire([self.start.click], self.run, [self.by, *inspect.chosen], of_sweep, **SWEEPING)
        running.success(self.draw, **drawn)  # another may have been chosen since the last picture

    def _wire_arrival(self, inspect: InspectView, tab: gr.Tab, of_set: gr.Tab, of_picture: gr.Tab) -> None:
        """One picture comes into sight: it may be another than the one that was swept, and has to be scored."""
        in_sight = gr.State(False)
        of_set.select(lambda: False, None, in_sight, **AT_ONCE)
        came = of_picture.select(lambda: True, None, in_sight, **AT_ONCE).then
        for arrived in (tab.select, came):
            arrived(
                self.arrive,
                [in_sight, self.swept, self.by, *inspect.chosen],
                [self.swept, self.title, self.status, self.drawn, self.cells],
                **AT_ONCE,
            )
            arrived(
                self.arrive_at_methods,
                [in_sight, *inspect.chosen],
                self.asked,
                trigger_mode="always_last",
                **WAITING,
            )

    @in_words
    @takes_selection
    def arrive(self, in_sight, swept, by, selection: Selection):
        """The tab was opened: a sweep of another image or detector than the chosen ones is dropped."""
        if not in_sight or swept.subject == selection.subject:
            return tuple(gr.skip() for _ in range(5))
        swept = unswept(selection)
        return swept, _title(swept), READY, *self._drawn(swept, by, selection)

    @in_words
    @takes_selection
    def arrive_at_methods(self, in_sight, selection: Selection) -> Iterator:
        """The tab was opened: every method is asked about the image."""
        if in_sight:
            yield from self._compared(selection)
        else:
            yield gr.skip()

    @at_once
    @takes_selection
    def draw(self, request: gr.Request, swept, by, selection: Selection):
        """Another chart or method was chosen; a run that draws goes on with it."""
        self.wanted.change(request.session_hash, by, selection)
        return self._drawn(swept, by, selection)

    def _drawn(self, swept: Swept, by: str, selection: Selection) -> tuple[str, str]:
        return self.chart(swept, by, selection), self.grid(swept, selection.method, _place(selection))

    @in_words
    @takes_selection
    def run(self, request: gr.Request, by, selection: Selection):
        """Sweeps, and draws after every batch."""
        with self.wanted.during(request.session_hash, by, selection) as wanted:
            yield from self._run(request.session_hash, wanted, selection)

    def _run(self, visitor: str, wanted: Callable[[], tuple[str, Selection]], selection: Selection) -> Iterator[tuple]:
        started, method, swept = time.perf_counter(), selection.method, unswept(selection)

        def shown(*words) -> tuple:
            return swept, _title(swept), status_line(*words), *self._drawn(swept, *wanted())

        yield shown("Preparing the methods", selection.detector.product, 0)
        methods, references = self.methods(selection), References.of(selection)
        drawn = {name: fitted for name, fitted in methods.items() if name == method or not asks_for_windows(fitted)}
        sweep = Sweep(
            self.shared.backbone, selection.picture.pixels, batch_size=1 if asks_for_windows(methods[method]) else BATCH
        )
        total = len(sweep.places)
        for places, batch in self.sweeps.follow(visitor, sweep):
            batch.sizes = [_small(size) for size in batch.sizes]  # maps no larger than they are shown
            seen = {name: fitted.inspect(batch) for name, fitted in drawn.items()}
            scores = {
                name: [one.score for one in seen[name]] if name in seen else image_scores(fitted, batch)
                for name, fitted in methods.items()
            }
            maps = {name: [one.map for one in inspections] for name, inspections in seen.items()}
            compared = references.scores(batch) if references else {}
            gaps = references.gaps(compared, places, self.shared.backbone) if references else {}
            swept = swept.extended(places, batch.images, scores, maps, compared, gaps)
            done = len(swept.scores[method])
            left = (time.perf_counter() - started) * (total / done - 1)
            yield shown("Sweeping", f"{done} of {total} images", done / total, f"{left:.1f} s left")
        done = len(swept.scores.get(method, ()))
        words = "Done" if done == total else "Stopped and kept"
        yield shown(words, f"{done} of {total} images", done / total, f"{time.perf_counter() - started:.1f} s")

    def methods(self, selection: Selection) -> dict[str, Fitted]:
        """The methods that can run, for the product of the detector."""
        detector, parts = selection.detector, selection.parts
        return {name: self.shared.fitted(name, detector, parts) for name in selection.methods}

    def chart(self, swept: Swept, by: str, selection: Selection) -> str:
        """Scores against severity: of one method by corruption, or the mean over them of all methods or references."""
        method = selection.method
        if by == BY_REFERENCE:
            series = {name: mean_curve(scores) for name, scores in swept.compared.items()}
            chart = severity_chart(series, "Words, memory, both: mean over the corruptions")
            return f"{chart}<p>{_about_references(selection)}</p>"
        if by == BY_GAP:
            gaps = {name: mean_curve(found) for name, found in swept.gaps.items()}
            chart = gap_chart(gaps, "Damaged minus intact: mean over the corruptions")
            return f"{chart}<p>{_about_gap(selection)}</p>"
        if by == BY_METHOD:
            series = {self.shared.methods[name].title: mean_curve(scores) for name, scores in swept.scores.items()}
            return severity_chart(series, "Every method: mean over the corruptions")
        title, scores = self.shared.methods[method].title, swept.scores.get(method, {})
        return severity_chart(curves(scores), f"{title}: score against severity")

    def grid(self, swept: Swept, method: str, chosen: Place | None = None) -> str:
        """Rows of corruptions, columns of severities."""
        scores, maps = swept.scores.get(method, {}), swept.maps.get(method, {})
        heads = "".join(f"<span>{level}</span>" for level in LEVELS)
        rows = "".join(
            f"<b>{kind}</b>" + "".join(_cell(swept, scores, maps, (kind, level), chosen) for level in LEVELS)
            for kind in POSTER_CORRUPTIONS
        )
        title = self.shared.methods[method].title
        note = PATCHWORK if method == WinClip.name and maps else ""
        if scores and not maps:
            note = f"<p>{title} needs many passes for its maps: press Run to make them.</p>"
        return f"""<div class="cells" style="--ratio: {swept.ratio:.4f}">
<span>{escape(title)}</span>{heads}{rows}</div>{note}"""

    @in_words
    def pick_place(self, event: gr.EventData, restored):
        """A cell was pressed: the sliders of the view Inspect follow."""
        kind, level = event_field(event, "kind"), event_field(event, "severity")
        if kind not in POSTER_CORRUPTIONS or level not in map(str, LEVELS):
            raise InputError(f"There is no picture of {kind:.40} {level:.10}: press one of those shown.")
        return *(int(level) if one == kind else 0 for one in SLIDERS), restored + 1

    @in_words
    @takes_selection
    def pick_method(self, event: gr.EventData, selection: Selection):
        """A card was pressed: chart, grid and the view Inspect go through its method."""
        method = event_field(event, "method")
        return method if method in selection.methods else self.shared.runnable(method)

    @in_words
    @takes_selection
    def compare(self, selection: Selection) -> Iterator[str]:
        """The image clean and corrupted through every method."""
        yield from self._compared(selection)

    def _compared(self, selection: Selection) -> Iterator[str]:
        """The cards, again and again; methods that take long come last."""
        methods, seen = self.methods(selection), {}
        for slow in (False, True):
            for name, fitted in methods.items():
                if asks_for_windows(fitted) == slow:
                    through = replace(selection, method=name)
                    seen[name] = through.clean(), through.corrupted()
            yield self.cards(selection, seen)

    def cards(self, selection: Selection, seen: Mapping) -> str:
        """A card a method, with what it said about the image clean and corrupted as far as that is known."""
        able = selection.methods
        cards = "".join(self._card(name, seen.get(name), selection) for name in able)
        # The memory alone is no method of the poster's, and asks for good parts elsewhere.
        unable = " ".join(why for name, why in self.shared.missing.items() if why and name not in (*able, MEMORY))
        return f"{cards}<p>{escape(unable)}</p>" if unable else cards

    def _card(self, name: str, seen, selection: Selection) -> str:
        title = escape(self.shared.methods[name].title)
        if seen is None:
            return f'<div class="asked" aria-busy="true"><b>{title}</b><span>scoring …</span></div>'
        tags = "clean", selection.corruptions or "not corrupted yet"
        pictures = "".join(
            f'<span class="seen"><span class="thumb">'
            f"{_frame(data_address(pixels, SMALL), _heat_address(seen))}{_score(seen.score)}</span>{tag}</span>"
            for tag, (pixels, seen) in zip(tags, seen)
        )
        rows, columns = seen[0][1].map.shape
        pressed = str(name == selection.method).lower()
        return f"""<button type="button" class="asked" data-method="{name}" aria-pressed="{pressed}"
 style="--ratio: {columns / rows:.4f}"><b>{title}</b>{pictures}</button>"""


def unswept(selection: Selection) -> Swept:
    """Before any sweep: the image as it is."""
    picture = selection.picture
    rows, columns = picture.pixels.shape[:2]
    return Swept(selection.subject, picture.description, columns / rows, {CLEAN: data_address(picture.pixels, SMALL)})


def _twin(selection: Selection) -> tuple[Part, ...]:
    """The intact sample of the same product as the one that is shown; nothing where it is no sample."""
    if isinstance(selection.photo, Photo):
        return ()
    twin = selection.shared.samples[f"{selection.photo.rpartition('/')[0]}/intact"]
    return (selection.shared.part(twin.pixels, twin.description),)


def _about_references(selection: Selection) -> str:
    """What the chart of words, memory and both shows, in a sentence."""
    parts = selection.parts or _twin(selection)
    if not parts:
        return "Give good parts of it in Inspect first: the memory is made of them."
    known = f"{count_of(len(parts))} of yours" if selection.parts else f"one good part, the sample “{parts[0].name}”"
    return (
        f"Over {NEUTRAL} is an alarm. The memory holds {escape(known)}, and is not zero-shot: to it every shift looks "
        "like damage. Both also hold the part as a shift would show it."
    )


def _about_gap(selection: Selection) -> str:
    """What the chart of the gap shows, in a sentence."""
    if not (selection.parts or _twin(selection)):
        return "Give good parts of it in Inspect first: the picture is held against the first of them."
    if isinstance(selection.photo, Photo):
        pair = "Your photo’s score minus that of your first good part"
    else:
        pair = "The damaged sample’s score minus that of its intact twin"
    return f"{pair}, both under the same corruption. At 0 they can’t be told apart. Memory and both are not zero-shot."


def _joined(known: Mapping, places: Sequence[Place], more: Mapping) -> dict:
    """What is known by method and place, and what came for these places."""
    return {name: {**known.get(name, {}), **dict(zip(places, more[name]))} for name in more}


def _place(selection: Selection) -> Place | None:
    """The one place that the sliders stand for, where at most one of them is moved."""
    moved = [(kind, severity) for kind, severity in selection.severities.items() if severity]
    return moved[0] if len(moved) == 1 else None


def _title(swept: Swept) -> str:
    return f"<h2>Robustness <small>{escape(swept.name)}</small></h2>"


def _cell(swept: Swept, scores: Mapping, maps: Mapping, place: Place, chosen: Place | None) -> str:
    kind, severity = place
    seen = place if severity else CLEAN
    if seen not in swept.pictures:
        return "<i></i>"
    score = f"{scores[seen]:.2f}" if seen in scores else "no score yet"
    return f"""<button type="button" class="thumb" data-kind="{kind}" data-severity="{severity}"
 aria-pressed="{str(place == chosen).lower()}" aria-label="{kind} {severity}: {score}">
{_frame(swept.pictures[seen], maps.get(seen))}{_score(scores[seen]) if seen in scores else ""}</button>"""


def _frame(picture: str, layer: str | None) -> str:
    over = f'<img class="map" src="{layer}" alt="">' if layer else ""
    return f'<span class="frame"><img class="pixels" src="{picture}" alt="">{over}</span>'


def _score(score: float) -> str:
    return f'<span class="pill {state(score)}">{score:.2f}</span>'


def _small(size: tuple[int, int]) -> tuple[int, int]:
    shrink = min(1, MAP / max(size))
    rows, columns = (max(1, round(side * shrink)) for side in size)
    return rows, columns


def _heat_address(inspection: Inspection) -> str:
    step = max(1, max(inspection.map.shape) // MAP)
    return data_address(heat(inspection.map[::step, ::step]))


def _on_press(selector: str) -> str:
    """A script: what is pressed is marked, and its data go to the listeners of `select`."""
    return f"""element.addEventListener('click', (event) => {{
  const button = event.target.closest('{selector}');
  if (!button) return;
  for (const one of element.querySelectorAll('{selector}')) one.setAttribute('aria-pressed', one === button);
  trigger('select', {{...button.dataset}});
}});"""


PATCHWORK = "<p>A patchwork by design: a place gets the mean of the overlapping windows that hold it.</p>"
READY = status_line("Ready", f"{len(POSTER_CORRUPTIONS) * MAX_SEVERITY + 1} images to encode", 0)
PRESS_METHOD = """(method) => {
  for (const one of document.querySelectorAll('#methods [data-method]'))
    one.setAttribute('aria-pressed', one.dataset.method === method);
}"""
