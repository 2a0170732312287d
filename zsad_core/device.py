"""Bringing a backbone to a device, and what to say where the device cannot serve."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from .errors import InputError

if TYPE_CHECKING:
    from .backbone import Backbone


def move_to(backbone: "Backbone", device: str | torch.device) -> None:
    """Brings a backbone to a device and tries it there.

    Raises:
        InputError: the device cannot serve.
    """
    try:
        backbone.move(device)
        _try_out(backbone)
    except (RuntimeError, AssertionError, InputError) as error:  # torch raises either for a device that it cannot use
        cause = error.__cause__ or error  # of an InputError, what torch said
        raise InputError(
            f"{backbone.name} cannot run on the device {str(device)!r:.40} ({_reason(cause)}): name another one, such "
            "as 'cpu', or none, to take what can serve."
        ) from cause


def move_to_gpu(backbone: "Backbone") -> None:
    """Brings a backbone to the GPU if there is one; where that cannot serve, it stays on the CPU and notes why."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")  # of a driver that is too old, torch only warns
        there = torch.cuda.is_available()
    reason = _reason(told[0].message) if told else ""
    if there:
        try:
            move_to(backbone, "cuda")
            return
        except InputError as error:
            reason = _reason(error.__cause__)
            backbone.move("cpu")
    if reason:
        note = f"The GPU cannot be used ({reason}), so this runs on the CPU, more slowly."
        backbone.note = f"{backbone.note} {note}".strip()


@contextlib.contextmanager
def memory_errors_in_words() -> Iterator[None]:
    """Says in a sentence that the GPU's memory is full, instead of torch's stack of numbers."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise InputError(
            f"The GPU has no memory left ({_reason(error)}): end what else runs on it, or start again with "
            "CUDA_VISIBLE_DEVICES set to nothing, to run on the CPU."
        ) from error


def _try_out(backbone: "Backbone") -> None:
    """Runs the kinds of kernels that a backbone needs: what a card cannot do, it says at the first of them."""
    if backbone.device.type != "cpu":
        backbone.text_vectors(["a photo"])
        ones = torch.ones(1, 1, 3, 3, device=backbone.device)
        F.conv2d(ones, ones).cpu()


def _reason(said: object) -> str:
    """What an exception or a warning says, in one line."""
    return str(said).strip().split("\n")[0][:160].rstrip(".") or type(said).__name__
