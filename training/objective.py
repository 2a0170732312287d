"""What the embedded backbone is trained for. Every term goes through the text tower: similarities of an image vector
or a dense vector with text vectors, or with the difference of two; there is no classifier beside them.

Terms (weights in `WEIGHTS`):
    caption     contrastive image-caption loss (CLIP, arXiv 2103.00020), each with all that it is true of
    condition   which of the six photographic conditions, by six prompts about the same thing
    kind        which of the eight kinds of damage, by eight prompts about the same thing: damaged pictures
    place       the same asked of the dense vectors on the damage: a kind is a property of the place
    apart       the eight prompts of a wording keep a distance, or neither side of `kind` would ever begin to move
    state       abnormal minus normal prompt of the same product, logistic
    ranking     every damaged picture of the step above every intact one, and above its own twin
    map         the same difference at each position against the mask: focal (arXiv 1708.02002) and Dice
    peak        the mean of the hottest positions, few and many, tells and ranks the state too
    spread      text vectors use many directions: the share of the variance's squares (inverse participation ratio)
    names       the ImageNet classifier that came with the trunk teaches the names of things: its soft labels for the
                pictures, and the directions of its 1,000 class weights for the words
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .captions import ABNORMAL, CONDITIONS, DAMAGE, NEUTRAL, NORMAL, caption, describe

WEIGHTS = {
    "caption": 1.0,
    "condition": 0.5,
    "kind": 2.0,
    "place": 2.0,
    "apart": 3.0,
    "state": 1.0,
    "ranking": 1.0,
    "focal": 4.0,
    "dice": 0.5,
    "peak": 0.7,
    "spread": 1.0,
    "labels": 0.3,
    "names": 0.3,
}
TAUGHT_NAMES = 48  # ImageNet names taught in a step
KIND_SETS = 2  # wordings of the eight kinds in a step
HOTTEST = (5, 30)  # positions of a map
TWINS = 0.7  # share of a picture's own twin in the ranking: a detector is asked to rank pictures of one product
APART = 0.7  # cosine up to which two kinds of damage may be alike
SHARPEST = 100.0  # upper limit of the logit scale, as in CLIP


@dataclass
class Words:
    """The prompts of one step: sentences in one list, `part` tells which rows belong to which term, `true_of` (2B, 2B)
    which captions (columns) are true of which pictures (rows)."""

    sentences: list
    part: dict
    true_of: torch.Tensor

    @classmethod
    def gather(cls, parts, true_of):
        sentences, part = [], {}
        for name, rows in parts.items():
            part[name] = slice(len(sentences), len(sentences) + len(rows))
            sentences += rows
        return cls(sentences, part, true_of)


def say(batch, things, taught, rng):
    """All sentences of one step, and which captions are true of which pictures.

    Args:
        batch: product, kind (B words each), facts (B dicts), conditions (2B words, intact pictures first).
        things: names to put in place of the product, so that states hold for names no picture showed.
        taught: ImageNet names of this step.
        rng: random.Random.
    Returns:
        `Words`; its part "kinds" has `KIND_SETS` times eight sentences.
    """
    products, kinds, conditions = batch["product"], batch["kind"], batch["conditions"]
    states = [NORMAL] * len(products) + [ABNORMAL[:6] + DAMAGE[kind] * 2 for kind in kinds]
    captions, said = [], []
    for product, facts, state, condition in zip(products * 2, batch["facts"] * 2, states, conditions):
        words, ground, facts_said = describe(product, facts, rng)
        sentence = caption(words, state, NEUTRAL if rng.random() < 0.2 else CONDITIONS[condition], rng)
        captions.append(f"{sentence[:-1]}{ground}.")
        said.append(facts_said)
    normal, abnormal = [], []
    for product, kind in zip(products, kinds):
        thing = product if rng.random() < 0.5 else rng.choice(things)
        template = [rng.choice(rng.choice((NEUTRAL, rng.choice(list(CONDITIONS.values())))))]
        normal.append(caption(thing, NORMAL, template, rng))
        abnormal.append(caption(thing, ABNORMAL + DAMAGE[kind], template, rng))

    def any_thing():
        return rng.choice(["object", "product", "thing", rng.choice(products), rng.choice(things)])

    thing, state, kind_sentences = any_thing(), [rng.choice(NORMAL + ABNORMAL)], []
    for _ in range(KIND_SETS):
        about, template = any_thing(), [rng.choice(rng.choice((NEUTRAL, rng.choice(list(CONDITIONS.values())))))]
        kind_sentences += [caption(about, phrases, template, rng) for phrases in DAMAGE.values()]
    return Words.gather(
        {
            "captions": captions,
            "normal": normal,
            "abnormal": abnormal,
            "conditions": [caption(thing, state, templates, rng) for templates in CONDITIONS.values()],
            "kinds": kind_sentences,
            "taught": [caption(name, ["{}"], NEUTRAL, rng) for name in taught],
        },
        _true_of(batch, said),
    )


def _true_of(batch, said):
    """(2B, 2B) bool: is the caption of the column, which says the facts `said`, true of the picture of the row?"""
    count = len(batch["product"])
    shown = list(zip(batch["product"] * 2, ["none"] * count + batch["kind"], batch["conditions"]))
    facts = batch["facts"] * 2
    return torch.tensor(
        [
            [shown[row] == shown[column] and said[column].items() <= facts[row].items() for column in range(2 * count)]
            for row in range(2 * count)
        ]
    )


def _soft_cross_entropy(logits, target):
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def _above(intact, damaged):
    """Ranking loss of scores, (B,) each: every damaged picture above every intact one, and above its own twin."""
    of_all, of_twins = F.softplus(intact[:, None] - damaged).mean(), F.softplus(intact - damaged).mean()
    return (1 - TWINS) * of_all + TWINS * of_twins


def _spread(vectors):
    """Sum of the squares of the variance's shares over the principal axes of (N, d), times N: 1 where all are alike."""
    centred = vectors - vectors.mean(dim=0)
    gram = centred @ centred.T  # (N, N): the same eigenvalues as the covariance
    return len(vectors) * gram.square().sum() / gram.trace().square()


