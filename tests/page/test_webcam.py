"""The view Live before Chromium's fake camera: a green picture in which a disc with a missing sector turns."""

import re
from pathlib import Path

import pytest
from browsing import FLAGS
from gradio.utils import get_upload_folder
from playwright.sync_api import expect, sync_playwright
from serving import FIRST, FIRST_DETECTOR

from page.webcam import LARGEST, PREFIX, read_frame
from zsad_core.detector import Detector
from zsad_core.errors import InputError


@pytest.fixture(scope="module")
def browser(chromium):
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *camera])
        yield browser
        browser.close()


@pytest.fixture
def live(page):
    """The view, opened, and the frames that the page has sent so far, in order."""
    page.frames_sent = []

    def note(request):
        data = request.post_data_json.get("event_data") if "queue/join" in request.url else None
        if isinstance(data, dict) and "frame" in data:
            page.frames_sent.append(data)

    page.on("request", note)
    page.get_by_role("tab", name="Live").click()
    return page


def status(page):
    return page.locator("#live-view [role=status]")


@pytest.mark.slow
def test_the_score_follows_the_camera_with_one_frame_on_its_way_and_none_is_kept(live, embedded):
    kept = set(Path(get_upload_folder()).rglob("*"))
    live.evaluate("""window.answers = 0; new MutationObserver(() => { window.answers += 1; })
        .observe(document.querySelector('#live-view .pace'), {childList: true});""")
    live.get_by_role("button", name="Start the camera").click()
    live.wait_for_function("window.answers >= 5")
    expect(live.locator("#live-view .score")).to_have_text(re.compile(r"^[01]\.\d\d$"))
    expect(live.locator("#live-view .tag")).to_have_text(f"Live: {FIRST.product}")
    expect(live.locator("#live-view .pace")).to_have_text(re.compile(r"frames a second, \d+ ms"))

    at = live.evaluate("Number(document.querySelector('#live-view .scale').style.getPropertyValue('--at'))")
    detector = Detector.load(FIRST_DETECTOR, embedded)
    scores = [detector.inspect(read_frame(frame["frame"])).score for frame in live.frames_sent[-3:]]
    assert min(abs(score - at) for score in scores) < 1e-3

    live.get_by_role("button", name="Stop the camera").click()
    expect(status(live)).to_have_text("The camera is off.")
    sent, answered = len(live.frames_sent), live.evaluate("window.answers")
    assert sent in (answered, answered + 1)  # the next one goes when the last was answered
    assert [frame["number"] for frame in live.frames_sent] == list(range(1, sent + 1))
    assert live.locator("#live-view video").evaluate("(video) => video.srcObject") is None
    assert set(Path(get_upload_folder()).rglob("*")) == kept


@pytest.mark.slow
def test_the_camera_goes_off_when_the_view_is_left(live):
    live.get_by_role("button", name="Start the camera").click()
    expect(live.locator("#live-view .score")).to_have_text(re.compile(r"\d"))
    track = live.evaluate_handle("document.querySelector('#live-view video').srcObject.getTracks()[0]")
    live.get_by_role("tab", name="About").click()
    live.wait_for_function("(track) => track.readyState === 'ended'", arg=track)
    live.get_by_role("tab", name="Live").click()
    expect(status(live)).to_contain_text("switched off when you left")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotAllowedError", "The camera was not allowed: allow it"),
        ("NotFoundError", "There is no camera here"),
        ("OverconstrainedError", "cannot be opened"),
    ],
)
def test_a_camera_that_cannot_be_had_gets_a_sentence(live, name, sentence):
    live.evaluate(
        "(name) => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)); }", name
    )
    live.get_by_role("button", name="Start the camera").click()
    expect(status(live)).to_contain_text(sentence)
    expect(live.get_by_role("button", name="Start the camera")).to_be_enabled()
    assert live.frames_sent == []


@pytest.mark.parametrize(
    "frame",
    [None, 7, ["x"], "", "file:///etc/hostname", PREFIX, PREFIX + "%%", PREFIX + "QUJD", PREFIX + "A" * LARGEST],
)
def test_a_frame_that_is_none_gets_a_sentence(frame):
    with pytest.raises(InputError, match="start|Start|empty|not an image"):
        read_frame(frame)
