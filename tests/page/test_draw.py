"""Draw a defect: with the mouse, with a finger, by keyboard; and what is sent in its place."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect
from serving import press, scale

from page import inspection
from page.draw import COLOURS, FINE, MOST_POINTS, MOST_STROKES, Stroke, drawn_on, strokes_in
from zsad_core.errors import InputError

LINE = ["dark", "thin", [1000, 1000, 9000, 9000]]


def intact(page):
    """The intact sample on the first screen's detector; gives the style of its score."""
    page.locator("#samples button[title='metal nut, intact']").click()
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: metal nut, intact")
    return scale(page, "clean").get_attribute("style")


def score(page, card="clean"):
    return float(page.locator(f"#{card} .score").inner_text())


@pytest.mark.slow
def test_a_drawn_scratch_is_scored_and_undo_leads_back(page):
    before, picture = intact(page), page.locator("#clean .pixels").get_attribute("src")
    corrupted = page.locator("#corrupted .score").inner_text()
    was = score(page)
    page.locator("#draw").click()
    page.locator("#draw-tools [data-colour=rust]").click()
    page.locator("#draw-tools [data-width=thick]").click()
    frame = page.locator("#clean .frame").bounding_box()

    def stroke(height):
        page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + height * frame["height"])
        page.mouse.down()
        page.mouse.move(frame["x"] + 0.7 * frame["width"], frame["y"] + height * frame["height"], steps=8)
        page.mouse.up()

    stroke(0.4)
    stroke(0.6)  # while the first is on its way
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    expect(page.locator("#clean .moved")).to_have_text(f"{was:.2f} before the drawing")
    expect(page.locator("#draw-place canvas, #clean .strokes")).to_have_count(1)
    assert score(page) > was + 0.2
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    expect(page.locator("#samples button[aria-pressed=true]")).to_have_attribute("title", "metal nut, intact")

    press(page, "blur", "End")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2, blur 5")
    press(page, "blur", "Home")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2")

    page.locator("#draw-tools [data-does=undo]").click()
    page.locator("#draw-tools [data-does=undo]").click()
    expect(scale(page, "clean")).to_have_attribute("style", before)
    expect(page.locator("#clean .tag")).to_have_text("Clean")
    expect(page.locator("#clean .pixels")).to_have_attribute("src", picture)
    expect(page.locator("#corrupted .score")).to_have_text(corrupted)
    expect(page.locator("#draw-tools [data-does=undo]")).to_be_disabled()


@pytest.mark.slow
def test_strokes_that_follow_each_other_at_once_are_all_scored(page):
    intact(page)
    page.locator("#draw").click()
    for _ in range(4):
        page.evaluate("for (let i = 0; i < 3; i++) document.querySelector('[data-does=scratch]').click()")
    page.locator("#draw-tools [data-does=close]").click()
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    expect(page.locator("#clean .strokes")).to_have_count(0)  # which show those that the picture does not


@pytest.mark.slow
def test_after_a_drawing_that_was_refused_the_next_one_is_scored(page, monkeypatch):
    refused = []

    def once(text):
        if not refused:
            refused.append(text)
            raise InputError("This one is refused.")
        return strokes_in(text)

    monkeypatch.setattr(inspection, "strokes_in", once)
    intact(page)
    page.locator("#draw").click()
    page.locator("#draw-tools [data-does=scratch]").click()
    expect(page.get_by_text("This one is refused.")).to_be_visible()
    page.locator("#draw-tools [data-does=scratch]").click()
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    expect(page.locator("#clean .strokes")).to_have_count(1)  # the pen is still up; both are in the picture
    page.locator("#draw-tools [data-does=undo]").click()
    page.locator("#draw-tools [data-does=undo]").click()
    expect(page.locator("#clean .tag")).to_have_text("Clean")


