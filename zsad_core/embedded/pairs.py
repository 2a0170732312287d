"""Training pairs: the same product intact and damaged, with the mask, the kind of damage and both conditions.

Two sources: `Renders` (path-traced twins of the factory) and `Photographs` (any folder of pictures, damaged here).
`TrainingPairs` mixes them, takes the two pictures of a pair under conditions drawn separately, and never repeats.
"""

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from .captions import product_names
from .conditions import photograph
from .damage import apply_damage, cloud

# the factory's damages, grouped by the eight kinds of captions.DAMAGE: the first fragment found in the name decides
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
RENDERED_NAMES = {
    "lobed_nut": "metal nut",
    "hex_nut": "hex nut",
    "bottle_top": "bottle",
    "bottle_side": "bottle",
    "pcb": "circuit board",
    "nutshell": "nut",
    "fins": "heat sink",
    "array": "bottle cap array",
    "keys": "keyboard",
    "blister": "blister pack",
    "grid": "metal grid",
}
HELD_OUT_FAMILIES = ("coin", "gear", "cracker", "battery", "fins")
HELD_OUT_EVERY = 12  # of the other families, one pair in so many is held out


@dataclass
class Pair:
    """intact, damaged: uint8 (S, S, 3); mask: bool (S, S), the damage; product, kind: words."""

    intact: np.ndarray
    damaged: np.ndarray
    mask: np.ndarray
    product: str
    kind: str


def rendered_kind(damage):
    """One of the eight kinds of captions.DAMAGE for the factory's name of a damage; shape changes are what is left."""
    return next((kind for fragment, kind in RENDERED_KINDS if fragment in damage), "deformed")


class Renders:
    """Pairs in the factory's layout (`<family>/<pair>_intact.jpg`, `_damaged.jpg`, `_mask.png`, `index.csv`).

    Args:
        held_out: False for the training share, True for the families and pairs set aside.
    """

    def __init__(self, folder, held_out=False):
        self.folder = Path(folder)
        with open(self.folder / "index.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.rows = [
            row
            for number, row in enumerate(rows)
            if (row["product"] in HELD_OUT_FAMILIES or number % HELD_OUT_EVERY == 0) == held_out
        ]

    def __len__(self):
        return len(self.rows)

    def read(self, number):
        row = self.rows[number]
        stem = self.folder / row["pair"]
        intact, damaged, mask = (
            np.asarray(Image.open(f"{stem}_{part}").convert(mode))
            for part, mode in (("intact.jpg", "RGB"), ("damaged.jpg", "RGB"), ("mask.png", "L"))
        )
        product = RENDERED_NAMES.get(row["product"], row["product"].replace("_", " "))
        return Pair(intact, damaged, mask > 0, product, rendered_kind(row["damage"]))

    def draw(self, size, rng):
        """A random pair, cropped, recoloured and turned at random, both pictures alike."""
        pair = self.read(rng.integers(len(self)))
        side = len(pair.mask)
        for _ in range(8):  # a crop that loses the damage is drawn again
            crop = int(side * rng.uniform(0.55, 1)) if rng.random() < 0.6 else side
            top, left = rng.integers(0, side - crop + 1, 2)
            mask = pair.mask[top : top + crop, left : left + crop]
            if mask.sum() >= 14:
                break
        else:
            crop, top, left, mask = side, 0, 0, pair.mask
        channels = rng.permutation(3) if rng.random() < 0.3 else np.arange(3)
        intact, damaged = (
            np.asarray(Image.fromarray(image[top : top + crop, left : left + crop]).resize((size, size), Image.BICUBIC))
            for image in (pair.intact, pair.damaged)
        )
        mask = np.asarray(Image.fromarray(mask).resize((size, size)))
        return Pair(intact[..., channels], damaged[..., channels], mask, pair.product, pair.kind)


