"""Images as a person names them on a command line: files, folders, zips, and patterns that the shell left alone."""

import glob
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from .archives import Entry, ImageFiles, Skipped
from .errors import InputError
from .file_names import is_image, is_litter
from .images import Page, read_pages
from .labels import labels
from .masks import is_mask_folder, masks_among


class GivenImages:
    """The images in what was given, in that order, a folder's by their paths; iterating reads them, one at a time.

    Each step gives an `Entry`, named by its path as it was given, and its pages or the InputError that says why it has
    none. What is given by its own name is read whatever its name; in folders and zips, images are told by their
    suffix. A file of the user's own has no limit but that of an image; a zip has those of `ImageFiles`.

    Args:
        given: paths and patterns.
        read: makes the pages of a path, or of the bytes of an entry of a zip, or raises InputError.
        apart: folders that are given beside one another say nothing about each other.

    Attributes:
        left_out: what is no photo: masks, and other files in folders and zips.
        failed: what is not scored and perhaps should be.
        files: paths of the files of all of it, zips among them.
    """

    def __init__(self, given: Iterable[str], read: Callable[..., list[Page]] = read_pages, *, apart: bool = False):
        self._read = read
        self._sources: list[str | tuple[str, ImageFiles]] = []  # a file, or a zip and what is in it
        self.left_out: list[Skipped] = []
        self.failed: list[Skipped] = []
        self.files: list[str] = []
        together: list[list[str]] = [[]]  # files whose folders say something about each other
        for text in given:
            before = len(self._sources)
            self._add(text)
            photos = [source for source in self._sources[before:] if isinstance(source, str)]
            if apart and os.path.isdir(text):
                together += [photos, []]
            else:
                together[-1] += photos
        self._labels = [label for photos in together for label in labels(_folders(photos))]  # a zip knows its own

    def __len__(self) -> int:
        return sum(1 if isinstance(source, str) else len(source[1]) for source in self._sources)

    def __iter__(self) -> Iterator[tuple[Entry, "np.ndarray | list[Page] | InputError"]]:
        damaged = iter(self._labels)
        for source in self._sources:
            if isinstance(source, str):
                yield Entry(source, next(damaged)), self._read_file(source)
            else:
                path, images = source
                for entry, found in images:
                    yield replace(entry, name=f"{path}/{entry.name}"), found

    def _read_file(self, path: str) -> "list[Page] | InputError":
        try:
            return self._read(path)
        except InputError as error:
            return error

    def _add(self, text: str) -> None:
        if os.path.isdir(text):
            self._add_folder(text)
        elif PurePath(text).suffix.lower() == ".zip" and os.path.isfile(text):
            self._add_zip(text)
        elif not os.path.lexists(text) and glob.has_magic(text):
            found = sorted(glob.glob(text, recursive=True))
            for path in found:
                self._add(path)
            if not found:
                self.failed.append(Skipped(text, "No file has a name of this pattern: check it."))
        else:
            self.files.append(text)
            self._sources.append(text)

    def _add_zip(self, path: str) -> None:
        self.files.append(path)
        try:
            images = ImageFiles([path], self._read, most_seconds=math.inf)
        except InputError as error:
            self.failed.append(Skipped(path, str(error)))
            return
        for one in images.skipped:
            kept = self.left_out if one.by_place or not is_image(one.name) else self.failed
            kept.append(Skipped(f"{path}/{one.name}", one.reason))
        self._sources.append((path, images))

    def _add_folder(self, folder: str) -> None:
        before = len(self._sources)
        unreadable: list[OSError] = []
        for place, names in _folders_in(folder, unreadable.append):
            among = PurePath(os.path.relpath(place, folder)).parts
            images = {name for name in names if is_image(name)}
            masks = images if any(map(is_mask_folder, among)) else masks_among(images)
            for name in names:
                path = os.path.join(place, name)
                if name not in images:
                    self.left_out.append(Skipped(path, "Not an image by its name."))
                elif name in masks:
                    self.left_out.append(Skipped(path, "A mask, by its name or its folder, is no photo."))
                else:
                    self.files.append(path)
                    self._sources.append(path)
        for error in unreadable:
            self.failed.append(Skipped(str(error.filename), f"The folder cannot be read: {error.strerror}."))
        if len(self._sources) == before and not unreadable:
            self.failed.append(Skipped(folder, "There is no image in this folder: give another one, or files."))


def _folders_in(folder: str, on_error: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """A folder and those below it, by name, each with the names of its files, without litter.

    Links are followed, but no folder is entered twice.
    """
    entered = set()
    for path, folders, names in os.walk(folder, onerror=on_error, followlinks=True):
        place = os.path.realpath(path)
        if place in entered:
            folders.clear()
            continue
        entered.add(place)
        folders[:] = sorted(name for name in folders if not is_litter(name))
        yield path, sorted(name for name in names if not is_litter(name))


def _folders(paths: list[str]) -> list[tuple[str, ...]]:
    """The folders that lead to each file, below what all of them have in common: a user's own folders say nothing."""
    parents = [Path(os.path.abspath(path)).parent for path in paths]
    try:
        common = os.path.commonpath(parents) if parents else ""
    except ValueError:  # on several drives of Windows
        return [parent.parts for parent in parents]
    return [parent.relative_to(common).parts for parent in parents]
