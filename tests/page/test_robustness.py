"""The view Robustness, the switch between the methods, and the sweep itself, as a visitor uses them."""

import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from serving import FIRST, FIRST_DETECTOR, file_input, press, scale

from page.runs import Runs
from zsad_core.baselines import METHODS
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.sweep import CLEAN, Sweep, curves, mean_curve

browses = pytest.mark.slow


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def test_a_sweep_gives_what_single_inspections_give(tiny_backbone, image):
    detector = Detector.fit(tiny_backbone, "nut")
    scores = {}
    for places, looks in Sweep(tiny_backbone, image, seed=3):
        scores |= dict(zip(places, (seen.score for seen in detector.inspect_encoded(looks.encoded, looks.sizes))))
    assert len(scores) == 21 and scores[CLEAN] == pytest.approx(detector.inspect(image).score, abs=1e-6)
    for kind in POSTER_CORRUPTIONS:
        expected = [detector.inspect(corrupt(image, kind, severity, seed=3)).score for severity in range(6)]
        assert curves(scores)[kind] == pytest.approx(expected, abs=1e-6)
    assert mean_curve(scores)[0] == pytest.approx(scores[CLEAN])
    assert mean_curve(scores)[5] == pytest.approx(np.mean([scores[kind, 5] for kind in POSTER_CORRUPTIONS]))


def test_a_stopped_sweep_ends_after_the_batch_and_its_curves_are_short(tiny_backbone, image):
    sweep, seen = Sweep(tiny_backbone, image, ["blur", "noise"], batch_size=4), {}
    for places, _ in sweep:
        seen |= dict.fromkeys(places, 0.5)
        sweep.stop()
    assert list(seen) == [CLEAN, ("blur", 1), ("noise", 1), ("blur", 2)]
    assert curves(seen, ["blur", "noise"]) == {"blur": [0.5] * 3, "noise": [0.5] * 2}
    assert len(mean_curve(seen, ["blur", "noise"])) == 2


def test_one_visitors_stop_does_not_touch_anothers_sweep(tiny_backbone, image):
    runs = Runs(600)
    one, other = (iter(runs.follow(visitor, Sweep(tiny_backbone, image))) for visitor in ("one", "other"))
    next(one), next(other)
    runs.stop("one")
    assert len(list(one)) == 0 and len(list(other)) == 2


@pytest.mark.parametrize(
    ("kinds", "seed", "sentence"),
    [([], 0, "no corruption"), (["fog"], 0, "'fog' is not known"), (["blur"], -1, "seed -1")],
)
def test_a_sweep_that_cannot_be_says_so_at_once(tiny_backbone, image, kinds, seed, sentence):
    with pytest.raises(InputError, match=sentence):
        Sweep(tiny_backbone, image, kinds, seed)


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def open_picture(page: Page) -> None:
    open_tab(page, "Robustness")
    open_tab(page, "One picture")


def scores(page: Page) -> list[str]:
    """What the cells say, row by row."""
    return page.locator("#grid .pill").all_text_contents()


def choose(page: Page, method: str) -> None:
    page.locator("#method").get_by_role("radio", name=method, exact=True).press("Space")


@browses
def test_a_set_is_compared_beforehand_and_photos_of_the_visitors_when_run_is_pressed(page, tmp_path):
    open_tab(page, "Robustness")
    chart = page.locator("#set-chart")
    expect(page.locator("#set-status")).to_contain_text("Made beforehand")
    expect(chart.locator("figcaption b")).to_contain_text(["False alarms", "Caught", "Mistaken"])
    expect(chart.locator(".legend")).to_contain_text("Memory of 1 good part")
    before = chart.locator(".said").inner_text()
    page.locator("#set-kind label", has_text="noise").click()
    expect(chart.locator(".said")).to_contain_text("Under noise at severity 5")
    assert chart.locator(".said").inner_text() != before
    assert page.evaluate("document.documentElement.scrollHeight") <= 768

    page.locator("#set-of label", has_text="My photos").click()
    expect(chart).to_contain_text("Give a zip with folders like good and bad")
    page.locator("#set-run").click()
    expect(page.get_by_text("Give a zip with folders like good and bad")).to_have_count(2)
    open_tab(page, "Batch")
    file_input(page, "batch-upload").set_input_files(labelled_photos(tmp_path))
    expect(page.locator("#batch-status .status")).to_contain_text("Done")
    open_tab(page, "Robustness")
    page.locator("#set-run").click()
    expect(page.locator("#set-status")).to_contain_text("Done")
    expect(chart.locator(".said")).to_contain_text(f"1 intact and 2 damaged photos of yours ({FIRST.product})")
    expect(chart.locator(".said")).to_contain_text("Page 1 of 2 is read. (So in 1 photo.)")
    expect(chart.locator(".legend")).to_contain_text("Ours + 1 good part")
    expect(page.locator("#set-run")).to_be_enabled()
    page.locator("#set-of label", has_text="The samples").click()
    expect(chart.locator(".said")).to_contain_text("17 products")


