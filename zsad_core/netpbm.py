"""PGM and PPM files, as machine vision writes them: a short header in plain text, then the values.

Pillow reads those whose brightest value is neither 255 nor 65535 pixel by pixel in Python; so all are read here.
"""

import re
from dataclasses import dataclass

import numpy as np

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P([56])%b(\d{1,9})%b(\d{1,9})%b(\d{1,5})\s" % (_GAP, _GAP, _GAP))
_LONGEST_HEADER = 2**16  # bytes, comments included


@dataclass(frozen=True)
class Netpbm:
    """What a binary PGM or PPM says of itself.

    Attributes:
        width, height: in pixels. channels: 1 or 3.
        white: the value of white, 1 to 65535.
        start: byte at which the values begin.
    """

    width: int
    height: int
    channels: int
    white: int
    start: int


def is_netpbm(data: bytes) -> bool:
    return data[:2] in (b"P5", b"P6") and data[2:3].isspace() or data[:3] in (b"P5#", b"P6#")


def read_netpbm_header(data: bytes) -> Netpbm:
    """Raises ValueError if the header is not complete."""
    found = _HEADER.match(data[:_LONGEST_HEADER])
    if found is None:
        raise ValueError("no header")
    kind, width, height, white = map(int, found.groups())
    if not 1 <= white <= 65535:
        raise ValueError("no such white")
    return Netpbm(width, height, 1 if kind == 5 else 3, white, found.end())


def netpbm_values(data: bytes, header: Netpbm) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 or uint16, a view of the bytes. Raises ValueError if they are too few."""
    shape = (header.height, header.width, 3)[: 2 if header.channels == 1 else 3]
    kind = np.dtype(">u2" if header.white > 255 else "u1")
    count = header.height * header.width * header.channels
    return np.frombuffer(data, kind, count, header.start).reshape(shape)
