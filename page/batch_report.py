"""The result of a batch as HTML: figures, histogram, table, and what was skipped."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from page.parts import count_of, doubts_of, said_by
from page.scale import score_scale
from page.selection import Selection
from page.status import status_line
from page.threshold import LEAST, state_from, verdict_from
from page.threshold import MOST as MOST_THRESHOLD
from zsad_core.archives import MAX_ENTRY, MAX_IMAGES, Skipped
from zsad_core.batch import BatchProgress, BatchScoring, Row, auroc
from zsad_core.detector import Detector
from zsad_core.good_parts import MOST
from zsad_core.labels import NORMAL_FOLDERS
from zsad_core.verdict import NEUTRAL, VERDICTS

BINS = 20  # of the histogram, so that the neutral point and the verdicts' ends are edges
SHOWN = 12  # rows while a batch is running
SHOWN_SKIPPED = 100
TOLD = {
    "all": "All",
    "over": "Over the threshold",
    "passed": "Normal and under",
    "false-alarm": "False alarms",
    "miss": "Misses",
    "caught": "Damaged and over",
    "undecided": "Undecided",
}
MARKS = {False: "● normal", True: "▲ damaged", None: ""}


@dataclass(frozen=True, eq=False)
class Result:
    """A batch that was scored, or is being.

    Attributes:
        by: by what its detector judged, as `said_by`.
        rows: list of `Row`, in the order of the images.
        overlays: the path of the zip of overlays.
        pictures: the path of the zip of the images themselves, reduced; see `batch_pictures`.
        of_samples: the images were the samples. paths: the files in which they are else.
        places: of each row, the number of its image and that of its page.
        scale: what the scores depend on, as `Selection.scale`.
        threshold: at which the verdict turned when it was shown.
    """

    by: str
    rows: list[Row]
    images_per_second: float
    overlays: str
    pictures: str
    of_samples: bool
    scale: tuple
    threshold: float
    paths: Sequence[str] = ()
    places: Sequence[tuple[int, int]] = ()

    @classmethod
    def of(
        cls, scoring: BatchScoring, progress: BatchProgress, kept, paths: Sequence[str] | None, selection: Selection
    ) -> "Result":
        """`kept` is the `batch_pictures.KeepsPictures` of the images; `paths` is None where they were the samples."""
        rate = progress.done / progress.seconds if progress.seconds else 0.0
        by, overlays = said_by(scoring.detector), str(scoring.overlays)
        scale, threshold = selection.scale, selection.threshold
        where = str(kept.path), paths is None, scale, threshold, paths or (), kept.places
        return cls(by, scoring.rows, rate, overlays, *where)


def detector_line(name: str) -> str:
    return f"<p>Scored by <b>{name}</b>, as chosen in Train and inspect.</p>"


def drop_label() -> str:
    return "Drop images or a zip here,\nor choose them"


def resting() -> str:
    """What is taken, before anything was given."""
    *others, last = NORMAL_FOLDERS
    return f"""<p class="hint">Up to {MAX_IMAGES:,} images at a time, of up to {MAX_ENTRY >> 20} MB each in a zip of up
to 200 MB. Files that are no images are left out and listed. Where a zip has a folder named {", ".join(others)} or
{last}, its images count as normal and those of other folders as damaged, and the result has an AUROC. Without such a
folder nothing is labelled.</p>"""


def status(progress: BatchProgress, skipped: Sequence[Skipped] = (), what: str = "Scoring", ended: bool = False) -> str:
    """How far it is; at the end what was skipped, and why."""
    stopped = ended and progress.done < progress.total
    title = ("Stopped and kept" if stopped else "Done") if ended else what
    left = "" if ended or not progress.done else f"{progress.seconds_left:.0f} s left"
    share = 1 if ended else progress.done / max(progress.total, 1)
    line = status_line(title, f"{progress.done:,} of {progress.total:,} images", share, left)
    return f"{line}\n{_skipped(skipped)}"


def _skipped(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    items = "".join(f"<li><b>{escape(one.name)}</b> {escape(one.reason)}</li>" for one in skipped[:SHOWN_SKIPPED])
    more = f"<li>and {len(skipped) - SHOWN_SKIPPED:,} more</li>" if len(skipped) > SHOWN_SKIPPED else ""
    files = "1 file was" if len(skipped) == 1 else f"{len(skipped):,} files were"
    return f"""<details class="skipped"><summary>{files} left out</summary>
