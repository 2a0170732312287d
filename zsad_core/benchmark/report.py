"""What a run has to say: results.csv, results.md, robustness.png, verdicts.png where there are several severities, and
speed.md with the timings, which alone differ from one run to the next."""

import csv
import io
from collections import defaultdict

import numpy as np

from ..errors import InputError
from .chart import robustness_chart, verdict_chart
from .metrics import IMAGE_METRICS, MAP_SIDE, METRICS, PIXEL_METRICS, VERDICT_METRICS
from .published import POSTER, POSTER_AEBAD, POSTER_COLUMNS, WINCLIP, WINCLIP_BACKBONE, published_name
from .results import ResultFolder, write_whole
from .work import ALL_METHODS, Result, Unit, entrants, method_of, title_of

SHARING = ("ours", "clip", "clip-ac", "rwda", "winclip")  # ask one encoding; WinCLIP's windows are timed apart
MOST_NAMED = 5  # images of a category with one thing wrong
ENSEMBLE = "winclip"  # its image score is that of the plain prompt ensemble, without windows


def write(folder: ResultFolder, units: list[Unit]) -> str:
    """Writes the reports of a finished run into its folder.

    Args:
        units: the folder's work list.
    Returns:
        what a person at a terminal wants to see: results.md and speed.md.
    Raises:
        InputError: no image could be read, or a report cannot be written.
    """
    results = [(unit, result) for unit in units if (result := folder.finished(unit))]
    if not any(result.images for _, result in results):
        reason = next((reason for _, result in results for reason in result.unreadable.values()), "")
        raise InputError(f"None of the images can be read, so that there is nothing to report. The first: {reason}")
    figures = Figures(results)
    written = {
        "results.csv": _csv(results),
        "results.md": _markdown(folder.settings, figures, results),
        "robustness.png": robustness_chart(folder.settings, figures),
        "speed.md": speed_lines(folder.settings, results),
    }
    if len(folder.settings["severities"]) > 1:
        written["verdicts.png"] = verdict_chart(folder.settings, figures)
    for name, content in written.items():
        write_whole(folder.path / name, content)
    return f"{written['results.md']}\n{written['speed.md']}"


class Figures:
    """The metrics of a run, by what they are of.

    Attributes:
        categories: labels of the categories, in the order of the work list.
        methods: the entrants that gave a figure.
        severities: kind of corruption -> its severities; "none" has 0 alone.
    """

    def __init__(self, results: list[tuple[Unit, Result]]):
        self._values = defaultdict(list)  # (method, category, kind, severity, metric) -> value of each seed
        self.severities: dict[str, list[int]] = defaultdict(list)
        for unit, result in results:
            if unit.severity not in self.severities[unit.corruption]:
                self.severities[unit.corruption].append(unit.severity)
            for row in result.rows:
                for metric in METRICS:
                    key = row["method"], str(unit.category), unit.corruption, unit.severity, metric
                    self._values[key].append(row[metric])
        self.categories = list(dict.fromkeys(str(unit.category) for unit, _ in results))
        self.methods = list(dict.fromkeys(row["method"] for _, result in results for row in result.rows))

    def mean(
        self, method: str, metric: str, categories: list[str], conditions: list[tuple[str, int]]
    ) -> np.ndarray | None:
        """Mean over categories and conditions (kind, severity), for each seed: (seeds,), percent; None without any.

        A category on which the method or the metric has no figure is left out of the mean.
        """
        keys = [(method, category, *condition, metric) for category in categories for condition in conditions]
        values = [self._values[key] for key in keys if key in self._values]
        values = [value for value in values if not np.isnan(value).any()]
        return 100 * np.mean(values, axis=0) if values else None

    def cell(self, *arguments) -> str:
        """`mean` as it stands in a table: "87.6 ± 0.3", the spread being the standard deviation over seeds."""
        values = self.mean(*arguments)
        if values is None:
            return ""
        spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
        return f"{values.mean():.1f}{spread}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _markdown(settings, figures, results):
    conditions = _conditions(settings)
    parts = [_head(settings, figures)]
    datasets = defaultdict(list)
    for category in figures.categories:
        datasets[category.split("/")[0]].append(category)
    groups = {f"All {len(figures.categories)} categories": figures.categories} if len(datasets) > 1 else {}
    for title, categories in {**groups, **datasets}.items():
        counts = {label.split("/")[1]: settings["data"][label]["images"] for label in categories}
        known = published_name(counts) if title in datasets else None
        parts += [
            f"## {title}",
            "Image AUROC, percent, mean over categories.",
            _poster_table(settings, figures, categories, conditions, known),
            "Other metrics, percent: " + " / ".join(conditions) + ".",
            _metric_table(settings, figures, categories, conditions, known),
            "At the verdict, a score of 0.5, percent: false alarms / caught / balanced accuracy.",
            _verdict_table(figures, categories, _columns(conditions)),
        ]
    for metric in ("image_auroc", "pixel_auroc"):
        parts += [
            f"## {METRICS[metric][0].upper()}{METRICS[metric][1:]} by category",
            "Percent: " + " / ".join(conditions) + ".",
            table(
                ["category", *(title_of(name) for name in figures.methods)],
                [
                    [label, *(_slashed(figures, name, metric, [label], conditions) for name in figures.methods)]
                    for label in figures.categories
                ],
            ),
        ]
    parts += [*_harm(figures, conditions), *_good_parts(results), *_left_out(settings, results)]
    parts += [*_poster_lines(), *_method_lines(settings)]
    return "\n\n".join(parts) + "\n"


