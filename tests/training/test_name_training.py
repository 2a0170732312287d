"""Names, WordNet and what a step of `training.names` teaches, on a WordNet of nine nouns."""

import random
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from training import names as teaching
from training.captions import imagenet_names
from training.nonsense import KINDS, nonsense
from training.text_space import beside_their_own
from training.wordnet import WordNet
from zsad_core import embedded as shipped
from zsad_core.errors import InputError
from zsad_core.text_transformer import TextTransformer

NOUNS = """\
00000001 03 n 01 entity 0 000 | that which is
00000002 06 n 01 artifact 0 001 @ 00000001 n 0000 | a thing that is made
00000003 06 n 02 hand_tool 0 tool 1 001 @ 00000002 n 0000 | a tool used with the hands; "a box of tools"
00000004 06 n 01 hammer 0 001 @ 00000003 n 0000 | a tool that strikes
00000005 06 n 02 wrench 0 spanner 0 001 @ 00000003 n 0000 | a tool that turns nuts
00000006 06 n 01 knife 0 001 @ 00000003 n 0000 | a tool that cuts
00000007 13 n 01 food 0 001 @ 00000001 n 0000 | what is eaten
00000008 13 n 01 plum 0 001 @ 00000007 n 0000 | a fruit
00000009 04 n 01 hammer 0 001 @ 00000001 n 0000 | the act of pounding
"""
INDEX = {"entity": "1", "artifact": "2", "hand_tool": "3", "tool": "3", "hammer": "9 4", "wrench": "5", "spanner": "5",
         "knife": "6", "food": "7", "plum": "8"}  # fmt: skip


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wordnet")
    licence = "  1 This software and database\n"
    (folder / "data.noun").write_text(licence + NOUNS)
    lines = []
    for word, numbers in INDEX.items():
        numbers = [number.zfill(8) for number in numbers.split()]
        lines.append(f"{word} n {len(numbers)} 1 @ {len(numbers)} 0 {' '.join(numbers)}")
    (folder / "index.noun").write_text(licence + "\n".join(lines) + "\n")
    (folder / "noun.exc").write_text("knives knife\n")
    (folder / "cntlist.rev").write_text("hammer%1:06:00:: 1 4\nhammer%2:35:00:: 1 3\n")
    return WordNet(folder)


@pytest.fixture
def tiny_text_tower():
    torch.manual_seed(0)
    tokenizer = shipped.build_tokenizer(shipped.Architecture())
    tower = TextTransformer(32, tokenizer.eot_token_id + 1, width=16, heads=2, layers=1, output_dim=8).eval()
    return tower.requires_grad_(False), tokenizer


def test_only_things_are_senses_and_only_nouns_are_counted(wordnet):
    assert wordnet.senses["hammer"] == ["00000004"] and "entity" not in wordnet.senses
    assert wordnet.synsets["00000003"].meaning == "a tool used with the hands"
    assert wordnet.uses == {"hammer": 4}


@pytest.mark.parametrize("one, many", [("bread knife", "bread knives"), ("box", "boxes"), ("glass", "glasses"),
                                       ("battery", "batteries"), ("toy", "toys"), ("pliers", "pliers")])  # fmt: skip
def test_plurals(wordnet, one, many):
    assert wordnet.plural(one) == many


def test_kin_are_alike_synonyms_the_same_and_strangers_nothing(wordnet):
    wrench, spanner, hammer, plum, compound, nonsense_ = wordnet.kinship(
        ["wrench", "spanner", "hammers", "plum", "torque wrench", "qwert"], dim=512
    )
    assert torch.allclose(wrench, spanner) and torch.allclose(wrench, compound)
    assert wrench @ hammer > 0.2 > abs(wrench @ plum) and not nonsense_.any()


def test_a_missing_wordnet_is_said_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="install Debian's wordnet-base"):
        WordNet(tmp_path)


