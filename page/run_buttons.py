"""A Run and a Stop button: who has pressed Run may press Stop from then on, also while the run waits for its turn.

What is asked for during a run, by a key or a switch, runs after it, unless that run fails or is stopped.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence

import gradio as gr

from page.inspection import AT_ONCE
from page.runs import Runs


class RunButtons:
    """Two buttons of the current layout, of which one can be pressed at a time.

    Args:
        runs: where the run can be stopped.
    """

    def __init__(self, runs: Runs, start: gr.Button, stop: gr.Button):
        self.runs, self.start, self.stop = runs, start, stop

    def wire(self, starts: Sequence, run: Callable, inputs: Sequence, outputs: Sequence, **how):
        """What starts a run, the handler that follows it, and where that runs; gives the event of the run."""
        buttons = [self.start, self.stop]
        if len(starts) > 1:  # a button alone cannot be pressed during its run
            run, outputs = saying_so(self.runs, run, len(outputs), _states(running=True)), [*outputs, *buttons]
        running = gr.on(list(starts), self._begin, None, buttons, **AT_ONCE).then(
            run,
            inputs,
            outputs,
            api_visibility="private",
            trigger_mode="always_last",
            **how,
        )
        running.success(self._end, None, buttons, **AT_ONCE)
        running.failure(self._fail, None, buttons, **AT_ONCE)
        self.stop.click(self._halt, None, self.stop, **AT_ONCE)
        return running

    def _begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return _states(running=True)

    def _end(self, request: gr.Request):
        return _states(running=self.runs.is_busy(request.session_hash))

    def _fail(self, request: gr.Request):
        self.runs.expect_none(request.session_hash)
        return self._end(request)

    def _halt(self, request: gr.Request):
        """Stops this visitor's run; what it has come to is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)


def saying_so(runs: Runs, run: Callable, count: int, buttons: Sequence[dict]) -> Callable:
    """A handler as `run`, a generator for `count` outputs, that also says with its first result that it runs: one that
    waited behind another was not begun by a button. It gives nothing where it was stopped together with that one.

    Args:
        buttons: how they are while it runs; outputs behind those of `run`.
    """

    @functools.wraps(run)
    def handler(*values) -> Iterator[tuple]:
        (request,) = (value for value in values if isinstance(value, gr.Request))
        if runs.take_drop(request.session_hash):
            yield (gr.skip(),) * (count + len(buttons))
            return
        states: Sequence = buttons
        for result in run(*values):
            yield *result, *states
            states = [gr.skip()] * len(buttons)

    handler.__signature__ = inspect.signature(run)  # type: ignore[attr-defined]  # without self, which is bound
    return handler


def _states(running: bool) -> tuple[dict, dict]:
    return gr.update(interactive=not running), gr.update(interactive=running)
