"""Turned, milled, stamped, cast and moulded parts; most of them drawn anew for every seed."""

import numpy as np
from scipy import ndimage

from ..build import family
from ..parts import Part, lathe
from ..textures import (
    METALS,
    box,
    cover,
    dome,
    grid,
    letters,
    machined,
    mottled,
    noise,
    over,
    paint,
    polygon,
    repeat,
    smoothstep,
    turn,
    word,
)
from .shapes import CELL, SIZE, lettering, metal_surface, plate


@family("gear", weight=0.9)
def gear(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    teeth, deep = int(rng.integers(10, 32)), rng.uniform(0.07, 0.16)
    phase = (angle * teeth / (2 * np.pi)) % 1
    tooth = smoothstep(0.1, 0.3, phase) * smoothstep(0.9, 0.7, phase)
    number = np.floor(angle * teeth / (2 * np.pi)) % teeth
    gone, worn = build.pick("missing_tooth", "incomplete", teeth), build.pick("worn_tooth", "deformed", teeth)
    if gone is not None:
        tooth = np.where(number == gone, 0, tooth)
    if worn is not None:
        tooth = np.where(
            number == worn, 0.45 * tooth * (1 + 0.3 * noise(SIZE, 2.5, np.random.default_rng(worn))), tooth
        )
    outline = (radius - (0.92 - deep + deep * tooth)) * 0.8
    bore = rng.uniform(0.1, 0.28)
    holes, ring, wide = int(rng.integers(0, 8)), (bore + 0.92 - deep) / 2, rng.uniform(0.05, 0.11)
    for hole in range(holes if holes > 2 else 0):
        a = hole * 2 * np.pi / holes
        outline = np.maximum(outline, wide - np.hypot(x - ring * np.cos(a), y - ring * np.sin(a)))
    outline = np.maximum(outline, bore - radius)
    height = plate(outline, rng.uniform(0.12, 0.35), 0.015)
    hub = bore + 0.12
    height = np.where((radius < hub) & (outline < -CELL), height + rng.uniform(0, 0.2), height)
    colour, metallic = build.metal_or("plastic", 0.7)
    albedo, roughness, marks = metal_surface(build, SIZE, colour, metallic)
    return build.several(Part(albedo, roughness, metallic, height + marks * (outline < 0), floor=0.0), 0.12)


@family("ball bearing", weight=1.1)
def bearing(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius = np.hypot(x, y)
    outer, inner, tall = 0.92, rng.uniform(0.28, 0.42), rng.uniform(0.2, 0.35)
    wide = outer - inner
    first, second = inner + wide * rng.uniform(0.2, 0.28), outer - wide * rng.uniform(0.2, 0.28)
    albedo, roughness, marks = metal_surface(build, SIZE, build.metal(), 1)
    metallic = np.ones((SIZE, SIZE))
    height = np.full((SIZE, SIZE), -0.1)
    for low, high in ((inner, first), (second, outer)):
        height = np.maximum(height, plate(np.maximum(low - radius, radius - high), tall, 0.03, sharp=0.5))
    race = (radius >= first) & (radius <= second)
    roughness = np.where(race, 0.4, roughness)
    balls, middle, size = int(rng.integers(7, 14)), (first + second) / 2, (second - first) / 2 * 0.95
    if rng.random() < 0.3:  # shielded
        height[race] = tall * 0.85
        albedo[race] = np.array(METALS["steel"]) * rng.uniform(0.4, 1) if rng.random() < 0.5 else 0.03
        metallic[race] = float(albedo[race].mean() > 0.1)
        mark = build.imprint(letters(word(rng, 6), SIZE, 0, -middle, 0.1, 0, 0))
        albedo = over(albedo, np.full(3, 0.6 if albedo[race].mean() < 0.1 else 0.05), mark)
    else:
        height[race], albedo[race] = 0.05, 0.02
        cage = race & (np.abs(radius - middle) < size * 0.45)
        height[cage], albedo[cage], metallic[cage] = (
            tall * 0.55,
            paint(rng) if rng.random() < 0.5 else METALS["brass"],
            0,
        )
        phase, shine = rng.uniform(0, 6.3), np.array(METALS["steel"]) if rng.random() < 0.8 else paint(rng)
        gone, moved = build.pick("missing_ball", "incomplete", balls), build.pick("shifted_ball", "deformed", balls)
        for number in range(balls):
            a = phase + (number + (0.18 if number == moved else 0)) * 2 * np.pi / balls
            far = np.hypot(x - middle * np.cos(a), y - middle * np.sin(a)) - size
            inside = far < 0
            if number == gone:
                height[inside], albedo[inside], metallic[inside] = 0.03, 0.02, 0
                continue
            height[inside] = np.maximum(height, tall * 0.5 + size * 0.75 * dome(far, size))[inside]
            albedo[inside], metallic[inside], roughness[inside] = shine, 1, 0.15
    return [
        Part(albedo, roughness, metallic, height + marks * (radius < outer), floor=0.0).placed(
            scale=rng.uniform(0.85, 1.02)
        )
    ]


@family("coin")
def coin(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    relief = 0.7 * (np.abs(radius - 0.87) < 0.04)
    star = radius < rng.uniform(0.2, 0.42) * (1 + 0.35 * np.cos(rng.integers(3, 9) * angle + rng.uniform(0, 6)))
    text, string = np.zeros((SIZE, SIZE), np.float32), word(rng, rng.integers(8, 14))
    for number, character in enumerate(string):
        a = 2 * np.pi * number / len(string)
        text = np.maximum(text, letters(character, SIZE, 0.62 * np.cos(a), 0.62 * np.sin(a), 0.2, np.degrees(a) - 90))
    dots = (np.abs((angle / (2 * np.pi) * 60) % 1 - 0.5) < 0.25) & (np.abs(radius - 0.78) < 0.015)
    relief = np.clip(relief + build.imprint(np.maximum(text, star)) + 0.6 * dots, 0, 1)
    relief = ndimage.gaussian_filter(relief, 0.9)
    height = plate(radius - 0.93, 0.1, 0.03) + rng.choice([1, 1, -1]) * rng.uniform(0.012, 0.04) * relief * (
        radius < 0.92
    )
    worn = rng.uniform(0.1, 0.7)
    albedo = mottled(rng, SIZE, build.metal(), 0.07) * (1 - 0.4 * worn * (1 - relief))[..., None]
    return build.several(Part(albedo, rng.uniform(0.22, 0.4), 1.0, height, floor=0.0), 0.15)


@family("heat sink", weight=0.9)
def fins(build):
    rng = build.rng
    x, y = grid(SIZE)
    count, half_y, tall = int(rng.integers(7, 20)), rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.4)
    colour = build.metal()
    if rng.random() < 0.3:
        colour, build.material = np.full(3, 0.04), "aluminium"
    albedo, roughness, marks = metal_surface(build, SIZE, colour, 1)
    outline = box(x, y, 0.92, half_y, 0.02)
    height = plate(outline, 0.08, 0.02)
    pitch = 1.84 / count
    wide = pitch * rng.uniform(0.18, 0.3)
    gone, change = build.pick("missing_fin", "incomplete", count), build.change("bent_fin", "deformed")
    bent = int(change.integers(count)) if change else None
    for fin in range(count):
        at = -0.92 + (fin + 0.5) * pitch
        if fin == bent:
            at = at + change.choice([-1, 1]) * change.uniform(0.4, 0.9) * pitch * np.exp(
                -(((y - change.uniform(-0.4, 0.4)) / change.uniform(0.06, 0.2)) ** 2)
            )
        if fin != gone:
            height = np.maximum(
                height, plate(np.maximum(np.abs(x - at) - wide, np.abs(y) - half_y + 0.03), tall, 0.008)
            )
    if rng.random() < 0.4:
        height = np.where((np.abs(y - rng.uniform(-0.3, 0.3)) < 0.05) & (height > 0.1), 0.12, height)
    part = Part(albedo, roughness, float(rng.random() < 0.9), height + marks * (outline < 0), floor=0.0)
    return [part.placed(angle=rng.choice([0, np.pi / 2]) + rng.uniform(-0.3, 0.3), scale=rng.uniform(0.85, 1))]


@family("machined plate", weight=1.4)
def machined_plate(build):
    """A plate of random outline with pockets, slots, bores, grooves and an engraving."""
    rng = build.rng
    build.name = str(rng.choice(["machined plate", "metal plate", "bracket", "flange", "cover plate"]))
    x, y = grid(SIZE)
    half_y, tall = rng.uniform(0.4, 0.92), rng.uniform(0.1, 0.35)
    outline = {
        "box": box(x, y, 0.92, half_y, rng.uniform(0.02, 0.3)),
        "disc": np.hypot(x, y) - 0.9,
        "polygon": polygon(x, y, int(rng.integers(3, 9)), 0.78),
        "ell": np.minimum(box(x + 0.5, y, 0.4, 0.9, 0.04), box(x, y + 0.55, 0.9, 0.35, 0.04)),
        "tee": np.minimum(box(x, y - 0.55, 0.9, 0.35, 0.1), box(x, y + 0.2, 0.3, 0.7, 0.1)),
    }[rng.choice(["box", "box", "disc", "polygon", "ell", "tee"])]
    for _ in range(rng.integers(0, 3)):  # notches
        a = rng.uniform(0, 6.3)
        outline = np.maximum(
            outline, rng.uniform(0.06, 0.2) - np.hypot(x - 0.92 * np.cos(a), y - 0.9 * half_y * np.sin(a))
        )
    holes, ways = [], [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    for _ in range(rng.integers(0, 4)):
        cx, cy, radius, sunk = (
            rng.uniform(0.1, 0.78),
            rng.uniform(0.06, half_y - 0.1),
            rng.uniform(0.035, 0.12),
            rng.random() < 0.4,
        )
        holes += [(cx * sx, cy * sy, radius, sunk) for sx, sy in ways[: rng.choice([2, 4])]]
    if rng.random() < 0.5:
        holes.append((0, 0, rng.uniform(0.1, 0.3), rng.random() < 0.3))
    filled, oval = build.pick("missing_hole", "incomplete", max(len(holes), 1)), build.change("oval_hole", "deformed")
    victim = int(oval.integers(max(len(holes), 1))) if oval else None
    level = np.full((SIZE, SIZE), tall)
    for _ in range(rng.integers(0, 3)):  # pockets and slots
        pocket = box(
            *turn(
                x - rng.uniform(-0.5, 0.5),
                y - rng.uniform(-0.4, 0.4) * half_y,
                rng.choice([0, np.pi / 2, rng.uniform(0, 3)]),
            ),
            rng.uniform(0.08, 0.4),
            rng.uniform(0.04, 0.25),
            rng.uniform(0.02, 0.04),
        )
        level -= tall * rng.uniform(0.15, 0.6) * cover(pocket, 2 * CELL)
    for number, (cx, cy, radius, sunk) in enumerate(holes):
        if number == filled:
            continue
        far = np.hypot(x - cx, y - cy)
        if number == victim:
            far = np.minimum(far, np.hypot(x - cx - 0.6 * radius, y - cy - 0.4 * radius))
        if sunk:
            level = np.minimum(level, tall - np.clip(1.6 * radius - far, 0, None) * 0.8)
        outline = np.maximum(outline, radius - far)
    height = np.minimum(plate(outline, tall, 0.03, sharp=0.4), np.where(outline < 0, level, tall))
    colour, metallic = build.metal_or("plastic", 0.82)
    albedo, roughness, marks = metal_surface(build, SIZE, colour, metallic, rng.uniform(0.03, 0.09))
    mark = lettering(
        build, SIZE, *rng.uniform(-0.3, 0.3, 2), rng.uniform(0.08, 0.18), rng.choice([0, 90]), rng.integers(3, 8), 0
    )
    mark = build.imprint(mark * (outline < 0)) * (rng.random() < 0.7)
    albedo = albedo * (1 - rng.uniform(0.1, 0.7) * mark)[..., None]
    part = Part(albedo, roughness, metallic, height + (marks - 0.012 * mark) * (outline < 0), floor=0.0)
    return [part.placed(angle=rng.choice([0, rng.uniform(0, 6.3)]), scale=rng.uniform(0.85, 1.02))]


def _profile(rng, steps=220):
    """A random turned outline: positions in 0..1, radii, and where its shoulders are."""
    along, count = np.linspace(0, 1, steps), int(rng.integers(2, 7))
    stops = np.sort(rng.uniform(0.08, 0.92, count - 1))
    radii = rng.uniform(0.12, 0.42, count)
    radius = np.full(steps, radii[0])
    for stop, level, before in zip(stops, radii[1:], radii):
        radius = radius + (level - before) * smoothstep(stop, stop + rng.choice([0.008, 0.008, 0.06, 0.15]), along)
    for _ in range(rng.integers(0, 4)):  # grooves and beads
        radius = radius + rng.choice([-0.04, -0.03, 0.03]) * np.exp(
            -(((along - rng.uniform(0.05, 0.95)) / rng.uniform(0.008, 0.02)) ** 2)
        )
    return along, radius * smoothstep(-0.002, 0.02, along) ** 0.5 * smoothstep(1.002, 0.98, along) ** 0.5, stops


@family("turned part", weight=1.4)
def turned_part(build):
    """A shaft or knob of random profile, with threads, knurls or flats."""
    rng, segments, size = build.rng, 96, 300
    build.name = str(rng.choice(["turned part", "shaft", "pin", "spindle", "fitting", "knob"]))
    along, radius, stops = _profile(rng)
    turns = np.arange(segments) / segments
    radius = radius[:, None] * np.ones(segments)
    start, long = rng.uniform(0.05, 0.7), rng.uniform(0.1, 0.3)
    zone = (smoothstep(start, start + 0.01, along) * smoothstep(start + long, start + long - 0.01, along))[:, None]
    style, pitch = rng.integers(4), rng.uniform(0.012, 0.03)
    pattern = np.zeros_like(radius)
    if style == 0:
        pattern = 0.016 * (1 - 2 * np.abs((along[:, None] / pitch - turns) % 1 - 0.5))
    elif style == 1:  # knurled
        pattern = (
            0.012
            * np.sin(2 * np.pi * (along[:, None] / pitch + 32 * turns))
            * np.sin(2 * np.pi * (along[:, None] / pitch - 32 * turns))
        )
    elif style == 2:  # hexagonal
        pattern = radius * (np.cos(np.pi / 6) / np.cos((turns * 2 * np.pi) % (np.pi / 3) - np.pi / 6) - 1)
    if change := build.change("worn_pattern", "scratched") if style in (0, 1) else None:
        at = start + long * change.uniform(0.2, 0.8)
        pattern = pattern * (1 - np.exp(-(((along - at) / (long * change.uniform(0.15, 0.4))) ** 4)))[:, None]
    radius = np.maximum(radius + zone * pattern, 0.003)
    vertices, faces = lathe(1.8 * along - 0.9, radius, segments)
    vertices[:, 2] += radius.max()
    colour, metallic = build.metal_or("plastic", 0.8)
    x, _ = grid(size)
    marks = ndimage.gaussian_filter1d(rng.normal(size=size), 0.8)[None] * np.ones((size, 1))
    albedo = mottled(rng, size, colour, 0.05) * (1 + 0.04 * marks)[..., None]
    if rng.random() < 0.25:  # one section coated
        albedo = over(albedo, paint(rng), smoothstep(0, 0.01, x - (2 * stops[0] - 1) * 0.9))
    part = Part(albedo, rng.uniform(0.18, 0.5) + 0.03 * marks, metallic, vertices=vertices, faces=faces)
    return build.several(part, 0.1)


@family("stamped sheet", weight=1.0)
def stamped_sheet(build):
    """Sheet metal with beads, louvres, embossings and rows of holes."""
    rng = build.rng
    x, y = grid(SIZE)
    outline = box(x, y, 0.93, rng.uniform(0.5, 0.93), rng.uniform(0.02, 0.2))
    relief = np.zeros((SIZE, SIZE))
    for _ in range(rng.integers(1, 5)):
        mark = box(
            *turn(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5), rng.choice([0, np.pi / 2])),
            rng.uniform(0.05, 0.5),
            rng.uniform(0.03, 0.3),
            0.03,
        )
        form = rng.integers(3)
        relief += (
            rng.choice([-1, 1])
            * 0.03
            * (
                smoothstep(0.02, -0.02, mark)
                if form == 0
                else np.exp(-((mark / 0.03) ** 2))
                if form == 1
                else smoothstep(0.05, -0.05, mark) * np.clip(1 + 8 * mark, 0, 1)
            )
        )
    height = plate(outline, 0.1, 0.015) + relief * (outline < 0)
    if rng.random() < 0.6:
        pitch, wide = rng.uniform(0.12, 0.35), rng.uniform(0.15, 0.32)
        low, high = np.sort(rng.uniform(-0.8, 0.8, 2))
        zone = (x > low) & (x < high) & (outline < -0.06)
        column, row = np.round(x / pitch), np.round(y / pitch)
        hole = np.hypot(repeat(x, pitch), repeat(y, pitch)) < wide * pitch
        inside = (np.abs(column * pitch) < 0.9) & zone
        if change := build.change("blocked_holes", "contaminated"):
            cx, cy = np.round(change.uniform([low, -0.3], [high, 0.3]) / pitch)
            inside &= ~((np.abs(column - cx) < 1.5) & (np.abs(row - cy) < 0.5))
        height = np.where(hole & inside, -0.1, height)
    colour, metallic = build.metal_or("painted metal", 0.75)
    albedo, roughness, marks = metal_surface(build, SIZE, colour, metallic)
    return [
        Part(albedo, roughness, metallic, height + marks * (outline < 0), floor=0.0).placed(
            angle=rng.choice([0, np.pi / 2]) + rng.normal(0, 0.15), scale=rng.uniform(0.9, 1.02)
        )
    ]


@family("casting", weight=0.9)
def casting(build):
    """A rough cast body with machined faces and bores."""
    rng = build.rng
    build.name = str(rng.choice(["casting", "cast part", "metal casting"]))
    x, y = grid(SIZE)
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    waves = sum(rng.normal(0, 0.06) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 6))
    outline = radius - 0.75 * (1 + waves)
    rough = noise(SIZE, 1.3, rng)
    height = plate(outline, rng.uniform(0.2, 0.4), rng.uniform(0.08, 0.2)) + (outline < -0.02) * 0.006 * rough
    metal = build.metal()
    albedo = metal * rng.uniform(0.5, 0.9) * (1 + 0.1 * rough + 0.06 * noise(SIZE, 2.4, rng))[..., None]
    roughness, top = np.full((SIZE, SIZE), rng.uniform(0.5, 0.75)), float(height.max())
    shine = machined(rng, SIZE)
    for _ in range(rng.integers(1, 5)):
        far, a, wide = rng.uniform(0, 0.5), rng.uniform(0, 6.3), rng.uniform(0.1, 0.28)
        ring = np.hypot(x - far * np.cos(a), y - far * np.sin(a))
        face = (ring < wide) & (outline < -0.04)
        height[face] = top + 0.04 + 0.0006 * shine[face]
        albedo[face], roughness[face] = metal * (1 + 0.05 * shine[face])[:, None], 0.3
        height[(ring < wide * rng.uniform(0.3, 0.6)) & (outline < -0.04)] = -0.1
    mark = build.imprint(
        lettering(build, SIZE, *rng.uniform(-0.3, 0.3, 2), 0.14, rng.choice([0, 90]), 4) * (outline < -0.05)
    )
    part = Part(albedo, roughness, 1.0, height + 0.02 * mark, floor=0.0)
    return [part.placed(angle=rng.uniform(0, 6.3), scale=rng.uniform(0.9, 1.05))]
