"""Teach the text tower what names mean: `python -m training.names --start WEIGHTS --out DIR`.

Text tower only. A language model and WordNet say how alike names are. Names that the image tower was trained with, the
"known" ones, keep their vectors, for pictures were taught to lie there; every other name is pulled to where its
likeness to them puts it. Beside that, directions of the joint space that neither texts nor pictures use take up what a
name means, known or not: no picture lies along them, so no picture's reading changes. Text vectors become longer by
that before they are brought to unit length, and the logit scale makes up for it.

States, kinds of damage and conditions keep their directions: what a sentence says beside the name is, for every name,
what it said to the old tower, also behind words that have nothing to do with it, drawn or random, as behind a prompt's
learned ones. What means nothing (codes, keys, other scripts) is pulled to "object".

A list of everyday names in groups is held back from the first of the steps, after which the figure is taken; from then
on they are learned too.
"""

import argparse
import copy
import math
import random
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

from zsad_core import embedded
from zsad_core.command_line import command_line
from zsad_core.errors import InputError
from zsad_core.images import read_image

from .captions import ABNORMAL, CONDITIONS, DAMAGE, NEUTRAL, NORMAL, imagenet_names, product_names
from .evaluate import open_backbone
from .factory import families  # noqa: F401  registers them
from .factory.build import FAMILIES
from .language_model import LanguageModel
from .learner import mixed_precision
from .nonsense import nonsense
from .renders import HELD_OUT_FAMILIES
from .text_space import beside_their_own
from .weights import save
from .wordnet import FOLDER as WORDNET
from .wordnet import WordNet
from .yardstick import FOLDER as YARDSTICK

HELD_BACK = Path(__file__).with_name("held_back_names.txt")
NOTHING = ("object", "product", "thing")  # names of anything
SENTENCES = ("{}.", "a photo of a {}.", "a close-up photo of the {}.", "there is a {} in the scene.")  # of the known
PLAIN = (*NEUTRAL, "{}.", "{}.", "a photo of a {}.", "{}")
COLOURS = ("red", "green", "blue", "white", "black", "yellow", "grey", "brown", "orange")
MATERIALS = "steel", "plastic", "wooden", "glass", "ceramic", "rubber", "brass", "paper", "leather", "copper"
GROUNDS = ("a wood", "a white", "a dark", "a metal", "a grey", "a concrete")
TOLD = 1600  # sentences around a name whose directions are kept
TOLD_OF = 3  # known names by which each of them is measured
PREFIXED, PREFIX = 8000, 4  # sentences behind words that have nothing to do with them, of each kind; most such words
DRAWS = 4  # of random words, whose old vectors are averaged
SPARE = 96  # directions that take up what names mean
# The temperature at which likeness to known names makes a place: held-out renders find the name of their product among
# 24 best at it when that name is left out of the known ones.
SHARPNESS = 0.05
WIDTH, LANDMARKS = 0.3, 3000  # of the kernel that brings likeness into SPARE dimensions (kernel principal components)
KIN = 384  # dimensions of WordNet's part
WARM_UP = 30
WORD_RATE = 6.0  # times the learning rate at which word vectors learn: each is met seldom
AVERAGE_DECAY = 0.97
PLURALS, PLAINLY = 0.15, 0.8  # shares of the names said so
NONSENSE = 0.06  # names that mean nothing, to a name
COUNT, HELD_BACK_UNTIL = 400, 550  # names in a step; steps of the first part without those held back
HEAD_START = 8.0  # lengths of word vectors that the meaning of a piece adds to its own
PIECE_STEPS, PIECE_RATE, PIECE_DECAY = 200, 0.05, 1e-3  # of the fit that gives pieces of words a meaning
SHORT = 0.7  # share of a step's sentences, the shortest, that are encoded apart from the longer ones
RELATED, NEAR = 0.05, 0.07  # weight of the likeness among the names of a step, and its temperature
EVERYDAY = {"artifact": 1.0, "food": 1.0, "substance": 0.8, "body": 0.5, "object": 0.4}  # how often; others .25
FAVOUR = 1.4  # power by which what is met often is favoured
HELD_BACK_WEIGHT = 6.0  # how often, before that power


