"""CUDA without a GPU: torch's own stand-in, which knows CUDA's rules better than `other_device`, but has no values."""

import pytest
import torch
from test_backbone import SMALL, tokenizer
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from zsad_core import checkpoints
from zsad_core.backbone import Backbone
from zsad_core.dense import image_tower


@pytest.mark.parametrize("kind", ["small ViT", "timm resnet, linear head"])
def test_a_backbone_is_built_for_cuda_and_encodes_there(kind):
    model = checkpoints.build(SMALL[kind])
    towers = getattr(model, "text", model), image_tower(model.visual, (0.5,) * 3, (0.5,) * 3, kind)
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()):
        backbone = Backbone(kind, *towers, tokenizer(), 20.0, device="cuda")
        words = torch.zeros(2, 5, 64, device="cuda")
        texts = backbone.text_vectors_with_prefix(words, torch.tensor([5, 4]), 3)
        pixels = torch.zeros(2, 3, 96, 96)
        seen = (*texts, *backbone.encode_pixels(pixels), backbone.dense_over_windows(pixels))
        assert {tensor.device.type for tensor in seen} == {"cuda"}
