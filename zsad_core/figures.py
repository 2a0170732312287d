"""Pictures of what a detector sees and of how it learns: arrays for files, SVG and data addresses for a page.

Anomaly maps are drawn on one fixed scale from 0 to 1, never stretched to the image: the same colour means the same
value everywhere, and whatever lies under the neutral point stays clear, so that a normal image stays as it is.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .colour_tables import CIVIDIS, INFERNO
from .corruptions import MAX_SEVERITY
from .regions import Region
from .verdict import NEUTRAL

STRIP = 2**20  # pixels of a map that are coloured at a time
OUTLINE = 500  # times the width of a line goes into the longer side of a picture
FADE = 0.1  # the overlay becomes opaque from the neutral point up to this much above it

SCALE_LABELS = ((0, "0 normal"), (NEUTRAL, f"{NEUTRAL} neutral"), (1, "1 abnormal"))  # of the score and of the map

SEVERITY_LABEL = "severity"
LABELS_APART = 0.074  # at least, of the height of a chart
MOST_FIELD = 0.45  # opacity of the decision field where the FNN is sure
FIELD_NORMAL, FIELD_ABNORMAL = (31, 102, 168), (191, 67, 17)


class LineStyle(NamedTuple):
    """How a line of a chart looks; lines are told apart by colour, with any colour vision, by dashes and by markers.

    Attributes:
        day, night: colour on a light and on a dark sheet.
        dashes: lengths of dash and gap, in line widths for matplotlib and in pixels for SVG; none is a full line.
        marker: matplotlib's name of it. path: the same one as an SVG path.
    """

    day: str
    night: str
    dashes: tuple[int, ...]
    marker: str
    path: str

    @property
    def svg_dashes(self) -> str:
        return f' stroke-dasharray="{" ".join(map(str, self.dashes))}"' if self.dashes else ""


LINES = (
    LineStyle("#1f66a8", "#7cb9f2", (), "o", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"),
    LineStyle("#8a6d1a", "#e0c25c", (7, 3), "s", "M-4-4h8v8h-8z"),
    LineStyle("#3f7d5a", "#84cda3", (2, 3), "^", "M0-5l5 8.5h-10z"),
    LineStyle("#bf4311", "#ff8e5e", (10, 3, 2, 3), "D", "M0-5.5l5.5 5.5-5.5 5.5-5.5-5.5z"),
    LineStyle("#7a4a9e", "#c39be6", (4, 4), "v", "M0 5l5-8.5h-10z"),
    LineStyle("#5b6472", "#a3adbb", (12, 4), "p", "M0-5l5 3.6-1.9 5.9h-6.2l-1.9-5.9z"),
    LineStyle("#a33b6b", "#ee8fb8", (1, 4), "h", "M-5 0l2.5-4.3h5l2.5 4.3-2.5 4.3h-5z"),
    LineStyle("#2b7a85", "#6fc5d1", (6, 2, 1, 2), "x", "M-4-4l8 8M4-4l-8 8"),
    LineStyle("#6a5a4e", "#c4b2a4", (3, 2), "<", "M-5 0l8.5-5v10z"),
)


def overlay(image: np.ndarray, anomaly_map: np.ndarray, opacity: float = 0.7) -> np.ndarray:
    """An image with its anomaly map over it.

    Args:
        image: (H, W, 3) uint8.
        anomaly_map: (h, w) in [0, 1]; brought to the size of the image.
        opacity: of the map well above the neutral point, from 0 (not seen) to 1.
    Returns:
        (H, W, 3) uint8.
    """
    picture, height = image.copy(), len(image)
    if anomaly_map.shape != image.shape[:2]:
        size = image.shape[1::-1]
        layers = iter([Image.fromarray(heat(anomaly_map)).resize(size, Image.Resampling.BILINEAR)])
        step = height
    else:  # in strips, so that the layer of a large picture takes little memory
        step = max(1, STRIP // image.shape[1])
        layers = (Image.fromarray(heat(anomaly_map[top : top + step])) for top in range(0, height, step))
    for top, layer in zip(range(0, height, step), layers):
        strip = Image.fromarray(picture[top : top + step])
        strip.paste(layer.convert("RGB"), mask=layer.getchannel("A").point(lambda alpha: round(alpha * opacity)))
        picture[top : top + step] = np.asarray(strip)
    return picture


def outlined(picture: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """A picture (H, W, 3) uint8 with the boxes of regions drawn on it, white with a dark edge; a new array."""
    drawn, width = Image.fromarray(picture), max(1, max(picture.shape) // OUTLINE)
    draw = ImageDraw.Draw(drawn)
    for region in reversed(regions):  # the highest peak is drawn last
        x0, y0, x1, y1 = region.box
        draw.rectangle((x0 - width, y0 - width, x1 + width - 1, y1 + width - 1), outline="black", width=width)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline="white", width=width)
    return np.array(drawn)


def heat(anomaly_map: np.ndarray) -> np.ndarray:
    """An anomaly map as a layer of colour: (h, w) in [0, 1] -> (h, w, 4) uint8, clear up to the neutral point."""
    place = (np.clip(anomaly_map, 0, 1) * (len(_LAYER) - 1)).round().astype(np.uint16)
    return _LAYER[place].view(np.uint8).reshape(*place.shape, 4)


def _layer(values: np.ndarray) -> np.ndarray:
    """Colour and opacity of values in [0, 1], (N,) -> (N,) uint32, of which each is red, green, blue and alpha."""
    rise = np.clip((values - NEUTRAL) / FADE, 0, 1)
    alpha = rise * rise * (3 - 2 * rise)  # without an edge at either end
    colours = INFERNO[(values * 255).round().astype(np.uint8)]  # (N, 3)
    return np.column_stack([colours, (alpha * 255).round().astype(np.uint8)]).view(np.uint32)[:, 0]


_LAYER = _layer(np.linspace(0, 1, 4096))  # looked up, a map of a million pixels takes a tenth of the time


def scale_gradient() -> str:
    """The colour scale from 0 to 1 as a CSS gradient from left to right, as clear under the neutral point as a map."""
    layer = heat(np.linspace(0, 1, 41)[None])[0]
    stops = (f"rgb({red} {green} {blue} / {alpha / 255:.2f})" for red, green, blue, alpha in layer.tolist())
    return f"linear-gradient(90deg, {', '.join(stops)})"


def data_address(pixels: np.ndarray, longest: int = 960) -> str:
    """Pixels as a `data:` address, at most `longest` wide and high: JPEG of (H, W, 3), PNG of (H, W, 4), uint8."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    return _data_address(picture, "png" if picture.mode == "RGBA" else "jpeg")


