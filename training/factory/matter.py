"""Damage by what does not belong there: contaminated."""

import numpy as np
from scipy import ndimage

from .damage import Unsuited, damage
from .parts import Part, ball, tube
from .textures import METALS, contrasting, grid, hsv, noise, smoothstep


def _facing(normal):
    """Rotation (3, 3) that takes z to `normal`."""
    z = np.asarray(normal, float)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)


def _lay(spot, vertices, faces, colour, point, roughness, metallic=0.0, flat=False):
    """Add a foreign mesh, given about the origin with z off the surface, at a world point."""
    placed = vertices @ _facing(spot.normal).T + point
    spot.parts.append(
        Part(colour, roughness, metallic, vertices=placed, faces=faces, extent=8.0, flat=flat, foreign=True)
    )


def lump(rng, radius, flatness, rough=0.15):
    """An irregular pebble of about `radius`, resting on z = 0."""
    vertices, faces = ball(24, 32)
    bumps = sum(np.sin(vertices @ rng.normal(0, 1.3 + k, 3) + rng.uniform(0, 6)) / (1 + k) for k in range(5))
    vertices = vertices * (1 + rough * bumps)[:, None] * (1, rng.uniform(0.5, 1), flatness) * radius
    angle = rng.uniform(0, 2 * np.pi)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return vertices @ turned.T + (0, 0, 0.05 * radius), faces


def _seen(spot, spread):
    """A world point that the camera sees about the spot."""
    rows, columns = np.rint(np.array(spot.pixel) + spot.rng.normal(0, spread * spot.size, 2)).astype(int)
    last = len(spot.positions) - 1
    return spot.positions[np.clip(rows, 0, last), np.clip(columns, 0, last)]


@damage("contaminated", 1.4)
def lumps(spot):
    """One to many crumbs of something else."""
    rng = spot.rng
    count = int(rng.choice([1, 1, 2, 3, 6, 15]))
    colour = contrasting(rng, spot.colour)
    gloss, metal = rng.uniform(0.07, 0.9), float(rng.random() < 0.2)
    for number in range(count):
        radius = spot.reach / np.sqrt(count) * rng.uniform(0.5, 1.2)
        vertices, faces = lump(rng, radius, rng.uniform(0.15, 0.6), rng.uniform(0.03, 0.2))
        _lay(spot, vertices, faces, colour, _seen(spot, 1.4) if number else spot.point, gloss, metal)


