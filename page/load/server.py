"""The page in a process of its own on loopback, for what is measured from outside."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from page.listening import ask_directly
from zsad_core.benchmark.memory import process_memory
from zsad_core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 180  # seconds for the first screen, after which something is broken


@dataclass(frozen=True)
class Server:
    """`address` of the page, and the number of its process."""

    address: str
    process: int

    def memory(self, field: str = "VmRSS") -> int:
        """Bytes: resident now (VmRSS), or at most until now (VmHWM). On Linux alone."""
        return process_memory(Path(f"/proc/{self.process}/status").read_text(encoding="utf-8"), field)


@contextmanager
def running_app(**environment: str) -> Iterator[Server]:
    """`python app.py` on the embedded backbone and a free port, from the moment when it shows its page until the end.

    Args:
        environment: variables that it is given beside those of this process.
    Raises:
        InputError: it shows no page.
    """
    ask_directly()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started, address = time.perf_counter(), f"http://127.0.0.1:{port}/"
    command = [sys.executable, "app.py", "--backbone", "embedded", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    app = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, **quiet)
    try:
        while not _answers(address):
            if app.poll() is not None or time.perf_counter() - started > LIMIT:
                raise InputError("The app showed no page: run `python app.py --backbone embedded` to see why.")
            time.sleep(0.02)
        yield Server(address, app.pid)
    finally:
        app.terminate()
        app.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            return page.status == 200
    except (urllib.error.URLError, OSError):
        return False
