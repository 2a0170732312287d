"""Biscuits, nuts, beans, sweets, and other organic lumps."""

import numpy as np
from scipy import ndimage

from ..build import family
from ..parts import Part, ball, tube
from ..textures import box, cells, cover, dome, grid, hsv, mottled, noise, over, paint, repeat, smoothstep
from .shapes import CELL, SIZE, lettering, plate


@family("cookie", weight=1.6, without=("burn", "droplets"))
def cookie(build):
    rng = build.rng
    build.material = "biscuit"
    x, y = grid(SIZE)
    lumpy, fine, pitted = noise(SIZE, 2.8, rng), noise(SIZE, 1.9, rng), noise(SIZE, 0.8, rng)
    lobes, angle = rng.uniform(0, 0.03), np.arctan2(y, x)
    outline = (
        np.hypot(x, y * rng.uniform(0.88, 1.12))
        - 0.84
        + 0.03 * noise(SIZE, rng.uniform(2.7, 3.6), rng)
        + lobes * np.cos(3 * angle)
    )
    height = plate(outline, rng.uniform(0.2, 0.4), rng.uniform(0.12, 0.5))
    height += (outline < -2 * CELL) * (
        rng.uniform(0.004, 0.016) * lumpy + rng.uniform(0.002, 0.008) * fine + 0.002 * pitted
    )
    colour = hsv(rng.uniform(0.055, 0.11), rng.uniform(0.45, 0.75), rng.uniform(0.35, 0.85)) ** 1.2
    shade = 1 + 0.1 * lumpy + 0.06 * fine + 0.05 * pitted
    albedo = colour * (shade * (1 - rng.uniform(0.2, 0.55) * smoothstep(-0.24, 0, outline)))[..., None]
    build.inside = np.clip(colour * rng.uniform(1.0, 1.5), 0, 0.8)
    natural = np.abs(noise(SIZE, 2.4, rng)) < rng.uniform(0.01, 0.05)  # its own shallow cracks
    natural &= noise(SIZE, 3, rng) > rng.uniform(0.2, 1)
    natural = ndimage.gaussian_filter(natural * 1.0, 0.9) * (outline < -0.04)
    height -= 0.05 * natural
    albedo *= 1 - 0.35 * natural[..., None]
    dark = hsv(rng.uniform(0.02, 0.07), 0.6, rng.uniform(0.06, 0.2))
    if rng.random() < 0.2:
        dark = paint(rng)  # coloured sweets
    for _ in range(int(rng.choice([0, rng.integers(3, 18)]))):
        cx, cy, radius = *rng.uniform(-0.62, 0.62, 2), rng.uniform(0.035, 0.12)
        chip = np.hypot(x - cx, (y - cy) * rng.uniform(0.8, 1.2)) - radius * (1 + 0.2 * lumpy)
        if np.hypot(cx, cy) < 0.68:
            height += 0.09 * dome(chip, radius) * cover(chip, CELL)
            albedo = over(albedo, dark * (1 + 0.2 * fine)[..., None], cover(chip, CELL))
    if rng.random() < 0.25:  # pricked or stamped
        dots = np.hypot(repeat(x, 0.24), repeat(y, 0.24))
        height -= 0.05 * smoothstep(0.035, 0.015, dots) * (outline < -0.15)
    elif rng.random() < 0.25:
        height -= 0.04 * build.imprint(lettering(build, SIZE, height=rng.uniform(0.2, 0.36), length=rng.integers(3, 6)))
    return build.several(Part(albedo, 0.85, height=height, floor=0.0), 0.1)


@family("cracker", without=("droplets",))
def cracker(build):
    rng = build.rng
    build.material = "biscuit"
    x, y = grid(SIZE)
    lumpy, fine = noise(SIZE, 2.4, rng), noise(SIZE, 1.6, rng)
    outline = box(x, y, 0.88, rng.uniform(0.5, 0.88), rng.uniform(0.03, 0.3)) + 0.012 * lumpy
    if rng.random() < 0.5:
        outline = outline + 0.02 * np.cos(rng.integers(24, 48) * np.arctan2(y, x))
    height = plate(outline, 0.16, 0.12) + (outline < 0) * (0.012 * lumpy + 0.004 * fine)
    colour = hsv(rng.uniform(0.08, 0.12), rng.uniform(0.4, 0.65), rng.uniform(0.6, 0.9)) ** 1.2
    albedo = colour * ((1 + 0.08 * lumpy + 0.05 * fine) * (1 - 0.35 * smoothstep(-0.15, 0, outline)))[..., None]
    pitch = rng.uniform(0.22, 0.4)
    pricks = np.hypot(repeat(x, pitch), repeat(y, pitch))
    pricks = smoothstep(0.035, 0.015, pricks) * (outline < -0.06)
    height -= 0.06 * pricks
    albedo *= 1 - 0.5 * pricks[..., None]
    albedo[lumpy > 1.1] *= rng.uniform(0.65, 0.95)  # browned blisters
    salt = cover(1.9 - noise(SIZE, 0.6, rng), 0.4) * rng.integers(2)
    height += 0.008 * salt
    return build.several(Part(over(albedo, np.full(3, 0.85), salt), 0.8, height=height, floor=0.0), 0.15)


