"""Zips from strangers: what is no image is named and left out, and nothing they claim is believed."""

import io
import stat
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from zsad_core import archives
from zsad_core.archives import ImageFiles
from zsad_core.errors import InputError


def png(value=0, size=(4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(file, "png")
    return file.getvalue()


@pytest.fixture
def make(tmp_path):
    """Makes a zip of entries: name (or ZipInfo) and bytes."""

    def zipped(*entries, name="parts.zip", method=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            for entry, data in entries:
                archive.writestr(entry, data)
        return tmp_path / name

    return zipped


def names(files):
    return [entry.name for entry in files.entries]


def reasons(files):
    return {one.name: one.reason for one in files.skipped}


def errors(files):
    return {entry.name: str(found) for entry, found in files if isinstance(found, InputError)}


def flip(path, at, new):
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(data)


def test_images_of_files_and_zips_come_in_order_with_their_pixels(make, tmp_path):
    (tmp_path / "one.png").write_bytes(png(1))
    files = ImageFiles([tmp_path / "one.png", make(("a/two.png", png(2)), ("b/three.PNG", png(3)))])
    assert len(files) == 3
    assert [(entry.name, found[0, 0, 0]) for entry, found in files] == [
        ("one.png", 1),
        ("a/two.png", 2),
        ("b/three.PNG", 3),
    ]
    assert files.skipped == []


def test_labels_come_from_folders_anywhere_in_the_path(make):
    paths = ("nut/test/good/1.png", "nut/test/bent/2.png", "3.png", "Normal/deep/4.png", "OK/5.png", "intact/6.png")
    files = ImageFiles([make(*((path, png()) for path in paths))])
    assert [entry.damaged for entry in files.entries] == [False, True, None, False, False, False]
    assert [entry.label for entry in files.entries][:3] == ["normal", "damaged", ""]


def test_a_zip_of_one_plain_folder_labels_nothing(make):
    files = ImageFiles([make(("photos of monday/1.png", png()), ("photos of monday/2.png", png()))])
    assert [entry.damaged for entry in files.entries] == [None, None]


def test_a_folder_of_one_zip_is_not_beside_one_of_another(make):
    files = ImageFiles([make(("good/1.png", png()), name="a.zip"), make(("monday/2.png", png()), name="b.zip")])
    assert [entry.damaged for entry in files.entries] == [False, None]


def test_of_intact_ones_those_that_are_labelled_damaged_are_left_out(make):
    path = make(*((f"nut/{folder}/1.png", png()) for folder in ("good", "bent", "NG", "mask")), ("2.png", png()))
    files = ImageFiles([path], intact_only=True)
    assert [(entry.name, entry.damaged) for entry in files.entries] == [("nut/good/1.png", False), ("2.png", None)]
    assert [(one.name, one.by_place) for one in files.skipped] == [
        ("nut/mask/1.png", True), ("nut/bent/1.png", True), ("nut/NG/1.png", True),
    ]  # fmt: skip
    with pytest.raises(InputError, match="None .* normal by its folder: .* 'bent' for damaged."):
        ImageFiles([make(("good/bent/bad/bent/1.png", png()), ("good/ng/bent/2.png", png()))], intact_only=True)


def test_folders_of_the_server_are_no_labels(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "good/1.png").write_bytes(png())
    (entry,) = ImageFiles([tmp_path / "good/1.png"]).entries
    assert (entry.name, entry.damaged) == ("1.png", None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../etc/evil.png", "leads out"),
        ("a/../../evil.png", "leads out"),
        ("/etc/evil.png", "leads out"),
        ("C:/evil.png", "leads out"),
        ("C:\\Windows\\evil.png", "leads out"),
        ("..\\evil.png", "leads out"),
        ("inner.zip", "zip within a zip"),
        ("notes.txt", "Not an image"),
        ("photo", "Not an image"),
        ("page.svg", "Not an image"),
        ("ground_truth/bent/000.png", "mask"),
        ("nut/Mask/000.png", "mask"),
        ("GT/000.png", "mask"),
        ("fine_label.bmp", "mask"),
    ],
)
def test_what_is_no_photo_or_plays_tricks_is_named_and_left_out(make, name, reason):
    files = ImageFiles([make((name, png()), ("fine.png", png()))])
    assert names(files) == ["fine.png"]
    ((named, said),) = reasons(files).items()
    assert named == name.replace("\\", "/") and reason in said


def test_a_symlink_is_not_followed(make, tmp_path):
    (tmp_path / "secret.png").write_bytes(png())
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    files = ImageFiles([make((link, str(tmp_path / "secret.png")), ("fine.png", png()))])
    assert names(files) == ["fine.png"] and "link" in reasons(files)["link.png"]


def test_litter_of_file_managers_is_not_mentioned(make):
    litter = ("__MACOSX/a/._1.png", "a/._1.png", ".DS_Store", "a/Thumbs.db", "desktop.ini", "a/", ".git/1.png",
              "a/@eaDir/1.png/X.jpg")  # fmt: skip
    files = ImageFiles([make(*((name, b"" if name.endswith("/") else b"x") for name in litter), ("a/1.png", png()))])
    assert names(files) == ["a/1.png"] and files.skipped == []


def joined(path, *claims):
    """Makes a zip's list of entries name these (name, header offset, packed size) and nothing else."""
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    count, _, start = struct.unpack_from("<HII", data, end + 10)
    first = data[start : start + 46]
    listed = b""
    for name, offset, packed in claims:
        record = bytearray(first)
        struct.pack_into("<I", record, 20, packed)
        struct.pack_into("<HHH", record, 28, len(name), 0, 0)
        struct.pack_into("<I", record, 42, offset)
        listed += bytes(record) + name
    closing = bytearray(data[end:])
    struct.pack_into("<HHII", closing, 8, len(claims), len(claims), len(listed), start)
    path.write_bytes(data[:start] + listed + bytes(closing))


def test_entries_that_share_their_bytes_are_refused(make):
    path = make(("1.png", png()), method=zipfile.ZIP_STORED)
    joined(path, *((b"%05d.png" % number, 0, len(png())) for number in range(900)))
    with pytest.raises(InputError, match="share their bytes"):
        ImageFiles([path])


def test_an_entry_within_another_is_refused(make):
    """Each packed image is the beginning of the next one: thousands of large ones in a small zip."""
    path = make(("1.png", png()), ("2.png", png()), method=zipfile.ZIP_STORED)
    second = path.read_bytes().index(b"PK\3\4", 4)
    joined(path, (b"1.png", 0, second + len(png())), (b"2.png", second, len(png())))
    with pytest.raises(InputError, match="share their bytes"):
        ImageFiles([path])


def test_an_entry_beyond_the_end_is_refused_and_other_files_are_not(make, tmp_path):
    (tmp_path / "fine.png").write_bytes(png())
    path = make(("1.png", png()), method=zipfile.ZIP_STORED)
    joined(path, (b"1.png", 0, 10**6))
    files = ImageFiles([path, tmp_path / "fine.png"])
    assert names(files) == ["fine.png"] and "beyond its end" in reasons(files)["parts.zip"]


@pytest.mark.parametrize("offset", [2**31, 2**32 - 2])
def test_an_entry_that_starts_beyond_the_end_is_refused(make, offset):
    path = make(("1.png", png()), method=zipfile.ZIP_STORED)
    joined(path, (b"1.png", offset, 10))
    with pytest.raises(InputError, match="beyond its end"):
        ImageFiles([path])


def test_a_zip_behind_a_program_and_one_of_empty_files_are_read(make, tmp_path):
    path = make(("a/", b""), ("empty.png", b""), ("1.png", png(1)))
    (tmp_path / "self-extracting.zip").write_bytes(b"MZ" + bytes(500) + path.read_bytes())
    for file in (path, tmp_path / "self-extracting.zip"):
        assert [found[0, 0, 0] for _, found in ImageFiles([file]) if not isinstance(found, InputError)] == [1]


def test_what_is_over_the_pixels_of_a_batch_is_named_and_not_read(make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_PIXELS", 3_000_000)
    read = []

    def reading(source):
        read.append(source)
        return np.zeros((1, 1, 3), np.uint8)

    large = png(size=(2000, 1000))
    files = ImageFiles([make(*((f"{number}.png", large) for number in range(5)))], reading)
    assert list(errors(files)) == ["2.png", "3.png", "4.png"] and len(read) == 2
    assert errors(files)["4.png"] == ("The batch's limit of 3 megapixels was reached: score the rest in another batch.")


def test_a_thousand_photos_of_twelve_megapixels_are_within_a_batch():
    assert archives.MAX_IMAGES * 12_000_000 <= archives.MAX_PIXELS


def test_pages_count_towards_what_a_batch_may_read(make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_IMAGES", 5)
    files = ImageFiles([make(*((f"{number}.png", png()) for number in range(5)))], lambda source: [source] * 3)
    assert errors(files) == dict.fromkeys(
        ("2.png", "3.png", "4.png"), "The batch's limit of 5 pages was reached: score the rest in another batch."
    )
    monkeypatch.setattr(archives, "MAX_PIXELS", 30)
    assert [int(name[0]) for name in errors(files)] == [1, 2, 3, 4]


def test_what_is_over_the_time_of_a_batch_is_named_and_not_read(make, monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(archives.time, "perf_counter", lambda: next(clock))
    files = ImageFiles([make(*((f"{number}.png", png()) for number in range(5)))], most_seconds=240)
    found = [str(found) if isinstance(found, InputError) else "read" for _, found in files]
    late = "The batch's limit of 4 minutes was reached: score the rest in another batch."
    assert found == ["read", "read", late, late, late]


def test_backslashes_of_windows_are_folders(make):
    (entry,) = ImageFiles([make(("test\\good\\1.png", png()))]).entries
    assert (entry.name, entry.damaged) == ("test/good/1.png", False)


def test_unicode_duplicate_and_odd_names(make):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = make(("größe/螺母 🔩.png", png(1)), ("a.png", png(2)), ("a.png", png(3)), ("rtl\u202egnp.png", png(4)))
    files = ImageFiles([path])
    assert names(files) == ["größe/螺母 🔩.png", "a.png", "a.png", "rtl\N{REPLACEMENT CHARACTER}gnp.png"]
    assert [found[0, 0, 0] for _, found in files] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("code_page", "paths"),
    [
        ("gbk", ["螺母/良品/图像1", "螺母/不良/划痕"]),
        ("gbk", ["測試/1"]),
        ("cp932", ["ナット/良品/ソフト表", "ナット/不良/1"]),  # the second byte of two letters is a back-slash
        ("cp932", ["不良/ﾈｼﾞ"]),
        ("cp437", ["prüfung/größe é"]),
        ("cp437", ["ä"]),
        ("utf-8", ["größe/螺母"]),
    ],
)
def test_names_are_read_in_the_code_page_of_their_maker(make, code_page, paths):
    raw = [path.encode(code_page) for path in paths]
    stand_ins = [chr(ord("a") + number) * len(name) + ".png" for number, name in enumerate(raw)]
    path = make(*((stand_in, png()) for stand_in in stand_ins))
    data = path.read_bytes()
    for stand_in, name in zip(stand_ins, raw):
        data = data.replace(stand_in.encode(), name + b".png")
    path.write_bytes(data)
    files = ImageFiles([path])
    assert names(files) == [f"{path}.png" for path in paths] and errors(files) == {}


def test_a_name_ends_at_its_first_zero_byte(make):
    path = make(("one.png?.exe", png(1)))
    path.write_bytes(path.read_bytes().replace(b"one.png?", b"one.png\0"))
    files = ImageFiles([path])
    assert names(files) == ["one.png"] and [found[0, 0, 0] for _, found in files] == [1]


def test_very_long_names_are_cut_at_the_front(make):
    (name,) = names(ImageFiles([make((f"{'d' * 30_000}/{'n' * 30_000}.png", png()))]))
    assert len(name) == archives.LONGEST_NAME and name.startswith("…n") and name.endswith(".png")


def test_a_bomb_is_not_swallowed(make, monkeypatch):
    monkeypatch.setattr(archives, "PIECE", 2**16)
    files = ImageFiles([make(("bomb.png", b"\0" * 2**24), ("fine.png", png()))])
    assert "200 times" in errors(files)["bomb.png"] and len(errors(files)) == 1


def test_a_large_entry_that_hardly_shrinks_is_held_to_its_own_limit(make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_ENTRY", 2**20)
    noise = np.random.default_rng(0).bytes(2**20 + 1)
    files = ImageFiles([make(("large.png", noise), ("fine.png", png()), method=zipfile.ZIP_STORED)])
    assert "an image" in errors(files)["large.png"] and len(errors(files)) == 1


def test_all_entries_together_are_limited_even_those_that_fail(make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_TOTAL", 2500)
    monkeypatch.setattr(archives, "PIECE", 1000)
    files = ImageFiles([make(*((f"{number}.png", b"x" * 1000) for number in range(4)))])
    said = list(errors(files).values())
    assert ["Unpacked" in sentence for sentence in said] == [False, False, True, True]


def test_a_size_that_lies_is_found_out(make):
    """The list of entries says 100 bytes where there are a million: no more than that is read, and it is refused."""
    path = make(("liar.png", b"\0" * 10**6))
    data = path.read_bytes()
    flip(path, data.rindex(b"PK\1\2") + 24, struct.pack("<I", 100))
    assert "damaged" in errors(ImageFiles([path]))["liar.png"]


def test_a_list_of_entries_that_claims_gigabytes_is_not_read(make):
    path = make(("1.png", png()))
    flip(path, path.read_bytes().rindex(b"PK\5\6") + 12, struct.pack("<I", 2**31))
    with pytest.raises(InputError, match="damaged"):
        ImageFiles([path])


def test_a_long_list_of_entries_is_refused(make, monkeypatch):
    path = make(*((f"{number}.txt", b"") for number in range(60)))
    monkeypatch.setattr(archives, "MAX_LIST", 1000)
    with pytest.raises(InputError, match="list of entries"):
        ImageFiles([path])
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MAX_ENTRIES", 50)
    with pytest.raises(InputError, match="over 50 files"):
        ImageFiles([path])


def test_encrypted_entries_get_a_sentence(make):
    path = make(("1.png", png()))
    for header, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        flip(path, path.read_bytes().index(header) + at, b"\1\0")
    with pytest.raises(InputError, match="'1.png': It is encrypted"):
        ImageFiles([path])


def test_a_rare_method_is_not_unpacked(make):
    with pytest.raises(InputError, match="rare way"):
        ImageFiles([make(("1.png", png()), method=zipfile.ZIP_LZMA)])


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_a_truncated_zip_gets_a_sentence(make, kept):
    path = make(*((f"{number}.png", png()) for number in range(5)))
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept == int(kept) else int(len(data) * kept)])
    with pytest.raises(InputError, match="'parts.zip': The zip is damaged"):
        ImageFiles([path])


def test_a_damaged_entry_costs_itself_alone(make):
    path = make(("1.png", png(1)), ("2.png", png(2)), ("3.png", png(3)), method=zipfile.ZIP_STORED)
    flip(path, path.read_bytes().index(png(2)) + 50, b"\0\0\0\0")
    files = ImageFiles([path])
    assert list(errors(files)) == ["2.png"] and "damaged" in errors(files)["2.png"]
    assert [found[0, 0, 0] for entry, found in files if not isinstance(found, InputError)] == [1, 3]


def test_whatever_bytes_are_changed_there_is_an_image_or_a_sentence(make):
    path = make(("good/1.png", png(1)), ("bad/2.png", png(2)))
    data, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        changed = bytearray(data)
        for at in random.integers(0, len(data), 3):
            changed[at] = random.integers(256)
        path.write_bytes(changed)
        try:
            for _, found in ImageFiles([path]):
                assert isinstance(found, InputError) or found.ndim == 3
        except InputError as error:
            assert str(error)


def test_rubbish_inside_is_named_while_the_rest_is_read(make, tmp_path):
    (tmp_path / "rubbish.png").write_text("no picture")
    (tmp_path / "broken.zip").write_text("no zip")
    fine = make(("fine.png", png()), ("empty.png", b""), ("text.png", b"text"))
    files = ImageFiles([tmp_path / "rubbish.png", tmp_path / "broken.zip", fine, tmp_path / "gone.png"])
    assert set(errors(files)) == {"rubbish.png", "empty.png", "text.png", "gone.png"}
    assert list(reasons(files)) == ["broken.zip"] and "no zip" in reasons(files)["broken.zip"]
    assert str(tmp_path) not in repr(errors(files)) + repr(reasons(files))


@pytest.mark.parametrize("entries", [[], [("a.txt", b"x")], [("a/", b"")]])
def test_nothing_to_score_gets_a_sentence(make, entries):
    with pytest.raises(InputError, match="There is no image to score"):
        ImageFiles([make(*entries)])


def test_no_file_at_all_gets_a_sentence():
    with pytest.raises(InputError, match="There is no image to score: give image files"):
        ImageFiles([])


def test_too_many_images_are_refused_before_any_is_read(make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_IMAGES", 4)
    with pytest.raises(InputError, match="5 images in this batch, and the limit is 4"):
        ImageFiles([make(*((f"{number}.png", b"") for number in range(5)))])


def test_a_zip_that_went_away_costs_its_images_alone(make, tmp_path):
    (tmp_path / "one.png").write_bytes(png(1))
    path = make(("2.png", png(2)))
    files = ImageFiles([path, tmp_path / "one.png"])
    path.unlink()
    (first, error), (second, pixels) = files
    assert "no longer there" in str(error) and pixels[0, 0, 0] == 1
