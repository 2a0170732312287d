"""Training pairs: the same product intact and damaged, with the mask, the kind of damage and both conditions.

Two sources: `renders.Renders` (path-traced twins of the factory) and `photographs.Photographs` (any folder of pictures,
damaged here). `TrainingPairs` mixes them, takes the two pictures of a pair on their own, and never repeats.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from .conditions import draw_condition, photograph
from .near_misses import add_near_miss

GREY_SHARE = 0.12  # of the pairs
ALIKE_SHARE = 0.5  # of the pairs that train are taken under the same condition, in strengths of their own


@dataclass
class Pair:
    """intact, damaged: uint8 (S, S, 3); mask: bool (S, S), the damage; product, kind: words; facts: what is known of
    "colour", "material" and "ground", in words."""

    intact: np.ndarray
    damaged: np.ndarray
    mask: np.ndarray
    product: str
    kind: str
    facts: dict = field(default_factory=dict)


class TrainingPairs(torch.utils.data.IterableDataset):
    """An endless stream of pairs, each picture photographed on its own; the same seed and worker give the same stream.

    Yields a dict: images uint8 (2, 3, S, S), intact first; mask float32 (S/8, S/8), 1 where any pixel of the cell is
    damaged; product, kind: words; facts: a dict as in `Pair`; conditions: two words.
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


def finish(pair, rng, training=True):
    """Turn both pictures alike at random, take each under its own condition, and put the pair into tensors.

    Only what trains gets near-misses, drawn for each side on its own too, and is now and then taken under one condition
    for both: pictures of one condition are what a benchmark compares.
    """
    pictures, facts = (pair.intact, pair.damaged), pair.facts
    if rng.random() < GREY_SHARE:
        pictures = [np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8) for picture in pictures]
        facts = {fact: words for fact, words in facts.items() if fact != "colour"}
    if training:
        pictures = [add_near_miss(picture, pair.mask, rng) for picture in pictures]
    shared = draw_condition(rng) if training and rng.random() < ALIKE_SHARE else None
    images, conditions = zip(*(photograph(picture, rng, shared) for picture in pictures))
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
        "facts": facts,
        "conditions": conditions,
    }


def collate(pairs, images=True):
    """List of B pairs as `finish` gives them -> one batch; of 2B pictures the intact ones come first.

    Args:
        images: False leaves the pictures out, where only their features are at hand.
    """
    batch = {
        "mask": torch.stack([pair["mask"] for pair in pairs]),
        "conditions": [pair["conditions"][side] for side in (0, 1) for pair in pairs],
        **{name: [pair[name] for pair in pairs] for name in ("product", "kind", "facts")},
    }
    if images:
        batch["images"] = torch.cat([torch.stack([pair["images"][side] for pair in pairs]) for side in (0, 1)])
    return batch
