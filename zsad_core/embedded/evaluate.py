"""What the embedded backbone has learned: `python -m zsad_core.embedded.evaluate --rendered DIR [--real DIR]`.

Measures the text space, zero-shot recognition on held-out renders (condition, kind of damage, family, state, place),
and on real data in MVTec's layout the image and pixel AUROC, clean and under the four corruptions at severity 3, of
the plain prompt ensemble and of a detector trained by the quick recipe. Prints Markdown.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from ..backbone import load_backbone
from ..benchmark.datasets import read_mvtec
from ..corruptions import KINDS, corrupt
from ..detector import Detector
from ..images import read_image
from ..prompts import ensemble_sentences
from .captions import ABNORMAL, CONDITIONS, DAMAGE, NEUTRAL, NORMAL
from .pairs import HELD_OUT_FAMILIES, Renders, finish

PRODUCTS = (
    "bottle,screw,metal nut,capsule,cable,carpet,leather,tile,wood,zipper,toothbrush,transistor,hazelnut,pill,grid,"
    "candle,cashew,chewing gum,macaroni,circuit board,pipe fryum,engine blade,cup,plate,gear,washer,spring,bearing,"
    "glass,mirror,keyboard,shoe,bag,clock,lamp,chair,door,window,car,bicycle,apple,banana,orange,bread,cookie,pizza,"
    "hammer,knife,pencil,book"
).split(",")
SEVERITY = 3
EVERY = 4  # pixels of a map that count towards the pixel AUROC, one in so many in each direction


def mean_cosine(vectors):
    """Mean |cos| between different rows of unit vectors (N, d)."""
    cosines = (vectors @ vectors.T).abs()
    count = len(cosines)
    return ((cosines.sum() - count) / (count * (count - 1))).item()


def effective_rank(vectors):
    """exp of the entropy of the variance's shares over the principal axes of (N, d) (Roy and Vetterli, 2007)."""
    share = torch.linalg.svdvals(vectors - vectors.mean(dim=0)) ** 2
    share = share / share.sum()
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum()).item()


def text_space(backbone, seed=0):
    """Figures of the text space: dict of name -> value."""
    rng = np.random.default_rng(seed)
    states = NORMAL + ABNORMAL + sum(DAMAGE.values(), ())
    templates = NEUTRAL + sum(CONDITIONS.values(), ())
    mixed = [
        str(rng.choice(templates)).format(str(rng.choice(states)).format(rng.choice(PRODUCTS))) for _ in range(2000)
    ]
    vectors = backbone.text_vectors
    return {
        "50 products, mean |cos|": mean_cosine(vectors([f"a photo of a {product}." for product in PRODUCTS])),
        "6 conditions, mean |cos|": mean_cosine(vectors([names[0].format("bottle") for names in CONDITIONS.values()])),
        "8 kinds of damage, mean |cos|": mean_cosine(
            vectors([f"a photo of a {names[0].format('bottle')}." for names in DAMAGE.values()])
        ),
        "2,000 mixed prompts, effective rank": effective_rank(vectors(mixed)),
    }


def class_vectors(backbone, groups):
    """Mean text vectors (C, d) of C groups of sentences, unit length."""
    return F.normalize(torch.stack([backbone.text_vectors(group).mean(dim=0) for group in groups]), dim=1)


def ensemble_axis(backbone, product):
    """Abnormal minus normal mean vector of WinCLIP's prompts (states x templates), (d,)."""
    normal, abnormal = class_vectors(backbone, ensemble_sentences(product))
    return abnormal - normal


