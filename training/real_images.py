"""Image and pixel AUROC on labelled real images, clean and corrupted: measuring only."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt
from zsad_core.datasets import read_dataset
from zsad_core.detector import Detector
from zsad_core.images import read_image

from .text_space import ensemble_axis

SEVERITY = 3
CONDITIONS = ("none", *POSTER_CORRUPTIONS)
METHODS = ("ensemble", "detector")
AVERAGED = ("bottle", "metal nut", "capsule", "leather", "cookie", "magnetic tile")  # the six of the target
REPORTED_ONLY = ("hazelnut", "transistor")  # good and bad images come from sources of different resolution
EVERY = 4  # pixels of a map that count towards the pixel AUROC, one in so many in each direction


def auroc(truth, values):
    """AUROC, or nan where only one class is there."""
    return roc_auc_score(truth, values) if 0 < np.mean(truth) < 1 else float("nan")


def real_images(backbone, root, report=print):
    """Image and pixel AUROC per category and corruption, of the plain prompt ensemble and of a quick detector.

    Args:
        report: called with a line of text for each category and corruption.
    Returns:
        dict of (product, corruption) -> dict of method -> (image AUROC, pixel AUROC or nan).
    """
    table = {}
    for category in read_dataset(root):
        if category.product not in AVERAGED + REPORTED_ONLY:
            continue
        labels = np.array([sample.damaged for sample in category.samples])
        axis = ensemble_axis(backbone.text_vectors, category.product)
        detector = Detector.fit(backbone, category.product)
        pictures = [read_image(sample.path) for sample in category.samples]
        for kind in CONDITIONS:
            shown = (
                pictures if kind == "none" else [corrupt(p, kind, SEVERITY, seed) for seed, p in enumerate(pictures)]
            )
            encoded = backbone.encode(shown)
            plain_maps = torch.einsum("nhwd,d->nhw", encoded.dense, axis)
            seen = detector.inspect(shown)
            scores = {"ensemble": (encoded.image @ axis).numpy(), "detector": np.array([one.score for one in seen])}
            truth, values = [], {method: [] for method in METHODS}
            for number, sample in enumerate(category.samples):
                mask = sample.mask(pictures[number].shape[:2])
                if mask is None:
                    continue
                truth.append(mask[::EVERY, ::EVERY].ravel())
                plain = F.interpolate(plain_maps[number][None, None], size=mask.shape, mode="bilinear")[0, 0].numpy()
                for method, anomaly_map in zip(METHODS, (plain, seen[number].map)):
                    values[method].append(anomaly_map[::EVERY, ::EVERY].ravel())
            truth = np.concatenate(truth)
            table[category.product, kind] = {
                method: (auroc(labels, scores[method]), auroc(truth, np.concatenate(values[method])))
                for method in METHODS
            }
            cells = ", ".join("{} {:.3f} / {:.3f}".format(m, *table[category.product, kind][m]) for m in METHODS)
            report(f"{category.product}, {kind}: {cells}")
    return table


def markdown(table, method):
    """One method's figures as the lines of a Markdown table; the mean is over the categories of the target."""
    products = list(dict.fromkeys(product for product, _ in table))
    rows = {product: [table[product, kind][method] for kind in CONDITIONS] for product in products}
    averaged = [rows[product] for product in AVERAGED if product in rows]
    if averaged:
        rows[f"**mean of {len(averaged)}**"] = np.mean(averaged, axis=0)  # (5, 2)
    lines = [f"| {method} | {' | '.join(CONDITIONS)} | corrupted |", "|---" * (2 + len(CONDITIONS)) + "|"]
    for product in sorted(rows, key=lambda name: (name.startswith("*"), name in REPORTED_ONLY)):
        cells = [*rows[product], np.mean(rows[product][1:], axis=0)]
        name = f"{product} (reported only)" if product in REPORTED_ONLY else product
        lines.append(f"| {name} | {' | '.join('{:.3f} / {:.3f}'.format(*cell) for cell in cells)} |")
    return lines