def test_the_held_back_names_are_everyday_and_no_picture_has_taught_one():
    groups = teaching.held_back_groups()
    names = [name for group in groups.values() for name in group]
    assert len(groups) >= 30 and len(names) >= 300 and len(set(names)) == len(names)
    assert not {*names} & {*teaching.known_names()}
    assert min(map(len, groups.values())) >= 5


def test_names_that_mean_nothing_are_of_every_kind():
    rng = random.Random(0)
    drawn = [nonsense(rng) for _ in range(400)]
    assert len(set(drawn)) > 350 and all(drawn)
    assert any(not name.isascii() for name in drawn) and any(character.isdigit() for character in "".join(drawn))
    assert not {*drawn} & {*imagenet_names()}
    assert len(KINDS) == 5


def test_a_name_lies_among_the_known_ones_it_is_like_and_what_it_means_keeps_neighbours():
    generator = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(4, 32, generator=generator), dim=1)
    sense = F.normalize(centres.repeat_interleave(40, 0) + 0.1 * torch.randn(160, 32, generator=generator), dim=1)
    known = torch.eye(4)
    where = teaching.places(sense, centres, known)
    assert (where.argmax(dim=1) == torch.arange(4).repeat_interleave(40)).all()
    meant = teaching.meanings(sense, sense)
    assert meant.shape == (160, teaching.SPARE)
    groups = {str(place): [f"{place} {number}" for number in range(40)] for place in range(4)}
    assert beside_their_own(lambda texts: meant, groups) == 1


def test_the_loss_is_least_where_vectors_are_what_they_should_be():
    generator = torch.Generator().manual_seed(0)
    spare = torch.linalg.qr(torch.randn(24, 8, generator=generator))[0].T
    seen = torch.randn(6, 24, generator=generator)
    seen = F.normalize(seen - seen @ spare.T @ spare, dim=1)
    meant = F.normalize(torch.randn(6, 8, generator=generator), dim=1)
    should = F.normalize(seen + meant @ spare, dim=1)
    assert torch.allclose(seen @ should.T * 2**0.5, seen @ seen.T, atol=1e-5)  # the logit scale makes up for it
    least = teaching.loss_of(should, seen, meant, spare)
    for other in (F.normalize(should + 0.3 * torch.randn(6, 24, generator=generator), dim=1), should.roll(1, 0), seen):
        assert teaching.loss_of(other, seen, meant, spare) > least


@pytest.mark.slow
def test_what_pieces_of_words_mean_is_written_into_their_word_vectors_and_those_of_held_back_names_are_not():
    generator = torch.Generator().manual_seed(0)
    vocabulary = SimpleNamespace(
        names=["hammer", "plum", "zinc plum"],
        meaning=F.normalize(torch.randn(3, teaching.SPARE, generator=generator), dim=1),
        how_often=torch.tensor([4.0, 4.0, 2.0]),
        held_back=torch.tensor([True, False, False]),
    )
    tokenizer = shipped.build_tokenizer(shipped.Architecture())
    meaning = teaching.pieces_of_meaning(vocabulary, tokenizer)
    for name, meant in zip(vocabulary.names[1:], vocabulary.meaning[1:]):
        assert F.cosine_similarity(meaning[tokenizer.encode(name)].sum(dim=0), meant, dim=0) > 0.95
    assert not meaning[tokenizer.encode("hammer")].any()
    tower = torch.nn.Module()
    tower.token_embedding = torch.nn.Embedding(len(meaning), 192)
    before = tower.token_embedding.weight.detach().clone()
    teaching.give_head_start(tower, meaning)
    moved = (tower.token_embedding.weight - before).norm(dim=1) > 0
    assert moved.nonzero()[:, 0].tolist() == sorted({*tokenizer.encode("zinc plum")})


def test_long_sentences_are_encoded_apart_and_come_back_in_their_order(tiny_text_tower):
    tower, tokenizer = tiny_text_tower
    sentences = ["a photo of a plum on a red table.", "plum", "a nut.", "a photo of a broken nut.", "box"]
    together = teaching.vectors_by(tower, tokenizer, sentences)
    assert torch.allclose(teaching.encoded_apart(tower, tokenizer(sentences)), together, atol=1e-5)


