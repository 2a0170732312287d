"""Training pairs from the factory: path-traced twins in `<family>/<pair>_intact.jpg`, `_damaged.jpg`, `_mask.png`."""

import csv
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from zsad_core.datasets import RENDERED_NAMES
from zsad_core.errors import InputError

from .captions import DAMAGE
from .pairs import Pair

# For an index without the column "kind": the first fragment found in the damage's name decides.
RENDERED_KINDS = (
    ("print", "badly printed"),
    ("letters", "badly printed"),
    ("emboss", "badly printed"),
    ("barcode", "badly printed"),
    ("worn", "scratched"),
    ("scratch", "scratched"),
    ("cut_lead", "incomplete"),
    ("cut", "scratched"),
    ("crack", "cracked"),
    ("split", "cracked"),
    ("broken", "cracked"),
    ("torn", "incomplete"),
    ("filled_hole", "contaminated"),
    ("missing", "incomplete"),
    ("oval_hole", "deformed"),
    ("hole", "with a hole"),
    ("chunk", "incomplete"),
    ("contam", "contaminated"),
    ("fibre", "contaminated"),
    ("glue", "contaminated"),
    ("flash", "contaminated"),
    ("bridge", "contaminated"),
    ("stain", "stained"),
    ("discolor", "stained"),
    ("rust", "stained"),
    ("colour", "stained"),
    ("item", "incomplete"),
    ("part", "incomplete"),
    ("ball", "incomplete"),
    ("placed", "incomplete"),
    ("size", "incomplete"),
)
HELD_OUT_FAMILIES = ("coin", "gear", "cracker", "battery", "fins", "macaroni", "candle", "gum")
HELD_OUT_EVERY = 12  # of the other families, the pairs of about one intact picture in so many are held out
LARGER_SHARE = 0.6  # of the draws take the larger damage of two: inspection pictures show larger ones than the factory
OFF_CENTRE = 0.12  # of the side, standard deviation of a crop's centre: products are looked at, not past
FACTS = ("colour", "material", "ground")


def rendered_kind(damage):
    """One of the eight kinds of captions.DAMAGE for the factory's name of a damage; shape changes are what is left."""
    return next((kind for fragment, kind in RENDERED_KINDS if fragment in damage), "deformed")


def is_held_out(row):
    """Is a row of the index set aside? All pairs of one intact picture (family and seed) are on the same side."""
    picture = f"{row['product']}/{row['seed']}"
    return row["product"] in HELD_OUT_FAMILIES or zlib.crc32(picture.encode()) % HELD_OUT_EVERY == 0


class Renders:
    """Pairs of one or more folders of the factory, as far as each index goes when it is read.

    Args:
        folders: with an `index.csv` each: columns pair, product, damage, seed, and perhaps name, kind, colour,
            material and ground ("none" where there is none).
        held_out: False for the training share, True for the families and intact pictures set aside.
    Raises:
        InputError: a folder without index, or no pairs of this share at all.
    """

    def __init__(self, folders, held_out=False):
        self.rows = []
        for folder in map(Path, folders):
            try:
                with open(folder / "index.csv", encoding="utf-8", newline="") as file:
                    rows = [row for row in csv.DictReader(file) if row.get("pair") and row.get("seed")]
            except OSError as error:
                raise InputError(f"{folder.name!r} is no folder of rendered pairs: it has no index.csv.") from error
            self.rows += [{**row, "folder": folder} for row in rows if is_held_out(row) == held_out]
        if not self.rows:
            raise InputError(
                f"There are no {'held-out' if held_out else 'training'} pairs in {', '.join(map(str, folders))} yet: "
                "render more."
            )

    def __len__(self):
        return len(self.rows)

    def read(self, number, size=None):
        """Pair `number` as it was rendered, or brought to `size` x `size`."""
        row = self.rows[number]
        stem = row["folder"] / row["pair"]
        images = [
            Image.open(f"{stem}_{part}").convert(mode)
            for part, mode in (("intact.jpg", "RGB"), ("damaged.jpg", "RGB"), ("mask.png", "L"))
        ]
        if size:
            images = [image.resize((size, size), Image.BICUBIC) for image in images]
        intact, damaged, mask = map(np.asarray, images)
        name = row.get("name") or RENDERED_NAMES.get(row["product"], row["product"].replace("_", " "))
        kind = row.get("kind") if row.get("kind") in DAMAGE else rendered_kind(row["damage"])
        facts = {fact: row[fact] for fact in FACTS if row.get(fact, "none") not in ("none", "")}
        return Pair(intact, damaged, mask > 127, name, kind, facts)

    def draw(self, size, rng):
        """A random pair, cropped and recoloured at random, both pictures alike."""
        pair = self.read(rng.integers(len(self)))
        if rng.random() < LARGER_SHARE:
            pair = max(pair, self.read(rng.integers(len(self))), key=lambda one: one.mask.mean())
        side = len(pair.mask)
        for _ in range(8):  # a crop that loses the damage is drawn again
            crop = int(side * rng.uniform(0.5, 1)) if rng.random() < 0.7 else side
            place = (side - crop) / 2 + rng.normal(0, OFF_CENTRE * side, 2)
            top, left = np.clip(place, 0, side - crop).astype(int)
            mask = pair.mask[top : top + crop, left : left + crop]
            if mask.sum() >= 14:
                break
        else:
            crop, top, left, mask = side, 0, 0, pair.mask
        intact, damaged = (
            np.asarray(Image.fromarray(image[top : top + crop, left : left + crop]).resize((size, size), Image.BICUBIC))
            for image in (pair.intact, pair.damaged)
        )
        mask = np.asarray(Image.fromarray(mask).resize((size, size)))
        facts = pair.facts
        if rng.random() < 0.3:
            channels = rng.permutation(3)
            intact, damaged = intact[..., channels], damaged[..., channels]
            facts = {fact: words for fact, words in facts.items() if fact != "colour"}
        return Pair(intact, damaged, mask, pair.product, pair.kind, facts)
