"""The view Train: a product's name becomes a detector, while one watches."""

import dataclasses
import json
import time
from collections.abc import Sequence
from html import escape

import gradio as gr

from page.inspection import AT_ONCE, SCORING, TOGETHER, InspectView
from page.invitation import Invitation
from page.product_name import TRAIN_FOR, name_note
from page.run_buttons import RunButtons
from page.runs import Runs
from page.selection import Selection, takes_selection
from page.shared import SharedState
from page.training_show import ASKS, PICTURE, Show, finished, photo_trail
from page.words import in_words
from zsad_core.backbone import Backbone
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.figures import curves
from zsad_core.progress import Progress
from zsad_core.recipe import PRESETS, WITHOUT, Recipe

EXAMPLES = ("metal nut", "hazelnut", "aeroengine blade", "bottle", "leather", "cookie")  # the first three: the poster's
QUICK = Recipe.quick()
NUMBERS = {name: (one.prompts, one.diversity_words, one.steps) for name, one in PRESETS.items()}  # that can be changed
TRAINING = {"concurrency_id": "training", "concurrency_limit": TOGETHER, "show_progress": "hidden"}
SWEEPING = {**TRAINING, "concurrency_id": "sweeping"}
EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="  # until the script draws it
LEAST_PAUSE = 0.1  # seconds between two pictures of a training
FORMULAS = {
    "diversity": "mean |cos(z<sub>k</sub>, z<sub>l</sub>)| of the prompts without states",
    "knowledge": "1 − cos(group, its mixture of shift sentences)",
    "groups": "mean cos(group, other group)",
    "guard": "cross-entropy of τ · z<sub>k,s</sub> · anchors against its state s",
    "loss": "cross-entropy on turned copies of the text vectors",
    "accuracy": "on the text vectors, balanced",
}
FALLING, RISING = ("diversity", "knowledge", "groups", "guard"), ("loss", "accuracy")


