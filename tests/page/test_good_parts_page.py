"""Good parts as a visitor gives them: by the picture on screen, by files, in the view Batch, and words alone again."""

import re
import threading
import zipfile

import numpy as np
import pytest
from browsing import load_again
from PIL import Image
from playwright.sync_api import Page, expect
from serving import file_input

from app import ASSETS
from page import parts_panel
from page.parts_panel import panel_of

pytestmark = pytest.mark.slow
INTACT, DAMAGED = (ASSETS / "samples/metal-nut" / f"{state}.jpg" for state in ("intact", "damaged"))


@pytest.fixture
def parts(tmp_path):
    """Files of photos of a ring, each in another place and with other stains; the last one is of something else."""
    rows_columns = np.mgrid[:120, :120]
    for number in range(3):
        random = np.random.default_rng(number)
        distance = np.hypot(*(rows_columns - random.uniform(45, 75, (2, 1, 1))))
        stains = np.kron(random.normal(0, 8, (6, 6)), np.ones((20, 20)))
        pixels = np.where((distance < 40) & (distance > 15), 170, 60) + stains
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"ring-{number}.png")
    Image.fromarray((np.indices((120, 120)).sum(0) % 23 * 11).astype(np.uint8)).save(tmp_path / "stripes.png")
    return sorted(tmp_path.iterdir())


def pick(page: Page, sample: str) -> None:
    page.locator(f"#samples button[title^='{sample}']").click()
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", re.compile(sample))


def score(page: Page) -> float:
    return float(page.locator("#clean .score").inner_text())


def opener(page: Page):
    return page.locator("#parts-opener button")


