"""`python -m training.small_damage`: small damage in large pictures, by one look, by all windows and by the cascade.

The large pictures are pasted from the yardstick's: a tray of many units of a product, one of them damaged; and a unit
enlarged to 4K, with camera noise, and damage of the size that it has on the yardstick. AUROC is taken within products.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from zsad_core.backbone import Encoded, load_backbone
from zsad_core.cascade import inspect_finely
from zsad_core.command_line import command_line
from zsad_core.detector import Detector
from zsad_core.images import read_image
from zsad_core.recipe import Recipe
from zsad_core.verdict import NEUTRAL

from .real_images import auroc
from .yardstick import FOLDER, LOOKS

SIZE = 2160, 3840  # rows, columns
UNIT = 256  # pixels of a picture of the yardstick
NOISE = 3  # levels of 255
LEAST = 100  # damaged pixels, about 14 x 7
RULES = {
    "one look": lambda detector, picture: detector.inspect(picture),
    "all windows": lambda detector, picture: inspect_finely(detector, picture, share=1),
    "fine": lambda detector, picture: detector.inspect(picture, mode="fine"),
}


class CountedEncode:
    """A backbone's `encode` that counts its looks, and takes none twice: twins have most of their windows in common."""

    def __init__(self, encode):
        self.encode, self.looks, self.known = encode, 0, {}

    def __call__(self, pictures):
        self.looks += len(pictures)
        keys = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
        for key, picture in zip(keys, pictures):
            if key not in self.known:
                self.known[key] = self.encode([picture])
        found = [self.known[key] for key in keys]
        return Encoded(*(torch.cat([getattr(one, part) for one in found]) for part in ("image", "dense", "features")))


def large_pictures(folder: Path, tray: bool, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of a clean large picture (2160, 3840, 3) of a product and its damaged twin, `count` of them."""
    rng = np.random.default_rng(seed)
    intact = [read_image(folder / f"{look}.webp") for look in range(LOOKS)]
    damages = []
    for mask in sorted(folder.glob("*_mask.png")):
        marked = read_image(mask).any(axis=2)
        if marked.sum() >= LEAST:
            look = int(mask.name.partition("_")[0])
            damages.append((look, read_image(folder / f"{look}_damaged.webp"), marked))
    for _ in range(count if damages else 0):
        look, damaged, marked = damages[rng.integers(len(damages))]
        if tray:
            clean, place = _tray(intact, look, rng)
        else:
            clean, place = _enlarged(intact[rng.integers(LOOKS)], rng)
        rows, columns = np.s_[place[0] : place[0] + UNIT], np.s_[place[1] : place[1] + UNIT]
        change = np.where(marked[..., None], damaged.astype(int) - intact[look], 0)
        twin = clean.copy()
        twin[rows, columns] = (clean[rows, columns] + change).clip(0, 255)
        yield clean, twin


def _tray(intact: list[np.ndarray], look: int, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """Units side by side, and where a unit of this look lies."""
    down, across = -(-SIZE[0] // UNIT), SIZE[1] // UNIT
    looks = rng.integers(0, LOOKS, (down, across))
    row, column = rng.integers(down - 1), rng.integers(across)
    looks[row, column] = look
    tray = np.concatenate([np.concatenate([intact[one] for one in line], axis=1) for line in looks])
    return tray[: SIZE[0], : SIZE[1]].copy(), (row * UNIT, column * UNIT)


def _enlarged(unit: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, tuple[int, int]]:
    """A unit beside its mirror image, with noise, and a place on it."""
    large = np.asarray(Image.fromarray(unit).resize((SIZE[0],) * 2, Image.Resampling.BICUBIC), dtype=np.float32)
    large = np.concatenate([large, large[:, ::-1]], axis=1)[:, : SIZE[1]]
    noisy = large + rng.normal(0, NOISE, large.shape)
    place = (int(where) for where in rng.integers(SIZE[0] // 4, SIZE[0] * 3 // 4 - UNIT, 2))
    return noisy.clip(0, 255).astype(np.uint8), tuple(place)


def measured(products: int, pictures: int, report=print) -> list[str]:
    """The lines of a Markdown table of the rules, over so many products and pairs of pictures of each."""
    backbone, folders = load_backbone("embedded"), sorted(path for path in FOLDER.iterdir() if path.is_dir())
    found = {(rule, kind): [] for rule in RULES for kind in ("tray", "enlarged")}
    over = {rule: ([], []) for rule in RULES}  # whether a score is over .5, of clean and of damaged pictures
    looks, counted = dict.fromkeys(RULES, 0), CountedEncode(backbone.encode)
    backbone.encode = counted
    for number, folder in enumerate(folders[:: max(1, len(folders) // products)][:products]):
        kind = ("tray", "enlarged")[number % 2]
        product = json.loads((folder / "product.json").read_text(encoding="utf-8"))["product"]
        detector = Detector.fit(backbone, product, replace(Recipe.quick(), steps=5))
        scores: dict[str, list[tuple[bool, float]]] = {rule: [] for rule in RULES}
        counted.looks = 0
        for pair in large_pictures(folder, kind == "tray", pictures, number):
            counted.known.clear()
            for damaged, picture in enumerate(pair):
                for rule, inspect in RULES.items():
                    score = inspect(detector, picture).score
                    scores[rule].append((bool(damaged), score))
                    over[rule][damaged].append(score > NEUTRAL)
                    looks[rule] += counted.looks
                    counted.looks = 0
        for rule, pairs in scores.items():
            if pairs:
                found[rule, kind].append(auroc(*map(np.array, zip(*pairs))))
        report(f"{product}, {kind}: {scores}", flush=True)
    lines = [
        "| | tray | enlarged | mean | clean ones over .5 | damaged ones over .5 | looks, of those of all windows |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        both = [np.mean(found[rule, kind]) for kind in ("tray", "enlarged")]
        cells = [f"{value:.3f}" for value in (*both, np.mean(both))]
        cells += [f"{sum(of_these)} of {len(of_these)}" for of_these in over[rule]]
        lines.append(f"| {rule} | {' | '.join(cells)} | {looks[rule] / looks['all windows']:.3f} |")
    return lines


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser("python -m training.small_damage", description=__doc__.split("\n")[0])
    parser.add_argument("--products", type=int, default=24, help="of the yardstick (default: all 24)")
    parser.add_argument(
        "--pictures", type=int, default=3, help="pairs of clean and damaged ones a product (default: 3)"
    )
    options = parser.parse_args(arguments)
    if min(options.products, options.pictures) < 1:
        parser.error("--products and --pictures must be 1 or more")
    print("\n".join(measured(options.products, options.pictures)))


if __name__ == "__main__":
    sys.exit(main())
