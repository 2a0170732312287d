"""Scores many images one after another in bounded memory, and says what a table, a chart and a file need of them."""

import csv
import io
import re
import threading
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from .archives import Entry, ImageFiles, Skipped
from .cores import idle_cores, side_by_side
from .detector import BATCH, Detector, Inspection
from .errors import InputError
from .figures import outlined, overlay
from .ignored import Ignored
from .images import Page
from .regions import Region, listed

PIXELS_AT_ONCE = 16_000_000  # of images that are held at a time; the last one may go beyond
REGIONS_IN_A_CELL = 20  # of a table; a spreadsheet takes 32,767 characters in one
QUANTILE = 0.95  # of the scores of normal images, that a calibrated threshold lies at
THUMBNAIL = 96  # pixels; with its quality some 3 KB, of which a page may hold a thousand


@dataclass(frozen=True, eq=False)
class Scored:
    """An image (H, W, 3) uint8 and what was said about it; `note` is empty, or says what is odd about the image."""

    entry: Entry
    pixels: np.ndarray
    inspection: Inspection
    note: str = ""


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of a scored image.

    Attributes:
        entry: where it is from.
        score: anomaly score in [0, 1].
        verdict: the score in words.
        thumbnail: JPEG with the anomaly map over it, at most THUMBNAIL pixels wide and high.
        overlay: the name of its overlay in the zip or folder of them; empty where there is none.
        by_words: the score by words alone, where good parts have a say in `score`; else None.
        regions: its regions, the one with the highest peak first.
        size: (width, height) of the picture in whose pixels the regions are.
        note: what is odd about the image, or empty.
    """

    entry: Entry
    score: float
    verdict: str
    thumbnail: bytes
    overlay: str
    by_words: float | None = None
    regions: Sequence[Region] = ()
    size: tuple[int, int] = (0, 0)
    note: str = ""

    @classmethod
    def of(cls, scored: Scored, thumbnail: bytes = b"", overlay: str = "") -> "Row":
        seen, size = scored.inspection, scored.pixels.shape[1::-1]
        return cls(
            *(
                scored.entry,
                seen.score,
                seen.verdict,
                thumbnail,
                overlay,
                seen.by_words,
                seen.regions,
                size,
                scored.note,
            )
        )


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


CSV_HEADINGS = (
    *("file", "score", "verdict", "over_threshold", "threshold", "label", "overlay"),
    *("by_words", "regions", "boxes", "width", "height", "note"),
)


def to_csv(rows: Sequence[Row], threshold: float) -> bytes:
    """The rows as a CSV file that a spreadsheet opens rightly (UTF-8 with its mark) and harmlessly."""
    text = csv_line(CSV_HEADINGS) + "".join(csv_line(csv_cells(row, threshold)) for row in rows)
    return text.encode("utf-8-sig", "backslashreplace")


def csv_line(cells: Sequence) -> str:
    """A line of a CSV file. Every text is quoted, whatever sign the spreadsheet splits lines at."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_NONNUMERIC).writerow(cells)
    return line.getvalue()


def csv_cells(row: Row, threshold: float) -> tuple:
    """A row under CSV_HEADINGS; a text that a spreadsheet would take for a formula gets an apostrophe before it.

    "boxes" are those of the regions, "x0,y0,x1,y1 (peak)" each.
    """
    return (
        _harmless(row.entry.name),
        round(row.score, 6),
        row.verdict,
        "yes" if row.score > threshold else "no",
        round(threshold, 6),
        row.entry.label,
        _harmless(row.overlay),
        "" if row.by_words is None else round(row.by_words, 6),
        len(row.regions),
        listed(row.regions, REGIONS_IN_A_CELL),
        *row.size,
        _harmless(row.note),
    )


