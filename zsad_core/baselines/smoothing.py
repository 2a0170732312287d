"""Anomaly maps made smooth, as several papers do it after they have brought them to the size of the image."""

import torch
import torch.nn.functional as F

REACH = 4  # standard deviations after which the Gaussian is cut off


def smoothed(maps: torch.Tensor, side: int, sigma: float) -> torch.Tensor:
    """Maps (N, rows, columns) enlarged to (N, side, side), bilinearly, and blurred by a Gaussian of so many pixels."""
    enlarged = F.interpolate(maps[:, None], size=(side, side), mode="bilinear")  # (N, 1, side, side)
    reach = round(REACH * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-((offsets / sigma) ** 2) / 2)
    weights = weights / weights.sum()
    padded = F.pad(enlarged, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, weights[None, None, None]), weights[None, None, :, None])[:, 0]
