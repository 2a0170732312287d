"""What each part is worth: `python -m training.ablation --rendered DIR ... --photographs DIR ...`.

Trains from scratch with everything, then with one part of the objective or of the data left out at a time; same seed,
same steps. The frozen trunk sees a fixed set of pairs once, and its features are kept in memory-mapped files (0.5 MB a
pair), so that a run costs only head and text tower. Prints a Markdown table of text space and held-out renders.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from zsad_core import embedded
from zsad_core.command_line import command_line
from zsad_core.errors import InputError

from . import weights
from .held_out import figures, read_held_out
from .learner import Teacher, Training
from .objective import WEIGHTS
from .pairs import TrainingPairs, collate
from .photographs import Photographs
from .renders import Renders
from .text_space import short_axis, text_space
from .train import MEASURED_ON

HELD_OUT_PAIRS = 600
WITHOUT = {  # what is left out -> terms of the objective or sources of data
    "nothing": (),
    "caption": ("caption",),
    "condition": ("condition",),
    "kind, place, apart": ("kind", "place", "apart"),
    "state, ranking": ("state", "ranking"),
    "map and peak": ("focal", "dice", "peak"),
    "names, labels": ("names", "labels"),
    "spread": ("spread",),
    "photographs": ("photographs",),
    "renders": ("renders",),
}
COLUMNS = {  # head of the column -> start of the figure's name
    "products \\|cos\\|": "50 products",
    "kinds \\|cos\\|": "8 kinds",
    "rank": "2,000 mixed",
    "family": "family",
    "condition": "condition",
    "kind": "kind of damage",
    "state, seen": "state, AUROC, families seen",
    "state, set aside": "state, AUROC, families set aside",
    "pixel": "pixel AUROC",
}


class Features:
    """Trunk features of a fixed list of pairs.

    Args:
        folder: where the files lie, or will lie. settings: what they were made of; other ones are made anew.
        make: yields the pairs, as `pairs.finish` gives them, when there are no files yet. count: how many.
    Attributes:
        pairs: list of dicts, as `pairs.finish` gives them without the images, with "number", the place in this list.
    """

    def __init__(self, folder, settings, make, count, teacher, at_once=16):
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / "pairs.json"
        known = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
        if known.get("settings") != settings:
            stream, self.pairs, files = iter(make()), [], []
            while len(self.pairs) < count and (batch := [pair for _, pair in zip(range(at_once), stream)]):
                features, labels = teacher(collate(batch)["images"])
                arrays = [array.unflatten(0, (2, -1)).transpose(0, 1).half().cpu() for array in (*features, labels)]
                if not files:
                    files = [
                        np.lib.format.open_memmap(folder / f"{place}.npy", "w+", np.float16, (count, *array.shape[1:]))
                        for place, array in enumerate(arrays)
                    ]
                first, last = len(self.pairs), min(count, len(self.pairs) + len(batch))
                for file, array in zip(files, arrays):
                    file[first:last] = array[: last - first]
                self.pairs += [{**pair, "images": None, "mask": pair["mask"].tolist()} for pair in batch][
                    : last - first
                ]
            known = {"settings": settings, "pairs": self.pairs}
            written.write_text(json.dumps(known), encoding="utf-8")
        self.pairs = [
            {**pair, "mask": torch.tensor(pair["mask"]), "number": number} for number, pair in enumerate(known["pairs"])
        ]
        self.files = [np.load(folder / f"{place}.npy", mmap_mode="r") for place in range(4)]
        self.device = teacher.classes.device

    def read(self, numbers):
        """Features of the 2B pictures, intact ones first, and the classifier's probabilities (2B, 1000)."""
        *features, labels = (
            torch.from_numpy(np.stack([file[number] for number in numbers], axis=1))
            .to(self.device)
            .float()
            .flatten(0, 1)
            for file in self.files
        )
        return features, labels


