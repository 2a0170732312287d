"""The view Live: the camera or a video, scored a few times a second. In webcam.js frames are dropped, not queued."""

import base64
import binascii
from pathlib import Path

import gradio as gr

from page.camera import camera_script
from page.inspection import SCORING, InspectView
from page.parts import said_by
from page.scale import score_scale
from page.selection import SLIDERS, Selection, takes_selection
from page.shared import SharedState, read_photo
from page.threshold import state_from, verdict_from
from page.words import in_words
from zsad_core.baselines import ImageBatch
from zsad_core.corruptions import MAX_SEVERITY, corrupt_all
from zsad_core.errors import InputError
from zsad_core.figures import data_address, heat
from zsad_core.verdict import NEUTRAL

PREFIX = "data:image/jpeg;base64,"
LARGEST = 1_000_000  # characters of a frame's address
MAP_SIDE = 64  # pixels; the map is smooth, and the browser brings it to size
CLEAN = "not corrupted"
PANEL = f"""<div class="live"><div class="picture"><div class="frame">
<video muted playsinline aria-label="What is looked at"></video><canvas class="still" hidden></canvas>
<img class="corrupted" alt="The frame that was scored, as it is corrupted" hidden><img class="map" alt=""></div>
<span class="tag" hidden></span></div>
<div class="said"><h2>Live</h2><p role="status">Hold a product up to the camera, or play a video, which stays in this
browser. Frames are scored and forgotten: nothing is stored.</p>
<div class="buttons"><button type="button" class="camera">Start the camera</button>
<button type="button" class="file">Play a video file</button>
<input type="file" accept="video/*" aria-label="A video file" hidden>
<button type="button" class="pause" hidden>Pause</button>
<button type="button" class="capture" hidden>Look closer in Inspect</button></div>
<figure class="card" hidden><figcaption><span class="score"></span><span class="verdict"><b></b></span>
{score_scale()}
</figcaption></figure><p class="pace"></p></div></div>"""


class LiveView:
    """Builds the view inside the current layout. Detector and method are those of the view Inspect, and can be chosen
    here too; the corruption is this view's own."""

    def __init__(self, shared: SharedState, inspect: InspectView):
        self.shared = shared
        with gr.Row(elem_classes="bar", elem_id="live-bar"):
            detector = gr.Dropdown(
                list(shared.shipped),
                value=inspect.start.key,
                label="Detector",
                elem_id="live-detector",
                filterable=False,
                min_width=120,
            )
            method = gr.Radio(
                self._choices(inspect.start),
                value=inspect.start.method,
                show_label=False,
                label="Method",
                elem_id="live-method",
                elem_classes="segments",
            )
            corruption = gr.Dropdown(
                [CLEAN, *SLIDERS],
                value=CLEAN,
                label="Corruption",
                elem_id="live-corruption",
                filterable=False,
                min_width=120,
            )
            severity = gr.Slider(
                0, MAX_SEVERITY, value=3, step=1, label="Severity", elem_id="live-severity", buttons=[], min_width=120
            )
        live = gr.HTML(
            "",
            longest=2 * shared.backbone.image_size,
            html_template=PANEL,
            elem_id="live-view",
            js_on_load=camera_script() + Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
        )
        # The script sends one frame at a time; gradio's other modes drop the next, or send the last once more.
        live.frame(self.score, [corruption, severity, *inspect.chosen], live, trigger_mode="multiple", **SCORING)
        followed = gr.State()
        for here, there in ((detector, inspect.detector), (method, inspect.method)):
            here.input(None, here, there, js="(chosen) => chosen")
        gr.on(
            [inspect.detector.change, inspect.method.change, inspect.good.change],
            self.follow,
            [followed, *inspect.chosen],
            [followed, detector, method],
            trigger_mode="always_last",
            **SCORING,
        )

    def _choices(self, selection: Selection) -> list[tuple[str, str]]:
        return [(self.shared.methods[name].title, name) for name in selection.methods]

    @in_words
    @takes_selection
    def follow(self, followed, selection: Selection):
        """The detectors and methods to choose from, and those that are chosen in Inspect; nothing where they are shown
        already, or what someone is about to choose would be drawn anew."""
        keys = [*selection.own, *self.shared.shipped]
        now = keys, selection.key, selection.methods, selection.method
        if followed == now:
            return followed, gr.skip(), gr.skip()
        return (
            now,
            gr.update(choices=keys, value=selection.key),
            gr.update(choices=self._choices(selection), value=selection.method),
        )

    @in_words
    @takes_selection
    def score(self, event: gr.EventData, corruption: str, severity: int, selection: Selection):
        """What the method says about a frame; or a sentence, which ends the live picture."""
        number = getattr(event, "number", None)  # whatever a client sends; the script of the page takes its own
        severities = {corruption: severity} if corruption != CLEAN and severity else {}
        try:
            detector, parts = selection.detector, selection.parts
            threshold = selection.threshold if selection.by_ours else NEUTRAL
            fitted = self.shared.fitted(selection.method, detector, parts)
            pixels = corrupt_all(read_frame(getattr(event, "frame", None)), severities)
        except InputError as error:
            return {"number": number, "sentence": str(error)}
        (seen,) = fitted.inspect(ImageBatch(self.shared.backbone, [pixels]))  # which nobody keeps
        step = max(1, max(seen.map.shape) // MAP_SIDE)
        said = [f"{detector.product}, {said_by(detector)}" if detector.good_parts else detector.product]
        said += [] if selection.by_ours else [selection.method_title]
        said += [f"{kind} {level}".replace("_", " ") for kind, level in severities.items()]
        return {
            "number": number,
            "score": seen.score,
            "verdict": verdict_from(threshold, seen.score),
            "state": state_from(threshold, seen.score),
            "threshold": threshold,
            "map": data_address(heat(seen.map[::step, ::step])),
            "picture": data_address(pixels) if severities else "",
            "said": " · ".join(said),
        }


def read_frame(address):
    """The pixels (H, W, 3) uint8 of a frame, a `data:` address of a JPEG. Raises InputError."""
    if not isinstance(address, str) or not address.startswith(PREFIX) or len(address) > LARGEST:
        raise InputError("The camera’s picture could not be read: press Start again.")
    try:
        return read_photo(base64.b64decode(address.removeprefix(PREFIX), validate=True))
    except binascii.Error:
        raise InputError("The camera sent a picture that is cut short: press Start again.") from None
