"""What the folders that images lie in say about them: the nearest one that says anything decides.

Names are read in any case, and with `_`, `-` or a space between the words. "good" and its like are normal. "bad" and
its like are damaged, and so is every folder beside a normal one, such as "scratch" beside "good". Without any normal
folder nothing is labelled: a folder's name alone may say what its images show, or who took them.
"""

import re
from collections.abc import Iterable, Sequence

NORMAL_FOLDERS = ("good", "ok", "normal", "intact")  # as they are named to a person; more spellings are read

MOST_TOLD = 6  # folders named to a person at once

_THINGS = r"( (part|piece|item|product|sample|image|picture|photo)s?)?"
_NORMAL = re.compile(
    r"(good|ok|okay|normal|intact|flawless|perfect|undamaged|unbroken|non? defect(s|ive)?|defect free|passed)" + _THINGS
)
_DAMAGED = re.compile(
    r"(bad|ko|ng|nok|no good|not (good|ok)|defect(s|ive)?|damaged?|broken|faulty|anomal(y|ies|ous)|abnormal|failed"
    r"|rejects?|rejected)" + _THINGS
)  # fmt: skip


def is_normal(folder: str) -> bool:
    """Whether a folder of this name holds normal images."""
    return bool(_NORMAL.fullmatch(_plain(folder)))


def labels(places: Iterable[Sequence[str]]) -> list[bool | None]:
    """Whether each image is damaged, by the folders it lies in; None where they do not tell.

    Args:
        places: of each image of a batch, the folders that lead to it, the nearest one last.
    """
    paths = [tuple(folders) for folders in places]
    with_normal = {
        folders[:depth] for folders in paths for depth, folder in enumerate(folders) if is_normal(folder)
    }  # folders that hold a normal one
    if not with_normal:
        return [None] * len(paths)
    return [_label(folders, with_normal) for folders in paths]


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
        if folders[:depth] in with_normal or _DAMAGED.fullmatch(_plain(folders[depth])):
            return True
    return None


def _plain(folder: str) -> str:
    return re.sub(r"[\s_-]+", " ", folder).strip().casefold()
