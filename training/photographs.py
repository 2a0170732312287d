"""Training pairs from any folder of pictures: whole ones as surfaces, cut-out ones as products, damaged here."""

import io
import re
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from .captions import product_names
from .damage import apply_damage, cloud
from .near_misses import decal
from .pairs import Pair

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
            first = caption.read_text(encoding="utf-8", errors="ignore").strip().splitlines()[0]
            words = re.split(r"[.!?,;(]", first)[0].lower()
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
                # a print that belongs to the product is on both pictures
                pixels = np.where(product[..., None] > 0.5, decal(pixels, np.ones_like(product, bool), rng), pixels)
            result = apply_damage(pixels, product, ground, self._surface(size, rng, 0.15)[0], rng)
            if result is not None:
                return Pair(pixels.astype(np.uint8), result[0], result[1], name, result[2])