def decision_picture(probabilities: np.ndarray) -> str:
    """What the FNN says about a plane, as a `data:` address: the more abnormal the redder, the more normal the bluer.

    Args:
        probabilities: (rows, columns) in [0, 1], the top row first; 0.5 stays clear.
    """
    lean = np.abs(2 * probabilities - 1)[..., None] * MOST_FIELD  # (rows, columns, 1)
    colours = np.where(probabilities[..., None] > NEUTRAL, FIELD_ABNORMAL, FIELD_NORMAL)
    pixels = np.concatenate([colours, lean * 255], axis=2).round().astype(np.uint8)
    return _data_address(Image.fromarray(pixels, "RGBA"), "png")


def similarity_picture(vectors: np.ndarray) -> str:
    """The similarity matrix |cos| of text vectors (N, d), l2-normalised, as a `data:` address of N x N pixels."""
    cosines = np.clip(np.abs(vectors @ vectors.T), 0, 1)
    picture = Image.fromarray((cosines * 255).round().astype(np.uint8))
    picture.putpalette(CIVIDIS.tobytes())
    return _data_address(picture, "png")


def curves(series: Mapping[str, Sequence[tuple[int, float]]], steps: int, title: str) -> str:
    """Curves over the steps of a training as SVG, on a fixed vertical scale from 0 to 1; the n-th has class "line-n".

    Args:
        series: name -> (step, value) in the order of the steps.
        steps: planned number of steps, the width of the picture.
    """
    width, height = 240, 80
    parts = [f'<path class="grid" d="M0 {y}H{width}"/>' for y in (1, height / 2, height - 1)]
    for number, (values, style) in enumerate(zip(series.values(), LINES)):
        points = " ".join(
            f"{step / max(steps, 1) * width:.1f},{1 + (height - 2) * (1 - min(max(value, 0), 1)):.1f}"
            for step, value in values
        )
        parts.append(f'<polyline class="line-{number}" points="{points}"{style.svg_dashes}/>')
    return _svg(width, height, "curves", title, parts)


class SeverityLine(NamedTuple):
    """A line of a severity chart, and the label at its end.

    Attributes:
        points: (severity, score) of each; empty as long as there is no score.
        label: the line's name. value: its last score as it is shown. height: of the label, on the scale of the scores.
    """

    style: LineStyle
    points: list[tuple[int, float]]
    label: str
    value: str
    height: float


def _severity_lines(series: Mapping[str, Sequence[float]]) -> list[SeverityLine]:
    heights = iter(apart([scores[-1] for scores in series.values() if scores], LABELS_APART, 0, 1))
    return [
        SeverityLine(style, list(enumerate(scores)), name, f"{scores[-1]:.2f}", next(heights))
        if scores
        else SeverityLine(style, [], name, "", 0)
        for (name, scores), style in zip(series.items(), LINES)
    ]