def labelled_photos(folder):
    """A zip of two intact and two damaged photos, one of which has a second page."""
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 48, 3), np.uint8)) for seed in range(4)
    ]
    with zipfile.ZipFile(folder / "parts.zip", "w") as archive:
        for name, picture in zip(("good/1.png", "good/2.png", "bad/3.png", "bad/4.tiff"), pictures, strict=True):
            more = {"save_all": True, "append_images": [picture.copy()]} if name.endswith("tiff") else {}
            picture.save(folder / Path(name).name, **more)
            archive.write(folder / Path(name).name, name)
    return folder / "parts.zip"


@browses
def test_run_fills_the_grid_and_the_chart_and_starts_from_the_score_of_inspect(page, embedded):
    inspected = page.locator("#clean .score").inner_text()
    at_contrast_2 = page.locator("#corrupted .score").inner_text()
    open_picture(page)
    expect(page.locator("#grid .pill")).to_have_count(0)
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    expect(page.locator("#sweep-status")).to_contain_text("21 of 21")
    expect(page.locator("#sweep")).to_be_enabled()
    cells = np.array(scores(page)).reshape(4, 6)
    assert (cells[:, 0] == inspected).all()
    detector, sample = Detector.load(FIRST_DETECTOR, embedded), FIRST.pixels
    for kind, row in zip(POSTER_CORRUPTIONS, cells):
        expected = [one.score for one in detector.inspect([corrupt(sample, kind, level, 0) for level in range(6)])]
        assert [float(cell) for cell in row] == pytest.approx(expected, abs=0.006)
    assert cells[POSTER_CORRUPTIONS.index("contrast"), 2] == at_contrast_2
    expect(page.locator("#grid [aria-pressed=true]")).to_have_attribute("aria-label", f"contrast 2: {at_contrast_2}")
    expect(page.locator("#grid .map")).to_have_count(24)
    for kind, row in zip(POSTER_CORRUPTIONS, cells):  # every line is named at its end, with its last score
        expect(page.locator("#sweep-chart .label", has_text=kind)).to_contain_text(row[5])

    page.locator("#chart-by label", has_text="gap").click()  # to the intact twin
    expect(page.locator("#sweep-chart .label")).to_contain_text(["words", "memory", "both"])
    page.locator("#chart-by label", has_text="method").click()
    expect(page.locator("#sweep-chart .label")).to_contain_text(["Ours", "CLIP", "CLIP-AC", "WinCLIP", "RWDA-style"])
    assert page.evaluate("document.documentElement.scrollHeight") <= 768
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


@browses
def test_a_pressed_cell_or_card_takes_the_view_inspect_and_every_method_along(page):
    open_picture(page)
    expect(page.locator("#methods .asked:has(.pill)")).to_have_count(8)
    expect(page.locator("#methods")).to_contain_text("contrast 2")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    cell = page.locator("#grid button[data-kind=noise][data-severity='4']")
    score = cell.locator(".pill").inner_text()
    cell.press("Enter")
    expect(page.locator("#methods [data-method=ours] .seen").nth(1)).to_have_text(f"{score}noise 4")
    expect(page.locator("#methods [data-method=winclip] .seen").nth(1)).to_contain_text("noise 4")
    open_tab(page, "Train and inspect")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: noise 4")
    expect(page.locator("#corrupted .score")).to_have_text(score)
    expect(page.locator("#severity-noise input[type=range]")).to_have_value("4")

    open_tab(page, "Robustness")
    ours = scores(page)
    page.locator("#methods [data-method=clip-ac]").click()
    expect(page.locator("#sweep-chart .caption")).to_contain_text("CLIP-AC")
    assert scores(page) != ours and len(scores(page)) == 24
    open_tab(page, "Train and inspect")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: noise 4 · CLIP-AC")
    expect(page.locator("#clean .score")).to_have_text(scores(page)[0])


