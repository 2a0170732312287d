"""WordNet's nouns: which things there are names for, what each is a kind of, and how alike two kinds are.

Read from the files of WordNet 3.0 (https://wordnet.princeton.edu, its own free licence), which Debian's package
`wordnet-base` puts into /usr/share/wordnet.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F

from zsad_core.errors import InputError

FOLDER = Path("/usr/share/wordnet")
THINGS = {
    "05": "animal",
    "06": "artifact",
    "08": "body",
    "13": "food",
    "17": "object",
    "20": "plant",
    "27": "substance",
}
LATER_SENSE = 0.4  # weight of a name's next sense beside the one before; the most frequent one comes first
SENSES = 4  # of a name that count
LONGEST = 24  # characters of a name


@dataclass(frozen=True)
class Synset:
    """names: its words; kind: of `THINGS` or ""; above: the synsets that it is a kind of; meaning: its definition."""

    names: tuple
    kind: str
    above: tuple
    meaning: str


class WordNet:
    """
    Attributes:
        synsets: by number, every noun's `Synset`.
        senses: the things that a name stands for, the most frequent one first: dict of name -> synset numbers.
        uses: how often a name was met in the texts that WordNet's makers counted, where it was.
    """

    def __init__(self, folder=FOLDER):
        """Raises InputError where the files are not there."""
        folder = Path(folder)
        try:
            self.synsets = dict(_synset(line) for line in _lines(folder / "data.noun"))
            index = [line.split() for line in _lines(folder / "index.noun")]
            counts = [line.split() for line in _lines(folder / "cntlist.rev")]
            self._irregular = {_name(one): _name(many) for many, one, *_ in map(str.split, _lines(folder / "noun.exc"))}
        except OSError as error:
            raise InputError(
                f"WordNet's nouns are not in {folder.name!r}: install Debian's wordnet-base, or give the folder."
            ) from error
        self.senses = {}
        for word, _, senses, *rest in index:
            things = [number for number in rest[-int(senses) :] if self.synsets[number].kind]
            if things and 2 < len(word) <= LONGEST:
                self.senses[_name(word)] = things
        self.uses = {}
        for key, _, count in counts:
            word, _, rest = key.partition("%")
            if rest.startswith("1:"):  # a noun
                self.uses[_name(word)] = self.uses.get(_name(word), 0) + int(count)

    def plural(self, name):
        """The plural of a name, whose last word takes it."""
        before, space, last = name.rpartition(" ")
        if last in self._irregular:
            return f"{before}{space}{self._irregular[last]}"
        if last.endswith("s") and not last.endswith("ss"):
            return name
        if last.endswith(("s", "x", "z", "ch", "sh")):
            return f"{name}es"
        return f"{name[:-1]}ies" if last.endswith("y") and last[-2:-1] not in tuple("aeiou") else f"{name}s"

    def kinship(self, names, dim, seed=0):
        """Vectors whose cosines tell how much of their ancestry the things share (Lin's measure, ICML 1998).

        A synset is the sum of random directions, one for it and one for every synset above it, each as long as the root
        of the information that it adds. A name that WordNet has not is taken by its last word.

        Returns:
            (N, dim) unit vectors; zero where there is no such thing.
        """
        above = lru_cache(None)(
            lambda number: frozenset([number]).union(*(above(one) for one in self.synsets[number].above))
        )
        things = [number for number, synset in self.synsets.items() if synset.kind]
        below = {}
        for number in things:
            for one in above(number):
                below[one] = below.get(one, 0) + 1
        told = {number: math.log(len(things) / count) for number, count in below.items()}
        row = {number: place for place, number in enumerate(sorted(told))}
        directions = torch.randn(len(row), dim, generator=torch.Generator().manual_seed(seed)) / dim**0.5

        @lru_cache(None)
        def vector(number):
            adds = {
                one: told[one] - max((told[top] for top in self.synsets[one].above), default=0) for one in above(number)
            }
            weights = torch.tensor([max(value, 0.0) ** 0.5 for value in adds.values()])
            return F.normalize(weights @ directions[[row[one] for one in adds]], dim=0)

        vectors = torch.zeros(len(names), dim)
        for place, name in enumerate(names):
            for rank, number in enumerate(self._things(name)[:SENSES]):
                vectors[place] += LATER_SENSE**rank * vector(number)
        return F.normalize(vectors, dim=1)

    def _things(self, name):
        """The senses of a name, or of its singular, or of its last word."""
        for form in (name, name.removesuffix("s"), name.replace("-", " "), name.split()[-1]):
            if form in self.senses:
                return self.senses[form]
        return []


def _lines(path):
    """The lines of a file without the licence that it begins with."""
    with open(path, encoding="utf-8") as file:
        return [line for line in file if not line.startswith(" ")]


def _name(word):
    return word.replace("_", " ").lower()


def _synset(line):
    """Number and `Synset` of a line of data.noun, whose form is told in WordNet's wndb(5)."""
    fields, _, gloss = line.partition("|")
    number, kind, _, words, *rest = fields.split()
    words = int(words, 16)
    pointers = rest[2 * words + 1 :]
    above = [pointers[place + 1] for place in range(0, 4 * int(rest[2 * words]), 4) if pointers[place] in ("@", "@i")]
    names = tuple(_name(word) for word in rest[: 2 * words : 2])
    return number, Synset(names, THINGS.get(kind, ""), tuple(above), gloss.strip().partition(";")[0])