PICTURE = re.compile(r"\.(png|jpe?g|webp|dds)$", re.IGNORECASE)
CONTAINER = re.compile(r"\.(zip|sh3f|jar)$", re.IGNORECASE)
# maps that drive a renderer, letters and symbols are no pictures of things
NOT_A_PICTURE = re.compile(
    r"(normal|_n(m|orm|rm)?[._]|_s(pec)?[._]|gloss|height|bump|mask|lightmap|icon|sky|hud|font|particle|smoke|glow"
    r"|alpha|noise|minimap|levelshot|decal|shadow|symbols|flags|cursor|logo|male|blendtwo|blendbad|caust)",
    re.IGNORECASE,
)


def _open_pictures(folder):
    """Yield (path for the name, bytes) of every picture below `folder`, in archives too, in a stable order."""
    for path in sorted(Path(folder).rglob("*")):
        if CONTAINER.search(path.name):
            archive = zipfile.ZipFile(path)
            for entry in sorted(archive.namelist()):
                if PICTURE.search(entry) and not NOT_A_PICTURE.search(entry):
                    yield entry, partial(archive.read, entry)
        elif PICTURE.search(path.name) and not NOT_A_PICTURE.search(str(path.relative_to(folder))):
            yield str(path), path.read_bytes


class Photographs:
    """Pictures of any folder (with archives in it): whole ones as surfaces, ones with a transparent ground as products.

    A picture is named by the first line of a .txt beside it, else by the words of its file name that name a thing.
    """

    LONGEST = 384  # pixels kept of the longer side
    AT_MOST = 1500  # pictures of one folder

    def __init__(self, folders, seed=0):
        self.vocabulary = set(product_names())
        self.surfaces, self.products = [], []
        rng = np.random.default_rng(seed)
        for folder in folders:
            found = list(_open_pictures(folder))
            for index in rng.permutation(len(found))[: self.AT_MOST]:
                self._add(*found[index])

    def _name(self, path):
        caption = Path(path).with_suffix(".txt")
        if caption.is_file():
            words = re.split(r"[.!?,;(]", caption.read_text(errors="ignore").strip().splitlines()[0])[0].lower()
            return re.sub(r"^(a|an|the|this is an?|some) ", "", words).strip()[:40] or "object"
        words = re.sub(r"([a-z])([A-Z])", r"\1 \2", Path(path).name.split(".")[0])
        words = [word for word in re.sub(r"[^a-z]+", " ", words.lower()).split() if word in self.vocabulary]
        return " ".join(words[:3]) or "surface"

    def _add(self, path, read):
        try:
            image = Image.open(io.BytesIO(read()))
            image.thumbnail((self.LONGEST,) * 2)
            image = image.convert("RGBA")
        except (OSError, ValueError, NotImplementedError, Image.DecompressionBombError, zipfile.BadZipFile):
            return
        alpha = np.asarray(image)[..., 3]
        if min(image.size) < 64:
            return
        if (alpha < 250).mean() <= 0.02:
            pixels = np.asarray(image.convert("RGB"))
            if pixels.std() > 8 and min(image.size) >= 120:
                self.surfaces.append((pixels, self._name(path)))
        elif (alpha > 40).mean() > 0.05:
            self.products.append(
                (
                    np.asarray(image.crop(image.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox())),
                    self._name(path),
                )
            )

    def _surface(self, size, rng, smallest=0.35):
        pixels, name = self.surfaces[rng.integers(len(self.surfaces))]
        side = int(min(pixels.shape[:2]) * rng.uniform(smallest, 1))
        top, left = (rng.integers(0, length - side + 1) for length in pixels.shape[:2])
        crop = Image.fromarray(pixels[top : top + side, left : left + side]).resize((size, size), Image.BILINEAR)
        return np.rot90(np.asarray(crop, np.float32), rng.integers(4)), name

    def _ground(self, size, rng):
        if rng.random() < 0.3:
            return self._surface(size, rng)[0]
        colour = rng.uniform(0, 255, 3) if rng.random() < 0.4 else np.full(3, rng.choice([10, 30, 90, 150, 220, 245]))
        return np.clip(colour + (cloud(size, rng)[..., None] - 0.5) * rng.uniform(0, 40), 0, 255).astype(np.float32)

    def _decal(self, pixels, product, rng):
        """A clean printed mark: belongs to the intact product, so both pictures of the pair get it."""
        layer = Image.fromarray(pixels.astype(np.uint8))
        size = len(pixels)
        x, y, width, height = (int(v) for v in rng.uniform([0.15, 0.15, 0.15, 0.05], [0.6, 0.7, 0.4, 0.2]) * size)
        draw, ink = ImageDraw.Draw(layer), tuple(int(v) for v in rng.uniform(0, 255, 3))
        if rng.random() < 0.5:
            draw.rectangle((x, y, x + width, y + height), outline=ink, width=2)
        letters = "".join(rng.choice(list("ABCEHKLMNPRSTX0123456789"), rng.integers(2, 6)))
        draw.text((x + 4, y + 2), letters, fill=ink, font_size=max(9, height - 6))
        return np.where(product[..., None] > 0.5, np.asarray(layer, np.float32), pixels)

    def draw(self, size, rng):
        """A random picture, damaged; drawn again until the damage can be seen."""
        while True:
            ground = self._ground(size, rng)
            if rng.random() < 0.45 or not self.products:
                pixels, name = self._surface(size, rng)
                product = np.ones((size, size), np.float32)
            else:
                cutout, name = self.products[rng.integers(len(self.products))]
                image = Image.fromarray(cutout).rotate(
                    rng.choice([0, 0, rng.uniform(0, 360)]), Image.BICUBIC, expand=True
                )
                image.thumbnail((size * rng.uniform(0.6, 1),) * 2)
                scale = size * rng.uniform(0.6, 1.0) / max(image.size)
                image = image.resize([max(2, int(side * scale)) for side in image.size], Image.BILINEAR)
                layer = Image.new("RGBA", (size, size))
                layer.paste(image, tuple(int((size - side) / 2 + rng.integers(-15, 16)) for side in image.size))
                layer = np.asarray(layer, np.float32)
                product = layer[..., 3] / 255
                pixels = ground + product[..., None] * (layer[..., :3] - ground)
            if rng.random() < 0.12:
                pixels = self._decal(pixels, product, rng)
            result = apply_damage(pixels, product, ground, self._surface(size, rng, 0.15)[0], rng)
            if result is not None:
                return Pair(pixels.astype(np.uint8), result[0], result[1], name, result[2])