def run(without, features, held_out, architecture, classes, tokenizer, steps, batch_pairs, seed):
    """Train once and measure: dict of name -> figure.

    Args:
        without: a value of `WITHOUT`.
    """
    weights = {name: weight for name, weight in WEIGHTS.items() if name not in without}
    usable = [pair for pair in features.pairs if pair["source"] not in without]
    if len(usable) < batch_pairs:
        raise InputError(
            f"Without {', '.join(without)} only {len(usable)} pairs are left, fewer than the {batch_pairs} of a step."
        )
    training = Training(architecture, classes, tokenizer, steps, seed, weights)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(usable)) for _ in range(steps * batch_pairs // len(usable) + 1)])
    batches = [[usable[i] for i in order[n * batch_pairs : (n + 1) * batch_pairs]] for n in range(steps)]
    training.standardise([features.read([pair["number"] for pair in pairs])[0] for pairs in batches[:MEASURED_ON]])
    for pairs in batches:
        training.step(collate(pairs, images=False), *features.read([pair["number"] for pair in pairs]))
    average = training.average.eval()

    @torch.no_grad()
    def encode(pairs):
        image, dense = average.head(*held_out.read([pair["number"] for pair in pairs])[0])
        in_turn = torch.arange(2 * len(pairs)).view(2, -1).T.flatten()  # intact and damaged of a pair, pair by pair
        image, dense = F.normalize(image, dim=1).cpu(), F.normalize(dense, dim=1).permute(0, 2, 3, 1).cpu()
        return image[in_turn], dense[in_turn]

    @torch.no_grad()
    def text_vectors(sentences):
        return torch.cat(
            [training.encode_text(average, sentences[i : i + 256]) for i in range(0, len(sentences), 256)]
        ).cpu()

    return {**text_space(text_vectors), **figures(held_out.pairs, encode, text_vectors, short_axis)}


def ablate(rendered, photographs, work, steps, cached, batch_pairs, seed, image_size, report=print):
    """Print the table, row by row."""
    teacher = Teacher(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    architecture = embedded.Architecture(image_size=image_size)
    sources = {"renders": Renders(rendered), "photographs": Photographs(photographs)}

    def training_pairs():
        renders = TrainingPairs(sources["renders"], None, architecture.image_size, seed, 1.0)
        painted = TrainingPairs(sources["photographs"], None, architecture.image_size, seed, 1.0)
        for pairs in zip(renders, painted):
            for source, pair in zip(sources, pairs):
                yield {**pair, "source": source}

    settings = {
        "rendered": [str(folder) for folder in rendered],
        "photographs": [str(folder) for folder in photographs],
        "image size": image_size,
        "seed": seed,
    }
    features = Features(work / "training", {**settings, "count": cached}, training_pairs, cached, teacher)
    held_out = Features(
        work / "held_out",
        settings,
        lambda: read_held_out(rendered, HELD_OUT_PAIRS, seed, architecture.image_size),
        min(HELD_OUT_PAIRS, len(Renders(rendered, held_out=True))),
        teacher,
    )
    weights.write_merges(work)
    tokenizer = embedded.build_tokenizer(architecture, work)
    report(
        f"{steps} steps of {batch_pairs} pairs out of {cached} at {image_size} px, seed {seed}, "
        f"{len(held_out.pairs)} held-out pairs\n"
    )
    report(f"| left out | {' | '.join(COLUMNS)} |\n" + "|---" * (1 + len(COLUMNS)) + "|")
    for name, without in WITHOUT.items():
        began = time.time()
        measured = run(without, features, held_out, architecture, teacher.classes, tokenizer, steps, batch_pairs, seed)
        cells = [next(v for figure, v in measured.items() if figure.startswith(start)) for start in COLUMNS.values()]
        report(f"| {name} | " + " | ".join(f"{c:.1f}" if c > 1 else f"{c:.2f}".lstrip("0") for c in cells) + " |")
        print(f"({name}: {time.time() - began:.0f} s)", file=sys.stderr)


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, nargs="+", required=True, help="folders of rendered pairs")
    parser.add_argument("--photographs", type=Path, nargs="+", required=True, help="folders of pictures to damage")
    parser.add_argument("--work", type=Path, default=Path("work/ablation"), help="where the features are kept")
    parser.add_argument("--steps", type=int, default=400, help="of each run (default: 400)")
    parser.add_argument("--cached", type=int, default=2000, help="pairs whose features are kept, half of them rendered")
    parser.add_argument("--pairs", type=int, default=16, help="pairs in a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--image-size",
        type=int,
        default=embedded.Architecture.image_size,
        help="side that is read, a multiple of 32 pixels; at half of it a step costs a third (default: as shipped)",
    )
    arguments = parser.parse_args(arguments)
    if arguments.image_size < 64 or arguments.image_size % 32:
        parser.error(f"--image-size must be a multiple of 32, from 64 on, not {arguments.image_size}")
    try:
        ablate(
            arguments.rendered,
            arguments.photographs,
            arguments.work,
            arguments.steps,
            arguments.cached,
            arguments.pairs,
            arguments.seed,
            arguments.image_size,
            report=lambda line: print(line, flush=True),
        )
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
