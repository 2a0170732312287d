"""The scale of scores and maps: monotone, and score and map agree."""

import pytest
import torch

from zsad_core.errors import InputError
from zsad_core.scale import LITERATURE, PAPERS, Scale

FITTED = Scale(whole=0.6, places=0.4, offset=0.7, hottest=0.05, contrast=0.8)


def drawn(count=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator), torch.rand(count, 12, 12, generator=generator)


@pytest.mark.parametrize("scale", [FITTED, LITERATURE, PAPERS])
def test_a_picture_over_a_half_has_a_place_over_a_half(scale):
    scores, maps = scale(*drawn())
    assert ((0 <= scores) & (scores <= 1)).all() and ((0 <= maps) & (maps <= 1)).all()
    assert (maps.flatten(1).amax(dim=1) >= scores - 1e-6).all()


@pytest.mark.parametrize("scale", [FITTED, LITERATURE])
def test_more_evidence_of_damage_never_lowers_the_score(scale):
    whole, patches = drawn()
    scores, _ = scale(whole, patches)
    assert (scale(whole + (1 - whole) / 2, patches)[0] > scores).all()
    assert (scale(whole, patches + (1 - patches) / 2)[0] > scores).all()


def test_the_papers_rule_is_the_probability_of_the_image_vector():
    whole, patches = drawn()
    torch.testing.assert_close(PAPERS(whole, patches)[0], whole)


def test_the_hottest_places_have_the_value_of_the_score():
    patches = torch.full((1, 10, 10), 0.2)
    patches[0, :5, 0] = 0.9
    (score,), maps = FITTED(torch.tensor([0.6]), patches)
    torch.testing.assert_close(maps[0, :5, 0], score.expand(5))
    assert (maps[0, 5:] < score).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_certainty_stays_finite(value):
    scores, maps = FITTED(torch.full((2,), value), torch.full((2, 3, 3), value))
    assert torch.isfinite(scores).all() and torch.isfinite(maps).all()
    assert ((scores > 0.99) if value else (scores < 0.01)).all()


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"whole": float("nan")}, "whole.*nan.*within"),
        ({"offset": float("inf")}, "offset.*within"),
        ({"places": 10**400}, "places.*within"),
        ({"whole": True}, "must be a number"),
        ({"whole": "1"}, "must be a number"),
        ({"whole": -1}, "not monotone"),
        ({"whole": 0, "places": 0}, "not monotone"),
        ({"contrast": 0}, "not monotone"),
        ({"hottest": 0}, "hottest share"),
        ({"hottest": 1.5}, "hottest share"),
        ({"more": 1}, "exactly"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(changed, said):
    assert Scale.from_dict(FITTED.to_dict()) == FITTED
    with pytest.raises(InputError, match=said):
        Scale.from_dict({**FITTED.to_dict(), **changed})
