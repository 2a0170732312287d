"""RWDA-style: random words in the prompts, never learned, and an FNN trained on their text vectors."""

from dataclasses import dataclass, replace

from ..detector import Detector, Inspection
from .method import ImageBatch, Method, inspections


@dataclass(frozen=True, eq=False)
class FittedRandomWords:
    """A `Detector` whose words were drawn and never learned; of its rules only the map's is used."""

    detector: Detector

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        scores = self.detector.classifier.probability(batch.encoded.image)  # (N,)
        maps = self.detector.patch_probabilities(batch.encoded.dense)  # (N, rows, columns)
        return inspections(scores, maps, batch.sizes)


class Rwda(Method):
    name, title = "rwda", "RWDA-style"
    source = "after Tamura, Random Word Data Augmentation with CLIP, BMVC 2023 (arXiv 2308.11119)"
    faithful = (
        "In the paper's style only, as its details are not public: random words before the semantic words make the "
        "text vectors diverse, an FNN is trained on them, and it scores the image vector. The random words, the FNN "
        "and the map are our own method's, of which this is the case with nothing learned and no map in the score."
    )

    def fit(self, product: str, seed: int = 0) -> FittedRandomWords:
        recipe = replace(self.resources.recipe, steps=0)
        return FittedRandomWords(Detector.fit(self.backbone, product, recipe, seed))
