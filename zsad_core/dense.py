"""Image towers: normalised pixels -> image vector and dense vectors in the joint space, in one forward pass.

Two towers with one interface (the embedded backbone's own tower has it too):

    tower.image_size, tower.grid, tower.mean, tower.std
    tower(pixels (N, 3, S, S)) -> image (N, d), dense (N, d, rows, columns), features (N, C, h, w), none of unit length

`image` is what open_clip's `encode_image` gives. `dense` lies in the joint space of images and texts, so a classifier
trained on text vectors applies to it. `features` are the tower's own, of no joint space, by which pictures are compared
with each other. `window_vectors` is the slower, finer way to the same: every window of the image
is encoded as an image of its own.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .cores import side_by_side
from .errors import InputError
from .open_clip_parts import attention_update, entering_tokens, feed_forward

WINDOW_SIZES = (2, 3)  # WinCLIP's small and middle scale, in patches (CVPR 2023)
LATTICE = 5  # a convolutional tower's windows are laid on 5 x 5 cells: 16 + 9 crops, each a pass of its own


def image_tower(visual: nn.Module, mean: Sequence[float], std: Sequence[float], name: str) -> nn.Module:
    """The tower for open_clip's `model.visual`.

    Raises:
        InputError: dense vectors cannot be read from this kind of tower.
    """
    from open_clip.timm_model import TimmModel  # here, because it takes seconds that the embedded backbone need not
    from open_clip.transformer import VisionTransformer

    if isinstance(visual, VisionTransformer):
        return VisionTransformerTower(visual, mean, std, name)
    if isinstance(visual, TimmModel):
        return ConvolutionalTower(visual, mean, std, name)
    raise InputError(
        f"The image tower of {name} is a {type(visual).__name__}, from which no dense vectors are read: "
        "choose a ViT or a timm convolutional model, such as ViT-B-16-plus-240 or MobileCLIP2-S2."
    )


class VisionTransformerTower(nn.Module):
    """open_clip's ViT with the V-V dual path over the last half of its blocks.

    The dense path starts from the patch tokens in the middle of the tower and collects
    out_proj(softmax(v v^T / sqrt(d)) v) of every later block, on the values of the normal path, without feed-forward
    (AnoVL, arXiv 2308.15939); then ln_post and the projection, as for the class token. The normal path is
    left as it is. Its last block is run for the class token only, which pays for the dense path.
    """

    def __init__(self, visual: nn.Module, mean: Sequence[float], std: Sequence[float], name: str):
        from open_clip.transformer import ResidualAttentionBlock

        super().__init__()
        blocks = visual.transformer.resblocks
        if visual.attn_pool is not None or visual.pool_type != "tok":
            raise InputError(
                f"The image tower of {name} pools its patches ({visual.pool_type}) instead of reading a "
                "class token: choose another backbone, such as ViT-B-16-plus-240."
            )
        if not all(isinstance(block, ResidualAttentionBlock) for block in blocks):
            raise InputError(
                f"The image tower of {name} has blocks other than CLIP's own: "
                "choose another backbone, such as ViT-B-16-plus-240."
            )
        self.visual = visual
        self.image_size = _side(visual.image_size, name)
        self.grid = tuple(visual.grid_size)
        self.mean, self.std = mean, std

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        visual, blocks = self.visual, self.visual.transformer.resblocks
        middle = len(blocks) - len(blocks) // 2
        tokens = entering_tokens(visual, pixels)  # (N, 1 + P, w)
        for block in blocks[:middle]:
            tokens = feed_forward(block, tokens + attention_update(block, tokens))
        dense = begun = tokens[:, 1:]  # (N, P, w)
        for block in blocks[middle:]:
            kept = tokens[:, :1] if block is blocks[-1] else tokens
            update = attention_update(block, tokens, kept, value_path=True)
            tokens = feed_forward(block, kept + update[:, : kept.shape[1]])
            dense = dense + update[:, kept.shape[1] :]
        image = visual.ln_post(tokens[:, 0]) @ visual.proj  # (N, d)
        features = torch.cat([F.normalize(begun, dim=2), F.normalize(dense - begun, dim=2)], dim=2)  # (N, P, 2w)
        dense = visual.ln_post(dense) @ visual.proj  # (N, P, d)
        return image, *(each.transpose(1, 2).unflatten(2, self.grid) for each in (dense, features))

    def windows(self, pixels: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The class token's output for every window of `size` x `size` patches, stride 1, as in WinCLIP.

        A window's sequence is the class token and the window's patch tokens as they leave ln_pre, so that they keep
        the position they have in the whole image.

        Returns:
            vectors and cover, as `window_vectors`.
        """
        visual, blocks = self.visual, self.visual.transformer.resblocks
        near = range(size)
        patches = torch.tensor(
            [
                [(row + down) * self.grid[1] + column + right for down in near for right in near]
                for row, column in _corners(self.grid, size)
            ]
        )  # (W, size^2)
        cover = torch.zeros(len(patches), self.grid[0] * self.grid[1], dtype=torch.bool)
        cover = cover.scatter_(1, patches, True).unflatten(1, self.grid)
        rows = F.pad(patches + 1, (1, 0)).to(pixels.device)  # (W, 1 + size^2): the class token first
        tokens = entering_tokens(visual, pixels)[:, rows].flatten(0, 1)  # (N * W, 1 + size^2, w)
        for block in blocks[:-1]:
            tokens = feed_forward(block, tokens + attention_update(block, tokens))
        kept = tokens[:, :1]
        kept = feed_forward(blocks[-1], kept + attention_update(blocks[-1], tokens, kept))
        vectors = visual.ln_post(kept[:, 0]) @ visual.proj
        return vectors.unflatten(0, (len(pixels), -1)), cover.to(pixels.device)


