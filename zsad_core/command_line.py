"""What every command line of the project does alike: output that never stops a run, and errors as sentences."""

import errno
import functools
import json
import os
import sys
from collections.abc import Callable, Sequence

from .errors import InputError

READER_LEFT = 141  # what a shell reports of a program whose output nobody reads any more
STOPPED = 130  # what a shell expects of a program ended by Ctrl-C


def command_line(main: Callable[[Sequence[str] | None], int | None]) -> Callable[..., int]:
    """Makes a function of arguments a command line.

    What stdout or stderr cannot encode is escaped, an `InputError` and a full disk are a sentence and 1, Ctrl-C is 130,
    and a closed pipe (`| head`) ends the run quietly.
    """

    @functools.wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        try:
            code = main(arguments) or 0
            if sys.stdout:  # there is none under Windows' pythonw
                sys.stdout.flush()
            return code
        except InputError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
            return STOPPED
        except OSError as error:
            if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL):
                _discard_output()
                return READER_LEFT
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _discard_output()
                print("The disk is full: free some space, and repeat the command.", file=sys.stderr)
                return 1
            raise

    return run


def json_line(value: object) -> str:
    """A value as JSON on one line, in plain letters where stdout can encode them all; else escaped as JSON escapes.

    A file name that is not UTF-8 keeps its bytes as the escapes of Python's `os.fsdecode`: "\\udcff" for the byte FF.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value)
    return text


def _discard_output() -> None:
    """What stdout still holds goes nowhere, so that Python does not try to write it again at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stdout without a file, as in a test
        pass
