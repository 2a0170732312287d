"""Why a score is what it is: the words that lie nearest to the vectors it is made of.

A detector's score rests on two readings of an image, that of the image vector and that of the hottest part of the map.
Both are vectors of the joint space, so each can be asked which texts lie nearest: plain sentences, which show what the
backbone sees, and the learned prompts, which show what the training has made of it. A learned word is a free vector and
seldom near any real word (as in CoOp, Zhou et al., IJCV 2022), so its nearest word comes with its cosine, to be held
against the one that chance gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .prompts import semantic_words, shift_sentences

NORMAL = ("", "flawless ", "perfect ", "new ")
DAMAGES = ("damaged", "broken", "scratched", "cracked", "chipped", "dented", "bent", "stained", "rusty")
RANDOM_WORDS = 256  # draws that tell how near to a word a vector lies by chance
KEPT = 16  # products whose sentences are kept as text vectors


class Nearest(NamedTuple):
    """A text, and the cosine between its vector and the one that was asked about, in [-1, 1]."""

    text: str
    cosine: float


@dataclass(frozen=True)
class NearestPrompt:
    """A learned prompt, and how near its text vector is.

    Attributes:
        number: k, from 0 to K - 1.
        semantic: its frozen words, such as "damaged metal nut."
        cosine: between its text vector and the one that was asked about.
        diversity, distribution: the real word nearest to each of its learned words.
    """

    number: int
    semantic: str
    cosine: float
    diversity: tuple[Nearest, ...]
    distribution: tuple[Nearest, ...]


@dataclass(frozen=True)
class Reading:
    """What lies nearest to one vector of the joint space; pairs are of the normal and the abnormal state.

    Attributes:
        probability: the FNN's abnormal probability of the vector, in [0, 1].
        sentences: the nearest plain sentence of either state.
        prompts: the nearest learned prompt of either state.
    """

    probability: float
    sentences: tuple[Nearest, Nearest]
    prompts: tuple[NearestPrompt, NearestPrompt]


@dataclass(frozen=True)
class Reasons:
    """The readings of one image.

    Attributes:
        image: the reading of the image vector.
        patch: the reading of the dense vector at the hottest place of the map.
        place, grid: (row, column) of that patch, and (rows, columns) of the backbone's grid.
    """

    image: Reading
    patch: Reading
    place: tuple[int, int]
    grid: tuple[int, int]


def plain_sentences(product: str, adjectives: Sequence[str]) -> tuple[list[str], list[str]]:
    """Normal and abnormal sentences: every state under every shift, "a blurry photo of a scratched metal nut."

    Args:
        adjectives: the detector's own words for abnormal, asked beside those of DAMAGES.
    """
    damages = dict.fromkeys([*adjectives, *DAMAGES])
    return (
        [sentence for state in NORMAL for sentence in shift_sentences(state + product)],
        [sentence for damage in damages for sentence in shift_sentences(f"{damage} {product}")],
    )


class Explainer:
    """Finds the texts that lie nearest to what detectors of one backbone see; thread-safe.

    Attributes:
        words: V, the number of real words that a learned word is compared with.
        chance: cosine between a random vector and the nearest of them, the median of 256 draws.
    """

    def __init__(self, backbone):
        self.backbone = backbone
        self._words, vectors = backbone.whole_words()
        self._mean = backbone.embedding_mean
        self._vectors = self._directions(vectors)  # (V, w)
        self.words = len(self._words)
        random = torch.randn(RANDOM_WORDS, backbone.word_width, generator=torch.Generator().manual_seed(0))
        self.chance = (F.normalize(random, dim=-1).to(vectors) @ self._vectors.T).amax(1).median().item()
        self._sentence_vectors = lru_cache(KEPT)(self._encode_sentences)

    @torch.no_grad()
    def nearest_words(self, vectors: torch.Tensor) -> tuple[Nearest, ...]:
        """The real word nearest to each of these word vectors (N, w), by the cosine about the table's mean."""
        cosines, rows = (self._directions(vectors) @ self._vectors.T).max(1)  # (N,), (N,)
        return tuple(Nearest(self._words[row], cosine) for row, cosine in zip(rows.tolist(), cosines.tolist()))

    @torch.no_grad()
    def explain(self, detector, encoded, index: int = 0) -> Reasons:
        """The reasons for a detector's score of an image.

        Args:
            detector: a `Detector` of this backbone.
            encoded: what `backbone.encode` gave for some images.
            index: which of them.
        """
        patches = detector.patch_probabilities(encoded.dense[index : index + 1])[0]  # (rows, columns)
        place = divmod(int(patches.argmax()), patches.shape[1])
        vectors = torch.stack([encoded.image[index], encoded.dense[index][place]])  # (2, d)
        image, patch = (self._read(detector, vector) for vector in vectors)
        return Reasons(image, patch, place, tuple(patches.shape))

    def _read(self, detector, vector: torch.Tensor) -> Reading:
        sentences, sentence_vectors = self._sentence_vectors(detector.product, detector.recipe.adjectives)
        return Reading(
            probability=detector.classifier.probability(vector).item(),
            sentences=tuple(_nearest(texts, vectors @ vector) for texts, vectors in zip(sentences, sentence_vectors)),
            prompts=tuple(self._nearest_prompt(detector, states, vector) for states in (slice(1), slice(1, None))),
        )

    def _nearest_prompt(self, detector, states: slice, vector: torch.Tensor) -> NearestPrompt:
        """Of the prompts of these states: the first is normal, the others are abnormal, one an adjective."""
        cosines = detector.text_vectors[states] @ vector  # (states, K)
        state, number = divmod(int(cosines.argmax()), cosines.shape[1])
        semantic = semantic_words(detector.product, detector.recipe.adjectives)[states]
        return NearestPrompt(
            number=number,
            semantic=semantic[state],
            cosine=cosines[state, number].item(),
            diversity=self.nearest_words(detector.diversity_words[number]),
            distribution=self.nearest_words(detector.distribution_words[number % len(detector.distribution_words)]),
        )

    def _encode_sentences(self, product: str, adjectives: tuple[str, ...]):
        """The plain sentences of either state that fit the context, and their text vectors, (n, d) and (m, d)."""
        room = self.backbone.context_length - 2  # start and end of text
        sentences = tuple(
            [text for text in texts if len(self.backbone.word_vectors(text)) <= room]
            for texts in plain_sentences(product, adjectives)
        )
        return sentences, tuple(self.backbone.text_vectors(texts) for texts in sentences)

    def _directions(self, vectors: torch.Tensor) -> torch.Tensor:
        """Word vectors about the table's mean, which all words share and no meaning has, l2-normalised."""
        return F.normalize(vectors.to(self._mean) - self._mean, dim=-1)


def _nearest(texts: Sequence[str], cosines: torch.Tensor) -> Nearest:
    best = int(cosines.argmax())
    return Nearest(texts[best], cosines[best].item())
