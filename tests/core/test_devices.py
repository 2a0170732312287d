"""Whatever takes a device runs on one that refuses to be mixed with the CPU, and says there what it says on the CPU."""

import dataclasses
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from other_device import OTHER, Mixed, other_device
from PIL import Image
from test_anomalyclip_checkpoint import LAYOUT, save, state
from test_backbone import SMALL, tokenizer
from test_learned_baselines import factory
from test_maeday import auto_encoder

from zsad_core import checkpoints, dense
from zsad_core import embedded as embedded_towers
from zsad_core.backbone import Backbone, load_backbone, random_backbone
from zsad_core.baselines import METHODS, ImageBatch, Resources, acr, anomalyclip
from zsad_core.dense import image_tower
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.reasons import Explainer
from zsad_core.recipe import Recipe

TEXTS = ["a photo of a metal nut.", "", "a blurry photo of a badly damaged metal nut on a table"]
SHORT = dataclasses.replace(Recipe.quick(), prompts=4, steps=2, classifier_steps=10)
KINDS = ("embedded", *SMALL)


def built(kind, device="cpu"):
    """A backbone of every kind, its weights the same each time, built for a device."""
    if kind == "embedded":
        return Backbone("embedded", *embedded_towers.load(), device=device, small=True)
    source = checkpoints.described(SMALL[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = checkpoints.build(source.config)
    tower = image_tower(model.visual, source.mean, source.std, kind)
    return Backbone(kind, getattr(model, "text", model), tower, tokenizer(), 20.0, device=device)


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    """The same backbone on the CPU and on the other device."""
    with other_device():
        there = built(request.param, OTHER)
    return built(request.param), there


@pytest.fixture(autouse=True)
def device():
    with other_device() as device:
        yield device


@pytest.fixture(scope="module")
def images():
    """One with noise, one without, which the embedded backbone reads in two ways."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(
        (120, 100), Image.Resampling.BICUBIC
    )
    return [rng.integers(0, 256, (100, 120, 3), dtype=np.uint8), np.asarray(coarse.resize((120, 100)))]


def close(found, expected, atol=1e-4):
    torch.testing.assert_close(found.cpu(), expected, atol=atol, rtol=1e-3)


def test_the_other_device_refuses_what_a_gpu_refuses():
    here, there = torch.ones(3), torch.ones(3, device=OTHER)
    for mixed in (lambda: here + there, lambda: torch.cat([here, there]), lambda: here[there > 0]):
        with pytest.raises(Mixed):
            mixed()
    with pytest.raises(RuntimeError):
        there.numpy()
    assert (2 * there).sum().item() == 6 and there[torch.tensor([0, 2])].tolist() == [1, 1]


def test_texts(pair):
    here, there = pair
    assert there.device == OTHER and there.dim == here.dim
    found = there.text_vectors(TEXTS)
    assert found.device.type == "cpu"
    close(found, here.text_vectors(TEXTS))
    close(there.word_vectors(TEXTS[0]), here.word_vectors(TEXTS[0]))
    close(there.whole_words()[1][:5], here.whole_words()[1][:5])


def test_words_that_are_learned_with_their_prefix(pair):
    here, there = pair
    words = torch.randn(2, 6, here.word_width, generator=torch.Generator().manual_seed(0))
    lengths, gradients = torch.tensor([6, 5]), []
    for backbone in pair:
        learned = words.to(backbone.device).requires_grad_()
        both = torch.cat(backbone.text_vectors_with_prefix(learned, lengths, 3))
        gradients.append(torch.autograd.grad(both[:, 0].sum(), learned)[0])
    close(gradients[1], gradients[0], atol=1e-3)


def test_images(pair, images):
    here, there = pair
    found, expected = there.encode(images), here.encode(images)
    close(found.image, expected.image)
    close(found.dense, expected.dense)
    assert found.image.device.type == found.dense.device.type == "cpu"


def test_windows(pair, images, monkeypatch):
    monkeypatch.setattr(dense, "WINDOW_SIZES", (4, 5))  # large ones, because they are few
    here, there = pair
    pixels = here.preprocess(images[1:])
    close(there.dense_over_windows(pixels), here.dense_over_windows(pixels))
    (vectors, cover), (expected, same_cover) = (backbone.window_vectors(pixels, 4) for backbone in (there, here))
    close(vectors, expected)
    assert cover.device == OTHER and torch.equal(cover.cpu(), same_cover)


@pytest.mark.slow
def test_a_detector_is_trained_saved_inspects_and_gives_its_reasons(pair, images):
    here, there = pair
    trained, expected = (Detector.fit(backbone, "metal nut", SHORT, seed=1) for backbone in (there, here))
    close(trained.text_vectors, expected.text_vectors, atol=1e-3)
    close(trained.state_free_vectors(), expected.state_free_vectors(), atol=1e-3)
    assert Detector.from_bytes(trained.to_bytes(), here).inspect(images[1]).score == pytest.approx(
        trained.inspect(images[1]).score, abs=1e-3
    )
    reasons = Explainer(there).explain(trained, there.encode(images[1:]))
    assert reasons.image.prompts[0].diversity and 0 <= reasons.patch.probability <= 1


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resources")
    auto_encoder().save_pretrained(folder / "maeday")
    pairs = factory(folder / "pairs", ["tile", "felt", "wooden_board"], pairs=2)
    good = list(np.random.default_rng(3).integers(0, 256, (3, 50, 60, 3), np.uint8))
    return Resources(auxiliary=pairs, maeday=folder / "maeday", recipe=SHORT, good_parts=good)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_fitted_and_inspects(name, resources, images, monkeypatch):
    monkeypatch.setattr(anomalyclip, "STEPS", 3)
    monkeypatch.setattr(acr, "ITERATIONS", 2)
    found, expected = (
        METHODS[name](backbone, resources).fit("metal nut").inspect(ImageBatch(backbone, images))
        for backbone in (built("small ViT", OTHER), built("small ViT"))
    )
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=2e-3)
        np.testing.assert_allclose(one.map, other.map, atol=2e-3)


def test_a_published_checkpoint_of_anomalyclip_is_read_and_inspects(images, tmp_path):
    here = random_backbone(LAYOUT)
    there = random_backbone(LAYOUT).on(OTHER)
    method = partial(METHODS["anomalyclip"], resources=Resources(anomalyclip=save(tmp_path, state(here))))
    found, expected = (
        method(backbone).fit("metal nut").inspect(ImageBatch(backbone, images)) for backbone in (there, here)
    )
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-3)
        np.testing.assert_allclose(one.map, other.map, atol=1e-3)


# -- a GPU that cannot serve -------------------------------------------------------------------------------------------


@pytest.fixture
def broken_gpu(monkeypatch):
    """A GPU that takes the text tower, and fails at the image tower."""
    move = Backbone.move

    def fails(backbone, device):
        if str(device) != "cuda":
            return move(backbone, device)
        backbone.device, backbone._text = OTHER, backbone._text.to(OTHER)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nlong trace")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(Backbone, "move", fails)


def test_where_the_gpu_cannot_serve_the_cpu_does_and_a_note_says_why(broken_gpu, embedded):
    backbone = load_backbone("embedded")
    assert backbone.device.type == "cpu"
    assert "out of memory" in backbone.note and "CPU" in backbone.note and "\n" not in backbone.note
    assert torch.equal(backbone.text_vectors(TEXTS), embedded.text_vectors(TEXTS))


def test_the_note_is_added_to_that_of_auto(broken_gpu, monkeypatch):
    monkeypatch.setattr("zsad_core.backbone.cached_file", lambda repository: None)
    note = load_backbone("auto").note
    assert "out of memory" in note and "--backbone ViT-B-16-plus-240" in note


def test_a_device_that_was_asked_for_and_cannot_serve_is_refused(broken_gpu):
    for device, reason in (("cuda", "out of memory"), ("toaster", "Expected one of cpu")):
        with pytest.raises(InputError, match=f"'{device}' .*{reason}"):
            load_backbone("embedded", device=device)


def test_a_card_that_fails_at_its_first_kernel_cannot_serve(monkeypatch, embedded):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    move = Backbone.move
    monkeypatch.setattr(Backbone, "move", lambda self, device: move(self, OTHER if device == "cuda" else device))
    monkeypatch.setattr("torch.nn.functional.conv2d", fails_on_the_gpu)
    backbone = load_backbone("embedded")
    assert backbone.device.type == "cpu" and "no kernel image" in backbone.note


def fails_on_the_gpu(*tensors, **options):
    raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


def test_a_driver_that_is_too_old_is_noted(monkeypatch):
    def no_gpu():
        warnings.warn("The NVIDIA driver on your system is too old (found version 9010).", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", no_gpu)
    assert "driver on your system is too old" in load_backbone("embedded").note


def test_a_machine_without_a_gpu_notes_nothing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert load_backbone("embedded").note == ""


@pytest.mark.parametrize("ask", [
    lambda backbone: backbone.text_vectors(["nut"]),
    lambda backbone: backbone.image_vectors([np.zeros((40, 40, 3), np.uint8)]),
    lambda backbone: backbone.dense_vectors([np.zeros((40, 40, 3), np.uint8)], mode="windows"),
    lambda backbone: Detector.fit(backbone, "metal nut", SHORT),
])  # fmt: skip
def test_a_gpu_whose_memory_is_full_later_is_said_in_a_sentence(ask, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nlong trace")

    backbone = random_backbone(SMALL["small ViT"])
    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", full)
    with pytest.raises(InputError, match=r"no memory left \(CUDA out of memory.*CUDA_VISIBLE_DEVICES") as told:
        ask(backbone)
    assert "\n" not in str(told.value)