def _conditions(settings):
    """Name of a column -> the (kind, severity) of which it is the mean: each kind, and "corrupted" for all of them."""
    kinds = [kind for kind in settings["corruptions"] if kind != "none"]
    corrupted = [(kind, settings["severity"]) for kind in kinds]
    none = {"none": [("none", 0)]} if "none" in settings["corruptions"] else {}
    return {**none, **({"corrupted": corrupted} if kinds else {})}


def _head(settings, figures):
    images = sum(entry["images"] for entry in settings["data"].values())
    seeds = settings["seeds"]
    versions = ", ".join(f"{name} {version}" for name, version in settings["versions"].items())
    count = f"{len(figures.categories)} categor{'ies' if len(figures.categories) > 1 else 'y'}"
    lines = [
        f"Begun on {settings['begun']}. Backbone `{settings['backbone']}` (fingerprint {settings['fingerprint']}), "
        f"training preset {settings['preset']}.",
        f"{count}, {images} images; corruptions of severity {settings['severity']}; "
        f"{seeds} seed{'s, 0 to ' + str(seeds - 1) if seeds > 1 else ', 0'}. The spread (±) is the standard deviation "
        "over seeds; a method without one draws nothing at random.",
        "A corruption is applied to the image as it lies on disk, before it is resized for the backbone. Maps are "
        f"compared with masks at {MAP_SIDE} pixels on the longer side, or the image's own size if that is smaller; "
        "pixel metrics are over all images of a category together, PRO up to a false-positive rate of 0.3.",
        "False alarms are good images whose score is over 0.5, where the verdict turns, and catches are damaged ones. "
        "Methods without good parts are taken at the 0.5 of their own score, as it is; nobody fitted it to these data.",
        f"Versions: {versions}.",
    ]
    if settings["shots"]:
        lines.insert(
            2,
            f"With good parts a method is no longer zero-shot. Of {settings['draws']} draws of them, each is one "
            "of its seeds here, with the training of seed 0.",
        )
    return "# Benchmark\n\n" + "\n".join(f"- {line}" for line in lines)


def _poster_table(settings, figures, categories, conditions, known):
    """The poster's table: a row a method; below it what was published for it, where these data are a known test set."""
    columns, rows = _columns(conditions), []
    for name in entrants(settings["methods"], settings["shots"]):
        title = title_of(name)
        if name in settings["not run"]:
            rows.append([title, f"not run: {settings['not run'][name]}", *[""] * (len(columns) - 1)])
            continue
        measured = {column: (name, "image_auroc", categories, where) for column, where in columns.items()}
        rows.append([title, *(figures.cell(*what) for what in measured.values())])
        if published := _published(name, known, columns, settings):
            rows.append([f"{title}, published", *(_decimal(published.get(column)) for column in columns)])
            if settings["backbone"] == WINCLIP_BACKBONE:
                rows.append([f"{title}, difference", *_differences(figures, measured, published)])
    return table(["method", *columns], rows)


