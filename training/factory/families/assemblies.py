"""Things of many parts and flexible things: trays, rope, chain, brush, zipper, bolts."""

import numpy as np

from ..build import family
from ..parts import Part, lathe, tube
from ..textures import METALS, box, grid, machined, mottled, noise, over, paint, polygon, smoothstep
from .shapes import SIZE, metal_surface, plate


@family("tray of parts", weight=1.2)
def tray(build):
    """Equal pieces in rows: caps, blocks, rings, hexagons."""
    rng = build.rng
    columns, rows = rng.integers(3, 7, 2)
    x, y = grid(SIZE)
    bottom = plate(box(x, y, 0.94, 0.94, 0.06), 0.08, 0.02)
    bottom = np.where((box(x, y, 0.88, 0.88, 0.05) > 0) & (bottom > 0), 0.2, bottom)
    base = Part(mottled(rng, SIZE, paint(rng), 0.04), rng.uniform(0.3, 0.7), height=bottom, floor=0.0)
    pitch, style = 1.7 / max(columns, rows), rng.integers(5)
    size, tall, bevel = pitch * rng.uniform(0.34, 0.45), rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.9)
    u, v = grid(112, 0.3)
    distance = (
        np.hypot(u, v) - size,
        box(u, v, size * 0.9, size * 0.9, size * 0.3),
        polygon(u, v, 6, size * 0.85),
        np.maximum(np.hypot(u, v) - size, size * 0.45 - np.hypot(u, v)),
        box(u, v, size * 0.45, size, size * 0.2),
    )[style]
    other = box(u, v, size * 0.75, size * 0.75, 0.01) if style == 0 else np.hypot(u, v) - size * 0.8
    shapes = [
        0.3 * plate(each / 0.3, tall / 0.3, max(size * bevel * 0.8, 0.012) / 0.3, -0.1, 0.7)
        for each in (distance, other)
    ]
    metal = rng.random() < 0.35
    colours = [build.metal() if metal else paint(rng) for _ in range(rng.integers(1, 4))]
    pattern, count = rng.integers(3), columns * rows
    gone, odd, turned = (
        build.pick("missing_part", "incomplete", count),
        build.pick("odd_colour", "stained", count),
        build.pick("misplaced", "deformed", count),
    )
    small, wrong = build.pick("wrong_size", "deformed", count), build.pick("wrong_part", "incomplete", count)
    on_tray = rng.random() < 0.75
    parts = [base] if on_tray else []
    for number in range(count):
        own = np.random.default_rng([number, int(1e6 * size)])
        i, j = number % columns, number // columns
        cx, cy, angle, scale = (
            (i - (columns - 1) / 2) * 1.7 / columns,
            (j - (rows - 1) / 2) * 1.7 / rows,
            own.normal(0, 0.05),
            own.uniform(0.97, 1.03),
        )
        colour = colours[(number, i, 0)[pattern] % len(colours)]
        if number == gone:
            continue
        if number == odd:
            colour = np.clip(1 - colour, 0.05, 0.9) if own.random() < 0.5 else colour * 0.2
        if number == turned:
            cx, cy, angle = cx + 0.15 * pitch, cy - 0.1 * pitch, angle + 0.6
        if number == small:
            scale *= 0.68
        piece = Part(mottled(own, 112, colour, 0.04), 0.3, float(metal), shapes[number == wrong], floor=0.0, extent=0.3)
        parts.append(piece.placed(cx, cy, 0.07 if on_tray else 0.0, angle, scale))
    angle = rng.uniform(-0.15, 0.15)
    return [part.placed(angle=angle) for part in parts]