def _lump(build, waves, rough, stretch):
    """A sphere stretched along x and made uneven: vertices of half length 0.82 and faces."""
    rng = build.rng
    vertices, faces = ball(80, 120)
    bumps = sum(
        np.sin(vertices @ (rng.normal(size=3) * (2 + wave * 0.5)) + rng.uniform(0, 6.3)) / (2 + 0.5 * wave)
        for wave in range(waves)
    )
    points = vertices * (1 + rough * bumps)[:, None] * (stretch, rng.uniform(0.85, 1.1), rng.uniform(0.8, 1.05))
    return vertices, points * (0.82 / np.abs(points).max()), faces


def _rolled(rng, points):
    """Points turned a little about x and y, and set on the ground."""
    a, b = rng.uniform(-0.4, 0.4), rng.uniform(-0.8, 0.8)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    points = points @ about_x.T @ about_y.T
    return points - (0, 0, points[:, 2].min())


@family("hazelnut", weight=1.2)
def hazelnut(build):
    rng, size = build.rng, 384
    build.material = "nutshell"
    sphere, points, faces = _lump(build, 12, rng.uniform(0.005, 0.02), rng.uniform(1, 1.3))
    points[:, 0] += rng.uniform(0, 0.2) * np.clip(sphere[:, 0], 0, 1) ** 6
    points = _rolled(rng, points)
    colour = hsv(rng.uniform(0.045, 0.09), rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.65)) ** 1.3
    streaks = noise(size, 1.8, rng, (0.12, 1))
    albedo = colour * (1 + 0.16 * streaks + 0.1 * noise(size, 2, rng))[..., None]
    x, _ = grid(size)
    cap = smoothstep(-0.4, -0.56, x + 0.06 * noise(size, 2, rng))
    albedo = over(albedo, hsv(0.09, 0.35, 0.5) * (1 + 0.22 * noise(size, 1, rng))[..., None], cap * rng.integers(2))
    bloom = smoothstep(0.2, 1.6, noise(size, 2.4, rng)) * rng.uniform(0, 0.35)  # pale film of a natural shell
    albedo = over(albedo, hsv(0.1, 0.2, 0.55), bloom)
    build.inside = hsv(0.11, 0.3, rng.uniform(0.5, 0.8))
    part = Part(albedo, rng.uniform(0.3, 0.7), vertices=points, faces=faces)
    return build.several(part, 0.1)


@family("walnut", weight=0.7)
def walnut(build):
    rng, size = build.rng, 384
    build.material = "nutshell"
    sphere, points, faces = _lump(build, 16, 0.04, rng.uniform(1.05, 1.3))
    ridges = sum(np.abs(np.sin(sphere @ rng.normal(0, 5, 3) + rng.uniform(0, 6))) for _ in range(4))
    seam = np.exp(-((sphere[:, 1] / 0.05) ** 2))
    points = _rolled(rng, points * (1 - 0.035 * ridges + 0.06 * seam)[:, None])
    colour = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.7)) ** 1.3
    albedo = colour * (1 + 0.16 * noise(size, 1.6, rng) + 0.1 * noise(size, 2.4, rng))[..., None]
    build.inside = hsv(0.1, 0.4, 0.6)
    return build.several(Part(albedo, rng.uniform(0.5, 0.8), vertices=points, faces=faces), 0.15)


def _bowed(rng, length, thick, bow, taper, steps=60, segments=36):
    """A bowed bean about the origin, lying on the ground: vertices and faces of a tube with round ends."""
    along = np.linspace(0, 1, steps)
    bend = max(bow, 0.05)
    angle, arc = (along - 0.5) * bend, length / bend
    path = np.stack([arc * np.sin(angle), arc * (np.cos(angle) - 1) + length * bend / 16, np.full(steps, thick)], 1)
    profile = np.sqrt(np.clip(1 - (2 * along - 1) ** 2, 4e-4, 1)) ** taper
    profile *= 1 + rng.uniform(0, 0.2) * np.sin(along * 3 + rng.uniform(0, 6))
    return tube(path, thick * profile, segments)


