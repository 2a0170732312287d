"""Labelled inspection images on disk, read where they lie, in whatever layout their data set has.

A layout is a function in a file of its own here: given a folder, it gives the categories of which this folder is the
home, or none; one without samples has but notes on what is wrong. To add a layout, write it and put it into `LAYOUTS`;
what an earlier one has read is no longer there for it.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..labels import NORMAL_FOLDERS
from ..masks import is_mask_folder
from .aebad import read_aebad
from .category import UNNAMED, Category, Sample, counted, spelled
from .folder_names import DEPTH, is_hidden_test
from .good_and_bad import read_good_and_bad
from .labelled_by_masks import read_labelled_by_masks
from .mask_finder import MaskFinder
from .mvtec import read_mvtec
from .real_iad import read_real_iad
from .rendered import INDEX, RENDERED_NAMES, read_rendered
from .tree import Folder, Photo, read_tree
from .visa import read_visa

__all__ = ["LAYOUTS", "RENDERED_NAMES", "Category", "Found", "Sample", "find_categories", "read_dataset", "spelled"]

LAYOUTS: tuple[Callable[[Folder, MaskFinder], list[Category]], ...] = (
    read_visa,
    read_rendered,
    read_real_iad,
    read_aebad,
    read_mvtec,
    read_good_and_bad,
    read_labelled_by_masks,
)
MOST_NAMED = 8  # folders that nobody could read, as they are named to a person


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Attributes:
        categories: in the order of their data sets and names.
        notes: sentences on what was not read, and why.
    """

    categories: tuple[Category, ...]
    notes: tuple[str, ...]


def read_dataset(root: str | Path) -> list[Category]:
    """Every category in a folder, as `find_categories` finds them."""
    return list(find_categories(root).categories)


