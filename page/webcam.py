"""The view Live: the camera, scored a few times a second. In webcam.js frames are dropped instead of queued."""

import base64
import binascii
from pathlib import Path

import gradio as gr

from page.inspection import SCORING, InspectView
from page.parts import said_by
from page.scale import score_scale
from page.selection import Selection, takes_selection
from page.shared import SharedState, read_photo
from page.threshold import state_from, verdict_from
from page.words import in_words
from zsad_core.errors import InputError
from zsad_core.figures import data_address, heat

PREFIX = "data:image/jpeg;base64,"
LARGEST = 1_000_000  # characters of a frame's address
MAP_SIDE = 64  # pixels; the map is smooth, and the browser brings it to size


class LiveView:
    """Builds the view inside the current layout, and wires it to the detector chosen in the view Inspect."""

    def __init__(self, shared: SharedState, inspect: InspectView):
        self.shared = shared
        live = gr.HTML(
            "",
            longest=2 * shared.backbone.image_size,
            html_template=f"""<div class="live"><div class="picture"><div class="frame">
<video muted playsinline aria-label="What the camera sees"></video><canvas class="still" hidden></canvas>
<img class="map" alt=""></div>
<span class="tag" hidden></span></div>
<div class="said"><h2>Live</h2><p role="status">Hold a product up to the camera. The detector is the one chosen in
Inspect. Frames are scored and forgotten: nothing is stored.</p>
<button type="button" class="lg primary">Start the camera</button>
<button type="button" class="capture" hidden>Look closer in Inspect</button>
<figure class="card" hidden><figcaption><span class="score"></span><span class="verdict"><b></b></span>
{score_scale()}
</figcaption></figure><p class="pace"></p></div></div>""",
            elem_id="live-view",
            js_on_load=Path(__file__).with_name("webcam.js").read_text(encoding="utf-8"),
        )
        live.frame(self.score, inspect.chosen, live, **SCORING)

    @in_words
    @takes_selection
    def score(self, event: gr.EventData, selection: Selection):
        """What the detector says about a frame; or a sentence, which ends the live picture."""
        number = getattr(event, "number", None)  # whatever a client sends; the script of the page takes its own
        try:
            detector, threshold = selection.detector, selection.threshold
            pixels = read_frame(getattr(event, "frame", None))
        except InputError as error:
            return {"number": number, "sentence": str(error)}
        seen = detector.inspect(pixels)
        step = max(1, max(seen.map.shape) // MAP_SIDE)
        return {
            "number": number,
            "score": seen.score,
            "verdict": verdict_from(threshold, seen.score),
            "state": state_from(threshold, seen.score),
            "threshold": threshold,
            "map": data_address(heat(seen.map[::step, ::step])),
            "product": f"{detector.product}, {said_by(detector)}" if detector.good_parts else detector.product,
        }


def read_frame(address):
    """The pixels (H, W, 3) uint8 of a frame, a `data:` address of a JPEG. Raises InputError."""
    if not isinstance(address, str) or not address.startswith(PREFIX) or len(address) > LARGEST:
        raise InputError("The camera’s picture could not be read: press Start again.")
    try:
        return read_photo(base64.b64decode(address.removeprefix(PREFIX), validate=True))
    except binascii.Error:
        raise InputError("The camera sent a picture that is cut short: press Start again.") from None
