"""The recipes of docs/extending.md, each done once with the code that stands there."""

import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from page.inspection import InspectView
from page.shared import SharedState
from zsad_core import baselines, corruptions, datasets
from zsad_core.baselines import ImageBatch
from zsad_core.images import read_image
from zsad_core.sweep import Sweep

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
CODE = dict(re.findall(r"^```python (\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL))
SAMPLE = ROOT / "assets/samples/metal-nut/damaged.jpg"


def test_a_corruption_is_one_function(monkeypatch, tiny_backbone):
    monkeypatch.setattr(corruptions, "CORRUPTIONS", dict(corruptions.CORRUPTIONS))
    exec(CODE["corruption"], vars(corruptions) | {})
    image = read_image(SAMPLE)
    foggy = corruptions.corrupt(image, "fog", 3)
    assert foggy.mean() > image.mean() and foggy.std() < image.std()
    assert {place for batch, _ in Sweep(tiny_backbone, image[:64, :64], ["fog"]) for place in batch} >= {("fog", 5)}


def test_a_baseline_is_one_file(tiny_backbone):
    module = {"__package__": "zsad_core.baselines", "__name__": "zsad_core.baselines.spread"}
    exec(CODE["baseline"], module)
    assert module["Spread"].name not in baselines.METHODS
    plain = np.full((96, 96, 3), 120, np.uint8)
    spotted = plain.copy()
    spotted[40:56, 40:56] = 0
    batch = ImageBatch(tiny_backbone, [plain, spotted])
    even, uneven = module["Spread"](tiny_backbone).fit("anything").inspect(batch)
    assert uneven.score > even.score and uneven.map.shape == (96, 96)


def test_a_layout_is_one_function(tmp_path, monkeypatch):
    module = {"__package__": "zsad_core.datasets", "__name__": "zsad_core.datasets.ours"}
    exec(CODE["layout"], module)
    monkeypatch.setattr(datasets, "LAYOUTS", (module["read_ours"], *datasets.LAYOUTS))
    for name in ("sound/1.png", "broken/2.png", "masks/broken/2.png"):
        (tmp_path / "nut" / name).parent.mkdir(parents=True)
        Image.new("L", (4, 4), 1).save(tmp_path / "nut" / name)
    (nut,) = datasets.read_dataset(tmp_path)
    assert [(sample.name, sample.damaged) for sample in nut.samples] == [("sound/1.png", False), ("broken/2.png", True)]
    assert nut.product == "nut" and nut.samples[1].mask((4, 4)).all()


@pytest.mark.slow
def test_a_view_is_one_file(embedded):
    module = {"__name__": "page.hottest"}
    exec(CODE["view"], module)
    shared = SharedState(embedded, ROOT / "assets")
    with gr.Blocks():
        inspect = InspectView(shared)
        view = module["HottestView"](shared, inspect)
    values = [component.value for component in inspect.chosen]
    product = next(iter(shared.samples.values())).product
    assert re.fullmatch(rf"<p>{product}: row \d+, column \d+</p>", view.say(*values))
