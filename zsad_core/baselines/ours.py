"""Our own method, the poster's, behind the interface of the others."""

from dataclasses import dataclass

import torch

from ..detector import Detector, Inspection
from .method import ImageBatch, Method, Resources

NOTHING_BESIDE = Resources()


@dataclass(frozen=True, eq=False)
class FittedDetector:
    """A trained `Detector`."""

    detector: Detector

    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Detector.evidence`: by words alone."""
        return self.detector.evidence(batch.encoded)

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return self.detector.inspect_encoded(batch.encoded, batch.sizes)


class Ours(Method):
    name, title, is_ours = "ours", "Ours", True
    source = "the poster of Gao, He, Duan and Zuo, Sichuan University"
    faithful = (
        "The idea is the poster's: learned diversity words, distribution words with mixture guidance, frozen semantic "
        "words, an FNN trained on text vectors only. The poster gives no losses, sizes, weights or score rule: those "
        "are ours. So is what it does with good parts, where it is given any: then it is no longer zero-shot."
    )
    takes_good_parts = True

    def __init__(self, backbone, resources: Resources = NOTHING_BESIDE):
        super().__init__(backbone, resources)
        self._trained: dict[tuple[str, int], Detector] = {}  # the last one; other good parts need no other training

    def fit(self, product: str, seed: int = 0) -> FittedDetector:
        detector = self._trained.get((product, seed))
        if detector is None:
            detector = Detector.fit(self.backbone, product, self.resources.recipe, seed)
            self._trained.clear()
            self._trained[product, seed] = detector
        photos = self.resources.good_parts
        return FittedDetector(detector.with_good_parts(photos) if photos else detector)
