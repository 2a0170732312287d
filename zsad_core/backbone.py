"""CLIP as a few functions: words -> text vectors, images -> image vectors, images -> dense vectors.

All three lie in one joint space of dimension d and are of unit length. The model underneath, any open_clip model with a
CLIP-style text tower or the embedded one, is frozen and never modified. Everything is fp32.
"""

import copy
import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import SimpleTokenizer
from PIL import Image
from torch import nn

from . import checkpoints
from .attention import attention_update, feed_forward
from .cores import over_images, side_by_side
from .dense import image_tower, mean_over_windows, window_vectors
from .errors import InputError
from .images import read_image

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


class TextTower(nn.Module):
    """A CLIP text transformer that is fed word vectors instead of tokens.

    `forward`: words (N, L, w), of which the first `lengths` (N,) count, -> text vectors (N, d), not of unit length;
    with `prefix`, (N, 2, d): those of the words, and those of the first `prefix` of them alone (causal towers). Start
    and end of text are put around the words here.

    A causal tower never lets the end-of-text row see what comes after it, so the sequence is cropped to L + 2: exact,
    and 4 to 7 times faster than the whole context. A tower without causal mask (MobileCLIP2) sees its padding and is
    given the whole context, as open_clip gives it. Of the last block only the end-of-text row is computed.
    """

    def __init__(self, source, tokenizer, name):
        super().__init__()
        pooling = getattr(source, "text_pool_type", getattr(source, "pool_type", None))
        if not hasattr(source, "token_embedding") or getattr(source, "cls_emb", None) is not None:
            raise InputError(
                f"The text tower of {name} is not CLIP's own, so no words can be injected into it: "
                "choose another backbone, such as ViT-B-16-plus-240."
            )
        if pooling not in ("argmax", "eos") or not isinstance(tokenizer, SimpleTokenizer):
            raise InputError(
                f"The text tower of {name} does not read its end-of-text token under CLIP's tokenizer "
                f"(pooling {pooling!r}): choose another backbone, such as ViT-B-16-plus-240."
            )
        self.token_embedding = source.token_embedding
        self.positional_embedding = source.positional_embedding  # (context, w)
        self.blocks = source.transformer.resblocks
        self.ln_final = source.ln_final
        self.text_projection = source.text_projection
        self.tokenizer = tokenizer
        self.context_length = len(self.positional_embedding)
        self.causal = source.attn_mask is not None
        mask = torch.full((self.context_length,) * 2, float("-inf")).triu(1) if self.causal else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, words, lengths, prefix=None):
        count, longest, _ = words.shape
        table, ends = self.token_embedding.weight, lengths + 1  # (V, w), (N,)
        length = longest + 2 if self.causal else self.context_length
        start, stop, padding = table[self.tokenizer.sot_token_id], table[self.tokenizer.eot_token_id], table[0]
        tokens = torch.cat([start.expand(count, 1, -1), words, padding.expand(count, length - longest - 1, -1)], dim=1)
        beyond = torch.arange(length, device=words.device) - ends[:, None]  # (N, L): 0 at the end of text
        tokens = torch.where((beyond > 0)[..., None], padding, tokens)
        tokens = torch.where((beyond == 0)[..., None], stop, tokens) + self.positional_embedding[:length]  # (N, L, w)
        mask, ends = self.mask[:length, :length] if self.causal else None, ends[:, None]  # (L, L), (N, 1)
        if prefix is not None:  # a second end of text, last in the row and seen by no other token, that sees the prefix
            second = stop + self.positional_embedding[prefix + 1]
            tokens = torch.cat([tokens, second.expand(count, 1, -1)], dim=1)  # (N, L + 1, w)
            mask = F.pad(F.pad(mask, (0, 1), value=float("-inf")), (0, 0, 0, 1))  # (L + 1, L + 1)
            mask[length, prefix + 1 : length] = float("-inf")
            ends = torch.cat([ends, torch.full_like(ends, length)], dim=1)  # (N, 2)
        for block in self.blocks[:-1]:
            tokens = feed_forward(block, tokens + attention_update(block, tokens, mask=mask))
        last, each = self.blocks[-1], torch.arange(count, device=words.device)[:, None]
        end = tokens[each, ends]  # (N, 1 or 2, w)
        end_mask = mask[ends][:, None] if self.causal else None  # (N, 1, 1 or 2, L)
        end = feed_forward(last, end + attention_update(last, tokens, queries=end, mask=end_mask))
        vectors = self.ln_final(end if prefix is not None else end[:, 0])  # (N, w) or (N, 2, w)
        if self.text_projection is None:
            return vectors
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(vectors)
        return vectors @ self.text_projection


