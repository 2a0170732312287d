"""Our own method, the poster's, behind the interface of the others."""

from dataclasses import dataclass

from ..detector import Detector, Inspection
from .method import ImageBatch, Method


@dataclass(frozen=True, eq=False)
class FittedDetector:
    """A trained `Detector`."""

    detector: Detector

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return self.detector.inspect_encoded(batch.encoded, batch.sizes)


class Ours(Method):
    name, title, is_ours = "ours", "Ours", True
    source = "the poster of Gao, He, Duan and Zuo, Sichuan University"
    faithful = (
        "The idea is the poster's: learned diversity words, distribution words with mixture guidance, frozen semantic "
        "words, an FNN trained on text vectors only. The poster gives no losses, sizes, weights or score rule: those "
        "are ours."
    )

    def fit(self, product: str, seed: int = 0) -> FittedDetector:
        return FittedDetector(Detector.fit(self.backbone, product, self.resources.recipe, seed))
