"""Damage to the shape: with a hole, deformed, incomplete."""

import numpy as np
from scipy import ndimage

from .damage import Unsuited, damage
from .textures import noise, over, smoothstep, turn

# ---- with a hole


def _pierce(spot, inside, depth):
    """Take the cells `inside` away: through to the ground where the part has an outline, else down by `depth`."""
    part = spot.part
    if part.floor is not None:
        part.height = np.where(inside > 0.5, part.floor - 0.2, part.height).astype(np.float32)
        return
    part.carve(depth * inside)
    spot.tint(spot.base() * spot.rng.uniform(0.02, 0.2), inside, 0.9, 0)


@damage("with a hole", 1.3)
def hole(spot):
    rng = spot.rng
    spot.radius *= 0.85
    distance = spot.distance(rough=rng.choice([0.02, 0.12]), stretch=rng.choice([1, 1.3]))
    width = max(0.35 * spot.radius, 2 * spot.part.cell)
    rim = smoothstep(width, 0, distance) * (distance > 0)
    spot.tint(spot.fresh(), rim * rng.uniform(0.1, 0.8))
    spot.part.carve(-rng.choice([0, 0, 1]) * 0.3 * spot.radius * rim)
    _pierce(spot, smoothstep(spot.part.cell, -spot.part.cell, distance), rng.uniform(0.08, 0.2) + 0.6 * spot.radius)


@damage("with a hole")
def puncture(spot):
    """A ragged hole whose edge was pushed in or torn out."""
    rng, part = spot.rng, spot.part
    distance = spot.distance(rough=rng.uniform(0.3, 0.55))
    pushed = np.exp(-np.clip(distance, 0, None) / (0.5 * spot.radius))
    part.carve(rng.choice([-1, 1]) * min(0.4 * spot.radius, 0.12) * pushed)
    spot.tint(spot.fresh(), np.exp(-((np.clip(distance, 0, None) / (0.25 * spot.radius)) ** 2)) * rng.uniform(0.2, 0.9))
    _pierce(
        spot,
        smoothstep(part.cell, -part.cell, distance + 0.3 * spot.radius),
        rng.uniform(0.1, 0.25) + 0.5 * spot.radius,
    )


@damage("with a hole", 0.8)
def pores(spot):
    """Several small pits: porosity, worm or pin holes."""
    rng, part = spot.rng, spot.part
    middle, whole = (spot.x, spot.y), spot.radius
    pits = np.zeros((part.size,) * 2, np.float32)
    for _ in range(int(rng.integers(3, 14))):
        spot.x, spot.y = middle + rng.normal(0, whole, 2)
        spot.radius = max(whole * rng.uniform(0.12, 0.4), 2 * part.cell)
        pits = np.maximum(pits, smoothstep(part.cell, -part.cell, spot.distance(0.1, 1.2)))
    spot.x, spot.y = middle
    spot.tint(spot.base() * rng.uniform(0.02, 0.2), pits, 0.9, 0)
    part.carve(rng.uniform(0.05, 0.15) * pits)


# ---- deformed


@damage("deformed", 1.5)
def dent(spot):
    rng = spot.rng
    weight = spot.blob(soft=0.9, rough=0.15)
    spot.part.carve(min(spot.radius * rng.uniform(0.35, 0.8), 0.22) * weight)
    spot.tint(spot.part.albedo * 0.85, weight * rng.uniform(0, 1))


@damage("deformed")
def bulge(spot):
    rng, part = spot.rng, spot.part
    weight = spot.blob(soft=0.6)
    uneven = np.clip(1 + 0.15 * noise(part.size, 2.4, rng), 0.3, 2)
    part.carve(-spot.radius * rng.uniform(0.25, 0.6) * weight * uneven)
    spot.tint(part.albedo * rng.uniform(0.6, 1.4), weight * rng.integers(2))