<ul tabindex="0" aria-label="Files left out">{items}{more}</ul></details>"""


def threshold_panel(detector: Detector, unused: int, threshold: float = NEUTRAL) -> str:
    """Where the threshold comes from: the visitor, words alone, or good parts as well, of which so many are unused."""
    origin = (
        f"set from <b>{count_of(detector.good_parts)}</b>, and held against them: no longer zero-shot."
        if detector.good_parts
        else "the neutral point: <b>no image was used</b>."
    )
    if threshold != NEUTRAL:
        origin = "<b>yours</b>, from the histogram; Inspect and Live go by it too."
    doubts = "".join(f"<p class='doubt'>{escape(doubt)}</p>" for doubt in doubts_of(detector))
    hint = (
        f"{count_of(unused)} {'is' if unused == 1 else 'are'} kept and not used."
        if unused
        else f"Up to {MOST} photos of good parts set where the verdict turns, and images are held against them as well "
        "as against words. They are those of Train and inspect."
    )
    return (
        f"""<div class="health"><b>{threshold:.2f}</b><span>{origin}</span></div>{doubts}<p class="hint">{hint}</p>"""
    )


def remembering() -> str:
    """What the view says while good parts are read."""
    return """<div class="status"><b>Remembering the good parts</b><span></span>
<progress aria-label="Remembering the good parts"></progress></div>"""


def nothing_yet() -> str:
    return """<p class="nothing">Nothing scored yet. Drop a folder of images: the highest scores come
first, with their maps, a histogram, a table to download, and the images with the maps over them.</p>"""


def report(result: Result, running: bool = False) -> str:
    """Figures, histogram, filters and table; while it is running, the highest so far. batch.js does the counting."""
    rows = sorted(enumerate(result.rows), key=lambda numbered: numbered[1].score, reverse=True)
    labelled = any(row.entry.damaged is not None for row in result.rows)
    caption = "Highest so far" if running else f"Scored {result.by}"
    table = _table(rows[:SHOWN] if running else rows, caption, labelled, result.threshold, running)
    return f"""<div class="result" data-threshold="{result.threshold}" data-verdicts="{escape(json.dumps(VERDICTS))}">
<div class="top">{_figures(result)}{_confusion() if labelled and not running else ""}</div>
{_histogram(result, running)}{"" if running else _filters(labelled)}{table}</div>"""


def _figures(result: Result) -> str:
    over, area = sum(row.score > result.threshold for row in result.rows), auroc(result.rows)
    figures = [
        (f"{len(result.rows):,}", "image" if len(result.rows) == 1 else "images"),
        (f"<span data-count='over'>{over:,}</span>", "over the threshold"),
        (f"{result.images_per_second:.1f}", "images a second"),
    ]
    if area is not None:
        figures.insert(2, (f"{area:.2f}", "AUROC by the folders’ labels"))
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for value, name in figures)
    return f"<dl class='figures'>{shown}</dl>"


def _confusion() -> str:
    """What the folders say against what the threshold says: numbers of images."""
    cells = {False: ("passed", "false-alarm"), True: ("miss", "caught")}
    rows = "".join(
        f'<tr class="{_side(label)}"><th scope="row">{MARKS[label]}</th>'
        + "".join(f'<td class="{cell}" data-count="{cell}" title="{TOLD[cell]}"></td>' for cell in cells[label])
        + "</tr>"
        for label in cells
    )
    return f"""<table class="confusion" aria-label="Images by folder and by threshold">
