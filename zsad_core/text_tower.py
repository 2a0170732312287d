"""CLIP's text tower, fed with word vectors instead of tokens, so that words can be learned."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .errors import InputError
from .open_clip_parts import attention_update, feed_forward


class TextTower(nn.Module):
    """A CLIP text transformer that is fed word vectors instead of tokens.

    `forward`: words (N, L, w), of which the first `lengths` (N,) count, -> text vectors (N, d), not of unit length;
    with `prefix`, (N, 2, d): those of the words, and those of the first `prefix` of them alone (causal towers). Start
    and end of text are put around the words here.

    A causal tower never lets the end-of-text row see what comes after it, so the sequence is cropped to L + 2: exact,
    and 4 to 7 times faster than the whole context. A tower without causal mask (MobileCLIP2) sees its padding and is
    given the whole context, as open_clip gives it. Of the last block only the end-of-text row is computed.
    """

    def __init__(self, source: nn.Module, tokenizer: Any, name: str):
        """
        Args:
            source: open_clip's `CLIP` or `TextTransformer`, or our own `TextTransformer`.
            tokenizer: CLIP's; see `zsad_core.tokenizer.Tokenizer`.
            name: of the backbone, for a person.
        Raises:
            InputError: the text tower is not of CLIP's kind.
        """
        super().__init__()
        pooling = getattr(source, "text_pool_type", getattr(source, "pool_type", None))
        if not hasattr(source, "token_embedding") or getattr(source, "cls_emb", None) is not None:
            raise InputError(
                f"The text tower of {name} is not CLIP's own, so no words can be injected into it: "
                "choose another backbone, such as ViT-B-16-plus-240."
            )
        if pooling not in ("argmax", "eos"):
            raise InputError(
                f"The text tower of {name} does not read its end-of-text token (pooling {pooling!r}): choose another "
                "backbone, such as ViT-B-16-plus-240."
            )
        self.token_embedding = source.token_embedding
        self.positional_embedding = source.positional_embedding  # (context, w)
        self.blocks = source.transformer.resblocks
        self.ln_final = source.ln_final
        self.text_projection = source.text_projection
        self.tokenizer = tokenizer
        self.context_length = len(self.positional_embedding)
        self.causal = source.attn_mask is not None
        mask = torch.full((self.context_length,) * 2, float("-inf")).triu(1) if self.causal else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, words: torch.Tensor, lengths: torch.Tensor, prefix: int | None = None) -> torch.Tensor:
        tokens = self._framed(words, lengths)  # (N, L', w)
        ends = (lengths + 1)[:, None]  # (N, 1)
        length = tokens.shape[1]
        mask = self.mask[:length, :length] if self.causal else None  # (L', L')
        if prefix is not None:
            tokens, ends, mask = self._with_second_end(tokens, ends, mask, prefix)
        found = self._read_at(tokens, ends, mask)  # (N, 1 or 2, w)
        return self.projected(self.ln_final(found if prefix is not None else found[:, 0]))

    def projected(self, vectors: torch.Tensor) -> torch.Tensor:
        """What `ln_final` gives, (..., w), in the joint space, (..., d)."""
        if self.text_projection is None:
            return vectors
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(vectors)
        return vectors @ self.text_projection

    def _framed(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The words between start and end of text, padding behind, at their positions: (N, L + 2 or context, w)."""
        count, longest, _ = words.shape
        table = self.token_embedding.weight  # (V, w)
        length = longest + 2 if self.causal else self.context_length
        start, stop, padding = table[self.tokenizer.sot_token_id], table[self.tokenizer.eot_token_id], table[0]
        tokens = torch.cat([start.expand(count, 1, -1), words, padding.expand(count, length - longest - 1, -1)], dim=1)
        beyond = torch.arange(length, device=words.device) - (lengths + 1)[:, None]  # (N, L'): 0 at the end of text
        tokens = torch.where((beyond > 0)[..., None], padding, tokens)
        return torch.where((beyond == 0)[..., None], stop, tokens) + self.positional_embedding[:length]

    def _with_second_end(self, tokens: torch.Tensor, ends: torch.Tensor, mask: torch.Tensor, prefix: int):
        """A second end of text, last in the row and seen by no other token, that sees the prefix: tokens, ends, mask.

        It stands at the position that it would have if the text ended there.
        """
        count, length, _ = tokens.shape
        stop = self.token_embedding.weight[self.tokenizer.eot_token_id]
        second = stop + self.positional_embedding[prefix + 1]
        tokens = torch.cat([tokens, second.expand(count, 1, -1)], dim=1)  # (N, L' + 1, w)
        mask = F.pad(F.pad(mask, (0, 1), value=float("-inf")), (0, 0, 0, 1))  # (L' + 1, L' + 1)
        mask[length, prefix + 1 : length] = float("-inf")
        return tokens, torch.cat([ends, torch.full_like(ends, length)], dim=1), mask  # ends: (N, 2)

    def _read_at(self, tokens: torch.Tensor, ends: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """What the blocks make of the tokens at `ends` (N, 1 or 2), which are all that the last one is run for."""
        for block in self.blocks[:-1]:
            tokens = feed_forward(block, tokens + attention_update(block, tokens, mask=mask))
        last, each = self.blocks[-1], torch.arange(len(tokens), device=tokens.device)[:, None]
        end = tokens[each, ends]  # (N, 1 or 2, w)
        end_mask = mask[ends][:, None] if mask is not None else None  # (N, 1, 1 or 2, L')
        return feed_forward(last, end + attention_update(last, tokens, queries=end, mask=end_mask))
