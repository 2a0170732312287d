"""Many images from files and zips: listed first, then read one at a time.

A zip is hostile until checked. Nothing of it is ever unpacked to disk, no name in it is used as a path, and whatever
it claims about sizes is not believed: what is read of it is counted while it is read.
"""

import copy
import io
import re
import stat
import struct
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from .errors import InputError
from .file_names import is_image, is_litter
from .image_headers import KNOWN, SUFFIXES
from .images import Page, pixel_count, read_image
from .labels import labels, taken_for
from .masks import is_mask_folder, masks_among
from .zip_names import names_of

MAX_IMAGES = 1000
MAX_ENTRIES = 10_000  # of all zips together, folders and what is no image among them
MAX_LIST = 4 * 2**20  # bytes of a zip's list of entries, which is held in memory as a whole
MAX_ENTRY = 32 * 2**20  # bytes of an image in a zip, unpacked
MAX_TOTAL = 2 * 2**30  # bytes of all images in zips, unpacked
MAX_PIXELS = 16_000_000_000  # of all images of a batch: 1,000 photos of 16 megapixels
MAX_SECONDS = 3600.0  # that a batch may take, reading and scoring
MAX_RATIO = 200  # times that an entry may grow when it is unpacked, if to more than PIECE; images are packed already
PIECE = 2**20  # bytes unpacked at a time
LONGEST_NAME = 120  # characters of a name as it is shown

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may ask for gigabytes before the first byte


@dataclass(frozen=True)
class Entry:
    """An image of a batch before it is read.

    Attributes:
        name: for a person: the file's name, or its path in the zip; printable, at most LONGEST_NAME characters.
        damaged: its label by its folders in the zip, None where they do not tell; see `labels`.
    """

    name: str
    damaged: bool | None = None

    @property
    def label(self) -> str:
        """ "normal", "damaged", or "" where it is not known."""
        return {False: "normal", True: "damaged", None: ""}[self.damaged]


@dataclass(frozen=True)
class Skipped:
    """A file that is not scored, and a sentence that says why.

    Attributes:
        by_place: whether nothing is wrong with it but that it lies among masks, or among damaged images.
    """

    name: str
    reason: str
    by_place: bool = False


