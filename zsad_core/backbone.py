"""CLIP as a few functions: words -> text vectors, images -> image vectors, images -> dense vectors.

All three lie in one joint space of dimension d and are of unit length. The model underneath, any open_clip model with a
CLIP-style text tower or the embedded one, is frozen and never modified. Everything is fp32.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from .backbone_table import RECOMMENDED, WEIGHT_SUFFIXES, backbone_table, cached_file
from .cores import over_images, side_by_side
from .dense import image_tower, mean_over_windows, window_vectors
from .device import memory_errors_in_words, move_to, move_to_gpu
from .errors import InputError
from .images import read_image
from .profile import Profile, profile_of
from .text_tower import TextTower

TEXTS_AT_ONCE = 64  # texts of one batch, sorted by length, so that cropping pays
SAMPLED_VALUES = 16384  # of each tensor go into the fingerprint; hashing all of them takes a second on a large model


@dataclass(frozen=True, eq=False)
class Encoded:
    """What one forward pass of the image tower gives for N images, l2-normalised, float32, on the CPU.

    Attributes:
        image: (N, d) image vectors.
        dense: (N, rows, columns, d) dense vectors.
        features: (N, h, w, C) the tower's own features, of no joint space: what is compared with other pictures.
    """

    image: torch.Tensor
    dense: torch.Tensor
    features: torch.Tensor | None = None


class Backbone:
    """A frozen CLIP: text vectors, image vectors and dense vectors in one joint space.

    Attributes:
        name: as it was asked for, shown to a person.
        note: a sentence or two on how this backbone and its device came to be chosen, or "".
        dim: d, dimension of the joint space. word_width: w, width of a word vector.
        context_length: tokens that the text tower reads, start and end of text included.
        image_size: side of the square that the image tower reads, in pixels. grid: (rows, columns) of dense vectors.
        logit_scale: inverse temperature of the softmax over cosines that the model was trained with.
        embedding_mean: (w,) mean of the token-embedding table. embedding_std: its standard deviation about that mean.
        device: where both towers are.
        small: whether it is so small that one core is enough for an image, and a GPU hardly worth the way to it.
    """

    def __init__(
        self,
        name: str,
        text_tower: nn.Module,
        image_tower: nn.Module,
        tokenizer: Any,
        logit_scale: float,
        architecture: str | None = None,
        device: str | torch.device = "cpu",
        small: bool = False,
    ):
        """
        Args:
            text_tower: an open_clip `CLIP` or `TextTransformer`, or a `zsad_core.text_transformer.TextTransformer`.
            image_tower: a tower as `zsad_core.dense` describes it.
            tokenizer: CLIP's: open_clip's `SimpleTokenizer`, or a `zsad_core.tokenizer.Tokenizer`.
            architecture: identifies the architecture in the fingerprint; `name` if not given.
        Raises:
            InputError: the text tower is not of CLIP's kind.
        """
        self.name, self.note, self.small = name, "", small
        self._architecture = architecture or name
        self._text = TextTower(text_tower, tokenizer, name).eval().requires_grad_(False)
        self._image = image_tower.eval().requires_grad_(False)
        table = self._text.token_embedding.weight
        self.word_width, self.context_length = table.shape[1], self._text.context_length
        self.embedding_mean = table.mean(dim=0)
        self.embedding_std = (table - self.embedding_mean).square().mean().sqrt().item()
        self.image_size, self.grid = image_tower.image_size, tuple(image_tower.grid)
        self.logit_scale = float(logit_scale)
        self.move(device)
        with torch.no_grad():
            nothing = torch.zeros(1, 0, self.word_width, device=self.device)
            self.dim = self.text_vectors_from_words(nothing).shape[1]

    @torch.inference_mode(False)
    def on(self, device: str | torch.device) -> "Backbone":
        """A copy of this backbone on another device."""
        other = copy.deepcopy(self)
        other.move(device)
        return other

    def move(self, device: str | torch.device) -> None:
        """Brings this backbone itself to another device."""
        self.device = torch.device(device)
        self._text, self._image = self._text.to(self.device), self._image.to(self.device)
        self.embedding_mean = self.embedding_mean.to(self.device)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that identify architecture and weights, the same on every device and for every source.

        SHA-256 over the architecture's name and, of each tensor, its name, shape and some 16,384 evenly spaced values.
        """
        return _fingerprint(self._architecture, self._text, self._image)

    @cached_property
    def image_fingerprint(self) -> str:
        """As `fingerprint`, of the image tower alone."""
        return _fingerprint(self._architecture, self._image)

    @cached_property
    def profile(self) -> Profile:
        """What was measured of this backbone, or else the values of the literature."""
        return profile_of(self.fingerprint)

    @cached_property
    def feature_width(self) -> int:
        """C, the channels of `Encoded.features`."""
        return self.encode_pixels(torch.zeros(1, 3, self.image_size, self.image_size))[2].shape[-1]

    def word_vectors(self, text: str) -> torch.Tensor:
        """The frozen word vectors of a text, without start and end of text: (n, w); n is 0 for an empty text."""
        tokens = torch.tensor(self._text.tokenizer.encode(text), dtype=torch.long, device=self.device)
        return self._text.token_embedding(tokens)

    def whole_words(self) -> tuple[list[str], torch.Tensor]:
        """Every word of three or more plain letters that has a word vector of its own: a list of V, and (V, w)."""
        rows = len(self._text.token_embedding.weight)
        words = {
            token.removesuffix("</w>"): row
            for row, token in self._text.tokenizer.decoder.items()
            if row < rows and token.endswith("</w>")
        }  # without the ending it is the beginning of a word
        words = {word: row for word, row in words.items() if len(word) > 2 and word.isascii() and word.isalpha()}
        return list(words), self._text.token_embedding.weight[list(words.values())]

    @memory_errors_in_words()
    def text_vectors_from_words(self, sequences: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Text vectors of word vectors, learnable ones among them; gradients reach `sequences`.

        Args:
            sequences: (N, L, w) word vectors without start and end of text.
            lengths: (N,) how many of its L word vectors belong to each sequence; all, if not given.
        Returns:
            (N, d), l2-normalised, on the backbone's device.
        Raises:
            InputError: L words, start and end of text do not fit the context.
        """
        count, longest, _ = sequences.shape
        self._check_length(longest)
        if lengths is None:
            lengths = torch.full((count,), longest)
        return F.normalize(self._text(sequences, lengths.to(self.device)), dim=-1)

    @memory_errors_in_words()
    def text_vectors_with_prefix(
        self, sequences: torch.Tensor, lengths: torch.Tensor, prefix: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Text vectors of word vectors, and of the first of them alone, at hardly more than the cost of the former: a
        causal tower's tokens never see what follows them, so both share the prefix.

        Args:
            sequences, lengths: as in `text_vectors_from_words`.
            prefix: how many words the second text has, at most the shortest length.
        Returns:
            Two of (N, d), l2-normalised, on the backbone's device.
        Raises:
            InputError: as `text_vectors_from_words`.
        """
        if not self._text.causal:
            first = sequences[:, :prefix]
            return self.text_vectors_from_words(sequences, lengths), self.text_vectors_from_words(first)
        self._check_length(sequences.shape[1])
        return F.normalize(self._text(sequences, lengths.to(self.device), prefix), dim=-1).unbind(dim=1)

    @torch.no_grad()
    def text_vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """Text vectors of texts: a list of N strings -> (N, d), float32, l2-normalised, on the CPU.

        Raises:
            InputError: a text is longer than the context; nothing is ever cut off silently.
        """
        words = [self.word_vectors(text) for text in texts]
        for text, sequence in zip(texts, words):
            self._check_length(len(sequence), text)
        vectors = torch.empty(len(words), self.dim)
        order = sorted(range(len(words)), key=lambda index: len(words[index]))
        for first in range(0, len(order), TEXTS_AT_ONCE):
            batch = order[first : first + TEXTS_AT_ONCE]
            lengths = torch.tensor([len(words[index]) for index in batch])
            padded = nn.utils.rnn.pad_sequence([words[index] for index in batch], batch_first=True)  # (B, L, w)
            vectors[batch] = self.text_vectors_from_words(padded, lengths).cpu()
        return vectors

    def square(self, pixels: np.ndarray, side: int | None = None) -> np.ndarray:
        """Pixels (H, W, 3) uint8 as the tower reads them, (S, S, 3): all of them, squeezed; S as in `preprocess`."""
        return np.asarray(Image.fromarray(pixels).resize((side or self.image_size,) * 2, Image.Resampling.BICUBIC))

    def preprocess(self, images: Sequence, side: int | None = None) -> torch.Tensor:
        """Images -> normalised pixels (N, 3, S, S), float32, on the CPU.

        Resized to the square, never cropped, because a defect at the border must stay in view; bicubic with
        antialiasing, as Pillow does it.

        Args:
            images: a list of anything that `read_image` accepts.
            side: S, if not `image_size`.
        Raises:
            InputError: one of them cannot be read as an image.
        """

        squares = side_by_side(lambda image: self.square(read_image(image), side), images)
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self._image.mean, self._image.std))
        return (pixels - mean) / std

    @memory_errors_in_words()
    @torch.no_grad()
    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Normalised pixels (N, 3, S, S) -> image, dense and features as in `Encoded`, on the backbone's device."""
        image, dense, features = over_images(self._image, pixels.to(self.device))
        near = F.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)  # one place alone is brittle
        dense, features = (F.normalize(each, dim=1).permute(0, 2, 3, 1) for each in (dense, near))
        return F.normalize(image, dim=-1), dense, features

    @memory_errors_in_words()
    @torch.no_grad()
    def window_vectors(self, pixels: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image vectors of overlapping windows of the image, for rules that combine scores and not vectors.

        See `zsad_core.dense.window_vectors`: `size` x `size` patches for a ViT, crops for a convolutional tower.

        Returns:
            vectors (N, windows, d), l2-normalised, and cover (windows, rows, columns), bool: which patches each holds.
        """
        vectors, cover = window_vectors(self._image, pixels.to(self.device), size)
        return F.normalize(vectors, dim=-1), cover

    @memory_errors_in_words()
    @torch.no_grad()
    def dense_over_windows(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised pixels (N, 3, S, S) -> (N, rows, columns, d), l2-normalised: the slower, finer dense vectors."""
        return F.normalize(mean_over_windows(self._image, pixels.to(self.device)), dim=1).permute(0, 2, 3, 1)

    def encode(self, images: Sequence, batch_size: int = 8) -> Encoded:
        """Image vectors and dense vectors of images in one forward pass.

        Args:
            images: a list of N images, each anything that `read_image` accepts.
            batch_size: images that are in memory at once.
        Returns:
            `Encoded`, on the CPU.
        """
        images = list(images)
        batches = [images[first : first + batch_size] for first in range(0, len(images), batch_size)]
        if not batches:
            return Encoded(
                torch.empty(0, self.dim), torch.empty(0, *self.grid, self.dim), torch.empty(0, *self.grid, 0)
            )
        found = zip(*(self.encode_pixels(self.preprocess(batch)) for batch in batches), strict=True)
        return Encoded(*(torch.cat([part.cpu() for part in parts]) for parts in found))

    def image_vectors(self, images: Sequence, batch_size: int = 8) -> torch.Tensor:
        """Images -> (N, d), float32, l2-normalised, on the CPU."""
        return self.encode(images, batch_size).image

    def dense_vectors(self, images: Sequence, mode: str = "fast", batch_size: int = 8) -> torch.Tensor:
        """Images -> (N, rows, columns, d), float32, l2-normalised, on the CPU.

        Args:
            mode: "fast": one forward pass (V-V path of a ViT, projected feature map of a convolutional tower);
                "windows": every patch gets the mean over the windows that hold it, 8 times slower or more.
        """
        if mode == "fast":
            return self.encode(images, batch_size).dense
        if mode != "windows":
            raise InputError(f'There is no mode {mode!r} of dense vectors: choose "fast" or "windows".')
        images = list(images)
        dense = torch.empty(len(images), *self.grid, self.dim)
        for first in range(0, len(images), batch_size):
            batch = slice(first, first + batch_size)
            dense[batch] = self.dense_over_windows(self.preprocess(images[batch]))
        return dense

    def _check_length(self, words: int, text: str | None = None) -> None:
        """Raise InputError if so many words do not fit between start and end of text."""
        if words + 2 > self.context_length:
            which = "A prompt" if text is None else f"The text {text if len(text) <= 60 else text[:57] + '...'!r}"
            raise InputError(
                f"{which} has {words} tokens, and {self.name} reads {self.context_length - 2}: "
                "use fewer or shorter words."
            )


def _fingerprint(architecture: str, *towers: nn.Module) -> str:
    digest = hashlib.sha256(architecture.encode())
    for tower in towers:
        for key, tensor in sorted(tower.state_dict().items()):
            values = tensor.flatten()
            values = values[:: max(1, values.numel() // SAMPLED_VALUES)].float().cpu().numpy().astype("<f4")
            digest.update(f"{key} {tuple(tensor.shape)}".encode() + values.tobytes())
    return digest.hexdigest()[:16]


@torch.inference_mode(False)  # or nothing could be trained on it afterwards
def load_backbone(
    name: str = "auto",
    device: str | torch.device | None = None,
    on_progress: Callable | None = None,
    weights: str | Path | None = None,
) -> Backbone:
    """Load a backbone with its weights.

    Args:
        name: "embedded", shipped with the project; "auto", the recommended one if its weights are in the local cache,
            else "embedded"; a name of `backbone_table`; any other model of open_clip with a CLIP-style text tower, as
            "ARCHITECTURE:TAG"; or the path of a local checkpoint.
        device: "cpu", "cuda", ...; if not given, a GPU if there is one that can serve.
        on_progress: called with a `checkpoints.FetchProgress` while weights are downloaded.
        weights: path of a local checkpoint (.safetensors, or .bin, .pt, .pth of plain tensors) of the architecture that
            `name` gives; with "auto" the architecture is recognised.
    Returns:
        `Backbone`; its `note` says, with "auto", which one was taken and how to get the other, and why a GPU was not.
    Raises:
        InputError: no such backbone, weights missing with the hub out of reach, a file that cannot be used, or a device
            that was asked for and cannot serve.
    """
    name, note = str(name), ""
    if name == "auto" and weights is None:
        name, note = _automatic()
    if name == "embedded":
        if weights is not None:
            raise InputError(
                "The embedded backbone has its own weights: name the architecture of "
                f"{Path(weights).name} with --backbone, or leave --weights out."
            )
        backbone = _embedded()
    else:
        backbone = _from_checkpoint(name, weights, on_progress)
    backbone.note = note
    if device is not None:
        move_to(backbone, device)
    else:
        move_to_gpu(backbone)
    return backbone


@torch.inference_mode(False)  # or nothing could be trained on it afterwards
def random_backbone(architecture: str | dict, seed: int = 0) -> Backbone:
    """A randomly initialised backbone, for tests and for measurements of speed: never for scoring.

    Args:
        architecture: a name of the table or of open_clip, or an open_clip model configuration (dict).
    """
    from . import checkpoints  # here, because open_clip takes seconds that the embedded backbone does not need

    source = checkpoints.described(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _open_clip_backbone(source, checkpoints.build(source.config))


def _automatic() -> tuple[str, str]:
    """The name that "auto" stands for now, and a sentence about it."""
    best = next(row for row in backbone_table() if row["name"] == RECOMMENDED)
    if cached_file(best["repository"]):
        return best["name"], (
            f"Running on {best['name']}, whose weights were found in the local cache. "
            "The embedded backbone is smaller and faster: --backbone embedded."
        )
    return "embedded", (
        f"Running on the small embedded backbone. {best['name']} is the recommended one: fetch it once "
        f"({best['download_mb']} MB) with --backbone {best['name']}."
    )


def _embedded() -> Backbone:
    """The backbone that is shipped with the project."""
    from . import embedded  # here, because other backbones do not need it

    return Backbone("embedded", *embedded.load(), small=True)


def _from_checkpoint(name: str, weights: str | Path | None, on_progress: Callable | None) -> Backbone:
    """A backbone of open_clip, from the hub, its cache or a file."""
    from . import checkpoints  # here, as in `random_backbone`

    if weights is not None:
        source = checkpoints.local_source(weights, None if name == "auto" else name)
    elif name.lower().endswith(WEIGHT_SUFFIXES):
        source = checkpoints.local_source(name)
    else:
        source = checkpoints.hub_source(name, on_progress)
    return _open_clip_backbone(source, checkpoints.load_model(source))


def _open_clip_backbone(source, model: nn.Module) -> Backbone:
    """A backbone over an open_clip model, which is what `source` describes."""
    tokenizer = _open_clip_tokenizer(source.config["text_cfg"].get("tokenizer_kwargs", {}).get("clean", "lower"))
    tower = image_tower(model.visual, source.mean, source.std, source.name)
    text_tower, logit_scale = getattr(model, "text", model), model.logit_scale.exp().item()
    return Backbone(source.name, text_tower, tower, tokenizer, logit_scale, architecture=source.architecture)


@lru_cache
def _open_clip_tokenizer(clean: str):
    """CLIP's tokenizer, which takes a quarter of a second to build; `clean` is open_clip's way to tidy a text."""
    from open_clip import SimpleTokenizer

    return SimpleTokenizer(clean=clean)
