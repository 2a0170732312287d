"""How well scores tell good from damaged images, and maps good from damaged pixels. All metrics lie in [0, 1].

Pixels are counted, not kept: a histogram of map values for each kind of pixel takes the same memory for ten images as
for ten thousand, can be filled batch by batch, and gives AUROC and PRO without sorting a pixel.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import label
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from ..elongated import squares_in
from ..verdict import NEUTRAL

MAP_SIDE = 256  # pixels of the longer side at which maps are compared with masks
PRO_LIMIT = 0.3  # false-positive rate up to which PRO is integrated

# Map values are told apart in steps of 0.0004 on the scale of their logits, from 6e-6 to 1 - 6e-6: fine at both ends,
# where a method that is sure of everything has all its values. Within a step they count as tied.
LEVELS = 2**16
_REACH = 12.0

METRICS = {
    "image_auroc": "image AUROC", "image_ap": "image AP", "image_f1_max": "image F1-max",
    "false_alarms": "false alarms", "caught": "caught", "balanced_accuracy": "balanced accuracy",
    "pixel_auroc": "pixel AUROC", "pro": "PRO",
}  # fmt: skip
IMAGE_METRICS = ("image_auroc", "image_ap", "image_f1_max")
VERDICT_METRICS = ("false_alarms", "caught", "balanced_accuracy")
PIXEL_METRICS = ("pixel_auroc", "pro")


def image_metrics(damaged: Sequence[bool], scores: Sequence[float]) -> dict[str, float]:
    """AUROC, average precision and the best F1 over all thresholds: dict of name -> value, nan without both labels.

    Args:
        damaged: (N,) bool, the labels. scores: (N,) higher for damaged.
    """
    if all(damaged) or not any(damaged):
        return dict.fromkeys(IMAGE_METRICS, float("nan"))
    precision, recall, _ = precision_recall_curve(damaged, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return {
        "image_auroc": float(roc_auc_score(damaged, scores)),
        "image_ap": float(average_precision_score(damaged, scores)),
        "image_f1_max": float(f1.max()),
    }


def verdict_metrics(damaged: Sequence[bool], scores: Sequence[float]) -> dict[str, float]:
    """What the verdict is worth, which turns at a score of .5: dict of name -> value, nan without both labels.

    "false_alarms" is the share of intact images over it, "caught" that of damaged ones, and "balanced_accuracy" the
    mean of the share of damaged ones over it and of intact ones that are not.

    Args:
        damaged: (N,) bool, the labels. scores: (N,) in [0, 1], higher for damaged.
    """
    if all(damaged) or not any(damaged):
        return dict.fromkeys(VERDICT_METRICS, float("nan"))
    labels, called = np.asarray(damaged), np.asarray(scores) > NEUTRAL
    alarms, caught = float(called[~labels].mean()), float(called[labels].mean())
    return {"false_alarms": alarms, "caught": caught, "balanced_accuracy": (caught + 1 - alarms) / 2}


def compared_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size (height, width) at which the map of an image of this size is compared with its mask.

    An elongated image is cut into as many squares at either size: its short side may move by a pixel or two for that,
    and where this does not help it is compared as it is.
    """
    factor = min(1.0, MAP_SIDE / max(size))
    height, width = (max(1, round(side * factor)) for side in size)
    for apart in (0, 1, -1, 2, -2):
        near = (height, width + apart) if height > width else (height + apart, width)
        if min(near) > 0 and squares_in(*near) == squares_in(*size):
            return near
    return size


class Truth:
    """The mask (H, W) of one image, and the damaged regions in it, pixels that touch at a corner being one region.

    Attributes:
        mask: (H * W,) bool. regions: number of regions.
        weights: (damaged pixels,) 1 over the size of the region of each.
    """

    def __init__(self, mask: np.ndarray):
        numbers, self.regions = label(mask, structure=np.ones((3, 3)))  # (H, W) 0 outside of regions
        self.mask = mask.ravel()
        numbers = numbers[mask]
        self.weights = 1 / np.bincount(numbers, minlength=1)[numbers]


class PixelCounts:
    """Counts the pixels of maps by value, and gives the pixel metrics of all maps that were added."""

    def __init__(self):
        self._all = np.zeros(LEVELS)
        self._damaged = np.zeros(LEVELS)
        self._overlap = np.zeros(LEVELS)  # damaged pixels, every region having the weight 1
        self._regions = 0

    def add(self, anomaly_map: np.ndarray, truth: Truth) -> None:
        """Counts the map (H, W), float32 in [0, 1], of an image with this `Truth` of the same size."""
        values = anomaly_map.ravel()
        with np.errstate(divide="ignore"):  # 0 and 1 have infinite logits, and are put with the last levels
            levels = np.log(values / (1 - values))
        levels += np.float32(_REACH)
        levels *= np.float32(LEVELS / (2 * _REACH))
        levels = np.clip(levels, 0, LEVELS - 1).astype(np.intp)  # (H * W,)
        self._all += np.bincount(levels, minlength=LEVELS)
        if truth.regions:
            damaged = levels[truth.mask]
            self._damaged += np.bincount(damaged, minlength=LEVELS)
            self._overlap += np.bincount(damaged, truth.weights, minlength=LEVELS)
            self._regions += truth.regions

    def metrics(self) -> dict[str, float]:
        """Pixel AUROC and PRO: dict of name -> value, nan without pixels of both kinds.

        PRO is the mean share of a region that lies over the threshold, as a function of the false-positive rate,
        integrated up to 0.3 and divided by 0.3 (Bergmann et al., Uninformed Students, CVPR 2020): a ROC curve in which
        every region weighs the same, however large it is.
        """
        normal = self._all - self._damaged
        if not self._regions or not normal.any():
            return dict.fromkeys(PIXEL_METRICS, float("nan"))
        used = np.flatnonzero(self._all)
        levels, damaged = np.tile(used, 2), np.repeat([False, True], len(used))
        overlap, normal = self._overlap[used], normal[used]
        false_positives, overlap, _ = roc_curve(damaged, levels, sample_weight=np.concatenate([normal, overlap]))
        inside = false_positives < PRO_LIMIT
        edge = np.interp(PRO_LIMIT, false_positives, overlap)
        area = auc(np.append(false_positives[inside], PRO_LIMIT), np.append(overlap[inside], edge))
        weights = np.concatenate([normal, self._damaged[used]])
        return {
            "pixel_auroc": float(roc_auc_score(damaged, levels, sample_weight=weights)),
            "pro": float(area / PRO_LIMIT),
        }
