"""A link that restores what is on screen, without its image, and a picture of it for a slide."""

import base64
import dataclasses
import datetime
import functools
import io
import re
import time
from collections.abc import Container, Mapping
from html import escape
from urllib.parse import parse_qs, urlencode

import gradio as gr

from page.events import event_field
from page.inspection import SCORING, InspectView
from page.parts import said_by
from page.selection import SLIDERS, Photo, Selection, takes_selection
from page.shared import OURS, SharedState
from page.training import NUMBERS, TrainView, recipe_from
from page.words import in_words
from zsad_core.corruptions import MAX_SEVERITY
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.prompts import clean_product_name
from zsad_core.recipe import PRESETS, Recipe
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
    severities: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(SLIDERS, 0))
    method: str = OURS
    sample: str | None = None

    @property
    def recipe(self) -> Recipe:
        return recipe_from(self.preset, **self.values)

    def query(self) -> str:
        """The link's part behind the question mark; what is as on any first visit is left out."""
        parts = {"product": self.product, "preset": self.preset, **self.values, "seed": self.seed or None}
        parts |= {kind: severity or None for kind, severity in self.severities.items()}
        parts |= {"method": self.method if self.method != OURS else None, "sample": self.sample}
        return urlencode({name: value for name, value in parts.items() if value is not None}, safe="/,")


def read_link(query: str, shared: SharedState) -> tuple[Link, list[str]]:
    """The link of a query, with the usual value for each one that cannot be used, and a sentence about each of those.

    A link without a preset, typed by hand, means the detector that was trained beforehand where there is one. Names
    that are not a link's own, such as those that other sites add to addresses, are passed over.
    """
    first = next(iter(shared.shipped))
    if len(query) > LONGEST_LINK:
        return Link(first), [f"The link has {len(query)} characters; at most {LONGEST_LINK} are read."]
    given, complaints = parse_qs(query.removeprefix("?"), keep_blank_values=True, errors="surrogateescape"), []

    def read(name, reader):
        *others, value = given[name]
        if re.search("[\ud800-\udfff]", value):
            raise InputError(f"In the link, {name} is not text in UTF-8.")
        meant = reader(name, value)
        if others:
            raise InputError(f"The link gives {name} more than once.")
        return meant

    def taken(name, reader, default):
        try:
            return read(name, reader) if name in given else default
        except InputError as error:
            complaints.append(str(error))
            return default

    def recipe(_, preset):
        values = {name: read(name, whole) for name in FIELDS if name in given}
        if "adjectives" in given:
            values["adjectives"] = read("adjectives", lambda _, adjectives: adjectives)
        recipe_from(preset, **values)
        return preset, values

    whole = functools.partial(_whole, greatest=MAX_SEED)
    methods = [name for name, why in shared.missing.items() if not why]
    product = taken("product", lambda _, product: clean_product_name(product), first)
    known = shared.shipped[product].recipe if product in shared.shipped else None
    given.setdefault("preset", [next((name for name, recipe in PRESETS.items() if recipe == known), "quick")])
    preset, values = taken("preset", recipe, ("quick", {}))
    link = Link(
        product=product,
        preset=preset,
        values=values,
        seed=taken("seed", whole, 0),
        severities={kind: taken(kind, functools.partial(_whole, greatest=MAX_SEVERITY), 0) for kind in SLIDERS},
        method=taken("method", functools.partial(_one_of, choices=methods), OURS),
        sample=taken("sample", functools.partial(_one_of, choices=shared.samples), None),
    )
    return link, complaints


def _whole(name: str, given: str, greatest: int) -> int:
    if not re.fullmatch("[0-9]{1,10}", given) or int(given) > greatest:
        raise InputError(f"In the link, {name} is {given!r:.40}; it must be a whole number from 0 to {greatest}.")
    return int(given)


