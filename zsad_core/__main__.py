"""`python -m zsad_core inspect`: trains a detector for a product, or loads one, and scores images with it."""

import argparse
import os
import sys
from pathlib import Path

from zsad_core import profile_command
from zsad_core.command_line import command_line, print_json
from zsad_core.errors import InputError
from zsad_core.recipe import PRESETS


@command_line
def main(arguments=None) -> int:
    """Runs the command line on a list of arguments (by default the process's own).

    Returns:
        The exit code: 0 when all went well, 1 when something given could not be used (each is reported as a sentence
        on stderr, and the other images are scored all the same). Wrong usage exits with 2.
    """
    options = _parse(arguments)
    if options.command == "profile":
        return profile_command.run(options, _StatusLine())
    return _inspect(options)


def _parse(arguments) -> argparse.Namespace:
    program = "zsad" if Path(sys.argv[0]).stem == "zsad" else "python -m zsad_core"
    parser = argparse.ArgumentParser(program, description="Zero-shot anomaly detection.")
    commands = parser.add_subparsers(dest="command", required=True)
    inspect = commands.add_parser(
        "inspect",
        help="score images of a product",
        description="Trains a detector for a product from its name alone, or loads one, and scores images with it: "
        "0 is normal, 1 abnormal, 0.5 neutral.",
    )
    inspect.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    source = inspect.add_mutually_exclusive_group(required=True)
    source.add_argument("--product", help='name of the product, such as "metal nut"; a detector is trained for it')
    source.add_argument("--detector", metavar="FILE", help="a detector saved before, instead of training one")
    inspect.add_argument(
        "--good",
        nargs="+",
        action="extend",
        metavar="GOOD",
        help="photos of good parts, or folders of them, 1 to 16 in all, behind the images: no longer zero-shot",
    )
    inspect.add_argument("--backbone", default="auto", metavar="NAME", help="auto (default), embedded, or another name")
    inspect.add_argument("--weights", metavar="FILE", help="a local checkpoint for the backbone")
    inspect.add_argument("--preset", choices=PRESETS, help="size of the training (default: quick)")
    inspect.add_argument("--seed", type=int, help="seed of the training (default: 0)")
    inspect.add_argument(
        "--save-detector", metavar="FILE", help="keep the detector, as .safetensors, with its good parts"
    )
    inspect.add_argument("--mode", choices=("fast", "windows"), default="fast", help="how the map is made")
    inspect.add_argument("--overlay-dir", metavar="DIR", help="write the map over each image into this folder, as PNG")
    inspect.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    profile_command.add_to(commands)
    options = parser.parse_args(arguments)
    if options.command == "profile":
        return options
    if options.detector and options.save_detector and not options.good:
        inspect.error("--save-detector keeps what is new, and --detector without --good loads what is kept already")
    for name in ("preset", "seed"):
        if options.detector and getattr(options, name) is not None:
            inspect.error(f"--{name.replace('_', '-')} is about training, and --detector loads a trained detector")
    return options


def _inspect(options) -> int:
    from zsad_core.backbone import load_backbone  # here, so that --help and wrong usage need not wait for torch
    from zsad_core.images import read_image
    from zsad_core.prompts import clean_product_name
    from zsad_core.verdict import VERDICTS

    if options.product is not None:
        clean_product_name(options.product)  # now, and not after a backbone was fetched for it
    good = _good_photos(options.good) if options.good else []
    overlays = _OverlayFolder(options.overlay_dir, [*options.images, *good]) if options.overlay_dir else None
    backbone = load_backbone(options.backbone, weights=options.weights, on_progress=_StatusLine())
    if backbone.note:
        print(backbone.note, file=sys.stderr)
    detector, failures = _detector(options, backbone, good)
    what = f"{detector.product} on {backbone.name}"
    if count := detector.good_parts:
        what += f", by words and {count} good part{'s' if count > 1 else ''} (no longer zero-shot)"
    print(f"{what}: 0 is normal, 1 abnormal, 0.5 neutral", file=sys.stderr)

    width = max(len(words) for _, words in VERDICTS)
    rows = []
    for image in options.images:
        try:
            pixels = read_image(image)
            seen = detector.inspect(pixels, mode=options.mode)
            row = {
                "image": image,
                "score": seen.score,
                "verdict": seen.verdict,
                "neutral": seen.neutral,
                "product": detector.product,
                "backbone": backbone.name,
            }
            if detector.good_parts:
                row |= {"good_parts": detector.good_parts, "by_words": seen.by_words}
            rows.append(row)
            if not options.json:
                print(f"{seen.score:.3f}  {seen.verdict:<{width}}  {image}", flush=True)
            if overlays:
                overlays.write(image, pixels, seen.map)
        except InputError as error:
            print(f"{image}: {error}", file=sys.stderr)
            failures += 1
    if options.json:
        print_json(rows)
    return 1 if failures else 0


