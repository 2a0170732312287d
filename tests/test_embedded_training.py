"""The embedded backbone's data, words, objective and file format, on small made-up pictures."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

from zsad_core.embedded import towers
from zsad_core.embedded.captions import CONDITIONS, DAMAGE, imagenet_names, product_names
from zsad_core.embedded.conditions import APPLY, photograph
from zsad_core.embedded.damage import PAINTERS, Canvas
from zsad_core.embedded.objective import losses, say
from zsad_core.embedded.pairs import Photographs, Renders, TrainingPairs, rendered_kind
from zsad_core.errors import InputError

SIZE = 64


@pytest.fixture(scope="module")
def picture_folder(tmp_path_factory):
    """Two surfaces and one product on a transparent ground, with a caption beside it."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("wood_01.png", "brick-wall.png"):
        Image.fromarray(rng.integers(0, 255, (150, 150, 3), dtype=np.uint8)).save(folder / name)
    cutout = np.zeros((120, 120, 4), np.uint8)
    cutout[20:100, 20:100] = (200, 60, 40, 255)
    Image.fromarray(cutout).save(folder / "thing.png")
    (folder / "thing.txt").write_text("A red box. It is red.\n")
    (folder / "broken.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def render_folder(tmp_path_factory):
    """A folder in the factory's layout: 24 flat pairs of two families with a dark square as damage."""
    folder = tmp_path_factory.mktemp("renders")
    rows = ["pair,product,damage,seed,part"]
    for family in ("washer", "coin"):
        (folder / family).mkdir()
        for number in range(12):
            intact = np.full((96, 96, 3), 150, np.uint8)
            damaged, mask = intact.copy(), np.zeros((96, 96), np.uint8)
            damaged[30:60, 40:70], mask[30:60, 40:70] = 20, 255
            stem = folder / family / f"{number:04d}"
            Image.fromarray(intact).save(f"{stem}_intact.jpg")
            Image.fromarray(damaged).save(f"{stem}_damaged.jpg")
            Image.fromarray(mask).save(f"{stem}_mask.png")
            rows.append(f"{family}/{number:04d},{family},chunk,{number},0")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


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
        changed += np.abs(painter(before) - original).mean(axis=2) > 9
        assert np.array_equal(before.pixels, original), "the intact picture must stay as it was"
    assert changed[24:40, 24:40].mean() > 2 * changed[:8].mean()
    assert changed.sum() > 0


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


def test_held_out_renders_never_train(render_folder):
    training, held_out = Renders(render_folder), Renders(render_folder, held_out=True)
    pairs = [{row["pair"] for row in renders.rows} for renders in (training, held_out)]
    assert not pairs[0] & pairs[1] and len(pairs[0] | pairs[1]) == 24
    assert {row["product"] for row in training.rows} == {"washer"}


def test_the_stream_of_pairs_is_fixed_by_the_seed_and_masks_fit_the_damage(render_folder, picture_folder):
    def stream(seed):
        return iter(TrainingPairs(Renders(render_folder), Photographs([picture_folder]), SIZE, seed, 0.5))

    first, again, other = ([next(pairs) for _ in range(6)] for pairs in (stream(3), stream(3), stream(4)))
    assert all(torch.equal(a["images"], b["images"]) for a, b in zip(first, again))
    assert not all(torch.equal(a["images"], b["images"]) for a, b in zip(first, other))
    assert all(0 < pair["mask"].mean() < 1 for pair in first)
    assert {pair["product"] for pair in first} <= {"washer", "red box", "wood", "brick wall"}


def test_names_are_words_a_person_would_say():
    names = imagenet_names()
    assert len(names) == 1000 and names[0] == "tench" and "nail" in names and "screw" in names
    assert len(product_names()) > 10_000


def test_the_objective_falls_when_vectors_say_what_the_picture_shows():
    """Vectors that agree with the captions must cost less than vectors of the other state, on every term they touch."""
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    batch = {
        "product": ["screw", "bottle"],
        "kind": ["cracked", "stained"],
        "mask": torch.zeros(2, 4, 4),
        "conditions": ["plain", "dark", "noisy", "plain"],
    }
    batch["mask"][:, 1, 1] = 1
    words = say(batch, ["nut"], ["tench", "nail"], rng)
    text = F.normalize(torch.randn(len(words.sentences), 16, generator=generator), dim=1)
    directions = text[words.part["taught"]]
    axis = F.normalize((text[words.part["abnormal"]] - text[words.part["normal"]]), dim=1)
    good = F.normalize(torch.cat([-axis, axis]), dim=1)
    dense = good[:2].repeat(2, 1)[:, :, None, None].repeat(1, 1, 4, 4)
    dense[2:, :, 1, 1] = axis
    labels = torch.full((4, 2), 0.5)
    right, watched = losses(good, dense, text, words, batch, 10.0, labels, directions)
    wrong, _ = losses(-good, -dense, text, words, batch, 10.0, labels, directions)
    assert watched["state"] == watched["ranking"] == 1
    for term in ("state", "ranking", "focal", "dice", "peak"):
        assert right[term] < wrong[term], term


def test_weights_survive_the_file_and_damaged_files_are_refused(tmp_path):
    architecture = towers.Architecture(
        dim=16, image_size=64, head_width=8, text_width=24, text_layers=1, context_length=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text, image = towers.build_text_tower(architecture), towers.ImageTower(architecture).eval()
    towers.save(tmp_path, architecture, text, image, np.log(20.0))
    loaded_text, loaded_image, tokenizer, scale = towers.load(folder=tmp_path)
    pixels, tokens = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)), tokenizer(["a metal nut."])
    assert scale == pytest.approx(20.0)
    assert torch.allclose(loaded_text(tokens), text(tokens), atol=2e-2)  # stored as fp16
    assert torch.allclose(loaded_image(pixels)[0], image(pixels)[0], rtol=2e-2, atol=2e-2)

    tensors = load_file(tmp_path / "head.safetensors")
    tensors.pop("norm.weight")
    save_file(tensors, tmp_path / "head.safetensors")
    with pytest.raises(InputError, match="restore the folder"):
        towers.load(folder=tmp_path)


def test_the_shortened_word_list_reads_common_words_as_clip_does(tmp_path):
    """A prefix of a merge list is a valid one: words made of early merges get the same pieces as in CLIP."""
    import open_clip

    towers.write_merges(tmp_path)
    ours, clip = towers.build_tokenizer(towers.Architecture(), tmp_path), open_clip.SimpleTokenizer()
    for text in ("a photo of a damaged metal nut.", "leather", "a dark photo of the bottle."):
        assert [ours.decoder[token] for token in ours.encode(text)] == [
            clip.decoder[token] for token in clip.encode(text)
        ]
    assert ours.vocab_size == towers.MERGES + 514
