"""The embedded backbone's data, words, objective and file format, on small made-up pictures."""

import random
from itertools import combinations, islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from training import ablation, real_images, weights
from training.captions import CONDITIONS, DAMAGE
from training.held_out import figures, first_among, read_held_out
from training.learner import Learner, Training
from training.objective import losses, say
from training.pairs import TrainingPairs, collate
from training.renders import Renders
from training.text_space import condition_vectors, short_axis
from training.train import taught
from zsad_core import embedded as towers
from zsad_core.errors import InputError

SIZE = 64


def test_the_objective_falls_when_vectors_say_what_the_picture_shows():
    """Vectors that agree with the captions must cost less than vectors of the other state, on every term they touch."""
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    batch = {
        "product": ["screw", "bottle"],
        "kind": ["cracked", "stained"],
        "mask": torch.zeros(2, 8, 8),
        "conditions": ["plain", "dark", "noisy", "plain"],
        "facts": [{"colour": "red"}, {}],
    }
    batch["mask"][:, 1, 1] = 1
    words = say(batch, ["nut"], ["tench", "nail"], rng)
    text = F.normalize(torch.randn(len(words.sentences), 16, generator=generator), dim=1)
    directions = text[words.part["taught"]]
    axis = F.normalize((text[words.part["abnormal"]] - text[words.part["normal"]]), dim=1)
    good = F.normalize(torch.cat([-axis, axis]), dim=1)
    dense = good[:2].repeat(2, 1)[:, :, None, None].repeat(1, 1, 8, 8)
    dense[2:, :, 1, 1] = axis
    labels = torch.full((4, 2), 0.5)
    right, watched = losses(good, dense, text, words, batch, 10.0, labels, directions)
    wrong, _ = losses(-good, -dense, text, words, batch, 10.0, labels, directions)
    assert watched["state"] == watched["ranking"] == 1
    for term in ("state", "ranking", "focal", "dice", "peak"):
        assert right[term] < wrong[term], term


def test_the_kind_is_asked_of_the_image_and_of_the_damaged_place_alone():
    batch = {
        "product": ["screw"],
        "kind": ["stained"],
        "mask": torch.zeros(1, 8, 8),
        "conditions": ["plain", "plain"],
        "facts": [{}],
    }
    batch["mask"][:, 2, 3] = 1
    words = say(batch, ["nut"], ["tench", "nail"], random.Random(0))
    text = F.normalize(torch.randn(len(words.sentences), 32, generator=torch.Generator().manual_seed(0)), dim=1)
    kinds = text[words.part["kinds"]].view(-1, len(DAMAGE), 32)
    stained, cracked = (F.normalize(kinds[:, list(DAMAGE).index(k)].sum(0), dim=0) for k in ("stained", "cracked"))
    dense = cracked[None, :, None, None].repeat(2, 1, 8, 8)
    dense[1, :, 2, 3] = stained
    image = torch.stack([cracked, stained])
    directions, labels = text[words.part["taught"]], torch.full((2, 2), 0.5)
    _, watched = losses(image, dense, text, words, batch, 10.0, labels, directions)
    assert watched["kind"] == watched["place"] == 1
    dense[1, :, 2, 3] = cracked
    _, watched = losses(image, dense, text, words, batch, 10.0, labels, directions)
    assert watched["kind"] == 1 and watched["place"] == 0


