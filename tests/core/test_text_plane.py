"""The plane of a training: plain CLIP's border upright, prompts on their side, a photo on the same axes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from zsad_core.detector import Detector
from zsad_core.recipe import Recipe
from zsad_core.text_plane import COLUMNS, ROWS, TextPlane

ADJECTIVES = ("damaged", "broken")


@pytest.fixture(scope="module")
def nut(embedded):
    return Detector.fit(embedded, "metal nut", Recipe(steps=3))


@pytest.fixture(scope="module")
def plane(embedded, nut):
    return TextPlane(embedded, "metal nut", ADJECTIVES, nut.text_vectors[0].numpy())


def test_plain_prompts_lie_at_half_the_height_on_either_side_of_the_border(plane):
    normal, *abnormal = plane.places(plane.plain)
    assert normal[0] < -0.05 and all(one[0] > 0.05 for one in abnormal)
    assert abs(normal[1]) < 1e-5


def test_what_is_as_near_to_both_states_lies_on_the_border_wherever_its_cone_is(plane):
    across = plane.axes[0]
    anything = torch.randn(50, len(across), generator=torch.Generator().manual_seed(0))
    on_border = F.normalize(anything - (anything @ across)[:, None] * across, dim=-1)
    assert np.abs(plane.places(on_border)[:, 0]).max() < 1e-5


def test_the_field_is_what_the_network_says_at_its_places(plane, nut):
    about = plane.plain.mean(0)
    field = plane.decisions(nut.classifier, about, (0.5, 0.4))
    assert field.shape == (ROWS, COLUMNS)
    middle = field[ROWS // 2]
    assert middle[0] < 0.5 < middle[-1]  # normal on the left, abnormal on the right
    corner = plane.decisions(nut.classifier, about, (0.5, 0.2))[0, -1]
    right_top = about + (0.5 - about @ plane.axes[0]) * plane.axes[0]
    right_top = right_top + (0.2 + plane.plain[0] @ plane.axes[1] - about @ plane.axes[1]) * plane.axes[1]
    assert corner == pytest.approx(nut.classifier.probability(right_top).item(), abs=1e-4)
