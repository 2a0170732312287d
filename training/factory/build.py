"""How a family describes its product: one function that draws random parameters and returns parts.

The same function makes the product with a fault of manufacture: wherever something can go wrong it asks
`build.change(name, kind)`, which is None for the intact product and a random generator when just this shall happen. As
the intact parameters come from another generator, everything else stays as it was. A change must show by itself: one
screw of two that is missing, or a cap of another colour, makes a flawless product of another kind.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .parts import Part
from .textures import METALS, contrasting, paint

FAMILIES = {}
GROUPS = {  # materials that behave alike under damage; every other material is of the group "other"
    "metal": {*METALS, "tin", "painted metal"},
    "plastic": {"plastic", "gelatin", "resin"},
    "rubber": {"rubber", "foam"},
    "brittle": {"ceramic", "stone", "glass", "concrete", "brick", "ferrite", "tablet mass", "nutshell", "biscuit"},
    "soft": {"fabric", "wool", "leather", "carpet", "hemp", "cord", "dough"},
    "paper": {"paper", "cardboard", "foil"},
    "wood": {"wood", "cork"},
}


@dataclass(frozen=True)
class Family:
    """name: what a person calls the product; make(build) -> list of parts; fills: it fills the picture, without ground;
    weight: relative frequency; without: damages (function names) that do not suit it."""

    name: str
    make: object
    fills: bool
    weight: float
    without: tuple


def family(name, fills=False, weight=1.0, without=()):
    """Register a function as the family `function.__name__`."""

    def register(function):
        FAMILIES[function.__name__] = Family(name, function, fills, weight, tuple(without))
        return function

    return register


LARGE = 16  # numbers; what draws as many at once is a surface: grain, wear, pebbles


class Unit(np.random.Generator):
    """Draws for one unit of a product: single numbers, which make the design, from `seed`; surfaces from `unit`."""

    def __init__(self, seed, unit):
        super().__init__(np.random.PCG64(seed))
        self._surface = np.random.default_rng([unit, 5])

    def normal(self, loc=0.0, scale=1.0, size=None):
        return self._surface.normal(loc, scale, size) if _large(size) else super().normal(loc, scale, size)

    def random(self, size=None):
        return self._surface.random(size) if _large(size) else super().random(size)

    def spawn(self, n_children):
        return [np.random.Generator(bits) for bits in self.bit_generator.spawn(n_children)]


def _large(size):
    return size is not None and np.prod(size) >= LARGE


class Build:
    """One product in the making.

    Attributes:
        rng: draws the parameters of the product.
        offered: name -> kind of every change that the family asked about.
        material: of the main part, as `metal` or the family set it.
        name: what this product is called; the family's name unless the family knows better.
        inside: (3,) colour of a fresh break, for the parts that have none of their own.
    """

    def __init__(self, name, seed, change=None, change_seed=0, unit=None):
        self.rng = np.random.default_rng(seed) if unit is None else Unit(seed, unit)
        self.name, self.material = name, "plastic"
        self.offered, self.inside = {}, None
        self._chosen, self._change_seed = change, change_seed

    def change(self, name, kind):
        """None, or a generator if this build shall have the change `name`, which is damage of `kind`."""
        self.offered[name] = kind
        return np.random.default_rng(self._change_seed) if name == self._chosen else None

    def pick(self, name, kind, count):
        """None, or the number below `count` of the unit that has the change."""
        rng = self.change(name, kind)
        return int(rng.integers(count)) if rng else None

    def metal(self):
        """A random metal: sets the material and returns its reflectance, (3,)."""
        names = ("steel", "steel", "stainless steel", "aluminium", *METALS)
        self.material = str(self.rng.choice(names))
        return np.array(METALS[self.material], np.float32) * self.rng.uniform(0.85, 1.1)

    def metal_or(self, material, share=0.7):
        """(colour, metallic): a metal with probability `share`, else paint on `material`."""
        if self.rng.random() < share:
            return self.metal(), 1.0
        self.material = material
        return paint(self.rng), 0.0

    def imprint(self, mask):
        """The print `mask` (n, n) in 0..1 as it comes out: faultless, or with one of the ways a print goes wrong."""
        size = len(mask)
        if not mask.any():
            return mask
        rows, columns = np.nonzero(mask > 0.3)
        if not len(rows):
            return mask
        y, x = np.mgrid[:size, :size]
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        if rng := self.change("print_partly_missing", "badly printed"):
            cut, angle = rng.uniform(-0.25, 0.25), rng.uniform(0, 2 * np.pi)
            side = (x - columns.mean()) / width * np.cos(angle) + (y - rows.mean()) / height * np.sin(angle)
            return mask * (side > cut)
        if rng := self.change("print_smeared", "badly printed"):
            blur = rng.permutation([rng.uniform(0.4, 1.5), rng.uniform(0.015, 0.04) * size])
            return np.clip(ndimage.gaussian_filter(mask, blur) * rng.uniform(1.6, 2.6), 0, 1)
        if rng := self.change("print_doubled", "badly printed"):
            shift = np.rint(rng.choice([-1, 1], 2) * rng.uniform(0.012, 0.045, 2) * size).astype(int)
            return np.maximum(mask, rng.uniform(0.6, 1) * np.roll(mask, shift, (0, 1)))
        if rng := self.change("print_worn", "badly printed"):
            speckle = ndimage.gaussian_filter(rng.normal(size=mask.shape), rng.uniform(0.8, 2.5))
            return mask * (speckle > rng.uniform(-0.2, 0.5) * speckle.std())
        if rng := self.change("print_crooked", "badly printed"):
            turned = ndimage.shift(mask, rng.uniform(-0.04, 0.04, 2) * size, order=1)
            return np.clip(
                ndimage.rotate(turned, rng.choice([-1, 1]) * rng.uniform(12, 40), reshape=False, order=1), 0, 1
            )
        if rng := self.change("print_bled", "badly printed"):
            return np.clip(ndimage.gaussian_filter(mask, rng.uniform(0.008, 0.016) * size) * 3, 0, 1)
        return mask

    def several(self, part, share=0.15):
        """The part alone, or a few copies of it side by side, anyhow turned."""
        rng = self.rng
        if rng.random() > share:
            return [part.placed(*rng.uniform(-0.06, 0.06, 2), 0, rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1))]
        count = int(rng.integers(2, 5))
        spots = {
            2: [(-0.5, 0), (0.5, 0)],
            3: [(-0.5, -0.45), (0.5, -0.45), (0, 0.5)],
            4: [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
        }[count]
        size, angle = {2: 0.52, 3: 0.47, 4: 0.44}[count], rng.uniform(0, 2 * np.pi)
        copies = [part.copy().placed(x, y, 0, rng.uniform(0, 2 * np.pi), size).placed(angle=angle) for x, y in spots]
        if odd := self.change("odd_colour", "stained") if count > 2 else None:
            unit = copies[odd.integers(count)]
            unit.albedo = unit.albedo * (contrasting(odd, unit.albedo.mean((0, 1))) / unit.albedo.mean((0, 1)))
        return copies


def build(name, seed, change=None, change_seed=0, unit=None):
    """Make a product of the family `name`.

    Args:
        unit: number of the unit, of the same design but with a surface of its own; the design's one unit if None.

    Returns:
        (parts, Build): the parts, and what the family said about the product.
    """
    kind = FAMILIES[name]
    making = Build(kind.name, seed, change, change_seed, unit)
    parts = [part for part in kind.make(making) if isinstance(part, Part)]
    for part in parts:
        if part.inside is None:
            part.inside = making.inside
    return parts, making


def group(material):
    """The group of `GROUPS` that a material belongs to."""
    return next((name for name, members in GROUPS.items() if material in members), "other")
