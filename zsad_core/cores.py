"""Images side by side, one a core: a small network gains far less from a second core within an image."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .backbone import Backbone

AT_MOST = 8  # images at once, however many cores there are: each needs its own memory


def idle_cores() -> int:
    """How many cores could each work at an image of its own, with the threads that torch takes for one image."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells which cores a process may use
        cores = os.cpu_count() or 1
    return min(AT_MOST, cores // torch.get_num_threads())


def side_by_side(action: Callable, items: Iterable) -> list:
    """[action(item) for item in items], as many at a time as there are idle cores.

    The action must not change what another one reads. What it raises is raised here.
    """
    items, graded = list(items), torch.is_grad_enabled()

    def act(item):
        with torch.set_grad_enabled(graded):  # a thread does not inherit it
            return action(item)

    at_once = min(len(items), idle_cores())
    if at_once < 2:
        return [action(item) for item in items]
    with ThreadPoolExecutor(at_once) as pool:  # not kept, or a process that is forked later would wait for its threads
        return list(pool.map(act, items))


def over_images(tower: Callable, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What a tower makes of images: each alone on a core of its own, or all in one batch where no core is idle.

    Args:
        tower: pixels (N, 3, S, S) -> a tuple of (N, ...).
    """
    if pixels.device.type != "cpu" or len(pixels) < 2 or idle_cores() < 2:
        return tower(pixels)
    return tuple(torch.cat(parts) for parts in zip(*side_by_side(tower, pixels.split(1)), strict=True))


def set_threads_for(backbone: "Backbone") -> None:
    """Sets torch's threads for a backbone: one for a small one, so that its images go side by side.

    A second thread within an image gains it little, and makes it far slower where the machine is busy.
    """
    if backbone.small:
        torch.set_num_threads(1)
