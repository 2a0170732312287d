"""Train AnomalyCLIP's prompts and ACR's network for `embedded`: `python -m training.baselines --rendered DIR ...`.

Both learn on the pairs that training may see, encoded once; it takes some minutes. To be run again whenever the weights
of `embedded` change: the prompts belong to both of its towers, the network to the image tower alone.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from zsad_core.backbone import load_backbone
from zsad_core.baselines import acr, anomalyclip, auxiliary, shipped
from zsad_core.command_line import command_line

from .renders import Renders


def labelled_images(renders, most):
    """At most so many images, an intact one and its damaged twin in turn: (product, image, mask)."""
    for number in auxiliary.spread(range(len(renders)), most // 2):
        pair = renders.read(number)
        yield pair.product, pair.intact, np.zeros_like(pair.mask)
        yield pair.product, pair.damaged, pair.mask


def train(rendered, folder=shipped.FOLDER, report=print):
    """Writes anomalyclip.safetensors and acr.safetensors to a folder."""
    backbone = load_backbone("embedded", device="cpu")
    images = auxiliary.seen_by(backbone, labelled_images(Renders(rendered), auxiliary.most_images(backbone)))
    report(f"encoded {len(images.products)} images of {len(set(images.products))} products")
    words = anomalyclip.learned_words(backbone, images)
    shipped.write(folder / anomalyclip.SHIPPED.name, {"words": words}, backbone.fingerprint)
    report("learned AnomalyCLIP's prompts")
    shipped.write(folder / acr.SHIPPED.name, acr.meta_trained(images).state_dict(), backbone.image_fingerprint)
    report("trained ACR's network")


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.baselines", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders of rendered pairs")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER)
    options = parser.parse_args(arguments)
    train(options.rendered, options.out, report=lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main())
