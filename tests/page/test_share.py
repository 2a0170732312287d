"""A link restores what was on screen, whatever it says, and the report is a picture of it."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from browsing import load_again
from PIL import Image
from playwright.sync_api import expect
from serving import FIRST, file_input, press, scale

from page.share import Link, read_link, recipe_values
from page.training import PRESETS, recipe_from
from zsad_core.errors import InputError
from zsad_core.recipe import Recipe

DESK = SimpleNamespace(
    shipped={name: SimpleNamespace(recipe=Recipe.standard(), seed=0) for name in ("metal nut", "bottle")},
    samples={"bottle/intact": None},
    missing={"ours": None, "clip": None, "anomalyclip": "Its weights are not here."},
)
LEVELS = {"brightness": 0, "contrast": 2, "blur": 0, "noise": 5}


@pytest.mark.parametrize(
    "link",
    [
        Link("metal nut", "quick", {}, 0, LEVELS, "ours", "bottle/intact"),
        Link("Käse & Brot = 50%", "standard", {"prompts": 7, "words": 3, "steps": 0}, 2**32 - 1, LEVELS, "clip"),
        Link("nut", "poster-scale", {"adjectives": "chipped, badly bent"}, 3, dict.fromkeys(LEVELS, 0)),
    ],
)
def test_what_goes_into_a_link_comes_out_of_it(link):
    assert read_link("?" + link.query(), DESK) == (link, [])


@pytest.mark.parametrize(
    ("name", "value", "sentence", "instead"),
    [
        ("product", "<script>alert(1)</script>", "contains markup", {"product": "metal nut"}),
        ("product", "x" * 500, "500 characters", {"product": "metal nut"}),
        ("product", "\x00\u202e", "invisible|empty", {"product": "metal nut"}),
        ("preset", "huge", "no preset 'huge'", {}),  # the link's own is the usual one
        ("prompts", "1000000", "Prompts must be", {}),
        ("steps", "1e9", "steps is '1e9'", {}),
        ("words", "٣", "words is '٣'", {}),
        ("adjectives", ",,,", "0 adjectives", {}),
        ("seed", "-1", "seed is '-1'", {"seed": 0}),
        ("seed", str(2**32), "from 0 to 4294967295", {"seed": 0}),
        ("blur", "6", "blur is '6'", {}),
        ("noise", "nan", "noise is 'nan'", {"severities": LEVELS | {"noise": 0}}),
        ("method", "anomalyclip", "method is 'anomalyclip'", {"method": "ours"}),
        ("sample", "../../etc/passwd", "sample is '../../etc/passwd'", {"sample": None}),
    ],
)
def test_a_hostile_value_gets_a_sentence_and_the_default_and_costs_no_other(name, value, sentence, instead):
    good = Link("bottle", "quick", {}, 5, LEVELS, "clip", "bottle/intact")
    link, (complaint,) = read_link(good.query() + "&" + urlencode({name: value}), DESK)
    assert re.search(sentence, complaint)
    assert link == replace(good, **instead)


def test_an_endless_link_and_one_of_rubbish_are_survived():
    link, (complaint,) = read_link("product=bottle&" + "x" * 5000, DESK)
    assert link == Link("metal nut", severities=dict.fromkeys(LEVELS, 0)) and "characters" in complaint
    assert read_link("?%ff%00=%&&==;&blur", DESK)[0].product == "metal nut"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?product=", "name is empty"),
        ("?product=%ff%fe", "product is not text in UTF-8"),
        ("?product=%ED%A0%80", "product is not text in UTF-8"),
        ("?adjectives=%ff", "adjectives is not text in UTF-8"),
        ("?product=nut&product=nut", "product more than once"),
        ("?preset=quick&steps=3&steps=3", "steps more than once"),
        ("?blur", "blur is ''"),
        ("?blur=1e400", "blur is '1e400'"),
        ("?seed=" + "9" * 1900, "seed is '999"),
    ],
)
def test_a_value_that_cannot_be_read_gets_a_sentence(query, sentence):
    link, (complaint,) = read_link(query, DESK)
    assert sentence in complaint
    assert (link.product, link.seed, link.severities) == ("metal nut", 0, dict.fromkeys(LEVELS, 0))


def test_what_other_sites_add_to_a_link_is_passed_over():
    link = Link("bottle", "quick", {}, 5, LEVELS)
    assert read_link(f"?__theme=dark&{link.query()}&fbclid=x&product[a][b]=c&[[[=]]]", DESK) == (link, [])


def test_a_name_alone_means_the_detector_that_is_there():
    assert read_link("?product=bottle", DESK)[0].recipe == Recipe.standard()
    assert read_link("?product=spoon", DESK)[0].recipe == Recipe.quick()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_recipe_of_the_form_is_said_in_as_few_words_as_it_takes(preset):
    assert recipe_values(PRESETS[preset]) == (preset, {})
    recipe = recipe_from(preset, "chipped, bent", prompts=9, words=1)
    assert recipe_values(recipe) == (preset, {"adjectives": "chipped, bent", "prompts": 9, "words": 1})


def test_a_recipe_that_the_form_cannot_say_is_refused_in_words():
    with pytest.raises(InputError, match="share its file instead"):
        recipe_values(replace(Recipe.quick(), guard_weight=1.0))


@pytest.mark.slow
def test_a_copied_link_shows_another_visitor_the_same_scores(page, browser):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#samples button[aria-pressed=false]").nth(4).click()
    press(page, "noise", "End")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2, noise 5")
    page.locator("#share button", has_text="Copy link").click()
    expect(page.locator("#share [role=status]")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")

    other = browser.new_page()
    other.goto(link)
    for card in ("clean", "corrupted"):
        expect(scale(other, card)).to_have_attribute("style", scale(page, card).get_attribute("style"))
    expect(other.locator("#detector input")).to_have_value(page.locator("#detector input").input_value())
    expect(other.locator("#severity-noise input[type=number]")).to_have_value("5")
    expect(other.locator("#samples button[aria-pressed=true]")).to_have_attribute(
        "title", page.locator("#samples button[aria-pressed=true]").get_attribute("title")
    )
    other.close()


@pytest.mark.slow
def test_a_link_fills_the_form_and_trains_what_it_needs_by_itself(page, address):
    page.goto(f"{address}?product=wine+glass&preset=standard&steps=5&seed=7&adjectives=chipped&blur=3")
    expect(page.locator("#detector input")).to_have_value(re.compile("wine glass .*yours.* 5 steps"))
    expect(page.locator("#product input")).to_have_value("wine glass")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: blur 3")
    page.locator(".advanced > button").click()
    expect(page.get_by_label("Steps")).to_have_value("5")
    expect(page.get_by_label("Seed")).to_have_value("7")
    expect(page.get_by_label("Adjectives")).to_have_value("chipped")


@pytest.mark.slow
def test_a_page_that_is_loaded_again_has_the_last_training_and_the_theme(page, address):
    page.locator("#product input").fill("wine glass")
    page.locator("#train").click()
    expect(page.locator("#detector input")).to_have_value(re.compile("^1. wine glass"))
    page.wait_for_function("localStorage.getItem('last-training')")
    page.locator("#theme").click()
    dark = page.evaluate("document.body.classList.contains('dark')")
    load_again(page, address)
    expect(page.locator("#detector input")).to_have_value(re.compile("^1. wine glass"))
    assert page.evaluate("document.body.classList.contains('dark')") == dark


@pytest.mark.slow
def test_a_hostile_link_leaves_the_first_screen_as_it_is(page, address):
    shown = scale(page, "clean").get_attribute("style")
    page.goto(f"{address}?product=<img src=x onerror=alert(1)>&blur=99&sample=../x")
    expect(page.get_by_text("contains markup")).to_contain_text("blur is '99'")
    expect(scale(page, "clean")).to_have_attribute("style", shown)
    assert "Traceback" not in page.content()


@pytest.mark.slow
def test_a_link_that_is_too_long_says_so_and_shows_the_usual_page(page, address):
    page.goto(f"{address}?product={'a' * 2100}")
    expect(page.get_by_text("The link has 2109 characters")).to_contain_text("at most 2000 are read")
    expect(page.locator("#product input")).to_have_value(FIRST.product)
    expect(page.locator("#corrupted .tag")).to_have_text("Not corrupted yet: move a slider")
    expect(page.locator("#detector input")).to_have_value(FIRST.product)


@pytest.mark.slow
def test_a_photo_of_ones_own_stays_out_of_the_link_and_is_in_the_report(page, photo):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    file_input(page, "upload").set_input_files(photo)
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")
    page.locator("#share button", has_text="Copy link").click()
    expect(page.get_by_text("Your photo is not part of the link")).to_be_visible()
    expect(page.locator("#share [role=status]")).to_have_text("Link copied")
    assert "sample" not in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.locator("#share button", has_text="Report picture").click()
    assert download.value.suggested_filename == f"{FIRST.product.replace(' ', '-')}-report.png"
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as report:
        assert (report.format, report.size) == ("PNG", (1600, 900))
        assert report.getpixel((240, 380)) != (236, 231, 220)  # the photo, and not the frame behind it
