"""The one kind of error that is meant for a person."""

import reprlib


class InputError(ValueError):
    """Something given from outside cannot be used.

    The message is one sentence that says what was wrong, with the value, and what to do about it. The page and the
    command line show it as it stands, without a traceback.
    """


def quoted(value) -> str:
    """Any value as Python writes it, short enough for a message."""
    try:
        return reprlib.repr(value)[:80]
    except Exception:  # a number of thousands of digits cannot be written, and a foreign object may raise anything
        return f"a {type(value).__name__} that cannot be written"