@family("cashew nut")
def cashew(build):
    rng, size, parts, taken = build.rng, 256, [], []
    build.material = "dough"
    count = int(rng.choice([1, 1, 3, 5]))
    for _ in range(count):
        vertices, faces = _bowed(rng, 1.5, rng.uniform(0.26, 0.36), rng.uniform(1.2, 2.6), 0.8)
        vertices = vertices + 0.012 * np.sin(vertices @ rng.normal(0, 5, (3, 3)) + rng.uniform(0, 6, 3))
        colour = hsv(rng.uniform(0.09, 0.12), rng.uniform(0.2, 0.45), rng.uniform(0.6, 0.9)) ** 1.2
        albedo = colour * (1 + 0.06 * noise(size, 2, rng) + 0.03 * noise(size, 0.8, rng))[..., None]
        albedo[noise(size, 1.2, rng) > 2.3] *= 0.75
        part = Part(albedo, rng.uniform(0.35, 0.7), vertices=vertices, faces=faces, extent=1.3)
        spot = np.zeros(2) if count == 1 else _free(rng, taken, 0.62, 0.55)
        if spot is not None:
            parts.append(part.placed(*spot, 0, rng.uniform(0, 6.3), 0.85 if count == 1 else 0.42))
    return parts


def _free(rng, taken, reach, apart):
    """A random place at least `apart` from those `taken`, to which it is added; None where there is none."""
    for _ in range(60):
        spot = rng.uniform(-reach, reach, 2)
        if all(np.hypot(*(spot - other)) > apart for other in taken):
            taken.append(spot)
            return spot
    return None


@family("beans", weight=0.9)
def beans(build):
    rng, size, parts, taken = build.rng, 192, [], []
    build.material, build.name = "dough", str(rng.choice(["beans", "seeds", "almonds", "jelly beans"]))
    base, spread = (
        paint(rng) if build.name == "jelly beans" else hsv(rng.uniform(0.05, 0.13), 0.5, rng.uniform(0.3, 0.85)) ** 1.2,
        rng.uniform(0.02, 0.12),
    )
    length, thick, bow = rng.uniform(0.34, 0.6), rng.uniform(0.09, 0.15), rng.uniform(0.1, 1.4)
    count = int(rng.integers(6, 16))
    odd, gone = build.pick("odd_item", "stained", count), build.pick("broken_item", "cracked", count)
    gloss, ridges = rng.uniform(0.15, 0.7), rng.integers(0, 2) * rng.uniform(0.02, 0.06)
    for number in range(count):
        own = np.random.default_rng([number, int(length * 1e6)])
        vertices, faces = _bowed(
            own, length * own.uniform(0.85, 1.15), thick * own.uniform(0.9, 1.1), bow, rng.uniform(0.5, 0.9), 40, 24
        )
        vertices[:, 2] *= 1 + ridges * np.cos(vertices[:, 1] * 60)
        colour = base * (1 + spread * own.normal()) * (1 + 0.3 * spread * own.normal(size=3))
        if number == odd:
            colour = np.clip(1 - colour, 0.03, 0.8) if own.random() < 0.5 else colour * 0.25
        albedo = np.clip(colour, 0.02, 0.9) * (1 + 0.07 * noise(size, 2, own) + 0.05 * noise(size, 0.8, own))[..., None]
        spot, angle = _free(rng, taken, 0.75, 0.36), rng.uniform(0, 6.3)
        if spot is None:
            continue
        part = Part(albedo, gloss, vertices=vertices, faces=faces, extent=0.5)
        if number == gone:  # in two halves that lie apart
            for side in (-1, 1):
                half = part.copy()
                half.vertices[:, 0] = (
                    side * np.maximum(side * half.vertices[:, 0], 0.03 * own.normal(size=len(half.vertices)) * 0.3)
                    + side * 0.04
                )
                parts.append(half.placed(*spot, 0, angle + side * own.uniform(0, 0.3)))
            continue
        parts.append(part.placed(*spot, 0, angle))
    return parts


