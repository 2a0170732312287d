"""Capsules, tablets, blister packs."""

import numpy as np

from ..build import family
from ..parts import Part, lathe
from ..textures import grid, letters, mottled, noise, over, paint, smoothstep, word
from .shapes import SIZE, labelled, lettering, plate


@family("capsule", weight=1.4)
def capsule(build):
    rng, size = build.rng, 512
    build.material = "gelatin"
    radius = rng.uniform(0.26, 0.42)
    along = 0.9 * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 120))
    end = np.clip(np.abs(along) - (0.9 - radius), 0, None) / radius
    profile, joint = radius * np.sqrt(np.clip(1 - end**2, 0, 1)), rng.uniform(-0.2, 0.2)
    profile = np.maximum(np.where(along < joint, profile * 1.035, profile), 0.004)
    groove = rng.uniform(0, 0.02)
    profile -= groove * np.exp(-(((along - joint + 0.12) / 0.02) ** 2))
    vertices, faces = lathe(along, profile, 96)
    if change := build.change("squeezed", "deformed"):
        pinch = np.exp(-(((vertices[:, 0] - change.uniform(-0.5, 0.5)) / change.uniform(0.12, 0.3)) ** 2))
        vertices[:, 1] *= 1 - change.uniform(0.15, 0.4) * pinch
    if change := build.change("pulled_apart", "incomplete"):
        vertices[:, 0] += np.where(vertices[:, 0] > joint, change.uniform(0.04, 0.12), 0)
        vertices[:, 1:] *= np.where(np.abs(vertices[:, :1] - joint - 0.05) < 0.05, 0.9, 1)
    vertices[:, 2] += radius
    x, _ = grid(size)
    cap, body = paint(rng), paint(rng)
    albedo = np.where((x < joint)[..., None], cap, body) * (1 + 0.02 * noise(size, 2, rng)[..., None])
    style = rng.integers(4)
    if style < 3:
        height = rng.uniform(0.1, 0.22)
        print_ = letters(word(rng, rng.integers(2, 5)), size, rng.uniform(-0.55, -0.35), 0, height, 0, 2)
        if style:
            print_ = np.maximum(
                print_, letters(word(rng, rng.integers(2, 5)), size, rng.uniform(0.35, 0.55), 0, height, 0, 1)
            )
        if style == 2:
            print_ = np.maximum(print_, (np.abs(np.abs(x) - rng.uniform(0.1, 0.25)) < 0.015) * 1.0)
        albedo, _ = labelled(build, albedo, print_, rng.uniform(0.6, 1))
    part = Part(albedo, rng.uniform(0.1, 0.35), vertices=vertices, faces=faces)
    turned = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.uniform(-0.1, 0.1)
    return [part.placed(angle=turned, scale=rng.uniform(0.85, 1.05))]


@family("tablet", weight=1.2)
def tablet(build):
    rng = build.rng
    build.material = "tablet mass"
    x, y = grid(SIZE)
    outline = 0.88 * (np.hypot(x / 0.88, y / (rng.choice([0.88, rng.uniform(0.45, 0.85)]))) - 1)
    height = plate(outline, rng.uniform(0.2, 0.4), rng.uniform(0.2, 0.9))
    white = rng.random() < 0.4
    colour = np.array([0.8, 0.78, 0.74]) if white else paint(rng)
    albedo = mottled(rng, SIZE, colour, 0.03)
    if rng.random() < 0.6:  # speckled mass
        specks = noise(SIZE, 0.6, rng) > rng.uniform(1.8, 2.8)
        albedo[specks] *= rng.uniform(0.4, 0.95)
    if rng.random() < 0.3:
        build.inside = np.array([0.8, 0.78, 0.74])  # a coated tablet
    style = rng.integers(4)
    if style == 0:
        score = smoothstep(0.06, 0.015, np.abs(x)) * (outline < -0.02)
        height -= 0.04 * score
    elif style < 3:
        mark = build.imprint(lettering(build, SIZE, height=rng.uniform(0.24, 0.5), length=rng.integers(1, 4)))
        height -= 0.035 * mark
        albedo *= 1 - 0.15 * mark[..., None]
    else:
        albedo, _ = labelled(
            build, albedo, lettering(build, SIZE, height=rng.uniform(0.2, 0.4), length=rng.integers(2, 5))
        )
    height += 0.0008 * rng.uniform(0, 1.5) * noise(SIZE, 1.8, rng)
    return build.several(Part(albedo, rng.uniform(0.25, 0.85), height=height, floor=0.0), 0.3)