@family("rope", weight=0.8)
def rope(build):
    rng, parts = build.rng, []
    build.material = "hemp"
    along = np.linspace(-1.3, 1.3, 160)
    strands, thick, pitch = int(rng.integers(2, 5)), rng.uniform(0.1, 0.2), rng.uniform(0.25, 0.5)
    bend, phase = rng.uniform(0, 0.25), rng.uniform(0, 6.3)
    frayed, loose = build.change("cut_strand", "incomplete"), build.change("loose_strand", "deformed")
    victim = int((frayed or loose).integers(strands)) if frayed or loose else None
    colours = [paint(rng)] * strands if rng.random() < 0.6 else [paint(rng) for _ in range(strands)]
    for strand in range(strands):
        turn_ = 2 * np.pi * (along / pitch + strand / strands)
        out = np.full(160, thick)
        if strand == victim and loose:
            out = out * (1 + 1.2 * np.exp(-(((along - loose.uniform(-0.5, 0.5)) / 0.15) ** 2)))
        path = np.stack(
            [along, bend * np.sin(2 * along + phase) + out * np.cos(turn_), 1.9 * thick + out * np.sin(turn_)], 1
        )
        pieces = [path]
        if strand == victim and frayed:
            at = frayed.uniform(-0.5, 0.5)
            pieces = [path[along < at - 0.06], path[along > at + 0.06]]
        yarn = 0.25 * np.sin(np.arange(256) * rng.uniform(0.8, 1.6))[None] + 0.15 * noise(256, 1, rng)
        albedo = np.clip(colours[strand] * (1 + yarn)[..., None], 0.01, 0.9)
        for piece in pieces:
            vertices, faces = tube(piece, thick * 0.95, 18)
            vertices = vertices + 0.008 * np.sin(vertices[:, :1] * 150) * (0, 1, 0)
            parts.append(Part(albedo, 0.85, vertices=vertices, faces=faces, extent=1.4))
    angle = rng.uniform(0, 6.3)
    return [part.placed(angle=angle) for part in parts]


@family("chain", weight=0.7)
def chain(build):
    rng, parts = build.rng, []
    links, wire = int(rng.integers(5, 10)), rng.uniform(0.03, 0.06)
    long = 1.9 / (links * 0.62 + 0.4)
    turn_ = np.linspace(0, 2 * np.pi, 48)
    metal = build.metal()
    gone, opened = build.pick("missing_link", "incomplete", links), build.pick("open_link", "deformed", links)
    skin = mottled(rng, 128, metal, 0.08)
    for link in range(links):
        own = np.random.default_rng([link, int(1e6 * wire)])
        keep = slice(4, -6) if link == opened else slice(None)
        ring = np.stack([0.5 * long * np.cos(turn_ + 0.6), 0.3 * long * np.sin(turn_ + 0.6), 0 * turn_], 1)[keep]
        tilt = (0.75 if link % 2 else -0.75) + own.normal(0, 0.06)
        ring = np.stack([ring[:, 0], ring[:, 1] * np.cos(tilt), ring[:, 1] * np.sin(tilt)], 1)
        if link == opened:
            ring[-10:, 1] += np.linspace(0, 0.12, 10) * long
        vertices, faces = tube(
            ring + (0.95 * (link - (links - 1) / 2) * 0.66 * long, 0.02 * own.normal(), 0.3 * long + wire), wire, 12
        )
        if link != gone:
            parts.append(Part(skin, 0.3, 1.0, vertices=vertices, faces=faces))
    angle = rng.uniform(0, 6.3)
    return [part.placed(angle=angle, scale=0.98) for part in parts]


