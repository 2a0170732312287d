"""The view Batch: many images or a zip, scored by one detector."""

import re
import time
from dataclasses import replace
from pathlib import Path

import gradio as gr

from page.batch_endpoint import SCORING_MANY, BatchEndpoint
from page.batch_files import csv_file, new_file
from page.batch_pictures import LARGE_ROW, KeepsPictures, large_row, row_as_photo
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
from page.inspection import AT_ONCE, KEPT, SCORING, InspectView
from page.parts import said_by, words_alone
from page.parts_panel import PartsPanel
from page.product_name import SetLooks
from page.run_buttons import saying_so
from page.runs import Runs
from page.selection import Selection, takes_selection
from page.shared import OURS, SharedState, read_photo_pages
from page.threshold import threshold_in
from page.words import in_words
from zsad_core.archives import Entry, ImageFiles
from zsad_core.batch import BatchScoring
from zsad_core.errors import InputError

WORDS_ONLY = "Back to words only"
LEAST_PAUSE = 0.3  # seconds between two pictures of a batch
LAST_ROW = "(_, ...kept) => [document.querySelector('#batch-row dialog').dataset.row, ...kept]"
LAST_THRESHOLD = "(_, ...kept) => [document.querySelector('#batch-result .histogram input').value, ...kept]"


