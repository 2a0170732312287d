"""More products that fill the picture: knitwear, stone, concrete, plastics, rubber, cardboard, perforated sheet."""

import numpy as np
from scipy import ndimage

from ..build import family
from ..parts import Part
from ..textures import (
    cells,
    cover,
    grid,
    hsv,
    letters,
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
from .shapes import SIZE
from .surfaces import filling


@family("knitted fabric", fills=True, weight=1.0)
def knit(build):
    rng, size = build.rng, 400
    build.material = "wool"
    x, y = grid(size)
    pitch = rng.uniform(0.06, 0.16)
    wobble = 0.1 * pitch * noise(size, 2.6, rng)
    u, v = x + wobble, y * rng.uniform(0.7, 1.2) + wobble
    dropped = build.pick("dropped_stitch", "incomplete", 12)
    across = repeat(u, pitch) / pitch  # each column of stitches is a row of V's
    leg = np.abs(repeat(v / pitch + 1.1 * np.abs(across) * 2 - 0.5, 1.0))
    yarn = (
        np.sqrt(np.clip(1 - (leg / 0.42) ** 2, 0, 1))
        * smoothstep(0.0, 0.12, np.abs(across))
        * smoothstep(0.52, 0.4, np.abs(across))
    )
    strands = 0.15 * np.sin((v / pitch - 2 * np.abs(across)) * 30) + 0.1 * noise(size, 0.8, rng)
    if rng.random() < 0.4:  # ribbed
        yarn = yarn * (1 + 0.4 * np.sign(np.sin(u / pitch * np.pi / rng.integers(1, 4))))
    colour = paint(rng)
    albedo = colour * (0.45 + 0.5 * yarn + 0.2 * strands * yarn)[..., None]
    if rng.random() < 0.4:
        bands = np.sin(v * rng.uniform(3, 14) + rng.uniform(0, 6)) > rng.uniform(-0.4, 0.7)
        albedo = np.where(bands[..., None], paint(rng) * (0.45 + 0.5 * yarn + 0.2 * strands * yarn)[..., None], albedo)
    height = 0.05 + 0.35 * pitch * yarn + 0.004 * strands
    if dropped is not None:
        ladder = (np.round(u / pitch) == dropped - 6) & (np.abs(y - 0.1 * dropped + 0.6) < 0.35)
        height, albedo = np.where(ladder, height - 0.6 * pitch, height), albedo * np.where(ladder, 0.35, 1)[..., None]
    return filling(build, np.clip(albedo, 0.01, 0.9), 0.95, height)


@family("stone", fills=True, weight=0.9)
def stone(build):
    """Granite, sandstone, slate."""
    rng, size = build.rng, 400
    build.material, style = "stone", rng.integers(3)
    build.name = ("granite", "sandstone", "slate")[style]
    if style == 0:
        albedo = np.ones((size, size, 3)) * paint(rng)
        for _ in range(rng.integers(2, 5)):
            albedo[noise(size, rng.uniform(0.4, 1.4), rng) > rng.uniform(0.4, 1.6)] = (
                paint(rng) if rng.random() < 0.5 else rng.uniform(0.02, 0.8)
            )
        return filling(
            build,
            albedo * (1 + 0.06 * noise(size, 1, rng))[..., None],
            rng.uniform(0.1, 0.6),
            0.05 + 0.001 * noise(size, 1.5, rng),
        )
    if style == 1:
        layers = noise(size, 2.4, rng, (0.15, 1))
        colour = hsv(rng.uniform(0.05, 0.12), rng.uniform(0.15, 0.5), rng.uniform(0.4, 0.8)) ** 1.2
        albedo = colour * (1 + 0.12 * layers + 0.1 * noise(size, 0.6, rng))[..., None]
        return filling(build, albedo, 0.9, 0.05 + 0.006 * noise(size, 1.2, rng) + 0.004 * layers)
    steps = noise(size, 3.4, rng, (rng.uniform(0.4, 1), 1))
    cleft = np.round(steps * 2.5) / 2.5
    colour = np.full(3, rng.uniform(0.04, 0.2)) * (1, rng.uniform(0.95, 1.05), rng.uniform(0.95, 1.15))
    albedo = colour * (1 + 0.15 * steps + 0.1 * noise(size, 1.5, rng))[..., None]
    return filling(
        build,
        albedo,
        rng.uniform(0.4, 0.8),
        0.05 + 0.012 * ndimage.gaussian_filter(cleft, 1) + 0.002 * noise(size, 1.6, rng),
    )


@family("concrete", fills=True, weight=0.8)
def concrete(build):
    rng, size = build.rng, 400
    build.material = "concrete"
    clouds, fine = noise(size, 2.6, rng), noise(size, 1.0, rng)
    grey = rng.uniform(0.15, 0.6) * np.array([1, rng.uniform(0.96, 1), rng.uniform(0.88, 1)])
    albedo = grey * (1 + 0.1 * clouds + 0.06 * fine)[..., None]
    bubbles = smoothstep(2.0, 2.6, noise(size, 1.4, rng)) * rng.integers(2)  # air bubbles belong to it
    height = 0.05 + 0.003 * clouds + 0.002 * fine - 0.012 * bubbles
    albedo = albedo * (1 - 0.5 * bubbles)[..., None]
    if rng.random() < 0.3:  # the marks of the boards
        x, y = grid(size)
        seam = np.abs(repeat(y, rng.uniform(0.3, 0.7)))
        height, albedo = (
            height + 0.01 * smoothstep(0.02, 0, seam),
            albedo * (1 - 0.2 * smoothstep(0.015, 0, seam))[..., None],
        )
    return filling(build, albedo, rng.uniform(0.6, 0.95), height)


@family("brick wall", fills=True, weight=0.6, without=("warp",))
def bricks(build):
    rng, size = build.rng, 400
    build.material = "brick"
    x, y = grid(size)
    pitch = rng.uniform(0.18, 0.4)
    row = np.round(y / pitch)
    column_offset = 0.5 * (row % 2)
    gap = np.minimum(
        pitch / 2 - np.abs(repeat(y, pitch)), pitch - np.abs(repeat(x + column_offset * 2 * pitch, 2 * pitch))
    )
    joint = smoothstep(0.025, 0.01, gap + 0.006 * noise(size, 1.6, rng))
    number = (row * 7 + np.round((x + column_offset * 2 * pitch) / (2 * pitch)) * 13).astype(int) % 32
    shades = np.clip(
        hsv(rng.uniform(0, 0.1), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7)) ** 1.2
        * (1 + 0.18 * rng.normal(size=(32, 1))),
        0.02,
        0.9,
    )
    albedo = shades[number] * (1 + 0.12 * noise(size, 1.3, rng))[..., None]
    albedo = over(albedo, np.full(3, rng.uniform(0.2, 0.6)) * (1 + 0.15 * noise(size, 0.8, rng))[..., None], joint)
    return filling(build, albedo, 0.9, 0.05 + 0.004 * noise(size, 1.5, rng) - 0.03 * joint)


