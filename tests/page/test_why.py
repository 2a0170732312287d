"""The fold-out Why as a visitor uses it."""

import re

import pytest
from playwright.sync_api import expect
from serving import press

pytestmark = pytest.mark.slow


def reading(page, title, column=0):
    return page.locator("#why section").nth(column).locator(".reading", has_text=title)


def test_it_says_what_the_damage_looks_like_and_follows_the_picture(page):
    asked = []
    page.on("request", lambda request: asked.append(request) if "queue/join" in request.url else None)
    press(page, "contrast", "Home")
    expect(page.locator("#corrupted .tag")).to_have_text("Not corrupted yet: move a slider")
    assert len(asked) == 1  # what is closed is not computed
    expect(page.locator("#why .reading")).to_have_count(0)

    page.locator("#why summary").press("Enter")
    expect(reading(page, "Hottest patch").locator("ul").first.locator(".nearer")).to_have_class(re.compile("abnormal"))
    expect(reading(page, "Whole image")).to_contain_text(re.compile(r"FNN: [01]\.\d\d abnormal"))
    expect(reading(page, "Whole image").locator(".word.diversity")).to_have_count(4)
    expect(page.locator("#why section")).to_have_count(1)  # nothing is corrupted

    press(page, "blur", "End")
    expect(page.locator("#why h3").nth(1)).to_have_text("Corrupted: blur 5")
    expect(reading(page, "Whole image", 1)).to_contain_text("blurry")
    page.locator("#samples button[title='bottle, intact']").click()
    expect(reading(page, "Whole image").locator("ul").first.locator(".nearer")).to_contain_text("bottle")
    expect(reading(page, "Whole image").locator("ul").first.locator(".nearer")).to_have_class(re.compile(r"\bnormal"))

    page.locator("#why summary").press("Enter")
    expect(page.locator("#why .reading").first).to_be_hidden()


def test_it_is_plain_that_the_reasons_are_those_of_ours(page):
    page.locator("#why summary").click()
    expect(page.locator("#why .reading")).to_have_count(4)
    page.get_by_role("radio", name="CLIP", exact=True).check(force=True)
    expect(page.locator("#why")).to_contain_text("The score above is CLIP’s")
