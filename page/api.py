"""The named endpoints, for `gradio_client` and curl: /train, /inspect, /looks and /sweep."""

import functools
from collections.abc import Iterator, Mapping, Sequence

import gradio as gr
import numpy as np

from page.inspection import IN_SCORING, detector_file
from page.parts import Part, doubts_of, said_by, words_alone
from page.product_name import looks_fields
from page.runs import Runs
from page.shared import FINEST, LONGEST, MEMORY, OURS, SharedState, read_photo_with_notes
from page.training import SWEEPING, TRAINING, recipe_from
from page.words import in_words
from zsad_core.corruptions import MAX_SEVERITY, POSTER_CORRUPTIONS, corrupt_all
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError
from zsad_core.figures import NEUTRAL, outlined, overlay, severity_picture
from zsad_core.ignored import Box, Ignored, box_in
from zsad_core.prompts import clean_product_name
from zsad_core.recipe import PRESETS, Recipe
from zsad_core.sweep import CLEAN, Place, Sweep, curves, image_scores, mean_curve

in_plain_words = functools.partial(in_words, show=str)


class Api:
    """Declares the endpoints inside the current layout; their components are never shown."""

    def __init__(self, shared: SharedState, runs: Runs, sweeps: Runs):
        self.shared, self.runs, self.sweeps = shared, runs, sweeps
        with gr.Row(visible=False):
            self._call = gr.Button()
            self._product = gr.Textbox("metal nut", label="product")
            self._good_parts = gr.File(label="good_parts", file_count="multiple")
            self._declare_training()
            self._declare_looking()
            self._declare_sweep()

    def _declare_training(self) -> None:
        quick = Recipe.quick()
        self._call.click(
            self.train,
            [
                self._product,
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

    def _declare_looking(self) -> None:
        self._call.click(
            self.inspect,
            [
                gr.File(label="image"),
                self._product,
                gr.File(label="detector"),
                *(gr.Number(0, label=kind, info="severity, 0 to 5") for kind in POSTER_CORRUPTIONS),
                gr.Number(0, label="seed"),
                self._good_parts,
                gr.Textbox("fast", label="mode", info='"fast", or "fine" for small damage in a large picture'),
                gr.Textbox("", label="ignore", info="x0,y0,x1,y1 in pixels of the overlays; several by semicolon"),
                gr.Checkbox(False, label="regions", info="draw the regions on the overlays"),
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
            **IN_SCORING,
        )
        self._call.click(
            self.looks, [gr.File(label="image"), self._product], gr.JSON(label="looks"), api_name="looks", **IN_SCORING
        )

    def _declare_sweep(self) -> None:
        self._call.click(
            self.sweep,
            [
                gr.File(label="image"),
                self._product,
                gr.File(label="detector"),
                gr.Textbox(", ".join(POSTER_CORRUPTIONS), label="corruptions", info="by comma"),
                gr.Textbox("ours", label="method", info=f"one of {', '.join(self.shared.methods)}"),
                gr.Number(0, label="seed"),
                self._good_parts,
            ],
            [gr.JSON(label="scores"), gr.Image(label="chart", format="png")],
            api_name="sweep",
            **SWEEPING,
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
                Prompts x steps x (1 + the number of adjectives) may come to 72,000.
            seed: the same one gives the same detector.
        Returns:
            While it goes on: what the training says about itself, and no file. At last: product, whether the backbone
            has a sense for its name ("understood"; else it amounts to "object"), backbone, seed and the detector's
            health, and the detector as a .safetensors file for /inspect. A training of over ten minutes
            is stopped and kept; then there is a note that says so, as in /sweep.
        """
        recipe = recipe_from(preset, adjectives, prompts, words, steps)
        training = self.shared.training(product, recipe, seed)
        notes: list[str] = []
        for progress in self.runs.follow(request.session_hash, training, notes):
            yield {"phase": progress.phase, "step": progress.step, "steps": progress.steps, "says": str(progress)}, None
        detector = training.detector
        summary = {"product": detector.product, "backbone": self.shared.backbone.name, "seed": detector.seed}
        summary["understood"] = self.shared.names.understood(detector.product)
        yield {"phase": "done", **summary, **detector.health, **noted(notes)}, detector_file(detector)

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
        good_parts: list[str] | None = None,
        mode: str = "fast",
        ignore: str = "",
        regions: bool = False,
    ) -> tuple[float, float, str, str, np.ndarray, np.ndarray]:
        """Scores an image as it is and under corruptions.

        Args:
            image: an image file; a larger one is reduced to 1024 pixels on its longer side first.
            product: its product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            brightness: severity, a whole number from 0 (not at all) to 5.
            contrast: severity, likewise.
            blur: severity, likewise.
            noise: severity, likewise.
            seed: of the noise.
            good_parts: 1 to 16 photos of good parts, or zips of them, that the image is held against as well; it is
                then no longer zero-shot.
            mode: "fast" looks once; "fine" looks closer at a large image where it is warm, by words alone.
                It reads up to 4096 pixels on the longer side.
            ignore: rectangles that have no say, x0,y0,x1,y1 in pixels of the overlays, several by semicolons.
            regions: draw the boxes of the connected places over 0.5 on the overlays; /batch gives them as numbers.
        Returns:
            Anomaly scores clean and corrupted in [0, 1] (0.5 is neutral), the verdicts in words, and both images with
            their anomaly maps over them. With good parts the verdicts also say how many there are, the score by words
            alone, and which part is doubted. What a person should know of how the file was read, such as "Page 1 of 2
            is read.", stands behind the clean verdict.
        """
        parts = self.shared.parts_in(good_parts)
        if mode not in ("fast", "fine"):
            raise InputError(f'The mode must be "fast" or "fine", not {mode!r:.40}.')
        pixels, notes = self._image(image, FINEST if mode == "fine" else LONGEST)
        asked, seed = self._detector(product, detector, parts), _whole(seed)
        severities = dict(zip(POSTER_CORRUPTIONS, (brightness, contrast, blur, noise), strict=True))
        ignored = Ignored(tuple(_box(text) for text in str(ignore or "").split(";") if text.strip()))
        clean, seen_clean = self._look(asked, pixels, {}, seed, ignored, mode)
        corrupted, seen_corrupted = self._look(asked, pixels, severities, seed, ignored, mode)
        return (
            seen_clean.score,
            seen_corrupted.score,
            ". ".join([_verdict(asked, seen_clean), *notes]),
            _verdict(asked, seen_corrupted),
            *(
                outlined(overlay(shown, seen.map), seen.regions if regions else ())
                for shown, seen in ((clean, seen_clean), (corrupted, seen_corrupted))
            ),
        )

    def _look(
        self, asked: Detector, pixels: np.ndarray, severities: Mapping[str, int], seed: int, ignored: Ignored, mode: str
    ) -> tuple[np.ndarray, Inspection]:
        if not ignored:
            return self.shared.look(asked, pixels, severities, seed, mode=mode)
        shown = corrupt_all(pixels, severities, seed)
        return shown, asked.inspect(shown, mode, ignored)

    @in_plain_words
    def looks(self, image: str, product: str = "metal nut") -> dict:
        """Says which products an image looks like, and whether the backbone has a sense for a name.

        Args:
            image: an image file.
            product: the name that is held against those of the shipped detectors.
        Returns:
            The three likeliest products with their shares from 0 to 1; the place at which the product stands among how
            many; the product that the image looks like so much more that it is worth saying, or null; and whether the
            product's name is understood, or else amounts to "object".
        """
        product = clean_product_name(product)
        seen = self.shared.image_batch(self._image(image)[0]).encoded.image
        return looks_fields(self.shared, seen, product)

    @in_plain_words
    def sweep(
        self,
        image: str,
        product: str = "metal nut",
        detector: str | None = None,
        corruptions: str = ", ".join(POSTER_CORRUPTIONS),
        method: str = OURS,
        seed: float = 0,
        good_parts: list[str] | None = None,
        request: gr.Request = None,
    ) -> Iterator[tuple[dict, np.ndarray | None]]:
        """Scores an image under every corruption at every severity, and streams its progress.

        Args:
            image: an image file; a larger one is reduced to 1024 pixels on its longer side first.
            product: its product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            corruptions: kinds, separated by commas: brightness, contrast, blur, noise, gaussian_blur, motion_blur.
            method: ours, or one it is compared with, such as clip, clip-ac, winclip or rwda; memory needs good parts.
            seed: of the noise.
            good_parts: 1 to 16 photos of good parts, or zips of them, for ours and memory; no longer zero-shot.
        Returns:
            While it goes on: how many images are done, and no chart. At last: product, method, backbone, seed, the
            neutral score, the score of the clean image, the scores at severity 0 to 5 by corruption, and their mean;
            and a chart of them. With good parts also how many there are, which of them are doubted, and by ours the
            same scores by words alone.
        """
        parts = self.shared.parts_in(good_parts)
        pixels, _ = self._image(image)
        asked, seed = self._detector(product, detector, parts), _whole(seed)
        kinds = list(dict.fromkeys(kind for kind in map(str.strip, str(corruptions).split(",")) if kind))
        fitted, scores = self.shared.fitted(method, asked, parts), {}
        words, by_words = self.shared.fitted(OURS, words_alone(asked)), {}
        used = {OURS: asked.good_parts, MEMORY: len(parts)}.get(method, 0)
        sweep = Sweep(self.shared.backbone, pixels, kinds, seed)
        notes: list[str] = []
        for places, batch in self.sweeps.follow(request.session_hash, sweep, notes):
            scores |= dict(zip(places, image_scores(fitted, batch)))
            if used and method == OURS:
                by_words |= dict(zip(places, image_scores(words, batch)))
            yield {"phase": "sweep", "done": len(scores), "images": len(sweep.places)}, None
        if not scores:
            raise InputError("The sweep was stopped before its first image: run it again.")
        summary = {
            "phase": "done",
            "product": asked.product,
            "method": method,
            "backbone": self.shared.backbone.name,
            "seed": seed,
            "neutral": NEUTRAL,
            "severities": list(range(MAX_SEVERITY + 1)),
            **_lines(scores, kinds),
            "good_parts": used,
            **({"doubts": doubts_of(asked)} if used else {}),
            **({"by_words": _lines(by_words, kinds)} if by_words else {}),
            **noted(notes),
        }
        title = f"{asked.product}, {self.shared.methods[method].title}: anomaly score against severity"
        yield summary, severity_picture(summary["scores"], title)

    def _image(self, path: str | None, longest: int = LONGEST) -> tuple[np.ndarray, list[str]]:
        if path is None:
            raise InputError("There is no image to inspect: give an image file.")
        return read_photo_with_notes(path, longest)

    def _detector(self, product: str, path: str | None, parts: Sequence[Part]) -> Detector:
        known = self.shared.detector_in(path) if path else self.shared.detector_for(product)
        return self.shared.with_good_parts(known, parts)


def _lines(scores: Mapping[Place, float], kinds: Sequence[str]) -> dict:
    return {"clean": scores[CLEAN], "scores": curves(scores, kinds), "mean": mean_curve(scores, kinds)}


def _verdict(detector: Detector, seen: Inspection) -> str:
    """The verdict; where good parts have a say, that they do, what words alone say, and which parts are doubted."""
    if seen.by_words is None:
        return seen.verdict
    said = f"{seen.verdict}, {said_by(detector)} (by words alone {seen.by_words:.2f})"
    return ". ".join([said, *doubts_of(detector)])


def noted(notes: Sequence[str]) -> dict[str, str]:
    """The note of runs that took too long, as a part of a summary."""
    return {"note": notes[0]} if notes else {}


def _box(text: str) -> Box:
    """The rectangle in a text. Raises InputError where there is none; a path on this machine is never opened."""
    box = box_in(text)
    if box is None:
        raise InputError(f"{text!r:.60} is no place to leave out: give x0,y0,x1,y1 in whole pixels.")
    return box


def _whole(seed):
    """A whole number as an int; anything else as it is, to be refused with a sentence."""
    return int(seed) if isinstance(seed, float) and seed.is_integer() else seed