@family("grained plastic", fills=True, weight=1.0)
def plastic_grain(build):
    """The textured skin of a moulding: eroded, leather-like, fine lines."""
    rng, size = build.rng, 400
    style = rng.integers(3)
    if style == 0:
        relief = noise(size, rng.uniform(0.6, 1.6), rng)
    elif style == 1:
        nearest, second = cells(size, int(rng.integers(1500, 9000)), rng, 2)
        relief = 2 * smoothstep(0, 0.3, second - nearest) - 1
    else:
        lines = turn(*grid(size), rng.choice([0, np.pi / 4, np.pi / 2]))
        relief = np.sin(lines[0] * rng.uniform(60, 200)) * (
            1 if rng.random() < 0.5 else np.sin(lines[1] * rng.uniform(60, 200))
        )
    colour = paint(rng)
    height = 0.05 + rng.uniform(0.0008, 0.004) * relief + 0.006 * rng.uniform(0, 1) * noise(size, 3.6, rng)
    albedo = mottled(rng, size, colour, 0.015)
    if rng.random() < 0.4:
        mark = letters(
            word(rng, rng.integers(2, 7)), size, *rng.uniform(-0.3, 0.3, 2), rng.uniform(0.1, 0.35), rng.choice([0, 90])
        )
        mark = build.imprint(mark)
        if rng.random() < 0.5:
            height = height + 0.015 * mark
        else:
            albedo = over(albedo, np.full(3, 0.8 if colour.mean() < 0.25 else 0.04), mark)
    return filling(build, albedo, rng.uniform(0.2, 0.7), height)


