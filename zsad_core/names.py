"""What a name does: which of several a picture looks like, and whether the backbone has a sense for one.

A text encoder gives every text a vector, one that means nothing too. CLIP's tokenizer has pieces of several letters for
English, and cuts what it seldom met into single letters and bytes: by that it is told.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F

from . import embedded
from .prompts import TEMPLATES, without_states

ANYTHING = "object"  # what a name amounts to that is not understood
KEPT = 256  # names whose vectors are kept
# How many times likelier another name must be. Of the yardstick's pictures .05 are then called something else under
# their own product, and .62 under another (`python -m training.looks`).
CLEARLY = 150.0
# Letters of a word to each of its pieces, at the least, for it to be understood.
LETTERS_PER_PIECE = 2.0
SHORTEST = 3  # letters of a word that is asked about; fewer are a code


class Look(NamedTuple):
    """A name, and its share among all that were asked about, from 0 to 1."""

    name: str
    share: float


class Names:
    """Holds names against pictures of one backbone; thread-safe.

    Attributes:
        known: the names that the image tower was trained with, in lower case; empty where it isn't known.
    """

    def __init__(self, backbone):
        self.backbone = backbone
        self.known = frozenset(embedded.known_names()) if backbone.name == "embedded" else frozenset()
        self._vector = lru_cache(KEPT)(self._encode)

    @torch.no_grad()
    def looks(self, images: torch.Tensor, names: Sequence[str]) -> list[Look]:
        """What pictures look like, the likeliest first; of several the mean share.

        Args:
            images: (N, d) image vectors, l2-normalised.
            names: at least one; said in WinCLIP's 22 templates.
        """
        names = list(dict.fromkeys(names))
        vectors = torch.stack([self._vector(name) for name in names])  # (M, d)
        shares = (self.backbone.logit_scale * images.cpu() @ vectors.T).softmax(dim=1).mean(dim=0)
        return sorted((Look(*pair) for pair in zip(names, shares.tolist(), strict=True)), key=lambda look: -look.share)

    def something_else(self, looks: Sequence[Look], product: str) -> str | None:
        """The name that pictures look like so much more than the product that it is worth saying; None where not.

        Nothing is said of a name that the image tower was not trained with: where such pictures lie was never taught.
        """
        share = next(look.share for look in looks if look.name == product)
        likeliest = looks[0]
        sure = likeliest.share > CLEARLY * share
        return likeliest.name if sure and {likeliest.name.lower(), product.lower()} <= self.known else None

    def understood(self, name: str) -> bool:
        """Has the backbone a sense for a word of this name? By a rule that says yes to .99 of 545 everyday names and to
        .17 of made-up ones, most of them made of syllables (`python -m training.looks`)."""
        words = (word for word in re.findall(r"[^\W\d_]+", name) if len(word) >= SHORTEST and _latin(word))
        return any(len(word) >= LETTERS_PER_PIECE * len(self.backbone.word_vectors(word)) for word in words)

    def _encode(self, name: str) -> torch.Tensor:
        """(d,) mean direction of the sentences about a name that fit the context."""
        sentences = [template.format(name) for template in TEMPLATES]
        room = self.backbone.context_length - 2  # start and end of text
        fitting = [text for text in sentences if len(self.backbone.word_vectors(text)) <= room]
        return F.normalize(self.backbone.text_vectors(fitting or [name]).mean(dim=0), dim=0)


def notes_of_name(backbone, product: str) -> Iterator[str]:
    """Sentences on what a product's name does, where that is not what one would think; most often none."""
    rest, states = without_states(product)
    if states:
        said, are = " and ".join(repr(word) for word in states), "are states" if len(states) > 1 else "is a state"
        yield f"{said} {are}, and a detector knows the states by itself: {rest!r} says as much."
    elif not Names(backbone).understood(product):
        yield f"{product!r} is not understood: it amounts to {ANYTHING!r}. The states still count."


def _latin(word: str) -> bool:
    return all("LATIN" in unicodedata.name(letter, "") for letter in word)
