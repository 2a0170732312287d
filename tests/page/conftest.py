"""Fixtures of the page's tests: the page on loopback, a browser, and a photo of a visitor's own."""

import sys
from inspect import signature

import httpx
import numpy as np
import pytest
from browsing import FLAGS, find, provide
from filelock import FileLock
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from zsad_core.prompt_learning import PromptLearning

PATIENCE = 180  # seconds for an answer of the page; only a failure takes so long, or a machine that is very busy

expect.set_options(timeout=1000 * PATIENCE)
usual = signature(httpx.get).parameters["timeout"].default  # one object, which every call without a timeout shares
usual.connect = usual.read = usual.write = usual.pool = PATIENCE


def pytest_collection_finish(session):
    """Before the first test runs: what the chosen ones drive is here, or is installed, or is asked for."""
    fixtures = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    wanted = sorted({"chromium", "curl"} & fixtures)
    if session.config.option.collectonly:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")

    def tell(line):
        if reporter is None:  # one of several processes
            print(line, file=sys.stderr, flush=True)
            return
        reporter.write_line(line)
        reporter.flush()  # an installation takes a while

    with FileLock(session.config.cache.mkdir("programs") / "lock"):  # one process installs, and others wait
        missing = provide(wanted, tell)
    if missing:
        needed = (
            f"The tests of the page need {' and '.join(missing)}, which cannot be installed from here: install "
            f"{'them' if len(missing) > 1 else 'it'}, or leave these tests out with -m 'not slow'."
        )
        if reporter is not None:
            raise pytest.UsageError(needed)
        session.shouldstop = needed  # what one of several processes raises here is lost


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium."""
    return find("chromium")


@pytest.fixture(scope="session")
def curl():
    """The path of curl."""
    return find("curl")


@pytest.fixture(scope="session")
def address(embedded):
    """Of the page over the shipped backbone."""
    from serving import serving

    with serving(embedded) as address:
        yield address


@pytest.fixture(scope="module")  # while it is open, nothing else may run an event loop in this thread
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=1000 * PATIENCE)
        open_page = browser.new_page

        def new_page(**options):
            page = open_page(**options)
            page.set_default_timeout(1000 * PATIENCE)
            return page

        browser.new_page = new_page
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A visitor's first screen on a small laptop; nothing may leave the machine, nor any error the console."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.troubles = troubles = []
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
def slow_steps(monkeypatch):
    """Every step of learning words takes a tenth of a second, unless its training is stopped, as on a slow machine."""
    losses = PromptLearning._losses

    def slowly(learning, *arguments):
        learning.stopped.wait(0.1)
        return losses(learning, *arguments)

    monkeypatch.setattr(PromptLearning, "_losses", slowly)


@pytest.fixture
def photo(tmp_path):
    """A photo of a visitor's own: a disc with a scratch, wider than high."""
    rows, columns = np.mgrid[:300, :400]
    pixels = np.full((300, 400, 3), 90, np.uint8)
    pixels[(rows - 150) ** 2 + (columns - 200) ** 2 < 110**2] = 170
    pixels[120:180, 198:204] = 20
    Image.fromarray(pixels).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"
