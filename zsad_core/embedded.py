"""The two towers of the embedded backbone and their file format.

Image tower: EfficientNet-Lite2 (ImageNet weights, frozen up to stride 8, trained on from there) under a trained head
that writes every position of the stride-8 grid into the joint space, with an eye on what is unlike the rest of the same
picture. Text tower: CLIP's text transformer, 3 layers wide 192, over the first 15,870 merges of CLIP's
byte-pair list (any prefix of a merge list is a valid one), so that the token table stays small.
"""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from .efficientnet import EfficientNetLite2
from .errors import InputError
from .grain import grain, without_grain
from .text_transformer import TextTransformer
from .tokenizer import Tokenizer

_PLACES = [folder / "assets" / "embedded" for folder in Path(__file__).resolve().parents[:2]]  # in a wheel, and here
ASSETS = next(filter(Path.is_dir, _PLACES), _PLACES[-1])
TRUNK_CHANNELS = (24, 48, 120, 352)  # strides 4, 8, 16, 32
LOWER_STAGES = 3  # of the trunk, up to stride 8, which stay as ImageNet left them
ALIKE = 5  # positions that a position is compared with
NEIGHBOURHOOD = 2  # positions of the stride-16 grid around each that do not count as elsewhere
GRAIN_LEFT = 0.025  # standard deviation of the noise that the trunk sees at most; clean pictures have no more
MERGES = 16384 - 512 - 2  # vocabulary of 16,384: 512 bytes with and without word end, the merges, start and end of text


@dataclass(frozen=True)
class Architecture:
    """Sizes of the embedded backbone."""

    dim: int = 256  # joint space
    image_size: int = 256  # side of the square that is read, in training too, pixels
    head_width: int = 128
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 3
    context_length: int = 32


