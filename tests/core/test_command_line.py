"""`python -m zsad_core inspect`, as a person at a terminal or a script would use it."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsad_core import Detector, Recipe, batch
from zsad_core.__main__ import main
from zsad_core.given_images import GivenImages
from zsad_core.images import read_pages


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
        assert line.startswith(f"{seen.score:.2f}  {seen.verdict}") and line.endswith(photo)


def objects(printed):
    """What `--json` printed, one object a line."""
    return [json.loads(line) for line in printed.out.splitlines()]


def test_json_gives_the_scores_of_the_python_interface(detector, detector_file, photos, capsys):
    assert main(["inspect", "--detector", detector_file, "--json", *photos]) == 0
    rows = objects(capsys.readouterr())
    assert rows == [
        {
            "image": photo,
            "score": pytest.approx(seen.score, abs=1e-6),
            "verdict": seen.verdict,
            "neutral": 0.5,
            "threshold": 0.5,
            "over_threshold": seen.score > 0.5,
            "label": None,
            "regions": [json.loads(json.dumps(region.to_dict())) for region in seen.regions],
            "width": 40,
            "height": 30,
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
    assert objects(capsys.readouterr()) == objects(trained)


def test_detector_that_cannot_be_kept_is_still_used(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Recipe, "quick", lambda: Recipe(prompts=4, groups=2, steps=1, classifier_steps=50))
    nowhere = str(tmp_path / "no such folder" / "nut.safetensors")
    assert main(["inspect", "--product", "metal nut", "--save-detector", nowhere, *photos]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2 and nowhere in printed.err


@pytest.fixture
def good(tmp_path):
    """A folder of three good parts, a note and a hidden file beside them."""
    folder = tmp_path / "good"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(20 + number).integers(60 * number, 60 * number + 90, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "note.txt").write_text("taken on Monday")
    (folder / "._0.png").write_text("litter")
    return folder


def test_good_parts_have_a_say_and_are_said(detector, detector_file, photos, good, capsys):
    files = [good / f"{number}.png" for number in range(3)]
    assert main(["inspect", "--detector", detector_file, "--json", *photos, "--good", *map(str, files)]) == 0
    by_files = capsys.readouterr()
    assert "by words and 3 good parts (no longer zero-shot)" in by_files.err
    rows = objects(by_files)
    for row, seen in zip(rows, detector.with_good_parts(files).inspect(photos), strict=True):
        assert row["good_parts"] == 3
        assert (row["score"], row["by_words"]) == pytest.approx((seen.score, seen.by_words), abs=1e-6)
    assert main(["inspect", "--detector", detector_file, "--json", *photos, "--good", str(good)]) == 0
    assert objects(capsys.readouterr()) == rows


def test_good_parts_are_kept_with_the_detector(detector_file, photos, good, tmp_path, capsys):
    kept = str(tmp_path / "kept.safetensors")
    command = ["inspect", "--detector", detector_file, "--json", *photos]
    assert main([*command, "--good", str(good), "--save-detector", kept]) == 0
    rows = objects(capsys.readouterr())
    assert main(["inspect", "--detector", kept, "--json", *photos]) == 0
    again = capsys.readouterr()
    assert objects(again) == rows and "by words and 3 good parts" in again.err
    assert main(["inspect", "--detector", kept, "--json", *photos, "--good", str(good / "1.png")]) == 0
    assert "by words and 1 good part (" in capsys.readouterr().err  # others replace those that were kept


def test_a_good_part_that_stands_out_is_said_and_used(detector_file, photos, good, monkeypatch, capsys):
    monkeypatch.setattr("zsad_core.good_parts._doubted", lambda apart, words: [1])
    assert main(["inspect", "--detector", detector_file, *photos, "--good", str(good)]) == 0
    told = capsys.readouterr()
    assert "Good part 2 ('1.png') looks unlike the others" in told.err and "3 good parts" in told.err
    assert len(told.out.splitlines()) == 2


def test_an_overlay_never_replaces_a_good_part(detector_file, photos, good, capsys):
    (good / "0.png").rename(good / "nut.overlay.png")
    before = (good / "nut.overlay.png").read_bytes()
    command = ["inspect", "--detector", detector_file, "--overlay-dir", str(good), *photos, "--good", str(good)]
    assert main(command) == 0
    assert (good / "nut.overlay.png").read_bytes() == before


def test_folders_zips_and_patterns_give_what_their_files_give(detector_file, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = tmp_path / "tree"
    for place in ("good", "scratch", "ground_truth", ".hidden", "__MACOSX"):
        (tree / place).mkdir(parents=True)
        shutil.copy(photos[0], tree / place / "nut.png")
    (tree / "good" / "NOTES.txt").write_text("taken on Monday")
    (tree / "good" / "Thumbs.db").write_text("litter")
    (tree / "good" / "again").symlink_to(tree, target_is_directory=True)  # a loop
    with zipfile.ZipFile("nuts.zip", "w") as archive:
        archive.write(photos[1], "good/one.png")
        archive.write(photos[0], "bad/../../escaped.png")
    assert main(["inspect", "--detector", detector_file, "--json", "tree", "nuts.zip", "*day/nut.png"]) == 1
    printed = capsys.readouterr()
    rows = objects(printed)
    tree_rows = [
        (os.path.join("tree", "good", "nut.png"), "normal"),
        (os.path.join("tree", "scratch", "nut.png"), "damaged"),
    ]
    assert [(row["image"], row["label"]) for row in rows] == [
        *tree_rows,
        ("nuts.zip/good/one.png", "normal"),
        *((os.path.join(day, "nut.png"), None) for day in ("monday", "tuesday")),
    ]
    first, second = rows[0]["score"], rows[2]["score"]
    assert first != pytest.approx(second, abs=1e-3)
    assert [row["score"] for row in rows] == pytest.approx([first, first, second, first, second], abs=1e-5)
    for name in ("escaped.png", "NOTES.txt", "ground_truth"):
        assert name in printed.err
    assert not any(name in printed.err for name in ("hidden", "MACOSX", "Thumbs"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("no*.png", "no*.png: No file has a name of this pattern"),
        ("empty", "empty: There is no image in this folder"),
        ("broken.zip", "'broken.zip': The zip is damaged"),
        ("absent.zip", "There is no file 'absent.zip'"),
    ],
)
def test_what_holds_no_image_is_named_and_the_rest_is_scored(
    given, told, detector_file, photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    assert main(["inspect", "--detector", detector_file, given, photos[0]]) == 1
    printed = capsys.readouterr()
    assert told in printed.err and len(printed.out.splitlines()) == 1 and "Traceback" not in printed.err


def test_a_pattern_that_is_a_file_is_that_file(detector_file, photos, tmp_path, capsys):
    odd = tmp_path / "nut [1].png"
    shutil.copy(photos[0], odd)
    assert main(["inspect", "--detector", detector_file, str(odd)]) == 0
    assert capsys.readouterr().out.rstrip().endswith("nut [1].png")


def test_good_parts_are_taken_from_the_folders_that_are_not_of_damaged_ones(
    detector_file, photos, good, tmp_path, capsys
):
    parts = tmp_path / "parts"
    parts.mkdir()
    good.rename(parts / "Good")
    (parts / "scratch").mkdir()
    shutil.copy(photos[1], parts / "scratch" / "1.png")
    assert main(["inspect", "--detector", detector_file, "--json", photos[0], "--good", str(parts)]) == 0
    printed = capsys.readouterr()
    assert objects(printed)[0]["good_parts"] == 3 and "Left out: 1 photo in" in printed.err
    assert repr(str(parts / "scratch")) in printed.err


def test_folders_given_by_themselves_say_nothing_about_each_other_but_one_of_damaged_ones_is_left_out(
    detector_file, photos, good, tmp_path, capsys
):
    new, broken = tmp_path / "new", tmp_path / "broken"
    for number, folder in enumerate((new, broken)):
        folder.mkdir()
        shutil.copy(photos[number], folder / f"{number}.png")
    command = ["inspect", "--detector", detector_file, "--json", photos[0], "--good"]
    assert main([*command, str(good), str(new)]) == 0
    assert objects(capsys.readouterr())[0]["good_parts"] == 4
    assert main([*command, str(broken)]) == 1
    told = capsys.readouterr().err
    assert f"Left out: 1 photo in {str(broken)!r}" in told and "0 good parts were given" in told
    assert main([*command, str(broken / "1.png")]) == 0  # by its own name


def test_what_is_left_out_of_good_parts_and_how_they_were_read_is_said(detector_file, photos, good, capsys):
    first, second = (Image.open(good / f"{number}.png") for number in (0, 1))
    first.save(good / "pages.tiff", save_all=True, append_images=[second])
    (good / "0.png").unlink()
    second.save(good / "2_mask.png")
    assert main(["inspect", "--detector", detector_file, photos[0], "--good", str(good)]) == 0
    told = capsys.readouterr().err
    assert "Good part 3 ('pages.tiff'): Page 1 of 2 is read." in told
    assert "2_mask.png. A mask" in told and "note.txt. Not an image" in told


@pytest.mark.parametrize(
    "options",
    [
        ["--save-detector", "nut.png"],
        ["--save-detector", "table.csv", "--csv", "table.csv"],
        ["--save-detector", "nut.safetensors"],
        ["--csv", "nut.safetensors"],
    ],
)
def test_nothing_that_was_given_is_replaced(detector_file, photos, good, tmp_path, capsys, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    shutil.copy(photos[0], "nut.png")
    before = {name: Path(name).read_bytes() for name in ("nut.png", "nut.safetensors")}
    assert main(["inspect", "--detector", "nut.safetensors", "nut.png", *options, "--good", str(good)]) == 1
    assert "would replace a file that was given: choose another name." in capsys.readouterr().err
    assert before == {name: Path(name).read_bytes() for name in before}


def test_a_mask_that_was_given_is_not_replaced_by_the_mask_of_the_map(detector_file, photos, tmp_path, capsys):
    shutil.copy(photos[0], tmp_path / "one.png")
    mask = tmp_path / "one.mask.png"
    Image.fromarray(np.eye(*np.asarray(Image.open(photos[0])).shape[:2], dtype=np.uint8) * 255).save(mask)
    before = mask.read_bytes()
    command = ["inspect", "--detector", detector_file, str(tmp_path / "one.png"), "--mask-dir", str(tmp_path)]
    assert main([*command, "--ignore", str(mask)]) == 0
    assert mask.read_bytes() == before and (tmp_path / "one.2.mask.png").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cracked mug", "'cracked' is a state, and a detector knows the states by itself: 'mug' says as much."),
        ("broken and rusty pipe", "'broken' and 'rusty' are states, and a detector knows the states by itself: 'pipe'"),
        ("xqz-4711", "'xqz-4711' is not understood: it amounts to 'object'."),
    ],
)
def test_what_a_name_does_is_said(detector, photos, capsys, monkeypatch, name, said):
    monkeypatch.setattr("zsad_core.detector.Detector.fit", lambda *options, **named: detector)
    assert main(["inspect", "--product", name, photos[0]]) == 0
    assert said in capsys.readouterr().err


def test_the_table_for_a_spreadsheet_has_every_image_and_replaces_none(detector_file, photos, tmp_path, capsys):
    table = tmp_path / "scores.csv"
    command = ["inspect", "--detector", detector_file, "--threshold", "0.01", *photos]
    assert main([*command, "--csv", str(table)]) == 0
    rows = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8-sig"), newline="")))
    assert [row["file"] for row in rows] == photos
    assert {(row["over_threshold"], row["threshold"], row["width"]) for row in rows} == {("yes", "0.01", "40")}
    assert all("  over  " in line for line in capsys.readouterr().out.splitlines())
    before = Path(photos[1]).read_bytes()
    assert main([*command, "--csv", photos[1]]) == 1
    assert Path(photos[1]).read_bytes() == before and "would replace a file" in capsys.readouterr().err
    assert main([*command, "--csv", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_pages_are_rows_and_what_is_odd_about_a_picture_is_said(detector_file, photos, tmp_path, capsys):
    random, file, maps, table = np.random.default_rng(2), tmp_path / "two.tif", tmp_path / "maps", tmp_path / "rows.csv"
    pages = [Image.fromarray(random.integers(0, white, (30, 40), np.uint16)) for white in (4096, 65536)]
    pages[0].save(file, save_all=True, append_images=pages[1:])
    with zipfile.ZipFile(tmp_path / "pages.zip", "w") as archive:
        archive.write(file, "two.tif")
    given = [str(file), str(tmp_path / "pages.zip"), photos[0]]
    command = ["inspect", "--detector", detector_file, *given, "--csv", str(table), "--overlay-dir", str(maps)]
    assert main([*command, "--json"]) == 0
    rows = objects(capsys.readouterr())
    names = [f"{name} (page {number} of 2)" for name in (given[0], f"{given[1]}/two.tif") for number in (1, 2)]
    assert [row["image"] for row in rows] == [*names, photos[0]]
    assert len({row["score"] for row in rows}) == 3 and len(list(maps.iterdir())) == 5
    assert ["12 bits" in row.get("note", "") for row in rows] == [True, False, True, False, False]
    with open(table, encoding="utf-8-sig", newline="") as read:
        assert [row["note"] for row in csv.DictReader(read)] == [row.get("note", "") for row in rows]
    assert main(command[:4]) == 0
    assert f"{names[0]}: Its values" in capsys.readouterr().err


def test_what_was_scored_before_a_stop_is_kept(detector_file, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch, "idle_cores", lambda: 1)

    def interrupted(source):
        if str(source) == photos[1]:
            raise KeyboardInterrupt
        return read_pages(source)

    monkeypatch.setattr(GivenImages.__init__, "__defaults__", (interrupted,))
    table = tmp_path / "scores.csv"
    assert main(["inspect", "--detector", detector_file, "--json", *photos, "--csv", str(table)]) == 130
    printed = capsys.readouterr()
    assert [row["image"] for row in objects(printed)] == photos[:1] and printed.err.endswith("Stopped.\n")
    assert len(table.read_text(encoding="utf-8-sig").splitlines()) == 2


def test_overlays_and_masks_stay_in_their_folder_whatever_the_names_are(detector_file, photos, tmp_path):
    maps, elsewhere = tmp_path / "maps", tmp_path / "elsewhere.png"
    maps.mkdir()
    elsewhere.write_bytes(b"mine")
    (maps / "one.overlay.png").symlink_to(elsewhere)
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name in (
            "a/one.png",
            "b/one.png",
            "z/a:one|.png",
            "..\\..png",
            "x" * 250 + ".png",
            "y/" + "螺" * 90 + ".png",
        ):
            archive.write(photos[0], name)
    command = ["inspect", "--detector", detector_file, "--overlay-dir", str(maps), "--mask-dir", str(maps)]
    main([*command, str(tmp_path / "odd.zip"), photos[0]])
    assert elsewhere.read_bytes() == b"mine"
    names = sorted(path.name for path in maps.iterdir())
    assert {"one.overlay.png", "one.2.overlay.png", "a_one_.overlay.png", "nut.mask.png"} <= set(names)
    assert sum(name.endswith(".overlay.png") for name in names) * 2 == len(names)
    for path in maps.iterdir():
        assert not path.is_symlink() and Image.open(path).size == (40, 30)


def test_a_place_that_is_left_out_has_no_say(detector_file, photos, tmp_path, capsys):
    """The two photos differ where they are not left out by nothing at all."""
    pixels = np.asarray(Image.open(photos[0])).copy()
    pixels[5:20, 10:30] = 0
    Image.fromarray(pixels).save(photos[1])
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 10:30] = 1  # as a label
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for places in (["10,5,30,20"], ["10,5,20,20", "--ignore", "20,5,30,20"], [str(tmp_path / "mask.png")]):
        assert main(["inspect", "--detector", detector_file, "--json", "--ignore", *places, *photos]) == 0
        first, second = objects(capsys.readouterr())
        assert (first["score"], first["regions"]) == (second["score"], second["regions"])


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("0,0,40,30", "The whole picture is left out"),
        ("40,0,50,9", "lies outside the picture of 40 x 30"),
        ("-9,-9,0,0", "lies outside the picture of 40 x 30"),
    ],
)
def test_a_place_that_cannot_be_left_out_gets_a_sentence(place, told, detector_file, photos, capsys):
    assert main(["inspect", "--detector", detector_file, f"--ignore={place}", *photos]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count(told) == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["absent.png"], "There is no file 'absent.png'"),
        ([""], "There is no file ''"),
        (["empty"], "Good parts cannot be taken from 'empty': There is no image in this folder"),
        (["good", "good/1.png"], "Good part 2 ('1.png') and good part 4 ('1.png') are the same photo"),
        (["good/note.txt"], "Good part 1 cannot be used: 'note.txt' is not an image"),
        (["good/0.png"] * 17, "17 good parts were given: give 1 to 16 photos."),
    ],
)
def test_good_parts_that_cannot_be_used_get_a_sentence(
    wrong, told, detector_file, photos, good, tmp_path, monkeypatch, capsys
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", "--detector", detector_file, *photos, "--good", *wrong]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and told in printed.err and len(printed.err.splitlines()) == 1


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
        ["inspect", "--detector", "nut.safetensors", "--save-detector", "same.safetensors", "nut.png"],
        ["inspect", "--product", "metal nut", "--good", "nut.png"],
        ["inspect", "--product", "metal nut", "nut.png", "--good"],
        ["inspect", "--product", "metal nut", "--preset", "slow", "nut.png"],
        ["inspect", "--product", "metal nut", "--threshold", "1.2", "nut.png"],
        ["inspect", "--product", "metal nut", "--threshold", "nan", "nut.png"],
        ["inspect", "--product", "metal nut", "--ignore", "1,2,3", "nut.png"],
        ["inspect", "--product", "metal nut", "--ignore", "5,5,5,9", "nut.png"],
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
