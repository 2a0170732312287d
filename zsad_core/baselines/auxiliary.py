"""Labelled images of other products, encoded once: what AnomalyCLIP and ACR learn on.

A folder in any layout that `zsad_core.datasets` reads, that of rendered pairs among them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..datasets import read_dataset
from ..errors import InputError
from ..images import read_image
from .owned_cache import OwnedCache, contents

MOST_IMAGES = 1200
MOST_BYTES = 512 * 2**20  # of dense vectors, which are kept in half precision
ENCODED_AT_ONCE = 8  # images
LabelledImage = tuple[str, np.ndarray, np.ndarray]  # product, image (H, W, 3) uint8, mask (H, W) bool
_ENCODED = OwnedCache(limit=1)  # folder of each backbone, as large as MOST_BYTES


@dataclass(frozen=True, eq=False)
class Auxiliary:
    """N labelled images of several products, and what a backbone sees in them.

    Attributes:
        products: of each image, as `plain_name` gives it.
        damaged: (N,) bool.
        image: (N, d) image vectors, l2-normalised.
        dense: (N, rows, columns, d) dense vectors, l2-normalised, float16.
        share: (N, rows, columns) which share of a patch's pixels is damaged.
    """

    products: tuple[str, ...]
    damaged: torch.Tensor
    image: torch.Tensor
    dense: torch.Tensor
    share: torch.Tensor

    def left_out(self, product: str) -> str | None:
        """The plain name of the product if there are images of it, which must not be learned on; else None."""
        return plain_name(product) if plain_name(product) in self.products else None

    def others(self, left_out: str | None) -> list[int]:
        """Numbers of the images of other products.

        Raises:
            InputError: they are not of two products at least, or not both intact and damaged.
        """
        numbers = [number for number, product in enumerate(self.products) if product != left_out]
        if len({self.products[number] for number in numbers}) < 2 or len(set(self.damaged[numbers].tolist())) < 2:
            raise InputError(
                "The auxiliary images must show intact and damaged ones of at least two products"
                + (f" beside {left_out!r}" if left_out else "")
                + ": give another folder with --auxiliary DIR."
            )
        return numbers


def plain_name(product: str) -> str:
    """By which products are compared: "Metal_nut" and "metal nut" are one."""
    return " ".join(product.replace("_", " ").casefold().split())


def missing(folder: Path, title: str) -> str | None:
    """Why the method `title` cannot learn on this folder; None where it can."""
    try:
        next(_labelled(Path(folder), 2), None)
    except InputError as error:
        return f"{title} cannot learn on the auxiliary images. {error}"
    return None


def encoded(backbone, folder: Path) -> Auxiliary:
    """The auxiliary images of a folder as `backbone` sees them, evenly spread over it if there are too many.

    Encoded once, and again when the folder holds something else.

    Raises:
        InputError: no such images, or one that cannot be read.
    """
    folder = Path(folder)
    return _ENCODED.get(backbone, contents(folder), lambda: seen_by(backbone, _labelled(folder, most_images(backbone))))


def most_images(backbone) -> int:
    """How many images are learned on at most."""
    rows, columns = backbone.grid
    return min(MOST_IMAGES, MOST_BYTES // (2 * rows * columns * backbone.dim))


@torch.inference_mode(False)  # they are learned on
def seen_by(backbone, labelled: Iterable[LabelledImage]) -> Auxiliary:
    """`most_images` labelled images, or fewer, as `backbone` sees them."""
    rows, columns = backbone.grid
    most = most_images(backbone)
    products, damaged = [], []
    image = torch.empty(most, backbone.dim)
    dense = torch.empty(most, rows, columns, backbone.dim, dtype=torch.float16)
    share = torch.empty(most, rows, columns)
    found = islice(labelled, most)
    while batch := list(islice(found, ENCODED_AT_ONCE)):
        here = slice(len(products), len(products) + len(batch))
        names, images, masks = zip(*batch)
        seen = backbone.encode(images)
        image[here], dense[here] = seen.image, seen.dense
        for number, mask in enumerate(masks, here.start):
            share[number] = F.adaptive_avg_pool2d(torch.tensor(mask, dtype=torch.float32)[None], (rows, columns))[0]
        products += map(plain_name, names)
        damaged += [bool(mask.any()) for mask in masks]
    count = len(products)
    return Auxiliary(tuple(products), torch.tensor(damaged), image[:count], dense[:count], share[:count])


def _labelled(folder: Path, most: int) -> Iterator[LabelledImage]:
    """At most so many images of a folder; a damaged one without a mask is passed over."""
    samples = [(category.product, sample) for category in read_dataset(folder) for sample in category.samples]
    for product, sample in spread(samples, most):
        image = read_image(sample.path)
        mask = sample.mask(image.shape[:2])
        if mask is not None and mask.any() == sample.damaged:  # one that marks nothing tells nothing
            yield product, image, mask


def spread(items: Sequence, most: int) -> list:
    """At most so many of the items, at even distances."""
    count = min(most, len(items))
    return [items[number * len(items) // count] for number in range(count)]
