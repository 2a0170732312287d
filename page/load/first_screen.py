"""`python -m page.load.first_screen`: how long the page takes to start, against the import of torch and gradio alone.

Both are measured in turn (A, B, A, B, ...) in processes of their own, and the ratio is the median of the turns' ratios:
a machine that slows down slows both.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

from page.load.server import running_app
from zsad_core.command_line import command_line

AIM = 1.35  # times the import of torch and gradio
MEMORY_AIM = 1.2e9  # bytes


def import_seconds() -> float:
    """Seconds that a Python process takes to import torch and gradio, the least that any page of this kind needs."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch, gradio"], check=True)
    return time.perf_counter() - started


def first_screen() -> tuple[float, int]:
    """Starts `python app.py` on the embedded backbone: seconds until the page answers, and its peak memory in bytes.

    Raises:
        InputError: it shows no page.
    """
    started = time.perf_counter()
    with running_app() as server:
        return time.perf_counter() - started, server.memory("VmHWM")


def measure(turns: int) -> str:
    """The figures of so many turns, as Markdown; one unmeasured round fills the system's caches."""
    import_seconds(), first_screen()
    imports, screens, memories = [], [], []
    for _ in range(turns):
        imports.append(import_seconds())
        seconds, memory = first_screen()
        screens.append(seconds)
        memories.append(memory)
    ratio = median(screen / imported for screen, imported in zip(screens, imports, strict=True))
    return f"""| median of {turns} | measured | aim |
|---|---|---|
| `import torch, gradio` | {median(imports):.1f} s | |
| first screen after `python app.py` | {median(screens):.1f} s | |
| the second against the first | {ratio:.2f}x | <= {AIM}x |
| peak memory up to the first screen | {max(memories) / 1e9:.2f} GB | <= {MEMORY_AIM / 1e9:.1f} GB |"""


@command_line
def main(arguments=None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser("python -m page.load.first_screen", description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="measured rounds (default: 3)")
    options = parser.parse_args(arguments)
    print(measure(options.turns))


if __name__ == "__main__":
    sys.exit(main())
