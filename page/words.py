"""What a handler of the page owes its visitors: its turn, and one sentence where something goes wrong."""

import functools
import html
import inspect
import logging
from collections.abc import Callable
from contextlib import closing, nullcontext

import gradio as gr

from page.gradio_internals import DISK_FULL, current_turns, current_visitor, is_full_disk
from zsad_core.errors import InputError

log = logging.getLogger(__name__)


def in_words(function: Callable, show: Callable[[str], str] = html.escape, waits: bool = True) -> Callable:
    """A handler that raises `gr.Error` with a sentence, and nothing else; what is on screen stays there.

    It computes when its visitor has a turn, see `turns`; a generator passes the turn on between its results.

    Args:
        function: the handler, a generator or not.
        show: how the sentence is written; escaped for the page, which takes it for HTML.
        waits: for a turn; one that only draws what is known need not, and is no generator.
    """
    if inspect.isgeneratorfunction(inspect.unwrap(function)):

        @functools.wraps(function)
        def handler(*arguments, **named):
            try:
                with _turn() as turn, closing(function(*arguments, **named)) as results:
                    for result in results:
                        yield result
                        if turn is not None:
                            turn.pass_on()
            except Exception as error:
                raise _sentence(error, show) from error

    else:

        @functools.wraps(function)
        def handler(*arguments, **named):
            try:
                with _turn() if waits else nullcontext():
                    return function(*arguments, **named)
            except Exception as error:
                raise _sentence(error, show) from error

    return handler


at_once = functools.partial(in_words, waits=False)


def _turn():
    """A turn of the visitor who waits for this handler; None where there is no page, in a test for example."""
    turns, visitor = current_turns(), current_visitor()
    return nullcontext() if turns is None or visitor is None else turns.take(visitor)


def _sentence(error: Exception, show: Callable[[str], str]) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, InputError):
        return gr.Error(show(str(error)), print_exception=False)
    log.error("A handler failed", exc_info=error)
    if is_full_disk(error):
        return gr.Error(DISK_FULL, print_exception=False)
    return gr.Error(
        "Something went wrong in the program, and its log says what. Nothing of yours is lost: try again, or try "
        "another image or product.",
        print_exception=False,
    )
