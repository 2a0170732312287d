"""The detector of one product: trained on text alone, asked about images, kept in a small file."""

import copy
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from . import __version__, detector_file
from .backbone import Encoded
from .cascade import inspect_finely
from .classifier import ClassifierTraining, StateClassifier
from .elongated import by_picture, cut, joined_map, joined_scores
from .errors import InputError, quoted
from .good_parts import NAMES as MEMORY_TENSORS
from .good_parts import Memory, remember
from .ignored import Ignored, as_ignored
from .images import read_image
from .maps import MapOfSize, mean_over_neighbours
from .profile import OURS
from .progress import Progress
from .prompt_learning import PromptLearning, diversity_loss, join_words
from .prompts import clean_product_name, held_back_sentences, plain_prompts
from .recipe import PRESETS, Recipe
from .regions import Region, regions_of
from .seeds import checked_seed
from .verdict import NEUTRAL, state, verdict
from .without_say import painted_over, silenced, without_say

QUICK = PRESETS["quick"]
MODES = "fast", "fine", "windows"  # in which a map is made
BATCH = 7  # images encoded at a time: the 21 of a severity sweep make three full batches


# The greatest values that a file may give to what is learned, with which the logits stay finite. Training stays far
# under them; the scale alone can be large, where hardly anything was learned.
MOST_LEARNED = 10_000
MOST_SCALE = 10**9
# The greatest value that a file may give to a figure of its health; a cosine may be a rounding error over 1.
_MOST_HEALTH = {
    "held_back_accuracy": 1,
    "text_accuracy": 1,
    "mean_cosine_before": 1.001,
    "mean_cosine_after": 1.001,
    "steps": 1000,
    "seconds": 10**7,
}
_KNOWN_HEALTH = "held_back_accuracy", "mean_cosine_before", "mean_cosine_after"  # in every file


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a detector says about one image.

    Attributes:
        score: anomaly score in [0, 1].
        map: anomaly map, (H, W) float32 in [0, 1], of the size of the image; the same scale for every image. A large
            one is made when it is asked for, each time anew, so that many inspections take little memory.
        by_words: the score by words alone, where good parts have a say in `score`; else None.
        regions: the connected places of the map over `neutral`, the one with the highest peak first.
        neutral: the value of the map at which neither state is nearer, and the score that leans to neither.

    Raises:
        InputError: a score that is no number from 0 to 1.
    """

    score: float
    map: np.ndarray = MapOfSize()  # or a function that makes it
    by_words: float | None = None
    neutral: ClassVar[float] = NEUTRAL

    def __post_init__(self):
        if not 0 <= self.score <= 1:  # also catches NaN
            raise InputError(
                f"The score of the image is {self.score}, and not from 0 to 1: the weights of the detector or of its "
                "backbone are damaged. Load them, or train the detector, again."
            )

    @cached_property
    def regions(self) -> list[Region]:
        return regions_of(self.map)

    @property
    def verdict(self) -> str:
        """The score in words, from "looks flawless" to "looks damaged"."""
        return verdict(self.score)

    @property
    def state(self) -> str:
        """The state that the verdict leans to: "normal", "abnormal" or "undecided"."""
        return state(self.score)


class Detector:
    """Scores images of one product; made by `Detector.fit`, `Detector.training` or `Detector.load`.

    Attributes:
        backbone: the CLIP model it was trained on and looks through.
        product, recipe, seed: what it was trained for, and how.
        diversity_words (K, n, w), distribution_words (G, m, w): the learned words.
        text_vectors: (1 + adjectives, K, d) of all prompts, the normal ones first, float32, l2-normalised.
        classifier: the trained `StateClassifier`.
        memory: the `Memory` of good parts, or None: words alone.
        health: what is known about its quality without any image: "held_back_accuracy" and "text_accuracy" (balanced,
            0 to 1), "mean_cosine_before" and "mean_cosine_after" (0 to 1), "steps" and "seconds" of training.
    """

    def __init__(
        self,
        backbone,
        product: str,
        recipe: Recipe,
        seed: int,
        diversity_words: torch.Tensor,
        distribution_words: torch.Tensor,
        text_vectors: torch.Tensor,
        classifier: StateClassifier,
        health: dict[str, float],
        memory: Memory | None = None,
    ):
        self.backbone, self.product, self.recipe, self.seed = backbone, product, recipe, seed
        self.diversity_words, self.distribution_words = diversity_words, distribution_words
        self.text_vectors, self.classifier, self.health = text_vectors, classifier, health
        self.memory = memory

    @classmethod
    def training(cls, backbone, product: str, recipe: Recipe = QUICK, seed: int = 0) -> "Training":
        """A training to iterate over, step by step; see `Training`."""
        return Training(backbone, product, recipe, seed)

    @classmethod
    def fit(
        cls,
        backbone,
        product: str,
        recipe: Recipe = QUICK,
        seed: int = 0,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> "Detector":
        """Trains a detector for a product, from its name alone.

        Args:
            backbone: a `Backbone`.
            product: such as "metal nut".
            seed: whole number from 0 to 2**32 - 1; the same one gives the same detector.
            on_progress: called after every step.

        Raises:
            InputError: a name, recipe or seed that cannot be used, or a training that broke down.
        """
        training = cls.training(backbone, product, recipe, seed)
        for progress in training:
            if on_progress is not None:
                on_progress(progress)
        return training.detector

    @property
    def good_parts(self) -> int:
        """How many good parts have a say, 0 where it is words alone."""
        return self.memory.parts if self.memory else 0

    def with_good_parts(self, images: Sequence) -> "Detector":
        """A detector that holds pictures against good parts too; no longer zero-shot. This one stays as it is.

        Args:
            images: a photo of a good part, or 1 to 16, each whatever `read_image` reads. They replace those of before.

        Raises:
            InputError: no photo, too many, one that cannot be read, or one that is there twice.
        """
        other = copy.copy(self)
        other.memory = remember(
            self.backbone,
            images,
            words=lambda encoded: self.patch_probabilities(encoded.dense),
            alone=lambda encoded: self.backbone.profile.scale(OURS)(*self.evidence(encoded))[0],
        )
        return other

    def inspect(
        self, image, mode: str = "fast", ignore: Ignored | np.ndarray | None = None
    ) -> "Inspection | list[Inspection]":
        """Scores an image, or each of a list.

        Args:
            image: whatever `read_image` reads (PIL image, path, bytes, array), or a list or tuple of such.
            mode: how the map is made: "fast" (one pass), "fine" (of a large picture, closer looks where it is warm) or
                "windows" (finer, many passes); the map has its share in the score, so the score differs. Good parts
                are remembered as "fast" sees them: with them "windows" is the same, and "fine" is refused.
            ignore: what has no say in score and map, which is 0 there: an `Ignored`, or a mask (H, W) that is not 0
                there.

        Raises:
            InputError: an image that cannot be read, another mode, or nothing that is left to score.
        """
        several = isinstance(image, (list, tuple))
        found = list(self.inspect_each(image if several else [image], mode, ignore))
        return found if several else found[0]

    def inspect_each(
        self, images: Iterable, mode: str = "fast", ignore: Ignored | np.ndarray | None = None
    ) -> Iterator["Inspection"]:
        """As `inspect` of a list, but one after another, of any number: no more than a few are in memory at once."""
        self.check_mode(mode)
        ignore = as_ignored(ignore)
        remaining = iter(images)
        while batch := list(islice(remaining, 1 if ignore or mode == "fine" else BATCH)):
            if ignore:
                yield self._inspect_rest(read_image(batch[0]), mode, ignore)
            elif mode == "fine":
                yield inspect_finely(self, batch[0])
            else:
                yield from self._inspect_batch(batch, mode)

    def check_mode(self, mode: str) -> None:
        """Raises InputError where there is no such mode, or it knows no good parts and this detector has some."""
        if mode not in MODES:
            raise InputError(f"The mode must be 'fine', 'fast' or 'windows', not {mode!r:.40}.")
        if self.memory is not None and mode == "fine":
            raise InputError('The mode "fine" knows no good parts, which are remembered as a whole: leave them out, or '
                             'choose "fast".')  # fmt: skip

    def _inspect_batch(self, images: Sequence, mode: str) -> Iterator["Inspection"]:
        sizes, squares = [], []
        for source in images:
            pixels = read_image(source)
            sizes.append(pixels.shape[:2])
            # Small, so that no large picture waits for the others.
            squares.append([self.backbone.square(part) for part in cut(pixels)])
        # An elongated one makes a batch of its own: the vectors of all its squares are large.
        together = range(0, len(sizes), 1 if any(len(parts) > 1 for parts in squares) else len(sizes))
        for first in together:
            part = slice(first, first + together.step)
            encoded = self._encode([square for parts in squares[part] for square in parts], mode)
            yield from self.inspect_encoded(encoded, sizes[part])

    def _inspect_rest(self, pixels: np.ndarray, mode: str, ignore: Ignored) -> "Inspection":
        """Inspects what is not left out of a picture (H, W, 3)."""
        places = ignore.places(*pixels.shape[:2])
        pixels = painted_over(pixels, places)
        if mode == "fine":
            seen = inspect_finely(self, pixels, left_out=places)
        else:
            encoded = self._encode(cut(pixels), mode)
            encoded = without_say(encoded, cut(places), self.patch_probabilities)
            (seen,) = self.inspect_encoded(encoded, [pixels.shape[:2]], [places])
        return dataclasses.replace(seen, map=partial(silenced, seen, places))

    def _encode(self, squares: list[np.ndarray], mode: str) -> Encoded:
        encoded = self.backbone.encode(squares)
        if mode == "windows" and self.memory is None:
            encoded = dataclasses.replace(encoded, dense=self.backbone.dense_vectors(squares, mode=mode))
        return encoded

    def inspect_encoded(
        self, encoded, sizes: Sequence[tuple[int, int]], left_out: Sequence[np.ndarray] | None = None
    ) -> list[Inspection]:
        """Scores images that the backbone has encoded already, so that many detectors can ask about one encoding.

        Args:
            encoded: what `backbone.encode` gave for the squares that `elongated.cut_all` makes of N images.
            sizes: (height, width) of each image in pixels, to which its map is brought.
            left_out: as for `joined_scores`.
        """
        whole, patches = self.evidence(encoded)
        found, maps = self.backbone.profile.scale(OURS)(whole, patches)
        scores = joined_scores(found.tolist(), sizes, left_out)
        by_words = [None] * len(scores)
        if self.memory is not None:
            by_words = scores
            found, maps = self.memory.inspect(encoded.features, patches, found)
            scores = joined_scores(found.tolist(), sizes, left_out)
        return [
            Inspection(
                score=score,
                map=partial(joined_map, grids, size),
                by_words=alone,
            )
            for score, grids, size, alone in zip(scores, by_picture(maps, sizes), sizes, by_words, strict=True)
        ]

    def evidence(self, encoded) -> tuple[torch.Tensor, torch.Tensor]:
        """What words say of N encoded images before any scale: the FNN's abnormal probability of the image vector,
        (N,), and `patch_probabilities`."""
        return self.classifier.probability(encoded.image), self.patch_probabilities(encoded.dense)

    def patch_probabilities(self, dense: torch.Tensor) -> torch.Tensor:
        """The FNN's abnormal probabilities, smoothed, of dense vectors: (N, rows, columns, d) -> (N, rows, columns).

        A mean over 3 x 3 patches, fewer at the border: a single patch carries little evidence.
        """
        return mean_over_neighbours(self.classifier.probability(dense))

    @torch.no_grad()
    def state_free_vectors(self) -> torch.Tensor:
        """(K, d) text vectors of the learned words alone, l2-normalised: how far the prompts have spread."""
        words = join_words(self.diversity_words, self.distribution_words).to(self.backbone.device)  # (K, L, w)
        return self.backbone.text_vectors_from_words(words).cpu()

    def to_bytes(self) -> bytes:
        """The detector as the bytes of a safetensors file, without the backbone."""
        header = {
            "library_version": __version__,
            "backbone": self.backbone.name,
            "fingerprint": self.backbone.fingerprint,
            "product": self.product,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "health": self.health,
        }
        if self.memory is None:
            return detector_file.pack(header, self._tensors())
        return detector_file.pack(
            {**header, "good_parts": self.good_parts}, {**self._tensors(), **self.memory.tensors()}
        )

    @classmethod
    def from_bytes(cls, data: bytes, backbone) -> "Detector":
        """The detector of which `to_bytes` gave these bytes; it gives the same scores to the last bit.

        Raises:
            InputError: over 20 MB, a pickle, damaged, no detector's file, of a newer format, trained on another
                backbone, or with tensors or figures that are missing, of the wrong shape or such as no training gives.
        """
        header, tensors = detector_file.unpack(data)
        if header.get("fingerprint") != backbone.fingerprint:
            raise InputError(
                f"This detector was trained on the backbone {header.get('backbone')!r:.60} (fingerprint "
                f"{header.get('fingerprint')!r:.40}), and {backbone.name!r} ({backbone.fingerprint!r}) is loaded. Load "
                "its own backbone, or train the detector again on this one."
            )
        health, recipe = header.get("health"), header.get("recipe")
        if not isinstance(recipe, dict) or not isinstance(health, dict):
            raise InputError("The header of the detector file lacks its recipe or its health; save the file again.")
        health, recipe = _checked_health(health), Recipe.from_dict(recipe)
        count, dim, width = recipe.prompts, backbone.dim, backbone.word_width
        detector = cls(
            backbone,
            clean_product_name(header.get("product")),
            recipe,
            checked_seed(header.get("seed")),
            torch.zeros(count, recipe.diversity_words, width),
            torch.zeros(recipe.groups, recipe.distribution_words, width),
            torch.zeros(1 + len(recipe.adjectives), count, dim),
            StateClassifier(dim, recipe.hidden).eval(),
            health,
        )
        with torch.no_grad():
            for name, place in detector._tensors().items():
                tensor = tensors.get(name)
                if tensor is None:
                    raise InputError(f"The detector file lacks the tensor {name!r}; save the detector again.")
                if tensor.shape != place.shape or tensor.dtype != place.dtype:
                    raise InputError(
                        f"The tensor {name!r} in the detector file is {tensor.dtype} {tuple(tensor.shape)} and should "
                        f"be {place.dtype} {tuple(place.shape)}; save the detector again."
                    )
                place.copy_(tensor)
        _check_values(detector)
        if "good_parts" in header or any(name in tensors for name in MEMORY_TENSORS):
            detector.memory = Memory.from_tensors(header.get("good_parts"), tensors, backbone.feature_width)
        return detector

    def save(self, path: str | Path) -> None:
        """Saves the detector as a safetensors file.

        Raises:
            InputError: the path cannot be written to.
        """
        detector_file.write(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | Path, backbone) -> "Detector":
        """The detector in a file, on the backbone it was trained on.

        Raises:
            InputError: no such file, or one that `from_bytes` refuses.
        """
        return cls.from_bytes(detector_file.read(path), backbone)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Everything that was learned, by name."""
        return {
            "diversity_words": self.diversity_words,
            "distribution_words": self.distribution_words,
            "text_vectors": self.text_vectors,
            **{f"classifier.{name}": tensor for name, tensor in self.classifier.state_dict().items()},
        }


