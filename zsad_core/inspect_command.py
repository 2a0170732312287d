"""`python -m zsad_core inspect`: trains a detector for a product, or loads one, and scores images with it."""

import argparse
import contextlib
import math
import sys
from pathlib import PurePath

from .errors import InputError
from .recipe import PRESETS
from .status_line import StatusLine

DESCRIPTION = """Trains a detector for a product from its name alone, or loads one, and scores images with it: 0 is
normal, 1 abnormal, 0.5 neutral. Images are scored in the order in which they are given, those of a folder by their
paths, and each has its line as soon as it is scored."""
EXIT_CODES = """exit codes: 0 every image was scored; 1 something could not be read or written, which stderr names, and
all else was scored; 2 wrong usage; 130 stopped by Ctrl-C, what was written before is kept; 141 nobody reads the output
any more."""


def add_parser(commands) -> None:
    """Adds the command to argparse's subparsers."""
    inspect = commands.add_parser(
        "inspect", help="score images of a product", description=DESCRIPTION, epilog=EXIT_CODES
    )
    inspect.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="image files, folders of them with all that is below, zips, or patterns such as 'photos/*.jpg'",
    )
    _add_detector(inspect)
    inspect.add_argument(
        "--mode",
        choices=("fast", "fine", "windows"),
        default="fast",
        help="how the map is made: fine looks closer at large pictures where they are warm",
    )
    inspect.add_argument(
        "--threshold", type=_share, metavar="T", help="say which scores are over T, 0 to 1 (default: 0.5, not printed)"
    )
    inspect.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PLACE",
        help="a place without a say: x0,y0,x1,y1 in pixels of the upright picture (x1, y1 just outside), or a mask, an "
        "image that is not black there; may be given again",
    )
    inspect.add_argument("--json", action="store_true", help="print a JSON object a line instead of a table")
    inspect.add_argument("--csv", metavar="FILE", help="write a table for a spreadsheet")
    inspect.add_argument(
        "--overlay-dir", metavar="DIR", help="write each image with its map and its regions into this folder, as PNG"
    )
    inspect.add_argument("--mask-dir", metavar="DIR", help="write where each map is over 0.5 into this folder, as PNG")
    inspect.set_defaults(run=lambda options: _checked(inspect, options))


def _add_detector(inspect: argparse.ArgumentParser) -> None:
    source = inspect.add_mutually_exclusive_group(required=True)
    source.add_argument("--product", help='name of the product, such as "metal nut"; a detector is trained for it')
    source.add_argument("--detector", metavar="FILE", help="a detector saved before, instead of training one")
    inspect.add_argument(
        "--good",
        nargs="+",
        action="extend",
        metavar="GOOD",
        help="photos of good parts, or folders or zips of them, 1 to 16 in all, behind the images: no longer "
        "zero-shot; what lies in a folder of damaged ones is left out",
    )
    inspect.add_argument("--backbone", default="auto", metavar="NAME", help="auto (default), embedded, or another name")
    inspect.add_argument("--weights", metavar="FILE", help="a local checkpoint for the backbone")
    inspect.add_argument("--preset", choices=PRESETS, help="size of the training (default: quick)")
    inspect.add_argument("--seed", type=int, help="seed of the training (default: 0)")
    inspect.add_argument(
        "--save-detector", metavar="FILE", help="keep the detector, as .safetensors, with its good parts"
    )


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:  # also catches NaN
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no number from 0 to 1")
    return value


