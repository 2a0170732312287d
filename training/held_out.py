"""Zero-shot recognition on rendered pairs that training never saw: by text alone, under all conditions."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from .captions import CONDITIONS, DAMAGE, NEUTRAL
from .pairs import finish
from .renders import HELD_OUT_FAMILIES, Renders
from .text_space import class_vectors, condition_vectors, ensemble_axis, kind_vectors

AT_ONCE = 16  # pairs
FEWER = 20  # families that are told apart, drawn at random for every picture
PLACE = 3  # side of the square of positions whose mean is the hottest place


def read_held_out(folders, count, seed=0, size=None):
    """Up to `count` held-out pairs as `pairs.finish` gives them, without near-misses; "unseen": is the family one of
    those set aside? size: side that they are brought to before the picture is taken."""
    rng = np.random.default_rng(seed)
    renders = Renders(folders, held_out=True)
    for number in rng.permutation(len(renders))[:count]:
        pair = finish(renders.read(number, size), rng, training=False)
        yield {**pair, "unseen": renders.rows[number]["product"] in HELD_OUT_FAMILIES}


def hottest_place(dense, maps):
    """Mean dense vector of the hottest PLACE x PLACE positions: (N, h, w, d) unit vectors, maps (N, h, w) -> (N, d)."""
    smooth = F.avg_pool2d(maps[:, None], PLACE, stride=1, padding=PLACE // 2, count_include_pad=False)
    near = F.avg_pool2d(dense.permute(0, 3, 1, 2), PLACE, stride=1, padding=PLACE // 2, count_include_pad=False)
    return F.normalize(near.flatten(2)[torch.arange(len(maps)), :, smooth.flatten(1).argmax(dim=1)], dim=1)


def first_among(drawn, classes, ahead):
    """Probability that a class with `ahead` others before it comes first among it and `drawn` - 1 random others."""
    others = min(drawn, classes) - 1
    return math.comb(classes - 1 - ahead, others) / math.comb(classes - 1, others)


def figures(pairs, encode, text_vectors, axis_of=ensemble_axis):
    """Zero-shot figures on pairs.

    Args:
        pairs: list of N dicts with product, kind, conditions, unseen and mask (32, 32), as `read_held_out` gives them.
        encode: a list of n pairs -> image (2n, d) and dense (2n, h, w, d) unit vectors, intact and damaged in turn.
        text_vectors: as in `text_space`. axis_of: (text_vectors, product) -> (d,), abnormal minus normal.
    Returns:
        dict of name -> share right or AUROC.
    """
    products = sorted({pair["product"] for pair in pairs})
    axes = {product: axis_of(text_vectors, product) for product in products}
    axis = torch.stack([axes[pair["product"]] for pair in pairs])  # (N, d)
    images, maps, places = [], [], []
    for first in range(0, len(pairs), AT_ONCE):
        image, dense = encode(pairs[first : first + AT_ONCE])
        dense = dense[1::2]
        images.append(image)
        maps.append(torch.einsum("nhwd,nd->nhw", dense, axis[first : first + AT_ONCE]))
        places.append(hottest_place(dense, maps[-1]))
    image, maps, places = torch.cat(images), torch.cat(maps), torch.cat(places)
    intact, damaged = image[0::2], image[1::2]

    families = class_vectors(text_vectors, [[t.format(product) for t in NEUTRAL] for product in products])
    conditions = condition_vectors(text_vectors)
    kinds = kind_vectors(text_vectors)
    seen = torch.tensor([not pair["unseen"] for pair in pairs])
    own = torch.tensor([products.index(pair["product"]) for pair in pairs])
    taken = torch.tensor([list(CONDITIONS).index(c) for pair in pairs for c in pair["conditions"]])
    kind = torch.tensor([list(DAMAGE).index(pair["kind"]) for pair in pairs])
    scores = torch.stack([(intact * axis).sum(1), (damaged * axis).sum(1)], dim=1)  # (N, 2)
    masks = torch.stack([pair["mask"] for pair in pairs])
    masks = F.interpolate(masks[:, None], size=maps.shape[1:], mode="nearest")[:, 0]

    def right(vectors, classes, truth):
        return ((vectors @ classes.T).argmax(dim=1) == truth).float().mean().item()

    def state(chosen):
        return roc_auc_score([0, 1] * int(chosen.sum()), scores[chosen].flatten()) if chosen.any() else float("nan")

    likeness = intact[seen] @ families.T  # (N, products)
    ahead = (likeness > likeness.gather(1, own[seen, None])).sum(dim=1).tolist()
    return {
        f"family, top-1 of {len(products)}": right(intact[seen], families, own[seen]),
        f"family, top-1 of {FEWER} drawn": np.mean([first_among(FEWER, len(products), count) for count in ahead]),
        "condition, top-1 of 6": right(image, conditions, taken),
        "kind of damage, top-1 of 8, by the image": right(damaged, kinds, kind),
        "kind of damage, top-1 of 8, by the hottest place": right(places, kinds, kind),
        "state, AUROC, families seen": state(seen),
        "state, AUROC, families set aside": state(~seen),
        "damaged twin higher": float((scores[:, 1] > scores[:, 0]).float().mean()),
        "pixel AUROC": roc_auc_score(masks.flatten().int().numpy(), maps.flatten().numpy()),
    }


def held_out_renders(backbone, folders, count=600, seed=0):
    """`figures` of a backbone on held-out pairs of the factory's folders."""

    def encode(pairs):
        encoded = backbone.encode([image.permute(1, 2, 0).numpy() for pair in pairs for image in pair["images"]])
        return encoded.image, encoded.dense

    pairs = list(read_held_out(folders, count, seed, backbone.image_size))
    return figures(pairs, encode, backbone.text_vectors)
