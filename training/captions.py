"""The words of the training captions: product, state, kind of damage and photographic condition.

A caption says what is in the picture and nothing else: the condition words name the corruption that was really applied,
the state words the damage that is really there; colour, material and ground are said where the data knows them.
"""

from importlib import resources

CONDITIONS = {
    "plain": (
        "a photo of a {}.",
        "a photo of the {}.",
        "a clear photo of a {}.",
        "a good photo of the {}.",
        "a sharp photo of a {}.",
        "a photo of a {} for visual inspection.",
    ),
    "bright": (
        "a bright photo of a {}.",
        "an overexposed photo of the {}.",
        "a photo of a {} in bright light.",
        "a washed out photo of the {}.",
    ),
    "dark": (
        "a dark photo of a {}.",
        "an underexposed photo of the {}.",
        "a photo of the {} in the dark.",
        "a dim photo of a {}.",
    ),
    "low contrast": (
        "a low contrast photo of a {}.",
        "a faded photo of the {}.",
        "a foggy photo of a {}.",
        "a photo of the {} with low contrast.",
    ),
    "noisy": ("a noisy photo of a {}.", "a grainy photo of the {}.", "a photo of a {} with noise."),
    "blurry": (
        "a blurry photo of a {}.",
        "an out of focus photo of the {}.",
        "a blurred photo of a {}.",
        "a photo of the {} out of focus.",
    ),
}

# said of any picture, whatever its condition
NEUTRAL = (
    "a photo of a {}.",
    "a photo of the {}.",
    "{}.",
    "a cropped photo of the {}.",
    "a close-up photo of a {}.",
    "there is a {} in the scene.",
    "a photo of one {}.",
    "a photo of the {} for visual inspection.",
    "a photo of a {} for anomaly detection.",
)

NORMAL = (
    "{}",
    "flawless {}",
    "perfect {}",
    "unblemished {}",
    "{} without flaw",
    "{} without defect",
    "{} without damage",
    "intact {}",
    "undamaged {}",
    "good {}",
    "pristine {}",
    "normal {}",
    "clean {}",
    "spotless {}",
    "{} in perfect condition",
)

ABNORMAL = (
    "damaged {}",
    "defective {}",
    "broken {}",
    "{} with flaw",
    "{} with defect",
    "{} with damage",
    "faulty {}",
    "imperfect {}",
    "abnormal {}",
    "anomalous {}",
    "{} with an anomaly",
    "blemished {}",
    "flawed {}",
    "spoiled {}",
)

DAMAGE = {
    "contaminated": (
        "contaminated {}",
        "{} with contamination",
        "{} with a foreign object",
        "dirty {}",
        "{} with a fibre on it",
        "{} with residue",
    ),
    "stained": (
        "stained {}",
        "{} with a stain",
        "discolored {}",
        "{} with a spot",
        "{} with a wrong color",
        "{} with corrosion",
    ),
    "scratched": ("scratched {}", "{} with a scratch", "{} with a cut", "scraped {}"),
    "cracked": ("cracked {}", "{} with a crack", "fractured {}", "split {}"),
    "with a hole": ("{} with a hole", "punctured {}", "perforated {}", "{} with a hole in it"),
    "deformed": ("deformed {}", "bent {}", "dented {}", "{} with a dent", "squeezed {}", "misshapen {}", "warped {}"),
    "incomplete": (
        "incomplete {}",
        "{} with a missing part",
        "chipped {}",
        "{} with a piece missing",
        "{} with a part in the wrong place",
    ),
    "badly printed": (
        "{} with a faulty imprint",
        "{} with a smeared print",
        "badly printed {}",
        "{} with a worn print",
    ),
}


def product_names():
    """About 20,000 English names of things (WordNet lemmas of ImageNet-22k, carried by timm), at most 24 characters."""
    text = resources.files("timm.data").joinpath("_info/imagenet_synset_to_lemma.txt").read_text(encoding="utf-8")
    names = (line.split("\t")[1].split(",")[0].strip().lower() for line in text.splitlines() if "\t" in line)
    return sorted({name for name in names if 2 < len(name) <= 24})


def imagenet_names():
    """Names of the 1,000 ImageNet classes in the order of the classifier's outputs."""
    folder = resources.files("timm.data").joinpath("_info")
    lemmas = dict(
        line.split("\t")
        for line in folder.joinpath("imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
        if line
    )
    synsets = folder.joinpath("imagenet_synsets.txt").read_text(encoding="utf-8").split()
    return [lemmas[synset].split(",")[0].strip().lower() for synset in synsets]


def caption(product, states, templates, rng):
    """One sentence: a random template of `templates` around a random phrase of `states` around `product`."""
    return rng.choice(templates).format(rng.choice(states).format(product))


def describe(product, facts, rng):
    """Words for a product that say some of what is known of it.

    Args:
        facts: dict of "colour", "material" and "ground" -> words; what is unknown is left out.
    Returns:
        (words for the product, e.g. "red steel washer"; end of the sentence, e.g. " on a wood background"; the facts
        that were said).
    """
    said = {fact: words for fact, words in facts.items() if rng.random() < 0.5}
    words = " ".join([*(said[fact] for fact in ("colour", "material") if fact in said), product])
    return words, f" on a {said['ground']} background" if "ground" in said else "", said
