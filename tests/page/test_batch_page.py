"""The view Batch as a visitor uses it, in headless Chromium."""

import csv
import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from serving import FIRST, FIRST_DETECTOR, file_input

from app import ASSETS
from page.threshold import verdict_from
from zsad_core.detector import Detector

pytestmark = pytest.mark.slow


def png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module")
def pictures():
    """Random squares on grey, by a name that sorts as a person would."""
    random = np.random.default_rng(0)
    pictures = {}
    for number in range(9):
        pixels = np.full((64, 80, 3), 128, np.uint8)
        top, left = random.integers(0, 40, 2)
        pixels[top : top + 20, left : left + 20] = random.integers(0, 256, 3)
        pictures[f"{'good' if number < 4 else 'bent'}/{number + 4}.png"] = pixels
    return pictures


@pytest.fixture
def many(tmp_path, pictures):
    """Makes a zip of so many images."""

    def zipped(count):
        data = png(pictures["good/4.png"])
        with zipfile.ZipFile(tmp_path / f"{count}.zip", "w") as archive:
            for number in range(count):
                archive.writestr(f"{number}.png", data)
        return tmp_path / f"{count}.zip"

    return zipped


@pytest.fixture
def batch(page):
    open_batch(page)
    return page


def open_batch(page):
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#batch-words")).to_be_visible()


def status(page):
    return page.locator("#batch-status .status")


def rows(page):
    return page.locator("#batch-result tbody tr")


def column(page, name):
    return rows(page).evaluate_all("(rows, name) => rows.map((row) => row.dataset[name])", name)


def download(page, button) -> bytes:
    with page.expect_download() as event:
        page.locator(f"#{button}").click()
    with open(event.value.path(), "rb") as file:
        return file.read()


def test_good_parts_before_any_batch_leave_the_buttons_as_they_were(batch):
    file_input(batch, "batch-good").set_input_files(ASSETS / "samples/metal-nut/intact.jpg")
    expect(batch.locator("#batch-words")).to_be_enabled()
    batch.locator("#batch-words").click()
    expect(batch.locator("#batch-words")).to_have_text("Use the good parts again")
    expect(batch.locator("#batch-stop")).to_be_disabled()
    expect(batch.locator("#batch-upload")).to_be_enabled()


def test_the_samples_are_scored_sorted_and_downloaded(batch):
    expect(batch.locator("#batch-detector")).to_contain_text(f"Scored by {FIRST.product}")
    expect(batch.locator("#batch-csv")).to_be_disabled()
    batch.locator("#batch-samples").click()
    expect(status(batch)).to_contain_text("Done")
    count = len(list(ASSETS.glob("samples/*/*.jpg")))
    expect(rows(batch)).to_have_count(count)
    expect(batch.locator("#batch-result .figures")).to_contain_text("AUROC")
    expect(batch.locator("#batch-result rect.normal").first).to_be_attached()
    expect(batch.locator("#batch-result rect.abnormal").first).to_be_attached()
    assert rows(batch).first.locator("img").evaluate("(picture) => picture.complete && picture.naturalWidth") > 50

    scores = [float(score) for score in column(batch, "score")]
    assert scores == sorted(scores, reverse=True)
    batch.locator("#batch-result th", has_text="Score").get_by_role("button").press("Enter")
    assert [float(score) for score in column(batch, "score")] == scores[::-1]
    batch.locator("#batch-result th", has_text="File").get_by_role("button").click()
    assert column(batch, "file") == sorted(column(batch, "file"), reverse=True)

    table = list(csv.DictReader(io.StringIO(download(batch, "batch-csv").decode("utf-8-sig"))))
    assert {row["file"]: float(row["score"]) for row in table} == dict(
        zip(column(batch, "file"), map(float, column(batch, "score")))
    )
    with zipfile.ZipFile(io.BytesIO(download(batch, "batch-overlays"))) as archive:
        assert sorted(archive.namelist()) == sorted(row["overlay"] for row in table)
    assert batch.evaluate("document.documentElement.scrollHeight") <= 768


