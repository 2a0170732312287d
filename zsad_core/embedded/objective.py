"""What the embedded backbone is trained for. Every term goes through the text tower: similarities of an image vector
or a dense vector with text vectors, or with the difference of two; there is no classifier beside them.

Terms (weights in `WEIGHTS`):
    caption     contrastive image-caption loss (CLIP, arXiv 2103.00020), same facts in a caption make a positive
    condition   which of the six photographic conditions, by six prompts about the same thing
    kind        which of the eight kinds of damage, by eight prompts, damaged pictures only
    state       abnormal minus normal prompt of the same product, logistic
    ranking     the damaged twin above the intact one
    map         the same difference at each position against the mask: focal (arXiv 1708.02002) and Dice
    peak        the mean of the five highest positions tells the state too
    names       the ImageNet classifier that came with the trunk teaches the names of things: its soft labels for the
                pictures, and the directions of its 1,000 class weights for the words
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .captions import ABNORMAL, CONDITIONS, DAMAGE, NEUTRAL, NORMAL, caption

WEIGHTS = {
    "caption": 1.0,
    "condition": 0.5,
    "kind": 1.0,
    "state": 1.0,
    "ranking": 0.5,
    "focal": 4.0,
    "dice": 0.5,
    "peak": 0.5,
    "labels": 0.3,
    "names": 0.3,
}
TAUGHT_NAMES = 48  # ImageNet names taught in a step
SHARPEST = 100.0  # upper limit of the logit scale, as in CLIP


@dataclass
class Words:
    """The prompts of one step: sentences in one list, `part` tells which rows belong to which term."""

    sentences: list
    part: dict

    @classmethod
    def gather(cls, parts):
        sentences, part = [], {}
        for name, rows in parts.items():
            part[name] = slice(len(sentences), len(sentences) + len(rows))
            sentences += rows
        return cls(sentences, part)


def say(batch, things, taught, rng):
    """All sentences of one step.

    Args:
        batch: products, kinds (B words each), conditions (2B words, intact pictures first).
        things: names to put in place of the product, so that states hold for names no picture showed.
        taught: ImageNet names of this step.
        rng: random.Random.
    """
    products, kinds, conditions = batch["product"], batch["kind"], batch["conditions"]
    states = [NORMAL] * len(products) + [ABNORMAL[:6] + DAMAGE[kind] * 2 for kind in kinds]
    captions = [
        caption(product, state, NEUTRAL if rng.random() < 0.2 else CONDITIONS[condition], rng)
        for product, state, condition in zip(products * 2, states, conditions)
    ]
    normal, abnormal = [], []
    for product, kind in zip(products, kinds):
        thing = product if rng.random() < 0.5 else rng.choice(things)
        template = [rng.choice(rng.choice((NEUTRAL, rng.choice(list(CONDITIONS.values())))))]
        normal.append(caption(thing, NORMAL, template, rng))
        abnormal.append(caption(thing, ABNORMAL + DAMAGE[kind], template, rng))
    thing = rng.choice(["object", "product", "thing", rng.choice(products), rng.choice(things)])
    state = [rng.choice(NORMAL + ABNORMAL)]
    template = [rng.choice(NEUTRAL)]
    return Words.gather(
        {
            "captions": captions,
            "normal": normal,
            "abnormal": abnormal,
            "conditions": [caption(thing, state, templates, rng) for templates in CONDITIONS.values()],
            "kinds": [caption(thing, phrases, template, rng) for phrases in DAMAGE.values()],
            "taught": [caption(name, ["{}"], NEUTRAL, rng) for name in taught],
        }
    )


def _facts(batch):
    """(2B, 2B) bool: do two pictures show the same product, damage and condition?"""
    count = len(batch["product"])
    facts = list(zip(batch["product"] * 2, ["none"] * count + batch["kind"], batch["conditions"]))
    number = {fact: index for index, fact in enumerate(dict.fromkeys(facts))}
    ids = torch.tensor([number[fact] for fact in facts])
    return ids[:, None] == ids


def _soft_cross_entropy(logits, target):
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


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
    pairs = len(batch["mask"])
    same = _facts(batch).float()
    logits = scale * image @ part["captions"].T  # (2B, 2B)
    terms = {
        "caption": (
            _soft_cross_entropy(logits, same / same.sum(1, keepdim=True))
            + _soft_cross_entropy(logits.T, same / same.sum(1, keepdim=True))
        )
        / 2
    }

    condition = torch.tensor([list(CONDITIONS).index(name) for name in batch["conditions"]])
    by_condition = scale * image @ part["conditions"].T  # (2B, 6)
    terms["condition"] = F.cross_entropy(by_condition, condition)
    kind = torch.tensor([list(DAMAGE).index(name) for name in batch["kind"]])
    by_kind = scale * image[pairs:] @ part["kinds"].T  # (B, 8)
    terms["kind"] = F.cross_entropy(by_kind, kind)

    axis = (part["abnormal"] - part["normal"]).repeat(2, 1)  # (2B, d)
    damaged = torch.cat([torch.zeros(pairs), torch.ones(pairs)])
    score = scale * (image * axis).sum(dim=1)
    terms["state"] = F.binary_cross_entropy_with_logits(score, damaged)
    terms["ranking"] = F.softplus(score[:pairs] - score[pairs:]).mean()

    mask = torch.cat([torch.zeros_like(batch["mask"]), batch["mask"]])
    at = scale * torch.einsum("bchw,bc->bhw", dense, axis) / dense.norm(dim=1).clamp(min=1e-6)
    probability = at.sigmoid()
    right = probability * mask + (1 - probability) * (1 - mask)
    cross_entropy = F.binary_cross_entropy_with_logits(at, mask, reduction="none")
    terms["focal"] = (cross_entropy * (1 - right) ** 2 * (1 + 4 * mask)).mean()
    inside = (probability * mask)[pairs:].sum((1, 2))
    total = (probability + mask)[pairs:].sum((1, 2))
    terms["dice"] = (1 - (2 * inside + 1) / (total + 1)).mean()
    peak = at.flatten(1).topk(5, dim=1).values.mean(dim=1)
    terms["peak"] = F.binary_cross_entropy_with_logits(peak, damaged)

    terms["labels"] = _soft_cross_entropy(scale * image @ part["taught"].T, labels / labels.sum(1, keepdim=True))
    by_name = scale * part["taught"] @ directions.T  # (T, T)
    own = torch.arange(len(by_name))
    terms["names"] = (F.cross_entropy(by_name, own) + F.cross_entropy(by_name.T, own)) / 2

    with torch.no_grad():
        watched = {
            "state": ((score > 0) == damaged.bool()).float().mean(),
            "ranking": (score[pairs:] > score[:pairs]).float().mean(),
            "condition": (by_condition.argmax(1) == condition).float().mean(),
            "kind": (by_kind.argmax(1) == kind).float().mean(),
            "name": (by_name.argmax(1) == own).float().mean(),
        }
    return terms, watched
