"""MAEDAY on a small random masked auto-encoder of the transformers library."""

import importlib.util
import json
import pickle

import numpy as np
import pytest
import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining, ViTMAEModel

from zsad_core.baselines import ImageBatch, Resources
from zsad_core.baselines.maeday import Maeday
from zsad_core.errors import InputError

SIDE, PATCH = 64, 8


def auto_encoder(**options):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    sizes |= {f"decoder_{name}": value for name, value in sizes.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ViTMAEForPreTraining(ViTMAEConfig(**sizes, image_size=SIDE, patch_size=PATCH, **options))


def trained(model, steps=60):
    """Teaches the model what plain grey squares look like."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        pixels = torch.randn(16, 1, 1, 1, generator=generator).expand(16, 3, SIDE, SIDE)
        noise = torch.rand(16, (SIDE // PATCH) ** 2, generator=generator)
        optimizer.zero_grad()
        model(pixel_values=pixels, noise=noise).loss.backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto_encoder")
    trained(auto_encoder()).save_pretrained(folder)
    return folder


def grey(level, size=(SIDE, SIDE)):
    return np.full((*size, 3), level, np.uint8)


def blotted(level):
    image = grey(level)
    image[24:40, 8:24] = (250, 30, 30)
    return image


def inspect(backbone, folder, images, seed=0):
    return Maeday(backbone, Resources(maeday=folder)).fit("metal nut", seed).inspect(ImageBatch(backbone, images))


def test_what_cannot_be_guessed_from_the_rest_stands_out(tiny_backbone, weights):
    levels = (60, 100, 140, 180)
    seen = inspect(tiny_backbone, weights, [grey(level) for level in levels] + [blotted(level) for level in levels])
    intact, damaged = seen[:4], seen[4:]
    assert max(one.score for one in intact) < min(one.score for one in damaged)
    for one in damaged:
        row, column = np.unravel_index(one.map.argmax(), one.map.shape)
        assert 24 <= row < 40 and 8 <= column < 24
        assert one.score <= one.map.max()


def test_a_patch_is_only_judged_by_guesses_that_have_not_seen_it(tiny_backbone, weights):
    """A model that copies what it sees would pass for perfect otherwise; here the errors are worked out one by one."""
    fitted = Maeday(tiny_backbone, Resources(maeday=weights)).fit("metal nut")
    image, model, cells = blotted(120), fitted.model.model, SIDE // PATCH
    pixels = (image / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    pixels = torch.from_numpy(pixels).float().permute(2, 0, 1)[None]  # (1, 3, S, S)
    total = torch.zeros(cells, cells)
    assert (fitted.hidden.float().mean(dim=1) == 0.75).all() and fitted.hidden.any(dim=0).all()
    with torch.no_grad():
        for hidden in fitted.hidden:
            seen = model(pixel_values=pixels, noise=hidden[None].float())
            assert torch.equal(seen.mask[0].bool(), hidden)
            error = (model.patchify(pixels) - seen.logits).square().mean(-1)[0]  # (patches,)
            total += (error * hidden).view(cells, cells)
    found = fitted.errors(image).view(cells, PATCH, cells, PATCH).mean((1, 3))
    assert torch.allclose(found, total / fitted.hidden.sum(0).view(cells, cells), rtol=1e-3)


def test_maps_have_the_size_of_the_image(tiny_backbone, weights):
    image = grey(90, (50, 80))
    (seen,) = inspect(tiny_backbone, weights, [image])
    assert seen.map.shape == (50, 80) and seen.map.dtype == np.float32
    assert 0 <= seen.map.min() and seen.map.max() <= 1


def test_an_image_gets_the_same_score_whatever_lies_beside_it(tiny_backbone, weights):
    images = [blotted(100), grey(60), grey(200)]
    alone = [inspect(tiny_backbone, weights, [image])[0].score for image in images]
    together = [seen.score for seen in inspect(tiny_backbone, weights, images)]
    assert np.allclose(alone, together, atol=1e-6)


def test_the_seed_decides_the_masks(tiny_backbone, weights):
    first, again, other = (inspect(tiny_backbone, weights, [blotted(100)], seed)[0].score for seed in (1, 1, 2))
    assert first == again != other
    assert abs(first - other) < 0.1


def test_what_is_missing_is_said_with_what_to_do(tiny_backbone, tmp_path, weights, monkeypatch):
    assert "config.json" in Maeday(tiny_backbone, Resources(maeday=tmp_path)).missing()
    assert Maeday(tiny_backbone, Resources(maeday=weights)).missing() is None
    with pytest.raises(InputError, match="config.json"):
        Maeday(tiny_backbone, Resources(maeday=tmp_path)).fit("metal nut")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install" in Maeday(tiny_backbone, Resources(maeday=weights)).missing()
    assert Maeday(tiny_backbone).missing() is None  # the shipped one needs no further package


def refusal(backbone, folder):
    with pytest.raises(InputError) as refused:
        Maeday(backbone, Resources(maeday=folder)).fit("metal nut")
    return str(refused.value)


def test_weights_without_a_decoder_are_refused(tiny_backbone, tmp_path):
    ViTMAEModel(auto_encoder().config).save_pretrained(tmp_path)
    assert "with its decoder" in refusal(tiny_backbone, tmp_path)


def test_weights_with_a_gap_are_refused(tiny_backbone, tmp_path):
    """The library would fill it with whatever lay in memory."""
    model = auto_encoder()
    state = {name: tensor for name, tensor in model.state_dict().items() if "position_embeddings" not in name}
    model.save_pretrained(tmp_path, state_dict=state)
    assert "position_embeddings" in refusal(tiny_backbone, tmp_path)


def test_an_auto_encoder_of_normalised_patches_is_refused(tiny_backbone, tmp_path):
    auto_encoder(norm_pix_loss=True).save_pretrained(tmp_path)
    assert "norm_pix_loss" in refusal(tiny_backbone, tmp_path)


def test_an_auto_encoder_of_another_shape_of_image_is_refused(tiny_backbone, tmp_path):
    auto_encoder(num_channels=1).save_pretrained(tmp_path)
    assert "square colour images" in refusal(tiny_backbone, tmp_path)


def test_a_damaged_folder_is_refused(tiny_backbone, tmp_path):
    auto_encoder().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    assert "cannot be read" in refusal(tiny_backbone, tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "cannot be read" in refusal(tiny_backbone, tmp_path)


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("write", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap, 2))])
def test_code_in_a_weights_file_is_not_run(tiny_backbone, tmp_path, write):
    (tmp_path / "config.json").write_text(json.dumps(auto_encoder().config.to_dict()))
    write({"mask_token": Trap(tmp_path / "sprung")}, tmp_path / "pytorch_model.bin")
    assert "cannot be read" in refusal(tiny_backbone, tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_loading_prints_nothing(tiny_backbone, tmp_path, capfd):
    auto_encoder().save_pretrained(tmp_path)
    capfd.readouterr()
    Maeday(tiny_backbone, Resources(maeday=tmp_path)).fit("metal nut")
    assert capfd.readouterr() == ("", "")
