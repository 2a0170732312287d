"""What a training says about itself while it runs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Progress:
    """One step of a training, as it is shown to a person; printing it gives one readable line.

    Attributes:
        phase: "prompts" (the words are being learned), "classifier" (the FNN is being trained) or "done".
        step, steps: steps of this phase done, and planned.
        seconds_left: estimate for the rest of this phase.
        losses: in the prompt phase the terms of the loss by name, unweighted: "diversity", "knowledge", "groups",
            "guard".
        mean_cosine: mean |cos| between the text vectors of two different state-free prompts, in [0, 1].
        text_vectors: (2K, d) float32, l2-normalised: the K prompts as normal, then the K as abnormal. While words are
            learned, a row is at most one step old.
        states: (2K,) 0 for normal, 1 for abnormal.
        state_free: (K, d) float32, l2-normalised: the prompts without semantic words, of which `mean_cosine` speaks.
        classifier: the `StateClassifier`, while it is trained and after; it goes on learning when the training does.
        classifier_loss: cross-entropy of the FNN on noise copies of the text vectors.
        text_accuracy: accuracy of the FNN on the text vectors it is trained on, balanced between the states.
        held_back_accuracy: the same on sentences whose state words and templates training never sees.
    """

    phase: str
    step: int
    steps: int
    seconds_left: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    mean_cosine: float | None = None
    text_vectors: np.ndarray | None = None
    states: np.ndarray | None = None
    state_free: np.ndarray | None = None
    classifier: Any = None
    classifier_loss: float | None = None
    text_accuracy: float | None = None
    held_back_accuracy: float | None = None

    def __str__(self) -> str:
        parts = [self.phase if self.phase == "done" else f"{self.phase} {self.step}/{self.steps}"]
        if self.mean_cosine is not None:
            parts.append(f"mean |cos| {self.mean_cosine:.2f}")
        parts += [f"{name} {value:.2f}" for name, value in self.losses.items() if name != "diversity"]
        if self.classifier_loss is not None:
            parts.append(f"loss {self.classifier_loss:.3f}")
        if self.text_accuracy is not None:
            parts.append(f"text accuracy {self.text_accuracy:.0%}")
        if self.held_back_accuracy is not None:
            parts.append(f"held-back sentences {self.held_back_accuracy:.0%}")
        if self.phase != "done":
            parts.append(f"{self.seconds_left:.1f} s left")
        return "  ".join(parts)
