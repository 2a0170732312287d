"""The feed-forward network (FNN) that tells normal from abnormal: trained on text vectors, used on image vectors.

Text and image vectors of CLIP lie in two cones apart from one another (the modality gap), so a network trained on one
may answer anything on the other, most often the same state for everything. Two things are done about that:

- The network is antisymmetric about the plane on which a vector is equally near to both states. Reflecting a vector
  in that plane swaps the states, so a vector on the plane gets exactly 0.5, wherever its cone lies.
- It is trained on copies of the text vectors turned by a large angle in random directions, far out of the text cone.
"""

import threading
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from .progress import Progress

BATCH = 64  # noise copies of either state in a step
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
LEAST_STEPS = 50  # taken even after a stop, so that a detector always has a trained network
REPORT_EVERY = 10  # steps


class StateClassifier(nn.Module):
    """Linear - GELU - Linear, made antisymmetric about the plane between the states.

    With x' the reflection of x in the plane through the origin across `axis`, and (a, b) = FNN(x), (c, d) = FNN(x'),
    the logits are scale * (a + d, b + c).

    Args:
        dim: d, the dimension of the joint space.
        hidden: width of the hidden layer.
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.first_weight = nn.Parameter(torch.zeros(hidden, dim))
        self.first_bias = nn.Parameter(torch.zeros(hidden))
        self.second_weight = nn.Parameter(torch.zeros(2, hidden))
        self.second_bias = nn.Parameter(torch.zeros(2))
        self.register_buffer("axis", torch.zeros(dim))  # unit vector from the normal to the abnormal state
        self.register_buffer("scale", torch.ones(()))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits (..., 2), normal then abnormal, of vectors (..., d) of any length."""
        vectors = F.normalize(vectors, dim=-1)  # (..., d)
        across = (vectors @ self.axis).unsqueeze(-1)  # (..., 1) signed distance from the plane
        # A unit vector of d dimensions has entries of about d ** -0.5: the factor makes them 1, whatever d is.
        weight = self.first_weight * vectors.shape[-1] ** 0.5
        hidden = F.linear(vectors, weight, self.first_bias)  # (..., hidden)
        # Of vectors - 2 * across * axis, at a fraction of the cost.
        mirrored = hidden - 2 * across * (weight @ self.axis)  # (..., hidden)
        return self.scale * (self._last_layer(hidden) + self._last_layer(mirrored).flip(-1))

    @torch.no_grad()
    def probability(self, vectors: torch.Tensor) -> torch.Tensor:
        """Probability of the abnormal state (...) in [0, 1] of vectors (..., d); 0.5 is neutral."""
        return self(vectors).softmax(-1)[..., 1]

    def _last_layer(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.linear(F.gelu(hidden), self.second_weight, self.second_bias)  # (..., 2)


def state_directions(
    learned: tuple[torch.Tensor, torch.Tensor], plain: tuple[torch.Tensor, torch.Tensor], plain_share: float
) -> list[torch.Tensor]:
    """The mean directions (d,) of the normal and of the abnormal state, of learned and plain prompts.

    Args:
        learned, plain: text vectors of either state, (n, d) and (m, d). plain_share: as in `Recipe`.
    """
    return [
        F.normalize((1 - plain_share) * words.mean(0) + plain_share * without_words.mean(0), dim=0)
        for words, without_words in zip(learned, plain, strict=True)
    ]


class ClassifierTraining:
    """Trains a `StateClassifier` on text vectors; iterating yields `Progress` every few steps.

    Args:
        text_vectors: (N, d) l2-normalised.
        states: (N,) 0 for normal, 1 for abnormal; both occur.
        plain: text vectors of the plain prompts of the normal and of the abnormal state, (n, d) and (m, d).
        held_back: text vectors of the normal and of the abnormal sentences never trained on, (n, d) and (m, d).
        hidden, plain_share, noise_angle, steps: as in `Recipe`.
        logit_scale: the backbone's own.
        generator: the only source of random numbers.
        stopped: once set, training ends after 50 steps at most.

    Attributes:
        classifier: the network; trained when the iteration has ended.
        text_accuracy, held_back_accuracy: balanced accuracies at the last report.
    """

    def __init__(
        self,
        text_vectors: torch.Tensor,
        states: torch.Tensor,
        plain: tuple[torch.Tensor, torch.Tensor],
        held_back: tuple[torch.Tensor, torch.Tensor],
        *,
        hidden: int,
        plain_share: float,
        noise_angle: float,
        steps: int,
        logit_scale: float,
        generator: torch.Generator,
        stopped: threading.Event,
    ):
        self.noise_angle, self.steps, self.logit_scale = noise_angle, steps, logit_scale
        self.generator, self.stopped = generator, stopped
        self._learned = text_vectors[states == 0], text_vectors[states == 1]  # (n, d), (m, d)
        self._plain, self.plain_share = plain, plain_share
        self._held_back = held_back
        self.text_accuracy = self.held_back_accuracy = 0.0

        dim = text_vectors.shape[1]
        self.classifier = StateClassifier(dim, hidden)
        with torch.no_grad():
            self.classifier.first_weight.copy_(torch.randn(hidden, dim, generator=generator) * dim**-0.5)
            self.classifier.second_weight.copy_(torch.randn(2, hidden, generator=generator) * hidden**-0.5)
            self._normal, self._abnormal = state_directions(self._learned, plain, plain_share)
            self.classifier.axis.copy_(F.normalize(self._abnormal - self._normal, dim=0))

    def __iter__(self) -> Iterator[Progress]:
        # Fused: one call of the library a step, where Python would make dozens.
        optimizer = torch.optim.AdamW(
            self.classifier.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        targets = torch.arange(2).repeat_interleave(BATCH)  # (2 * BATCH,)
        started = time.perf_counter()
        for step in range(1, self.steps + 1):
            batch = torch.cat([self._noise_copies(state, BATCH) for state in (0, 1)])  # (2 * BATCH, d)
            with torch.enable_grad():
                loss = F.cross_entropy(self.classifier(batch), targets)
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            last = step == self.steps or (step >= LEAST_STEPS and self.stopped.is_set())
            if last:
                self._set_scale()
            if last or step % REPORT_EVERY == 0:
                self.text_accuracy = self._accuracy(self._learned)
                self.held_back_accuracy = self._accuracy(self._held_back)
                yield Progress(
                    phase="classifier",
                    step=step,
                    steps=self.steps,
                    seconds_left=0.0 if last else (time.perf_counter() - started) / step * (self.steps - step),
                    classifier=self.classifier,
                    classifier_loss=loss.item(),
                    text_accuracy=self.text_accuracy,
                    held_back_accuracy=self.held_back_accuracy,
                )
            if last:
                return

    def _noise_copies(self, state: int, count: int) -> torch.Tensor:
        """(count, d) draws from the text vectors of a state, each turned by the noise angle in a random direction."""
        from_plain = round(self.plain_share * count)
        drawn = (self._plain[state], from_plain), (self._learned[state], count - from_plain)
        chosen = torch.cat(
            [vectors[torch.randint(len(vectors), (many,), generator=self.generator)] for vectors, many in drawn]
        )  # (count, d)
        direction = torch.randn(chosen.shape, generator=self.generator)
        direction -= (direction * chosen).sum(-1, keepdim=True) * chosen
        angle = torch.deg2rad(torch.tensor(self.noise_angle))
        return angle.cos() * chosen + angle.sin() * F.normalize(direction, dim=-1)

    def _accuracy(self, vectors: tuple[torch.Tensor, torch.Tensor]) -> float:
        """Balanced accuracy on the vectors of the normal and of the abnormal state."""
        normal, abnormal = (self.classifier.probability(state) for state in vectors)
        return ((normal < 0.5).float().mean() + (abnormal > 0.5).float().mean()).item() / 2

    @torch.no_grad()
    def _set_scale(self) -> None:
        """Makes the logits as steep at the neutral plane as CLIP's own zero-shot logits are.

        Image vectors lie far nearer to the plane than text vectors do. Trained on text, the network would call all of
        them undecided; the backbone's logit scale times the cosines to the states' mean text vectors is the scale on
        which CLIP was trained to compare an image with two texts.
        """
        classifier, step = self.classifier, 0.01
        copies = torch.cat([self._noise_copies(state, 2 * BATCH) for state in (0, 1)])  # (N, d)
        neutral = copies - (copies @ classifier.axis).unsqueeze(-1) * classifier.axis
        logits = classifier(F.normalize(neutral, dim=-1) + step * classifier.axis)  # (N, 2)
        slope = (logits[:, 1] - logits[:, 0]).mean() / step
        zero_shot_slope = self.logit_scale * (self._abnormal - self._normal) @ classifier.axis
        if slope > 0:
            classifier.scale.mul_(zero_shot_slope / slope)
