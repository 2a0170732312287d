"""The page on loopback, in this process, and the hands of its visitors, for the tests that use it from outside."""

import re
import socket
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

import app
from page.shared import read_samples
from zsad_core.comparison import first_product

# The damaged sample of the first screen, and the detector that judges it.
FIRST = next(iter(read_samples(app.ASSETS / "samples", first_product(app.ASSETS / "comparison.json")).values()))
FIRST_DETECTOR = app.ASSETS / "detectors" / f"{FIRST.name.partition('/')[0]}.safetensors"

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextmanager
def serving(backbone, **options):
    """The address of the page over a backbone; the options are those of `app.launch`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo = app.create_demo(backbone)
    try:
        where = {"server_name": "127.0.0.1", "server_port": port}
        yield app.launch(demo, **{**where, **options}, prevent_thread_lock=True, quiet=True)
    finally:
        demo.close(verbose=False)


def scale(page: Page, card: str) -> Locator:
    """The scale of a card: its style holds the score to four digits."""
    return page.locator(f"#{card} .scale")


def file_input(page: Page, button: str) -> Locator:
    return page.locator(f"#{button}").locator("xpath=preceding-sibling::input[@type='file'][1]")


def press(page: Page, kind: str, keys: str) -> None:
    page.locator(f"#severity-{kind} input[type=range]").press(keys)


def train_long(page: Page) -> None:
    """Begins a training of 1000 steps; with `slow_steps` it is not over by itself before the test is."""
    page.get_by_role("button", name="Advanced").click()
    steps = page.get_by_label("Steps", exact=True)
    expect(steps).to_be_visible()
    page.evaluate(TWO_FRAMES)  # gradio sets a field that appears again in its next frame, over what was typed so fast
    steps.fill("1000")
    page.locator("#train").click()


def is_training_long(page: Page) -> None:
    """Waits until some of those steps have been taken."""
    expect(page.locator("#live .status")).to_contain_text(re.compile(r"step [1-9]\d* of 1000"))
