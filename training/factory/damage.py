"""Damage done to a finished product: the registry, and the spot at which a damage acts.

A damage is a small function that takes a `Spot` and changes its part, or adds foreign parts. It is registered with its
kind, one of the eight keys of `captions.DAMAGE`, and what it suits:

    @damage("stained", only="metal")
    def rust(spot): ...

It may raise `Unsuited` where it finds that it cannot act.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..captions import DAMAGE
from .parts import Part
from .textures import grid, noise, over, smoothstep, turn

DAMAGES = {}
SMALLEST, LARGEST = 0.001, 0.07  # share of the picture, drawn log-uniformly


class Unsuited(Exception):
    """The damage cannot act here; another will be drawn."""


@dataclass(frozen=True)
class Damage:
    """A registered damage.

    Attributes:
        act: the function, called with a Spot. kind: key of captions.DAMAGE. weight: relative frequency within its kind.
        needs: "height", "mesh", "outline" (a height field with a floor), or None for any part.
        only: groups of materials (build.GROUPS) that it suits; empty for all. edge: it acts at outlines.
    """

    act: object
    kind: str
    weight: float
    needs: str | None
    only: tuple
    edge: bool

    def suits(self, part, materials):
        """Whether it can act on this part of a product of this group of materials."""
        shape = {
            None: True,
            "height": part.height is not None,
            "mesh": part.height is None,
            "outline": part.height is not None and part.floor is not None,
        }[self.needs]
        return shape and (not self.only or materials in self.only)


def damage(kind, weight=1.0, needs=None, only=(), edge=False):
    """Register a function as the damage `function.__name__` of `kind`."""
    if kind not in DAMAGE:
        raise KeyError(f"{kind!r} is no kind of damage; known are {', '.join(DAMAGE)}.")

    def register(function):
        DAMAGES[function.__name__] = Damage(
            function, kind, weight, needs, (only,) if isinstance(only, str) else only, edge
        )
        return function

    return register


@dataclass
class Spot:
    """Where a damage acts.

    Attributes:
        part: a copy that may be changed; parts: all of the product, to which foreign ones may be added.
        x, y, z: object coordinates on the surface of `part`. radius: size of the damage, object units.
        point, normal: (3,) the same in the world. reach: the radius in the world.
        positions: (2S, 2S, 3) the world points that the camera sees; pixel: (row, column) of the spot in it.
        size: its radius in pixels of `positions`.
        colour: (3,) what is seen there.
    """

    part: Part
    parts: list
    rng: np.random.Generator
    x: float
    y: float
    z: float
    radius: float
    point: np.ndarray
    normal: np.ndarray
    reach: float
    positions: np.ndarray
    pixel: tuple
    size: float
    colour: np.ndarray

    def distance(self, rough=None, stretch=None):
        """Signed distance to an irregular outline of about the spot's area, (n, n) object units, negative inside.

        rough: how far the outline strays, in radii (0 is an ellipse); stretch: ratio of its axes. Both random if None.
        """
        rng, part = self.rng, self.part
        rough = rng.uniform(0.1, 0.35) if rough is None else rough
        stretch = np.exp(rng.uniform(0, 0.8)) if stretch is None else stretch
        x, y = grid_around(part, self.x, self.y)
        along, across = turn(x, y, rng.uniform(0, np.pi))
        root = np.sqrt(stretch)
        ragged = noise(part.size, rng.uniform(2.4, 3.4), rng)
        repeats = max(1, round(part.extent / (4 * self.radius)))  # the outline of a small spot is as ragged
        if repeats > 1:
            ragged = np.tile(ragged[::repeats, ::repeats], (repeats + 1, repeats + 1))[: part.size, : part.size]
        return np.hypot(along / root, across * root) - self.radius * (1 + rough * ragged)

    def blob(self, soft=None, rough=None, stretch=None):
        """Weight 0..1 of an irregular spot, (n, n); soft: width of its border in radii."""
        soft = self.rng.choice([0.1, 0.3, 0.8]) if soft is None else soft
        width = max(soft * self.radius, 0.6 * self.part.cell)
        return smoothstep(width, -width, self.distance(rough, stretch))

    def lines(self, width, length, bend=0.05, branches=0.0, count=1, spread=0.5, heading=None, curve=0.0):
        """Weight 0..1 of `count` lines through the spot, (n, n).

        width, length: object units. heading, curve (what it gains over the length), bend (deviation a step): radians.
        branches: mean number on a line. spread: how far apart the lines lie, in radii.
        """
        rng, part, twice = self.rng, self.part, 2
        image = Image.new("L", (part.size * twice,) * 2)
        draw = ImageDraw.Draw(image)
        unit = twice / part.cell

        def walk(point, heading, length, width, branches):
            steps = max(4, int(length * unit / 12))
            points, start = [point], heading
            for step in range(steps):
                heading = start + curve * step / steps + 0.5 * (heading - start) + rng.normal(0, bend)
                point = point + length / steps * np.array([np.cos(heading), np.sin(heading)])
                points.append(point)
                if branches > 0.1 and rng.random() < branches / steps:
                    side = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
                    walk(point, side, length * rng.uniform(0.2, 0.5), width * 0.7, branches * 0.4)
            drawn = [tuple((p + part.extent) * unit) for p in points]
            for number, pair in enumerate(zip(drawn, drawn[1:])):
                thin = 1 - 0.6 * number / len(drawn)
                draw.line(pair, fill=255, width=max(1, round(width * unit * thin)))

        heading = rng.uniform(0, 2 * np.pi) if heading is None else heading
        for number in range(count):
            aim = heading + rng.normal(0, 0.05 if count > 3 else 0.4) * (number > 0)
            reach = length * (rng.uniform(0.4, 1) if number else 1)
            middle = np.array([self.x, self.y]) + rng.normal(0, spread * self.radius, 2) * (number > 0)
            walk(middle - reach / 2 * np.array([np.cos(aim), np.sin(aim)]), aim, reach, width, branches)
        return np.asarray(image.resize((part.size,) * 2, Image.BOX), np.float32) / 255

    def tint(self, colour, weight, roughness=None, metallic=None):
        """Cover the part with a colour (3,) or (n, n, 3), and with another gloss or none of its metal, by `weight`."""
        part = self.part
        part.albedo = over(part.albedo, np.clip(colour, 0.003, 0.93), weight).astype(np.float32)
        if roughness is not None:
            part.roughness = over(part.roughness, np.float32(roughness), weight)
        if metallic is not None:
            part.metallic = over(part.metallic, np.float32(metallic), weight)

    def body(self):
        """Where the part is, (n, n) bool: inside its outline, or everywhere."""
        part = self.part
        return part.height > part.floor if part.floor is not None else np.ones((part.size,) * 2, bool)

    def base(self):
        """Mean colour of the part about the spot, (3,)."""
        rows, columns = self.part.at(
            self.x + self.radius * np.array([-1, -0.5, 0, 0.5, 1]),
            self.y + self.radius * np.array([0, 0.5, 0, -0.5, 0]),
        )
        return self.part.albedo[rows, columns].mean(0)

    def fresh(self):
        """Colour of freshly broken material, (3,)."""
        if self.part.inside is not None:
            return np.asarray(self.part.inside)
        return np.clip(self.base() * self.rng.uniform(0.7, 1.6) + self.rng.uniform(0, 0.08), 0.01, 0.9)


def grid_around(part, x, y):
    """Coordinates of the part's cells relative to (x, y), each (n, n)."""
    columns, rows = grid(part.size, part.extent)
    return columns - x, rows - y
