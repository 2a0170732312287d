"""The fold-out Why: which words lie nearest to what the score was made of. Asked for only while it is open."""

from collections.abc import Callable
from functools import cached_property
from html import escape

import gradio as gr
import numpy as np

from page.inspection import SCORING, InspectView, corrupted_title
from page.shared import SharedState
from page.words import in_words
from zsad_core.corruptions import POSTER_CORRUPTIONS
from zsad_core.figures import data_address
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
        self.inspect = inspect
        inspect.corrupted.change(None, js=STALE)
        self.fold.ask(self.explain, inspect.chosen, self.fold, trigger_mode="always_last", **SCORING)

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.shared.backbone)

    @in_words
    def explain(self, key, own, photo, method, *severities):
        """The readings of the image, clean and corrupted, as HTML."""
        detector, pixels = self.inspect.chosen_detector(key, own), self.inspect.picture(photo).pixels
        levels = dict(zip(POSTER_CORRUPTIONS, severities, strict=True))
        columns = []
        for title, corruption in (("Clean", {}), (corrupted_title(levels), levels)):
            batch = self.shared.image_batch(pixels, corruption)
            columns.append(_column(title, batch.images[0], self.explainer.explain(detector, batch.encoded)))
        if not any(severities):
            columns.pop()
        return f"{self._note(method)}{''.join(columns)}{self._aid()}"

    def _note(self, method: str) -> str:
        if method == "ours":
            return ""
        title = escape(self.shared.methods[method].title)
        return f"<p>The score above is {title}’s; what follows are the reasons of ours.</p>"

    def _aid(self) -> str:
        return f"""<p class="aid"><b>Cosines.</b> Image and text vectors keep a distance, so none comes near 1: compare
<span class="normal">● normal</span> with <span class="abnormal">▲ abnormal</span>. The score itself is the
FNN’s, which learned from the prompts and has heard no plain sentence. <b>Learned words</b> are free vectors and need
not mean anything. Each is shown as the nearest of {self.explainer.words:,} real words with the cosine between them:
1 is that very word, and a random vector comes to {self.explainer.chance:.2f}.</p>"""


def _column(title: str, pixels: np.ndarray, reasons: Reasons) -> str:
    """The readings of one image (H, W, 3) as HTML."""
    whole = _reading("Whole image", pixels, reasons.image)
    patch = _reading("Hottest patch", _around(pixels, reasons), reasons.patch)
    return f"<section><h3>{escape(title)}</h3>{whole}{patch}</section>"


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
