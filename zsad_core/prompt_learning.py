"""Learns the diversity and distribution words of K prompts, all jointly, for one product.

Prompt k in state s is the sequence

    [SOS]  D_k (diversity words)  R_g(k) (distribution words)  semantic words of s  [EOT]

after the poster. Its text vector is z(k, s), l2-normalised; without semantic words the prompt is called state-free.
Where the poster is silent the losses below are our reading of it.
"""

import threading
import time
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F

from .device import memory_errors_in_words
from .errors import InputError
from .progress import Progress
from .prompts import check_context, semantic_words, shift_sentences
from .recipe import Recipe


def diversity_loss(vectors: torch.Tensor) -> torch.Tensor:
    """Mean |cos| over all pairs of different prompts: the Gram form of PromptStyler's L_style (Cho et al., eq. 1).

    Args:
        vectors: (K, d) text vectors of the state-free prompts, l2-normalised.
    """
    return _mean_off_diagonal((vectors @ vectors.T).abs())


def knowledge_loss(groups: torch.Tensor, mixtures: torch.Tensor) -> torch.Tensor:
    """1 - cos between every group's text vector and its mixture of shift sentences, averaged.

    Args:
        groups: (G, d) text vectors of the product behind each group's distribution words, l2-normalised.
        mixtures: (G, d) their targets, l2-normalised.
    """
    return (1 - (groups * mixtures).sum(-1)).mean()


def guard_loss(vectors: torch.Tensor, states: torch.Tensor, anchors: torch.Tensor, scale: float) -> torch.Tensor:
    """Two-way cross-entropy that keeps z(k, s) nearer to its own state's anchor (PromptStyler's L_content, eq. 2).

    Args:
        vectors: (N, d) text vectors of prompts in a state, l2-normalised.
        states: (N,) 0 for normal, 1 for abnormal.
        anchors: (2, d) text vectors of the bare semantic words, l2-normalised.
        scale: the backbone's own logit scale.
    """
    return F.cross_entropy(scale * vectors @ anchors.T, states)


def join_words(diversity: torch.Tensor, distribution: torch.Tensor) -> torch.Tensor:
    """The learnable part of every prompt: prompt k is of group k mod G.

    Args:
        diversity: (K, n, w). distribution: (G, m, w).
    Returns:
        (K, n + m, w)
    """
    group = torch.arange(len(diversity), device=diversity.device) % len(distribution)
    return torch.cat([diversity, distribution[group]], dim=1)


