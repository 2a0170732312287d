"""The page as a visitor uses it, in headless Chromium."""

import base64
import re

import pytest
from playwright.sync_api import expect
from serving import file_input, is_training_long, press, scale, train_long

from zsad_core.corruptions import POSTER_CORRUPTIONS
from zsad_core.verdict import VERDICTS

pytestmark = pytest.mark.slow


def test_the_first_screen_shows_a_scored_sample_before_any_click(page):
    for card in ("clean", "corrupted"):
        score = float(page.locator(f"#{card} .score").inner_text())
        verdict = next(words for upper, words in VERDICTS if score <= upper)
        expect(page.locator(f"#{card} .verdict b")).to_have_text(verdict)
        drawn = page.locator(f"#{card} .pixels").evaluate("(picture) => picture.complete && picture.naturalWidth")
        assert drawn > 100
    expect(page.locator("#samples button[aria-pressed=true]")).to_have_count(1)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename.endswith(".safetensors")
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_training_to_the_end_selects_the_new_detector(page):
    before = page.locator("#live .text-vectors").inner_html()
    page.locator("#product input").fill("metal nut")
    page.locator("#train").click()
    expect(page.locator("#live .status b")).to_have_text("Done")
    expect(page.locator("#live .status")).to_contain_text("step 30 of 30")
    expect(page.locator("#live .health b")).to_have_text(re.compile(r"^\d+%$"))
    assert page.locator("#live .text-vectors").inner_html() != before
    expect(page.locator("#detector input")).to_have_value(re.compile("metal nut .*yours.* 30 steps"))
    expect(page.locator("#train")).to_be_enabled()


def test_an_example_fills_the_field_at_once_and_what_is_typed_after_it_stays(page):
    page.locator("#examples button", has_text="bottle").click()
    page.locator("#product input").fill("hex nut")
    page.locator("#train").click()
    expect(page.locator("#live .status")).to_contain_text("Done")
    expect(page.locator("#product input")).to_have_value("hex nut")
    expect(page.locator("#detector input")).to_have_value(re.compile("hex nut .*yours"))


@pytest.mark.usefixtures("slow_steps")
def test_stop_keeps_what_was_learned_and_the_file_goes_out_and_in_again(page, tmp_path):
    page.locator("#examples button", has_text="bottle").click()
    expect(page.locator("#product input")).to_have_value("bottle")
    train_long(page)
    is_training_long(page)
    page.locator("#stop").click()
    expect(page.locator("#live .status")).to_contain_text("stopped and kept")
    expect(page.locator("#detector input")).to_have_value(
        re.compile(r"^1\. bottle \(yours: 16 prompts, \d{1,3} steps\)$")
    )

    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "bottle.safetensors"
    download.value.save_as(tmp_path / "bottle.safetensors")
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", re.compile("bottle"))  # the sample of its product
    score = scale(page, "clean").get_attribute("style")
    file_input(page, "load").set_input_files(tmp_path / "bottle.safetensors")
    expect(page.locator("#detector input")).to_have_value(re.compile(r"^2\. bottle \(yours"))
    expect(scale(page, "clean")).to_have_attribute("style", score)


@pytest.mark.usefixtures("slow_steps")
def test_one_visitors_stop_does_not_touch_anothers_training(page, browser, address):
    other = browser.new_page()
    other.goto(address)
    for visitor in (page, other):
        expect(visitor.locator("#upload")).to_be_visible()
        train_long(visitor)
    for visitor in (page, other):
        is_training_long(visitor)
    page.locator("#stop").click()
    expect(page.locator("#live .status b")).to_have_text("Done")
    before = other.locator("#live .status").inner_text()
    assert "Learning the words" in before
    expect(other.locator("#live .status")).not_to_have_text(before)
    expect(other.locator("#live .status b")).to_have_text("Learning the words")
    other.close()


def test_a_photo_of_ones_own_is_scored_and_sliders_change_the_corrupted_score_alone(page, photo):
    expect(scale(page, "clean")).to_be_visible()
    sample = scale(page, "clean").get_attribute("style")
    file_input(page, "upload").set_input_files(photo)
    expect(scale(page, "clean")).not_to_have_attribute("style", sample)
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")
    expect(page.locator("#samples button[aria-pressed=true]")).to_have_count(0)
    for kind in POSTER_CORRUPTIONS:  # one after another, as fast as the keys go
        press(page, kind, "Home")
    expect(page.locator("#corrupted .tag")).to_have_text("Not corrupted yet: move a slider")

    clean, corrupted = (scale(page, card).get_attribute("style") for card in ("clean", "corrupted"))
    press(page, "blur", "End")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: blur 5")
    expect(scale(page, "corrupted")).not_to_have_attribute("style", corrupted)
    expect(scale(page, "clean")).to_have_attribute("style", clean)
    press(page, "noise", "ArrowRight")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: blur 5, noise 1")
    for kind in ("noise", "blur"):
        press(page, kind, "Home")
    expect(page.locator("#corrupted .tag")).to_have_text("Not corrupted yet: move a slider")
    expect(scale(page, "corrupted")).to_have_attribute("style", clean)


def test_picking_a_sample_by_keyboard_shows_it(page):
    other = page.locator("#samples button[aria-pressed=false]").first
    name = other.get_attribute("title")
    other.press("Enter")
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", f"Clean: {name}")


def test_of_samples_picked_one_after_another_all_that_is_shown_is_the_last(page):
    for names in (["bottle, intact", "battery, intact", "leather, intact"], ["washer, intact", "metal nut, intact"]):
        clicks = [f"""document.querySelector("#samples [title='{name}']").click();""" for name in names]
        page.evaluate(f"() => {{ {' '.join(clicks)} }}")
        product = names[-1].removesuffix(", intact")
        expect(page.locator("#clean .pixels")).to_have_attribute("alt", f"Clean: {names[-1]}")
        expect(page.locator("#detector input")).to_have_value(product)
        expect(page.locator("#samples button[aria-pressed=true]")).to_have_attribute("title", names[-1])
        expect(page.locator("#live .status")).to_contain_text(product)


def test_an_image_pasted_anywhere_is_taken(page, photo):
    page.evaluate(
        """async (data) => {
            const transfer = new DataTransfer();
            const blob = await (await fetch(data)).blob();
            transfer.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));
            document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}));
        }""",
        "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode(),
    )
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")


def test_wrong_input_gets_a_sentence_and_costs_nothing(page, tmp_path):
    shown = page.locator("#clean .pixels").get_attribute("src")
    rubbish = tmp_path / "rubbish.png"
    rubbish.write_text("this is no picture")
    file_input(page, "upload").set_input_files(rubbish)
    expect(page.get_by_text("rubbish.png")).to_contain_text("is not an image")

    pickle = tmp_path / "detector.safetensors"
    pickle.write_bytes(b"\x80\x04 a pickle in disguise")
    file_input(page, "load").set_input_files(pickle)
    expect(page.get_by_text("This is a Python pickle")).to_be_visible()

    page.locator("#product input").fill("<b>nut</b>")
    page.locator("#train").click()
    expect(page.get_by_text("contains markup")).to_contain_text("<b>nut</b>")
    expect(page.locator("#train")).to_be_enabled()
    expect(page.locator("#clean .pixels")).to_have_attribute("src", shown)
    assert "Traceback" not in page.content()
