"""Promises about the repository itself: it runs as a Space, offline, and as its README says."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE_BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def listed_files():
    """Every file that is in the repository or about to be."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_file_is_larger_than_a_space_takes():
    assert [path.name for path in listed_files() if path.stat().st_size > 9_500_000] == []


def imported_by(path):
    """The full names of the modules that a file imports, relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module or "") if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("zsad_core", ("page", "training", "gradio", "gradio_client", "app")),
        ("zsad_core/baselines", ("zsad_core.benchmark",)),
        ("page", ("training", "app")),
        ("training", ("page", "gradio", "gradio_client", "app")),
    ],
)
def test_no_room_imports_one_above_it(room, forbidden):
    """Three floors: the core at the bottom, the page and the training on it, app.py on top."""
    upward = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / room).rglob("*.py")
        for name in imported_by(path)
        if any(name == one or name.startswith(one + ".") for one in forbidden)
    }
    assert upward == set()


def test_nothing_calls_a_font_or_analytics_service():
    services = re.compile(r"fonts\.googleapis|fonts\.gstatic|GoogleFont|google-analytics|googletagmanager|//cdn\.")
    for path in listed_files():
        if path.suffix in {".py", ".css", ".js", ".html", ".md", ".svg", ".json"} and path != Path(__file__):
            assert not services.search(path.read_text(encoding="utf-8")), path


@pytest.mark.slow
@pytest.mark.parametrize("check", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)])
def test_the_code_is_clean(check):
    run = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stdout + run.stderr


def test_files_are_read_and_written_as_utf8_on_every_machine():
    """Where no encoding is named, Windows takes its own."""
    careless = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in listed_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and handles_text(node)
        if "encoding" not in [keyword.arg for keyword in node.keywords]
    }
    assert careless == set()


def handles_text(call):
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        return not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in call.args[1:])
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text")


def test_readme_opens_with_one_command_to_start_and_one_to_test():
    (_, start), (_, tests) = CODE_BLOCKS[:2]
    assert start.count("\n") == tests.count("\n") == 1
    assert start.endswith("app.py\n") and tests.endswith("pytest -n 2\n")


def run_ci(folder, readme):
    """What `.ci/run` does in a checkout with this README."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    (folder / "README.md").write_text(readme, encoding="utf-8")
    command = ["bash", ".ci/run"]
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.parametrize(("command", "code"), [("echo 'two $HOME' && true", 0), ("false && echo never", 1)])
def test_ci_runs_the_marked_command_as_printed(tmp_path, command, code):
    blocks = f"```bash\nexit 9\n```\n<!-- test-command -->\n```bash\n{command}\n```\n```bash\nexit 8\n```\n"
    run = run_ci(tmp_path, f"---\ntitle: x\n---\n{blocks}")
    assert run.returncode == code
    assert run.stdout == f"+ {command}\n" + ("two $HOME\n" if code == 0 else "")


def test_ci_fails_where_no_command_is_marked(tmp_path):
    run = run_ci(tmp_path, "```bash\ntrue\n```\n")
    assert run.returncode == 1 and "marks no test command" in run.stderr


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_to_files_and_headings_that_exist(page):
    """A heading's anchor is its text in small letters with hyphens, without signs, as Git hosts make it."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}, link


def test_the_map_of_the_house_names_what_is_there():
    links = []
    tree = re.search(r"## Where things are\n\n(.*?)\n\n", README, flags=re.DOTALL).group(1)
    parent = ""
    for line in tree.splitlines():
        name = line.split()[0]
        deeper = line.startswith(" " * 6)
        links.append(parent + name if deeper else name)
        parent = parent if deeper else name
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_docs_list_the_backbones_of_the_table():
    section = (ROOT / "docs/method.md").read_text(encoding="utf-8").split("## Backbones")[1].split("##")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.splitlines() if "| " in line]
    named = [
        [row["name"], f"{row['image_size']} px", row["licence"], row["best_for"]]
        for row in json.loads((ROOT / "zsad_core/backbones.json").read_text(encoding="utf-8"))
    ]
    assert [[name, side, licence, use] for name, _, side, _, licence, use in rows[1:]] == named


@pytest.mark.slow
def test_readme_example_runs_as_printed(tmp_path):
    example = next(code for language, code in CODE_BLOCKS if language == "python")
    shutil.copytree(ROOT / "assets/samples", tmp_path / "assets/samples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "done" in run.stdout
    scores = re.findall(r"^(\d) (\d\.\d+) ", run.stdout, flags=re.MULTILINE)
    assert [severity for severity, _ in scores] == list("012345")
    assert (tmp_path / "metal-nut.safetensors").is_file()