@family("painted surface", fills=True, weight=1.0)
def painted(build):
    """Smooth lacquer with orange peel; plain, two-toned or printed."""
    rng, size = build.rng, 400
    build.material = "painted metal"
    colour = paint(rng)
    x, y = turn(*grid(size), rng.uniform(0, 6.3))
    albedo = mottled(rng, size, colour, 0.008, 3)
    if rng.random() < 0.35:
        albedo = over(albedo, paint(rng), cover(np.abs(x - rng.uniform(-0.4, 0.4)) - rng.uniform(0.02, 0.4), 2 / size))
    if rng.random() < 0.35:
        mark = build.imprint(
            letters(
                word(rng, rng.integers(3, 8)),
                size,
                *rng.uniform(-0.2, 0.2, 2),
                rng.uniform(0.15, 0.4),
                rng.choice([0, 90]),
                2,
            )
        )
        albedo = over(albedo, np.full(3, 0.8 if colour.mean() < 0.25 else 0.04), mark)
    build.inside = np.array([0.55, 0.55, 0.56]) if rng.random() < 0.7 else None  # bare metal under the paint
    bow = 0.15 * rng.uniform(0, 1) * (1 - np.cos(x))
    height = 0.05 + rng.uniform(0.0003, 0.0015) * noise(size, 2.0, rng) - bow
    if rng.random() < 0.3:
        flakes = 0.2 * noise(size, 0.2, rng)  # metallic paint
        albedo = albedo * np.clip(1 + flakes, 0.3, 1.8)[..., None]
    return filling(build, albedo, rng.uniform(0.07, 0.45), height)


@family("rubber mat", fills=True, weight=0.8)
def rubber_mat(build):
    """Studs, ribs or diamonds."""
    rng, size = build.rng, 400
    build.material = "rubber"
    x, y = turn(*grid(size), rng.choice([0, np.pi / 4]))
    pitch, style = rng.uniform(0.1, 0.35), rng.integers(4)
    shift = 0.5 * pitch * (np.round(y / pitch) % 2) * rng.integers(2)
    u, v = repeat(x + shift, pitch), repeat(y, pitch)
    far = (
        np.hypot(u, v) - 0.34 * pitch,
        np.abs(v) - 0.3 * pitch,
        np.abs(u) + np.abs(v) - 0.38 * pitch,
        polygon(u, v, 6, 0.36 * pitch),
    )[style]
    gone = build.pick("worn_stud", "incomplete", 20)
    stud = smoothstep(0.01, -0.02, far)
    if gone is not None and style != 1:
        near = (np.round((x + shift) / pitch) == gone % 5 - 2) & (np.round(y / pitch) == gone // 5 - 2)
        stud = np.where(near, 0.2 * stud, stud)
    colour = np.full(3, rng.uniform(0.012, 0.06)) if rng.random() < 0.6 else paint(rng)
    albedo = mottled(rng, size, colour, 0.12, 1.0)
    albedo = over(
        albedo, np.full(3, 0.35), (1 - stud) * smoothstep(0.5, 2, noise(size, 1.6, rng)) * rng.uniform(0, 0.4)
    )
    return filling(
        build,
        albedo,
        rng.uniform(0.35, 0.85),
        0.05 + rng.uniform(0.01, 0.05) * stud + 0.0008 * noise(size, 1, rng),
        straight=0.6,
    )


@family("cardboard", fills=True, weight=0.8)
def cardboard(build):
    rng, size = build.rng, 400
    build.material = "cardboard"
    x, y = grid(size)
    flutes = np.sin(x * rng.uniform(40, 120)) * rng.uniform(0, 0.004)
    brown = hsv(rng.uniform(0.07, 0.11), rng.uniform(0.2, 0.55), rng.uniform(0.4, 0.85)) ** 1.2
    fibres = noise(size, 1.2, rng, (0.3, 1))
    albedo = brown * (1 + 0.05 * fibres + 0.03 * noise(size, 2.4, rng) + 6 * flutes)[..., None]
    mark = np.zeros((size, size), np.float32)
    for _ in range(rng.integers(0, 4)):
        mark = np.maximum(
            mark,
            letters(word(rng, rng.integers(2, 8)), size, *rng.uniform(-0.4, 0.4, 2), rng.uniform(0.08, 0.35), 0, 2),
        )
    albedo = over(albedo, paint(rng) * 0.4, 0.85 * build.imprint(mark))
    if rng.random() < 0.3:
        seam = smoothstep(0.012, 0.004, np.abs(y - rng.uniform(-0.4, 0.4)))
        flutes, albedo = flutes - 0.02 * seam, albedo * (1 - 0.5 * seam)[..., None]
    return filling(build, albedo, 0.85, 0.05 + flutes + 0.0008 * fibres, straight=0.7)


@family("perforated sheet", fills=True, weight=0.9, without=("pores", "hole", "puncture"))
def perforated(build):
    rng, size = build.rng, SIZE
    pitch, style = rng.uniform(0.1, 0.3), rng.integers(3)
    x, y = turn(*grid(size), rng.choice([0, np.pi / 4]))
    row = np.round(y / pitch)
    shift = 0.5 * pitch * (row % 2) * rng.integers(2)
    u, v = repeat(x + shift, pitch), repeat(y, pitch)
    wide = rng.uniform(0.2, 0.36) * pitch
    far = (
        np.hypot(u, v) - wide,
        np.maximum(np.abs(u), np.abs(v)) - 0.9 * wide,
        np.hypot(np.clip(np.abs(u) - 0.2 * pitch, 0, None), v) - 0.6 * wide,
    )[style]
    column = np.round((x + shift) / pitch)
    blocked, missing, torn = (
        build.change("blocked_holes", "contaminated"),
        build.change("missing_hole", "incomplete"),
        build.change("torn_web", "with a hole"),
    )
    if rng_ := blocked or missing or torn:
        at = np.round(rng_.uniform(-0.5, 0.5, 2) / pitch)
        near = (np.abs(column - at[0]) < (1.5 if blocked or torn else 0.5)) & (row == at[1])
        far = np.where(near, np.abs(v) - 0.9 * wide if torn else 1.0, far)
    colour, metallic = build.metal_or("painted metal", 0.7)
    albedo = mottled(rng, size, colour, 0.06)
    height = np.where(far > 0, 0.06 - 0.03 * smoothstep(0.03, 0, far), -0.15)
    if blocked:
        filled = near & (np.hypot(u, v) < wide * 1.2)
        albedo = over(albedo, paint(rng_), ndimage.gaussian_filter(filled * 1.0, 1))
    angle = rng.normal(0, 0.05)
    below = Part(paint(rng), 0.8, 0.0, np.full((size, size), -0.4, np.float32)).placed(scale=2)
    return [Part(albedo, rng.uniform(0.2, 0.55), metallic, height, floor=-0.1).placed(angle=angle, scale=1.35), below]


@family("cork", fills=True, weight=0.6)
def cork(build):
    """Cork, chipboard, foam: grains pressed together."""
    rng, size = build.rng, 400
    style = rng.integers(3)
    build.name, build.material = (("cork", "cork"), ("chipboard", "wood"), ("foam", "foam"))[style]
    nearest, second = cells(size, int(rng.integers(400, 4000)), rng, 4)
    shade = noise(size, 1.2, rng)
    tone = smoothstep(-1, 1, noise(size, 0.9, rng))
    colour = (
        hsv(rng.uniform(0.06, 0.11), rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.8)) ** 1.2 if style < 2 else paint(rng)
    )
    seams = smoothstep(0.12, 0.02, second - nearest)
    albedo = colour * (0.75 + 0.3 * tone + 0.06 * shade - 0.3 * seams)[..., None]
    pits = smoothstep(1.3, 2.2, noise(size, 1.2, rng))
    return filling(
        build,
        np.clip(albedo, 0.01, 0.9) * (1 - 0.5 * pits)[..., None],
        0.9,
        0.05 + 0.003 * shade - 0.012 * pits - 0.004 * seams,
    )


