"""The view Train: a product's name becomes a detector, while one watches."""

import dataclasses
import json
import time
from collections.abc import Sequence
from html import escape

import gradio as gr
import numpy as np

from page.inspection import AT_ONCE, TOGETHER, InspectView
from page.product_name import TRAIN_FOR, name_note
from page.runs import Runs
from page.shared import SharedState
from page.words import in_words
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.figures import TextVectorPicture, curves, similarity_picture
from zsad_core.progress import Progress
from zsad_core.recipe import PRESETS, Recipe

EXAMPLES = ("metal nut", "hazelnut", "aeroengine blade", "bottle", "leather", "cookie")  # the first three: the poster's
QUICK = Recipe.quick()
NUMBERS = {name: (one.prompts, one.diversity_words, one.steps) for name, one in PRESETS.items()}  # that can be changed
TRAINING = {"concurrency_id": "training", "concurrency_limit": TOGETHER, "show_progress": "hidden"}
SWEEPING = {**TRAINING, "concurrency_id": "sweeping"}
LEAST_PAUSE = 0.1  # seconds between two pictures of a training
FALLING, RISING = ("diversity", "knowledge", "groups", "guard"), ("FNN loss", "text accuracy")


class TrainView:
    """Builds the view inside the current layout; `connect` wires it to the view that takes the detectors."""

    def __init__(self, shared: SharedState, runs: Runs):
        self.shared, self.runs = shared, runs
        gr.HTML("<h2>Train <small>on words alone, without one image</small></h2>", elem_classes="heading")
        self.product = gr.Textbox(
            EXAMPLES[0],
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
        self.trained = gr.State(None)
        self.live = gr.HTML(resting(next(iter(shared.shipped.values()))), elem_id="live", js_on_load=TRAIN_FOR)

    def connect(self, inspect: InspectView) -> None:
        # In the browser: a quick visitor must not train with the numbers of the old preset.
        self.preset.input(None, self.preset, self.numbers, js=f"(preset) => ({json.dumps(NUMBERS)})[preset]")
        recipe = [self.product, self.preset, self.adjectives, *self.numbers, self.seed]
        buttons = [self.train, self.stop]
        run = gr.on([self.train.click, self.product.submit], self.begin, None, buttons, **AT_ONCE).then(
            self.run,
            recipe,
            [self.live, self.trained],
            api_visibility="private",
            **TRAINING,
        )
        # Only now the visitor's detectors are read: one may have been loaded during the training.
        run.success(inspect.take, [self.trained, inspect.own], inspect.own_detector, **AT_ONCE)
        run.success(self.end, None, buttons, **AT_ONCE)
        run.failure(self.end, None, buttons, **AT_ONCE)
        self.stop.click(self.halt, None, self.stop, **AT_ONCE)

    def begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return gr.update(interactive=False), gr.update(interactive=True)

    def end(self):
        return gr.update(interactive=True), gr.update(interactive=False)

    @in_words
    def run(self, request: gr.Request, product, preset, adjectives, prompts, words, steps, seed):
        """Trains, drawing at most ten pictures a second; gives the detector as bytes at last."""
        recipe = recipe_from(preset, adjectives, prompts, words, steps)
        training = self.shared.training(product, recipe, 0 if seed is None else seed)
        live, note = Live(recipe), name_note(self.shared, product)
        for progress in self.runs.follow(request.session_hash, training):
            if live.take(progress):
                yield note + live.draw(progress), gr.skip()
        yield note + live.draw(progress), training.detector.to_bytes()

    def halt(self, request: gr.Request):
        """Stops this visitor's training; what was learned so far is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)


def recipe_from(preset, adjectives=None, prompts=None, words=None, steps=None) -> Recipe:
    """The recipe of a preset with the values that were given. Raises InputError."""
    if preset not in PRESETS:
        raise InputError(f"There is no preset {preset!r:.40}: choose one of {', '.join(PRESETS)}.")
    changes = {"prompts": prompts, "diversity_words": words, "distribution_words": words, "steps": steps}
    if adjectives is not None:
        changes["adjectives"] = [word for word in map(str.strip, str(adjectives).split(",")) if word]
    return dataclasses.replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})


class Live:
    """Draws a training as it goes on."""

    def __init__(self, recipe: Recipe):
        self._recipe, self._picture = recipe, TextVectorPicture()
        self._scatter = self._matrix = ""
        self._series = {name: [] for name in (*FALLING, *RISING)}
        self._mean_cosine = self._first_cosine = None
        self._drawn = 0.0

    def take(self, progress: Progress) -> bool:
        """Remembers the figures of a step; whether it is time for a picture."""
        figures = dict(progress.losses)
        if progress.classifier_loss is not None:
            figures |= {"FNN loss": progress.classifier_loss, "text accuracy": progress.text_accuracy}
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
        if progress.text_vectors is not None:
            self._scatter = self._picture.draw(progress.text_vectors, progress.states)
            self._matrix = similarity_picture(progress.state_free)
        recipe = self._recipe
        return f"""{_status(progress)}{_vectors(self._scatter, self._matrix, self._first_cosine, self._mean_cosine)}
<div class="charts">{_chart("Losses of the words", self._series, FALLING, recipe.steps)}
{_chart("FNN on text vectors", self._series, RISING, recipe.classifier_steps)}</div>
{_health(progress.held_back_accuracy)}"""


def resting(detector: Detector) -> str:
    """What the view shows before any training: a detector trained beforehand."""
    vectors = detector.text_vectors[:2].flatten(0, 1).numpy()
    states = np.arange(2).repeat(len(vectors) // 2)
    health = detector.health
    scatter = TextVectorPicture().draw(vectors, states)
    matrix = similarity_picture(detector.state_free_vectors().numpy())
    return f"""<div class="status"><b>Trained beforehand</b><span>{escape(detector.product)}</span>
<progress value="1" max="1" aria-label="Trained"></progress></div>
{_vectors(scatter, matrix, health["mean_cosine_before"], health["mean_cosine_after"])}
<ol class="how"><li><b>Diversity words</b> of all prompts are pushed apart.</li>
<li><b>Distribution words</b> are guided: “a dark photo of …”.</li>
<li><b>The name</b>, plain and damaged, keeps the meaning.</li>
<li>An <b>FNN</b> learns from these vectors, then reads images.</li></ol>
{_health(health["held_back_accuracy"])}"""


def _status(progress: Progress) -> str:
    what = {"prompts": "Learning the words", "classifier": "Training the FNN", "done": "Done"}[progress.phase]
    stopped = progress.phase == "done" and progress.step < progress.steps
    detail = f"step {progress.step} of {progress.steps}" + (", stopped and kept" if stopped else "")
    left = "" if progress.phase == "done" else f"{progress.seconds_left:.1f} s left"
    share = 1 if progress.phase == "done" else progress.step / max(progress.steps, 1)
    return f"""<div class="status"><b>{what}</b><span>{detail}</span><span class="left">{left}</span>
<progress value="{share:.3f}" max="1" aria-label="{what}"></progress></div>"""


def _vectors(scatter: str, matrix: str, before: float, after: float) -> str:
    return f"""<div class="vectors">
<figure>{scatter}<figcaption><span class="normal">● normal</span><span>text vectors</span>
<span class="abnormal">▲ abnormal</span></figcaption></figure>
<figure class="matrix"><img src="{matrix}" alt="Similarity matrix of the prompts without their product">
<figcaption>similarity</figcaption><div class="cosine">mean |cos|,<br>diversity words<br><span>{before:.2f} →</span>
<b>{after:.2f}</b></div></figure></div>"""


def _chart(title: str, series: dict[str, list[tuple[int, float]]], names: Sequence[str], steps: int) -> str:
    shown = {name: series[name] for name in names}
    legend = "".join(
        f'<li class="line-{number}">{name} <b>{f"{values[-1][1]:.2f}" if values else "–"}</b></li>'
        for number, (name, values) in enumerate(shown.items())
    )
    return f"""<figure class="chart"><figcaption>{title}</figcaption>{curves(shown, steps, title)}
<ul>{legend}</ul></figure>"""


def _health(accuracy: float | None) -> str:
    value = "–" if accuracy is None else f"{accuracy:.0%}"
    return f"""<div class="health"><b>{value}</b>
<span>of sentences kept out of training are classified correctly</span></div>"""
