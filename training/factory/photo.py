"""From radiance to a photograph: denoising, exposure, tone, the faults of a camera."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

PASSES = ((2, 1, 0.16), (1, 3, 0.05), (1, 2, 0.03))  # half width, step, tolerance in log-radiance


def denoise(radiance, features):
    """Joint bilateral filter on log-radiance, a trous, guided by what the rays met.

    Args:
        radiance: float32 (h, w, 3), linear. features: float32 (h, w, 9): position, normal, albedo.
    Returns:
        float32 (h, w, 3), linear.
    """
    height, width = radiance.shape[:2]
    albedo = features[..., 6:9]
    guide = np.concatenate(
        [
            features[..., 3:6] / np.sqrt(0.02),
            features[..., 0:3] / np.sqrt(0.004),
            albedo / np.sqrt(0.001 + 0.008 * (albedo**2).sum(-1, keepdims=True)),
        ],
        -1,
    )
    light = np.log(np.minimum(radiance, 50) + 0.02)
    median = np.stack([ndimage.median_filter(light[..., k], 3) for k in range(3)], -1)
    light = np.where(np.abs(light - median) > 0.8, median, light)  # fireflies
    reference = median
    for half, step, tolerance in PASSES:
        pad = half * step
        key = np.concatenate([guide, reference / np.sqrt(tolerance)], -1).astype(np.float32)
        padded, around = (np.pad(a, ((pad, pad), (pad, pad), (0, 0)), mode="reflect") for a in (key, light))
        total, weights = np.zeros_like(light), np.zeros((height, width), np.float32)
        for row in range(-half, half + 1):
            for column in range(-half, half + 1):
                top, left = pad + row * step, pad + column * step
                gap = padded[top : top + height, left : left + width] - key
                weight = np.exp(-np.einsum("ijk,ijk->ij", gap, gap) - (row * row + column * column) / 5)
                weights += weight
                total += weight[..., None] * around[top : top + height, left : left + width]
        light = reference = total / weights[..., None]
    return np.maximum(np.exp(light) - 0.02, 0).astype(np.float32)


@dataclass(frozen=True)
class Look:
    """A camera's rendering, the same for both twins but for the noise.

    exposure: radiance that comes out white. gamma, white (3,): balance of the channels. falloff: (h, w) gain of uneven
    light. blur: deviation in pixels. grain: deviation of the noise in 0..1.
    """

    exposure: float
    gamma: float
    white: np.ndarray
    falloff: np.ndarray
    blur: float
    grain: float

    @classmethod
    def draw(cls, rng, radiance, fills=False):
        """A random look that exposes this picture reasonably; one that `fills` it need not hold anything white."""
        size = len(radiance)
        y, x = np.mgrid[:size, :size] / size * 2 - 1
        angle, slope = rng.uniform(0, 2 * np.pi), rng.choice([0, rng.uniform(0, 0.55)])
        falloff = np.exp(slope * (x * np.cos(angle) + y * np.sin(angle)) - rng.choice([0, 0.2]) * (x * x + y * y))
        return cls(
            exposure=max(np.percentile(radiance, 97) * np.exp(rng.uniform(-0.25, 1.2 if fills else 0.75)), 1e-3),
            gamma=1 / rng.uniform(1.9, 2.5),
            white=1 + rng.normal(0, 0.03, 3),
            falloff=falloff.astype(np.float32),
            blur=rng.uniform(0, 0.8),
            grain=rng.uniform(0, 0.014),
        )

    def develop(self, radiance):
        """The picture without noise, float32 (h, w, 3) in 0..1."""
        picture = np.maximum(radiance * self.falloff[..., None] * (self.white / self.exposure), 0)
        picture = np.where(picture > 0.8, 0.8 + 0.2 * np.tanh((picture - 0.8) / 0.2), picture) ** self.gamma
        if self.blur > 0.15:
            picture = ndimage.gaussian_filter(picture, (self.blur, self.blur, 0))
        return picture.astype(np.float32)

    def expose(self, picture, rng):
        """The picture as the sensor gives it, uint8 (h, w, 3)."""
        noisy = picture + self.grain * rng.standard_normal(picture.shape, np.float32)
        return np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8)
