"""Bottles, cans, jars, boxes, labels, pouches, batteries: things with prints."""

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from ..build import family
from ..parts import Part, lathe
from ..textures import METALS, box, cover, grid, hsv, letters, mottled, noise, over, paint, smoothstep, word
from .shapes import CELL, SIZE, labelled, lettering, plate


def artwork(build, size, half_x, half_y):
    """A printed design, fields of colour, a title and small lines: (albedo (n, n, 3), coverage of the print (n, n))."""
    rng = build.rng
    x, y = grid(size)
    albedo = mottled(rng, size, np.full(3, rng.uniform(0.65, 0.88)) if rng.random() < 0.5 else paint(rng), 0.015)
    for _ in range(rng.integers(0, 4)):
        cx, cy, w, h = (
            rng.uniform(-half_x, half_x),
            rng.uniform(-half_y, half_y),
            rng.uniform(0.02, half_x),
            rng.uniform(0.02, 0.5 * half_y),
        )
        shape = rng.choice(["box", "disc", "band"])
        field = {
            "box": box(x - cx, y - cy, w, h, 0.02),
            "disc": np.hypot(x - cx, y - cy) - w * 0.6,
            "band": np.abs(y - cy) - 0.4 * h,
        }[shape]
        albedo = over(albedo, paint(rng), cover(field, 2 / size))
    title = letters(
        word(rng, rng.integers(3, 8)),
        size,
        rng.uniform(-0.1, 0.1) * half_x,
        rng.uniform(0, 0.5) * half_y,
        rng.uniform(0.14, 0.3) * min(half_x, half_y * 1.4),
        0,
        3,
    )
    albedo, print_ = labelled(build, albedo, title)
    small = np.zeros((size, size), np.float32)
    for line in range(int(rng.integers(1, 6))):
        text = " ".join(word(rng, rng.integers(3, 8)) for _ in range(rng.integers(1, 4)))
        small = np.maximum(small, letters(text, size, 0, -0.15 * half_y - 0.14 * line * half_y, 0.085 * half_y, 0, 0))
    ink = 0.03 if albedo.mean() > 0.25 else 0.8
    small *= box(x, y, half_x, half_y) < 0
    return over(albedo, np.full(3, ink), small), np.maximum(print_, small)


def barcode(rng, size, cx, cy, half_x, half_y):
    """Bars as a mask (n, n)."""
    x, y = grid(size)
    bars = (rng.random(int(rng.integers(30, 60))) < 0.5) * 1.0
    column = np.clip(((x - cx + half_x) / (2 * half_x) * len(bars)).astype(int), 0, len(bars) - 1)
    return bars[column] * (np.abs(x - cx) < half_x) * (np.abs(y - cy) < half_y)


@family("label", weight=1.1)
def label(build):
    rng, size = build.rng, 420
    build.material = "paper"
    half_y = rng.uniform(0.5, 0.93)
    x, y = grid(size)
    albedo, _ = artwork(build, size, 0.9, half_y)
    if rng.random() < 0.7:
        code = barcode(rng, size, rng.uniform(-0.3, 0.3), -half_y + 0.17, rng.uniform(0.3, 0.5), 0.1)
        if change := build.change("barcode_damaged", "badly printed"):
            code = code * (np.abs(y + half_y - 0.17 - change.uniform(-0.06, 0.06)) > 0.025)
        albedo = over(over(albedo, np.full(3, 0.85), box(x, y + half_y - 0.17, 0.58, 0.13) < 0), np.full(3, 0.03), code)
    height = plate(box(x, y, 0.93, half_y, rng.choice([0.01, 0.08])), 0.02, 0.01) + 0.0006 * noise(size, 3.4, rng)
    if change := build.change("corner_folded", "deformed"):
        sx, sy = change.choice([-1, 1], 2)
        fold = sx * x + sy * y - (0.93 + half_y - change.uniform(0.2, 0.5))
        inside = (fold > 0) & (height > 0)
        height = np.where(inside & (fold < 0.5), -0.1, height)
        band = (np.abs(fold + 0.12) < 0.12) & (height > 0)
        height, albedo = height + 0.04 * band, over(albedo, np.full(3, 0.75), band * 1.0)
    part = Part(albedo, rng.uniform(0.15, 0.6), height=height, floor=0.0)
    return [part.placed(angle=rng.choice([0, 0, np.pi / 2, np.pi]) + rng.uniform(-0.15, 0.15))]


