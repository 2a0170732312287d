"""`python -m zsad_core.benchmark` on small data sets and methods whose figures are known beforehand."""

import csv
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmark_data import STAND_INS, Rule, mvtec
from PIL import Image
from tiny_clip import TINY

from zsad_core.benchmark import report, work
from zsad_core.benchmark.__main__ import main

FILES = ("results.csv", "results.md", "robustness.png")


def stand_in(patch, backbone, charts=False):
    """The tests' backbone and methods; a chart holds the figures alone, as drawing it takes longer than all else."""
    if not charts:
        for chart in ("robustness_chart", "verdict_chart"):
            patch.setattr(report, chart, lambda settings, figures: repr((settings, vars(figures))).encode())
    patch.setattr(work, "backbone_of", lambda name, weights: backbone)
    work.bench.cache_clear()
    for name, method in STAND_INS.items():
        patch.setitem(work.ALL_METHODS, name, method)


@pytest.fixture
def charts():
    """Asked for by a test that needs them drawn."""


@pytest.fixture(autouse=True)
def stand_ins(tiny_backbone, monkeypatch, request):
    stand_in(monkeypatch, tiny_backbone, charts="charts" in request.fixturenames)


@pytest.fixture
def data(tmp_path):
    return mvtec(tmp_path / "MVTec")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def run(data, out, methods="seer,weigher", *arguments):
    return main(["--data", str(data), "--out", str(out), "--methods", methods, *arguments])


