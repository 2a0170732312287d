"""What a product lies on: one small function a ground, drawn by weight."""

from dataclasses import dataclass

import numpy as np

from .textures import colour_name, grid, hsv, noise, paint, smoothstep, turn

GROUNDS = {}


@dataclass(frozen=True)
class Ground:
    """name: a word for it. albedo (n, n, 3), roughness, metallic (n, n): its maps, repeated over the plane."""

    name: str
    albedo: np.ndarray
    roughness: np.ndarray
    metallic: np.ndarray


def ground(weight):
    """Register a function (rng, n) -> (albedo, name, roughness, metallic), of which the last two may be left out."""

    def register(function):
        GROUNDS[function] = weight
        return function

    return register


@ground(0.22)
def dark(rng, size):
    return np.full((size, size, 3), rng.uniform(0.004, 0.025)), "dark"


@ground(0.18)
def white(rng, size):
    return np.full((size, size, 3), rng.uniform(0.55, 0.9)), "white"


@ground(0.14)
def grey(rng, size):
    return np.full((size, size, 3), rng.uniform(0.06, 0.5)), "grey"


@ground(0.12)
def coloured(rng, size):
    colour = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.7))
    return np.ones((size, size, 3)) * colour, colour_name(colour)


@ground(0.08)
def rough(rng, size):
    colour = paint(rng)
    return colour * (1 + 0.18 * noise(size, rng.uniform(0.5, 2.5), rng)[..., None]), "rough"


@ground(0.08)
def conveyor(rng, size):
    x, _ = turn(*grid(size), rng.uniform(0, np.pi))
    ribs = 1 + 0.3 * np.sin(x * rng.uniform(40, 90)) + 0.1 * noise(size, 1, rng)
    return (rng.uniform(0.03, 0.2) * ribs)[..., None] * np.ones(3), "conveyor belt"


@ground(0.06)
def cloth(rng, size):
    x, y = grid(size)
    pitch = rng.uniform(120, 260)
    weave = 0.75 + 0.25 * np.sin(x * pitch) * np.sin(y * pitch) + 0.1 * noise(size, 1.5, rng)
    return paint(rng) * weave[..., None], "cloth"


@ground(0.06)
def wood(rng, size):
    streaks = noise(size, 2.2, rng, (0.06, 1))
    rings = np.sin(grid(size)[1] * rng.uniform(10, 40) + 1.5 * noise(size, 3.5, rng, (0.3, 1)))
    colour = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.7), rng.uniform(0.3, 0.8)) ** 1.3
    return colour * (1 + 0.12 * streaks + 0.1 * rings)[..., None], "wood", rng.uniform(0.3, 0.7)


@ground(0.04)
def sheet_metal(rng, size):
    streaks = 1 + 0.06 * noise(size, 1.0, rng, (0.02, 1))
    return np.full(3, rng.uniform(0.3, 0.75)) * streaks[..., None], "metal", rng.uniform(0.35, 0.6), 1.0


@ground(0.04)
def bench(rng, size):
    x, y = grid(size)
    joint = smoothstep(0.02, 0.005, np.abs(((x * 1.5) % 1) - 0.5)) + smoothstep(
        0.02, 0.005, np.abs(((y * 1.5) % 1) - 0.5)
    )
    speckle = noise(size, 0.6, rng) > rng.uniform(0.5, 1.6)
    base = paint(rng) * np.ones((size, size, 3))
    base[speckle] = paint(rng)
    return base * (1 - 0.5 * rng.integers(2) * np.clip(joint, 0, 1))[..., None], "stone", rng.uniform(0.2, 0.6)


def draw(rng, size=192):
    """A random ground."""
    functions, weights = zip(*GROUNDS.items())
    chosen = functions[rng.choice(len(functions), p=np.array(weights) / sum(weights))]
    albedo, name, *rest = chosen(rng, size)
    roughness, metallic = (*rest, *(rng.uniform(0.4, 0.95), 0.0)[len(rest) :])
    uneven = 1 + rng.uniform(0, 0.06) * noise(size, 2, rng)[..., None]
    return Ground(
        name,
        np.clip(albedo * uneven, 0.003, 0.92).astype(np.float32),
        np.full((4, 4), roughness, np.float32),
        np.full((4, 4), metallic, np.float32),
    )
