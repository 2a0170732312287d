"""What the tests of the page drive is found, else installed as far as the machine lets us, else named."""

import os
import sys

import browsing
import pytest
from browsing import find, provide


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with no programs but these, as root; what a command installs is in `installs`."""

    class Machine:
        def __init__(self):
            self.installs, self.asked = {}, []

        def run(self, command, limit=0):
            self.asked.append(" ".join(command))
            for words, programs in self.installs.items():
                if words in self.asked[-1]:
                    for program in programs:
                        (tmp_path / program).write_text("#!/bin/sh\n", encoding="utf-8")
                        (tmp_path / program).chmod(0o755)
                    return None
            return None if "--version" in command else "Error: no network"

    machine = Machine()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browsing, "_run", machine.run)
    monkeypatch.setattr(browsing, "_become_root", lambda: [])
    monkeypatch.setattr(browsing, "_chromiums", lambda: [str(tmp_path / "chromium")])
    (tmp_path / "apt-get").touch(0o755)
    return machine


def test_debians_packages_come_first(machine):
    machine.installs = {"apt-get": ["chromium", "curl"]}
    told = []
    assert provide(["chromium", "curl"], told.append) == []
    assert told and all("apt-get" in line for line in told)
    assert os.path.basename(find("chromium")) == "chromium" and find("curl")
    assert not [command for command in machine.asked if "playwright install" in command]


def test_what_is_there_is_not_installed(machine):
    machine.installs = {"apt-get": ["chromium", "curl"]}
    provide(["chromium", "curl"], print)
    told = []
    assert provide(["chromium", "curl"], told.append) == [] and told == []


def test_playwrights_own_is_next(machine):
    machine.installs = {"playwright install": ["chromium"]}
    told = []
    assert provide(["chromium", "curl"], told.append) == ["curl"]
    assert "Error: no network" in told and "playwright install" in told[-1]


def test_what_cannot_be_had_is_named(machine):
    assert provide(["chromium", "curl"], print) == ["chromium", "curl"]
    assert provide([], print) == []


def test_a_command_that_takes_too_long_is_ended_with_its_children():
    waiting = "import threading; threading.Event().wait()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {waiting!r}])"
    assert browsing._run([sys.executable, "-c", child], limit=1) == "It took longer than 1 s."


def test_a_command_that_fails_tells_its_error():
    failing = "import sys; print('E: Unable to locate package'); print('at the end'); sys.exit(100)"
    assert browsing._run([sys.executable, "-c", failing]) == "E: Unable to locate package"
    assert browsing._run(["there-is-no-such-program"]) is not None
