"""What visitors upload goes when it is old, when the page ends, and when the next one starts."""

import os
import signal
import time

import httpx
import pytest
from filelock import FileLock

from page import visitor_files
from page.load.hostile import is_sentence
from page.load.server import running_app
from page.visitor_files import PREFIX, delete_abandoned, delete_old, own_folder
from zsad_core.errors import InputError

HOUR = 3600  # seconds


def write(path, size=1, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    for one in (path, path.parent):
        os.utime(one, (time.time() - age,) * 2)
    return path


def test_old_files_go_and_what_belongs_to_the_page_stays(tmp_path):
    old, new, own = (write(tmp_path / name / "file", age=age) for name, age in
                     (("old", 2 * HOUR), ("new", 0), ("own", 2 * HOUR)))  # fmt: skip
    delete_old(tmp_path, HOUR, 1000, kept={own})
    assert (old.exists(), new.exists(), own.exists()) == (False, True, True)
    assert not old.parent.exists() or not any(old.parent.iterdir())


def test_where_there_is_too_much_the_oldest_go_first(tmp_path):
    files = [write(tmp_path / str(age) / "file", 100, age) for age in (30, 20, 10)]
    delete_old(tmp_path, HOUR, 250)
    assert [file.exists() for file in files] == [False, True, True]


def test_what_a_killed_page_left_goes_and_what_a_running_one_has_stays(tmp_path):
    left, running = (write(tmp_path / f"{PREFIX}{name}" / "photo.png") for name in ("left", "running"))
    strangers = write(tmp_path / "another" / "photo.png")
    with FileLock(tmp_path / f"{PREFIX}running.lock"):
        delete_abandoned(tmp_path)
    assert not left.exists() and running.exists() and strangers.exists()
    assert not (tmp_path / f"{PREFIX}left.lock").exists()


def test_a_link_is_not_followed(tmp_path):
    photo = write(tmp_path / "another" / "photo.png")
    (tmp_path / f"{PREFIX}link").symlink_to(photo.parent)
    delete_abandoned(tmp_path)
    assert photo.exists()


def test_a_place_that_cannot_be_made_gets_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(visitor_files, "_folder", None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(InputError, match="GRADIO_TEMP_DIR") as refused:
        own_folder()
    assert is_sentence(str(refused.value))


@pytest.mark.slow
def test_photos_go_with_the_page_and_those_of_a_killed_one_with_the_next(tmp_path):
    def uploaded(server):
        files = {"files": ("photo.png", b"a photo")}
        assert httpx.post(f"{server.address}gradio_api/upload", files=files).status_code == 200
        return list(tmp_path.rglob("photo.png"))

    with running_app(GRADIO_TEMP_DIR=str(tmp_path)) as server:
        assert len(uploaded(server)) == 1
        os.kill(server.process, signal.SIGKILL)
    assert len(list(tmp_path.rglob("photo.png"))) == 1
    with running_app(GRADIO_TEMP_DIR=str(tmp_path)) as server:
        assert list(tmp_path.rglob("photo.png")) == []
        assert len(uploaded(server)) == 1
    assert list(tmp_path.iterdir()) == []
