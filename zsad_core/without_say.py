"""How places of a picture that are left out lose their say.

What is shown there never reaches the network: it is painted over with the colours around it. There the map is 0, and
the score speaks of the other places alone.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .backbone import Encoded

PAINTED = 256  # pixels of the longer side in which the paint is mixed


def painted_over(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 with the colours around them in the places (H, W) bool that are left out.

    The colours spread from coarse to fine (push-pull, Gortler et al., SIGGRAPH 1996), so that the paint has no edge.
    """
    if not places.any():
        return pixels
    height, width = places.shape
    share = min(1, PAINTED / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    kept = np.where(places[..., None], np.uint8(0), pixels)
    colours, weight = (
        torch.from_numpy(np.array(Image.fromarray(part).resize(size, Image.Resampling.BOX), np.float32))
        for part in (kept, np.where(places, np.uint8(0), np.uint8(255)))
    )
    paint = _spread(colours.permute(2, 0, 1)[None] / 255, weight[None, None] / 255)[0].permute(1, 2, 0)
    paint = Image.fromarray((paint.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
    kept[places] = np.asarray(paint.resize((width, height), Image.Resampling.BILINEAR))[places]
    return kept


def _spread(colours: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(1, 3, h, w), of which a share of `weight` (1, 1, h, w) is known -> the same, known everywhere."""
    known = weight > 0
    found = colours / weight.where(known, torch.ones(()))
    if known.all():
        return found
    half = [max(1, -(-side // 2)) for side in weight.shape[2:]]
    around = _spread(F.adaptive_avg_pool2d(colours, half), F.adaptive_avg_pool2d(weight, half))
    return found.where(known, F.interpolate(around, size=weight.shape[2:], mode="bilinear"))


def without_say(encoded: Encoded, places: np.ndarray, words: Callable[[torch.Tensor], torch.Tensor]) -> Encoded:
    """A picture as the backbone saw it, but in each place that is left out it sees what words find the median place.

    So whatever is asked of the places, their hottest or their median, is asked of the others. A place is left out where
    at least half of its pixels are, or where the most are if that would leave none.

    Args:
        encoded: of one picture. places: (H, W) bool.
        words: dense vectors (1, rows, columns, d) -> (1, rows, columns), how abnormal words find each.
    """
    said = words(encoded.dense)
    changed = {}
    for name in ("dense", "features"):
        vectors = getattr(encoded, name)
        if not vectors.shape[-1]:
            continue
        cover = F.adaptive_avg_pool2d(torch.from_numpy(places)[None, None].float(), vectors.shape[1:3])[0, 0].flatten()
        out = cover >= 0.5
        out = cover > cover.min() if out.all() else out
        here = F.adaptive_avg_pool2d(said[:, None], vectors.shape[1:3]).flatten()
        middle = torch.where(out, torch.inf, here).argsort()[(~out).sum() // 2]
        flat = vectors[0].flatten(0, 1).clone()
        flat[out] = flat[middle].clone()
        changed[name] = flat.view(vectors.shape)
    return dataclasses.replace(encoded, **changed)


def silenced(inspection, places: np.ndarray) -> np.ndarray:
    """The map of an inspection, 0 in the places (H, W) bool that are left out."""
    return np.where(places, np.float32(0), inspection.map)
