"""From patches to maps: means over neighbours, enlarging, the Gaussian."""

import numpy as np
import pytest
import torch

from zsad_core.gaussian import gaussian_filtered
from zsad_core.maps import anomaly_map, mean_over_neighbours, smoothed


def test_the_mean_over_neighbours_takes_fewer_at_the_border():
    patches = torch.arange(12.0).view(1, 3, 4)
    found = mean_over_neighbours(patches)
    assert found.shape == (1, 3, 4)
    assert found[0, 1, 1] == patches[0, :3, :3].mean() and found[0, 0, 0] == patches[0, :2, :2].mean()


def test_a_map_is_of_the_size_of_the_image_and_on_the_fixed_scale():
    found = anomaly_map(torch.tensor([[-0.5, 0.5], [0.5, 1.5]]), (30, 50))
    assert found.shape == (30, 50) and found.dtype == np.float32
    assert found.min() == 0 and found.max() == 1
    assert np.allclose(anomaly_map(torch.full((3, 3), 0.3), (7, 9)), 0.3)


@pytest.mark.parametrize("size", [(240, 240), (33, 40), (32, 32), (20, 900), (7, 5), (1, 1)])
def test_the_hottest_place_of_a_map_is_not_lost_between_pixels(size):
    for seed in range(5):
        patches = torch.rand(32, 32, generator=torch.Generator().manual_seed(seed))
        assert anomaly_map(patches, size).max() == patches.max()


@pytest.mark.parametrize("deviation", [1.0, 2.5])
def test_a_point_under_the_gaussian_spreads_by_its_deviation(deviation):
    point = torch.zeros(1, 2, 65, 65)
    point[..., 32, 32] = 1
    found = gaussian_filtered(point, deviation, reach=30, border="reflect")
    away = torch.arange(-32.0, 33)
    for spread in (found[0, 0].sum(0), found[0, 1].sum(1)):
        assert spread.sum().item() == pytest.approx(1, abs=1e-5)
        assert (spread * away**2).sum().sqrt().item() == pytest.approx(deviation, rel=1e-3)


def test_a_smoothed_map_keeps_what_is_even():
    found = smoothed(torch.full((2, 4, 5), 0.7), 64, 4.0)
    assert found.shape == (2, 64, 64) and torch.allclose(found, torch.tensor(0.7), atol=1e-5)
