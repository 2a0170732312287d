"""The data of a run: which categories of the folders given are measured, and what of them is left out, and why."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..datasets import Category, find_categories
from ..errors import InputError
from ..labels import taken_for

AT_LEAST = 4  # good and damaged images, without which a category's AUROC says nothing
MOST_TOLD = 3  # categories that are too small, in a refusal
LONGEST_LINE = 200  # characters of a file of products


def chosen_categories(
    folders: Iterable[str], wanted: Sequence[str] | None, products: Mapping[str, str]
) -> tuple[list[Category], list[str]]:
    """The categories to be measured, and sentences on what is left out.

    Args:
        wanted: names of categories; all if None. products: name of a category -> its product in words.
    Raises:
        InputError: there are none, or a name is unknown, or names two of them.
    """
    found = [find_categories(folder, products) for folder in folders]
    categories = [category for one in found for category in one.categories]
    check_names("category", [*(wanted or ()), *products], [category.name for category in categories])
    if wanted:
        categories = [category for category in categories if category.name in wanted]
    twice = [label for label, count in Counter(map(str, categories)).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is in the data twice: give every folder once, and rename one of two namesakes.")
    kept = [category for category in categories if _is_enough(category)]
    few = [f"{category}: {_balance(category)}." for category in categories if not _is_enough(category)]
    if not kept:
        raise InputError(
            f"No category has {AT_LEAST} good and {AT_LEAST} damaged images, the least for an AUROC. "
            + " ".join(few[:MOST_TOLD])
        )
    notes = [f"{category}: {note}" for category in kept for note in (*_missing_masks(category), *category.notes)]
    return kept, [*few, *notes, *(note for one in found for note in one.notes)]


def contents(categories: Iterable[Category]) -> dict[str, dict]:
    """What the results hang on in the data: category -> number of its images, and digests of their names."""
    return {
        str(category): {
            "product": category.product,
            "images": len(category.samples),
            "damaged": sum(sample.damaged for sample in category.samples),
            "names": _digest(sample.name for sample in category.samples),
            "training": _digest(sample.name for sample in category.training),
        }
        for category in categories
    }


def products_of(text: str) -> dict[str, str]:
    """Name of a category -> product, of "01=tile,02=leather", or of a file with one such pair a line.

    Raises:
        InputError: it is neither.
    """
    if "=" in text:
        lines = text.split(",")
    else:
        try:
            lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError):
            raise InputError(f"{text!r:.80} is no file of products that can be read, and no pair as 01=tile.") from None
    pairs = [line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for name, _, product in pairs:
        if not (name.strip() and product.strip()) or len(name + product) > LONGEST_LINE:
            raise InputError(f"{name!r:.80} is given no product: write a pair such as 01=tile, one a line in a file.")
    return {name.strip(): product.strip() for name, _, product in pairs}


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raises InputError if one of the names is not known."""
    choices = list(dict.fromkeys(known))
    for name in names:
        if name not in choices:
            raise InputError(f"There is no {what} {name!r:.40}: choose from {', '.join(choices)}.")


def _is_enough(category: Category) -> bool:
    damaged = sum(sample.damaged for sample in category.samples)
    return min(damaged, len(category.samples) - damaged) >= AT_LEAST


def _balance(category: Category) -> str:
    damaged = [sample.damaged for sample in category.samples]
    folders = [sample.name.split("/")[:-1] for sample in category.samples]
    return (
        f"{len(damaged) - sum(damaged)} good and {sum(damaged)} damaged images, too few for an AUROC; of its folders "
        f"were taken {taken_for(folders, damaged)}"
    )


def _missing_masks(category: Category) -> list[str]:
    masks = [sample.mask_path for sample in category.samples if sample.damaged]
    if None not in masks:
        return []
    return [f"{masks.count(None)} of {len(masks)} damaged images have no mask, and are left out of the pixel figures."]


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:16]  # not all are UTF-8
