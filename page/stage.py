"""Stage mode, for a room: large type, the training across the screen, then the result, and a code of the address."""

import io
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import segno

from page.events import event_field
from page.inspection import AT_ONCE
from page.words import in_words
from zsad_core.errors import InputError

LONGEST_ADDRESS = 300  # characters

KEYS = (
    ("S", "stage mode on and off"),
    ("T", "train"),
    ("N", "next sample"),
    ("R", "replay the training"),
    ("V", "the photo's vector"),
    ("D", "draw a defect"),
    ("P", "play a ramp"),
    ("G", "guess first"),
    ("Q", "code of this page"),
)
PANEL = """<div class="stage-keys" hidden><ul>${value.keys.map(([key, does]) => `<li><kbd>${key}</kbd> ${does}</li>`).join('')}</ul></div>
<div class="stage-code" hidden><div>${value.code}</div><b>${value.address}</b></div>"""  # noqa: E501


class StageView:
    """Builds what stage mode adds to the page; its keys are in stage.js."""

    def __init__(self):
        resting = {"keys": KEYS, "code": "", "address": ""}
        self.panel = gr.HTML(
            resting,
            html_template=PANEL,
            elem_id="stage-mode",
            js_on_load="element.addEventListener('code', () => trigger('ask', {address: location.href}));"
            "watch('value', () => window.stageMode?.show());",
        )
        self.panel.ask(self.code, None, self.panel, **AT_ONCE)

    @in_words
    def code(self, event: gr.EventData):
        """The panel with a QR code of the page's own address, without what follows the question mark."""
        address = own_address(event_field(event, "address"))
        picture = io.BytesIO()
        segno.make(address, error="m").save(picture, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2)
        return {"keys": KEYS, "code": picture.getvalue().decode(), "address": address}


def own_address(text: object) -> str:
    """The address of a page without query and fragment.

    Raises:
        InputError: no address of a page, or too long a one.
    """
    if not isinstance(text, str) or len(text) > LONGEST_ADDRESS * 10:
        raise InputError("The page did not tell its address: load it again.")
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    usual = parts.netloc and all(one.isalnum() or one in "-._:[]/~%" for one in parts.netloc + parts.path)
    if parts.scheme not in ("http", "https") or not usual or len(address) > LONGEST_ADDRESS:
        raise InputError(f"A code is made of the address of this page, not of {text!r:.80}.")
    return address


def stage_script() -> str:
    """The keys, the ramp and the preview of a slider, for the page's head."""
    files = (Path(__file__).with_name(name) for name in ("sliders.js", "stage.js"))
    return "".join(f"<script>{file.read_text(encoding='utf-8')}</script>" for file in files)
