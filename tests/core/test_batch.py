"""Many images, scored as each would be alone, and what is said of them together."""

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from zsad_core import batch
from zsad_core.archives import Entry, ImageFiles
from zsad_core.batch import BatchScoring, EachPage, Row, auroc, calibrated_threshold, scored, to_csv
from zsad_core.detector import Detector
from zsad_core.errors import InputError
from zsad_core.ignored import Ignored
from zsad_core.images import Page
from zsad_core.recipe import Recipe
from zsad_core.regions import Region


@pytest.fixture(scope="module")
def detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "metal nut", Recipe(prompts=4, steps=2, classifier_steps=20))


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    sizes = [(60, 90), (120, 40), (200, 200)] * 6
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def listed(images):
    return [(Entry(f"{number}.png"), pixels) for number, pixels in enumerate(images)]


def row(name="a.png", score=0.5, damaged=None):
    return Row(Entry(name, damaged), score, "undecided", b"", "0001_a.jpg")


def test_scores_are_those_of_one_image_at_a_time(detector, images):
    scoring = BatchScoring(detector, listed(images))
    progress = list(scoring)
    alone = [detector.inspect(pixels) for pixels in images]
    assert [one.score for one in scoring.rows] == pytest.approx([seen.score for seen in alone], abs=1e-5)
    assert [one.verdict for one in scoring.rows] == [seen.verdict for seen in alone]
    assert progress[0].done == 0 and progress[-1].done == 18 and {step.total for step in progress} == {18}
    assert progress[-1].seconds_left == 0 and scoring.seconds > 0


def test_the_zip_has_an_overlay_of_every_image_under_a_harmless_name_of_its_own(detector, images, tmp_path):
    entries = [Entry("a/b.png"), Entry("a/b.png"), Entry('..?<>|:"螺母.png'), Entry("x" * 120 + ".png")]
    scoring = BatchScoring(detector, list(zip(entries, images)), tmp_path / "overlays.zip")
    list(scoring)
    with zipfile.ZipFile(tmp_path / "overlays.zip") as archive:
        names = archive.namelist()
        sizes = [Image.open(io.BytesIO(archive.read(name))).size for name in names]
    assert names == [one.overlay for one in scoring.rows]
    assert names[:3] == ["0001_a_b.jpg", "0002_a_b.jpg", "0003_.._螺母.jpg"] and len(names[3]) < 100
    assert sizes == [pixels.shape[1::-1] for pixels in images[:4]]
    assert Image.open(io.BytesIO(scoring.rows[0].thumbnail)).size == (90, 60)


def test_stop_takes_effect_after_the_image_at_hand_and_leaves_a_whole_zip(detector, images, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "idle_cores", lambda: 1)
    read = []

    class Images(list):
        def __iter__(self):
            for one in listed(images):
                read.append(one)
                yield one

    scoring = BatchScoring(detector, Images(listed(images)), tmp_path / "overlays.zip")
    for progress in scoring:
        if progress.done == 3:
            scoring.stop()
    assert len(scoring.rows) == 3 and len(read) <= 4
    with zipfile.ZipFile(tmp_path / "overlays.zip") as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3


def test_a_stop_while_images_are_read_does_not_wait_for_the_rest(detector, images, monkeypatch):
    monkeypatch.setattr(batch, "idle_cores", lambda: 8)

    class Images(list):
        def __iter__(self):
            yield listed(images)[0]
            scoring.stop()
            yield listed(images)[1]
            pytest.fail("read on after a stop")

    scoring = BatchScoring(detector, Images(listed(images)))
    assert list(scoring)[-1].done == 0 and scoring.rows == []


def test_stopped_before_it_began_it_scores_nothing(detector, images):
    scoring = BatchScoring(detector, listed(images))
    scoring.stop()
    assert len(list(scoring)) == 1 and scoring.rows == []


def test_images_are_read_as_they_are_needed(detector, images):
    """A thousand images must not lie in memory at once."""
    given = []

    class Images:
        def __len__(self):
            return len(images)

        def __iter__(self):
            for one in listed(images):
                given.append(one)
                yield one

    for progress in BatchScoring(detector, Images()):
        assert len(given) == progress.done


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(detector, images, tmp_path):
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as archive:
        archive.writestr("good/rubbish.png", b"rubbish")
        archive.writestr("notes.txt", b"text")
        with archive.open("good/fine.png", "w") as file:
            Image.fromarray(images[0]).save(file, "png")
    scoring = BatchScoring(detector, ImageFiles([tmp_path / "parts.zip"]))
    assert list(scoring)[-1].done == 2
    (fine,) = scoring.rows
    assert fine.entry == Entry("good/fine.png", False) and fine.score == detector.inspect(images[0]).score
    assert [one.name for one in scoring.skipped] == ["notes.txt", "good/rubbish.png"]


def test_a_batch_of_nothing_but_rubbish_ends_with_nothing(detector):
    scoring = BatchScoring(detector, [(Entry("1.png"), InputError("It is damaged."))] * 3)
    assert list(scoring)[-1].done == 3
    assert scoring.rows == [] and len(scoring.skipped) == 3


def test_auroc_is_that_of_the_field_ties_included():
    random = np.random.default_rng(0)
    for _ in range(20):
        scores, damaged = random.integers(0, 8, 30) / 8, random.integers(0, 2, 30).astype(bool)
        rows = [row(score=score, damaged=bool(label)) for score, label in zip(scores, damaged)]
        assert auroc([*rows, row(score=0.9)]) == pytest.approx(roc_auc_score(damaged, scores))


