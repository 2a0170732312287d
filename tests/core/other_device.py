"""A device for tests that computes, as a GPU does, and refuses to be mixed with the CPU, as a GPU does.

torch's FakeTensorMode knows "cuda" but no values, so whatever reads one (`item`, `tolist`, `numpy`) ends there. Tensors
on the device `OTHER` carry their values in a hidden CPU tensor: what runs on it runs to its end, and can be compared.
It goes by the name "meta", the only device that torch lets one ask for where no GPU is.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

OTHER = torch.device("meta")
MOVES = torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default
INDEXES = torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten._index_put_impl_.default


class Mixed(RuntimeError):
    """A tensor on the CPU met one on the other device, where a GPU would refuse it too."""


class OtherTensor(torch.Tensor):
    """A tensor that says it is on `OTHER`."""

    @staticmethod
    def __new__(cls, hidden):
        made = torch.Tensor._make_wrapper_subclass(
            cls, hidden.size(), hidden.stride(), hidden.storage_offset(), dtype=hidden.dtype, device=OTHER
        )
        made.hidden = hidden
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})

    def __repr__(self):
        return f"OtherTensor({self.hidden})"


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


class _Values(TorchFunctionMode):
    """Where torch drops or refuses values of "meta" before any operation is seen, and a GPU has them."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.tolist and isinstance(args[0], OtherTensor):
            return args[0].hidden.tolist()
        if func is torch.Tensor.__getitem__ and isinstance(args[1], list):
            return args[0][torch.tensor(args[1])]
        if func is torch.tensor and kwargs.get("device") is not None:
            return torch.tensor(*args, **{**kwargs, "device": "cpu"}).to(kwargs["device"])
        return func(*args, **kwargs)


@contextlib.contextmanager
def other_device():
    """While it lasts, tensors can be made on, and brought to, `OTHER`."""
    with _Operations(), _Values():
        yield OTHER


def run(func, args, kwargs):
    """An operation of torch on tensors of either device."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    here = [tensor for tensor in tensors if not isinstance(tensor, OtherTensor)]
    there = len(here) < len(tensors)
    asked = kwargs.get("device")
    if not there and (asked is None or torch.device(asked) != OTHER):
        return func(*args, **kwargs)
    if there and func not in MOVES:
        allowed = here if func in INDEXES and isinstance(args[0], OtherTensor) else ()
        for tensor in here:
            if tensor.ndim and not any(tensor is one for one in allowed):
                raise Mixed(f"{func} of a tensor on the CPU, {tuple(tensor.shape)}, and one on another device")
    if asked is not None:
        there, kwargs = torch.device(asked) == OTHER, {**kwargs, "device": "cpu"}
    hidden = tree_map_only(OtherTensor, lambda tensor: tensor.hidden, (args, kwargs))
    out = func(*hidden[0], **hidden[1])
    if not there:
        return args[0] if func is torch.ops.aten.copy_.default else out
    out = tree_map_only(torch.Tensor, OtherTensor, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if asked is None and tensors else out
