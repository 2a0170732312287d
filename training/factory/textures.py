"""What maps are made of: noise, shapes, letters, colours. Maps are (n, n) or (n, n, 3); row 0 is at y = -1."""

import colorsys
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial import cKDTree

METALS = {
    "steel": (0.56, 0.57, 0.58),
    "stainless steel": (0.66, 0.66, 0.65),
    "aluminium": (0.80, 0.80, 0.81),
    "zinc": (0.62, 0.64, 0.67),
    "brass": (0.85, 0.65, 0.30),
    "bronze": (0.66, 0.47, 0.26),
    "copper": (0.90, 0.55, 0.40),
    "cast iron": (0.30, 0.30, 0.31),
    "nickel": (0.70, 0.67, 0.61),
    "black oxide steel": (0.16, 0.16, 0.17),
}
LETTERS = "ABCDEFHKLMNPRSTUXYZ0123456789"


def noise(size, slope, rng, stretch=(1, 1)):
    """Periodic Gaussian noise of zero mean and unit deviation, (size, size); its power falls as frequency^-slope.

    stretch: (x, y) factors on the frequencies: (0.05, 1) gives streaks along x.
    """
    down = np.fft.fftfreq(size)[:, None] * size * stretch[1]
    across = np.fft.rfftfreq(size)[None] * size * stretch[0]
    frequency = np.hypot(down, across)
    amplitude = np.where(frequency > 0.5, np.maximum(frequency, 0.5) ** (-slope / 2), 0)
    spectrum = amplitude * (rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape))
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / (field.std() + 1e-12)).astype(np.float32)


@lru_cache(maxsize=16)
def grid(size=320, extent=1.0):
    """Coordinates x, y of the cells of a canvas over [-extent, extent]^2, (size, size) each; not to be written to."""
    ticks = ((np.arange(size) + 0.5) / size * 2 - 1) * extent
    x, y = np.meshgrid(ticks.astype(np.float32), ticks.astype(np.float32))
    x.flags.writeable = y.flags.writeable = False
    return x, y


