"""The pictures of a batch, kept small for an hour, so that a row can be opened large."""

import base64
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from page.batch_report import Result
from page.selection import Photo
from page.shared import read_photo_pages
from zsad_core.archives import Entry, ImageFiles
from zsad_core.errors import InputError
from zsad_core.images import Page

LARGE_ROW = """<dialog aria-label="A row of the batch"><header><h3></h3><span class="label"></span>
<button type="button" data-step="-1" aria-label="The row before">↑</button>
<button type="button" data-step="1" aria-label="The next row">↓</button>
<button type="button" data-inspect>Show in Inspect</button>
<button type="button" data-close aria-label="Close">×</button></header>
<div class="pair"><figure><img class="clean" alt="The image"><figcaption>as it is</figcaption></figure>
<figure><img class="overlay" alt="The image with its anomaly map"><figcaption>with its map</figcaption></figure></div>
<p><b class="score"></b> <span class="says"></span> <small></small></p></dialog>"""
LARGE = 640  # pixels, the longer side of a kept picture


class KeepsPictures:
    """Images on their way to the scoring: each that can be read is also written into a zip, reduced, by its number.

    Attributes:
        path: of the zip. places: of each that could be read, its number among the images and that of its page.
    """

    def __init__(self, images: ImageFiles | Sequence, path: Path):
        self._images, self.path, self.places = images, path, []
        self.skipped = getattr(images, "skipped", ())

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[tuple[Entry, "np.ndarray | InputError"]]:
        number = 0
        with zipfile.ZipFile(self.path, "w") as archive:  # stored: a JPEG does not shrink
            for place, (entry, found) in enumerate(self._images):
                pages = [] if isinstance(found, InputError) else found if isinstance(found, list) else [Page(found, [])]
                for of_page, page in enumerate(pages):  # a row each
                    archive.writestr(str(number), _small(page.pixels))
                    self.places.append((place, of_page))
                    number += 1
                yield entry, found


def large_row(result: Result, number: int) -> dict:
    """What the page shows of a row: its number, name, label and score, the image, and the image with its map over it.

    Raises:
        InputError: there is no such row, or its pictures are no longer kept.
    """
    if not 0 <= number < len(result.rows):
        raise InputError(f"There is no row {number}: press one of those shown.")
    row = result.rows[number]
    try:
        with zipfile.ZipFile(result.pictures) as pictures, zipfile.ZipFile(result.overlays) as overlays:
            clean, overlay = pictures.read(str(number)), overlays.read(row.overlay)
    except (OSError, KeyError, zipfile.BadZipFile):
        raise InputError("The pictures of this batch are no longer kept: score it again.") from None
    return {
        "row": number,
        "file": row.entry.name,
        "label": row.entry.label,
        "score": row.score,
        "clean": _address(clean),
        "overlay": _address(overlay),
    }


def row_as_photo(result: Result, number: int, samples: Sequence[str]) -> str | Photo:
    """The image of a row as it was scored: one of the samples by its name, or read again from its file.

    Raises:
        InputError: there is no such row, or its file is no longer kept.
    """
    if not 0 <= number < len(result.rows):
        raise InputError(f"There is no row {number}: press one of those shown.")
    place, of_page = result.places[number]
    if result.of_samples:
        return samples[place]
    files = ImageFiles(result.paths, read_photo_pages)
    ((_, found),) = files.only([place]) if place < len(files) else ((None, InputError("The file is gone.")),)
    if isinstance(found, InputError):
        raise InputError("The image of this row is no longer kept: score the batch again.") from found
    return Photo(found[of_page].pixels, result.rows[number].entry.name)


def _small(pixels: np.ndarray) -> bytes:
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((LARGE, LARGE))
    picture.save(file, "jpeg", quality=85)
    return file.getvalue()


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
