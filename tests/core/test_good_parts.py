"""Good parts beside words: what they change, what they must not, and what is refused."""

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zsad_core.baselines.memory import GoodPartsMemory
from zsad_core.baselines.method import ImageBatch, Resources
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt
from zsad_core.detector import Detector
from zsad_core.detector_file import unpack
from zsad_core.errors import InputError
from zsad_core.recipe import Recipe

ASSETS = Path(__file__).parents[2] / "assets"
RECIPE = Recipe(prompts=2, groups=1, steps=1, classifier_steps=1)


def part(seed, side=96, mark=False):
    """A washer on a table, each in another place and grain; with a dark mark if it is damaged."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side * 2 - 1
    shift = rng.uniform(-0.15, 0.15, 2)
    radius = np.hypot(x - shift[0], y - shift[1])
    ring = (radius < 0.7) & (radius > 0.3)
    picture = np.where(ring, 170, 60) + 20 * np.sin(9 * radius) * ring + rng.normal(0, 4, (side, side))
    if mark:
        picture[np.hypot(x - shift[0] - 0.5, y - shift[1]) < 0.17] = 15
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def tiny_detector(tiny_backbone):
    return Detector.fit(tiny_backbone, "washer", RECIPE)


@pytest.fixture(scope="module")
def sure(tiny_detector):
    return tiny_detector.with_good_parts([part(seed) for seed in range(4)])


@pytest.fixture(scope="module")
def detector(embedded):
    return Detector.fit(embedded, "washer", RECIPE)


@pytest.fixture(scope="module")
def washers(detector):
    return detector.with_good_parts([part(seed, 200) for seed in range(4)])


def test_a_mark_on_the_part_is_seen_where_good_ones_pass(washers):
    good = washers.inspect([part(seed, 200) for seed in range(10, 16)])
    bad = washers.inspect([part(seed, 200, mark=True) for seed in range(10, 16)])
    assert sum(seen.score > 0.5 for seen in good) <= 1
    assert all(damaged.score > intact.score for intact, damaged in zip(good, bad))
    assert sum(seen.score > 0.5 for seen in bad) >= 5
    rows, columns = np.unravel_index(bad[0].map.argmax(), bad[0].map.shape)
    assert np.abs(bad[0].map - good[0].map).max() > 0.3 and 60 < rows < 140 and columns > 110


@pytest.mark.slow
def test_a_shift_of_the_world_makes_good_parts_bad_for_a_memory_of_clean_ones_and_not_for_ours(washers, embedded):
    parts = [part(seed, 200) for seed in range(4)]
    clean = GoodPartsMemory(embedded, Resources(good_parts=parts)).fit("washer")
    alarms = {"ours": [], "clean": []}
    for kind in POSTER_CORRUPTIONS:
        shifted = [corrupt(part(seed, 200), kind, 3, seed) for seed in range(10, 16)]
        batch = ImageBatch(embedded, shifted)
        for name, seen in ("ours", washers.inspect(shifted)), ("clean", clean.inspect(batch)):
            alarms[name].append(sum(one.score > 0.5 for one in seen))
    assert sum(alarms["ours"]) <= 24 * 0.2
    assert sum(alarms["clean"]) >= 12


def test_one_part_is_enough_to_begin_with(detector):
    sure = detector.with_good_parts([part(0, 200)])
    assert sure.good_parts == 1
    good, bad = sure.inspect([part(10, 200), part(10, 200, mark=True)])
    assert good.score < 0.5 and good.score < bad.score


def test_the_detector_itself_stays_words_alone(tiny_detector, sure):
    assert (tiny_detector.good_parts, sure.good_parts) == (0, 4)
    seen, both = tiny_detector.inspect(part(9)), sure.inspect(part(9))
    assert seen.by_words is None and both.by_words == seen.score


def test_score_and_map_keep_their_range_and_size(sure):
    seen = sure.inspect(np.ascontiguousarray(part(9, 120)[:, 20:]))
    assert 0 <= seen.score <= 1 and seen.map.shape == (120, 100) and seen.map.dtype == np.float32
    assert 0 <= seen.map.min() and seen.map.max() <= 1


def test_a_picture_over_the_neutral_score_has_a_place_over_it(washers):
    for seen in washers.inspect([part(seed, 256, mark=seed % 2 == 0) for seed in range(20, 26)]):
        assert seen.map.max() >= seen.score - 0.05 and (seen.score < 0.5 or seen.map.max() > 0.5)


def test_one_part_does_not_cool_a_clear_damage_that_words_see(embedded):
    """The first screen's cracked nut, with its intact twin as the one part."""
    nut = Detector.load(ASSETS / "detectors/metal-nut.safetensors", embedded)
    intact, damaged = (ASSETS / f"samples/metal-nut/{state}.jpg" for state in ("intact", "damaged"))
    good, bad = nut.with_good_parts([intact]).inspect([intact, damaged])
    assert bad.by_words > 0.5 and bad.score > 0.5 and good.score < 0.4


