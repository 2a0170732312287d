"""A threshold of the visitor's own: where the verdict turns, in place of the neutral point."""

from zsad_core.errors import InputError
from zsad_core.verdict import NEUTRAL, state, verdict

LEAST, MOST = 0.01, 0.99  # that can be chosen; at 0 or 1 no verdict could turn


def seen_from(threshold: float, score: float) -> float:
    """A score in [0, 1] as it is read from a threshold: .5 at the threshold, 0 and 1 where they were.

    Its odds are divided by those of the threshold. The page's script does the same; see batch.js.
    """
    if threshold == NEUTRAL:
        return score
    kept, lost = score * (1 - threshold), threshold * (1 - score)
    return kept / (kept + lost)


def verdict_from(threshold: float, score: float) -> str:
    return verdict(seen_from(threshold, score))


def state_from(threshold: float, score: float) -> str:
    return state(seen_from(threshold, score))


def threshold_in(text: str) -> float:
    """A threshold that a script of the page sends. Raises InputError where it is none."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = 0.0
    if not LEAST <= threshold <= MOST:  # also catches NaN
        raise InputError(f"The threshold {text!r:.20} is not possible: choose one from {LEAST} to {MOST}.")
    return round(threshold, 2)