@pytest.mark.slow
def test_a_finger_draws_on_a_phone_and_the_page_stays_where_it_is(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(address)
    expect(page.locator("#upload")).to_be_attached()
    before = intact(page)
    page.locator("#draw").tap()
    frame = page.locator("#clean .frame").bounding_box()
    assert frame["width"] > 300
    top = page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    for kind, part in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.7), ("touchEnd", None)):
        places = [{"x": frame["x"] + part * frame["width"], "y": frame["y"] + part * frame["height"]}] if part else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    expect(scale(page, "clean")).not_to_have_attribute("style", before)
    expect(page.locator("#clean .score")).to_be_in_viewport()
    assert page.evaluate("[scrollY, document.documentElement.scrollWidth]") == [top, 390]
    page.close()


@pytest.mark.slow
def test_a_scratch_by_keyboard_stays_with_its_picture_in_stage_mode_too(page):
    intact(page)
    page.keyboard.press("s")
    page.keyboard.press("d")
    expect(page.locator("#draw-tools")).to_be_visible()
    page.locator("#draw-tools [data-does=scratch]").press("Enter")
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    page.keyboard.press("Escape")  # the tools go, stage mode stays
    expect(page.locator("#draw-tools")).to_be_hidden()
    expect(page.locator(".stage-keys")).to_be_visible()
    page.keyboard.press("n")
    expect(page.locator("#clean .tag")).to_have_text("Clean")
    page.keyboard.press("d")
    expect(page.locator("#draw-tools [data-does=undo]")).to_be_disabled()  # the new picture has no strokes
    page.locator("#draw-tools [data-does=scratch]").press("Enter")
    expect(page.locator("#clean .tag")).to_have_text("Drawn on")
    name = page.locator("#clean .pixels").get_attribute("alt").removeprefix("Drawn on: ")
    page.locator("#draw-tools [data-does=clear]").press("Enter")
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", f"Clean: {name}")


def test_strokes_colour_the_places_that_they_pass_and_no_others():
    pixels = np.full((60, 100, 3), 128, np.uint8)
    strokes = strokes_in(json.dumps([["rust", "thick", [2000, 5000, 8000, 5000]], ["light", "thin", [0, 0]]]))
    after = drawn_on(pixels, strokes)
    assert after[30, 50].tolist() == list(COLOURS["rust"])
    assert after[0, 0].tolist() != [128] * 3
    assert (after[40:] == 128).all() and (pixels == 128).all()
    assert np.array_equal(drawn_on(pixels, ()), pixels)
    for shape in ((1, 1, 3), (2, 4000, 3)):
        assert drawn_on(np.zeros(shape, np.uint8), (Stroke("light", "thick", ((0, 0), (FINE, FINE))),)).any()


def drawing(colour="dark", width="thin", places=(1, 1)):
    return json.dumps([[colour, width, places]])


@pytest.mark.parametrize(
    "text",
    [
        *("", "no JSON", "7", "null", "{}", '"dark"', "[7]", "[[]]", "[" * 90_000, " " * 10**6),
        *(json.dumps(other) for other in ({"dark": LINE}, [[*LINE, 1]], [LINE] * (MOST_STROKES + 1))),
        *(drawing(colour) for colour in ("green", ["dark"], {}, None)),
        *(drawing(width=width) for width in ("huge", ["thin"], {}, 0.5)),
        *(drawing(places=places) for places in ([], [1, 2, 3], "1111", {"1": 1, "2": 2}, [1] * (2 * MOST_POINTS + 2))),
        *(drawing(places=[1, place]) for place in (-1, FINE + 1, 0.5, True, None, "1", float("nan"), 10**400)),
        drawing().replace("1]", "9" * 5000 + "]"),
    ],
)
def test_a_drawing_that_is_none_gets_a_sentence(text):
    with pytest.raises(InputError, match=re.compile("draw|stroke")):
        strokes_in(text)


def test_the_largest_drawing_that_the_page_sends_is_read():
    largest = json.dumps([["light", "thick", [FINE] * 2 * MOST_POINTS]] * MOST_STROKES)
    assert len(strokes_in(largest)) == MOST_STROKES
