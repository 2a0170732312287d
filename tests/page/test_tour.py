"""The guided tour, by keyboard, in light and dark, on a laptop and on a phone."""

import re

import pytest
from playwright.sync_api import expect
from serving import FIRST

from page.tour import STEPS

pytestmark = pytest.mark.slow


def box(page):
    return page.locator(".tour-box")


def overlaps(one, other):
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "width"), ("y", "height"))
    )


def test_it_waits_for_its_button_trains_and_moves_a_slider_itself_and_is_walked_through_by_keyboard(page):
    expect(box(page)).to_have_count(0)
    page.locator("#tour").press("Enter")
    for number, (target, title, *_) in enumerate(STEPS, 1):
        expect(box(page)).to_contain_text(f"{number} of {len(STEPS)}")
        expect(box(page).locator("h3")).to_have_text(title)
        expect(page.locator(target)).to_be_in_viewport()
        if number == 2:
            expect(page.locator("#detector input")).to_have_value(re.compile(f"{FIRST.product} .*yours"))
        if number == 3:
            expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 5")
        page.keyboard.press("Enter")
    expect(box(page)).to_have_count(0)
    expect(page.locator("#tour")).to_be_focused()


def test_escape_leaves_back_goes_back_and_it_comes_back_from_another_view(page):
    page.locator("#tour").click()
    page.keyboard.press("ArrowRight")
    expect(box(page)).to_contain_text("2 of")
    box(page).get_by_role("button", name="Back").click()
    expect(box(page)).to_contain_text("1 of")
    expect(box(page).get_by_role("button", name="Back")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(box(page)).to_have_count(0)
    expect(page.locator(".tour-hole")).to_have_count(0)
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#product")).to_be_hidden()
    page.locator("#tour").click()  # it comes back from another view
    expect(page.locator("#product")).to_be_in_viewport()


def test_what_it_points_at_can_be_used_meanwhile(page):
    page.locator("#tour").click()
    page.locator("#product input").fill("wine glass")
    page.locator("#train").click()
    expect(page.locator("#live .status b")).not_to_have_text("Trained beforehand")
    expect(box(page)).to_contain_text("1 of")


def test_on_a_phone_without_motion_every_step_is_beside_what_it_is_about(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page.goto(address)
    page.locator("#tour").click()
    for target, title, *_ in STEPS:
        expect(box(page).locator("h3")).to_have_text(title)
        for theme in ("light", "dark"):
            page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            place = box(page).bounding_box()
            assert place["x"] >= 0 and place["x"] + place["width"] <= 390
            assert not overlaps(place, page.locator(target).bounding_box())
        page.keyboard.press("Enter")
    page.close()
