"""MAEDAY: what a masked auto-encoder cannot guess from a quarter of the image is anomalous."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..detector import Inspection
from ..errors import InputError
from ..maps import smoothed
from ..prompts import clean_product_name
from .method import ImageBatch, Method, inspections
from .owned_cache import OwnedCache, contents

MASKS = 32  # drawn once, the same for every image
HIDDEN = 0.75  # share of the patches
SIGMA = 1.4  # pixels, of the Gaussian over the errors
AT_ONCE = 8  # masks
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as the auto-encoders were trained
_MODELS = OwnedCache(limit=1)  # auto-encoder of each backbone, on its device


@dataclass(frozen=True, eq=False)
class FittedAutoEncoder:
    """The auto-encoder, and the order in which each mask hides the patches, last first: noise (MASKS, patches)."""

    model: Any
    noise: torch.Tensor

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        side = self.model.config.image_size
        errors = torch.stack([self.errors(square) for square in batch.squares])  # (N, S, S)
        # Neutral, 0.5, is an error of one variance of ImageNet's pixels: no better than a guess of their mean colour.
        maps = smoothed(errors, side, SIGMA)
        maps = maps / (1 + maps)
        return inspections(maps.flatten(1).amax(dim=1), maps, batch.sizes)

    @torch.no_grad()
    def errors(self, image: np.ndarray) -> torch.Tensor:
        """(S, S) mean squared error of each pixel over the masks that hid it, in variances of ImageNet's pixels."""
        model, side = self.model, self.model.config.image_size
        square = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        pixels = (torch.from_numpy(square.copy()).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
        pixels = pixels.permute(2, 0, 1)[None].to(model.device)  # (1, 3, S, S)
        total = hidden = 0
        for noise in self.noise.to(model.device).split(AT_ONCE):
            seen = model(pixel_values=pixels.expand(len(noise), -1, -1, -1), noise=noise)
            guessed = model.unpatchify(seen.logits)  # (B, 3, S, S)
            rows = side // model.config.patch_size
            mask = seen.mask.unflatten(1, (1, rows, rows))  # (B, 1, rows, rows): 1 where hidden
            mask = F.interpolate(mask, size=(side, side), mode="nearest")[:, 0]  # (B, S, S)
            total = total + ((guessed - pixels).square().mean(dim=1) * mask).sum(dim=0)
            hidden = hidden + mask.sum(dim=0)
        return (total / hidden.clamp(min=1)).cpu()


class Maeday(Method):
    name, title = "maeday", "MAEDAY"
    source = "Schwartz et al., CVIU 2024 (arXiv 2211.14307)"
    faithful = (
        "As published without any image: an ImageNet auto-encoder, errors averaged over 32 masks of 75 %. The authors' "
        "code is not public, so image score (the maximum) and Gaussian (1.4 pixels) are those of re-implementations, "
        "and ours are that only hidden patches count and that e / (1 + e) brings errors into [0, 1], which moves no "
        "AUROC. It uses neither the backbone nor the product's name. Tested on random weights only."
    )

    def missing(self) -> str | None:
        if importlib.util.find_spec("transformers") is None:
            return "MAEDAY needs the package transformers: pip install -r zsad_core/baselines/requirements.txt."
        if self.resources.maeday is None:
            return (
                "MAEDAY needs the weights of a masked auto-encoder with its decoder, such as facebook/vit-mae-base: "
                "save it as a folder and give that with --maeday DIR."
            )
        if not (Path(self.resources.maeday) / "config.json").is_file():
            return (
                f"The folder {Path(self.resources.maeday).name!r} holds no config.json of a masked auto-encoder: give "
                "one that transformers' save_pretrained has written with --maeday DIR."
            )
        return None

    def fit(self, product: str, seed: int = 0) -> FittedAutoEncoder:
        clean_product_name(product)
        reason = self.missing()
        if reason:
            raise InputError(reason)
        folder, device = Path(self.resources.maeday), self.backbone.device
        model = _MODELS.get(self.backbone, contents(folder), lambda: _auto_encoder(folder).to(device))
        patches = (model.config.image_size // model.config.patch_size) ** 2
        return FittedAutoEncoder(model, torch.rand(MASKS, patches, generator=torch.Generator().manual_seed(seed)))


def _auto_encoder(folder: Path):
    """The ViTMAEForPreTraining in a folder, in evaluation mode; weights are read by transformers, never unpickled.

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
    return model.eval().requires_grad_(False)
