"""Tables and lists that name the images of a data set: hostile until checked, as images are."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..errors import InputError

MOST_BYTES = 16 * 2**20
MOST_ROWS = 200_000
LONGEST_NAME = 80  # characters of a category's name


@contextmanager
def or_else(wrong: str) -> Iterator[None]:
    """Turns whatever goes wrong with a table and with what is made of its rows into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, csv.Error, RecursionError, OSError):
        raise InputError(wrong) from None


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a line of columns; errors as `or_else` takes them, InputError if it is too large."""
    _check_size(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if number == MOST_ROWS:
                raise InputError(f"{path.name!r} has over {MOST_ROWS:,} rows: give a smaller part of the data.")
            yield row


def json_of(path: Path):
    """What a JSON file holds; errors as `or_else` takes them, InputError if it is too large."""
    _check_size(path)
    return json.loads(path.read_text(encoding="utf-8-sig"))


def named(name: str) -> str:
    """The name of a category. Raises ValueError if it is none that can be printed."""
    if not (name and name.isprintable() and len(name) <= LONGEST_NAME):
        raise ValueError("a row without a product")
    return name


def within(root: Path, name: str) -> Path:
    """The path of that name in a folder; back-slashes are read as slashes.

    Raises:
        TypeError, ValueError: there is no name, or it leads out.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name or ":" in path.parts[0]:
        raise ValueError(f"{name!r:.80} leads out of the folder")
    return root / path


def _check_size(path: Path) -> None:
    if not path.is_file():  # a pipe might never end
        raise OSError("not a file")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path.name!r} is over the limit of {MOST_BYTES >> 20} MB: give a smaller part of the data.")