class Backbone:
    """A frozen CLIP: text vectors, image vectors and dense vectors in one joint space.

    Attributes:
        name: as it was asked for, shown to a person.
        note: a sentence on how this backbone came to be chosen, or "".
        dim: d, dimension of the joint space. word_width: w, width of a word vector.
        context_length: tokens that the text tower reads, start and end of text included.
        image_size: side of the square that the image tower reads, in pixels. grid: (rows, columns) of dense vectors.
        logit_scale: inverse temperature of the softmax over cosines that the model was trained with.
        embedding_mean: (w,) mean of the token-embedding table. embedding_std: its standard deviation about that mean.
        device: where both towers are.
    """

    def __init__(self, name, text_tower, image_tower, tokenizer, logit_scale, architecture=None, device="cpu"):
        """
        Args:
            text_tower: an open_clip `CLIP` or `TextTransformer`.
            image_tower: a tower as `zsad_core.dense` describes it.
            tokenizer: open_clip's `SimpleTokenizer`.
            architecture: identifies the architecture in the fingerprint; `name` if not given.
        Raises:
            InputError: the text tower is not of CLIP's kind.
        """
        self.name, self.note, self.device = name, "", torch.device(device)
        self._architecture = architecture or name
        self._text = TextTower(text_tower, tokenizer, name).to(self.device).eval().requires_grad_(False)
        self._image = image_tower.to(self.device).eval().requires_grad_(False)
        table = self._text.token_embedding.weight
        self.word_width, self.context_length = table.shape[1], self._text.context_length
        self.embedding_mean = table.mean(dim=0)
        self.embedding_std = (table - self.embedding_mean).square().mean().sqrt().item()
        self.image_size, self.grid = image_tower.image_size, tuple(image_tower.grid)
        self.logit_scale = float(logit_scale)
        with torch.no_grad():
            self.dim = self._text(table.new_zeros(1, 0, self.word_width), torch.zeros(1, dtype=int)).shape[1]

    def on(self, device):
        """A copy of this backbone on another device."""
        other = copy.deepcopy(self)
        other.device = torch.device(device)
        other._text, other._image = other._text.to(device), other._image.to(device)
        other.embedding_mean = other.embedding_mean.to(device)
        return other

    @cached_property
    def fingerprint(self):
        """16 hex digits that identify architecture and weights, the same on every device and for every source.

        SHA-256 over the architecture's name and, of each tensor, its name, shape and some 16,384 evenly spaced values.
        """
        digest = hashlib.sha256(self._architecture.encode())
        for tower in (self._text, self._image):
            for key, tensor in sorted(tower.state_dict().items()):
                values = tensor.flatten()
                values = values[:: max(1, values.numel() // SAMPLED_VALUES)].float().cpu().numpy().astype("<f4")
                digest.update(f"{key} {tuple(tensor.shape)}".encode() + values.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def feature_width(self):
        """C, the channels of `Encoded.features`."""
        return self.encode_pixels(torch.zeros(1, 3, self.image_size, self.image_size))[2].shape[-1]

    def word_vectors(self, text):
        """The frozen word vectors of a text, without start and end of text: (n, w); n is 0 for an empty text."""
        tokens = torch.tensor(self._text.tokenizer.encode(text), dtype=torch.long, device=self.device)
        return self._text.token_embedding(tokens)

    def whole_words(self):
        """Every word of three or more plain letters that has a word vector of its own: a list of V, and (V, w)."""
        rows = len(self._text.token_embedding.weight)
        words = {
            token.removesuffix("</w>"): row
            for row, token in self._text.tokenizer.decoder.items()
            if row < rows and token.endswith("</w>")
        }  # without the ending it is the beginning of a word
        words = {word: row for word, row in words.items() if len(word) > 2 and word.isascii() and word.isalpha()}
        return list(words), self._text.token_embedding.weight[list(words.values())]

    def text_vectors_from_words(self, sequences, lengths=None):
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

    def text_vectors_with_prefix(self, sequences, lengths, prefix):
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
    def text_vectors(self, texts):
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

    def preprocess(self, images, side=None):
        """Images -> normalised pixels (N, 3, S, S), float32, on the CPU.

        Resized to the square, never cropped, because a defect at the border must stay in view; bicubic with
        antialiasing, as Pillow does it.

        Args:
            images: a list of anything that `read_image` accepts.
            side: S, if not `image_size`.
        Raises:
            InputError: one of them cannot be read as an image.
        """

        def square(image):
            return np.asarray(Image.fromarray(read_image(image)).resize((side,) * 2, Image.Resampling.BICUBIC))

        side = side or self.image_size
        pixels = torch.from_numpy(np.stack(side_by_side(square, images))).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self._image.mean, self._image.std))
        return (pixels - mean) / std

    @torch.no_grad()
    def encode_pixels(self, pixels):
        """Normalised pixels (N, 3, S, S) -> image, dense and features as in `Encoded`, on the backbone's device."""
        image, dense, features = over_images(self._image, pixels.to(self.device))
        near = F.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)  # one place alone is brittle
        dense, features = (F.normalize(each, dim=1).permute(0, 2, 3, 1) for each in (dense, near))
        return F.normalize(image, dim=-1), dense, features

    @torch.no_grad()
    def window_vectors(self, pixels, size):
        """Image vectors of overlapping windows of the image, for rules that combine scores and not vectors.

        See `zsad_core.dense.window_vectors`: `size` x `size` patches for a ViT, crops for a convolutional tower.

        Returns:
            vectors (N, windows, d), l2-normalised, and cover (windows, rows, columns), bool: which patches each holds.
        """
        vectors, cover = window_vectors(self._image, pixels.to(self.device), size)
        return F.normalize(vectors, dim=-1), cover

    @torch.no_grad()
    def dense_over_windows(self, pixels):
        """Normalised pixels (N, 3, S, S) -> (N, rows, columns, d), l2-normalised: the slower, finer dense vectors."""
        return F.normalize(mean_over_windows(self._image, pixels.to(self.device)), dim=1).permute(0, 2, 3, 1)

    def encode(self, images, batch_size=8):
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

    def image_vectors(self, images, batch_size=8):
        """Images -> (N, d), float32, l2-normalised, on the CPU."""
        return self.encode(images, batch_size).image

    def dense_vectors(self, images, mode="fast", batch_size=8):
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

    def _check_length(self, words, text=None):
        """Raise InputError if so many words do not fit between start and end of text."""
        if words + 2 > self.context_length:
            which = "A prompt" if text is None else f"The text {text if len(text) <= 60 else text[:57] + '...'!r}"
            raise InputError(
                f"{which} has {words} tokens, and {self.name} reads {self.context_length - 2}: "
                "use fewer or shorter words."
            )


