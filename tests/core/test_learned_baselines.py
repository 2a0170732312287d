"""AnomalyCLIP's prompts and ACR's network learn on labelled images of other products, and never on the tested one."""

import csv

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_clip import TINY

from zsad_core import checkpoints
from zsad_core.backbone import Backbone
from zsad_core.baselines import ImageBatch, Resources, acr, anomalyclip
from zsad_core.baselines.acr import LEAST, Acr
from zsad_core.baselines.anomalyclip import AnomalyClip
from zsad_core.errors import InputError

pytestmark = pytest.mark.slow

SIDE = 96
PRODUCTS = {"metal nut": (150, 150, 160), "wooden_board": (190, 140, 90), "tile": (60, 90, 140), "felt": (90, 130, 80)}
LEARNED = pytest.mark.parametrize("method", [AnomalyClip, Acr])


class PatchTower(torch.nn.Module):
    """A patch's vector comes from its mean colour, and the image's is the mean of its patches'."""

    image_size, grid, mean, std = SIDE, (6, 6), (0.5,) * 3, (0.25,) * 3

    def __init__(self, dim=48):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.mixing = torch.nn.Parameter(torch.randn(dim, 3, generator=generator))
        self.bias = torch.nn.Parameter(torch.randn(dim, 1, 1, generator=generator))

    def forward(self, pixels):
        colours = F.avg_pool2d(pixels, SIDE // 6)  # (N, 3, 6, 6)
        dense = torch.tanh(torch.einsum("dc,nchw->ndhw", self.mixing, colours) + self.bias)
        return dense.mean((2, 3)), dense, colours


@pytest.fixture(scope="module")
def backbone(tiny_backbone):
    """A random text tower, and an image tower in which image and patches say the same, as CLIP's do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text_tower = checkpoints.build(TINY)
    return Backbone("patches", text_tower, PatchTower(), tiny_backbone._text.tokenizer, logit_scale=20)


def square(product, number, blot):
    """A plain square of a product's colour with a little grain, with or without a dark blot; and its mask."""
    rng = np.random.default_rng([number, *PRODUCTS[product]])
    pixels = np.array(PRODUCTS[product]) + rng.normal(0, 4, (SIDE, SIDE, 1)) + rng.uniform(-3, 3)
    mask = np.zeros((SIDE, SIDE), bool)
    if blot:
        top, left = rng.integers(0, SIDE - 32, 2)
        mask[top : top + 32, left : left + 32] = True
        pixels[mask] *= 0.1
    return pixels.clip(0, 255).astype(np.uint8), mask


def factory(folder, products, pairs=6):
    """Pairs of these products in the layout of the rendered-products factory."""
    folder.mkdir()
    with open(folder / "index.csv", "w", encoding="utf-8", newline="") as file:
        index = csv.writer(file)
        index.writerow(["pair", "product", "damage", "seed", "part", "name"])
        for product in products:
            for number in range(pairs):
                stem = f"{product}_{number}"
                index.writerow([stem, "family", "stain", number, 0, product])
                damaged, mask = square(product, number, blot=True)
                Image.fromarray(square(product, number, blot=False)[0]).save(folder / f"{stem}_intact.jpg", quality=95)
                Image.fromarray(damaged).save(folder / f"{stem}_damaged.jpg", quality=95)
                Image.fromarray(mask).save(folder / f"{stem}_mask.png")
    return folder


def mvtec(folder, products, each=6):
    """Test images of these products in MVTec's layout."""
    for product in products:
        root = folder / product.replace(" ", "_")
        for part in ("test/good", "test/blot", "ground_truth/blot"):
            (root / part).mkdir(parents=True)
        for number in range(each):
            damaged, mask = square(product, number, blot=True)
            Image.fromarray(square(product, number, blot=False)[0]).save(root / f"test/good/{number}.png")
            Image.fromarray(damaged).save(root / f"test/blot/{number}.png")
            Image.fromarray(mask).save(root / f"ground_truth/blot/{number}_mask.png")
    return folder


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    """Plain squares need no more."""
    monkeypatch.setattr(anomalyclip, "STEPS", 120)
    monkeypatch.setattr(acr, "ITERATIONS", 20)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return factory(tmp_path_factory.mktemp("auxiliary") / "pairs", PRODUCTS)


@pytest.fixture(scope="module")
def batch(backbone):
    """Ten intact metal nuts and ten with a blot, none of which was in any auxiliary folder."""
    return ImageBatch(backbone, [square("metal nut", 100 + n, blot=n % 2 == 1)[0] for n in range(20)])


def inspect(method, backbone, folder, batch, product="metal nut", seed=0):
    return method(backbone, Resources(auxiliary=folder)).fit(product, seed).inspect(batch)


def scores(*arguments, **options):
    return np.array([seen.score for seen in inspect(*arguments, **options)])


def contrast(seen, number):
    """Median of the map in the blot of image `number`, less the median outside of it."""
    mask = square("metal nut", 100 + number, blot=True)[1]
    return np.median(seen.map[mask]) - np.median(seen.map[~mask])


@LEARNED
def test_learns_on_other_products_to_tell_damaged_from_intact(method, backbone, pairs, batch):
    seen = inspect(method, backbone, pairs, batch)
    found = np.array([one.score for one in seen])
    assert np.mean(found[1::2][:, None] > found[0::2]) > 0.8  # the AUROC
    assert all(contrast(seen[number], number) > 0 for number in range(1, 20, 2))


@LEARNED
def test_scores_and_maps_are_of_the_size_and_range_that_are_promised(method, backbone, pairs):
    images = [np.full((50, 70, 3), 120, np.uint8), square("tile", 0, True)[0]]
    for one, size in zip(inspect(method, backbone, pairs, ImageBatch(backbone, images)), [(50, 70), (96, 96)]):
        assert 0 <= one.score <= 1
        assert one.map.shape == size and one.map.dtype == np.float32
        assert 0 <= one.map.min() and one.map.max() <= 1


@LEARNED
def test_the_tested_product_is_left_out_of_what_is_learned(method, backbone, pairs, batch, tmp_path):
    without = factory(tmp_path / "without", [product for product in PRODUCTS if product != "metal nut"])
    expected = scores(method, backbone, without, batch)
    assert np.allclose(scores(method, backbone, pairs, batch, product="Metal  nut"), expected, atol=1e-4)
    assert not np.allclose(scores(method, backbone, pairs, batch, product="felt"), expected, atol=1e-3)


@LEARNED
def test_products_that_are_not_among_the_auxiliary_ones_share_a_training(method, backbone, pairs, batch):
    screw, gear = (scores(method, backbone, pairs, batch, product=product) for product in ("screw", "gear"))
    assert np.array_equal(screw, gear)


@LEARNED
def test_the_same_seed_gives_the_same_scores_and_another_one_others(method, backbone, batch, tmp_path):
    once, again = (factory(tmp_path / name, ["tile", "felt"]) for name in ("once", "again"))
    torch.manual_seed(5)
    expected = scores(method, backbone, once, batch, seed=3)
    torch.manual_seed(6)  # the global generator decides nothing
    assert np.array_equal(scores(method, backbone, again, batch, seed=3), expected)
    assert not np.allclose(scores(method, backbone, again, batch, seed=4), expected, atol=1e-3)


@LEARNED
def test_mvtecs_layout_is_learned_on_as_well(method, backbone, batch, tmp_path):
    found = scores(method, backbone, mvtec(tmp_path / "mvtec", PRODUCTS), batch)
    assert np.mean(found[1::2][:, None] > found[0::2]) > 0.8


@LEARNED
def test_nothing_is_printed(method, backbone, batch, tmp_path, capsys):
    scores(method, backbone, factory(tmp_path / "pairs", ["tile", "felt"], pairs=2), batch)
    assert capsys.readouterr() == ("", "")


@LEARNED
def test_what_is_missing_is_said_plainly_and_what_to_do_beside_it(method, backbone, tmp_path, pairs):
    def reason(folder):
        return method(backbone, Resources(auxiliary=folder)).missing()

    assert reason(None).startswith(method.title) and "the embedded backbone alone" in reason(None)
    assert "--" not in reason(None)
    assert "'nowhere'" in reason(tmp_path / "nowhere")
    (tmp_path / "index.csv").write_text("a,b\n1,2\n")
    assert "index.csv" in reason(tmp_path)
    (tmp_path / "index.csv").write_text("pair,product\n")
    assert "no pairs" in reason(tmp_path)
    assert reason(pairs) is None
    with pytest.raises(InputError, match="--auxiliary DIR"):
        method(backbone).fit("metal nut")


@LEARNED
def test_too_few_other_products_are_refused(method, backbone, tmp_path):
    folder = factory(tmp_path / "pairs", ["metal nut", "tile"], pairs=1)
    with pytest.raises(InputError, match="at least two products beside 'metal nut'"):
        method(backbone, Resources(auxiliary=folder)).fit("metal nut")


@LEARNED
def test_an_auxiliary_image_that_cannot_be_read_is_named(method, backbone, tmp_path):
    folder = factory(tmp_path / "pairs", ["felt", "tile"], pairs=2)
    (folder / "tile_1_damaged.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match="tile_1_damaged.jpg"):
        method(backbone, Resources(auxiliary=folder)).fit("metal nut")


def test_acr_scores_a_batch_whatever_its_order(backbone, pairs, batch):
    order = np.random.default_rng(0).permutation(len(batch.images))
    mixed = ImageBatch(backbone, [batch.images[number] for number in order])
    straight = scores(Acr, backbone, pairs, batch)
    assert np.allclose(scores(Acr, backbone, pairs, mixed), straight[order], atol=1e-4)


def test_acr_measures_an_image_against_its_batch(backbone, pairs):
    """What most images show is normal: the odd one out of a batch is the anomaly, whichever it is."""
    for usual, odd in (("tile", "felt"), ("felt", "tile")):
        images = [square(usual, number, blot=False)[0] for number in range(19)] + [square(odd, 0, blot=False)[0]]
        found = scores(Acr, backbone, pairs, ImageBatch(backbone, images))
        assert found.argmax() == 19


def test_acr_compares_the_patches_of_a_single_image_with_each_other(backbone, pairs):
    image, mask = square("metal nut", 100, blot=True)
    assert LEAST > 1
    (seen,) = inspect(Acr, backbone, pairs, ImageBatch(backbone, [image]))
    assert np.median(seen.map[mask]) > np.median(seen.map[~mask])


def test_images_too_few_for_a_batch_do_not_change_each_others_scores(backbone, pairs):
    images = [square(product, 5, blot=True)[0] for product in ("metal nut", "tile", "felt")]
    alone = [scores(Acr, backbone, pairs, ImageBatch(backbone, [image]))[0] for image in images]
    assert np.allclose(scores(Acr, backbone, pairs, ImageBatch(backbone, images)), alone, atol=1e-5)
