"""The page: `python app.py`, then http://localhost:7860."""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

from page.listening import ask_directly, check_port, port_of, port_of_environment, root_path, server_name
from zsad_core.command_line import command_line
from zsad_core.errors import InputError

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio is imported: nothing leaves the machine
try:
    ask_directly()
    port_of_environment()
except InputError as error:
    sys.exit(str(error))

from page import zerogpu  # noqa: E402, I001  before torch

import anyio  # noqa: E402
import gradio as gr  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

from page.about import about  # noqa: E402
from page.api import Api  # noqa: E402
from page.backbone_note import BackboneNote, is_ones_own  # noqa: E402
from page.batch import BatchView  # noqa: E402
from page.gate import HOUR, Gate  # noqa: E402
from page.gradio_internals import Page, use_mcp_server  # noqa: E402
from page.guess import GuessPanel  # noqa: E402
from page.inspection import InspectView  # noqa: E402
from page.installable import ICON, LINK, manifest_of  # noqa: E402
from page.invitation import Invitation  # noqa: E402
from page.mcp import check_mcp  # noqa: E402
from page.parts_panel import PartsPanel
from page.robustness import RobustnessView  # noqa: E402
from page.runs import Runs  # noqa: E402
from page.share import ShareView  # noqa: E402
from page.shared import SharedState  # noqa: E402
from page.stage import StageView, stage_script  # noqa: E402
from page.theme import HEAD, Paper, style  # noqa: E402
from page.tour import tour_script  # noqa: E402
from page.training import TrainView  # noqa: E402
from page.training_show import training_show_script  # noqa: E402
from page.turns import Turns  # noqa: E402
from page.visitor_files import delete_old, own_folder  # noqa: E402
from page.webcam import LiveView  # noqa: E402
from page.why import WhyView  # noqa: E402
from zsad_core.backbone import Backbone, load_backbone  # noqa: E402
from zsad_core.cores import set_threads_for  # noqa: E402
from zsad_core.detector import Detector, Training  # noqa: E402

ASSETS = Path(__file__).parent / "assets"
TITLE = "Zero-shot anomaly detection under distribution shift"
log = logging.getLogger(__name__)
TIDYING = 30  # seconds between two looks for what has grown old
MOST_FILES = 8 * 2**30  # bytes of all visitors' files; the oldest go first
PROXIES_OF_A_SPACE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.1"
LONGEST_TRAINING, LONGEST_SWEEP, LONGEST_BATCH = 600, 600, 1800  # seconds


def create_demo(
    backbone: Backbone, assets: Path = ASSETS, training: Callable[..., Training] | None = None, own: bool = False
) -> gr.Blocks:
    """The page over a backbone.

    Args:
        assets: holds samples/ and detectors/. training: replaces `Detector.training`.
        own: whether only this machine's user can reach the page; see `backbone_note.is_ones_own`.
    """
    own_folder()
    shared = SharedState(backbone, assets, training)
    runs, batches = Runs(LONGEST_TRAINING), Runs(LONGEST_BATCH)
    sweeps, comparisons = Runs(LONGEST_SWEEP), Runs(LONGEST_SWEEP)
    here = training in (None, Detector.training)  # or else it waits for another machine, and must hold up nobody
    turns = Turns() if here else None
    with Page(turns, title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(HOUR, HOUR)) as demo:
        note = BackboneNote(backbone, TITLE, own)
        with gr.Tabs(elem_id="views"):
            with gr.Tab("Train and inspect", id="main"):
                with gr.Row(elem_classes="board"):
                    with gr.Column(elem_classes="sheet", scale=0, min_width=396):
                        train = TrainView(shared, runs)
                    with gr.Column(elem_classes="sheet", min_width=320):
                        inspect, invitation = InspectView(shared), Invitation(shared)
                        with gr.Row(elem_classes="foot"):
                            why, share, parts = WhyView(shared), ShareView(shared), PartsPanel(shared, inspect)
                            GuessPanel(shared)
                train.connect(inspect, invitation)
                note.connect(inspect)
                why.connect(inspect)
                share.connect(inspect, train)
            with gr.Tab("Robustness", id="robustness") as tab:
                robustness = RobustnessView(shared, sweeps, comparisons, inspect, tab)
            with gr.Tab("Batch", id="batch"):
                batch = BatchView(shared, batches, inspect, parts)
            robustness.comparison.connect(batch.upload, inspect.chosen)
            with gr.Tab("Live", id="live"), gr.Column(elem_classes="sheet"):
                LiveView(shared, inspect)
            with gr.Tab("About", id="about"):
                gr.HTML(about(backbone))
        StageView()
        Api(shared, runs, sweeps)

        def stop_runs(session: str):
            for of_a_kind in (runs, sweeps, comparisons, batches, note.runs):
                of_a_kind.forget(session)

        def leave(request: gr.Request):
            stop_runs(request.session_hash)
            demo.forget_session(request.session_hash)

        def tidy():
            shared.forget_unasked(HOUR)
            demo.forget_idle_sessions(HOUR)
            delete_old(own_folder(), HOUR, MOST_FILES, demo.kept_files())

        demo.unload(leave)
        demo.when_gone, demo.tidy = stop_runs, tidy
    # Every call goes through the queue; how many it holds is said in page/admission.py.
    demo.queue(max_size=100_000, api_open=False)
    return demo


