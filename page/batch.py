"""The view Batch: many images or a zip, scored by one detector, and the endpoint /batch."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from page.api import in_plain_words, noted
from page.batch_report import Result, detector_line, drop_label, nothing_yet, report, resting, status, threshold_panel
from page.gradio_internals import save_for_visitor, visitor_folder
from page.inspection import AT_ONCE, TOGETHER, InspectView
from page.runs import Runs
from page.shared import SharedState, read_photo
from page.words import in_words
from zsad_core.archives import Entry, ImageFiles
from zsad_core.batch import QUANTILE, BatchScoring, auroc, calibrated_threshold, to_csv
from zsad_core.detector import Detector, Inspection

# Of its own: a batch takes minutes, and whoever trains or looks at one image must not wait for its end.
SCORING_MANY = {"concurrency_id": "batch", "concurrency_limit": TOGETHER, "show_progress": "hidden"}
LEAST_PAUSE = 0.3  # seconds between two pictures of a batch
SORTING = """element.addEventListener('click', (event) => {
    const heading = event.target.closest('th[data-sort]');
    if (!heading) return;
    const body = heading.closest('table').tBodies[0];
    const order = heading.ariaSort === 'descending' ? 'ascending' : 'descending';
    for (const other of heading.parentElement.cells) other.removeAttribute('aria-sort');
    heading.ariaSort = order;
    const value = (row) => row.dataset[heading.dataset.sort];
    const rows = [...body.rows].sort((a, b) => value(a).localeCompare(value(b), 'en', {numeric: true}));
    body.append(...(order === 'ascending' ? rows : rows.reverse()));
});"""


@dataclass(frozen=True)
class Calibration:
    """A threshold from a visitor's own normal images, for the one detector that has scored them."""

    detector: str  # its key in the dropdown
    threshold: float
    images: int


