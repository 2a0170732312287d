"""A memory of good parts alone: what looks unlike every remembered place is anomalous. Not zero-shot."""

from dataclasses import dataclass

from ..detector import Inspection
from ..errors import InputError
from ..good_parts import Memory, no_words, remember
from ..prompts import clean_product_name
from .method import Fitted, ImageBatch, Method, inspections


@dataclass(frozen=True, eq=False)
class FittedMemory:
    """The `Memory`, made without corrupted looks and without words."""

    memory: Memory

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        scores, maps = self.memory.inspect(batch.encoded.features, no_words(batch.encoded))
        return inspections(scores, maps, batch.sizes)


class GoodPartsMemory(Method):
    name, title = "memory", "Memory of good parts"
    source = "after PatchCore (Roth et al., CVPR 2022, arXiv 2106.08265) and AnomalyDINO (arXiv 2405.14529)"
    faithful = (
        "The distance to the nearest place of the clean photos, turned by quarters and turned over as AnomalyDINO "
        "turns them, on the backbone's own features, less what most of the picture has; of many places a random part, "
        "where PatchCore takes the farthest. No words. The verdict turns where it does for ours with good parts: so "
        "many deviations above what the parts score among each other."
    )
    seeded = False
    takes_good_parts = needs_good_parts = True

    @classmethod
    def title_with(cls, parts: int) -> str:
        return f"Memory of {parts} good part{'s' if parts > 1 else ''}"

    def missing(self) -> str | None:
        return None if self.resources.good_parts else f"{self.title} needs 1 to 16 photos of good parts."

    def fit(self, product: str, seed: int = 0) -> Fitted:
        clean_product_name(product)
        reason = self.missing()
        if reason:
            raise InputError(reason)
        return FittedMemory(remember(self.backbone, self.resources.good_parts, corrupted=False))
