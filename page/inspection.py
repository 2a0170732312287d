"""The view Inspect: one image, clean and corrupted, side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from page.camera import camera_panel
from page.draw import DRAWN, draw_tools, drawn_on, name_of, strokes_in
from page.events import event_field
from page.gradio_internals import save_for_visitor
from page.methods import about_methods, method_switch
from page.parts import count_of, said_by
from page.product_name import TRAIN_FOR, looks_line
from page.regions import box_drawn, layer, region_tools
from page.scale import score_scale
from page.selection import SLIDERS, Photo, Selection, takes_selection
from page.shared import FINEST, LONGEST, MEMORY, OURS, Sample, SharedState, read_photo_with_notes
from page.threshold import state_from, verdict_from
from page.words import in_words
from zsad_core.baselines.winclip import WinClip
from zsad_core.cascade import CLOSEST
from zsad_core.corruptions import MAX_SEVERITY
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError
from zsad_core.figures import data_address, heat
from zsad_core.ignored import Box
from zsad_core.verdict import NEUTRAL

RAMP = """<button type="button" id="ramp" aria-pressed="false"
title="Plays severity 0 to 5 of the corruption that is chosen, or of contrast">▶ Ramp</button>"""
# One sample at a time, and then the one that was picked last: answers to several would arrive in any order.
PICKING = """let onItsWay = false, wanted = null;
const pick = (sample) => { [onItsWay, wanted] = [true, null]; trigger('select', {sample}); };
element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-sample]');
    if (!button) return;
    if (onItsWay) wanted = button.dataset.sample; else pick(button.dataset.sample);
});
element.addEventListener('picked', () => { onItsWay = false; if (wanted) pick(wanted); });"""
PICKED = "() => { document.querySelector('#samples .strip').dispatchEvent(new Event('picked', {bubbles: true})); }"
KEPT = 8  # detectors that are remembered for a visitor
FIRST_SEVERITIES = {"contrast": 2}  # on the first screen, so that it shows at once what the page is about
AT_ONCE: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
# Visitors who train at once, who score and who run a batch. The cores are shared among them by the system, a little for
# each in turn; a visitor who waited here would wait for somebody else's end.
TOGETHER = 8
IN_SCORING: dict[str, Any] = {"concurrency_id": "scoring", "concurrency_limit": TOGETHER}
SCORING = {**IN_SCORING, "api_visibility": "private", "show_progress": "hidden"}
WAITING = {**SCORING, "show_progress": "minimal"}  # what takes over half a second says so; see style.css


class InspectView:
    """Builds the view inside the current layout, and wires it.

    Attributes:
        detector: the dropdown of detectors; its value is a key of the shipped detectors or of `own`.
        method: the switch between the methods; its value is a name.
        own: state, the visitor's own detectors as bytes, by key.
        photo: state, the name of a sample, or a Photo.
        good: state, the visitor's good parts, by product. words_only: the checkbox by which none has a say, not yet
            rendered.
        thresholds: state, where the verdict turns for this visitor, by `Selection.scale`.
        severities: a slider for each of SLIDERS.
        chosen: the components whose values make a Selection, the last inputs of a handler that `takes_selection`.
        start: the Selection of the first screen.
        restored: state, changed by whoever has changed the severities for the visitor: the image is scored anew.
        pictures: the components that `open` gives values for.
        corrupted: the card that changes with whatever is changed.
        own_detector: the components that `take` gives values for.
    """

    def __init__(self, shared: SharedState):
        self.shared = shared
        first = next(iter(shared.samples))
        key = shared.samples[first].product
        severities = {kind: FIRST_SEVERITIES.get(kind, 0) for kind in SLIDERS}
        self.start = start = Selection(shared, key, {}, first, OURS, {}, False, severities)

        self.own = gr.State({})
        self.photo = gr.State(first)
        self.good = gr.State({})
        self.words_only = gr.Checkbox(False, label="Words only", elem_id="words-only", container=False, render=False)
        self.thresholds = gr.State({})
        self.restored = gr.State(0)
        self._shown = gr.State((*start.subject, start.method, NEUTRAL, False))
        self._side_by_side = gr.Checkbox(False, label="Side by side", elem_id="side-by-side", visible="hidden")
        self._bar()
        self._stage()
        self._sliders()
        self._sources()
        choices = [self.detector, self.own, self.photo, self.method, self.good, self.words_only, self.thresholds]
        self.chosen = [*choices, *self.severities]
        self._wire()

    def _bar(self) -> None:
        with gr.Row(elem_classes="bar"):
            gr.HTML("<h2>Inspect</h2>", elem_classes="heading")
            self.detector = gr.Dropdown(
                choices=list(self.shared.shipped),
                value=self.start.key,
                label="Detector",
                elem_id="detector",
                filterable=False,
                scale=3,
            )
            self.method = method_switch(self.shared)
            gr.HTML(about_methods(self.shared, "methods-inspect"), elem_classes="heading")
            download = gr.DownloadButton(
                "Download", detector_file(self.start.detector), size="sm", elem_id="download", scale=0, min_width=90
            )
            self._upload_detector = gr.UploadButton(
                "Load", file_types=[".safetensors"], size="sm", elem_id="load", scale=0, min_width=60
            )
        # The file to download changes together with the choice, so that a quick visitor does not get the old one.
        self.own_detector = [self.own, self.detector, download]

    def _stage(self) -> None:
        with gr.Row(elem_classes="stage", elem_id="stage"):
            self._clean = gr.HTML(clean_card(self.start), elem_id="clean")
            self.corrupted = gr.HTML(corrupted_card(self.start), elem_id="corrupted")
            gr.HTML(RAMP, elem_id="ramp-place")
            self._tools = region_tools()
            self._drawing = draw_tools(_drawing(self.start))
        self._looks = gr.HTML(looks_line(self.start), elem_id="looks", js_on_load=TRAIN_FOR)

    def _sliders(self) -> None:
        with gr.Row(elem_classes="sliders"):
            self.severities = [
                gr.Slider(
                    0,
                    MAX_SEVERITY,
                    value=self.start.severities[kind],
                    step=1,
                    label=kind.replace("_", " ").capitalize(),
                    elem_id=f"severity-{kind}",
                    buttons=[],
                    min_width=120,
                )
                for kind in SLIDERS
            ]
            opacity = gr.Slider(0, 100, value=70, step=1, label="Map opacity", elem_id="opacity", buttons=[])
        opacity.input(
            None, opacity, js="(value) => document.documentElement.style.setProperty('--map-opacity', value / 100)"
        )

    def _sources(self) -> None:
        with gr.Row(elem_classes="sources"):
            self._strip = gr.HTML(
                self.start.photo,
                html_template=sample_strip(self.shared.samples.values()),
                elem_id="samples",
                js_on_load=PICKING,
            )
            with gr.Column(scale=0, min_width=284, elem_classes="own"):
                with gr.Row():
                    self._upload = gr.UploadButton(
                        "Your photo", file_types=["image"], size="sm", elem_id="upload", min_width=90
                    )
                    gr.Button("Webcam", size="sm", elem_id="webcam-button", min_width=80)
                    self._closer = gr.Button("Look closer", size="sm", elem_id="closer", min_width=90)
                gr.HTML(
                    f"Or paste or drop one. {LONGEST} pixels a side are used, {FINEST} on a closer look.",
                    elem_classes="hint",
                )
        camera_panel()
        self.pictures = [self.photo, self._strip]

    def _wire(self) -> None:
        each = {"trigger_mode": "multiple", **SCORING}  # a quick hand's second one is not dropped
        self._tools.select(self.leave_out, self.chosen, self.pictures, **each)
        self.photo.change(_left_out, self.photo, self._tools, **AT_ONCE)
        drawn = self._drawing.draw(self.draw, self.chosen, self.pictures, **each)
        drawn.success(None, js=DRAWN)
        drawn.failure(None, js=DRAWN)
        self._closer.click(self.look_closer, self.chosen, self.pictures, **SCORING)
        self.photo.change(_closer_label, self.photo, self._closer, **AT_ONCE)
        picked = self._strip.select(self.pick, self.chosen, [self.detector, *self.pictures], **each)
        for answered in (picked.success, picked.failure):
            answered(None, js=PICKED)
        self._upload.upload(self.open, self._upload, self.pictures, **each)
        self._upload_detector.upload(self.load, [self._upload_detector, self.own], self.own_detector, **each)
        # One listener for every change, which runs once more if something changed meanwhile: an old answer never comes
        # last. (A state that is changed outside the queue tells no listener.)
        gr.on(
            [
                self.detector.change,
                self.photo.change,
                self.method.change,
                self.good.change,
                self.words_only.change,
                self.thresholds.change,
                self.restored.change,
                self._side_by_side.change,
                *(slider.release for slider in self.severities),
            ],
            self.look,
            [self._shown, self._side_by_side, *self.chosen],
            [self._shown, self._clean, self._drawing, self.corrupted, self.own_detector[-1], self._looks],
            trigger_mode="always_last",
            show_progress_on=[self._clean, self.corrupted],
            **WAITING,
        )

    @in_words
    @takes_selection
    def look(self, shown, side_by_side, selection: Selection):
        """The cards, the file to download and what the picture looks like; where there is no other detector, image or
        method, the corrupted card alone. While a ramp plays, where there are good parts, those and words side by side.
        """
        beside = bool(side_by_side and selection.parts)
        seen = *selection.subject, selection.method, _threshold(selection), beside
        if beside:
            by_memory = replace(selection, method=MEMORY, words_only=False)
            by_words = replace(selection, method=OURS, words_only=True)
            two = corrupted_card(by_memory), gr.skip(), corrupted_card(by_words, " · words alone")
            return seen, *two, gr.skip(), gr.skip()
        corrupted = corrupted_card(selection)
        if shown == seen:
            return shown, gr.skip(), gr.skip(), corrupted, gr.skip(), gr.skip()
        file = detector_file(selection.detector)
        return seen, clean_card(selection), _drawing(selection), corrupted, file, looks_line(selection)

    @in_words
    @takes_selection
    def pick(self, event: gr.EventData, selection: Selection):
        """A sample was picked; its product's own detector is taken where there is one."""
        name = event_field(event, "sample")
        if name not in self.shared.samples:
            raise InputError(f"There is no sample {name!r:.80}: pick one of those shown.")
        product, key = self.shared.samples[name].product, selection.key
        if selection.kept.product != product:
            fitting = [one for one in selection.own if replace(selection, key=one).kept.product == product]
            fitting += [product] if product in self.shared.shipped else []
            key = fitting[0] if fitting else key
        return key, name, name

    @in_words
    @takes_selection
    def leave_out(self, event: gr.EventData, selection: Selection):
        """A part was drawn that has no say from now on, or the whole picture is to be used again."""
        photo = _own(selection)
        return replace(photo, ignored=box_drawn(event, *photo.pixels.shape[:2])), ""

    @in_words
    @takes_selection
    def draw(self, event: gr.EventData, selection: Selection):
        """All strokes of a drawing, over the picture as it was before the first; none give that picture back."""
        strokes, before, ignored = strokes_in(event_field(event, "strokes")), _undrawn(selection), selection.ignored
        if event_field(event, "picture") != _drawing(selection)["picture"]:
            raise InputError("Another picture is shown by now: draw on that one.")
        pressed = "" if isinstance(before.photo, Photo) else before.photo  # in the strip of samples
        if strokes or (ignored and pressed):
            pixels, description = drawn_on(before.picture.pixels, strokes), before.picture.description
            return Photo(pixels, description, ignored, undrawn=before.photo, strokes=strokes), pressed
        return pressed or replace(before.photo, ignored=ignored), pressed

    @in_words
    @takes_selection
    def look_closer(self, selection: Selection):
        """A large photo is looked at closely from now on, or no longer."""
        photo = _own(selection)
        if not photo.closer and not (photo.file and self.shared.gains_by_closer_look(photo.file)):
            least = 2 * CLOSEST * self.shared.backbone.image_size
            gr.Info(
                "A closer look changes nothing here: it is for a photo from a file of your own, of at least "
                f"{least:,} pixels on its shorter side."
            )
            return gr.skip(), gr.skip()
        return replace(photo, closer=not photo.closer), ""

    @in_words
    def open(self, source):
        """An image of the visitor's own was uploaded, pasted, dropped or taken; no sample is shown any more."""
        pixels, notes = read_photo_with_notes(source)
        for note in notes:
            gr.Info(note)
        return Photo(pixels, "your photo", file=source), ""

    @in_words
    def load(self, path, own):
        """A detector file was uploaded."""
        return self._remember(self.shared.detector_in(path), own)

    @in_words
    def take(self, data, own):
        """A detector was trained; nothing new where what waited behind its training was stopped with it."""
        if data in own.values():
            return gr.skip(), gr.skip(), gr.skip()
        return self._remember(self.shared.detector_from(data), own)

    def _remember(self, detector: Detector, own: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict, str]:
        """The visitor's detectors with this one first, the dropdown with it selected, and its file."""
        number = max((int(key.split(".")[0]) for key in own), default=0) + 1
        steps = int(detector.health.get("steps", detector.recipe.steps))
        parts = f", {count_of(detector.good_parts)}" if detector.good_parts else ""
        parts += f", without {' and '.join(detector.recipe.without)}" if detector.recipe.without else ""
        key = f"{number}. {detector.product} (yours: {detector.recipe.prompts} prompts, {steps} steps{parts})"
        own = dict([(key, detector.to_bytes()), *own.items()][:KEPT])
        return own, gr.update(choices=[*own, *self.shared.shipped], value=key), detector_file(detector)


