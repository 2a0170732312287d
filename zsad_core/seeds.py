"""The one number that decides everything random."""

import numpy as np

from .errors import InputError, quoted

MAX_SEED = 2**32 - 1


def checked_seed(seed) -> int:
    """The seed as an int.

    Raises:
        InputError: not a whole number from 0 to MAX_SEED.
    """
    number = isinstance(seed, (int, float, np.integer)) and not isinstance(seed, bool)
    if not number or not 0 <= seed <= MAX_SEED or seed != int(seed):
        raise InputError(f"The seed {quoted(seed)} is not possible: give a whole number from 0 to {MAX_SEED}.")
    return int(seed)