class Training:
    """The training of a detector as an iterable of `Progress`: first the words are learned, then the FNN.

        training = Detector.training(backbone, "metal nut")
        for progress in training:
            print(progress)
        training.detector.inspect("photo.jpg")

    The last `Progress` has the phase "done". A loop that was left can be taken up again by another one.

    Raises:
        InputError: a name, recipe or seed that cannot be used (at once), or a training that broke down (on the way).
    """

    @torch.inference_mode(False)  # what is made in that mode cannot be learned
    def __init__(self, backbone, product: str, recipe: Recipe = QUICK, seed: int = 0):
        if not hasattr(backbone, "text_vectors_from_words"):
            raise InputError(f"The backbone must be what load_backbone() gives, not {quoted(backbone)}.")
        if not isinstance(recipe, Recipe):
            raise InputError(f"The recipe must be one such as Recipe.quick(), not {quoted(recipe)}.")
        self.backbone, self.recipe = backbone, recipe
        self.product, self.seed = clean_product_name(product), checked_seed(seed)
        self._generator = torch.Generator().manual_seed(self.seed)
        self._stopped = threading.Event()
        self._learning = PromptLearning(backbone, self.product, recipe, self._generator, self._stopped)
        self._detector: Detector | None = None
        self._steps = self._run()

    def __iter__(self) -> Iterator[Progress]:
        return self._steps

    def begin_with(self, vocabulary: torch.Tensor) -> None:
        """Before the first step: the words to be learned begin as some of these word vectors (V, w), not as noise."""
        self._learning.begin_with(vocabulary)

    def stop(self) -> None:
        """Ends the training early, from any thread: what was learned so far is kept, and the FNN is trained on it."""
        self._stopped.set()

    @property
    def detector(self) -> Detector:
        """The trained detector.

        Raises:
            InputError: the training has not ended yet.
        """
        if self._detector is None:
            raise InputError("The training has not ended: iterate over it to its end (stop() makes that soon) first.")
        return self._detector

    @torch.inference_mode(False)  # around each step, not around what the caller does in between
    def _run(self) -> Iterator[Progress]:
        learning, recipe, backbone = self._learning, self.recipe, self.backbone
        started = time.perf_counter()
        yield from learning
        text_vectors = learning.text_vectors().cpu()  # (1 + adjectives, K, d)
        state_free = learning.state_free_vectors()  # (K, d)
        mean_cosine = diversity_loss(state_free).item()

        normal, abnormal = held_back_sentences(self.product, recipe.adjectives)
        held_back = backbone.text_vectors(normal + abnormal)
        plain = plain_vectors(backbone, self.product, recipe)
        states = torch.arange(len(text_vectors)).clamp(max=1).repeat_interleave(recipe.prompts)  # (N,)
        training = ClassifierTraining(
            text_vectors.flatten(0, 1),
            states,
            plain,
            (held_back[: len(normal)], held_back[len(normal) :]),
            hidden=recipe.hidden,
            plain_share=recipe.plain_share,
            noise_angle=recipe.noise_angle,
            steps=recipe.classifier_steps,
            logit_scale=backbone.logit_scale,
            generator=self._generator,
            stopped=self._stopped,
        )
        for progress in training:
            yield dataclasses.replace(progress, mean_cosine=mean_cosine)

        health = {
            "held_back_accuracy": training.held_back_accuracy,
            "text_accuracy": training.text_accuracy,
            "mean_cosine_before": learning.mean_cosine_before,
            "mean_cosine_after": mean_cosine,
            "steps": learning.steps_done,
            "seconds": time.perf_counter() - started,
        }
        self._detector = Detector(
            backbone,
            self.product,
            recipe,
            self.seed,
            learning.diversity.detach().cpu(),
            learning.distribution.detach().cpu(),
            text_vectors,
            training.classifier.eval(),
            health,
        )
        yield Progress(
            phase="done",
            step=learning.steps_done,
            steps=recipe.steps,
            mean_cosine=mean_cosine,
            text_vectors=text_vectors[:2].flatten(0, 1).numpy(),
            states=states[: 2 * recipe.prompts].numpy(),
            state_free=state_free.cpu().numpy(),
            classifier=self._detector.classifier,
            text_accuracy=training.text_accuracy,
            held_back_accuracy=training.held_back_accuracy,
        )


