"""The tokenizer against open_clip's own, over CLIP's whole merge list and over the shortened one."""

import gzip
import random
import sys

import open_clip
import pytest
import torch
from open_clip.tokenizer import default_bpe

from zsad_core.embedded import ASSETS
from zsad_core.tokenizer import Tokenizer, cleaned

USED = 49152 - 256 - 2  # merges of CLIP's list that its vocabulary has
TEXTS = [
    "a photo of a metal nut.",
    "",
    "   ",
    "A close-up photo of a scratched, DAMAGED hazelnut & its shell; 3 of 4",
    "It's we've they'd I'm you'll DON'T he'S",
    "<start_of_text> a <END_OF_TEXT> <|endoftext|>",
    "&lt;b&gt; caf&amp;eacute; AT&T R&amp;amp;D &#233; & &unknown;",
    "Schöne Grüße, naïve façade — “quoted” ‘text’ … ﬁne ﬂow",
    "schÃ¶n cafÃ© â€œbrokenâ€\u009d",
    "金属螺母 ねじ 나사 гайка برغي",
    "😀👩\u200d🔧 e\u0301 \u200b\ufeff\u00a0x\u2028y\x00\x07z",
    "tab\tnew\nline\r\nfull\u3000width ＡＢＣ １２３",
    "\ud800 lone".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "İstanbul ǅ ß ſ K",
    "x" * 500,
    "1234567890 ½ ² Ⅷ ٣",
]


@pytest.fixture(scope="module", params=["CLIP's whole list", "the shortened list"])
def both(request, tmp_path_factory):
    """Ours, and open_clip's over the same merges."""
    merges = ASSETS / "merges.txt.gz"
    if request.param.startswith("CLIP"):
        merges = tmp_path_factory.mktemp("merges") / "merges.txt.gz"
        lines = gzip.open(default_bpe()).read().decode("utf-8").split("\n")[: USED + 1]
        merges.write_bytes(gzip.compress("\n".join(lines).encode("utf-8")))
    return Tokenizer(merges, 32), open_clip.SimpleTokenizer(bpe_path=str(merges), context_length=32)


def test_the_vocabulary_is_open_clips(both):
    ours, theirs = both
    assert ours.decoder == theirs.decoder and ours.vocab_size == theirs.vocab_size
    assert (ours.sot_token_id, ours.eot_token_id) == (theirs.sot_token_id, theirs.eot_token_id)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_open_clips(both, text):
    ours, theirs = both
    assert ours.encode(text) == theirs.encode(text)
    assert torch.equal(ours([text, "nut"]), theirs([text, "nut"]))


def test_ids_of_random_texts_are_open_clips(both):
    ours, theirs = both
    rng = random.Random(0)
    for pool in (range(32, 127), range(0, 0x250), range(0, 0xD800)):
        for _ in range(200):
            text = "".join(chr(rng.choice(pool)) for _ in range(rng.randrange(40)))
            assert ours.encode(text) == theirs.encode(text), ascii(text)


def test_plain_texts_need_no_ftfy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert cleaned("  A  dark photo of the Nut, 3 of 4 ") == "a dark photo of the nut, 3 of 4"
