"""Fixtures shared by all tests: two backbones that need neither network nor time, and the page in a browser."""

import os
import shutil

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from training_data import named_folder, picture_folder, render_folder  # noqa: F401 (fixtures)

TINY = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 96, "patch_size": 16, "layers": 3, "width": 64, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 3},
}

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)  # only a failure takes so long


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


@pytest.fixture(scope="session")
def address(embedded):
    """Of the page over the shipped backbone."""
    from serving import serving

    with serving(embedded) as address:
        yield address


@pytest.fixture(scope="module")  # while it is open, nothing else may run an event loop in this thread
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A visitor's first screen on a small laptop; nothing may leave the machine, nor any error the console."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(20_000)
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: None if _is_local(request.url, address) else troubles.append(request.url))
    page.goto(address)
    expect(page.locator("#upload")).to_be_visible()  # the last to be built
    yield page
    page.close()
    assert not troubles


def _is_local(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


@pytest.fixture
def photo(tmp_path):
    """A photo of a visitor's own: a disc with a scratch, wider than high."""
    rows, columns = np.mgrid[:300, :400]
    pixels = np.full((300, 400, 3), 90, np.uint8)
    pixels[(rows - 150) ** 2 + (columns - 200) ** 2 < 110**2] = 170
    pixels[120:180, 198:204] = 20
    Image.fromarray(pixels).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"
