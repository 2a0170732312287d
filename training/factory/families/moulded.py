"""Parts of plastic and rubber, drawn anew for every seed."""

import numpy as np

from ..build import family
from ..parts import Part
from ..textures import box, grid, mottled, noise, over, paint, repeat, smoothstep
from .shapes import SIZE, lettering, plate


@family("moulded part", weight=1.2)
def moulded_part(build):
    """A plastic housing of random outline with ribs, bosses and a recess."""
    rng = build.rng
    build.name = str(rng.choice(["moulded part", "plastic part", "housing", "cover", "clip"]))
    x, y = grid(SIZE)
    angle, half_y = np.arctan2(y, x), rng.uniform(0.4, 0.9)
    shape = rng.integers(3)
    waves = sum(rng.normal(0, 0.06) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 7))
    outline = (
        box(x, y, 0.9, half_y, rng.uniform(0.05, 0.4)),
        np.hypot(x, y / half_y) * half_y - 0.8 * half_y * (1 + waves),
        np.hypot(x, y) - 0.75 * (1 + waves),
    )[shape]
    tall, wall = rng.uniform(0.2, 0.45), rng.uniform(0.04, 0.12)
    height = plate(outline, tall, rng.uniform(0.03, 0.12))
    recess = outline < -wall
    if rng.random() < 0.7:
        height = np.where(recess, tall * rng.uniform(0.3, 0.7), height)
        ribs, pitch = rng.integers(3), rng.uniform(0.2, 0.5)
        for axis in (x, y)[:ribs]:
            near = (np.abs(repeat(axis, pitch)) < 0.02) & recess
            height[near] = tall * 0.9
    count = int(rng.integers(0, 6))
    gone = build.pick("missing_boss", "incomplete", max(count, 1))
    for boss in range(count):
        a, far = rng.uniform(0, 6.3), rng.uniform(0, 0.55)
        cx, cy, wide, through = far * np.cos(a), far * np.sin(a) * half_y, rng.uniform(0.05, 0.13), rng.random() < 0.7
        ring = np.hypot(x - cx, y - cy)
        if boss != gone:
            height = np.where((ring < wide) & (outline < -0.02), tall, height)
            height = np.where((ring < wide * 0.5) & (outline < -0.02), -0.1 if through else tall * 0.4, height)
    short = build.change("short_shot", "incomplete")
    if short:
        a = short.uniform(0, 6.3)
        front = x * np.cos(a) + y * np.sin(a) - short.uniform(0.45, 0.7) + 0.05 * noise(SIZE, 3, short)
        height = np.where((front > 0) & (outline < 0), -0.1, height)
    colour = paint(rng)
    grainy = noise(SIZE, 0.8, rng) * rng.uniform(0, 0.0012)
    gate = np.hypot(x - rng.uniform(-0.3, 0.3), y) < 0.03  # the mark of the sprue belongs there
    albedo = mottled(rng, SIZE, colour, 0.02) * np.where(gate, 0.85, 1)[..., None]
    logo = build.imprint(
        lettering(build, SIZE, *rng.uniform(-0.2, 0.2, 2), rng.uniform(0.08, 0.2), length=rng.integers(2, 6))
        * (outline < -0.02)
    )
    part = Part(
        albedo,
        rng.uniform(0.15, 0.6),
        0.0,
        height + (grainy + rng.choice([-0.015, 0.015]) * logo) * (outline < 0),
        floor=0.0,
    )
    return build.several(part, 0.12)


@family("gasket", weight=0.9, without=("crazing",))
def gasket(build):
    rng = build.rng
    build.material, build.name = "rubber", str(rng.choice(["gasket", "rubber seal", "o-ring"]))
    x, y = grid(SIZE)
    waves = sum(rng.normal(0, 0.05) * np.cos(k * np.arctan2(y, x) + rng.uniform(0, 6)) for k in range(2, 6)) * (
        build.name == "gasket"
    )
    base = (
        np.hypot(x, y) - 0.8 * (1 + waves)
        if rng.random() < 0.6 or build.name == "o-ring"
        else box(x, y, 0.9, rng.uniform(0.5, 0.9), 0.2)
    )
    wide = rng.uniform(0.05, 0.16)
    outline = np.abs(base + wide) - wide
    if change := build.change("pinched", "deformed"):
        a = change.uniform(0, 6.3)
        near = np.exp(-(((x - 0.7 * np.cos(a)) ** 2 + (y - 0.7 * np.sin(a)) ** 2) / 0.03))
        outline = outline + 0.55 * wide * near
    holes = int(rng.integers(0, 9)) * (build.name == "gasket")
    for hole in range(holes):
        a = 2 * np.pi * hole / holes
        ring = np.hypot(x - 0.72 * np.cos(a), y - 0.72 * np.sin(a))
        outline = np.maximum(np.minimum(outline, ring - 0.13), 0.06 - ring)
    height = plate(outline, rng.uniform(0.08, 0.2), wide if rng.random() < 0.6 else 0.03)
    colour = np.full(3, rng.uniform(0.012, 0.05)) if rng.random() < 0.6 else paint(rng)
    albedo = mottled(rng, SIZE, colour, 0.12, 1.2)
    dust = smoothstep(1.5, 2.5, noise(SIZE, 1.2, rng)) * rng.uniform(0, 0.3)
    part = Part(over(albedo, np.full(3, 0.4), dust), rng.uniform(0.3, 0.8), height=height, floor=0.0)
    return build.several(part, 0.15)