@family("carton", weight=1.0)
def carton(build):
    rng, size = build.rng, 420
    build.material = "cardboard"
    x, y = grid(size)
    half_y = rng.uniform(0.4, 0.9)
    plain = rng.random() < 0.3
    if plain:
        brown = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.35, 0.55), rng.uniform(0.45, 0.75)) ** 1.2
        ribs = 0.02 * np.sin(x * rng.uniform(100, 160))
        albedo = brown * (1 + ribs + 0.03 * noise(size, 1.6, rng))[..., None]
        albedo, _ = labelled(
            build,
            albedo,
            lettering(build, size, rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2), rng.uniform(0.1, 0.3), bold=2),
        )
        tape = cover(np.abs(y) - 0.09, 2 / size) * rng.integers(2)
        albedo = over(albedo, hsv(0.1, 0.5, 0.6), 0.7 * tape)
    else:
        albedo, _ = artwork(build, size, 0.88, half_y)
    outline = box(x, y, 0.9, half_y, 0.015)
    height = plate(outline, rng.uniform(0.2, 0.5), 0.015) + (outline < 0) * 0.004 * noise(size, 3.6, rng)
    if rng.random() < 0.5:
        lid = np.abs(x - rng.choice([-0.75, 0.75])) < 0.006
        height, albedo = height - 0.02 * lid, albedo * np.where(lid, 0.5, 1)[..., None]
    if change := build.change("crushed_corner", "deformed"):
        sx, sy = change.choice([-1, 1], 2)
        far = np.hypot(x - 0.9 * sx, y - half_y * sy)
        crush = smoothstep(change.uniform(0.2, 0.45), 0, far)
        height = np.where(outline < 0, height - crush * (0.15 + 0.04 * noise(size, 2.6, change)), height)
        albedo = albedo * (1 - 0.2 * crush)[..., None]
    part = Part(albedo, rng.uniform(0.25, 0.8), height=np.maximum(height, -0.1), floor=0.0)
    return [part.placed(angle=rng.choice([0, np.pi / 2]) + rng.uniform(-0.3, 0.3), scale=rng.uniform(0.85, 1))]


@family("pouch", weight=1.0)
def pouch(build):
    rng, size = build.rng, 400
    build.material = "foil"
    x, y = grid(size)
    half_y = rng.uniform(0.5, 0.9)
    outline = box(x, y, 0.9, half_y, 0.02)
    zig = rng.random() < 0.6
    if zig:
        outline = np.maximum(outline, np.abs(x) - 0.9 + 0.012 * np.sin(y * 90))
    pillow = np.clip(1 - (x / 0.8) ** 4, 0, 1) * np.clip(1 - (y / half_y) ** 2, 0, 1)
    crumpled = np.abs(noise(size, 3.0, rng)) * rng.uniform(0.01, 0.035)
    height = plate(outline, 0.04, 0.01) + (outline < 0) * (rng.uniform(0.1, 0.3) * pillow**0.7 + crumpled * pillow**0.5)
    seal = smoothstep(0.78, 0.8, np.abs(x))
    height += (outline < 0) * seal * 0.006 * np.sin(x * 200)
    albedo, _ = artwork(build, size, 0.7, half_y * 0.85)
    albedo = over(albedo, np.full(3, 0.7), seal * rng.integers(2))
    if change := build.change("open_seal", "incomplete"):
        torn = (
            change.choice([-1, 1]) * x
            - 0.82
            + 0.03 * noise(size, 2.5, change)
            + 0.3 * np.clip(np.abs(y - change.uniform(-0.3, 0.3)) - 0.15, 0, None)
        )
        height = np.where(torn > 0, -0.1, height)
    part = Part(albedo, rng.uniform(0.15, 0.4), rng.choice([0, 0, 0.4]), height, floor=0.0)
    return [part.placed(angle=rng.choice([0, np.pi / 2]) + rng.uniform(-0.2, 0.2), scale=rng.uniform(0.9, 1.02))]


