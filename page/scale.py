"""The scale of the score, wherever the page shows it."""

from zsad_core.figures import SCALE_LABELS
from zsad_core.verdict import NEUTRAL


def score_scale(score: float | None = None) -> str:
    """The scale from 0 to 1 in its colours as HTML, with a mark at the score if there is one."""
    marked = "" if score is None else (
        f' style="--at: {score:.4f}" role="img" aria-label="Anomaly score {score:.2f} on the scale from 0, normal, '
        f'to 1, abnormal; {NEUTRAL} is neutral"'
    )  # fmt: skip
    labels = "".join(f"<span>{label}</span>" for _, label in SCALE_LABELS)
    return f'<span class="scale"{marked}><i></i>{labels}</span>'
