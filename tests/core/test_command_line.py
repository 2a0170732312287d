"""`python -m zsad_core inspect`, as a person at a terminal or a script would use it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from zsad_core import Detector, Recipe
from zsad_core.__main__ import main


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", recipe=Recipe(prompts=4, groups=2, steps=2, classifier_steps=50))


@pytest.fixture
def detector_file(detector, tmp_path):
    detector.save(tmp_path / "nut.safetensors")
    return str(tmp_path / "nut.safetensors")


@pytest.fixture(autouse=True)
def on_the_tiny_backbone(tiny_backbone, monkeypatch):
    monkeypatch.setattr("zsad_core.backbone.load_backbone", lambda *arguments, **options: tiny_backbone)


@pytest.fixture
def photos(tmp_path):
    """Two different pictures that share a name, in two folders, 40 wide and 30 high."""
    paths = []
    for number, folder in enumerate(("monday", "tuesday")):
        (tmp_path / folder).mkdir()
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / folder / "nut.png")
        paths.append(str(tmp_path / folder / "nut.png"))
    return paths


def test_table_has_one_line_an_image(detector, detector_file, photos, capsys):
    assert main(["inspect", "--detector", detector_file, *photos]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, photo, seen in zip(lines, photos, detector.inspect(photos), strict=True):
        assert line.startswith(f"{seen.score:.3f}") and seen.verdict in line and line.endswith(photo)


def test_json_gives_the_scores_of_the_python_interface(detector, detector_file, photos, capsys):
    assert main(["inspect", "--detector", detector_file, "--json", *photos]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == [
        {
            "image": photo,
            "score": pytest.approx(seen.score, abs=1e-6),
            "verdict": seen.verdict,
            "neutral": 0.5,
            "product": "metal nut",
            "backbone": detector.backbone.name,
        }
        for photo, seen in zip(photos, detector.inspect(photos), strict=True)
    ]


@pytest.mark.parametrize("layout", [[], ["--json"]])
def test_bad_image_is_reported_and_the_others_are_scored(layout, detector_file, photos, tmp_path, capsys):
    (tmp_path / "fake.png").write_text("not a picture")
    bad = [str(tmp_path / "fake.png"), str(tmp_path / "absent.png")]
    assert main(["inspect", "--detector", detector_file, *layout, photos[0], *bad, photos[1]]) == 1
    printed = capsys.readouterr()
    assert all(photo in printed.out for photo in photos) and not any(path in printed.out for path in bad)
    assert all(path in printed.err for path in bad) and "Traceback" not in printed.err


def test_overlays_replace_neither_one_another_nor_an_image_asked_about(detector_file, photos, tmp_path, capsys):
    maps = tmp_path / "maps"
    maps.mkdir()
    earlier = maps / "nut.overlay.png"
    earlier.write_bytes((tmp_path / "monday" / "nut.png").read_bytes())
    before = earlier.read_bytes()
    assert main(["inspect", "--detector", detector_file, "--overlay-dir", str(maps), *photos, str(earlier)]) == 0
    assert earlier.read_bytes() == before
    overlays = sorted(path for path in maps.iterdir() if path != earlier)
    assert len(overlays) == 3
    pictures = [np.asarray(Image.open(path)) for path in overlays]
    assert all(picture.shape == (30, 40, 3) for picture in pictures)
    assert (pictures[0] != pictures[1]).any()


def test_overlays_are_told_apart_where_case_counts_for_nothing(detector_file, photos, tmp_path):
    loud = tmp_path / "tuesday" / "NUT.png"
    (tmp_path / "tuesday" / "nut.png").rename(loud)
    maps = tmp_path / "maps"
    assert main(["inspect", "--detector", detector_file, "--overlay-dir", str(maps), photos[0], str(loud)]) == 0
    assert len({path.name.casefold() for path in maps.iterdir()}) == 2


def test_trains_from_the_name_and_keeps_the_detector(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Recipe, "quick", lambda: Recipe(prompts=4, groups=2, steps=2, classifier_steps=50))
    kept = str(tmp_path / "kept.safetensors")
    assert main(["inspect", "--product", "metal nut", "--seed", "3", "--save-detector", kept, "--json", *photos]) == 0
    trained = capsys.readouterr()
    assert "done" in trained.err  # progress is told, away from the results
    assert main(["inspect", "--detector", kept, "--json", *photos]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(trained.out)


def test_detector_that_cannot_be_kept_is_still_used(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Recipe, "quick", lambda: Recipe(prompts=4, groups=2, steps=1, classifier_steps=50))
    nowhere = str(tmp_path / "no such folder" / "nut.safetensors")
    assert main(["inspect", "--product", "metal nut", "--save-detector", nowhere, *photos]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2 and nowhere in printed.err


@pytest.mark.parametrize(
    "arguments",
    [["--product", ""], ["--product", "<b>nut</b>"], ["--detector", "absent.safetensors"], ["--product", "n" * 10_000]],
)
def test_what_cannot_be_used_gets_a_sentence(arguments, photos, capsys):
    assert main(["inspect", *arguments, *photos]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1 and len(printed.err) < 400


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["inspect"],
        ["inspect", "nut.png"],
        ["inspect", "--product", "metal nut"],
        ["inspect", "--product", "metal nut", "--detector", "nut.safetensors", "nut.png"],
        ["inspect", "--detector", "nut.safetensors", "--seed", "1", "nut.png"],
        ["inspect", "--product", "metal nut", "--preset", "slow", "nut.png"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_does_not_wait_for_torch():
    code = "import sys, zsad_core, zsad_core.__main__; print('torch' in sys.modules, zsad_core.__version__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False 0.1.0\n"
