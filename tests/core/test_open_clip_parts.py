"""Canary: the private parts of open_clip that zsad_core/open_clip_parts.py reads are still what they were.

For open_clip 4, said to change the blocks and not published when this was written (3.3.0 is the newest), whatever fails
here is what must follow: `attention_update` and `feed_forward` its blocks' `forward`, `TextTower` its text tower.
"""

import open_clip
import pytest
import torch
from tiny_clip import TINY

from zsad_core.checkpoints import build
from zsad_core.open_clip_parts import (
    attention_update,
    entering_tokens,
    entering_tokens_of_any_size,
    feed_forward,
    split_heads,
)

UPGRADE = f"open_clip {open_clip.__version__} changed it: read zsad_core/open_clip_parts.py, or go back to 3.3"


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(TINY).eval().requires_grad_(False)


BLOCK_PARTS = ("ln_1", "ln_2", "ls_1", "ls_2", "mlp", "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj",
               "attn.num_heads")  # fmt: skip


def has(thing, path):
    for name in path.split("."):
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


@pytest.mark.parametrize("part", BLOCK_PARTS)
def test_a_block_has_the_parts_that_are_read(model, part):
    for block in (model.visual.transformer.resblocks[0], model.transformer.resblocks[0]):
        assert has(block, part), f"a block's {part}: {UPGRADE}"


@pytest.mark.parametrize(
    "part",
    ["_embeds", "conv1", "class_embedding", "positional_embedding", "ln_pre", "ln_post", "proj", "patch_size",
     "grid_size", "image_size", "attn_pool", "pool_type"],
)  # fmt: skip
def test_an_image_tower_has_the_parts_that_are_read(model, part):
    assert has(model.visual, part), f"the image tower's {part}: {UPGRADE}"


@pytest.mark.parametrize(
    "part", ["token_embedding", "positional_embedding", "transformer.resblocks", "ln_final", "text_projection",
             "attn_mask"]
)  # fmt: skip
def test_a_text_tower_has_the_parts_that_are_read(model, part):
    assert has(model, part), f"the text tower's {part}: {UPGRADE}"


def test_a_block_computes_what_its_two_halves_do(model):
    block, tokens = model.transformer.resblocks[1], torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0))
    mask = model.attn_mask[:5, :5]
    expected = block(tokens, attn_mask=mask)
    found = feed_forward(block, tokens + attention_update(block, tokens, mask=mask))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4, msg=lambda text: f"{UPGRADE}. {text}")
    last = tokens[:, -1:] + attention_update(block, tokens, tokens[:, -1:], mask[-1:])
    torch.testing.assert_close(feed_forward(block, last), expected[:, -1:], atol=1e-5, rtol=1e-4)


def test_the_value_path_attends_by_values_from_every_token_but_the_first(model):
    block, tokens = model.visual.transformer.resblocks[0], torch.randn(1, 4, 64)
    attention = block.attn
    value = split_heads(
        (block.ln_1(tokens) @ attention.in_proj_weight[-64:].T + attention.in_proj_bias[-64:]), attention.num_heads
    )
    heard = (value @ value.transpose(2, 3) / value.shape[-1] ** 0.5).softmax(-1) @ value
    expected = attention.out_proj(heard.transpose(1, 2).flatten(2))[:, 1:]
    found = attention_update(block, tokens, value_path=True)
    assert found.shape == (1, 7, 64)
    torch.testing.assert_close(found[:, 4:], expected, atol=1e-5, rtol=1e-4)


def test_the_tokens_that_enter_the_image_tower_are_its_own(model):
    pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    tokens = entering_tokens(model.visual, pixels)
    expected = model.encode_image(pixels)
    found = model.visual.ln_post(model.visual.transformer(tokens)[:, 0]) @ model.visual.proj
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4, msg=lambda text: f"{UPGRADE}. {text}")
    torch.testing.assert_close(entering_tokens_of_any_size(model.visual, pixels), tokens, atol=1e-5, rtol=1e-4)
    assert entering_tokens_of_any_size(model.visual, torch.zeros(1, 3, 160, 160)).shape == (1, 101, 64)