@family("toothbrush", weight=0.9)
def brush(build):
    """The head of a brush from above: tufts of bristles on a plate."""
    rng = build.rng
    size, width = 440, rng.uniform(0.32, 0.5)
    x, y = grid(size)
    capsule = np.hypot(np.clip(np.abs(x) - 0.9 + width, 0, None), y) - width
    height = plate(capsule, 0.12, 0.05)
    albedo = mottled(rng, size, paint(rng), 0.02)
    columns, rows = int(rng.integers(8, 13)), int(rng.integers(3, 6))
    step_x, step_y = 1.56 / columns, (2 * width - 0.12) / rows
    colours = [paint(rng) if rng.random() < 0.8 else np.full(3, 0.8) for _ in range(rng.integers(1, 4))]
    spots = [
        (-0.78 + (i + 0.5) * step_x, -width + 0.06 + (j + 0.5) * step_y, i, j)
        for i in range(columns)
        for j in range(rows)
    ]
    spots = [s for s in spots if np.hypot(max(abs(s[0]) - 0.9 + width, 0), s[1]) < width - 0.06]
    gone, splayed, odd = (
        build.pick("missing_tuft", "incomplete", len(spots)),
        build.pick("splayed_tufts", "deformed", len(spots)),
        build.pick("odd_tuft", "stained", len(spots)),
    )
    pattern, radius, long = rng.integers(3), min(step_x, step_y) * rng.uniform(0.42, 0.52), rng.uniform(0.2, 0.4)
    for number, (cx, cy, i, j) in enumerate(spots):
        own = np.random.default_rng([number, int(1e6 * radius)])
        colour = colours[(i, j, i + j)[pattern] % len(colours)]
        if number == gone:
            hole = np.hypot(x - cx, y - cy) < 0.6 * radius
            height[hole], albedo[hole] = 0.03, albedo[hole] * 0.3
            continue
        if number == odd:
            colour = np.clip(1 - colour, 0.03, 0.9)
        near = splayed is not None and np.hypot(cx - spots[splayed][0], cy - spots[splayed][1]) < 0.16
        count = 34
        a, far = own.uniform(0, 6.3, count), radius * np.sqrt(own.uniform(0, 1, count)) * (1.9 if near else 1)
        for bx, by, level in zip(
            cx + far * np.cos(a) + (0.08 if near else 0), cy + far * np.sin(a), own.uniform(0.86, 1, count)
        ):
            r0, c0 = (int((v + 1) / 2 * size) for v in (by, bx))
            window = slice(max(r0 - 5, 0), r0 + 6), slice(max(c0 - 5, 0), c0 + 6)
            dot = np.hypot(x[window] - bx, y[window] - by) < 0.015
            height[window] = np.where(dot, 0.12 + long * level, height[window])
            albedo[window] = np.where(dot[..., None], colour * own.uniform(0.8, 1.1), albedo[window])
    part = Part(albedo, 0.4, height=height, floor=0.0)
    return [part.placed(angle=rng.choice([0, np.pi / 2, rng.uniform(0, 6.3)]), scale=rng.uniform(0.9, 1.02))]


@family("zipper", fills=True, weight=0.9, without=("crazing", "starred", "pores"))
def zipper(build):
    rng, size = build.rng, 400
    build.material = "fabric"
    x, y = grid(size)
    weave = np.sin(x * rng.uniform(90, 150)) * np.sin(y * rng.uniform(90, 150))
    tape = paint(rng)
    albedo = tape * (1 + 0.2 * weave + 0.08 * noise(size, 1.5, rng))[..., None]
    height = 0.05 + 0.005 * weave + 0.02 * smoothstep(0.3, 0.2, np.abs(x)) + 0.001 * noise(size, 2, rng)
    seam = np.abs(np.abs(x) - rng.uniform(0.45, 0.65))
    albedo = over(albedo, tape * rng.uniform(0.4, 1.6), smoothstep(0.02, 0.01, seam) * (np.sin(y * 60) > -0.3))
    roughness, metallic = np.full((size, size), 0.9), np.zeros((size, size))
    pitch, wide, metal = rng.uniform(0.1, 0.18), rng.uniform(0.1, 0.16), rng.random() < 0.65
    colour = np.array(METALS[rng.choice(["brass", "nickel", "steel", "aluminium"])]) if metal else paint(rng)
    count = int(2 / pitch)
    gone, bent = build.pick("missing_tooth", "incomplete", count), build.pick("bent_tooth", "deformed", count)
    split = build.change("split_teeth", "deformed")
    middle, gap_width, reach = (
        (split.uniform(-0.4, 0.4), split.uniform(0.04, 0.14), split.uniform(0.15, 0.35)) if split else (0, 0, 1)
    )
    for tooth in range(count):
        for side in (-1, 1):
            at = -1 + (tooth + 0.5 * (side > 0)) * pitch
            if side > 0 and tooth == gone:
                continue
            gap = gap_width * np.exp(-(((at - middle) / reach) ** 2))
            u, v = side * x - gap, y - at
            if side > 0 and tooth == bent:
                v = v - 0.6 * (u - wide)
            body = box(u - wide * 0.45, v, wide * 0.95, pitch * 0.19, 0.015)
            head = np.hypot(u + 0.1 * wide, v) - pitch * 0.25
            root = box(u - wide * 1.2, v, wide * 0.3, pitch * 0.3, 0.02)
            shape = np.minimum(np.minimum(body, head), root)
            inside = shape < 0
            height[inside] = (0.09 + 0.06 * smoothstep(0, -0.03, shape))[inside]
            albedo[inside], metallic[inside], roughness[inside] = colour, float(metal), 0.3
    part = Part(albedo, roughness, metallic, height)
    return [part.placed(angle=rng.choice([0, np.pi / 2]) + rng.uniform(-0.12, 0.12), scale=1.3)]


