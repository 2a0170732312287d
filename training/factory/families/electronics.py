"""Boards, components, connectors, cables."""

import numpy as np

from ..build import family
from ..parts import Part, block, lathe, tube
from ..textures import (
    METALS,
    box,
    cover,
    grid,
    hsv,
    letters,
    mottled,
    noise,
    over,
    paint,
    repeat,
    smoothstep,
    turn,
    word,
)
from .shapes import CELL, SIZE, labelled, lettering, plate

TIN = np.array(METALS["zinc"])


@family("transistor", weight=1.2, without=("hole",))
def transistor(build):
    """A package with three legs on a perforated board."""
    rng = build.rng
    x, y = grid(SIZE, 1.05)
    pitch = rng.uniform(0.16, 0.24)
    far = np.hypot(repeat(x, pitch), repeat(y, pitch))
    albedo = mottled(rng, SIZE, hsv(rng.uniform(0.02, 0.4), rng.uniform(0.4, 0.7), rng.uniform(0.15, 0.5)), 0.06)
    pads = cover(far - pitch * rng.uniform(0.26, 0.36), 2 * CELL) * (rng.random() < 0.8)
    albedo = over(albedo, np.array([0.8, 0.6, 0.4]) if rng.random() < 0.5 else TIN, pads)
    holes = cover(far - pitch * 0.17, CELL)
    albedo = over(albedo, np.full(3, 0.01), holes)
    board = Part(
        albedo, 0.5 - 0.15 * pads, pads, 0.05 - 0.25 * (holes > 0.5) + 0.0005 * noise(SIZE, 2, rng), extent=1.05
    )
    half_x, half_y, tall, size = rng.uniform(0.26, 0.4), rng.uniform(0.2, 0.32), rng.uniform(0.2, 0.4), 200
    px, py = grid(size, 0.5)
    outline = box(px, py, half_x, half_y, 0.03)
    if rng.random() < 0.5:
        outline = np.maximum(outline, (np.abs(px) + py) - 0.6 * half_x - half_y)
    shade = np.full(3, 0.022) if rng.random() < 0.8 else paint(rng)
    marks = np.maximum(
        letters(word(rng, rng.integers(3, 6)), size, 0, 0.1, 0.2),
        letters(word(rng, rng.integers(3, 6)), size, 0, -0.15, 0.16, 0, 0),
    )
    face, _ = labelled(build, mottled(rng, size, shade, 0.12), marks, rng.uniform(0.4, 0.9))
    tilt, shift = 0.0, np.zeros(2)
    if change := build.change("misplaced", "deformed"):
        tilt, shift = change.choice([-1, 1]) * change.uniform(0.25, 1), change.uniform(-0.1, 0.1, 2)
    body = Part(face, 0.5, height=0.5 * plate(2 * outline, 2 * tall, 0.05, -0.2), floor=0.0, extent=0.5)
    parts = (
        [board]
        if build.change("missing_part", "incomplete")
        else [board, body.placed(shift[0], 0.35 + shift[1], 0.08, tilt)]
    )
    gone, bent, short = (
        build.pick("missing_lead", "incomplete", 3),
        build.change("bent_lead", "deformed"),
        build.change("cut_lead", "incomplete"),
    )
    crooked, cut = (int(change.integers(3)) if change else None for change in (bent, short))
    radius, reach = rng.uniform(0.022, 0.04), rng.uniform(0.55, 0.75)
    for leg in range(3):
        along = np.linspace(0, 1, 24)
        top = 0.35 - half_y + 0.05
        sway = bent.choice([-1, 1]) * bent.uniform(0.1, 0.25) if leg == crooked else 0.0
        path = np.stack(
            [
                (leg - 1) * (half_x * 0.62 + 0.12 * smoothstep(0.1, 0.5, along))
                + sway * (np.sin(along * np.pi) ** 2 + 0.5 * along),
                top + (-reach - top) * along,
                0.1 + 0.45 * tall * (1 - smoothstep(0.6, 1, along)) - 0.06 * smoothstep(0.9, 1, along),
            ],
            1,
        )
        if leg == cut:
            path = path[along <= short.uniform(0.3, 0.75)]
        if leg != gone:
            vertices, faces = tube(path, radius, 12)
            parts.append(Part(TIN, 0.3, 1.0, vertices=vertices, faces=faces))
    angle = rng.choice([0, np.pi / 2, np.pi, -np.pi / 2]) + rng.uniform(-0.1, 0.1)
    return [part.placed(angle=angle, scale=1.12) for part in parts]


