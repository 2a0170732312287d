"""A picture of one image's inspection, clean and corrupted, that is fit for a slide: 1600 x 900 pixels."""

import datetime
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .detector import Inspection
from .figures import SCALE_LABELS, heat, overlay

SIZE = WIDTH, HEIGHT = 1600, 900
MARGIN, GAP = 60, 20
COLUMN = (WIDTH - 2 * MARGIN - 2 * GAP) // 2  # width of the clean and of the corrupted half
PICTURE = (COLUMN - GAP) // 2  # side of a picture's frame
TOP = 206  # of the pictures

# The page's colours by day.
PAPER, WELL, LINE, INK, QUIET = "#f5f2ec", "#ece7dc", "#ddd6ca", "#1c2430", "#5b6472"
STATES = {"normal": "#1f66a8", "abnormal": "#bf4311", "undecided": "#6b5b2e"}


@dataclass(frozen=True, eq=False)
class Panel:
    """One half of the report: what the image is called, its pixels (H, W, 3) uint8, and what was said about it."""

    title: str
    pixels: np.ndarray
    inspection: Inspection


def report_picture(
    product: str, clean: Panel, corrupted: Panel, backbone: str, method: str, date: datetime.date
) -> Image.Image:
    """The report: both images, both maps on their one fixed scale, both scores.

    Args:
        product: its name, at most 80 characters.
        backbone, method: what stands under the title, such as "embedded" and "16 prompts, 30 steps".
    Returns:
        1600 x 900 RGB.
    """
    page = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(page)
    _text(draw, (MARGIN, 88), product, 54, INK, "Serif-Bold", WIDTH - 2 * MARGIN)
    details = f"{method}  ·  backbone {backbone}  ·  {date.isoformat()}"
    _text(draw, (MARGIN, 132), details, 22, QUIET, most=WIDTH - 2 * MARGIN)
    for panel, before, left in ((clean, None, MARGIN), (corrupted, clean, MARGIN + COLUMN + 2 * GAP)):
        _half(page, draw, left, panel, before)
    legend = f"The same colour means the same value in every map. Below {Inspection.neutral} a map is clear."
    _text(draw, (MARGIN, HEIGHT - 44), legend, 20, QUIET)
    return page


def _half(page: Image.Image, draw: ImageDraw.ImageDraw, left: int, panel: Panel, before: Panel | None) -> None:
    inspection = panel.inspection
    _text(draw, (left, TOP - 16), panel.title, 26, INK, "Sans-Bold", COLUMN)
    _place(page, (left, TOP), panel.pixels)
    _place(page, (left + PICTURE + GAP, TOP), overlay(panel.pixels, inspection.map))
    _text(draw, (left, TOP + PICTURE + 30), "image", 20, QUIET)
    _text(draw, (left + PICTURE + GAP, TOP + PICTURE + 30), "anomaly map", 20, QUIET)

    score, line = inspection.score, TOP + PICTURE + 150
    colour = STATES[inspection.state]
    _text(draw, (left, line), f"{score:.2f}", 110, colour, "Sans-Bold")
    beside = left + 290
    _text(draw, (beside, line - 42), inspection.verdict, 38, colour, "Sans-Bold", COLUMN - 290)
    if before is not None:
        change = round(score, 2) - round(before.inspection.score, 2)
        _text(draw, (beside, line - 4), f"{change:+.2f} from clean".replace("-", "−"), 24, QUIET)
    _scale(page, draw, (left, line + 30), score, inspection.neutral)


def _scale(page: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], score: float, neutral: float) -> None:
    """The legend of both maps, with the score on it."""
    left, top = corner
    box = (left, top, left + COLUMN - 1, top + 17)
    layer = Image.fromarray(np.tile(heat(np.linspace(0, 1, COLUMN)[None]), (18, 1, 1)))
    draw.rectangle(box, WELL)
    page.paste(layer, corner, layer)
    draw.rectangle(box, outline=LINE)
    middle, at = left + round(neutral * COLUMN), left + round(score * (COLUMN - 1))
    draw.line((middle, top - 5, middle, top + 22), QUIET, 1)
    draw.rounded_rectangle((at - 4, top - 7, at + 4, top + 24), 4, INK, PAPER, 2)
    for (value, label), anchor in zip(SCALE_LABELS, ("ls", "ms", "rs"), strict=True):
        draw.text((left + round(value * COLUMN), top + 46), label, QUIET, _font(20), anchor=anchor)


def _place(page: Image.Image, corner: tuple[int, int], pixels: np.ndarray) -> None:
    """Puts an image into a frame, as large as it fits, never cropped."""
    frame, mask = Image.new("RGB", (PICTURE, PICTURE), WELL), Image.new("L", (PICTURE, PICTURE))
    height, width = pixels.shape[:2]
    factor = PICTURE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    frame.paste(picture, ((PICTURE - size[0]) // 2, (PICTURE - size[1]) // 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, PICTURE - 1, PICTURE - 1), 10, 255)
    page.paste(frame, corner, mask)


def _text(draw, corner, text: str, size: int, colour: str, face: str = "Sans", most: int = WIDTH) -> None:
    """A line of text on its base line, made smaller where it would be wider than `most`."""
    width = draw.textlength(text, _font(size, face))
    draw.text(corner, text, colour, _font(max(10, int(size * min(1, most / max(width, 1)))), face), anchor="ls")


@lru_cache(64)
def _font(size: int, face: str = "Sans") -> ImageFont.FreeTypeFont:
    """DejaVu, which comes with matplotlib: the same on every machine."""
    import matplotlib  # takes half a second that only a report needs

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf", f"DejaVu{face}.ttf"), size)
