"""Whatever goes wrong reaches a visitor as one sentence; the traceback stays in the log."""

import functools
import html
import inspect
import logging
from collections.abc import Callable

import gradio as gr

from zsad_core.errors import InputError

log = logging.getLogger(__name__)


class Page(gr.Blocks):
    """A page that also answers with a sentence where a value does not even reach a handler."""

    async def preprocess_data(self, *arguments, **named):
        try:
            return await super().preprocess_data(*arguments, **named)
        except gr.Error:
            raise
        except Exception as error:  # without this, whoever calls an endpoint is told nothing at all
            log.info("A value was refused", exc_info=error)
            raise gr.Error(
                "A value is missing or not of the kind that is taken here. A file must be uploaded first: a path or "
                "an address is not opened. See “Use via API” at the foot of the page.",
                print_exception=False,
            ) from error


def in_words(function: Callable, show: Callable[[str], str] = html.escape) -> Callable:
    """A handler that raises `gr.Error` with a sentence, and nothing else; what is on screen stays there.

    Args:
        function: the handler, a generator or not.
        show: how the sentence is written; escaped for the page, which takes it for HTML.
    """
    if inspect.isgeneratorfunction(inspect.unwrap(function)):

        @functools.wraps(function)
        def handler(*arguments, **named):
            try:
                yield from function(*arguments, **named)
            except Exception as error:
                raise _sentence(error, show) from error

    else:

        @functools.wraps(function)
        def handler(*arguments, **named):
            try:
                return function(*arguments, **named)
            except Exception as error:
                raise _sentence(error, show) from error

    return handler


def _sentence(error: Exception, show: Callable[[str], str]) -> gr.Error:
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, InputError):
        return gr.Error(show(str(error)), print_exception=False)
    log.error("A handler failed", exc_info=error)
    return gr.Error(
        "Something went wrong in the program, and its log says what. Nothing of yours is lost: try again, or try "
        "another image or product.",
        print_exception=False,
    )
