"""How a picture was taken: exposure, colour cast, light, grain, focus. One of six named conditions is applied, strongly
enough to be seen; the small variations every camera makes go unnamed."""

import io

import numpy as np
from PIL import Image, ImageFilter

from .captions import CONDITIONS

CORRUPTED_SHARE = 0.45  # of the pictures; the others are plain


def _soft_field(shape, rng, cells=3):
    """Smooth random field in 0..1, (H, W)."""
    small = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    field = np.asarray(small.resize((shape[1], shape[0]), Image.BICUBIC))
    return (field - field.min()) / (np.ptp(field) + 1e-6)


def _defocus(pixels, radius):
    """Mean over a disk of `radius` pixels, drawn as a stack of row filters would be too slow here: two boxes do."""
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.asarray(
        image.filter(ImageFilter.BoxBlur(radius * 0.6)).filter(ImageFilter.BoxBlur(radius * 0.35)), np.float32
    )


def _brighten(x, rng):
    value = np.maximum(x.max(axis=2, keepdims=True), 1.0)
    return x * (np.minimum(value + rng.uniform(40, 130), 255.0) / value)


def _darken(x, rng):
    return x * rng.uniform(0.15, 0.5)


def _flatten(x, rng):
    mean = x.mean((0, 1), keepdims=True)
    return (x - mean) * rng.uniform(0.06, 0.4) + mean


def _grain(x, rng):
    return x + rng.standard_normal(x.shape, dtype=np.float32) * 255 * rng.uniform(0.06, 0.32)


def _blur(x, rng):
    radius = rng.uniform(1.8, 6.5)
    if rng.random() < 0.5:
        return _defocus(x, radius)
    image = Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius * 0.6)), np.float32)


APPLY = {"bright": _brighten, "dark": _darken, "low contrast": _flatten, "noisy": _grain, "blurry": _blur}
assert set(APPLY) | {"plain"} == set(CONDITIONS)


def draw_condition(rng):
    """The name of a condition, "plain" for what is left of `CORRUPTED_SHARE`."""
    return str(rng.choice(list(APPLY))) if rng.random() < CORRUPTED_SHARE else "plain"


def photograph(pixels, rng, condition=None):
    """Take the picture: unnamed small variations, then one named condition.

    Args:
        pixels: uint8 (H, W, 3).
        rng: numpy Generator.
        condition: its name; drawn if not given.
    Returns:
        (uint8 (H, W, 3), name of the condition, a key of `captions.CONDITIONS`).
    """
    x = pixels.astype(np.float32)
    x = (x - 128) * rng.uniform(0.8, 1.15) + 128 + rng.uniform(-14, 14)
    if rng.random() < 0.5:
        x = x * rng.uniform(0.86, 1.14, 3).astype(np.float32)
    if rng.random() < 0.35:  # uneven light and soft shadows belong to intact products too
        x = x * (1 + rng.uniform(0.1, 0.5) * (_soft_field(x.shape, rng, int(rng.integers(2, 5)))[..., None] - 0.5))
    x = np.clip(x, 0, 255)
    condition = condition or draw_condition(rng)
    if condition != "plain":
        x = APPLY[condition](x, rng)
    elif rng.random() < 0.3:
        buffer = io.BytesIO()
        Image.fromarray(x.astype(np.uint8)).save(buffer, "JPEG", quality=int(rng.integers(30, 85)))
        x = np.asarray(Image.open(buffer), np.float32)
    return np.clip(x, 0, 255).astype(np.uint8), condition