class ImageFiles:
    """The images in files and zips; iterating reads them, one at a time.

    Each step of the iteration gives an `Entry` and its (H, W, 3) uint8 pixels, or the InputError that says why it has
    none. What can be told without reading is not listed at all but in `skipped`; the litter of file managers is in
    neither. Over MAX_IMAGES pages in all, what follows is not read.

    Args:
        paths: of images, or of zips by the suffix .zip.
        read: makes the pixels of a path, or of the bytes of an entry, or a list of its pages, or raises InputError.
        most_seconds: from the first image to the last, with what is done in between; what is left then is not read.
        intact_only: whether those that their folders label damaged are skipped.

    Attributes:
        entries: list of `Entry`, in the order of the files.
        skipped: list of `Skipped`.

    Raises:
        InputError: there is no image in them, or they are over MAX_IMAGES or MAX_ENTRIES.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        read: Callable[[str | Path | bytes], np.ndarray | list[Page]] = read_image,
        most_seconds: float = MAX_SECONDS,
        intact_only: bool = False,
    ):
        self._read, self._most_seconds = read, most_seconds
        self._sources: list[tuple[Path, zipfile.ZipInfo | None]] = []
        self.entries: list[Entry] = []
        self.skipped: list[Skipped] = []
        places: list[list[str]] = []  # the folders of each entry
        seen = 0
        for number, path in enumerate(map(Path, paths)):
            infos = self._zip_infos(path) if path.suffix.lower() == ".zip" else [None]
            seen += len(infos)
            if seen > MAX_ENTRIES:
                raise InputError(f"There are over {MAX_ENTRIES:,} files in this batch: score it in several parts.")
            names = [path.name] if infos == [None] else names_of(infos)
            masks = _masks_in(names) if infos != [None] else set()
            for name, info in zip(names, infos):
                self._list(path, name, info, masks, places, number)
        found = labels(places)
        if intact_only:
            found = self._without_damaged(places, found)
        self.entries = [replace(entry, damaged=label) for entry, label in zip(self.entries, found)]
        if len(self) > MAX_IMAGES:
            raise InputError(f"There are {len(self):,} images in this batch, and the limit is {MAX_IMAGES:,}: score it "
                             "in several parts.")  # fmt: skip
        if not self.entries:
            first = "".join(f" {one.name!r}: {one.reason}" for one in self.skipped[:1])
            raise InputError(f"There is no image to score: give image files, or a zip of them.{first}")

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[Entry, "np.ndarray | list[Page] | InputError"]]:
        unpacking, pixels, pages, started = _Unpacking(), 0, 0, time.perf_counter()
        for path, group in groupby(zip(self.entries, self._sources, strict=True), key=lambda pair: pair[1][0]):
            with ExitStack() as stack:
                archive = None
                for entry, (_, info) in group:
                    try:
                        if time.perf_counter() - started > self._most_seconds:
                            raise _rest(f"{self._most_seconds / 60:.0f} minutes")
                        if pixels > MAX_PIXELS:
                            raise _rest(f"{MAX_PIXELS // 10**6:,} megapixels")
                        if pages >= MAX_IMAGES:
                            raise _rest(f"{MAX_IMAGES:,} pages")
                        if info is not None and archive is None:
                            archive = stack.enter_context(_open_zip(path))
                        source = path if info is None else unpacking.read(archive, info)
                        of_first = pixel_count(source)
                        pixels += of_first
                        found = self._read(source)
                        if isinstance(found, list):
                            pixels += of_first * (len(found) - 1)
                            pages += len(found)
                    except InputError as error:
                        found = error
                    yield entry, found

    def only(self, numbers: Sequence[int]) -> "ImageFiles":
        """The same files, of which only the entries of these numbers are read."""
        some = copy.copy(self)
        some.entries = [self.entries[number] for number in numbers]
        some._sources = [self._sources[number] for number in numbers]
        return some

    def _zip_infos(self, path: Path) -> list[zipfile.ZipInfo]:
        """The entries of a zip, or none and a word in `skipped` where it has no list of them that can be read."""
        try:
            with _open_zip(path) as archive:
                _check_apart(archive)
                return archive.infolist()
        except InputError as error:
            self.skipped.append(Skipped(_shown(path.name), str(error)))
            return []

    def _list(
        self,
        path: Path,
        name: str,
        info: zipfile.ZipInfo | None,
        masks: set[str],
        places: list[list[str]],
        number: int,
    ) -> None:
        *folders, base = name.split("/")
        if any(map(is_litter, (*folders, base))) or (info is not None and name.endswith("/")):
            return
        if reason := _reason_to_skip(name, folders, base, info):
            self.skipped.append(Skipped(_shown(name), reason))
        elif name in masks:
            self.skipped.append(Skipped(_shown(name), "A mask, by its name or its folder, is no photo.", by_place=True))
        else:
            self._sources.append((path, info))
            self.entries.append(Entry(_shown(name)))
            places.append([f"{number}:", *folders])  # a folder of one zip is not beside one of another

    def _without_damaged(self, places: list[list[str]], found: list[bool | None]) -> list[bool | None]:
        """Skips the entries that are labelled damaged, and gives the labels of the others. Raises InputError."""
        kept = [not damaged for damaged in found]
        if self.entries and not any(kept):
            raise InputError(
                "None of these images is normal by its folder: give others, or another folder. Taken were "
                f"{taken_for(places, found)}."
            )
        self.skipped += [
            Skipped(entry.name, "Its folder labels it damaged, and only intact ones are taken here.", by_place=True)
            for entry, keep in zip(self.entries, kept)
            if not keep
        ]
        self._sources = [source for source, keep in zip(self._sources, kept) if keep]
        self.entries = [entry for entry, keep in zip(self.entries, kept) if keep]
        return [damaged for damaged in found if not damaged]


def _rest(limit: str) -> InputError:
    return InputError(f"The batch's limit of {limit} was reached: score the rest in another batch.")


def _reason_to_skip(name: str, folders: list[str], base: str, info: zipfile.ZipInfo | None) -> str | None:
    suffix = Path(base).suffix.lower()
    if suffix == ".zip":
        return "A zip within a zip is not opened: give it by itself."
    if suffix not in SUFFIXES:
        return f"Not an image by its name; give {KNOWN} files."
    if info is None:
        return None
    if name.startswith("/") or ".." in folders or re.match("[A-Za-z]:", name):
        return "Its path leads out of the zip: make the zip of a folder, without absolute paths."
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "A link or a special file is not followed: put the image itself into the zip."
    if info.flag_bits & 0x1:
        return "It is encrypted: make the zip without a password."
    if info.compress_type not in METHODS:
        return "It is packed in a rare way: make the zip with the method deflate, the usual one."
    return None


def _masks_in(names: list[str]) -> set[str]:
    """The paths in a zip that are of masks: in folders of masks, or beside their photo."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, _, base = name.rpartition("/")
        if is_image(base):
            folders.setdefault(folder, []).append(base)
    return {
        f"{folder}/{base}" if folder else base
        for folder, images in folders.items()
        for base in (images if any(map(is_mask_folder, folder.split("/"))) else masks_among(images))
    }