class BatchView:
    """Builds the view inside the current layout, and wires it; `inspect` has the detectors to choose from."""

    def __init__(self, shared: SharedState, runs: Runs, inspect: InspectView, parts: PartsPanel):
        self.shared, self.runs = shared, runs
        self.result = gr.State(None)
        with gr.Row(elem_classes="board many"):
            with gr.Column(elem_classes="sheet", scale=0, min_width=396):
                self._build_controls(inspect)
            with gr.Column(elem_classes="sheet", min_width=320):
                self._build_result()
        BatchEndpoint(shared, runs)
        self._wire_choice(inspect)
        self._wire_scoring(inspect, parts)
        self._wire_result(inspect)

    def _build_controls(self, inspect: InspectView) -> None:
        gr.HTML("<h2>Batch <small>many images, one detector</small></h2>", elem_classes="heading")
        self.detector = gr.HTML(
            next(iter(self.shared.shipped)), html_template=detector_line("${value}"), elem_id="batch-detector"
        )
        self.upload = gr.UploadButton(drop_label(), file_count="multiple", elem_id="batch-upload")
        with gr.Row(elem_classes="go"):
            self.again = gr.Button("Score again", size="sm", elem_id="batch-again", min_width=90)
            self.samples = gr.Button("Try the samples", size="sm", elem_id="batch-samples", min_width=110)
            self.stop = gr.Button("Stop", size="sm", interactive=False, elem_id="batch-stop", min_width=60)
        self.progress = gr.HTML(resting(), elem_id="batch-status")
        gr.HTML("<h3>Threshold</h3>", elem_classes="heading")
        self.threshold = gr.HTML(threshold_panel(inspect.start.detector, 0), elem_id="batch-threshold")
        with gr.Row(elem_classes="go"):
            self.good = gr.UploadButton(
                "Calibrate on my good parts", file_count="multiple", size="sm", elem_id="batch-good", min_width=190
            )
            self.words = gr.Button(WORDS_ONLY, size="sm", interactive=False, elem_id="batch-words", min_width=120)

    def _build_result(self) -> None:
        with gr.Row(elem_classes="bar"):
            gr.HTML("<h2>Result</h2>", elem_classes="heading")
            self.table = gr.DownloadButton(
                "CSV", size="sm", interactive=False, elem_id="batch-csv", scale=0, min_width=70
            )
            self.overlays = gr.DownloadButton(
                "Overlays (zip)", size="sm", interactive=False, elem_id="batch-overlays", scale=0, min_width=110
            )
        self.shown = gr.HTML(nothing_yet(), elem_id="batch-result", js_on_load=_script("batch.js"))
        self.large = gr.HTML({}, html_template=LARGE_ROW, elem_id="batch-row", js_on_load=_script("batch_row.js"))

    def _wire_choice(self, inspect: InspectView) -> None:
        """What is chosen in Inspect shows here."""
        inspect.detector.change(None, inspect.detector, self.detector, js="(key) => key", api_visibility="private")
        gr.on(
            [inspect.detector.change, inspect.good.change, inspect.words_only.change, inspect.thresholds.change],
            self.show,
            inspect.chosen,
            [self.threshold, self.words],
            trigger_mode="always_last",
            **SCORING,
        )

    def _wire_scoring(self, inspect: InspectView, parts: PartsPanel) -> None:
        buttons = [self.upload, self.again, self.samples, self.good, self.stop]
        drawn = [self.progress, self.shown, self.result, self.table, self.overlays]
        remembered = gr.on([self.good.upload], self.remember, None, [self.progress, *buttons], **AT_ONCE).then(
            parts.give, [self.good, *inspect.chosen], parts.given, **SCORING
        )
        remembered.failure(self.forget, None, [self.progress, *buttons], **AT_ONCE)
        only = inspect.words_only
        switched = self.words.click(None, only, only, js="(only) => !only", **AT_ONCE)
        for begun, run, inputs in (
            (gr.on([self.upload.upload], self.begin, None, buttons, **AT_ONCE), self.score, [self.upload, self.result]),
            (gr.on([self.samples.click], self.begin, None, buttons, **AT_ONCE), self.score_samples, [self.result]),
            (
                gr.on([self.again.click], self.begin, None, buttons, **AT_ONCE),
                self.score_again,
                [self.upload, self.result],
            ),
            (remembered.success(self.begin, None, buttons, **AT_ONCE), self.score_anew, [self.upload, self.result]),
            (switched.then(self.begin, None, buttons, **AT_ONCE), self.score_anew, [self.upload, self.result]),
        ):
            running = begun.then(
                saying_so(self.runs, run, len(drawn), _buttons(running=True)),
                [*inputs, *inspect.chosen],
                [*drawn, *buttons],
                api_visibility="private",
                trigger_mode="always_last",
                **SCORING_MANY,
            )
            running.success(self.end, None, buttons, **AT_ONCE)
            running.failure(self.fail, None, buttons, **AT_ONCE)
        self.stop.click(self.halt, None, self.stop, **AT_ONCE)

    def _wire_result(self, inspect: InspectView) -> None:
        """A row opens large; the threshold on the histogram becomes that of Inspect and Live."""
        # What is asked for is read when a call leaves, and not when it was asked: of a quick hand only the last counts.
        asked = gr.Textbox(visible=False)
        last = {"trigger_mode": "always_last"}
        self.large.open(self.open_row, [asked, self.result], self.large, js=LAST_ROW, **last, **AT_ONCE)
        taken = [asked, self.result, *inspect.chosen]
        shown = [inspect.detector, inspect.method, inspect.words_only, *inspect.pictures]
        self.large.inspect(self.inspect_row, taken, shown, js=LAST_ROW, **last, **SCORING)
        taken = [asked, self.result, inspect.thresholds]
        self.shown.threshold(
            self.take_threshold, taken, [inspect.thresholds, self.table], js=LAST_THRESHOLD, **last, **SCORING
        )

    def begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return _buttons(running=True)

    def end(self, request: gr.Request):
        return _buttons(running=self.runs.is_busy(request.session_hash))

    def fail(self, request: gr.Request):
        self.runs.expect_none(request.session_hash)
        return self.end(request)

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
        panel = threshold_panel(selection.detector, known if selection.words_only else 0, selection.threshold)
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
            self.runs.expect_none(request.session_hash)
            yield resting(), *[gr.skip()] * 4
        else:
            yield from self._score_last(request, paths, before, selection)

    @in_words
    def open_row(self, row, result: Result | None):
        """A row was pressed, or an arrow key while one is large."""
        return large_row(_of_a_batch(result), _number(row))

    @in_words
    @takes_selection
    def inspect_row(self, row, result: Result | None, selection: Selection):
        """A row is to be shown in Inspect, by the detector and the good parts that scored it."""
        result = _of_a_batch(result)
        photo = row_as_photo(result, _number(row), list(self.shared.samples))
        scored = replace(selection, key=result.scale[0])
        known = bool(scored.parts or scored.kept.good_parts)
        scored = replace(scored, words_only=known and result.by == said_by(words_alone(scored.kept)))
        if scored.scale != result.scale:
            gr.Info("The good parts are not those that scored this batch: Inspect goes by those of now.")
        return scored.key, OURS, scored.words_only, photo, photo if isinstance(photo, str) else ""

    @in_words
    def take_threshold(self, threshold, result: Result | None, thresholds):
        """The threshold was moved on the histogram: Inspect and Live go by it, and so does the table to download."""
        threshold = threshold_in(str(threshold))
        result = _of_a_batch(result)
        latest = {**{key: kept for key, kept in thresholds.items() if key != result.scale}, result.scale: threshold}
        return dict(list(latest.items())[-KEPT:]), csv_file(result.rows, threshold)

    def _score_last(self, request: gr.Request, paths, before: Result | None, selection: Selection):
        if before is not None and before.of_samples:
            yield from self._score_samples(request, before, selection)
        else:
            yield from self._score_files(request, paths, before, selection)

    def _score_files(self, request: gr.Request, paths, before: Result | None, selection: Selection):
        paths = tuple(paths or ())
        yield from self._score(request, ImageFiles(paths, read_photo_pages), paths, before, selection)

    def _score_samples(self, request: gr.Request, before: Result | None, selection: Selection):
        names = (sample.name.split("/") for sample in self.shared.samples.values())
        entries = [Entry(f"{state}/{product}.jpg", state == "damaged") for product, state in names]
        images = [(entry, sample.pixels) for entry, sample in zip(entries, self.shared.samples.values(), strict=True)]
        yield from self._score(request, images, None, before, selection)

    def _score(self, request: gr.Request, images, paths, before: Result | None, selection: Selection):
        """Scores images, drawing some three pictures a second, and gives the result at last.

        Args:
            paths: the files of the images; None where they are the samples.
        """
        looks = SetLooks(self.shared, images, selection.kept.product, selection.own.values())
        with new_file("overlays.zip") as path, new_file("pictures.zip") as pictures:
            kept = KeepsPictures(looks, pictures)
            scoring, drawn = BatchScoring(selection.detector, kept, path), 0.0
            for progress in self.runs.follow(request.session_hash, scoring):
                if time.monotonic() - drawn >= LEAST_PAUSE:
                    drawn = time.monotonic()
                    so_far = report(Result.of(scoring, progress, kept, paths, selection), running=True)
                    yield status(progress), so_far if scoring.rows else gr.skip(), *[gr.skip()] * 3
        result = Result.of(scoring, progress, kept, paths, selection)
        if before is not None:  # one visitor's batches don't pile up
            for file in (before.overlays, before.pictures):
                Path(file).unlink(missing_ok=True)
        yield (
            status(progress, scoring.skipped, ended=True),
            looks.line() + report(result),
            result,
            gr.update(value=csv_file(scoring.rows, result.threshold), interactive=True),
            gr.update(value=result.overlays, interactive=True),
        )


def _number(row) -> int:
    return int(row) if re.fullmatch("[0-9]{1,6}", str(row)) else -1


def _of_a_batch(result: Result | None) -> Result:
    if result is None:
        raise InputError("There is no batch any more: score the images again.")
    return result


def _script(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _buttons(running: bool = False) -> list[dict]:
    """The buttons that start something, and at last Stop."""
    return [gr.update(interactive=not running)] * 4 + [gr.update(interactive=running)]