def detector_file(detector: Detector) -> str:
    """The path of the detector as a file that the page may hand out."""
    name = f"{detector.product.replace(' ', '-')}.safetensors"
    return save_for_visitor(detector.to_bytes(), name)


def clean_card(selection: Selection) -> str:
    """The card of the image as it is. Raises InputError."""
    said, threshold = _says(selection), _threshold(selection)
    drawn, asides = bool(_strokes(selection)), [_aside(selection)]
    if drawn:
        asides += [f"{_undrawn(selection).clean()[1].score:.2f} before the drawing"]
    return card(
        ("Drawn on" if drawn else "Clean") + _by(selection),
        *selection.clean(),
        selection.picture.description,
        said,
        threshold,
        aside=" · ".join(filter(None, asides)),
        ignored=selection.ignored,
    )


def corrupted_card(selection: Selection, by: str | None = None) -> str:
    """The card of the image as the sliders make it; `by` ends its title, if given. Raises InputError."""
    title = f"Corrupted: {selection.corruptions}" if selection.corruptions else "Not corrupted yet: move a slider"
    (_, before), corrupted = selection.clean(), selection.corrupted()
    said, threshold = _says(selection), _threshold(selection)
    return card(
        title + (_by(selection) if by is None else by),
        *corrupted,
        selection.picture.description,
        said,
        threshold,
        before,
        _aside(selection),
        selection.ignored,
    )