@dataclass(frozen=True)
class Part:
    """A part of the training.

    Attributes:
        steps: how many. rate: the learning rate after the warm-up, which falls on a cosine.
        anchors: sentences as the old tower reads them, to a name. prefixed: such sentences behind other words.
        meaning: length of what a name means, where what pictures see of it has length 1.
    """

    steps: int
    rate: float
    anchors: float
    prefixed: float
    meaning: float


# First mostly the names, then more of what is to stay, then that behind other words too.
PARTS = Part(1400, 3e-3, 0.12, 0.0, 1.0), Part(600, 1.5e-3, 0.35, 0.0, 1.0), Part(800, 1.5e-3, 0.35, 0.25, 0.7)


def held_back_groups():
    """Everyday names in groups, on which the figure is taken: dict of group -> names."""
    lines = HELD_BACK.read_text(encoding="utf-8").splitlines()
    return {group: names.split(", ") for group, names in (line.split(": ") for line in lines)}


def known_names():
    """The names that the image tower was trained with, and those that mean anything."""
    rendered = (family.name for key, family in FAMILIES.items() if key not in HELD_OUT_FAMILIES)
    return sorted({*imagenet_names(), *rendered, *NOTHING})


def all_names(wordnet, tokenizer):
    """Every name to teach: WordNet's of ImageNet, everyday ones, the known, the held back and CLIP's whole words."""
    everyday = [
        name
        for name, senses in wordnet.senses.items()
        if wordnet.synsets[senses[0]].kind in EVERYDAY and name.count(" ") < 2
    ]
    words = [token.removesuffix("</w>") for token in tokenizer.decoder.values() if token.endswith("</w>")]
    words = [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()]
    held_back = [name for names in held_back_groups().values() for name in names]
    return sorted({*product_names(), *everyday, *words, *held_back, *known_names()})


def senses(names, wordnet, model):
    """(N, 384 + 384 + KIN) unit vectors of what names mean, a third each: the language model's of the name, and of the
    definitions of what it names (the name's again where there is none); WordNet's kinship."""
    plain = model(names)
    plain = F.normalize(plain - plain.mean(dim=0), dim=1)
    numbers = sorted({number for name in names for number in wordnet.senses.get(name, ())})
    told = model([f"{', '.join(s.names)}: {s.meaning}" for s in map(wordnet.synsets.get, numbers)])
    row = {number: place for place, number in enumerate(numbers)}
    defined = plain.clone()
    for place, name in enumerate(names):
        if name in wordnet.senses:
            vector = told[[row[number] for number in wordnet.senses[name]]].mean(dim=0)
            defined[place] = F.normalize(vector - told.mean(dim=0), dim=0)
    return F.normalize(torch.cat([plain, defined, wordnet.kinship(names, KIN)], dim=1), dim=1)


def meanings(sense, landmarks):
    """What names mean in SPARE dimensions, (N, SPARE) unit vectors: kernel principal components of their senses, on the
    senses of some names, (M, D)."""

    def kernel(vectors):
        return ((vectors @ landmarks.T - 1) / WIDTH).exp()

    own = kernel(landmarks)
    mean = own.mean(dim=0)
    values, axes = torch.linalg.eigh(own - mean - mean[:, None] + mean.mean())
    axes = axes[:, -SPARE:] / values[-SPARE:].clamp(min=1e-6).sqrt()
    return torch.cat([F.normalize((kernel(rows) - mean) @ axes, dim=1) for rows in sense.split(4000)])


def places(sense, known_sense, known_vectors):
    """Where pictures of a name should lie, (N, d): the known names' vectors, weighted by likeness."""
    return torch.cat(
        [
            F.normalize((rows @ known_sense.T / SHARPNESS).softmax(dim=1) @ known_vectors, dim=1)
            for rows in sense.split(4000)
        ]
    )


