"""A detector from its training to its file: what a person does with it."""

import json
import pickle
import struct
import threading
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import safetensors.torch
import torch

from zsad_core.detector import Detector, Inspection, Recipe
from zsad_core.errors import InputError
from zsad_core.verdict import VERDICTS

RECIPE = Recipe(prompts=6, groups=2, steps=4, classifier_steps=60, hidden=16)


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", RECIPE, seed=1)


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (height, width, 3), np.uint8) for height, width in ((50, 70), (64, 64), (41, 30))]


def same(one, other):
    return one.score == other.score and np.array_equal(one.map, other.map)


# training


def test_a_training_tells_its_phases_and_ends_with_a_detector(tiny_backbone):
    training = Detector.training(tiny_backbone, " metal  nut ", RECIPE, seed=1)
    with pytest.raises(InputError, match="has not ended"):
        training.detector  # noqa: B018
    steps = list(training)
    phases = [progress.phase for progress in steps]
    assert phases == sorted(phases, key=["prompts", "classifier", "done"].index) and len(set(phases)) == 3
    done, detector = steps[-1], training.detector
    assert detector.product == "metal nut"
    assert detector.health["mean_cosine_after"] < detector.health["mean_cosine_before"] == steps[0].mean_cosine
    assert done.held_back_accuracy == detector.health["held_back_accuracy"]
    assert detector.health["steps"] == RECIPE.steps and detector.health["seconds"] > 0
    assert np.array_equal(done.text_vectors, detector.text_vectors[:2].flatten(0, 1).numpy())
    assert all("\n" not in str(progress) and "None" not in str(progress) for progress in steps)


def test_fit_reports_every_step_and_the_same_seed_gives_the_same_detector(tiny_backbone, detector, images):
    seen = []
    again = Detector.fit(tiny_backbone, "metal nut", RECIPE, seed=1, on_progress=seen.append)
    assert seen[-1].phase == "done"
    assert all(same(one, other) for one, other in zip(again.inspect(images), detector.inspect(images), strict=True))
    other = Detector.fit(tiny_backbone, "metal nut", RECIPE, seed=2)
    assert other.inspect(images[0]).score != detector.inspect(images[0]).score


@pytest.mark.parametrize("at", [0, 2])
def test_a_stop_from_another_thread_keeps_what_was_learned(tiny_backbone, images, at):
    recipe = replace(RECIPE, steps=500, plain_share=0.0, classifier_steps=3000)  # random weights: plain says little
    training = Detector.training(tiny_backbone, "metal nut", recipe, seed=1)
    for progress in training:
        if progress.phase == "prompts" and progress.step == at:
            stopper = threading.Thread(target=training.stop)
            stopper.start()
            stopper.join()
    detector = training.detector
    assert progress.phase == "done" and detector.health["steps"] == at
    assert detector.text_vectors.shape[1] == RECIPE.prompts and detector.health["text_accuracy"] > 0.5
    assert 0 <= detector.inspect(images[0]).score <= 1


def test_a_loop_that_was_left_can_be_taken_up_again(tiny_backbone, detector, images):
    training = Detector.training(tiny_backbone, "metal nut", RECIPE, seed=1)
    for progress in training:
        if progress.step == 2:
            break
    assert [progress.step for progress in training][0] == 3
    assert same(training.detector.inspect(images[0]), detector.inspect(images[0]))


