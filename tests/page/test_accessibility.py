"""Whether everyone can use the page: axe-core over every view in both themes, and a visit by keyboard alone."""

import re
import zipfile
from importlib.resources import files

import pytest
from playwright.sync_api import Locator, Page, expect
from serving import file_input

pytestmark = pytest.mark.slow

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
STILL = "*, ::before, ::after { transition: none !important; animation: none !important; }"  # colours as they end up
COLOURS = {"runOnly": ["color-contrast"]}
SCREENS = (  # the dark theme differs from the light one in its colours alone
    ("light", 1366, 768, {}),
    ("dark", 1366, 768, COLOURS),
    ("dark", 390, 844, {}),
)

# What axe-core leaves to a person, and why nothing is wrong with it. Of what it decides itself, nothing is excused.
JUDGED = {
    "color-contrast": "text over pictures and in SVG: its colours are measured below, and pictures lie under dark tags",
    "video-caption": "the visitor's own camera, without sound",
}
TEXT = ("ink", "quiet", "normal", "abnormal", "undecided", *(f"line-{number}" for number in range(9)))


def troubles(page: Page, view: str, within: str = "body") -> list[str]:
    """What axe-core finds, of any impact, in what is open: in light and on a phone; by night, where only colours
    differ, of the colours. `within` is what is new on a view that was looked at before."""
    found = []
    for theme, width, height, rules_alone in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
        seen = page.evaluate(
            "([within, only]) => axe.run(within, {resultTypes: ['violations', 'incomplete'], ...only})",
            [within, rules_alone],
        )
        rules = seen["violations"] + [rule for rule in seen["incomplete"] if rule["id"] not in JUDGED]
        found += [
            f"{view}, {theme}, {width} px: {rule['id']} ({rule['impact']}): {node['html']}"
            for rule in rules
            for node in rule["nodes"]
        ]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (view, width)
    page.set_viewport_size({"width": 1366, "height": 768})
    return found


def open_view(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_axe_finds_nothing_in_any_view_light_dark_or_on_a_phone(page, photo, tmp_path):
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as archive:
        for name in ("good/1.png", "bent/2.png"):
            archive.write(photo, name)
        archive.writestr("rubbish.png", b"rubbish")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.evaluate(AXE)
    page.add_style_tag(content=STILL)
    found = troubles(page, "Train and inspect")

    page.get_by_role("button", name="Advanced").click()
    page.locator("#train").click()
    expect(page.locator("#live .status b")).to_have_text("Done")
    expect(page.locator("#train")).to_be_enabled()
    found += troubles(page, "after a training")
    page.locator("#why summary").click()
    expect(page.locator("#why .reading")).to_have_count(4)
    found += troubles(page, "Why", "#why")
    page.locator(".bar .ask").click()
    found += troubles(page, "the methods", ".methods:popover-open")
    page.keyboard.press("Escape")
    page.locator("#parts-opener button").click()
    page.locator("#parts-shown").click()
    expect(page.locator("#parts li")).to_have_count(1)
    expect(page.locator("#clean .by")).to_be_visible()
    found += troubles(page, "the good parts", "#good-parts")
    page.keyboard.press("Escape")
    page.locator("#draw").click()
    found += troubles(page, "Draw a defect")
    page.keyboard.press("Escape")
    page.locator("#webcam-button").click()
    expect(page.locator("#webcam [role=status]")).to_contain_text("no camera")
    found += troubles(page, "the camera of Inspect")
    page.keyboard.press("Escape")
    page.locator("#tour").click()
    found += troubles(page, "the tour", ".tour-box")
    page.keyboard.press("Escape")
    page.locator("#live .enlarge").click()
    found += troubles(page, "the film of the training", "#live")
    page.keyboard.press("Escape")
    page.locator("#guess").click()
    expect(page.locator("#guess-panel [data-vote=good]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#guess-panel [data-next]")).to_be_focused()
    found += troubles(page, "guess first", "#guess-panel")
    page.keyboard.press("Escape")
    page.locator("#clean").click()
    page.keyboard.press("s")
    expect(page.locator(".stage-keys")).to_be_visible()
    found += troubles(page, "stage mode", "#stage-mode")
    page.keyboard.press("s")

    open_view(page, "Robustness")
    found += troubles(page, "a set of pictures")
    open_view(page, "One picture")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    expect(page.locator("#sweep")).to_be_enabled()
    expect(page.locator("#methods .asked[aria-busy]")).to_have_count(0)
    found += troubles(page, "Robustness")
    open_view(page, "Batch")
    file_input(page, "batch-upload").set_input_files(tmp_path / "parts.zip")
    expect(page.locator("#batch-status .status")).to_contain_text("Done")
    page.locator(".skipped summary").click()
    found += troubles(page, "Batch")
    page.locator("#batch-result tbody tr").first.click()
    expect(page.locator("#batch-row dialog")).to_be_visible()
    found += troubles(page, "a row of the batch", "#batch-row")
    page.keyboard.press("Escape")
    open_view(page, "Live")
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    found += troubles(page, "Live")
    open_view(page, "About")
    expect(page.locator(".about")).to_be_visible()
    found += troubles(page, "About")
    assert not found, "\n".join(found)


def test_every_colour_of_text_stands_out_from_its_sheet_in_both_themes(page):
    """At least 4.5 to 1, as WCAG 2.2 asks of small text (1.4.3)."""
    for theme in ("light", "dark"):
        page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
        colours = page.evaluate(
            "(names) => names.map((name) => getComputedStyle(document.body).getPropertyValue(`--${name}`))",
            ["paper", *TEXT],
        )
        paper, *others = map(luminance, colours)
        for name, other in zip(TEXT, others, strict=True):
            darker, lighter = sorted((paper, other))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (theme, name)


def luminance(colour: str) -> float:
    """The relative luminance, in [0, 1], of a colour "#rrggbb" (WCAG 2.2)."""
    red, green, blue = (int(part, 16) / 255 for part in re.findall("[0-9a-f]{2}", colour))
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue))
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def tab_to(page: Page, target: Locator) -> None:
    """Presses Tab until the target has the focus, and sees that this is visible."""
    for _ in range(120):  # more than there are stops, and beyond the last one it begins anew
        page.keyboard.press("Tab")
        if target.evaluate("(one) => one === document.activeElement"):
            break
    expect(target).to_be_focused()
    assert target.evaluate(
        """(one) => [one, one.closest('label')].some((box) => {
            const {outlineStyle, boxShadow} = box ? getComputedStyle(box) : {};
            return box && (outlineStyle !== 'none' || /0px 0px 0px [23]px/.test(boxShadow));
        })"""
    )


