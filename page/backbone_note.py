"""The line under the title: on what the page runs, and what its own user can do about that from here.

A recommended backbone that is not there can be fetched, one without a profile can be measured; meanwhile the page goes
on with what it has. Both change the machine, so they are only for whoever runs the page: see `is_ones_own`.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import gradio as gr

from page.fetching import Fetch
from page.inspection import InspectView
from page.listening import LOCAL
from page.runs import Runs
from page.tour import BUTTON
from page.words import in_words
from zsad_core.backbone import Backbone
from zsad_core.backbone_table import RECOMMENDED, backbone_table, cached_file
from zsad_core.doctor import Measuring, measure
from zsad_core.errors import InputError
from zsad_core.profile import cached_file as place_of_profile
from zsad_core.profile import write

TENDING = {"concurrency_id": "tending", "api_visibility": "private", "show_progress": "hidden"}
PAUSE = 0.3  # seconds between two looks at how far it is
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")  # headers of a proxy
HEADER = """<header><div><h1>TITLE</h1>BUTTON<p class="note"><span role="status"></span><span class="doing"></span>
<progress max="1" hidden></progress> <button type="button" hidden></button></p></div>
<button type="button" id="theme" title="Light or dark" aria-label="Light or dark"
 onclick="switchTheme()">◐</button></header>"""
# The button stays the same one while the figures beside it change: a press on it is never lost, nor is its focus.
SHOWS = """const find = (what) => element.querySelector(`.note ${what}`);
const show = () => {
  const {said, doing, share, does, label} = props.value;
  find('[role=status]').textContent = said;
  find('.doing').textContent = doing;
  find('progress').hidden = !doing;
  find('progress').value = share;
  find('progress').setAttribute('aria-label', doing || 'Done');
  find('button').hidden = !does;
  find('button').dataset.does = does;
  find('button').textContent = label;
};
show();
watch('value', show);
find('button').addEventListener('click', (event) => {
  const does = event.target.dataset.does;
  if (['fetch', 'measure', 'stop'].includes(does)) trigger(does);
});"""


def is_ones_own(host: str, share: bool, root: str) -> bool:
    """Whether only this machine's own user can reach a page: it listens on this machine alone, at no path of a proxy,
    without a public link, and is no Space. Every call is looked at as well, see `check_own`."""
    return host.strip("[]") in LOCAL and not share and root in ("", "/") and not os.environ.get("SPACE_ID")


def check_own(request: gr.Request) -> None:
    """Raises InputError where a call does not come straight from a browser on this machine."""
    name = re.sub(r":\d*$", "", request.headers.get("host", "")).strip("[]")
    from_here = request.client is not None and request.client.host in LOCAL
    if not from_here or name not in LOCAL or any(header in request.headers for header in FORWARDED):
        raise InputError("Only who runs this page can do that, in a browser on the same machine.")


class BackboneNote:
    """Builds the header inside the current layout; `connect` wires its buttons where the page is one's own."""

    def __init__(self, backbone: Backbone, title: str, own: bool):
        self.backbone, self.own, self.runs = backbone, own, Runs()
        self._fetched, self._busy = False, threading.Lock()
        header = HEADER.replace("TITLE", title).replace("BUTTON", BUTTON)
        self.line = gr.HTML(self.note(), html_template=header, elem_id="header", js_on_load=SHOWS)

    def connect(self, inspect: InspectView) -> None:
        if self.own:
            self.line.fetch(self.fetch, None, self.line, **TENDING)
            self.line.measure(self.measure, None, [self.line, inspect.restored], **TENDING)
            self.line.stop(self.stop, None, None, queue=False, api_visibility="private")

    def note(self, said: str = "") -> dict:
        """What the page runs on, after what is to be `said`, and a button for what can be done about it."""
        sentences = [said, without_commands(self.backbone.note)]
        if not self.backbone.profile.measured:
            sentences.append(f"{self.backbone.name} was not measured: its scores follow the literature’s values.")
        does, label = self._offer()
        return {"said": " ".join(filter(None, sentences)), "doing": "", "share": 0, "does": does, "label": label}

    def _offer(self) -> tuple[str, str]:
        """What the button does, and what is on it; empty where there is none."""
        best = next(row for row in backbone_table() if row["name"] == RECOMMENDED)
        if self.own and not self.backbone.profile.measured:
            return "measure", "Measure it"
        wanted = self.own and self.backbone.name == "embedded" and self.backbone.note and not self._fetched
        if wanted and not cached_file(best["repository"]):
            return "fetch", f"Fetch {RECOMMENDED}, the recommended one ({best['download_mb']} MB)"
        return "", ""

    @in_words
    def fetch(self, request: gr.Request):
        """Fetches the recommended backbone; gives the line."""
        check_own(request)
        try:
            with self._alone():
                for doing, share in self.runs.follow(request.session_hash, Fetch(RECOMMENDED)):
                    yield _running(doing, share)
        except InputError as error:
            yield self.note(str(error))
        else:
            self._fetched = True
            yield self.note(f"{RECOMMENDED} is here: start the page again, and it runs on it.")

    @in_words
    def measure(self, request: gr.Request):
        """Measures the backbone, whose scale changes at the end; gives the line, and a new value for the picture."""
        check_own(request)
        work = MeasuringWork(self.backbone)
        try:
            with self._alone():
                for doing, share in self.runs.follow(request.session_hash, work):
                    yield _running(doing, share), gr.skip()
                if not work.profile.wrong:
                    write(work.profile, place_of_profile(self.backbone.fingerprint))
        except InputError as error:
            yield self.note(str(error)), gr.skip()
        else:
            if wrong := work.profile.wrong:
                yield self.note(f"{self.backbone.name} is not fit for use. {' '.join(wrong)}"), gr.skip()
            else:
                self.backbone.profile = work.profile
                yield self.note(f"{self.backbone.name} was measured and is fit for use."), time.time()

    def stop(self, request: gr.Request):
        """Ends what this visitor has begun."""
        self.runs.stop(request.session_hash)

    @contextmanager
    def _alone(self):
        if not self._busy.acquire(blocking=False):
            raise InputError("That is running already, in another tab.")
        try:
            yield
        finally:
            self._busy.release()