def spare_directions(backbone, sentences, pictures=YARDSTICK):
    """(SPARE, d) orthonormal directions along which texts, pictures and places of pictures have next to nothing."""
    paths = sorted(Path(pictures).glob("*/*.webp"))[::12]
    seen = backbone.encode([read_image(path) for path in paths])
    parts = backbone.text_vectors(sentences), seen.image, seen.dense.flatten(0, 2)
    used = sum(part.T @ part / len(part) for part in parts)
    return torch.linalg.eigh(used)[1][:, :SPARE].T


@dataclass
class Said:
    """Sentences around a name. pattern: with {}; direction: (d,) what it adds to the name's vector, by the old tower;
    examples: (name, the sentence's old vector) of known names."""

    pattern: str
    direction: torch.Tensor
    examples: list


def old_sayings(backbone, known, known_vectors, rng):
    """`TOLD` random sentences of all states, conditions, colours, materials and grounds, as the old tower read them."""
    patterns, names = [], []
    for _ in range(TOLD):
        thing = f"{rng.choice(COLOURS + MATERIALS)} {{}}" if rng.random() < 0.25 else "{}"
        state = rng.choice((("{}",), ("{}",), NORMAL, ABNORMAL, rng.choice(list(DAMAGE.values()))))
        template = rng.choice(rng.choice((NEUTRAL, NEUTRAL, rng.choice(list(CONDITIONS.values())))))
        pattern = template.format(rng.choice(state).format(thing))
        patterns.append(f"{pattern[:-1]} on {rng.choice(GROUNDS)} background." if rng.random() < 0.08 else pattern)
        names.append([rng.choice((*NOTHING, *rng.sample(known, 5))) for _ in range(TOLD_OF)])
    sentences = [pattern.format(name) for pattern, some in zip(patterns, names) for name in some]
    vectors = backbone.text_vectors(sentences).view(TOLD, TOLD_OF, -1)
    row = {name: place for place, name in enumerate(known)}
    return [
        Said(pattern, (told - known_vectors[[row[name] for name in some]]).mean(dim=0), list(zip(some, told)))
        for pattern, some, told in zip(patterns, names, vectors)
    ]


@dataclass
class Prefixed:
    """A sentence behind words that have nothing to do with it. name: in it; vector: (d,) as the old tower reads it, or
    the mean of `DRAWS` readings with random words; random: how many of its first words stand for random vectors."""

    sentence: str
    name: str
    vector: torch.Tensor
    random: int


def prefixed_sentences(backbone, known, rng):
    """2 x `PREFIXED` sentences, known names with or without a state, behind words of the vocabulary and, every second
    one, behind random vectors."""
    words, _ = backbone.whole_words()
    sentences, names, before = [], [], []
    for number in range(2 * PREFIXED):
        state = rng.choice((("{}",), NORMAL, ABNORMAL, ABNORMAL, rng.choice(list(DAMAGE.values()))))
        names.append(rng.choice((*NOTHING, *rng.sample(known, 5))))
        prefix = rng.sample(words, rng.randint(1, PREFIX))
        before.append(len(prefix) if number % 2 else 0)
        sentences.append(f"{' '.join(prefix)} {rng.choice(state).format(names[-1])}.")
    vectors = backbone.text_vectors(sentences)
    for number in range(1, 2 * PREFIXED, 2):
        own = backbone.word_vectors(sentences[number])  # (L, w)
        drawn = own.expand(DRAWS, -1, -1).clone()
        noise = torch.randn(DRAWS, before[number], own.shape[1])
        drawn[:, : before[number]] = backbone.embedding_mean + backbone.embedding_std * noise
        vectors[number] = F.normalize(backbone.text_vectors_from_words(drawn).mean(dim=0), dim=0)
    return [Prefixed(*one) for one in zip(sentences, names, vectors, before)]


