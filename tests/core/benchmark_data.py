"""Small data sets of drawn images, and methods whose figures are known beforehand, for the tests of the benchmark."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from zsad_core.baselines import Method
from zsad_core.detector import Inspection
from zsad_core.errors import InputError
from zsad_core.images import read_image

SIDE = 40


def draw(path, grey, damage=None, seed=0):
    """A grey picture with a little grain; `damage` is where it is red: (top, bottom, left, right)."""
    pixels = np.random.default_rng(seed).integers(grey - 3, grey + 4, (SIDE, SIDE, 3)).astype(np.uint8)
    if damage:
        top, bottom, left, right = damage
        pixels[top:bottom, left:right] = (230, 20, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def draw_mask(path, damage, value=255):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    top, bottom, left, right = damage
    pixels[top:bottom, left:right] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mvtec(root, products=("metal_nut", "bottle"), good=(60, 80, 100, 120), damaged=(90, 130, 140, 150)):
    """MVTec's layout: images of these greys; the damaged ones have a red square of 10 pixels."""
    for product in products:
        for number, grey in enumerate(good):
            draw(root / product / "test/good" / f"{number:03}.png", grey, seed=number)
        for number, grey in enumerate(damaged):
            where = (5, 15, 10 + number, 20 + number)
            draw(root / product / "test/hole" / f"{number:03}.png", grey, where, seed=50 + number)
            draw_mask(root / product / "ground_truth/hole" / f"{number:03}_mask.png", where)
    return root


@dataclass(frozen=True)
class Rule:
    """Scores by any function of the image: image (H, W, 3) -> score, map (H, W)."""

    rule: callable

    def inspect(self, batch):
        seen = [self.rule(image.astype(np.float32)) for image in batch.images]
        return [
            Inspection(float(score), np.asarray(Image.fromarray(map_.astype(np.float32)).resize(size[::-1])))
            for (score, map_), size in zip(seen, batch.sizes)
        ]


def redness(image):
    red = np.clip((image[..., 0] - image[..., 1]) / 255, 0, 1)
    return red.max(), red


class Seer(Method):
    """Sees the red of the damage: always right on clean images."""

    name, title, source, faithful, seeded = "seer", "Seer", "the tests", "It is right.", False

    def fit(self, product, seed=0):
        return Rule(redness)


class Weigher(Method):
    """Takes the brighter image for the damaged one, and knows no place: 14 of 16 pairs of `mvtec` in order."""

    name, title, source, faithful, seeded = "weigher", "Weigher", "the tests", "It is bright.", False

    def fit(self, product, seed=0):
        return Rule(lambda image: (image[20:].mean() / 255, np.full(image.shape[:2], 0.5)))


class Moody(Method):
    """Right with seed 0, exactly wrong with seed 1."""

    name, title, source, faithful, seeded = "moody", "Moody", "the tests", "It depends.", True

    def fit(self, product, seed=0):
        def rule(image):
            score, map_ = redness(image)
            return (score, map_) if seed == 0 else (1 - score, 1 - map_)

        return Rule(rule)


class Picky(Seer):
    """Refuses bottles."""

    name, title = "picky", "Picky"

    def fit(self, product, seed=0):
        if product == "bottle":
            raise InputError("Bottles are beneath me: give something else.")
        return super().fit(product, seed)


class Absent(Seer):
    """Cannot run at all."""

    name, title = "absent", "Absent"

    def missing(self):
        return "Absent needs a crystal ball: buy one."


class Keeper(Method):
    """Calls everything damaged until it has good parts; then it sees the red of the damage."""

    name, title, source, faithful = "keeper", "Keeper", "the tests", "It learns."
    takes_good_parts = True

    def fit(self, product, seed=0):
        if not self.resources.good_parts:
            return Rule(lambda image: (0.9, np.full(image.shape[:2], 0.9)))
        assert not any(redness(read_image(photo).astype(np.float32))[0] > 0.5 for photo in self.resources.good_parts)
        return Rule(redness)


STAND_INS = {method.name: method for method in (Seer, Weigher, Moody, Picky, Absent, Keeper)}
