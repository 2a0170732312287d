"""The list of detectors, by keyboard and by mouse."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_the_list_opens_on_click_arrow_or_letter_and_never_stays_open(page):
    detector, options = page.locator("#detector input"), page.locator("#detector [role=listbox]")
    keys, first = page.keyboard, detector.input_value()

    def shut(at):
        expect(options).to_have_count(0)
        expect(at).to_be_focused()

    page.locator("#tour").focus()
    while not detector.evaluate("(one) => one === document.activeElement"):
        keys.press("Tab")
    shut(detector)
    keys.press("Enter")
    shut(detector)
    keys.press("Tab")
    keys.press("Shift+Tab")
    shut(detector)
    for opening in ("ArrowDown", "b", "Home"):
        keys.press(opening)
        expect(options).to_be_visible()
        keys.press("Escape")
        shut(detector)
    keys.press("ArrowUp")
    expect(options).to_be_visible()
    keys.press("Tab")
    shut(page.locator("#method input:checked"))
    detector.click()
    expect(options).to_be_visible()
    detector.click()
    shut(detector)
    expect(detector).to_have_value(first)

    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    shut(detector)
    expect(detector).not_to_have_value(first)
    detector.click()
    page.locator("#detector [role=option]", has_text=first).click()
    expect(options).to_have_count(0)
    expect(detector).to_have_value(first)