@pytest.mark.parametrize("labels", [(), (None, None), (True, True), (False, None)])
def test_without_both_labels_there_is_no_auroc(labels):
    assert auroc([row(damaged=label) for label in labels]) is None


@pytest.mark.parametrize(("count", "under"), [(1, 1), (5, 5), (19, 19), (20, 19), (40, 38), (100, 95)])
def test_the_threshold_is_the_lowest_score_that_19_in_20_do_not_exceed(count, under):
    scores = np.random.default_rng(count).permutation(count) / count
    threshold = calibrated_threshold(scores)
    assert threshold in scores and (scores <= threshold).sum() == under


def test_a_threshold_from_no_score_is_refused():
    with pytest.raises(InputError, match="None of the normal images"):
        calibrated_threshold([])


def test_csv_says_what_the_table_says():
    rows = [row("größe, 螺母.png", 0.625, True), row("b.png", 0.25)]
    data = to_csv(rows, 0.5)
    assert data.startswith(b"\xef\xbb\xbf")
    first, second = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert first["file"] == "größe, 螺母.png" and float(first["score"]) == 0.625
    assert (first["over_threshold"], first["label"], second["over_threshold"], second["label"]) == (
        *("yes", "damaged"),
        *("no", ""),
    )


def test_csv_says_where_the_regions_are_and_what_else_is_known():
    regions = [Region((1, 2, 30, 40), 99, 0.91, (9.5, 20.0)), Region((0, 0, 2, 2), 4, 0.6, (1.0, 1.0))]
    told = Row(Entry("a.png"), 0.7, "", b"", "", 0.625, regions, (640, 480), "=Page 1 of 2 is read.")
    cells = next(csv.DictReader(io.StringIO(to_csv([told], 0.5).decode("utf-8-sig"))))
    assert (cells["regions"], cells["boxes"]) == ("2", "1,2,30,40 (0.91); 0,0,2,2 (0.60)")
    assert (cells["by_words"], cells["width"], cells["height"]) == ("0.625", "640", "480")
    assert cells["note"] == "'=Page 1 of 2 is read."


def test_a_name_that_is_no_text_is_escaped():
    assert b'"\\udcff.png"' in to_csv([row("\udcff.png")], 0.5)


def test_pages_are_rows_of_their_own(detector, images):
    pages = [Page(pixels, [f"Note {number}.", "More."]) for number, pixels in enumerate(images[:3])]
    scoring = BatchScoring(detector, [(Entry("a.tif", True), pages), (Entry("b.tif"), [Page(images[3], [])])])
    progress = list(scoring)
    assert progress[0].total == 2 and (progress[-1].done, progress[-1].total) == (4, 4)
    assert [one.note for one in scoring.rows] == ["Note 0. More.", "Note 1. More.", "Note 2. More.", ""]
    assert [one.entry for one in scoring.rows] == [
        *(Entry(f"a.tif (page {number} of 3)", True) for number in (1, 2, 3)),
        Entry("b.tif"),
    ]


def test_large_images_are_held_one_at_a_time(detector, images, monkeypatch):
    monkeypatch.setattr(batch, "idle_cores", lambda: 8)
    monkeypatch.setattr(batch, "PIXELS_AT_ONCE", 12_000)
    assert [len(chunk) for chunk in scored(detector, EachPage(listed(images[:6])))] == [3, 3]
    monkeypatch.setattr(batch, "PIXELS_AT_ONCE", 1)
    assert [len(chunk) for chunk in scored(detector, EachPage(listed(images[:3])))] == [1, 1, 1]


def test_a_place_to_leave_out_that_does_not_fit_an_image_leaves_out_that_image(detector, images):
    scoring = BatchScoring(detector, listed(images[:3]), ignore=Ignored(((85, 0, 300, 9),)))
    assert list(scoring)[-1].done == 3
    assert [one.entry.name for one in scoring.rows] == ["0.png", "2.png"]
    assert scoring.skipped[0].name == "1.png" and "outside the picture of 40 x 120" in scoring.skipped[0].reason


@pytest.mark.parametrize(
    "name",
    [
        "=1+1.png",
        "+1.png",
        "-1.png",
        "@SUM(A1).png",
        '=cmd|" /C calc"!A0.png',
        "＝cmd.jpg",
        "＋1.png",
        "－1.png",
        "＠a.png",
        "﹦1.png",
        " =1.png",
        "\u00a0=1.png",
        "\u3000＝1.png",
        "\u200b=1.png",
        "\ufeff\u2060 @a.png",
        "\u2212 1.png",
    ],
)
def test_no_cell_of_the_csv_is_a_formula(name):
    data = to_csv([row(name)], 0.5).decode("utf-8-sig")
    cells = list(csv.reader(io.StringIO(data, newline="")))[1]
    assert cells[0] == "'" + name
    assert data.splitlines()[1].startswith("\"'")  # quoted, so that no other separator starts a cell in it


def test_a_separator_in_a_name_starts_no_new_cell():
    assert to_csv([row("a;=1+1.png")], 0.5).decode("utf-8-sig").splitlines()[1].startswith('"a;=1+1.png",')


@pytest.mark.parametrize("name", ["\t=1.png", "\r=1.png", "\n=1.png"])
def test_no_cell_that_begins_with_a_control_is_a_formula(name):
    assert f'"\'{name}"' in to_csv([row(name)], 0.5).decode("utf-8-sig")


@pytest.mark.parametrize("name", ["a=1.png", "1-2.png", "größe.png", "  a.png", "螺母.png", "_-1.png"])
def test_a_harmless_name_is_left_alone(name):
    assert f'"{name}"' in to_csv([row(name)], 0.5).decode("utf-8-sig")
