"""Images side by side on idle cores: the same results as in turn, and an image alone as among others."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from zsad_core import cores
from zsad_core.cores import idle_cores, over_images, set_threads_for, side_by_side


@pytest.fixture
def two_idle(monkeypatch):
    monkeypatch.setattr(cores, "idle_cores", lambda: 2)


def test_actions_meet_each_other_and_their_results_stay_in_order(two_idle):
    meeting = threading.Barrier(2, timeout=180)  # whoever comes alone waits in vain
    assert side_by_side(lambda number: (meeting.wait(), number)[1], range(6)) == list(range(6))


def test_what_an_action_raises_is_raised(two_idle):
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 / number, [1, 0, 2])


@pytest.mark.parametrize("graded", [True, False])
def test_gradients_are_kept_or_not_as_outside(two_idle, graded):
    weight = torch.ones(2, requires_grad=True)
    with torch.set_grad_enabled(graded):
        assert [made.requires_grad for made in side_by_side(lambda factor: weight * factor, [1, 2])] == [graded] * 2


def test_torchs_own_threads_leave_no_core_idle(monkeypatch):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    found = {}
    for threads in (1, 2, 3, 4):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found[threads] = idle_cores()
    assert found == {1: 4, 2: 2, 3: 1, 4: 1}


def test_a_tower_sees_each_image_alone_only_where_cores_are_idle(monkeypatch):
    pixels, seen = torch.rand(5, 3, 4, 4), []

    def tower(images):
        seen.append(len(images))
        return images.mean((1, 2, 3)), images * 2

    for idle, sizes in ((1, [5]), (2, [1] * 5)):
        monkeypatch.setattr(cores, "idle_cores", lambda idle=idle: idle)
        seen.clear()
        mean, double = over_images(tower, pixels)
        assert seen == sizes
        torch.testing.assert_close(mean, pixels.mean((1, 2, 3)))
        assert torch.equal(double, pixels * 2)


def test_the_shipped_backbone_sees_the_same_alone_among_others_and_in_one_batch(embedded, monkeypatch):
    images = list(np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), np.uint8))
    monkeypatch.setattr(cores, "idle_cores", lambda: 1)
    in_a_batch = embedded.encode(images)
    monkeypatch.setattr(cores, "idle_cores", lambda: 2)
    among_others = embedded.encode(images)
    for number, image in enumerate(images):
        alone = embedded.encode([image])
        assert torch.equal(alone.image[0], among_others.image[number])
        assert torch.equal(alone.dense[0], among_others.dense[number])
    torch.testing.assert_close(among_others.image, in_a_batch.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(among_others.dense, in_a_batch.dense, atol=1e-5, rtol=0)


def test_only_the_small_backbone_takes_one_thread():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        set_threads_for(SimpleNamespace(small=False))
        assert torch.get_num_threads() == 2
        set_threads_for(SimpleNamespace(small=True))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