def test_an_image_scores_the_same_alone_and_among_others(sure):
    images = [part(seed) for seed in range(9, 13)]
    together = sure.inspect(images)
    assert [sure.inspect(image).score for image in images] == pytest.approx([seen.score for seen in together], abs=1e-4)


def test_parts_may_be_of_any_size_and_turned(tiny_detector):
    parts = [part(0, 96), np.rot90(part(1, 300)), part(2, 64)[:, :50]]
    assert tiny_detector.with_good_parts(parts).good_parts == 3


# the file


def test_a_file_gives_the_same_scores_to_the_last_bit(sure, tiny_backbone, tmp_path):
    sure.save(tmp_path / "washer.safetensors")
    loaded = Detector.load(tmp_path / "washer.safetensors", tiny_backbone)
    one, other = sure.inspect(part(9)), loaded.inspect(part(9))
    assert (loaded.good_parts, one.score, one.by_words) == (4, other.score, other.by_words)
    assert np.array_equal(one.map, other.map)


def test_a_file_without_good_parts_is_as_before(tiny_detector, tiny_backbone):
    data = tiny_detector.to_bytes()
    header, tensors = unpack(data)
    assert header["format_version"] == 1 and not any(name.startswith("memory") for name in tensors)
    assert Detector.from_bytes(data, tiny_backbone).good_parts == 0