def losses(image, dense, text, words, batch, scale, labels, directions):
    """Every term of the objective.

    Args:
        image: (2B, d) unit vectors, intact pictures first. dense: (2B, d, H, W), any length.
        text: (N, d) unit vectors of `words.sentences`. batch: as in `say`, with mask (B, H, W) in {0, 1}.
        scale: the logit scale. labels: (2B, T) the classifier's probabilities for the taught names.
        directions: (T, d) unit vectors, the classifier's weights of the taught names in the joint space.
    Returns:
        (dict of terms, dict of shares right in 0..1 to watch).
    """
    part = {name: text[rows] for name, rows in words.part.items()}
    device, pairs = text.device, len(batch["mask"])
    dense = F.normalize(dense, dim=1)
    true = words.true_of.float().to(device)
    logits = scale * image @ part["captions"].T  # (2B, 2B)
    terms = {
        "caption": (
            _soft_cross_entropy(logits, true / true.sum(1, keepdim=True))
            + _soft_cross_entropy(logits.T, true.T / true.T.sum(1, keepdim=True))
        )
        / 2
    }

    condition = torch.tensor([list(CONDITIONS).index(name) for name in batch["conditions"]], device=device)
    by_condition = scale * image @ part["conditions"].T  # (2B, 6)
    terms["condition"] = F.cross_entropy(by_condition, condition)

    mask = batch["mask"].to(device)
    kind = torch.tensor([list(DAMAGE).index(name) for name in batch["kind"]], device=device)
    place = F.normalize((dense[pairs:] * mask[:, None]).sum((2, 3)), dim=1)  # (B, d)
    kinds = part["kinds"].view(-1, len(DAMAGE), text.shape[1])  # (sets, 8, d)
    alike = F.relu(torch.einsum("skd,sld->skl", kinds, kinds) - APART).mean()
    terms["apart"] = alike - (1 - APART) / len(DAMAGE)  # without each kind's likeness to itself
    kinds_right = {}
    for name, vectors in (("kind", image[pairs:]), ("place", place)):
        by_kind = scale * torch.einsum("bd,skd->bks", vectors, kinds)  # (B, 8, sets)
        terms[name] = F.cross_entropy(by_kind, kind[:, None].expand(-1, len(kinds)))
        kinds_right[name] = (by_kind[..., 0].argmax(1) == kind).float().mean()

    axis = (part["abnormal"] - part["normal"]).repeat(2, 1)  # (2B, d)
    damaged = torch.cat([torch.zeros(pairs), torch.ones(pairs)]).to(device)
    score = scale * (image * axis).sum(dim=1)
    terms["state"] = F.binary_cross_entropy_with_logits(score, damaged)
    terms["ranking"] = _above(score[:pairs], score[pairs:])

    truth = torch.cat([torch.zeros_like(mask), mask])
    at = scale * torch.einsum("bchw,bc->bhw", dense, axis)
    probability = at.sigmoid()
    right = probability * truth + (1 - probability) * (1 - truth)
    cross_entropy = F.binary_cross_entropy_with_logits(at, truth, reduction="none")
    terms["focal"] = (cross_entropy * (1 - right) ** 2 * (1 + 4 * truth)).mean()
    inside = (probability * truth)[pairs:].sum((1, 2))
    total = (probability + truth)[pairs:].sum((1, 2))
    terms["dice"] = (1 - (2 * inside + 1) / (total + 1)).mean()
    hottest = at.flatten(1).topk(max(HOTTEST), dim=1).values
    terms["peak"] = 0.0
    for count in HOTTEST:
        peak = hottest[:, :count].mean(dim=1)
        told = F.binary_cross_entropy_with_logits(peak, damaged) + _above(peak[:pairs], peak[pairs:])
        terms["peak"] = terms["peak"] + told / len(HOTTEST)

    spoken = torch.cat([part[name] for name in ("captions", "normal", "abnormal", "taught")])
    terms["spread"] = _spread(spoken) / 8
    terms["labels"] = _soft_cross_entropy(scale * image @ part["taught"].T, labels / labels.sum(1, keepdim=True))
    by_name = scale * part["taught"] @ directions.T  # (T, T)
    own = torch.arange(len(by_name), device=device)
    terms["names"] = (F.cross_entropy(by_name, own) + F.cross_entropy(by_name.T, own)) / 2

    with torch.no_grad():
        watched = {
            "state": ((score > 0) == damaged.bool()).float().mean(),
            "ranking": (score[pairs:] > score[:pairs]).float().mean(),
            "condition": (by_condition.argmax(1) == condition).float().mean(),
            **kinds_right,
            "name": (by_name.argmax(1) == own).float().mean(),
        }
    return terms, watched