def _checked(inspect: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Runs the command, or ends with its usage where options do not go together."""
    from .ignored import box_in

    if options.detector and options.save_detector and not options.good:
        inspect.error("--save-detector keeps what is new, and --detector without --good loads what is kept already")
    for name in ("preset", "seed"):
        if options.detector and getattr(options, name) is not None:
            inspect.error(f"--{name.replace('_', '-')} is about training, and --detector loads a trained detector")
    if options.good and options.mode == "fine":
        inspect.error("--mode fine knows no good parts: leave out --good, or choose --mode fast")
    for name in ("detector", "weights", "csv", "overlay_dir", "mask_dir", "save_detector"):
        if getattr(options, name) == "":
            inspect.error(f"--{name.replace('_', '-')} is empty: name a file or a folder, or leave it out")
    for text in options.ignore:
        try:
            box_in(text)
        except InputError as error:
            inspect.error(str(error))
    return run(options)


def run(options: argparse.Namespace) -> int:
    """Scores what the options say, and gives the exit code."""
    from .backbone import load_backbone  # here, so that --help and wrong usage need not wait for torch
    from .given_images import GivenImages
    from .ignored import box_in, ignored_in
    from .inspect_output import refuse_replacing
    from .names import notes_of_name
    from .prompts import clean_product_name

    if options.product is not None:
        clean_product_name(options.product)  # now, and not after a backbone was fetched for it
    ignore = ignored_in(options.ignore)
    images = GivenImages(options.images)
    good, among = _good_photos(options.good) if options.good else ([], None)
    with contextlib.ExitStack() as outputs:
        given = [*images.files, *(among.files if among else ()), *filter(None, (options.detector, options.weights))]
        given += [text for text in options.ignore if box_in(text) is None]
        if options.save_detector:
            refuse_replacing(options.save_detector, "detector", [*given, *filter(None, [options.csv])])
        output = _Output(options, given, outputs)
        failures = _tell(images)
        if not len(images):
            return 1
        backbone = load_backbone(options.backbone, weights=options.weights, on_progress=StatusLine())
        if backbone.note:
            print(backbone.note, file=sys.stderr)
        if options.product is not None:
            for said in notes_of_name(backbone, options.product):
                print(said, file=sys.stderr)
        detector, failed = _detector(options, backbone, good)
        detector.check_mode(options.mode)
        if among:
            _tell_left_out(among)
        what = f"{detector.product} on {backbone.name}"
        if count := detector.good_parts:
            what += f", by words and {count} good part{'s' if count > 1 else ''} (no longer zero-shot)"
            if options.mode == "windows":
                print("Good parts are remembered as one look sees them: --mode windows changes nothing.",
                      file=sys.stderr)  # fmt: skip
        print(f"{what}: 0 is normal, 1 abnormal, 0.5 neutral", file=sys.stderr)
        failures += failed + _score(detector, images, options.mode, ignore, output)
    return 1 if failures else 0


def _score(detector, images, mode: str, ignore, output: "_Output") -> int:
    """Scores the images; gives how many could not be scored or written."""
    from tqdm import tqdm

    from .archives import Skipped
    from .batch import EachPage, scored
    from .inspect_output import say

    failures, pages = 0, EachPage(images)
    # A bar on a terminal, and nothing elsewhere.
    with tqdm(total=len(pages), unit="image", file=sys.stderr, disable=None, leave=False) as bar:
        for chunk in scored(detector, pages, mode, ignore):
            bar.total = len(pages)
            for one in chunk:
                try:
                    if isinstance(one, Skipped):
                        raise InputError(one.reason)
                    output.add(one, detector)
                except InputError as error:
                    name = one.name if isinstance(one, Skipped) else one.entry.name
                    say(f"{name}: {error}")
                    failures += 1
                bar.update()
    return failures


class _Output:
    """Everything that the options ask for, for one image after another. Raises InputError."""

    def __init__(self, options: argparse.Namespace, given: list[str], outputs: contextlib.ExitStack):
        from .inspect_output import CsvFile, PictureFolder
        from .verdict import NEUTRAL

        self._json, self._asked = options.json, options.threshold
        self._threshold = NEUTRAL if options.threshold is None else options.threshold
        self._table = CsvFile(options.csv, self._threshold, given) if options.csv else None
        if self._table:
            outputs.callback(self._table.close)
            given = [*given, options.csv]
        self._overlays = PictureFolder(options.overlay_dir, "overlay", given) if options.overlay_dir else None
        self._masks = PictureFolder(options.mask_dir, "mask", given) if options.mask_dir else None

    def add(self, one, detector) -> None:
        from tqdm import tqdm

        from .batch import Row
        from .figures import outlined, overlay
        from .inspect_output import json_text, say, table_line
        from .regions import abnormal_places

        name, failed, written = one.entry.name, None, ""
        seen, anomaly_map = one.inspection, one.inspection.map
        try:
            if self._overlays:
                written = self._overlays.write(name, outlined(overlay(one.pixels, anomaly_map), seen.regions))
        except InputError as error:
            failed = error
        row = Row.of(one, overlay=written)
        with tqdm.external_write_mode(file=sys.stdout):
            text = json_text(row, self._threshold, detector) if self._json else table_line(row, self._asked)
            print(text, flush=True)
        if row.note and not self._json:
            say(f"{name}: {row.note}")
        if self._table:
            self._table.add(row)
        if self._masks:
            self._masks.write(name, abnormal_places(anomaly_map))
        if failed:  # now that all else was written
            raise failed


def _tell(images) -> int:
    """Names on stderr what is not scored; gives how much of it should perhaps have been."""
    for one in images.failed:
        print(f"{one.name}: {one.reason}", file=sys.stderr)
    _tell_left_out(images)
    return len(images.failed)


def _tell_left_out(images) -> None:
    by_reason: dict[str, list[str]] = {}
    for one in images.left_out:
        by_reason.setdefault(one.reason, []).append(one.name)
    for reason, names in by_reason.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        print(f"Left out: {shown}. {reason}", file=sys.stderr)


def _good_photos(given: list[str]):
    """The good parts, as paths or as pixels from zips, and the `GivenImages` they come from. Raises InputError."""
    from .given_images import GivenImages
    from .good_parts import MOST
    from .labels import is_damaged

    images = GivenImages(given, read=lambda source: source, apart=True)
    for one in images.failed:
        raise InputError(f"Good parts cannot be taken from {one.name!r}: {one.reason}")
    photos: list = []
    damaged: list[str] = []  # the folders of those that are left out
    left_out = 0
    for entry, found in images:
        if isinstance(found, InputError):
            raise InputError(f"The good part {entry.name!r} cannot be used: {found}") from found
        folder = PurePath(entry.name).parent
        if entry.damaged or entry.damaged is None and entry.name not in given and is_damaged(folder.name):
            damaged, left_out = list(dict.fromkeys([*damaged, repr(str(folder))])), left_out + 1
        else:  # too many are refused
            photos.append(entry.name if isinstance(found, str) else found if len(photos) < MOST else b"")
    if damaged:
        print(f"Left out: {left_out} photo{'s' if left_out > 1 else ''} in {', '.join(damaged)}. By the names of the "
              "folders they are damaged: if they are good ones, move them to a folder of another name.",
              file=sys.stderr)  # fmt: skip
    if not 1 <= len(photos) <= MOST:
        raise InputError(f"{len(photos)} good parts were given: give 1 to {MOST} photos.")
    return photos, images


def _detector(options: argparse.Namespace, backbone, good: list):
    """The detector to use, and how many things failed on the way: one that can't be saved is still used."""
    from .detector import Detector
    from .recipe import Recipe

    if options.detector:
        detector = Detector.load(options.detector, backbone)
    else:
        recipe = getattr(Recipe, (options.preset or "quick").replace("-", "_"))()
        detector = Detector.fit(backbone, options.product, recipe, options.seed or 0, on_progress=StatusLine())
    if good:
        detector = detector.with_good_parts(good)
        for said in (*detector.memory.notes, *detector.memory.doubts) if detector.memory else ():
            print(said, file=sys.stderr)
    if options.save_detector:
        try:
            detector.save(options.save_detector)
        except InputError as error:
            print(error, file=sys.stderr)
            return detector, 1
    return detector, 0