def _shown(name: str) -> str:
    """A name without what can't be printed or turns the direction of writing, and not too long."""
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]


class _CappedReader(io.BufferedReader):
    """A file that never gives more than MAX_LIST bytes at once: `zipfile` reads a list of entries as a whole."""

    def read(self, size: int | None = -1) -> bytes:
        wanted = MAX_LIST + 1 if size is None or size < 0 else size
        if wanted > MAX_LIST + 1 or len(data := super().read(wanted)) > MAX_LIST:
            raise InputError(f"The zip's list of entries is over {MAX_LIST >> 20} MB: make several zips of it.")
        return data


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at a path, with its list of entries read. Raises InputError."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(_CappedReader(io.FileIO(path)))))
        except InputError:
            raise
        except FileNotFoundError:
            raise InputError("The zip is no longer there: upload it again.") from None
        except Exception:  # a parser of hostile data fails in many ways, and each one means the same to the user
            raise InputError("The zip is damaged, cut short, or no zip: make or download it again.") from None
        yield archive


def _check_apart(archive: zipfile.ZipFile) -> None:
    """Makes sure that no two entries share bytes: a few bytes could stand for thousands of images.

    Raises:
        InputError: they do, or one lies outside the zip.
    """
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise InputError("Entries of the zip share their bytes, as no program packs them: make the zip again.")
        end = info.header_offset + 30 + info.compress_size
        if end <= archive.start_dir:
            archive.fp.seek(info.header_offset)
            end += sum(struct.unpack("<HH", archive.fp.read(30)[26:]))  # the name in front of it, and what is added
        if end > archive.start_dir:
            raise InputError("The zip is damaged: an entry reaches beyond its end. Make or download it again.")


class _Unpacking:
    """Reads entries, and counts the bytes of all of them together, whatever becomes of them."""

    def __init__(self):
        self._left = MAX_TOTAL

    def read(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        limit = min(MAX_ENTRY, max(PIECE, MAX_RATIO * info.compress_size))
        data = bytearray()
        try:
            with archive.open(info) as file:
                while piece := file.read(PIECE):
                    data += piece
                    self._left -= len(piece)
                    if len(data) > limit or self._left < 0:
                        raise InputError(
                            f"Unpacked, it is over what is taken: {MAX_ENTRY >> 20} MB an image, {MAX_RATIO} times its "
                            f"size in the zip, {MAX_TOTAL >> 30} GB in all. Save it as JPEG or PNG."
                        )
        except InputError:
            raise
        except Exception:  # as in _open_zip
            raise InputError("It is damaged or cut short in the zip: make the zip again.") from None
        return bytes(data)