class TrainView:
    """Builds the view inside the current layout; `connect` wires it to the view that takes the detectors."""

    def __init__(self, shared: SharedState, runs: Runs):
        self.shared, self.runs = shared, runs
        gr.HTML("<h2>Train <small>on words alone, without one image</small></h2>", elem_classes="heading")
        first = next(iter(shared.shipped.values()))
        self.product = gr.Textbox(
            first.product,
            label="Product name",
            placeholder="What do you want to inspect?",
            max_lines=1,
            elem_id="product",
        )
        chips = "".join(f'<button type="button" data-product="{name}">{name}</button>' for name in EXAMPLES)
        gr.HTML(
            f'<div class="chips" role="group" aria-label="Examples of products">{chips}</div>',
            elem_id="examples",
            js_on_load="""element.addEventListener('click', (event) => {
                const button = event.target.closest('button[data-product]');
                if (!button) return;
                const field = document.querySelector('#product textarea, #product input');
                field.value = button.dataset.product;  // not by the server: a quick visitor would train the old product
                field.dispatchEvent(new Event('input', {bubbles: true}));
            });""",
        )
        with gr.Row(elem_classes="go"):
            self.preset = gr.Radio(
                list(PRESETS),
                value="quick",
                show_label=False,
                label="Preset",
                elem_id="preset",
                elem_classes="segments",
            )
            self.train = gr.Button("Train", variant="primary", elem_id="train", min_width=84, scale=0)
            self.stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=70, scale=0)
        with gr.Accordion("Advanced", open=False, elem_classes="advanced"):
            self.adjectives = gr.Textbox(
                ", ".join(QUICK.adjectives), label="Adjectives for abnormal, separated by commas"
            )
            with gr.Row():  # a field that is emptied takes the preset's value
                fields = zip(("Prompts K", "Words of a kind", "Steps"), NUMBERS["quick"], strict=True)
                self.numbers = [gr.Number(number, label=label, min_width=80) for label, number in fields]
                self.seed = gr.Number(0, precision=0, label="Seed", min_width=80)
        self.trained = gr.State(None)  # the detector that was trained last, as bytes
        self.watched = gr.State(False)  # whether its training is what is shown here
        self.wanted = gr.State(0)  # changed by whoever wants a training to begin
        with gr.Column(elem_id="live"):
            self.picture = gr.HTML("", html_template=PICTURE, js_on_load=ASKS)
            self.live = gr.HTML(resting(first), js_on_load=TRAIN_FOR)
            self.parts = gr.CheckboxGroup(
                list(WITHOUT),
                value=list(WITHOUT),
                show_label=False,
                label="Parts of the method: one that is switched off is left out, and the training runs again",
                elem_id="method-parts",
                container=False,
            )

    def connect(self, inspect: InspectView, invitation: Invitation) -> None:
        # In the browser: a quick visitor must not train with the numbers of the old preset.
        usual = {name: [*NUMBERS[name], ", ".join(one.adjectives), list(WITHOUT)] for name, one in PRESETS.items()}
        preset_fields = [*self.numbers, self.adjectives, self.parts]
        self.preset.input(None, self.preset, preset_fields, js=f"(preset) => ({json.dumps(usual)})[preset]")
        recipe = [self.product, self.preset, self.adjectives, *self.numbers, self.seed, self.parts]
        starts = [self.train.click, self.product.submit, self.parts.input, self.wanted.change]
        buttons = RunButtons(self.runs, self.train, self.stop)
        run = buttons.wire(starts, self.run, recipe, [self.live, self.trained, self.watched], **TRAINING)
        # Only now the visitor's detectors are read: one may have been loaded during the training.
        taken = run.success(inspect.take, [self.trained, inspect.own], inspect.own_detector, **AT_ONCE)
        invitation.after(taken.success, inspect)
        seen = [self.trained, self.watched, *inspect.chosen]
        inspect.detector.change(self.show, seen, [self.live, self.watched], **SCORING)
        self.picture.photo(self.trail, inspect.chosen, self.picture, trigger_mode="always_last", **SCORING)

    @in_words
    def run(self, request: gr.Request, product, preset, adjectives, prompts, words, steps, seed, parts):
        """Trains, drawing at most ten pictures a second; gives the detector as bytes at last."""
        recipe = recipe_from(preset, adjectives, prompts, words, steps, parts)
        training = self.shared.training(product, recipe, 0 if seed is None else seed)
        live, note = Live(self.shared.backbone, training.product, recipe), name_note(self.shared, product)
        for progress in self.runs.follow(request.session_hash, training):
            if live.take(progress):
                yield note + live.draw(progress), gr.skip(), True
        yield note + live.draw(progress), training.detector.to_bytes(), True

    @in_words
    @takes_selection
    def show(self, request: gr.Request, trained, watched, selection: Selection):
        """The training of the detector that was chosen; the one that is watched, or just was, stays as it is."""
        if self.runs.is_on(request.session_hash):
            return gr.skip(), gr.skip()
        if watched and trained is not None and selection.own.get(selection.key) == trained:
            return gr.skip(), gr.skip()
        return resting(selection.kept, selection.key in selection.own), False

    @in_words
    @takes_selection
    def trail(self, selection: Selection):
        """The photo's vector under a corruption of every severity, for the picture."""
        return json.dumps(photo_trail(selection))


def recipe_from(preset, adjectives=None, prompts=None, words=None, steps=None, parts=tuple(WITHOUT)) -> Recipe:
    """The recipe of a preset with the values that were given, and these parts of the method. Raises InputError."""
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r:.40}: choose one of {', '.join(PRESETS)}.")
    changes = {"prompts": prompts, "diversity_words": words, "distribution_words": words, "steps": steps}
    if adjectives is not None:
        changes["adjectives"] = [word for word in map(str.strip, str(adjectives).split(",")) if word]
    for part in WITHOUT:
        if part not in parts:
            changes |= WITHOUT[part]
    return dataclasses.replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})


