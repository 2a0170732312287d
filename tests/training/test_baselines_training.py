"""The commands that train what ships for AnomalyCLIP, ACR and MAEDAY."""

import numpy as np
import pytest
import torch
from training_data import write_renders

from training import auto_encoder, baselines
from training.renders import Renders
from zsad_core.baselines import METHODS, ImageBatch, acr, anomalyclip, maeday
from zsad_core.baselines.auto_encoder import MaskedAutoEncoder


@pytest.fixture(scope="module")
def renders(tmp_path_factory):
    """Two families that may be learned on, and one that is set aside."""
    return write_renders(tmp_path_factory.mktemp("renders"), ("washer", "bottle_top", "coin"))


@pytest.mark.slow
def test_what_is_trained_is_what_the_methods_take(renders, embedded, tmp_path, monkeypatch):
    monkeypatch.setattr(anomalyclip, "STEPS", 2)
    monkeypatch.setattr(acr, "ITERATIONS", 1)
    monkeypatch.setattr(baselines.auxiliary, "MOST_IMAGES", 8)
    baselines.train([renders], tmp_path, report=lambda line: None)
    image = np.full((40, 60, 3), 90, np.uint8)
    for name, module in (("anomalyclip", anomalyclip), ("acr", acr)):
        before = METHODS[name](embedded).fit("coin").inspect(ImageBatch(embedded, [image]))[0].score
        monkeypatch.setattr(module, "SHIPPED", tmp_path / module.SHIPPED.name)
        assert METHODS[name](embedded).missing() is None
        after = METHODS[name](embedded).fit("coin").inspect(ImageBatch(embedded, [image]))[0].score
        assert after != before


def test_nothing_that_is_set_aside_is_learned_on(renders):
    allowed = {(row["product"], row["seed"]) for row in Renders([renders]).rows}
    pictures = auto_encoder.intact_pictures(Renders([renders]), None, np.random.default_rng(0))
    assert len(pictures) == len(allowed)
    assert len(list(baselines.labelled_images(Renders([renders]), 6))) == 6


def test_the_auto_encoder_learns_to_guess_what_is_hidden(tmp_path, tiny_backbone, monkeypatch):
    """Flat pictures: whatever is hidden has the colour of the rest."""
    monkeypatch.setattr(auto_encoder, "BATCH", 8)
    monkeypatch.setattr(auto_encoder, "KEPT_SHARE", 0.8)
    monkeypatch.setattr(auto_encoder, "MaskedAutoEncoder", small)
    monkeypatch.setattr(maeday, "MaskedAutoEncoder", small)
    colours = torch.randint(0, 256, (64, 3, 1, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    auto_encoder.train(colours.expand(-1, -1, 40, 40), tmp_path / "maeday.safetensors", 60, report=lambda line: None)
    monkeypatch.setattr(maeday, "SHIPPED", tmp_path / "maeday.safetensors")
    fitted = METHODS["maeday"](tiny_backbone).fit("tile")
    flat = np.full((32, 32, 3), 90, np.uint8)
    spotted = flat.copy()
    spotted[8:16, 16:24] = (250, 20, 20)
    without, found = fitted.inspect(ImageBatch(tiny_backbone, [flat, spotted]))
    assert found.score > without.score
    row, column = np.unravel_index(found.map.argmax(), found.map.shape)
    assert 8 <= row < 16 and 16 <= column < 24


def small():
    return MaskedAutoEncoder(side=32, width=32, layers=1, narrow=32)
