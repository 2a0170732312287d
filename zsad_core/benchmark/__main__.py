"""`python -m zsad_core.benchmark`: the poster's table for a backbone and folders of data of one's own choice."""

import argparse
import platform
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from zsad_core.command_line import STOPPED, command_line
from zsad_core.errors import InputError
from zsad_core.recipe import PRESETS

DEFAULT_CORRUPTIONS = "none,brightness,contrast,blur,noise"
METHODS = "ours,clip,clip-ac,winclip,rwda"
MOST_DRAWS = 20  # whose memories are kept side by side


@command_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line on a list of arguments (by default the process's own).

    Returns:
        The exit code: 0, or 1 when something given could not be used (said in a sentence on stderr). Images that
        cannot be read and methods that cannot run do not count: they are named in the report.
    """
    options = _parse(arguments)
    try:
        print(measure(options), end="")
        return 0
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return STOPPED


def _parse(arguments):
    parser = argparse.ArgumentParser(
        "python -m zsad_core.benchmark",
        description="Measures methods on labelled images, clean and corrupted. Writes results.csv, results.md, "
        "robustness.png, verdicts.png and speed.md. A run that was stopped goes on where it was when its command is "
        "repeated.",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="DIR",
        help="folders of labelled images, in any known layout",
    )
    data.add_argument("--categories", type=_names, metavar="A,B", help="names of their folders (default: all)")
    data.add_argument(
        "--products", metavar="01=A,02=B|FILE", help="products of categories whose names do not tell them"
    )
    data.add_argument(
        "--corruptions",
        type=_names,
        default=_names(DEFAULT_CORRUPTIONS),
        metavar="A,B",
        help=f"default: {DEFAULT_CORRUPTIONS}",
    )
    data.add_argument("--severity", type=int, default=3, metavar="N", help="of the tables, 1 to 5 (default: 3)")
    data.add_argument(
        "--severities", type=_severities, default=(), metavar="N-M", help="more of them, for both charts: 0-5"
    )
    _add_methods(parser.add_argument_group("methods"))
    run = parser.add_argument_group("run")
    run.add_argument("--out", required=True, metavar="DIR", help="folder of the results")
    run.add_argument(
        "--engine",
        choices=("local", "dask"),
        default="local",
        help="dask: on the workers of a cluster, or on as many here as OMP_NUM_THREADS leaves cores for",
    )
    run.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask cluster")
    options = parser.parse_args(arguments)
    if options.scheduler and options.engine != "dask":
        parser.error("--scheduler is for --engine dask")
    if not 1 <= options.severity <= 5 or not 1 <= options.seeds <= 100:
        parser.error("--severity must be from 1 to 5, and --seeds from 1 to 100")
    if not 1 <= options.draws <= MOST_DRAWS:
        parser.error(f"--draws must be from 1 to {MOST_DRAWS}")
    return options


def _add_methods(method):
    """The options that say what is measured."""
    method.add_argument("--methods", type=_names, default=_names(METHODS), metavar="A,B", help=f"default: {METHODS}")
    method.add_argument("--ablation", action="store_true", help="our method with each of its parts taken out, instead")
    method.add_argument(
        "--backbone", default="embedded", metavar="NAME", help="auto, embedded (default), or another name"
    )
    method.add_argument("--weights", metavar="FILE", help="a local checkpoint for the backbone")
    method.add_argument("--preset", choices=PRESETS, default="quick", help="size of our training (default: quick)")
    method.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each method (default: 3)")
    method.add_argument(
        "--shots", type=_shots, default=(), metavar="N,M", help="good parts that ours and memory are also given: 1,2,4"
    )
    method.add_argument("--draws", type=int, default=3, metavar="N", help="of good parts (default: 3)")
    method.add_argument("--auxiliary", type=Path, metavar="DIR", help="labelled images of other products, to learn on")
    method.add_argument("--anomalyclip", type=Path, metavar="FILE", help="a published AnomalyCLIP checkpoint")
    method.add_argument("--maeday", type=Path, metavar="DIR", help="a masked auto-encoder with its decoder")


def measure(options: argparse.Namespace) -> str:
    """Does what is not done yet, writes the reports, and returns what the command prints.

    Raises:
        InputError: something given cannot be used, no image can be read, or a package is missing.
    """
    try:
        from zsad_core.benchmark import data, engine, report, work  # here, so that --help need not wait for torch
    except ModuleNotFoundError as error:
        raise InputError(f"The benchmark needs the package {error.name}: pip install scikit-learn scipy.") from None
    from zsad_core.benchmark.results import ResultFolder

    products = data.products_of(options.products) if options.products else {}
    categories, left_out = data.chosen_categories(options.data, options.categories, products)
    units = work.work_list(categories, *_corruptions(options))
    plan, missing, settings = _plan(options)
    settings |= {"data": data.contents(categories), "left out": left_out, "not run": missing}
    folder = ResultFolder(options.out, settings)
    for sentence in left_out:
        print(sentence, file=sys.stderr)
    before = [(unit, folder.finished(unit)) for unit in units]
    todo = [unit for unit, result in before if result is None or result.images == 0]
    if options.engine == "dask":
        done = engine.run_on_dask(plan, todo, options.scheduler)
    else:
        done = engine.run_locally(plan, todo)
    tell = _Progress(units, todo)
    for unit, result in done:
        folder.keep(unit, result)
        tell(unit)
    return report.write(folder, units)


def _corruptions(options):
    """The corruptions, and the severities from 1 to 5 of each but "none"."""
    from zsad_core.benchmark.data import check_names
    from zsad_core.corruptions import CORRUPTIONS

    known = ("none", *CORRUPTIONS)
    check_names("corruption", options.corruptions, known)
    return options.corruptions, sorted({options.severity, *options.severities} - {0})


def _plan(options):
    """The `Plan`; which methods cannot run, and why; and the settings that decide the numbers."""
    import torch

    from zsad_core import Recipe
    from zsad_core.baselines import Resources
    from zsad_core.benchmark.data import check_names
    from zsad_core.benchmark.work import ABLATIONS, ALL_METHODS, Plan, backbone_of
    from zsad_core.cores import set_threads_for

    methods = ("ours", *ABLATIONS) if options.ablation else options.methods
    check_names("method", methods, ALL_METHODS)
    recipe = getattr(Recipe, options.preset.replace("-", "_"))()
    resources = Resources(options.auxiliary, options.anomalyclip, options.maeday, recipe)
    backbone = backbone_of(options.backbone, options.weights)
    if backbone.note:
        print(backbone.note, file=sys.stderr)
    set_threads_for(backbone)
    missing = _missing({name: ALL_METHODS[name](backbone, resources) for name in methods}, options.shots)
    runnable = tuple(name for name in methods if name not in missing)
    if not runnable:
        raise InputError("No method can run. " + " ".join(missing.values()))
    if options.shots and not any(ALL_METHODS[name].takes_good_parts for name in runnable):
        raise InputError("None of the methods takes good parts: add ours or memory to them, or leave out --shots.")
    plan = Plan(
        runnable,
        options.seeds,
        options.backbone,
        options.weights,
        resources,
        torch.get_num_threads(),
        options.shots,
        options.draws,
    )
    return plan, missing, _settings(options, methods, backbone, recipe)


def _missing(methods, shots):
    """Name -> why the method cannot run, of those that cannot."""
    missing = {}
    for name, method in methods.items():
        if method.needs_good_parts and not shots:
            missing[name] = f"{method.title} needs good parts: give their number, such as --shots 4."
        elif not method.needs_good_parts and (reason := method.missing()):
            missing[name] = f"{reason} {method.remedy}".strip()
    return missing


def _settings(options, methods, backbone, recipe):
    """What decides the numbers beside the data."""
    import numpy as np
    import open_clip
    import sklearn
    import torch

    from zsad_core import __version__
    from zsad_core.baselines import shipped

    return {
        "versions": {
            "zsad_core": __version__,
            "Python": platform.python_version(),
            **{module.__name__: module.__version__ for module in (torch, open_clip, np, sklearn)},
        },
        "backbone": backbone.name,
        "fingerprint": backbone.fingerprint,
        "scales": {name: scale.to_dict() for name, scale in backbone.profile.scales.items()},
        "shipped": shipped.digests(),
        "methods": methods,
        "seeds": options.seeds,
        "shots": options.shots,
        "draws": options.draws if options.shots else 0,
        "corruptions": options.corruptions,
        "severity": options.severity,
        "severities": sorted({options.severity, *options.severities} - {0}),
        "preset": options.preset,
        "recipe": recipe.to_dict(),
        **{name: str(getattr(options, name) or "") for name in ("auxiliary", "anomalyclip", "maeday")},
    }


def _names(text):
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("give at least one name; commas go between them")
    return names


def _severities(text):
    """ "0-5" or "1,3,5" as a tuple of whole numbers from 0 to 5."""
    match = re.fullmatch(r"([0-5])-([0-5])|([0-5](?:,[0-5])*)", text)
    if not match:
        raise argparse.ArgumentTypeError("give whole numbers from 0 to 5, such as 0-5 or 1,3,5")
    first, last, listed = match.groups()
    return tuple(map(int, listed.split(","))) if listed else tuple(range(int(first), int(last) + 1))


def _shots(text):
    """ "1,2,4" as a tuple of whole numbers from 1 to 16, the smallest first."""
    if not re.fullmatch(r"([1-9]|1[0-6])(,([1-9]|1[0-6]))*", text):
        raise argparse.ArgumentTypeError("give whole numbers from 1 to 16, such as 4 or 1,2,4")
    return tuple(sorted({int(number) for number in text.split(",")}))


class _Progress:
    """Tells after every unit what was done and how long the rest will take: one line, written over on a terminal."""

    def __init__(self, units, todo):
        self._done, self._total = len(units) - len(todo), len(units)
        self._images, self._left = 0, sum(len(unit.category.samples) for unit in todo)
        self._started = time.perf_counter()

    def __call__(self, unit):
        self._done += 1
        self._images += len(unit.category.samples)
        self._left -= len(unit.category.samples)
        pace = self._images / (time.perf_counter() - self._started)  # images a second, of every engine together
        left = (
            f"{self._left / pace:.0f} s left" if self._left < 120 * pace else f"{self._left / pace / 60:.0f} min left"
        )
        line = f"{self._done}/{self._total}  {unit}  {pace:.1f} images/s  {left}"
        terminal = sys.stderr.isatty()
        end = "" if terminal and self._left else "\n"
        print(f"\r\x1b[2K{line}" if terminal else line, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