@family("bolt", weight=1.0)
def bolt(build):
    """A hexagon bolt, threaded rod or rivet on its side, with its nut now and then."""
    rng, segments = build.rng, 96
    along = np.linspace(0, 1, 320)
    turns = np.arange(segments) / segments
    shaft, head, long = rng.uniform(0.13, 0.24), rng.uniform(1.6, 2.1), rng.uniform(0.14, 0.22)
    pitch, start = rng.uniform(0.025, 0.05), rng.uniform(0.25, 0.6)
    hexagon = np.cos(np.pi / 6) / np.cos((turns * 2 * np.pi) % (np.pi / 3) - np.pi / 6)
    thread = (
        0.14
        * shaft
        * (1 - 2 * np.abs((along[:, None] / pitch - turns) % 1 - 0.5))
        * smoothstep(start, start + 0.02, along)[:, None]
    )
    if change := build.change("worn_thread", "scratched"):
        thread = (
            thread * (1 - np.exp(-(((along - change.uniform(start, 1)) / change.uniform(0.03, 0.1)) ** 4)))[:, None]
        )
    radius = shaft * np.ones((320, segments)) + thread - 0.3 * shaft * smoothstep(0.97, 1.0, along)[:, None]
    chamfer = np.minimum(np.minimum(along / 0.03, (long - along) / 0.02), 1).clip(0)[:, None]
    radius = np.where(
        (along < long)[:, None],
        np.minimum(shaft * head * hexagon * 1.1, shaft * head * (0.86 + 0.22 * chamfer)),
        radius,
    )
    if rng.random() < 0.35:
        at = rng.uniform(start, 0.85)
        nut = (along > at) & (along < at + 0.13)
        radius = np.where(nut[:, None], shaft * 1.75 * hexagon, radius)
    radius = np.where((along <= 0)[:, None], 0.01, radius)
    vertices, faces = lathe(1.8 * along - 0.9, radius, segments)
    vertices[:, 2] += shaft * head * 0.95
    metal = build.metal()
    albedo = mottled(rng, 256, metal, 0.06) * (1 + 0.03 * machined(rng, 256))[..., None]
    return build.several(Part(albedo, rng.uniform(0.2, 0.5), 1.0, vertices=vertices, faces=faces), 0.15)