class ConvolutionalTower(nn.Module):
    """timm's convolutional towers: the tower's own pooling and projection, on the whole map and on every position.

    A position is handed to the head as a feature map of 1 x 1, so that whatever norms, layers and projections the head
    has are applied to it as they are to the pooled map.
    """

    def __init__(self, visual: nn.Module, mean: Sequence[float], std: Sequence[float], name: str):
        from timm.layers import AttentionPool2d, AttentionPoolLatent, RotAttentionPool2d

        super().__init__()
        pools = AttentionPool2d, AttentionPoolLatent, RotAttentionPool2d
        if any(isinstance(part, pools) for part in visual.modules()):
            raise InputError(
                f"The image tower of {name} pools by attention over all positions, so that single ones "
                "have no vector: choose another backbone, such as ViT-B-16-plus-240 or MobileCLIP2-S2."
            )
        self.visual = visual.eval()
        self.image_size = _side(visual.image_size, name)
        with torch.no_grad():
            weight = next(visual.parameters())
            features = visual.trunk.forward_features(weight.new_zeros(1, 3, self.image_size, self.image_size))
        if features.ndim != 4 or features.shape[1] != visual.trunk.num_features:
            raise InputError(
                f"The image tower of {name} ({type(visual.trunk).__name__}) is not a convolutional one: "
                "choose another backbone, such as ViT-B-16-plus-240 or MobileCLIP2-S2."
            )
        self.grid = tuple(features.shape[2:])
        self.mean, self.std = mean, std

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = self.visual.trunk.forward_features(pixels)  # (N, C, rows, columns)
        cells = features.permute(0, 2, 3, 1).flatten(0, 2)[:, :, None, None]  # (N * rows * columns, C, 1, 1)
        image = self.visual.head(self.visual.trunk.forward_head(features))  # (N, d)
        dense = self.visual.head(self.visual.trunk.forward_head(cells))
        return image, dense.unflatten(0, (len(pixels), *self.grid)).permute(0, 3, 1, 2), features


def window_vectors(tower: nn.Module, pixels: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Image vectors of overlapping windows.

    A ViT's windows are `size` x `size` patches at stride 1, run through the transformer in one batch. A convolutional
    tower's windows are crops of `size` x `size` cells of a 5 x 5 lattice over the image, at a stride of one cell, each
    enlarged to the tower's own input size: 16 crops for size 2, 9 for size 3.

    Args:
        pixels: (N, 3, S, S), normalised.
        size: side of a window, in patches or cells, at least 1.
    Returns:
        vectors (N, windows, d), not of unit length, and cover (windows, rows, columns), bool: which patches of the
        tower's grid lie in which window. For crops: which patches have their centre in it.
    Raises:
        InputError: the window is larger than the grid.
    """
    if isinstance(tower, VisionTransformerTower):
        return tower.windows(pixels, size)
    side, (rows, columns) = tower.image_size, tower.grid
    edges = [round(cell * side / LATTICE) for cell in range(LATTICE + 1)]  # of the cells, in pixels
    row_centre, column_centre = ((torch.arange(count) + 0.5) * side / count for count in (rows, columns))
    boxes = [
        (edges[top], edges[top + size], edges[left], edges[left + size])
        for top, left in _corners((LATTICE, LATTICE), size)
    ]
    cover = torch.empty(len(boxes), rows, columns, dtype=torch.bool)
    for index, (top, bottom, left, right) in enumerate(boxes):
        inside_rows = (top <= row_centre) & (row_centre < bottom)
        inside_columns = (left <= column_centre) & (column_centre < right)
        cover[index] = inside_rows[:, None] & inside_columns

    def vectors_of(box):
        top, bottom, left, right = box
        crop = F.interpolate(pixels[:, :, top:bottom, left:right], (side, side), mode="bicubic", align_corners=False)
        return tower(crop)[0]  # (N, d)

    found = side_by_side(vectors_of, boxes) if pixels.device.type == "cpu" else [vectors_of(box) for box in boxes]
    return torch.stack(found, dim=1), cover.to(pixels.device)


def mean_over_windows(tower: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Dense vectors from windows: the mean of the unit vectors of the windows that hold a patch.

    Taken over the windows of one size first, then over `WINDOW_SIZES`.

    Args:
        pixels: (N, 3, S, S), normalised.
    Returns:
        (N, d, rows, columns), not of unit length.
    """
    total = 0
    for size in WINDOW_SIZES:
        vectors, cover = window_vectors(tower, pixels, size)
        share = cover.to(vectors.dtype) / cover.sum(0)  # (W, rows, columns)
        total = total + torch.einsum("nwd,wrc->ndrc", F.normalize(vectors, dim=-1), share)
    return total / len(WINDOW_SIZES)


def _corners(grid: tuple[int, int], size: int) -> list[tuple[int, int]]:
    """Top left corners (row, column) of all size x size squares of a grid, row by row."""
    if not 1 <= size <= min(grid):
        raise InputError(
            f"A window of {size} x {size} does not fit a grid of {grid[0]} x {grid[1]}: "
            f"choose a size from 1 to {min(grid)}."
        )
    return [(row, column) for row in range(grid[0] - size + 1) for column in range(grid[1] - size + 1)]


def _side(image_size: tuple[int, int], name: str) -> int:
    """The side of the square input, from open_clip's (height, width)."""
    height, width = image_size
    if height != width:
        raise InputError(
            f"{name} reads images of {height} x {width} pixels, and only square inputs are handled: "
            "choose another backbone."
        )
    return height