@damage("deformed", 0.9)
def crease(spot):
    """A sharp ridge or furrow from folding or a blow."""
    rng, part = spot.rng, spot.part
    line = spot.lines(2 * part.cell, spot.radius * rng.uniform(2.5, 5), 0.05, curve=rng.normal(0, 0.4))
    away = ndimage.distance_transform_edt(line < 0.5) * part.cell
    wide = spot.radius * rng.uniform(0.3, 0.6)
    part.carve(rng.choice([-1, 1]) * wide * rng.uniform(0.4, 0.9) * np.exp(-away / wide))
    spot.tint(part.albedo * rng.choice([0.7, 1.35]), np.exp(-((away / (2.5 * part.cell)) ** 2)) * rng.uniform(0, 0.8))


def _resampled(spot, rows, columns):
    part = spot.part
    for name in ("height", "roughness", "metallic"):
        setattr(part, name, ndimage.map_coordinates(getattr(part, name), (rows, columns), order=1, mode="nearest"))
    channels = [
        ndimage.map_coordinates(part.albedo[..., k], (rows, columns), order=1, mode="nearest") for k in range(3)
    ]
    part.albedo = np.stack(channels, -1)


@damage("deformed", 1.3, needs="height", edge=True)
def warp(spot):
    """Everything about the spot shifted sideways: squeezed, bent over, pulled."""
    rng, part = spot.rng, spot.part
    rows, columns = np.mgrid[: part.size, : part.size].astype(np.float32)
    row, column = part.at(spot.x, spot.y)
    reach = spot.radius * 1.1 / part.cell
    weight = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * reach**2))
    angle, far = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.5, 1.2)
    _resampled(spot, rows + weight * far * np.sin(angle), columns + weight * far * np.cos(angle))


@damage("deformed", 0.7, needs="height")
def twisted(spot):
    """The pattern turned about the spot."""
    part = spot.part
    rows, columns = np.mgrid[: part.size, : part.size].astype(np.float32)
    row, column = part.at(spot.x, spot.y)
    reach = spot.radius * 1.2 / part.cell
    weight = np.exp(-((((rows - row) ** 2 + (columns - column) ** 2) / (reach**2)) ** 2))
    x, y = turn(columns - column, rows - row, spot.rng.choice([-1, 1]) * spot.rng.uniform(0.4, 1.2) * weight)
    _resampled(spot, row + y, column + x)


@damage("deformed", 0.7, needs="height", only=("plastic", "rubber", "soft", "other", "paper", "metal"))
def melted(spot):
    rng, part = spot.rng, spot.part
    weight, wide = spot.blob(soft=0.3), max(2, 0.35 * spot.radius / part.cell)
    smooth = ndimage.gaussian_filter(np.maximum(part.height, -0.05), wide) + 0.015 * noise(part.size, 2.5, rng)
    part.height = np.where(spot.body(), over(part.height, smooth, weight), part.height).astype(np.float32)
    spot.tint(
        ndimage.gaussian_filter(part.albedo, (wide, wide, 0)) * rng.uniform(0.4, 0.95), weight, rng.uniform(0.1, 0.9)
    )


@damage("deformed", 0.8, needs="outline", edge=True, only=("metal", "plastic", "rubber", "brittle", "other", "paper"))
def flash(spot):
    """Excess material beyond the outline: a burr, moulding flash."""
    rng, part = spot.rng, spot.part
    outside = (spot.blob(soft=0.1) > 0.5) & ~spot.body()
    if outside.sum() < 12:
        raise Unsuited
    nearest = ndimage.distance_transform_edt(~spot.body(), return_distances=False, return_indices=True)
    level = max(0.02, float(part.height.max())) * rng.uniform(0.2, 0.8)
    for name in ("albedo", "roughness", "metallic"):
        getattr(part, name)[outside] = getattr(part, name)[nearest[0], nearest[1]][outside]
    part.height[outside] = np.maximum(level * (0.85 + 0.1 * noise(part.size, 3.3, rng)), 0.01)[outside] + part.floor


