"""robustness.png: image AUROC against the severity of each corruption, a line a method."""

import io
import itertools

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..figures import LINES, SEVERITY_LABEL
from .work import ALL_METHODS


def robustness_chart(settings, figures):
    """PNG: one panel for the mean over all corruptions, one for each of them, on one scale.

    Args:
        figures: `report.Figures`. Severity 0 is the clean image, the same in every panel.
    Returns:
        bytes, the same for the same figures.
    """
    kinds = [kind for kind in figures.severities if kind != "none"]
    panels = {**({"mean": kinds} if len(kinds) > 1 else {}), **{kind: [kind] for kind in kinds}} or {"none": []}
    sheet = Figure(figsize=(2.6 * len(panels) + 0.4, 3.6), layout="constrained")
    axes = np.atleast_1d(sheet.subplots(1, len(panels), sharey=True))
    for axis, (title, shown) in zip(axes, panels.items()):
        for name, style in zip(_ours_first(figures.methods), itertools.cycle(LINES)):
            severities, means, spreads = _curve(figures, name, shown)
            ours = name == "ours"
            axis.errorbar(
                severities, means, spreads, label=ALL_METHODS[name].title, color=style.day,
                marker=style.marker, markersize=4, linewidth=2.2 if ours else 1.2, capsize=2,
                zorder=3 if ours else 2,
            )  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(SEVERITY_LABEL, fontsize=9)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.tick_params(labelsize=8)
        axis.grid(color="#DDDDDD", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("image AUROC, percent", fontsize=9)
    sheet.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=8, frameon=False)
    sheet.suptitle(f"{settings['backbone']}, mean over {len(figures.categories)} categories", fontsize=10)
    file = io.BytesIO()
    sheet.savefig(file, dpi=150, metadata={"Software": None})
    return file.getvalue()


def _curve(figures, method, kinds):
    """Severities, mean AUROC and its spread over seeds, where the method has a figure."""
    conditions = {0: [("none", 0)]} if "none" in figures.severities else {}
    for severity in figures.severities[kinds[0]] if kinds else ():
        conditions[severity] = [(kind, severity) for kind in kinds]
    points = []
    for severity, where in conditions.items():
        values = figures.mean(method, "image_auroc", figures.categories, where)
        if values is not None:
            points.append((severity, values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0))
    return zip(*points) if points else ([], [], [])


def _ours_first(methods):
    return sorted(methods, key=lambda name: name != "ours")
