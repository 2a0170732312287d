"""MAEDAY: what a masked auto-encoder cannot guess from a quarter of the image is anomalous."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ..detector import Inspection
from ..errors import InputError
from ..maps import smoothed
from ..prompts import clean_product_name
from ..scale import Scale
from . import shipped
from .auto_encoder import MaskedAutoEncoder
from .method import ImageBatch, Method, inspections
from .owned_cache import OwnedCache, contents

HIDDEN = 0.75  # share of the patches
MASKS = 32  # drawn once, the same for every image
FEWER_MASKS = 16  # of the shipped auto-encoder, which is to be quick
SIGMA = 1.4  # pixels, of the Gaussian over the errors
AT_ONCE = 8  # masks
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as the auto-encoders were trained
SHIPPED = shipped.FOLDER / "maeday.safetensors"
_MODELS = OwnedCache(limit=1)  # auto-encoder of each backbone, on its device


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (..., 3, H, W) from 0 to 255, in deviations of ImageNet's about their mean."""
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (MEAN, STD))
    return (pixels / 255 - mean) / std


def hidden_patches(noise: torch.Tensor) -> torch.Tensor:
    """Which patches a mask hides, the HIDDEN share with the most noise: (masks, patches) -> bool of that shape."""
    seen = int((1 - HIDDEN) * noise.shape[1])
    return noise.argsort(dim=1).argsort(dim=1) >= seen


@dataclass(frozen=True, eq=False)
class FittedAutoEncoder:
    """The auto-encoder, and which patches each mask hides: hidden (masks, patches) bool."""

    model: "MaskedAutoEncoder | PublishedAutoEncoder"
    hidden: torch.Tensor
    scale: Scale

    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """How abnormal the squares are, (N,), and the places of their maps, (N, S, S), both in [0, 1]."""
        errors = torch.stack([self.errors(square) for square in batch.squares])  # (N, S, S)
        # Neutral, 0.5, is an error of one variance of ImageNet's pixels: no better than a guess of their mean colour.
        maps = smoothed(errors, self.model.side, SIGMA)
        maps = maps / (1 + maps)
        return maps.flatten(1).amax(dim=1), maps

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)

    @torch.no_grad()
    def errors(self, image: np.ndarray) -> torch.Tensor:
        """(S, S) mean squared error of each pixel over the masks that hid it, in variances of ImageNet's pixels."""
        model, cells = self.model, self.model.side // self.model.patch
        square = np.asarray(Image.fromarray(image).resize((model.side,) * 2, Image.Resampling.BICUBIC))
        pixels = torch.from_numpy(square.copy()).permute(2, 0, 1)[None].to(self.hidden.device)
        pixels = normalised(pixels.float())  # (1, 3, S, S)
        total = 0
        for hidden in self.hidden.split(AT_ONCE):
            guessed = model(pixels.expand(len(hidden), -1, -1, -1), hidden)  # (B, 3, S, S)
            counted = F.interpolate(hidden.float().view(-1, 1, cells, cells), size=(model.side,) * 2)[:, 0]
            total = total + ((guessed - pixels).square().mean(dim=1) * counted).sum(dim=0)
        times = self.hidden.sum(dim=0).clamp(min=1).float().view(1, 1, cells, cells)
        return (total / F.interpolate(times, size=(model.side,) * 2)[0, 0]).cpu()


class Maeday(Method):
    name, title = "maeday", "MAEDAY"
    source = "Schwartz et al., CVIU 2024 (arXiv 2211.14307)"
    faithful = (
        "In the paper's style: errors of a masked auto-encoder, averaged over 16 masks of 75 % (32 with one that is "
        "given). The paper's is a large one of ImageNet; this one is ours, has 0.9 million weights, and learned on our "
        "renders and on photographs. The authors' code is not public, so image score (the maximum) and Gaussian (1.4 "
        "pixels) are those of re-implementations; ours are that only hidden patches count and that e / (1 + e) brings "
        "errors into [0, 1], which moves no AUROC. It uses neither the backbone nor the product's name."
    )

    def missing(self) -> str | None:
        if self.resources.maeday is None:
            return shipped.missing(SHIPPED, "", self.title)  # it learned on pixels, whatever the backbone
        if importlib.util.find_spec("transformers") is None:
            return "MAEDAY needs the package transformers: pip install -r zsad_core/baselines/requirements.txt."
        if not (Path(self.resources.maeday) / "config.json").is_file():
            return (
                f"The folder {Path(self.resources.maeday).name!r} holds no config.json of a masked auto-encoder: give "
                "one that transformers' save_pretrained has written with --maeday DIR."
            )
        return None

    def fit(self, product: str, seed: int = 0) -> FittedAutoEncoder:
        clean_product_name(product)
        self._check()
        device = self.backbone.device
        if self.resources.maeday is None:
            key, read, masks = SHIPPED, _shipped, FEWER_MASKS
        else:
            folder = Path(self.resources.maeday)
            key, read, masks = contents(folder), lambda: _published(folder), MASKS
        model = _MODELS.get(self.backbone, key, lambda: read().to(device).eval().requires_grad_(False))
        noise = torch.rand(masks, (model.side // model.patch) ** 2, generator=torch.Generator().manual_seed(seed))
        return FittedAutoEncoder(model, hidden_patches(noise).to(device), self.scale)


def _shipped() -> MaskedAutoEncoder:
    model = MaskedAutoEncoder()
    shipped.fill(model, SHIPPED)
    return model


class PublishedAutoEncoder(nn.Module):
    """A ViTMAEForPreTraining of transformers as a `MaskedAutoEncoder`."""

    def __init__(self, model: Any):
        super().__init__()
        self.model, self.side, self.patch = model, model.config.image_size, model.config.patch_size

    def forward(self, pixels: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        seen = self.model(pixel_values=pixels, noise=hidden.float())  # the patches with the most noise are hidden
        return self.model.unpatchify(seen.logits)


def _published(folder: Path) -> PublishedAutoEncoder:
    """The ViTMAEForPreTraining in a folder; weights are read by transformers, never unpickled.

    Raises:
        InputError: it cannot be read, has no decoder, or guesses something else than pixels.
    """
    from transformers import ViTMAEForPreTraining  # here, because it is an optional extra
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        model, report = ViTMAEForPreTraining.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # whatever the readers of configurations and weights may raise
        reason = str(error).strip().split("\n")[0][:160]
        raise InputError(
            f"The masked auto-encoder in {folder.name!r} cannot be read ({reason}): save it anew with save_pretrained."
        ) from error
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise InputError(
            f"The weights in {folder.name!r} lack {lacking[0]!r}: give an auto-encoder with its decoder, as "
            "ViTMAEForPreTraining saves it."
        )
    config = model.config
    sizes = config.image_size, config.patch_size
    if config.num_channels != 3 or not all(isinstance(size, int) for size in sizes) or sizes[0] % sizes[1]:
        raise InputError(f"The auto-encoder in {folder.name!r} is not one of square colour images: give another.")
    if config.norm_pix_loss:
        raise InputError(
            f"The auto-encoder in {folder.name!r} guesses patches of normalised contrast (norm_pix_loss), and MAEDAY "
            "compares colours: give one that guesses pixels, such as facebook/vit-mae-base."
        )
    config.mask_ratio = HIDDEN
    return PublishedAutoEncoder(model)
