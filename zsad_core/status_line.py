"""Progress on a terminal."""

import sys


class StatusLine:
    """Shows progress on stderr: one line that is written over on a terminal, the last line of each phase elsewhere."""

    def __call__(self, progress):
        if sys.stderr.isatty():
            end = "\n" if progress.phase == "done" else ""
            print(f"\r\x1b[2K{progress}", end=end, file=sys.stderr, flush=True)
        elif progress.phase == "done" or progress.step == progress.steps:
            print(progress, file=sys.stderr)
