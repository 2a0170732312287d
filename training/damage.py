"""Damage painted onto a photograph: one small function for each kind of `captions.DAMAGE`.

Each function takes a `Canvas` (the intact picture, where the product is, where the damage shall sit) and returns the
damaged picture, float32 (S, S, 3) in 0..255. What changed visibly is the mask. To add a kind, write a function with
`@paints("name of the kind")` and give the kind its words in captions.py.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PAINTERS = {}
SMALLEST, LARGEST = 0.0015, 0.14  # share of the picture, drawn log-uniformly
VISIBLE = 9.0  # grey levels (mean of channels) from which a pixel counts as changed


def paints(kind):
    """Register a function as one way to paint `kind`."""

    def register(function):
        PAINTERS.setdefault(kind, []).append(function)
        return function

    return register


def cloud(size, rng, cells=None):
    """Fractal value noise in 0..1, (size, size)."""
    cells = cells or int(rng.choice([2, 3, 4, 6, 8, 12]))
    total = np.zeros((size, size), np.float32)
    for octave in range(3):
        small = Image.fromarray(rng.random((cells << octave,) * 2, dtype=np.float32))
        total += 0.5**octave * np.asarray(small.resize((size, size), Image.BICUBIC))
    return (total - total.min()) / np.ptp(total)


@dataclass
class Canvas:
    """The picture to be damaged.

    pixels: float32 (S, S, 3) in 0..255. product: float32 (S, S), 1 where the product is. background: float32 (S, S, 3),
    what is seen where the product is not. other: float32 (S, S, 3), an unrelated picture, the stuff of contamination.
    centre: (row, column) of the damage. area: its share of the picture.
    mask: bool (S, S), where the damage is; None: wherever the picture has changed visibly.
    """

    pixels: np.ndarray
    product: np.ndarray
    background: np.ndarray
    other: np.ndarray
    centre: tuple
    area: float
    rng: np.random.Generator
    mask: np.ndarray | None = None

    @property
    def size(self):
        return len(self.pixels)

    @property
    def radius(self):
        return np.sqrt(self.area / np.pi) * self.size

    def blob(self, inside=True):
        """Irregular soft spot in 0..1 around the centre, (S, S); on the product only if `inside`."""
        rng, size = self.rng, self.size
        y, x = np.mgrid[:size, :size].astype(np.float32)
        y, x = y - self.centre[0], x - self.centre[1]
        stretch, angle = np.exp(rng.uniform(-0.6, 0.6)), rng.uniform(0, np.pi)
        along = (x * np.cos(angle) + y * np.sin(angle)) / (self.radius * stretch)
        across = (y * np.cos(angle) - x * np.sin(angle)) / (self.radius / stretch)
        distance = np.hypot(along, across) + (cloud(size, rng) - 0.5) * rng.uniform(0.2, 1.3)
        spot = np.clip((1 - distance) / rng.choice([0.05, 0.12, 0.35]), 0, 1)
        return spot * (self.product > 0.3) if inside else spot

    def stroke(self, bend, width, length, branches=0):
        """Line in 0..1 through the centre, (S, S): `bend` is the deviation of its heading a step in radians."""
        rng, size = self.rng, self.size
        layer = Image.new("L", (2 * size, 2 * size))  # drawn at twice the size, so that thin lines are smooth
        draw = ImageDraw.Draw(layer)

        def walk(x, y, heading, length, width, branches):
            points, curve = [(x, y)], rng.uniform(-0.06, 0.06)
            for _ in range(max(4, int(length / 6))):
                heading += rng.normal(0, bend) + curve
                x, y = x + 12 * np.cos(heading), y + 12 * np.sin(heading)
                points.append((x, y))
                if branches and rng.random() < 0.12:
                    walk(
                        x,
                        y,
                        heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1),
                        length * 0.4,
                        width * 0.7,
                        branches - 1,
                    )
            draw.line(points, fill=255, width=max(1, round(2 * width)), joint="curve")

        heading = rng.uniform(0, 2 * np.pi)
        row, column = self.centre
        walk(
            2 * column - length * np.cos(heading), 2 * row - length * np.sin(heading), heading, length, width, branches
        )
        line = np.asarray(layer.resize((size, size), Image.BILINEAR), np.float32) / 255
        return line * (self.product > 0.3)


def blend(below, above, weight):
    """`above` over `below` with weight (S, S) in 0..1."""
    return below + weight[..., None] * (above - below)


def any_colour(rng):
    return rng.uniform(10, 245, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(15, 240)) + rng.uniform(-15, 15, 3)


@paints("contaminated")
def foreign_matter(canvas):
    grain = 0.8 + 0.4 * cloud(canvas.size, canvas.rng)[..., None]
    matter = canvas.other if canvas.rng.random() < 0.6 else any_colour(canvas.rng) * grain
    spot = canvas.blob(inside=canvas.rng.random() < 0.7)
    shadow = np.roll(spot, (2, 2), (0, 1)) * 0.4
    return blend(canvas.pixels * (1 - shadow[..., None]), matter, spot * canvas.rng.uniform(0.6, 1))


@paints("contaminated")
def fibre(canvas):
    line = canvas.stroke(0.18, canvas.rng.uniform(0.8, 2), canvas.radius * canvas.rng.uniform(2, 5) + 10)
    shadow = np.roll(line, (2, 1), (0, 1)) * 0.35
    return blend(canvas.pixels * (1 - shadow[..., None]), any_colour(canvas.rng), line * 0.95)


@paints("contaminated")
def dirt(canvas):
    specks = np.clip((cloud(canvas.size, canvas.rng, 24) - canvas.rng.uniform(0.55, 0.75)) * 12, 0, 1)
    canvas.area *= 3
    return blend(canvas.pixels, any_colour(canvas.rng) * 0.7, specks * canvas.blob() * canvas.rng.uniform(0.6, 1))


@paints("stained")
def stain(canvas):
    rng = canvas.rng
    gain = rng.uniform(0.35, 1.45, 3) if rng.random() < 0.6 else np.full(3, rng.choice([0.5, 0.65, 1.4, 1.7]))
    return blend(canvas.pixels, canvas.pixels * gain, canvas.blob())


@paints("stained")
def rust(canvas):
    colour = np.array([canvas.rng.uniform(80, 170), canvas.rng.uniform(40, 90), canvas.rng.uniform(10, 50)])
    canvas.area *= 2
    patchy = np.clip((cloud(canvas.size, canvas.rng) - 0.4) * 4, 0, 1)
    return blend(canvas.pixels, colour * (0.6 + canvas.pixels / 400), canvas.blob() * patchy)


@paints("scratched")
def scratch(canvas):
    rng, result = canvas.rng, canvas.pixels
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        line = canvas.stroke(rng.uniform(0, 0.05), rng.uniform(0.5, 2.2), rng.uniform(15, 80))
        depth = rng.uniform(45, 140) * rng.choice([-1, 1])
        lip = np.roll(line, (1, 1), (0, 1)) * 0.5 * (rng.random() < 0.5)
        result = result + (line - lip)[..., None] * depth * rng.uniform(0.85, 1.15, 3)
    return result


@paints("cracked")
def crack(canvas):
    rng = canvas.rng
    line = canvas.stroke(rng.uniform(0.25, 0.55), rng.uniform(0.8, 2.6), rng.uniform(18, 90), branches=2)
    lit = np.roll(line, (1, 1), (0, 1))[..., None] * rng.uniform(0, 40)
    return canvas.pixels * (1 - line[..., None] * rng.uniform(0.5, 0.95)) + lit


@paints("cracked")
def broken_apart(canvas):
    """Two pieces along a ragged line, one of them moved away; the damage is the gap, not all that has moved."""
    rng, size = canvas.rng, canvas.size
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, gap = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.015, 0.09)
    ragged = (cloud(size, rng, int(rng.choice([4, 6, 8, 12]))) - 0.5) * size * rng.uniform(0.05, 0.25)
    beyond = (x - canvas.centre[1]) * np.cos(angle) + (y - canvas.centre[0]) * np.sin(angle) + ragged  # pixels
    face = 1 - np.exp(-np.abs(beyond) / 1.5)[..., None] * rng.uniform(0, 0.6)  # the broken edge is a little darker
    piece = np.dstack([canvas.pixels * face, 255 * canvas.product * (beyond > 0)])
    moved = Image.fromarray(np.clip(piece, 0, 255).astype(np.uint8), "RGBA").rotate(
        rng.uniform(-9, 9),
        Image.BILINEAR,
        center=canvas.centre[::-1],
        translate=(gap * np.cos(angle), gap * np.sin(angle)),
    )
    moved = np.asarray(moved, np.float32)
    stays = canvas.product * (beyond <= 0)
    opened = (canvas.product > 0.5) & (np.maximum(stays, moved[..., 3] / 255) < 0.5)
    canvas.mask = np.asarray(Image.fromarray(opened).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
    left = blend(canvas.background, canvas.pixels * face, stays)
    return blend(left, moved[..., :3], moved[..., 3] / 255)


@paints("with a hole")
def hole(canvas):
    rng, spot = canvas.rng, canvas.blob()
    seen = canvas.background if rng.random() < 0.5 else np.full(3, rng.uniform(0, 60))
    rim = np.add(*np.gradient(spot))[..., None] * rng.uniform(-160, 160)
    return blend(canvas.pixels, seen, spot) + rim


@paints("deformed")
def dent(canvas):
    rng, size = canvas.rng, canvas.size
    rows, columns = np.mgrid[:size, :size]
    reach = 1.2 * canvas.radius + 5
    bell = np.exp(-((rows - canvas.centre[0]) ** 2 + (columns - canvas.centre[1]) ** 2) / (2 * reach**2))
    angle, shift = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.4, 0.95)
    source = (
        np.clip(rows + bell * shift * np.sin(angle), 0, size - 1).astype(int),
        np.clip(columns + bell * shift * np.cos(angle), 0, size - 1).astype(int),
    )
    shade = (np.gradient(bell, axis=0) * np.sin(angle) + np.gradient(bell, axis=1) * np.cos(angle)) * reach
    return canvas.pixels[source] + (shade * rng.uniform(20, 90) * (canvas.product > 0.3))[..., None]


@paints("incomplete")
def chip(canvas):
    canvas.area *= 1.5
    return blend(canvas.pixels, canvas.background, canvas.blob(inside=False))


@paints("badly printed")
def smear(canvas):
    rng = canvas.rng
    canvas.area *= 1.5
    image = Image.fromarray(np.clip(canvas.pixels, 0, 255).astype(np.uint8)).filter(
        ImageFilter.BoxBlur(rng.uniform(3, 8))
    )
    faded = np.asarray(image, np.float32)
    ghost = np.roll(canvas.pixels, tuple(rng.integers(4, 14, 2) * rng.choice([-1, 1], 2)), (0, 1))
    return blend(canvas.pixels, faded if rng.random() < 0.6 else (canvas.pixels + ghost) / 2, canvas.blob())


def apply_damage(pixels, product, background, other, rng):
    """Damage a picture in one random way, at one to three places on the product.

    Args:
        pixels, background, other: float32 (S, S, 3) in 0..255; product: float32 (S, S) in 0..1.
    Returns:
        (damaged uint8 (S, S, 3), mask bool (S, S), kind), or None where the damage cannot be seen.
    """
    rows, columns = np.nonzero(product > 0.5)
    if len(rows) < 50:
        return None
    kind = str(rng.choice(list(PAINTERS)))
    painter = PAINTERS[kind][rng.integers(len(PAINTERS[kind]))]
    damaged = pixels
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        at = rng.integers(len(rows))
        area = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))
        canvas = Canvas(damaged, product, background, other, (rows[at], columns[at]), area, rng)
        damaged = painter(canvas)
        if canvas.mask is not None:
            break  # what comes after it would not lie where the product is now
    damaged = np.clip(damaged, 0, 255)
    change = np.abs(damaged - pixels).mean(axis=2)
    mask = change > VISIBLE if canvas.mask is None else canvas.mask & (change > VISIBLE)
    if mask.sum() < 14 or change[mask].mean() < 16 or mask.mean() > 0.3:
        return None
    return damaged.astype(np.uint8), mask, kind