class Live:
    """Draws a training as it goes on."""

    def __init__(self, backbone: Backbone, product: str, recipe: Recipe):
        self._product, self._recipe, self._show = product, recipe, Show(backbone, product, recipe)
        self._series = {name: [] for name in (*FALLING, *RISING)}
        self._mean_cosine = self._first_cosine = None
        self._drawn = 0.0

    def take(self, progress: Progress) -> bool:
        """Remembers the figures of a step; whether it is time for a picture."""
        self._show.take(progress)
        figures = dict(progress.losses)
        if progress.classifier_loss is not None:
            figures |= {"loss": progress.classifier_loss, "accuracy": progress.text_accuracy}
        for name, value in figures.items():
            self._series[name].append((progress.step, value))
        self._mean_cosine = progress.mean_cosine
        if self._first_cosine is None:
            self._first_cosine = progress.mean_cosine
        if time.monotonic() - self._drawn < LEAST_PAUSE:
            return False
        self._drawn = time.monotonic()
        return True

    def draw(self, progress: Progress) -> str:
        recipe = self._recipe
        return f"""{self._show.fresh()}{_status(progress, self._product)}
<div class="charts">{_cosine(self._first_cosine, self._mean_cosine)}
{_chart("Words", self._series, FALLING, recipe.steps)}
{_chart("FNN", self._series, RISING, recipe.classifier_steps)}</div>
{_health(progress.held_back_accuracy, recipe)}"""


def resting(detector: Detector, own: bool = False) -> str:
    """What the view shows of a detector whose training was not watched, a shipped one or the visitor's `own`."""
    health, whose = detector.health, "Yours" if own else "Trained beforehand"
    return f"""{finished(detector)}<div class="status"><b>{whose}</b><span>{escape(detector.product)}</span>
<progress value="1" max="1" aria-label="Trained"></progress></div>
<div class="charts resting">{_cosine(health["mean_cosine_before"], health["mean_cosine_after"])}
<ol class="how"><li><b>Diversity words</b> of all prompts are pushed apart.</li>
<li><b>Distribution words</b> are guided: “a dark photo of …”.</li>
<li><b>The name</b>, plain and damaged, keeps the meaning.</li>
<li>An <b>FNN</b> learns from these vectors, then reads images.</li></ol></div>
{_health(health["held_back_accuracy"], detector.recipe)}"""


def _status(progress: Progress, product: str) -> str:
    what = {"prompts": "Learning the words", "classifier": "Training the FNN", "done": "Done"}[progress.phase]
    stopped = progress.phase == "done" and progress.step < progress.steps
    detail = f"step {progress.step} of {progress.steps}" + (", stopped and kept" if stopped else "")
    left = f"{progress.seconds_left:.1f} s left" if progress.seconds_left else ""
    share = 1 if progress.phase == "done" else progress.step / max(progress.steps, 1)
    return f"""<div class="status"><b>{what}</b><span>{escape(product)}, {detail}</span><span class="left">{left}</span>
<progress value="{share:.3f}" max="1" aria-label="{what}"></progress></div>"""


def _cosine(before: float, after: float) -> str:
    return f"""<figure class="matrix"><img src="{EMPTY}" alt="Similarity matrix of the prompts without their product">
<figcaption>mean |cos| <span>{before:.2f} →</span> <b>{after:.2f}</b></figcaption></figure>"""


def _chart(title: str, series: dict[str, list[tuple[int, float]]], names: Sequence[str], steps: int) -> str:
    shown = {name: series[name] for name in names}
    last = {name: f"{values[-1][1]:.2f}" if values else "–" for name, values in shown.items()}
    legend = "".join(
        f'<li class="line-{number}"><span>{name} <small>{FORMULAS[name]}</small></span> <b>{last[name]}</b></li>'
        for number, name in enumerate(names)
    )
    return f"""<figure class="chart"><figcaption>{title}</figcaption>{curves(shown, steps, title)}
<ul>{legend}</ul></figure>"""


def _health(accuracy: float | None, recipe: Recipe) -> str:
    value = "–" if accuracy is None else f"{accuracy:.0%}"
    without = f", without {' and '.join(recipe.without)}" if recipe.without else ""
    return f"""<div class="health"><b>{value}</b>
<span>of held-back sentences are told right{without}</span></div>"""