class Vocabulary:
    """Everything that a step draws from.

    Attributes:
        names: all N. place (N, d): where pictures of each should lie. meaning (N, SPARE). how_often (N,): weights.
        held_back: (N,) bool.
    """

    def __init__(self, backbone, wordnet, model, tokenizer, rng):
        self.wordnet, self.rng = wordnet, rng
        self.known, self.names = known_names(), all_names(wordnet, tokenizer)
        self.row = {name: place for place, name in enumerate(self.names)}
        known = [self.row[name] for name in self.known]
        vectors = backbone.text_vectors([one.format(name) for name in self.known for one in SENTENCES])
        vectors = F.normalize(vectors.view(len(known), len(SENTENCES), -1).mean(dim=1), dim=1)
        sense = senses(self.names, wordnet, model)
        self.place = places(sense, sense[known], vectors)
        self.place[known] = vectors
        groups = [name for names in held_back_groups().values() for name in names]
        forms = {form for name in groups for form in (name, wordnet.plural(name), name.replace("-", " "))}
        self.held_back = torch.tensor([name in forms for name in self.names])
        landmarks = [place for place, name in enumerate(self.names) if name in wordnet.senses and name not in forms]
        self.meaning = meanings(sense, sense[sorted(rng.sample(landmarks, LANDMARKS))])
        self.sayings = old_sayings(backbone, self.known, vectors, rng)
        self.spare = spare_directions(
            backbone, [one.pattern.format(name) for one in self.sayings for name, _ in one.examples]
        )
        self.how_often = self._how_often(known)
        self.prefixed = prefixed_sentences(backbone, self.known, rng)

    def _how_often(self, known):
        """Everyday things oftener, and so what WordNet's makers counted oftener; state and condition words never."""
        groups = (NORMAL, ABNORMAL, NEUTRAL, *DAMAGE.values(), *CONDITIONS.values())
        taken = {word for phrases in groups for one in phrases for word in one.replace(".", "").split()}
        weights = torch.zeros(len(self.names))
        for place, name in enumerate(self.names):
            kind = self.wordnet.synsets[self.wordnet.senses[name][0]].kind if name in self.wordnet.senses else ""
            single = 1.6 if " " not in name else 1.0
            counted = 1 + min(self.wordnet.uses.get(name, 0), 8) ** 0.5
            weights[place] = 0.0 if name in taken else EVERYDAY.get(kind, 0.25) * single * counted
        weights[known] = 4.0
        return weights**FAVOUR

    def lesson(self, count, part, with_held_back, generator):
        """Sentences of one step with their vectors as they should be: list of n, and (n, d) as pictures see them,
        (n, SPARE) what their names mean; (n,) how many of their first words stand for random ones."""
        weights = self.how_often.where(~self.held_back, HELD_BACK_WEIGHT**FAVOUR if with_held_back else 0.0)
        sentences, seen, meant = [], [], []

        def say(name, row, plainly):
            saying = self.rng.choice(self.sayings)
            sentences.append((self.rng.choice(PLAIN) if plainly else saying.pattern).format(name))
            seen.append(self.place[row] if plainly else F.normalize(self.place[row] + saying.direction, dim=0))
            meant.append(self.meaning[row])

        for row in torch.multinomial(weights, count, generator=generator).tolist():
            name = self.names[row]
            name = self.wordnet.plural(name) if self.rng.random() < PLURALS else name
            say(name, row, self.rng.random() < PLAINLY)
        for _ in range(int(count * NONSENSE)):
            name = nonsense(self.rng)
            if name not in self.row:
                say(name, self.row[NOTHING[0]], self.rng.random() < PLAINLY)
        for saying in self.rng.sample(self.sayings, int(count * part.anchors)):
            name, vector = self.rng.choice(saying.examples)
            sentences.append(saying.pattern.format(name))
            seen.append(vector)
            meant.append(self.meaning[self.row[name]])
        random_words = [0] * len(sentences)
        for one in self.rng.sample(self.prefixed, int(count * part.prefixed)):
            sentences.append(one.sentence)
            seen.append(one.vector)
            meant.append(self.meaning[self.row[one.name]])
            random_words.append(one.random)
        return sentences, torch.stack(seen), torch.stack(meant), torch.tensor(random_words)


