"""Our method with a part taken out: the part is gone, and the rest is as it was."""

import csv
from dataclasses import replace

import pytest
import torch
from benchmark_data import mvtec

from zsad_core import Recipe
from zsad_core.baselines import ImageBatch, Resources
from zsad_core.baselines.ours import Ours
from zsad_core.benchmark import work
from zsad_core.benchmark.__main__ import main
from zsad_core.benchmark.ablation import ABLATIONS
from zsad_core.images import read_image
from zsad_core.prompts import plain_prompts

SMALL = Recipe(prompts=6, groups=2, steps=10, learning_rate=0.3, classifier_steps=50)


def fitted(method, backbone, recipe=SMALL):
    return method(backbone, Resources(recipe=recipe)).fit("metal nut")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ours-no-learning", {"steps": 0}),
        ("ours-no-diversity", {"diversity_weight": 0}),
        ("ours-no-mixture", {"knowledge_weight": 0, "groups_weight": 0}),
        ("ours-no-guard", {"guard_weight": 0, "plain_share": 0}),
        ("ours-no-noise", {"noise_angle": 0}),
        ("ours-prototype", {}),
    ],
)
def test_nothing_else_is_changed(name, changes, tiny_backbone):
    assert fitted(ABLATIONS[name], tiny_backbone).detector.recipe == replace(SMALL, **changes)


def test_without_diversity_the_prompts_stay_alike(tiny_backbone):
    alone = replace(SMALL, knowledge_weight=0, groups_weight=0, guard_weight=0)
    ours, ablated = (fitted(method, tiny_backbone, alone) for method in (Ours, ABLATIONS["ours-no-diversity"]))
    assert ours.detector.health["mean_cosine_after"] < ours.detector.health["mean_cosine_before"] - 0.05
    health = ablated.detector.health
    assert health["mean_cosine_after"] == pytest.approx(health["mean_cosine_before"], abs=1e-6)


def test_the_prototype_compares_with_the_mean_text_vectors(tiny_backbone, tmp_path):
    prototype = fitted(ABLATIONS["ours-prototype"], tiny_backbone).detector
    torch.testing.assert_close(prototype.text_vectors, fitted(Ours, tiny_backbone).detector.text_vectors)
    plain = [tiny_backbone.text_vectors(state).mean(0) for state in plain_prompts("metal nut", SMALL.adjectives)]
    learned = prototype.text_vectors[0].mean(0), prototype.text_vectors[1:].mean((0, 1))
    normal, abnormal = (0.25 * words + 0.75 * without for words, without in zip(learned, plain, strict=True))
    paths = sorted(mvtec(tmp_path).glob("bottle/test/*/*"))
    batch = ImageBatch(tiny_backbone, [read_image(path) for path in paths])
    found = prototype.classifier.probability(batch.encoded.image)
    for vector, probability in zip(batch.encoded.image, found):
        cosines = torch.stack([vector @ normal / normal.norm(), vector @ abnormal / abnormal.norm()])
        expected = (tiny_backbone.logit_scale * cosines).softmax(0)[1]
        torch.testing.assert_close(probability, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_command_measures_every_part(tiny_backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "backbone_of", lambda name, weights: tiny_backbone)
    monkeypatch.setattr(Recipe, "quick", lambda: SMALL)
    work.bench.cache_clear()
    data, out = mvtec(tmp_path / "MVTec", products=("bottle",)), tmp_path / "out"
    command = ["--data", str(data), "--out", str(out), "--ablation", "--seeds", "1", "--corruptions", "none"]
    assert main(command) == 0
    with open(out / "results.csv", encoding="utf-8", newline="") as file:
        assert [row["method"] for row in csv.DictReader(file)] == ["ours", *ABLATIONS]
    assert "| without semantic guard |" in (out / "results.md").read_text(encoding="utf-8")
