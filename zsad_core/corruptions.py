"""Image corruptions as ImageNet-C defines them: brightness, contrast, defocus blur and Gaussian noise.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, and the code published with it; "Anomaly Detection under Distribution Shift" (Cao et al., ICCV 2023), which
the poster follows, uses the same four. The order of operations, the clipping and the truncation (not rounding) to
uint8 are the published ones, because they decide many pixels: brightness 2 and 4, for example, put the brightest
channel of every pixel exactly on a whole number.

Radii and sigmas are in pixels of the image given, whatever its size. Corrupt first, resize afterwards.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from .errors import InputError, quoted
from .images import read_image
from .seeds import checked_seed

MAX_SEVERITY = 5


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption.

    Attributes:
        name: as `corrupt` and the command lines take it.
        title: as a person reads it.
        of_poster: whether it is one of the poster's four.
        severities: what severity 1 to 5 means for `function`.
        function: (image (H, W, 3) uint8, one of `severities`, seed) -> a new (H, W, 3) uint8.
    """

    name: str
    title: str
    of_poster: bool
    severities: Sequence
    function: Callable[[np.ndarray, Any, int], np.ndarray]


# By name, in the order in which several are applied. The rest of the product takes names, order and titles from here.
CORRUPTIONS: dict[str, Corruption] = {}


def corruption(name: str, severities: Sequence, *, title: str = "", of_poster: bool = False) -> Callable:
    """Makes the function below it a corruption, applied after those that stand above it in this file.

    They stand in the order of the light's way: the scene and its lighting, then the optics, then the sensor. The
    severities of those of ImageNet-C are the published ones.

    Args:
        severities: what severity 1 to 5 means for the function.
        title: as a person reads it; the name with spaces if not given.
    """

    def register(function):
        CORRUPTIONS[name] = Corruption(name, title or name.replace("_", " "), of_poster, tuple(severities), function)
        return function

    return register


_LEVELS = np.arange(256) / 255.0
_PIXELS_AT_A_TIME = 16_384  # float64 planes of this length stay in the cache
_TILE = 192  # side of the Fourier transforms: a fast length, and two of them fit the cache
# Fourier rounding is near 1e-13: this keeps a whole number from being truncated to the one below it.
_ROUNDING = 1e-10


def corrupt(image, kind: str, severity, seed: int = 0) -> np.ndarray:
    """Corrupt one image.

    image: anything `read_image` accepts.
    kind: a name of CORRUPTIONS; "blur" is defocus blur.
    severity: whole number from 0 (the image as it is) to 5.
    seed: decides the noise and the direction of motion blur; the global generators are neither used nor changed.
        The same seed at two severities gives the same noise pattern, weaker and stronger.

    Returns a new (H, W, 3) uint8 array. Raises InputError on an image, kind, severity or seed that cannot be used.
    """
    _check_kind(kind)
    return corrupt_all(image, {kind: severity}, seed)


def corrupt_all(image, severities: dict, seed: int = 0) -> np.ndarray:
    """Apply several corruptions, always in the order of CORRUPTIONS, each to the uint8 result of the one before.

    severities: kind -> severity; kinds that are left out have severity 0. Otherwise as `corrupt`.
    """
    levels = {kind: _checked_severity(kind, severity) for kind, severity in severities.items()}
    seed = checked_seed(seed)
    pixels = read_image(image)  # (H, W, 3)
    for kind, one in CORRUPTIONS.items():
        if levels.get(kind):
            pixels = one.function(pixels, one.severities[levels[kind] - 1], seed)
    return pixels


def _check_kind(kind) -> None:
    if not isinstance(kind, str) or kind not in CORRUPTIONS:
        choices = ", ".join(sorted(CORRUPTIONS, key=lambda name: not CORRUPTIONS[name].of_poster))  # the poster's first
        raise InputError(f"The corruption {quoted(kind)} is not known: choose one of {choices}.")


def _checked_severity(kind, severity) -> int:
    _check_kind(kind)
    try:
        whole = int(severity)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != severity or not 0 <= whole <= MAX_SEVERITY:
        raise InputError(
            f"The severity {quoted(severity)} of {kind} is not possible: "
            f"give a whole number from 0 (no change) to {MAX_SEVERITY}."
        )
    return whole


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