def plain_vectors(backbone, product: str, recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    """Text vectors of the plain prompts of the normal and of the abnormal state, (n, d) and (m, d)."""
    normal, abnormal = plain_prompts(product, recipe.adjectives)
    vectors = backbone.text_vectors(normal + abnormal)
    return vectors[: len(normal)], vectors[len(normal) :]


def _checked_health(health: dict) -> dict[str, float]:
    """What is known of a detector's health. Raises InputError."""
    for name, value in health.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError("The health in the header of the detector file is not made of numbers; save it again.")
        if not 0 <= value <= _MOST_HEALTH.get(name, 0):  # also catches NaN
            raise InputError(
                f"The health in the header of the detector file says {name!r:.40} = {value!r:.40}, which cannot be; "
                "save the file again."
            )
    for name in _KNOWN_HEALTH:
        if name not in health:
            raise InputError(f"The health in the header of the detector file lacks {name!r}; save the file again.")
    return health


def _check_values(detector: Detector) -> None:
    """Makes sure that what was learned could have been learned, so that every score comes out from 0 to 1.

    Raises:
        InputError: values that no training gives.
    """
    for name, tensor in detector._tensors().items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"The tensor {name!r} in the detector file holds values that are not finite.")
        greatest, most = tensor.abs().max().item(), MOST_SCALE if name == "classifier.scale" else MOST_LEARNED
        if greatest > most:
            raise InputError(
                f"The tensor {name!r} in the detector file holds values up to {greatest:.3g}; no training gives more "
                f"than {most:,}. Train the detector again."
            )
    units = {"text_vectors": detector.text_vectors, "classifier.axis": detector.classifier.axis}
    for name, vectors in units.items():
        if ((vectors.norm(dim=-1) - 1).abs() > 0.01).any():
            raise InputError(f"The tensor {name!r} in the detector file is not of unit vectors; save the file again.")
    if detector.classifier.scale <= 0:
        raise InputError(
            f"The scale of the classifier in the detector file is {detector.classifier.scale:.3g}, and must be over 0; "
            "save the file again."
        )