def find_categories(root: str | Path, products: Mapping[str, str] | None = None) -> Found:
    """Every category at or below a folder, in all layouts that are known; no image is in two of them.

    Args:
        products: name of a category -> its product in words, where its name does not say it, as "01" does not.
    Raises:
        InputError: no such folder, or no data in it that can be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no folder {root.name!r}: give the folder of a data set.")
    tree = read_tree(root)
    reading = _Reading(tree)
    categories = _with_data_sets([_in_words(one, products or {}) for one in reading.categories], tree.name)
    if not categories:
        if reading.errors:
            raise InputError(reading.errors[0])
        unused_table = [f"Its {INDEX} names no pairs of renders."] if (root / INDEX).is_file() else []
        raise InputError(
            f"There is no data below {tree.name!r}: one of the folders of its images should be normal "
            f"({', '.join(NORMAL_FOLDERS)}), as in <product>/test/good/*.png, or a table should label them. "
            + " ".join([*unused_table, *reading.unread()])
        )
    return Found(tuple(categories), (*tree.unread, *reading.errors, *reading.unread()))


class _Reading:
    """Asks every layout about every folder, and keeps apart what has been read already.

    Attributes:
        categories: those that were found.
        errors: sentences on tables that could not be used.
    """

    def __init__(self, tree: Folder):
        self._tree, self._masks = tree, MaskFinder(tree)
        self._holders = {  # path -> folder and name
            path: (folder, name) for folder in tree.walk() for name, path in folder.images().items()
        }
        self._homes: set[tuple[str, ...]] = {()}  # folders in or below which something was read
        self._tested: set[Path] = set()
        self._for_training: set[Path] = set()
        self.categories: list[Category] = []
        self.errors: list[str] = []
        for layout in LAYOUTS:
            for folder in tree.walk():
                try:
                    found = layout(folder, self._masks)
                except InputError as error:
                    self.errors.append(str(error))
                    continue
                for category in found:
                    if category.samples:
                        self._take(category)
                    else:
                        self.errors += category.notes

    def unread(self) -> list[str]:
        """Sentences on the images that are in no category, those of the fullest folders first."""
        known = self._tested | self._for_training
        left: Counter[tuple[str, str]] = Counter()  # folder and why -> images
        for folder in self._tree.walk():
            if unread := sum(path not in known for path in folder.images().values()):
                left[_named_for(folder, self._homes), _why_not(folder)] += unread
        order = left.most_common()
        named = [
            f"{counted(count, 'image')} in {place!r} {'is' if count == 1 else 'are'} {why}."
            for (place, why), count in order[:MOST_NAMED]
        ]
        if rest := order[MOST_NAMED:]:
            named.append(f"{counted(sum(count for _, count in rest), 'image')} in {len(rest)} more folders: not read.")
        return named

    def _take(self, category: Category) -> None:
        samples = self._new(category.samples, self._tested | self._for_training, self._tested)
        training = self._new(category.training, self._tested, self._for_training)  # which categories may share
        intact = tuple(sample for sample in training if not sample.damaged)
        notes = category.notes
        if unused := len(training) - len(intact):
            notes += (f"Not used: {counted(unused, 'damaged image')} for training.",)
        if samples:
            self.categories.append(replace(category, samples=samples, training=intact, notes=notes))

    def _new(self, samples: Iterable[Sample], known: Set[Path], read: set[Path]) -> tuple[Sample, ...]:
        """Those that are not known yet, by whatever link; no other layout sees them again, nor their masks."""
        new: dict[Path, Sample] = {}
        for sample in samples:
            path = sample.path if sample.path in self._holders else Path(os.path.realpath(sample.path))
            if path not in known:
                new.setdefault(path, sample)
            if path in self._holders:
                folder, name = self._holders[path]
                mask = sample.mask_path or self._masks.find(Photo(folder.place, name, path))
                for file in (path, *(self._masks.files(mask) if mask else ())):
                    self._forget(file)
        read |= new.keys()
        return tuple(new.values())

    def _forget(self, path: Path) -> None:
        """Takes a file out of the tree."""
        if path in self._holders:
            folder, name = self._holders.pop(path)
            del folder.files[name]
            self._homes.update(folder.place[:depth] for depth in range(len(folder.place) + 1))


def _named_for(folder: Folder, homes: Set[tuple[str, ...]]) -> str:
    """How the folder of images that were not read is named to a person: the highest in which nothing was read."""
    if folder.name.lower() in DEPTH:
        return folder.name
    while folder.parent and folder.parent.place not in homes:
        folder = folder.parent
    return "/".join(folder.place) or folder.name


def _why_not(folder: Folder) -> str:
    if any(map(is_mask_folder, folder.place)):
        return "of masks that belong to no image"
    if folder.name.lower() in DEPTH:
        return "of distances, and no photo"
    if any(map(is_hidden_test, folder.place)):
        return "without labels, which their data set keeps to itself"
    return "in no layout that is known"


def _in_words(category: Category, products: Mapping[str, str]) -> Category:
    """The category with the product that was given for its name; a note where it has none."""
    if category.name in products:
        return replace(category, product=products[category.name])
    if category.product != UNNAMED:
        return category
    note = (
        f"{category.name!r} names no product, so it is called {UNNAMED!r}: name it with --products "
        f"{category.name}=tile, if it is a tile."
    )
    return replace(category, notes=(*category.notes, note))


def _with_data_sets(categories: list[Category], root: str) -> list[Category]:
    """The categories in order, with the names of their data sets: the folder searched, or where each one lies in it."""
    homes = {category.place for category in categories}
    last = Counter(home[-1] if home else root for home in homes)
    named: list[Category] = []
    seen: Counter[tuple[str, str]] = Counter()
    for category in sorted(categories, key=lambda one: one.place):
        home = category.place
        plain = home[-1] if home else root
        dataset = root if len(homes) == 1 else plain if last[plain] == 1 else " ".join(home) or root
        seen[dataset, category.name] += 1
        name = category.name if seen[dataset, category.name] == 1 else f"{category.name} {seen[dataset, category.name]}"
        named.append(replace(category, dataset=dataset, name=name))
    return named
