"""What the embedded backbone has learned: `python -m training.evaluate --rendered DIR ... [--real DIR]`.

Measures the text space, zero-shot recognition on held-out renders (condition, kind of damage, family, state, place),
what prompt learning does, the sample products, the cost of one image, and on real data in MVTec's layout the image and
pixel AUROC, clean and under the four corruptions at severity 3. Prints Markdown, the aims beside the figures.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from zsad_core import embedded
from zsad_core.backbone import Backbone
from zsad_core.command_line import command_line
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt
from zsad_core.detector import Detector
from zsad_core.recipe import Recipe

from . import real_images
from .held_out import held_out_renders
from .text_space import text_space

AIMS = {
    "50 products, mean |cos|": "<= .6",
    "2,000 mixed prompts, effective rank": ">= 20",
    "condition, top-1 of 6": ">= .85",
    "family, top-1 of 20": ">= .60",
    "kind of damage, top-1 of 8, by the image": ">= .45",
    "mean |cos| of the diversity words, share that is left": "<= .67",
    "held-back sentences, accuracy": ">= .95",
    "sample products: damaged above intact, peak inside the mask": ">= 8 of 10",
    "one image with its map, ms": "<= 60",
    "one image with its map, against the bare tower": "<= 1.2",
}
NAMES = ("metal nut", "bottle", "leather", "coin", "capsule", "zipper", "wine glass", "zorblatt")  # learned in turn
SAMPLES = embedded.ASSETS.parent / "samples"
TURNS = 15  # measurements of a cost, of which the median counts


def open_backbone(folder=embedded.ASSETS):
    """The embedded backbone with the weights in `folder`."""
    text_tower, image_tower, tokenizer, logit_scale = embedded.load(folder=folder)
    return Backbone("embedded", text_tower, image_tower, tokenizer, logit_scale, small=True)


def prompt_learning(backbone, names=NAMES):
    """What the quick preset does to the prompts of several products, some never read in training: worst and mean."""
    health = [Detector.fit(backbone, name, recipe=Recipe.quick()).health for name in names]
    left = [one["mean_cosine_after"] / one["mean_cosine_before"] for one in health]
    held_back = [one["held_back_accuracy"] for one in health]
    return {
        f"mean |cos| of the diversity words, share that is left, mean of {len(names)} names": np.mean(left),
        "mean |cos| of the diversity words, share that is left, worst name": max(left),
        f"held-back sentences, accuracy, mean of {len(names)} names": np.mean(held_back),
        f"held-back sentences, accuracy, worst name ({names[int(np.argmin(held_back))]})": min(held_back),
    }


def sample_products(backbone, folder=SAMPLES):
    """The sample products, each with a detector of the quick preset: how many come out right.

    The peak counts as inside the mask within half a position of the map's grid.
    """
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    higher, inside, corrupted, missed = [], [], [], []
    for entry in entries:
        paths = [folder / entry["folder"] / f"{state}.jpg" for state in ("intact", "damaged")]
        detector = Detector.fit(backbone, entry["product"])
        intact, damaged = detector.inspect(paths)
        mask = np.asarray(Image.open(folder / entry["folder"] / "mask.png").convert("L")) > 127
        row, column = np.unravel_index(damaged.map.argmax(), damaged.map.shape)
        near = len(mask) // backbone.grid[0] // 2
        higher.append(damaged.score > intact.score)
        inside.append(mask[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1].any())
        for kind in POSTER_CORRUPTIONS:
            good, bad = detector.inspect([corrupt(path, kind, real_images.SEVERITY) for path in paths])
            corrupted.append(bad.score > good.score)
        if not (higher[-1] and inside[-1]):
            missed.append(entry["product"])
    count = len(entries)
    return {
        "sample products: damaged above intact": f"{sum(higher)} of {count}",
        "sample products: peak inside the mask": f"{sum(inside)} of {count}",
        "sample products: damaged above intact, peak inside the mask": f"{count - len(missed)} of {count}"
        + (f" (not {', '.join(missed)})" if missed else ""),
        "sample products, corrupted: damaged above intact": f"{sum(corrupted)} of {len(corrupted)}",
    }


def cost(backbone):
    """Milliseconds of one image with its map, and their ratio to the bare image tower, measured in turn."""
    detector = Detector.fit(backbone, "metal nut")
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)

    def seconds(action):
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    taken = [
        (
            seconds(lambda: backbone.encode_pixels(backbone.preprocess([image]))),
            seconds(lambda: detector.inspect(image)),
        )
        for _ in range(TURNS)
    ]
    return {
        "one image with its map, ms": 1000 * statistics.median(whole for _, whole in taken),
        "one image with its map, against the bare tower": statistics.median(whole / bare for bare, whole in taken),
    }


def print_report(backbone, rendered, real=None):
    """Print every figure as it comes.

    Args:
        rendered: folders of the factory, of which the held-out share is measured. real: folder in MVTec's layout.
    """
    print("| measured | value | aim |\n|---|---|---|")
    for measure in (
        lambda: text_space(backbone.text_vectors),
        lambda: held_out_renders(backbone, rendered),
        lambda: prompt_learning(backbone),
        lambda: sample_products(backbone),
        lambda: cost(backbone),
    ):
        for name, value in measure().items():
            aim = next((aim for start, aim in AIMS.items() if name.startswith(start)), "")
            print(f"| {name} | {value if isinstance(value, str) else f'{value:.3f}'} | {aim} |", flush=True)
    if real:
        table = real_images.real_images(backbone, real, report=lambda line: print(line, file=sys.stderr))
        for method in real_images.METHODS:
            print("\n" + "\n".join(real_images.markdown(table, method)), flush=True)


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders of rendered pairs")
    parser.add_argument("--real", type=Path, help="real images in MVTec's layout")
    parser.add_argument("--weights", type=Path, default=embedded.ASSETS, help="folder that the training wrote")
    arguments = parser.parse_args(arguments)
    print_report(open_backbone(arguments.weights), arguments.rendered, arguments.real)


if __name__ == "__main__":
    sys.exit(main())