def tampered(data, change):
    """The file with its header of the detector changed by `change`."""
    (length,) = struct.unpack("<Q", data[:8])
    outer = json.loads(data[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["zsad_detector"])
    change(header)
    outer["__metadata__"]["zsad_detector"] = json.dumps(header)
    text = json.dumps(outer).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@pytest.mark.parametrize("parts", [0, 17, -1, True, 2.5, "4", None])
def test_an_absurd_number_of_parts_in_a_file_is_refused(sure, tiny_backbone, parts):
    data = tampered(sure.to_bytes(), lambda header: header.update(good_parts=parts))
    with pytest.raises(InputError, match="memory of good parts"):
        Detector.from_bytes(data, tiny_backbone)


@pytest.mark.parametrize(
    "name, tensor",
    [
        ("places", torch.zeros(3, 5).half()),
        ("places", torch.full((5, 128), torch.nan).half()),
        ("places", torch.zeros(0, 128).half()),
        ("places", torch.zeros(()).half()),
        ("words", torch.zeros(1).half()),  # an earlier version's
        ("scale", torch.tensor([1.0, 1, 1, 0])),
        ("scale", torch.tensor([1.0, 1, torch.inf, 1])),
        ("scale", torch.ones(4).double()),
        ("places", torch.full((5, 128), 60000.0).half()),
        ("scale", torch.tensor([1.0, 1, 1e30, 1])),
        ("scale", torch.tensor([1e-38, 1, 0, 1])),
    ],
)
def test_an_absurd_memory_in_a_file_is_refused(sure, tiny_backbone, monkeypatch, name, tensor):
    tensors = {**sure.memory.tensors(), f"memory.{name}": tensor}
    monkeypatch.setattr(type(sure.memory), "tensors", lambda memory: tensors)
    with pytest.raises(InputError, match="good parts in the detector file"):
        Detector.from_bytes(sure.to_bytes(), tiny_backbone)


def test_sixteen_parts_fit_a_file(tiny_detector, monkeypatch):
    monkeypatch.setattr("zsad_core.good_parts.PLACES", 500)
    many = tiny_detector.with_good_parts([part(seed) for seed in range(16)])
    assert 16 * 9 <= len(many.memory.places) <= 500
    assert Detector.from_bytes(many.to_bytes(), tiny_detector.backbone).good_parts == 16


# what is refused or doubted


@pytest.mark.parametrize("count", [0, 17])
def test_none_and_too_many_are_refused(tiny_detector, count):
    with pytest.raises(InputError, match=f"{count} good parts were given: give 1 to 16"):
        tiny_detector.with_good_parts([part(seed) for seed in range(count)])


def test_photos_come_as_a_list_one_by_one_or_alone(tiny_detector):
    by_list, one_by_one = (tiny_detector.with_good_parts(kind(map(part, (0, 1)))).memory for kind in (list, iter))
    assert torch.equal(one_by_one.places, by_list.places)
    for alone in (part(0), Image.fromarray(part(0))):
        assert tiny_detector.with_good_parts(alone).good_parts == 1
    with pytest.raises(InputError, match="Good parts must be a list of photos, not 7"):
        tiny_detector.with_good_parts(7)


def test_a_memory_without_its_number_of_parts_is_not_left_out_silently(sure, tiny_backbone):
    data = tampered(sure.to_bytes(), lambda header: header.pop("good_parts"))
    with pytest.raises(InputError, match="memory of good parts"):
        Detector.from_bytes(data, tiny_backbone)


def test_windows_change_nothing_where_parts_are_known_and_fine_is_refused(sure):
    assert sure.inspect(part(3), "windows").score == sure.inspect(part(3)).score
    with pytest.raises(InputError, match="knows no good parts"):
        sure.inspect(part(3), "fine")


def test_a_part_that_cannot_be_read_is_named(tiny_detector):
    with pytest.raises(InputError, match="Good part 2 cannot be used: .*damaged|Good part 2 cannot be used: .*not an"):
        tiny_detector.with_good_parts([part(0), b"no picture"])


def jpeg(picture, quality=80):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.mark.parametrize(
    "again",
    [
        lambda picture: picture,
        jpeg,
        lambda picture: Image.fromarray(picture).resize((150, 150)),
        lambda picture: np.rot90(picture),
        lambda picture: picture[:, ::-1],
        lambda picture: picture[::-1],
        lambda picture: picture.transpose(1, 0, 2),
    ],
)
def test_the_same_photo_twice_is_refused(tiny_detector, again):
    with pytest.raises(InputError, match="Good part 1 and good part 3 are the same photo"):
        tiny_detector.with_good_parts([part(0), part(1), again(part(0))])


def test_files_are_called_by_their_names(tiny_detector, tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(part(0)).save(tmp_path / name)
    with pytest.raises(InputError, match=r"Good part 1 \('a.png'\) and good part 2 \('b.png'\) are the same photo"):
        tiny_detector.with_good_parts([tmp_path / "a.png", str(tmp_path / "b.png")])


@pytest.mark.slow
def test_a_damaged_part_is_doubted_and_good_ones_are_not(detector, washers):
    assert washers.memory.doubts == ()
    spoilt = detector.with_good_parts([part(0, 200), part(1, 200), part(2, 200, mark=True), part(3, 200)])
    assert [doubt.split(" looks")[0] for doubt in spoilt.memory.doubts] == ["Good part 3"]


@pytest.mark.slow
def test_a_part_of_another_product_is_doubted(detector):
    other = (np.indices((200, 200)).sum(0) % 23 * 11).astype(np.uint8)
    mixed = detector.with_good_parts([part(0, 200), part(1, 200), other, part(3, 200)])
    assert [doubt.split(" looks")[0] for doubt in mixed.memory.doubts] == ["Good part 3"]


# the baseline


def test_the_memory_alone_needs_parts_and_says_so(tiny_backbone):
    method = GoodPartsMemory(tiny_backbone)
    assert "needs 1 to 16 photos" in method.missing()
    with pytest.raises(InputError, match="needs 1 to 16 photos"):
        method.fit("washer")


@pytest.mark.parametrize("count", [1, 4])
def test_the_memory_alone_sees_the_mark(embedded, count):
    parts = [part(seed, 200) for seed in range(count)]
    fitted = GoodPartsMemory(embedded, Resources(good_parts=parts)).fit("washer")
    good, bad = fitted.inspect(ImageBatch(embedded, [part(10, 200), part(10, 200, mark=True)]))
    assert good.score < bad.score and (count == 1 or good.score < 0.5 < bad.score)
