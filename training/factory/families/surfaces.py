"""Products that fill the picture: leather, textiles, wood, stone, sheet metal, castings."""

import numpy as np
from scipy import ndimage

from ..build import family
from ..parts import Part
from ..textures import cells, grid, hsv, mottled, noise, over, paint, repeat, smoothstep, turn
from .shapes import SIZE


def filling(build, albedo, roughness, height, metallic=0.0, straight=0.5):
    """A part that covers more than the camera sees, mostly straight."""
    rng = build.rng
    angle = rng.normal(0, 0.03) if rng.random() < straight else rng.uniform(0, 2 * np.pi)
    return [Part(albedo, roughness, metallic, height).placed(angle=angle, scale=1.35)]


@family("leather", fills=True, weight=1.4)
def leather(build):
    rng, size = build.rng, 400
    build.material = "leather"
    count = int(np.exp(rng.uniform(np.log(2000), np.log(16000))))
    nearest, second = cells(size, count, rng)
    pebble = smoothstep(0, rng.uniform(0.2, 0.6), second - nearest)
    wrinkle = noise(size, 2.8, rng, (rng.uniform(0.3, 1), 1))
    colour = (
        paint(rng)
        if rng.random() < 0.3
        else hsv(rng.uniform(0.02, 0.1), rng.uniform(0.3, 0.75), rng.uniform(0.1, 0.6)) ** 1.3
    )
    shade = rng.uniform(0.6, 0.9) + rng.uniform(0.1, 0.35) * pebble + 0.07 * noise(size, 2.2, rng)
    height = 0.05 + rng.uniform(0.08, 0.3) / np.sqrt(count) * pebble + 0.004 * rng.uniform(0.2, 1) * wrinkle
    if rng.random() < 0.3:  # pores of hair
        pores = smoothstep(1.6, 2.2, noise(size, 0.5, rng))
        height, shade = height - 0.006 * pores, shade * (1 - 0.4 * pores)
    return filling(build, colour * shade[..., None], rng.uniform(0.3, 0.7), height, straight=0.3)


@family("woven fabric", fills=True, weight=1.2, without=("pores",))
def fabric(build):
    rng, size = build.rng, 400
    build.material = "fabric"
    x, y = grid(size)
    threads, wobble = rng.uniform(18, 48) * np.pi, 0.006 * noise(size, 2.5, rng)
    missing = build.pick("missing_thread", "incomplete", 12)
    u, v = x + wobble, y + 0.8 * wobble
    style = rng.integers(3)
    if style == 0:
        weave = np.sin(u * threads) * np.sin(v * threads)
    elif style == 1:  # twill
        weave = 0.6 * np.sin((u + v) * threads * 0.7) + 0.4 * np.sin(u * threads * 2)
    else:  # plain weave with round threads
        over_ = np.sin(u * threads / 2) * np.sin(v * threads / 2) > 0
        weave = np.where(over_, np.cos(u * threads) ** 2, np.cos(v * threads) ** 2)
    first = paint(rng)
    second = paint(rng) if rng.random() < 0.3 else first * rng.uniform(0.5, 1)
    albedo = (
        np.where((weave > 0.2)[..., None], first, second)
        * (0.8 + 0.2 * weave + 0.08 * noise(size, 0.8, rng))[..., None]
    )
    if rng.random() < 0.35:  # stripes or checks
        stripe = np.sin(x * rng.uniform(6, 14)) > rng.uniform(-0.3, 0.6)
        if rng.random() < 0.5:
            stripe = stripe ^ (np.sin(y * rng.uniform(6, 14)) > rng.uniform(-0.3, 0.6))
        albedo = np.where(stripe[..., None], albedo, albedo[..., ::-1] * rng.uniform(0.4, 1))
    height = 0.05 + rng.uniform(0.006, 0.02) * weave + 0.002 * noise(size, 2.2, rng)
    if missing is not None:
        run = np.abs(v - (missing - 5.5) / 10) < 2.4 / threads
        height, albedo = height - 0.03 * run, albedo * np.where(run, 0.35, 1)[..., None]
    return filling(build, albedo, 0.9, height, straight=0.6)