def test_two_trainings_at_once_do_not_touch_one_another(tiny_backbone, detector, images):
    mine, other = (Detector.training(tiny_backbone, "metal nut", RECIPE, seed=seed) for seed in (1, 2))
    for number, _ in enumerate(mine):
        if number == 1:
            next(iter(other))
            other.stop()
    assert same(mine.detector.inspect(images[0]), detector.inspect(images[0]))


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"product": "🔩"}, "no letter or digit"),
        ({"product": "extraordinarily " * 6}, "at most 80"),
        ({"product": "螺" * 80}, "too long for the text encoder"),
        ({"seed": -1}, "seed"),
        ({"seed": 2.5}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"seed": "one"}, "seed"),
        ({"recipe": "quick"}, r"one such as Recipe.quick\(\), not 'quick'"),
        ({"backbone": "embedded"}, r"what load_backbone\(\) gives, not 'embedded'"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(tiny_backbone, arguments, said):
    with pytest.raises(InputError, match=said):
        Detector.training(**{"backbone": tiny_backbone, "product": "nut", "recipe": RECIPE, "seed": 0, **arguments})


# inspection


def test_score_and_map_are_on_the_stated_scale_and_of_the_images_size(detector, images):
    for image, inspection in zip(images, detector.inspect(images), strict=True):
        assert 0 <= inspection.score <= 1 and isinstance(inspection.score, float)
        assert inspection.map.shape == image.shape[:2] and inspection.map.dtype == np.float32
        assert 0 <= inspection.map.min() <= inspection.map.max() <= 1
        assert inspection.verdict in dict(VERDICTS).values()


def test_the_map_lies_over_the_image_and_not_mirrored_or_turned(detector, tiny_backbone):
    """Dense vectors that are abnormal in one corner light up that corner only."""
    rows, columns = tiny_backbone.grid
    abnormal = detector.classifier.axis
    dense = (-abnormal).repeat(1, rows, columns, 1)  # (1, rows, columns, d)
    dense[0, rows // 2 :, : columns // 2] = abnormal
    encoded = type("Encoded", (), {"image": abnormal[None], "dense": dense})
    (inspection,) = detector.inspect_encoded(encoded, [(40, 80)])
    high = inspection.map > 0.5
    assert high[-1, 0] and not high[0].any() and not high[:, -1].any()
    assert high.mean() == pytest.approx(0.25, abs=0.1)
    assert inspection.score > 0.5


def test_a_list_gives_what_its_images_give_one_by_one(detector, images):
    together = detector.inspect(images * 3)  # more than one batch
    for image, inspection in zip(images * 3, together, strict=True):
        alone = detector.inspect(image)
        assert alone.score == pytest.approx(inspection.score, abs=1e-4)
        np.testing.assert_allclose(alone.map, inspection.map, atol=1e-4)
    assert detector.inspect([]) == []


def test_an_image_encoded_once_can_be_asked_about_by_many(detector, tiny_backbone, images):
    encoded = tiny_backbone.encode(images)
    asked = detector.inspect_encoded(encoded, [image.shape[:2] for image in images])
    assert all(same(one, other) for one, other in zip(asked, detector.inspect(images), strict=True))


def test_windows_give_another_map_and_a_score_near_by(detector, images):
    fast, windows = (detector.inspect(images[0], mode=mode) for mode in ("fast", "windows"))
    assert abs(fast.score - windows.score) < 0.25 and not np.allclose(fast.map, windows.map)
    with pytest.raises(InputError, match="'fast' or 'windows', not 'slow'"):
        detector.inspect(images[0], mode="slow")


@pytest.mark.parametrize(
    "score, verdict",
    [
        (0.0, "looks flawless"),
        (0.3, "probably flawless"),
        (Inspection.neutral, "undecided"),
        (0.7, "probably damaged"),
        (1.0, "looks damaged"),
    ],
)
def test_the_verdict_says_the_score_in_words(score, verdict):
    assert Inspection(score, np.zeros((1, 1), np.float32)).verdict == verdict


def test_scores_that_are_printed_alike_have_the_same_verdict():
    printed = {}
    for score in np.linspace(0, 1, 20_001).tolist():
        inspection = Inspection(score, np.zeros((1, 1), np.float32))
        printed.setdefault(f"{score:.2f}", set()).add((inspection.verdict, inspection.state))
    assert all(len(said) == 1 for said in printed.values()) and len(printed) == 101


# files


def test_a_saved_detector_gives_the_same_score_to_the_last_bit(detector, tiny_backbone, images, tmp_path):
    path = tmp_path / "metal-nut.safetensors"
    detector.save(path)
    loaded = Detector.load(path, tiny_backbone)
    assert all(same(one, other) for one, other in zip(loaded.inspect(images), detector.inspect(images), strict=True))
    for name in ("product", "recipe", "seed", "health"):
        assert getattr(loaded, name) == getattr(detector, name)
    assert torch.equal(loaded.text_vectors, detector.text_vectors)
    assert torch.equal(loaded.diversity_words, detector.diversity_words)
    assert loaded.to_bytes() == path.read_bytes()


def edited(data, header=None, tensors=None):
    """A detector file with some of its header or its tensors replaced; None takes a tensor out."""
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["zsad_detector"])
    changed = {**safetensors.torch.load(data), **(tensors or {})}
    changed = {name: tensor for name, tensor in changed.items() if tensor is not None}
    return safetensors.torch.save(changed, {"zsad_detector": json.dumps({**metadata, **(header or {})})})


def saved(data):
    return safetensors.torch.load(data)


def pickled(data):
    buffer = BytesIO()
    torch.save({"weights": torch.zeros(3)}, buffer)
    return buffer.getvalue()


BAD_FILES = {
    "empty": (lambda data: b"", "damaged"),
    "a text": (lambda data: b"not a detector at all, only a text", "damaged"),
    "cut off": (lambda data: data[: len(data) // 2], "damaged"),
    "cut off in the header": (lambda data: data[:100], "damaged"),
    "header of nested lists": (lambda data: struct.pack("<Q", 100_000) + b"[" * 100_000, "damaged"),
    "too large": (lambda data: data + bytes(20_000_000), "has 2[0-9] MB; a detector has at most 20 MB"),
    "pickle": (lambda data: pickle.dumps({"a": 1}), "pickle"),
    "pickle in a zip": (pickled, "pickle"),
    "other safetensors": (lambda data: safetensors.torch.save({"a": torch.zeros(2)}), "damaged"),
    "other metadata": (lambda data: safetensors.torch.save({"a": torch.zeros(2)}, {"b": "c"}), "something else than"),
    "newer": (lambda data: edited(data, {"format_version": 3}), "format version 3.*update"),
    "no version": (lambda data: edited(data, {"format_version": "x"}), "no valid format version"),
    "other backbone": (
        lambda data: edited(data, {"fingerprint": "00", "backbone": "ViT-B-32"}),
        "trained on the backbone 'ViT-B-32'.*is loaded",
    ),
    "tensor missing": (lambda data: edited(data, tensors={"classifier.axis": None}), "lacks the tensor"),
    "wrong shape": (lambda data: edited(data, tensors={"text_vectors": torch.zeros(2, 2)}), "text_vectors.*should be"),
    "wrong type": (lambda data: edited(data, tensors={"classifier.scale": torch.tensor(1)}), "int64.*should be"),
    "not finite": (
        lambda data: edited(data, tensors={"classifier.scale": torch.tensor(float("nan"))}),
        "not finite",
    ),
    "bad recipe": (lambda data: edited(data, {"recipe": {"prompts": 10**9}}), "Prompts must be"),
    "recipe no table": (lambda data: edited(data, {"recipe": [1]}), "lacks its recipe"),
    "bad product": (lambda data: edited(data, {"product": "<script>"}), "markup"),
    "a million letters of product": (lambda data: edited(data, {"product": "nut" * 330_000}), "at most 80 are allowed"),
    "a longer header than any": (lambda data: edited(data, {"padding": "x" * 2**20}), "damaged.*header has"),
    "millions of lists": (lambda data: struct.pack("<Q", 9_000_000) + b"[]," * 3_000_000, "damaged.*header has"),
    "newer by 400 digits": (lambda data: edited(data, {"format_version": 10**400}), "format version 1000.*update"),
    "one weight of 3e38": (
        lambda data: edited(data, tensors={"classifier.second_bias": torch.tensor([0.1, 3e38])}),
        "up to 3e.38; no training gives more than 10,000",
    ),
    "a scale of 3e38": (lambda data: edited(data, tensors={"classifier.scale": torch.tensor(3e38)}), "up to 3e.38"),
    "a scale of 0": (lambda data: edited(data, tensors={"classifier.scale": torch.tensor(0.0)}), "must be over 0"),
    "a negative scale": (lambda data: edited(data, tensors={"classifier.scale": torch.tensor(-1.0)}), "must be over 0"),
    "no axis": (
        lambda data: edited(data, tensors={"classifier.axis": torch.zeros_like(saved(data)["classifier.axis"])}),
        "classifier.axis.*unit vectors",
    ),
    "text vectors of length 2": (
        lambda data: edited(data, tensors={"text_vectors": 2 * saved(data)["text_vectors"]}),
        "text_vectors.*unit vectors",
    ),
    "health not a number": (lambda data: edited(data, {"health": {"steps": float("nan")}}), "steps.*nan.*cannot be"),
    "health without end": (lambda data: edited(data, {"health": {"seconds": float("inf")}}), "seconds.*cannot be"),
    "health of 400 digits": (lambda data: edited(data, {"health": {"steps": 10**400}}), "steps.*cannot be"),
    "health over 1": (lambda data: edited(data, {"health": {"text_accuracy": 1.5}}), "text_accuracy.*cannot be"),
    "health of another name": (lambda data: edited(data, {"health": {"<b>": 1}}), "<b>.*cannot be"),
    "health true": (lambda data: edited(data, {"health": {"steps": True}}), "not made of numbers"),
    "health in a list": (lambda data: edited(data, {"health": {"steps": [1]}}), "not made of numbers"),
    "seed of 400 digits": (lambda data: edited(data, {"seed": 10**400}), "seed"),
    "seed true": (lambda data: edited(data, {"seed": True}), "seed"),
    "seed not a number": (lambda data: edited(data, {"seed": float("nan")}), "seed"),
    "recipe of 400 digits": (lambda data: edited(data, {"recipe": {"prompts": 10**400}}), "Prompts must be"),
    "recipe not a number": (lambda data: edited(data, {"recipe": {"steps": float("nan")}}), "Steps must be"),
    "recipe of unknown values": (lambda data: edited(data, {"recipe": {"x" * 10**5: 1}}), "no value called"),
    "too many adjectives": (lambda data: edited(data, {"recipe": {"adjectives": ["a"] * 10**5}}), "adjectives"),
    "overlapping tensors": (lambda data: data.replace(b'"data_offsets":[0,', b'"data_offsets":[4,', 1), "damaged"),
    "bad seed": (lambda data: edited(data, {"seed": -3}), "seed"),
    "health left out": (lambda data: edited(data, {"health": {}}), "lacks 'held_back_accuracy'"),
    "bad health": (lambda data: edited(data, {"health": {"held_back_accuracy": "high"}}), "not made of numbers"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_with_a_sentence(detector, tiny_backbone, kind):
    spoil, said = BAD_FILES[kind]
    with pytest.raises(InputError, match=said) as refusal:
        Detector.from_bytes(spoil(detector.to_bytes()), tiny_backbone)
    assert len(str(refusal.value)) < 400


def test_every_value_at_its_limit_gives_scores_from_0_to_1(detector, tiny_backbone, images):
    """Finite weights are not enough: their products must be finite too."""
    extreme = {}
    for name, tensor in saved(detector.to_bytes()).items():
        if name.startswith(("classifier.first", "classifier.second")):
            extreme[name] = torch.full_like(tensor, 10_000.0) * torch.randn_like(tensor).sign()
    extreme["classifier.scale"] = torch.tensor(1e9)
    extreme["classifier.first_bias"][0] = 1e-42  # a subnormal number
    loaded = Detector.from_bytes(edited(detector.to_bytes(), tensors=extreme), tiny_backbone)
    for seen in loaded.inspect(images):
        assert 0 <= seen.score <= 1 and np.isfinite(seen.map).all() and seen.verdict


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_that_is_none_gets_a_sentence(score):
    with pytest.raises(InputError, match="damaged.*again"):
        Inspection(score, np.zeros((2, 2), np.float32))


def test_broken_weights_of_a_backbone_end_in_a_sentence(detector, tiny_backbone, images):
    encoded = tiny_backbone.encode(images[:1])
    broken = replace(encoded, image=encoded.image * float("nan"), dense=encoded.dense * float("nan"))
    with pytest.raises(InputError, match="weights.*damaged"):
        detector.inspect_encoded(broken, [(8, 8)])


def test_a_detector_file_is_never_taken_for_a_pickle(detector, tiny_backbone):
    """The length at the start of a safetensors file can begin with the very byte a pickle begins with."""
    starts = set()
    for padding in range(0, 256, 8):  # the header is padded to 8 bytes
        data = edited(detector.to_bytes(), {"padding": "x" * padding})
        starts.add(data[0])
        Detector.from_bytes(data, tiny_backbone)
    assert 0x80 in starts


def test_a_path_that_leads_nowhere_is_refused_with_a_sentence(detector, tiny_backbone, tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Detector.load(tmp_path / "missing.safetensors", tiny_backbone)
    with pytest.raises(InputError, match="cannot be read"):
        Detector.load("nut\0.safetensors", tiny_backbone)
    with pytest.raises(InputError, match="cannot be saved"):
        detector.save("nut\0.safetensors")
    with pytest.raises(InputError, match="cannot be saved"):
        detector.save(tmp_path / "no" / "folder.safetensors")


def test_a_too_large_file_is_refused_without_being_read_whole(tiny_backbone, tmp_path):
    path = tmp_path / "large.safetensors"
    with open(path, "wb") as file:
        file.truncate(5_000_000_000)  # sparse: takes no place on the disk
    with pytest.raises(InputError, match="at most 20 MB"):
        Detector.load(path, tiny_backbone)


# the shipped backbone


def test_the_quick_preset_is_in_good_health_on_the_shipped_backbone(embedded):
    health = Detector.fit(embedded, "metal nut").health
    assert health["mean_cosine_after"] < health["mean_cosine_before"] * 2 / 3
    assert health["text_accuracy"] > 0.95 and health["held_back_accuracy"] > 0.9
