"""Pictures of what a detector sees and of how it learns: arrays for files, SVG and data addresses for a page.

Anomaly maps are drawn on one fixed scale from 0 to 1, never stretched to the image: the same colour means the same
value everywhere, and whatever lies under the neutral point stays clear, so that a normal image stays as it is.
"""

import base64
import io
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from PIL import Image

NEUTRAL = 0.5  # the value at which neither state is nearer; see Inspection.neutral
FADE = 0.1  # the overlay becomes opaque from the neutral point up to this much above it

# Perceptually uniform, and told apart with any colour vision: inferno for anomaly, cividis for similarity.
ANOMALY_COLOURS = (colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)  # (256, 3)
SIMILARITY_COLOURS = (colormaps["cividis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)  # (256, 3)

TAIL = 5  # positions of a text vector that are still drawn behind it
REACH = 0.65  # half the width of the picture of text vectors, in units of the joint space


def overlay(image: np.ndarray, anomaly_map: np.ndarray, opacity: float = 0.7) -> np.ndarray:
    """An image with its anomaly map over it.

    Args:
        image: (H, W, 3) uint8.
        anomaly_map: (h, w) in [0, 1]; brought to the size of the image.
        opacity: of the map well above the neutral point, from 0 (not seen) to 1.
    Returns:
        (H, W, 3) uint8.
    """
    layer = Image.fromarray(heat(anomaly_map)).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
    layer = np.asarray(layer, np.float32)  # (H, W, 4)
    alpha = layer[..., 3:] * (opacity / 255)
    return (image * (1 - alpha) + layer[..., :3] * alpha).round().astype(np.uint8)


def heat(anomaly_map: np.ndarray) -> np.ndarray:
    """An anomaly map as a layer of colour: (h, w) in [0, 1] -> (h, w, 4) uint8, clear up to the neutral point."""
    values = np.clip(anomaly_map, 0, 1)
    rise = np.clip((values - NEUTRAL) / FADE, 0, 1)
    alpha = rise * rise * (3 - 2 * rise)  # without an edge at either end
    colours = ANOMALY_COLOURS[(values * 255).round().astype(np.uint8)]  # (h, w, 3)
    return np.dstack([colours, (alpha * 255).round().astype(np.uint8)])


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


class TextVectorPicture:
    """Draws text vectors in two dimensions, call after call, so that points move and never flip.

    The horizontal axis always runs from the mean of the normal text vectors to that of the abnormal ones. The vertical
    one is the direction of the greatest remaining spread; it starts from where it was in the call before, and follows
    by one step of the power method. The scale is fixed.
    """

    def __init__(self):
        self._vertical = None
        self._positions = deque(maxlen=TAIL)

    def draw(self, vectors: np.ndarray, states: np.ndarray) -> str:
        """The picture as SVG.

        Args:
            vectors: (N, d) text vectors, l2-normalised; the same N in every call.
            states: (N,) 0 for normal, 1 for abnormal, both present.
        """
        self._positions.append(self._project(vectors, states))
        tails = np.stack(self._positions, axis=1)  # (N, positions, 2)
        width, height = 300, 220
        places = np.array([width, -height]) / 2 * np.clip(tails / (REACH, REACH * height / width), -0.98, 0.98)
        places += np.array([width, height]) / 2
        parts = []
        for tail, state in zip(places, states, strict=True):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in tail)
            x, y = tail[-1]
            parts.append(f'<g class="{"abnormal" if state else "normal"}"><polyline points="{points}"/>')
            parts.append(
                f'<path d="M{x:.1f} {y - 4.6:.1f}l4.6 8h-9.2z"/></g>'
                if state
                else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
            )
        return _svg(width, height, "text-vectors", "Text vectors in two dimensions: normal and abnormal", parts)

    def _project(self, vectors: np.ndarray, states: np.ndarray) -> np.ndarray:
        """(N, d) -> (N, 2) about the middle of the two means."""
        means = np.stack([vectors[states == state].mean(0) for state in (0, 1)])  # (2, d)
        horizontal = _unit(means[1] - means[0])
        centred = vectors - means.mean(0)
        rest = centred - np.outer(centred @ horizontal, horizontal)  # (N, d)
        if self._vertical is None:
            self._vertical = np.linalg.svd(rest, full_matrices=False)[2][0]
        else:
            self._vertical = _unit(rest.T @ (rest @ self._vertical))
        return np.stack([centred @ horizontal, rest @ self._vertical], axis=1)


def similarity_picture(vectors: np.ndarray) -> str:
    """The similarity matrix |cos| of text vectors (N, d), l2-normalised, as a `data:` address of N x N pixels."""
    cosines = np.clip(np.abs(vectors @ vectors.T), 0, 1)
    picture = Image.fromarray((cosines * 255).round().astype(np.uint8))
    picture.putpalette(SIMILARITY_COLOURS.tobytes())
    return _data_address(picture, "png")


def curves(series: Mapping[str, Sequence[tuple[int, float]]], steps: int, title: str) -> str:
    """Curves over the steps of a training as SVG, on a fixed vertical scale from 0 to 1; the n-th has class "line-n".

    Args:
        series: name -> (step, value) in the order of the steps.
        steps: planned number of steps, the width of the picture.
    """
    width, height = 240, 80
    parts = [f'<path class="grid" d="M0 {y}H{width}"/>' for y in (1, height / 2, height - 1)]
    for number, values in enumerate(series.values()):
        points = " ".join(
            f"{step / max(steps, 1) * width:.1f},{1 + (height - 2) * (1 - min(max(value, 0), 1)):.1f}"
            for step, value in values
        )
        parts.append(f'<polyline class="line-{number}" points="{points}"/>')
    return _svg(width, height, "curves", title, parts)


def _svg(width: int, height: int, name: str, title: str, parts: Sequence[str]) -> str:
    """Colours are left to the page's style sheet, so that the picture follows its light and dark."""
    fit = "none" if name == "curves" else "xMidYMid meet"
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" preserveAspectRatio="{fit}" role="img">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def _data_address(picture: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    picture.save(file, kind, quality=85, compress_level=3)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), 1e-12)
