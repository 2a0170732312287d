"""The scale of the score, wherever the page shows it."""

import numpy as np

from zsad_core.detector import Inspection
from zsad_core.figures import SCALE_LABELS


def score_scale(score: float | None = None) -> str:
    """The scale from 0 to 1 in its colours as HTML, with a mark at the score if there is one."""
    marked = "" if score is None else (
        f' style="--at: {score:.4f}" role="img" aria-label="Anomaly score {score:.2f} on the scale from 0, normal, '
        f'to 1, abnormal; {Inspection.neutral} is neutral"'
    )  # fmt: skip
    labels = "".join(f"<span>{label}</span>" for _, label in SCALE_LABELS)
    return f'<span class="scale"{marked}><i></i>{labels}</span>'


def state_of(score: float) -> str:
    """The state that a score leans to, as `Inspection.state`."""
    return Inspection(score, np.zeros((1, 1), np.float32)).state
