"""A folder on disk as it is searched for data: links followed, loops ended, litter left out, photos told from masks.

A file whose name holds back-slashes, as some programs unpack zips of Windows, lies in the folders that it names.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from ..file_names import is_image, is_litter, stem
from ..masks import is_mask_folder, masks_among
from .folder_names import DEPTH

MOST_FILES = 1_000_000
DEEPEST = 30  # folders within one another


@dataclass(frozen=True)
class Photo:
    """An image that is no mask.

    Attributes:
        folders: that lead to it from the folder that is searched.
        name: as it is listed.
        path: its file, at the end of all links.
    """

    folders: tuple[str, ...]
    name: str
    path: Path

    def below(self, folder: "Folder") -> str:
        """Its name within a folder, such as "scratch/000.png"."""
        return "/".join((*self.folders[len(folder.place) :], self.name))


@dataclass(eq=False)
class Folder:
    """A folder and what lies in it.

    Attributes:
        name: of the folder.
        place: the names of the folders that lead to it, its own last; () of the one that is searched.
        files, folders: by name; of a file its path at the end of all links.
        parent: None of the one that is searched.
        unread: sentences on what could not be listed; of the one that is searched.
    """

    name: str
    place: tuple[str, ...] = ()
    parent: "Folder | None" = None
    files: dict[str, Path] = field(default_factory=dict)
    folders: dict[str, "Folder"] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def home(self) -> "Folder":
        """The folder it lies in; of the one that is searched itself."""
        return self.parent or self

    def walk(self) -> Iterator["Folder"]:
        """This folder and all below it, by name."""
        yield self
        for name in sorted(self.folders):
            yield from self.folders[name].walk()

    def images(self) -> dict[str, Path]:
        """Name -> path of its files that are images by their names, masks among them."""
        return {name: self.files[name] for name in sorted(self.files) if is_image(name)}

    def own_photos(self) -> list[Photo]:
        """Those that lie directly in it, by name: not the masks that lie beside them."""
        images = self.images()
        masks = masks_among(images)
        return [Photo(self.place, name, path) for name, path in images.items() if name not in masks]

    def photos(self) -> list[Photo]:
        """Those in it and below it, by folder and name: none of folders that hold masks or depth."""
        if is_mask_folder(self.name) and self.parent:
            return []
        inner = [self.folders[name] for name in sorted(self.folders) if name.lower() not in DEPTH]
        return self.own_photos() + [photo for folder in inner for photo in folder.photos()]

    def masks(self) -> Iterator[tuple[tuple[str, ...], str, Path]]:
        """Folders, stem and path of every mask in it and below it: in folders of masks, and beside their photos."""
        for folder in self.walk():
            images = folder.images()
            within = any(map(is_mask_folder, folder.place))
            for name in images if within else masks_among(images):
                yield folder.place, stem(name), images[name]

    def file(self, *names: str) -> Path | None:
        """The file that these names lead to, None if there is none."""
        folder = self
        for name in names[:-1]:
            if name not in folder.folders:
                return None
            folder = folder.folders[name]
        return folder.files.get(names[-1])

    def descend(self, names: list[str]) -> "Folder":
        """The folder of these names below it, made where there is none."""
        folder = self
        for name in names:
            if name not in folder.folders:
                folder.folders[name] = Folder(name, (*folder.place, name), folder)
            folder = folder.folders[name]
        return folder


def read_tree(root: Path) -> Folder:
    """Everything below a folder. A folder that several links lead to is listed once.

    Raises:
        InputError: there are over MOST_FILES files.
    """
    root = root.resolve()
    tree = Folder(root.name)
    seen, count = set(), 0
    waiting = [(tree, root)]  # folders come before links, which wait in front of them
    while waiting:
        folder, real = waiting.pop()
        if real in seen:
            continue
        seen.add(real)
        if len(folder.place) > DEEPEST:
            tree.unread.append(f"The folder {'/'.join(folder.place)!r:.80} is over {DEEPEST} folders deep: not read.")
            continue
        try:
            with os.scandir(real) as listed:
                entries = sorted(listed, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            tree.unread.append(f"The folder {'/'.join(folder.place)!r} cannot be read: {error.strerror}.")
            continue
        for entry in entries:
            count += 1
            if count > MOST_FILES:
                raise InputError(f"There are over {MOST_FILES:,} files below {root.name!r}: give a folder of fewer.")
            *places, base = entry.name.replace("\\", "/").split("/")
            if not base or any(map(is_litter, (*places, base))):
                continue
            link = entry.is_symlink()
            target = Path(os.path.realpath(entry.path)) if link else Path(entry.path)
            if not (target.is_dir() if link else entry.is_dir()):
                folder.descend(places).files[base] = target
            elif not link:
                waiting.append((folder.descend([*places, base]), target))
            elif target not in (real, *real.parents):
                waiting.insert(0, (folder.descend([*places, base]), target))
    return tree
