"""Cables: their cut ends, and bundles of them."""

import numpy as np

from ..build import family
from ..parts import Part, tube
from ..textures import (
    METALS,
    grid,
    mottled,
    noise,
    paint,
    smoothstep,
)
from .shapes import SIZE, plate


@family("cable", weight=1.1, without=("broken_apart", "cracked_through", "snapped_off"))
def cable(build):
    """The cut end of a cable, seen along it."""
    rng = build.rng
    x, y = grid(SIZE)
    radius = np.hypot(x, y)
    sheath = np.full(3, rng.choice([0.02, 0.35, 0.7, 0.5])) if rng.random() < 0.7 else paint(rng)
    albedo, tall = mottled(rng, SIZE, sheath, 0.06), rng.uniform(0.25, 0.5)
    height = plate(radius - 0.92 + 0.006 * noise(SIZE, 2.5, rng), tall, 0.08)
    wires = int(rng.choice([2, 3, 3, 3, 4, 5]))
    wide, out = {2: (0.36, 0.42), 3: (0.36, 0.44), 4: (0.3, 0.5), 5: (0.26, 0.53)}[wires]
    roughness, metallic = np.full((SIZE, SIZE), rng.uniform(0.35, 0.7)), np.zeros((SIZE, SIZE))
    height -= 0.06 * (radius < 0.8)
    albedo[radius < 0.8] = sheath * 0.6 + 0.1
    colours, phase, core = [paint(rng) for _ in range(wires)], rng.uniform(0, 6.3), wide * rng.uniform(0.5, 0.7)
    strands, copper = int(rng.choice([7, 19])), np.array(METALS["copper" if rng.random() < 0.8 else "aluminium"])
    gone = build.pick("missing_wire", "incomplete", wires)
    frayed, poked = build.change("missing_strands", "incomplete"), build.change("cut_insulation", "deformed")
    victim = int((frayed or poked or rng.spawn(1)[0]).integers(wires))
    lost = set(frayed.choice(strands, min(strands, 4), False).tolist()) if frayed else set()
    layout = [(0, 0)] + [(np.cos(k * np.pi / 3), np.sin(k * np.pi / 3)) for k in range(6)]
    layout += [(1.94 * np.cos(k * np.pi / 6 + 0.26), 1.94 * np.sin(k * np.pi / 6 + 0.26)) for k in range(12)] * (
        strands == 19
    )
    thin = core / (3 if strands == 7 else 5)
    for wire in range(wires):
        own = np.random.default_rng([wire, int(1e6 * phase)])
        cx, cy = np.array(
            [out * np.cos(phase + wire * 2 * np.pi / wires), out * np.sin(phase + wire * 2 * np.pi / wires)]
        ) + own.normal(0, 0.01, 2)
        far = np.hypot(x - cx, y - cy) - wide
        if wire == victim and poked:
            angle = np.arctan2(y - cy, x - cx)
            far = far + 0.35 * wide * np.exp(-((np.angle(np.exp(1j * (angle - 1.0))) / 0.3) ** 2))
        inside = far < 0
        if wire == gone:
            height[inside], albedo[inside] = tall - 0.35, albedo[inside] * 0.25
            continue
        height[inside] = (tall - 0.02 + 0.05 * smoothstep(0, -0.08, far))[inside]
        albedo[inside] = (colours[wire] * (1 + 0.04 * noise(SIZE, 2, own))[..., None])[inside]
        middle = far < core - wide
        height[middle] -= 0.1
        albedo[middle] = 0.02
        jitter, level = own.normal(0, 0.08, (strands, 2)), own.normal(0, 0.02, strands)
        for strand, (u, v) in enumerate(layout):
            if wire == victim and strand in lost:
                continue
            near = (
                np.hypot(x - cx - (2 * u + jitter[strand, 0]) * thin, y - cy - (2 * v + jitter[strand, 1]) * thin)
                - thin * 0.98
            )
            there = near < 0
            height[there] = (tall + 0.02 + level[strand] + 0.04 * smoothstep(0, -0.6 * thin, near))[there]
            albedo[there], metallic[there], roughness[there] = copper * own.uniform(0.85, 1.1), 1, 0.3
    part = Part(albedo, roughness, metallic, height + 0.0008 * noise(SIZE, 2, rng), floor=0.0)
    return [part.placed(scale=rng.uniform(0.88, 1.02))]


@family("cable bundle", weight=0.8)
def cable_bundle(build):
    rng, parts = build.rng, []
    build.material = "rubber"
    count, thick = int(rng.integers(2, 8)), rng.uniform(0.05, 0.1)
    along = np.linspace(-1.3, 1.3, 90)
    wave, phase = rng.uniform(0.02, 0.14), rng.uniform(0, 6.3)
    gone = build.pick("missing_wire", "incomplete", count - 2) if count > 2 else None  # an inner one: it leaves a gap
    worn = build.change("stripped", "incomplete")
    victim = int(worn.integers(count)) if worn else None
    angle = rng.uniform(0, 6.3)
    for wire in range(count):
        own = np.random.default_rng([wire, int(1e6 * thick)])
        shade = paint(own)
        side = (
            (wire - (count - 1) / 2) * 2.05 * thick
            + wave * np.sin(2.4 * along + phase)
            + own.normal(0, 0.015) * np.sin(own.uniform(2, 5) * along)
        )
        path = np.stack([along, side, np.full(90, thick)], 1)
        if wire - 1 == gone:
            continue
        if wire == victim:
            at, wide = worn.uniform(-0.6, 0.6), worn.uniform(0.06, 0.2)
            bare = np.abs(along - at) < wide
            vertices, faces = tube(path, np.where(bare, 0.55, 1) * thick, 16)
            x, y = grid(256, 1.4)
            albedo = np.where((np.abs(x - at) < wide)[..., None], METALS["copper"], shade)
            parts.append(Part(albedo, 0.3, (np.abs(x - at) < wide) * 1.0, vertices=vertices, faces=faces, extent=1.4))
            continue
        vertices, faces = tube(path, thick, 16)
        parts.append(
            Part(mottled(own, 128, shade, 0.04), own.uniform(0.25, 0.6), vertices=vertices, faces=faces, extent=1.4)
        )
    for at in rng.uniform(-0.8, 0.8, rng.integers(0, 3)):  # ties
        row = np.full(40, at)
        turns = np.linspace(0, np.pi, 40)
        across = (count * thick + 0.02) * np.cos(turns) + wave * np.sin(2.4 * at + phase)
        vertices, faces = tube(np.stack([row, across, 2.1 * thick * np.sin(turns) ** 0.4], 1), 0.03, 8)
        parts.append(Part(np.full(3, rng.choice([0.02, 0.8])), 0.4, vertices=vertices, faces=faces))
    return [part.placed(angle=angle) for part in parts]
