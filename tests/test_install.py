"""`pip install .`: the core as a wheel, with its weights and its command, used from another folder."""

import json
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
DAMAGED = ROOT / "assets/samples/metal-nut/damaged.jpg"
OF_THE_PAGE = {"anyio", "filelock", "gradio", "httpx", "segno", "starlette"}


def listed(file):
    """Name and versions of what a file asks for, without what the page alone needs."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return versions(Requirement(line) for line in lines if line and not line.startswith("#"))


def versions(requirements):
    return {one.name.replace("-", "_"): one.specifier for one in requirements if one.name not in OF_THE_PAGE}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs a command where the wheel is installed, far from the repository."""
    site, elsewhere = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    pip("install", "--no-deps", "--no-index", "--target", site, wheel)

    def run(*command):
        environment = {**os.environ, "PYTHONPATH": str(site), "PATH": f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        run = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert run.returncode == 0, run.stderr
        return run.stdout

    return run


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_wheel_holds_the_core_its_weights_and_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    weights = {
        f"zsad_core/assets/{folder}/{file.name}"
        for folder in ("embedded", "baselines")
        for file in (ROOT / "assets" / folder).iterdir()
    }
    assert weights | {"zsad_core/backbones.json"} <= set(names)
    assert any(name.endswith("/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names if not name.startswith("zsad_core-")} == {"zsad_core"}


@pytest.mark.slow
def test_the_wheel_asks_for_what_the_repository_asks_for(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        asked = list(map(Requirement, message_from_bytes(archive.read(name)).get_all("Requires-Dist")))
    assert versions(one for one in asked if not one.marker) == listed("requirements.txt")
    for_the_benchmark = [one for one in asked if one.marker and "benchmark" in str(one.marker)]
    assert versions(for_the_benchmark) == listed("zsad_core/benchmark/requirements.txt")


@pytest.mark.slow
def test_the_command_scores_a_photo_from_any_folder(installed):
    row = json.loads(installed("zsad", "inspect", "--product", "metal nut", "--json", str(DAMAGED)))
    assert row["image"] == str(DAMAGED) and 0 <= row["score"] <= 1 and row["backbone"] == "embedded"
    assert installed("zsad", "--help").startswith("usage: zsad ")


@pytest.mark.slow
def test_the_package_is_imported_from_any_folder(installed):
    code = "import zsad_core; print(zsad_core.load_backbone('embedded', 'cpu').name, zsad_core.__file__)"
    printed = installed(sys.executable, "-c", code)
    assert printed.startswith("embedded ") and str(ROOT) not in printed