@family("bottle", weight=1.6, without=("starred",))
def bottle_top(build):
    """Looking into the mouth of a bottle from above."""
    rng = build.rng
    build.material = str(rng.choice(["glass", "glass", "plastic"]))
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    lip = rng.uniform(0.42, 0.62)
    brim = lip + rng.uniform(0.08, 0.17)
    stops = [
        0,
        0.1,
        lip - 0.12,
        lip - 0.02,
        lip + 0.03,
        (lip + brim) / 2,
        brim - 0.02,
        brim + 0.04,
        0.8,
        0.93,
        0.97,
        1.5,
    ]
    levels = np.array([0.02, 0.02, 0.05, 0.15, 0.62, 0.68, 0.62, 0.42, 0.3, 0.12, -0.05, -0.05])
    levels[4:7] *= rng.uniform(0.7, 1.1)
    levels[7:9] *= rng.uniform(0.5, 1.2)
    height = PchipInterpolator(stops, levels)(radius).astype(np.float32) + 0.002 * noise(SIZE, 3.5, rng)
    if rng.random() < 0.6:  # a thread on the shoulder
        height += 0.03 * np.exp(-(((radius - brim - 0.1 - 0.015 * np.sin(angle)) / 0.025) ** 2))
    height += 0.02 * np.cos(rng.integers(0, 3) * angle) * (radius > brim) * (radius < 0.93)
    dark = rng.random() < 0.65
    colour = hsv(rng.uniform(0.03, 0.4), rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.2)) if dark else paint(rng)
    rings = smoothstep(0.03, 0, np.abs(radius - (lip + brim) / 2)) + 0.6 * smoothstep(
        0.02, 0, np.abs(radius - rng.uniform(0.75, 0.88))
    )
    albedo = (
        mottled(rng, SIZE, colour, 0.1)
        * (1 + rng.uniform(0, 4) * rings + rng.uniform(0, 0.3) * np.cos(angle - rng.uniform(0, 6)))[..., None]
    )
    albedo[radius < lip - 0.05] *= rng.uniform(0.15, 1.5)
    if change := build.change("chipped_mouth", "incomplete"):
        at, wide = change.uniform(0, 6.3), change.uniform(0.06, 0.3)
        gap = np.abs(np.angle(np.exp(1j * (angle - at)))) / wide + 0.15 * noise(SIZE, 2.4, change)
        chip = smoothstep(1.05, 0.95, gap) * (radius > lip - 0.05) * (radius < brim + 0.06 * change.uniform(0, 1))
        height -= chip * (0.1 + 0.2 * change.random() + 0.02 * noise(SIZE, 2.2, change))
        albedo = over(albedo, np.clip(albedo * 1.5 + 0.12, 0, 0.8), chip * 0.8)
    if change := build.change("object_inside", "contaminated"):
        cx, cy = change.uniform(-0.5, 0.5, 2) * lip
        lump = np.hypot(x - cx, y - cy) - change.uniform(0.08, 0.3) * lip * (1 + 0.3 * noise(SIZE, 2.6, change))
        albedo = over(albedo, paint(change), cover(lump, CELL))
        height = np.maximum(height, np.where(lump < 0, 0.12, -1))
    part = Part(albedo, rng.uniform(0.07, 0.3), height=height, floor=0.0)
    return [part.placed(scale=rng.uniform(0.88, 1))]


