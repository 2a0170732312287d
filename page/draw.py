"""Draw a defect: a scratch or stain that a visitor paints on the picture that Inspect shows."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from zsad_core.errors import InputError

COLOURS = {"dark": (26, 23, 22), "light": (242, 240, 234), "rust": (142, 68, 26)}
WIDTHS = {"thin": 0.011, "thick": 0.03}  # of the longer side
FINE = 10_000  # a point's place is counted in such parts of the picture's width and height
MOST_STROKES, MOST_POINTS = 60, 200  # of a drawing, of a stroke
LONGEST_TEXT = MOST_STROKES * (MOST_POINTS * 14 + 40)  # characters of a drawing
SMOOTHER = 2  # times as large as the picture is what strokes are drawn on, so that their edges are smooth
DRAWN = "() => { document.querySelector('#draw').dispatchEvent(new Event('drawn', {bubbles: true})); }"
UNREADABLE = "The page sent a drawing that cannot be read: load the page again and draw once more."
TOOLS = f"""<button type="button" id="draw" aria-expanded="false" aria-controls="draw-tools"
title="Paint a scratch or a stain on this picture">✎ Draw<span> a defect</span></button>
<div id="draw-tools" role="group" aria-label="Draw a defect" hidden>
{
    "".join(
        f'<button type="button" class="colour" data-colour="{name}" aria-label="{name}" title="{name}" '
        f'aria-pressed="{str(not number).lower()}" style="--paint: rgb{colour}"></button>'
        for number, (name, colour) in enumerate(COLOURS.items())
    )
}{
    "".join(
        f'<button type="button" class="width" data-width="{name}" data-part="{part}" aria-label="{name}" '
        f'title="{name}" aria-pressed="{str(not number).lower()}"><i></i></button>'
        for number, (name, part) in enumerate(WIDTHS.items())
    )
}<button type="button" data-does="scratch" title="Draws one somewhere">Scratch</button>
<button type="button" data-does="undo">Undo</button><button type="button" data-does="clear">Clear</button>
<button type="button" data-does="close" aria-label="Close" title="Close: what is drawn stays">×</button></div>"""


@dataclass(frozen=True)
class Stroke:
    """A line in a colour of COLOURS and a width of WIDTHS, through points (x, y) in 0 to FINE."""

    colour: str
    width: str
    points: tuple[tuple[int, int], ...]


def draw_tools(start: dict) -> gr.HTML:
    """The button and the tools; `start` and each later value say which picture it is and how many strokes it shows."""
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    limits = {"fine": FINE, "most_strokes": MOST_STROKES, "most_points": MOST_POINTS}
    return gr.HTML(start, html_template=TOOLS, js_on_load=script, elem_id="draw-place", **limits)


def name_of(picture: str | np.ndarray) -> str:
    """By what the page's script knows what it draws on: the name of a sample, or a digest of pixels (H, W, 3)."""
    return picture if isinstance(picture, str) else hashlib.sha256(picture).hexdigest()


def strokes_in(text: str) -> tuple[Stroke, ...]:
    """The strokes that a page sends: a JSON list of [colour, width, [x, y, x, y, ...]]. Raises InputError."""
    if len(text) > LONGEST_TEXT:
        raise InputError(f"A drawing has at most {MOST_STROKES} strokes of {MOST_POINTS} points: press Clear.")
    try:
        sent = json.loads(text)
        strokes = tuple(_stroke(*one) for one in sent) if isinstance(sent, list) else None
    except (ValueError, TypeError, RecursionError):
        strokes = None
    if strokes is None:
        raise InputError(UNREADABLE)
    if len(strokes) > MOST_STROKES:
        raise InputError(f"There are {len(strokes)} strokes, and {MOST_STROKES} are the most: press Undo or Clear.")
    return strokes


def _stroke(colour, width, places) -> Stroke:
    """Raises ValueError or TypeError."""
    if colour not in COLOURS or width not in WIDTHS or not isinstance(places, list):
        raise ValueError
    if not 2 <= len(places) <= 2 * MOST_POINTS or len(places) % 2:
        raise ValueError
    if not all(type(place) is int and 0 <= place <= FINE for place in places):
        raise ValueError
    return Stroke(colour, width, tuple(zip(places[::2], places[1::2], strict=True)))


def drawn_on(pixels: np.ndarray, strokes: tuple[Stroke, ...]) -> np.ndarray:
    """A copy of pixels (H, W, 3) uint8 with the strokes on it, one after the other."""
    picture = Image.fromarray(pixels)
    for stroke in strokes:
        mask, corner = _mask(stroke, *picture.size)
        picture.paste(Image.new("RGB", mask.size, COLOURS[stroke.colour]), corner, mask)
    return np.array(picture)


def _mask(stroke: Stroke, width: int, height: int) -> tuple[Image.Image, tuple[int, int]]:
    """How much of each pixel a stroke covers, in the smallest box around it, and that box's left upper corner."""
    places = np.array(stroke.points) / FINE * (width, height)
    thickness = max(1, WIDTHS[stroke.width] * max(width, height))
    corner = np.floor(places.min(0) - thickness).astype(int)
    size = np.ceil(places.max(0) + thickness).astype(int) - corner
    large = Image.new("L", tuple(SMOOTHER * size))
    points = [tuple(point) for point in SMOOTHER * (places - corner)]
    pen, radius = ImageDraw.Draw(large), SMOOTHER * thickness / 2
    pen.line(points, 255, round(2 * radius), "curve")
    for x, y in (points[0], points[-1]):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return large.resize(tuple(size), Image.Resampling.BOX), (int(corner[0]), int(corner[1]))
