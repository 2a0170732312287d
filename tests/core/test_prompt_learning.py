"""The learnable words spread, keep their meaning, and are all that learns."""

import threading
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import TINY

from zsad_core.backbone import random_backbone
from zsad_core.errors import InputError
from zsad_core.prompt_learning import PromptLearning, Recipe, diversity_loss
from zsad_core.prompts import semantic_words

RECIPE = Recipe(prompts=8, groups=2, steps=12, guard_weight=1)


def learning(backbone, recipe=RECIPE, seed=0, stopped=None):
    return PromptLearning(
        backbone, "metal nut", recipe, torch.Generator().manual_seed(seed), stopped or threading.Event()
    )


def nearer_to_own_state(learned):
    """Share of all prompts in a state whose text vector is nearer to the semantic words of that state."""
    normal, *abnormal = learned.backbone.text_vectors(semantic_words("metal nut", learned.recipe.adjectives))
    anchors = F.normalize(torch.stack([normal, torch.stack(abnormal).mean(0)]), dim=-1)  # (2, d)
    nearest = (learned.text_vectors() @ anchors.T).argmax(-1)  # (1 + adjectives, K)
    return (nearest == torch.arange(len(nearest)).clamp(max=1)[:, None]).float().mean().item()


def test_diversity_falls_by_a_third_and_is_reported_every_step(tiny_backbone):
    learned = learning(tiny_backbone)
    steps = list(learned)
    assert [progress.step for progress in steps] == list(range(RECIPE.steps + 1))
    assert diversity_loss(learned.state_free_vectors()) < learned.mean_cosine_before * 2 / 3
    assert steps[0].mean_cosine == learned.mean_cosine_before
    assert set(steps[-1].losses) == {"diversity", "knowledge", "groups", "guard"}
    assert "prompts 12/12" in str(steps[-1]) and "mean |cos|" in str(steps[-1]) and "s left" in str(steps[-1])


def test_a_reported_text_vector_is_at_most_one_step_old(tiny_backbone):
    *_, last = learning(tiny_backbone)
    assert last.states.tolist() == [0] * 8 + [1] * 8
    recent = []
    for steps in (RECIPE.steps - 2, RECIPE.steps - 1):  # the words that the last two steps began with
        shorter = learning(tiny_backbone, replace(RECIPE, steps=steps))
        list(shorter)
        recent += [shorter.text_vectors()[[0, adjective]].flatten(0, 1) for adjective in (1, 2)]  # (2K, d)
    distances = (torch.stack(recent) - torch.from_numpy(last.text_vectors)).norm(dim=-1)  # (4, 2K)
    assert distances.amin(dim=0).max() < 1e-4


def test_the_guard_keeps_the_meaning_while_the_words_spread(tiny_backbone):
    recipe = replace(RECIPE, steps=30, learning_rate=0.3, knowledge_weight=0)
    guarded, unguarded = learning(tiny_backbone, recipe), learning(tiny_backbone, replace(recipe, guard_weight=0))
    list(guarded), list(unguarded)
    assert nearer_to_own_state(guarded) > 0.95
    assert nearer_to_own_state(guarded) > nearer_to_own_state(unguarded)


def test_knowledge_pulls_each_group_to_its_mixture_of_shifts(tiny_backbone):
    *_, without = learning(tiny_backbone, replace(RECIPE, knowledge_weight=0))
    *_, guided = learning(tiny_backbone)
    assert guided.losses["knowledge"] < without.losses["knowledge"]


def test_the_groups_loss_pushes_groups_apart(tiny_backbone):
    recipe = replace(RECIPE, groups=4, knowledge_weight=0)
    *_, without = learning(tiny_backbone, replace(recipe, groups_weight=0))
    *_, pushed = learning(tiny_backbone, replace(recipe, groups_weight=5))
    assert pushed.losses["groups"] < without.losses["groups"]


def test_the_same_seed_gives_the_same_words_and_another_seed_others(tiny_backbone):
    first, again, other = (learning(tiny_backbone, seed=seed) for seed in (3, 3, 4))
    list(first)
    torch.manual_seed(99)  # the global generator plays no part ...
    drawn = torch.get_rng_state()
    list(again), list(other)
    assert torch.equal(torch.get_rng_state(), drawn)  # ... and is left as it was
    assert torch.equal(first.diversity, again.diversity) and torch.equal(first.distribution, again.distribution)
    assert not torch.allclose(first.diversity, other.diversity, atol=0.01 * tiny_backbone.embedding_std)