class BatchView:
    """Builds the view inside the current layout, and wires it; `inspect` has the detectors to choose from."""

    def __init__(self, shared: SharedState, runs: Runs, inspect: InspectView):
        self.shared, self.runs, self.inspect = shared, runs, inspect
        result, calibration = gr.State(None), gr.State(None)
        with gr.Row(elem_classes="board many"):
            with gr.Column(elem_classes="sheet", scale=0, min_width=396):
                gr.HTML("<h2>Batch <small>many images, one detector</small></h2>", elem_classes="heading")
                detector = gr.HTML(
                    next(iter(shared.shipped)), html_template=detector_line("${value}"), elem_id="batch-detector"
                )
                upload = gr.UploadButton(drop_label(), file_count="multiple", elem_id="batch-upload")
                with gr.Row(elem_classes="go"):
                    again = gr.Button("Score again", size="sm", elem_id="batch-again", min_width=90)
                    samples = gr.Button("Try the samples", size="sm", elem_id="batch-samples", min_width=110)
                    stop = gr.Button("Stop", size="sm", interactive=False, elem_id="batch-stop", min_width=60)
                progress = gr.HTML(resting(), elem_id="batch-status")
                gr.HTML("<h3>Threshold</h3>", elem_classes="heading")
                threshold = gr.HTML(threshold_panel(), elem_id="batch-threshold")
                with gr.Row(elem_classes="go"):
                    good = gr.UploadButton(
                        "Calibrate on my good parts",
                        file_count="multiple",
                        size="sm",
                        elem_id="batch-good",
                        min_width=190,
                    )
                    neutral = gr.Button("Back to neutral", size="sm", elem_id="batch-neutral", min_width=120)
            with gr.Column(elem_classes="sheet", min_width=320):
                with gr.Row(elem_classes="bar"):
                    gr.HTML("<h2>Result</h2>", elem_classes="heading")
                    table = gr.DownloadButton(
                        "CSV", size="sm", interactive=False, elem_id="batch-csv", scale=0, min_width=70
                    )
                    overlays = gr.DownloadButton(
                        "Overlays (zip)", size="sm", interactive=False, elem_id="batch-overlays", scale=0, min_width=110
                    )
                shown = gr.HTML(nothing_yet(), elem_id="batch-result", js_on_load=SORTING)
        self._declare_endpoint()

        inspect.detector.change(None, inspect.detector, detector, js="(key) => key", api_visibility="private")
        buttons = [upload, again, samples, good, neutral, stop]
        chosen = [inspect.detector, inspect.own, calibration, result]
        drawn = [progress, shown, threshold, result, table, overlays]
        calibrated = [progress, shown, threshold, calibration, table]
        for triggers, run, inputs, outputs in (
            ([upload.upload, again.click], self.score, [upload, *chosen], drawn),
            ([samples.click], self.score_samples, chosen, drawn),
            ([good.upload], self.calibrate, [good, inspect.detector, inspect.own, result], calibrated),
        ):
            running = gr.on(triggers, self.begin, None, buttons, **AT_ONCE).then(
                run, inputs, outputs, api_visibility="private", **SCORING_MANY
            )
            running.success(_buttons, None, buttons, **AT_ONCE)
            running.failure(_buttons, None, buttons, **AT_ONCE)
        stop.click(self.halt, None, stop, **AT_ONCE)
        neutral.click(self.forget_calibration, result, calibrated, **AT_ONCE)

    def begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return _buttons(running=True)

    def halt(self, request: gr.Request):
        """Stops this visitor's batch; what was scored so far is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)

    @in_words
    def score(self, request: gr.Request, paths, key, own, calibration, before):
        """Scores what was uploaded last."""
        images = ImageFiles(paths or (), read_photo)
        yield from self._score(request, images, key, own, calibration, before)

    @in_words
    def score_samples(self, request: gr.Request, key, own, calibration, before):
        """Scores the samples that come with the page, which are of many products."""
        names = (sample.name.split("/") for sample in self.shared.samples.values())
        entries = [Entry(f"{state}/{product}.jpg", state == "damaged") for product, state in names]
        images = [(entry, sample.pixels) for entry, sample in zip(entries, self.shared.samples.values(), strict=True)]
        yield from self._score(request, images, key, own, calibration, before)

    def _score(self, request: gr.Request, images, key, own, calibration, before: Result | None):
        """Scores images, drawing some three pictures a second, and gives the result at last."""
        detector = self.inspect.chosen_detector(key, own)
        threshold = _threshold(calibration, key)
        with new_file("overlays.zip") as path:
            scoring, drawn = BatchScoring(detector, images, path), 0.0
            for progress in self.runs.follow(request.session_hash, scoring):
                if time.monotonic() - drawn >= LEAST_PAUSE:
                    drawn = time.monotonic()
                    so_far = report(Result.of(scoring, key, progress), threshold, running=True)
                    yield status(progress), so_far if scoring.rows else gr.skip(), *[gr.skip()] * 4
        result = Result.of(scoring, key, progress)
        if before is not None:
            Path(before.overlays).unlink(missing_ok=True)  # one visitor's batches don't pile up
        yield (
            status(progress, scoring.skipped, ended=True),
            report(result, threshold),
            _panel(calibration, key),
            result,
            gr.update(value=csv_file(scoring.rows, threshold), interactive=True),
            gr.update(value=result.overlays, interactive=True),
        )

    @in_words
    def calibrate(self, request: gr.Request, paths, key, own, result: Result | None):
        """Scores the visitor's own normal images, and draws the result anew over the threshold that they give."""
        scoring = BatchScoring(self.inspect.chosen_detector(key, own), ImageFiles(paths or (), read_photo))
        for progress in self.runs.follow(request.session_hash, scoring):
            yield status(progress, what="Calibrating"), *[gr.skip()] * 4
        threshold = calibrated_threshold([row.score for row in scoring.rows])
        calibration = Calibration(key, threshold, len(scoring.rows))
        yield (
            status(progress, scoring.skipped, what="Calibrating", ended=True),
            *_redrawn(result, calibration),
        )

    @in_words
    def forget_calibration(self, result: Result | None):
        return gr.skip(), *_redrawn(result, None)

    def _declare_endpoint(self) -> None:
        with gr.Row(visible=False):
            gr.Button().click(
                self.batch,
                [
                    gr.File(label="images", file_count="multiple"),
                    gr.Textbox("metal nut", label="product"),
                    gr.File(label="detector"),
                    gr.File(label="normal_images", file_count="multiple"),
                ],
                [gr.JSON(label="summary"), gr.File(label="scores"), gr.File(label="overlays")],
                api_name="batch",
                **SCORING_MANY,
            )

    @in_plain_words
    def batch(
        self,
        images: list[str],
        product: str = "metal nut",
        detector: str | None = None,
        normal_images: list[str] | None = None,
        request: gr.Request = None,
    ) -> Iterator[tuple[dict, str | None, str | None]]:
        """Scores many images, or a zip of them, and streams its progress.

        Args:
            images: image files, or zips of them, with at most 1,000 images.
                Each is reduced to 1024 pixels on its longer side first. Where a zip has a folder named good, ok,
                normal or intact, its images count as normal and those of other folders as damaged.
            product: their product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            normal_images: images, or a zip, of intact products, to set the threshold by.
                95 % of them score at or under it. Without them no image is used, and the threshold is neutral, 0.5.
        Returns:
            While it goes on: how far it is, and no file. At last: product, threshold, AUROC (where folders name both
            labels), the scores in [0, 1] with the highest first, and what was skipped and why; a CSV file of the
            scores; and a zip of the images with their anomaly maps over them.
        """
        files = ImageFiles(images or (), read_photo)
        asked = Detector.load(detector, self.shared.backbone) if detector else self.shared.detector_for(product)
        threshold, calibrating, notes = Inspection.neutral, None, []
        if normal_images:
            calibrating = BatchScoring(asked, ImageFiles(normal_images, read_photo))
            for progress in self.runs.follow(request.session_hash, calibrating, notes):
                yield _says("calibrating", progress), None, None
            threshold = calibrated_threshold([row.score for row in calibrating.rows])
        with new_file("overlays.zip") as path:
            scoring = BatchScoring(asked, files, path)
            for progress in self.runs.follow(request.session_hash, scoring, notes):
                yield _says("scoring", progress), None, None
        summary = {
            "phase": "done",
            "product": asked.product,
            "backbone": self.shared.backbone.name,
            "threshold": threshold,
            "threshold_from": f"{QUANTILE:.0%} of {len(calibrating.rows)} normal images" if calibrating else "neutral",
            "images": len(scoring.rows),
            "seconds": scoring.seconds,
            "over_threshold": sum(row.score > threshold for row in scoring.rows),
            "auroc": auroc(scoring.rows),
            "rows": [
                {
                    "file": row.entry.name,
                    "score": row.score,
                    "verdict": row.verdict,
                    "over_threshold": row.score > threshold,
                    "label": row.entry.label or None,
                    "overlay": row.overlay,
                }
                for row in sorted(scoring.rows, key=lambda row: row.score, reverse=True)
            ],
            "skipped": [{"file": one.name, "reason": one.reason} for one in scoring.skipped],
            **noted(notes),
        }
        yield summary, csv_file(scoring.rows, threshold), str(path)


