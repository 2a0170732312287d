"""Labels by folders: the nearest that says anything decides, and nothing is labelled without a normal one."""

import pytest

from zsad_core.labels import is_normal, labels, taken_for


def labelled(*paths):
    return dict(zip(paths, labels(path.split("/")[:-1] for path in paths)))


def test_a_folder_beside_a_normal_one_is_damaged():
    assert labelled("nut/good/1", "nut/scratch/1", "nut/scratch/deep/1", "1") == {
        "nut/good/1": False, "nut/scratch/1": True, "nut/scratch/deep/1": True, "1": None,
    }  # fmt: skip


def test_the_nearest_folder_decides():
    assert labelled("normal/test/bad/1", "normal/test/1", "bad/good/1", "good/monday/1") == {
        "normal/test/bad/1": True, "normal/test/1": False, "bad/good/1": False, "good/monday/1": False,
    }  # fmt: skip


def test_two_normal_folders_beside_one_another_are_normal():
    assert labelled("test/good/1", "test/ok/1", "test/bent/1") == {
        "test/good/1": False, "test/ok/1": False, "test/bent/1": True,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["photos/1", "bad/1", "nut/scratch/1", "1"])
def test_without_a_normal_folder_nothing_is_labelled(path):
    assert labelled(path, "other/1")[path] is None


def test_a_folder_of_another_product_is_not_beside_it():
    assert labelled("nut/good/1", "screw/monday/1", "screw/NG/1") == {
        "nut/good/1": False, "screw/monday/1": None, "screw/NG/1": True,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["good", "GOOD", "Good_Parts", "good-parts", " ok ", "OK images", "Non-Defective",
                                  "defect free", "normal samples", "undamaged", "Intact", "good_01", "OK (2)", "i.O.",
                                  "no_defects", "not damaged", "良品", "正常"])  # fmt: skip
def test_spellings_of_normal(name):
    assert is_normal(name) and labelled(f"{name}/1", "other/1") == {f"{name}/1": False, "other/1": True}


@pytest.mark.parametrize("name", ["bad", "KO", "NG", "not good", "not-ok", "Defects", "defective_parts", "anomaly",
                                  "damaged", "rejected", "goodyear", "okra", "abnormal", "NG2", "n.i.O.", "不良品",
                                  "不合格", "2024", "not normal"])  # fmt: skip
def test_what_is_not_normal(name):
    assert not is_normal(name)


@pytest.mark.parametrize(
    "name",
    ["bad", "KO", "NG", "not good", "Defects", "defective_parts", "anomalies", "abnormal", "bad_2", "NIO", "不良"],
)
def test_spellings_of_damaged_hold_without_a_normal_folder_beside_them(name):
    assert labelled("a/good/1", f"b/{name}/1")[f"b/{name}/1"] is True


def test_what_folders_were_taken_for_is_said_in_few_words():
    places = [("nut", "good"), ("nut", "good"), ("nut", "bent"), ()]
    assert taken_for(places, labels(places)) == "'good' for normal, 'bent' for damaged, 'no folder' for neither"
    many = [(f"monday {number}",) for number in range(9)]
    assert taken_for(many, labels(many)).endswith("'monday 5' for neither and 3 more")
