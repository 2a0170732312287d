"""Where `python -m zsad_core inspect` puts what it finds, image by image: terminal, CSV file, folders of pictures."""

import contextlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from .batch import CSV_HEADINGS, Row, csv_cells, csv_line
from .command_line import json_line
from .detector import Detector
from .errors import InputError
from .verdict import DECIMALS, NEUTRAL, VERDICTS

WIDTH = max(len(words) for _, words in VERDICTS)
LONGEST_STEM = 180  # bytes; a name may have 255 on most disks, and something is put behind it


def table_line(row: Row, threshold: float | None) -> str:
    """A row for a person; whether it is over the threshold only where one was given."""
    over = "" if threshold is None else "over   " if row.score > threshold else "under  "
    return f"{row.score:.{DECIMALS}f}  {row.verdict:<{WIDTH}}  {over}{row.entry.name}"


def json_text(row: Row, threshold: float, detector: Detector) -> str:
    """A row as one JSON object on one line."""
    fields = {
        "image": row.entry.name,
        "score": row.score,
        "verdict": row.verdict,
        "neutral": NEUTRAL,
        "threshold": threshold,
        "over_threshold": row.score > threshold,
        "label": row.entry.label or None,
        "regions": [region.to_dict() for region in row.regions],
        "width": row.size[0],
        "height": row.size[1],
        "product": detector.product,
        "backbone": detector.backbone.name,
    }
    if detector.good_parts:
        fields |= {"good_parts": detector.good_parts, "by_words": row.by_words}
    if row.overlay:
        fields["overlay"] = row.overlay
    if row.note:
        fields["note"] = row.note
    return json_line(fields)


class CsvFile:
    """A CSV file that grows with every row, so that nothing is lost where a run is stopped.

    Raises:
        InputError: it is one of the files that were given, or cannot be written.
    """

    def __init__(self, path: str, threshold: float, given: Iterable[str]):
        refuse_replacing(path, "table", given)
        self._path, self._threshold = path, threshold
        try:
            self._file = open(path, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
            raise self._unwritable(error) from None
        self._write(CSV_HEADINGS)

    def add(self, row: Row) -> None:
        self._write(csv_cells(row, self._threshold))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # every line was written out before
            self._file.close()

    def _write(self, cells) -> None:
        try:
            self._file.write(csv_line(cells))
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> InputError:
        said = getattr(error, "strerror", None) or error
        return InputError(f"The table {self._path!r} cannot be written: {said}. Choose another place.")


class PictureFolder:
    """Writes a PNG for each image into a folder: "NAME.overlay.png" where the kind is "overlay".

    A name that another image of this run has gets a number behind it, and no file that was given is replaced.

    Raises:
        InputError: the folder cannot be made.
    """

    def __init__(self, folder: str, kind: str, given: Iterable[str]):
        self._folder, self._kind = Path(folder), kind
        self._taken = _places(given)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise InputError(f"The folder {folder!r} cannot be made: {said}. Choose another one.") from None

    def write(self, name: str, pixels: np.ndarray) -> str:
        """Writes the picture of the image of this name, and gives the name of its file. Raises InputError."""
        stem, number = _stem(name), 1
        path = self._folder / f"{stem}.{self._kind}.png"
        while _place(path) in self._taken:
            number += 1
            path = self._folder / f"{stem}.{number}.{self._kind}.png"
        self._taken.add(_place(path))
        # Put in its place at once: half a picture is never left, and a link that lies there is not followed.
        unfinished = self._folder / f".{path.name}.{os.getpid()}"
        try:
            with open(unfinished, "xb") as file:
                Image.fromarray(pixels).save(file, "png")
            os.replace(unfinished, path)
        except OSError as error:
            raise InputError(f"The {self._kind} {path} cannot be written: {error.strerror or error}.") from None
        finally:
            unfinished.unlink(missing_ok=True)
        return path.name


def _stem(name: str) -> str:
    """What of an image's name goes into that of a file, on every system: no folder, drive, stream or control."""
    base = PurePosixPath(name.replace(os.sep, "/")).name
    page = re.search(r" \(page \d+ of \d+\)$", base)
    stem = PurePosixPath(base[: page.start()]).stem + page[0] if page else PurePosixPath(base).stem
    stem = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", stem)
    while len(os.fsencode(stem)) > LONGEST_STEM:
        stem = stem[:-1]
    return stem


def refuse_replacing(path: str, what: str, given: Iterable[str]) -> None:
    """Raises InputError where what is to be written would replace a file that was given."""
    if _place(Path(path)) in _places(given):
        raise InputError(f"The {what} {path!r} would replace a file that was given: choose another name.")


def _places(files: Iterable[str]) -> set[str]:
    """The places of files, and of what those of them that are links lead to."""
    paths = [Path(file) for file in files]
    return {_place(path) for path in paths} | {_place(Path(os.path.realpath(path))) for path in paths}


def _place(path: Path) -> str:
    """What tells files apart on every machine: Windows and macOS take "Nut.png" and "nut.png" for one.

    A link that lies in a folder is a file of its own, which is replaced and not followed.
    """
    try:
        return str(path.parent.resolve() / path.name).casefold()
    except (OSError, ValueError):
        return str(path).casefold()


def say(line: str) -> None:
    """A line on stderr, above the progress bar where there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        print(line, file=sys.stderr)
