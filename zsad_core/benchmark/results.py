"""The folder of a run: its settings, and one file for every finished unit, so that a run can be stopped at any moment.

A file is written beside its place and then renamed into it: it is there as a whole or not at all. What a run gives is
computed from these files alone, in the order of the work list, whatever order they were finished in.
"""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import sys
from pathlib import Path

from ..errors import InputError
from .metrics import METRICS
from .work import Result, Unit


class ResultFolder:
    """The results of one run.

    Args:
        settings: everything that decides the numbers, as plain values of JSON.
    Raises:
        InputError: the folder cannot be written to, or holds a run with other settings or with settings that are
            damaged.
    """

    def __init__(self, path: str | Path, settings: dict):
        self.path = Path(path)
        self._units = self.path / "units"
        try:
            self._units.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"The folder {str(path)!r} cannot be used: {reason}. Choose another one.") from None
        self.settings = self._agreed(json.loads(json.dumps(settings)))

    def finished(self, unit: Unit) -> Result | None:
        """The `Result` of a unit that was finished before; None, with a line on stderr, if its file is damaged."""
        file = self._file(unit)
        try:
            return _result(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            print(f"{file.name} is damaged: this unit is done again.", file=sys.stderr)
            return None

    def keep(self, unit: Unit, result: Result) -> None:
        """Writes the result of a unit; raises InputError where that is not possible."""
        write_whole(self._file(unit), json.dumps(dataclasses.asdict(result), indent=1))

    def _file(self, unit):
        return self._units / f"{str(unit).replace('/', '.').replace(' ', '.')}.json"

    def _agreed(self, settings):
        """The settings of the run, with the day it began; writes them if it begins now."""
        file = self.path / "settings.json"
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
            if not (isinstance(before, dict) and isinstance(before.get("begun"), str)):
                raise ValueError("another shape")
        except FileNotFoundError:
            settings["begun"] = str(datetime.date.today())
            write_whole(file, json.dumps(settings, indent=1))
            return settings
        except (OSError, ValueError, RecursionError):
            raise InputError(
                f"{str(file)!r} is damaged, so that nobody knows with which settings the run in this folder was begun: "
                "choose another folder, or delete this one and begin again."
            ) from None
        for name in sorted({*before, *settings} - {"begun"}):
            if before.get(name) != settings.get(name):
                raise InputError(
                    f"The folder {str(self.path)!r} holds a run with another setting of {name}: "
                    f"{_short(before.get(name))} then, {_short(settings.get(name))} now. Choose another folder, or "
                    "repeat that run's command to go on with it."
                )
        return before


def write_whole(path: Path, data: str | bytes) -> None:
    """Writes bytes, or a text as UTF-8, into a file that is never seen half written.

    Raises:
        InputError: it cannot be written, most often because the disk is full.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise InputError(
            f"{str(path)!r} cannot be written ({error.strerror}): make room for it, and repeat the command. What is "
            "finished is kept."
        ) from None


def _result(kept):
    """The `Result` of what a file holds; ValueError if that is none."""
    try:
        result = Result(**kept)
        sound = (
            all(isinstance(row["method"], str) for row in result.rows)
            and all(isinstance(row[name], int) for row in result.rows for name in ("seed", "images"))
            and all(isinstance(part, str) for row in result.rows for part in row["parts"])
            and all(isinstance(row[metric], float) for row in result.rows for metric in METRICS)
            and all(isinstance(reason, str) for reason in (*result.unreadable.values(), *result.failures.values()))
            and all(isinstance(taken, float) and math.isfinite(taken) for taken in result.seconds.values())
            and isinstance(result.images, int)
            and result.images >= 0
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("no result") from error
    if not sound:
        raise ValueError("no result")
    return result


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
