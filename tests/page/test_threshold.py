"""A threshold of the visitor's own."""

import pytest

from page.threshold import seen_from, state_from, threshold_in, verdict_from
from zsad_core.errors import InputError
from zsad_core.verdict import verdict


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.5, 0.62, 0.99])
def test_the_verdict_turns_at_the_threshold_and_the_order_stays(threshold):
    scores = [0, 0.001, 0.2, threshold, 0.7, 0.999, 1]
    seen = [seen_from(threshold, score) for score in sorted(scores)]
    assert seen == sorted(seen) and (seen[0], seen[-1]) == (0, 1)
    assert seen_from(threshold, threshold) == pytest.approx(0.5)
    assert state_from(threshold, threshold) == "undecided"
    assert (state_from(threshold, 0), state_from(threshold, 1)) == ("normal", "abnormal")


def test_at_the_neutral_point_nothing_changes():
    assert [verdict_from(0.5, score) for score in (0.1, 0.45, 0.9)] == [verdict(score) for score in (0.1, 0.45, 0.9)]


@pytest.mark.parametrize("text", ["", "nan", "inf", "0", "1", "-0.5", "half", "1e9"])
def test_what_is_no_threshold_gets_a_sentence(text):
    with pytest.raises(InputError, match="is not possible: choose one from 0.01 to 0.99"):
        threshold_in(text)
    assert threshold_in("0.62") == 0.62
