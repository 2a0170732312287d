"""The training as a picture that moves: what the page's script plays, scrubs and replays. See training_show.js."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch

from page.selection import Selection
from page.shared import Sample
from zsad_core.backbone import Backbone
from zsad_core.corruptions import MAX_SEVERITY
from zsad_core.detector import Detector
from zsad_core.figures import decision_picture, similarity_picture
from zsad_core.progress import Progress
from zsad_core.prompts import shift_sentences
from zsad_core.recipe import Recipe
from zsad_core.text_plane import TextPlane

REACH = 0.65, 0.75  # half the width and half the height of the picture, in units of the joint space
FINE = 1000  # steps from the middle of the picture to its border
MOST_MATRICES = 40  # pictures of the similarity matrix in a training

# A photo's vector among the words; the magnification makes its trail as wide as the picture.
STEPS = range(MAX_SEVERITY + 1)
MARGIN = 1.3  # of the picture about a trail
ASKS = """element.addEventListener('click', (event) => {
  if (!event.target.closest('.photo')) return;
  props.value = '';  // or the same answer as before would be no change
  trigger('photo');
});
watch('value', () => window.trainingShow?.photo(props.value));"""
PICTURE = """<div class="show">
<svg class="text-vectors" viewBox="-1000 -450 2000 900" role="img">
<title>Text vectors: normal and abnormal prompts</title></svg><div class="says" role="status"></div></div>
<div class="play"><button type="button" class="again" aria-label="Replay the training" title="Replay">▶</button>
<input type="range" min="0" max="0" value="0" aria-label="Moment of the training">
<span class="key"><span class="normal">● normal</span> <span class="abnormal">▲ abnormal</span></span>
<button type="button" class="photo" title="The photo's own vector, at every severity">Photo</button>
<button type="button" class="enlarge" aria-label="Enlarge the training" title="Enlarge, Escape closes">⤢</button>
</div>"""


class Show:
    """The frames of one training.

    A frame has the places of all prompts, the sentence that each is nearest to, the similarity matrix of the state-free
    prompts, and what the FNN says around them once it learns. The first frame is the plain prompts, at one point each.
    """

    def __init__(self, backbone: Backbone, product: str, recipe: Recipe):
        self._backbone, self._product, self._recipe = backbone, product, recipe
        self._plane: TextPlane | None = None
        self._frames: list[dict] = []
        self._sent = 0
        abnormal = [sentence for word in recipe.adjectives for sentence in shift_sentences(f"{word} {product}")]
        self._sentences = [*shift_sentences(product), *abnormal]

    def take(self, progress: Progress) -> None:
        """Remembers a step."""
        frame: dict = {"phase": progress.phase, "step": progress.step, "of": progress.steps}
        if progress.text_vectors is not None:
            frame |= self._dots(progress)
        if progress.classifier is not None and self._plane is not None:
            field = self._plane.decisions(progress.classifier, self._plane.plain.mean(0), REACH)
            frame["field"] = decision_picture(field)
        self._frames.append(frame)

    def fresh(self) -> str:
        """The frames since the last call, as a hidden element that the script reads; all of them after the last one."""
        ended = self._frames[-1]["phase"] == "done"
        start, self._sent = self._sent, len(self._frames)
        told = {
            "from": 0 if ended else start,
            "frames": self._frames if ended else self._frames[start:],
            "product": self._product,
            "sentences": self._sentences,
            "prompts": self._recipe.prompts,
        }
        return f'<div class="frames" hidden data-told="{escape(json.dumps(told, separators=(",", ":")))}"></div>'

    def _dots(self, progress: Progress) -> dict:
        if self._plane is None:
            self._begin(progress.text_vectors)
        vectors = torch.as_tensor(progress.text_vectors)
        frame = {"dots": _fine(self._plane.places(vectors)), "near": (vectors @ self._said.T).argmax(1).tolist()}
        every = max(1, self._recipe.steps // MOST_MATRICES)
        if progress.phase == "done" or progress.step % every == 0:
            frame["matrix"] = similarity_picture(progress.state_free)
        return frame

    def _begin(self, vectors: np.ndarray) -> None:
        """Fixes the axes, and shows the plain prompts before anything is put in front of them."""
        adjectives, prompts = self._recipe.adjectives, self._recipe.prompts
        self._plane = TextPlane(self._backbone, self._product, adjectives, vectors)
        self._said = self._backbone.text_vectors(self._sentences).float().cpu()
        plain = _fine(self._plane.places(self._plane.plain))
        dots = [plain[0]] * prompts + [plain[1 + number % len(adjectives)] for number in range(prompts)]
        self._frames.append({"phase": "plain", "step": 0, "of": self._recipe.steps, "dots": dots})


def finished(detector: Detector) -> str:
    """The frames of a detector whose training was not watched: the plain prompts, and what became of them."""
    show = Show(detector.backbone, detector.product, detector.recipe)
    vectors = detector.text_vectors[:2].flatten(0, 1).numpy()
    steps = int(detector.health.get("steps", detector.recipe.steps))
    show.take(
        Progress(
            phase="done",
            step=steps,
            steps=detector.recipe.steps,
            text_vectors=vectors,
            states=np.arange(2).repeat(len(vectors) // 2),
            state_free=detector.state_free_vectors().numpy(),
            classifier=detector.classifier,
        )
    )
    return show.fresh()


def photo_trail(selection: Selection) -> dict:
    """The image vectors of the photo that is shown, and of a sample's twin, at severity 0 to 5 of a corruption.

    Across is the axis of the plain prompts, so that CLIP's own border is upright at 0; up is the direction in which the
    corruption moves the vectors most. Both are magnified together.
    """
    detector, shared = selection.kept, selection.shared
    kind = max(selection.severities, key=lambda name: selection.severities[name])
    kind = kind if selection.severities[kind] else "contrast"
    pictures = [selection.picture]
    if isinstance(pictures[0], Sample):
        pictures += [
            one for one in shared.samples.values() if one.product == pictures[0].product and one != pictures[0]
        ]
    batches = [[shared.image_batch(one.pixels, {kind: severity}) for severity in STEPS] for one in pictures]
    vectors = torch.stack([torch.cat([batch.encoded.image for batch in trail]) for trail in batches]).float().cpu()
    flat = vectors.flatten(0, 1)  # (pictures * 6, d)
    plane = TextPlane(detector.backbone, detector.product, detector.recipe.adjectives, flat.numpy(), flat.mean(0))
    places = plane.places(flat)
    reach = MARGIN * max(np.abs(places / REACH).max(), 1e-6)
    field = plane.decisions(detector.classifier, flat.mean(0), (REACH[0] * reach, REACH[1] * reach))
    return {
        "kind": kind,
        "product": detector.product,
        "names": [one.description for one in pictures],
        "trails": [_fine(trail) for trail in (places / reach).reshape(len(pictures), len(STEPS), 2)],
        "field": decision_picture(field),
    }


def training_show_script() -> str:
    """The player for the page's head."""
    return f"<script>{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}</script>"


def _fine(places: Sequence) -> list[list[int]]:
    """Places in units of the joint space -> whole steps about the middle of the picture, none outside of it."""
    shares = np.clip(np.asarray(places) / REACH, -0.98, 0.98)  # (N, 2)
    return (shares * FINE * [1, -1]).round().astype(int).tolist()