@family("printed paper", fills=True, weight=0.9)
def printed_paper(build):
    rng, size = build.rng, 420
    build.material = "paper"
    white = np.full(3, rng.uniform(0.6, 0.88)) if rng.random() < 0.7 else paint(rng)
    albedo = mottled(rng, size, white, 0.012, 1.5)
    text, lines = np.zeros((size, size), np.float32), int(rng.integers(3, 12))
    tall = 1.5 / lines
    for line in range(lines):
        row = " ".join(word(rng, rng.integers(2, 9)) for _ in range(rng.integers(1, 5)))
        text = np.maximum(
            text,
            letters(
                row,
                size,
                rng.uniform(-0.1, 0.1),
                0.8 - (line + 0.5) * tall,
                tall * rng.uniform(0.4, 0.7),
                0,
                int(rng.integers(0, 3)),
            ),
        )
    ink = paint(rng) * 0.3 if white.mean() > 0.3 else np.full(3, 0.8)
    albedo = over(albedo, ink, build.imprint(text))
    if rng.random() < 0.4:
        x, y = grid(size)
        field = np.maximum(
            np.abs(x - rng.uniform(-0.5, 0.5)) - rng.uniform(0.1, 0.4),
            np.abs(y - rng.uniform(-0.5, 0.5)) - rng.uniform(0.1, 0.4),
        )
        albedo = over(albedo, paint(rng), 0.8 * cover(field, 2 / size))
    return filling(
        build, albedo, rng.uniform(0.3, 0.9), 0.05 + 0.004 * rng.uniform(0, 1) * noise(size, 3.6, rng), straight=0.8
    )
