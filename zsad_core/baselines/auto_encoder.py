"""A small masked auto-encoder (He et al., CVPR 2022, arXiv 2111.06377): guesses the patches of an image that are hidden
from those that are seen."""

import torch
from torch import nn


class MaskedAutoEncoder(nn.Module):
    """A transformer over the patches that are seen, and a smaller one that fills in the hidden ones.

    Attributes:
        side: of the square that it reads, pixels. patch: side of a patch, pixels.
    """

    def __init__(
        self, side: int = 128, patch: int = 8, width: int = 128, layers: int = 4, narrow: int = 64, last_layers: int = 1
    ):
        """
        Args:
            width, layers: of the encoder. narrow, last_layers: width and layers of the decoder.
        """
        super().__init__()
        self.side, self.patch = side, patch
        cells = side // patch
        self.enter = nn.Linear(3 * patch**2, width)
        self.encoder = _transformer(width, layers)
        self.between = nn.Linear(width, narrow)
        self.hidden_token = nn.Parameter(torch.zeros(narrow))
        self.decoder = _transformer(narrow, last_layers)
        self.leave = nn.Linear(narrow, 3 * patch**2)
        self.register_buffer("places", _waves(cells, width), persistent=False)  # (P, width)
        self.register_buffer("narrow_places", _waves(cells, narrow), persistent=False)

    def forward(self, pixels: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """
        Args:
            pixels: (B, 3, side, side), normalised.
            hidden: (B, P) bool, which patches are hidden, as many in every row.
        Returns:
            (B, 3, side, side): what every patch is guessed to be; only the guesses of hidden patches mean anything.
        """
        count = len(pixels)
        tokens = self.enter(self.patches(pixels)) + self.places  # (B, P, width)
        seen = tokens[~hidden].view(count, -1, tokens.shape[-1])
        seen = self.between(self.encoder(seen))  # (B, seen, narrow)
        filled = self.hidden_token.to(seen.dtype).repeat(*hidden.shape, 1)  # (B, P, narrow)
        filled[~hidden] = seen.flatten(0, 1)
        return self.image(self.leave(self.decoder(filled + self.narrow_places)))

    def patches(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, 3, side, side) -> (B, P, 3 * patch * patch)."""
        return nn.functional.unfold(pixels, self.patch, stride=self.patch).transpose(1, 2)

    def image(self, patches: torch.Tensor) -> torch.Tensor:
        """(B, P, 3 * patch * patch) -> (B, 3, side, side)."""
        return nn.functional.fold(patches.transpose(1, 2), (self.side,) * 2, self.patch, stride=self.patch)


def _transformer(width: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, width // 32, 4 * width, dropout=0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)


def _waves(cells: int, width: int) -> torch.Tensor:
    """Sines and cosines of row and column, (cells * cells, width)."""
    frequency = 10000 ** -(torch.arange(width // 4) / (width // 4))
    angle = torch.arange(cells)[:, None] * frequency  # (cells, width / 4)
    along = torch.cat([angle.sin(), angle.cos()], dim=1)  # (cells, width / 2)
    rows, columns = along[:, None].expand(-1, cells, -1), along[None].expand(cells, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)