<thead><tr><td></td><th scope="col">under</th><th scope="col">over</th></tr></thead><tfoot>{rows}</tfoot></table>"""


def _histogram(result: Result, running: bool) -> str:
    """How many images have which score, as SVG over the colour scale; a bar for either label where both are known."""
    rows = result.rows
    labels = (False, True) if auroc(rows) is not None else (None,)
    groups = [[row.score for row in rows if label is None or row.entry.damaged is label] for label in labels]
    counts = [np.histogram(scores, BINS, (0, 1))[0].tolist() for scores in groups]
    most = max(1, *(max(bins) for bins in counts))
    width = 0.84 / len(labels)
    bars = "".join(
        f'<rect class="{_side(label)}" x="{place + 0.08 + number * width:.3f}" y="{100 - 100 * count / most:.2f}" '
        f'width="{width:.3f}" height="{100 * count / most:.2f}"/>'
        for number, (label, bins) in enumerate(zip(labels, counts, strict=True))
        for place, count in enumerate(bins)
        if count
    )
    legend = "".join(
        f'<span class="{_side(label)}">{MARKS[label]} {len(scores):,}</span>'
        for label, scores in zip(labels, groups, strict=True)
        if label is not None
    )
    hint = "" if running else ": drag it"
    return f"""<figure class="histogram"><figcaption><span>Scores; the highest bar is {most:,}</span>{legend}
<span class="at">┆ threshold <output>{result.threshold:.2f}</output>{hint}</span></figcaption>
<div class="bars"><svg viewBox="0 0 {BINS} 100" preserveAspectRatio="none" role="img">
<title>Histogram of {len(rows):,} anomaly scores from 0 to 1</title>{bars}</svg>
<input type="range" min="{LEAST}" max="{MOST_THRESHOLD}" step="0.01" value="{result.threshold}" aria-label="Threshold"
 {"disabled" if running else ""}></div>
{score_scale()}</figure>"""


def _filters(labelled: bool) -> str:
    """Which rows are shown: buttons with how many each leaves, and a search by name."""
    kinds = ("all", "false-alarm", "miss", "undecided") if labelled else ("all", "over", "undecided")
    buttons = "".join(
        f'<button type="button" data-filter="{kind}" aria-pressed="{str(kind == "all").lower()}">{TOLD[kind]} '
        f'<b data-count="{kind}"></b></button>'
        for kind in kinds
    )
    return f"""<div class="filters"><div role="group" aria-label="Rows that are shown">{buttons}</div>
<input type="search" placeholder="Find a file" aria-label="Find a file">
<small>press a row to see it large</small></div>"""


def _side(label: bool | None) -> str:
    return {False: "normal", True: "abnormal", None: "unlabelled"}[label]


def _table(rows: Sequence[tuple[int, Row]], caption: str, labelled: bool, threshold: float, running: bool) -> str:
    headings = [("", ""), ("file", "File"), *([("label", "Folder")] if labelled else []), ("score", "Score")]
    head = "".join(_heading(key, title, running) for key, title in headings)
    body = "".join(_row(number, row, labelled, threshold) for number, row in rows)
    return f"""<div class="rows" role="region" tabindex="0" aria-label="Scored images">
<table style="--threshold: {threshold}"><caption>{caption}</caption><thead><tr>{head}<th>Verdict</th>
<th>Threshold</th></tr></thead><tbody>{body}</tbody></table></div>"""


def _heading(key: str, title: str, fixed: bool) -> str:
    if not key:
        return "<th><span class='unseen'>Map</span></th>"
    if fixed:
        return f"<th>{title}</th>"
    order = ' aria-sort="descending"' if key == "score" else ""
    return f'<th data-sort="{key}"{order}><button type="button">{title}</button></th>'


def _row(number: int, row: Row, labelled: bool, threshold: float) -> str:
    name, score = escape(row.entry.name), row.score
    label = f'<td class="{_side(row.entry.damaged)}">{MARKS[row.entry.damaged]}</td>' if labelled else ""
    picture = base64.b64encode(row.thumbnail).decode()
    return f"""<tr data-row="{number}" data-file="{name}" data-label="{row.entry.label}" data-score="{score:.6f}">
<td><button type="button" tabindex="-1" aria-label="{name}, large"><img src="data:image/jpeg;base64,{picture}" alt="">
</button></td><td title="{name}">{name}</td>{label}
<td class="points" style="--at: {score:.4f}"><b>{score:.2f}</b><i></i></td>
<td class="says {state_from(threshold, score)}">{verdict_from(threshold, score)}</td>
<td>{"<b>over</b>" if score > threshold else "under"}</td></tr>"""
