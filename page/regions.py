"""Regions drawn on a picture on request, and a part of it that is left out: drawn with the mouse or a finger."""

import math
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np

from page.events import event_field
from zsad_core.backbone import Backbone
from zsad_core.baselines import Fitted, ImageBatch
from zsad_core.baselines.ours import FittedDetector
from zsad_core.detector import Inspection
from zsad_core.errors import InputError
from zsad_core.ignored import Box, Ignored
from zsad_core.without_say import painted_over, silenced

MOST_LEFT_OUT = 0.9  # of a picture
SHOWN = 30  # regions of a picture at most, the hottest
TOOLS = """<label><input type="checkbox"> Regions</label>
<button type="button" aria-pressed="false" title="Draw a rectangle on either picture: what is in it has no say">
${value ? 'Use the whole picture' : 'Leave out a part'}</button>"""


def region_tools() -> gr.HTML:
    """The switch for the regions, and the button that leaves out a part; its value says whether one is left out."""
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    return gr.HTML("", html_template=TOOLS, js_on_load=script, elem_id="region-tools")


def layer(inspection: Inspection, ignored: Box | None = None) -> str:
    """The boxes of regions, which the page shows on request, and of what is left out, as HTML over a picture."""
    height, width = inspection.map.shape
    boxes = [("region", region.box, f"{region.peak:.2f}") for region in inspection.regions[:SHOWN]]
    boxes += [("ignored", ignored, "left out")] if ignored else []
    return "".join(
        f'<span class="{kind}" style="left: {100 * x0 / width:.2f}%; top: {100 * y0 / height:.2f}%; '
        f'width: {100 * (x1 - x0) / width:.2f}%; height: {100 * (y1 - y0) / height:.2f}%"><b>{label}</b></span>'
        for kind, (x0, y0, x1, y1), label in boxes
    )


def box_drawn(event: gr.EventData, height: int, width: int) -> Box | None:
    """The rectangle that was drawn on a picture of this size; None where it was taken away.

    Raises:
        InputError: what the page sent is no rectangle in the picture, or nearly all of it.
    """
    drawn = event_field(event, "box")
    if not drawn:
        return None
    try:
        left, top, right, bottom = (min(max(float(part), 0), 1) for part in drawn[:80].split(","))
    except ValueError:
        raise InputError("The page did not say which part to leave out: draw a rectangle on the picture.") from None
    if not (0 < (right - left) * (bottom - top) <= MOST_LEFT_OUT and left < right):  # also catches NaN
        raise InputError("No part of the picture can be left out like this: draw a rectangle on a part of it.")
    return math.floor(left * width), math.floor(top * height), math.ceil(right * width), math.ceil(bottom * height)


def look_without(fitted: Fitted, backbone: Backbone, pixels: np.ndarray, box: Box) -> Inspection:
    """What a method says about an image (H, W, 3) without a part of it. Raises InputError."""
    ignore = Ignored((box,))
    if isinstance(fitted, FittedDetector):
        return fitted.detector.inspect(pixels, ignore=ignore)
    places = ignore.places(*pixels.shape[:2])
    (seen,) = fitted.inspect(ImageBatch(backbone, [painted_over(pixels, places)]))
    return replace(seen, map=silenced(seen, places))
