"""The pairs that an index of rendered products names: `<pair>_intact.jpg`, `_damaged.jpg` and `_mask.png`."""

from .category import Category, Sample, spelled
from .mask_finder import MaskFinder
from .tables import named, or_else, rows_of, within
from .tree import Folder

INDEX = "index.csv"  # columns pair, product and perhaps name; a pair is three files
# Of an index without the column "name", where the family's key says it badly.
RENDERED_NAMES = {
    "lobed_nut": "metal nut",
    "hex_nut": "hex nut",
    "bottle_top": "bottle",
    "bottle_side": "bottle",
    "pcb": "circuit board",
    "nutshell": "nut",
    "fins": "heat sink",
    "array": "bottle cap array",
    "keys": "keyboard",
    "blister": "blister pack",
    "grid": "metal grid",
}


def read_rendered(folder: Folder, masks: MaskFinder) -> list[Category]:
    """The products of an index; a pair's intact picture stands before its damaged one. Raises InputError."""
    index = folder.files.get(INDEX)
    if index is None:
        return []
    products: dict[str, list[Sample]] = {}
    with or_else(f"The {INDEX} in {folder.name!r} is not one of rendered pairs: give another folder."):
        for row in rows_of(index):
            if not {"pair", "product"} <= set(row):  # another program's
                return []
            family, stem = named(row["product"]), row["pair"]
            name = row.get("name") or RENDERED_NAMES.get(family, spelled(family))
            products.setdefault(name, []).extend(_pair(within(index.parent, stem), stem))
    return [Category(name, tuple(samples), name=name, place=folder.place) for name, samples in sorted(products.items())]


def _pair(path, stem):
    mask = path.with_name(f"{path.name}_mask.png")
    yield Sample(path.with_name(f"{path.name}_intact.jpg"), False, None, f"{stem}_intact.jpg")
    yield Sample(path.with_name(f"{path.name}_damaged.jpg"), True, mask, f"{stem}_damaged.jpg")
