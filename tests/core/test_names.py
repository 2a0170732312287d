"""What a picture looks like, and which names a backbone has a sense for."""

from pathlib import Path

import pytest
import torch

from zsad_core.errors import InputError
from zsad_core.names import Look, Names
from zsad_core.prompts import clean_product_name, without_states

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
SHIPPED = "bottle", "zipper", "metal nut", "screw", "leather", "wood", "capsule", "cable"


@pytest.fixture(scope="module")
def names(embedded):
    return Names(embedded)


def seen(embedded, *samples):
    return embedded.image_vectors([SAMPLES / sample / "intact.jpg" for sample in samples])


def test_a_picture_looks_like_its_product_and_the_shares_are_whole(names, embedded):
    looks = names.looks(seen(embedded, "bottle"), SHIPPED)
    assert looks[0].name == "bottle"
    assert sum(look.share for look in looks) == pytest.approx(1, abs=1e-5)
    assert [look.share for look in looks] == sorted((look.share for look in looks), reverse=True)
    assert {look.name for look in names.looks(seen(embedded, "bottle"), ["nut", "nut", "cup"])} == {"nut", "cup"}


def test_a_set_looks_like_the_mean_of_its_pictures(names, embedded):
    pictures = seen(embedded, "bottle", "leather")
    together = dict(names.looks(pictures, SHIPPED))
    apart = [dict(names.looks(picture[None], SHIPPED)) for picture in pictures]
    assert together["bottle"] == pytest.approx((apart[0]["bottle"] + apart[1]["bottle"]) / 2, abs=1e-6)


def test_something_else_is_said_only_where_it_is_clear(names, embedded):
    looks = names.looks(seen(embedded, "bottle"), SHIPPED)
    assert names.something_else(looks, "zipper") == "bottle"
    assert names.something_else(looks, "bottle") is None


@pytest.mark.parametrize("likeliest, product, said", [
    ("bottle", "zipper", "bottle"), ("zorblatt", "zipper", None), ("bottle", "zorblatt", None)])  # fmt: skip
def test_nothing_is_said_of_names_that_no_picture_taught(names, likeliest, product, said):
    assert names.something_else([Look(likeliest, 0.999), Look(product, 0.0001)], product) == said
    assert names.something_else([Look(likeliest, 0.9), Look(product, 0.1)], product) is None


@pytest.mark.parametrize("name", ["metal nut", "Zippers", "SPANNER", "ceramic mug", "M8 nut", "aeroengine blade",
                                  "circuit board", "zorblatt nut"])  # fmt: skip
def test_names_with_an_english_word_are_understood(names, name):
    assert names.understood(name)


@pytest.mark.parametrize("name", ["qwertzuiop", "SN-4432-B", "XK12", "螺母", "гайка", "4711", "glorpfx", "é"])
def test_nonsense_codes_and_other_scripts_are_not(names, name):
    assert not names.understood(name)


def test_other_backbones_have_the_same_rule_and_say_nothing_of_what_they_were_trained_with(tiny_backbone):
    names = Names(tiny_backbone)
    assert names.understood("metal nut") and not names.understood("螺母") and not names.known
    image = torch.nn.functional.normalize(torch.ones(1, tiny_backbone.dim), dim=1)
    assert len(names.looks(image, ["nut", "x" * 80])) == 2


@pytest.mark.parametrize(
    "typed",
    ["broken", "Cracked", "damaged  broken", "broken.", "the broken", "Perfect", "broken, and damaged", "“broken”"],
)
def test_a_state_alone_is_no_product(typed):
    with pytest.raises(InputError, match="is a state and no product name"):
        clean_product_name(typed)


def test_a_state_in_a_name_is_told_from_the_rest():
    assert without_states("cracked ceramic mug") == ("ceramic mug", ("cracked",))
    assert without_states("broken, rusty pipe") == ("pipe", ("broken", "rusty"))
    assert without_states("a pipe, broken and rusty") == ("pipe,", ("broken", "rusty"))
    assert without_states("the pipe") == ("the pipe", ())
    assert without_states("Bent pipe") == ("pipe", ("Bent",))
    assert without_states("brokerage sign") == ("brokerage sign", ())
    assert clean_product_name("cracked mug") == "cracked mug"
