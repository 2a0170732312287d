"""AnomalyCLIP: two object-agnostic prompts, learned on labelled images of other products, or a published checkpoint."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..detector import Inspection
from ..device import memory_errors_in_words
from ..maps import smoothed
from ..prompts import clean_product_name
from ..scale import Scale
from . import anomalyclip_checkpoint, auxiliary, shipped
from .method import Fitted, ImageBatch, Method, inspections, state_probability
from .owned_cache import OwnedCache

SCALE = 1 / 0.07  # inverse of the published temperature
OBJECTS = "object.", "damaged object."  # the frozen ends of the two prompts
CONTEXT = 12  # learnable words before each
STEPS = 600  # of Adam, each on BATCH images
BATCH = 8
LEARNING_RATE = 0.05  # in standard deviations of the word vectors: the published 0.001 against draws of 0.02
MASK_WEIGHT = 4  # of the losses on the map against the one on the image
FOCUS = 2  # exponent of the focal loss
SIDE, SIGMA = 259, 2.0  # the paper's Gaussian of 4 pixels on 518, at half the size: a patch is larger than either
PIXEL = 1 / 518**2  # share of one pixel, which the dice loss adds so as not to divide by zero
SHIPPED = shipped.FOLDER / "anomalyclip.safetensors"
_LEARNED = OwnedCache(limit=64)  # pairs of text vectors


@dataclass(frozen=True, eq=False)
class FittedObjectPrompts:
    """The text vectors of the normal and of the abnormal prompt, (2, d), l2-normalised."""

    states: torch.Tensor
    scale: Scale

    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Abnormal probabilities of the images, (N,), and of the places of their maps, (N, SIDE, SIDE)."""
        places = state_probability(batch.encoded.dense, self.states, SCALE)  # (N, rows, columns)
        maps = torch.cat([smoothed(grid[None], SIDE, SIGMA) for grid in places])
        return state_probability(batch.encoded.image, self.states, SCALE), maps

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)


class AnomalyClip(Method):
    name, title = "anomalyclip", "AnomalyCLIP"
    source = "Zhou et al., ICLR 2024 (arXiv 2310.18961)"
    faithful = (
        "Two prompts of learned words, with the paper's ends, losses and temperature; but in fewer steps, without deep "
        "text tokens, and on the backbone's own dense vectors, one depth at its own size. Those that come with "
        "`embedded` learned on our renders, other units of the sample products among them. A published checkpoint on "
        "ViT-L-14-336 is read as the authors' code reads it (deep text tokens, V-V attention from the sixth block on, "
        "maps of four depths at 518 pixels), but tested on random weights only."
    )
    remedy = (
        "Give labelled images of other products, in MVTec's, VisA's or the factory's layout, with --auxiliary DIR, or "
        "on ViT-L-14-336 a published checkpoint with --anomalyclip FILE."
    )

    def missing(self) -> str | None:
        if self.resources.anomalyclip is not None:
            return anomalyclip_checkpoint.missing(self.backbone, self.resources.anomalyclip)
        if self.resources.auxiliary is not None:
            return auxiliary.missing(self.resources.auxiliary, self.title)
        return shipped.missing(SHIPPED, self.backbone.fingerprint, self.title)

    def fit(self, product: str, seed: int = 0) -> Fitted:
        """Prompts that say "object" and no product's name; those of `product` are left out of what they learn on.

        Where there is nothing to learn on, the shipped ones, which know no seed.
        """
        product = clean_product_name(product)
        self._check()
        if self.resources.anomalyclip is not None:
            return anomalyclip_checkpoint.FittedCheckpoint(self.backbone, self.resources.anomalyclip, self.scale)
        if self.resources.auxiliary is None:
            states = _LEARNED.get(self.backbone, SHIPPED, lambda: _shipped(self.backbone))
            return FittedObjectPrompts(states, self.scale)
        images = auxiliary.encoded(self.backbone, self.resources.auxiliary)
        left_out = images.left_out(product)

        def learn():
            words = learned_words(self.backbone, images, left_out, seed)
            return text_vectors(self.backbone, words)

        return FittedObjectPrompts(_LEARNED.get(images, (left_out, seed), learn), self.scale)


def _shipped(backbone) -> torch.Tensor:
    return text_vectors(backbone, shipped.read(SHIPPED)["words"])


@torch.no_grad()
def text_vectors(backbone, words: torch.Tensor) -> torch.Tensor:
    """Text vectors (2, d) of the learned words (2, CONTEXT, w) before the frozen ends, l2-normalised, on the CPU."""
    return _text_vectors(backbone, words.to(backbone.device)).cpu()


def _text_vectors(backbone, words: torch.Tensor) -> torch.Tensor:
    ends = [backbone.word_vectors(text).detach() for text in OBJECTS]
    lengths = torch.tensor([CONTEXT + len(end) for end in ends])
    ends = torch.nn.utils.rnn.pad_sequence(ends, batch_first=True)  # (2, L, w)
    return backbone.text_vectors_from_words(torch.cat([words, ends], dim=1), lengths)


@torch.inference_mode(False)
def learned_words(backbone, images: auxiliary.Auxiliary, left_out: str | None = None, seed: int = 0) -> torch.Tensor:
    """Words (2, CONTEXT, w) of the two prompts, learned on all images but those of the product that is left out."""
    device, generator = backbone.device, torch.Generator().manual_seed(seed)
    others = torch.tensor(images.others(left_out))
    words = torch.randn(2, CONTEXT, backbone.word_width, generator=generator) * backbone.embedding_std
    words = words.to(device).requires_grad_()
    optimizer = torch.optim.Adam([words], LEARNING_RATE * backbone.embedding_std, betas=(0.5, 0.999))
    order = torch.empty(0, dtype=torch.long)
    for _ in range(STEPS):
        if len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(others), generator=generator)])
        batch, order = others[order[:BATCH]], order[BATCH:]
        image, dense = images.image[batch].to(device), images.dense[batch].to(device).float()
        with torch.enable_grad(), memory_errors_in_words():
            states = _text_vectors(backbone, words)  # (2, d)
            loss = F.cross_entropy(SCALE * image @ states.T, images.damaged[batch].long().to(device))
            probability = state_probability(dense, states, SCALE).flatten(1)  # (B, patches)
            loss = loss + MASK_WEIGHT * map_loss(probability, images.share[batch].flatten(1).to(device))
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
    return words.detach().cpu()


def map_loss(probability: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Focal loss and the two dice losses (equation 3 of the paper) over the pixels of maps.

    All pixels of a patch have its probability, so their sums are sums over patches, exactly.

    Args:
        probability: (B, patches) abnormal probability.
        share: (B, patches) share of each patch's pixels that is damaged.
    """
    sound, rest = 1 - probability, 1 - share
    focal = (
        share * sound**FOCUS * probability.clamp(min=1e-5).log()
        + rest * probability**FOCUS * sound.clamp(min=1e-5).log()
    )
    return _dice_loss(probability, share) + _dice_loss(sound, rest) - focal.mean()


def _dice_loss(probability: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    both = (probability * share).mean(dim=1)
    return (1 - (2 * both + PIXEL) / (probability.mean(dim=1) + share.mean(dim=1) + PIXEL)).mean()