def _columns(conditions):
    """The poster's columns, with the (kind, severity) of which each is the mean."""
    corrupted = conditions.get("corrupted", [])
    columns = {kind: [(kind, severity)] for kind, severity in corrupted}
    if corrupted:
        columns["mean"] = corrupted
    if "none" in conditions:
        columns["none"] = conditions["none"]
    return columns


def _verdict_table(figures, categories, columns):
    rows = []
    for name in figures.methods:
        cells = []
        for where in columns.values():
            values = [figures.mean(name, metric, categories, where) for metric in VERDICT_METRICS]
            cells.append(" / ".join(f"{value.mean():.1f}" for value in values if value is not None))
        rows.append([title_of(name), *cells])
    return table(["method", *columns], rows)


def _published(name, known, columns, settings):
    """Column -> figure of the poster for a method on a known test set; only for the poster's own severity."""
    if settings["severity"] != 3 or known is None:
        return {}
    if known == "AeBAD":
        return {"none": POSTER_AEBAD[name]} if name in POSTER_AEBAD else {}
    return dict(zip(POSTER_COLUMNS, POSTER[known].get(name, ())))


def _differences(figures, measured, published):
    """Measured less published, with its sign; blank where either is missing."""
    for column, what in measured.items():
        values = figures.mean(*what)
        comparable = values is not None and column in published
        yield f"{values.mean() - published[column]:+.1f}" if comparable else ""


def _metric_table(settings, figures, categories, conditions, known):
    """All metrics, clean and corrupted; and where the backbone and the data are WinCLIP's, its own and the distance."""
    names, rows = (*IMAGE_METRICS[1:], *PIXEL_METRICS), []
    for name in figures.methods:
        title = title_of(name)
        rows.append([title, *(_slashed(figures, name, metric, categories, conditions) for metric in names)])
        paper = WINCLIP.get(known, {}).get(name, {})
        if "pro" in paper and settings["backbone"] == WINCLIP_BACKBONE and "none" in conditions:
            measured = {metric: (name, metric, categories, conditions["none"]) for metric in names}
            rows.append([f"{title}, published by WinCLIP, none", *(_decimal(paper[metric]) for metric in names)])
            rows.append([f"{title}, difference", *_differences(figures, measured, paper)])
    return table(["method", *(METRICS[metric] for metric in names)], rows)


def _slashed(figures, name, metric, categories, conditions):
    cells = [figures.cell(name, metric, categories, where) for where in conditions.values()]
    return " / ".join(cells) if any(cells) else ""


def _harm(figures, conditions):
    """Whether ours falls under the plain prompt ensemble anywhere, which it must not."""
    if not {"ours", ENSEMBLE} <= set(figures.methods):
        return []
    rows, falls = [], []
    for label in figures.categories:
        row = [label]
        for column, where in conditions.items():
            ours, plain = (figures.mean(name, "image_auroc", [label], where) for name in ("ours", ENSEMBLE))
            if ours is None or plain is None:
                row += ["", "", ""]
                continue
            row += [f"{ours.mean():.1f}", f"{plain.mean():.1f}", f"{ours.mean() - plain.mean():+.1f}"]
            if ours.mean() < plain.mean():
                within = len(ours) > 1 and plain.mean() - ours.mean() <= ours.std(ddof=1)
                falls.append(f"{label}, {column}{' (within the spread)' if within else ''}")
        rows.append(row)
    heads = [f"{column}: {what}" for column in conditions for what in ("ours", "ensemble", "difference")]
    verdict = f"It falls under it on: {'; '.join(falls)}." if falls else "It falls under it nowhere."
    return [
        "## Do no harm",
        "Our method must not fall under the plain prompt ensemble on the same backbone (WinCLIP's sentences, asked "
        f"about the image vector). Image AUROC, percent. {verdict}",
        table(["category", *heads], rows),
    ]


