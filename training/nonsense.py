"""Names that mean nothing: keys beside one another, codes, made-up words, strings of other scripts."""

KEYS = ("qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
LETTERS, DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
CONSONANTS, VOWELS = "bcdfghjklmnprstvwxz", "aeiou"
SCRIPTS = (  # first and last letter of each that is drawn
    ("а", "я"), ("一", "鿿"), ("ぁ", "ん"), ("ء", "ي"), ("α", "ω"), ("가", "힣"), ("א", "ת"), ("ก", "ฮ"), ("अ", "ह"),
)  # fmt: skip


def of_another_script(rng):
    first, last = map(ord, rng.choice(SCRIPTS))
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 8)))


def code(rng):
    """A serial number, in one to three groups."""

    def group():
        return "".join(rng.choice(rng.choice((LETTERS, DIGITS, DIGITS))) for _ in range(rng.randint(1, 6)))

    return rng.choice(("-", " ", "", "_", "/")).join(group() for _ in range(rng.randint(1, 3)))


def keys(rng):
    """A run along a row of the keyboard, either way, once or twice."""
    row = rng.choice(KEYS)
    start = rng.randrange(len(row) - 3)
    run = row[start : start + rng.randint(4, 10)]
    return (run[::-1] if rng.random() < 0.3 else run) * rng.randint(1, 2)


def letters(rng):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(4, 11)))


def made_up_word(rng):
    """Two to four syllables, as in "zorblatt"."""
    return "".join(
        rng.choice(CONSONANTS) + rng.choice(VOWELS) + (rng.choice(CONSONANTS) if rng.random() < 0.5 else "")
        for _ in range(rng.randint(2, 4))
    )


KINDS = (of_another_script, code, keys, letters, made_up_word)


def nonsense(rng):
    """A name of one of `KINDS`; rng: random.Random."""
    return rng.choice(KINDS)(rng)