@family("wood", fills=True, weight=1.2)
def wood(build):
    rng, size = build.rng, 400
    build.material = "wood"
    x, y = grid(size)
    phase = y * rng.uniform(8, 26) + noise(size, 4.2, rng, (0.35, 1)) * rng.uniform(0.5, 1.6)
    phase += 0.12 * noise(size, 2.6, rng, (0.15, 1))
    dark = np.zeros((size, size))
    for _ in range(rng.integers(0, 3)):  # knots
        kx, ky, wide = *rng.uniform(-0.9, 0.9, 2), rng.uniform(0.06, 0.16)
        far = np.hypot((x - kx) * 0.55, y - ky)
        phase += rng.uniform(2, 4) * np.exp(-((far / wide) ** 2)) * np.sign(y - ky + 1e-6)
        near = np.hypot((x - kx) * 0.8, y - ky) / wide
        dark = np.maximum(dark, np.exp(-((near / 0.45) ** 4)) + 0.35 * np.exp(-((near / 0.8) ** 2)))
    ring = (phase / np.pi) % 1
    ring = np.where(ring < 0.75, ring / 0.75, (1 - ring) / 0.25) ** 1.5
    pores = ndimage.gaussian_filter((noise(size, 0.7, rng, (0.05, 1)) > 1.4) * 1.0, (0.4, 1.2))
    fine = noise(size, 1.6, rng, (0.05, 1))
    shade = (
        (1 - rng.uniform(0.15, 0.45) * ring) * (1 + 0.06 * fine) * (1 - 0.35 * pores) * (1 + 0.06 * noise(size, 3, rng))
    )
    colour = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.85)) ** 1.3
    albedo = colour * (shade * (1 - 0.7 * np.clip(dark, 0, 1)))[..., None]
    height = 0.05 + 0.0008 * fine - 0.004 * pores - 0.002 * ring
    if rng.random() < 0.4:  # boards
        for joint in np.arange(-1 + rng.uniform(0, 0.3), 1.1, rng.uniform(0.4, 0.7)):
            gap, shift = np.abs(y - joint) < 0.012, int(rng.integers(20, 300))
            beyond = y > joint
            albedo[beyond] = np.roll(albedo, shift, 1)[beyond] * rng.uniform(0.85, 1.15)
            height[gap] -= 0.03
            albedo[gap] *= 0.3
    return filling(build, albedo, rng.uniform(0.25, 0.7), height, straight=0.7)


@family("tile", fills=True)
def tile(build):
    rng, size = build.rng, SIZE
    build.material = "ceramic"
    x, y = grid(size)
    style = rng.integers(4)
    albedo = mottled(rng, size, paint(rng), 0.1, 2.2)
    height = 0.05 + 0.0008 * noise(size, 2.2, rng)
    if style == 0:  # terrazzo
        for _ in range(rng.integers(1, 4)):
            albedo[noise(size, rng.uniform(0.5, 1.6), rng) > rng.uniform(0.6, 1.8)] = paint(rng)
    elif style == 1:  # marble
        vein = np.exp(-np.abs(noise(size, 2.8, rng)) / 0.06) + 0.5 * np.exp(-np.abs(noise(size, 2.4, rng)) / 0.05)
        albedo = over(albedo, paint(rng), np.clip(rng.uniform(0.3, 0.8) * vein, 0, 1))
    if style == 3 or rng.random() < 0.35:  # joints
        pitch = rng.uniform(0.35, 0.9)
        ratio, offset = rng.uniform(1, 2), rng.choice([0, 0.5])
        row = np.round(y * ratio / pitch)
        across = pitch / 2 - np.abs(repeat(x + offset * pitch * row, pitch))
        gap = np.minimum(across, (pitch / 2 - np.abs(repeat(y * ratio, pitch))) / ratio)
        joint = smoothstep(0.03, 0.015, gap)
        height -= 0.04 * joint
        grout = np.full(3, rng.uniform(0.1, 0.7)) * (1 + 0.2 * noise(size, 0.7, rng)[..., None])
        albedo = over(albedo, grout, joint)
    return filling(build, albedo, rng.uniform(0.08, 0.5), height, straight=0.7)


@family("brushed metal sheet", fills=True, without=("hole",))
def sheet(build):
    rng, size = build.rng, 400
    marks = noise(size, rng.uniform(0.6, 1.6), rng, (rng.uniform(0.01, 0.06), 1))
    metal, clouds = build.metal(), noise(size, 2.6, rng)
    if rng.random() < 0.3:  # hot rolled, with scale
        marks = 0.5 * marks + noise(size, 1.6, rng, (0.3, 1))
        metal = metal * rng.uniform(0.3, 0.7)
    albedo = metal * (1 + rng.uniform(0.02, 0.1) * marks + 0.04 * clouds)[..., None]
    roughness = np.clip(rng.uniform(0.3, 0.5) + 0.05 * marks, 0.15, 0.9)
    return filling(
        build, albedo, roughness, 0.05 + 0.0006 * marks + 0.003 * rng.uniform(0, 1) * clouds, 1.0, straight=0.6
    )


