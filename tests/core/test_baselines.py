"""The methods beside ours: each does what its paper says, on one encoding that all of them share."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from zsad_core.baselines import METHODS, ImageBatch, Resources, method_named
from zsad_core.baselines.ours import FittedDetector
from zsad_core.baselines.winclip import harmonic_map
from zsad_core.benchmark.common_rule import COMMON_RULE
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.images import read_image
from zsad_core.recipe import Recipe

ASSETS = Path(__file__).parents[2] / "assets"

RESOURCES = Resources(recipe=Recipe(prompts=6, groups=2, steps=4, classifier_steps=60, hidden=16))
ON_TEXT = ("clip", "clip-ac", "winclip", "rwda", "ours")  # need nothing but the backbone and the product's name
SHARING = ("clip", "clip-ac", "rwda", "ours")  # look at the image in one pass, without windows


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (height, width, 3), np.uint8) for height, width in ((50, 70), (64, 64), (41, 30))]


@pytest.fixture
def batch(tiny_backbone, images):
    return ImageBatch(tiny_backbone, images)


@pytest.fixture(scope="module")
def fitted(tiny_backbone):
    return {name: METHODS[name](tiny_backbone, RESOURCES).fit("metal nut", seed=1) for name in ON_TEXT}


def same(some, others):
    return all(
        one.score == other.score and np.array_equal(one.map, other.map) for one, other in zip(some, others, strict=True)
    )


# what all have in common


@pytest.mark.parametrize("name", ON_TEXT)
def test_scores_and_maps_follow_the_conventions_of_an_inspection(fitted, batch, name):
    for image, seen in zip(batch.images, fitted[name].inspect(batch), strict=True):
        assert isinstance(seen.score, float) and 0 <= seen.score <= 1
        assert seen.map.shape == image.shape[:2] and seen.map.dtype == np.float32
        assert 0 <= seen.map.min() < seen.map.max() <= 1


@pytest.mark.parametrize("name", ON_TEXT)
def test_the_same_seed_gives_the_same_and_another_only_where_something_is_drawn(tiny_backbone, fitted, batch, name):
    seen = fitted[name].inspect(batch)
    again, other = (METHODS[name](tiny_backbone, RESOURCES).fit(" metal  nut", seed).inspect(batch) for seed in (1, 2))
    assert same(seen, again)
    assert same(seen, other) is not METHODS[name].seeded


@pytest.mark.parametrize("name", ON_TEXT)
def test_another_product_is_asked_about_in_its_own_words(tiny_backbone, fitted, batch, name):
    other = METHODS[name](tiny_backbone, RESOURCES).fit("leather", seed=1)
    assert not same(fitted[name].inspect(batch), other.inspect(batch))


def test_images_are_encoded_once_for_all_and_windows_are_left_to_winclip(tiny_backbone, fitted, batch, monkeypatch):
    calls = []
    for name in ("encode", "window_vectors"):
        original = getattr(tiny_backbone, name)
        monkeypatch.setattr(tiny_backbone, name, lambda *a, _n=name, _o=original, **k: calls.append(_n) or _o(*a, **k))
    for name in SHARING:
        fitted[name].inspect(batch)
    fitted["winclip"].image_scores(batch)
    assert calls == ["encode"]
    fitted["winclip"].inspect(batch)
    fitted["winclip"].inspect(batch)
    assert calls == ["encode", "window_vectors", "window_vectors"]  # of either size


def test_an_image_gets_the_same_score_alone_and_among_others(tiny_backbone, fitted, batch):
    for name in ON_TEXT:
        together = fitted[name].inspect(batch)
        for image, seen in zip(batch.images, together, strict=True):
            (alone,) = fitted[name].inspect(ImageBatch(tiny_backbone, [image]))
            assert alone.score == pytest.approx(seen.score, abs=1e-4)
            np.testing.assert_allclose(alone.map, seen.map, atol=1e-4)


@pytest.mark.parametrize("name", ON_TEXT)
def test_a_bad_product_name_is_refused_as_everywhere(tiny_backbone, name):
    with pytest.raises(InputError, match="product name '<nut>' contains markup"):
        METHODS[name](tiny_backbone, RESOURCES).fit("<nut>")


def test_every_method_can_run_or_says_in_a_sentence_why_not(tiny_backbone):
    for name, method in METHODS.items():
        reason = method(tiny_backbone).missing()
        assert (reason is None) == (name in (*ON_TEXT, "maeday"))
        assert reason is None or (method.title in reason and reason.endswith(".") and len(reason) < 400)


def test_an_unknown_name_is_quoted_beside_the_known_ones():
    assert method_named("winclip") is METHODS["winclip"]
    with pytest.raises(InputError, match="no method 'wincip': choose from clip, clip-ac, winclip, rwda, .*, ours"):
        method_named("wincip")


# CLIP and CLIP-AC


@pytest.mark.parametrize(
    "name, normal, abnormal",
    [
        ("clip", "a photo of a normal metal nut.", "a photo of an anomalous metal nut."),
        ("clip-ac", "normal metal nut", "anomalous metal nut"),
    ],
)
def test_two_plain_prompts_are_compared_by_the_softmax_over_cosines(
    tiny_backbone, fitted, batch, name, normal, abnormal
):
    vectors = [tiny_backbone.text_vectors([text])[0].numpy() for text in (normal, abnormal)]

    def probability(vector):
        odds = np.exp([tiny_backbone.logit_scale * vector @ text for text in vectors])
        return odds[1] / odds.sum()

    for seen, image, dense in zip(fitted[name].inspect(batch), batch.encoded.image, batch.encoded.dense, strict=True):
        assert seen.score == pytest.approx(probability(image.numpy()), abs=1e-5)
        corners = [(0, 0), (0, -1), (-1, 0)]
        beside = [np.ix_([0, 1], [0, 1]), np.ix_([0, 1], [-2, -1]), np.ix_([-2, -1], [0, 1])]
        expected = [np.mean([probability(place) for place in dense.numpy()[near].reshape(-1, 48)]) for near in beside]
        found, expected = (
            np.log(each / (1 - each)) for each in (np.array([seen.map[c] for c in corners]), np.array(expected))
        )
        # The map is brought to the score as a whole; what its places differ by is theirs.
        np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=1e-3)


# WinCLIP


def test_winclip_asks_its_papers_prompts_at_its_temperature(tiny_backbone, batch, monkeypatch):
    asked, original = [], tiny_backbone.text_vectors
    monkeypatch.setattr(tiny_backbone, "text_vectors", lambda texts: asked.extend(texts) or original(texts))
    fitted = METHODS["winclip"](tiny_backbone).fit("metal nut")
    monkeypatch.undo()
    assert len(asked) == len(set(asked)) == 7 * 22 + 4 * 22
    assert "a photo of the metal nut without flaw for visual inspection." in asked[: 7 * 22]
    assert "a jpeg corrupted photo of a metal nut with defect." in asked[7 * 22 :]
    assert not any("broken" in text for text in asked)  # AnomalyCLIP's word

    groups = original(asked[: 7 * 22]), original(asked[7 * 22 :])
    normal, abnormal = (F.normalize(group.mean(0), dim=0).numpy() for group in groups)
    for image, score in zip(batch.encoded.image.numpy(), fitted.image_scores(batch), strict=True):
        assert score.item() == pytest.approx(1 / (1 + np.exp((image @ normal - image @ abnormal) / 0.07)), abs=1e-5)


def test_winclips_image_score_without_images_is_the_image_vectors_alone(fitted, batch):
    scores = fitted["winclip"].image_scores(batch)
    assert [seen.score for seen in fitted["winclip"].inspect(batch)] == pytest.approx(scores.tolist(), abs=1e-6)


def test_windows_are_averaged_harmonically_and_then_the_scales():
    cover = torch.tensor([[[1, 1, 0]], [[0, 1, 1]]], dtype=torch.bool)  # two windows over a row of three patches
    whole = torch.tensor([0.5])
    maps = harmonic_map(whole, [(torch.tensor([[0.2, 0.8]]), cover)])
    between = 2 / (1 / 0.2 + 1 / 0.8)  # 0.32: nearer to the window that sees nothing
    expected = [2 / (1 / 0.5 + 1 / score) for score in (0.2, between, 0.8)]
    torch.testing.assert_close(maps, torch.tensor([[expected]]))

    everything = torch.ones(1, 1, 3, dtype=torch.bool)
    maps = harmonic_map(whole, [(torch.tensor([[0.2, 0.8]]), cover), (torch.tensor([[0.4]]), everything)])
    expected = [3 / (1 / 0.5 + 1 / score + 1 / 0.4) for score in (0.2, between, 0.8)]
    torch.testing.assert_close(maps, torch.tensor([[expected]]))


def test_windows_see_themselves_and_not_one_another(tiny_backbone, images):
    """The trap of a transformer that is fed (L, N, d) and reads (N, L, d): every window then comes out the same."""
    many = ImageBatch(tiny_backbone, images * 3)  # more than are computed at once
    changed = images[1].copy()
    changed[:8, :8] = 255 - changed[:8, :8]  # within the first of 6 x 6 patches
    for (vectors, cover), (alone, _), (other, _) in zip(
        many.windows,
        ImageBatch(tiny_backbone, images[1:2]).windows,
        ImageBatch(tiny_backbone, [changed]).windows,
        strict=True,
    ):
        torch.testing.assert_close(vectors[[1, 4, 7]], alone.expand(3, -1, -1), atol=1e-5, rtol=0)
        assert vectors.std(dim=1).mean() > 1e-3
        moved = (other[0] - vectors[1]).norm(dim=-1) > 1e-3
        assert torch.equal(moved, cover[:, 0, 0])


def test_a_damaged_corner_lights_up_winclips_map_there(tiny_backbone, fitted, batch):
    """Windows whose vector is the abnormal state's are the hottest of the map, at the size of the image."""
    normal, abnormal = fitted["winclip"].states
    for vectors, cover in batch.windows:
        vectors[:] = normal
        vectors[:, cover[:, -1, 0]] = abnormal
    seen = fitted["winclip"].inspect(batch)[0]
    assert seen.map[-1, 0] == pytest.approx(seen.map.max()) and seen.map[0, -1] == pytest.approx(seen.map.min())
    assert seen.map[-1, 0] > seen.map[0, -1] + 0.01


