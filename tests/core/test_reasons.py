"""The words nearest to what a detector sees: the same as by brute force, and what a person would say of the samples."""

from pathlib import Path

import numpy as np
import pytest
import torch

from page.shared import read_samples
from zsad_core.backbone import Encoded
from zsad_core.detector import Detector
from zsad_core.reasons import Explainer, plain_sentences
from zsad_core.recipe import Recipe

ASSETS = Path(__file__).parents[2] / "assets"
RECIPE = Recipe(prompts=6, groups=2, steps=2, classifier_steps=20, adjectives=("damaged", "squashed"))


@pytest.fixture(scope="module")
def explainer(tiny_backbone):
    return Explainer(tiny_backbone)


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", RECIPE)


@pytest.fixture(scope="module")
def encoded(tiny_backbone):
    images = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    return tiny_backbone.encode(list(images))


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


def test_the_nearest_texts_are_those_of_a_search_one_by_one(explainer, detector, encoded, tiny_backbone):
    reasons = explainer.explain(detector, encoded, index=1)
    patches = detector.patch_probabilities(encoded.dense)[1]
    assert patches[reasons.place] == patches.max()
    for reading, vector in ((reasons.image, encoded.image[1]), (reasons.patch, encoded.dense[1][reasons.place])):
        assert reading.probability == pytest.approx(detector.classifier.probability(vector).item(), abs=1e-6)
        for texts, found in zip(plain_sentences("metal nut", RECIPE.adjectives), reading.sentences):
            cosines = {text: cosine(tiny_backbone.text_vectors([text])[0], vector) for text in texts}
            assert found.cosine == pytest.approx(max(cosines.values()), abs=1e-5)
            assert cosines[found.text] == pytest.approx(found.cosine, abs=1e-5)
        every = {
            (kind, number): cosine(detector.text_vectors[kind, number], vector)
            for kind in range(3)
            for number in range(6)
        }
        for found, kinds in zip(reading.prompts, ({0}, {1, 2}), strict=True):
            best = max((key for key in every if key[0] in kinds), key=every.get)
            assert found.number == best[1] and found.cosine == pytest.approx(every[best], abs=1e-5)
            assert found.semantic == ("metal nut.", "damaged metal nut.", "squashed metal nut.")[best[0]]


def test_a_prompt_names_the_words_of_its_own_group(explainer, detector, encoded):
    for prompt in explainer.explain(detector, encoded).image.prompts:
        group = detector.distribution_words[prompt.number % RECIPE.groups]
        assert prompt.diversity == explainer.nearest_words(detector.diversity_words[prompt.number])
        assert prompt.distribution == explainer.nearest_words(group)


def test_a_real_word_is_nearest_to_itself_and_a_random_vector_to_none(explainer, tiny_backbone):
    vectors = torch.cat([tiny_backbone.word_vectors(word) for word in ("damaged", "blurry")])
    assert [word.text for word in explainer.nearest_words(vectors)] == ["damaged", "blurry"]
    assert [word.cosine for word in explainer.nearest_words(vectors)] == pytest.approx([1, 1], abs=1e-5)
    random = tiny_backbone.embedding_mean + torch.randn(64, tiny_backbone.word_width)
    cosines = [word.cosine for word in explainer.nearest_words(random)]
    assert np.median(cosines) == pytest.approx(explainer.chance, abs=0.05) and explainer.chance < 0.8


def test_pieces_of_words_signs_and_numbers_are_no_words(tiny_backbone):
    words, vectors = tiny_backbone.whole_words()
    assert len(words) == len(set(words)) == len(vectors)
    assert {"metal", "scratched"} <= set(words) and all(word.isalpha() and len(word) > 2 for word in words)
    for word, vector in list(zip(words, vectors))[::4000]:
        assert torch.equal(tiny_backbone.word_vectors(word), vector[None])


def test_sentences_that_do_not_fit_the_context_are_left_out(detector, encoded, tiny_backbone, monkeypatch):
    shorter = "a photo of a bent metal nut."
    monkeypatch.setattr(tiny_backbone, "context_length", len(tiny_backbone.word_vectors(shorter)) + 2)
    for nearest in Explainer(tiny_backbone).explain(detector, encoded).image.sentences:
        assert len(nearest.text.split()) <= len(shorter.split())


@pytest.mark.slow
def test_the_samples_are_described_as_a_person_would(embedded):
    """Of the damaged samples most are nearest to an abnormal sentence, and of the intact ones to a normal one."""
    samples, right = read_samples(ASSETS / "samples").values(), {"damaged": [], "intact": []}
    explainer, encoded = Explainer(embedded), embedded.encode([sample.pixels for sample in samples])
    for index, sample in enumerate(samples):
        detector = Detector.load(ASSETS / "detectors" / f"{sample.product.replace(' ', '-')}.safetensors", embedded)
        normal, abnormal = explainer.explain(detector, encoded, index).image.sentences
        state = sample.name.split("/")[1]
        right[state].append((abnormal.cosine > normal.cosine) == (state == "damaged"))
    assert all(np.mean(answers) >= 0.75 for answers in right.values())


def test_a_vector_that_is_a_sentence_finds_it(explainer, detector, tiny_backbone):
    sentence = "a dark photo of a cracked metal nut."
    vector = tiny_backbone.text_vectors([sentence])
    rows, columns = tiny_backbone.grid
    encoded = Encoded(vector, vector.expand(1, rows, columns, -1))
    reasons = explainer.explain(detector, encoded)
    for reading in (reasons.image, reasons.patch):
        assert reading.sentences[1].text == sentence and reading.sentences[1].cosine == pytest.approx(1, abs=1e-5)