def _one_of(name: str, given: str, choices: Container[str]) -> str:
    if given not in choices:
        raise InputError(f"In the link, {name} is {given!r:.40}, which is not available here.")
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
    raise InputError(
        "The page has no fields for the recipe of this detector: press Download and share its file instead."
    )


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
<button type="button" data-do="link" title="Product, recipe, sliders and sample, without your photo">Copy link</button>
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
  const {query, picture, name, kept} = props.value || {};
  if (!query && !picture && !kept) return;
  props.value = '';
  if (kept) { try { localStorage.setItem('last-training', kept); } catch {} return; }
  if (picture) {
    Object.assign(document.createElement('a'), {href: picture, download: name}).click();
    say('Saved');
    return;
  }
  const link = `${location.origin}${location.pathname}?${query}`;
  try { await navigator.clipboard.writeText(link); say('Link copied'); } catch { prompt('Copy this link:', link); }
});
let last = null;
try { last = localStorage.getItem('last-training'); } catch {}  // a browser may keep nothing
if (/[?&]product=/.test(location.search)) trigger('restore', {query: location.search});
else if (last) trigger('restore', {query: last});""",
        )

    def connect(self, inspect: InspectView, train: TrainView) -> None:
        self.buttons.link(self.link, inspect.chosen, self.buttons, **SCORING)
        train.trained.change(self.keep, train.trained, self.buttons, **SCORING)
        self.buttons.report(self.report, inspect.chosen, self.buttons, **SCORING)
        form = [train.product, train.preset, train.adjectives, *train.numbers, train.seed]
        restored = [inspect.method, *inspect.severities, inspect.detector, *inspect.pictures, inspect.restored]
        self.buttons.restore(self.restore, None, [*form, *restored, train.wanted], **SCORING)

    @in_words
    @takes_selection
    def link(self, selection: Selection):
        """The query of what is on screen."""
        detector, sample = selection.kept, None
        if selection.parts:
            gr.Info("Your good parts are not part of the link: they stay here.")
        preset, values = recipe_values(detector.recipe)
        if isinstance(selection.photo, Photo):
            gr.Info("Your photo is not part of the link: it stays here.")
        else:
            sample = selection.photo
        link = Link(detector.product, preset, values, detector.seed, selection.severities, selection.method, sample)
        return {"query": link.query()}

    @in_words
    def keep(self, trained):
        """The query of the last training, for the visitor's own browser: once loaded again, the page repeats it."""
        detector = self.shared.detector_from(trained)
        try:
            preset, values = recipe_values(detector.recipe)
        except InputError:  # the page has no fields for it
            return gr.skip()
        return {"kept": Link(detector.product, preset, values, detector.seed).query()}

    @in_words
    @takes_selection
    def report(self, selection: Selection):
        """The report of what is on screen as a `data:` address: it is kept nowhere."""
        detector = selection.detector
        title = f"Corrupted: {selection.corruptions}" if selection.corruptions else "Not corrupted"
        panels = Panel("Clean", *selection.clean()), Panel(title, *selection.corrupted())
        by = _training(detector) if selection.by_ours else selection.method_title
        picture = report_picture(detector.product, *panels, self.shared.backbone.name, by, datetime.date.today())
        file = io.BytesIO()
        picture.save(file, "png")
        name = f"{detector.product.replace(' ', '-')}-report.png"
        return {"picture": f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}", "name": name}

    @in_words
    def restore(self, event: gr.EventData):
        """Values for the form, the sliders, the detector and the picture, from the address that was opened."""
        query = event_field(event, "query")
        link, complaints = read_link(query, self.shared)
        if complaints:
            gr.Warning(
                " ".join(escape(complaint) for complaint in complaints) + " The page uses the usual values instead."
            )
        shipped = self.shared.shipped.get(link.product)
        its_own = shipped is not None and (shipped.recipe, shipped.seed) == (link.recipe, link.seed)
        missing = not its_own and not complaints  # what is not understood trains nothing
        adjectives = link.values.get("adjectives", ", ".join(PRESETS[link.preset].adjectives))
        numbers = [link.values.get(name, usual) for name, usual in zip(FIELDS, NUMBERS[link.preset], strict=True)]
        picture = (link.sample, link.sample) if link.sample else (gr.skip(), gr.skip())
        severities = [link.severities[kind] for kind in SLIDERS]
        form = [link.product, link.preset, adjectives, *numbers, link.seed]
        detector = link.product if shipped else gr.skip()
        return *form, link.method, *severities, detector, *picture, time.time(), time.time() if missing else gr.skip()


def _training(detector: Detector) -> str:
    """How a detector came to be, in a line."""
    steps = int(detector.health.get("steps", detector.recipe.steps))
    words = f"trained on words alone: {detector.recipe.prompts} prompts, {steps} steps, seed {detector.seed}"
    return f"{words}, then scored {said_by(detector)}, not zero-shot" if detector.good_parts else words