@browses
def test_stop_halfway_keeps_what_was_seen_and_another_image_starts_anew(page, embedded, monkeypatch):
    through, go_on, encode = threading.Semaphore(2), threading.Event(), embedded.encode

    def held(images, *options):
        if len(images) == 7 and not through.acquire(blocking=False):  # after the first batch, and that of the twin
            go_on.wait(180)
        return encode(images, *options)

    monkeypatch.setattr(embedded, "encode", held)
    open_picture(page)
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("7 of 21")
    expect(page.locator("#grid .pill")).to_have_count(10)  # 7 images, the clean one in four rows
    page.locator("#chart-by label", has_text="by method").click()
    expect(page.locator("#sweep-chart .caption")).to_contain_text("Every method")
    page.evaluate("""window.captions = []; new MutationObserver(() => window.captions.push(
        document.querySelector('#sweep-chart .caption').textContent)).observe(
        document.querySelector('#sweep-chart'), {childList: true, subtree: true});""")
    page.locator("#sweep-stop").click()
    expect(page.locator("#sweep-stop")).to_be_disabled()
    go_on.set()
    expect(page.locator("#sweep-status")).to_contain_text("Stopped and kept")
    expect(page.locator("#sweep-status")).to_contain_text("14 of 21")  # the batch that was being encoded, and no more
    expect(page.locator("#grid .pill")).to_have_count(17)
    expect(page.locator("#sweep")).to_be_enabled()
    captions = page.evaluate("window.captions")
    assert captions and all("Every method" in caption for caption in captions)  # as it was chosen during the run
    page.locator("#chart-by label", has_text="by corruption").click()
    expect(page.locator("#sweep-chart .label")).to_have_count(4)

    open_tab(page, "Train and inspect")
    page.locator("#samples button[aria-pressed=false]").first.click()
    expect(page.locator("#samples button").nth(1)).to_have_attribute("aria-pressed", "true")
    open_tab(page, "Robustness")
    expect(page.locator("#sweep-status")).to_contain_text("Ready")
    expect(page.locator("#grid .pill")).to_have_count(0)


@browses
def test_the_same_image_through_another_method_and_back(page):
    ours = [scale(page, card).get_attribute("style") for card in ("clean", "corrupted")]
    choose(page, "CLIP")
    expect(page.locator("#clean .tag")).to_have_text("Clean · CLIP")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2 · CLIP")
    expect(scale(page, "clean")).not_to_have_attribute("style", ours[0])
    press(page, "noise", "End")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2, noise 5 · CLIP")
    press(page, "noise", "Home")
    choose(page, "WinCLIP")
    expect(page.locator("#corrupted .tag")).to_have_text("Corrupted: contrast 2 · WinCLIP")
    expect(page.locator("#corrupted .moved")).to_contain_text("a patchwork by design")
    choose(page, "Ours")
    for card, style in zip(("clean", "corrupted"), ours):
        expect(scale(page, card)).to_have_attribute("style", style)
    expect(page.locator("#clean .tag")).to_have_text("Clean")


@browses
def test_every_method_says_what_it_is_and_all_of_the_posters_run(page, embedded):
    page.locator(".bar .ask").click()
    about = page.locator("#methods-inspect")
    expect(about).to_be_visible()
    for method in METHODS.values():
        expect(about).to_contain_text(method.faithful)
    page.keyboard.press("Escape")
    expect(about).to_be_hidden()
    open_picture(page)
    for method in METHODS.values():
        if not method.needs_good_parts:
            expect(page.locator("#methods .asked b").filter(has_text=re.compile(f"^{method.title}$"))).to_be_visible()
    expect(page.locator("#methods p")).to_have_count(0)  # no excuses
