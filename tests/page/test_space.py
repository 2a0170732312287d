"""What a Space is made from: the README's front matter and requirements.txt, with each other and with the code."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from zsad_core.checkpoints import RECOMMENDED, backbone_table, cached_weights

ROOT = Path(__file__).resolve().parents[2]
FRONT_MATTER = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
OURS = {"app", "page", "training", "zsad_core"}


def requirements(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}


def imported(path):
    """The top-level names of what a file imports, wherever in it, without the standard library and our own."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - OURS


def test_front_matter_makes_a_space():
    """By the rules of a Space's configuration."""
    assert FRONT_MATTER["sdk"] == "gradio" and (ROOT / FRONT_MATTER["app_file"]).is_file()
    assert len(FRONT_MATTER["short_description"]) <= 60
    assert FRONT_MATTER["python_version"] in {"3.10", "3.11", "3.12", "3.13"}
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {FRONT_MATTER["colorFrom"], FRONT_MATTER["colorTo"]} <= colours


def test_requirements_admit_the_gradio_that_the_space_installs():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    (wanted,) = [requirement for requirement in requirements if requirement.name == "gradio"]
    assert wanted.specifier.contains(FRONT_MATTER["sdk_version"]) and wanted.specifier.contains(version("gradio"))


def test_the_preloaded_file_is_what_auto_looks_for(monkeypatch, tmp_path):
    """Where the build of a Space has put the named files into the cache, `auto` finds the recommended backbone."""
    preloaded = {tuple(line.split()) for line in FRONT_MATTER["preload_from_hub"]}
    assert [repository for repository, _ in preloaded] == FRONT_MATTER["models"]
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda *asked: str(weights) if asked in preloaded else None
    )
    row = next(row for row in backbone_table() if row["name"] == RECOMMENDED)
    assert cached_weights(row["architecture"], row["tag"]) == weights


def test_every_import_is_named_in_a_requirements_file():
    """In the project's own, or, for an optional extra, in that of its folder or among those of the wheel."""
    distributions = packages_distributions()
    wheel = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = {canonicalize_name(name) for name in re.findall(r'^\w+ = \["([\w.-]+)', wheel, re.MULTILINE)}
    unnamed = set()
    for path in [
        ROOT / "app.py",
        *(ROOT / "page").rglob("*.py"),
        *(ROOT / "zsad_core").rglob("*.py"),
        *(ROOT / "training").rglob("*.py"),
    ]:
        files = [folder / "requirements.txt" for folder in path.relative_to(ROOT).parents]
        named = extras.union(*(requirements(ROOT / file) for file in files if (ROOT / file).is_file()))
        for name in imported(path):
            if not {canonicalize_name(one) for one in distributions.get(name, [name])} & named:
                unnamed.add((str(path.relative_to(ROOT)), name))
    assert unnamed == set()


@pytest.mark.slow
def test_requirements_and_the_gradio_of_the_front_matter_can_be_installed_together():
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--disable-pip-version-check"]
    gradio = f"gradio=={FRONT_MATTER['sdk_version']}"
    run = subprocess.run([*command, gradio, "-r", ROOT / "requirements.txt"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert re.search(rf"{gradio}|gradio-{FRONT_MATTER['sdk_version']}\b", run.stdout)