@damage("deformed", 1.5, needs="mesh")
def bent(spot):
    """A long part bent in the plane or upwards at the spot."""
    rng, part = spot.rng, spot.part
    vertices = part.vertices.copy()
    axis = int(np.argmax(np.ptp(vertices[:, :2], axis=0)))
    if np.ptp(vertices[:, axis]) < 2.2 * np.ptp(vertices[:, 1 - axis]):
        raise Unsuited
    at = (spot.x, spot.y)[axis]
    side = np.sign(at) or 1.0
    angle = rng.uniform(0.12, 0.5) * smoothstep(0, 2 * max(spot.radius, 0.08), (vertices[:, axis] - at) * side)
    other = 1 - axis if rng.random() < 0.75 else 2
    angle *= (rng.choice([-1, 1]) if other != 2 else 1) * (side if other == 2 else 1)
    along, across = vertices[:, axis] - at, vertices[:, other] - vertices[:, other].mean()
    vertices[:, axis] = at + along * np.cos(angle) - across * np.sin(angle)
    vertices[:, other] = vertices[:, other].mean() + along * np.sin(angle) + across * np.cos(angle)
    part.vertices = vertices


# ---- incomplete


@damage("incomplete", 1.5, edge=True)
def chip(spot):
    """A piece broken out, down to the ground or leaving a rough fresh face."""
    rng, part = spot.rng, spot.part
    distance = spot.distance(rough=rng.uniform(0.15, 0.4))
    rough = noise(part.size, 2.2, rng)
    weight = smoothstep(part.cell, -part.cell, distance)
    if part.height is None or part.floor is None:
        part.carve(weight * (np.minimum(spot.radius * rng.uniform(0.4, 0.9), 0.2) + 0.015 * rough))
    elif rng.random() < 0.5:
        part.height = np.where((weight > 0.5) & spot.body(), part.floor - 0.2, part.height).astype(np.float32)
    else:
        top = float(part.height[weight > 0.5].max()) if (weight > 0.5).any() else 0.1
        level = part.floor + (top - part.floor) * rng.uniform(0.1, 0.7) + 0.012 * rough
        sloped = level + 0.25 * np.maximum(distance + 0.6 * spot.radius, 0)
        part.height = np.where((weight > 0.5) & spot.body(), np.minimum(part.height, sloped), part.height).astype(
            np.float32
        )
    spot.tint(
        spot.fresh() * (1 + 0.14 * rough[..., None]),
        weight * rng.uniform(0.6, 1),
        0.85,
        part.metallic.mean() * rng.choice([0.5, 1]),
    )


@damage("incomplete", needs="outline", edge=True)
def broken_off(spot):
    """All that lies beyond a ragged line is gone."""
    rng, part = spot.rng, spot.part
    rows, columns = np.nonzero(spot.body())
    x, y = (columns + 0.5) * part.cell - part.extent, (rows + 0.5) * part.cell - part.extent
    outward = np.arctan2(spot.y - y.mean(), spot.x - x.mean()) + rng.normal(0, 0.3)
    side = (x - spot.x) * np.cos(outward) + (y - spot.y) * np.sin(outward)
    near = np.hypot(x - spot.x, y - spot.y) < 4 * spot.radius
    gone = near & (side + 0.25 * spot.radius * noise(part.size, 2.4, rng)[rows, columns] > 0)
    if not 10 < gone.sum() < 0.5 * len(rows):
        raise Unsuited
    part.height[rows[gone], columns[gone]] = part.floor - 0.2


@damage("incomplete")
def flaked(spot):
    """The surface layer came off and bares what is beneath."""
    rng, part = spot.rng, spot.part
    weight = smoothstep(part.cell, -part.cell, spot.distance(rough=rng.uniform(0.25, 0.5)))
    below = noise(part.size, 2.0, rng)
    part.carve(weight * (rng.uniform(0.008, 0.03) + 0.002 * below))
    spot.tint(spot.fresh() * (1 + 0.1 * below[..., None]), weight, rng.uniform(0.5, 0.9))