@damage("contaminated", 1.2)
def fibre(spot):
    """A thread or hair that lies over the surface."""
    rng, last = spot.rng, len(spot.positions) - 1
    length, steps = np.clip(spot.size * rng.uniform(5, 12), 30, 340), 60
    heading = (
        rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.09, steps)) + np.linspace(0, rng.normal(0, 2), steps)
    )
    path = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1) * length / steps, axis=0)
    path += np.array(spot.pixel) - path[steps // 2]
    path = path[(path >= 0).all(1) & (path <= last).all(1)].astype(int)
    if len(path) < 12:
        raise Unsuited
    points = spot.positions[path[:, 0], path[:, 1]].copy()
    points[:, 2] = ndimage.maximum_filter1d(points[:, 2], 5)  # it bridges gaps
    points = ndimage.gaussian_filter1d(points, 1.5, axis=0)
    width = np.clip(spot.reach * rng.uniform(0.05, 0.14), 0.006, 0.03)
    points[:, 2] += 0.8 * width
    vertices, faces = tube(points, width, 8)
    spot.parts.append(
        Part(
            contrasting(rng, spot.colour),
            rng.uniform(0.3, 0.9),
            vertices=vertices,
            faces=faces,
            extent=8.0,
            foreign=True,
        )
    )


@damage("contaminated")
def residue(spot):
    """Glue or resin: glossy, slightly raised, tinted."""
    rng, part = spot.rng, spot.part
    weight = spot.blob(soft=0.1)
    swollen = ndimage.gaussian_filter(weight, 2)
    tint = np.clip(part.albedo * rng.choice([0.5, 1.5]) * rng.uniform(0.8, 1.2, 3) + rng.uniform(0, 0.1), 0, 0.9)
    spot.tint(tint, weight * rng.uniform(0.6, 0.95), 0.07, rng.choice([0, part.metallic.mean()]))
    part.carve(-spot.radius * rng.uniform(0.1, 0.35) * swollen)


@damage("contaminated")
def dirt(spot):
    """Soil or dust caked on in patches."""
    rng, size = spot.rng, spot.part.size
    patches = smoothstep(rng.uniform(-0.2, 0.6), 1.2, noise(size, rng.uniform(0.8, 1.8), rng))
    weight = spot.blob(soft=0.8) * patches
    colour = hsv(rng.uniform(0.05, 0.13), rng.uniform(0.1, 0.6), rng.choice([0.08, 0.3, 0.6])) ** 1.2
    spot.tint(colour * (1 + 0.3 * noise(size, 0.8, rng)[..., None]), weight, 0.95, 0)
    spot.part.carve(-0.01 * weight * patches)


@damage("contaminated", 0.7)
def powder(spot):
    """Fine grains sprinkled over."""
    rng, size = spot.rng, spot.part.size
    grains = smoothstep(0.3, 1.0, noise(size, 0.3, rng) - rng.uniform(0.5, 1.3))
    spot.tint(contrasting(rng, spot.base()), spot.blob(soft=0.9) ** 0.6 * grains, 0.9, 0)


@damage("contaminated", 0.7)
def droplets(spot):
    """Beads of water or oil."""
    rng = spot.rng
    count = int(rng.integers(2, 10))
    colour = spot.colour * rng.uniform(0.25, 0.6) if spot.colour.mean() > 0.12 else rng.uniform(0.15, 0.5, 3)
    for number in range(count):
        vertices, faces = lump(rng, spot.reach / np.sqrt(count) * rng.uniform(0.4, 1.1), 0.45, 0.03)
        _lay(spot, vertices, faces, colour, _seen(spot, 1.2) if number else spot.point, 0.06)


@damage("contaminated", 0.9)
def shaving(spot):
    """A curled chip of metal or plastic."""
    rng = spot.rng
    along = np.linspace(0, 1, 40)
    coil, turns = spot.reach * rng.uniform(0.2, 0.5), rng.uniform(0.6, 3)
    angle = along * turns * 2 * np.pi
    width = max(spot.reach * rng.uniform(0.06, 0.14), 0.008)
    path = np.stack(
        [
            (along - 0.5) * 2.4 * spot.reach,
            coil * np.cos(angle),
            width + coil * (1 + np.sin(angle)) * rng.uniform(0.2, 1),
        ],
        1,
    )
    angle = rng.uniform(0, 2 * np.pi)
    path[:, :2] = path[:, :2] @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    vertices, faces = tube(path, width * (0.4 + np.sin(np.pi * along)), 6)
    metal = rng.random() < 0.6
    colour = np.array(METALS[rng.choice(list(METALS))]) if metal else contrasting(rng, spot.colour)
    _lay(spot, vertices, faces, colour, spot.point, 0.25, float(metal))


@damage("contaminated", 0.7)
def scrap(spot):
    """A snippet of paper, film or tape."""
    rng, size = spot.rng, 48
    x, y = grid(size, 1.0)
    outline = np.maximum(np.abs(x) - rng.uniform(0.4, 0.9), np.abs(y) - rng.uniform(0.2, 0.9)) + 0.06 * noise(
        size, 2.2, rng
    )
    height = np.where(outline < 0, 0.12 + rng.uniform(0, 0.12) * noise(size, 3.6, rng), -1).astype(np.float32)
    pose = np.eye(4)
    turned = _facing(spot.normal)
    angle = rng.uniform(0, 2 * np.pi)
    spin = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    pose[:3, :3], pose[:3, 3] = turned @ spin * spot.reach * 1.3, spot.point
    part = Part(contrasting(rng, spot.colour), rng.uniform(0.2, 0.8), height=height, floor=-0.5, foreign=True)
    part.pose = pose
    spot.parts.append(part)