def launch(demo: Page, mcp: bool = False, **options) -> str:
    """Starts the page, as an MCP server too if asked for, with the settings it always has; returns its address."""
    if mcp:
        use_mcp_server()
    if os.environ.get("SPACE_ID"):  # there the connections come from a proxy inside, which says whose they are
        os.environ.setdefault("FORWARDED_ALLOW_IPS", PROXIES_OF_A_SPACE)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and so visitors' files are deleted
    return demo.launch(
        mcp_server=mcp,
        theme=Paper(),
        css=style(),
        head=HEAD + LINK + tour_script() + training_show_script() + stage_script(),
        footer_links=["api"],
        pwa=True,
        favicon_path=ICON,
        max_file_size="200mb",
        state_session_capacity=64,
        app_kwargs={
            "middleware": [Middleware(Gate, page=demo)],
            "lifespan": _tidying(demo),
            "routes": [manifest_of(TITLE, "Anomaly detection")],  # before gradio's
        },
        **options,
    )[1]


def _tidying(demo: Page):
    """What runs beside the server, and tidies now and then."""

    @asynccontextmanager
    async def beside(_server):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_tidy_now_and_then, demo)
            tasks.start_soon(_prepare_training)
            yield
            tasks.cancel_scope.cancel()

    return beside


async def _prepare_training() -> None:
    """Imports what torch's optimisers import at their first step, once the page is up: no visitor waits for it."""
    await anyio.sleep(1)
    await anyio.to_thread.run_sync(importlib.import_module, "torch._dynamo")


async def _tidy_now_and_then(demo: Page) -> None:
    while True:
        await anyio.sleep(TIDYING)
        try:
            await anyio.to_thread.run_sync(demo.tidy)
        except Exception:  # the page goes on, and the next time may do
            log.exception("Tidying failed")


def load_with_fallback(name: str, weights: str | None) -> Backbone:
    """The backbone that was asked for; where it can't be had, the embedded one, with a note that says why."""
    device = "cpu" if zerogpu.runs_here() else None  # there is no GPU outside a loan
    try:
        return load_backbone(name, device, weights=weights)
    except InputError as error:
        if name == "embedded" and weights is None:
            raise
        backbone = load_backbone("embedded", device)
        backbone.note = f"{error} Meanwhile this page runs on the small embedded backbone. {backbone.note}".strip()
        print(backbone.note, file=sys.stderr)
        return backbone


@command_line
def main(arguments=None) -> int:
    """Starts the page; returns the exit code."""
    parser = argparse.ArgumentParser("python app.py", description=TITLE)
    parser.add_argument("--backbone", default="auto", metavar="NAME", help="auto (default), embedded, or another name")
    parser.add_argument("--weights", metavar="PATH", help="a local checkpoint for the backbone")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1; 0.0.0.0 or :: for every one)")
    parser.add_argument("--port", help="port to listen on (default: 7860)")
    parser.add_argument("--root-path", metavar="PATH", help="path of the page behind a proxy that strips it: /demo")
    parser.add_argument("--share", action="store_true", help="make a public link through gradio's servers")
    mcp = os.environ.get("GRADIO_MCP_SERVER", "").lower() == "true"  # as a Space is told
    parser.add_argument("--mcp", action="store_true", default=mcp, help="offer the named endpoints as MCP tools")
    options = parser.parse_args(arguments)
    host = options.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    if options.mcp:
        check_mcp()
    port = port_of(options.port) if options.port else port_of_environment()
    root = root_path(options.root_path or os.environ.get("GRADIO_ROOT_PATH") or "/")
    check_port(host, port)
    ask_directly(host)
    backbone = load_with_fallback(options.backbone, options.weights)
    set_threads_for(backbone)
    training = None
    if zerogpu.runs_here():
        backbone, training = zerogpu.use_loaned_gpu(backbone)
    demo = create_demo(backbone, training=training, own=is_ones_own(host, options.share, root))
    launch(demo, options.mcp, server_name=server_name(host), server_port=port, share=options.share, root_path=root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
