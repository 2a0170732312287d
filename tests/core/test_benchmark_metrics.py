"""The metrics of the benchmark, against cases worked out by hand and against the definitions, spelled out slowly."""

import numpy as np
import pytest
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from zsad_core.benchmark.metrics import PixelCounts, Truth, compared_size, image_metrics, verdict_metrics
from zsad_core.elongated import squares_in


def measured(maps, masks):
    counts = PixelCounts()
    for anomaly_map, mask in zip(maps, masks, strict=True):
        counts.add(np.asarray(anomaly_map, np.float32), Truth(np.asarray(mask, bool)))
    return counts.metrics()


def test_image_metrics_of_four_images():
    found = image_metrics([False, True, False, True], [0.1, 0.3, 0.4, 0.8])
    assert found["image_auroc"] == pytest.approx(3 / 4)  # of four pairs, (0.3, 0.4) is out of order
    assert found["image_ap"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert found["image_f1_max"] == pytest.approx(2 * 2 / 3 / (1 + 2 / 3))  # threshold 0.3: precision 2/3, recall 1


def test_the_verdict_turns_above_a_half():
    found = verdict_metrics([False, False, True, False, True], [0.5, 0.51, 0.9, 0.1, 0.5])
    assert found == {"false_alarms": pytest.approx(1 / 3), "caught": 0.5, "balanced_accuracy": pytest.approx(7 / 12)}


def test_without_both_labels_there_is_no_figure():
    assert all(np.isnan(value) for value in verdict_metrics([False], [0.2]).values())
    assert all(np.isnan(value) for value in image_metrics([True, True], [0.1, 0.2]).values())
    assert all(np.isnan(value) for value in measured([np.full((4, 4), 0.5)], [np.zeros((4, 4))]).values())


def test_pro_worked_out_by_hand():
    # 20 normal pixels and two regions, of one pixel and of four. Thresholds from the top: 0.9 finds the small region,
    # 0.8 one false positive (1/20), 0.7 half of the large region, 0.6 seven more false positives (8/20 > 0.3).
    mask = np.zeros((5, 5))
    mask[0, 0] = mask[3, 1:5] = 1
    scores = np.full((5, 5), 0.1)
    scores[0, 0] = 0.9
    scores[0, 2] = 0.8
    scores[3, 1:3] = 0.7
    scores[1, :] = scores[2, :2] = 0.6
    # overlap: 1/2 up to a rate of 1/20, then 3/4, level up to 8/20
    expected = (1 / 20 * 1 / 2 + (0.3 - 1 / 20) * 3 / 4) / 0.3
    assert measured([scores], [mask])["pro"] == pytest.approx(expected)


def test_regions_weigh_the_same_in_pro_and_pixels_in_the_auroc():
    mask = np.zeros((20, 20))
    mask[2:12, 2:12] = mask[16, 16] = 1
    small_found, large_found = np.full((20, 20), 0.3), np.full((20, 20), 0.3)
    small_found[16, 16] = large_found[2:12, 2:12] = 0.9
    small, large = measured([small_found], [mask]), measured([large_found], [mask])
    assert small["pro"] == pytest.approx(large["pro"], abs=1e-6)
    assert large["pixel_auroc"] > 0.99 and small["pixel_auroc"] < 0.51


@pytest.mark.parametrize("spread", [3.0, 0.01])  # sure of everything, and sure of nothing
def test_metrics_are_those_of_every_pixel_compared_with_every_other(spread):
    rng = np.random.default_rng(0)
    masks = rng.random((5, 16, 16)) < 0.08
    masks[0] = False
    maps = (1 / (1 + np.exp(-spread * (rng.normal(size=masks.shape) + masks)))).astype(np.float32)
    found = measured(maps, masks)
    assert found["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=2e-3)

    regions = []  # the scores of the pixels of each region
    for anomaly_map, mask in zip(maps, masks):
        numbers, count = label(mask, np.ones((3, 3)))
        regions += [anomaly_map[numbers == number] for number in range(1, count + 1)]
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        rates.append((maps[~masks] >= threshold).mean())
        overlaps.append(np.mean([(region >= threshold).mean() for region in regions]))
    grid = np.linspace(0, 0.3, 20_001)
    assert found["pro"] == pytest.approx(np.interp(grid, rates, overlaps).mean(), abs=2e-3)


def test_a_region_may_touch_itself_at_a_corner():
    assert Truth(np.eye(4, dtype=bool)).regions == 1
    assert Truth(np.array([[1, 0, 1]], bool)).regions == 2


def test_maps_that_are_nothing_but_0_and_1_have_figures():
    mask = np.zeros((10, 10))
    mask[:3, :3] = 1
    assert measured([mask], [mask]) == {"pixel_auroc": pytest.approx(1), "pro": pytest.approx(1)}


def test_a_strip_is_compared_in_as_many_squares_as_it_was_looked_at():
    for long in (257, 604, 1999):
        for short in (*range(1, 12), *range(15, long, 17)):
            for size in ((long, short), (short, long)):
                assert squares_in(*compared_size(size)) == squares_in(*size)


def test_large_images_are_compared_small_and_small_ones_as_they_are():
    assert compared_size((1024, 768)) == (256, 192)
    assert compared_size((40, 30)) == (40, 30)
    assert compared_size((1, 30_000)) == (1, 256)
