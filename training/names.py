"""Teach the text tower what names mean: `python -m training.names --out DIR`.

Text tower only. A language model and WordNet say how alike names are. Names that the image tower was trained with, the
"known" ones, keep their vectors, for pictures were taught to lie there; every other name is pulled to where its
likeness to them puts it. Beside that, directions of the joint space that neither texts nor pictures use take up what a
name means, known or not: no picture lies along them, so no picture's reading changes. Text vectors become longer by
that before they are brought to unit length, and the logit scale makes up for it.

States, kinds of damage and conditions keep their directions: what a sentence says beside the name is, for every name,
what it said to the old tower. What means nothing (codes, keys, other scripts) is pulled to "object".

A list of everyday names in groups is held back from the first part of the steps, after which the figure is taken; the
last part learns them too.
"""

import argparse
import copy
import math
import random
import sys
from dataclasses import dataclass
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
SPARE = 96  # directions that take up what names mean
# The temperature at which likeness to known names makes a place: held-out renders find the name of their product among
# 24 best at it when that name is left out of the known ones.
SHARPNESS = 0.05
WIDTH, LANDMARKS = 0.3, 3000  # of the kernel that brings likeness into SPARE dimensions (kernel principal components)
KIN = 384  # dimensions of WordNet's part
LEARNING_RATE, WARM_UP = 2e-3, 20
AVERAGE_DECAY = 0.95
PLURALS, PLAINLY = 0.2, 0.55  # shares of the names said so
RELATED, NEAR = 0.05, 0.07  # weight of the likeness among the names of a step, and its temperature
EVERYDAY = {"artifact": 1.0, "food": 1.0, "substance": 0.8, "body": 0.5, "object": 0.4}  # how often; others .25


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
        return weights

    def lesson(self, count, with_held_back, generator):
        """Sentences of one step with their vectors as they should be: list of n, and (n, d) as pictures see them,
        (n, SPARE) what their names mean."""
        weights = self.how_often.where(~self.held_back, 6.0 if with_held_back else 0.0)
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
        for _ in range(count // 10):
            name = nonsense(self.rng)
            if name not in self.row:
                say(name, self.row[NOTHING[0]], self.rng.random() < PLAINLY)
        for saying in self.rng.sample(self.sayings, count // 4):
            name, vector = self.rng.choice(saying.examples)
            sentences.append(saying.pattern.format(name))
            seen.append(vector)
            meant.append(self.meaning[self.row[name]])
        return sentences, torch.stack(seen), torch.stack(meant)


def loss_of(vectors, seen, meant, spare):
    """How far text vectors (n, d) are from what they should be: in all, to pictures' eyes, and among one another."""
    target = F.normalize(seen + meant @ spare, dim=1)
    pull = (1 - (vectors * target).sum(dim=1)).mean()
    to_pictures = [one - one @ spare.T @ spare for one in (vectors, seen)]
    place = (1 - F.cosine_similarity(*to_pictures)).mean()
    should, do = ((one @ target.T / NEAR).fill_diagonal_(-99.0) for one in (target, vectors))
    return pull + place + RELATED * F.cross_entropy(do, should.softmax(dim=1))


def encoded(tower, tokens):
    """(N, L) token ids -> (N, d) unit vectors; causal, so columns behind the last end of text are cut off."""
    longest = int(tokens.argmax(dim=1).max()) + 1
    with mixed_precision(tokens.device):
        x = tower.token_embedding(tokens[:, :longest]) + tower.positional_embedding[:longest]
        x = tower.transformer(x, attn_mask=tower.attn_mask[:longest, :longest])
        x = tower.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]
    return F.normalize(x.float() @ tower.text_projection, dim=1)


def teach(tower, tokenizer, vocabulary, steps, held_back_until, count, seed=0, report=print):
    """Train a text tower in place.

    Args:
        held_back_until: steps in which the held-back names are not taught. count: names in a step.
        report: called with a line of text now and then.
    Returns:
        share of the held-back names beside their own group when they had not been taught yet, and at the end.
    """
    groups, generator = held_back_groups(), torch.Generator().manual_seed(seed)
    average = copy.deepcopy(tower).requires_grad_(False)
    optimiser = torch.optim.AdamW(tower.train().requires_grad_(True).parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    figures = []
    for step in range(steps):
        sentences, seen, meant = vocabulary.lesson(count, step >= held_back_until, generator)
        loss = loss_of(encoded(tower, tokenizer(sentences)), seen, meant, vocabulary.spare)
        for group in optimiser.param_groups:
            cosine = 0.52 + 0.48 * math.cos(math.pi * step / steps)
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * cosine
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), tower.parameters()):
                mean.lerp_(weight, 1 - min(AVERAGE_DECAY, step / (step + 5)))
        if step + 1 in (held_back_until, steps):
            figures.append(beside_their_own(lambda texts: encoded(average, tokenizer(texts)).detach(), groups))
        if (step + 1) % 20 == 0:
            report(f"step {step + 1}/{steps}  loss {loss.item():.3f}  beside their own {figures}")
    tower.load_state_dict(average.state_dict())
    return figures


@command_line
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m training.names", description=__doc__.split("\n")[0])
    parser.add_argument("--start", type=Path, default=embedded.ASSETS, help="folder of the weights to start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights that are written")
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the language model is unpacked")
    parser.add_argument("--wordnet", type=Path, default=WORDNET, help="folder of WordNet's files")
    parser.add_argument("--steps", type=int, default=260)
    parser.add_argument("--held-back-until", type=int, default=200, help="steps without the held-back names")
    parser.add_argument("--names", type=int, default=224, help="names in a step")
    arguments = parser.parse_args(arguments)
    try:
        backbone, (text, image, tokenizer, scale) = open_backbone(arguments.start), embedded.load(arguments.start)
        model, rng = LanguageModel(arguments.work / "language_model"), random.Random(0)
        torch.manual_seed(0)
        vocabulary = Vocabulary(backbone, WordNet(arguments.wordnet), model, tokenizer, rng)
        figures = teach(text, tokenizer, vocabulary, arguments.steps, arguments.held_back_until, arguments.names)
        print("held-back names beside their own: {:.3f}; once they are taught too: {:.3f}".format(*figures))
        save(arguments.out, embedded.Architecture(), text, image, math.log(scale) + math.log(2) / 2)
        taught = [name for name in vocabulary.known if name not in NOTHING]
        (arguments.out / "known_names.txt").write_text("\n".join(taught) + "\n", encoding="utf-8")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.exit(main())