def upper_features(stages: Sequence[nn.Module], fine: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The trunk from stride 8 on.

    Args:
        stages: as `Trunk.upper_stages`. fine: (B, 72, S/8, S/8), as `Trunk.lower` gives it.
    Returns:
        (B, 120, S/16, S/16) and (B, 352, S/32, S/32).
    """
    sixteen = stages[1](stages[0](fine[:, TRUNK_CHANNELS[0] :]))
    return sixteen, stages[3](stages[2](sixteen))


class Trunk(nn.Module):
    """EfficientNet-Lite2 up to stride 32. `forward`: pixels (B, 3, S, S) -> features at strides 8, 16 and 32."""

    def __init__(self):
        super().__init__()
        self.net = EfficientNetLite2()

    @property
    def upper_stages(self) -> nn.Sequential:
        """The four stages from stride 8 on, a module list of the same weights."""
        return self.net.blocks[LOWER_STAGES:]

    def lower(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, 72, S/8, S/8), stride 4 brought to stride 8 beside it."""
        x = self.net.stem(pixels.contiguous(memory_format=torch.channels_last))
        four = self.net.blocks[1](self.net.blocks[0](x))
        eight = self.net.blocks[2](four)
        return torch.cat([F.adaptive_avg_pool2d(four, eight.shape[-2:]), eight], dim=1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fine = self.lower(pixels)
        return fine, *upper_features(self.upper_stages, fine)


def unlike_the_rest(feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How each position differs from those that are most like it elsewhere in the same picture.

    A flawless product repeats itself, a defect seldom does. The nearest neighbours that industrial anomaly detection
    looks for among normal images (PatchCore, arXiv 2106.08265) are looked for in the picture itself here.

    Args:
        feature: (B, H, W, C), standardised per channel.
    Returns:
        residual (B, H, W, C), the position minus the mean of its `ALIKE` most alike ones, none from its own
        neighbourhood; rarity (B, H, W, 2), one minus their mean cosine, plain and standardised within the picture.
    """
    batch, rows, columns, channels = feature.shape
    flat = feature.flatten(1, 2)  # (B, N, C)
    unit = F.normalize(flat, dim=2)
    row = torch.arange(rows, device=feature.device).repeat_interleave(columns)
    column = torch.arange(columns, device=feature.device).repeat(rows)
    apart = torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs())  # (N, N), Chebyshev
    alike = (unit @ unit.transpose(1, 2)).masked_fill(apart <= NEIGHBOURHOOD, -1.0)  # (B, N, N)
    cosine, where = alike.topk(min(ALIKE, rows * columns), dim=2)
    match = torch.zeros_like(alike).scatter_(2, where, 1 / where.shape[2])
    rarity = 1 - cosine.mean(dim=2)  # (B, N)
    relative = (rarity - rarity.mean(dim=1, keepdim=True)) / (rarity.std(dim=1, keepdim=True) + 1e-3)
    rarities = torch.stack([rarity, relative], dim=2)
    return (flat - match @ flat).view_as(feature), rarities.view(batch, rows, columns, 2)


class Block(nn.Module):
    """A 3x3 convolution and an MLP over (B, H, W, C), both residual."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        near = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + F.gelu(self.norm(near))
        return x + self.mlp(x)


def _enlarged(feature: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """(B, h, w, C) -> (B, rows, columns, C)."""
    return F.interpolate(feature.permute(0, 3, 1, 2), size=(rows, columns), mode="bilinear").permute(0, 2, 3, 1)


class Head(nn.Module):
    """Trunk features -> image vector and dense vectors in the joint space.

    A dense vector is the image vector as it would be if every position looked like this one: both are the sum of a
    positional part (pooled for the image vector) and one global part that carries what the whole picture shows. So one
    text-trained classifier fits both.
    """

    def __init__(
        self,
        dim: int,
        width: int,
        channels: Sequence[int] = (TRUNK_CHANNELS[0] + TRUNK_CHANNELS[1], *TRUNK_CHANNELS[2:]),
    ):
        super().__init__()
        for level, count in enumerate(channels):
            self.register_buffer(f"mean_{level}", torch.zeros(count))
            self.register_buffer(f"deviation_{level}", torch.ones(count))
        self.projections = nn.ModuleList(nn.Linear(count, width) for count in channels)
        self.unlike = nn.Linear(channels[0] + channels[1] + 6, width)
        nn.init.zeros_(self.unlike.weight)  # so that weights from before it can be trained on
        self.register_buffer("lean", torch.zeros(dim))  # for a rarity of 1; see `learner.Training.lean`
        self.register_buffer("noisy", torch.zeros(dim))  # see `learner.Training.name_noise`
        self.norm = nn.LayerNorm(width)
        self.context = nn.Linear(2 * width, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.patch = nn.Linear(width, dim)
        self.attention = nn.Linear(width, 1)
        self.whole = nn.Sequential(nn.Linear(2 * channels[-1] + 2 * width, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def standardise(self, feature: torch.Tensor, level: int) -> torch.Tensor:
        """(B, C, H, W) -> (B, H, W, C) with the training set's mean and deviation per channel taken out."""
        mean, deviation = getattr(self, f"mean_{level}"), getattr(self, f"deviation_{level}")
        return (feature.permute(0, 2, 3, 1) - mean) / deviation

    def compare(self, fine: torch.Tensor, sixteen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is unlike the rest of the picture.

        Args:
            fine, sixteen: features at strides 8 and 16, standardised.
        Returns:
            Both residuals and three rarities, (B, H/16, W/16, C8 + C16 + 6); the rarity at stride 16 alone,
            (B, H/16, W/16, 1).
        """
        fine = F.avg_pool2d(fine.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        both = torch.cat([F.normalize(fine, dim=3), F.normalize(sixteen, dim=3)], dim=3)
        fine_residual, fine_rarity = unlike_the_rest(fine)
        residual, rarity = unlike_the_rest(sixteen)
        together = torch.cat([fine_residual, residual, fine_rarity, rarity, unlike_the_rest(both)[1]], dim=3)
        return together, rarity[..., :1]

    def forward(self, *trunk_features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = [self.standardise(feature, level) for level, feature in enumerate(trunk_features)]
        rows, columns = features[0].shape[1:3]
        x = self.projections[0](features[0])  # (B, H, W, width)
        unlike, rarity = self.compare(*features[:2])
        coarser = [project(feature) for feature, project in zip(features[1:], self.projections[1:])]
        for coarse in (*coarser, self.unlike(unlike)):
            x = x + _enlarged(coarse, rows, columns)
        x = self.norm(x)
        x = F.gelu(x + self.context(torch.cat([x.mean((1, 2)), x.amax((1, 2))], dim=1))[:, None, None])
        for block in self.blocks:
            x = block(x)
        coarsest = features[-1]
        whole = self.whole(
            torch.cat([coarsest.mean((1, 2)), coarsest.amax((1, 2)), x.mean((1, 2)), x.amax((1, 2))], dim=1)
        )  # (B, d)
        patch = self.patch(x) + _enlarged(rarity, rows, columns) * self.lean  # (B, H, W, d)
        weight = self.attention(x).flatten(1).float().softmax(dim=1).to(patch.dtype)  # (B, H*W)
        flat = patch.flatten(1, 2)
        pooled = (flat.mean(1) + (weight[:, None] @ flat)[:, 0]) / 2
        return pooled + whole, (patch + whole[:, None, None]).permute(0, 3, 1, 2)


class ImageTower(nn.Module):
    """`forward`: normalised pixels (B, 3, S, S) -> image (B, d), dense (B, d, S/8, S/8), features (B, 120, S/16, S/16),
    none of unit length.

    Noise makes every place look rough to the trunk. So it is smoothed away first, and the vectors are told that it was
    there: a noisy photo stays one.
    """

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.image_size = architecture.image_size
        self.grid = (architecture.image_size // 8,) * 2
        self.trunk = Trunk()
        self.head = Head(architecture.dim, architecture.head_width)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        found = grain(pixels * torch.tensor(self.std, device=pixels.device).view(3, 1, 1))  # (B,)
        trunk = self.trunk(without_grain(pixels, found, GRAIN_LEFT))
        image, dense = self.head(*trunk)
        noisy = (found / GRAIN_LEFT - 1).clamp(0, 1)[:, None] * self.head.noisy  # (B, d)
        features = self.head.standardise(trunk[1], 1).permute(0, 3, 1, 2)
        return image + noisy, dense + noisy[:, :, None, None], features


def build_text_tower(architecture: Architecture) -> TextTransformer:
    """CLIP's text transformer at our sizes, randomly initialised."""
    return TextTransformer(
        context_length=architecture.context_length,
        vocab_size=MERGES + 514,
        width=architecture.text_width,
        heads=architecture.text_heads,
        layers=architecture.text_layers,
        output_dim=architecture.dim,
    )


def build_tokenizer(architecture: Architecture, folder: Path = ASSETS) -> Tokenizer:
    """CLIP's tokenizer over the shortened merge list that lies beside the weights."""
    return Tokenizer(folder / "merges.txt.gz", architecture.context_length)


def known_names(folder: Path = ASSETS) -> list[str]:
    """The names that the image tower was trained with, in lower case.

    Raises:
        InputError: their file is missing or damaged.
    """
    try:
        return (folder / "known_names.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"The embedded backbone in assets/embedded cannot be read ({error}): "
            "restore the folder from the repository."
        ) from error


def load(folder: Path = ASSETS) -> tuple[TextTransformer, ImageTower, Tokenizer, float]:
    """Read the shipped weights.

    Returns:
        (text tower, image tower, tokenizer, logit scale): modules in evaluation mode on the CPU, fp32.
    Raises:
        InputError: a file of the embedded backbone is missing or damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture = Architecture(**config["architecture"])
        text_tower, image_tower = build_text_tower(architecture), ImageTower(architecture)
        for name, module in (("trunk", image_tower.trunk), ("head", image_tower.head), ("text", text_tower)):
            state = load_file(folder / f"{name}.safetensors")
            module.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
        tokenizer = build_tokenizer(architecture, folder)
        if tokenizer.vocab_size != MERGES + 514:
            raise ValueError("merges.txt.gz is not the whole list of merges")
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zlib.error, SafetensorError) as error:
        reason = str(error).partition("\n")[0]  # torch lists every tensor that does not fit, a line each
        raise InputError(
            f"The embedded backbone in assets/embedded cannot be read ({reason}): "
            "restore the folder from the repository."
        ) from error
    image_tower = image_tower.to(memory_format=torch.channels_last)
    return text_tower.eval(), image_tower.eval(), tokenizer, math.exp(config["log_scale"])
