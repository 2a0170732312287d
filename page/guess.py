"""Guess first: a blurred sample, the room says good or damaged, and then the methods do."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import gradio as gr

from page.events import event_field
from page.inspection import SCORING
from page.shared import OURS, Sample, SharedState
from page.words import in_words
from zsad_core.corruptions import corrupt
from zsad_core.errors import InputError
from zsad_core.figures import data_address

KIND, SEVERITY = "blur", 4
ROOM = "the room"
ANSWERS = ("good", "damaged")
METHODS = (OURS, "clip", "rwda")  # that answer at once
PANEL = f"""<button type="button" id="guess" title="Says good or damaged before the methods do">Guess first</button>
<div popover id="guess-panel" role="dialog" aria-label="Guess first"><h3></h3><img class="asked" alt="">
<div class="votes"><button type="button" data-vote="good">Good</button>
<button type="button" data-vote="damaged">Damaged</button></div>
<div class="answer" aria-live="polite" hidden><p></p><ul></ul><button type="button" data-next>Next one</button></div>
<p class="tally">Every picture is a sample at {KIND} {SEVERITY}.</p></div>"""


@dataclass(frozen=True)
class Round:
    """What a visitor has been asked so far.

    Attributes:
        left: names of the samples that are still to come, the next one last.
        asked: the name of the one on screen; None before the first, and once it is answered.
        right: by who answers, how often that was right. answered: how many were.
    """

    left: tuple[str, ...] = ()
    asked: str | None = None
    right: Mapping[str, int] = field(default_factory=dict)
    answered: int = 0


class GuessPanel:
    """Builds the button and its panel inside the current layout."""

    def __init__(self, shared: SharedState):
        self.shared = shared
        state = gr.State(Round())
        script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        panel = gr.HTML("", html_template=PANEL, elem_id="guess-first", js_on_load=script)
        panel.next(self.next, state, [state, panel], **SCORING)
        panel.vote(self.vote, state, [state, panel], **SCORING)

    @in_words
    def next(self, state: Round):
        """The next sample, blurred, without score or map."""
        names = state.left or tuple(random.sample(list(self.shared.samples), len(self.shared.samples)))
        sample = self.shared.samples[names[-1]]
        picture = data_address(corrupt(sample.pixels, KIND, SEVERITY))
        asked = replace(state, left=names[:-1], asked=sample.name)
        return asked, {"picture": picture, "product": sample.product, "number": state.answered + 1}

    @in_words
    def vote(self, event: gr.EventData, state: Round):
        """The truth, what every method says, and who has been right how often."""
        vote = event_field(event, "vote")
        if vote not in ANSWERS or state.asked not in self.shared.samples:
            raise InputError("This round is over: press Next one.")
        sample = self.shared.samples[state.asked]
        truth = ANSWERS["intact" not in sample.description]
        said = {ROOM: vote, **{title: verdict for title, verdict, _ in self._said(sample)}}
        right = {who: state.right.get(who, 0) + (answer == truth) for who, answer in said.items()}
        methods = [f"{title}: {score:.2f}, {verdict}" for title, verdict, score in self._said(sample)]
        after = replace(state, asked=None, right=right, answered=state.answered + 1)
        tally = ", ".join(f"{who} {count}" for who, count in right.items())
        return after, {
            "truth": f"It is {sample.description}. The room said {vote}.",
            "right": vote == truth,
            "methods": methods,
            "tally": f"Right in {after.answered}: {tally}",
        }

    def _said(self, sample: Sample):
        """Title, answer and score of every method."""
        detector = self.shared.shipped.get(sample.product) or next(iter(self.shared.shipped.values()))
        for name in METHODS:
            if name in self.shared.methods and not self.shared.missing[name]:
                _, seen = self.shared.look(detector, sample.pixels, {KIND: SEVERITY}, method=name)
                yield self.shared.methods[name].title, ANSWERS[seen.score > seen.neutral], seen.score