def severity_chart(series: Mapping[str, Sequence[float]], title: str) -> str:
    """Scores against severity as SVG, on the fixed scale from 0 to 1 with its neutral line; line n has class "line-n".

    The vertical axis is the colour scale of the maps, and every line is named at its end, with its last score.

    Args:
        series: up to 9 names -> scores in [0, 1] at severity 0, 1, ...; any number of them, so that a line can grow.
        title: stands above the lines.
    """
    width, height, left, right, top, bottom = 690, 346, 118, 508, 32, 304

    def across(severity: float) -> float:
        return left + (right - left) * severity / MAX_SEVERITY

    def down(score: float) -> float:
        return bottom + (top - bottom) * min(max(score, 0), 1)

    layer = heat(np.linspace(0, 1, 21)[None])[0].tolist()
    stops = "".join(
        f'<stop offset="{place / 20}" stop-color="rgb({red},{green},{blue})" stop-opacity="{alpha / 255:.2f}"/>'
        for place, (red, green, blue, alpha) in enumerate(layer)
    )
    parts = [
        f'<defs><linearGradient id="severity-scale" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient></defs>',
        f'<rect class="well" x="{left - 20}" y="{top}" width="8" height="{bottom - top}" rx="4"/>',
        f'<rect fill="url(#severity-scale)" x="{left - 20}" y="{top}" width="8" height="{bottom - top}" rx="4"/>',
        *(f'<path class="grid" d="M{left} {down(score):.1f}H{right}"/>' for score in (0, 0.25, 0.75, 1)),
        f'<path class="neutral" d="M{left - 24} {down(NEUTRAL):.1f}H{right}"/>',
        f'<text class="caption" x="{left}" y="{top - 13}">{escape(title)}</text>',
    ]
    for score, words in SCALE_LABELS:
        parts.append(f'<text class="axis end" x="{left - 28}" y="{down(score) + 4.5:.1f}">{words}</text>')
    for severity in range(MAX_SEVERITY + 1):
        parts.append(f'<text class="axis middle" x="{across(severity):.1f}" y="{bottom + 20}">{severity}</text>')
    parts.append(f'<text class="axis middle" x="{(left + right) / 2}" y="{height - 4}">{SEVERITY_LABEL}</text>')

    labels = []
    for number, line in enumerate(_severity_lines(series)):
        places = [(across(severity), down(score)) for severity, score in line.points]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        markers = "".join(f'<path d="{line.style.path}" transform="translate({x:.1f} {y:.1f})"/>' for x, y in places)
        parts.append(f'<g class="line-{number}"><polyline points="{points}"{line.style.svg_dashes}/>{markers}</g>')
        if places:
            (x, y), end = places[-1], down(line.height)
            labels.append(
                f'<g class="label line-{number}"><path d="M{x + 8:.1f} {y:.1f}L{x + 16:.1f} {end:.1f}"/>'
                f'<text x="{x + 20:.1f}" y="{end + 5:.1f}">{escape(line.label)} <tspan>{line.value}</tspan></text></g>'
            )
    return _svg(width, height, "severity", title, [*parts, *labels])


def severity_picture(series: Mapping[str, Sequence[float]], title: str) -> np.ndarray:
    """The same chart as pixels, (H, W, 3) uint8, for files and slides; arguments as in `severity_chart`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second that no page needs
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=160, layout="constrained")
    axes = figure.subplots()
    axes.hlines(NEUTRAL, 0, MAX_SEVERITY, color="#5b6472", linewidth=1, zorder=1)
    for style, points, label, value, height in _severity_lines(series):
        if not points:
            continue
        severities, scores = zip(*points)
        dashes = (0, style.dashes or None)
        axes.plot(severities, scores, color=style.day, linewidth=2.2, marker=style.marker, linestyle=dashes)
        axes.annotate(
            f"{label} {value}",
            (severities[-1], height),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=style.day,
            weight="bold",
        )
    axes.set(title=title, xlabel=SEVERITY_LABEL, ylim=(0, 1), xlim=(-0.1, MAX_SEVERITY + 1.2))
    axes.set_xticks(range(MAX_SEVERITY + 1))
    axes.set_yticks([value for value, _ in SCALE_LABELS], [label for _, label in SCALE_LABELS])
    axes.spines[["top", "right"]].set_visible(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def apart(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places of labels from `low` to `high`, moved to both sides until they are `distance` apart, in their order."""
    order = np.argsort(places, kind="stable")
    steps = distance * np.arange(len(order))
    free = np.array(places, float)[order] - steps
    upwards, downwards = np.maximum.accumulate(free), np.minimum.accumulate(free[::-1])[::-1]
    moved = (upwards + downwards) / 2 + steps
    moved = np.clip(moved, low + steps, high - steps[::-1])
    result = np.empty_like(moved)
    result[order] = moved
    return result.tolist()


def _svg(width: int, height: int, name: str, title: str, parts: Sequence[str]) -> str:
    """Colours are left to the page's style sheet, so that the picture follows its light and dark."""
    fit = "none" if name == "curves" else "xMidYMid meet"
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" preserveAspectRatio="{fit}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _data_address(picture: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    picture.save(file, kind, quality=85, compress_level=3)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
