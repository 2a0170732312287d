"""Train the detectors that ship with the sample images: `python -m training.detectors`.

Reads assets/samples/index.json and writes assets/detectors/<folder>.safetensors for every product in it. To be run
again whenever the embedded weights or the recipe change: a detector belongs to the weights it was trained on.
"""

import argparse
import json
import sys
from pathlib import Path

from zsad_core.backbone import load_backbone
from zsad_core.command_line import command_line
from zsad_core.detector import Detector
from zsad_core.recipe import Recipe

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def train_detectors(assets=ASSETS, report=print):
    """One detector a sample product, standard recipe, seed 0."""
    backbone = load_backbone("embedded")
    folder = assets / "detectors"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.safetensors"):
        stale.unlink()
    for entry in json.loads((assets / "samples" / "index.json").read_text(encoding="utf-8")):
        detector = Detector.fit(backbone, entry["product"], recipe=Recipe.standard())
        detector.save(folder / f"{entry['folder']}.safetensors")
        report(f"{entry['product']}: held-back accuracy {detector.health['held_back_accuracy']:.3f}")


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.detectors", description=__doc__.split("\n")[0])
    parser.parse_args(arguments)
    train_detectors()


if __name__ == "__main__":
    sys.exit(main())