def _good_parts(results):
    """Which images were good parts, by category and draw."""
    lines = {}
    for unit, result in results:
        for row in result.rows:
            if row["parts"]:
                key = unit.category, method_of(row["method"])[1], row["seed"]
                lines[key] = f"- {unit.category}, {key[1]}, draw {row['seed']}: {', '.join(row['parts'])}"
    if not lines:
        return []
    return [
        "## Good parts",
        "Images for training, where the data have enough of them; else of the test, and in that draw not tested.",
        "\n".join(lines.values()),
    ]


def _left_out(settings, results):
    """Whatever was asked for and is not in the figures, with its reason."""
    lines = [f"- {sentence}" for sentence in settings["left out"]]
    lines += [f"- {title_of(name)} was not run. {reason}" for name, reason in settings["not run"].items()]
    wrong: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)  # category and reason -> names
    for unit, result in results:
        for name, reason in result.unreadable.items():
            wrong[str(unit.category), reason][name] = None
        lines += [f"- {title_of(name)} on {unit}: {reason}" for name, reason in result.failures.items()]
    for (category, reason), names in wrong.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        lines.append(f"- {category}, {', '.join([*names][:MOST_NAMED])}{more}: {reason}")
    return ["## Left out", "\n".join(dict.fromkeys(lines))] if lines else []


def _poster_lines():
    """The poster's whole table, to hold the tables above against."""
    heads = ["method", "AeBAD", *(f"{name}, {column}" for name in POSTER for column in POSTER_COLUMNS)]
    rows = []
    for name, title in {"maeday": "MAEDAY", "acr": "ACR", **{m: ALL_METHODS[m].title for m in ALL_METHODS}}.items():
        if name in POSTER["VisA"]:
            figures = [value for table_ in POSTER.values() for value in table_[name]]
            rows.append([title, _decimal(POSTER_AEBAD.get(name)), *map(_decimal, figures)])
    return [
        "## Published by the poster",
        "Image AUROC, percent, severity 3. Not measured here; its backbone is not named.",
        table(heads, rows),
    ]


def _method_lines(settings):
    lines = []
    for name in settings["methods"]:
        method = ALL_METHODS[name]
        lines.append(f"- **{method.title}** (`{name}`), {method.source}. {method.faithful}")
    return ["## The methods", "\n".join(lines)]


def _decimal(value):
    return "" if value is None else f"{value:.1f}"


def _csv(results):
    """One row a method, number of good parts, category, corruption, severity and seed; metrics from 0 to 1, blank where
    there are none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    place = "dataset", "category", "corruption", "severity", "seed"
    writer.writerow(["method", "good_parts", *place, *METRICS, "images"])
    for unit, result in results:
        place = [unit.category.dataset, unit.category.name, unit.corruption, unit.severity]
        for row in result.rows:
            method, parts = method_of(row["method"])
            values = ["" if np.isnan(row[metric]) else f"{row[metric]:.6f}" for metric in METRICS]
            writer.writerow([method.name, parts, *place, row["seed"], *values, row["images"]])
    return file.getvalue()


def speed_lines(settings: dict, results: list[tuple[Unit, Result]]) -> str:
    """Images a second, the share of every stage, and what the methods that share an encoding cost beside it."""
    seconds: dict[str, float] = defaultdict(float)
    for _, result in results:
        for stage, taken in result.seconds.items():
            seconds[stage] += taken
    images, total = sum(result.images for _, result in results), sum(seconds.values())
    rows = [
        [stage, f"{taken:.1f} s", f"{taken / total:.0%}", f"{1000 * taken / images:.1f} ms"]
        for stage, taken in sorted(seconds.items(), key=lambda item: -item[1])
    ]
    sharing = [name for name in SHARING if name in seconds]
    once = sum(seconds[name] / (settings["seeds"] if ALL_METHODS[name].seeded else 1) for name in sharing)
    text = f"{images} images, clean or corrupted, in {total:.1f} s of work: {images / total:.1f} images/s."
    if sharing:
        text += (
            f" One encoding, asked by {', '.join(sharing)} with one seed each, cost "
            f"{1 + once / seconds['encoding']:.2f} times the encoder alone (target 1.15; windows and training apart)."
        )
    return f"# Speed\n\n{text}\n\n{table(['stage', 'time', 'share', 'an image'], rows)}\n"
