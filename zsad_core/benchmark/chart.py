"""robustness.png and verdicts.png: what the methods are worth at every severity of each corruption, a line a method."""

import io
import itertools

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..figures import LINES, SEVERITY_LABEL
from .work import title_of


def robustness_chart(settings, figures):
    """PNG of the image AUROC.

    Args:
        figures: `report.Figures`. Severity 0 is the clean image, the same in every panel.
    Returns:
        bytes, the same for the same figures.
    """
    return _chart(settings, figures, {"image_auroc": "image AUROC, percent"})


def verdict_chart(settings, figures):
    """PNG of the false alarms and of the catches at a score of .5, which no severity moves; as `robustness_chart`."""
    rows = {"false_alarms": "good parts called damaged, percent", "caught": "damaged parts caught, percent"}
    return _chart(settings, figures, rows, (-3, 103))


def _chart(settings, figures, rows, limits=None):
    """One column of panels for the mean over all corruptions, one for each of them; a row a metric, on one scale."""
    kinds = [kind for kind in figures.severities if kind != "none"]
    columns = {**({"mean": kinds} if len(kinds) > 1 else {}), **{kind: [kind] for kind in kinds}} or {"none": []}
    size = 2.6 * len(columns) + 0.4, 3.1 * len(rows) + 0.5
    sheet = Figure(figsize=size, layout="constrained")
    panels = sheet.subplots(len(rows), len(columns), sharex=True, sharey="row", squeeze=False)
    for (metric, label), axes in zip(rows.items(), panels):
        axes[0].set_ylabel(label, fontsize=9)
        for axis, shown in zip(axes, columns.values()):
            _draw(axis, figures, metric, shown)
            if limits:
                axis.set_ylim(*limits)
    for top, bottom, title in zip(panels[0], panels[-1], columns):
        top.set_title(title, fontsize=10)
        bottom.set_xlabel(SEVERITY_LABEL, fontsize=9)
    lines = panels[0, 0].get_legend_handles_labels()
    sheet.legend(*lines, loc="outside lower center", ncols=8, fontsize=8, frameon=False)
    sheet.suptitle(f"{settings['backbone']}, mean over {len(figures.categories)} categories", fontsize=10)
    file = io.BytesIO()
    sheet.savefig(file, dpi=150, metadata={"Software": None})
    return file.getvalue()


def _draw(axis, figures, metric, kinds):
    for name, style in zip(_ours_first(figures.methods), itertools.cycle(LINES)):
        severities, means, spreads = _curve(figures, name, metric, kinds)
        ours = name.partition("+")[0] == "ours"
        axis.errorbar(
            severities, means, spreads, label=title_of(name), color=style.day,
            marker=style.marker, markersize=4, linewidth=2.2 if ours else 1.2, capsize=2,
            zorder=3 if ours else 2,
        )  # fmt: skip
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.tick_params(labelsize=8)
    axis.grid(color="#DDDDDD", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _curve(figures, method, metric, kinds):
    """Severities, mean of the metric and its spread over seeds, where the method has a figure."""
    conditions = {0: [("none", 0)]} if "none" in figures.severities else {}
    for severity in figures.severities[kinds[0]] if kinds else ():
        conditions[severity] = [(kind, severity) for kind in kinds]
    points = []
    for severity, where in conditions.items():
        values = figures.mean(method, metric, figures.categories, where)
        if values is not None:
            points.append((severity, values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0))
    return zip(*points) if points else ([], [], [])


def _ours_first(methods):
    return sorted(methods, key=lambda name: name.partition("+")[0] != "ours")
