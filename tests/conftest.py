"""Fixtures shared by all tests: two backbones that need neither network nor time."""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import pytest
import torch
from tiny_clip import TINY


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small models are no faster on two threads, and 100 times slower where the machine is busy (OpenMP barriers)."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_backbone():
    """A small randomly initialised ViT CLIP: 6 x 6 patches of a 96 px image, d = 48, CLIP's own tokenizer."""
    from zsad_core.backbone import random_backbone

    return random_backbone(TINY)


@pytest.fixture(scope="session")
def embedded():
    """The backbone that is shipped with the project."""
    from zsad_core.backbone import load_backbone

    return load_backbone("embedded", device="cpu")