def _component(rng, style):
    """(half sizes and height, list of parts about the origin) of one component."""
    shape = {
        "chip": (rng.uniform(0.12, 0.28), rng.uniform(0.1, 0.22), rng.uniform(0.06, 0.12)),
        "resistor": (0.075, 0.04, 0.05),
        "capacitor": (0.11, 0.11, rng.uniform(0.15, 0.4)),
        "led": (0.06, 0.05, 0.08),
        "header": (rng.uniform(0.15, 0.3), 0.09, 0.2),
    }[style]
    half_x, half_y, tall = shape
    size = 160
    x, y = grid(size, 0.3)
    if style == "capacitor":
        profile = half_x * np.array([1, 1, 0.9, 1, 1, 1, 1, 1, 0.97, 0.9])
        vertices, faces = lathe(np.linspace(0, tall, 10), profile, 40, upright=True)
        albedo = np.full((size, size, 3), 0.7)
        albedo[x < -0.04] = 0.03
        return shape, Part(albedo, 0.3, 0.9, vertices=vertices, faces=faces, extent=0.3)
    tone = {
        "led": hsv(rng.random(), 0.5, 0.4),
        "resistor": np.full(3, 0.03) if rng.random() < 0.6 else np.array([0.55, 0.4, 0.25]),
    }
    albedo = np.ones((size, size, 3)) * tone.get(style, np.full(3, 0.026))
    if style in ("resistor", "led"):
        albedo[np.abs(x) > half_x * 0.65] = 0.72
    if style in ("chip", "resistor"):
        text = letters(word(rng, 3 if style == "resistor" else 5), size, 0, 0, 0.16, 0, 0)
        albedo = over(albedo, np.full(3, 0.7), text)
    if style == "chip":
        albedo[np.hypot(x + half_x * 0.75, y + half_y * 0.65) < 0.02] = 0.25
    if style == "header":
        albedo[(np.abs(repeat(x, 0.08)) < 0.02) & (np.abs(y) < 0.045) & (np.abs(x) < half_x * 0.9)] = METALS["brass"]
    vertices, faces = block(half_x, half_y, tall)
    return shape, Part(albedo, 0.45, vertices=vertices, faces=faces, flat=True, extent=0.3)


