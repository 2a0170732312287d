"""A link that restores what is on screen, without its image, and a picture of it for a slide."""

import base64
import dataclasses
import datetime
import io
import re
import time
from collections.abc import Container, Mapping
from html import escape
from urllib.parse import parse_qsl, urlencode

import gradio as gr

from page.inspection import SCORING, InspectView, Photo, corrupted_title
from page.shared import SharedState
from page.training import NUMBERS, PRESETS, TrainView, recipe_from
from page.words import in_words
from zsad_core.corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.prompts import clean_product_name
from zsad_core.recipe import Recipe
from zsad_core.report import Panel, report_picture
from zsad_core.seeds import MAX_SEED

LONGEST_LINK = 2000  # characters that are read of one
FIELDS = ("prompts", "words", "steps")  # of a recipe, beside preset and adjectives


@dataclasses.dataclass(frozen=True)
class Link:
    """What a link restores; `values` of the recipe are those that differ from its preset's."""

    product: str
    preset: str = "quick"
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    seed: int = 0
    severities: Mapping[str, int] = dataclasses.field(default_factory=dict)
    method: str = "ours"
    sample: str | None = None

    @property
    def recipe(self) -> Recipe:
        return recipe_from(self.preset, **self.values)

    def query(self) -> str:
        """The link's part behind the question mark; what is as on any first visit is left out."""
        parts = {"product": self.product, "preset": self.preset, **self.values, "seed": self.seed or None}
        parts |= {kind: severity or None for kind, severity in self.severities.items()}
        parts |= {"method": self.method if self.method != "ours" else None, "sample": self.sample}
        return urlencode({name: value for name, value in parts.items() if value is not None}, safe="/,")


def read_link(query: str, shared: SharedState) -> tuple[Link, list[str]]:
    """The link of a query, with the default for every value that cannot be used, and a sentence about each of those.

    A link without a preset, typed by hand, is about the detector that was trained beforehand where there is one.
    """
    first = next(iter(shared.shipped))
    if len(query) > LONGEST_LINK:
        return Link(first), [f"The link has {len(query)} characters; at most {LONGEST_LINK} are read."]
    given, complaints = dict(parse_qsl(query.lstrip("?"))), []

    def taken(name, read, default):
        try:
            return read(name, given[name]) if name in given else default
        except InputError as error:
            complaints.append(str(error))
            return default

    def recipe(_, preset):
        values = {name: _whole(name, given[name], MAX_SEED) for name in FIELDS if name in given}
        values |= {"adjectives": given["adjectives"]} if "adjectives" in given else {}
        recipe_from(preset, **values)
        return preset, values

    methods = [name for name, why in shared.missing.items() if not why]
    product = taken("product", lambda _, product: clean_product_name(product), first)
    known = shared.shipped[product].recipe if product in shared.shipped else None
    given.setdefault("preset", next((name for name, recipe in PRESETS.items() if recipe == known), "quick"))
    preset, values = taken("preset", recipe, ("quick", {}))
    link = Link(
        product=product,
        preset=preset,
        values=values,
        seed=taken("seed", lambda *seed: _whole(*seed, MAX_SEED), 0),
        severities={
            kind: taken(kind, lambda *severity: _whole(*severity, MAX_SEVERITY), 0) for kind in POSTER_CORRUPTIONS
        },
        method=taken("method", lambda *method: _one_of(*method, methods), "ours"),
        sample=taken("sample", lambda *sample: _one_of(*sample, shared.samples), None),
    )
    return link, complaints


def _whole(name: str, given: str, greatest: int) -> int:
    if not re.fullmatch("[0-9]{1,10}", given) or int(given) > greatest:
        raise InputError(f"In the link, {name} is {given!r:.40} and should be a whole number from 0 to {greatest}.")
    return int(given)


def _one_of(name: str, given: str, choices: Container[str]) -> str:
    if given not in choices:
        raise InputError(f"In the link, {name} is {given!r:.40}, and there is none of that name here.")
    return given


def recipe_values(recipe: Recipe) -> tuple[str, dict[str, object]]:
    """The preset of a recipe, and what the fields of the page have to say beside it.

    Raises:
        InputError: the page has no fields that give this recipe.
    """
    wanted = _said(recipe)
    for name, preset in PRESETS.items():
        if recipe_from(name, **wanted) == recipe:
            return name, dict(wanted.items() - _said(preset).items())
    raise InputError("This detector was trained by a recipe that the page has no fields for: share its file instead, "
                     "which Download gives.")  # fmt: skip


def _said(recipe: Recipe) -> dict[str, object]:
    """A recipe as the fields of the page say it."""
    numbers = zip(FIELDS, (recipe.prompts, recipe.diversity_words, recipe.steps), strict=True)
    return {**dict(numbers), "adjectives": ", ".join(recipe.adjectives)}