def load_backbone(name="auto", device=None, on_progress=None, weights=None):
    """Load a backbone with its weights.

    Args:
        name: "embedded", shipped with the project; "auto", the recommended one if its weights are in the local cache,
            else "embedded"; a name of `checkpoints.backbone_table`; any other model of open_clip with a CLIP-style
            text tower, as "ARCHITECTURE:TAG"; or the path of a local checkpoint.
        device: "cpu", "cuda", ...; a GPU if there is one, if not given.
        on_progress: called with a `checkpoints.FetchProgress` while weights are downloaded.
        weights: path of a local checkpoint (.safetensors, or .bin, .pt, .pth of plain tensors) of the architecture that
            `name` gives; with "auto" the architecture is recognised.
    Returns:
        `Backbone`; with "auto", its `note` says which one was taken and how to get the other.
    Raises:
        InputError: no such backbone, weights missing with the hub out of reach, or a file that cannot be used.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name, note = str(name), ""
    if name == "auto" and weights is None:
        name, note = _automatic()
    if name == "embedded":
        if weights is not None:
            raise InputError(
                "The embedded backbone has its own weights: name the architecture of "
                f"{Path(weights).name} with --backbone, or leave --weights out."
            )
        backbone = _embedded(device)
    else:
        if weights is not None:
            source = checkpoints.local_source(weights, None if name == "auto" else name)
        elif name.lower().endswith(checkpoints.SUFFIXES):
            source = checkpoints.local_source(name)
        else:
            source = checkpoints.hub_source(name, on_progress)
        backbone = _open_clip_backbone(source, checkpoints.load_model(source), device)
    backbone.note = note
    return backbone


def random_backbone(architecture, seed=0):
    """A randomly initialised backbone, for tests and for measurements of speed: never for scoring.

    Args:
        architecture: a name of the table or of open_clip, or an open_clip model configuration (dict).
    """
    source = checkpoints.described(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _open_clip_backbone(source, checkpoints.build(source.config), "cpu")


def _automatic():
    """The name that "auto" stands for now, and a sentence about it."""
    best = next(row for row in checkpoints.backbone_table() if row["name"] == checkpoints.RECOMMENDED)
    if checkpoints.cached_weights(best["architecture"], best["tag"]):
        return best["name"], (
            f"Running on {best['name']}, whose weights were found in the local cache. "
            "The embedded backbone is smaller and faster: --backbone embedded."
        )
    return "embedded", (
        f"Running on the small embedded backbone. {best['name']} is the recommended one: fetch it once "
        f"({best['download_mb']} MB) with --backbone {best['name']}."
    )


def _embedded(device):
    """The backbone that is shipped with the project."""
    from . import embedded  # here, because other backbones do not need it

    text_tower, image_tower, tokenizer, logit_scale = embedded.load(device)
    return Backbone("embedded", text_tower, image_tower, tokenizer, logit_scale, device=device)


def _open_clip_backbone(source, model, device):
    """A backbone over an open_clip model, which is what `source` describes."""
    tokenizer = _clip_tokenizer(source.config["text_cfg"].get("tokenizer_kwargs", {}).get("clean", "lower"))
    tower = image_tower(model.visual, source.mean, source.std, source.name)
    logit_scale = model.logit_scale.exp().item()
    return Backbone(
        source.name,
        getattr(model, "text", model),
        tower,
        tokenizer,
        logit_scale,
        architecture=source.architecture,
        device=device,
    )


@lru_cache
def _clip_tokenizer(clean):
    """CLIP's tokenizer, which takes a quarter of a second to build; `clean` is open_clip's way to tidy a text."""
    return SimpleTokenizer(clean=clean)
