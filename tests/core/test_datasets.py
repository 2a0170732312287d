"""The three layouts of labelled images, as their papers hand them out."""

import numpy as np
import pytest
from benchmark_data import SIDE, draw, draw_mask, mvtec

from zsad_core.datasets import read_dataset, spelled
from zsad_core.errors import InputError
from zsad_core.images import read_image

WHERE = (5, 15, 10, 20)


def test_mvtec(tmp_path):
    root = mvtec(tmp_path / "MVTec")
    draw(root / "metal_nut/train/good/007.png", 90)
    bottle, nut = read_dataset(root)
    assert [(sample.name, sample.damaged) for sample in nut.training] == [("train/good/007.png", False)]
    assert bottle.training == ()
    assert (str(nut), nut.product) == ("MVTec/metal_nut", "metal nut")
    assert [sample.damaged for sample in nut.samples] == [False] * 4 + [True] * 4
    damaged = nut.samples[4]
    assert damaged.name == "hole/000.png"
    assert damaged.mask((SIDE, SIDE)).sum() == 100 and damaged.mask((SIDE // 2, SIDE // 2)).sum() == 25
    assert not nut.samples[0].mask((SIDE, SIDE)).any()


def test_visa_reads_the_test_split_and_its_numbered_masks(tmp_path):
    root = tmp_path / "VisA"
    draw(root / "pcb1/Data/Images/Normal/0001.JPG", 90)
    draw(root / "pcb1/Data/Images/Anomaly/000.JPG", 90, WHERE)
    draw_mask(root / "pcb1/Data/Masks/Anomaly/000.png", WHERE, value=3)
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text(
        "object,split,label,image,mask\n"
        "pcb1,train,normal,pcb1/Data/Images/Normal/0000.JPG,\n"
        "pcb1,test,normal,pcb1/Data/Images/Normal/0001.JPG,\n"
        "pcb1,test,anomaly,pcb1/Data/Images/Anomaly/000.JPG,pcb1/Data/Masks/Anomaly/000.png\n"
    )
    (board,) = read_dataset(tmp_path / "VisA")
    assert (str(board), board.product) == ("VisA/pcb1", "printed circuit board")
    assert [(sample.name, sample.damaged) for sample in board.samples] == [
        ("Normal/0001.JPG", False),
        ("Anomaly/000.JPG", True),
    ]
    assert board.samples[1].mask((SIDE, SIDE)).sum() == 100
    assert [(sample.name, sample.damaged) for sample in board.training] == [("Normal/0000.JPG", False)]


def test_aebad_has_a_category_a_domain(tmp_path):
    root = tmp_path / "AeBAD_S"
    for domain in ("same", "view"):
        draw(root / "test/good" / domain / "IMG_1.png", 90)
        for defect in ("groove", "fracture"):  # two images of one name
            draw(root / "test" / defect / domain / "IMG_2.png", 90, WHERE)
            draw_mask(root / "ground_truth" / defect / domain / "IMG_2.png", WHERE)
    same, view = read_dataset(root)
    assert (str(same), str(view), view.product) == ("AeBAD_S/same", "AeBAD_S/view", "aero-engine blade")
    names = [sample.name for sample in view.samples]
    assert sorted(names) == ["fracture/IMG_2.png", "good/IMG_1.png", "groove/IMG_2.png"]
    masks = [sample.mask((SIDE, SIDE)) for sample in view.samples]
    assert [bool(mask.any()) for mask in masks] == [sample.damaged for sample in view.samples]


@pytest.mark.parametrize(
    ("folder", "words"),
    [("metal_nut", "metal nut"), ("chewinggum", "chewing gum"), ("macaroni2", "macaroni"), ("pipe_fryum", "pipe fryum"),
     ("pcb4", "printed circuit board"), ("01", "01")],
)  # fmt: skip
def test_a_folder_becomes_words(folder, words):
    assert spelled(folder) == words


def test_what_holds_no_data_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="There is no folder 'nowhere'"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="There is no data below"):
        read_dataset(tmp_path)
    (tmp_path / "split_csv").mkdir()
    split = tmp_path / "split_csv/1cls.csv"
    for content, reason in (("a,b\n1,2\n", "is damaged"), ("object,split,label,image,mask\n", "names no test image")):
        split.write_text(content)
        with pytest.raises(InputError, match=reason):
            read_dataset(tmp_path)


def test_a_mask_that_cannot_be_read_is_an_input_error(tmp_path):
    nut = read_dataset(mvtec(tmp_path))[1]
    nut.samples[4].mask_path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="000_mask.png"):
        nut.samples[4].mask((SIDE, SIDE))
    nut.samples[5].mask_path.unlink()
    assert read_dataset(tmp_path)[1].samples[5].mask((SIDE, SIDE)) is None
    assert isinstance(nut.samples[0].mask((3, 4)), np.ndarray)


def rendered(root, *rows):
    root.mkdir(exist_ok=True)
    (root / "index.csv").write_text("pair,product,name\n" + "\n".join(rows), encoding="utf-8-sig")
    return root


def test_rendered_pairs_are_read_and_missing_files_are_named_when_read(tmp_path):
    (category,) = read_dataset(rendered(tmp_path / "renders", "00001,lobed_nut,", "deep/00002,lobed_nut,"))
    assert category.product == "metal nut" and [sample.damaged for sample in category.samples] == [False, True] * 2
    assert category.samples[3].path.relative_to(tmp_path).as_posix() == "renders/deep/00002_damaged.jpg"
    with pytest.raises(InputError, match="'00001_intact.jpg'"):
        read_image(category.samples[0].path)
    with pytest.raises(InputError, match="'00001_mask.png'"):
        category.samples[1].mask((SIDE, SIDE))


@pytest.mark.parametrize(
    "row", ["../secret,lobed_nut,", "/etc/passwd,lobed_nut,", "a/../../b,lobed_nut,", ",lobed_nut,", "00001,,", "00001"]
)
def test_an_index_of_renders_leads_nowhere_else(tmp_path, row):
    with pytest.raises(InputError, match="not one of rendered pairs"):
        read_dataset(rendered(tmp_path / "renders", "00000,lobed_nut,", row))


@pytest.mark.parametrize("image, mask", [("../1.png", ""), ("/etc/passwd", ""), ("1.png", "../../mask.png")])
def test_a_split_of_visa_leads_nowhere_else(tmp_path, image, mask):
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text(f"object,split,label,image,mask\ncandle,test,normal,{image},{mask}\n")
    with pytest.raises(InputError, match="is damaged"):
        read_dataset(tmp_path)


def test_other_spellings_of_good_are_normal(tmp_path):
    for folder in ("good", "ok", "Good Parts", "scratch"):
        draw(tmp_path / "nuts/test" / folder / "000.png", 90)
    (nuts,) = read_dataset(tmp_path)
    assert {sample.name: sample.damaged for sample in nuts.samples} == {
        "good/000.png": False, "ok/000.png": False, "Good Parts/000.png": False, "scratch/000.png": True,
    }  # fmt: skip
