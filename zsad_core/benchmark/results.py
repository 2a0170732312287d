"""The folder of a run: its settings, and one file for every finished unit, so that a run can be stopped at any moment.

A file is written beside its place and then renamed into it: it is there as a whole or not at all. What a run gives is
computed from these files alone, in the order of the work list, whatever order they were finished in.
"""

import dataclasses
import datetime
import json
import os
from pathlib import Path

from ..errors import InputError
from .work import Result


class ResultFolder:
    """The results of one run.

    Args:
        settings: everything that decides the numbers, as plain values of JSON.
    Raises:
        InputError: the folder cannot be written to, or holds a run with other settings.
    """

    def __init__(self, path, settings):
        self.path = Path(path)
        self._units = self.path / "units"
        try:
            self._units.mkdir(parents=True, exist_ok=True)
            self.settings = self._agreed(json.loads(json.dumps(settings)))
        except OSError as error:
            raise InputError(
                f"The folder {str(path)!r} cannot be used: {error.strerror}. Choose another one."
            ) from None

    def finished(self, unit):
        """The `Result` of a unit that was finished before; None if it was not."""
        try:
            return Result(**json.loads(self._file(unit).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def keep(self, unit, result):
        """Writes the result of a unit."""
        write_whole(self._file(unit), json.dumps(dataclasses.asdict(result), indent=1))

    def _file(self, unit):
        return self._units / f"{str(unit).replace('/', '.').replace(' ', '.')}.json"

    def _agreed(self, settings):
        """The settings of the run, with the day it began; writes them if it begins now."""
        file = self.path / "settings.json"
        if not file.exists():
            settings["begun"] = str(datetime.date.today())
            write_whole(file, json.dumps(settings, indent=1))
            return settings
        before = json.loads(file.read_text(encoding="utf-8"))
        for name in sorted({*before, *settings} - {"begun"}):
            if before.get(name) != settings.get(name):
                raise InputError(
                    f"The folder {str(self.path)!r} holds a run with another setting of {name}: "
                    f"{_short(before.get(name))} then, {_short(settings.get(name))} now. Choose another folder, or "
                    "repeat that run's command to go on with it."
                )
        return before


def write_whole(path, data):
    """Writes a text or bytes into a file that is never seen half written."""
    part = path.with_name(f"{path.name}.part")
    with open(part, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _short(value):
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