def pieces_of_meaning(vocabulary, tokenizer):
    """(tokens, SPARE) what pieces of words mean: their sums come nearest to what the names mean that are no held-back
    ones, the oftener met the nearer. A word of two pieces means more than their sum; that is for the training."""
    rows = [row for row in vocabulary.how_often.nonzero()[:, 0].tolist() if not vocabulary.held_back[row]]
    pieces = [tokenizer.encode(vocabulary.names[row]) for row in rows]
    starts = torch.tensor([0, *map(len, pieces)]).cumsum(dim=0)[:-1]
    pieces = torch.tensor([piece for some in pieces for piece in some])
    meant, often = vocabulary.meaning[rows], vocabulary.how_often[rows].clamp(max=HELD_BACK_WEIGHT**FAVOUR)
    meaning = torch.zeros(tokenizer.eot_token_id + 1, SPARE, requires_grad=True)  # the end of text is the last token
    optimiser = torch.optim.Adam([meaning], lr=PIECE_RATE)
    for _ in range(PIECE_STEPS):
        apart = (F.embedding_bag(pieces, meaning, starts, mode="sum") - meant).square().sum(dim=1)
        loss = (apart * often / often.mean()).mean() + PIECE_DECAY * meaning.square().sum(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return meaning.detach()


@torch.no_grad()
def give_head_start(tower, meaning):
    """Writes what pieces of words mean (tokens, SPARE) into their word vectors, along directions that these least use:
    what the layers then have to learn first is the same for every word, to carry it on."""
    words = tower.token_embedding.weight
    apart = words - words.mean(dim=0)
    unused = torch.linalg.eigh(apart.T @ apart)[1][:, :SPARE]  # (w, SPARE)
    words += HEAD_START * words.norm(dim=1).mean() / meaning.norm(dim=1).mean() * meaning @ unused.T


def loss_of(vectors, seen, meant, spare, length=1.0):
    """How far text vectors (n, d) are from what they should be: in all, to pictures' eyes, in meaning, and among one
    another. length: of what a name means."""
    target = F.normalize(seen + length * meant @ spare, dim=1)
    pull = (1 - (vectors * target).sum(dim=1)).mean()
    to_pictures = [one - one @ spare.T @ spare for one in (vectors, seen)]
    place = (1 - F.cosine_similarity(*to_pictures)).mean()
    meaning = (1 - F.cosine_similarity(vectors @ spare.T, meant)).mean()
    should, do = ((one @ target.T / NEAR).fill_diagonal_(-99.0) for one in (target, vectors))
    return pull + place + meaning + RELATED * F.cross_entropy(do, should.softmax(dim=1))


def encoded_apart(tower, tokens, random_words=None):
    """As `encoded`, the long sentences apart from the short ones, which then cost little."""
    random_words = torch.zeros(len(tokens)) if random_words is None else random_words
    order = tokens.argmax(dim=1).argsort()
    parts = order.split([int(SHORT * len(order)), len(order) - int(SHORT * len(order))])
    return torch.cat([encoded(tower, tokens[part], random_words[part]) for part in parts])[order.argsort()]


def vectors_by(tower, tokenizer, texts):
    """Texts -> (N, d) unit vectors."""
    return encoded(tower, tokenizer(texts))


def encoded(tower, tokens, random_words=None):
    """(N, L) token ids -> (N, d) unit vectors; causal, so columns behind the last end of text are cut off.

    random_words: (N,) how many of the first words are replaced by random vectors with the mean and spread of all.
    """
    longest = int(tokens.argmax(dim=1).max()) + 1
    with mixed_precision(tokens.device):
        words = tower.token_embedding(tokens[:, :longest])
        if random_words is not None and random_words.any():
            table = tower.token_embedding.weight.detach()
            drawn = table.mean(dim=0) + (table - table.mean(dim=0)).square().mean().sqrt() * torch.randn_like(words)
            place = torch.arange(longest)
            words = drawn.where(((place > 0) & (place <= random_words[:, None]))[:, :, None], words)
        x = words + tower.positional_embedding[:longest]
        x = tower.transformer(x, attn_mask=tower.attn_mask[:longest, :longest])
        x = tower.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]
    return F.normalize(x.float() @ tower.text_projection, dim=1)


