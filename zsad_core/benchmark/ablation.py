"""What each part of our method is worth: the same method with one part taken out, behind the same interface."""

from dataclasses import replace
from typing import ClassVar

import torch

from ..baselines.method import Resources, state_probability
from ..baselines.ours import NOTHING_BESIDE, FittedDetector, Ours
from ..classifier import state_directions
from ..detector import plain_vectors
from ..recipe import WITHOUT


class Prototype:
    """Instead of the FNN: CLIP's own rule, the softmax over the cosines to the mean text vector of either state.

    Args:
        states: (2, d) mean text vectors of the normal and of the abnormal state, l2-normalised.
        scale: the backbone's logit scale.
    """

    def __init__(self, states: torch.Tensor, scale: float):
        self._states, self._scale = states, scale

    def probability(self, vectors: torch.Tensor) -> torch.Tensor:
        """Probability of the abnormal state (...) in [0, 1] of vectors (..., d) of unit length; 0.5 is neutral."""
        return state_probability(vectors, self._states, self._scale)


class Ablated(Ours):
    """Our method with other values in its recipe: a weight of 0 takes a part out."""

    source = "an ablation of our own method"
    takes_good_parts = False  # words alone are taken apart
    changes: ClassVar[dict] = {}

    def __init__(self, backbone, resources: Resources = NOTHING_BESIDE):
        super().__init__(backbone, replace(resources, recipe=replace(resources.recipe, **self.changes)))


class WithoutLearning(Ablated):
    name, title = "ours-no-learning", "without learning the words"
    faithful = "The words stay as they were drawn. RWDA-style is this without the plain prompts and the map's share."
    changes = {"steps": 0}


class WithoutDiversity(Ablated):
    name, title = "ours-no-diversity", "without diversity"
    faithful = "Nothing spreads the prompts' text vectors; the other losses still move the words."
    changes = WITHOUT["diversity"]


class WithoutMixture(Ablated):
    name, title = "ours-no-mixture", "without mixture guidance"
    faithful = "The distribution words are neither pulled to mixtures of sentences that name shifts nor pushed apart."
    changes = WITHOUT["guidance"]


class WithoutGuard(Ablated):
    name, title = "ours-no-guard", "without semantic guard"
    faithful = "Nothing holds a prompt nearer to its own state than to the other, and the FNN sees no plain prompt."
    changes = WITHOUT["guard"]


class WithoutNoise(Ablated):
    name, title = "ours-no-noise", "without noise copies"
    faithful = "The FNN is trained on the text vectors themselves, not on turned copies of them."
    changes = WITHOUT["noise"]


class WithPrototype(Ablated):
    name, title = "ours-prototype", "prototype instead of FNN"
    faithful = "The mean text vectors of either state and CLIP's softmax over cosines instead of the trained network."

    def fit(self, product: str, seed: int = 0) -> FittedDetector:
        fitted = super().fit(product, seed)
        detector = fitted.detector
        learned = detector.text_vectors[0], detector.text_vectors[1:].flatten(0, 1)
        plain = plain_vectors(self.backbone, product, detector.recipe)
        states = torch.stack(state_directions(learned, plain, detector.recipe.plain_share))
        prototype = Prototype(states, self.backbone.logit_scale)
        fitted.detector.classifier = prototype  # type: ignore[assignment]  # nothing but `probability` is asked of it
        return fitted


ABLATIONS = {
    method.name: method
    for method in (WithoutLearning, WithoutDiversity, WithoutMixture, WithoutGuard, WithoutNoise, WithPrototype)
}
