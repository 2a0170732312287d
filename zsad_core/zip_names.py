"""The names in a zip as its maker saw them.

Many programs write them in the code page of their own machine, and the zip does not say in which: Chinese Windows in
GBK, Japanese in Shift-JIS, western ones in code page 437, older Macs in UTF-8.
"""

import unicodedata
import zipfile
from collections.abc import Callable, Sequence

_UTF8_FLAG = 0x800
_KANA = range(0x3041, 0x30FF)
RARE = 0.1  # how likely an unusual letter is


def names_of(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The path of every entry, with slashes between its folders.

    Names without a code page are guessed all together: that of which the letters are the most usual ones.
    """
    raw = [_raw(info) for info in infos]
    unsure = [name for name in raw if name is not None and not name.isascii()]
    code_page = _code_page(b"/".join(unsure)) if unsure else "cp437"
    names = [info.filename if name is None else name.decode(code_page) for info, name in zip(infos, raw)]
    return [unicodedata.normalize("NFC", name.partition("\0")[0].replace("\\", "/")) for name in names]


def _raw(info: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name whose code page is not known, else None."""
    if info.flag_bits & _UTF8_FLAG:
        return None
    try:
        return info.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # a program gave the name in Unicode as well, and zipfile took that
        return None


def _code_page(names: bytes) -> str:
    return max(_LIKELY, key=lambda code_page: _likelihood(names, code_page))


def _likelihood(names: bytes, code_page: str) -> float:
    """How usual the letters beyond ASCII are in a code page, at most 1; -2 where these are no letters of it."""
    try:
        letters = [letter for letter in names.decode(code_page) if not letter.isascii()]
    except UnicodeDecodeError:
        return -2
    return sum(map(_LIKELY[code_page], letters)) / len(letters)


def _chinese(letter: str) -> float:
    """1 for the 3755 most usual, which stand first in the older code page."""
    return 1 if 0xB0 <= letter.encode("gb2312", "ignore")[:1].ljust(1, b"\0")[0] <= 0xD7 else RARE


def _japanese(letter: str) -> float:
    """1 for kana and the 2965 most usual of Chinese origin; 0 for the narrow ones, which are Chinese cut in half."""
    first = letter.encode("cp932")[0]
    return 1 if ord(letter) in _KANA or 0x88 <= first <= 0x97 else 0 if 0xA0 <= first <= 0xDF else RARE


def _western(letter: str) -> float:
    """Letters are likely, and the frames that this code page makes of others are not."""
    return 0.5 if letter.isalpha() else -1


# By code page, the surer one first, which wins a tie: other bytes are UTF-8 by rare chance alone.
_LIKELY: dict[str, Callable[[str], float]] = {
    "utf-8": lambda letter: 1,
    "gbk": _chinese,
    "cp932": _japanese,
    "cp437": _western,
}