def learned(tower, tokenizer, lessons, part, spare):
    """Yields the running mean of the tower, and the loss, after every lesson of a part of the training."""
    average, words = copy.deepcopy(tower).requires_grad_(False), tower.token_embedding.weight
    others = [weight for weight in tower.train().requires_grad_(True).parameters() if weight is not words]
    groups = [{"params": others, "share": 1.0}, {"params": [words], "share": WORD_RATE}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))
    for step, (sentences, seen, meant, random_words) in enumerate(lessons):
        vectors = encoded_apart(tower, tokenizer(sentences), random_words)
        loss = loss_of(vectors, seen, meant, spare, part.meaning)
        for group in optimiser.param_groups:
            cosine = 0.52 + 0.48 * math.cos(math.pi * step / part.steps)
            group["lr"] = part.rate * group["share"] * min(1.0, (step + 1) / WARM_UP) * cosine
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), tower.parameters()):
                mean.lerp_(weight, 1 - min(AVERAGE_DECAY, step / (step + 5)))
        yield average, loss.item()


@torch.no_grad()
def lengthen_meaning(tower, spare, factor):
    """Makes what names mean longer in a tower's text vectors, along the directions (SPARE, d), before these are brought
    to unit length."""
    tower.text_projection += (factor - 1) * tower.text_projection @ spare.T @ spare


def teach(tower, tokenizer, vocabulary, parts=PARTS, held_back_until=HELD_BACK_UNTIL, count=COUNT, report=print):
    """Train a text tower in place.

    Args:
        parts: of the training, one after another. count: names in a step.
        held_back_until: steps of the first part in which the held-back names are not taught.
        report: called with a line of text now and then.
    Returns:
        share of the held-back names beside their own group when they had not been taught yet, and at the end.
    """
    give_head_start(tower, pieces_of_meaning(vocabulary, tokenizer))
    generator, figures, length = torch.Generator().manual_seed(0), [], 1.0

    @torch.no_grad()
    def figure(tower):
        return beside_their_own(partial(vectors_by, tower, tokenizer), held_back_groups())

    for number, part in enumerate(parts):
        lengthen_meaning(tower, vocabulary.spare, part.meaning / length)
        length = part.meaning
        last_without = held_back_until if number == 0 else 0
        lessons = (vocabulary.lesson(count, part, step >= last_without, generator) for step in range(part.steps))
        for step, (average, loss) in enumerate(learned(tower, tokenizer, lessons, part, vocabulary.spare)):
            if (number, step + 1) == (0, held_back_until):
                figures.append(figure(average))
            if (step + 1) % 20 == 0:
                report(f"part {number + 1}, step {step + 1}/{part.steps}  loss {loss:.3f}  beside their own {figures}")
        tower.load_state_dict(average.state_dict())
    lengthen_meaning(tower, vocabulary.spare, 1 / length)
    return [*figures, figure(tower)]


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.names", description=__doc__.split("\n")[0])
    parser.add_argument("--start", type=Path, required=True, help="folder of weights that were not taught names yet")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights that are written")
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the language model is unpacked")
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of WordNet's files")
    arguments = parser.parse_args(arguments)
    try:
        backbone, (text, image, tokenizer, scale) = open_backbone(arguments.start), embedded.load(arguments.start)
        model, rng = LanguageModel(arguments.work / "language_model"), random.Random(0)
        torch.manual_seed(0)
        vocabulary = Vocabulary(backbone, WordNet(arguments.wordnet), model, tokenizer, rng)
        figures = teach(text, tokenizer, vocabulary)
        print("held-back names beside their own: {:.3f}; once they are taught too: {:.3f}".format(*figures))
        save(arguments.out, embedded.Architecture(), text, image, math.log(scale) + math.log(2) / 2)
        taught = [name for name in vocabulary.known if name not in NOTHING]
        (arguments.out / "known_names.txt").write_text("\n".join(taught) + "\n", encoding="utf-8")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