@family("circuit board", weight=1.4)
def pcb(build):
    rng = build.rng
    build.material = "resin"
    x, y = grid(SIZE)
    half_x, half_y = 0.95, rng.uniform(0.6, 0.95)
    solder_mask = (
        hsv(rng.uniform(0.3, 0.45), 0.75, rng.uniform(0.1, 0.35)),
        hsv(0.6, 0.8, 0.25),
        np.full(3, 0.03),
        hsv(0.02, 0.8, 0.3),
    )[rng.choice(4, p=[0.6, 0.2, 0.1, 0.1])]
    albedo = mottled(rng, SIZE, solder_mask, 0.04)
    height = plate(box(x, y, half_x, half_y, 0.05), 0.06, 0.01)
    metallic, roughness = np.zeros((SIZE, SIZE)), np.full((SIZE, SIZE), 0.35)

    def tin(where):
        albedo[where], metallic[where], roughness[where] = TIN, 1, 0.3

    for _ in range(rng.integers(10, 30)):  # tracks and vias
        cx, cy, long, wide = (
            rng.uniform(-half_x, half_x),
            rng.uniform(-half_y, half_y),
            rng.uniform(0.1, 0.7),
            rng.uniform(0.008, 0.02),
        )
        across, along = (y - cy, x - cx) if rng.integers(2) else (x - cx, y - cy)
        track = (np.abs(across) < wide) & (along > 0) & (along < long) & (height > 0)
        albedo[track] = np.clip(solder_mask * 1.7 + 0.01, 0, 1)
        height[track] += 0.003
        tin((np.hypot(x - cx, y - cy) < 0.028) & (height > 0))
        albedo[np.hypot(x - cx, y - cy) < 0.013] = 0.02
    taken, plan = [], []
    for _ in range(120):
        style = str(rng.choice(["chip", "resistor", "capacitor", "led", "header"], p=[0.25, 0.38, 0.17, 0.1, 0.1]))
        (hx, hy, tall), part = _component(rng, style)
        upright = rng.integers(2)
        ex, ey = (hy, hx) if upright else (hx, hy)
        cx, cy = rng.uniform(-half_x + ex + 0.1, half_x - ex - 0.1), rng.uniform(-half_y + ey + 0.1, half_y - ey - 0.1)
        if any(abs(cx - a) < ex + c + 0.09 and abs(cy - b) < ey + d + 0.09 for a, b, c, d in taken):
            continue
        taken.append((cx, cy, ex, ey))
        plan.append((style, part, cx, cy, upright * np.pi / 2 + rng.normal(0, 0.02), hx, hy))
        if len(plan) == 14:
            break
    count = max(len(plan), 1)
    gone, turned, standing = (
        build.pick("missing_part", "incomplete", count),
        build.pick("misplaced", "deformed", count),
        build.pick("tombstone", "deformed", count),
    )
    parts = []
    for number, (style, part, cx, cy, angle, hx, hy) in enumerate(plan):
        u, v = turn(x - cx, y - cy, angle)
        if style == "chip":
            tin((np.abs(np.abs(v) - hy - 0.03) < 0.035) & (np.abs(repeat(u, 0.06)) < 0.016) & (np.abs(u) < hx * 0.95))
        else:
            tin((np.abs(np.abs(u) - hx) < 0.03) & (np.abs(v) < hy))
        if style != "header":
            albedo[np.abs(box(u, v, hx + 0.06, hy + 0.07)) < 0.008] = 0.75
        albedo = over(
            albedo, np.full(3, 0.75), letters(word(rng, 2), SIZE, cx, cy - (hx if angle > 1 else hy) - 0.1, 0.07, 0, 0)
        )
        if number == gone:
            continue
        if number == turned:
            angle += 0.55
        part = part.placed(0, 0, 0)
        if number == standing:
            c, s = np.cos(1.1), np.sin(1.1)
            part.pose = np.array([[c, 0, -s, 0], [0, 1, 0, 0], [s, 0, c, hx * s], [0, 0, 0, 1.0]])
        parts.append(part.placed(cx, cy, 0.065, angle))
    if change := build.change("solder_bridge", "contaminated"):
        cx, cy, *_ = plan[change.integers(len(plan))][2:4]
        drop = np.hypot(x - cx - 0.1, (y - cy - 0.1) * 1.5) < 0.08 * (1 + 0.3 * noise(SIZE, 2, change))
        tin(drop & (height > 0))
        height[drop & (height > 0)] += 0.04
    if rng.random() < 0.7:
        for sx, sy in [(-1, -1), (1, 1), (1, -1), (-1, 1)]:
            far = np.hypot(x - sx * (half_x - 0.08), y - sy * (half_y - 0.08))
            albedo[far < 0.065], metallic[far < 0.065] = (0.8, 0.7, 0.4), 1
            height[far < 0.04] = -0.1
    albedo = over(
        albedo, np.full(3, 0.75), build.imprint(letters(word(rng, 6), SIZE, rng.uniform(-0.4, 0.4), half_y - 0.09, 0.1))
    )
    board = Part(albedo, roughness, metallic, height, floor=0.0)
    angle = rng.choice([0, np.pi / 2]) + rng.uniform(-0.06, 0.06)
    return [part.placed(angle=angle, scale=0.95) for part in [board, *parts]]


