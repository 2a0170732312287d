"""Fixtures shared by all tests: two backbones that need neither network nor time."""

import gc
import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start, for the reason of `one_thread`

import pytest
import torch
from tiny_clip import TINY

gc.disable()  # until all is imported: there is nothing to collect, and searching for it takes a fifth of the time


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`, the tests of a file stay in one process, with the fixtures that they share."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_finish():
    """What was imported stays, so the garbage collector need never look at it again."""
    gc.freeze()
    gc.enable()


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
