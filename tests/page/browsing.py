"""The programs that the tests of the page drive, Chromium and curl: those that are there, else installed ones."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The suggestions under its address bar are two pages that it renders for every window, a second of work each time.
    # The others are of Playwright's own list, of which Chromium might take this one's place.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,MediaRouter,OptimizationHints,PaintHolding",
]
ON_THE_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ON_A_MAC = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")
ON_WINDOWS = ("Google/Chrome/Application/chrome.exe", "Chromium/Application/chrome.exe")
PACKAGES = {"chromium": ("chromium", "fonts-dejavu-core", "libatomic1"), "curl": ("curl",)}  # Debian's
LIMIT = 600  # seconds of one attempt to install


def find(program: str) -> str | None:
    """The path of "chromium" or "curl"; None where there is none that starts, or that Playwright can drive."""
    if program == "curl":
        return shutil.which("curl")
    if _run([sys.executable, "-m", "playwright", "--version"], limit=60):  # its node lacks libatomic on a bare Debian
        return None
    return next(filter(_starts, _chromiums()), None)


def provide(programs: Iterable[str], tell: Callable[[str], None]) -> list[str]:
    """Installs those of the programs that are not there, as far as this machine lets us; returns what is missing still.

    Args:
        tell: is given a line before every attempt, and one about each that failed.
    """
    missing = [program for program in programs if not find(program)]
    for attempt in _attempts(missing) if missing else ():
        if not missing:
            break
        tell(f"The tests need {' and '.join(missing)}: {' '.join(attempt)}")
        if failure := _run(attempt):
            tell(failure)
        missing = [program for program in missing if not find(program)]
    return missing


def _chromiums() -> Iterable[str]:
    yield from filter(None, map(shutil.which, ON_THE_PATH))
    roots = {Path("/Applications"): ON_A_MAC, Path.home() / "Applications": ON_A_MAC}
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if variable in os.environ:
            roots[Path(os.environ[variable])] = ON_WINDOWS
    yield from (str(root / place) for root, places in roots.items() for place in places)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # where it lies once it is installed
    yield own


def _starts(path: str) -> bool:
    """Whether a Chromium can be used: Ubuntu's stub for a snap, and one that lacks libraries, can't."""
    if not Path(path).is_file():
        return False
    if sys.platform == "win32":  # there, Chrome opens a window instead of telling its version
        return True
    return _run([path, "--version"], limit=60) is None


def _attempts(missing: list[str]) -> Iterable[list[str]]:
    """Commands that may install what is missing: Debian's packages where apt-get can be used, then Playwright's own."""
    become_root = _become_root()
    if shutil.which("apt-get") and become_root is not None:
        packages = [package for program in missing for package in PACKAGES[program]]
        if _is_ubuntu():  # its chromium is a snap, which no container can start
            packages = [package for package in packages if package != "chromium"]
        patience = ["-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=120"]
        apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *patience]
        yield [*apt, "update"]
        yield [*apt, "install", "-y", "--no-install-recommends", *packages]
    if "chromium" in missing:
        with_libraries = ["--with-deps"] if shutil.which("apt-get") and become_root == [] else []
        yield [sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"]


def _is_ubuntu() -> bool:
    try:
        return platform.freedesktop_os_release().get("ID") == "ubuntu"
    except OSError:
        return False


def _become_root() -> list[str] | None:
    """What stands before a command that only root may give; None where that would need a password."""
    if not hasattr(os, "geteuid"):
        return None
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shutil.which("sudo") and _run(["sudo", "-n", "true"], limit=10) is None else None


def _run(command: list[str], limit: float = LIMIT) -> str | None:
    """None where the command succeeds; else the last error that it printed, or that it took too long."""
    with tempfile.TemporaryFile() as output:  # a pipe would be held open by the children of a command that was killed
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            return str(error)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            _end_with_children(process)
            return f"It took longer than {limit} s."
        if code == 0:
            return None
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines() or [f"It ended with {code}."]
        return next((line for line in reversed(lines) if line.startswith(("E:", "Error"))), lines[-1])


def _end_with_children(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    except PermissionError:  # it runs as root by sudo, and is left to end by itself
        return
    process.wait()


def load_again(page, address=None):
    """Loads the page of the fixture again, or another address. What it was asking for is given up, which is no trouble
    though the browser says so."""
    troubles = len(page.troubles)
    page.goto(address or page.url)
    del page.troubles[troubles:]
