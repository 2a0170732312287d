"""`python -m zsad_core.benchmark.batch_memory`: the peak memory of scoring many pictures, on Linux, as Markdown.

The command line, the same with overlays, and `Detector.inspect` of a list are each run in a process of their own, over
one photo of 20 megapixels and over 32, and over 20 small pictures and over 2,000.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ..command_line import command_line
from ..errors import InputError
from .memory import process_memory

MEGAPIXELS, SMALL = 20, 0.05
DETECTOR = Path(__file__).resolve().parents[2] / "assets" / "detectors" / "metal-nut.safetensors"
COMMAND = """
import sys
from zsad_core.__main__ import main
code = main(["inspect", "--backbone", "embedded", "--detector", *sys.argv[1:]])
"""
LIST = """
import pathlib, sys
from zsad_core import Detector, load_backbone
detector = Detector.load(sys.argv[1], load_backbone("embedded"))
seen = detector.inspect([str(path) for path in sorted(pathlib.Path(sys.argv[2]).iterdir())])
code = int(seen[-1].map.shape != seen[0].map.shape)
"""
REPORT = "print(open('/proc/self/status').read()); sys.exit(code)"


def pictures(folder: Path, count: int, megapixels: float) -> None:
    """Writes JPEGs of one blurred noise, 3:2, into a new folder."""
    folder.mkdir()
    height = round((megapixels * 10**6 / 1.5) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(noise).resize((round(1.5 * height), height)).save(folder / "0.jpg")
    for number in range(1, count):
        (folder / f"{number}.jpg").hardlink_to(folder / "0.jpg")


def peak_memory(program: str, *arguments: str) -> int:
    """The most bytes that a Python program ever held. Raises InputError where it fails."""
    command = [sys.executable, "-c", program + REPORT, str(DETECTOR), *arguments]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise InputError(f"The program failed: {child.stderr.strip().splitlines()[-1:]}")
    return process_memory(child.stdout, "VmHWM")


@command_line
def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        "python -m zsad_core.benchmark.batch_memory", description=__doc__.split("\n\n")[1].replace("\n", " ")
    )
    parser.add_argument("--large", type=int, nargs="+", default=[1, 32], help="numbers of large pictures")
    parser.add_argument("--small", type=int, nargs="+", default=[20, 2000], help="numbers of small pictures")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        raise InputError("Peak memory is read from /proc, which only Linux has: run it there.")
    print("| pictures | by | peak memory, MB |\n|---|---|---|")
    runs = [(count, MEGAPIXELS) for count in options.large] + [(count, SMALL) for count in options.small]
    with tempfile.TemporaryDirectory() as work:
        maps = str(Path(work, "maps"))
        for number, (count, megapixels) in enumerate(runs):
            folder = Path(work, str(number))
            pictures(folder, count, megapixels)
            for by, program, more in (
                ("`Detector.inspect` of a list", LIST, ()),
                ("command line", COMMAND, ()),
                ("command line with overlays", COMMAND, ("--overlay-dir", maps)),
            ):
                peak = peak_memory(program, str(folder), *more)
                print(f"| {count:,} of {megapixels:g} megapixels | {by} | {peak / 2**20:,.0f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
