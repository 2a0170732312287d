"""The one interface of every method of the poster's table, ours among them.

    batch = ImageBatch(backbone, images)                      # encoded once, when the first method asks
    for method in METHODS.values():
        fitted = method(backbone).fit("metal nut")       # from the product's name
        inspections = fitted.inspect(batch)              # list of Inspection, one an image

Methods are compared on the same encoding, so what differs between them is what is said to it and how it is asked.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch

from ..dense import WINDOW_SIZES
from ..detector import Inspection
from ..elongated import by_picture, cut_all, joined_map, joined_scores
from ..errors import InputError
from ..recipe import Recipe
from ..scale import Scale

IMAGES_AT_ONCE = 8  # of which the windows are in memory together


class ImageBatch:
    """Images and what the backbone sees in them: each way of looking is computed once, when it is first asked for.

    Args:
        backbone: a `Backbone`.
        images: list of N uint8 arrays (H, W, 3), as `read_image` gives them.

    Attributes:
        sizes: (height, width) of each image.
        squares: what the backbone reads of them: each image itself, or the squares of an elongated one.
    """

    def __init__(self, backbone, images: Sequence[np.ndarray]):
        self.backbone, self.images = backbone, list(images)
        self.sizes = [image.shape[:2] for image in self.images]
        self.squares = cut_all(self.images)

    @cached_property
    def encoded(self):
        """`Encoded`: image vectors (S, d) and dense vectors (S, rows, columns, d) of S squares, on the CPU."""
        return self.backbone.encode(self.squares)

    @cached_property
    def windows(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """WinCLIP's windows of 2 x 2, then of 3 x 3; they cost many times what `encoded` does.

        Each is vectors (S, windows, d), l2-normalised, and cover (windows, rows, columns), bool, on the CPU.
        """
        count = len(self.squares)
        batches = [self.squares[first : first + IMAGES_AT_ONCE] for first in range(0, count, IMAGES_AT_ONCE)]
        pixels = [self.backbone.preprocess(batch) for batch in batches]
        found = []
        for size in WINDOW_SIZES:
            vectors, covers = zip(*(self.backbone.window_vectors(batch, size) for batch in pixels))
            found.append((torch.cat(vectors).cpu(), covers[0].cpu()))
        return found


@dataclass(frozen=True)
class Resources:
    """What a method may need beside the backbone and a product's name; None where it is not there.

    Attributes:
        auxiliary: folder of labelled images of other products to learn on, in MVTec's or in the factory's layout.
        anomalyclip: a published AnomalyCLIP checkpoint.
        maeday: folder of a masked auto-encoder with its decoder, as transformers' ViTMAEForPreTraining saves it.
        recipe: of our own method.
        good_parts: photos of good parts of the product, each whatever `read_image` reads, for the methods that use any.
    """

    auxiliary: Path | None = None
    anomalyclip: Path | None = None
    maeday: Path | None = None
    recipe: Recipe = field(default_factory=Recipe.quick)
    good_parts: Sequence = ()


def inspections(scores: torch.Tensor, maps: torch.Tensor, sizes: Sequence[tuple[int, int]]) -> list[Inspection]:
    """What is handed out of scores (S,) and maps (S, rows, columns) of squares; sizes are (height, width) of images."""
    return [
        Inspection(score=score, map=joined_map(grids, size))
        for score, grids, size in zip(
            joined_scores(scores.tolist(), sizes), by_picture(maps, sizes), sizes, strict=True
        )
    ]


def state_probability(vectors: torch.Tensor, states: torch.Tensor, scale: float) -> torch.Tensor:
    """Softmax over the cosines to two text vectors (CLIP's zero-shot rule): the second one's probability (...).

    Args:
        vectors: (..., d) l2-normalised.
        states: (2, d) text vectors of the normal and of the abnormal state, l2-normalised.
        scale: inverse temperature of the softmax.
    """
    return (scale * vectors @ states.T).softmax(-1)[..., 1]


class Fitted(Protocol):
    """A method that knows its product."""

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        """Score in [0, 1] and map (H, W) float32 in [0, 1] of every image."""


class Method(ABC):
    """A method of the poster's table on one backbone.

    Attributes:
        name: as it is typed: "clip-ac". title: as it is printed: "CLIP-AC".
        source: the paper.
        faithful: in a sentence or two, what is as in the paper and what is not.
        remedy: a sentence: what the command line can give it where it is `missing` something; "" where nothing helps.
        seeded: whether the seed of `fit` decides anything.
        is_ours: whether it is the method of this project, and not one it is compared with.
        takes_good_parts: whether photos of good parts change it. needs_good_parts: whether it can't do without them.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    faithful: ClassVar[str]
    remedy: ClassVar[str] = ""
    seeded: ClassVar[bool] = True
    is_ours: ClassVar[bool] = False
    takes_good_parts: ClassVar[bool] = False
    needs_good_parts: ClassVar[bool] = False

    def __init__(self, backbone, resources: Resources = Resources()):
        self.backbone, self.resources = backbone, resources

    @property
    def scale(self) -> Scale:
        """The scale of its scores and maps on this backbone."""
        return self.backbone.profile.scale(self.name)

    @classmethod
    def title_with(cls, parts: int) -> str:
        """As it is printed with so many good parts, 1 or more: "Ours + 4 good parts"."""
        return f"{cls.title} + {parts} good part{'s' if parts > 1 else ''}"

    def with_good_parts(self, photos: Sequence) -> "Method":
        """This method with photos of good parts, in place of those it has; this one stays as it is."""
        other = copy.copy(self)
        other.resources = replace(self.resources, good_parts=photos)
        return other

    def missing(self) -> str | None:
        """A sentence: why the method cannot run here; None where it can."""
        return None

    def _check(self) -> None:
        """Raises InputError where something is `missing`, with the remedy."""
        if reason := self.missing():
            raise InputError(f"{reason} {self.remedy}".strip())

    @abstractmethod
    def fit(self, product: str, seed: int = 0) -> Fitted:
        """The method for a product, from its name.

        Args:
            seed: decides what is drawn at random; a method that draws nothing gives the same for every seed.

        Raises:
            InputError: a name or seed that cannot be used, or something is `missing`.
        """
