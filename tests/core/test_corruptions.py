"""The corruptions against ImageNet-C's formulas, written here a second time, slowly and one pixel after the other."""

import colorsys
import functools
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from zsad_core import corruptions
from zsad_core.corruptions import CORRUPTIONS, EXTRA_CORRUPTIONS, POSTER_CORRUPTIONS, corrupt, corrupt_all, corruption
from zsad_core.errors import InputError
from zsad_core.sweep import Sweep, curves

SEVERITIES = (1, 2, 3, 4, 5)
ALL_KINDS = POSTER_CORRUPTIONS + EXTRA_CORRUPTIONS


def by_severity(*constants):
    return list(zip(SEVERITIES, constants, strict=True))


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photo_like(size=96):
    """Smooth areas, an edge, a saturated patch and a little texture."""
    y, x = np.mgrid[:size, :size] / size
    image = np.stack([200 * x, 180 * y, 120 + 60 * np.sin(12 * x)], axis=-1) + random_image(size, size) / 16
    image[size // 3 : size // 2, size // 4 : size // 2] = 255
    return image.astype(np.uint8)


def assert_published(result, expected):
    """Equal, but for truncation ties: at most one grey level on fewer than 0.1 % of the values."""
    difference = np.abs(result.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= 0.001 * difference.size


# Brightness


def add_to_value(pixel, amount):
    """One pixel through HSV in floats, in the order in which the published code's colour library does it."""
    r, g, b = (int(level) / 255 for level in pixel)
    v, chroma = max(r, g, b), max(r, g, b) - min(r, g, b)
    h = s = 0.0
    if chroma:
        s = chroma / v
        if b == v:
            h = 4 + (r - g) / chroma
        elif g == v:
            h = 2 + (b - r) / chroma
        else:
            h = (g - b) / chroma
        h = (h / 6) % 1
    v = min(v + amount, 1)
    sixth = math.floor(h * 6)
    f = h * 6 - sixth
    p, q, t = v * (1 - s), v * (1 - f * s), v * (1 - (1 - f) * s)
    return [int(x * 255) for x in [(v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q)][sixth % 6]]


@pytest.mark.parametrize("severity, amount", by_severity(0.1, 0.2, 0.3, 0.4, 0.5))
def test_brightness_is_published_to_the_last_bit(severity, amount):
    image = random_image(40, 40)
    image[:10][random_image(10, 40, seed=1) > 140] = 255  # saturated channels sit on truncation ties
    image[10:14] = image[10:14, :, :1]  # grey
    image[14:16, :, :2] = 0
    image[16, :20] = 0
    expected = [[add_to_value(pixel, amount) for pixel in row] for row in image]
    np.testing.assert_array_equal(corrupt(image, "brightness", severity), expected)


@pytest.mark.parametrize("severity, amount", by_severity(0.1, 0.2, 0.3, 0.4, 0.5))
def test_brightness_is_value_of_hsv(severity, amount):
    image = random_image(20, 20)
    result = corrupt(image, "brightness", severity)
    for pixel, changed in zip(image.reshape(-1, 3), result.reshape(-1, 3), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
        exact = np.array(colorsys.hsv_to_rgb(h, s, min(v + amount, 1))) * 255
        assert np.all(changed <= exact + 1e-9) and np.all(changed > exact - 1 - 1e-9)


def test_brightness_lifts_black_to_grey():
    result = corrupt(np.zeros((2, 2, 3), np.uint8), "brightness", 3)
    np.testing.assert_array_equal(result, np.full((2, 2, 3), 76))  # 0.3 * 255 = 76.5, truncated


# Contrast


@pytest.mark.parametrize("severity, factor", by_severity(0.4, 0.3, 0.2, 0.1, 0.05))
def test_contrast_shrinks_about_the_mean_of_each_channel(severity, factor):
    image = random_image(17, 23)
    image[..., 1] //= 3
    result = corrupt(image, "contrast", severity)
    for channel in range(3):
        levels = [int(level) / 255 for level in image[..., channel].ravel()]
        mean = math.fsum(levels) / len(levels)
        expected = [int(min(max((level - mean) * factor + mean, 0), 1) * 255) for level in levels]
        np.testing.assert_array_equal(result[..., channel].ravel(), expected)


# Defocus blur


def mirrored(index, length):
    """Reflection about the first and the last pixel, neither repeated, as often as it takes."""
    while length > 1 and not 0 <= index < length:
        index = -index if index < 0 else 2 * (length - 1) - index
    return index if length > 1 else 0


def clamped(index, length):
    return min(max(index, 0), length - 1)


def correlated(image, taps, border):
    """Sum of weight * image[y + dy, x + dx] over taps {(dy, dx): weight}, truncated to uint8."""
    height, width, _ = image.shape
    total = np.zeros(image.shape)
    for (dy, dx), weight in taps.items():
        rows = [border(y + dy, height) for y in range(height)]
        columns = [border(x + dx, width) for x in range(width)]
        total += weight * image[rows][:, columns]
    return np.clip(total, 0, 255).astype(np.uint8)


@functools.cache
def disk_taps(radius, sigma):
    """The disk on its grid, summing to 1, then softened by a small Gaussian with the grid mirrored at its border."""
    half, reach = (8, 1) if radius <= 8 else (radius, 2)
    grid = range(-half, half + 1)
    inside = sum(x * x + y * y <= radius * radius for x in grid for y in grid)
    inside_weight = float(np.float32(1) / np.float32(inside))  # float32 as published: it decides sums that are whole
    weights = {step: math.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)}
    norm = sum(weights.values())

    def disk(y, x):
        y, x = (mirrored(index + half, 2 * half + 1) - half for index in (y, x))
        return inside_weight if x * x + y * y <= radius * radius else 0.0

    def softened(y, x):
        return sum(weights[j] * weights[i] / norm**2 * disk(y + j, x + i) for j in weights for i in weights)

    return {(y, x): softened(y, x) for y in grid for x in grid}


DISKS = dict(by_severity((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_the_published_disk(severity):
    image = random_image(31, 26)
    assert_published(corrupt(image, "blur", severity), correlated(image, disk_taps(*DISKS[severity]), mirrored))


def test_blur_has_no_seams_in_images_larger_than_one_tile():
    image = random_image(400, 203)
    assert_published(corrupt(image, "blur", 5), correlated(image, disk_taps(*DISKS[5]), mirrored))


def test_blur_of_a_flat_area_is_what_the_published_kernel_sums_to():
    """Just under 1 in float32 up to severity 3; 1.013 and 1.011 where the disk touches the border of its grid."""
    for severity, expected in by_severity(199, 199, 199, 202, 202):
        for size in (1, 40):
            flat = np.full((size, size, 3), 200, np.uint8)
            np.testing.assert_array_equal(corrupt(flat, "blur", severity), np.full_like(flat, expected))
    for severity in (4, 5):
        np.testing.assert_array_equal(corrupt(np.full((40, 40, 3), 255, np.uint8), "blur", severity), 255)


# Gaussian noise


@pytest.mark.parametrize("severity, sigma", by_severity(0.08, 0.12, 0.18, 0.26, 0.38))
def test_noise_is_gaussian_with_the_published_sigma(severity, sigma):
    image = np.full((200, 200, 3), 128, np.uint8)
    result = corrupt(image, "noise", severity, seed=5)
    for level in (0, 64, 100, 128, 180, 254):  # truncation: result <= level exactly where the noisy value < level + 1
        expected = 0.5 * (1 + math.erf(((level + 1) / 255 - 128 / 255) / (sigma * math.sqrt(2))))
        assert np.mean(result <= level) == pytest.approx(expected, abs=0.006)  # 4 standard errors of 120,000 values
    noise = corrupt(image, "noise", 1, seed=severity) / 255.0
    assert noise.std() == pytest.approx(0.08, rel=0.01)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.015  # neighbours and channels
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.025


def test_noise_of_one_seed_only_grows_with_severity():
    image = np.full((50, 50, 3), 128, np.uint8)
    weak, strong = (corrupt(image, "noise", severity, seed=3) / 255.0 for severity in (1, 2))
    np.testing.assert_allclose((strong - 128.5 / 255), (weak - 128.5 / 255) * 0.12 / 0.08, atol=1.5 / 255)


# Extras


def test_gaussian_blur_is_truncated_at_four_sigma_and_repeats_the_edge():
    image = random_image(33, 29)
    for severity, sigma in by_severity(1, 2, 3, 4, 6):
        line = {step: math.exp(-(step**2) / (2 * sigma**2)) for step in range(-4 * sigma, 4 * sigma + 1)}
        norm = sum(line.values()) ** 2
        taps = {(j, i): line[j] * line[i] / norm for j in line for i in line}
        assert_published(corrupt(image, "gaussian_blur", severity), correlated(image, taps, clamped))


@pytest.mark.parametrize("seed", [0, 3, 11])
def test_motion_blur_is_half_a_gaussian_along_a_line(seed):
    image = random_image(60, 70)
    angle = math.radians(np.random.Generator(np.random.SFC64(seed)).uniform(-45, 45))
    for severity, (radius, sigma) in by_severity((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)):
        line = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(2 * radius + 1)]
        taps = {}
        for step, weight in enumerate(line):
            at = math.ceil(step * math.sin(angle) - 0.5), math.ceil(step * math.cos(angle) - 0.5)
            taps[at] = taps.get(at, 0) + weight / sum(line)
        assert_published(corrupt(image, "motion_blur", severity, seed), correlated(image, taps, clamped))


def test_direction_of_motion_depends_on_the_seed():
    image = photo_like()
    assert not np.array_equal(corrupt(image, "motion_blur", 5, seed=0), corrupt(image, "motion_blur", 5, seed=1))


@pytest.mark.parametrize("kind", EXTRA_CORRUPTIONS)
def test_extras_leave_a_flat_area_alone(kind):
    for level in (0, 1, 77, 200, 255):
        image = np.full((30, 30, 3), level, np.uint8)
        np.testing.assert_array_equal(corrupt(image, kind, 4), image)


# What holds for all


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_severity_0_is_an_equal_copy(kind):
    image = photo_like()
    result = corrupt(image, kind, 0)
    np.testing.assert_array_equal(result, image)
    result[:] = 0
    assert image.any()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_higher_the_severity_the_farther_from_clean(kind):
    image = photo_like()
    distances = [np.abs(corrupt(image, kind, severity).astype(int) - image).mean() for severity in range(6)]
    assert distances == sorted(distances) and len(set(distances)) == 6


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_same_seed_same_result_and_the_image_is_left_alone(kind):
    image = photo_like()
    before = image.copy()
    np.testing.assert_array_equal(corrupt(image, kind, 3, seed=7), corrupt(image, kind, 3, seed=7))
    np.testing.assert_array_equal(image, before)


def test_other_seed_other_noise():
    image = photo_like()
    assert np.mean(corrupt(image, "noise", 3, seed=7) != corrupt(image, "noise", 3, seed=8)) > 0.5


def test_global_generators_are_neither_used_nor_moved():
    image = photo_like(32)
    expected = {kind: corrupt(image, kind, 3) for kind in ALL_KINDS}
    np.random.seed(123)
    torch.manual_seed(123)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    for kind in ALL_KINDS:
        np.testing.assert_array_equal(corrupt(image, kind, 3), expected[kind])
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (2, 2)])
def test_images_smaller_than_the_kernel(shape):
    image = random_image(*shape)
    for kind in ALL_KINDS:
        for severity in SEVERITIES:
            assert corrupt(image, kind, severity).shape == image.shape
    for severity in SEVERITIES if image.size > 3 else ():  # one pixel is a flat area: tested as such above
        assert_published(corrupt(image, "blur", severity), correlated(image, disk_taps(*DISKS[severity]), mirrored))


def test_several_are_applied_in_the_stated_order_whatever_the_order_given():
    image = photo_like()
    severities = {kind: 2 for kind in ALL_KINDS}
    expected = image
    for kind in ("brightness", "contrast", "blur", "gaussian_blur", "motion_blur", "noise"):
        expected = corrupt(expected, kind, 2, seed=4)
    np.testing.assert_array_equal(corrupt_all(image, severities, seed=4), expected)
    np.testing.assert_array_equal(corrupt_all(image, dict(reversed(severities.items())), seed=4), expected)


def test_several_at_severity_0_or_none_are_the_image():
    image = photo_like()
    np.testing.assert_array_equal(corrupt_all(image, {}), image)
    np.testing.assert_array_equal(corrupt_all(image, dict.fromkeys(ALL_KINDS, 0)), image)


def test_whatever_read_image_accepts():
    image = random_image(9, 9)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    for source in (Image.fromarray(image), stream.getvalue(), image / 255.0):
        np.testing.assert_array_equal(corrupt(source, "contrast", 3), corrupt(image, "contrast", 3))


@pytest.mark.parametrize("severity", [3.0, np.int64(3), np.float32(3)])
def test_whole_numbers_of_any_type(severity):
    image = random_image(9, 9)
    np.testing.assert_array_equal(corrupt(image, "blur", severity), corrupt(image, "blur", 3))


@pytest.mark.parametrize(
    "severity",
    [99, 6, -1, 2.5, math.nan, math.inf, "x", "3", None, [1], 10**400, pytest.param(10**5000, id="5001 digits")],
)
def test_impossible_severities_are_refused(severity):
    for call in (
        lambda: corrupt(random_image(4, 4), "blur", severity),
        lambda: corrupt_all(random_image(4, 4), {"noise": 1, "blur": severity}),
    ):
        with pytest.raises(InputError, match="from 0 .* to 5") as caught:
            call()
        assert len(str(caught.value)) < 200
        if not isinstance(severity, int) or severity < 10**400:
            assert f"severity {severity!r} of blur" in str(caught.value)


@pytest.mark.parametrize("kind", ["fog", "", "Blur", None, 3, ["blur"]])
def test_unknown_kinds_are_refused(kind):
    with pytest.raises(InputError, match="brightness, contrast, blur, noise") as caught:
        corrupt(random_image(4, 4), kind, 1)
    assert repr(kind) in str(caught.value)


def test_unknown_kind_among_several_is_refused():
    with pytest.raises(InputError, match="'fog'"):
        corrupt_all(random_image(4, 4), {"blur": 1, "fog": 0})


@pytest.mark.parametrize("seed", [-1, 0.5, "a", None, True, math.nan, 2**32])
def test_impossible_seeds_are_refused(seed):
    with pytest.raises(InputError, match="whole number from 0") as caught:
        corrupt(random_image(4, 4), "noise", 1, seed)
    assert repr(seed) in str(caught.value)


def test_the_posters_four_are_told_from_the_others():
    assert POSTER_CORRUPTIONS == ("brightness", "contrast", "blur", "noise")
    assert EXTRA_CORRUPTIONS == ("gaussian_blur", "motion_blur")


def test_a_corruption_is_added_by_one_function(monkeypatch, tiny_backbone):
    monkeypatch.setattr(corruptions, "CORRUPTIONS", dict(CORRUPTIONS))

    @corruption("dead_rows", (2, 4, 6, 8, 10))
    def dead_rows(image, rows, seed):
        result = image.copy()
        result[:rows] = 0
        return result

    image = np.full((12, 12, 3), 200, np.uint8)
    assert (corrupt(image, "dead_rows", 3)[:, 0, 0] == 0).sum() == 6
    both = corrupt_all(image, {"dead_rows": 1, "brightness": 2})
    np.testing.assert_array_equal(both, dead_rows(corrupt(image, "brightness", 2), 2, 0))
    sweep = Sweep(tiny_backbone, image, ["dead_rows"])
    seen = {place: pixels for places, batch in sweep for place, pixels in zip(places, batch.images)}
    assert [(seen["dead_rows", level] == 0).all((1, 2)).sum() for level in range(1, 6)] == [2, 4, 6, 8, 10]
    assert list(curves(dict.fromkeys(seen, 0.5), ["dead_rows"])) == ["dead_rows"]
    with pytest.raises(InputError, match="'fog' is not known.*dead_rows"):
        corrupt(image, "fog", 1)
    with pytest.raises(InputError, match="of dead_rows"):
        corrupt(image, "dead_rows", 6)
