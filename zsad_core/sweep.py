"""One image under every corruption at every severity, encoded in batches, for any number of methods to ask about."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .baselines import Fitted, ImageBatch
from .cores import side_by_side
from .corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS, corrupt_all
from .detector import BATCH
from .elongated import joined_scores, squares_in
from .errors import InputError

Place = tuple[str | None, int]  # kind and severity
CLEAN: Place = (None, 0)  # the image as it is, which is severity 0 of every kind


class Sweep:
    """Iterate over it for batches of (places, batch), one severity after the other:

        scores = {}
        for places, batch in Sweep(backbone, image):
            scores |= {place: seen.score for place, seen in zip(places, fitted.inspect(batch))}
        curves(scores)["blur"]  # severity 0 to 5

    Attributes:
        places: CLEAN, then every kind at severity 1, at 2, ...
    """

    def __init__(
        self,
        backbone,
        image: np.ndarray,
        kinds: Sequence[str] = POSTER_CORRUPTIONS,
        seed: int = 0,
        batch_size: int = BATCH,
    ):
        """
        Args:
            image: (H, W, 3) uint8.
            kinds: of corruption, each one once.
            seed: of the noise.
            batch_size: images encoded at a time, the unit in which the sweep can be stopped.

        Raises:
            InputError: a kind or seed that cannot be used, or no kind at all.
        """
        if not kinds:
            raise InputError(f"There is no corruption to sweep over: name some of {', '.join(POSTER_CORRUPTIONS)}.")
        corrupt_all(image, dict.fromkeys(kinds, 0), seed)  # raises now, not on the way
        severities = range(1, MAX_SEVERITY + 1)
        self.places: list[Place] = [CLEAN, *((kind, severity) for severity in severities for kind in kinds)]
        self._backbone, self._image, self._seed = backbone, image, seed
        self._batch_size = max(1, batch_size // squares_in(*image.shape[:2]))
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the sweep after the batch that is being encoded, from any thread."""
        self._stopped.set()

    def __iter__(self) -> Iterator[tuple[list[Place], ImageBatch]]:
        batches = [
            self.places[start : start + self._batch_size] for start in range(0, len(self.places), self._batch_size)
        ]
        ahead = ThreadPoolExecutor(1, "corruptions")  # a batch is corrupted while the one before it is encoded
        try:
            following = ahead.submit(self._corrupted, batches[0])
            for places, next_places in zip(batches, [*batches[1:], []], strict=True):
                if self._stopped.is_set():
                    return
                images = following.result()
                following = ahead.submit(self._corrupted, next_places)
                yield places, ImageBatch(self._backbone, images)
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)

    def _corrupted(self, places: Sequence[Place]) -> list[np.ndarray]:
        def seen_at(place: Place) -> np.ndarray:
            kind, severity = place
            return corrupt_all(self._image, {kind: severity} if kind else {}, self._seed)

        return side_by_side(seen_at, places)


def asks_for_windows(fitted: Fitted) -> bool:
    """Whether its maps take many passes, so that it can be asked for its scores alone."""
    return hasattr(fitted, "image_scores")


def image_scores(fitted: Fitted, batch: ImageBatch) -> list[float]:
    """The scores of the images, without their maps where these take many passes."""
    if asks_for_windows(fitted):
        return joined_scores(fitted.image_scores(batch).tolist(), batch.sizes)
    return [inspection.score for inspection in fitted.inspect(batch)]


def curves(scores: Mapping[Place, float], kinds: Sequence[str] = POSTER_CORRUPTIONS) -> dict[str, list[float]]:
    """Scores by kind at severity 0, 1, ..., as far as they are known."""
    return {kind: _known([scores.get((kind, level) if level else CLEAN) for level in range(MAX_SEVERITY + 1)])
            for kind in kinds}  # fmt: skip


def mean_curve(scores: Mapping[Place, float], kinds: Sequence[str] = POSTER_CORRUPTIONS) -> list[float]:
    """Mean score over the kinds at severity 0, 1, ..., as far as all of them are known."""
    return [float(np.mean(level)) for level in zip(*curves(scores, kinds).values())]


def _known(scores: Sequence[float | None]) -> list[float]:
    return list(scores[: scores.index(None)] if None in scores else scores)