def _good_photos(places):
    """The files of good parts, in the order given; of a folder its images, by name. Raises InputError."""
    from zsad_core.archives import SUFFIXES
    from zsad_core.good_parts import MOST

    photos = []
    for place in places:
        if not os.path.isdir(place):
            photos.append(place)
            continue
        try:
            images = sorted(
                file for file in Path(place).iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != "."
            )
        except OSError as error:
            raise InputError(f"The folder {place!r} cannot be read: {error.strerror}.") from None
        if not images:
            raise InputError(f"The folder {place!r} has no image of a good part: give another one, or files.")
        photos += images
    if len(photos) > MOST:
        raise InputError(f"{len(photos)} good parts were given: give 1 to {MOST} photos.")
    return photos


def _detector(options, backbone, good):
    """The detector to use, and how many things failed on the way: one that can't be saved is still used."""
    from zsad_core.detector import Detector
    from zsad_core.recipe import Recipe

    if options.detector:
        detector = Detector.load(options.detector, backbone)
    else:
        recipe = getattr(Recipe, (options.preset or "quick").replace("-", "_"))()
        detector = Detector.fit(backbone, options.product, recipe, options.seed or 0, on_progress=_StatusLine())
    if good:
        detector = detector.with_good_parts(good)
        for doubt in detector.memory.doubts:
            print(doubt, file=sys.stderr)
    if options.save_detector:
        try:
            detector.save(options.save_detector)
        except InputError as error:
            print(error, file=sys.stderr)
            return detector, 1
    return detector, 0


class _StatusLine:
    """Shows progress on stderr: one line that is written over on a terminal, the last line of each phase elsewhere."""

    def __call__(self, progress):
        if sys.stderr.isatty():
            end = "\n" if progress.phase == "done" else ""
            print(f"\r\x1b[2K{progress}", end=end, file=sys.stderr, flush=True)
        elif progress.phase == "done" or progress.step == progress.steps:
            print(progress, file=sys.stderr)


class _OverlayFolder:
    """Writes `NAME.overlay.png` for each image; a name taken by another image of this run gets a number behind it."""

    def __init__(self, folder, images):
        self.folder = Path(folder)
        self._taken = {_place(Path(image)) for image in images}  # an overlay never replaces what was asked about
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The folder {folder} cannot be made: {error.strerror}. Choose another one.") from None

    def write(self, image, pixels, anomaly_map):
        from PIL import Image

        from zsad_core.figures import overlay

        stem, number = Path(image).stem, 1
        path = self.folder / f"{stem}.overlay.png"
        while _place(path) in self._taken:
            number += 1
            path = self.folder / f"{stem}.{number}.overlay.png"
        self._taken.add(_place(path))
        try:
            Image.fromarray(overlay(pixels, anomaly_map)).save(path)
        except OSError as error:
            raise InputError(f"The overlay {path} cannot be written: {error.strerror or error}.") from None


def _place(path):
    """What tells files apart on every machine: Windows and macOS take "Nut.png" and "nut.png" for one."""
    return str(path.resolve()).casefold()


if __name__ == "__main__":
    sys.exit(main())
