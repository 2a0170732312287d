"""Results that are kept as long as the object that they belong to, and no longer."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

Result = TypeVar("Result")


class OwnedCache:
    """The latest results by owner and key; thread-safe, so that what four ask for at once is made once.

    A result must not hold its owner, or neither would ever go.

    Args:
        limit: results that are kept of each owner.
    """

    def __init__(self, limit: int):
        self._limit, self._results, self._lock = limit, WeakKeyDictionary(), threading.RLock()

    def get(self, owner: object, key: Hashable, make: Callable[[], Result]) -> Result:
        """What is kept of the owner under the key; made and kept if there is nothing."""
        with self._lock:
            results = self._results.setdefault(owner, OrderedDict())
            if key not in results:
                results[key] = make()
            results.move_to_end(key)
            while len(results) > self._limit:
                results.popitem(last=False)
            return results[key]


def contents(folder: Path) -> Hashable:
    """What lies in a folder and below: the same until a file is added, taken away or written anew."""
    return str(folder.resolve()), frozenset(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Path, bytes and moment of the last change of every file; links to folders are followed, each folder once."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            path = os.path.join(root, name)
            if os.path.exists(path):
                state = os.stat(path)
                yield path, state.st_size, state.st_mtime_ns
