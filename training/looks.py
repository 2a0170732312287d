"""What a picture looks like, measured: `python -m training.looks [--real DIR]`.

On the yardstick, whose pictures training never saw: how often another of its names is called much likelier where the
product is right, and where it is wrong. On real photos: the category's own name among the first three of 23. Of words:
how many everyday names are understood, and how much nonsense is.
"""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np

from zsad_core import embedded
from zsad_core.command_line import command_line
from zsad_core.datasets import read_dataset
from zsad_core.errors import InputError
from zsad_core.images import read_image
from zsad_core.names import Names

from .evaluate import open_backbone
from .names import held_back_groups
from .nonsense import nonsense
from .yardstick import FOLDER as YARDSTICK

OTHERS = ("battery", "candle", "chewing gum", "gear", "heat sink", "macaroni", "washer")  # beside the real categories
PICTURES = 16  # of a real category, evenly taken
WORDS = 3000  # made-up names


def on_yardstick(names, folder=YARDSTICK):
    """Shares of pictures of which `something_else` speaks: under their own product, and under each of the others; of
    the products that the image tower was trained with."""
    pictures = {}
    for about in sorted(Path(folder).glob("*/product.json")):
        product = json.loads(about.read_text(encoding="utf-8"))["product"]
        pictures[product] = names.backbone.image_vectors([str(path) for path in sorted(about.parent.glob("*.webp"))])
    right, wrong = [], []
    for product, vectors in pictures.items():
        for vector in vectors:
            looks = names.looks(vector[None], list(pictures))
            for asked in names.known & set(pictures):
                (right if asked == product else wrong).append(names.something_else(looks, asked) is not None)
    return np.mean(right), np.mean(wrong)


def on_real_photos(names, root):
    """How many names are asked about, and how often the own one comes first and among three; means over categories."""
    categories = list(read_dataset(root))
    asked = [*(category.product for category in categories), *OTHERS]
    places = []
    for category in categories:
        chosen = category.samples[:: max(1, len(category.samples) // PICTURES)][:PICTURES]
        vectors = names.backbone.image_vectors([read_image(sample.path) for sample in chosen])
        order = [[look.name for look in names.looks(vector[None], asked)] for vector in vectors]
        places.append([one.index(category.product) for one in order])
    return len(asked), *(np.mean([np.mean(np.array(one) < most) for one in places]) for most in (1, 3))


def words(names, seed=0):
    """Shares of the everyday names, of these in capitals, and of nonsense that are understood."""
    everyday, rng = [name for group in held_back_groups().values() for name in group], random.Random(seed)
    made_up = [nonsense(rng) for _ in range(WORDS)]
    groups = everyday, [name.upper() for name in everyday], made_up
    return [np.mean([names.understood(name) for name in group]) for group in groups]


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.looks", description=__doc__.split("\n")[0])
    parser.add_argument("--real", type=Path, help="real images in MVTec's layout")
    parser.add_argument("--weights", type=Path, default=embedded.ASSETS, help="folder that the training wrote")
    arguments = parser.parse_args(arguments)
    try:
        names = Names(open_backbone(arguments.weights))
        print(
            "understood: everyday names {:.3f}, in capitals {:.3f}, nonsense {:.3f}".format(*words(names)), flush=True
        )
        print("yardstick: called something else, rightly named {:.3f}, wrongly {:.3f}".format(*on_yardstick(names)))
        if arguments.real:
            print(
                "real: own name of {} first {:.3f}, among three {:.3f}".format(*on_real_photos(names, arguments.real))
            )
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