# RWDA-style and ours


def test_random_words_are_words_of_the_vocabulary_and_the_image_vector_alone_is_scored(tiny_backbone, fitted, batch):
    detector = fitted["rwda"].detector
    vocabulary = {tuple(vector) for vector in tiny_backbone.whole_words()[1].tolist()}
    drawn = torch.cat([detector.diversity_words.flatten(0, 1), detector.distribution_words.flatten(0, 1)])
    assert {tuple(vector) for vector in drawn.tolist()} <= vocabulary
    scores = detector.classifier.probability(batch.encoded.image).tolist()
    assert [seen.score for seen in fitted["rwda"].inspect(batch)] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("name", ON_TEXT)
def test_a_score_over_a_half_has_a_place_over_a_half(fitted, batch, name):
    for seen in fitted[name].inspect(batch):
        assert seen.map.max() >= seen.score - 1e-6


def test_under_our_rule_the_map_counts_and_windows_are_not_asked_for(tiny_backbone, fitted, batch):
    unseen = ImageBatch(tiny_backbone, batch.images)
    for name in ("clip", "clip-ac", "winclip", "rwda"):
        method = COMMON_RULE[f"{name}-map"](tiny_backbone, RESOURCES).fit("metal nut", seed=1)
        for one, other in zip(method.inspect(unseen), fitted[name].inspect(batch), strict=True):
            assert one.score != other.score
    assert "windows" not in vars(unseen)


