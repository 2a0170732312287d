"""Nuts, bolts, washers, springs."""

import numpy as np

from ..build import family
from ..parts import Part, lathe, tube
from ..textures import grid, letters, mottled, noise, polygon, smoothstep, word
from .shapes import CELL, SIZE, metal_surface, plate


def _bore(height, radius, inner, rng, floor=-0.2):
    """A threaded hole through a height field."""
    x, y = grid(SIZE)
    pitch = rng.uniform(0.05, 0.12)
    thread = 0.02 * np.sin(radius * 2 * np.pi / pitch + np.arctan2(y, x))
    wall = smoothstep(inner + 2 * CELL, inner - 2 * CELL, radius)
    height = height * (1 - wall) + (thread + height.max() * 0.4 * smoothstep(0.6 * inner, inner, radius)) * wall
    return np.where(radius < inner * rng.uniform(0.7, 0.9), floor, height)


@family("metal nut", weight=1.6)
def lobed_nut(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    lobes, deep = rng.integers(3, 7), rng.uniform(0.06, 0.17)
    wave = np.sign(np.cos(lobes * angle)) * np.abs(np.cos(lobes * angle)) ** (1 / rng.uniform(0.5, 2.5))
    short = build.pick("short_lobe", "deformed", lobes)
    reach = np.ones_like(angle)
    if short is not None:
        gap = np.angle(np.exp(1j * (angle - short * 2 * np.pi / lobes)))
        reach -= 0.14 * np.exp(-((gap * lobes / 2.2) ** 4))
    outline = radius - (0.78 + deep * wave) * reach
    inner, top = rng.uniform(0.2, 0.36), rng.uniform(0.14, 0.3)
    collar = inner + rng.uniform(0.08, 0.2)
    height = plate(outline, top, rng.uniform(0.03, 0.14))
    height += rng.uniform(0, 0.25) * smoothstep(collar + 0.06, collar, radius) * (outline < 0)
    albedo, roughness, marks = metal_surface(build, SIZE, build.metal(), 1)
    cast = 0.004 * rng.uniform(0, 1) * noise(SIZE, 2.6, rng)
    height = _bore(height + (marks + cast) * (outline < 0), radius, inner, rng)
    return build.several(Part(albedo, roughness, 1.0, height, floor=0.0), 0.08)


@family("hex nut")
def hex_nut(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius = np.hypot(x, y)
    sides = int(rng.choice([4, 6, 6, 6, 8, 12]))
    inner, top = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.6)
    outline = polygon(x, y, sides, 0.8)
    height = plate(outline, top, 0.02)
    height = np.minimum(height, top - 0.6 * np.clip(radius - rng.uniform(0.76, 0.82), 0, None))  # the chamfer is a cone
    height = np.minimum(height, top - 0.5 * np.clip(inner + rng.uniform(0.02, 0.07) - radius, 0, None))
    flange = rng.random() < 0.2
    if flange:
        height = np.maximum(height, plate(radius - 0.94, 0.1, 0.05))
    colour, metallic = build.metal_or("plastic", 0.88)
    albedo, roughness, marks = metal_surface(build, SIZE, colour, metallic)
    if rng.random() < 0.3:
        stamp = build.imprint(letters(word(rng, 2), SIZE, 0.0, 0.64, 0.13))
        height = height - 0.03 * stamp
    if build.change("no_thread", "incomplete"):
        height = np.where(radius < inner, -0.2, height)
    else:
        height = _bore(height + marks, radius, inner, rng)
    return build.several(Part(albedo, roughness, metallic, height, floor=0.0), 0.25)


@family("screw", weight=1.4)
def screw(build):
    rng, segments = build.rng, 80
    along = np.linspace(0, 1, 340)
    shaft, head, head_length = rng.uniform(0.09, 0.17), rng.uniform(1.5, 2.2), rng.uniform(0.1, 0.2)
    pitch, depth, tip, plain = (
        rng.uniform(0.045, 0.09),
        rng.uniform(0.2, 0.36),
        rng.uniform(0.04, 0.24),
        rng.uniform(0, 0.35),
    )
    turns = np.arange(segments) / segments
    saw = 1 - 2 * np.abs((along[:, None] * 1.8 / pitch - turns) % 1 - 0.5)
    start = head_length + plain
    thread = (smoothstep(start, start + 0.04, along) * smoothstep(1.0, 0.97, along))[:, None] * (saw - 0.3)
    if change := build.change("worn_thread", "scratched"):
        middle, wide = change.uniform(start + 0.08, 0.9), change.uniform(0.02, 0.1)
        thread = thread * (1 - np.exp(-(((along - middle) / wide) ** 4)))[:, None]
    taper = 1 - 0.9 * smoothstep(1 - tip, 1.005, along)
    if change := build.change("tip_missing", "incomplete"):
        along = along.copy()
        gone = along > 1 - max(tip, 0.08) * change.uniform(0.5, 1.1)
        taper = np.where(gone, 1e-3, taper)
    radius = shaft * (taper[:, None] + depth * thread * (1 - 0.8 * smoothstep(1 - tip, 1, along))[:, None])
    style = rng.integers(3)
    within = np.clip(along / head_length, 0, 1)
    profile = (np.sqrt(1 - (1 - within) ** 2), 1 - within * (1 - 1 / head), np.minimum(within / 0.15, 1))[style]
    cap = (shaft * head * profile)[:, None] * np.ones(segments)
    if rng.random() < 0.35:  # hexagonal head
        cap = cap * np.cos(np.pi / 6) / np.cos((turns * 2 * np.pi) % (np.pi / 3) - np.pi / 6)
    radius = np.maximum(np.where((along < head_length)[:, None], cap, radius), 0.004)
    vertices, faces = lathe(along * 1.8 - 0.9, radius, segments)
    vertices[:, 2] += shaft * head * 0.9
    metal = build.metal()
    part = Part(
        mottled(rng, 256, metal, 0.08),
        rng.uniform(0.2, 0.5) + 0.04 * noise(256, 1, rng),
        1.0,
        vertices=vertices,
        faces=faces,
    )
    count = int(rng.integers(2, 4)) if rng.random() < 0.25 else 1
    angle, parts = rng.uniform(0, 2 * np.pi), []
    for number in range(count):
        y = (number - (count - 1) / 2) * 0.55
        parts.append(
            part.copy()
            .placed(0, y, 0, rng.normal(0, 0.06) * (count > 1) + np.pi * rng.integers(2) * (count > 1))
            .placed(angle=angle)
        )
    return parts


@family("washer")
def washer(build):
    rng = build.rng
    x, y = grid(SIZE)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    inner, style, teeth = rng.uniform(0.25, 0.7), rng.integers(4), int(rng.integers(12, 40))
    outer = 0.9
    if style == 1:  # a toothed lock washer
        wave = 0.09 * (0.5 + np.tanh(3 * np.cos(teeth * angle)) / 2)
        gone = build.pick("missing_tooth", "incomplete", teeth)
        if gone is not None:
            wave = np.where(
                np.abs(np.angle(np.exp(1j * (angle - gone * 2 * np.pi / teeth)))) < np.pi / teeth, 0.09, wave
            )
        outer = 0.9 - wave
    outline = np.maximum(radius - outer, inner - radius)
    if style == 3:  # split spring washer
        turned = np.abs(np.angle(np.exp(1j * (angle - rng.uniform(0, 6.3)))))
        outline = np.maximum(outline, 0.05 - turned * radius)
    height = plate(
        outline,
        rng.uniform(0.06, 0.3),
        min(rng.uniform(0.015, 0.15), (outer - inner).min() / 2.2 if style == 1 else (0.9 - inner) / 2.2),
    )
    if style == 2:
        height += 0.05 * np.sin(angle * teeth) * (outline < -0.03)
    colour, metallic = build.metal_or("plastic", 0.72)
    albedo, roughness, marks = metal_surface(build, SIZE, colour, metallic)
    return build.several(Part(albedo, roughness, metallic, height + marks * (outline < 0), floor=0.0), 0.25)


@family("spring")
def spring(build):
    rng = build.rng
    coils, coil, wire = int(rng.integers(7, 18)), rng.uniform(0.16, 0.32), rng.uniform(0.022, 0.055)
    along = np.linspace(0, 1, coils * 32)
    x, radius = 1.7 * along - 0.85, np.full(len(along), coil)
    if change := build.change("stretched", "deformed"):
        x = x + change.uniform(0.08, 0.2) * np.tanh((along - change.uniform(0.2, 0.8)) / 0.05)
        x *= 0.85 / np.abs(x).max()
    if change := build.change("coil_bulged", "deformed"):
        gap = (along - change.uniform(0.2, 0.8)) / (change.uniform(0.3, 0.9) / coils)
        radius = radius * (1 + change.choice([-1, 1]) * change.uniform(0.2, 0.6) * np.exp(-(gap**2)))
    turns = along * coils * 2 * np.pi
    path = np.stack([x, radius * np.cos(turns), coil + wire + radius * np.sin(turns)], 1)
    pieces = [path]
    if change := build.change("broken_coil", "cracked"):
        at, wide = change.uniform(0.15, 0.85), change.uniform(0.2, 0.9) / coils
        pieces = [path[along < at - wide / 2], path[along > at + wide / 2]]
    metal = build.metal()
    skin, gloss = mottled(rng, 256, metal, 0.06), rng.uniform(0.2, 0.45)
    angle, parts = rng.uniform(0, 2 * np.pi), []
    for piece in pieces:
        vertices, faces = tube(piece, wire, 10)
        parts.append(Part(skin, gloss, 1.0, vertices=vertices, faces=faces).placed(angle=angle))
    return parts
