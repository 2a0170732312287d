"""Fetches a backbone's weights into the hub's cache, in a process of its own, which can be ended at any moment.

`python -m page.fetching NAME` is that process: it prints a line of JSON for its progress, and one with an error.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from zsad_core.errors import InputError

LEAST_PAUSE = 0.3  # seconds between two lines


class Fetch:
    """The fetching of a backbone's weights: iterate over it for what it says, a sentence each; `stop()` ends it.

    Raises:
        InputError: the hub cannot be reached, the fetching failed, or it was stopped; all of it on the way.
    """

    def __init__(self, name: str):
        self.name, self._stopped, self._process = name, False, None

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None:
            self._process.terminate()

    def __iter__(self) -> Iterator[tuple[str, float]]:
        """A sentence, and the share that is done, from 0 to 1."""
        yield f"Asking the model hub for {self.name}", 0.0
        command = [sys.executable, "-m", "page.fetching", self.name]
        root = Path(__file__).parent.parent
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, encoding="utf-8") as self._process:
            try:
                for line in self._process.stdout if not self._stopped else ():
                    said = json.loads(line)
                    if "error" in said:
                        raise InputError(said["error"])
                    yield said["doing"], said["share"]
            finally:  # also where the loop over this was left early
                self._process.terminate()
        if self._stopped:
            raise InputError("The fetching was stopped.")
        if self._process.returncode:
            raise InputError(f"The fetching ended early: its process ended with {self._process.returncode}.")


def main(name: str) -> None:
    """Fetches, and prints how far it is."""
    from zsad_core.checkpoints import FetchProgress, hub_reachable, hub_source, huggingface_hub

    told = 0.0

    def tell(progress: FetchProgress) -> None:
        nonlocal told
        if time.monotonic() - told >= LEAST_PAUSE:
            told = time.monotonic()
            _print({"doing": str(progress), "share": progress.step / max(progress.steps, 1)})

    try:
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            raise InputError("HF_HUB_OFFLINE forbids this machine to ask the model hub, so nothing was fetched.")
        if not hub_reachable():
            raise InputError("The model hub cannot be reached from this machine, so nothing was fetched.")
        hub_source(name, tell)
    except InputError as error:
        _print({"error": str(error)})


def _print(values: dict) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