def rows(out):
    with open(out / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cells(out, method):
    """The row of a method in the first table."""
    (line, *_) = [
        line
        for line in (out / "results.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| {method} |")
    ]
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def heads(out):
    (line, *_) = [
        line for line in (out / "results.md").read_text(encoding="utf-8").splitlines() if line.startswith("| method |")
    ]
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


@pytest.fixture
def done(monkeypatch):
    """Names of the units that are computed from here on."""
    done, compute = [], work.Bench.run
    monkeypatch.setattr(work.Bench, "run", lambda self, unit: done.append(str(unit)) or compute(self, unit))
    return done


def test_the_table_says_who_is_right(data, out, capsys, charts):
    assert run(data, out) == 0
    assert heads(out) == ["brightness", "contrast", "blur", "noise", "mean", "none"]
    assert cells(out, "Seer")[-1] == "100.0"
    assert (
        cells(out, "Weigher")[-1] == "87.5"
    )  # of 16 pairs, the damaged image of grey 90 is under the good 100 and 120
    found = {(row["method"], row["category"], row["corruption"]): row for row in rows(out)}
    assert len(found) == len(rows(out)) == 2 * 2 * 5
    seen = found["seer", "metal_nut", "none"]
    assert {seen[name] for name in ("image_auroc", "image_ap", "image_f1_max", "pixel_auroc")} == {"1.000000"}
    assert float(seen["pro"]) > 0.99 and seen["images"] == "8"
    assert found["weigher", "bottle", "none"]["pixel_auroc"] == "0.500000"
    printed = capsys.readouterr()
    assert printed.out.startswith((out / "results.md").read_text(encoding="utf-8")) and "images/s" in printed.out
    assert "10/10" in printed.err and "left" in printed.err
    assert Image.open(out / "robustness.png").size[0] > 500


def test_mean_and_spread_are_over_seeds(data, out):
    assert run(data, out, "moody,seer", "--seeds", "2", "--corruptions", "none") == 0
    assert cells(out, "Moody") == ["50.0 ± 70.7"] and cells(out, "Seer") == ["100.0"]
    assert [row["seed"] for row in rows(out) if row["category"] == "bottle"] == ["0", "1", "0"]


def test_the_report_says_how_it_came_about(data, out, tiny_backbone):
    assert run(data, out, "seer", "--corruptions", "none,noise", "--severity", "2") == 0
    report = (out / "results.md").read_text(encoding="utf-8")
    for fact in (tiny_backbone.name, tiny_backbone.fingerprint, "severity 2", "3 seeds, 0 to 2", "zsad_core", "torch"):
        assert fact in report
    assert re.search(r"Begun on \d{4}-\d\d-\d\d", report)
    assert "| MVTec/bottle |" in report and "It is right." in report
    poster = next(line for line in report.splitlines() if line.startswith("| Ours | 80.7 |"))
    assert "87.6" in poster and "75.7" in poster
    assert "published |" not in report  # this folder is no published test set, so nothing stands beside its figures


def test_published_figures_stand_beside_a_whole_test_set(tmp_path, out, monkeypatch, tiny_backbone):
    aebad = tmp_path / "AeBAD_S"
    for domain in ("same", "background", "illumination", "view"):
        drawn = mvtec(tmp_path / "drawn", products=(domain,)) / domain
        for defect in ("good", "hole"):
            (aebad / "test" / defect).mkdir(parents=True, exist_ok=True)
            (drawn / "test" / defect).rename(aebad / "test" / defect / domain)
    monkeypatch.setitem(work.ALL_METHODS, "clip", STAND_INS["seer"])
    assert run(aebad, out, "clip", "--corruptions", "none") == 0
    assert cells(out, "Seer, published") == ["53.1"]
    assert "difference |" not in (out / "results.md").read_text(
        encoding="utf-8"
    )  # another backbone than the literature's
    monkeypatch.setattr(tiny_backbone, "name", "ViT-B-16-plus-240")
    assert run(aebad, tmp_path / "again", "clip", "--corruptions", "none") == 0
    assert cells(tmp_path / "again", "Seer, difference") == ["+46.9"]


def test_doing_harm_is_told(data, out, monkeypatch):
    monkeypatch.setitem(work.ALL_METHODS, "ours", STAND_INS["weigher"])
    monkeypatch.setitem(work.ALL_METHODS, "winclip", STAND_INS["seer"])
    assert run(data, out, "ours,winclip", "--corruptions", "none") == 0
    report = (out / "results.md").read_text(encoding="utf-8")
    assert "falls under it on: MVTec/bottle, none; MVTec/metal_nut, none" in report
    assert "| MVTec/bottle | 87.5 | 100.0 | -12.5 |" in report


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(data, out):
    (data / "bottle/test/good/000.png").write_bytes(b"no picture")
    (data / "bottle/test/good/009.png").write_bytes((data / "bottle/test/good/002.png").read_bytes())
    (data / "bottle/test/good/010.png").write_bytes((data / "bottle/test/good/002.png").read_bytes()[:200])
    (data / "metal_nut/ground_truth/hole/001_mask.png").write_bytes(b"")
    assert run(data, out, "seer,picky,absent", "--corruptions", "none,noise") == 0
    report = (out / "results.md").read_text(encoding="utf-8")
    assert report.count("MVTec/bottle, good/000.png: '000.png' is not an image") == 1
    assert "MVTec/bottle, good/010.png: '010.png' is damaged" in report
    assert "MVTec/metal_nut, hole/001.png (mask): '001_mask.png' is empty" in report
    assert "Picky on MVTec/bottle none 0: Bottles are beneath me" in report
    assert cells(out, "Absent")[0] == "not run: Absent needs a crystal ball: buy one."
    images = {(row["method"], row["category"]): row["images"] for row in rows(out)}
    assert images == {("seer", "bottle"): "8", ("seer", "metal_nut"): "8", ("picky", "metal_nut"): "8"}


def test_where_no_image_can_be_read_it_says_so_and_tries_again_later(data, out, capsys):
    pictures = {path: path.read_bytes() for path in data.rglob("test/*/*.png")}
    for path in pictures:
        path.write_bytes(b"no picture")
    assert run(data, out, "seer,clip-ac", "--corruptions", "none") == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("None of the images can be read") and ".png' is not an image" in told
    for path, content in pictures.items():
        path.write_bytes(content)
    assert run(data, out, "seer,clip-ac", "--corruptions", "none") == 0
    assert cells(out, "Seer") == ["100.0"]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_a_failure_of_the_method(score, data, out, monkeypatch):
    class Broken(STAND_INS["seer"]):
        def fit(self, product, seed=0):
            return Rule(lambda image: (score, np.zeros(image.shape[:2])))

    monkeypatch.setitem(work.ALL_METHODS, "weigher", Broken)
    assert run(data, out, "seer,weigher", "--corruptions", "none") == 0
    assert "The score of the image is" in (out / "results.md").read_text(encoding="utf-8")
    assert {row["method"] for row in rows(out)} == {"seer"}


def test_an_image_that_visa_names_and_nobody_has_is_named(data, out):
    rows = [f"bottle,test,{'normal' if path.parent.name == 'good' else 'anomaly'},{path.relative_to(data)},"
            for path in sorted(data.glob("bottle/test/*/*"))]  # fmt: skip
    (data / "split_csv").mkdir()
    (data / "split_csv/1cls.csv").write_text("\n".join(["object,split,label,image,mask", *rows]), encoding="utf-8")
    (data / "bottle/test/hole/003.png").unlink()
    assert run(data, out, "seer", "--corruptions", "none") == 0
    assert "MVTec/bottle, hole/003.png: There is no file '003.png'" in (out / "results.md").read_text(encoding="utf-8")
    assert cells(out, "Seer") == ["100.0"]


def test_a_category_of_a_few_images_is_left_out(tmp_path, out, capsys):
    few = mvtec(tmp_path / "few", products=("pill",), good=(90, 100))
    said = (
        "few/pill: 2 good and 4 damaged images, too few for an AUROC; of its folders were taken 'good' for normal, "
        "'hole' for damaged."
    )
    assert run(few, out, "seer") == 1
    told = capsys.readouterr().err
    assert "No category has 4 good and 4 damaged images" in told and said in told
    enough = mvtec(tmp_path / "enough", products=("bottle",))
    assert main(["--data", str(few), str(enough), "--methods", "seer", "--corruptions", "none", "--out", str(out)]) == 0
    assert f"- {said}" in (out / "results.md").read_text(encoding="utf-8") and said in capsys.readouterr().err
    assert {row["dataset"] for row in rows(out)} == {"enough"}


def test_masks_that_are_missing_or_odd_are_counted_and_named(tmp_path, out, capsys):
    data = mvtec(tmp_path / "MVTec", products=("bottle",), damaged=range(90, 150, 10))
    masks = data / "bottle/ground_truth/hole"
    (masks / "000_mask.png").unlink()
    (masks / "001_mask.png").rename(masks / "001.PNG")
    for number, mask in {2: np.zeros((40, 40)), 3: np.ones((40, 40)), 4: np.ones((40, 20))}.items():
        Image.fromarray(mask.astype(np.uint16)).save(masks / f"00{number}_mask.png")
    (data / "photos").mkdir()
    (masks / "005_mask.png").rename(data / "photos/1.png")
    assert run(data, out, "seer", "--corruptions", "none") == 0
    report, told = (out / "results.md").read_text(encoding="utf-8"), capsys.readouterr().err
    for sentence in (
        "MVTec/bottle: 2 of 6 damaged images have no mask, and are left out of the pixel figures.",
        "1 image in 'photos' is in no layout that is known.",
    ):
        assert f"- {sentence}" in report and sentence in told
    for sentence in (
        "hole/002.png (mask): Its mask marks nothing",
        "hole/003.png (mask): Its mask marks the whole image.",
        "hole/004.png (mask): Its mask is 20 x 40 pixels and the image 40 x 40, another shape",
    ):
        assert f"- MVTec/bottle, {sentence}" in report
    (row,) = rows(out)
    assert 0 < float(row["pixel_auroc"]) < 1  # over the two that are left


def test_what_is_wrong_with_many_images_is_said_once(tmp_path, out):
    data = mvtec(tmp_path / "MVTec", products=("bottle",), damaged=range(90, 160, 10))
    for path in (data / "bottle/ground_truth/hole").iterdir():
        Image.new("L", (40, 40)).save(path)
    assert run(data, out, "seer", "--corruptions", "none,noise") == 0
    (line,) = [
        line for line in (out / "results.md").read_text(encoding="utf-8").splitlines() if "marks nothing" in line
    ]
    assert line.count("(mask)") == 5 and " and 2 more: Its mask marks nothing" in line


def test_products_are_named_for_categories_that_are_numbers(tmp_path, out, monkeypatch, capsys):
    asked = []

    class Asked(STAND_INS["seer"]):
        def fit(self, product, seed=0):
            asked.append(product)
            return super().fit(product, seed)

    monkeypatch.setitem(work.ALL_METHODS, "seer", Asked)
    data = mvtec(tmp_path / "BTAD", products=("01", "02", "03"))
    (tmp_path / "names.txt").write_text("# BTAD\n02 = ceramic tile\n", encoding="utf-8")
    assert run(data, out, "seer", "--corruptions", "none", "--products", str(tmp_path / "names.txt")) == 0
    assert asked == ["object", "ceramic tile", "object"]
    assert "'01' names no product, so it is called 'object': name it with --products 01=" in capsys.readouterr().err
    assert run(data, out / "all", "seer", "--corruptions", "none", "--products", "01=rim, 02=tile,03=lens") == 0
    assert asked[3:] == ["rim", "tile", "lens"] and "names no product" not in capsys.readouterr().err


def test_every_severity_is_drawn_and_the_table_keeps_its_own(data, out, charts):
    arguments = ("--categories", "bottle", "--corruptions", "none,contrast", "--severities", "0-5", "--severity", "5")
    assert run(data, out, "seer", *arguments) == 0
    assert [row["severity"] for row in rows(out)] == list("012345")
    assert heads(out) == ["contrast", "mean", "none"]


class TestGoodParts:
    """Methods that are given good parts, several draws of them."""

    GREYS = (40, 60, 80, 100, 120, 140)

    @pytest.fixture
    def data(self, tmp_path):
        return mvtec(tmp_path / "MVTec", products=("bottle",), good=self.GREYS)

    def test_they_have_rows_of_their_own_and_are_not_tested(self, data, out):
        assert run(data, out, "seer,keeper", "--shots", "2,1", "--draws", "3", "--corruptions", "none") == 0
        assert cells(out, "Keeper") == ["50.0 ± 0.0"] and cells(out, "Seer") == ["100.0"]
        assert cells(out, "Keeper + 1 good part") == cells(out, "Keeper + 2 good parts") == ["100.0 ± 0.0"]
        tested = {(row["method"], row["good_parts"], row["seed"]): int(row["images"]) for row in rows(out)}
        assert tested == {("seer", "0", "0"): 10, **{
            ("keeper", str(parts), str(seed)): 10 - parts for parts in (0, 1, 2) for seed in range(3)
        }}  # fmt: skip
        report = (out / "results.md").read_text(encoding="utf-8")
        drawn = [set(names.split(", ")) for names in re.findall(r"^- MVTec/bottle, 2, draw \d: (.+)$", report, re.M)]
        single = re.findall(r"^- MVTec/bottle, 1, draw \d: (.+)$", report, re.M)
        assert [len(names) for names in drawn] == [2, 2, 2] and len(set(map(frozenset, drawn))) > 1
        assert all(name in names and name.startswith("good/") for name, names in zip(single, drawn, strict=True))

    def test_images_for_training_are_taken_first(self, data, out):
        for number, path in enumerate(sorted((data / "bottle/test/good").iterdir())[:3]):
            (data / "bottle/train/good").mkdir(parents=True, exist_ok=True)
            path.rename(data / "bottle/train/good" / f"{number}.png")
        mvtec(data, products=("bottle",), good=(60, 90, 120, 130))
        assert run(data, out, "keeper", "--shots", "3,4", "--draws", "1", "--corruptions", "none") == 0
        report = (out / "results.md").read_text(encoding="utf-8")
        (names,) = re.findall(r"^- MVTec/bottle, 3, draw 0: (.+)$", report, re.M)
        assert sorted(names.split(", ")) == [f"train/good/{number}.png" for number in range(3)]
        assert {row["images"] for row in rows(out) if row["good_parts"] == "3"} == {"10"}

    def test_too_few_images_are_said_and_the_rest_goes_on(self, data, out):
        assert run(data, out, "keeper", "--shots", "2,3", "--draws", "2", "--corruptions", "none") == 0
        report = (out / "results.md").read_text(encoding="utf-8")
        assert "Keeper + 3 good parts on MVTec/bottle none 0: Of 6 good images, 3 would be its good parts" in report
        assert {row["good_parts"] for row in rows(out)} == {"0", "2"}

    def test_parts_that_cannot_be_used_are_drawn_again(self, tmp_path, out):
        data = mvtec(tmp_path / "more", products=("bottle",), good=range(40, 121, 10))
        good = data / "bottle/test/good"
        (good / "000.png").write_bytes(b"no picture")
        (good / "001.png").write_bytes((good / "002.png").read_bytes())
        assert run(data, out, "memory", "--shots", "3", "--draws", "8", "--corruptions", "none") == 0
        report = (out / "results.md").read_text(encoding="utf-8")
        drawn = [set(names.split(", ")) for names in re.findall(r"^- more/bottle, 3, draw \d: (.+)$", report, re.M)]
        assert len(drawn) == 8
        for names in drawn:
            assert "good/000.png" not in names and not {"good/001.png", "good/002.png"} <= names

    def test_ours_and_the_memory_have_the_same_parts(self, data, out):
        assert (
            run(data, out, "ours,memory", "--shots", "2", "--draws", "2", "--corruptions", "none", "--seeds", "1") == 0
        )
        titles = [
            line.split("|")[1].strip() for line in (out / "results.md").read_text("utf-8").splitlines() if "|" in line
        ]
        assert titles[2:5] == ["Ours", "Ours + 2 good parts", "Memory of 2 good parts"]
        assert {row["method"] for row in rows(out)} == {"ours", "memory"}
        assert (
            sum("MVTec/bottle, 2, draw" in line for line in (out / "results.md").read_text("utf-8").splitlines()) == 2
        )

    def test_the_memory_without_parts_says_how_to_give_them(self, data, out, capsys):
        assert run(data, out, "seer,memory", "--corruptions", "none") == 0
        assert cells(out, "Memory of good parts")[0].startswith("not run: Memory of good parts needs good parts: give")
        assert run(data, out / "alone", "memory") == 1
        assert "No method can run. Memory of good parts needs" in capsys.readouterr().err

    def test_parts_that_no_method_takes_are_refused(self, data, out, capsys):
        assert run(data, out, "seer", "--shots", "4") == 1
        assert capsys.readouterr().err == (
            "None of the methods takes good parts: add ours or memory to them, or leave out --shots.\n"
        )

    def test_other_draws_are_another_run(self, data, out, capsys):
        assert run(data, out, "keeper", "--shots", "1", "--draws", "1", "--corruptions", "none") == 0
        assert run(data, out, "keeper", "--shots", "1", "--draws", "2", "--corruptions", "none") == 1
        assert "another setting of draws: 1 then, 2 now" in capsys.readouterr().err


def test_the_verdict_stands_beside_the_ranking(data, out):
    assert run(data, out, "weigher,seer", "--corruptions", "none,contrast") == 0
    found = {row["method"]: row for row in rows(out) if row["corruption"] == "none"}
    assert [found["seer"][name] for name in ("false_alarms", "caught", "balanced_accuracy")] == [
        "0.000000", "1.000000", "1.000000"
    ]  # fmt: skip
    # Good greys 60, 80, 100, 120 are all under 127.5; of the damaged 90, 130, 140, 150 three are over it.
    assert [float(found["weigher"][name]) for name in ("false_alarms", "caught", "balanced_accuracy")] == [
        0,
        0.75,
        0.875,
    ]
    report = (out / "results.md").read_text(encoding="utf-8")
    table = report.partition("At the verdict")[2]
    assert re.search(r"\| Weigher \| .+ \| 0\.0 / 75\.0 / 87\.5 \|", table)
    assert "taken at the 0.5 of their own score" in report


def test_verdicts_are_drawn_where_there_are_severities(data, out, charts):
    assert run(data, out / "one", "seer", "--corruptions", "none,contrast") == 0
    assert not (out / "one/verdicts.png").exists()
    arguments = ("--categories", "bottle", "--corruptions", "none,contrast,noise", "--severities", "1,4")
    assert run(data, out / "more", "seer,weigher", *arguments) == 0
    wide, high = Image.open(out / "more/verdicts.png").size
    assert wide > 1000 and high > 900


@pytest.fixture(scope="module")
def whole(tiny_backbone, tmp_path_factory):
    """A folder with `data` and `out` of a run that ended."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, tiny_backbone)
        assert run(mvtec(folder / "MVTec"), folder / "out", "seer", "--corruptions", "none") == 0
    return folder


@pytest.fixture
def finished(whole, tmp_path, capsys):
    """`data` and `out` of a run that ended."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    capsys.readouterr()
    return tmp_path / "MVTec", tmp_path / "out"


class TestStopped:
    """A run that was killed goes on where it was."""

    METHODS = "clip-ac,rwda"
    ARGUMENTS = ("--seeds", "2", "--corruptions", "none,noise", "--preset", "quick")

    # The third unit's file is written but not yet in its place when the process is killed (the first is settings.json).
    SCRIPT = """
import os, signal, sys
from zsad_core.backbone import random_backbone
from zsad_core.benchmark import results, work
from zsad_core.benchmark.__main__ import main
tiny, written, replace = random_backbone({tiny}), [], os.replace
def replace_or_die(part, path):
    written.append(path)
    if len(written) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(part, path)
results.os.replace, work.backbone_of = replace_or_die, lambda name, weights: tiny
main(sys.argv[1:])
"""

    @pytest.mark.slow
    def test_nothing_is_computed_twice_and_the_files_are_the_same(self, data, out, tmp_path, done, charts):
        assert run(data, tmp_path / "whole", self.METHODS, *self.ARGUMENTS) == 0
        units, done[:] = list(done), []
        command = ["--data", str(data), "--out", str(out), "--methods", self.METHODS, *self.ARGUMENTS]
        script = self.SCRIPT.format(tiny=TINY)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(work.__file__).parents[2])}
        killed = subprocess.run([sys.executable, "-c", script, *command], env=environment, stderr=subprocess.DEVNULL)
        assert killed.returncode == -signal.SIGKILL and not (out / "results.csv").exists()
        assert len(units) == 4 and run(data, out, self.METHODS, *self.ARGUMENTS) == 0
        assert done == units[2:]
        for name in FILES:
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    def test_a_finished_run_is_not_touched(self, finished, done):
        data, out = finished
        before = {name: (out / name).read_bytes() for name in (*FILES, "speed.md")}
        assert run(data, out, "seer", "--corruptions", "none") == 0
        assert done == [] and before == {name: (out / name).read_bytes() for name in before}

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            (("--severity", "4"), "another setting of severities: [3] then, [4] now"),
            (("--methods", "weigher"), 'another setting of methods: ["seer"] then, ["weigher"] now'),
            (("--seeds", "9"), "another setting of seeds: 3 then, 9 now"),
            (("--categories", "bottle"), "another setting of data"),
        ],
    )
    def test_other_settings_are_refused(self, finished, changed, reason, capsys):
        data, out = finished
        before = (out / "results.csv").read_bytes()
        assert run(data, out, "seer", "--corruptions", "none", *changed) == 1
        told = capsys.readouterr()
        assert reason in told.err and len(told.err.splitlines()) == 1
        assert (out / "results.csv").read_bytes() == before

    @pytest.mark.parametrize(
        "content",
        [b"", b'{"rows": [{"meth', b"\xff\xfe\x00", b"[]", b"null", b"{}", b"[" * 100_000,
         b'{"rows": [{}], "unreadable": {}, "failures": {}, "images": 8, "seconds": {}}',
         b'{"rows": [], "unreadable": [], "failures": {}, "images": 8, "seconds": {}}',
         b'{"rows": [], "unreadable": {}, "failures": {}, "images": NaN, "seconds": {}}',
         b'{"rows": [], "unreadable": {}, "failures": {}, "images": 8, "seconds": {"encoding": Infinity}}'],
    )  # fmt: skip
    def test_a_unit_whose_file_is_damaged_is_done_again(self, content, finished, done, capsys):
        data, out = finished
        before = {name: (out / name).read_bytes() for name in FILES}
        (out / "units/MVTec.bottle.none.0.json").write_bytes(content)
        assert run(data, out, "seer", "--corruptions", "none") == 0
        assert done == ["MVTec/bottle none 0"]
        assert "MVTec.bottle.none.0.json is damaged: this unit is done again." in capsys.readouterr().err
        assert before == {name: (out / name).read_bytes() for name in FILES}

    @pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[]", b"7", b"{}", b'{"begun": 7}', None])
    def test_settings_that_are_damaged_get_a_sentence(self, content, finished, capsys):
        data, out = finished
        (out / "settings.json").unlink()
        (out / "settings.json").mkdir() if content is None else (out / "settings.json").write_bytes(content)
        assert run(data, out, "seer", "--corruptions", "none") == 1
        told = capsys.readouterr().err
        assert "settings.json' is damaged" in told and len(told.splitlines()) == 1

    def test_a_full_disk_gets_a_sentence_and_the_run_goes_on_later(self, data, out, done, monkeypatch, capsys):
        def full(descriptor):
            if len(list((out / "units").iterdir())) > 1:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("zsad_core.benchmark.results.os.fsync", full)
        assert run(data, out, "seer", "--corruptions", "none") == 1
        told = capsys.readouterr().err.splitlines()[-1]
        assert "cannot be written (No space left on device): make room" in told
        assert [file.name for file in (out / "units").iterdir()] == ["MVTec.bottle.none.0.json"]
        monkeypatch.undo()

    def test_other_images_are_refused(self, finished, capsys):
        data, out = finished
        (data / "bottle/test/good/000.png").rename(data / "bottle/test/good/017.png")
        assert run(data, out, "seer", "--corruptions", "none") == 1
        assert "another setting of data" in capsys.readouterr().err


