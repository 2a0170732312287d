"""The view Batch: many images or a zip, scored by one detector, and the endpoint /batch."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from page.api import in_plain_words, noted
from page.batch_report import (
    Result,
    detector_line,
    drop_label,
    nothing_yet,
    remembering,
    report,
    resting,
    status,
    threshold_panel,
)
from page.gradio_internals import save_for_visitor, visitor_folder
from page.inspection import AT_ONCE, SCORING, TOGETHER, InspectView
from page.parts import count_of, doubts_of
from page.parts_panel import PartsPanel
from page.runs import Runs
from page.selection import Selection, takes_selection
from page.shared import SharedState, read_photo_pages
from page.words import in_words
from zsad_core.archives import Entry, ImageFiles
from zsad_core.batch import QUANTILE, BatchScoring, auroc, calibrated_threshold, to_csv
from zsad_core.verdict import NEUTRAL

# Of its own: a batch takes minutes, and whoever trains or looks at one image must not wait for its end.
SCORING_MANY = {"concurrency_id": "batch", "concurrency_limit": TOGETHER, "show_progress": "hidden"}
WORDS_ONLY = "Back to words only"
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


class BatchView:
    """Builds the view inside the current layout, and wires it; `inspect` has the detectors to choose from."""

    def __init__(self, shared: SharedState, runs: Runs, inspect: InspectView, parts: PartsPanel):
        self.shared, self.runs = shared, runs
        result = gr.State(None)
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
                threshold = gr.HTML(threshold_panel(inspect.start.detector, 0), elem_id="batch-threshold")
                with gr.Row(elem_classes="go"):
                    good = gr.UploadButton(
                        "Calibrate on my good parts",
                        file_count="multiple",
                        size="sm",
                        elem_id="batch-good",
                        min_width=190,
                    )
                    words = gr.Button(WORDS_ONLY, size="sm", interactive=False, elem_id="batch-words", min_width=120)
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
        gr.on(
            [inspect.detector.change, inspect.good.change, inspect.words_only.change],
            self.show,
            inspect.chosen,
            [threshold, words],
            trigger_mode="always_last",
            **SCORING,
        )
        buttons = [upload, again, samples, good, stop]
        drawn = [progress, shown, result, table, overlays]
        remembered = gr.on([good.upload], self.remember, None, [progress, *buttons], **AT_ONCE).then(
            parts.give, [good, *inspect.chosen], parts.given, **SCORING
        )
        remembered.failure(self.forget, None, [progress, *buttons], **AT_ONCE)
        switched = words.click(None, inspect.words_only, inspect.words_only, js="(only) => !only", **AT_ONCE)
        for begun, run, inputs in (
            (gr.on([upload.upload], self.begin, None, buttons, **AT_ONCE), self.score, [upload, result]),
            (gr.on([samples.click], self.begin, None, buttons, **AT_ONCE), self.score_samples, [result]),
            (gr.on([again.click], self.begin, None, buttons, **AT_ONCE), self.score_again, [upload, result]),
            (remembered.success(self.begin, None, buttons, **AT_ONCE), self.score_anew, [upload, result]),
            (switched.then(self.begin, None, buttons, **AT_ONCE), self.score_anew, [upload, result]),
        ):
            running = begun.then(run, [*inputs, *inspect.chosen], drawn, api_visibility="private", **SCORING_MANY)
            running.success(_buttons, None, buttons, **AT_ONCE)
            running.failure(_buttons, None, buttons, **AT_ONCE)
        stop.click(self.halt, None, stop, **AT_ONCE)

    def begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return _buttons(running=True)

    def halt(self, request: gr.Request):
        """Stops this visitor's batch; what was scored so far is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)

    def remember(self):
        """Good parts are being read, and nothing is scored meanwhile."""
        return remembering(), *_buttons(running=True)[:-1], gr.skip()

    def forget(self):
        """The good parts could not be used."""
        return resting(), *_buttons()

    @in_words
    @takes_selection
    def show(self, selection: Selection):
        """The panel of the threshold, and the button that leaves the good parts unused or takes them again."""
        known = len(selection.parts) or selection.kept.good_parts
        panel = threshold_panel(selection.detector, known if selection.words_only else 0)
        label = "Use the good parts again" if known and selection.words_only else WORDS_ONLY
        return panel, gr.update(value=label, interactive=known > 0)

    @in_words
    @takes_selection
    def score(self, request: gr.Request, paths, before, selection: Selection):
        """Scores what was uploaded."""
        yield from self._score_files(request, paths, before, selection)

    @in_words
    @takes_selection
    def score_samples(self, request: gr.Request, before, selection: Selection):
        """Scores the samples that come with the page, which are of many products."""
        yield from self._score_samples(request, before, selection)

    @in_words
    @takes_selection
    def score_again(self, request: gr.Request, paths, before, selection: Selection):
        """Scores once more what was scored last."""
        yield from self._score_last(request, paths, before, selection)

    @in_words
    @takes_selection
    def score_anew(self, request: gr.Request, paths, before, selection: Selection):
        """Scores what was scored last, if anything was, now that other good parts have a say."""
        if before is None:
            yield resting(), *[gr.skip()] * 4
        else:
            yield from self._score_last(request, paths, before, selection)

    def _score_last(self, request: gr.Request, paths, before: Result | None, selection: Selection):
        if before is not None and before.of_samples:
            yield from self._score_samples(request, before, selection)
        else:
            yield from self._score_files(request, paths, before, selection)

    def _score_files(self, request: gr.Request, paths, before: Result | None, selection: Selection):
        yield from self._score(request, ImageFiles(paths or (), read_photo_pages), False, before, selection)

    def _score_samples(self, request: gr.Request, before: Result | None, selection: Selection):
        names = (sample.name.split("/") for sample in self.shared.samples.values())
        entries = [Entry(f"{state}/{product}.jpg", state == "damaged") for product, state in names]
        images = [(entry, sample.pixels) for entry, sample in zip(entries, self.shared.samples.values(), strict=True)]
        yield from self._score(request, images, True, before, selection)

    def _score(self, request: gr.Request, images, of_samples: bool, before: Result | None, selection: Selection):
        """Scores images, drawing some three pictures a second, and gives the result at last."""
        with new_file("overlays.zip") as path:
            scoring, drawn = BatchScoring(selection.detector, images, path), 0.0
            for progress in self.runs.follow(request.session_hash, scoring):
                if time.monotonic() - drawn >= LEAST_PAUSE:
                    drawn = time.monotonic()
                    so_far = report(Result.of(scoring, progress, of_samples), running=True)
                    yield status(progress), so_far if scoring.rows else gr.skip(), *[gr.skip()] * 3
        result = Result.of(scoring, progress, of_samples)
        if before is not None:
            Path(before.overlays).unlink(missing_ok=True)  # one visitor's batches don't pile up
        yield (
            status(progress, scoring.skipped, ended=True),
            report(result),
            result,
            gr.update(value=csv_file(scoring.rows, NEUTRAL), interactive=True),
            gr.update(value=result.overlays, interactive=True),
        )

    def _declare_endpoint(self) -> None:
        with gr.Row(visible=False):
            gr.Button().click(
                self.batch,
                [
                    gr.File(label="images", file_count="multiple"),
                    gr.Textbox("metal nut", label="product"),
                    gr.File(label="detector"),
                    gr.File(label="normal_images", file_count="multiple"),
                    gr.File(label="good_parts", file_count="multiple"),
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
        good_parts: list[str] | None = None,
        request: gr.Request = None,
    ) -> Iterator[tuple[dict, str | None, str | None]]:
        """Scores many images, or a zip of them, and streams its progress.

        Args:
            images: image files, or zips of them, with at most 1,000 images; each page of a TIFF or GIF is one.
                Each is reduced to 1024 pixels on its longer side first. Where a zip has a folder named good, ok,
                normal or intact, its images count as normal and those of other folders as damaged.
            product: their product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            normal_images: images, or a zip, of intact products, to set the threshold by.
                95 % of them score at or under it. Without them the threshold is neutral, 0.5.
            good_parts: 1 to 16 photos of good parts, or zips of them, that the images are held against as well; it is
                then no longer zero-shot.
        Returns:
            While it goes on: how far it is, and no file. At last: product, threshold, AUROC (where folders name both
            labels), the scores in [0, 1] with the highest first, and what was skipped and why; with good parts also
            how many there are, which of them stand out, and every score by words alone; for an odd image, a note of
            how it was read; a CSV file of the scores; and a zip of the images with their anomaly maps over them.
        """
        files = ImageFiles(images or (), read_photo_pages)
        known = self.shared.detector_in(detector) if detector else self.shared.detector_for(product)
        asked = self.shared.with_good_parts(known, self.shared.parts_in(good_parts))
        threshold, origin = NEUTRAL, count_of(asked.good_parts) if asked.good_parts else "neutral"
        notes: list[str] = []
        if normal_images:
            calibrating = BatchScoring(asked, ImageFiles(normal_images, read_photo_pages, intact_only=True))
            for progress in self.runs.follow(request.session_hash, calibrating, notes):
                yield _says("calibrating", progress), None, None
            threshold = calibrated_threshold([row.score for row in calibrating.rows])
            origin = f"{QUANTILE:.0%} of {len(calibrating.rows)} normal images"
            if calibrating.skipped:
                origin += f", {len(calibrating.skipped)} left out"
        with new_file("overlays.zip") as path:
            scoring = BatchScoring(asked, files, path)
            for progress in self.runs.follow(request.session_hash, scoring, notes):
                yield _says("scoring", progress), None, None
        summary = {
            "phase": "done",
            "product": asked.product,
            "backbone": self.shared.backbone.name,
            "threshold": threshold,
            "threshold_from": origin,
            "good_parts": asked.good_parts,
            **({"doubts": doubts_of(asked)} if asked.good_parts else {}),
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
                    "regions": [region.to_dict() for region in row.regions],
                    "width": row.size[0],
                    "height": row.size[1],
                    **({} if row.by_words is None else {"by_words": row.by_words}),
                    **({"note": row.note} if row.note else {}),
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
    return [gr.update(interactive=not running)] * 4 + [gr.update(interactive=running)]


def _says(phase: str, progress) -> dict:
    return {"phase": phase, "done": progress.done, "total": progress.total, "says": str(progress)}