def _harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula.

    Spreadsheets pass over white space and what is invisible, and take full-width signs for the usual ones.
    """
    seen = unicodedata.normalize("NFKC", text)
    first = next((letter for letter in seen if not letter.isspace() and unicodedata.category(letter)[0] != "C"), "")
    return f"'{text}" if first in ("=", "+", "-", "@", "\N{MINUS SIGN}") else text


class EachPage:
    """Images, each page of one that has several as an image of its own: an `Entry`, and a `Page` or an InputError.

    Args:
        images: with a length, each with its pixels, its list of `Page`, or the InputError that says why it has none.
    """

    def __init__(self, images):
        self._images, self._more = images, 0

    def __len__(self) -> int:
        """How many there are, as far as is known: more with every file of several pages that is read."""
        return len(self._images) + self._more

    def __iter__(self) -> Iterator[tuple[Entry, Page | InputError]]:
        for entry, found in self._images:
            if isinstance(found, InputError):
                yield entry, found
                continue
            pages = [Page(found, [])] if isinstance(found, np.ndarray) else found
            self._more += len(pages) - 1
            for number, page in enumerate(pages, 1):
                name = f"{entry.name} (page {number} of {len(pages)})" if len(pages) > 1 else entry.name
                yield replace(entry, name=name), page


def scored(
    detector: Detector,
    images: Iterable[tuple[Entry, Page | InputError]],
    mode: str = "fast",
    ignore: Ignored | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[list[Scored | Skipped]]:
    """Scores images, a few at a time, in their order; no more than those few are in memory.

    Args:
        images: as `EachPage` gives them.
        mode, ignore: as for `Detector.inspect`.
        stopped: asked before an image is read; the images at hand are not scored then.
    """
    # On a CPU one a core, so that a stop need not wait for more.
    most = max(1, idle_cores()) if detector.backbone.device.type == "cpu" else BATCH
    chunk, pixels = [], 0
    for entry, found in () if stopped() else images:
        if stopped():
            return
        chunk.append((entry, found))
        pixels += 0 if isinstance(found, InputError) else found.pixels[..., 0].size
        if len(chunk) == most or pixels >= PIXELS_AT_ONCE:
            yield _scored(detector, chunk, mode, ignore)
            chunk, pixels = [], 0
    if chunk:
        yield _scored(detector, chunk, mode, ignore)


def _scored(detector: Detector, chunk: list, mode: str, ignore: Ignored | None) -> list[Scored | Skipped]:
    readable = [found.pixels for _, found in chunk if not isinstance(found, InputError)]
    seen = iter(() if ignore else detector.inspect(readable, mode))
    results: list[Scored | Skipped] = []
    for entry, found in chunk:
        try:
            if isinstance(found, InputError):
                raise found
            inspection = detector.inspect(found.pixels, mode, ignore) if ignore else next(seen)
            results.append(Scored(entry, found.pixels, inspection, " ".join(found.notes)))
        except InputError as error:  # also where a place to leave out does not fit this image
            results.append(Skipped(entry.name, str(error)))
    return results


class BatchScoring:
    """The scoring of a batch as an iterable of `BatchProgress`.

        scoring = BatchScoring(detector, ImageFiles(["nuts.zip"]), "overlays.zip")
        for progress in scoring:
            print(progress)
        scoring.rows

    Args:
        detector: a `Detector`.
        images: an `ImageFiles`, or any list that `EachPage` takes.
        overlays: where to write a zip of the images with their maps and regions over them; not written if not given.
        mode, ignore: as for `Detector.inspect`.

    Attributes:
        rows: list of `Row`, in the order of the images.
        skipped: list of `Skipped`: images that could not be read.
        seconds: spent so far.
    """

    def __init__(
        self,
        detector: Detector,
        images: ImageFiles | Sequence[tuple[Entry, np.ndarray | list[Page] | InputError]],
        overlays: str | Path | None = None,
        mode: str = "fast",
        ignore: Ignored | None = None,
    ):
        self.detector, self.images, self.overlays = detector, images, overlays
        self._mode, self._ignore = mode, ignore
        self.rows: list[Row] = []
        self.skipped: list[Skipped] = list(getattr(images, "skipped", ()))
        self.seconds = 0.0
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the scoring after the image at hand, from any thread; what was scored so far is kept."""
        self._stopped.set()

    def __iter__(self) -> Iterator[BatchProgress]:
        started, done, pages = time.perf_counter(), 0, EachPage(self.images)
        with zipfile.ZipFile(self.overlays or io.BytesIO(), "w") as archive:  # stored: a JPEG does not shrink
            yield BatchProgress(0, len(pages), 0.0)
            for chunk in scored(self.detector, pages, self._mode, self._ignore, self._stopped.is_set):
                self._keep(chunk, archive)
                done += len(chunk)
                self.seconds = time.perf_counter() - started
                yield BatchProgress(done, len(pages), self.seconds)

    def _keep(self, chunk: list[Scored | Skipped], archive: zipfile.ZipFile) -> None:
        self.skipped += [one for one in chunk if isinstance(one, Skipped)]
        found = [one for one in chunk if isinstance(one, Scored)]
        for one, (whole, thumbnail) in zip(found, side_by_side(self._pictures, found), strict=True):
            stem = re.sub(r"[^\w.-]+", "_", one.entry.name.rpartition(".")[0])[-80:]
            name = f"{len(self.rows) + 1:04d}_{stem}.jpg"
            if self.overlays is not None:
                archive.writestr(name, whole)
            self.rows.append(Row.of(one, thumbnail, name))

    def _pictures(self, one: Scored) -> tuple[bytes, bytes]:
        """Overlay, empty where it goes nowhere, and thumbnail of an image, as JPEG."""
        picture = overlay(one.pixels, one.inspection.map)
        whole = b""
        if self.overlays is not None:
            whole = _jpeg(Image.fromarray(outlined(picture, one.inspection.regions)))
        thumbnail = Image.fromarray(picture)
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        return whole, _jpeg(thumbnail, quality=70)


def _jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return file.getvalue()
