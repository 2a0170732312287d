"""The grain of a picture: how strong it is, and how to take it out before a tower reads the picture.

A small tower takes noise for damage. How strong it is can be told from the picture itself, so that a noisy picture is
smoothed as far as it needs and a clean one keeps every detail.
"""

import math

import torch

from .gaussian import gaussian_filtered

NORMAL_MEDIAN = 0.6745  # of |x|, x of the standard normal distribution
REACH = 3  # half of the smoothing filter's length, in its standard deviations


def grain(pixels: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the noise in each picture: the median size of the diagonal details of the finest Haar
    wavelet over 0.6745, which edges and damage hardly move (Donoho and Johnstone, Biometrika 81, 1994).

    Args:
        pixels: (N, 3, H, W), H and W at least 2; white is 1.
    Returns:
        (N,)
    """
    even, odd = pixels[:, :, :-1:2], pixels[:, :, 1::2]  # rows
    across = even - odd  # (N, 3, H/2, W)
    diagonal = (across[..., :-1:2] - across[..., 1::2]) / 2  # (N, 3, H/2, W/2)
    return diagonal.abs().flatten(1).median(dim=1).values / NORMAL_MEDIAN


def without_grain(pixels: torch.Tensor, found: torch.Tensor, left: float) -> torch.Tensor:
    """Pictures smoothed until no more noise than `left` remains in them; those that have no more come back unchanged.

    A Gaussian of s pixels leaves a share 1 / (2 sqrt(pi) s) of white noise, which gives s.

    Args:
        pixels: (N, 3, H, W), on any scale. found: (N,) their `grain`.
        left: standard deviation of the noise that may stay, on the scale of `found`.
    """
    if not (found > left).any():
        return pixels
    return torch.stack(
        [
            _smoothed(picture, noise / (2 * math.sqrt(math.pi) * left)) if noise > left else picture
            for picture, noise in zip(pixels, found.tolist(), strict=True)
        ]
    )


def _smoothed(picture: torch.Tensor, deviation: float) -> torch.Tensor:
    """(3, H, W) under a Gaussian filter, the border repeated outwards."""
    reach = min(math.ceil(REACH * deviation), *(side - 1 for side in picture.shape[1:]))
    return gaussian_filtered(picture[None], deviation, reach, border="replicate")[0]