class MeasuringWork:
    """The measuring of a backbone, in a thread of its own: iterate over it for what it does, `stop()` it.

    Attributes:
        profile: what was found, at the end.

    Raises:
        InputError: the yardstick is not there, or it was stopped; on the way.
    """

    def __init__(self, backbone: Backbone):
        self._backbone, self._stopped = backbone, threading.Event()
        self._latest, self.profile = Measuring(0, 1, ""), None

    def stop(self) -> None:
        self._stopped.set()

    def __iter__(self) -> Iterator[tuple[str, float]]:
        with ThreadPoolExecutor(1) as thread:
            measuring = thread.submit(measure, self._backbone, None, self._take, self._stopped)
            try:
                while not measuring.done():
                    yield self._says, self._latest.step / self._latest.steps
                    wait([measuring], PAUSE)
                self.profile = measuring.result()
            finally:  # also where the loop over this was left early
                self.stop()

    def _take(self, progress: Measuring) -> None:
        self._latest = progress

    @property
    def _says(self) -> str:
        if self._stopped.is_set():
            return f"Stopping after the {self._latest.product}"
        return f"Measuring {self._backbone.name}: product {self._latest.step + 1} of {self._latest.steps}"


def without_commands(note: str) -> str:
    """A note without the sentences that give options of a command line, which who reads a page may not have."""
    return " ".join(sentence for sentence in re.split(r"(?<=[.!?]) ", note) if not re.search(r"(^|\W)--\w", sentence))


def _running(doing: str, share: float) -> dict:
    return {"said": "", "doing": doing, "share": share, "does": "stop", "label": "Stop"}
