"""Trainings give the same under every mode that a caller may have set, and leave it as it was."""

import pytest
import torch
from test_devices import SHORT
from test_learned_baselines import factory
from tiny_clip import TINY

from zsad_core.backbone import random_backbone
from zsad_core.baselines import Resources, acr, anomalyclip
from zsad_core.baselines.acr import Acr
from zsad_core.baselines.anomalyclip import AnomalyClip
from zsad_core.detector import Detector


@pytest.fixture(params=[torch.inference_mode, torch.no_grad])
def mode(request):
    return request.param


def test_a_detector_is_trained_in_every_mode(tiny_backbone, mode):
    expected = Detector.fit(tiny_backbone, "metal nut", SHORT)
    seen = []
    with mode():
        found = Detector.fit(
            tiny_backbone, "metal nut", SHORT, on_progress=lambda _: seen.append(torch.is_inference_mode_enabled())
        )
        assert not torch.is_grad_enabled()
    assert all(torch.equal(tensor, found._tensors()[name]) for name, tensor in expected._tensors().items())
    assert set(seen) == {mode is torch.inference_mode}


def test_a_backbone_that_was_made_in_inference_mode_can_be_trained_on(tiny_backbone, mode):
    with mode():
        backbone = random_backbone(TINY)
        copy = backbone.on("cpu")
    for one in (backbone, copy):
        detector = Detector.fit(one, "metal nut", SHORT)
        assert torch.equal(detector.text_vectors, Detector.fit(tiny_backbone, "metal nut", SHORT).text_vectors)


@pytest.mark.slow
def test_baselines_learn_in_every_mode(tiny_backbone, mode, tmp_path, monkeypatch):
    monkeypatch.setattr(anomalyclip, "STEPS", 3)
    monkeypatch.setattr(acr, "ITERATIONS", 2)
    resources = Resources(auxiliary=factory(tmp_path / "pairs", ["tile", "felt"], pairs=2))
    with mode():
        AnomalyClip(tiny_backbone, resources).fit("metal nut", seed=1)
        Acr(tiny_backbone, resources).fit("metal nut", seed=1)
    AnomalyClip(tiny_backbone, resources).fit("metal nut", seed=2)  # on what was encoded in that mode
    Acr(tiny_backbone, resources).fit("metal nut", seed=2)