def test_random_words_take_the_place_of_the_first_ones_and_of_no_others(tiny_text_tower):
    tower, tokenizer = tiny_text_tower
    tokens = tokenizer(["red box broken nut.", "red box broken nut.", "a nut."])
    behind = torch.tensor([2, 0, 0])
    first, second = (teaching.encoded(tower, tokens, behind) for _ in range(2))
    plain = teaching.encoded(tower, tokens)
    assert torch.allclose(first[1:], plain[1:], atol=1e-6)
    assert len({tuple(rows[0].tolist()) for rows in (first, second, plain)}) == 3


def test_states_stand_behind_words_as_the_old_tower_reads_them_or_the_mean_of_random_ones(embedded, monkeypatch):
    monkeypatch.setattr(teaching, "PREFIXED", 6)
    said = teaching.prefixed_sentences(embedded, ["hammer", "leather", "plum", "screw", "zipper"], random.Random(0))
    assert len(said) == 12 and all(one.name in one.sentence for one in said)
    for one in said:
        same = torch.allclose(embedded.text_vectors([one.sentence])[0], one.vector, atol=1e-4)
        assert same == (not one.random)
        assert one.random <= teaching.PREFIX and one.vector.norm().item() == pytest.approx(1, abs=1e-4)


def test_meaning_that_is_made_longer_leaves_what_pictures_see(tiny_text_tower):
    tower, tokenizer = tiny_text_tower
    spare = torch.linalg.qr(torch.randn(8, 3))[0].T  # (3, 8)
    before = teaching.vectors_by(tower, tokenizer, ["a nut.", "plum"])
    teaching.lengthen_meaning(tower, spare, 2.0)
    after = teaching.vectors_by(tower, tokenizer, ["a nut.", "plum"])
    seen, now = (F.normalize(vectors - vectors @ spare.T @ spare, dim=1) for vectors in (before, after))
    assert torch.allclose(seen, now, atol=1e-5)
    assert ((after @ spare.T).norm(dim=1) > (before @ spare.T).norm(dim=1)).all()


def test_a_training_in_parts_uses_all_lessons_and_gives_both_figures(tiny_text_tower, wordnet, monkeypatch):
    monkeypatch.setattr(teaching, "SPARE", 3)
    tower, tokenizer = tiny_text_tower
    generator = torch.Generator().manual_seed(0)
    names, vectors = ["hammer", "object", "plum", "wrench"], F.normalize(torch.randn(4, 8, generator=generator), dim=1)
    vocabulary = object.__new__(teaching.Vocabulary)
    vars(vocabulary).update(
        wordnet=wordnet,
        rng=random.Random(0),
        names=names,
        row={name: place for place, name in enumerate(names)},
        place=vectors,
        meaning=F.normalize(torch.randn(4, 3, generator=generator), dim=1),
        spare=torch.linalg.qr(torch.randn(8, 3, generator=generator))[0].T,
        how_often=torch.ones(4),
        held_back=torch.tensor([True, False, False, False]),
        sayings=[teaching.Said("a broken {}.", 0.1 * vectors[0], [("plum", vectors[2])])] * 4,
        prefixed=[teaching.Prefixed("red box plum.", "plum", vectors[2], number) for number in (0, 2)],
    )
    parts = teaching.Part(2, 1e-3, 0.5, 0.0, 1.0), teaching.Part(2, 1e-3, 0.5, 0.5, 0.7)
    before = {name: weight.clone() for name, weight in tower.state_dict().items()}
    figures = teaching.teach(tower, tokenizer, vocabulary, parts, held_back_until=1, count=4, report=lambda line: None)
    assert all(not torch.equal(before[name], weight) for name, weight in tower.named_parameters())
    with torch.no_grad():
        last = beside_their_own(lambda texts: teaching.vectors_by(tower, tokenizer, texts), teaching.held_back_groups())
    assert len(figures) == 2 and figures[-1] == pytest.approx(last)