def test_noise_hangs_on_the_image_and_not_on_its_neighbours(tmp_path, monkeypatch):
    noisy, corrupt = [], work.corrupt

    def recorded(*arguments, **options):
        noisy.append(corrupt(*arguments, **options))
        return noisy[-1]

    monkeypatch.setattr(work, "corrupt", recorded)
    data = mvtec(tmp_path / "MVTec", products=("bottle",), good=(90, 91, 92, 93, 94))
    for number in range(2):
        assert run(data, tmp_path / str(number), "seer", "--corruptions", "noise") == 0
        (data / "bottle/test/good/000.png").unlink(missing_ok=True)
    whole, fewer = ({image.tobytes() for image in part} for part in (noisy[:9], noisy[9:]))
    assert len(whole) == 9 and len(fewer) == 8 and fewer < whole


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--methods", "clairvoyance"), "There is no method 'clairvoyance': choose from clip, clip-ac"),
        (("--methods", "absent"), "No method can run. Absent needs a crystal ball"),
        (("--corruptions", "none,fog"), "There is no corruption 'fog': choose from none, brightness"),
        (("--categories", "screw"), "There is no category 'screw': choose from bottle, metal_nut"),
        (("--data", "nowhere"), "There is no folder 'nowhere'"),
        (("--products", "05=tile"), "There is no category '05': choose from bottle, metal_nut"),
        (("--products", "bottle="), "'bottle' is given no product: write a pair"),
        (("--products", "nowhere.txt"), "'nowhere.txt' is no file of products that can be read"),
    ],
)
def test_what_is_not_there_gets_a_sentence(arguments, reason, data, out, capsys):
    assert run(data, out, "seer", *arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith(reason) and len(told.splitlines()) == 1


def test_the_same_folder_twice_is_refused(data, out, capsys):
    assert main(["--data", str(data), str(data), "--methods", "seer", "--out", str(out)]) == 1
    assert "'MVTec/bottle' is in the data twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--severity", "6"],
        ["--seeds", "0"],
        ["--severities", "0-9"],
        ["--methods", ","],
        ["--scheduler", "x"],
        ["--shots", "0"],
        ["--shots", "17"],
        ["--shots", "1,,2"],
        ["--shots", "four"],
        ["--draws", "0"],
        ["--draws", "21"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, data, out):
    with pytest.raises(SystemExit) as stop:
        run(data, out, "seer", *arguments)
    assert stop.value.code == 2
