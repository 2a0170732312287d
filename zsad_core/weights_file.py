"""Weights files as tensors by name: safetensors, torch's own, TorchScript archives. Nothing in a file is ever run."""

import collections
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .backbone_table import WEIGHT_SUFFIXES
from .errors import InputError
from .weight_names import as_open_clip_names

NESTED = "state_dict", "model_state_dict", "model"  # under which training scripts keep the weights


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file under open_clip's names, floats as float32.

    Raises:
        InputError: there is no such file, it is damaged, not plain weights, or not those of one model.
    """
    if path.is_dir():
        raise InputError(f"{path.name!r} is a folder: give the weights file in it, such as model.safetensors.")
    if not path.is_file():
        raise InputError(f"There is no weights file {path.name!r}: check the path given for the weights.")
    if path.suffix.lower() not in WEIGHT_SUFFIXES:
        raise InputError(f"{path.name!r} is not a weights file: give a .safetensors, .bin, .pt or .pth.")
    state = _tensors_in(path)
    for name in NESTED:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path.name} does not hold the weights of one model: give a checkpoint of open_clip.")
    named = as_open_clip_names({str(key): value for key, value in state.items()}, path.name)
    return {key: value.float() if value.is_floating_point() else value for key, value in named.items()}


def _tensors_in(path: Path):
    """What a file holds, as far as it is plain. Raises InputError."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        if _is_torchscript(path):
            return _torchscript_tensors(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path.name} is damaged or not what its name says: fetch it again.") from error
    except Exception as error:  # the readers raise many kinds, all of which mean the same to a person
        raise InputError(
            f"{path.name} is damaged, or holds more than plain tensors and is not read for safety: "
            "fetch it again, or convert it to .safetensors."
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _torchscript_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a TorchScript archive, as OpenAI publishes CLIP, by name.

    Its pickle is read with nothing but the few functions of `_Unpickler`; the code in the archive is never looked at.

    Raises:
        InputError: it is no CLIP.
        Exception: whatever is raised over a damaged archive.
    """
    with zipfile.ZipFile(path) as archive:
        (place,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(place) as file:
            model = _Unpickler(file, archive, place.removesuffix("data.pkl")).load()
    tensors = dict(_walk(model, "", set()))
    if not any(name.startswith("visual.") for name in tensors):
        raise InputError(
            f"{path.name} is a TorchScript archive of another model than CLIP, and its code is not run: "
            "convert it to .safetensors under open_clip's names."
        )
    return tensors


class _Module:
    """Stands in for a module of an archive: its attributes and nothing else."""

    def __setstate__(self, state):
        self.attributes = state if isinstance(state, dict) else {}


def _walk(module: _Module, prefix: str, seen: set[int]) -> Iterator[tuple[str, torch.Tensor]]:
    if id(module) in seen:
        raise ValueError("a module within itself")
    seen.add(id(module))
    for name, value in getattr(module, "attributes", {}).items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _walk(value, f"{prefix}{name}.", seen)


class _Function:
    """What a pickle may call, and cannot change."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable):
        self._action = action

    def __call__(self, *arguments):
        return self._action(*arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("a function has no state")


class _Unpickler(pickle.Unpickler):
    """Builds tensors, lists and stand-ins of modules; whatever else a pickle asks for ends it."""

    def __init__(self, file, archive: zipfile.ZipFile, folder: str):
        super().__init__(file)
        self._archive, self._folder = archive, folder
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str):
        if (module, name) in _CALLED:
            return _CALLED[module, name]
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _STORED:
            return _STORED[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, saved) -> torch.Tensor:
        kind, dtype, key, *_ = saved
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("no storage")
        if key not in self._storages:
            entry = self._archive.getinfo(f"{self._folder}data/{key}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError("packed, as torch packs no tensor")  # unpacked it might fill the memory
            data = bytearray(self._archive.read(entry))
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self._storages[key]


_STORED = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


def _rebuilt(storage: torch.Tensor, offset: int, size: tuple, stride: tuple, *_) -> torch.Tensor:
    """A tensor of its values; those that lie one on another would be a bomb, and are refused."""
    if math.prod(size) > len(storage):
        raise pickle.UnpicklingError("more values than there are")
    return storage.as_strided(size, stride, offset)


_CALLED = {
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_rebuilt),
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch.jit._pickle", "restore_type_tag"): _Function(lambda value, _: value),
    ("torch.jit._pickle", "build_intlist"): _Function(list),
    ("torch.jit._pickle", "build_doublelist"): _Function(list),
    ("torch.jit._pickle", "build_boollist"): _Function(list),
}