def test_a_caption_that_says_more_is_true_of_fewer_pictures():
    batch = {
        "product": ["nut"] * 4,
        "kind": ["stained"] * 4,
        "conditions": ["plain"] * 8,
        "facts": [{"colour": "red"}, {"colour": "red"}, {"colour": "blue"}, {}],
    }
    for seed in range(5):
        words = say(batch, ["nut"], ["tench"], random.Random(seed))
        captions = words.sentences[words.part["captions"]]
        for column, sentence in enumerate(captions):
            said = next((colour for colour in ("red", "blue") if f" {colour} nut" in f" {sentence}"), None)
            same_state = [row // 4 == column // 4 for row in range(8)]
            expected = [
                same and (said is None or batch["facts"][row % 4].get("colour") == said)
                for row, same in enumerate(same_state)
            ]
            assert words.true_of[:, column].tolist() == expected, sentence


TINY = towers.Architecture(dim=16, image_size=64, head_width=8, text_width=24, text_layers=1, context_length=32)


class FakeTeacher:
    """Features that show the picture's brightness, so that there is something to learn, without a trunk."""

    classes = F.normalize(torch.randn(1000, 40, generator=torch.Generator().manual_seed(0)), dim=1)

    def __call__(self, images):
        grey = images.float().mean(1, keepdim=True) / 255
        features = [F.adaptive_avg_pool2d(grey, side).repeat(1, n, 1, 1) for side, n in ((8, 72), (4, 120), (2, 352))]
        return features, torch.full((len(images), 1000), 1e-3)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("merges")
    weights.write_merges(folder)
    return towers.build_tokenizer(TINY, folder)


def learn(training, folder, steps):
    teacher, stream = FakeTeacher(), iter(TrainingPairs(Renders([folder]), None, SIZE, 0, 1.0))
    for _ in range(steps):
        batch = collate(list(islice(stream, 2)))
        training.step(batch, *teacher(batch["images"]))
    return training


def test_every_batch_comes_with_what_the_teacher_says_of_it_although_it_is_asked_ahead():
    asked = []

    def teacher(images):
        asked.append(images)
        return f"features of {images}", f"labels of {images}"

    lessons = taught(({"images": number} for number in range(5)), teacher)
    for number in range(3):
        assert next(lessons) == ({"images": number}, f"features of {number}", f"labels of {number}")
        assert asked == list(range(number + 2))


def test_depthwise_filters_are_learned_where_it_is_asked_for():
    upper = towers.Trunk().upper_stages
    for depthwise in (False, True):
        learner = Learner(TINY, 40, upper, depthwise)
        filters = [one for one in learner.upper.modules() if isinstance(one, torch.nn.Conv2d) and one.groups > 1]
        assert filters and all(one.weight.requires_grad is depthwise for one in filters)


def test_training_is_fixed_by_its_seed_and_goes_on_where_it_was_saved(render_folder, tokenizer):
    with torch.random.fork_rng():
        first, again = (
            learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=3), render_folder, 2) for _ in range(2)
        )
        resumed = Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=3)
    weights = first.learner.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in again.learner.state_dict().items())
    resumed.load_state(first.state())
    assert resumed.done == 2
    assert all(torch.equal(weights[name], tensor) for name, tensor in resumed.learner.state_dict().items())
    learn(resumed, render_folder, 1)
    assert not torch.equal(weights["head.patch.weight"], resumed.learner.head.patch.weight)


@pytest.mark.slow
def test_training_starts_from_shipped_weights_or_a_checkpoint(render_folder, tokenizer, tmp_path):
    with torch.random.fork_rng():
        old = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=1), render_folder, 2)
        from_folder, from_checkpoint = (Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=2) for _ in range(2))
        tower = towers.ImageTower(TINY)
    tower.head = old.average.head
    weights.save(tmp_path / "weights", TINY, old.average.text, tower, old.average.log_scale)
    torch.save(old.state(), tmp_path / "checkpoint.pt")
    assert from_folder.start_from(tmp_path / "weights") == ["class_directions.weight"]
    assert from_checkpoint.start_from(tmp_path / "checkpoint.pt") == []
    sentences = ["a photo of a nail.", "a dark photo of a cracked bottle."]
    expected = old.encode_text(old.average, sentences)
    for training in (from_folder, from_checkpoint):
        assert torch.allclose(training.encode_text(training.learner, sentences), expected, atol=2e-2)
        assert training.done == 0
    with pytest.raises(InputError, match="neither"):
        from_folder.start_from(tmp_path / "nothing.pt")


@pytest.mark.slow
def test_the_upper_stages_of_the_trunk_are_learned_and_taken_over_from_shipped_weights(
    render_folder, tokenizer, tmp_path
):
    with torch.random.fork_rng():
        tower = towers.ImageTower(TINY)
        upper = tower.trunk.upper_stages
        trained = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=1, upper=upper), render_folder, 2)
        again = Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=2, upper=towers.Trunk().upper_stages)
    before, after = upper.state_dict(), trained.learner.upper.state_dict()
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    filters = {name for name, module in upper.named_modules() if getattr(module, "groups", 1) > 1}
    assert moved and not {name.rpartition(".")[0] for name in moved} & filters
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    untrained = tower.trunk(pixels)
    features = trained.average.features(untrained)
    assert torch.equal(features[0], untrained[0]) and not torch.equal(features[1], untrained[1])
    upper.load_state_dict(trained.average.upper.state_dict())
    assert all(torch.equal(here, there) for here, there in zip(tower.trunk(pixels), features))
    tower.head = trained.average.head
    weights.save(tmp_path, TINY, trained.average.text, tower, trained.average.log_scale)
    assert again.start_from(tmp_path) == ["class_directions.weight"]
    assert torch.allclose(again.learner.features(untrained)[2], features[2], rtol=2e-2, atol=0.1)