def test_rows_are_filtered_opened_and_go_by_the_threshold_that_inspect_takes_over(batch):
    batch.locator("#batch-samples").click()
    expect(status(batch)).to_contain_text("Done")
    shown = batch.locator("#batch-result tr[data-row]:visible")
    counts = {kind: int(batch.locator(f".result [data-count={kind}]").last.inner_text())
              for kind in ("passed", "false-alarm", "miss", "caught", "undecided")}  # fmt: skip
    scores = {"normal": [], "damaged": []}
    for label, score in zip(column(batch, "label"), column(batch, "score")):
        scores[label].append(float(score))
    assert counts["false-alarm"] == sum(score > 0.5 for score in scores["normal"])
    assert (counts["passed"] + counts["false-alarm"], counts["miss"] + counts["caught"]) == (17, 17)
    batch.locator("[data-filter=undecided]").click()
    expect(shown).to_have_count(counts["undecided"])
    batch.locator("[data-filter=all]").click()

    slider = batch.locator(".histogram input")
    slider.press("End")
    slider.press("ArrowLeft")
    slider.press("ArrowRight")
    expect(batch.locator("#batch-threshold .health")).to_contain_text("0.99yours")
    expect(batch.locator(".confusion .miss")).to_have_text(str(sum(score <= 0.99 for score in scores["damaged"])))
    expect(batch.locator(".confusion .false-alarm")).to_have_text("0")
    said = [verdict_from(0.99, float(score)) for score in column(batch, "score")]
    assert rows(batch).locator(".says").all_inner_texts() == said  # a script's doing
    table = list(csv.DictReader(io.StringIO(download(batch, "batch-csv").decode("utf-8-sig"))))
    assert {row["threshold"] for row in table} == {"0.99"}
    batch.locator("[data-filter=miss]").click()
    batch.get_by_role("searchbox", name="Find a file").fill("ea")
    missed = [row for row in table if row["label"] == "damaged" and float(row["score"]) <= 0.99 and "ea" in row["file"]]
    expect(shown).to_have_count(len(missed))

    shown.first.get_by_role("button").press("ArrowDown")
    batch.keyboard.press("Enter")
    large = batch.locator("#batch-row dialog")
    _, second, *more = [shown.nth(number).get_attribute("data-file") for number in range(len(missed))]
    down = [("ArrowDown", name) for name in (*more, more[-1])]  # the last one stays
    for key, name in ((None, second), *down, ("ArrowUp", [second, *more][-2])):
        batch.keyboard.press(key) if key else None
        expect(large.locator("h3")).to_have_text(name)
        expect(large).to_contain_text("under the threshold")
    for picture in ("clean", "overlay"):
        expect(large.locator(f".{picture}")).to_have_js_property("naturalWidth", 512)
    batch.keyboard.press("Escape")
    expect(large).to_be_hidden()
    last = shown.nth(len(missed) - 2).get_by_role("button")
    expect(last).to_be_focused()
    last.press("Enter")  # the same again
    expect(large).to_be_visible()
    batch.keyboard.press("Escape")

    batch.get_by_role("tab", name="Train and inspect").click()
    expect(batch.locator("#clean .moved")).to_have_text("your threshold 0.99")
    expect(batch.locator("#clean .card")).to_have_class(re.compile("normal"))
    batch.locator("#method").get_by_role("radio", name="CLIP", exact=True).press("Space")
    expect(batch.locator("#clean .tag")).to_have_text("Clean · CLIP")
    expect(batch.locator("#clean")).not_to_contain_text("your threshold")