@family("connector")
def connector(build):
    rng = build.rng
    x, y = grid(SIZE)
    columns, rows = int(rng.integers(2, 9)), int(rng.integers(1, 4))
    half_x = 0.9
    half_y = min(0.9, half_x * rows / columns * rng.uniform(0.9, 1.5) + 0.1)
    outline, tall = box(x, y, half_x, half_y, rng.uniform(0.02, 0.12)), rng.uniform(0.3, 0.6)
    albedo, metallic = mottled(rng, SIZE, paint(rng), 0.03), np.zeros((SIZE, SIZE))
    roughness = np.full((SIZE, SIZE), rng.uniform(0.25, 0.6))
    height = plate(outline, tall, 0.04, sharp=0.3)
    inner = box(x, y, half_x - 0.08, half_y - 0.08, 0.03)
    if rng.random() < 0.6:
        height -= rng.uniform(0.05, 0.3) * smoothstep(0, -0.03, inner)
    pitch_x, pitch_y = 2 * (half_x - 0.12) / columns, 2 * (half_y - 0.12) / rows
    socket = min(pitch_x, pitch_y) * rng.uniform(0.28, 0.4)
    pin, round_, pin_metal = (
        socket * rng.uniform(0.35, 0.6),
        rng.random() < 0.4,
        np.array(METALS[rng.choice(["brass", "zinc", "steel"])]),
    )
    count = columns * rows
    gone, filled = build.pick("missing_pin", "incomplete", count), build.pick("filled_hole", "contaminated", count)
    change = build.change("bent_pin", "deformed")
    bent, lean = (int(change.integers(count)), change.normal(0, 0.6, 2) * socket) if change else (None, None)
    for number in range(count):
        cx, cy = (
            -half_x + 0.12 + (number % columns + 0.5) * pitch_x,
            -half_y + 0.12 + (number // columns + 0.5) * pitch_y,
        )
        if number == filled:
            continue
        hole = (np.hypot(x - cx, y - cy) - socket if round_ else box(x - cx, y - cy, socket, socket, 0.01)) < 0
        height[hole] -= 0.18
        albedo[hole] *= 0.5
        if number == gone:
            continue
        if number == bent:
            cx, cy = cx + lean[0], cy + lean[1]
        tip = box(x - cx, y - cy, pin, pin, pin * 0.4) < 0
        height[tip], albedo[tip], metallic[tip], roughness[tip] = tall + 0.02, pin_metal, 1, 0.3
    for side in rng.choice([-1, 1], rng.integers(0, 3)):
        latch = box(x - side * 0.4, y - half_y, 0.09, 0.06) < 0
        height[latch] = tall * 0.8
    height += 0.02 * build.imprint(letters(word(rng, 3), SIZE, 0, half_y - 0.04, 0.08, 0, 0)) * (outline < 0)
    part = Part(albedo, roughness, metallic, height + 0.0004 * noise(SIZE, 2, rng), floor=0.0)
    return [part.placed(angle=rng.choice([0, rng.uniform(0, 6.3)]), scale=rng.uniform(0.85, 1.02))]


@family("keyboard", without=("broken_apart", "cracked_through", "snapped_off"))
def keys(build):
    rng = build.rng
    columns, rows = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    x, y = grid(SIZE)
    pitch = 1.8 / max(columns, rows)
    half_x, half_y = columns * pitch / 2, rows * pitch / 2
    albedo, height = (
        mottled(rng, SIZE, paint(rng), 0.03),
        plate(box(x, y, half_x + 0.04, half_y + 0.04, 0.06), 0.08, 0.02),
    )
    cap, half, soft = paint(rng), pitch * rng.uniform(0.4, 0.46), rng.uniform(0.02, 0.08)
    count, print_ = columns * rows, np.zeros((SIZE, SIZE), np.float32)
    gone, odd, askew = (
        build.pick("missing_key", "incomplete", count),
        build.pick("odd_key", "stained", count),
        build.pick("tilted_key", "deformed", count),
    )
    for number in range(count):
        cx, cy = (number % columns - (columns - 1) / 2) * pitch, (number // columns - (rows - 1) / 2) * pitch
        text = word(rng, rng.integers(1, 3))
        shade = cap * rng.uniform(0.97, 1.03)
        if number == gone:
            stem = box(x - cx, y - cy, half * 0.3, half * 0.3, 0.01) < 0
            albedo[stem], height[stem] = albedo[stem] * 0.3, 0.12
            continue
        u, v = turn(x - cx, y - cy, 0.3 if number == askew else 0.0)
        inside = box(u, v, half, half, half * 0.25) < 0
        rise = (
            0.12
            + 0.18 * smoothstep(0, -soft, box(u, v, half, half, half * 0.25))
            - 0.02 * np.exp(-(u * u + v * v) / (0.5 * half * half))
        )
        height[inside] = (rise + (0.4 * u if number == askew else 0))[inside]
        albedo[inside] = np.clip(1 - shade, 0.05, 0.8) if number == odd else shade
        print_ = np.maximum(print_, letters(text, SIZE, cx, cy, pitch * 0.4))
    print_ = build.imprint(print_)
    albedo = over(albedo, np.full(3, 0.8 if cap.mean() < 0.3 else 0.04), print_)
    return [
        Part(albedo, rng.uniform(0.3, 0.6), height=height, floor=0.0).placed(
            angle=rng.uniform(-0.2, 0.2), scale=rng.uniform(0.92, 1.05)
        )
    ]


@family("chip", weight=0.9, without=("broken_apart", "cracked_through", "snapped_off"))
def chip(build):
    """An integrated circuit with legs on two or four sides."""
    rng = build.rng
    build.material = "resin"
    x, y = grid(SIZE)
    half_x, half_y = rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.7)
    albedo, metallic = mottled(rng, SIZE, np.full(3, rng.uniform(0.015, 0.05)), 0.15, 1.0), np.zeros((SIZE, SIZE))
    legs, pitch = np.full((SIZE, SIZE), -0.2), rng.uniform(0.07, 0.16)
    both = rng.random() < 0.5
    change, gone = build.change("bent_lead", "deformed"), build.change("missing_lead", "incomplete")
    count = int(2 * half_x / pitch)
    victim, side_hit = (
        (int((change or gone).integers(1, max(2, count - 1))), int((change or gone).choice([-1, 1])))
        if change or gone
        else (None, None)
    )
    for axis, (u, v, hu, hv) in enumerate(((x, y, half_x, half_y), (y, x, half_y, half_x))[: 1 + both]):
        for number in range(int(2 * hu / pitch)):
            at = (number - (int(2 * hu / pitch) - 1) / 2) * pitch
            for side in (-1, 1):
                hit = axis == 0 and number == victim and side == side_hit
                if hit and gone:
                    continue
                lean = 0.5 * pitch * np.clip(side * v - hv, 0, 1) / 0.15 if hit else 0.0
                leg = (np.abs(u - at - lean) < pitch * 0.28) & (side * v > hv - 0.02) & (side * v < hv + 0.2)
                legs = np.where(leg, np.maximum(0.12 - 0.45 * np.clip(side * v - hv - 0.05, 0, 0.24), 0.03), legs)
    height = np.maximum(plate(box(x, y, half_x, half_y, 0.03), 0.2, 0.05), legs)
    metal = (legs > 0) & (box(x, y, half_x, half_y) > 0)
    albedo[metal], metallic[metal] = TIN, 1
    text = np.maximum(
        lettering(build, SIZE, 0, 0.12, 0.16, length=6), lettering(build, SIZE, 0, -0.1, 0.12, length=8, bold=0)
    )
    albedo, _ = labelled(build, albedo, text, rng.uniform(0.3, 0.9))
    dot = smoothstep(0.06, 0.04, np.hypot(x + half_x - 0.12, y - half_y + 0.12))
    height -= 0.015 * dot
    part = Part(albedo, np.where(metal, 0.3, rng.uniform(0.4, 0.7)), metallic, height, floor=0.0)
    return [part.placed(angle=rng.choice([0, np.pi / 2]) + rng.uniform(-0.2, 0.2), scale=rng.uniform(0.9, 1.1))]
