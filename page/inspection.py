"""The view Inspect: one image, clean and corrupted, side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import gradio as gr
import numpy as np

from page.gradio_internals import save_for_visitor
from page.methods import about_methods, method_switch
from page.shared import LONGEST, Sample, SharedState, read_photo
from page.words import in_words
from zsad_core.corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError
from zsad_core.figures import data_address, heat

KEPT = 8  # detectors that are remembered for a visitor
FIRST_SEVERITIES = {"contrast": 2}  # on the first screen, so that it shows at once what the page is about
AT_ONCE = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
# Visitors who train at once, who score and who run a batch. The cores are shared among them by the system, a little for
# each in turn; a visitor who waited here would wait for somebody else's end.
TOGETHER = 8
IN_SCORING = {"concurrency_id": "scoring", "concurrency_limit": TOGETHER}
SCORING = {**IN_SCORING, "api_visibility": "private", "show_progress": "hidden"}
WAITING = {**SCORING, "show_progress": "minimal"}  # what takes over half a second says so; see style.css


@dataclass(frozen=True, eq=False)
class Photo:
    """An image of the visitor's own."""

    pixels: np.ndarray  # (H, W, 3) uint8
    description: str


class InspectView:
    """Builds the view inside the current layout, and wires it.

    Attributes:
        detector: the dropdown of detectors; its value is a key of the shipped detectors or of `own`.
        method: the switch between the methods; its value is a name.
        own: state, the visitor's own detectors as bytes, by key.
        photo: state, the name of a sample, or a Photo.
        severities: the four sliders, in the order of POSTER_CORRUPTIONS.
        chosen: the components that say what is scored: detector, own, photo, method and severities.
        restored: state, changed by whoever has changed the severities for the visitor: the image is scored anew.
        pictures: the components that `open` gives values for.
        corrupted: the card that changes with whatever is changed.
        own_detector: the components that `take` gives values for.
    """

    def __init__(self, shared: SharedState):
        self.shared = shared
        first = next(iter(shared.samples))
        start = shared.samples[first]
        choice = start.product

        self.own = gr.State({})
        self.photo = gr.State(first)
        self.restored = gr.State(0)
        shown = gr.State((choice, first, "ours"))
        with gr.Row(elem_classes="bar"):
            gr.HTML("<h2>Inspect</h2>", elem_classes="heading")
            self.detector = gr.Dropdown(
                choices=list(shared.shipped),
                value=choice,
                label="Detector",
                elem_id="detector",
                filterable=False,
                scale=3,
            )
            self.method = method_switch(shared)
            gr.HTML(about_methods(shared, "methods-inspect"), elem_classes="heading")
            download = gr.DownloadButton(
                "Download", detector_file(shared.shipped[choice]), size="sm", elem_id="download", scale=0, min_width=90
            )
            upload_detector = gr.UploadButton(
                "Load", file_types=[".safetensors"], size="sm", elem_id="load", scale=0, min_width=60
            )
        first_cards = [shared.look(shared.shipped[choice], start.pixels, levels) for levels in ({}, FIRST_SEVERITIES)]
        with gr.Row(elem_classes="stage", elem_id="stage"):
            clean = gr.HTML(card("Clean", *first_cards[0], start.description), elem_id="clean")
            self.corrupted = corrupted = gr.HTML(
                card(corrupted_title(FIRST_SEVERITIES), *first_cards[1], start.description, before=first_cards[0][1]),
                elem_id="corrupted",
            )
        with gr.Row(elem_classes="sliders"):
            self.severities = [
                gr.Slider(
                    0,
                    MAX_SEVERITY,
                    value=FIRST_SEVERITIES.get(kind, 0),
                    step=1,
                    label=kind.capitalize(),
                    elem_id=f"severity-{kind}",
                    buttons=[],
                    min_width=120,
                )
                for kind in POSTER_CORRUPTIONS
            ]
            opacity = gr.Slider(0, 100, value=70, step=1, label="Map opacity", elem_id="opacity", buttons=[])
        with gr.Row(elem_classes="sources"):
            strip = gr.HTML(
                first,
                html_template=sample_strip(shared.samples.values()),
                elem_id="samples",
                js_on_load="""element.addEventListener('click', (event) => {
                    const button = event.target.closest('button[data-sample]');
                    if (button) trigger('select', {sample: button.dataset.sample});
                });""",
            )
            with gr.Column(scale=0, min_width=190, elem_classes="own"):
                with gr.Row():
                    upload = gr.UploadButton(
                        "Your photo", file_types=["image"], size="sm", elem_id="upload", min_width=90
                    )
                    webcam_button = gr.Button("Webcam", size="sm", elem_id="webcam-button", min_width=80)
                gr.HTML(f"or paste or drop one. Sliders act on at most {LONGEST} pixels a side.", elem_classes="hint")
        webcam = gr.Image(sources=["webcam"], type="numpy", label="Webcam", elem_id="webcam", height=360, buttons=[])

        # The file to download goes with the choice itself: whoever is quick must not get the one before.
        self.own_detector = [self.own, self.detector, download]
        self.pictures = pictures = [self.photo, strip]
        self.chosen = [self.detector, self.own, self.photo, self.method, *self.severities]
        strip.select(self.pick, [self.detector, self.own], [self.detector, *pictures], **SCORING)
        upload.upload(self.open, upload, pictures, **SCORING)
        webcam_button.click(None, js="() => { document.querySelector('#webcam').classList.toggle('open'); }")
        webcam.input(None, js="() => { document.querySelector('#webcam').classList.remove('open'); }")
        webcam.input(self.open, webcam, pictures, **SCORING)
        upload_detector.upload(self.load, [upload_detector, self.own], self.own_detector, **SCORING)
        opacity.input(
            None, opacity, js="(value) => document.documentElement.style.setProperty('--map-opacity', value / 100)"
        )
        # One listener for whatever is changed, and once more for a change meanwhile: no old answer comes last. (A state
        # that is changed outside the queue tells no listener.)
        gr.on(
            [
                self.detector.change,
                self.photo.change,
                self.method.change,
                self.restored.change,
                *(slider.release for slider in self.severities),
            ],
            self.look,
            [shown, *self.chosen],
            [shown, clean, corrupted, download],
            trigger_mode="always_last",
            show_progress_on=[clean, corrupted],
            **WAITING,
        )

    def chosen_detector(self, key: str, own: Mapping[str, bytes]) -> Detector:
        """The detector behind a choice of the dropdown. Raises InputError."""
        if key in own:
            return self.shared.detector_from(own[key])
        if key in self.shared.shipped:
            return self.shared.shipped[key]
        raise InputError(f"The detector {key!r:.80} is no longer kept here: choose another one, or train it again.")

    def picture(self, photo: str | Photo) -> Sample | Photo:
        """The image behind the state `photo`."""
        return photo if isinstance(photo, Photo) else self.shared.samples[photo]

    @in_words
    def look(self, shown, key, own, photo, method, *severities):
        """The cards and the file to download; the clean card only where there is another detector, image or method."""
        detector, picture = self.chosen_detector(key, own), self.picture(photo)
        severities = dict(zip(POSTER_CORRUPTIONS, severities, strict=True))
        clean = self.shared.look(detector, picture.pixels, method=method)
        corrupted = self.shared.look(detector, picture.pixels, severities, method=method)
        by = "" if method == "ours" else f" · {self.shared.methods[method].title}"
        corrupted_card = card(corrupted_title(severities) + by, *corrupted, picture.description, before=clean[1])
        if shown == (key, photo, method):
            return shown, gr.skip(), corrupted_card, gr.skip()
        clean_card = card("Clean" + by, *clean, picture.description)
        return (key, photo, method), clean_card, corrupted_card, detector_file(detector)

    @in_words
    def pick(self, event: gr.EventData, key, own):
        """A sample was picked; its product's own detector is taken where there is one."""
        name = event.sample
        if name not in self.shared.samples:
            raise InputError(f"There is no sample {name!r:.80}: pick one of those shown.")
        product = self.shared.samples[name].product
        if self.chosen_detector(key, own).product != product:
            fitting = [own_key for own_key, data in own.items() if self.shared.detector_from(data).product == product]
            fitting += [product] if product in self.shared.shipped else []
            key = fitting[0] if fitting else key
        return key, name, name

    @in_words
    def open(self, source):
        """An image of the visitor's own was uploaded, pasted, dropped or taken; no sample is shown any more."""
        return Photo(read_photo(source), "your photo"), ""

    @in_words
    def load(self, path, own):
        """A detector file was uploaded."""
        return self._remember(Detector.load(path, self.shared.backbone), own)

    @in_words
    def take(self, data, own):
        """A detector was trained."""
        return self._remember(self.shared.detector_from(data), own)

    def _remember(self, detector: Detector, own: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict, str]:
        """The visitor's detectors with this one first, the dropdown with it selected, and its file."""
        number = max((int(key.split(".")[0]) for key in own), default=0) + 1
        steps = int(detector.health.get("steps", detector.recipe.steps))
        key = f"{number}. {detector.product} (yours: {detector.recipe.prompts} prompts, {steps} steps)"
        own = dict([(key, detector.to_bytes()), *own.items()][:KEPT])
        return own, gr.update(choices=[*own, *self.shared.shipped], value=key), detector_file(detector)


