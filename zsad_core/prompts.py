"""What is said to the text encoder in plain words: product names, state words, sentences."""

import unicodedata
from collections.abc import Sequence

from .errors import InputError, quoted

MAX_NAME_LENGTH = 80  # characters
MAX_ADJECTIVE_LENGTH = 40  # characters
MAX_ADJECTIVES = 8

# The two adjectives that the poster gives for "abnormal".
ADJECTIVES = ("damaged", "broken")

# Words that say in which state a product is, and never which product it is.
STATE_WORDS = frozenset(
    "abnormal anomalous bent blemished broken chipped contaminated corroded cracked damaged defective deformed dented "
    "dirty discolored faulty flawed flawless fractured imperfect incomplete intact misshapen perfect punctured rusty "
    "scraped scratched spoiled spotless stained torn unblemished undamaged warped".split()
)

_SAY_NOTHING = frozenset(("", "a", "an", "the", "and", "or", "with"))  # beside a state they make no product
_AROUND_WORDS = ".,;:!?\"'()“”‘’"

# WinCLIP's compositional prompt ensemble (Jeong et al., CVPR 2023, appendix): 7 normal states, 4 abnormal ones and
# "broken", which AnomalyCLIP and its successors add; 22 templates. {} is the product, then the product in its state.
NORMAL_STATES = (
    "{}", "flawless {}", "perfect {}", "unblemished {}", "{} without flaw", "{} without defect", "{} without damage",
)  # fmt: skip
ABNORMAL_STATES = ("damaged {}", "broken {}", "{} with flaw", "{} with defect", "{} with damage")
# The adjectives of these normal states, for the plain prompts.
NORMAL_ADJECTIVES = ("flawless", "perfect", "unblemished")
_SHIFT_TEMPLATES = tuple(
    f"a {condition}photo of {article} {{}}."
    for condition in ("close-up ", "bright ", "dark ", "blurry ", "")
    for article in ("a", "the")
)
_OTHER_TEMPLATES = tuple(
    template.format(article)
    for template in (
        "a cropped photo of {} {{}}.", "a jpeg corrupted photo of {} {{}}.", "a photo of {} small {{}}.",
        "a photo of {} large {{}}.", "a photo of {} {{}} for visual inspection.",
        "a photo of {} {{}} for anomaly detection.",
    )
    for article in ("a", "the")
)  # fmt: skip
TEMPLATES = _SHIFT_TEMPLATES + _OTHER_TEMPLATES

# Shifts of the world that the distribution words are guided by: the poster's corruptions and AeBAD's domains.
_SHIFTS = (
    "a photo of a {}.", "a bright photo of a {}.", "a dark photo of a {}.", "a low contrast photo of a {}.",
    "a blurry photo of a {}.", "a noisy photo of a {}.", "a close-up photo of a {}.",
    "a photo of a {} on a cluttered background.", "a photo of a {} from another angle.",
)  # fmt: skip


def clean_product_name(name: str) -> str:
    """A product name that can be put into a sentence: Unicode form NFKC, without needless white space.

    Letters of any script are let through, although CLIP's text encoder was trained on English: it reads other
    scripts as bytes, and what it makes of them is not to be relied on.

    Raises:
        InputError: not a text, empty, over 80 characters, without any letter or digit (an emoji alone), with markup
            (< or >), with control or invisible characters, or made of `STATE_WORDS` alone.
    """
    cleaned = _clean(name, "product name", "metal nut", MAX_NAME_LENGTH)
    if not without_states(cleaned)[0]:
        raise InputError(f"{_quote(cleaned)} is a state and no product name: type what it is that may be so, such as "
                         "'metal nut'.")  # fmt: skip
    return cleaned


def without_states(name: str) -> tuple[str, tuple[str, ...]]:
    """A name without its `STATE_WORDS`, and these: "cracked mug" gives ("mug", ("cracked",))."""
    words = name.split()
    states = [word for word in words if _bare(word) in STATE_WORDS]
    rest = [word for word in words if word not in states]
    while states and rest and _bare(rest[0]) in _SAY_NOTHING:
        rest = rest[1:]
    while states and rest and _bare(rest[-1]) in _SAY_NOTHING:
        rest = rest[:-1]
    return " ".join(rest), tuple(word.strip(_AROUND_WORDS) for word in states)


def _bare(word: str) -> str:
    return word.strip(_AROUND_WORDS).lower()


def clean_adjectives(adjectives: Sequence[str]) -> tuple[str, ...]:
    """The words that make a product abnormal ("damaged"), cleaned as a product name is; a repeated one is kept once.

    Raises:
        InputError: none at all, more than 8, one over 40 characters, or one that could not be a product name either.
    """
    if isinstance(adjectives, str) or not isinstance(adjectives, Sequence):
        raise InputError(f"The adjectives must be a list such as {list(ADJECTIVES)}, not {_quote(adjectives)}.")
    if not 1 <= len(adjectives) <= MAX_ADJECTIVES:
        raise InputError(f"There are {len(adjectives)} adjectives; give 1 to {MAX_ADJECTIVES}, such as 'damaged'.")
    return tuple(dict.fromkeys(_clean(word, "adjective", "damaged", MAX_ADJECTIVE_LENGTH) for word in adjectives))


