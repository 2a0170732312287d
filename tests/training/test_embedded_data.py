"""The embedded backbone's data and words, on small made-up pictures."""

import numpy as np
import pytest
import torch
from training_data import write_renders

from training.captions import CONDITIONS, DAMAGE, imagenet_names, product_names
from training.conditions import APPLY, photograph
from training.damage import PAINTERS, Canvas, broken_apart
from training.near_misses import NEAR_MISSES
from training.pairs import TrainingPairs
from training.photographs import Photographs
from training.renders import Renders, rendered_kind
from zsad_core.errors import InputError

SIZE = 64


def canvas(kind_seed):
    rng = np.random.default_rng(kind_seed)
    ramp = np.linspace(60, 200, SIZE, dtype=np.float32)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 128.0), axis=2).astype(np.float32)
    pixels += rng.normal(0, 6, pixels.shape).astype(np.float32)
    product = np.zeros((SIZE, SIZE), np.float32)
    product[8:56, 8:56] = 1
    return Canvas(pixels, product, np.full_like(pixels, 240.0), pixels[::-1, ::-1].copy(), (32, 32), 0.03, rng)


@pytest.mark.parametrize("painter", [function for functions in PAINTERS.values() for function in functions])
def test_damage_changes_the_picture_near_its_centre_and_not_far_away(painter):
    changed = np.zeros((SIZE, SIZE))
    for seed in range(20):
        before = canvas(seed)
        original = before.pixels.copy()
        damaged = np.abs(painter(before) - original).mean(axis=2) > 9
        changed += damaged if before.mask is None else damaged & before.mask
        assert np.array_equal(before.pixels, original), "the intact picture must stay as it was"
    assert changed[24:40, 24:40].mean() > 2 * changed[:8].mean()
    assert changed.sum() > 0


def test_a_product_that_is_broken_apart_shows_its_ground_in_the_gap_and_loses_nothing():
    plain = canvas(3)
    plain.pixels[:], plain.background[:] = 200, 20
    damaged = broken_apart(plain)
    assert plain.mask.any() and np.median(damaged[plain.mask]) < 110
    assert (damaged.mean(axis=2) > 150).sum() > 0.8 * plain.product.sum()


def test_every_kind_of_damage_has_words_and_painters():
    assert set(PAINTERS) == set(DAMAGE)
    assert {
        rendered_kind(name) for name in ("chunk", "dent", "stain", "fibre", "cut", "split", "hole", "print_smear")
    } == set(DAMAGE)


@pytest.mark.parametrize("condition", APPLY)
def test_a_condition_is_strong_enough_to_be_named(condition):
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(40, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.float32)
    shown = [np.clip(APPLY[condition](scene.copy(), rng), 0, 255) for _ in range(10)]
    brightness = np.mean([x.mean() for x in shown]) - scene.mean()
    contrast = np.mean([x.std() for x in shown]) / scene.std()
    detail = np.mean([np.abs(np.diff(x, axis=1)).mean() for x in shown]) / np.abs(np.diff(scene, axis=1)).mean()
    assert {
        "bright": brightness > 30,
        "dark": brightness < -40,
        "low contrast": contrast < 0.5,
        "noisy": detail > 1.3,
        "blurry": detail < 0.9,
    }[condition]


def test_a_picture_is_photographed_the_same_way_under_the_same_seed():
    scene = np.random.default_rng(1).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    first, second, other = (photograph(scene, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first[0], second[0]) and first[1] == second[1] in CONDITIONS
    assert not np.array_equal(first[0], other[0])


def test_photographs_are_named_by_their_captions_and_bad_files_are_passed_over(picture_folder):
    found = Photographs([picture_folder])
    assert [name for _, name in found.products] == ["red box"]
    assert sorted(name for _, name in found.surfaces) == ["brick wall", "wood"]


def test_held_out_renders_never_train_and_no_intact_picture_is_on_both_sides(render_folder, named_folder):
    folders = [render_folder, named_folder]
    training, held_out = Renders(folders), Renders(folders, held_out=True)
    assert len(training) + len(held_out) == 96
    pictures = [{(row["product"], row["seed"]) for row in renders.rows} for renders in (training, held_out)]
    assert not pictures[0] & pictures[1]
    assert "coin" not in {row["product"] for row in training.rows}
    assert {row["product"] for row in training.rows} == {"washer", "six_sided", "ring"}


def test_renders_that_were_added_meanwhile_leave_the_split_as_it_was(tmp_path):
    folder = write_renders(tmp_path, ("ring", "coin"))
    before = {row["pair"] for row in Renders([folder], held_out=True).rows}
    index = (folder / "index.csv").read_text().splitlines()
    (folder / "index.csv").write_text("\n".join([index[0], "ring/9999_0,ring,chunk,9999,0", *index[1:], "ring/88"]))
    assert {row["pair"] for row in Renders([folder], held_out=True).rows} - {"ring/9999_0"} == before


def test_a_folder_that_is_no_folder_of_renders_is_refused(tmp_path):
    with pytest.raises(InputError, match="no index.csv"):
        Renders([tmp_path])


def test_names_kinds_and_facts_are_read_where_the_index_has_them(render_folder, named_folder):
    plain, named = Renders([render_folder]).read(0), Renders([named_folder]).read(0)
    assert (plain.product, plain.kind, plain.facts) == ("washer", "incomplete", {})
    assert (named.product, named.kind, named.facts) == ("hex nut", "cracked", {"colour": "red", "material": "brass"})


@pytest.mark.parametrize("near_miss", NEAR_MISSES)
def test_a_near_miss_is_seen_and_a_decal_leaves_damage_alone(near_miss):
    scene, free = np.full((SIZE, SIZE, 3), 120, np.float32), np.ones((SIZE, SIZE), bool)
    free[20:44, 20:44] = False
    changed = [np.abs(near_miss(scene, free, np.random.default_rng(seed)) - scene).max(axis=2) for seed in range(20)]
    assert max(change.max() for change in changed) > 15
    assert near_miss.__name__ != "decal" or not any(change[~free].any() for change in changed)


def test_the_stream_of_pairs_is_fixed_by_the_seed_and_masks_fit_the_damage(render_folder, picture_folder):
    def stream(seed):
        return iter(TrainingPairs(Renders([render_folder]), Photographs([picture_folder]), SIZE, seed, 0.5))

    first, again, other = ([next(pairs) for _ in range(6)] for pairs in (stream(3), stream(3), stream(4)))
    assert all(torch.equal(a["images"], b["images"]) for a, b in zip(first, again))
    assert not all(torch.equal(a["images"], b["images"]) for a, b in zip(first, other))
    assert all(0 < pair["mask"].mean() < 1 for pair in first)
    assert {pair["product"] for pair in first} <= {"washer", "red box", "wood", "brick wall"}


def test_names_are_words_a_person_would_say():
    names = imagenet_names()
    assert len(names) == 1000 and names[0] == "tench" and "nail" in names and "screw" in names
    assert len(product_names()) > 10_000
