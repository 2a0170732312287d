"""Product names a person may type, and the sentences made of them."""

from types import SimpleNamespace

import pytest

from zsad_core.errors import InputError
from zsad_core.prompts import (
    ABNORMAL_STATES,
    NORMAL_STATES,
    TEMPLATES,
    check_context,
    clean_adjectives,
    clean_product_name,
    ensemble_sentences,
    held_back_sentences,
    plain_prompts,
    semantic_words,
    shift_sentences,
)


@pytest.mark.parametrize(
    "typed, kept",
    [
        ("metal nut", "metal nut"),
        ("  metal \t\n nut ", "metal nut"),
        ("ｍｅｔａｌ　ｎｕｔ", "metal nut"),  # full-width letters and space
        ("M8 nut (zinc)", "M8 nut (zinc)"),
        ("Schraube für Öl", "Schraube für Öl"),
        ("螺母", "螺母"),
        ("гайка", "гайка"),
        ("nut {}", "nut {}"),
        ("x" * 80, "x" * 80),
    ],
)
def test_usable_names_are_tidied(typed, kept):
    assert clean_product_name(typed) == kept


@pytest.mark.parametrize(
    "typed, said",
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("x" * 10_000, "has 10000 characters; at most 80"),
        ("ﷺ" * 20, "at most 80"),  # one character that NFKC writes out as 18
        ("🔩🔩", "no letter or digit"),
        ("!?", "no letter or digit"),
        ("<b>nut</b>", "markup"),
        ("＜script＞", "markup"),
        ("nut\x00", "invisible character U+0000"),
        ("nut\u202eabc", "invisible character U+202E"),
        ("nut\ud800", "invisible character U+D800"),
        (None, "must be a text"),
        (7, "must be a text"),
    ],
)
def test_unusable_names_are_refused_with_a_short_sentence(typed, said):
    with pytest.raises(InputError, match="product name") as refusal:
        clean_product_name(typed)
    assert said in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_adjectives_are_cleaned_and_kept_once():
    assert clean_adjectives(["damaged", " broken ", "damaged"]) == ("damaged", "broken")


@pytest.mark.parametrize("adjectives", [[], ["damaged"] * 9, "damaged", None, [""], ["x" * 41], ["<i>"], [3]])
def test_unusable_adjectives_are_refused(adjectives):
    with pytest.raises(InputError, match="adjective"):
        clean_adjectives(adjectives)


def test_semantic_words_are_those_of_the_poster():
    assert semantic_words("metal nut", ["damaged", "broken"]) == [
        "metal nut.",
        "damaged metal nut.",
        "broken metal nut.",
    ]


def test_the_ensemble_is_winclips():
    normal, abnormal = ensemble_sentences("metal nut")
    assert (len(TEMPLATES), len(NORMAL_STATES), len(ABNORMAL_STATES)) == (22, 7, 5)
    assert (len(set(normal)), len(set(abnormal))) == (7 * 22, 5 * 22)
    assert "a cropped photo of the metal nut without flaw." in normal
    assert "a jpeg corrupted photo of a broken metal nut." in abnormal
    assert "a photo of the small damaged metal nut." not in normal
    assert "a photo of the metal nut with defect for visual inspection." in abnormal


def test_held_back_sentences_share_neither_state_nor_template_with_training():
    normal, abnormal = held_back_sentences("nut", ["damaged", "scratched"])
    everything = normal + abnormal
    assert normal and abnormal and not set(normal) & set(abnormal)
    assert not any("damaged nut" in text for text in everything)
    said = {text for state in plain_prompts("nut", ["damaged", "scratched"]) for text in state}
    assert {"nut.", "flawless nut.", "damaged nut.", "scratched nut."} < said
    assert not any(text.removesuffix("nut.") in each for text in said - {"nut."} for each in everything)
    assert plain_prompts("nut", ["Perfect"]) == (["nut.", "flawless nut.", "unblemished nut."], ["Perfect nut."])
    assert any("broken nut" in text for text in abnormal)
    assert not any(word in text for text in everything for word in ("bright", "dark", "blurry", "close-up"))
    assert not set(everything) & set(shift_sentences("nut"))
    assert set(normal) <= set(ensemble_sentences("nut")[0]) and set(abnormal) <= set(ensemble_sentences("nut")[1])


def test_a_name_longer_than_the_context_is_refused_with_the_counts():
    backbone = SimpleNamespace(name="narrow", context_length=16, word_vectors=str.split)
    check_context(backbone, "nut", ["damaged"], learnable=4)
    with pytest.raises(InputError, match=r"takes \d+ tokens and 16 fit"):
        check_context(backbone, "very very very very very long nut", ["damaged"], learnable=4)
    with pytest.raises(InputError, match="takes 22 tokens"):
        check_context(backbone, "nut", ["damaged"], learnable=18)