@family("plastic bottle", weight=1.3)
def bottle_side(build):
    rng, size, segments = build.rng, 512, 96
    build.material = str(rng.choice(["plastic", "plastic", "glass"]))
    along = np.linspace(0, 1, 160)
    body, neck, shoulder = rng.uniform(0.26, 0.42), rng.uniform(0.09, 0.16), rng.uniform(0.5, 0.62)
    radius = body * smoothstep(-0.004, 0.035, along) ** 0.4
    radius = radius + (neck - body) * smoothstep(shoulder, shoulder + rng.uniform(0.08, 0.25), along)
    if rng.random() < 0.5:
        radius = radius * (1 + 0.015 * np.sin(along * rng.uniform(60, 120)) * smoothstep(0.45, 0.3, along))
    vertices, faces = lathe(1.8 * along - 0.92, np.maximum(radius, 0.01), segments)
    if change := build.change("caved_in", "deformed"):
        cave = np.exp(-(((vertices[:, 0] - change.uniform(-0.6, 0)) / change.uniform(0.12, 0.3)) ** 2))
        vertices[:, 1] -= change.choice([-1, 1]) * change.uniform(0.1, 0.25) * cave * (np.abs(vertices[:, 1]) / body)
        vertices[:, 2] -= 0.4 * body * cave * (vertices[:, 2] > 0)
    vertices[:, 2] += body
    x, y = grid(size)
    colour = paint(rng)
    albedo, roughness = mottled(rng, size, colour, 0.03), np.full((size, size), rng.uniform(0.08, 0.45))
    if rng.random() < 0.8:
        low, high = rng.uniform(-0.85, -0.6), rng.uniform(-0.15, 0.1)
        field = (x > low) & (x < high)
        art, _ = artwork(build, size, (high - low) / 2, body)
        art = np.roll(art, int((low + high) / 4 * size), 1)
        if rng.random() < 0.5:
            art = np.swapaxes(np.roll(art, -int((low + high) / 4 * size), 1), 0, 1)
            art = np.roll(art, int((low + high) / 4 * size), 1)
        if change := build.change("label_torn", "incomplete"):
            cx, cy, wide = change.choice([low, high]), change.uniform(-0.7, 0.7) * body, change.uniform(0.06, 0.2)
            field = field & (np.hypot(x - cx, y - cy) > wide * (1 + 0.3 * noise(size, 2.5, change)))
        if change := build.change("label_crooked", "incomplete"):
            slant = change.choice([-1, 1]) * change.uniform(0.15, 0.35)
            field = (x + slant * y > low) & (x + slant * y < high)
        albedo[field], roughness[field] = art[field], rng.uniform(0.2, 0.6)
    parts = [Part(albedo, roughness, vertices=vertices, faces=faces)]
    long, wide, knurls = rng.uniform(0.14, 0.24), neck * rng.uniform(1.1, 1.4), rng.integers(0, 40)
    turns = np.arange(segments) / segments * 2 * np.pi
    rim = np.linspace(0, 1, 20)
    cap_radius = (wide * (1 - 0.12 * smoothstep(0.85, 1, rim)))[:, None] * (1 + 0.02 * np.cos(turns * knurls))
    cap_vertices, cap_faces = lathe(0.92 - long + long * rim, cap_radius, segments)
    cap_vertices[:, 2] += body
    cap_colour = paint(rng)
    if change := build.change("cap_tilted", "deformed"):
        angle = change.choice([-1, 1]) * change.uniform(0.15, 0.35)
        u, v = cap_vertices[:, 0] - 0.92 + long, cap_vertices[:, 1].copy()
        cap_vertices[:, 0], cap_vertices[:, 1] = (
            0.92 - long + u * np.cos(angle) - v * np.sin(angle),
            u * np.sin(angle) + v * np.cos(angle),
        )
    if not build.change("missing_cap", "incomplete"):
        parts.append(
            Part(mottled(rng, 128, cap_colour, 0.03), rng.uniform(0.15, 0.5), vertices=cap_vertices, faces=cap_faces)
        )
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.choice([np.pi / 2, -np.pi / 2, 0])
    return [part.placed(angle=angle) for part in parts]


@family("bottle cap")
def bottle_cap(build):
    rng, size = build.rng, 360
    x, y = grid(size)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    teeth = int(rng.integers(18, 90))
    crown = rng.random() < 0.5
    build.material = "painted metal" if crown else "plastic"
    wave = np.cos(teeth * angle)
    outline = radius - (0.86 + (0.03 if crown else 0.012) * wave)
    height = plate(outline, rng.uniform(0.25, 0.45), 0.1 if crown else 0.04)
    height += 0.05 * smoothstep(0.72, 0.66, radius) - 0.03 * rng.integers(2) * smoothstep(0.6, 0.55, radius)
    albedo, _ = artwork(build, size, 0.55, 0.55)
    base = paint(rng)
    albedo = over(albedo, base, smoothstep(0.6, 0.62, radius))
    if change := build.change("bent_rim", "deformed"):
        at = change.uniform(0, 6.3)
        gap = np.angle(np.exp(1j * (angle - at))) / change.uniform(0.15, 0.4)
        height = np.where((radius > 0.7) & (outline < 0), height * (1 - 0.7 * np.exp(-(gap**2))), height)
    part = Part(albedo, rng.uniform(0.15, 0.45), 0.0, height, floor=0.0)
    return build.several(part, 0.25)


