"""`python -m training.yardstick`: products that training never saw, several looks of each, to choose rules on.

Every look is another unit of the product (same design, a surface of its own), in another pose. Half of the products
stand at a station (one light, one camera), a quarter on a table (the light changes) and a quarter anywhere.
"""

import argparse
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from zsad_core.command_line import command_line
from zsad_core.errors import InputError

from .factory.scene import Camera, Studio
from .factory.twins import Session
from .renders import HELD_OUT_FAMILIES

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "yardstick"
FIRST_SEED = 2_000_000  # no training set and no sample comes near
FAMILIES = (
    *HELD_OUT_FAMILIES,
    *("bottle_top", "cable", "capsule", "carpet", "cookie", "hazelnut", "hex_nut", "leather"),
    *("lobed_nut", "metal_grid", "pcb", "screw", "tablet", "transistor", "wood", "zipper"),
)
PLACES = "station", "table", "station", "anywhere"  # in turn
LOOKS = 10  # of a product
DAMAGED = 7  # of its looks that have a damaged twin
SIZE = 256
QUALITY = 84  # of WebP: all of it in 3 MB


def looks(family, place, seed, count=LOOKS, size=SIZE):
    """Units of one product as one place shows them, each with a damaged twin.

    Args:
        family: name of a family of the factory. place: one of `PLACES`. seed: the same one gives the same pictures.
    Returns:
        list of `count` Twin, each of another unit in another pose.
    """
    from .factory.build import FAMILIES as KNOWN

    fixed = np.random.default_rng([seed, 78])
    product, fills = int(fixed.integers(1 << 40)), KNOWN[family].fills
    camera, studio, look = Camera.draw(fixed, fills), Studio.draw(fixed, fills), int(fixed.integers(1 << 40))
    found = []
    for unit in itertools.count():
        if len(found) == count:
            return found
        if unit > 4 * count:
            raise InputError(f"The product {seed} ({family}) cannot be seen well enough: choose another seed.")
        rng = np.random.default_rng([seed, unit, 79])
        seen_by, lit = _turned(camera, rng), studio
        if place != "station":
            lit = replace(studio, light=Studio.draw(rng, fills).light)
        if place == "anywhere":
            seen_by, lit = Camera.draw(rng, fills), Studio.draw(rng, fills)
        look_rng = rng if place == "anywhere" else np.random.default_rng(look)
        found += Session(rng, family, product, seen_by, lit, size, unit, look_rng).twins(1)


def _turned(camera, rng):
    """The camera a little displaced, and turned about the vertical: the same as another pose of the product."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shift = np.array([*rng.normal(0, 0.03, 2), 0])
    origin, target, up = (turn @ np.array(vector) for vector in (camera.origin, camera.target, camera.up))
    return replace(camera, origin=tuple(origin + shift), target=tuple(target + shift), up=tuple(up))


def write(folder=FOLDER, first=FIRST_SEED, report=print):
    """Render the yardstick into a folder; products that are there already stay.

    `<product>/<look>.webp` is intact, `<look>_damaged.webp` its twin and `<look>_mask.png` where that is damaged;
    product.json says what each product is.
    """
    folder = Path(folder)
    for number, family in enumerate(FAMILIES):
        place, target = PLACES[number % len(PLACES)], folder / family
        if (target / "product.json").exists():
            continue
        target.mkdir(parents=True, exist_ok=True)
        made = looks(family, place, first + number)
        for index, twin in enumerate(made):
            Image.fromarray(twin.intact).save(target / f"{index}.webp", quality=QUALITY, method=6)
            if index < DAMAGED:
                Image.fromarray(twin.damaged).save(target / f"{index}_damaged.webp", quality=QUALITY, method=6)
                Image.fromarray(twin.mask).save(target / f"{index}_mask.png", optimize=True)
        told = {
            "product": made[0].name,
            "place": place,
            "seed": first + number,
            "damages": [twin.damage for twin in made[:DAMAGED]],
        }
        (target / "product.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        report(f"{made[0].name}, {place}: {', '.join(told['damages'])}", flush=True)


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser("python -m training.yardstick", description=__doc__.split("\n")[0])
    parser.add_argument("--folder", default=FOLDER, help="default: assets/yardstick")
    options = parser.parse_args(arguments)
    from .factory import families  # noqa: F401  registers them
    from .factory.scene import renderer

    renderer()
    write(options.folder)


if __name__ == "__main__":
    sys.exit(main())
