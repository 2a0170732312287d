"""`python -m zsad_core.benchmark.speed`: how long training and scoring take on this machine, as a Markdown table.

Whatever is compared is measured in the same run, in turn (A, B, A, B, ...), and a ratio is the median of the ratios of
the turns: a machine that slows down slows both. ViT-B-16-plus-240 has random weights, which cost what the real ones do.
"""

import argparse
import dataclasses
import datetime
import functools
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F

from zsad_core.backbone import load_backbone, random_backbone
from zsad_core.benchmark.memory import process_memory
from zsad_core.command_line import command_line
from zsad_core.cores import set_threads_for
from zsad_core.corruptions import EXTRA_CORRUPTIONS, MAX_SEVERITY, POSTER_CORRUPTIONS, corrupt
from zsad_core.dense import VisionTransformerTower
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.images import read_image
from zsad_core.recipe import Recipe
from zsad_core.sweep import Sweep

BACKBONES = ("embedded", "ViT-B-16-plus-240")
PRODUCT = "metal nut"
ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "assets" / "samples" / "metal-nut" / "damaged.jpg"  # 512 x 512 pixels
BEARABLE = 60  # seconds; a training that would take longer is multiplied out from its first steps
GOOD_PARTS = 4
LITERAL_STEPS = 100  # of SGD on one word, as PromptStyler (Cho et al., ICCV 2023) takes


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured: turns of every comparison, steps that are multiplied out, presets, child processes."""

    turns: int = 7
    steps: int = 3
    presets: tuple[str, ...] = ("quick", "standard", "poster_scale")
    children: bool = sys.platform == "linux"  # peak memory is read from /proc


def in_turn(*actions, turns):
    """Seconds of each action, measured in turn after one unmeasured round: one list of `turns` numbers an action."""
    for action in actions:
        action()
    seconds = [[] for _ in actions]
    for _ in range(turns):
        for action, taken in zip(actions, seconds):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return seconds


def ratio(numerators, denominators):
    """Median of the ratios of two actions measured in turn."""
    return median(a / b for a, b in zip(numerators, denominators, strict=True))


def training_seconds(backbone, recipe, steps, bearable=BEARABLE):
    """Seconds of a whole training, FNN included, and a note if they are multiplied out from the first `steps` steps."""
    short = dataclasses.replace(recipe, steps=min(steps, recipe.steps))
    total, a_step = _timed_training(backbone, short)
    expected = total + a_step * (recipe.steps - short.steps)
    if expected > bearable:
        return expected, f" (extrapolated from {short.steps} of {recipe.steps} steps)"
    return _timed_training(backbone, recipe)[0], ""


def _timed_training(backbone, recipe):
    """Seconds of a training, and of one of its steps on the words."""
    started, moments = time.perf_counter(), []
    for progress in Detector.training(backbone, PRODUCT, recipe, seed=0):
        if progress.phase == "prompts":
            moments.append(time.perf_counter())
    return time.perf_counter() - started, (moments[-1] - moments[0]) / max(len(moments) - 1, 1)


def literal_step_seconds(backbone, steps):
    """Seconds of one step of PromptStyler's own schedule; K words take 100 K of them, one word after another.

    One word S is learned at a time, by SGD (learning rate 0.002, momentum 0.9), from N(0, 0.02^2), on three sequences
    in the full context: "a S style of a", "a S style of a metal nut" and "a S style of a damaged metal nut". The style
    loss is the mean |cos| with the words before, the content loss a cross-entropy over the two contents (Cho et al.,
    ICCV 2023). Measured on the second word, the first one with a style loss.
    """
    generator = torch.Generator().manual_seed(0)
    contents = ["", PRODUCT, f"damaged {PRODUCT}"]
    article = backbone.word_vectors("a")  # (1, w)
    tails = [backbone.word_vectors(f"style of a {content}") for content in contents]
    anchors = _literal_text_vectors(backbone, [backbone.word_vectors(content) for content in contents[1:]])  # (2, d)

    def sequences(word):
        return [torch.cat([article, word, tail]) for tail in tails]

    def new_word():
        return (0.02 * torch.randn(1, backbone.word_width, generator=generator)).to(backbone.device)

    with torch.no_grad():
        earlier = _literal_text_vectors(backbone, sequences(new_word()))[:1]  # (1, d)
    word = new_word().requires_grad_()
    optimizer = torch.optim.SGD([word], lr=0.002, momentum=0.9)

    def step():
        style, *content = _literal_text_vectors(backbone, sequences(word))  # (d,) each
        style_loss = (earlier @ style).abs().mean()
        content_loss = F.cross_entropy(torch.stack(content) @ anchors.T, torch.arange(2, device=anchors.device))
        optimizer.zero_grad()
        (style_loss + content_loss).backward()
        optimizer.step()

    return median(in_turn(step, turns=steps)[0])


def _literal_text_vectors(backbone, sequences):
    """Text vectors as `encode_text` computes them: open_clip's own blocks over the whole context, nothing cropped."""
    tower = backbone._text
    table, tokenizer = tower.token_embedding.weight, tower.tokenizer
    start, stop = table[[tokenizer.sot_token_id]], table[[tokenizer.eot_token_id]]
    rows = [torch.cat([start, words, stop]) for words in sequences]
    padded = [torch.cat([row, table[:1].expand(tower.context_length - len(row), -1)]) for row in rows]
    tokens = torch.stack(padded) + tower.positional_embedding  # (N, context, w)
    for block in tower.blocks:
        tokens = block(tokens, attn_mask=tower.mask)
    ends = torch.tensor([len(row) - 1 for row in rows])
    vectors = tower.ln_final(tokens)[torch.arange(len(rows)), ends]  # (N, w)
    return F.normalize(vectors @ tower.text_projection, dim=-1)


