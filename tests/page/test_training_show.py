"""The training as a film, and stage mode: what a room sees."""

import html
import json
import re

import pytest
from playwright.sync_api import expect
from serving import FIRST, is_training_long, train_long

from page.stage import own_address
from page.training_show import Show, finished
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.recipe import Recipe


def frames_of(told):
    return json.loads(html.unescape(re.search('data-told="([^"]*)"', told)[1]))


@pytest.fixture(scope="module")
def film(embedded):
    """What is told of a short training, piece by piece, and its detector."""
    recipe = Recipe(steps=4, prompts=6)
    show, training = Show(embedded, "metal nut", recipe), Detector.training(embedded, "metal nut", recipe)
    told = []
    for progress in training:
        show.take(progress)
        told.append(frames_of(show.fresh()))
    return told, training.detector


def test_it_starts_from_the_plain_prompts_and_ends_with_every_frame(film):
    told, _ = film
    first, last = told[0]["frames"][0], told[-1]
    assert first["phase"] == "plain"
    assert len({tuple(dot) for dot in first["dots"][:6]}) == 1  # all prompts of a state at one point
    assert last["from"] == 0 and len(last["frames"]) == sum(len(one["frames"]) for one in told[:-1]) + 1
    assert {frame["phase"] for frame in last["frames"]} == {"plain", "prompts", "classifier", "done"}
    assert any("field" in frame for frame in last["frames"])


def test_every_dot_says_the_sentence_that_it_is_nearest_to(film):
    told, detector = film
    done = told[-1]["frames"][-1]
    said = detector.backbone.text_vectors(told[-1]["sentences"])
    nearest = (detector.text_vectors[:2].flatten(0, 1) @ said.T).argmax(1).tolist()
    assert done["near"] == nearest
    assert sum("damaged" in told[-1]["sentences"][one] or "broken" in told[-1]["sentences"][one] for one in nearest[6:])


def test_a_detector_that_was_not_watched_has_its_plain_prompts_and_its_end(film):
    frames = frames_of(finished(film[1]))["frames"]
    assert [frame["phase"] for frame in frames] == ["plain", "done"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://example.org/demo/?product=nut#x", "https://example.org/demo/"),
        ("http://[::1]:7860/", "http://[::1]:7860/"),
    ],
)
def test_the_code_is_of_the_page_alone(address, shown):
    assert own_address(address) == shown


@pytest.mark.parametrize(
    "address", [None, 7, "", "javascript:alert(1)", "https://", "file:///etc", "http://a b/", "http://" + "a" * 999]
)
def test_a_code_is_made_of_nothing_else(address):
    with pytest.raises(InputError):
        own_address(address)