@family("can", weight=1.0)
def can(build):
    """The lid of a can from above, or the can on its side."""
    rng, size = build.rng, 400
    x, y = grid(size)
    build.material = "aluminium"
    radius = np.hypot(x, y)
    metal = np.array(METALS["aluminium"]) if rng.random() < 0.6 else np.array(METALS["brass"]) * 0.9
    height = np.where(radius < 0.82, 0.2, plate(radius - 0.9, 0.3, 0.03))
    for at in np.sort(rng.uniform(0.2, 0.8, rng.integers(1, 5))):
        height += rng.choice([-1, 1]) * 0.015 * np.exp(-(((radius - at) / 0.015) ** 2))
    marks = ndimage.gaussian_filter1d(rng.normal(size=2 * size), 0.8)[(radius * size / 2).astype(int)]
    albedo = metal * (1 + 0.05 * marks + 0.02 * noise(size, 2, rng))[..., None]
    outline = np.hypot(x, (y - 0.32) * 1.1) - 0.3
    height -= 0.012 * np.exp(-((outline / 0.012) ** 2))  # the score of the opening
    if not build.change("missing_tab", "incomplete"):
        tab = np.minimum(box(x, y + 0.1, 0.16, 0.26, 0.14), box(x, y - 0.1, 0.1, 0.1, 0.08))
        if change := build.change("tab_turned", "deformed"):
            a = change.choice([-1, 1]) * change.uniform(0.2, 0.6)
            u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
            tab = np.minimum(box(u, v + 0.1, 0.16, 0.26, 0.14), box(u, v - 0.1, 0.1, 0.1, 0.08))
        opening = box(x, y + 0.18, 0.09, 0.12, 0.08)
        height = np.where((tab < 0) & (opening > 0), 0.27, height)
    mark = build.imprint(letters(word(rng, 7), size, 0, -0.6, 0.1, 0, 0))
    albedo = over(albedo, np.full(3, 0.03), mark * rng.uniform(0.6, 1))
    return [
        Part(albedo, rng.uniform(0.2, 0.4), 1.0, height, floor=0.0).placed(
            angle=rng.uniform(0, 6.3), scale=rng.uniform(0.9, 1.02)
        )
    ]


@family("battery")
def battery(build):
    rng, size = build.rng, 512
    build.material = "painted metal"
    along, thick, knob = np.linspace(-0.9, 0.9, 120), rng.uniform(0.2, 0.38), rng.uniform(0.04, 0.08)
    edge = np.minimum((along + 0.9) / 0.03, np.clip(0.9 - knob - along, 0, None) / 0.03)
    radius = np.where(along > 0.9 - knob, thick * 0.35, thick * np.clip(edge, 0, 1) ** 0.3)
    vertices, faces = lathe(along, np.maximum(radius, 0.005))
    vertices[:, 2] += thick
    x, y = grid(size)
    first, second, joint = paint(rng), paint(rng), rng.uniform(0.2, 0.6)
    albedo = np.where((x < joint)[..., None], first, second) * (1 + 0.01 * noise(size, 2, rng))[..., None]
    ends = (x > 0.86 - knob) | (x < -0.86)
    print_ = lettering(
        build, size, -0.15, 0, rng.uniform(0.7, 1.0) * thick, rng.choice([0, 0, 180]), rng.integers(4, 7), 3
    )
    print_ = np.maximum(print_, letters(word(rng, 9), size, -0.2, -0.62 * thick, 0.2 * thick, 0, 0))
    albedo, _ = labelled(build, albedo, print_)
    albedo = over(albedo, np.full(3, 0.8), letters("+", size, 0.72 - knob, 0, 0.5 * thick, 0, 2))
    albedo[ends] = METALS["nickel"]
    part = Part(albedo, rng.uniform(0.12, 0.35), ends * 1.0, vertices=vertices, faces=faces)
    return build.several(part, 0.2)


@family("jar lid", weight=0.8)
def jar_lid(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    colour, metallic = build.metal_or("painted metal", 0.4)
    ribs = int(rng.integers(40, 120))
    outline = radius - 0.9 - 0.006 * np.cos(ribs * angle)
    height = plate(outline, 0.3, 0.06)
    rim = rng.uniform(0.6, 0.8)
    height -= 0.04 * smoothstep(rim, rim - 0.05, radius)
    if rng.random() < 0.5:
        height += 0.03 * smoothstep(0.36, 0.3, radius)  # the safety button
        if build.change("button_popped", "deformed"):
            height += 0.09 * smoothstep(0.36, 0.05, radius)
    albedo = mottled(rng, SIZE, colour, 0.04)
    if rng.random() < 0.7:
        ring = sum(
            letters(character, SIZE, 0.5 * np.cos(a), 0.5 * np.sin(a), 0.14, np.degrees(a) - 90)
            for character, a in zip(word(rng, 12), np.arange(12) * np.pi / 6)
        )
        albedo, _ = labelled(build, albedo, np.clip(ring, 0, 1))
    return build.several(Part(albedo, rng.uniform(0.2, 0.5), metallic, height, floor=0.0), 0.15)
