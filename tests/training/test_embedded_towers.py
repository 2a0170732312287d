"""The embedded backbone's towers against the libraries' own, which it no longer imports."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from open_clip.transformer import TextTransformer as OpenClips
from safetensors.torch import load_file
from torch import nn

from training.weights import TRUNK, fold_batch_norm
from zsad_core.efficientnet import EfficientNetLite2
from zsad_core.embedded import ASSETS, Architecture, Trunk, build_text_tower, load, upper_features
from zsad_core.errors import InputError
from zsad_core.text_transformer import TextTransformer

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"context_length": 16, "vocab_size": 100, "width": 24, "heads": 3, "layers": 2, "output_dim": 10}


def test_random_weights_are_open_clips():
    drawn = []
    for kind in (TextTransformer, OpenClips):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            drawn.append(kind(**SIZES).state_dict())
    assert drawn[0].keys() == drawn[1].keys()
    assert all(torch.equal(tensor, drawn[1][name]) for name, tensor in drawn[0].items())


def test_text_vectors_of_the_shipped_weights_are_open_clips():
    ours, _, tokenizer, _ = load()
    sizes = Architecture()
    theirs = OpenClips(
        sizes.context_length,
        tokenizer.vocab_size,
        sizes.text_width,
        sizes.text_heads,
        sizes.text_layers,
        output_dim=sizes.dim,
    )
    theirs.load_state_dict(ours.state_dict())
    tokens = tokenizer(["a photo of a metal nut.", "", "a blurry photo of a badly damaged metal nut"])
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs.eval()(tokens), atol=1e-5, rtol=1e-4)
    assert build_text_tower(sizes).state_dict().keys() == theirs.state_dict().keys()


@pytest.fixture(scope="module")
def trunks():
    """Ours with the shipped weights, and timm's with the same, batch normalisation folded."""
    ours = Trunk().eval()
    ours.load_state_dict({key: value.float() for key, value in load_file(ASSETS / "trunk.safetensors").items()})
    theirs = timm.create_model(TRUNK, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)).eval()
    fold_batch_norm(theirs)
    assert list(theirs.state_dict()) == list(ours.net.state_dict())
    theirs.load_state_dict(ours.net.state_dict())
    return ours, theirs


def test_features_of_the_shipped_trunk_are_timms_to_the_last_bit(trunks):
    ours, theirs = trunks
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        four, eight, sixteen, thirty_two = theirs(pixels.contiguous(memory_format=torch.channels_last))
        fine, *upper = ours(pixels)
    assert torch.equal(fine[:, four.shape[1] :], eight)
    assert torch.equal(upper[0], sixteen) and torch.equal(upper[1], thirty_two)
    assert torch.equal(upper_features(ours.upper_stages, fine)[1], thirty_two)


def test_every_convolution_is_laid_out_as_timms(trunks):
    ours, theirs = ({name: part for name, part in net.named_modules() if isinstance(part, nn.Conv2d)}
                    for net in (EfficientNetLite2(), trunks[1]))  # fmt: skip
    assert list(ours) == list(theirs)
    for name, part in ours.items():
        for what in ("stride", "padding", "groups", "kernel_size", "dilation"):
            assert getattr(part, what) == getattr(theirs[name], what), (name, what)


@pytest.mark.slow
def test_the_embedded_backbone_runs_without_the_libraries_that_take_seconds(tmp_path):
    code = """
import sys
import zsad_core.baselines, zsad_core.detector, zsad_core.reasons
from zsad_core.backbone import load_backbone
detector = zsad_core.detector.Detector.load("assets/detectors/bottle.safetensors", load_backbone("auto", "cpu"))
detector.inspect("assets/samples/bottle/damaged.jpg")
detector.backbone.text_vectors(["a photo of a metal nut."])
print({"open_clip", "timm", "torchvision", "transformers", "sympy", "ftfy"} & set(sys.modules))
"""
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True, cwd=ROOT
    )
    assert run.stdout == "set()\n"


@pytest.mark.parametrize("damage", [lambda packed: packed[:-2000], lambda packed: gzip.compress(b"#version\na b"),
                                    lambda packed: b"no gzip"])  # fmt: skip
def test_a_damaged_merge_list_is_refused(tmp_path, damage):
    shutil.copytree(ASSETS, tmp_path / "embedded")
    merges = tmp_path / "embedded" / "merges.txt.gz"
    merges.write_bytes(damage(merges.read_bytes()))
    with pytest.raises(InputError, match="restore the folder"):
        load(tmp_path / "embedded")
