"""Damage on a surface: stained, scratched, cracked."""

import numpy as np
from scipy import ndimage

from .damage import damage
from .textures import cells, contrasting, hsv, noise, smoothstep

# ---- stained


@damage("stained", 1.4)
def stain(spot):
    rng, base = spot.rng, spot.base()
    weight = spot.blob() * rng.uniform(0.45, 1)
    if rng.random() < 0.5:
        colour = contrasting(rng, base)
    else:
        colour = base * rng.uniform(0.15, 0.55) if base.mean() > 0.12 else np.clip(base * 3 + 0.15, 0, 0.9)
    if rng.random() < 0.4:  # patchy
        weight = weight * np.clip(0.6 + 0.4 * noise(spot.part.size, 1.6, rng), 0, 1)
    spot.tint(colour, weight, rng.uniform(0.1, 0.9), rng.choice([0, spot.part.metallic.mean()]))


@damage("stained")
def dried_rim(spot):
    """A liquid that dried from the middle out: a faint inside and a dark rim."""
    rng, distance = spot.rng, spot.distance(rough=spot.rng.uniform(0.05, 0.2))
    wide = max(spot.radius * rng.uniform(0.06, 0.16), 1.2 * spot.part.cell)
    rim = np.exp(-((distance / wide) ** 2)) + 0.3 * np.exp(-(((distance + 3 * wide) / wide) ** 2))
    inside = smoothstep(wide, -wide, distance)
    weight = np.clip(rng.uniform(0.1, 0.4) * inside + rng.uniform(0.5, 0.9) * rim, 0, 1)
    shade = spot.base() * rng.uniform(0.15, 0.5, 3) if spot.base().mean() > 0.1 else rng.uniform(0.25, 0.7, 3)
    spot.tint(shade, weight, rng.uniform(0.3, 0.8), 0)


@damage("stained")
def discoloured(spot):
    rng, weight = spot.rng, spot.blob(soft=spot.rng.choice([0.3, 0.8]))
    gain = np.exp(rng.normal(0, 0.4, 3) + rng.choice([-1, -1, 1]) * rng.uniform(0.35, 0.7))
    spot.tint(spot.part.albedo * gain, weight, np.clip(spot.part.roughness * rng.uniform(0.5, 1.8), 0.06, 1))


@damage("stained", 1.4, only="metal")
def rust(spot):
    rng, size = spot.rng, spot.part.size
    weight = spot.blob(soft=0.9) ** 0.7
    eaten = weight * smoothstep(rng.uniform(-0.4, 0.5), 0.9, noise(size, rng.uniform(1.2, 2.2), rng) + weight)
    colour = hsv(rng.uniform(0.02, 0.09), rng.uniform(0.6, 0.9), rng.uniform(0.15, 0.5)) ** 1.3
    spot.tint(colour * (1 + 0.3 * noise(size, 1.2, rng)[..., None]), eaten, 0.9, 0)
    spot.part.carve(-0.006 * eaten * noise(size, 1.5, rng))


@damage("stained", 0.8, only="metal")
def tarnish(spot):
    """Verdigris, white rust or heat colours."""
    rng = spot.rng
    colour = hsv(
        rng.choice([rng.uniform(0.36, 0.52), rng.uniform(0.08, 0.14), rng.uniform(0.55, 0.8)]),
        0.6,
        rng.uniform(0.2, 0.7),
    )
    weight = spot.blob(soft=0.8) * smoothstep(-1.2, 0.6, noise(spot.part.size, 1.8, rng))
    spot.tint(colour, weight * rng.uniform(0.5, 1), 0.7, rng.choice([0, 0.7]))


@damage("stained", 0.8)
def splashes(spot):
    """A spray of drops."""
    rng, part = spot.rng, spot.part
    colour, weight = contrasting(rng, spot.base()), np.zeros((part.size,) * 2, np.float32)
    middle, whole = (spot.x, spot.y), spot.radius
    for _ in range(int(rng.integers(4, 22))):
        spot.x, spot.y = middle + rng.normal(0, whole, 2)
        spot.radius = max(whole * np.exp(rng.normal(-1.8, 0.5)), 1.5 * part.cell)
        weight = np.maximum(weight, spot.blob(0.1, 0.1))
    spot.tint(colour, weight * rng.uniform(0.6, 1), rng.uniform(0.1, 0.8), 0)


