"""A short guided tour for a first visitor; it starts from a button, never by itself. See tour.js."""

import json
from pathlib import Path

BUTTON = '<button type="button" id="tour">Take the tour</button>'

# Where a step points, its title, what it says, and what it does by itself: "train" or "ramp".
STEPS = (
    (
        "#product",
        "Type a product",
        "Its name is enough: no photos, no labels. The buttons below are examples.",
        "",
    ),
    (
        ".go:has(#train)",
        "Watch it train",
        "It trains now. Below, normal and abnormal prompts move apart. The detector is ready within seconds.",
        "train",
    ),
    (
        ".sliders",
        "Move a slider",
        "It moves by itself now, and the right picture gets worse. The left one stays clean for comparison.",
        "ramp",
    ),
    (
        "#corrupted figcaption",
        "Read the score",
        "0 is normal, 1 abnormal, 0.5 neutral. A good detector keeps its verdict while the picture gets worse.",
        "",
    ),
    (
        "#why",
        "Ask why",
        "See which plain sentences and which learned words come nearest to the picture.",
        "",
    ),
)


def tour_script() -> str:
    """The tour for the page's head."""
    steps = json.dumps([dict(zip(("target", "title", "text", "does"), step, strict=True)) for step in STEPS])
    return (
        f"<script>{Path(__file__).with_name('tour.js').read_text(encoding='utf-8').replace('STEPS', steps, 1)}</script>"
    )