def test_what_is_written_lies_between_the_start_and_the_end_of_a_training(render_folder, tokenizer, tmp_path):
    with torch.random.fork_rng():
        trainings = (Training(TINY, FakeTeacher.classes, tokenizer, 10, seed) for seed in (1, 2))
        old, new = (learn(training, render_folder, 2) for training in trainings)
    torch.save(old.state(), tmp_path / "start.pt")
    start, end = (training.average.text.text_projection.clone() for training in (old, new))
    new.mix(tmp_path / "start.pt", 1.0)
    assert torch.equal(new.average.text.text_projection, end)
    new.mix(tmp_path / "start.pt", 0.7)
    assert torch.allclose(new.average.text.text_projection, 0.7 * end + 0.3 * start, atol=1e-6)


@pytest.mark.slow
def test_upper_stages_that_the_start_does_not_have_are_mixed_with_those_of_imagenet(render_folder, tokenizer, tmp_path):
    with torch.random.fork_rng():
        old = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=1), render_folder, 2)
        upper = towers.Trunk().upper_stages
        new = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=2, upper=upper), render_folder, 2)
    torch.save(old.state(), tmp_path / "start.pt")
    name = "3.0.conv_pw.weight"
    end = new.average.upper.state_dict()[name].clone()
    new.mix(tmp_path / "start.pt", 0.5)
    assert torch.allclose(new.average.upper.state_dict()[name], (end + upper.state_dict()[name]) / 2, atol=1e-7)


@pytest.mark.slow
def test_the_ablation_reads_its_features_back_and_leaves_out_what_it_says(named_folder, tokenizer, tmp_path):
    teacher, made = FakeTeacher(), []

    def stream():
        made.append(1)
        for number, pair in enumerate(TrainingPairs(Renders([named_folder]), None, SIZE, 0, 1.0)):
            yield {**pair, "source": ("renders", "photographs")[number % 2]}

    features = [ablation.Features(tmp_path / "a", {"seed": 0}, stream, 12, teacher, at_once=8) for _ in range(2)][1]
    assert len(made) == 1 and len(features.pairs) == 12
    held_out = ablation.Features(
        tmp_path / "b", {"seed": 0}, lambda: read_held_out([named_folder], 4, size=SIZE), 4, teacher
    )
    batch = collate(list(islice(stream(), 12)))
    expected, _ = teacher(batch["images"])
    found, _ = features.read(range(12))
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(expected, found))
    with torch.random.fork_rng():
        everything, without = (
            ablation.run(part, features, held_out, TINY, teacher.classes, tokenizer, 3, 4, 0)
            for part in ((), ("spread",))
        )
        with pytest.raises(InputError, match="Without renders only 6"):
            ablation.run(("renders",), features, held_out, TINY, teacher.classes, tokenizer, 3, 8, 0)
    assert set(everything) == set(without) and everything != without
    assert all(any(name.startswith(start) for name in everything) for start in ablation.COLUMNS.values())


def test_held_out_figures_are_perfect_for_vectors_that_say_what_is_shown(embedded, named_folder):
    pairs = list(read_held_out([named_folder], 8))

    def encode(pairs):
        said = []
        for pair in pairs:
            templates = [CONDITIONS[condition][0] for condition in pair["conditions"]]
            said += [
                templates[0].format(f"flawless {pair['product']}"),
                templates[1].format(f"cracked {pair['product']}"),
            ]
        image = embedded.text_vectors(said)
        dense = image[:, None, None].repeat(1, 32, 32, 1)
        dense[1::2] = image[0::2][:, None, None]
        for number, pair in enumerate(pairs):
            mask = F.interpolate(pair["mask"][None, None], size=(32, 32))[0, 0] > 0
            dense[2 * number + 1][mask] = image[2 * number + 1]
        return image, dense

    measured = figures(pairs, encode, embedded.text_vectors)
    assert measured["state, AUROC, families seen"] > 0.95 and measured["pixel AUROC"] > 0.95
    assert measured["condition, top-1 of 6"] > 0.8 and measured["damaged twin higher"] == 1


@pytest.mark.parametrize("ahead", range(6))
def test_coming_first_among_a_few_drawn_is_counted_exactly(ahead):
    """Against every draw of two others from six classes, of which `ahead` are likelier than the right one."""
    draws = list(combinations(range(5), 2))
    first = sum(all(other >= ahead for other in draw) for draw in draws)
    assert first_among(3, classes=6, ahead=ahead) == pytest.approx(first / len(draws))


def test_the_table_of_real_images_averages_the_six_of_the_target_alone():
    table = {
        (product, condition): {"ensemble": (value, 0.5)}
        for product, value in (("bottle", 0.9), ("capsule", 0.7), ("hazelnut", 0.1))
        for condition in real_images.CONDITIONS
    }
    lines = real_images.markdown(table, "ensemble")
    assert lines[4].startswith("| **mean of 2** | 0.800 / 0.500") or lines[5].startswith(
        "| **mean of 2** | 0.800 / 0.500"
    )
    assert any(line.startswith("| hazelnut (reported only) | 0.100 / 0.500") for line in lines)


