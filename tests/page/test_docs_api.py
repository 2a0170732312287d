"""The examples of docs/api.md, run as printed, with Python and with curl."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from zsad_core.corruptions import corrupt
from zsad_core.detector import Detector

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs/api.md").read_text(encoding="utf-8").split("\n## Endpoints\n")[1].split("\n## ")[0]
EXAMPLES = {
    name: dict(re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
    for name, text in re.findall(r"^\*\*`/(\w+)`\*\*(.*?)(?=^\*\*|\Z)", SECTION, flags=re.MULTILINE | re.DOTALL)
}
DAMAGED, INTACT = (f"assets/samples/metal-nut/{state}.jpg" for state in ("damaged", "intact"))


@pytest.fixture
def answers(address, curl, monkeypatch):
    """What the Python example of an endpoint leaves in its variables, and the answer that its curl example prints."""
    monkeypatch.chdir(ROOT)

    def run(name):
        code, commands = (
            EXAMPLES[name][language].replace("http://localhost:7860", address.rstrip("/"))
            for language in ("python", "bash")
        )
        variables = {}
        exec(code, variables)
        run = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", commands], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        *_, event, data = run.stdout.strip().splitlines()
        assert event == "event: complete", run.stdout
        return variables, json.loads(data.removeprefix("data: "))

    return run


@pytest.fixture(scope="module")
def nuts(embedded):
    return Detector.load(ROOT / "assets/detectors/metal-nut.safetensors", embedded)


def test_every_endpoint_has_an_example_of_either_kind():
    assert {name: set(blocks) for name, blocks in EXAMPLES.items()} == dict.fromkeys(
        ("train", "inspect", "looks", "sweep", "batch"), {"python", "bash"}
    )


def test_train(answers, embedded):
    variables, (summary, file) = answers("train")
    detector = Detector.load(variables["detector"], embedded)
    assert (detector.product, detector.seed) == (summary["product"], summary["seed"]) == ("hex nut", 0)
    assert variables["summary"]["held_back_accuracy"] == summary["held_back_accuracy"]
    assert file["url"].endswith(".safetensors")


def test_inspect(answers, nuts):
    variables, (clean, blurred, verdict, *_) = answers("inspect")
    seen, seen_blurred = nuts.inspect(DAMAGED), nuts.inspect(corrupt(DAMAGED, "blur", 3))
    assert (clean, blurred) == pytest.approx((seen.score, seen_blurred.score), abs=1e-5)
    assert (variables["clean"], variables["blurred"]) == pytest.approx((clean, blurred), abs=1e-5)
    assert variables["verdict"] == verdict == seen.verdict
    assert Path(variables["overlay"]).is_file()


def test_looks(answers):
    variables, (looks,) = answers("looks")
    assert variables["looks"] == looks
    assert next(iter(looks["looks_like"])) == looks["more_like"] == "bottle" and looks["understood"]
    assert 1 < looks["stands"] <= looks["among"] and looks["product"] == "zipper"


def test_sweep(answers, nuts):
    variables, (summary, _) = answers("sweep")
    assert list(summary["scores"]) == ["blur", "noise"]
    assert summary["scores"]["blur"][3] == pytest.approx(nuts.inspect(corrupt(DAMAGED, "blur", 3)).score, abs=1e-5)
    assert variables["summary"]["scores"]["noise"] == pytest.approx(summary["scores"]["noise"], abs=1e-5)
    assert Path(variables["chart"]).is_file()


def test_batch(answers, nuts):
    variables, (summary, *_) = answers("batch")
    alone = {Path(path).name: nuts.inspect(path).score for path in (DAMAGED, INTACT)}
    for rows in (summary["rows"], variables["summary"]["rows"]):
        assert {row["file"]: row["score"] for row in rows} == pytest.approx(alone, abs=1e-5)
    assert Path(variables["table"]).is_file() and Path(variables["overlays"]).is_file()