def held_out_renders(backbone, folder, count=300, seed=0):
    """Zero-shot figures on rendered pairs that training never saw: dict of name -> share right or AUROC."""
    rng = np.random.default_rng(seed)
    renders = Renders(folder, held_out=True)
    chosen = [renders.rows[i] for i in rng.permutation(len(renders))[:count]]
    unseen = np.array([row["product"] in HELD_OUT_FAMILIES for row in chosen])
    renders.rows = chosen
    pairs = [finish(renders.read(number), rng) for number in range(len(renders))]
    pictures = [image.permute(1, 2, 0).numpy() for pair in pairs for image in pair["images"]]
    encoded = backbone.encode(pictures)
    intact, damaged = encoded.image[0::2], encoded.image[1::2]

    products = sorted({pair["product"] for pair in pairs})
    families = class_vectors(backbone, [[t.format(product) for t in NEUTRAL] for product in products])
    conditions = class_vectors(
        backbone, [[t.format(thing) for t in names for thing in ("object", "product")] for names in CONDITIONS.values()]
    )
    kinds = class_vectors(
        backbone,
        [
            [f"a photo of a {s.format(thing)}." for s in names for thing in ("object", "product")]
            for names in DAMAGE.values()
        ],
    )
    own = torch.tensor([products.index(pair["product"]) for pair in pairs])
    seen_family = torch.from_numpy(~unseen)
    taken = torch.tensor([list(CONDITIONS).index(c) for pair in pairs for c in pair["conditions"]])
    kind = torch.tensor([list(DAMAGE).index(pair["kind"]) for pair in pairs])
    axes = {product: ensemble_axis(backbone, product) for product in products}
    axis = torch.stack([axes[pair["product"]] for pair in pairs])
    scores = torch.stack([(intact * axis).sum(1), (damaged * axis).sum(1)], dim=1).numpy()  # (N, 2)
    maps = torch.einsum("nhwd,nd->nhw", encoded.dense[1::2], axis)
    masks = torch.stack([pair["mask"] for pair in pairs])
    masks = F.interpolate(masks[:, None], size=maps.shape[1:], mode="nearest")[:, 0]
    return {
        f"family, top-1 of {len(products)}": ((intact @ families.T).argmax(1) == own)[seen_family]
        .float()
        .mean()
        .item(),
        "condition, top-1 of 6": ((encoded.image @ conditions.T).argmax(1) == taken).float().mean().item(),
        "kind of damage, top-1 of 8": ((damaged @ kinds.T).argmax(1) == kind).float().mean().item(),
        "state, AUROC, families seen": roc_auc_score([0, 1] * int((~unseen).sum()), scores[~unseen].ravel()),
        "state, AUROC, families set aside": roc_auc_score([0, 1] * int(unseen.sum()), scores[unseen].ravel()),
        "damaged twin higher": float((scores[:, 1] > scores[:, 0]).mean()),
        "pixel AUROC": roc_auc_score(masks.flatten().int().numpy(), maps.flatten().numpy()),
    }


def real_images(backbone, root, at_least=4, report=print):
    """Image and pixel AUROC per category and corruption, of the ensemble and of a quick detector.

    Returns:
        dict of (product, corruption) -> dict of method -> (image AUROC, pixel AUROC or nan).
    """
    table = {}
    for category in read_mvtec(root):
        labels = np.array([sample.damaged for sample in category.samples])
        if min((labels == 0).sum(), (labels == 1).sum()) < at_least:
            continue
        axis = ensemble_axis(backbone, category.product)
        detector = Detector.fit(backbone, category.product)
        pictures = [read_image(sample.path) for sample in category.samples]
        for kind in ("none", *KINDS):
            shown = (
                pictures if kind == "none" else [corrupt(p, kind, SEVERITY, seed) for seed, p in enumerate(pictures)]
            )
            encoded = backbone.encode(shown)
            plain_maps = torch.einsum("nhwd,d->nhw", encoded.dense, axis)
            seen = detector.inspect_encoded(encoded, [picture.shape[:2] for picture in pictures])
            scores = {"ensemble": (encoded.image @ axis).numpy(), "detector": np.array([one.score for one in seen])}
            truth, values = [], {"ensemble": [], "detector": []}
            for number, sample in enumerate(category.samples):
                mask = sample.mask(pictures[number].shape[:2])
                if mask is None:
                    continue
                truth.append(mask[::EVERY, ::EVERY].ravel())
                plain = F.interpolate(plain_maps[number][None, None], size=mask.shape, mode="bilinear")[0, 0].numpy()
                for name, anomaly_map in (("ensemble", plain), ("detector", seen[number].map)):
                    values[name].append(anomaly_map[::EVERY, ::EVERY].ravel())
            truth = np.concatenate(truth)
            table[category.product, kind] = {
                name: (
                    roc_auc_score(labels, scores[name]),
                    roc_auc_score(truth, np.concatenate(values[name])) if truth.any() else float("nan"),
                )
                for name in scores
            }
            report(
                category.product,
                kind,
                {name: f"{a:.3f} / {p:.3f}" for name, (a, p) in table[category.product, kind].items()},
            )
    return table


def main():
    parser = argparse.ArgumentParser(prog="python -m zsad_core.embedded.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--backbone", default="embedded")
    arguments = parser.parse_args()
    backbone = load_backbone(arguments.backbone)
    print("| measured | value |\n|---|---|")
    for name, value in {**text_space(backbone), **held_out_renders(backbone, arguments.rendered)}.items():
        print(f"| {name} | {value:.3f} |", flush=True)
    if arguments.real:
        table = real_images(backbone, arguments.real, report=lambda *words: print(*words, flush=True))
        products = list(dict.fromkeys(product for product, _ in table))
        kinds = ("none", *KINDS)
        for method in ("ensemble", "detector"):
            print(f"\n{method}: image / pixel AUROC\n\n| product | {' | '.join(kinds)} |")
            print("|---" * (1 + len(kinds)) + "|")
            for name in products:
                cells = ("{:.3f} / {:.3f}".format(*table[name, kind][method]) for kind in kinds)
                print(f"| {name} | {' | '.join(cells)} |")
            means = (np.mean([table[name, kind][method] for name in products], axis=0) for kind in kinds)
            print(f"| mean | {' | '.join('{:.3f} / {:.3f}'.format(*mean) for mean in means)} |")


if __name__ == "__main__":
    main()
