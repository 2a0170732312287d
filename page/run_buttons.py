"""A Run and a Stop button: who has pressed Run may press Stop from then on, also while the run waits for its turn.

What is asked for during a run, by a key or a switch, runs after it.
"""

from collections.abc import Callable, Sequence

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
        running = gr.on(list(starts), self._begin, None, buttons, **AT_ONCE).then(
            run, inputs, outputs, api_visibility="private", trigger_mode="always_last", **how
        )
        running.success(self._end, None, buttons, **AT_ONCE)
        running.failure(self._fail, None, buttons, **AT_ONCE)
        self.stop.click(self._halt, None, self.stop, **AT_ONCE)
        return running

    def _begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return gr.update(interactive=False), gr.update(interactive=True)

    def _end(self, request: gr.Request):
        waits = self.runs.is_expected(request.session_hash)
        return gr.update(interactive=not waits), gr.update(interactive=waits)

    def _fail(self, request: gr.Request):
        self.runs.expect_none(request.session_hash)
        return self._end(request)

    def _halt(self, request: gr.Request):
        """Stops this visitor's run; what it has come to is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)