def test_everything_is_done_by_keyboard_alone(page):
    keys, corrupted = page.keyboard, page.locator("#corrupted .tag")
    tab_to(page, page.locator("#tour"))
    keys.press("Enter")
    expect(page.locator(".tour-box")).to_contain_text("1 of")
    keys.press("ArrowRight")
    expect(page.locator(".tour-box")).to_contain_text("2 of")
    keys.press("Escape")
    expect(page.locator(".tour-box")).to_have_count(0)

    tab_to(page, page.locator("#product input"))
    keys.press("Control+A")
    keys.type("bolt")
    tab_to(page, page.locator("#train"))
    keys.press("Enter")
    expect(page.locator("#detector input")).to_have_value(re.compile("bolt .*yours"))
    expect(page.locator("#train")).to_be_enabled()

    tab_to(page, page.locator("#method").get_by_role("radio", name="CLIP", exact=True))
    keys.press("Space")
    expect(corrupted).to_have_text("Corrupted: contrast 2 · CLIP")
    tab_to(page, page.locator("#severity-blur input[type=range]"))
    keys.press("ArrowRight")
    expect(corrupted).to_have_text("Corrupted: contrast 2, blur 1 · CLIP")
    tab_to(page, page.locator("#severity-noise input[type=number]"))
    keys.press("ArrowUp")
    expect(corrupted).to_have_text("Corrupted: contrast 2, blur 1, noise 1 · CLIP")
    sample = page.locator("#samples button[title='battery, intact']")
    tab_to(page, sample)
    keys.press("Enter")
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean · CLIP: battery, intact")
    expect(sample).to_be_focused()

    tab_to(page, page.get_by_role("tab", name="Robustness"))
    keys.press("Enter")
    tab_to(page, page.get_by_role("tab", name="One picture"))
    keys.press("Enter")
    tab_to(page, page.locator("#sweep"))
    keys.press("Enter")
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    expect(page.locator("#sweep")).to_be_enabled()
    tab_to(page, page.locator("#grid button[data-kind=noise][data-severity='4']"))
    keys.press("Enter")
    expect(corrupted).to_have_text("Corrupted: noise 4 · CLIP")
    tab_to(page, page.locator("#methods [data-method=ours]"))
    keys.press("Enter")
    expect(page.locator("#sweep-chart .caption")).to_contain_text("Ours")


def test_the_talk_of_three_minutes_is_given_by_keyboard_alone(page):
    keys, corrupted = page.keyboard, page.locator("#corrupted .tag")
    keys.press("s")
    expect(page.locator(".stage-keys")).to_be_visible()
    tab_to(page, page.locator("#product input, #product textarea"))
    keys.press("Control+A")
    keys.type("bolt")
    keys.press("Tab")
    keys.press("t")
    expect(page.locator("#live")).to_have_class(re.compile("large"))
    expect(page.locator("#detector input")).to_have_value(re.compile("bolt .*yours"))
    expect(page.locator("#live")).not_to_have_class(re.compile("large"))
    keys.press("r")
    expect(page.locator("#live")).to_have_class(re.compile("large"))
    keys.press("Escape")
    shown = page.locator("#clean .pixels").get_attribute("alt")
    keys.press("n")
    expect(page.locator("#clean .pixels")).not_to_have_attribute("alt", shown)
    keys.press("p")
    expect(corrupted).to_have_text("Corrupted: contrast 5")
    expect(page.locator("#ramp")).to_have_attribute("aria-pressed", "false")
    keys.press("g")
    expect(page.locator("#guess-panel [data-vote=good]")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#guess-panel .answer")).to_be_visible()
    keys.press("Escape")
    expect(page.locator("#guess-panel")).to_be_hidden()
    keys.press("s")
    expect(page.locator(".stage-keys")).to_be_hidden()
    tab_to(page, page.get_by_role("tab", name="Robustness"))
    keys.press("Enter")
    expect(page.locator("#set-chart")).to_be_visible()
    tab_to(page, page.get_by_role("tab", name="One picture"))
    keys.press("Enter")
    tab_to(page, page.locator("#sweep"))
    keys.press("Enter")
    expect(page.locator("#sweep-status")).to_contain_text("Done")
    tab_to(page, page.get_by_role("tab", name="Train and inspect"))
    keys.press("Enter")
    tab_to(page, page.locator("#why summary"))
    keys.press("Enter")
    expect(page.locator("#why .reading").first).to_be_visible()
