"""The inside of open_clip's towers, all in this file: their blocks, and the tokens that enter the first of them.

Public parts of open_clip 3 (`encode_image`, `forward`) give neither values nor single rows. Two things need them: the
value-value path shares the values that the normal path computes, and the last block of a tower need only be run for the
one token that is read out. `attention_update` and `feed_forward` are the two halves of
`open_clip.transformer.ResidualAttentionBlock.forward`, with the same arithmetic on the block's own weights.
tests/core/test_open_clip_parts.py says which part an upgrade has changed.
"""

from typing import Any

import torch
import torch.nn.functional as F


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """(N, L, w) -> (N, heads, L, w / heads)"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attention_update(
    block: Any,
    tokens: torch.Tensor,
    queries: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    value_path: bool = False,
) -> torch.Tensor:
    """What the attention of `block` adds to its tokens.

    Args:
        block: an open_clip `ResidualAttentionBlock`.
        tokens: (N, L, w), the block's input; every token is attended to.
        queries: (N, Q, w), the tokens whose update is wanted, if not all L of them.
        mask: additive attention mask, broadcastable to (N, heads, Q, L).
        value_path: append the update of the V-V path, softmax(v v^T / sqrt(d)) v (AnoVL, arXiv 2308.15939), for every
            token but the first (the class token).
    Returns:
        (N, Q, w), or (N, Q + L - 1, w) with the value path.
    """
    attention = block.attn
    weight, bias, width = attention.in_proj_weight, attention.in_proj_bias, tokens.shape[-1]
    normed = block.ln_1(tokens)
    if queries is None:
        parts = F.linear(normed, weight, bias).chunk(3, dim=-1)  # three of (N, L, w)
    else:
        asked = F.linear(block.ln_1(queries), weight[:width], bias[:width])  # (N, Q, w)
        parts = (asked, *F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1))
    query, key, value = (split_heads(part, attention.num_heads) for part in parts)
    heard = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (N, heads, Q, w / heads)
    if value_path:
        heard = torch.cat([heard, F.scaled_dot_product_attention(value[:, :, 1:], value, value)], dim=2)
    return block.ls_1(attention.out_proj(heard.transpose(1, 2).flatten(2)))


def feed_forward(block: Any, x: torch.Tensor) -> torch.Tensor:
    """Second half of the block: (N, L, w) -> (N, L, w)."""
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def entering_tokens(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    """What enters the first block of a `VisionTransformer`: the class token, then the patches, (N, 1 + P, w).

    Args:
        pixels: (N, 3, S, S), normalised, S the tower's own size.
    """
    return visual._embeds(pixels)


def entering_tokens_of_any_size(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The same of pixels (N, 3, S, S) for any multiple S of the patch; the positions are stretched to it."""
    tokens = visual.conv1(pixels).flatten(2).transpose(1, 2)  # (N, P, w)
    rows = pixels.shape[-1] // visual.patch_size[0]
    places = visual.positional_embedding[1:].unflatten(0, visual.grid_size).permute(2, 0, 1)[None]
    places = F.interpolate(places, size=(rows, rows), mode="bilinear").flatten(2).transpose(1, 2)  # (1, P, w)
    begin = visual.class_embedding + visual.positional_embedding[0]  # (w,)
    return visual.ln_pre(torch.cat([begin.expand(len(tokens), 1, -1), tokens + places], dim=1))
