"""Large pictures with small damage, pasted from the yardstick."""

import numpy as np
import pytest

from training.small_damage import SIZE, UNIT, large_pictures
from training.yardstick import FOLDER


@pytest.mark.parametrize("tray", [True, False])
def test_a_damaged_twin_differs_from_its_clean_picture_in_one_small_place(tray):
    ((clean, damaged),) = large_pictures(FOLDER / "coin", tray, 1, seed=3)
    assert clean.shape == damaged.shape == (*SIZE, 3)
    rows, columns = np.nonzero((clean != damaged).any(axis=2))
    assert 0 < len(rows) < UNIT**2 / 4
    assert max(np.ptp(rows), np.ptp(columns)) < UNIT
