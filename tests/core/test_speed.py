"""The speed benchmark runs, and compares like with like. How fast anything is, is not asserted here."""

import pytest
import torch

from zsad_core import Recipe
from zsad_core.benchmark import speed


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when `clock.work` is called, on a machine that becomes 3 times slower at every call."""

    class Clock:
        now = 0.0
        pace = 1.0

        def work(self, seconds):
            self.now += seconds * self.pace
            self.pace *= 3

    clock = Clock()
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock.now)
    return clock


def test_a_ratio_compares_neighbours_in_time(clock):
    long, short = speed.in_turn(lambda: clock.work(6), lambda: clock.work(1), turns=5)
    assert len(long) == len(short) == 5
    assert speed.ratio(long, short) == pytest.approx(2)  # 6 now against 1 on a machine 3 times slower
    assert long[-1] > 1000 * long[0]


@pytest.mark.slow
def test_the_command_writes_one_table(tiny_backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "open_backbone", lambda name: tiny_backbone)
    monkeypatch.setattr(Recipe, "quick", lambda: Recipe(prompts=4, groups=2, steps=2, classifier_steps=50))
    assert speed.main(["--backbones", "small,other", "--quick", "--out", str(tmp_path / "speed.md")]) == 0
    table = (tmp_path / "speed.md").read_text()
    assert capsys.readouterr().out == table
    assert f"torch {torch.__version__}" in table and "small (random weights, same cost) | other (random" in table
    measured = (
        "train, quick (4 prompts, 2 steps)",
        "literal schedule, 4 words",
        "score and map",
        "with 4 good",
        "sweep of 21",
    )
    for label in measured:
        (line,) = [line for line in table.splitlines() if label in line and "windows" not in line]
        assert all(cell.strip() for cell in line.strip("|").split("|"))


def test_a_backbone_that_does_not_exist_gets_a_sentence(capsys):
    assert speed.main(["--backbones", "ViT-Z-99", "--quick"]) == 1
    assert "ViT-Z-99" in capsys.readouterr().err.splitlines()[-1]


def test_a_long_training_is_multiplied_out_and_says_so(tiny_backbone):
    recipe = Recipe(prompts=4, groups=2, steps=6, classifier_steps=50)
    _, note = speed.training_seconds(tiny_backbone, recipe, steps=2)
    assert note == ""
    seconds, note = speed.training_seconds(tiny_backbone, recipe, steps=2, bearable=0)
    assert seconds > 0 and note == " (extrapolated from 2 of 6 steps)"


def test_the_literal_schedule_reads_the_whole_context(tiny_backbone):
    words = [tiny_backbone.word_vectors(text) for text in ("metal nut", "a photo of a damaged metal nut")]
    whole = torch.cat([tiny_backbone.text_vectors_from_words(sequence[None]) for sequence in words])
    torch.testing.assert_close(speed._literal_text_vectors(tiny_backbone, words), whole, rtol=1e-4, atol=1e-5)


def test_peak_memory_is_that_of_the_child_alone():
    small, large = (speed.peak_memory(f"b'x' * {size}") for size in (0, 200_000_000))
    assert 150e6 < large - small < 250e6