@corruption("brightness", (0.1, 0.2, 0.3, 0.4, 0.5), of_poster=True)
def _brightness(image: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """`amount` is added to V of HSV."""
    pixels = image.reshape(-1, 3)
    result = np.empty_like(pixels)
    for start in range(0, len(pixels), _PIXELS_AT_A_TIME):
        part = slice(start, start + _PIXELS_AT_A_TIME)
        result[part] = _add_to_value(pixels[part], amount)
    return result.reshape(image.shape)


# Which of (largest, middle, smallest) red, green and blue are, in each sixth of the hue circle.
_RANKS = np.array([[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [1, 2, 0], [0, 2, 1]], np.uint8)


def _add_to_value(pixels: np.ndarray, amount: float) -> np.ndarray:
    """RGB to HSV, V + amount, and back, for (n, 3) uint8.

    In exact arithmetic this is rgb * min(V + amount, 1) / V. The detour over hue and saturation is kept because its
    float64 rounding decides the truncation wherever the exact result is a whole number, as in all saturated pixels.
    """
    red, green, blue = _LEVELS[pixels.T]  # (n,) each
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    saturation = chroma / np.where(value == 0, 1, value)
    divisor = np.where(chroma == 0, 1, chroma)
    hue = np.where(green == value, 2 + (blue - red) / divisor, (green - blue) / divisor)
    hue = np.where(blue == value, 4 + (red - green) / divisor, hue) / 6
    hue = (hue + (hue < 0)) * 6  # in [0, 6]
    sixth = np.floor(hue)
    fraction = hue - sixth
    sixth = sixth.astype(np.uint8) % 6
    value = np.minimum(value + amount, 1)
    middle = value * (1 - np.where(sixth % 2, fraction, 1 - fraction) * saturation)
    smallest = value * (1 - saturation)
    ranked = (np.stack([value, middle, smallest], axis=1) * 255).astype(np.uint8)  # (n, 3)
    # take_along_axis, by hand: four times as fast
    return ranked.ravel().take(_RANKS.take(sixth, axis=0) + 3 * np.arange(len(pixels))[:, None])


@corruption("contrast", (0.4, 0.3, 0.2, 0.1, 0.05), of_poster=True)
def _contrast(image: np.ndarray, factor: float, seed: int) -> np.ndarray:
    """`factor` scales each channel about its mean."""
    means = np.mean(image / 255.0, axis=(0, 1))[:, None]  # (3, 1)
    changed = (_LEVELS - means) * factor + means  # (3, 256)
    table = (np.clip(changed, 0, 1) * 255).astype(np.uint8)
    return np.array(Image.fromarray(image).point(table.ravel().tolist()))


@corruption("blur", ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), title="defocus blur", of_poster=True)
def _blur(image: np.ndarray, disk: tuple[int, float], seed: int) -> np.ndarray:
    """`disk` is its radius, and the sigma that softens its edge."""
    kernel = _disk_kernel(*disk)
    return _correlate(image, kernel, (len(kernel) // 2, len(kernel) // 2), border="reflect")


def _disk_kernel(radius: int, sigma: float) -> np.ndarray:
    """The published disk, float32: (17, 17) up to radius 8, else (2 radius + 1, 2 radius + 1).

    The disk sums to 1 before its edge is softened, and softening mirrors the grid at its border (so did OpenCV). A
    disk that touches the border is therefore counted there twice: at radius 8 and 10 the sum is 1.013 and 1.011.
    Below that the float32 sum is just under 1, so that a flat area of v truncates to v - 1.
    """
    half, reach = (8, 1) if radius <= 8 else (radius, 2)
    axis = np.arange(-half, half + 1)
    kernel = (axis**2 + axis[:, None] ** 2 <= radius**2).astype(np.float32)
    kernel /= kernel.sum()
    taps = np.exp(-(np.arange(reach + 1) ** 2) / (2 * sigma**2))
    taps = (taps / (taps[0] + 2 * taps[1:].sum())).astype(np.float32)  # from the middle outwards
    size = len(axis)
    for _ in ("rows", "columns"):
        padded = np.pad(kernel, ((0, 0), (reach, reach)), mode="reflect")
        kernel = taps[0] * kernel
        for step in range(1, reach + 1):
            left, right = reach - step, reach + step
            kernel += taps[step] * (padded[:, left : left + size] + padded[:, right : right + size])
        kernel = kernel.T
    return kernel


@corruption("gaussian_blur", (1, 2, 3, 4, 6))
def _gaussian_blur(image: np.ndarray, sigma: int, seed: int) -> np.ndarray:
    radius = 4 * sigma
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    return _correlate(image, np.outer(taps, taps), (radius, radius), border="edge")


@corruption("motion_blur", ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)))
def _motion_blur(image: np.ndarray, line: tuple[int, int], seed: int) -> np.ndarray:
    """Half a Gaussian along a line that leaves the pixel at an angle drawn from -45 to 45 degrees.

    `line` is half of its length, and the Gaussian's sigma.
    """
    radius, sigma = line
    angle = math.radians(_generator(seed).uniform(-45, 45))
    along = np.arange(2 * radius + 1)
    taps = np.exp(-(along**2) / (2 * sigma**2))
    rows = np.ceil(along * math.sin(angle) - 0.5).astype(int)
    columns = np.ceil(along * math.cos(angle) - 0.5).astype(int)
    kernel = np.zeros((np.ptp(rows) + 1, columns[-1] + 1))
    np.add.at(kernel, (rows - rows.min(), columns), taps / taps.sum())  # two taps may round to the same pixel
    return _correlate(image, kernel, (-rows.min(), 0), border="edge")


@corruption("noise", (0.08, 0.12, 0.18, 0.26, 0.38), title="Gaussian noise", of_poster=True)
def _noise(image: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    """White is 1."""
    generator = _generator(seed)
    values = image.reshape(-1)
    result = np.empty_like(values)
    for start in range(0, len(values), _PIXELS_AT_A_TIME):
        part = slice(start, start + _PIXELS_AT_A_TIME)
        noisy = generator.standard_normal(len(values[part]))
        noisy *= deviation
        noisy += _LEVELS[values[part]]
        result[part] = np.clip(noisy, 0, 1, out=noisy) * 255
    return result.reshape(image.shape)


def _correlate(image: np.ndarray, kernel: np.ndarray, origin: tuple[int, int], border: str) -> np.ndarray:
    """Correlate every channel with one kernel, exactly (float64), clip to [0, 255] and truncate to uint8.

    image: (H, W, 3) uint8. kernel: (h, w), smaller than _TILE. origin: row and column of the kernel's entry that lies
    on the pixel. border: a mode of numpy.pad; "reflect" repeats the reflection in images smaller than the kernel.

    Works on overlapping tiles by Fourier transform. The kernel is real, so the upper and the lower half of the image
    travel through one complex transform, as its real and its imaginary part.
    """
    height, width, _ = image.shape
    step_y, step_x = _TILE - kernel.shape[0] + 1, _TILE - kernel.shape[1] + 1
    rows, columns = -(-height // (2 * step_y)), -(-width // step_x)
    margins = (
        (origin[0], 2 * rows * step_y - height + kernel.shape[0] - 1 - origin[0]),
        (origin[1], columns * step_x - width + kernel.shape[1] - 1 - origin[1]),
        (0, 0),
    )
    planes = np.ascontiguousarray(np.pad(image, margins, mode=border).transpose(2, 0, 1))
    tiles = torch.from_numpy(planes).unfold(1, _TILE, step_y).unfold(2, _TILE, step_x)  # (3, 2 rows, columns, T, T)
    response = torch.fft.fft2(torch.from_numpy(kernel).double(), s=(_TILE, _TILE)).conj().resolve_conj()
    result = torch.empty(2 * rows, step_y, columns, step_x, 3, dtype=torch.uint8)
    for channel in range(3):
        for row in range(rows):
            upper, lower = tiles[channel, row].double(), tiles[channel, rows + row].double()
            spectrum = torch.fft.fft2(torch.complex(upper, lower)).mul_(response)
            halves = torch.view_as_real(torch.fft.ifft2(spectrum)[:, :step_y, :step_x])  # (columns, y, x, 2)
            halves = halves.add(_ROUNDING).clamp_(0, 255).permute(3, 1, 0, 2)  # (2, y, columns, x)
            result[row, ..., channel], result[rows + row, ..., channel] = halves[0], halves[1]
    result = result.view(2 * rows * step_y, columns * step_x, 3)[:height, :width]
    return np.ascontiguousarray(result.numpy())


POSTER_CORRUPTIONS = tuple(name for name, one in CORRUPTIONS.items() if one.of_poster)
EXTRA_CORRUPTIONS = tuple(name for name, one in CORRUPTIONS.items() if not one.of_poster)