@damage("stained", 0.7)
def burn(spot):
    rng, weight = spot.rng, spot.blob(soft=0.9)
    spot.tint(spot.part.albedo * (0.35, 0.2, 0.1), weight, 0.8)
    spot.tint(np.full(3, 0.012), smoothstep(0.35, 0.85, weight) * rng.uniform(0.6, 1), 0.95, 0)


@damage("stained", 0.7)
def grease(spot):
    """A dark, wet film."""
    rng, weight = spot.rng, spot.blob(soft=0.2)
    spot.tint(spot.part.albedo * rng.uniform(0.3, 0.6) * (1, 0.93, 0.8), weight * rng.uniform(0.7, 1), 0.12)


# ---- scratched


def _groove(spot, line, depth):
    """Engrave a line with a dark or bright core and a raised, shifted rim."""
    rng, base = spot.rng, spot.base()
    metal = spot.part.metallic.mean() > 0.5
    bright = base.mean() < 0.3 or rng.random() < (0.6 if metal else 0.35)
    core = np.clip(base * rng.uniform(1.6, 3) + 0.1, 0, 0.92) if bright else base * rng.uniform(0.12, 0.5)
    if spot.part.inside is not None and rng.random() < 0.6:
        core = spot.fresh()
    shift = tuple(rng.choice([-1, 1], 2) * rng.integers(0, 3, 2))
    rim = np.clip(np.roll(ndimage.gaussian_filter(line, 1.2), shift, (0, 1)) - line, 0, 1)
    spot.tint(base * (0.45 if bright else 1.7), rim * rng.uniform(0, 0.7))
    spot.tint(core, line * rng.uniform(0.6, 1), rng.choice([0.15, 0.35, 0.85]))
    spot.part.carve(depth * (line - 0.5 * rim))


@damage("scratched", 2)
def scratch(spot):
    rng, part = spot.rng, spot.part
    width = max(spot.radius * rng.uniform(0.05, 0.16), 1.1 * part.cell)
    line = spot.lines(
        width,
        spot.radius * rng.uniform(3, 7),
        rng.uniform(0, 0.05),
        count=int(rng.choice([1, 1, 2, 3])),
        curve=rng.normal(0, 0.5),
    )
    _groove(spot, line, min(rng.uniform(0.3, 1.2) * width, 0.03))


@damage("scratched", 1.2)
def scuff(spot):
    """Many fine parallel scratches."""
    rng = spot.rng
    line = spot.lines(
        1.1 * spot.part.cell, spot.radius * rng.uniform(1.5, 3), 0.02, count=int(rng.integers(6, 30)), spread=0.6
    )
    _groove(spot, line * np.clip(0.7 + 0.3 * noise(spot.part.size, 1, rng), 0.2, 1), 0.006)


@damage("scratched", 0.8)
def abrasion(spot):
    """A patch rubbed dull or bare, with streaks along the movement."""
    rng, size = spot.rng, spot.part.size
    streaks = ndimage.rotate(noise(int(size * 1.5), 1.0, rng, (0.04, 1)), rng.uniform(0, 180), reshape=False, order=1)
    low = (len(streaks) - size) // 2
    weight = spot.blob(soft=0.8, stretch=rng.uniform(1.5, 4)) * smoothstep(
        -0.6, 0.8, streaks[low : low + size, low : low + size]
    )
    colour = (
        spot.fresh() if spot.part.inside is not None else np.clip(spot.base() * rng.choice([0.45, 1.8]) + 0.03, 0, 0.9)
    )
    spot.tint(colour, weight * rng.uniform(0.6, 1), rng.choice([0.2, 0.85]))


