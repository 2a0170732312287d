"""What a careless eye takes for damage and is none: a shadow, a highlight, a decal, a clean change of the surface.

They are painted on either picture of a pair, so they say nothing of its state. Each function takes the picture, float32
(S, S, 3) in 0..255, `free`, bool (S, S), where nothing is damaged, and a generator, and returns the changed picture. To
add one, write a function with `@near_miss`.
"""

import numpy as np
from PIL import Image, ImageDraw

NEAR_MISSES = []
SHARE = 0.25  # of the pictures


def near_miss(function):
    """Register a function as one of the near-misses."""
    NEAR_MISSES.append(function)
    return function


def _across(size, rng):
    """Signed distance from a random straight line through the picture, in sides of the picture, (S, S)."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - rng.uniform(0.2, 0.8, (2, 1, 1)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle)


def _ramp(distance, softness):
    """0 to 1 across the line, over `softness` sides of the picture."""
    return np.clip(distance / softness + 0.5, 0, 1)[..., None]


@near_miss
def shadow(pixels, free, rng):
    """The edge or the band of a cast shadow."""
    distance, softness = _across(len(pixels), rng), rng.uniform(0.02, 0.3)
    shade = _ramp(distance, softness)
    if rng.random() < 0.5:
        shade = shade * _ramp(rng.uniform(0.08, 0.4) - distance, softness)
    return pixels * (1 - rng.uniform(0.2, 0.6) * shade)


@near_miss
def highlight(pixels, free, rng):
    """A glint: bright, smooth, often long."""
    angle, row, column = rng.uniform(0, np.pi), *rng.uniform(0.2, 0.8, 2)
    y, x = np.mgrid[: len(pixels), : len(pixels)].astype(np.float32) / len(pixels)
    along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
    across = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
    length, width = rng.uniform(0.04, 0.3), rng.uniform(0.01, 0.05)
    return pixels + rng.uniform(60, 220) * np.exp(-((along / length) ** 2) - (across / width) ** 2)[..., None]


@near_miss
def two_tone(pixels, free, rng):
    """Beyond a sharp straight line, or within a band, the surface has another tone."""
    distance = _across(len(pixels), rng)
    side = _ramp(distance, 0.01)
    if rng.random() < 0.5:
        side = side * _ramp(rng.uniform(0.05, 0.3) - distance, 0.01)
    return pixels * (1 + side * rng.uniform(-0.25, 0.25, 3).astype(np.float32))


@near_miss
def decal(pixels, free, rng):
    """A clean printed mark, with a frame or without; nothing where it would lie over damage."""
    size = len(pixels)
    x, y, width, height = (int(v) for v in rng.uniform([0.15, 0.15, 0.15, 0.05], [0.6, 0.7, 0.4, 0.2]) * size)
    layer = Image.fromarray(pixels.astype(np.uint8))
    draw, ink = ImageDraw.Draw(layer), tuple(int(v) for v in rng.uniform(0, 255, 3))
    if rng.random() < 0.5:
        draw.rectangle((x, y, x + width, y + height), outline=ink, width=2)
    letters = "".join(rng.choice(list("ABCEHKLMNPRSTX0123456789"), rng.integers(2, 6)))
    draw.text((x + 4, y + 2), letters, fill=ink, font_size=max(9, height - 6))
    marked = np.asarray(layer, np.float32)
    return pixels if (np.abs(marked - pixels).max(axis=2) > 2)[~free].any() else marked


def add_near_miss(pixels, mask, rng):
    """Perhaps one near-miss.

    Args:
        pixels: uint8 (S, S, 3). mask: bool (S, S), the damage.
    Returns:
        uint8 (S, S, 3).
    """
    if rng.random() >= SHARE:
        return pixels
    changed = NEAR_MISSES[rng.integers(len(NEAR_MISSES))](pixels.astype(np.float32), ~mask, rng)
    return np.clip(changed, 0, 255).astype(np.uint8)
