"""Guess first: nothing is told before the vote, the truth and a tally after it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_the_room_votes_before_anything_is_told(page):
    page.locator("#guess").click()
    panel = page.locator("#guess-panel")
    expect(panel.locator("h3")).to_have_text(re.compile(r"^1\. A .*: good or damaged\?$"))
    expect(panel.locator(".answer")).to_be_hidden()
    assert "damaged" not in panel.locator(".asked").get_attribute("alt")
    panel.get_by_role("button", name="Damaged").click()
    truth = panel.locator(".answer p")
    expect(truth).to_contain_text("The room said damaged")
    right = int("intact" not in truth.inner_text())
    expect(panel.locator(".tally")).to_contain_text(f"Right in 1: the room {right}")
    expect(panel.locator(".answer li").first).to_have_text(re.compile(r"[01]\.\d\d, (good|damaged)$"))
    panel.get_by_role("button", name="Next one").press("Enter")
    expect(panel.locator("h3")).to_have_text(re.compile(r"^2\."))
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