def test_ours_is_the_detector_that_the_recipe_trains(tiny_backbone, fitted, batch):
    detector = Detector.fit(tiny_backbone, "metal nut", RESOURCES.recipe, seed=1)
    assert same(fitted["ours"].inspect(batch), detector.inspect(batch.images))


# on real weights


@pytest.mark.parametrize("product", ["bottle", "leather", "washer"])
def test_damage_scores_higher_and_lights_up_on_the_shipped_samples(embedded, product):
    folder = ASSETS / "samples" / product
    batch = ImageBatch(embedded, [read_image(folder / f"{state}.jpg") for state in ("intact", "damaged")])
    mask = np.asarray(Image.open(folder / "mask.png").convert("L")) > 127
    ours = FittedDetector(Detector.load(ASSETS / "detectors" / f"{product}.safetensors", embedded))
    for name in SHARING:
        intact, damaged = (ours if name == "ours" else METHODS[name](embedded).fit(product)).inspect(batch)
        assert damaged.score > intact.score + 0.1, name
        assert damaged.map[mask].mean() > damaged.map[~mask].mean() + 0.1, name


def test_winclips_windows_find_the_damage_on_a_shipped_sample(embedded):
    folder = ASSETS / "samples" / "bottle"
    mask = np.asarray(Image.open(folder / "mask.png").convert("L")) > 127
    (seen,) = (
        METHODS["winclip"](embedded).fit("bottle").inspect(ImageBatch(embedded, [read_image(folder / "damaged.jpg")]))
    )
    assert seen.map[mask].mean() > seen.map[~mask].mean() + 0.1