@family("macaroni", weight=0.9)
def macaroni(build):
    rng, size, parts, taken = build.rng, 192, [], []
    build.material = "dough"
    count = int(rng.choice([1, 4, 6]))
    bow, thick, steps, segments = rng.uniform(0.6, 2.2), rng.uniform(0.16, 0.24), 50, 40
    ridges, colour = (
        rng.choice([0, 0.05]),
        hsv(rng.uniform(0.1, 0.13), rng.uniform(0.5, 0.75), rng.uniform(0.75, 0.95)) ** 1.3,
    )
    wave = 1 + ridges * np.cos(np.arange(segments) / segments * 2 * np.pi * 10)
    for _ in range(count):
        sweep, arc = np.linspace(-0.5, 0.5, steps) * bow, 1.5 / bow
        path = np.stack([arc * np.sin(sweep), arc * (np.cos(sweep) - 1) + 0.1, np.full(steps, thick)], 1)
        vertices, faces = tube(path, thick, segments)
        middle = np.repeat(path, segments, 0)
        skin = middle + (vertices[:-2] - middle) * np.tile(wave, steps)[:, None]
        bore = middle + (vertices[:-2] - middle) * rng.uniform(0.5, 0.65)
        sides = faces[: 2 * segments * (steps - 1)]  # without the caps
        rings = []
        for first in (0, (steps - 1) * segments):
            outer = first + np.arange(segments)
            inner, following = outer + len(skin), first + (np.arange(segments) + 1) % segments
            ring = [np.stack([outer, inner, following], -1), np.stack([following, inner, following + len(skin)], -1)]
            rings += ring if first == 0 else [side[:, ::-1] for side in ring]
        vertices = np.concatenate([skin, bore])
        faces = np.concatenate([sides, sides[:, ::-1] + len(skin), *rings])
        albedo = colour * (1 + 0.05 * noise(size, 2, rng))[..., None]
        part = Part(albedo, rng.uniform(0.35, 0.6), vertices=vertices, faces=faces, extent=1.1)
        spot = np.zeros(2) if count == 1 else _free(rng, taken, 0.6, 0.6)
        if spot is not None:
            parts.append(part.placed(*spot, 0, rng.uniform(0, 6.3), 0.95 if count == 1 else 0.45))
    return parts


@family("chocolate bar", without=("rust",))
def chocolate(build):
    rng = build.rng
    build.material = "dough"
    x, y = grid(SIZE)
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    half_x, half_y = 0.92, rng.uniform(0.5, 0.9)
    width, depth = 2 * half_x / columns, 2 * half_y / rows
    seam = np.minimum(
        width / 2 - np.abs(repeat(x + half_x - width / 2, width)),
        depth / 2 - np.abs(repeat(y + half_y - depth / 2, depth)),
    )
    height = plate(box(x, y, half_x, half_y, 0.04), 0.1, 0.04) + 0.12 * smoothstep(0, rng.uniform(0.06, 0.14), seam) * (
        box(x, y, half_x, half_y) < 0
    )
    colour = hsv(rng.uniform(0.03, 0.09), rng.uniform(0.4, 0.75), rng.choice([0.1, 0.2, 0.35, 0.8])) ** 1.1
    print_ = lettering(
        build,
        SIZE,
        *((0, 0) if columns % 2 and rows % 2 else (width / 2 * (columns % 2 == 0), depth / 2 * (rows % 2 == 0))),
        min(width, depth) * 0.5,
        length=2,
    )
    height -= 0.03 * build.imprint(print_) - 0.001 * noise(SIZE, 2.4, rng)
    nuts = smoothstep(1.4, 2.0, noise(SIZE, 2.2, rng)) * rng.integers(2)
    height += 0.03 * nuts
    albedo = over(mottled(rng, SIZE, colour, 0.05), hsv(0.09, 0.5, 0.5), 0.7 * nuts)
    return build.several(Part(albedo, rng.uniform(0.25, 0.55), height=height, floor=0.0), 0.05)


