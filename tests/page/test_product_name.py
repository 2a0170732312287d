"""What a product's name does, as a visitor sees it."""

import re

import pytest
from playwright.sync_api import expect
from serving import FIRST, file_input

import app
from page.product_name import SetLooks, name_note
from page.shared import SharedState
from zsad_core.archives import Entry
from zsad_core.errors import InputError


@pytest.fixture(scope="module")
def shared(embedded):
    return SharedState(embedded, app.ASSETS)


def test_a_name_is_spoken_of_only_where_there_is_something_to_say(shared):
    assert name_note(shared, "ceramic mug") == ""
    assert "not understood" in name_note(shared, "螺母") and "“object”" in name_note(shared, "qwertzuiop")
    note = name_note(shared, "cracked mug")
    assert "“cracked” is a state" in note and 'data-product="mug"' in note
    assert "<" not in re.sub(r"<[^<>]*>", "", name_note(shared, "cracked a\"b'c")).replace("&lt;", "")


def test_a_set_is_asked_evenly_and_what_cannot_be_read_is_passed_over(shared):
    bottle = shared.samples["bottle/intact"].pixels
    images = [(Entry("no.jpg", None), InputError("not an image"))] + [(Entry("a.jpg", None), bottle)] * 40
    seen = SetLooks(shared, images, "zipper")
    assert len(seen) == 41 and [found for _, found in seen][1] is bottle
    assert seen.looks[0].name == "bottle" and "more like a bottle than a zipper" in seen.line()
    nothing = SetLooks(shared, images[:1], "zipper")
    assert len(list(nothing)) == 1 and nothing.line() == ""


@pytest.mark.slow
def test_a_picture_of_something_else_gets_an_offer_that_trains_at_one_click(page):
    expect(page.locator("#looks")).to_contain_text(re.compile(f"Looks like: .*{FIRST.product}"))
    page.locator("#product input").fill("zipper")
    page.locator("#train").click()
    expect(page.locator("#detector input")).to_have_value(re.compile("zipper .*yours"))
    file_input(page, "upload").set_input_files(app.ASSETS / "samples/bottle/intact.jpg")
    offer = page.locator("#looks button")
    expect(offer).to_have_text("Train for bottle?")
    offer.click()
    expect(page.locator("#product input")).to_have_value("bottle")
    expect(page.locator("#detector input")).to_have_value(re.compile("bottle .*yours"))
    expect(page.locator("#looks")).to_contain_text("bottle stands 1st")
    expect(offer).to_have_count(0)


@pytest.mark.slow
def test_a_name_without_sense_says_so_and_why_shows_what_the_name_is_worth(page):
    page.locator("#product input").fill("螺母")
    page.locator("#train").click()
    expect(page.locator("#live .name-note")).to_contain_text("amounts to “object”")
    expect(page.locator("#live .status b")).to_have_text("Done")
    page.locator("#why summary").click()
    worth = page.locator("#why .share-of-name").first
    expect(worth).to_contain_text(re.compile(r"Told “.+”\s+0\.\d\d, told only “object”\s+0\.\d\d"))
    page.locator("#product input").fill("broken")
    page.locator("#train").click()
    expect(page.get_by_text("is a state and no product name")).to_be_visible()
