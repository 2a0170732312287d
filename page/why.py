"""The fold-out Why: which words lie nearest to what the score was made of. Asked for only while it is open."""

from collections.abc import Callable, Mapping
from functools import cached_property
from html import escape

import gradio as gr
import numpy as np

from page.inspection import SCORING, InspectView
from page.parts import said_by, words_alone
from page.selection import Selection, takes_selection
from page.shared import SharedState
from page.words import in_words
from zsad_core.figures import data_address
from zsad_core.names import ANYTHING
from zsad_core.reasons import Explainer, Nearest, NearestPrompt, Reading, Reasons

AROUND = 2  # patches on every side of the hottest one that are shown with it
STATES = (("normal", "●"), ("abnormal", "▲"))
STALE = "() => { document.querySelector('#why details')?.dispatchEvent(new Event('stale', {bubbles: true})); }"


class WhyView:
    """Builds the fold-out inside the current layout; `connect` wires it to the view whose score it explains."""

    def __init__(self, shared: SharedState):
        self.shared = shared
        self.fold = gr.HTML(
            "",
            html_template="""<details><summary>Why this score?</summary>
<div class="readings" aria-live="polite">${value || 'Reading the vectors …'}</div></details>""",
            elem_id="why",
            # What is drawn anew is closed again, so whether it is open is remembered here.
            js_on_load="""const details = () => element.querySelector('details');
let open = false, opened = false;
element.addEventListener('toggle', () => {
  if (open === details().open) return;
  opened = open = details().open;
  if (open) trigger('ask');
}, true);
element.addEventListener('stale', () => { if (open) trigger('ask'); else props.value = ''; });
watch('value', () => {
  details().open = open;
  if (opened && props.value) details().scrollIntoView({block: 'nearest'});
  if (props.value) opened = false;  // a slider that is moved later stays where it is
});""",
        )

    def connect(self, inspect: InspectView) -> None:
        inspect.corrupted.change(None, js=STALE)
        self.fold.ask(self.explain, inspect.chosen, self.fold, trigger_mode="always_last", **SCORING)

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.shared.backbone)

    @in_words
    @takes_selection
    def explain(self, selection: Selection):
        """The readings of the image, clean and corrupted, as HTML."""
        levels: dict[str, Mapping[str, int]] = {"Clean": {}}
        if selection.corruptions:
            levels[f"Corrupted: {selection.corruptions}"] = selection.severities
        columns, anything = [], self.shared.detector_for(ANYTHING)
        for title, severities in levels.items():
            batch = self.shared.image_batch(selection.picture.pixels, severities)
            hottest = int(selection.kept.patch_probabilities(batch.encoded.dense).flatten(1).amax(dim=1).argmax())
            asked = (words_alone(selection.kept), anything)
            scores = [one.inspect_encoded(batch.encoded, batch.sizes)[0].score for one in asked]
            reasons = self.explainer.explain(selection.kept, batch.encoded, hottest)
            share = _share_of_name(selection.kept.product, *scores)
            columns.append(_column(title, batch.squares[hottest], reasons, share))
        return f"{_note(selection)}{''.join(columns)}{self._aid()}"

    def _aid(self) -> str:
        return f"""<p class="aid"><b>Cosines.</b> Image vectors always lie far from text vectors, so no cosine comes
near 1. What counts is which is higher, <span class="normal">● normal</span> or
<span class="abnormal">▲ abnormal</span>. The score itself comes from the FNN, which learned from the prompts and never
saw a plain sentence. <b>Learned words</b> are free vectors and need not mean anything. Each is shown as the nearest of
{self.explainer.words:,} real words, with the cosine to it: 1 would be that very word, and a random vector reaches
{self.explainer.chance:.2f}.</p>"""


def _note(selection: Selection) -> str:
    """Whose reasons these are, where the score is another method's."""
    if selection.by_ours and selection.detector.good_parts:
        return f"<p>The score above is {said_by(selection.detector)}. The reasons below are those of the words.</p>"
    if selection.by_ours:
        return ""
    return f"<p>The score above is {escape(selection.method_title)}’s. The reasons below are those of our method.</p>"


def _share_of_name(product: str, by_name: float, by_anything: float) -> str:
    """The score by words under the product's name, and under the name of anything."""
    change = f"{round(by_name, 2) - round(by_anything, 2):+.2f}".replace("-", "−")
    return f"""<p class="share-of-name">Told “{escape(product)}” <b>{by_name:.2f}</b>, told only “{ANYTHING}”
<b>{by_anything:.2f}</b>: the name moves this score by {change}.</p>"""


def _column(title: str, pixels: np.ndarray, reasons: Reasons, share_of_name: str) -> str:
    """The readings of one image (H, W, 3) as HTML."""
    whole = _reading("Whole image", pixels, reasons.image)
    patch = _reading("Hottest patch", _around(pixels, reasons), reasons.patch)
    return f"<section><h3>{escape(title)}</h3>{share_of_name}{whole}{patch}</section>"


def _around(pixels: np.ndarray, reasons: Reasons) -> np.ndarray:
    """The part of an image (H, W, 3) about its hottest patch."""
    cuts = []
    for at, count, side in zip(reasons.place, reasons.grid, pixels.shape):
        cuts.append(slice(max(0, (at - AROUND) * side // count), (at + AROUND + 1) * side // count + 1))
    return pixels[tuple(cuts)]


def _reading(title: str, pixels: np.ndarray, reading: Reading) -> str:
    sentences = _pair(reading.sentences, lambda nearest: f"“{escape(nearest.text)}”")
    prompts = _pair(reading.prompts, _prompt)
    return f"""<div class="reading"><img src="{data_address(pixels, 144)}" alt=""><div>
<h4>{title} <span>FNN: {reading.probability:.2f} abnormal</span></h4>
<h5>Nearest plain sentences</h5>{sentences}<h5>Nearest learned prompts</h5>{prompts}</div></div>"""


def _pair(nearest: tuple, says: Callable[..., str]) -> str:
    """The nearest text of either state, the nearer one in bold."""
    nearer = int(nearest[1].cosine > nearest[0].cosine)
    items = (
        f'<li class="{name}{" nearer" if number == nearer else ""}"><i role="img" aria-label="{name}">{mark}</i>'
        f"<b>{one.cosine:.2f}</b><span>{says(one)}</span></li>"
        for number, ((name, mark), one) in enumerate(zip(STATES, nearest, strict=True))
    )
    return f"<ul>{''.join(items)}</ul>"


def _prompt(prompt: NearestPrompt) -> str:
    words = _words("diversity", prompt.diversity) + _words("distribution", prompt.distribution)
    return f"{words} {escape(prompt.semantic)}"


def _words(kind: str, words: tuple[Nearest, ...]) -> str:
    return "".join(
        f'<span class="word {kind}" title="{kind} word: the nearest real word, and the cosine between them">'
        f"{escape(word.text)} <small>{word.cosine:.2f}</small></span>"
        for word in words
    )
