"""Helpers that many families share: a plate of any outline, lettering in its colour."""

import numpy as np

from ..textures import cover, dome, letters, machined, mottled, over, word

SIZE = 320
CELL = 2 / SIZE


def plate(distance, top, bevel=0.04, base=-0.1, sharp=1.0):
    """Height field of a body with outline `distance` (negative inside), flat at `top`, with a rounded edge.

    sharp: below 1 the edge rises more steeply.
    """
    cell = 2 / len(distance)
    return base + (top * dome(distance - cell, bevel) ** sharp - base) * cover(distance, cell)


def labelled(build, albedo, mask, strength=1.0):
    """`albedo` with the print `mask` in a colour that can be read on it, and the ink's coverage (n, n)."""
    mask = build.imprint(mask)
    ink = np.full(3, 0.025 if albedo.mean() > 0.22 else 0.8)
    return over(albedo, ink, strength * mask), mask


def lettering(build, size, x=0.0, y=0.0, height=0.15, angle=0.0, length=None, bold=1):
    """A random word as a mask (n, n)."""
    return letters(word(build.rng, length), size, x, y, height, angle, bold)


def metal_surface(build, size, colour, metallic, amount=0.05):
    """(albedo, roughness, relief) of a machined or painted surface: marks in its brightness, gloss and height."""
    marks = machined(build.rng, size)
    albedo = mottled(build.rng, size, colour, 0.05) * (1 + amount * marks * (1 if metallic else 0.3))[..., None]
    roughness = build.rng.uniform(0.18, 0.5) + 0.05 * marks
    return albedo, roughness, 0.0005 * build.rng.uniform(0, 2) * marks