def test_a_zip_with_rubbish_in_it_and_good_parts_and_back(batch, pictures, tmp_path, embedded):
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as archive:
        for name, pixels in pictures.items():
            archive.writestr(name, png(pixels))
        archive.writestr("good/<b>rubbish</b>.png", b"rubbish")
        archive.writestr("../evil.png", b"evil")
    file_input(batch, "batch-upload").set_input_files(tmp_path / "parts.zip")
    expect(status(batch)).to_contain_text("10 of 10 images")
    expect(rows(batch)).to_have_count(9)
    expect(batch.locator(".skipped summary")).to_have_text("2 files were left out")
    batch.locator(".skipped summary").click()
    expect(batch.locator(".skipped")).to_contain_text("../evil.png Its path leads out")
    expect(batch.locator(".skipped")).to_contain_text("good/<b>rubbish</b>.png The image is not an image")

    detector = Detector.load(FIRST_DETECTOR, embedded)
    alone = {name: detector.inspect(pixels).score for name, pixels in pictures.items()}
    shown = dict(zip(column(batch, "file"), map(float, column(batch, "score"))))
    assert shown == pytest.approx(alone, abs=1e-5)

    files = []
    for number, name in enumerate(list(pictures)[:4]):
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(png(pictures[name]))
    expect(batch.locator("#batch-words")).to_be_disabled()
    file_input(batch, "batch-good").set_input_files(files)
    expect(batch.locator("#batch-result caption")).to_have_text("Scored by words and 4 good parts")
    expect(batch.locator("#batch-threshold")).to_contain_text("set from 4 good parts")
    sure = detector.with_good_parts([pictures[name] for name in list(pictures)[:4]])
    both = {name: sure.inspect(pixels).score for name, pixels in pictures.items()}
    assert dict(zip(column(batch, "file"), map(float, column(batch, "score")))) == pytest.approx(both, abs=1e-4)
    expect(rows(batch).locator("td:last-child", has_text="over")).to_have_count(sum(s > 0.5 for s in both.values()))
    batch.locator("#batch-words").click()
    expect(batch.locator("#batch-result caption")).to_have_text("Scored by words alone")
    expect(batch.locator("#batch-threshold")).to_contain_text("4 good parts are kept and not used")
    expect(batch.locator("#batch-words")).to_have_text("Use the good parts again")
    assert dict(zip(column(batch, "file"), map(float, column(batch, "score")))) == shown


def test_stop_keeps_what_is_there_and_touches_nobody_else(batch, browser, address, many):
    other = browser.new_page()
    other.goto(address)
    open_batch(other)
    file_input(batch, "batch-upload").set_input_files(many(200))
    file_input(other, "batch-upload").set_input_files(many(24))
    expect(status(batch)).to_contain_text(re.compile(r"[1-9]\d* of 200"))
    expect(batch.locator("#batch-result caption")).to_have_text("Highest so far")
    batch.locator("#batch-stop").click()
    expect(status(batch)).to_contain_text("Stopped and kept")
    done = int(re.search(r"(\d+) of 200", status(batch).inner_text()).group(1))
    expect(rows(batch)).to_have_count(done)
    assert 0 < done < 200
    expect(status(other)).to_contain_text("24 of 24 images")
    expect(status(other)).to_contain_text("Done")
    expect(rows(other)).to_have_count(24)
    other.close()


def test_files_dropped_anywhere_are_scored_and_the_detector_is_that_of_inspect(batch, pictures):
    batch.get_by_role("tab", name="Train and inspect").click()
    batch.locator("#examples button", has_text="bottle").click()
    batch.locator("#train").click()
    expect(batch.locator("#detector input")).to_have_value(re.compile("bottle .*yours"))
    batch.get_by_role("tab", name="Batch").click()
    expect(batch.locator("#batch-detector")).to_contain_text("1. bottle (yours")
    batch.evaluate(
        """(files) => {
            const transfer = new DataTransfer();
            for (const bytes of files) {
                transfer.items.add(new File([new Uint8Array(bytes)], 'same.png', {type: 'image/png'}));
            }
            document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true}));
        }""",
        [list(png(pictures[name])) for name in ("good/4.png", "bent/8.png")],
    )
    expect(rows(batch)).to_have_count(2)
    assert column(batch, "file") == ["same.png", "same.png"]
    expect(batch.locator("#batch-result rect.unlabelled").first).to_be_attached()


def test_wrong_input_gets_a_sentence_and_costs_nothing(batch, tmp_path, photo):
    file_input(batch, "batch-upload").set_input_files(photo)
    expect(rows(batch)).to_have_count(1)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\3\4 no more of it")
    for button in ("batch-upload", "batch-good"):
        file_input(batch, button).set_input_files(broken)
        expect(batch.get_by_text("'broken.zip': The zip is damaged")).to_have_count(1 + (button == "batch-good"))
        expect(batch.locator("#batch-words")).to_be_disabled()
        expect(batch.locator("#batch-again")).to_be_enabled()
    expect(rows(batch)).to_have_count(1)
    assert "Traceback" not in batch.content()
