"""The comparison over a set, and the figures that the page ships of it."""

import json

import numpy as np
import pytest

from app import ASSETS
from zsad_core.baselines.method import inspections
from zsad_core.comparison import (
    CAUGHT,
    FALSE_ALARMS,
    MISTAKEN,
    Comparison,
    Group,
    first_product,
    main,
    read_figures,
    write_figures,
)
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt
from zsad_core.errors import InputError


class Brightness:
    """A method that calls what is bright damaged."""

    def inspect(self, batch):
        import torch

        scores = torch.tensor([pixels.mean() / 255 for pixels in batch.images])
        return inspections(scores, torch.zeros(len(scores), 2, 2), batch.sizes)


def grey(level):
    return np.full((32, 40, 3), level, np.uint8)


def seen(level, kind="", severity=0):
    """What Brightness says of a grey picture under a corruption."""
    return (corrupt(grey(level), kind, severity) if kind else grey(level)).mean() / 255


def group(intact, damaged, product="grey card", method="clip"):
    looks = [[grey(level) for level in levels] for levels in (intact, damaged)]
    return Group(product, *looks, lambda: {method: Brightness()})


def test_shares_are_those_of_the_pictures_under_each_corruption(tiny_backbone):
    groups = [group([60, 110], [180]), group([100], [90, 200])]
    comparison = Comparison(tiny_backbone, groups, severities=(0, 2))
    phases = [(progress.phase, progress.done, progress.total) for progress in comparison]
    assert phases[-1] == ("Comparing", 30, 30)  # 6 pictures as they are, and under 4 corruptions
    figures = comparison.figures()
    assert (figures.intact, figures.damaged, figures.severities) == (3, 3, (0, 2))
    shares = figures.shares["clip"]
    for kind in POSTER_CORRUPTIONS:
        looks = {level: seen(level, kind, 2) for level in (60, 90, 100, 110, 180, 200)}
        over = {level: score > 0.5 for level, score in looks.items()}
        mistaken = sum(looks[level] > 180 / 255 for level in (60, 110)) + sum(
            looks[100] > level / 255 for level in (90, 200)
        )
        assert shares[FALSE_ALARMS][kind] == pytest.approx(
            [0, sum(over[level] for level in (60, 100, 110)) / 3], abs=1e-4
        )
        assert shares[CAUGHT][kind] == pytest.approx(
            [2 / 3, sum(over[level] for level in (90, 180, 200)) / 3], abs=1e-4
        )
        assert shares[MISTAKEN][kind] == pytest.approx([1 / 4, mistaken / 4], abs=1e-4)
    means = [np.mean([shares[CAUGHT][kind][severity] for kind in POSTER_CORRUPTIONS]) for severity in (0, 1)]
    assert shares[CAUGHT]["mean"] == pytest.approx(means)


def test_a_stopped_comparison_keeps_the_severities_that_are_complete(tiny_backbone):
    comparison = Comparison(tiny_backbone, [group([60], [180])])
    for progress in comparison:
        if progress.done > 2:  # of the first severity over 0
            comparison.stop()
    assert comparison.figures().severities == (0,)
    assert comparison.figures().shares["clip"][CAUGHT]["noise"] == [1]
    stopped = Comparison(tiny_backbone, [group([60], [180])])
    stopped.stop()
    assert [progress.done for progress in stopped] == [0] and stopped.figures().severities == ()


def test_the_first_product_is_the_one_that_ours_holds_apart_best(tiny_backbone, tmp_path):
    groups = [
        group([100], [110], "dull", "ours"),
        group([60, 90], [150, 180], "clear", "ours"),
        group([60], [], "never damaged", "ours"),
    ]
    comparison = Comparison(tiny_backbone, groups, severities=(0, 3))
    for progress in comparison:
        if progress.done < progress.total:
            assert not comparison.figures().gaps  # severity 3 is not complete
    figures = comparison.figures()
    lowest, highest = (
        decide(seen(level, kind, 3) for level in levels for kind in POSTER_CORRUPTIONS)
        for decide, levels in ((min, (150, 180)), (max, (60, 90)))
    )
    clean = seen(150), seen(90)
    assert list(figures.gaps) == ["clear", "dull"]
    assert figures.gaps["clear"] == pytest.approx(min(lowest, clean[0]) - max(highest, clean[1]), abs=1e-4)
    write_figures(tmp_path / "comparison.json", figures, tiny_backbone)
    assert first_product(tmp_path / "comparison.json") == "clear"
    for text in ("", "[]", '{"gaps": 3}', '{"gaps": {}}'):
        (tmp_path / "comparison.json").write_text(text)
        assert first_product(tmp_path / "comparison.json") is None


def test_a_set_without_one_of_both_is_refused(tiny_backbone):
    for groups in ([], [group([60], [])], [group([], [180])]):
        with pytest.raises(InputError, match="pictures of intact and of damaged"):
            Comparison(tiny_backbone, groups)


def test_figures_hold_for_their_backbone_alone_and_a_damaged_file_gets_a_sentence(tiny_backbone, tmp_path):
    file = tmp_path / "comparison.json"
    assert read_figures(file, tiny_backbone) is None
    told = {"backbone": "x", "fingerprint": tiny_backbone.fingerprint, "intact": 1, "damaged": 1, "severities": [0]}
    file.write_text(json.dumps({**told, "shares": {}}))
    assert read_figures(file, tiny_backbone).severities == [0]
    file.write_text(json.dumps({**told, "shares": {}, "fingerprint": "another"}))
    assert read_figures(file, tiny_backbone) is None
    for text in ("", "[]", "{}", json.dumps(told), json.dumps({**told, "shares": {}, "more": 1})):
        file.write_text(text)
        with pytest.raises(InputError, match="cannot be read .* python -m zsad_core.comparison"):
            read_figures(file, tiny_backbone)


def test_the_shipped_figures_are_of_all_samples_and_every_severity():
    told = json.loads((ASSETS / "comparison.json").read_text())
    assert (told["intact"], told["damaged"], told["severities"]) == (17, 17, [0, 1, 2, 3, 4, 5])
    assert {"ours", "memory+1", "clip", "winclip"} <= told["shares"].keys()


def test_the_command_names_what_is_not_there(tmp_path, capsys):
    assert main(["--assets", str(tmp_path), "--methods", "clip"]) == 1
    assert "There are no samples" in capsys.readouterr().err
    assert main(["--methods", "clap"]) == 1
    assert "There is no method 'clap'" in capsys.readouterr().err
