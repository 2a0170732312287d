"""The file of a detector: safetensors with one versioned JSON header. Files come from strangers; nothing is trusted."""

import json
import struct
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from .errors import InputError

FORMAT_VERSION = 2  # 2: with a memory of good parts, which a reader of 1 would leave out without a word
MAX_BYTES = 20_000_000
MAX_HEADER = 2**20  # bytes; a detector's has about 1,500
_HEADER = "zsad_detector"
# A bare pickle, and the zip file in which torch.save keeps one. A sound safetensors file can begin with the former.
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


def pack(header: dict, tensors: dict[str, torch.Tensor]) -> bytes:
    """The bytes of a file with this header (plain values) and these tensors."""
    metadata = {_HEADER: json.dumps({"format_version": FORMAT_VERSION if "good_parts" in header else 1, **header})}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(tensors, metadata)


def unpack(data: bytes) -> tuple[dict, dict[str, torch.Tensor]]:
    """The header and the tensors in the bytes of a detector file.

    Raises:
        InputError: too large, a pickle, not safetensors, damaged, no detector's, or of a newer format version.
    """
    if len(data) > MAX_BYTES:
        raise InputError(
            f"The detector file has {len(data) / 1e6:.0f} MB; a detector has at most {MAX_BYTES / 1e6:.0f} MB. "
            "Choose a file that was saved by this program."
        )
    header = _read_header(data)
    version = header.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"The detector file has no valid format version ({version!r:.40}); save it again.")
    if version > FORMAT_VERSION:
        raise InputError(
            f"The detector file has format version {version!r:.20}; this program reads up to version "
            f"{FORMAT_VERSION} (it was saved by version {header.get('library_version')!r:.20}): update this program."
        )
    try:
        return header, safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise _damaged(data, error) from error


def read(path: str | Path) -> bytes:
    """The bytes of a detector file; a too large one is not read.

    Raises:
        InputError: no such file, not readable, or too large.
    """
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise InputError(f"The detector file {str(path)!r} cannot be read: {_reason(error)}.") from error


def write(path: str | Path, data: bytes) -> None:
    """Writes the bytes of a detector file.

    Raises:
        InputError: the place cannot be written to.
    """
    try:
        Path(path).write_bytes(data)
    except (OSError, ValueError) as error:
        raise InputError(f"The detector cannot be saved as {str(path)!r}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _read_header(data: bytes) -> dict:
    """The header of a detector: JSON inside the metadata of the safetensors header, itself JSON behind its length."""
    try:
        (length,) = struct.unpack("<Q", data[:8])
        if length > len(data) - 8:
            raise ValueError(f"the header needs {length} bytes and {max(len(data) - 8, 0)} follow")
        if length > MAX_HEADER:  # millions of empty lists would fill the memory
            raise ValueError(f"the header has {length} bytes; that of a detector has a few thousand")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(data, error) from error
    try:
        header = json.loads(metadata[_HEADER])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            "This safetensors file holds something else than a detector. Choose a file that was saved by this program."
        ) from error
    if not isinstance(header, dict):
        raise _damaged(data, TypeError("the detector's header is no JSON object"))
    return header


def _damaged(data: bytes, error: Exception) -> InputError:
    if data.startswith(_PICKLE_STARTS):
        return InputError(
            "This is a Python pickle (or a zip file), not a detector file: it could run code, so it was not opened. "
            "Choose a .safetensors file that was saved by this program."
        )
    return InputError(
        f"The detector file is damaged or not a safetensors file ({type(error).__name__}: {str(error)[:120]}). "
        "Download or save it again."
    )