def test_the_intact_twin_makes_the_intact_one_flawless_and_words_alone_and_removing_take_it_back(page):
    expect(opener(page)).to_have_text("Good parts: none")
    expect(page.get_by_role("radio", name="Memory of good parts")).to_have_count(0)
    pick(page, "metal nut, intact")
    alone = score(page)
    opener(page).press("Enter")
    expect(page.locator("#parts")).to_contain_text("zero-shot")
    expect(page.locator("#words-only")).to_be_hidden()
    page.locator("#parts-shown").press("Enter")
    expect(page.locator("#clean .by")).to_have_text("by words and 1 good part, not zero-shot")
    expect(page.locator("#clean .verdict b")).to_have_text(re.compile("flawless|undecided"))
    expect(page.locator("#clean .moved")).to_have_text(f"words alone {alone:.2f}")
    expect(page.locator("#parts")).to_contain_text("no longer zero-shot")
    expect(page.locator("#parts li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    intact = score(page)

    page.locator("#parts-shown").click()  # once more the same
    expect(page.get_by_text("are the same photo")).to_be_visible()
    expect(page.locator("#parts li")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#good-parts")).to_be_hidden()
    pick(page, "metal nut, damaged")
    assert score(page) > intact
    pick(page, "bottle, intact")  # another product's detector knows nothing of it
    expect(opener(page)).to_have_text("Good parts: none")
    expect(page.locator("#clean .by")).to_have_count(0)
    pick(page, "metal nut, intact")
    expect(opener(page)).to_have_text("1 good part")

    page.get_by_role("radio", name="Memory of good parts").press("Space")
    expect(page.locator("#clean .by")).to_have_text("by 1 good part without words, not zero-shot")
    opener(page).click()
    page.get_by_label("Words only").check()
    expect(opener(page)).to_have_text("1 good part, unused")
    page.get_by_role("button", name="Remove good part 1").click()
    expect(opener(page)).to_have_text("Good parts: none")
    expect(page.get_by_role("radio", name="Ours")).to_be_checked()
    expect(page.locator("#clean .tag")).to_have_text("Clean")
    expect(page.locator("#clean .score")).to_have_text(f"{alone:.2f}")
    expect(page.locator("#clean .by")).to_have_count(0)


def test_a_method_chosen_while_another_detector_comes_up_stays_chosen(page, monkeypatch):
    page.get_by_role("radio", name="CLIP", exact=True).check()
    expect(page.locator("#clean .tag")).to_have_text("Clean · CLIP")
    arrived, chosen = threading.Event(), threading.Event()

    def held(selection):
        arrived.set()
        assert chosen.wait(60)
        return panel_of(selection)

    monkeypatch.setattr(parts_panel, "panel_of", held)
    page.locator("#samples button[title='battery, intact']").click()
    assert arrived.wait(60)
    page.locator("#method label", has_text="Ours").click()
    chosen.set()
    expect(opener(page)).to_have_attribute("data-product", "battery")
    expect(page.locator("#clean .tag")).to_have_text("Clean")
    expect(page.get_by_role("radio", name="Ours")).to_be_checked()


def test_photos_are_given_and_the_one_that_stands_out_is_named(page, parts, tmp_path):
    opener(page).click()
    file_input(page, "parts-upload").set_input_files(parts)
    expect(opener(page)).to_have_text("4 good parts · 1 stands out")
    expect(page.locator("#parts .doubt")).to_contain_text("Good part 4 looks unlike the others")
    expect(page.locator("#parts li").nth(3)).to_have_class("doubted")
    page.get_by_role("button", name="Remove good part 4").click()
    expect(opener(page)).to_have_text("3 good parts")
    expect(page.locator("#parts .doubt")).to_have_count(0)
    first, second = (Image.fromarray(np.full((90, 120), shade, np.uint8)) for shade in (50, 200))
    first.save(tmp_path / "pages.tiff", save_all=True, append_images=[second])
    second.save(tmp_path / "bad.png")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(tmp_path / "pages.tiff", "good/pages.tiff")
        archive.write(tmp_path / "bad.png", "bad/bad.png")
    file_input(page, "parts-upload").set_input_files(tmp_path / "more.zip")
    expect(page.get_by_text("Page 1 of 2 is read.")).to_contain_text(
        "bad.png' is left out: Its folder labels it damaged"
    )
    expect(opener(page)).to_contain_text("4 good parts")
    page.evaluate("document.querySelectorAll('#parts button[data-part]').forEach((one) => one.click())")  # all at once
    expect(opener(page)).to_have_text("Good parts: none")


def test_photos_that_cannot_be_used_get_a_sentence_and_change_nothing(page, parts, tmp_path):
    rubbish = tmp_path / "rubbish.png"
    rubbish.write_bytes(b"<b>rubbish</b>")
    shown = page.locator("#clean .pixels").get_attribute("src")
    for files, sentence in (
        ([parts[0], rubbish], "The good part 'rubbish.png' cannot be used"),
        ([parts[0], parts[0]], "are the same photo"),
        ([parts[0]] * 17, "17 good parts were given: give 1 to 16"),
    ):
        data = [{"name": path.name, "mimeType": "image/png", "buffer": path.read_bytes()} for path in files]
        file_input(page, "parts-upload").set_input_files(data)
        expect(page.get_by_text(sentence)).to_be_visible()
    expect(opener(page)).to_have_text("Good parts: none")
    expect(page.locator("#clean .pixels")).to_have_attribute("src", shown)
    assert "Traceback" not in page.content()


def test_a_memory_of_the_intact_twin_cries_wolf_where_words_and_both_do_not(page):
    pick(page, "metal nut, intact")
    page.get_by_role("tab", name="Robustness").click()
    page.get_by_role("tab", name="One picture").click()
    page.locator("#chart-by label", has_text="words, memory, both").click()
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    chart = page.locator("#sweep-chart")
    expect(chart).to_contain_text("the sample “metal nut, intact”")
    last = {name: float(chart.locator(".label", has_text=name).locator("tspan").text_content())
            for name in ("words", "memory", "both")}  # fmt: skip
    assert last["memory"] > 0.5 > last["both"]
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_other_views_say_by_what_they_score(page):
    pick(page, "metal nut, intact")
    opener(page).click()
    page.locator("#parts-shown").click()
    expect(opener(page)).to_have_text("1 good part")
    page.keyboard.press("Escape")
    page.locator("#why summary").click()
    expect(page.locator("#why")).to_contain_text("The score above is by words and 1 good part")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#share button", has_text="Copy link").click()
    expect(page.get_by_text("Your good parts are not part of the link")).to_be_visible()
    with page.expect_download() as download:
        page.locator("#download").click()
    file = download.value.path().read_bytes()
    page.locator("#parts-opener button").click()
    page.get_by_role("button", name="Remove good part 1").click()
    expect(opener(page)).to_have_text("Good parts: none")
    upload = {"name": "nut.safetensors", "mimeType": "application/octet-stream", "buffer": file}
    file_input(page, "load").set_input_files(upload)
    expect(opener(page)).to_have_text("1 good part")
    expect(page.locator("#parts")).to_contain_text("came with the detector’s file")
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#batch-threshold")).to_contain_text("set from 1 good part")


def test_a_ramp_plays_memory_and_words_and_a_reload_says_which_good_parts_went_with_it(page):
    pick(page, "metal nut, intact")
    opener(page).click()
    page.locator("#parts-shown").click()
    expect(page.locator("#clean .by")).to_have_text("by words and 1 good part, not zero-shot")
    page.keyboard.press("Escape")
    expect(page.locator("#detector input")).to_be_in_viewport()
    assert page.locator("#detector").bounding_box()["width"] > 90  # beside a switch that has one more method
    page.locator("#ramp").click()
    expect(page.locator("#clean .tag")).to_have_text("Corrupted: contrast 1 · Memory of good parts")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 1 · words alone")
    page.locator("#severity-contrast input[type=range]").press("ArrowLeft")  # a hand on the slider ends it
    expect(page.locator("#ramp")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#clean .tag")).to_have_text("Clean")
    expect(page.locator("#corrupted .tag")).to_have_text("Not corrupted yet: move a slider")

    load_again(page)
    gone, nut = page.locator("#parts-opener .gone"), page.locator("#samples button[title='metal nut, intact']")
    expect(gone).to_contain_text("1 good part of metal nut is gone")
    nut.click()
    with page.expect_file_chooser() as chooser:
        gone.get_by_role("button", name="Give again").click()
    chooser.value.set_files(INTACT)
    expect(opener(page).first).to_have_text("1 good part")
    expect(gone).to_have_count(0)
    expect(page.locator("#clean .by")).to_be_visible()
    load_again(page)
    gone.get_by_role("button", name="Forget them").click()
    expect(gone).to_have_count(0)
    load_again(page)
    expect(page.locator("#upload")).to_be_visible()
    expect(gone).to_have_count(0)