def smoothstep(low, high, value):
    """0 below `low`, 1 above `high`, smooth between; falling where low > high."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def dome(distance, radius):
    """Profile of a rounded edge, 0 at the outline to 1 at `radius` inside of it; `distance` is negative inside."""
    t = np.clip(-distance / radius, 0, 1)
    return np.sqrt(1 - (1 - t) ** 2)


def cover(distance, cell):
    """Share of a cell inside an outline, 0..1: the anti-aliased form of distance < 0."""
    return np.clip(0.5 - distance / cell, 0, 1)


def turn(x, y, angle):
    """Coordinates in a frame turned by `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    return x * c + y * s, y * c - x * s


def box(x, y, half_x, half_y, corner=0.0):
    """Signed distance to a box with rounded corners, negative inside."""
    qx, qy = np.abs(x) - half_x + corner, np.abs(y) - half_y + corner
    return np.minimum(np.maximum(qx, qy), 0) + np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) - corner


def polygon(x, y, sides, inner):
    """Signed distance to the faces of a regular polygon of inner radius `inner`, negative inside."""
    step = 2 * np.pi / sides
    angle = (np.arctan2(y, x) + step / 2) % step - step / 2
    return np.hypot(x, y) * np.cos(angle) - inner


def repeat(value, pitch):
    """Signed offset of a coordinate to the nearest multiple of `pitch`."""
    return value - np.round(value / pitch) * pitch


def cells(size, count, rng, wobble=3.0):
    """Distances to the nearest and second nearest of `count` random points, in mean spacings, (size, size) each."""
    points = rng.random((count, 2)) * size
    tiled = np.concatenate([points + (i * size, j * size) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    near = np.all((tiled > -0.15 * size) & (tiled < 1.15 * size), axis=1)
    rows, columns = np.mgrid[:size, :size]
    where = np.stack([(axis + wobble * noise(size, 3.4, rng)).ravel() for axis in (rows, columns)], 1)
    found, _ = cKDTree(tiled[near]).query(where, k=2)
    return tuple((found[:, k].reshape(size, size) * np.sqrt(count) / size).astype(np.float32) for k in (0, 1))


def word(rng, length=None):
    """Random capital letters and digits, two to five by default."""
    return "".join(rng.choice(list(LETTERS), length or rng.integers(2, 6)))


@lru_cache(maxsize=32)
def _font(height):
    return ImageFont.load_default(size=height)


def letters(string, size, x=0.0, y=0.0, height=0.2, angle=0.0, bold=1):
    """A line of letters in 0..1, (size, size), around (x, y) on the canvas [-1, 1]^2; angle in degrees."""
    twice = 2 * size
    image = Image.new("L", (twice, twice))
    font = _font(max(8, int(height / 2 * twice)))
    ImageDraw.Draw(image).text((size, size), string, fill=255, font=font, anchor="mm", stroke_width=bold)
    shift = int(x / 2 * twice), int(-y / 2 * twice)
    image = image.rotate(angle, resample=Image.BILINEAR, translate=shift).resize((size, size), Image.BOX)
    return np.asarray(image, np.float32)[::-1] / 255


def hsv(hue, saturation, value):
    return np.array(colorsys.hsv_to_rgb(hue % 1, np.clip(saturation, 0, 1), value), np.float32)


def colour_name(rgb):
    """The everyday word for a linear colour."""
    red, green, blue = np.clip(np.asarray(rgb, float), 0, 1) ** (1 / 2.2)
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if value < 0.22:
        return "black"
    if saturation < 0.16:
        return "white" if value > 0.82 else "grey"
    names = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "red")
    name = names[int(np.searchsorted((0.04, 0.11, 0.19, 0.46, 0.70, 0.80, 0.94), hue))]
    if name in ("orange", "red") and value < 0.72 and hue < 0.12:
        return "brown"
    return "beige" if name in ("orange", "yellow") and saturation < 0.4 else name


def paint(rng):
    """A random linear colour, (3,): greys, and hues with warm and blue ones more often."""
    if rng.random() < 0.25:
        return np.full(3, rng.choice([0.03, 0.05, 0.1, 0.2, 0.5, 0.7, 0.85]), np.float32)
    hue = rng.choice([rng.random(), rng.uniform(0, 0.14), rng.uniform(0.52, 0.64)])
    return np.clip(hsv(hue, rng.beta(2.2, 1.8), rng.uniform(0.15, 0.85)), 0.01, 0.9) ** 1.3


def contrasting(rng, colour):
    """A random colour that differs clearly from `colour`."""
    colour = np.clip(colour, 0, 1)
    for _ in range(20):
        other = paint(rng)
        if np.abs(np.sqrt(other) - np.sqrt(colour)).max() > 0.22:
            return other
    return 1 - colour


def mottled(rng, size, colour, amount=0.08, slope=1.8):
    """`colour` with noise in its brightness, (size, size, 3)."""
    return np.asarray(colour, np.float32) * (1 + amount * noise(size, slope, rng)[..., None])


def machined(rng, size):
    """Fine marks of machining, unit deviation, (size, size): brushed, turned, milled arcs, blasted or polished."""
    style = rng.integers(5)
    if style == 0:
        return noise(size, 1.2, rng, (0.03, 1))
    x, y = grid(size)
    if style in (1, 2):
        centre = (0, 0) if style == 1 else rng.uniform(-2.5, 2.5, 2)
        profile = ndimage.gaussian_filter1d(rng.normal(size=4 * size), 0.8)
        return (profile / profile.std())[(np.hypot(x - centre[0], y - centre[1]) * size / 2).astype(int)]
    return noise(size, 0.8, rng) if style == 3 else 0.2 * noise(size, 2, rng)


def over(below, above, weight):
    """`above` over `below` with weight (n, n) in 0..1; maps or colours."""
    weight = weight[..., None] if np.ndim(below) == 3 else weight
    return below * (1 - weight) + above * weight
