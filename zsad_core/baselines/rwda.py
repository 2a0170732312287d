"""RWDA-style: random words in the prompts, never learned, and an FNN trained on their text vectors."""

from dataclasses import dataclass, replace

import torch

from ..detector import Detector, Inspection
from ..scale import Scale
from .method import ImageBatch, Method, inspections


@dataclass(frozen=True, eq=False)
class FittedRandomWords:
    """A `Detector` whose words were drawn and never learned, on the scale of this method."""

    detector: Detector
    scale: Scale

    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Detector.evidence`."""
        return self.detector.evidence(batch.encoded)

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)


class Rwda(Method):
    name, title = "rwda", "RWDA-style"
    source = "after Tamura, Random Word Data Augmentation with CLIP, BMVC 2023 (arXiv 2308.11119)"
    faithful = (
        "In the paper's style only, as its details are not public: random words of the vocabulary before the semantic "
        "words make the text vectors diverse, an FNN is trained on them, and it scores the image vector. The FNN and "
        "the map are our own method's, of which this is the case with nothing learned and no map in the score."
    )

    def fit(self, product: str, seed: int = 0) -> FittedRandomWords:
        recipe = replace(self.resources.recipe, steps=0, plain_share=0.0)
        training = Detector.training(self.backbone, product, recipe, seed)
        training.begin_with(self.backbone.whole_words()[1])
        for _ in training:
            pass
        return FittedRandomWords(training.detector, self.scale)