@family("blister pack")
def blister(build):
    rng = build.rng
    build.material = "foil"
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    x, y = grid(SIZE)
    outline = np.maximum(np.abs(x) - 0.94, np.abs(y) - 0.94)
    silver = rng.random() < 0.65
    colour = np.full(3, 0.75) if silver else paint(rng)
    embossed = np.sin(x * 120) * np.sin(y * 120)
    height = plate(outline, 0.06, 0.02) + 0.002 * embossed * (outline < 0)
    albedo, metallic = mottled(rng, SIZE, colour, 0.03), float(silver)
    if rng.random() < 0.4:
        for line in range(rows + 1):
            row = letters(word(rng, 14), SIZE, 0, -0.92 + 1.84 * line / rows, 0.06)
            albedo = over(albedo, np.full(3, 0.1), 0.7 * row)
    radius, ratio, turned = 0.7 / max(columns, rows), rng.uniform(0.5, 1), rng.choice([0, rng.uniform(0, np.pi)])
    colours = [paint(rng) for _ in range(rng.integers(1, 3))]
    px, py = grid(96, 0.6)
    oval = np.hypot(px, py / ratio) - radius * 0.86
    count = columns * rows
    gone, odd, broken = (
        build.pick("missing_pill", "incomplete", count),
        build.pick("odd_pill", "stained", count),
        build.pick("broken_pill", "cracked", count),
    )
    crushed = build.pick("crushed_pocket", "deformed", count)
    pills = []
    for number in range(count):
        cx, cy = (
            -0.85 + 1.7 * (index + 0.5) / of for index, of in ((number % columns, columns), (number // columns, rows))
        )
        u, v = x - cx, y - cy
        c, s = np.cos(turned), np.sin(turned)
        pocket = np.hypot(u * c + v * s, (v * c - u * s) / ratio) - radius
        height = np.where((pocket < 0.06) & (pocket > 0), np.maximum(height, 0.1), height)
        height = np.where(pocket < 0, 0.05, height)
        albedo[pocket < 0] *= 0.85
        shade = colours[number % len(colours)]
        own = np.random.default_rng([number, int(1e6 * ratio)])
        jitter = own.normal(0, 0.08)
        if number == gone:
            height += (pocket < 0) * 0.02 * noise(SIZE, 2.6, own)
            continue
        if number == odd:
            shade = np.clip(1 - shade * own.uniform(0.6, 1, 3), 0.05, 0.9)
        hill = plate(oval, 0.22, radius * 0.6, -0.05)
        if number == broken:
            hill = np.where(np.abs(px + 0.25 * radius * noise(96, 2.5, own)) < 0.1 * radius, -0.05, hill)
        if number == crushed:
            hill = np.where(hill > 0, hill * np.clip(0.5 + 0.35 * noise(96, 3, own), 0.1, 1), hill)
        pill = Part(mottled(own, 96, shade, 0.03), 0.3, height=hill, floor=0.0, extent=0.6)
        pills.append(pill.placed(cx, cy, 0.06, turned + jitter))
    tray = Part(albedo, 0.35, metallic, height, floor=0.0)
    angle = rng.uniform(-0.12, 0.12)
    return [part.placed(angle=angle) for part in [tray, *pills]]
