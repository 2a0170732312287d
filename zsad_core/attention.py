"""One residual attention block of open_clip, written out, so that its values and single rows can be asked for.

The same arithmetic as `open_clip.transformer.ResidualAttentionBlock.forward`, on the block's own weights, in two
halves: `attention_update` and `feed_forward`. Two things need its inside: the value-value path shares the values that
the normal path computes, and the last block of a tower need only be run for the one token that is read out.
"""

import torch
import torch.nn.functional as F


def split_heads(x, heads):
    """(N, L, w) -> (N, heads, L, w / heads)"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attention_update(block, tokens, queries=None, mask=None, value_path=False):
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


def feed_forward(block, x):
    """Second half of the block: (N, L, w) -> (N, L, w)."""
    return x + block.ls_2(block.mlp(block.ln_2(x)))
