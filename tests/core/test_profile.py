"""The profile of a backbone: a small file that nobody has to trust, and the measuring that makes it."""

import json
import threading

import numpy as np
import pytest

from zsad_core import doctor, profile
from zsad_core.errors import InputError
from zsad_core.profile import Profile
from zsad_core.scale import LITERATURE, PAPERS, Scale

KNOWN = Profile("00ff", "a CLIP", {"ours": Scale(0.5, 0.4, 0.1, 0.01, 0.9)}, {"ours, clean": 0.8}, ())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(profile.sys, "platform", "linux")
    return tmp_path


def edited(**changes):
    return json.dumps({**json.loads(KNOWN.to_bytes()), **changes}).encode()


# the file


def test_a_profile_is_found_by_its_fingerprint_and_no_other_backbone_gets_it(cache):
    assert profile.profile_of("00ff") == Profile()
    profile.write(KNOWN, profile.cached_file("00ff"))
    assert profile.profile_of("00ff") == KNOWN and not profile.profile_of("00fe").measured


def test_a_profile_of_methods_as_they_were_is_not_taken_for_one_of_them_as_they_are(cache, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(profile, "FORMAT_VERSION", 1)
        profile.write(KNOWN, profile.cached_file("00ff"))
    assert not profile.profile_of("00ff").measured


def test_without_a_profile_the_literature_speaks():
    nothing = Profile()
    assert not nothing.measured
    assert nothing.scale("ours") == nothing.scale("clip-map") == LITERATURE and nothing.scale("clip") == PAPERS


def test_the_shipped_profile_is_that_of_the_shipped_weights(embedded):
    assert embedded.profile.fingerprint == embedded.fingerprint and embedded.profile.wrong == ()
    assert {"ours", "clip", "clip-ac", "winclip", "rwda", "clip-map"} <= set(embedded.profile.scales)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "damaged"),
        (b"{" * 50_000, "damaged"),
        (b"[" * 60_000, "damaged"),
        (b"[]", "none of format 2"),
        (b" " * 70_000, "over 65,536 bytes"),
        (edited(format_version=1), "none of format 2"),
        (edited(scales=[]), "lacks its scales"),
        (edited(scales={"ours": {**KNOWN.scales["ours"].to_dict(), "whole": float("nan")}}), "whole"),
        (edited(scales={"ours": {**KNOWN.scales["ours"].to_dict(), "places": -3}}), "not monotone"),
        (edited(scales={"ours": 3}), "exactly"),
        (edited(scales={"x" * 100: KNOWN.scales["ours"].to_dict()}), "name that cannot be"),
        (edited(figures={"ours": float("inf")}), "cannot be"),
        (edited(figures={"ours": "high"}), "cannot be"),
        (edited(figures={str(number): 1 for number in range(300)}), "more than 200"),
        (edited(wrong=["\x1b[2J"]), "text that cannot be"),
        (edited(wrong=[1]), "text that cannot be"),
        (edited(fingerprint=None), "text that cannot be"),
    ],
)
def test_a_bad_profile_is_refused_with_a_sentence(cache, data, said):
    with pytest.raises(InputError, match=said):
        Profile.from_bytes(data)
    path = profile.cached_file("00ff")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(InputError, match="zsad_core profile --backbone") as refusal:
        profile.profile_of("00ff")
    assert len(str(refusal.value)) < 500
    profile.write(KNOWN, path)  # measuring again mends it
    assert profile.profile_of("00ff") == KNOWN


# the measuring


def test_equal_odds_get_a_half_and_more_evidence_more():
    draw = np.random.default_rng(0)
    damaged = np.arange(4000) % 2 == 1
    whole, hottest = (draw.normal(2 * damaged + shift, 1) for shift in (3, -8))
    scale = doctor.fitted_scale(whole, hottest, damaged, 0.5)
    # Halfway between the means of both states either is as likely.
    assert scale.whole * 4 + scale.places * -7 + scale.offset == pytest.approx(0, abs=0.1)
    assert scale.whole > 1 and scale.places > 1
    alone = doctor.fitted_scale(whole, hottest, damaged, 0)
    assert alone.places == 0 and alone.whole == pytest.approx(2, abs=0.2)


def test_evidence_that_points_away_from_the_damage_still_gives_a_scale_that_rises():
    damaged = np.arange(100) % 2 == 1
    values = np.where(damaged, -1.0, 1.0) + np.random.default_rng(0).normal(0, 0.3, 100)
    scale = doctor.fitted_scale(values, values, damaged, 0.5)
    assert Scale.from_dict(scale.to_dict()) == scale


def test_scores_that_part_the_states_completely_keep_the_weights_finite():
    damaged = np.arange(100) % 2 == 1
    scale = doctor.fitted_scale(damaged * 8.0, damaged * 8.0, damaged, 0.5)
    assert Scale.from_dict(scale.to_dict()) == scale


@pytest.mark.parametrize("clear, taken", [(0.1, 0.1), (None, 0.005)])
def test_another_rule_than_the_literatures_is_taken_only_where_it_ranks_clearly_better(clear, taken):
    draw, damaged = np.random.default_rng(0), np.arange(600) % 2 == 1

    def evidence(name):
        return damaged * (3.0 if name == clear else 0.7) + draw.normal(0, 1, len(damaged))

    shared = evidence(None)  # where nothing is clear, everything says the same
    found = doctor.Evidence(
        damaged.tolist(),
        [False] * len(damaged),
        evidence("whole").tolist() if clear else shared.tolist(),
        {part: (evidence(part) if clear else shared).tolist() for part in doctor.HOTTEST},
    )
    share, part = doctor.best_rule([found])
    assert part == taken and (clear or share == 0.5)


@pytest.mark.slow
def test_random_weights_are_not_fit_for_use_and_a_stop_is_heard(tiny_backbone):
    products = doctor.read_yardstick()[::6]
    told, stopped = [], threading.Event()
    found = doctor.measure(tiny_backbone, products, on_progress=told.append)
    assert found.wrong and found.fingerprint == tiny_backbone.fingerprint
    steps = [one.step for one in told]  # as many products at a time as there are idle cores
    assert steps[0] == 0 and steps[-1] == len(products) and steps == sorted(set(steps))
    assert Profile.from_bytes(found.to_bytes()).scales.keys() == found.scales.keys()
    stopped.set()
    with pytest.raises(InputError, match="was stopped"):
        doctor.measure(tiny_backbone, products, stopped=stopped)


def test_what_is_wrong_is_said():
    fit = {"states told apart": 0.9, "spread of windows": 0.01, "maps point at the damage": 0.9, "ours, clean": 0.8}
    assert list(doctor.wrong_with(fit)) == []
    for name, value, said in (
        ("states told apart", 0.5, "text encoder"),
        ("spread of windows", 0.0, "mixes windows"),
        ("maps point at the damage", 0.5, "do not point"),
        ("maps point at the damage", 0.1, "away from"),
        ("ours, clean", 0.5, "best method"),
    ):
        (sentence,) = doctor.wrong_with({**fit, name: value})
        assert said in sentence
