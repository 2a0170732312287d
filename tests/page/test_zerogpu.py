"""The page's work on a lent GPU: the same results as without, and a Stop that reaches the worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_space_on_zerogpu_trains_and_encodes_in_workers_as_this_process_would():
    run = subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "tests" / "page" / "zerogpu_space.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))},
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told.pop("error").startswith("The product name is empty")
    assert told == {
        "encodings equal": True,
        "windows equal": True,
        "window vectors equal": True,
        "workers for images": 3,
        "last phase": "done",
        "same detector": True,
        "scores on the lent backbone": True,
        "trained in this process": False,
        "stopped early": True,
        "the other's steps": 6,
        "stopped before it began": 0,
        "steps after all that": 6,
    }


def test_nothing_is_lent_elsewhere():
    from page import zerogpu

    assert not zerogpu.runs_here()
