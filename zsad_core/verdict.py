"""What a score says in words, and which state it leans to.

Scores are read to two decimals, as they are printed: equal printed scores have equal verdicts.
"""

DECIMALS = 2  # of a score that stands beside its verdict
NEUTRAL = 0.5  # the value of a score or map at which neither state is nearer

# The verdict in words: the first whose upper end is not below the score.
VERDICTS = (
    (0.2, "looks flawless"),
    (0.4, "probably flawless"),
    (0.6, "undecided"),
    (0.8, "probably damaged"),
    (1.0, "looks damaged"),
)


def verdict(score: float) -> str:
    """A score in [0, 1] in words, from "looks flawless" to "looks damaged"."""
    return next(words for upper, words in VERDICTS if round(score, DECIMALS) <= upper)


def state(score: float) -> str:
    """The state that the verdict on a score leans to: "normal", "abnormal" or "undecided"."""
    if verdict(score) == "undecided":
        return "undecided"
    return "abnormal" if score > NEUTRAL else "normal"