def _left_out(photo: str | Photo) -> str:
    """Whether a part is left out, as the value of `region_tools`."""
    return "left out" if isinstance(photo, Photo) and photo.ignored else ""


def _own(selection: Selection) -> Photo:
    """What is looked at as a photo of the visitor's own."""
    picture = selection.picture
    return picture if isinstance(picture, Photo) else Photo(picture.pixels, picture.description)


def _undrawn(selection: Selection) -> Selection:
    """The same selection with its picture as it was before anything was drawn on it."""
    photo = selection.photo
    return replace(selection, photo=photo.undrawn) if isinstance(photo, Photo) and photo.undrawn else selection


def _strokes(selection: Selection) -> int:
    return len(selection.photo.strokes) if isinstance(selection.photo, Photo) else 0


def _drawing(selection: Selection) -> dict[str, str | int]:
    """As the value of `draw_tools`."""
    undrawn = _undrawn(selection)
    name = undrawn.photo if isinstance(undrawn.photo, str) else undrawn.picture.pixels
    return {"picture": name_of(name), "strokes": _strokes(selection)}


def _closer_label(photo: str | Photo) -> str:
    return "One look" if isinstance(photo, Photo) and photo.closer else "Look closer"


def _by(selection: Selection) -> str:
    if selection.closer:
        return " · closer"
    return "" if selection.by_ours else f" · {selection.method_title}"


