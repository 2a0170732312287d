"""The one kind of error that is meant for a person."""


class InputError(ValueError):
    """Something given from outside cannot be used.

    The message is one sentence that says what was wrong, with the value, and what to do about it. The page and the
    command line show it as it stands, without a traceback.
    """
