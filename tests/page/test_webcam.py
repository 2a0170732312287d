"""The view Live, and the camera of Inspect, before Chromium's fake camera: a green picture in which a disc turns."""

import base64
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
def test_method_and_corruption_are_chosen_here_and_a_pause_keeps_the_last_frame(live):
    tag, still = live.locator("#live-view .tag"), live.locator("#live-view .still")
    live.get_by_role("button", name="Start the camera").click()
    expect(tag).to_have_text(f"Live: {FIRST.product}")
    expect(live.locator("#live-view .corrupted")).to_be_hidden()
    live.locator("#live-corruption input").click()
    live.get_by_role("option", name="blur").click()
    expect(tag).to_have_text(f"Live: {FIRST.product} · blur 3")
    expect(live.locator("#live-view .corrupted")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    live.locator("#live-method").get_by_role("radio", name="CLIP", exact=True).check()
    expect(tag).to_have_text(f"Live: {FIRST.product} · CLIP · blur 3")

    live.get_by_role("button", name="Pause").click()
    expect(tag).to_have_text(f"Paused, the last frame: {FIRST.product} · CLIP · blur 3")
    expect(still).to_be_visible()
    live.get_by_role("button", name="Go on").click()
    expect(tag).to_have_text(f"Live: {FIRST.product} · CLIP · blur 3")
    expect(still).to_be_hidden()
    live.get_by_role("button", name="Stop the camera").click()
    live.get_by_role("button", name="Start the camera").click()  # while a frame is still on its way
    expect(tag).to_have_text(f"Live: {FIRST.product} · CLIP · blur 3")
    live.get_by_role("button", name="Look closer in Inspect").click()
    expect(live.locator("#clean .pixels")).to_have_attribute("alt", "Clean · CLIP: your photo")
    expect(live.locator("#method").get_by_role("radio", name="CLIP", exact=True)).to_be_checked()

    live.locator("#samples button[title='battery, intact']").click()  # what Inspect chooses is chosen in Live
    expect(live.locator("#clean .pixels")).to_have_attribute("alt", re.compile("battery"))
    live.locator("#method label", has_text="Ours").click()
    expect(live.locator("#method").get_by_role("radio", name="Ours")).to_be_checked()
    live.get_by_role("tab", name="Live").click()
    expect(live.locator("#live-detector input")).to_have_value("battery")
    expect(live.locator("#live-method").get_by_role("radio", name="Ours")).to_be_checked()


RECORD = """async () => {  // a disc that moves, a second long, as a WebM
    const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 120}), pen = canvas.getContext('2d');
    const recorder = new MediaRecorder(canvas.captureStream(20), {mimeType: 'video/webm'}), parts = [];
    let x = 0;
    const drawing = setInterval(() => { pen.fillStyle = '#999'; pen.fillRect(0, 0, 160, 120); pen.fillStyle = '#222'; pen.fillRect(x += 4, 40, 30, 30); }, 50);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.start();
    await new Promise((done) => setTimeout(done, 1000));
    await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
    clearInterval(drawing);
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
}"""  # noqa: E501


@pytest.mark.slow
def test_a_video_is_played_in_the_browser_and_what_it_cannot_play_gets_a_sentence(live):
    film = base64.b64decode(live.evaluate(RECORD))
    chosen = live.locator("#live-view input[type=file]")

    def refused(data, words):
        chosen.set_input_files({"name": "film.webm", "mimeType": "video/webm", "buffer": data})
        expect(status(live)).to_contain_text(words)
        expect(live.get_by_role("button", name="Play a video file")).to_be_enabled()

    refused(b"this is no film", "“film.webm” is no video that this browser can play")
    for field, value, words in (("duration", 301, "301 seconds long"), ("videoWidth", 90_000, "90000 x 120 pixels")):
        video = live.locator("#live-view video")
        video.evaluate(f"(video) => Object.defineProperty(video, '{field}', {{value: {value}, configurable: true}})")
        refused(film, words)
        video.evaluate(f"(video) => delete video.{field}")
    live.evaluate("Object.defineProperty(File.prototype, 'size', {value: 600e6, configurable: true})")
    refused(film, "The video has 600 MB")
    assert live.frames_sent == []

    live.reload()
    live.get_by_role("tab", name="Live").click()
    chosen.set_input_files({"name": "film.webm", "mimeType": "video/webm", "buffer": film})
    expect(status(live)).to_have_text("The video is over.")
    expect(live.locator("#live-view .tag")).to_have_text(f"Past, the last frame: {FIRST.product}")
    expect(live.locator("#live-view .pause")).to_be_hidden()
    assert live.frames_sent


@pytest.mark.slow
def test_the_camera_of_inspect_is_closed_by_one_click_with_or_without_a_photo(page):
    panel, opener = page.locator("#webcam .camera"), page.locator("#webcam-button")

    def opened():
        opener.click()
        expect(panel.get_by_role("button", name="Take the photo")).to_be_enabled()
        return page.evaluate_handle("document.querySelector('#webcam video').srcObject.getTracks()[0]")

    ways = (panel.get_by_role("button", name="Close").click, opener.click, lambda: page.keyboard.press("Escape"))
    for close in (*ways, panel.get_by_role("button", name="Take the photo").click):
        track = opened()
        close()
        expect(panel).to_be_hidden()
        assert track.evaluate("(track) => track.readyState") == "ended"
    expect(page.locator("#clean .pixels")).to_have_attribute("alt", "Clean: your photo")

    page.evaluate("() => { navigator.mediaDevices.getUserMedia = async () => { throw {name: 'NotFoundError'}; }; }")
    opener.click()
    expect(panel.get_by_role("status")).to_contain_text("There is no camera here")
    expect(panel.get_by_role("button", name="Take the photo")).to_be_disabled()


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
