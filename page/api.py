"""The named endpoints, for `gradio_client` and curl: /train and /inspect."""

import functools
from collections.abc import Iterator

import gradio as gr
import numpy as np

from page.desk import Desk, read_photo
from page.inspection import detector_file
from page.training import PRESETS, TRAINING, Runs, recipe_from
from page.words import in_words
from zsad_core.corruptions import KINDS
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.figures import overlay
from zsad_core.recipe import Recipe

in_plain_words = functools.partial(in_words, show=str)


class Api:
    """Declares the endpoints inside the current layout; their components are never shown."""

    def __init__(self, desk: Desk, runs: Runs):
        self.desk, self.runs = desk, runs
        quick = Recipe.quick()
        with gr.Row(visible=False):
            call = gr.Button()
            product = gr.Textbox("metal nut", label="product")
            call.click(
                self.train,
                [
                    product,
                    gr.Textbox("quick", label="preset", info=f"one of {', '.join(PRESETS)}"),
                    gr.Textbox(", ".join(quick.adjectives), label="adjectives", info="for abnormal, by comma"),
                    gr.Number(None, label="prompts", info="K; the preset's if not given"),
                    gr.Number(None, label="words", info="learnable words of a kind; the preset's if not given"),
                    gr.Number(None, label="steps", info="the preset's if not given"),
                    gr.Number(0, label="seed"),
                ],
                [gr.JSON(label="summary"), gr.File(label="detector")],
                api_name="train",
                **TRAINING,
            )
            call.click(
                self.inspect,
                [
                    gr.File(label="image"),
                    product,
                    gr.File(label="detector"),
                    *(gr.Number(0, label=kind, info="severity, 0 to 5") for kind in KINDS),
                    gr.Number(0, label="seed"),
                ],
                [
                    gr.Number(label="score_clean"),
                    gr.Number(label="score_corrupted"),
                    gr.Textbox(label="verdict_clean"),
                    gr.Textbox(label="verdict_corrupted"),
                    gr.Image(label="overlay_clean", format="png"),
                    gr.Image(label="overlay_corrupted", format="png"),
                ],
                api_name="inspect",
                concurrency_id="scoring",
            )

    @in_plain_words
    def train(
        self,
        product: str,
        preset: str = "quick",
        adjectives: str = "damaged, broken",
        prompts: float | None = None,
        words: float | None = None,
        steps: float | None = None,
        seed: float = 0,
        request: gr.Request = None,
    ) -> Iterator[tuple[dict, str | None]]:
        """Trains a detector of a product from its name alone, and streams its progress.

        Args:
            product: the product's name, such as "metal nut".
            preset: "quick", "standard" or "poster-scale".
            adjectives: words that make the product abnormal, separated by commas.
            prompts: number of prompts K, 2 to 256; the preset's if not given.
            words: learnable words of either kind in a prompt, 1 to 8; the preset's if not given.
            steps: steps on the learnable words, 0 to 1000; the preset's if not given.
            seed: the same one gives the same detector.
        Returns:
            While it goes on: what the training says about itself, and no file. At last: product, backbone, seed and
            the detector's health, and the detector as a .safetensors file for /inspect.
        """
        recipe = recipe_from(preset, adjectives, prompts, words, steps)
        training = Detector.training(self.desk.backbone, product, recipe, seed)
        for progress in self.runs.follow(request.session_hash, training):
            yield {"phase": progress.phase, "step": progress.step, "steps": progress.steps, "says": str(progress)}, None
        detector = training.detector
        summary = {"product": detector.product, "backbone": self.desk.backbone.name, "seed": detector.seed}
        yield {"phase": "done", **summary, **detector.health}, detector_file(detector)

    @in_plain_words
    def inspect(
        self,
        image: str,
        product: str = "metal nut",
        detector: str | None = None,
        brightness: float = 0,
        contrast: float = 0,
        blur: float = 0,
        noise: float = 0,
        seed: float = 0,
    ) -> tuple[float, float, str, str, np.ndarray, np.ndarray]:
        """Scores an image as it is and under corruptions.

        Args:
            image: an image file; a larger one is reduced to 1024 pixels on its longer side first.
            product: its product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            brightness, contrast, blur, noise: severities, whole numbers from 0 (not at all) to 5.
            seed: of the noise.
        Returns:
            Anomaly scores clean and corrupted in [0, 1] (0.5 is neutral), the verdicts in words, and both images with
            their anomaly maps over them.
        """
        if image is None:
            raise InputError("There is no image to inspect: give an image file.")
        pixels = read_photo(image)
        asked = Detector.load(detector, self.desk.backbone) if detector else self.desk.detector_for(product)
        if seed is not None and seed == seed // 1:
            seed = int(seed)
        severities = dict(zip(KINDS, (brightness, contrast, blur, noise), strict=True))
        clean, seen_clean = self.desk.look(asked, pixels)
        corrupted, seen_corrupted = self.desk.look(asked, pixels, severities, seed)
        return (
            seen_clean.score,
            seen_corrupted.score,
            seen_clean.verdict,
            seen_corrupted.verdict,
            overlay(clean, seen_clean.map),
            overlay(corrupted, seen_corrupted.map),
        )
