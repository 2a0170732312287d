"""CLIP's byte-pair tokenizer over any prefix of its merge list: the ids of open_clip's `SimpleTokenizer`, without
importing open_clip, which takes seconds."""

import gzip
import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import regex
import torch

SPECIAL = "<start_of_text>", "<end_of_text>"
PIECES = regex.compile("|".join(SPECIAL) + r"|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
WORD_END = "</w>"
MOST_KEPT = 10_000  # pieces whose tokens are remembered


class Tokenizer:
    """Text -> token ids.

    Attributes:
        decoder: the token of every id, with "</w>" where a word ends.
        sot_token_id, eot_token_id: start and end of text.
        vocab_size: number of tokens.
        context_length: tokens that `__call__` fills up to.
    """

    def __init__(self, merges: Path, context_length: int):
        """
        Args:
            merges: a gzipped text file, a title line and then a merge a line, the earliest first.
        Raises:
            OSError, UnicodeDecodeError: the file cannot be read.
        """
        lines = gzip.decompress(merges.read_bytes()).decode("utf-8").split("\n")[1:]
        pairs = [tuple(line.split()) for line in lines if line]
        letters = list(_letter_of_byte().values())
        tokens = [*letters, *(letter + WORD_END for letter in letters), *map("".join, pairs), *SPECIAL]
        self.decoder = dict(enumerate(tokens))
        self._ids = {token: number for number, token in self.decoder.items()}
        self._ranks = {pair: rank for rank, pair in enumerate(pairs)}
        self._tokens_of = lru_cache(MOST_KEPT)(self._merged)
        self.vocab_size, self.context_length = len(tokens), context_length
        self.sot_token_id, self.eot_token_id = (self._ids[token] for token in SPECIAL)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end of text."""
        letters = _letter_of_byte()
        return [
            self._ids[token]
            for piece in PIECES.findall(cleaned(text))
            for token in self._tokens_of("".join(letters[byte] for byte in piece.encode("utf-8")))
        ]

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Ids (N, context_length) of N texts, start and end of text included, filled up with 0; a text that is longer
        is cut off before its end of text."""
        rows = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in zip(rows, texts):
            ids = [self.sot_token_id, *self.encode(text)][: self.context_length - 1] + [self.eot_token_id]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def _merged(self, piece: str) -> tuple[str, ...]:
        """The tokens of a piece: its letters, the neighbours with the earliest merge joined until none has any."""
        if piece in SPECIAL:
            return (piece,)
        tokens = [*piece[:-1], piece[-1] + WORD_END]
        while len(tokens) > 1:
            first = min(zip(tokens, tokens[1:]), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            joined, number = [], 0
            while number < len(tokens):
                together = tuple(tokens[number : number + 2]) == first
                joined.append("".join(first) if together else tokens[number])
                number += 2 if together else 1
            tokens = joined
        return tuple(tokens)


def cleaned(text: str) -> str:
    """A text as CLIP reads it: broken characters mended, HTML entities read, white space made single, lower case."""
    if not (text.isascii() and text.isprintable()) or "&" in text:  # ftfy leaves every other text as it is
        import ftfy  # here, because it takes a tenth of a second that most texts do not need

        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


@lru_cache(1)
def _letter_of_byte() -> dict[int, str]:
    """A visible character for each of the 256 bytes, itself where it is one, in the order of CLIP's vocabulary."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}