class PromptLearning:
    """The learnable words of K prompts and their training, one step of Adam an iteration.

    Iterating yields a `Progress` before the first step and after each one; it ends after `recipe.steps` steps or, at
    the next step, once `stopped` is set. The words are usable at any time. Only they receive gradients, so that many
    trainings can share one backbone; random numbers come from `generator` alone.

    Attributes:
        diversity: (K, diversity words, w) the diversity words D_k.
        distribution: (G, distribution words, w) the distribution words R_g.
        mean_cosine_before: mean |cos| between the state-free prompts at the start; None before the first iteration.
        steps_done: steps taken so far.
    """

    def __init__(self, backbone, product: str, recipe: Recipe, generator: torch.Generator, stopped: threading.Event):
        check_context(backbone, product, recipe.adjectives, recipe.diversity_words + recipe.distribution_words)
        self.backbone, self.product, self.recipe, self.stopped = backbone, product, recipe, stopped
        self.generator = generator
        self.diversity = self._draw(recipe.prompts, recipe.diversity_words)
        self.distribution = self._draw(recipe.groups, recipe.distribution_words)
        self.steps_done = 0
        self.mean_cosine_before: float | None = None

        # Frozen word vectors of the normal state, then of each adjective's, padded to the longest; and their numbers.
        words = [backbone.word_vectors(text).detach() for text in semantic_words(product, recipe.adjectives)]
        self._semantic = torch.nn.utils.rnn.pad_sequence(words, batch_first=True)  # (1 + adjectives, L, w)
        self._lengths = torch.tensor([len(vectors) for vectors in words], device=backbone.device)

    def begin_with(self, vocabulary: torch.Tensor) -> None:
        """Every learnable word begins as one of these word vectors (V, w), drawn at random."""
        for words in (self.diversity, self.distribution):
            rows = torch.randint(len(vocabulary), words.shape[:2], generator=self.generator)
            words.data.copy_(vocabulary[rows.to(vocabulary.device)])

    def __iter__(self) -> Iterator[Progress]:
        recipe, words = self.recipe, (self.diversity, self.distribution)
        anchors = self._anchors()  # (2, d)
        mixtures = self._mixtures()  # (G, d)
        optimizer = torch.optim.Adam(words, lr=recipe.learning_rate * self.backbone.embedding_std)
        shown = self.text_vectors()[:2].flatten(0, 1)  # (2K, d)
        free = self.state_free_vectors()  # (K, d)
        self.mean_cosine_before = diversity_loss(free).item()
        yield self._progress(0.0, {}, self.mean_cosine_before, shown, free)

        started = 0.0
        while self.steps_done < recipe.steps and not self.stopped.is_set():
            with torch.enable_grad(), memory_errors_in_words():
                losses, rows, vectors, free = self._losses(self.steps_done, anchors, mixtures)
                total = (
                    recipe.diversity_weight * losses["diversity"]
                    + recipe.knowledge_weight * losses["knowledge"]
                    + recipe.groups_weight * losses["groups"]
                    + recipe.guard_weight * losses["guard"]
                )
                gradients = torch.autograd.grad(total, words)
            if not all(torch.isfinite(gradient).all() for gradient in gradients):
                raise InputError(
                    f"Learning the prompts of {self.product!r} on {self.backbone.name} broke down at step "
                    f"{self.steps_done + 1}: a gradient is not a finite number. Lower the learning rate (now "
                    f"{recipe.learning_rate}), or check the weights of the backbone."
                )
            for word, gradient in zip(words, gradients, strict=True):
                word.grad = gradient
            optimizer.step()
            self.steps_done += 1
            shown[rows] = vectors.detach()
            if self.steps_done == 1:  # it imports and warms up, and tells nothing about the others
                started = time.perf_counter()
            pace = (time.perf_counter() - started) / max(self.steps_done - 1, 1)
            seconds_left = pace * (recipe.steps - self.steps_done)
            values = {name: value.item() for name, value in losses.items()}
            yield self._progress(seconds_left, values, values["diversity"], shown, free.detach())

    @torch.no_grad()
    def text_vectors(self) -> torch.Tensor:
        """z(k, s) of all K prompts: (1 + adjectives, K, d), the normal ones first, l2-normalised."""
        prefixes = self._prefixes()
        return torch.stack([self._encode(prefixes, [kind] * len(prefixes)) for kind in range(len(self._semantic))])

    @torch.no_grad()
    def state_free_vectors(self) -> torch.Tensor:
        """(K, d) text vectors of the prompts without semantic words, l2-normalised."""
        return self.backbone.text_vectors_from_words(self._prefixes())

    def _draw(self, count: int, length: int) -> torch.Tensor:
        """(count, length, w) learnable words with the mean and standard deviation of the token embeddings."""
        backbone = self.backbone
        noise = torch.randn(count, length, backbone.word_width, generator=self.generator)
        mean = backbone.embedding_mean.detach().float().cpu()
        return (mean + backbone.embedding_std * noise).to(backbone.device).requires_grad_()

    def _prefixes(self) -> torch.Tensor:
        return join_words(self.diversity, self.distribution)  # (K, diversity + distribution words, w)

    def _encode(self, prefixes: torch.Tensor, kinds: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """(N, d) text vectors of prefixes (N, L, w) with semantic words behind each: kind 0 normal, 1... abnormal."""
        sequences = torch.cat([prefixes, self._semantic[kinds]], dim=1)  # (N, L + L_s, w)
        return self.backbone.text_vectors_from_words(sequences, prefixes.shape[1] + self._lengths[kinds])

    def _encode_together(
        self, prefixes: torch.Tensor, kinds: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All text vectors of a step: `_encode` of prefixes (K, L, w), those of the prefixes alone, (K, d) both, and
        those of each group's own words with the product behind them, (G, d).

        One batch of nearly equal lengths, because a call of its own costs more than a little padding.
        """
        groups = len(self.distribution)
        plain = self._semantic[:1].expand(groups, -1, -1)  # (G, L_s, w)
        padding = (0, 0, 0, prefixes.shape[1] - self.distribution.shape[1])  # behind the product
        sequences = torch.cat(
            [
                torch.cat([prefixes, self._semantic[kinds]], dim=1),
                F.pad(torch.cat([self.distribution, plain], dim=1), padding),
            ]
        )  # (K + G, L + L_s, w)
        lengths = torch.cat(
            [
                prefixes.shape[1] + self._lengths[kinds],
                (self.distribution.shape[1] + self._lengths[:1]).expand(groups),
            ]
        )
        vectors, free = self.backbone.text_vectors_with_prefix(sequences, lengths, prefixes.shape[1])
        return vectors[: len(prefixes)], free[: len(prefixes)], vectors[len(prefixes) :]

    @torch.no_grad()
    def _anchors(self) -> torch.Tensor:
        """(2, d) text vectors of the bare semantic words; the abnormal one is the mean direction of the adjectives."""
        vectors = self.backbone.text_vectors_from_words(self._semantic, self._lengths)  # (1 + adjectives, d)
        return F.normalize(torch.stack([vectors[0], vectors[1:].mean(0)]), dim=-1)

    def _mixtures(self) -> torch.Tensor:
        """(G, d) fixed random mixtures of the shift sentences' text vectors, one a group, l2-normalised."""
        sentences = self.backbone.text_vectors(shift_sentences(self.product))  # (S, d)
        # Squares of normal draws over their sum are Dirichlet(1/2, ..., 1/2): mostly one shift, some of the others.
        weights = torch.randn(len(self.distribution), len(sentences), generator=self.generator).square()  # (G, S)
        return F.normalize(weights @ sentences, dim=-1).to(self.backbone.device)

    def _losses(
        self, step: int, anchors: torch.Tensor, mixtures: torch.Tensor
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]:
        """The terms of the loss; which rows of the (2K, d) text vectors this step has computed, with their values; and
        the (K, d) state-free ones.

        The guard sees each prompt in one state a step, with one adjective, turn by turn: half the cost of both.
        """
        prefixes = self._prefixes()  # (K, L, w)
        number = torch.arange(len(prefixes), device=prefixes.device)  # (K,)
        states = (number + step) % 2
        adjectives = (number + step) // 2 % (len(self._semantic) - 1)
        stateful, free, groups = self._encode_together(prefixes, states * (1 + adjectives))  # (K, d), (K, d), (G, d)
        losses = {
            "diversity": diversity_loss(free),
            "knowledge": knowledge_loss(groups, mixtures),
            "groups": _mean_off_diagonal(groups @ groups.T),
            "guard": guard_loss(stateful, states, anchors, self.backbone.logit_scale),
        }
        return losses, number + states * len(prefixes), stateful, free

    def _progress(
        self, seconds_left: float, losses: dict, mean_cosine: float, shown: torch.Tensor, free: torch.Tensor
    ) -> Progress:
        return Progress(
            phase="prompts",
            step=self.steps_done,
            steps=self.recipe.steps,
            seconds_left=seconds_left,
            losses=losses,
            mean_cosine=mean_cosine,
            text_vectors=shown.cpu().numpy().copy(),
            states=torch.arange(2).repeat_interleave(len(shown) // 2).numpy(),
            state_free=free.cpu().numpy(),
        )


def _mean_off_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    """Mean of a square matrix without its diagonal; 0 for a single row."""
    size = len(matrix)
    return (matrix.sum() - matrix.diagonal().sum()) / max(size * (size - 1), 1)
