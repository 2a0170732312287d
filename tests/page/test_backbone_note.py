"""The line under the title: who may fetch and measure, and what it says of how that went."""

from types import SimpleNamespace

import gradio as gr
import pytest

from page import backbone_note
from page.backbone_note import BackboneNote, MeasuringWork, check_own, is_ones_own, without_commands
from page.fetching import Fetch
from zsad_core.backbone_table import RECOMMENDED
from zsad_core.doctor import Measuring
from zsad_core.errors import InputError
from zsad_core.profile import Profile, profile_of
from zsad_core.scale import Scale

AUTO = f"Running on the small embedded backbone. {RECOMMENDED} is the recommended one: fetch it with --backbone X."


def request(client="127.0.0.1", host="localhost:7860", **headers):
    return SimpleNamespace(
        client=SimpleNamespace(host=client),
        session_hash="one",
        headers={"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}},
    )


def line(own=True, note=AUTO, profile=None, name="embedded", fingerprint="f" * 16):
    profile = Profile("f", "embedded", {"ours": Scale()}) if profile is None else profile
    with gr.Blocks():
        return BackboneNote(SimpleNamespace(name=name, note=note, profile=profile, fingerprint=fingerprint), "", own)


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(backbone_note, "cached_file", lambda repository: None)
    monkeypatch.delenv("SPACE_ID", raising=False)


def test_a_page_is_ones_own_where_it_listens_on_this_machine_alone(monkeypatch):
    assert all(is_ones_own(host, False, "") for host in ("127.0.0.1", "localhost", "::1", "[::1]"))
    assert not is_ones_own("0.0.0.0", False, "") and not is_ones_own("::", False, "")
    assert not is_ones_own("127.0.0.1", True, "") and not is_ones_own("127.0.0.1", False, "/demo")
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    assert not is_ones_own("127.0.0.1", False, "")


@pytest.mark.parametrize(
    "stranger",
    [
        request(client="10.0.0.7"),
        request(host="evil.example:7860"),
        request(host=""),
        request(x_forwarded_for="10.0.0.7"),
        request(via="1.1 proxy"),
        SimpleNamespace(client=None, session_hash="one", headers={"host": "localhost"}),
    ],
)
def test_a_call_from_elsewhere_changes_nothing_here(stranger):
    for host in ("localhost", "127.0.0.1:7860", "[::1]:7860"):
        check_own(request(host=host))
    for handler in (line().fetch, line().measure):
        with pytest.raises(gr.Error, match="Only who runs this page"):
            list(handler(stranger))


def test_the_line_gives_no_command_and_a_button_only_where_it_may_be_pressed(monkeypatch):
    assert without_commands(AUTO) == line(own=False).note()["said"] == "Running on the small embedded backbone."
    assert without_commands("A - b. Fails with x--y.") == "A - b. Fails with x--y."
    assert line().note()["does"] == "fetch" and RECOMMENDED in line().note()["label"]
    assert line(own=False).note()["does"] == "" and line(note="").note()["does"] == ""
    unmeasured = {"name": "ViT-B-32", "note": "", "profile": Profile()}
    assert line(**unmeasured).note()["does"] == "measure"
    assert line(own=False, **unmeasured).note()["does"] == ""
    assert "literature" in line(own=False, **unmeasured).note()["said"]
    monkeypatch.setattr(backbone_note, "cached_file", lambda repository: "there")
    assert line().note()["does"] == ""


class Work:
    """Stands in for what takes long."""

    ended: InputError | None = None
    profile = Profile("f", "ViT-B-32", {"ours": Scale()})

    def __init__(self, _):
        pass

    def __iter__(self):
        yield "Doing it", 0.5
        if self.ended:
            raise self.ended

    def stop(self):
        self.ended = InputError("It was stopped.")


def test_fetching_says_how_far_it_is_can_be_stopped_and_ends_with_what_to_do(monkeypatch):
    monkeypatch.setattr(backbone_note, "Fetch", Work)
    tended = line()
    first, last = tended.fetch(request())
    assert (first["doing"], first["share"], first["does"]) == ("Doing it", 0.5, "stop")
    assert "start the page again" in last["said"] and last["does"] == ""
    tended = line()
    steps = tended.fetch(request())
    next(steps)
    assert "in another tab" in list(tended.fetch(request()))[-1]["said"]
    tended.stop(request())
    (last,) = steps
    assert last["said"].startswith("It was stopped.") and last["does"] == "fetch"


def test_a_measured_backbone_has_its_scale_at_once_and_from_then_on(monkeypatch):
    monkeypatch.setattr(backbone_note, "MeasuringWork", Work)
    tended = line(name="ViT-B-32", note="", profile=Profile(), fingerprint="f")
    *_, (last, scored_anew) = tended.measure(request())
    assert "fit for use" in last["said"] and last["does"] == "" and scored_anew
    assert tended.backbone.profile is Work.profile and profile_of("f").measured
    unfit = line(name="ViT-B-32", note="", profile=Profile(), fingerprint="g")
    monkeypatch.setattr(Work, "profile", Profile("g", "ViT-B-32", {"ours": Scale()}, {}, ("It guesses.",)))
    *_, (last, scored_anew) = unfit.measure(request())
    assert "not fit for use. It guesses." in last["said"] and not profile_of("g").measured


def test_the_measuring_tells_its_products_and_ends_when_it_is_stopped(monkeypatch):
    def measure(backbone, products, on_progress, stopped):
        on_progress(Measuring(2, 24, "gear"))
        assert stopped.wait(60)
        raise InputError("The measuring was stopped.")

    monkeypatch.setattr(backbone_note, "measure", measure)
    work, said = MeasuringWork(SimpleNamespace(name="ViT-B-32")), []
    with pytest.raises(InputError, match="measuring was stopped"):
        for doing, share in work:
            said.append((doing, share))
            if share:
                work.stop()
    assert ("Measuring ViT-B-32: product 3 of 24", 2 / 24) in said


@pytest.mark.slow
def test_a_hub_out_of_reach_is_said_plainly(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(InputError, match="The model hub cannot be reached from this machine"):
        list(Fetch(RECOMMENDED))
    stopped = Fetch(RECOMMENDED)
    stopped.stop()
    with pytest.raises(InputError, match="stopped"):
        list(stopped)
