"""The comparison over a set, and the figures that the page ships of it."""

import json

import numpy as np
import pytest

from app import ASSETS
from zsad_core.baselines.method import inspections
from zsad_core.comparison import CAUGHT, FALSE_ALARMS, MISTAKEN, Comparison, Group, main, read_figures
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


def group(intact, damaged):
    return Group([grey(level) for level in intact], [grey(level) for level in damaged], lambda: {"clip": Brightness()})


def test_shares_are_those_of_the_pictures_under_each_corruption(tiny_backbone):
    groups = [group([60, 110], [180]), group([100], [90, 200])]
    comparison = Comparison(tiny_backbone, groups, severities=(0, 2))
    phases = [(progress.phase, progress.done, progress.total) for progress in comparison]
    assert phases[-1] == ("Comparing", 30, 30)  # 6 pictures as they are, and under 4 corruptions
    figures = comparison.figures()
    assert (figures.intact, figures.damaged, figures.severities) == (3, 3, (0, 2))
    shares = figures.shares["clip"]
    for kind in POSTER_CORRUPTIONS:
        seen = {level: corrupt(grey(level), kind, 2).mean() / 255 for level in (60, 90, 100, 110, 180, 200)}
        over = {level: score > 0.5 for level, score in seen.items()}
        mistaken = sum(seen[level] > 180 / 255 for level in (60, 110)) + sum(
            seen[100] > level / 255 for level in (90, 200)
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
