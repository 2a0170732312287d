"""Scores many images one after another in bounded memory, and says what a table, a chart and a file need of them."""

import csv
import io
import re
import threading
import time
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .archives import Entry, ImageFiles, Skipped
from .cores import idle_cores, side_by_side
from .detector import BATCH, Detector, Inspection
from .errors import InputError
from .figures import overlay

QUANTILE = 0.95  # of the scores of normal images, that a calibrated threshold lies at
THUMBNAIL = 96  # pixels; with its quality some 3 KB, of which a page may hold a thousand


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of a scored image.

    Attributes:
        entry: where it is from.
        score: anomaly score in [0, 1].
        verdict: the score in words.
        thumbnail: JPEG with the anomaly map over it, at most THUMBNAIL pixels wide and high.
        overlay: the name of its overlay in the zip of them.
        by_words: the score by words alone, where good parts have a say in `score`; else None.
    """

    entry: Entry
    score: float
    verdict: str
    thumbnail: bytes
    overlay: str
    by_words: float | None = None


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is: images `done`, scored or skipped, of `total`, in `seconds`."""

    done: int
    total: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        return self.seconds / self.done * (self.total - self.done) if self.done else 0.0

    def __str__(self) -> str:
        return f"{self.done} of {self.total} images  {self.seconds_left:.0f} s left"


def auroc(rows: Sequence[Row]) -> float | None:
    """The share of pairs of a damaged and a normal image in which the damaged one has the higher score, ties by half.

    None where the folders do not name both. It is the area under the ROC curve, exactly (Hanley and McNeil, 1982).
    """
    normal, damaged = (np.array([row.score for row in rows if row.entry.damaged is label]) for label in (False, True))
    if not (len(normal) and len(damaged)):
        return None
    return float(((damaged[:, None] > normal) + 0.5 * (damaged[:, None] == normal)).mean())  # (damaged, normal)


def calibrated_threshold(scores: Sequence[float]) -> float:
    """The lowest of the scores of normal images that at least QUANTILE of them do not exceed, in [0, 1].

    Raises:
        InputError: there is no score.
    """
    if not len(scores):
        raise InputError("None of the normal images could be read, so the threshold stays as it was: give others.")
    return float(np.quantile(scores, QUANTILE, method="inverted_cdf"))


def to_csv(rows: Sequence[Row], threshold: float) -> bytes:
    """The rows as a CSV file that a spreadsheet opens rightly (UTF-8 with its mark) and harmlessly.

    A cell that it would take for a formula gets an apostrophe before it, and every text is quoted, whatever sign the
    spreadsheet splits lines at.
    """
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(("file", "score", "verdict", "over_threshold", "threshold", "label", "overlay"))
    for row in rows:
        over = "yes" if row.score > threshold else "no"
        values = (
            _harmless(row.entry.name),
            round(row.score, 6),
            row.verdict,
            over,
            round(threshold, 6),
            row.entry.label,
            _harmless(row.overlay),
        )
        writer.writerow(values)
    return file.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    Spreadsheets pass over white space and what is invisible, and take full-width signs for the usual ones.
    """
    seen = unicodedata.normalize("NFKC", text)
    first = next((letter for letter in seen if not letter.isspace() and unicodedata.category(letter)[0] != "C"), "")
    return f"'{text}" if first in ("=", "+", "-", "@", "\N{MINUS SIGN}") else text


class BatchScoring:
    """The scoring of a batch as an iterable of `BatchProgress`.

        scoring = BatchScoring(detector, ImageFiles(["nuts.zip"]), "overlays.zip")
        for progress in scoring:
            print(progress)
        scoring.rows

    Args:
        detector: a `Detector`.
        images: an `ImageFiles`, or any list of entries, each with its pixels or the InputError that says why not.
        overlays: where to write a zip of the images with their anomaly maps over them; not written if not given.

    Attributes:
        rows: list of `Row`, in the order of the images.
        skipped: list of `Skipped`: images that could not be read.
        seconds: spent so far.
    """

    def __init__(
        self,
        detector: Detector,
        images: ImageFiles | Sequence[tuple[Entry, np.ndarray | InputError]],
        overlays: str | Path | None = None,
    ):
        self.detector, self.images, self.overlays = detector, images, overlays
        self.rows: list[Row] = []
        self.skipped: list[Skipped] = list(getattr(images, "skipped", ()))
        self.seconds = 0.0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the scoring after the image at hand, from any thread; what was scored so far is kept."""
        self._stopped.set()

    def __iter__(self) -> Iterator[BatchProgress]:
        started, done = time.perf_counter(), 0
        with zipfile.ZipFile(self.overlays or io.BytesIO(), "w") as archive:  # stored: a JPEG does not shrink
            yield BatchProgress(0, len(self.images), 0.0)
            for chunk in self._chunks():
                self._score(chunk, archive)
                done += len(chunk)
                self.seconds = time.perf_counter() - started
                yield BatchProgress(done, len(self.images), self.seconds)

    def _chunks(self) -> Iterator[list]:
        """Images that are scored together; on a CPU one a core, so that a stop need not wait for more."""
        size = max(1, idle_cores()) if self.detector.backbone.device.type == "cpu" else BATCH
        chunk = []
        for image in () if self._stopped.is_set() else self.images:
            if self._stopped.is_set():
                return
            chunk.append(image)
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _score(self, chunk, archive: zipfile.ZipFile) -> None:
        self.skipped += [Skipped(entry.name, str(found)) for entry, found in chunk if isinstance(found, InputError)]
        readable = [(entry, found) for entry, found in chunk if not isinstance(found, InputError)]
        pixels = [found for _, found in readable]
        seen = self.detector.inspect(pixels)
        pictures = side_by_side(self._pictures, zip(pixels, seen, strict=True))
        for (entry, _), inspection, (whole, thumbnail) in zip(readable, seen, pictures, strict=True):
            stem = re.sub(r"[^\w.-]+", "_", entry.name.rpartition(".")[0])[-80:]
            name = f"{len(self.rows) + 1:04d}_{stem}.jpg"
            if self.overlays is not None:
                archive.writestr(name, whole)
            self.rows.append(Row(entry, inspection.score, inspection.verdict, thumbnail, name, inspection.by_words))

    def _pictures(self, scored: tuple[np.ndarray, Inspection]) -> tuple[bytes, bytes]:
        """Overlay, empty where it goes nowhere, and thumbnail of an image, as JPEG."""
        pixels, inspection = scored
        picture = Image.fromarray(overlay(pixels, inspection.map))
        whole = b"" if self.overlays is None else _jpeg(picture)
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        return whole, _jpeg(picture, quality=70)


def _jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return file.getvalue()