@contextmanager
def new_file(name: str) -> Iterator[Path]:
    """A path for a file that the page may hand out; whatever lies there goes if the work on it fails."""
    visitor_folder().mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=visitor_folder())) / name
    try:
        yield path
    except BaseException:  # a closed tab among them
        path.unlink(missing_ok=True)
        raise


def csv_file(rows, threshold: float) -> str:
    """The path of the rows as a CSV file that the page may hand out."""
    return save_for_visitor(to_csv(rows, threshold), "scores.csv")


def _buttons(running: bool = False) -> list[dict]:
    """The buttons that start something, and at last Stop."""
    return [gr.update(interactive=not running)] * 5 + [gr.update(interactive=running)]


def _threshold(calibration: Calibration | None, key: str) -> float:
    """The threshold for a detector; a calibration holds for its own only."""
    return calibration.threshold if calibration and calibration.detector == key else Inspection.neutral


def _panel(calibration: Calibration | None, key: str | None = None) -> str:
    """The panel of a calibration; of none where there is a detector, and it is another one's."""
    if calibration is None or key not in (None, calibration.detector):
        return threshold_panel()
    return threshold_panel(calibration.threshold, calibration.images)


def _redrawn(result: Result | None, calibration: Calibration | None) -> tuple:
    """The report, the panel, the calibration and the CSV file, now that the calibration is another one."""
    if result is None:
        return gr.skip(), _panel(calibration), calibration, gr.skip()
    threshold = _threshold(calibration, result.detector)
    return report(result, threshold), _panel(calibration), calibration, csv_file(result.rows, threshold)


def _says(phase: str, progress) -> dict:
    return {"phase": phase, "done": progress.done, "total": progress.total, "says": str(progress)}