@damage("scratched")
def cut(spot):
    """A deep cut with lifted lips."""
    rng, part = spot.rng, spot.part
    width = max(spot.radius * rng.uniform(0.1, 0.25), 2.2 * part.cell)
    line = spot.lines(width, spot.radius * rng.uniform(2.5, 5), 0.06, curve=rng.normal(0, 0.3))
    lips = np.clip(2 * ndimage.gaussian_filter(line, width / part.cell) - line, 0, 1)
    part.carve(rng.uniform(0.05, 0.16) * line - 0.25 * width * lips)
    spot.tint(part.albedo * 1.35 + 0.03, lips * 0.6)
    spot.tint(spot.base() * rng.uniform(0.05, 0.3), line, 0.9)


@damage("scratched", 0.7)
def gouge(spot):
    """Material ploughed out in one stroke."""
    rng, part = spot.rng, spot.part
    width = max(spot.radius * rng.uniform(0.2, 0.4), 3 * part.cell)
    line = ndimage.gaussian_filter(spot.lines(width, spot.radius * rng.uniform(1.5, 3), 0.03), 0.3 * width / part.cell)
    torn = np.clip(0.8 + 0.25 * noise(part.size, 1.6, rng), 0, 1)
    spot.tint(spot.fresh(), line * torn * rng.uniform(0.6, 1), rng.choice([0.2, 0.8]))
    part.carve(
        width * rng.uniform(0.3, 0.8) * (line - 0.5 * np.clip(2 * ndimage.gaussian_filter(line, 3) - line, 0, 1))
    )


# ---- cracked


def _cleft(spot, line, depth, dark=0.3):
    part, rng = spot.part, spot.rng
    spot.tint(part.albedo * rng.uniform(0.03, dark), line, 0.9)
    part.metallic = part.metallic * (1 - 0.7 * line)
    part.carve(depth * line)


@damage("cracked", 2)
def crack(spot):
    rng, part = spot.rng, spot.part
    width = max(spot.radius * rng.uniform(0.03, 0.11), 1.1 * part.cell)
    _cleft(
        spot,
        spot.lines(width, spot.radius * rng.uniform(3, 7), rng.uniform(0.3, 0.7), rng.uniform(0, 4)),
        rng.uniform(0.02, 0.09),
    )


@damage("cracked")
def split(spot):
    """A crack that gapes."""
    rng, part = spot.rng, spot.part
    width = max(spot.radius * rng.uniform(0.12, 0.3), 2.5 * part.cell)
    line = spot.lines(width, spot.radius * rng.uniform(2, 4), rng.uniform(0.1, 0.3), rng.uniform(0, 1))
    edge = np.clip(ndimage.gaussian_filter(line, 1.5) * 2 - line, 0, 1)
    spot.tint(spot.fresh(), edge * rng.uniform(0.2, 0.9))
    _cleft(spot, line, rng.uniform(0.06, 0.2), 0.25)


@damage("cracked", only=("brittle", "plastic", "wood", "other"))
def starred(spot):
    """Cracks that run out from a point of impact."""
    rng, part = spot.rng, spot.part
    line, width = np.zeros((part.size,) * 2, np.float32), max(spot.radius * 0.05, 1.1 * part.cell)
    for heading in np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 9))):
        length = spot.radius * rng.uniform(1, 2.5)
        middle = spot.x, spot.y
        spot.x, spot.y = middle + length / 2 * np.array([np.cos(heading), np.sin(heading)])
        line = np.maximum(line, spot.lines(width, length, 0.25, 0.6, heading=heading))
        spot.x, spot.y = middle
    spot.radius *= 0.3
    spot.tint(spot.fresh(), spot.blob(0.3) * rng.uniform(0, 0.9))
    _cleft(spot, line, rng.uniform(0.02, 0.06))


@damage("cracked", 0.8, only=("brittle", "other", "plastic", "wood"))
def crazing(spot):
    """A net of fine cracks."""
    rng, part = spot.rng, spot.part
    count = int(np.clip((2 * part.extent / spot.radius) ** 2 * rng.uniform(1, 3), 20, 1500))
    nearest, second = cells(part.size, count, rng)
    thin = 1.4 * part.cell * np.sqrt(count) / (2 * part.extent)
    net = smoothstep(thin, 0.3 * thin, second - nearest) * smoothstep(0.2, 0.5, spot.blob(soft=0.6))
    _cleft(spot, net * rng.uniform(0.6, 1), 0.02)