def _threshold(selection: Selection) -> float:
    return selection.threshold if selection.by_ours else NEUTRAL


def _aside(selection: Selection) -> str:
    return "a patchwork by design: of windows" if selection.method == WinClip.name else ""


def _says(selection: Selection) -> str:
    """By what the verdict is, where that is not zero-shot."""
    if selection.method == MEMORY:
        return f"by {count_of(len(selection.parts))} without words"
    return said_by(selection.detector) if selection.by_ours and selection.detector.good_parts else ""


def card(
    title: str,
    pixels: np.ndarray,
    inspection: Inspection,
    description: str,
    by: str = "",
    threshold: float = NEUTRAL,
    before: Inspection | None = None,
    aside: str = "",
    ignored: Box | None = None,
) -> str:
    """A picture with its map, its score on the scale and its verdict, as HTML; `by` and `aside` if there are any."""
    score = inspection.score
    rows, columns = inspection.map.shape
    step = max(1, max(rows, columns) // 256)  # the map is smooth: the browser brings it to size
    change = 0 if before is None else round(score, 2) - round(before.score, 2)  # of the figures as they are shown
    details = [] if inspection.by_words is None else [f"words alone {inspection.by_words:.2f}"]
    details += [] if before is None else [f"{change:+.2f} from clean".replace("-0.", "−0.")]
    details += [aside] if aside else []
    details += [] if threshold == NEUTRAL else [f"your threshold {threshold:.2f}"]
    moved = f'<span class="moved">{" · ".join(details)}</span>' if details else ""
    said = f'<span class="by">{by}, not zero-shot</span>' if by else ""
    return f"""<figure class="card {state_from(threshold, score)}" style="--threshold: {threshold}">
<div class="picture"><div class="frame" style="--ratio: {columns / rows:.4f}">
<img class="pixels" src="{data_address(pixels)}" alt="{escape(title)}: {escape(description)}">
<img class="map" src="{data_address(heat(inspection.map[::step, ::step]))}" alt="">
{layer(inspection, ignored)}</div><span class="tag">{escape(title)}</span></div>
<figcaption>
<span class="score">{score:.2f}</span>
<span class="verdict"><b>{escape(verdict_from(threshold, score))}</b>{said}{moved}</span>
{score_scale(score)}
</figcaption></figure>"""


def sample_strip(samples: Iterable[Sample]) -> str:
    """The samples as a row of buttons, as a template of HTML whose value is the name of the one that is shown."""
    buttons = (
        f'<button type="button" data-sample="{sample.name}" aria-pressed="${{value === \'{sample.name}\'}}" '
        f'title="{escape(sample.description)}">'
        f'<img src="{sample.thumbnail}" alt="{escape(sample.description)}"></button>'
        for sample in samples
    )
    return f'<div class="strip" role="group" aria-label="Samples">{"".join(buttons)}</div>'