def test_the_odd_place_of_a_regular_picture_is_the_rare_one():
    """A tiling of two materials, one place of neither: it alone is unlike its nearest likes, however far they lie."""
    generator = torch.Generator().manual_seed(0)
    one, other, odd = torch.randn(3, 24, generator=generator)
    feature = torch.where(torch.arange(256).view(16, 16, 1) % 2 == 0, one, other).clone()  # (16, 16, 24)
    feature[5, 9] = odd
    residual, rarity = towers.unlike_the_rest(feature[None])
    assert torch.nonzero(residual[0].norm(dim=2) > 1e-4).tolist() == [[5, 9]]
    for values in rarity[0].unbind(dim=2):
        assert divmod(int(values.argmax()), 16) == (5, 9)
    assert rarity[0, 5, 9, 0] > 0.3 and rarity[0, ..., 0].flatten().sort().values[-2] == pytest.approx(0, abs=1e-5)


def test_what_is_unlike_the_rest_leans_towards_damage_once(render_folder, tokenizer):
    with torch.random.fork_rng():
        training = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=1), render_folder, 2)
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(2, n, side, side, generator=generator) for side, n in ((8, 72), (4, 120), (2, 352))]
    head = training.average.head
    before = head(*features)[1]
    training.lean([features])
    once = head(*features)[1]
    training.lean([features])
    axis = short_axis(lambda texts: training.encode_text(training.average, texts), "bottle")
    rarity = head.compare(*(head.standardise(feature, level) for level, feature in enumerate(features[:2])))[1]
    moved = torch.einsum("bdhw,d->bhw", once - before, axis)
    rarity = F.interpolate(rarity.permute(0, 3, 1, 2), size=(8, 8), mode="bilinear")[:, 0]
    assert torch.corrcoef(torch.stack([moved.flatten(), rarity.flatten()]))[0, 1] > 0.999
    assert torch.allclose(head(*features)[1], once, rtol=0.02, atol=0.02)  # asked twice, it leans once


def test_what_was_noisy_is_called_noisy_and_keeps_its_state(render_folder, tokenizer):
    with torch.random.fork_rng():
        training = learn(Training(TINY, FakeTeacher.classes, tokenizer, 10, seed=1), render_folder, 2)
        tower = towers.ImageTower(TINY).eval()
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(2, n, side, side, generator=generator) for side, n in ((8, 72), (4, 120), (2, 352))]
    tower.head = training.average.head
    clean = torch.zeros(1, 3, 64, 64)
    noisy = clean + torch.randn(1, 3, 64, 64, generator=generator)
    before = [tower(pixels)[0] for pixels in (clean, noisy)]
    training.name_noise([features])
    after = [tower(pixels)[0] for pixels in (clean, noisy)]
    assert torch.equal(after[0], before[0])
    added = F.normalize(after[1] - before[1], dim=1)[0]
    likeness = condition_vectors(lambda texts: training.encode_text(training.average, texts)) @ added
    assert list(CONDITIONS)[likeness.argmax()] == "noisy"
    axes = [short_axis(lambda texts: training.encode_text(training.average, texts), name) for name in ("bottle", "nut")]
    assert max(abs(F.normalize(axis, dim=0) @ added) for axis in axes) < 0.25


def test_a_picture_alone_reads_as_in_a_batch():
    tower = towers.ImageTower(TINY).eval()
    torch.nn.init.normal_(tower.head.unlike.weight, generator=torch.Generator().manual_seed(0))
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = tower(pixels)
        alone = [tower(one[None]) for one in pixels]
    for number, parts in enumerate(zip(*alone)):
        assert torch.allclose(torch.cat(parts), together[number], atol=1e-4)


def test_weights_survive_the_file_and_damaged_files_are_refused(tmp_path):
    architecture = towers.Architecture(
        dim=16, image_size=64, head_width=8, text_width=24, text_layers=1, context_length=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text, image = towers.build_text_tower(architecture), towers.ImageTower(architecture).eval()
    weights.save(tmp_path, architecture, text, image, np.log(20.0))
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

    weights.write_merges(tmp_path)
    ours, clip = towers.build_tokenizer(towers.Architecture(), tmp_path), open_clip.SimpleTokenizer()
    for text in ("a photo of a damaged metal nut.", "leather", "a dark photo of the bottle."):
        assert [ours.decoder[token] for token in ours.encode(text)] == [
            clip.decoder[token] for token in clip.encode(text)
        ]
    assert ours.vocab_size == towers.MERGES + 514