def test_words_start_on_the_scale_of_the_token_embeddings(tiny_backbone):
    words = learning(tiny_backbone, Recipe(prompts=256, diversity_words=8)).diversity.detach()
    assert (words - tiny_backbone.embedding_mean.cpu()).std().item() == pytest.approx(
        tiny_backbone.embedding_std, rel=0.05
    )


def test_only_the_words_learn(tiny_backbone):
    before = tiny_backbone.text_vectors(["a photo of a metal nut."])
    learned = learning(tiny_backbone)
    start = learned.diversity.detach().clone(), learned.distribution.detach().clone()
    list(learned)
    assert torch.equal(tiny_backbone.text_vectors(["a photo of a metal nut."]), before)
    modules = [value for value in vars(tiny_backbone).values() if isinstance(value, torch.nn.Module)]
    assert modules and all(parameter.grad is None for module in modules for parameter in module.parameters())
    assert (learned.diversity != start[0]).any(-1).all() and (learned.distribution != start[1]).any(-1).all()


def test_a_stop_keeps_the_words_of_the_last_step(tiny_backbone):
    stopped = threading.Event()
    learned = learning(tiny_backbone, stopped=stopped)
    for progress in learned:
        if progress.step == 3:
            stopped.set()
    assert learned.steps_done == progress.step == 3
    shorter = learning(tiny_backbone, replace(RECIPE, steps=3))
    list(shorter)
    assert torch.equal(learned.diversity, shorter.diversity)


@pytest.mark.parametrize("causal", [True, False])
def test_prompts_and_their_beginnings_read_together_are_what_each_is_alone(causal):
    text = {**TINY["text_cfg"], "no_causal_mask": not causal}
    backbone = random_backbone({**TINY, "text_cfg": text, "custom_text": True})
    drawn = torch.randn(3, 6, backbone.word_width, generator=torch.Generator().manual_seed(0))
    together, apart = drawn.clone().requires_grad_(), drawn.clone().requires_grad_()
    lengths = torch.tensor([6, 4, 2])
    read = torch.stack(backbone.text_vectors_with_prefix(together, lengths, 2))
    expected = torch.stack(
        [backbone.text_vectors_from_words(apart, lengths), backbone.text_vectors_from_words(apart[:, :2])]
    )
    torch.testing.assert_close(read, expected, atol=1e-5, rtol=0)
    weight = torch.randn(read.shape, generator=torch.Generator().manual_seed(1))
    (read * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(together.grad, apart.grad, atol=1e-5, rtol=0)


def test_values_that_are_not_finite_end_the_learning_with_a_sentence(tiny_backbone, monkeypatch):
    learned = learning(tiny_backbone)
    steps = iter(learned)
    next(steps), next(steps)
    words = learned.diversity.detach().clone()
    genuine = tiny_backbone._text.forward
    monkeypatch.setattr(tiny_backbone._text, "forward", lambda *words: genuine(*words) * torch.nan)
    with pytest.raises(InputError, match="broke down at step 2.*learning rate"):
        next(steps)
    assert torch.equal(learned.diversity, words)


def test_presets_grow_and_the_largest_has_the_posters_scale():
    quick, standard, poster = Recipe.quick(), Recipe.standard(), Recipe.poster_scale()
    assert quick.prompts < standard.prompts < poster.prompts == 80
    assert quick.steps < standard.steps < poster.steps == 100
    assert quick.adjectives == ("damaged", "broken")


def test_a_recipe_survives_being_written_down():
    recipe = Recipe(prompts=5, adjectives=["scratched", "bent"], noise_angle=30)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    before = {name: value for name, value in recipe.to_dict().items() if name != "plain_share"}
    assert Recipe.from_dict(before).plain_share == 0  # a file from before the FNN was told them
    with pytest.raises(InputError, match="no value called 'epochs'"):
        Recipe.from_dict({"epochs": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompts": 1}, {"prompts": 10**400}, {"prompts": 2.5}, {"steps": -1}, {"steps": True}, {"hidden": "64"},
        {"learning_rate": 0}, {"learning_rate": float("nan")}, {"noise_angle": 90}, {"guard_weight": float("inf")},
    ],
)  # fmt: skip
def test_values_that_make_no_recipe_are_refused_by_name(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong)).replace('_', ' ').capitalize()} must be"):
        Recipe(**wrong)
