"""AnomalyCLIP's published checkpoints, on the backbone that they were learned on: ViT-L-14-336 with OpenAI's weights.

A file holds two prompts of learned words, and for the first blocks of the text tower after the first learned tokens
("deep" ones) that take the place of the first words. The image tower has the V-V dual path ("DPAM") over the blocks
from a quarter of its depth on, and is read out after every quarter (6, 12, 18 and 24 of 24 blocks).
Format and rules are those of the authors' repository, zqhang/AnomalyCLIP.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from ..dense import VisionTransformerTower
from ..detector import Inspection
from ..errors import InputError
from ..maps import smoothed
from ..open_clip_parts import attention_update, entering_tokens_of_any_size, feed_forward
from ..scale import Scale
from .method import ImageBatch, inspections, state_probability

SCALE = 1 / 0.07  # inverse of the published temperature
OBJECTS = "object.", "damaged object."
ENLARGED = 37 / 24  # patches a side when 518 pixels are looked at instead of 336
SIGMA = 4.0  # pixels, of the Gaussian over the map
MOST_BYTES = 64 * 2**20  # a published file has 23 million; unpacked counts as well
BACKBONE = "ViT-L-14-336"
QUARTERS = 4  # of the depth: after each of them the patches are read out
OTHERWISE = f"load its own with --backbone {BACKBONE}, or give --auxiliary DIR instead of --anomalyclip."


@dataclass(frozen=True, eq=False)
class LearnedPrompts:
    """What a checkpoint holds.

    Attributes:
        words: the learned words of the normal and of the abnormal prompt, (2, n, w).
        deep: (D, m, w) tokens that replace the first m words before the 2nd, 3rd, ... (D + 1)th block.
        start: (w,) word vector of the start of text of the backbone it was learned on.
    """

    words: torch.Tensor
    deep: torch.Tensor
    start: torch.Tensor


def read(path: str | Path) -> LearnedPrompts:
    """The prompts in a checkpoint. Nothing in the file is run.

    Raises:
        InputError: no such file, too large, damaged, or of another kind.
    """
    path = Path(path)
    state = _tensors(path)
    depth = sum(str(name).startswith("compound_prompts_text.") for name in state)
    names = ["ctx_pos", "ctx_neg", "token_prefix_pos", *(f"compound_prompts_text.{number}" for number in range(depth))]
    found = [state.get(name) for name in names]
    # A tensor may claim to be far larger than the file that it lies in, so size and shape come first.
    if not all(_is_plain(tensor) and 4 * tensor.numel() <= MOST_BYTES for tensor in found):
        raise InputError(f"{path.name} lacks the learned words of AnomalyCLIP: give an epoch_15.pth of its authors.")
    normal, abnormal, start, *deep = found
    width, count = start.numel(), normal.shape[-2] if normal.ndim == 4 else 0  # w, n
    fits = count > 0 and normal.shape == abnormal.shape == (1, 1, count, width)
    fits = fits and all(tensor.shape == (*deep[0].shape[:1], width) and len(tensor) <= count for tensor in deep)
    if not fits or not all(torch.isfinite(tensor).all() for tensor in found):
        raise InputError(f"The prompts in {path.name} have shapes or values that cannot be: fetch it again.")
    deep = torch.stack(deep) if deep else start.new_zeros(0, 0, width)
    return LearnedPrompts(torch.cat([normal, abnormal])[:, 0].float(), deep.float(), start.flatten().float())


def missing(backbone, path: str | Path) -> str | None:
    """Why the checkpoint cannot be used on this backbone, and what to do about it; None where it can."""
    try:
        prompts = read(path)
    except InputError as error:
        return str(error)
    width = prompts.start.numel()
    if width != backbone.word_width or not isinstance(backbone._image, VisionTransformerTower):
        return (
            f"The AnomalyCLIP checkpoint is for a ViT whose text tower is {width} wide ({BACKBONE}), and "
            f"{backbone.name} is another backbone: {OTHERWISE}"
        )
    deep_enough = len(backbone._image.visual.transformer.resblocks) >= QUARTERS
    deep_enough = deep_enough and len(backbone._text.blocks) > len(prompts.deep)
    longest = prompts.words.shape[1] + max(len(backbone.word_vectors(text)) for text in OBJECTS) + 2
    if not deep_enough or longest > backbone.context_length:
        return f"The AnomalyCLIP checkpoint is for larger towers than those of {backbone.name}: {OTHERWISE}"
    start = backbone._text.token_embedding.weight[backbone._text.tokenizer.sot_token_id].cpu()
    if not torch.allclose(start, prompts.start, rtol=1e-2, atol=1e-4):  # it was saved in half precision
        return f"The AnomalyCLIP checkpoint was learned on other weights than those of {backbone.name}: {OTHERWISE}"
    return None


@torch.no_grad()
def text_vectors(backbone, prompts: LearnedPrompts) -> torch.Tensor:
    """Text vectors (2, d) of the normal and of the abnormal prompt, l2-normalised, on the backbone's device."""
    tower, vectors = backbone._text, []
    table, deep = tower.token_embedding.weight, prompts.deep.to(backbone.device)
    ends = table[[tower.tokenizer.sot_token_id]], table[[tower.tokenizer.eot_token_id]]  # (1, w) each
    for words, text in zip(prompts.words.to(backbone.device), OBJECTS):
        tokens = torch.cat([ends[0], words, backbone.word_vectors(text), ends[1]])[None]  # (1, L, w)
        length = tokens.shape[1]
        tokens = tokens + tower.positional_embedding[:length]
        for number, block in enumerate(tower.blocks):
            if 1 <= number <= len(deep):
                tokens = torch.cat([tokens[:, :1], deep[number - 1][None], tokens[:, 1 + deep.shape[1] :]], dim=1)
            tokens = feed_forward(block, tokens + attention_update(block, tokens, mask=tower.mask[:length, :length]))
        vectors.append(tower.ln_final(tokens[0, -1]) @ tower.text_projection)
    return F.normalize(torch.stack(vectors), dim=-1)