@family("magnetic tile", fills=True, weight=1.2)
def magnetic_tile(build):
    rng, size = build.rng, 400
    build.material = "ferrite"
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.05)
    fine = noise(size, rng.uniform(0.8, 1.6), rng, (rng.uniform(0.02, 0.1), 1))
    grain, clouds = noise(size, 1.4, rng), noise(size, 3.0, rng)
    grey = rng.uniform(0.06, 0.3) * np.array([1, rng.uniform(0.96, 1), rng.uniform(0.93, 1.03)])
    albedo = grey * (1 + rng.uniform(0.05, 0.16) * fine + rng.uniform(0.03, 0.1) * grain + 0.1 * clouds)[..., None]
    height = 0.05 + 0.001 * fine + 0.0015 * grain + 0.01 * rng.uniform(0, 1) * clouds
    x, y = turn(*grid(size), angle)
    if rng.random() < 0.3:  # the rounded end of the tile
        edge = x - rng.uniform(0.4, 0.8)
        height -= 0.5 * np.clip(edge, 0, None) ** 2
    parts = filling(build, albedo, rng.uniform(0.3, 0.7), height, rng.choice([0, 0.5]), straight=1)
    return [part.placed(angle=angle) for part in parts]


@family("carpet", fills=True, without=("crack", "starred", "crazing"))
def carpet(build):
    rng, size = build.rng, 400
    build.material = "carpet"
    x, y = grid(size)
    tuft, soft = noise(size, 0.5, rng), noise(size, 1.8, rng)
    height = 0.05 + 0.014 * ndimage.gaussian_filter(tuft, 0.8) + 0.01 * soft
    albedo = paint(rng) * (0.85 + 0.2 * tuft + 0.1 * soft)[..., None]
    if rng.random() < 0.5:
        ribs = np.sin(turn(x, y, rng.uniform(0, np.pi))[0] * rng.uniform(20, 60))
        height, albedo = height + 0.02 * ribs, albedo * (0.85 + 0.15 * ribs)[..., None]
    if rng.random() < 0.4:  # a woven pattern of two colours
        pattern = smoothstep(-0.2, 0.2, np.sin(x * rng.uniform(4, 14)) * np.sin(y * rng.uniform(4, 14)) + 0.15 * tuft)
        albedo = over(albedo, paint(rng) * (0.85 + 0.2 * tuft)[..., None], pattern)
    return filling(build, albedo * (1 + 0.05 * rng.normal(size=(size, size, 3))), 0.95, height)


@family(
    "metal grid",
    fills=True,
    without=("dent", "bulge", "scuff", "abrasion", "pores", "crazing", "discoloured", "cracked_through"),
)
def metal_grid(build):
    rng = build.rng
    pitch = rng.uniform(0.16, 0.4)
    u, v = turn(*grid(SIZE), np.pi / 4 * rng.integers(2))
    wire = pitch * rng.uniform(0.1, 0.2)
    bend = build.change("bent_wire", "deformed")
    gone = build.change("broken_wire", "incomplete")
    across, along = np.abs(repeat(u, pitch)), np.abs(repeat(v, pitch))
    if bend:
        cx, cy = np.round(bend.uniform(-0.5, 0.5, 2) / pitch) * pitch
        bump = bend.choice([-1, 1]) * bend.uniform(0.25, 0.5) * pitch * np.exp(-(((v - cy) / (0.6 * pitch)) ** 2))
        across = np.where(np.abs(u - cx) < 0.5 * pitch, np.abs(u - cx - bump), across)
    crossing = np.cos(np.pi * v / pitch) * np.cos(np.pi * u / pitch) * wire * 0.5
    first = np.where(across < wire, 0.06 + np.sqrt(np.clip(1 - (across / wire) ** 2, 0, 1)) * wire + crossing, -0.1)
    second = np.where(along < wire, 0.06 + np.sqrt(np.clip(1 - (along / wire) ** 2, 0, 1)) * wire - crossing, -0.1)
    if gone:
        cx, cy = np.round(gone.uniform(-0.5, 0.5, 2) / pitch) * pitch
        cut = (np.abs(u - cx) < 0.5 * pitch) & (np.abs(v - cy - pitch / 2) < gone.uniform(0.2, 1.1) * pitch)
        first = np.where(cut, -0.1, first)
    colour, metallic = build.metal_or("plastic", 0.65)
    part = Part(
        mottled(rng, SIZE, colour, 0.06), rng.uniform(0.25, 0.6), metallic, np.maximum(first, second), floor=0.0
    )
    ground_level = Part(paint(rng), 0.8, 0.0, np.full((SIZE, SIZE), -0.3, np.float32))
    angle = rng.normal(0, 0.05)
    return [part.placed(angle=angle, scale=1.35), ground_level.placed(scale=2)]
