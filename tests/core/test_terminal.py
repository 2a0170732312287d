"""Command lines on terminals that cannot show everything, and with output that nobody reads to its end."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_data import STAND_INS, mvtec
from PIL import Image

from zsad_core import Detector, Recipe
from zsad_core.__main__ import main
from zsad_core.benchmark import work
from zsad_core.benchmark.__main__ import main as benchmark
from zsad_core.command_line import command_line
from zsad_core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
# A name that is not UTF-8 can only be had on Linux; nothing else but UTF-8 can show the other one.
NAMES = ["Mutter \U0001f529.png", os.fsdecode(b"M\xfctter.png") if sys.platform == "linux" else "Mütter.png"]


@pytest.fixture(params=["ascii", "cp1252", "utf-8"])
def printed(request):
    """Runs a command line, and gives what it prints on a terminal of this encoding."""

    def run(main, arguments):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=request.param)
        with contextlib.redirect_stdout(terminal):
            assert main(arguments) == 0
        return terminal.buffer.getvalue().decode(request.param)

    return run


@pytest.fixture
def photos(tmp_path):
    for number, name in enumerate(NAMES):
        Image.linear_gradient("L").rotate(90 * number).save(tmp_path / name)
    return [str(tmp_path / name) for name in NAMES]


@pytest.fixture
def nuts(tiny_backbone, tmp_path, monkeypatch):
    """The file of a detector."""
    monkeypatch.setattr("zsad_core.backbone.load_backbone", lambda *arguments, **options: tiny_backbone)
    detector = Detector.fit(tiny_backbone, "metal nut", recipe=Recipe(prompts=4, groups=2, steps=2, classifier_steps=9))
    detector.save(tmp_path / "nut.safetensors")
    return str(tmp_path / "nut.safetensors")


def test_every_photo_has_its_line(nuts, photos, printed):
    lines = printed(main, ["inspect", "--detector", nuts, *photos]).splitlines()
    assert len(lines) == 2 and lines[0].endswith(".png")
    assert lines[0].endswith((NAMES[0], r"Mutter \U0001f529.png"))


def test_json_stays_json_and_names_come_back(nuts, photos, printed):
    text = printed(main, ["inspect", "--detector", nuts, "--json", *photos])
    assert [json.loads(line)["image"] for line in text.splitlines()] == photos


def test_the_benchmark_reports_files_of_any_name(tmp_path, tiny_backbone, monkeypatch, printed):
    monkeypatch.setattr(work, "backbone_of", lambda name, weights: tiny_backbone)
    monkeypatch.setitem(work.ALL_METHODS, "seer", STAND_INS["seer"])
    work.bench.cache_clear()
    data, out = mvtec(tmp_path / "MVTec \U0001f529", products=("bottle",)), tmp_path / "out"
    for name in NAMES:
        (data / "bottle/test/good" / name).write_bytes(b"no picture")
    command = ["--data", str(data), "--methods", "seer", "--corruptions", "none", "--out", str(out)]
    assert "Mutter" in printed(benchmark, command)
    assert "Mutter" in printed(benchmark, command)  # read again from what was kept
    report = (out / "results.md").read_text(encoding="utf-8")
    assert "Mutter \U0001f529.png" in report and (r"M\udcfctter.png" in report or "Mütter.png" in report)
    assert "MVTec \U0001f529" in (out / "results.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("It is too big: make it smaller."), 1, "It is too big: make it smaller.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "The disk is full: free some space"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
    ],
)
def test_what_ends_a_run_is_a_sentence_and_a_code(error, code, told, capsys):
    @command_line
    def failing(arguments):
        raise error

    assert failing([]) == code
    assert capsys.readouterr().err.startswith(told)


def test_an_error_of_our_own_stays_an_error():
    @command_line
    def wrong(arguments):
        raise PermissionError(errno.EACCES, "ours")

    with pytest.raises(PermissionError):
        wrong([])


@pytest.mark.parametrize("end", ["closed", "full"])
def test_output_that_cannot_be_written_ends_quietly(end):
    """As `| head` does, and `> file` on a full disk; more is printed than a pipe holds."""
    lines = "@command_line\ndef main(arguments):\n    for number in range(100_000):\n        print(number)\n"
    program = f"import sys\nfrom zsad_core.command_line import command_line\n{lines}sys.exit(main())"
    output = (
        open("/dev/full", "w", encoding="utf-8") if end == "full" and os.path.exists("/dev/full") else subprocess.PIPE
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=output, stderr=subprocess.PIPE)
    if process.stdout:
        process.stdout.readline()
        process.stdout.close()
        expected = (141, b"")
    else:
        expected = (1, b"The disk is full: free some space, and repeat the command.\n")
    assert (process.wait(), process.stderr.read()) == expected