@torch.no_grad()
def looks_at_depths(visual, pixels: torch.Tensor, first: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """One pass of a ViT with the V-V dual path over all blocks from number `first` (0, 1, ...) on.

    Args:
        visual: open_clip's `VisionTransformer`.
        pixels: (N, 3, S, S), normalised, S any multiple of the patch; the positions are stretched to it.
    Returns:
        The class token (N, w) after the last block, and the patch tokens (N, P, w) of the dual path after every
        quarter of the blocks, of the normal path where that has not begun; both before ln_post and projection.
    """
    tokens = entering_tokens_of_any_size(visual, pixels)  # (N, 1 + P, w)
    blocks, dense, depths = visual.transformer.resblocks, None, []
    for number, block in enumerate(blocks):
        length = tokens.shape[1]
        update = attention_update(block, tokens, value_path=number >= first)  # (N, L, w) or (N, L + P, w)
        if number >= first:
            dense = (tokens[:, 1:] if dense is None else dense) + update[:, length:]
        tokens = feed_forward(block, tokens + update[:, :length])
        if (number + 1) in {len(blocks) * quarter // QUARTERS for quarter in range(1, QUARTERS + 1)}:
            depths.append(tokens[:, 1:] if dense is None else dense)
    return tokens[:, 0], depths


class FittedCheckpoint:
    """A checkpoint's prompts on its backbone.

    Raises:
        InputError: it cannot be used on this backbone; see `missing`.
    """

    def __init__(self, backbone, path: str | Path, scale: Scale):
        reason = missing(backbone, path)
        if reason:
            raise InputError(reason)
        self.backbone, self.visual, self.scale = backbone, backbone._image.visual, scale
        self.states = text_vectors(backbone, read(path))  # (2, d)
        self.first = len(self.visual.transformer.resblocks) // QUARTERS - 1
        self.side = round(self.visual.grid_size[0] * ENLARGED) * self.visual.patch_size[0]  # pixels

    @torch.no_grad()
    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Abnormal probabilities of the images, (N,), and of the places of their maps, (N, side, side).

        Encodes every image anew: the paper's are larger than the backbone's, and read out at four depths.
        """
        whole, maps = zip(*(self._evidence(image) for image in batch.squares))
        return torch.stack(whole), torch.stack(maps)

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)

    def _evidence(self, image) -> tuple[torch.Tensor, torch.Tensor]:
        """Score () and map (side, side) of one image."""
        visual = self.visual
        pixels = self.backbone.preprocess([image], self.side).to(self.backbone.device)
        token, depths = looks_at_depths(visual, pixels, self.first)
        # Without ln_post: an oversight of the authors' code (their issue 14), which the prompts were learned with.
        score = state_probability(F.normalize(token @ visual.proj, dim=-1), self.states, SCALE)[0]
        dense = F.normalize(visual.ln_post(torch.cat(depths)) @ visual.proj, dim=-1)  # (QUARTERS, P, d)
        maps = state_probability(dense, self.states, SCALE).unflatten(1, (-1, self.side // visual.patch_size[0]))
        return score.cpu(), smoothed(maps.mean(dim=0, keepdim=True), self.side, SIGMA)[0].cpu()


def _is_plain(tensor) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.is_floating_point()


def _tensors(path: Path) -> dict:
    """What `torch.save` put into the file under "prompt_learner"."""
    if not path.is_file():
        raise InputError(f"There is no AnomalyCLIP checkpoint {path.name!r}: check the path given with --anomalyclip.")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())  # unpacked
        state = None
        if size <= MOST_BYTES:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers raise many kinds, all of which mean the same to a person
        raise InputError(
            f"{path.name} is damaged, or holds more than plain tensors and is not read for safety: fetch it again."
        ) from error
    if size > MOST_BYTES:
        raise InputError(
            f"{path.name} has {size >> 20} MB, and a checkpoint of AnomalyCLIP at most {MOST_BYTES >> 20}: "
            "give another file."
        )
    if not isinstance(state, dict) or not isinstance(state.get("prompt_learner"), dict):
        raise InputError(f"{path.name} is no checkpoint of AnomalyCLIP: give an epoch_15.pth of its authors.")
    return state["prompt_learner"]
