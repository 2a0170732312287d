"""The endpoint /batch: many images or a zip, for programs."""

from collections.abc import Iterator

import gradio as gr

from page.api import in_plain_words, noted
from page.batch_files import csv_file, new_file
from page.inspection import TOGETHER
from page.parts import count_of, doubts_of
from page.product_name import SetLooks, as_fields
from page.runs import Runs
from page.shared import SharedState, read_photo_pages
from zsad_core.archives import ImageFiles
from zsad_core.batch import QUANTILE, BatchProgress, BatchScoring, auroc, calibrated_threshold
from zsad_core.detector import Detector
from zsad_core.verdict import NEUTRAL

# Of its own: a batch takes minutes, and whoever trains or looks at one image must not wait for its end.
SCORING_MANY = {"concurrency_id": "batch", "concurrency_limit": TOGETHER, "show_progress": "hidden"}


class BatchEndpoint:
    """Declares the endpoint inside the current layout, where nobody sees it."""

    def __init__(self, shared: SharedState, runs: Runs):
        self.shared, self.runs = shared, runs
        with gr.Row(visible=False):
            gr.Button().click(
                self.batch,
                [
                    gr.File(label="images", file_count="multiple"),
                    gr.Textbox("metal nut", label="product"),
                    gr.File(label="detector"),
                    gr.File(label="normal_images", file_count="multiple"),
                    gr.File(label="good_parts", file_count="multiple"),
                ],
                [gr.JSON(label="summary"), gr.File(label="scores"), gr.File(label="overlays")],
                api_name="batch",
                **SCORING_MANY,
            )

    @in_plain_words
    def batch(
        self,
        images: list[str],
        product: str = "metal nut",
        detector: str | None = None,
        normal_images: list[str] | None = None,
        good_parts: list[str] | None = None,
        request: gr.Request = None,
    ) -> Iterator[tuple[dict, str | None, str | None]]:
        """Scores many images, or a zip of them, and streams its progress.

        Args:
            images: image files, or zips of them, with at most 1,000 images; each page of a TIFF or GIF is one.
                Each is reduced to 1024 pixels on its longer side first. Where a zip has a folder named good, ok,
                normal or intact, its images count as normal and those of other folders as damaged.
            product: their product's name; a detector is trained for it (quick) if there is none yet.
            detector: a detector file from /train, instead of the product's name.
            normal_images: images, or a zip, of intact products, to set the threshold by.
                95 % of them score at or under it. Without them the threshold is neutral, 0.5.
            good_parts: 1 to 16 photos of good parts, or zips of them, that the images are held against as well; it is
                then no longer zero-shot.
        Returns:
            While it goes on: how far it is, and no file. At last: product, threshold, AUROC (where folders name both
            labels), the three likeliest products of the set with their shares, the scores in [0, 1], the highest first,
            and what was skipped and why; with good parts also how many there are, which of them are doubted, and every
            score by words alone; a CSV file of the scores; and a zip of the images with their anomaly maps over them.
        """
        files = ImageFiles(images or (), read_photo_pages)
        known = self.shared.detector_in(detector) if detector else self.shared.detector_for(product)
        asked = self.shared.with_good_parts(known, self.shared.parts_in(good_parts))
        threshold, origin = NEUTRAL, count_of(asked.good_parts) if asked.good_parts else "neutral"
        notes: list[str] = []
        if normal_images:
            calibrating = BatchScoring(asked, ImageFiles(normal_images, read_photo_pages, intact_only=True))
            for progress in self.runs.follow(request.session_hash, calibrating, notes):
                yield _says("calibrating", progress), None, None
            threshold = calibrated_threshold([row.score for row in calibrating.rows])
            origin = f"{QUANTILE:.0%} of {len(calibrating.rows)} normal images"
            if calibrating.skipped:
                origin += f", {len(calibrating.skipped)} left out"
        with new_file("overlays.zip") as path:
            looks = SetLooks(self.shared, files, asked.product)
            scoring = BatchScoring(asked, looks, path)
            for progress in self.runs.follow(request.session_hash, scoring, notes):
                yield _says("scoring", progress), None, None
        summary = _summary(asked, scoring, threshold, origin) | {"looks_like": as_fields(looks.looks)} | noted(notes)
        yield summary, csv_file(scoring.rows, threshold), str(path)


def _summary(detector: Detector, scoring: BatchScoring, threshold: float, origin: str) -> dict:
    return {
        "phase": "done",
        "product": detector.product,
        "backbone": detector.backbone.name,
        "threshold": threshold,
        "threshold_from": origin,
        "good_parts": detector.good_parts,
        **({"doubts": doubts_of(detector)} if detector.good_parts else {}),
        "images": len(scoring.rows),
        "seconds": scoring.seconds,
        "over_threshold": sum(row.score > threshold for row in scoring.rows),
        "auroc": auroc(scoring.rows),
        "rows": [
            {
                "file": row.entry.name,
                "score": row.score,
                "verdict": row.verdict,
                "over_threshold": row.score > threshold,
                "label": row.entry.label or None,
                "overlay": row.overlay,
                "regions": [region.to_dict() for region in row.regions],
                "width": row.size[0],
                "height": row.size[1],
                **({} if row.by_words is None else {"by_words": row.by_words}),
                **({"note": row.note} if row.note else {}),
            }
            for row in sorted(scoring.rows, key=lambda row: row.score, reverse=True)
        ],
        "skipped": [{"file": one.name, "reason": one.reason} for one in scoring.skipped],
    }


def _says(phase: str, progress: BatchProgress) -> dict:
    return {"phase": phase, "done": progress.done, "total": progress.total, "says": str(progress)}
