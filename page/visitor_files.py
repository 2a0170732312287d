"""The folder of what visitors upload and what is made for them: the page's own, and gone when the page is."""

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from page.gradio_internals import use_folder
from zsad_core.errors import InputError

PREFIX = "zsad-page-"
LOCK = ".lock"  # beside the folder, and held as long as its page lives

_folder: Path | None = None


def own_folder() -> Path:
    """The folder of this process, made at the first call in GRADIO_TEMP_DIR or the system's place for such.

    What pages that were killed have left there is deleted.

    Raises:
        InputError: it cannot be made.
    """
    global _folder
    if _folder is None or not _folder.is_dir():
        base = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()
        try:
            base.mkdir(parents=True, exist_ok=True)
            delete_abandoned(base)
            _folder = _claim(base)
        except OSError as error:
            raise InputError(
                f"The folder {str(base)!r} for visitors’ files cannot be used ({error.strerror or error}): name "
                "another one by the variable GRADIO_TEMP_DIR."
            ) from error
        use_folder(_folder)
    return _folder


def _claim(base: Path) -> Path:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        lock = _lock(folder)
        lock.acquire(timeout=0)
        if folder.is_dir():  # a page that starts at the same moment may have taken it for abandoned
            atexit.register(_delete_own, folder, lock, os.getpid())
            return folder
        lock.release()


def delete_abandoned(base: Path) -> None:
    """Deletes the folders in `base` of pages that no longer run."""
    for folder in {path.with_name(path.name.removesuffix(LOCK)) for path in base.glob(f"{PREFIX}*")}:
        lock = _lock(folder)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):  # its page runs, or it is another user's
            continue
        _delete(folder, lock)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(folder.name + LOCK))


def _delete_own(folder: Path, lock: FileLock, process: int) -> None:
    if os.getpid() == process:  # and not one that was forked from it
        _delete(folder, lock)


def _delete(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        with suppress(OSError):  # Windows deletes no file that is open: the next start does
            os.unlink(lock.lock_file)
    lock.release()


def delete_old(folder: Path, seconds: float, most: int, kept: Container[Path] = ()) -> None:
    """Deletes the files in a folder that nobody has written for so long, and the oldest ones while all are too much.

    Args:
        most: bytes of all together.
        kept: files that stay.
    """
    files = sorted(_files(folder, kept))
    total, before = sum(size for _, size, _ in files), time.time() - seconds
    for written, size, path in files:
        if written < before or total > most:
            path.unlink(missing_ok=True)
            total -= size
    for place, folders, _ in os.walk(folder, topdown=False):
        for path in (Path(place) / name for name in folders):
            with suppress(OSError):  # not empty, or gone meanwhile
                if path.stat().st_mtime < before:
                    path.rmdir()


def _files(folder: Path, kept: Container[Path]) -> Iterator[tuple[float, int, Path]]:
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names):
            with suppress(OSError):  # gone meanwhile
                if path not in kept:
                    file = path.lstat()
                    yield file.st_mtime, file.st_size, path
