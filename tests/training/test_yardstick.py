"""The yardstick: what is shipped, and units of one design."""

import json

import numpy as np
import pytest
from PIL import Image

from training.factory.build import build
from training.yardstick import DAMAGED, FAMILIES, FOLDER, LOOKS, PLACES, SIZE


def test_what_is_shipped_is_whole_and_small():
    assert sorted(folder.name for folder in FOLDER.iterdir()) == sorted(FAMILIES)
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 3_000_000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_damaged_look_differs_from_its_twin_where_the_mask_says(family):
    folder = FOLDER / family
    told = json.loads((folder / "product.json").read_text())
    assert told["product"] and told["place"] in PLACES and len(told["damages"]) == DAMAGED
    assert len(list(folder.glob("?.webp"))) == LOOKS
    for look in range(DAMAGED):
        intact, damaged = (np.asarray(Image.open(folder / f"{look}{of}.webp"), int) for of in ("", "_damaged"))
        mask = np.asarray(Image.open(folder / f"{look}_mask.png"))
        assert intact.shape == (SIZE, SIZE, 3) and mask.any() and mask.dtype == bool
        change = np.abs(damaged - intact).mean(axis=2)
        assert change[mask].mean() > change[~mask].mean() + 5


def test_units_share_the_design_and_not_the_surface():
    first, second, again = (build("wood", 3, unit=unit) for unit in (0, 1, 0))
    assert first[1].name == second[1].name and first[1].material == second[1].material
    assert len(first[0]) == len(second[0])
    assert np.array_equal(first[0][0].albedo, again[0][0].albedo)
    assert not np.array_equal(first[0][0].albedo, second[0][0].albedo)
    assert np.allclose(first[0][0].albedo.mean((0, 1)), second[0][0].albedo.mean((0, 1)), rtol=0.15)


def test_a_change_is_of_the_same_unit():
    intact, damaged = build("blister", 2, unit=4)[0], build("blister", 2, "missing_pill", 7, unit=4)[0]
    assert len(damaged) == len(intact) - 1
    assert any(np.array_equal(part.albedo, other.albedo) for part in intact for other in damaged)