def detector_file(detector: Detector) -> str:
    """The path of the detector as a file that the page may hand out."""
    name = f"{detector.product.replace(' ', '-')}.safetensors"
    return save_for_visitor(detector.to_bytes(), name)


def corrupted_title(severities: Mapping[str, int]) -> str:
    """ "Corrupted: blur 2, noise 1", or what to do where nothing is corrupted."""
    parts = [f"{kind} {severity}" for kind, severity in severities.items() if severity]
    return "Corrupted: " + ", ".join(parts) if parts else "Not corrupted yet: move a slider"


def card(
    title: str, pixels: np.ndarray, inspection: Inspection, description: str, before: Inspection | None = None
) -> str:
    """A picture with its map, its score on the scale and its verdict, as HTML."""
    score = inspection.score
    rows, columns = inspection.map.shape
    step = max(1, max(rows, columns) // 256)  # the map is smooth: the browser brings it to size
    change = 0 if before is None else round(score, 2) - round(before.score, 2)  # of the figures as they are shown
    moved = "" if before is None else f'<span class="moved">{change:+.2f} from clean</span>'.replace("-0.", "−0.")
    return f"""<figure class="card {inspection.state}">
<div class="picture"><div class="frame" style="--ratio: {columns / rows:.4f}">
<img class="pixels" src="{data_address(pixels)}" alt="{escape(title)}: {escape(description)}">
<img class="map" src="{data_address(heat(inspection.map[::step, ::step]))}" alt="">
</div><span class="tag">{escape(title)}</span></div>
<figcaption>
<span class="score">{score:.2f}</span>
<span class="verdict"><b>{escape(inspection.verdict)}</b>{moved}</span>
<span class="scale" style="--at: {score:.4f}" role="img"
 aria-label="Anomaly score {score:.2f} on the scale from 0, normal, to 1, abnormal; {inspection.neutral} is neutral">
<i></i><span>0 normal</span><span>0.5 neutral</span><span>1 abnormal</span></span>
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