def measure(backbone, effort):
    """All figures of one backbone: label -> text of the table's cell."""
    cells, seconds = {}, {}
    _timed_training(backbone, dataclasses.replace(Recipe.quick(), steps=1))  # fills caches, unmeasured
    for preset in effort.presets:
        recipe = getattr(Recipe, preset)()
        seconds[preset], note = training_seconds(backbone, recipe, effort.steps)
        label = f"train, {preset.replace('_', '-')} ({recipe.prompts} prompts, {recipe.steps} steps)"
        cells[label] = _seconds(seconds[preset]) + note
    a_step = literal_step_seconds(backbone, effort.steps)
    for preset in effort.presets:
        words = getattr(Recipe, preset)().prompts
        literal = words * LITERAL_STEPS * a_step
        cells[f"PromptStyler's literal schedule, {words} words, against {preset.replace('_', '-')}"] = (
            f"{_seconds(literal)} ({effort.steps} steps multiplied out): {literal / seconds[preset]:.0f}x"
        )

    detector = Detector.fit(backbone, PRODUCT, dataclasses.replace(Recipe.quick(), steps=1))
    image = read_image(PICTURE)
    bare, fast, windows = in_turn(
        lambda: _bare_image_vector(backbone, image),
        lambda: detector.inspect(image),
        lambda: detector.inspect(image, mode="windows"),
        turns=effort.turns,
    )
    cells["bare image encoder, one image"] = _seconds(median(bare))
    cells["score and map, one image"] = f"{_seconds(median(fast))}: {ratio(fast, bare):.2f}x"
    cells["score and map by windows, one image"] = f"{_seconds(median(windows))}: {ratio(windows, bare):.1f}x"

    moved = [np.roll(image, 16 * number, axis=1) for number in range(GOOD_PARTS)]
    (shown,) = in_turn(lambda: detector.with_good_parts(moved), turns=max(1, effort.turns // 2))
    with_parts = detector.with_good_parts(moved)
    both, alone = in_turn(lambda: with_parts.inspect(image), lambda: detector.inspect(image), turns=effort.turns)
    cells[f"showing {GOOD_PARTS} good parts"] = _seconds(median(shown))
    cells[f"inspecting with {GOOD_PARTS} good parts, against without"] = (
        f"{_seconds(median(both))}: {ratio(both, alone):.2f}x"
    )

    places = Sweep(backbone, image).places

    def sweep():
        for _, batch in Sweep(backbone, image):
            detector.inspect_encoded(batch.encoded, batch.sizes)

    threads = torch.get_num_threads()
    set_threads_for(backbone)
    try:
        together, single = in_turn(
            sweep,
            lambda: [
                detector.inspect(corrupt(image, kind or POSTER_CORRUPTIONS[0], severity)) for kind, severity in places
            ],
            turns=max(1, effort.turns // 2),
        )
    finally:
        torch.set_num_threads(threads)
    cells[f"sweep of {len(places)} images, corrupted and scored, against one by one"] = (
        f"{_seconds(median(together))}: {ratio(together, single):.2f}x"
    )
    return cells


@torch.no_grad()
def _bare_image_vector(backbone, image):
    """What CLIP alone would do with the image: read, resize, encode; for a ViT by open_clip's own forward pass.

    Towers that are convolutional have their dense vectors on the way to the image vector, and run as they are.
    """
    tower = backbone._image
    encoder = tower.visual if isinstance(tower, VisionTransformerTower) else tower
    encoder(backbone.preprocess([image]).to(backbone.device))


def peak_memory(code):
    """Peak resident memory, in bytes, of a Python process that runs this code."""
    code += "\nprint(open('/proc/self/status').read())"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return process_memory(child.stdout, "VmHWM")


def open_backbone(name):
    """The embedded backbone, or any other architecture with random weights."""
    return load_backbone(name) if name == "embedded" else random_backbone(name)


def report(names, effort):
    """The whole measurement as Markdown."""
    columns = {}
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        columns[name] = measure(open_backbone(name), effort)
        if effort.children:
            code = f"from zsad_core.benchmark import speed\nspeed.work(speed.open_backbone({name!r}))"
            columns[name]["peak memory, quick training and one inspection"] = _gigabytes(peak_memory(code))
    labels = dict.fromkeys(label for cells in columns.values() for label in cells)
    heads = [name if name == "embedded" else f"{name} (random weights, same cost)" for name in names]
    lines = [
        f"Measured on {datetime.date.today()}: {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} threads (embedded's sweep: one an image, as on the page), "
        f"Python {platform.python_version()}, torch {torch.__version__}, fp32.",
        "",
        f"| | {' | '.join(heads)} |",
        "|---" * (1 + len(names)) + "|",
        *(f"| {label} | {' | '.join(columns[name].get(label, '') for name in names)} |" for label in labels),
        "",
        *corruption_lines(effort),
    ]
    return "\n".join(lines) + "\n"


def corruption_lines(effort):
    """A Markdown table: milliseconds of each corruption at each severity, 1024 x 1024 pixels, on one core."""
    image = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    severities = range(1, MAX_SEVERITY + 1)
    lines = [f"| 1024 x 1024, one thread, severity | {' | '.join(map(str, severities))} |", "|---" * 6 + "|"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for kind in (*POSTER_CORRUPTIONS, *EXTRA_CORRUPTIONS):
            actions = [functools.partial(corrupt, image, kind, severity) for severity in severities]
            taken = in_turn(*actions, turns=effort.turns)
            lines.append(f"| {kind} | {' | '.join(_seconds(median(seconds)) for seconds in taken)} |")
    finally:
        torch.set_num_threads(threads)
    return lines


def work(backbone):
    """What a person does: train a detector in the quick preset, and look at one picture."""
    Detector.fit(backbone, PRODUCT).inspect(np.zeros((512, 512, 3), dtype=np.uint8))


def _seconds(seconds):
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _gigabytes(count):
    return f"{count / 1e9:.2f} GB"


@command_line
def main(arguments=None):
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m zsad_core.benchmark.speed", description=__doc__)
    parser.add_argument("--backbones", default=",".join(BACKBONES), help="names, with commas between them")
    parser.add_argument("--out", metavar="FILE.md", help="write the table into this file as well")
    parser.add_argument("--quick", action="store_true", help="one turn, quick preset only, no app: does it run at all?")
    options = parser.parse_args(arguments)
    effort = Effort(turns=1, steps=1, presets=("quick",), children=False) if options.quick else Effort()
    try:
        table = report(options.backbones.split(","), effort)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(table, end="")
    if options.out:
        Path(options.out).write_text(table, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
