"""What the folders that images lie in say about them: the nearest one that says anything decides.

Names are read in any case, with `_`, `-` or a space between the words, and with a number behind them. "good" and its
like are normal. "bad" and its like are damaged, and so is every folder beside a normal one, such as "scratch" beside
"good". Without any normal folder nothing is labelled: a name may also say what the images show, or who took them.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

NORMAL_FOLDERS = ("good", "ok", "normal", "intact")  # as they are named to a person; more spellings are read

MOST_TOLD = 6  # folders named to a person at once

_THINGS = r"( (part|piece|item|product|sample|image|picture|photo)s?)?"
_NORMAL = re.compile(
    r"((all )?(good|ok|okay|normal|intact|flawless|perfect|undamaged|unbroken|passed)"
    r"|(no|non|not|without) ?(defects?|defective|damaged?|anomal(y|ies|ous)|faults?)|(defect|damage|fault) ?free"
    r"|i ?o|良品|正常品?|合格品?)" + _THINGS
)  # fmt: skip
_DAMAGED = re.compile(
    r"(bad|ko|ng|nok|no good|not ?(good|ok|okay|normal)|defect(s|ive)?|damaged?|broken|fault(s|y)?|anomal(y|ies|ous)"
    r"|abnormal|failed|rejects?|rejected|n ?i ?o|不良品?|异常品?|異常品?|不合格品?|缺陷品?|次品)" + _THINGS
)  # fmt: skip


def is_normal(folder: str) -> bool:
    """Whether a folder of this name holds normal images."""
    return bool(_NORMAL.fullmatch(_plain(folder)))


def is_damaged(folder: str) -> bool:
    """Whether a folder of this name holds images of damaged ones; one beside a normal folder does as well."""
    return bool(_DAMAGED.fullmatch(_plain(folder)))


def labels(places: Iterable[Sequence[str]]) -> list[bool | None]:
    """Whether each image is damaged, by the folders it lies in; None where they do not tell.

    Args:
        places: of each image of a batch, the folders that lead to it, the nearest one last.
    """
    paths = [tuple(folders) for folders in places]
    with_normal = {
        folders[:depth] for folders in dict.fromkeys(paths) for depth, folder in enumerate(folders) if is_normal(folder)
    }  # folders that hold a normal one
    if not with_normal:
        return [None] * len(paths)
    known = {folders: _label(folders, with_normal) for folders in dict.fromkeys(paths)}
    return [known[folders] for folders in paths]


def taken_for(places: Iterable[Sequence[str]], damaged: Iterable[bool | None]) -> str:
    """What the nearest folders of images were taken for, in words: "'good' for normal, 'scratch' for damaged"."""
    words = {False: "normal", True: "damaged", None: "neither"}
    nearest = (folders[-1] if folders else "no folder" for folders in places)
    named = dict.fromkeys(f"{folder!r:.60} for {words[label]}" for folder, label in zip(nearest, damaged))
    told = [*named][:MOST_TOLD]
    return ", ".join(told) + (f" and {len(named) - MOST_TOLD} more" if len(named) > MOST_TOLD else "")


def _label(folders: tuple[str, ...], with_normal: set[tuple[str, ...]]) -> bool | None:
    for depth in reversed(range(len(folders))):
        if is_normal(folders[depth]):
            return False
        if folders[:depth] in with_normal or is_damaged(folders[depth]):
            return True
    return None


def _plain(folder: str) -> str:
    words = re.sub(r"[\s_.-]+", " ", unicodedata.normalize("NFKC", folder)).strip().casefold()
    return re.sub(r" ?(\d+|\(\d+\))$", "", words) or words