def semantic_words(product: str, adjectives: Sequence[str]) -> list[str]:
    """The frozen ends of the prompts: first the normal one, "metal nut.", then one an adjective, "damaged metal nut."

    The poster's two kinds of semantic words, with its full stop.
    """
    return [f"{product}."] + [f"{adjective} {product}." for adjective in adjectives]


def plain_prompts(product: str, adjectives: Sequence[str]) -> tuple[list[str], list[str]]:
    """The prompts of either state without learned words: "metal nut.", "flawless metal nut." and so on, and the
    abnormal ones of `semantic_words`. An adjective that is given as abnormal is none of the normal ones."""
    (bare, *normal), abnormal = (semantic_words(product, words) for words in (NORMAL_ADJECTIVES, adjectives))
    said = {text.lower() for text in abnormal}  # the text encoder reads capitals as small letters
    return [bare, *(text for text in normal if text.lower() not in said)], abnormal[1:]


def shift_sentences(product: str) -> list[str]:
    """Sentences that name shifts of the world, such as "a dark photo of a metal nut.": the knowledge of the mixture."""
    return [shift.format(product) for shift in _SHIFTS]


def ensemble_sentences(product: str) -> tuple[list[str], list[str]]:
    """WinCLIP's compositional prompt ensemble: 7 x 22 = 154 normal and 5 x 22 = 110 abnormal sentences."""
    return _compose(product, NORMAL_STATES, TEMPLATES), _compose(product, ABNORMAL_STATES, TEMPLATES)


def held_back_sentences(product: str, adjectives: Sequence[str]) -> tuple[list[str], list[str]]:
    """Normal and abnormal sentences of which training has seen neither the state word nor the template.

    They are WinCLIP's, without the plain product, without the states made by an adjective of the plain prompts, and
    without the templates that name a shift the distribution words are guided by.
    """
    trained = {"{}", *(f"{adjective} {{}}" for adjective in (*NORMAL_ADJECTIVES, *adjectives))}
    normal = [state for state in NORMAL_STATES if state not in trained]
    abnormal = [state for state in ABNORMAL_STATES if state not in trained]
    return _compose(product, normal, _OTHER_TEMPLATES), _compose(product, abnormal, _OTHER_TEMPLATES)


def check_context(backbone, product: str, adjectives: Sequence[str], learnable: int) -> None:
    """Makes sure that every sentence said about the product fits the context of the backbone's text encoder.

    Args:
        learnable: number of learnable words before the semantic words.

    Raises:
        InputError: the longest sentence is too long; says by how many tokens.
    """
    normal, abnormal = held_back_sentences(product, adjectives)
    needed = max(
        learnable + max(len(backbone.word_vectors(text)) for text in semantic_words(product, adjectives)),
        max(len(backbone.word_vectors(text)) for text in shift_sentences(product) + normal + abnormal),
    )
    needed += 2  # start and end of text
    if needed > backbone.context_length:
        raise InputError(
            f"The product name {_quote(product)} is too long for the text encoder of {backbone.name}: its longest "
            f"prompt takes {needed} tokens and {backbone.context_length} fit. Shorten the name by about "
            f"{needed - backbone.context_length} tokens (a plain English word is one or two)."
        )


def _compose(product: str, states: Sequence[str], templates: Sequence[str]) -> list[str]:
    return [template.format(state.format(product)) for state in states for template in templates]


def _clean(text: str, what: str, example: str, limit: int) -> str:
    if not isinstance(text, str):
        raise InputError(f"The {what} must be a text such as '{example}', not {_quote(text)}.")
    cleaned = " ".join(text.split())
    if len(cleaned) <= limit:  # normalising what is refused anyway would cost time on a very long text
        cleaned = " ".join(unicodedata.normalize("NFKC", cleaned).split())
    if len(cleaned) > limit:
        raise InputError(f"The {what} {_quote(text)} has {len(cleaned)} characters; at most {limit} are allowed.")
    if not cleaned:
        raise InputError(f"The {what} is empty; type one such as '{example}'.")
    for character in cleaned:
        if character in "<>":
            raise InputError(f"The {what} {_quote(text)} contains markup; type it in plain words such as '{example}'.")
        if unicodedata.category(character).startswith("C"):
            raise InputError(
                f"The {what} {_quote(text)} contains the invisible character U+{ord(character):04X}; type it again."
            )
    if not any(character.isalnum() for character in cleaned):
        raise InputError(f"The {what} {_quote(text)} has no letter or digit; type it in words such as '{example}'.")
    return cleaned


def _quote(value) -> str:
    """The value as Python would write it, cut after 40 characters, so that a message stays one readable line."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    return quoted(value)
