"""What AnomalyCLIP, ACR and MAEDAY learned for this project, and ships with it: a safetensors file a method."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..embedded import ASSETS
from ..errors import InputError

FOLDER = ASSETS.parent / "baselines"
_LEARNED_ON = "learned_on"


def write(path: Path, tensors: Mapping[str, torch.Tensor], learned_on: str = "") -> None:
    """Writes tensors and the fingerprint of what they were learned on, if of anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {_LEARNED_ON: learned_on})


def missing(path: Path, fingerprint: str, title: str) -> str | None:
    """A sentence: why the method `title` cannot use a file on what has this fingerprint; None where it can."""
    try:
        with safe_open(path, "pt") as file:
            learned_on = file.metadata()[_LEARNED_ON]
    except (OSError, SafetensorError, KeyError, TypeError):
        return f"What {title} learned is missing or damaged: restore assets/baselines/{path.name}."
    if learned_on != fingerprint:
        return f"{title} comes ready for the embedded backbone alone: for another it must learn on images."
    return None


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a file, float32.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name).float() for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def fill(module: torch.nn.Module, path: Path) -> None:
    """Gives a module the weights in a file.

    Raises:
        InputError: it cannot be read, or holds those of another module.
    """
    try:
        module.load_state_dict(read(path), assign=True)
    except RuntimeError as error:
        raise _unreadable(path, error) from error


def digests() -> dict[str, str]:
    """16 hex digits by the name of each file, which change with what is in it."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in FOLDER.glob("*.safetensors")}


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0][:160]
    return InputError(
        f"The file {path.name} in assets/baselines cannot be read ({reason}): restore it from the repository."
    )