class ShareView:
    """Builds the two buttons inside the current layout; `connect` wires them to the views they speak of."""

    def __init__(self, shared: SharedState):
        self.shared = shared
        self.buttons = gr.HTML(
            "",
            html_template="""<div><span role="status"></span>
<button type="button" data-do="link" title="Product, recipe, sliders and sample, without the image">Copy link</button>
<button type="button" data-do="report" title="1600 x 900 pixels, for a slide">Report picture</button></div>""",
            elem_id="share",
            js_on_load="""const say = (words) => {
  element.querySelector('[role=status]').textContent = words;
  setTimeout(() => { element.querySelector('[role=status]').textContent = ''; }, 4000);
};
element.addEventListener('click', (event) => {
  const wanted = event.target.closest('button')?.dataset.do;
  if (wanted === 'link' || wanted === 'report') trigger(wanted);
});
watch('value', async () => {
  const {query, picture, name} = props.value || {};
  if (!query && !picture) return;
  props.value = '';
  if (picture) {
    Object.assign(document.createElement('a'), {href: picture, download: name}).click();
    say('Saved');
    return;
  }
  const link = `${location.origin}${location.pathname}?${query}`;
  try { await navigator.clipboard.writeText(link); say('Link copied'); } catch { prompt('Copy this link:', link); }
});
if (/[?&]product=/.test(location.search)) trigger('restore', {query: location.search});""",
        )

    def connect(self, inspect: InspectView, train: TrainView) -> None:
        self.inspect = inspect
        self.buttons.link(self.link, inspect.chosen, self.buttons, **SCORING)
        self.buttons.report(self.report, inspect.chosen, self.buttons, **SCORING)
        form = [train.product, train.preset, train.adjectives, *train.numbers, train.seed]
        restored = [inspect.method, *inspect.severities, inspect.detector, *inspect.pictures]
        self.buttons.restore(self.restore, None, [*form, *restored, inspect.restored], **SCORING)

    @in_words
    def link(self, key, own, photo, method, *severities):
        """The query of what is on screen."""
        detector = self.inspect.chosen_detector(key, own)
        preset, values = recipe_values(detector.recipe)
        levels = dict(zip(POSTER_CORRUPTIONS, severities, strict=True))
        sample = None if isinstance(photo, Photo) else photo
        if sample is None:
            gr.Info("Your photo is not part of the link: it stays here.")
        return {"query": Link(detector.product, preset, values, detector.seed, levels, method, sample).query()}

    @in_words
    def report(self, key, own, photo, method, *severities):
        """The report of what is on screen as a `data:` address: it is kept nowhere."""
        detector, pixels = self.inspect.chosen_detector(key, own), self.inspect.picture(photo).pixels
        levels = dict(zip(POSTER_CORRUPTIONS, severities, strict=True))
        title = corrupted_title(levels) if any(severities) else "Not corrupted"
        panels = [
            Panel(name, *self.shared.look(detector, pixels, corruption, method=method))
            for name, corruption in (("Clean", {}), (title, levels))
        ]
        by = _training(detector) if method == "ours" else self.shared.methods[method].title
        picture = report_picture(detector.product, *panels, self.shared.backbone.name, by, datetime.date.today())
        file = io.BytesIO()
        picture.save(file, "png")
        name = f"{detector.product.replace(' ', '-')}-report.png"
        return {"picture": f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}", "name": name}

    @in_words
    def restore(self, event: gr.EventData):
        """Values for the form, the sliders, the detector and the picture, from the address that was opened."""
        link, complaints = read_link(str(event.query), self.shared)
        if complaints:
            gr.Warning(" ".join(escape(complaint) for complaint in complaints) + " The usual values are taken instead.")
        shipped = self.shared.shipped.get(link.product)
        if shipped is None or (shipped.recipe, shipped.seed) != (link.recipe, link.seed):
            gr.Info(f"The link’s own detector of “{escape(link.product)}” is not trained yet: press Train to make it.")
        adjectives = link.values.get("adjectives", ", ".join(PRESETS[link.preset].adjectives))
        numbers = [link.values.get(name, usual) for name, usual in zip(FIELDS, NUMBERS[link.preset], strict=True)]
        picture = (link.sample, link.sample) if link.sample else (gr.skip(), gr.skip())
        form = [link.product, link.preset, adjectives, *numbers, link.seed]
        detector = link.product if shipped else gr.skip()
        return *form, link.method, *link.severities.values(), detector, *picture, time.time()


def _training(detector: Detector) -> str:
    """How a detector came to be, in a line."""
    steps = int(detector.health.get("steps", detector.recipe.steps))
    return f"trained on words alone: {detector.recipe.prompts} prompts, {steps} steps, seed {detector.seed}"
