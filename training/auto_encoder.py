"""Train MAEDAY's masked auto-encoder: `python -m training.auto_encoder --rendered DIR ... [--photographs DIR ...]`.

It learns what intact things look like: renders that training may see, and photographs. Writes
assets/baselines/maeday.safetensors, every 100 steps anew, so that it can be stopped at any time.
"""

import argparse
import copy
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from zsad_core.baselines import shipped
from zsad_core.baselines.auto_encoder import MaskedAutoEncoder
from zsad_core.baselines.maeday import HIDDEN, hidden_patches, normalised
from zsad_core.command_line import command_line

from .photographs import Photographs
from .renders import Renders

KEPT_AT = 160  # pixels; crops of it are what is learned on
SMALLEST = 0.6  # of the side of a picture, the smallest crop
PHOTOGRAPHS = 1000  # drawn once
BATCH = 32
LEARNING_RATE = 1e-3
WARM_UP = 100  # steps
KEPT_SHARE = 0.995  # of the running mean of the weights, a step
SAVE_EVERY = 100  # steps


def intact_pictures(renders, photographs, rng):
    """(N, 3, KEPT_AT, KEPT_AT) uint8: every intact render once, and photographs, surfaces and cut-out products."""
    first = {(row["product"], row["seed"]): number for number, row in enumerate(renders.rows)}
    pictures = [renders.read(number, KEPT_AT).intact for number in first.values()]
    if photographs:
        pictures += [photographs.draw(KEPT_AT, rng).intact for _ in range(PHOTOGRAPHS)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def crops(pictures, side, generator):
    """Pictures (B, 3, H, W) uint8, each cropped, turned over and lit at random -> (B, 3, side, side), normalised."""

    def between(low, high, *shape):
        return low + (high - low) * torch.rand(len(pictures), *shape, generator=generator)

    scale = between(SMALLEST, 1, 1, 1)
    turned = between(-1, 1, 2).sign().diag_embed() * scale  # (B, 2, 2)
    place = between(-1, 1, 2, 1) * (1 - scale)
    grid = F.affine_grid(torch.cat([turned, place], dim=2), [len(pictures), 3, side, side], align_corners=False)
    shown = F.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)
    return normalised(shown * between(0.7, 1, 1, 1, 1))


def train(pictures, path, steps, seed=0, report=print):
    """Teaches a `MaskedAutoEncoder` to guess hidden patches, and writes the running mean of its weights."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = MaskedAutoEncoder()
    average, count = copy.deepcopy(model).requires_grad_(False), len(model.places)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.05)
    began, shown = time.time(), 0.0
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, step / WARM_UP)
        chosen = torch.randint(len(pictures), (BATCH,), generator=generator)
        pixels = crops(pictures[chosen], model.side, generator)
        hidden = hidden_patches(torch.rand(BATCH, count, generator=generator))
        error = model.patches(model(pixels, hidden) - pixels)[hidden].square().mean()
        optimizer.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        share = min(KEPT_SHARE, step / (step + 10))
        for kept, weights in zip(average.parameters(), model.parameters()):
            kept.lerp_(weights.detach(), 1 - share)
        shown = error.item() if step == 1 else 0.98 * shown + 0.02 * error.item()
        if step % SAVE_EVERY == 0 or step == steps:
            shipped.write(path, {name: tensor.detach().half() for name, tensor in average.state_dict().items()})
            report(f"step {step}/{steps}  {step * BATCH / (time.time() - began):.0f} pictures/s  error {shown:.4f}")


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.auto_encoder", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders of rendered pairs")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="folders of pictures")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER / "maeday.safetensors")
    parser.add_argument("--steps", type=int, default=500, help=f"of {BATCH} pictures, {HIDDEN:.0%} of each hidden")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    photographs = Photographs(options.photographs) if options.photographs else None
    pictures = intact_pictures(Renders(options.rendered), photographs, np.random.default_rng(options.seed))
    print(f"{len(pictures)} pictures", flush=True)
    train(pictures, options.out, options.steps, options.seed, report=lambda line: print(line, flush=True))


if __name__ == "__main__":
    sys.exit(main())
