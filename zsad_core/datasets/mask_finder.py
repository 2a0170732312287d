"""Which mask belongs to which photo: by the names of both and of the folders they lie in."""

from functools import lru_cache
from pathlib import Path

from ..file_names import stem
from ..masks import is_mask_folder, masked_stem
from .folder_names import is_of_photos, is_split
from .tree import Folder, Photo

Key = tuple[tuple[str, ...], str]  # folders without those that say nothing, and stem, in small letters


class MaskFinder:
    """The masks below a folder, found by their photos.

    "ground_truth/scratch/000_mask.png" belongs to "test/scratch/000.png", and so do "test/scratch/gt/000.tif",
    "test/scratch/000_GT.png" and, if no nearer one is there, "masks/000.bmp"; and all that lie in the folder
    "ground_truth/scratch/000".
    """

    def __init__(self, tree: Folder):
        self._paths: dict[Key, Path] = {}
        ending: dict[Key, Path] = {}
        several: dict[Key, Path] = {}
        self._inside: dict[Path, list[Path]] = {}  # folder -> masks
        for folders, name, path in tree.masks():
            place, name = _plain(folders), name.casefold()
            self._paths.setdefault((place, name), path)
            ending.setdefault((place, masked_stem(name)), path)
            if place and not is_mask_folder(folders[-1]):
                several.setdefault((place[:-1], place[-1]), path.parent)
                self._inside.setdefault(path.parent, []).append(path)
        self._paths = several | ending | self._paths  # a mask of just this name comes first, and a folder last

    def find(self, photo: Photo) -> Path | None:
        """The mask of a photo, or the folder of its masks; None where there is none."""
        whole = _plain(photo.folders)
        short = tuple(name for name in whole if not is_split(name))
        own = stem(photo.name).casefold()
        for place in (whole, short, short[:-1]):
            mask = self._paths.get((place, own))
            if mask is not None and mask != photo.path:
                return mask
        return None

    def files(self, mask: Path) -> list[Path]:
        """The files of what `find` gave."""
        return self._inside.get(mask, [mask])


@lru_cache(1000)  # many images lie in one folder
def _plain(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in folders if not is_mask_folder(name) and not is_of_photos(name))
