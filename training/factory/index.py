"""The factory's folder: pictures of each pair by family, and index.csv with one line a pair."""

import csv
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from zsad_core.errors import InputError

COLUMNS = ("pair", "product", "damage", "seed", "part", "name", "kind", "material", "colour", "ground")
QUALITY = 92


class Index:
    """The pairs of a folder; those of a seed are added together, so that a run can be stopped at any moment.

    Attributes:
        seeds: the seeds that are done. pairs: number of pairs.

    Raises:
        InputError: the folder holds an index of other columns.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "index.csv"
        if not self.path.exists():
            self.path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
        text = self.path.read_text(encoding="utf-8")
        if not text.endswith("\n"):  # the run was killed while it wrote a line
            text = text[: text.rfind("\n") + 1]
            self.path.write_text(text, encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        if text.splitlines()[0] != ",".join(COLUMNS):
            raise InputError(f"{self.path} is not an index of this factory: give another folder, or remove the file.")
        self.seeds = {int(row["seed"]) for row in rows}
        self.pairs = len(rows)

    def add(self, seed, rows):
        """Record the pairs of a seed, whose pictures are written."""
        lines = io.StringIO()
        csv.DictWriter(lines, COLUMNS, lineterminator="\n").writerows(rows)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(lines.getvalue())
            file.flush()
            os.fsync(file.fileno())
        self.seeds.add(seed)
        self.pairs += len(rows)


def write_twin(twin, stem):
    """Write intact.jpg, damaged.jpg and mask.png of a pair, each name after `stem`."""
    Image.fromarray(twin.intact).save(f"{stem}intact.jpg", quality=QUALITY)
    Image.fromarray(twin.damaged).save(f"{stem}damaged.jpg", quality=QUALITY)
    Image.fromarray(twin.mask.astype(np.uint8) * 255).save(f"{stem}mask.png")


def write_pictures(folder, seed, twins):
    """Write the pictures of a seed's pairs into `folder`.

    Returns:
        Their rows for `Index.add`.
    """
    rows = []
    for number, twin in enumerate(twins):
        pair = f"{twin.family}/{seed:06d}_{number}"
        stem = Path(folder) / pair
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_twin(twin, f"{stem}_")
        told = twin.damage, seed, number, twin.name, twin.kind, twin.material, twin.colour, twin.ground
        rows.append(dict(zip(COLUMNS, (pair, twin.family, *told))))
    return rows