@family("pipe fitting", weight=0.8)
def pipe(build):
    """A bent pipe with collars."""
    rng, parts = build.rng, []
    colour, metallic = build.metal_or("plastic", 0.7)
    bow, thick = rng.uniform(0.3, 1.6), rng.uniform(0.12, 0.22)
    sweep = np.linspace(-0.5, 0.5, 90) * bow
    arc = 1.7 / bow
    path = np.stack([arc * np.sin(sweep), arc * (np.cos(sweep) - 1) + 0.25 * bow, np.full(90, thick * 1.3)], 1)
    radius = np.full(90, thick)
    for at in (0, 88):  # collars at the ends
        near = np.abs(np.arange(90) - at) < rng.integers(5, 12)
        radius = np.where(near, thick * rng.uniform(1.12, 1.3), radius)
    if change := build.change("kinked", "deformed"):
        at = change.integers(25, 65)
        radius = radius * (
            1 - change.uniform(0.3, 0.55) * np.exp(-(((np.arange(90) - at) / change.uniform(2.5, 6)) ** 2))
        )
    size = 256
    vertices, faces = tube(path, radius, 48)
    albedo, roughness, _ = metal_surface(build, SIZE, colour, metallic)
    parts.append(
        Part(albedo[:size, :size], roughness[:size, :size], metallic, vertices=vertices, faces=faces, extent=1.1)
    )
    return build.several(parts[0], 0.1)


@family("wire mesh basket", weight=0.6, without=("scuff", "abrasion", "pores", "crazing", "discoloured"))
def rack(build):
    """A frame with parallel bars welded on."""
    rng, parts = build.rng, []
    metal = build.metal() if rng.random() < 0.6 else paint(rng)
    metallic = 0.0 if build.material == "plastic" else 1.0
    build.name = str(rng.choice(["wire rack", "grille", "wire basket"]))
    bars, thin = int(rng.integers(6, 14)), rng.uniform(0.02, 0.035)
    half_y = rng.uniform(0.5, 0.88)
    gone, bent = build.pick("missing_bar", "incomplete", bars), build.change("bent_bar", "deformed")
    victim = int(bent.integers(bars)) if bent else None
    t = np.linspace(-1, 1, 50)
    corner = [(-0.9, -half_y), (0.9, -half_y), (0.9, half_y), (-0.9, half_y), (-0.9, -half_y)]
    frame = np.concatenate([np.linspace(a, b, 40) for a, b in zip(corner, corner[1:])])
    lines = [np.c_[frame, np.full(len(frame), thin)]]
    for bar in range(bars):
        at = -0.9 + 1.8 * (bar + 0.5) / bars
        sway = (
            bent.choice([-1, 1]) * bent.uniform(0.05, 0.12) * np.exp(-(((t - bent.uniform(-0.4, 0.4)) / 0.25) ** 2))
            if bar == victim
            else 0
        )
        if bar != gone:
            lines.append(np.stack([at + sway + 0 * t, half_y * t, np.full(50, 2.6 * thin)], 1))
    for line in lines:
        vertices, faces = tube(line, thin, 10)
        parts.append(Part(mottled(rng, 64, metal, 0.05), 0.35, metallic, vertices=vertices, faces=faces))
    angle = rng.uniform(0, 6.3)
    return [part.placed(angle=angle) for part in parts]


@family("sponge", weight=0.6)
def sponge(build):
    rng = build.rng
    build.material = "foam"
    x, y = grid(SIZE)
    outline = box(x, y, 0.9, rng.uniform(0.5, 0.8), 0.08) + 0.01 * noise(SIZE, 2.4, rng)
    pits = smoothstep(rng.uniform(0.6, 1.2), 2.0, noise(SIZE, rng.uniform(1.0, 1.8), rng))
    height = plate(outline, 0.4, 0.06) - 0.06 * pits * (outline < -0.02)
    albedo = paint(rng) * (1 - 0.45 * pits + 0.05 * noise(SIZE, 1, rng))[..., None]
    if rng.random() < 0.5:  # the scouring side
        strip = smoothstep(0.02, -0.02, y + rng.uniform(0.2, 0.5))
        albedo = over(albedo, paint(rng) * (1 + 0.2 * noise(SIZE, 0.5, rng))[..., None], strip)
    return build.several(Part(np.clip(albedo, 0.01, 0.9), 0.95, height=height, floor=0.0), 0.1)