class TrainingPairs(torch.utils.data.IterableDataset):
    """An endless stream of pairs, each picture photographed on its own; the same seed and worker give the same stream.

    Yields a dict: images uint8 (2, 3, S, S), intact first; mask float32 (S/8, S/8), 1 where any pixel of the cell is
    damaged; product, kind: words; conditions: two words.
    """

    def __init__(self, renders, photographs, size, seed, rendered_share):
        self.renders, self.photographs = renders, photographs
        self.size, self.seed, self.rendered_share = size, seed, rendered_share

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            rendered = self.photographs is None or rng.random() < self.rendered_share
            yield finish((self.renders if rendered else self.photographs).draw(self.size, rng), rng)


def finish(pair, rng):
    """Turn both pictures alike at random, take each under its own condition, and put the pair into tensors."""
    images, conditions = zip(*(photograph(image, rng) for image in (pair.intact, pair.damaged)))
    turns, flipped = int(rng.integers(4)), rng.random() < 0.5

    def turn(array):
        array = np.rot90(array, turns)
        return np.ascontiguousarray(array[:, ::-1] if flipped else array)

    mask = turn(pair.mask)
    cells = len(mask) // 8
    return {
        "images": torch.from_numpy(np.stack([turn(image) for image in images])).permute(0, 3, 1, 2),
        "mask": torch.from_numpy(mask.reshape(cells, 8, cells, 8).max((1, 3)).astype(np.float32)),
        "product": pair.product,
        "kind": pair.kind,
        "conditions": conditions,
    }
