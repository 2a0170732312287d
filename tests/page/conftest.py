"""Fixtures of the page's tests: the page on loopback, a browser, and a photo of a visitor's own."""

import shutil

import numpy as np
import pytest
from browsing import FLAGS
from PIL import Image
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=30_000)  # only a failure takes so long


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
