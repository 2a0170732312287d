"""AnomalyCLIP, ACR and MAEDAY with what ships for them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from zsad_core.baselines import METHODS, ImageBatch, acr, anomalyclip, maeday, shipped
from zsad_core.errors import InputError
from zsad_core.images import read_image

MODULES = {"anomalyclip": anomalyclip, "acr": acr, "maeday": maeday}
SHIPPED = pytest.mark.parametrize("name", MODULES)
SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


@pytest.fixture(scope="module")
def samples(embedded):
    """The damaged and the intact sample of three products, in turn."""
    folders = [entry["folder"] for entry in json.loads((SAMPLES / "index.json").read_text())][:3]
    return ImageBatch(
        embedded, [read_image(SAMPLES / folder / f"{of}.jpg") for folder in folders for of in ("damaged", "intact")]
    )


@SHIPPED
def test_a_method_comes_ready_for_embedded(name, embedded, samples):
    method = METHODS[name](embedded)
    assert method.missing() is None
    for image, seen in zip(samples.images, method.fit("metal nut").inspect(samples), strict=True):
        assert isinstance(seen.score, float) and 0 <= seen.score <= 1
        assert seen.map.shape == image.shape[:2] and seen.map.dtype == np.float32
        assert 0 <= seen.map.min() < seen.map.max() <= 1


@SHIPPED
def test_an_image_gets_the_same_score_alone_as_beside_a_few_others(name, embedded, samples):
    fitted = METHODS[name](embedded).fit("metal nut")
    together = [seen.score for seen in fitted.inspect(samples)]
    alone = [fitted.inspect(ImageBatch(embedded, [image]))[0].score for image in samples.images]
    assert np.allclose(together, alone, atol=1e-4)


def test_anomalyclip_puts_the_damaged_samples_above_the_intact_ones(embedded, samples):
    found = [seen.score for seen in METHODS["anomalyclip"](embedded).fit("metal nut").inspect(samples)]
    assert all(damaged > intact for damaged, intact in zip(found[::2], found[1::2]))


def test_maeday_needs_no_backbone_of_its_own(tiny_backbone, samples):
    assert METHODS["maeday"](tiny_backbone).fit("nut").inspect(samples)[0].score > 0


@pytest.mark.parametrize("name", ["anomalyclip", "acr"])
def test_what_was_learned_on_other_weights_is_not_taken(name, embedded, tmp_path, monkeypatch):
    path = tmp_path / "other.safetensors"
    shipped.write(path, shipped.read(MODULES[name].SHIPPED), "0123456789abcdef")
    monkeypatch.setattr(MODULES[name], "SHIPPED", path)
    assert "the embedded backbone alone" in METHODS[name](embedded).missing()


@SHIPPED
@pytest.mark.parametrize("data", [None, b"no weights"])
def test_a_file_that_is_gone_or_damaged_is_said_in_a_sentence(name, data, embedded, tmp_path, monkeypatch):
    path = tmp_path / "gone.safetensors"
    monkeypatch.setattr(MODULES[name], "SHIPPED", path)
    if data:
        path.write_bytes(data)
    assert "missing or damaged: restore" in METHODS[name](embedded).missing()
    with pytest.raises(InputError):
        METHODS[name](embedded).fit("metal nut")
    with pytest.raises(InputError, match="gone.safetensors in assets/baselines cannot be read"):
        shipped.read(path)


def test_a_file_of_another_network_is_refused(tmp_path):
    shipped.write(tmp_path / "acr.safetensors", {"words": torch.zeros(2, 3)})
    with pytest.raises(InputError, match="acr.safetensors in assets/baselines cannot be read"):
        shipped.fill(torch.nn.Linear(3, 2), tmp_path / "acr.safetensors")


def test_acrs_network_outlives_another_text_tower_and_anomalyclips_prompts_do_not(tiny_backbone):
    other = tiny_backbone.on("cpu")
    for name in ("fingerprint", "image_fingerprint"):
        vars(other).pop(name, None)  # a copy brings what was worked out before
    next(other._text.parameters()).data += 1
    assert other.image_fingerprint == tiny_backbone.image_fingerprint
    assert other.fingerprint != tiny_backbone.fingerprint