@pytest.mark.slow
def test_a_finished_training_can_be_scrubbed_replayed_and_taken_apart(page):
    page.locator("#product input").fill("wine glass")
    page.locator("#train").click()
    expect(page.locator("#live .status b")).to_have_text("Done")
    picture, slider = page.locator("#live .text-vectors"), page.locator("#live .play input")
    expect(picture).to_have_attribute("data-moment", "Trained")
    slider.press("Home")
    expect(picture).to_have_attribute("data-moment", "The plain prompts")
    page.locator("#live .again").click()
    expect(picture).to_have_attribute("data-moment", "Trained")
    page.locator("#live .photo").click()
    expect(page.locator("#live .trail text")).to_have_count(12)  # the nut and its twin, severity 0 to 5
    page.locator("#live .again").click()
    expect(page.locator("#live .trail")).to_have_count(0)
    page.locator("#live .photo").click()
    expect(page.locator("#live .trail text")).to_have_count(12)
    page.locator("#method-parts label", has_text="guard").click()
    page.locator("#method-parts label", has_text="guidance").click()  # while it trains without the guard
    expect(page.locator("#detector input")).to_have_value(re.compile("wine glass .*without guidance and guard"))
    expect(page.locator("#live .health")).to_contain_text("without guidance and guard")
    expect(page.locator("#train")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()


@pytest.mark.slow
@pytest.mark.usefixtures("slow_steps")
def test_a_training_stays_in_sight_while_another_sample_is_picked(page):
    train_long(page)
    is_training_long(page)
    page.locator("#samples button[title='bottle, intact']").click()
    expect(page.locator("#detector input")).to_have_value("bottle")
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: bottle, intact")
    is_training_long(page)
    page.locator("#stop").click()
    expect(page.locator("#live .status")).to_contain_text("stopped and kept")
    expect(page.locator("#detector input")).to_have_value(re.compile("yours"))


@pytest.mark.slow
@pytest.mark.usefixtures("slow_steps")
def test_what_waits_behind_a_training_is_stopped_with_it(page):
    train_long(page)
    is_training_long(page)
    page.locator("#product input").fill("fork")
    with page.expect_response(re.compile("run/predict")):
        page.locator("#product input").press("Enter")
    page.locator("#stop").click()
    expect(page.locator("#live .status")).to_contain_text("stopped and kept")
    expect(page.locator("#detector input")).to_have_value(re.compile(f"^1. {FIRST.product} .yours"))
    expect(page.locator("#train")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    page.locator("#samples button[title='bottle, intact']").click()
    expect(page.locator("#live .status")).to_contain_text("Trained beforehand")
    page.locator("#detector input").click()
    expect(page.locator("#detector [role=option]", has_text="yours")).to_have_count(1)  # and no fork
    page.locator("#detector [role=option]", has_text="yours").click()
    expect(page.locator("#live .status")).to_contain_text(f"Yours{FIRST.product}")


@pytest.mark.slow
def test_a_file_s_name_is_text_in_the_picture(page):
    name = """x"><img src=x onerror="document.title='taken'">.png"""
    trail = {"names": [name], "kind": "blur", "field": "", "trails": [[[0, 0]] * 6]}
    page.evaluate("(told) => window.trainingShow.photo(told)", json.dumps(trail))
    expect(page.locator("#live .trail [data-says]").first).to_have_attribute("data-says", f"{name}, blur 0")
    expect(page.locator("#live .text-vectors img")).to_have_count(0)


@pytest.mark.slow
def test_after_a_training_a_photo_of_the_product_is_asked_for(page, photo):
    page.locator("#product input").fill("wine glass")
    page.locator("#train").click()
    expect(page.locator(".now-show p")).to_have_text("Now show me a wine glass")
    page.locator("#upload").locator("..").locator("input[type=file]").set_input_files(photo)
    expect(page.locator(".now-show")).to_have_count(0)
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")


@pytest.mark.slow
def test_the_stage_is_played_by_keys_alone(browser, address):
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(address)
    expect(page.locator("#clean .score")).to_be_visible()
    page.keyboard.press("s")
    expect(page.locator(".stage-keys")).to_be_visible()
    for text in ("#corrupted .verdict b", "#corrupted .tag", "#live .status b", ".stage-keys li"):
        size = page.locator(text).first.evaluate(
            "(one) => parseFloat(getComputedStyle(one).fontSize) * (one.currentCSSZoom ?? 1)"
        )
        assert size >= 20, text
    assert page.evaluate("document.documentElement.scrollHeight") <= 1080
    page.keyboard.press("t")
    expect(page.locator("#live")).to_have_class(re.compile("large"))  # the training across the screen
    expect(page.locator("#detector input")).to_have_value(re.compile("yours"))
    expect(page.locator("#live")).not_to_have_class(re.compile("large"))  # then the result
    page.keyboard.press("n")
    expect(page.locator("#samples button[aria-pressed=true]")).to_have_attribute("title", f"{FIRST.product}, intact")
    page.keyboard.press("p")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 5")
    page.keyboard.press("q")
    expect(page.locator(".stage-code svg")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.locator("#header")).to_be_visible()
    page.close()


@pytest.mark.slow
def test_while_a_slider_is_dragged_the_picture_changes_before_the_score(page):
    handle = page.locator("#severity-blur input[type=range]").bounding_box()
    page.mouse.move(handle["x"] + 6, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + handle["width"] * 0.8, handle["y"] + handle["height"] / 2, steps=4)
    expect(page.locator("#corrupted .previewed .pixels")).to_have_css("filter", re.compile("blur"))
    page.mouse.up()
    expect(page.locator("#corrupted .tag")).to_contain_text("blur")
    expect(page.locator("#corrupted .previewed")).to_have_count(0)

    shown = page.locator("#corrupted .pixels").get_attribute("src")  # away and back: no answer changes the card
    page.mouse.down()
    page.mouse.move(handle["x"] + handle["width"] * 0.3, handle["y"] + handle["height"] / 2, steps=4)
    expect(page.locator("#corrupted .previewed")).to_have_count(1)
    page.mouse.move(handle["x"] + handle["width"] * 0.8, handle["y"] + handle["height"] / 2, steps=4)
    page.mouse.up()
    expect(page.locator("#corrupted .previewed")).to_have_count(0)
    expect(page.locator("#corrupted .pixels")).to_have_attribute("src", shown)
    expect(page.locator("#corrupted .pixels")).to_have_css("filter", "none")
