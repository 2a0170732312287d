"""Figures of the text space alone. Everything here takes `text_vectors`: a list of N sentences -> (N, d) unit vectors,
such as `Backbone.text_vectors`."""

import numpy as np
import torch
import torch.nn.functional as F

from zsad_core.prompts import ensemble_sentences

from .captions import ABNORMAL, CONDITIONS, DAMAGE, NEUTRAL, NORMAL

PRODUCTS = (
    "bottle,screw,metal nut,capsule,cable,carpet,leather,tile,wood,zipper,toothbrush,transistor,hazelnut,pill,grid,"
    "candle,cashew,chewing gum,macaroni,circuit board,pipe fryum,engine blade,cup,plate,gear,washer,spring,bearing,"
    "glass,mirror,keyboard,shoe,bag,clock,lamp,chair,door,window,car,bicycle,apple,banana,orange,bread,cookie,pizza,"
    "hammer,knife,pencil,book"
).split(",")


def mean_cosine(vectors):
    """Mean |cos| between different rows of unit vectors (N, d)."""
    cosines = (vectors @ vectors.T).abs()
    count = len(cosines)
    return ((cosines.sum() - count) / (count * (count - 1))).item()


def effective_rank(vectors):
    """exp of the entropy of the variance's shares over the principal axes of (N, d) (Roy and Vetterli, 2007)."""
    share = torch.linalg.svdvals(vectors - vectors.mean(dim=0)) ** 2
    share = share / share.sum()
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum()).item()


def class_vectors(text_vectors, groups):
    """Mean text vectors (C, d) of C groups of sentences, unit length."""
    vectors = text_vectors([sentence for group in groups for sentence in group]).split([len(group) for group in groups])
    return F.normalize(torch.stack([rows.mean(dim=0) for rows in vectors]), dim=1)


def ensemble_axis(text_vectors, product):
    """Abnormal minus normal mean vector of WinCLIP's prompts (states x templates), (d,)."""
    normal, abnormal = class_vectors(text_vectors, ensemble_sentences(product))
    return abnormal - normal


def short_axis(text_vectors, product):
    """The same of 29 sentences instead of 264, where many products are asked about many times, (d,)."""
    groups = [[f"a photo of a {state.format(product)}." for state in states] for states in (NORMAL, ABNORMAL)]
    normal, abnormal = class_vectors(text_vectors, groups)
    return abnormal - normal


def kind_vectors(text_vectors, things=("object", "product")):
    """Mean text vectors of the eight kinds of damage, (8, d)."""
    groups = [[f"a photo of a {p.format(thing)}." for p in phrases for thing in things] for phrases in DAMAGE.values()]
    return class_vectors(text_vectors, groups)


def condition_vectors(text_vectors, things=("object", "product")):
    """Mean text vectors of the six photographic conditions, (6, d)."""
    groups = [[template.format(thing) for template in names for thing in things] for names in CONDITIONS.values()]
    return class_vectors(text_vectors, groups)


def beside_their_own(text_vectors, groups):
    """Share of the names whose nearest other name is of their own group; groups: dict of group -> names."""
    vectors = text_vectors([f"a photo of a {name}." for names in groups.values() for name in names])
    group = torch.arange(len(groups)).repeat_interleave(torch.tensor([len(names) for names in groups.values()]))
    nearest = (vectors @ vectors.T).fill_diagonal_(-1.0).argmax(dim=1)
    return (group[nearest] == group).float().mean().item()


def text_space(text_vectors, seed=0):
    """Figures of the text space: dict of name -> value."""
    rng = np.random.default_rng(seed)
    states = NORMAL + ABNORMAL + sum(DAMAGE.values(), ())
    templates = NEUTRAL + sum(CONDITIONS.values(), ())
    mixed = [
        str(rng.choice(templates)).format(str(rng.choice(states)).format(rng.choice(PRODUCTS))) for _ in range(2000)
    ]
    conditions = [names[0].format("bottle") for names in CONDITIONS.values()]
    kinds = [f"a photo of a {names[0].format('bottle')}." for names in DAMAGE.values()]
    return {
        "50 products, mean |cos|": mean_cosine(text_vectors([f"a photo of a {product}." for product in PRODUCTS])),
        "6 conditions, mean |cos|": mean_cosine(text_vectors(conditions)),
        "8 kinds of damage, mean |cos|": mean_cosine(text_vectors(kinds)),
        "2,000 mixed prompts, effective rank": effective_rank(text_vectors(mixed)),
    }
