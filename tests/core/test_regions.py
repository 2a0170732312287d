"""Regions of a map, as scipy finds them."""

import numpy as np
import pytest
from scipy import ndimage

from zsad_core.regions import abnormal_places, listed, regions_of


def by_scipy(anomaly_map):
    labelled, count = ndimage.label(anomaly_map > 0.5, np.ones((3, 3)))
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labelled), 1):
        inside = labelled == number
        y, x = ndimage.center_of_mass(inside)
        box = columns.start, rows.start, columns.stop, rows.stop
        found.append((box, int(inside.sum()), float(anomaly_map[inside].max()), pytest.approx((x + 0.5, y + 0.5))))
    return sorted(found, key=lambda one: one[:3])


@pytest.mark.parametrize("power", [0.3, 1, 3])
def test_boxes_areas_peaks_and_centroids_are_those_of_the_connected_places(power):
    random = np.random.default_rng(0)
    for _ in range(40):
        anomaly_map = random.random(random.integers(1, 25, 2), np.float32) ** power
        found = regions_of(anomaly_map)
        assert [one.peak for one in found] == sorted((one.peak for one in found), reverse=True)
        told = sorted(((one.box, one.area, one.peak, one.centroid) for one in found), key=lambda one: one[:3])
        assert told == by_scipy(anomaly_map)


def test_a_spiral_is_one_region_and_a_map_at_the_neutral_point_has_none():
    spiral = np.zeros((61, 61), np.float32)
    for inset in range(0, 28, 4):
        spiral[inset, inset : 61 - inset] = spiral[inset : 61 - inset, 60 - inset] = 1
        spiral[60 - inset, inset : 61 - inset] = spiral[inset + 4 : 61 - inset, inset] = 1
        spiral[inset + 4, inset : inset + 4] = 1
    assert len(regions_of(spiral)) == len(by_scipy(spiral)) == 1
    assert regions_of(np.full((9, 9), 0.5, np.float32)) == []


def test_the_mask_is_white_in_the_regions_alone():
    anomaly_map = np.random.default_rng(0).random((20, 30), np.float32)
    mask = abnormal_places(anomaly_map)
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    assert (mask > 0).sum() == sum(one.area for one in regions_of(anomaly_map))


def test_a_list_of_many_regions_ends_with_their_number():
    anomaly_map = np.zeros((3, 40), np.float32)
    anomaly_map[1, 1::4] = np.linspace(0.6, 0.9, 10)
    assert listed(regions_of(anomaly_map), 2) == "37,1,38,2 (0.90); 33,1,34,2 (0.87); and 8 more"
    assert listed([], 2) == ""
