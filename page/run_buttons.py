"""A Run and a Stop button: who has pressed Run may press Stop from then on, also while the run waits for its turn."""

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
            run, inputs, outputs, api_visibility="private", **how
        )
        running.success(self._end, None, buttons, **AT_ONCE)
        running.failure(self._end, None, buttons, **AT_ONCE)
        self.stop.click(self._halt, None, self.stop, **AT_ONCE)
        return running

    def _begin(self, request: gr.Request):
        self.runs.expect(request.session_hash)
        return gr.update(interactive=False), gr.update(interactive=True)

    def _end(self):
        return gr.update(interactive=True), gr.update(interactive=False)

    def _halt(self, request: gr.Request):
        """Stops this visitor's run; what it has come to is kept."""
        self.runs.stop(request.session_hash)
        return gr.update(interactive=False)
