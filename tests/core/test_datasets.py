"""The layouts of labelled images, as their papers hand them out, and whatever lies around them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from benchmark_data import SIDE, draw, draw_mask, mvtec
from PIL import Image

from zsad_core.datasets import find_categories, read_dataset, spelled, tables
from zsad_core.errors import InputError
from zsad_core.images import read_image

WHERE = (5, 15, 10, 20)
BLACK, MARKED = Image.new("L", (4, 4)), Image.new("L", (4, 4), 1)


def put(root, *names):
    """Small pictures of these names; with " -" behind it a picture is black, as an empty mask is."""
    for name in names:
        path = root / name.removesuffix(" -")
        path.parent.mkdir(parents=True, exist_ok=True)
        (BLACK if name.endswith(" -") else MARKED).save(path)
    return root


def told(root, found):
    """Categories as a text: the name of a sample, "<" and its mask if it is damaged, and behind "|" the training."""

    def one(sample):
        mask = sample.mask_path.relative_to(root.resolve()).as_posix() if sample.mask_path else ""
        return f"{sample.name} < {mask}".rstrip() if sample.damaged else sample.name

    return "; ".join(
        f"{str(category).removeprefix('data set/')}: {', '.join(map(one, category.samples))} "
        f"| {', '.join(map(one, category.training))}"
        for category in found.categories
    )


LAYOUTS = {
    "BTAD": (
        ["01/train/ok/0.bmp", "01/test/ok/1.bmp", "01/test/ko/2.bmp", "01/ground_truth/ko/2.png"],
        "01: ko/2.bmp < 01/ground_truth/ko/2.png, ok/1.bmp | train/ok/0.bmp",
    ),
    "MVTec LOCO AD": (
        [
            "box/train/good/0.png",
            "box/validation/good/0.png",
            "box/test/good/0.png",
            "box/test/logical_anomalies/0.png",
            "box/ground_truth/logical_anomalies/0/000.png",
            "box/ground_truth/logical_anomalies/0/001.png",
        ],
        "box: good/0.png, logical_anomalies/0.png < box/ground_truth/logical_anomalies/0 "
        "| train/good/0.png, validation/good/0.png",
    ),
    "MVTec AD 2": (
        [
            "can/train/good/0_regular.png",
            "can/test_public/good/0_regular.png",
            "can/test_public/bad/0_dark.png",
            "can/test_public/ground_truth/bad/0_dark_mask.png",
            "can/test_private/1.png",
            "can/test_private_mixed/1.png",
        ],
        "can: bad/0_dark.png < can/test_public/ground_truth/bad/0_dark_mask.png, good/0_regular.png "
        "| train/good/0_regular.png",
        "1 image in 'can/test_private' is without labels, which their data set keeps to itself.",
        "1 image in 'can/test_private_mixed' is without labels, which their data set keeps to itself.",
    ),
    "MVTec 3D-AD": (
        [
            "pie/train/good/rgb/0.png",
            "pie/train/good/xyz/0.tiff",
            "pie/test/good/rgb/0.png",
            "pie/test/good/gt/0.png",
            "pie/test/good/xyz/0.tiff",
            "pie/test/cut/rgb/0.png",
            "pie/test/cut/gt/0.png",
            "pie/test/cut/xyz/0.tiff",
        ],
        "pie: cut/rgb/0.png < pie/test/cut/gt/0.png, good/rgb/0.png | train/good/rgb/0.png",
        "3 images in 'xyz' are of distances, and no photo.",
    ),
    "VisA prepared": (
        [
            "1cls/candle/train/good/1.JPG",
            "1cls/candle/test/good/2.JPG",
            "1cls/candle/test/bad/3.JPG",
            "1cls/candle/ground_truth/bad/3.png",
            "2cls_fewshot/candle/train/bad/1.JPG",
            "2cls_fewshot/candle/test/good/2.JPG",
            "2cls_fewshot/candle/test/bad/3.JPG",
        ],
        "1cls/candle: bad/3.JPG < 1cls/candle/ground_truth/bad/3.png, good/2.JPG | train/good/1.JPG; "
        "2cls_fewshot/candle: bad/3.JPG <, good/2.JPG | ",
    ),
    "VisA without its table": (
        ["candle/Data/Images/Normal/1.JPG", "candle/Data/Images/Anomaly/2.JPG", "candle/Data/Masks/Anomaly/2.png"],
        "candle: Anomaly/2.JPG < candle/Data/Masks/Anomaly/2.png, Normal/1.JPG | ",
    ),
    "KolektorSDD2": (
        [
            "train/1.png",
            "train/1_GT.png -",
            "train/2.png",
            "train/2_GT.png",
            "test/3.png",
            "test/3_GT.png -",
            "test/4.png",
            "test/4_GT.png",
        ],
        "data set: test/3.png, test/4.png < test/4_GT.png | train/1.png",
    ),
    "DAGM": (
        [
            "Class1/Train/1.PNG",
            "Class1/Train/2.PNG",
            "Class1/Train/Label/2_label.PNG",
            "Class1/Test/1.PNG",
            "Class1/Test/2.PNG",
            "Class1/Test/Label/1_label.PNG",
        ],
        "Class1: Test/1.PNG < Class1/Test/Label/1_label.PNG, Test/2.PNG | Train/1.PNG",
    ),
    "good and bad": (
        ["good/1.png", "bad/2.png", "mask/2.bmp", "3.png"],
        "data set: bad/2.png < mask/2.bmp, good/1.png | ",
        "1 image in 'data set' is in no layout that is known.",
    ),
    "one level deeper": (
        [
            "nut/OK/monday/1.png",
            "nut/NG/a/2.png",
            "nut/Masks/NG/a/2_MASK.tif",
            "screw/intact/1.png",
            "screw/bent/1.png",
            "others/1.png",
            "others/more/1.png",
        ],
        "nut: NG/a/2.png < nut/Masks/NG/a/2_MASK.tif, OK/monday/1.png | ; screw: bent/1.png <, intact/1.png | ",
        "2 images in 'others' are in no layout that is known.",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    names, categories, *notes = LAYOUTS[layout]
    root = put(tmp_path / "data set", *names)
    found = find_categories(root)
    assert told(root, found) == categories and list(found.notes) == notes


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
    assert damaged.mask((SIDE, SIDE)).sum() == 100 and damaged.mask((SIDE // 2, SIDE // 2)).sum() == 30
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
     ("pcb4", "printed circuit board"), ("metal-nut_2", "metal nut"), ("01", "object"), ("Class1", "object")],
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


class TestSeveral:
    """Several data sets below one folder."""

    def test_all_are_read_and_each_image_once(self, tmp_path):
        root = put(
            tmp_path / "data set",
            *("VisA/candle/Data/Images/Normal/1.JPG", "VisA/candle/Data/Images/Anomaly/2.JPG"),
            *("VisA/candle/Data/Masks/Anomaly/2.png", "VisA/cashew/good/1.png", "VisA/cashew/bad/1.png"),
            *("AeBAD_S/test/good/same/1.png", "AeBAD_S/test/ablation/same/1.png", "AeBAD_S/train/good/view/1.png"),
            *("nuts/bolt/test/good/1.png", "nuts/bolt/test/bent/1.png", "old/nuts/bolt/test/good/1.png"),
        )
        rows = ["candle,test,normal,candle\\Data\\Images\\Normal\\1.JPG,",
                "candle,test,anomaly,candle/Data/Images/Anomaly/2.JPG,candle/Data/Masks/Anomaly/2.png"]  # fmt: skip
        (root / "VisA/split_csv").mkdir()
        (root / "VisA/split_csv/1cls.csv").write_text("\n".join(["object,split,label,image,mask", *rows]))
        (root / "again").symlink_to(root / "VisA")
        found = find_categories(root)
        assert told(root, found) == (
            "AeBAD_S/same: ablation/1.png <, good/1.png | train/good/view/1.png; "
            "VisA/candle: Normal/1.JPG, Anomaly/2.JPG < VisA/candle/Data/Masks/Anomaly/2.png | ; "
            "VisA/cashew: bad/1.png <, good/1.png | ; "
            "nuts/bolt: bent/1.png <, good/1.png | ; old nuts/bolt: good/1.png | "
        )
        assert found.notes == ()

    def test_a_table_that_cannot_be_used_costs_its_own_data_alone(self, tmp_path):
        root = put(tmp_path / "data set", "nut/good/1.png", "nut/bad/2.png")
        (root / "VisA/split_csv").mkdir(parents=True)
        (root / "VisA/split_csv/1cls.csv").write_text("object,split,label,image,mask\na,test,normal,/etc/passwd,\n")
        (root / "index.csv").write_text("a,b\n1,2\n")  # another program's
        found = find_categories(root)
        assert told(root, found) == "nut: bad/2.png <, good/1.png | "
        assert len(found.notes) == 1 and "1cls.csv is damaged" in found.notes[0]

    def test_masks_that_fit_several_images_are_nobodys(self, tmp_path):
        root = put(tmp_path / "data set", "good/1.png", "bent/2.png", "cut/2.png", "mask/2.png")
        found = find_categories(root)
        assert told(root, found) == "data set: bent/2.png <, cut/2.png <, good/1.png | "
        assert "fit several damaged images: 1 mask" in found.categories[0].notes[0]

    def test_what_is_not_read_is_named_by_its_highest_folder(self, tmp_path):
        names = [f"{folder}/deep/{number}.png" for folder in range(12) for number in range(folder + 1)]
        found = find_categories(put(tmp_path / "data set", "nut/good/1.png", "nut/bad/2.png", "nut/mask/9.png", *names))
        assert found.notes[0] == "12 images in '11' are in no layout that is known." and len(found.notes) == 9
        assert found.notes[-1] == "11 images in 5 more folders: not read."

    def test_nothing_labelled_says_which_folders_there_are(self, tmp_path):
        with pytest.raises(InputError, match="should be normal .good, ok, .* 2 images in 'photos' are in"):
            read_dataset(put(tmp_path, "photos/1.png", "photos/2.png", "bad/1.png"))


class TestFiles:
    """What lies on a disk besides images."""

    def test_litter_is_not_read_and_not_mentioned(self, tmp_path):
        litter = ("__MACOSX/nut/good/1.png", "nut/good/._1.png", "@eaDir/nut/good/1.png", "nut/bad/@eaDir/1.png/X.jpg",
                  ".thumbnails/good/1.png", "nut/.hidden/bad.png")  # fmt: skip
        root = put(tmp_path / "data set", "nut/good/1.png", "nut/bad/2.png", *litter)
        for name in ("Thumbs.db", ".DS_Store", "desktop.ini"):
            (root / "nut/good" / name).write_bytes(b"x")
        found = find_categories(root)
        assert told(root, found) == "nut: bad/2.png <, good/1.png | " and found.notes == ()

    def test_links_are_followed_and_loops_end(self, tmp_path):
        pool = put(tmp_path / "pool", "bent/1.png", "2.png")
        root = put(tmp_path / "data set", "nut/good/1.png", "nut/good/3.png")
        links = {"nut/bent": pool / "bent", "nut/good/2.png": pool / "2.png", "nut/good/4.png": root / "nut/good/3.png",
                 "nut/loop": "..", "self": "self", "again": "nut", "out": tmp_path}  # fmt: skip
        for name, target in links.items():
            os.symlink(target, root / name)
        samples = [(sample.name, sample.damaged) for category in read_dataset(root) for sample in category.samples]
        assert samples == [("bent/1.png", True), ("good/1.png", False), ("good/2.png", False), ("good/3.png", False)]

    def test_back_slashes_in_names_are_folders(self, tmp_path):
        put(tmp_path, "nut\\test\\good\\1.png", "nut\\test\\bent\\2.png", "nut\\ground_truth\\bent\\2_mask.png")
        (nut,) = read_dataset(tmp_path)
        assert [(sample.name, sample.damaged) for sample in nut.samples] == [
            ("bent/2.png", True),
            ("good/1.png", False),
        ]
        assert nut.samples[0].mask((4, 4)).all()

    def test_what_lies_too_deep_is_named(self, tmp_path):
        root = put(tmp_path / "data set", "nut/good/1.png", "nut/bad/2.png", "nut/bad/" + "deeper/" * 30 + "3.png")
        (note,) = find_categories(root).notes
        assert note.startswith("The folder 'nut/bad/deeper/") and note.endswith("is over 30 folders deep: not read.")

    def test_too_many_files_are_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("zsad_core.datasets.tree.MOST_FILES", 5)
        with pytest.raises(InputError, match="over 5 files below"):
            read_dataset(put(tmp_path, *(f"good/{number}.png" for number in range(5))))

    def test_missing_empty_and_unreadable_masks_of_those_that_label(self, tmp_path):
        root = put(tmp_path / "data set", "test/1.png", "test/1_GT.png -", "test/2.png", "test/2_GT.png", "test/3.png")
        (root / "test/2_GT.png").write_bytes(b"no picture")
        (category,) = read_dataset(root)
        assert [(sample.name, sample.damaged) for sample in category.samples] == [
            ("test/1.png", False),
            ("test/3.png", False),
        ]
        assert (
            "as they have no mask: 1 of 2 images" in category.notes[0] and "'2_GT.png' is not an" in category.notes[1]
        )


class TestRealIad:
    """Real-IAD's lists."""

    LIST = {
        "meta": {"normal_class": "OK", "prefix": "audiojack/"},
        "train": [{"anomaly_class": "OK", "image_path": "OK/S1/1.jpg", "mask_path": None},
                  {"anomaly_class": "HS", "image_path": "NG/S4/1.jpg", "mask_path": None}],
        "test": [{"anomaly_class": "OK", "image_path": "OK/S2/1.jpg", "mask_path": None},
                 {"anomaly_class": "HS", "image_path": "NG\\S3\\1.jpg", "mask_path": "NG/S3/1.png"}],
    }  # fmt: skip

    @pytest.fixture
    def root(self, tmp_path):
        home = "realiad_256/audiojack"
        root = put(tmp_path / "data set", *(f"{home}/{name}" for name in ("OK/S1/1.jpg", "OK/S2/1.jpg", "NG/S4/1.jpg",
                   "NG/S3/1.jpg", "NG/S3/1.png")))  # fmt: skip
        (root / "realiad_jsons").mkdir()
        return root

    def write(self, root, content):
        (root / "realiad_jsons/audiojack.json").write_text(content if isinstance(content, str) else json.dumps(content))

    def test_it_is_read(self, root):
        self.write(root, self.LIST)
        found = find_categories(root)
        assert told(root, found) == (
            "audiojack: OK/S2/1.jpg, NG/S3/1.jpg < realiad_256/audiojack/NG/S3/1.png | OK/S1/1.jpg"
        )
        assert found.categories[0].product == "audio jack" and found.notes == ()
        assert found.categories[0].notes == ("Not used: 1 damaged image for training.",)

    @pytest.mark.parametrize(
        "content",
        ['{"meta": {"normal_class": "OK"}', '{"meta": {"normal_class": "OK"}, "train": 7, "test": []}',
         '{"meta": {"normal_class": "OK"}, "train": [], "test": []}', '{"meta": {"normal_class"' + "[" * 100_000,
         {**LIST, "test": [{"anomaly_class": "OK", "image_path": "../../1.jpg"}]},
         {**LIST, "test": [*LIST["test"], {"anomaly_class": "HS", "image_path": "N.jpg", "mask_path": "/etc/passwd"}]},
         {**LIST, "meta": {"normal_class": "OK", "prefix": "../.."}},
         {**LIST, "meta": {"normal_class": "OK", "prefix": 3}}],
    )  # fmt: skip
    def test_a_damaged_list_gets_a_sentence_and_leads_nowhere(self, root, content):
        self.write(root, content)
        (note,) = [note for note in find_categories(root).notes if "layout" not in note]
        assert note.startswith(("'audiojack.json' is damaged", "The images that 'audiojack.json' names are nowhere"))

    def test_a_list_that_is_too_large_is_not_read(self, root, monkeypatch):
        self.write(root, self.LIST)
        monkeypatch.setattr(tables, "MOST_BYTES", 100)
        assert "'audiojack.json' is over the limit" in find_categories(root).notes[0]


def test_products_are_given_for_names_that_say_nothing(tmp_path):
    root = put(tmp_path, *(f"{name}/test/{state}/1.png" for name in ("01", "02", "nut") for state in ("ok", "ko")))
    tile, second, nut = find_categories(root, {"01": "tile"}).categories
    assert (tile.product, second.product, nut.product) == ("tile", "object", "nut")
    assert tile.notes == nut.notes == () and "name it with --products 02=tile" in second.notes[0]


def test_the_place_where_other_commands_look_for_samples():
    from zsad_core.benchmark.datasets import Sample

    assert Sample(Path("x"), False).mask((2, 3)).shape == (2, 3)
