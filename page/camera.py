"""The camera in the view Inspect: a panel that one click opens, and one click takes the photo or closes."""

from pathlib import Path

import gradio as gr

PANEL = """<div class="camera" role="dialog" aria-label="Camera" hidden>
<video muted playsinline aria-label="What the camera sees"></video><p role="status"></p>
<button type="button" class="take" disabled>Take the photo</button><button type="button" class="close">Close</button>
</div>"""


def camera_panel() -> gr.HTML:
    """The panel, which the button #webcam-button opens and closes; a photo goes the way of one that is dropped."""
    script = Path(__file__).with_name("camera_panel.js").read_text(encoding="utf-8")
    return gr.HTML("", html_template=PANEL, js_on_load=camera_script() + script, elem_id="webcam")


def camera_script() -> str:
    """What a script of a view begins with that opens the camera."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