@family("bread roll", weight=0.8)
def bread(build):
    rng = build.rng
    build.material = "dough"
    x, y = grid(SIZE)
    lumpy, fine = noise(SIZE, 3, rng), noise(SIZE, 1.6, rng)
    ratio = rng.uniform(0.5, 1)
    outline = np.hypot(x, y / ratio) - 0.86 + 0.02 * noise(SIZE, 3, rng)
    height = plate(outline, rng.uniform(0.35, 0.6), 0.75) + (outline < 0) * (0.02 * lumpy + 0.003 * fine)
    crust, crumb = (
        hsv(rng.uniform(0.06, 0.09), rng.uniform(0.6, 0.8), rng.uniform(0.45, 0.75)) ** 1.3,
        hsv(0.11, 0.3, 0.85),
    )
    albedo = crust * (1 + 0.12 * lumpy + 0.05 * fine)[..., None]
    for offset in np.linspace(-0.4, 0.4, int(rng.integers(0, 4))):  # the baker's cuts
        slash = np.abs(x - offset - 0.15 * y + 0.02 * lumpy) - 0.05 * np.clip(1 - (y / (0.6 * ratio)) ** 2, 0, 1)
        open_ = smoothstep(0.02, -0.02, slash) * (outline < -0.1)
        albedo, height = over(albedo, crumb * (1 + 0.08 * fine)[..., None], 0.8 * open_), height - 0.03 * open_
    seeds = smoothstep(1.9, 2.3, noise(SIZE, 1.0, rng)) * rng.integers(2)
    albedo, height = over(albedo, hsv(0.11, 0.3, 0.8), seeds), height + 0.012 * seeds
    build.inside = crumb * 0.9
    return build.several(Part(albedo, rng.uniform(0.4, 0.8), height=height, floor=0.0), 0.1)


@family("candle", weight=0.9)
def candle(build):
    rng = build.rng
    build.material = "resin"
    x, y = grid(SIZE)
    count = int(rng.choice([1, 1, 4]))
    wax = rng.choice([0.85, 0.6]) * np.array([1, 0.97, 0.9]) if rng.random() < 0.6 else paint(rng)
    radius = np.hypot(x, y)
    cup = rng.random() < 0.6
    height = plate(radius - 0.9, 0.3, 0.03)
    if cup:  # a tea light in its aluminium cup
        height = np.where(radius < 0.84, 0.24, height)
    height += (radius < 0.82) * (0.015 * smoothstep(0.3, 0, radius) + 0.002 * noise(SIZE, 3, rng))
    albedo = over(
        np.ones((SIZE, SIZE, 3)) * (0.78 if cup else wax),
        wax * (1 + 0.02 * noise(SIZE, 2, rng))[..., None],
        cover(radius - 0.83, CELL),
    )
    metallic = (radius > 0.84) * float(cup)
    wick = build.change("missing_wick", "incomplete") is None
    tip = np.hypot(x - rng.normal(0, 0.01), y) - 0.05
    if wick:
        height, albedo = (
            np.where(tip < 0, 0.42, height),
            over(albedo, np.full(3, rng.choice([0.02, 0.7])), cover(tip, CELL)),
        )
    part = Part(albedo, np.where(radius > 0.84, 0.3, rng.uniform(0.3, 0.5)), metallic, height, floor=0.0)
    return build.several(part, 0 if count == 1 else 1)


@family("chewing gum", weight=0.7)
def gum(build):
    rng = build.rng
    build.material = "dough"
    x, y = grid(SIZE)
    outline = box(x, y, 0.85, rng.uniform(0.45, 0.7), rng.uniform(0.1, 0.4)) + 0.01 * noise(SIZE, 3, rng)
    height = plate(outline, rng.uniform(0.25, 0.4), rng.uniform(0.2, 0.4)) + (outline < -0.02) * 0.005 * noise(
        SIZE, 3.2, rng
    )
    colour = np.array([0.8, 0.8, 0.78]) if rng.random() < 0.6 else paint(rng)
    specks = smoothstep(1.8, 2.4, noise(SIZE, 1.0, rng)) * rng.integers(2)
    albedo = over(mottled(rng, SIZE, colour, 0.03), colour * 0.6, specks)
    return build.several(Part(albedo, rng.uniform(0.2, 0.5), height=height, floor=0.0), 0.35)


@family("gravel", fills=True, weight=0.6, without=("warp", "twisted", "crazing", "cracked_through"))
def gravel(build):
    rng, size = build.rng, 360
    build.material, build.name = "stone", str(rng.choice(["gravel", "pebbles", "stones"]))
    count = int(rng.integers(60, 400))
    nearest, second = cells(size, count, rng, wobble=rng.uniform(0, 4))
    gap = smoothstep(0.02, 0.22, second - nearest)
    colour = paint(rng)
    shade = (0.25 + 0.75 * gap) * (1 + 0.1 * noise(size, 2.2, rng) + 0.05 * noise(size, 1, rng))
    height = 0.05 + (1.4 / np.sqrt(count)) * np.sqrt(np.clip(1 - (1.1 * nearest) ** 2, 0, 1)) * gap
    return [
        Part(colour * shade[..., None], rng.uniform(0.3, 0.7), height=height).placed(
            angle=rng.uniform(0, 6.3), scale=1.35
        )
    ]
