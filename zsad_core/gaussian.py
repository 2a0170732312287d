"""The Gaussian filter."""

import torch
import torch.nn.functional as F


def gaussian_filtered(pictures: torch.Tensor, deviation: float, reach: int, border: str) -> torch.Tensor:
    """Pictures (N, C, H, W), each channel under a Gaussian.

    Args:
        deviation: of the Gaussian, in pixels, over 0.
        reach: pixels after which it is cut off.
        border: how a picture goes on beyond its border: a mode of `torch.nn.functional.pad`.
    """
    channels = pictures.shape[1]
    offsets = torch.arange(-reach, reach + 1, device=pictures.device)
    weights = torch.exp(-((offsets / deviation) ** 2) / 2)
    weights = (weights / weights.sum()).to(pictures.dtype).expand(channels, 1, 1, -1)  # (C, 1, 1, 2 reach + 1)
    wide = F.pad(pictures, (reach,) * 4, mode=border)
    return F.conv2d(F.conv2d(wide, weights, groups=channels), weights.transpose(2, 3), groups=channels)
