"""The pictures of the factory, without the renderer: masks, twins, the folder it fills, what it tells a person."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from training.captions import DAMAGE
from training.factory import production, scene, twins
from training.factory.__main__ import main
from training.factory.build import FAMILIES, Family
from training.factory.damage import DAMAGES
from training.factory.index import Index, write_pictures
from training.factory.parts import Part
from training.factory.photo import Look, denoise
from training.factory.textures import grid
from training.factory.twins import Twin, changed, make_twins, visible
from zsad_core.errors import InputError

pytestmark = pytest.mark.slow

# ---- masks and pictures


def features(size=64):
    """What rays meet on a flat grey plane, (2 size, 2 size, 9)."""
    x, y = grid(2 * size)
    flat = np.zeros((2 * size, 2 * size))
    return np.stack([x, y, flat, flat, flat, flat + 1, flat + 0.4, flat + 0.4, flat + 0.4], -1).astype(np.float32)


def test_the_mask_is_what_was_recoloured_moved_or_tilted_and_no_speck():
    intact, damaged = features(), features()
    damaged[20:40, 20:40, 6:9] = 0.7
    damaged[60:80, 20:40, 2] -= 0.1
    damaged[20:40, 60:80, 3:6] = (0.5, 0, np.sqrt(0.75))
    damaged[100:102, 100:102, 6:9] = 0.0
    mask = changed(intact, damaged, 0.01)
    expected = np.zeros((64, 64), bool)
    expected[10:20, 10:20] = expected[30:40, 10:20] = expected[10:20, 30:40] = True
    assert np.array_equal(mask, expected)


def test_the_mask_is_trimmed_to_what_can_be_seen():
    mask = np.zeros((64, 64), bool)
    mask[10:20, 10:20] = mask[40:50, 40:50] = True
    intact = np.full((64, 64, 3), 0.5, np.float32)
    damaged = intact.copy()
    damaged[10:20, 10:20] = 0.7
    damaged[40:50, 40:50] = 0.505
    assert visible(mask, intact, damaged, 0.005)[10:20, 10:20].all()
    assert not visible(mask, intact, damaged, 0.005)[40:50, 40:50].any()


def test_the_denoiser_takes_the_noise_and_keeps_the_edge():
    rng = np.random.default_rng(0)
    seen = features()[::2, ::2]
    seen[:, 32:, 6:9] = 0.1
    truth = seen[..., 6:9] * 2
    noisy = (truth * np.exp(0.2 * rng.normal(size=(64, 64, 1)))).astype(np.float32)
    clean = denoise(noisy, seen)
    assert np.abs(clean - truth).mean() < 0.4 * np.abs(noisy - truth).mean()
    assert (clean[:, 31] - clean[:, 32]).mean() > 0.9 * 0.6


def test_both_twins_are_exposed_alike_but_for_the_grain():
    rng = np.random.default_rng(3)
    radiance = np.abs(rng.normal(1, 0.2, (64, 64, 3))).astype(np.float32)
    look = Look.draw(rng, radiance)
    first, second = (look.expose(look.develop(radiance), rng).astype(float) for _ in range(2))
    assert np.abs(first - second).mean() <= 3 * 255 * look.grain
    assert 5 < first.mean() < 250


class FlatStage:
    """Stands in for the renderer: looks straight down on a height field and lights it from one side."""

    def __init__(self, studio, camera, size):
        self.camera, self.size = SimpleNamespace(half=1.0), size

    def scene(self, parts):
        return parts

    def features(self, parts):
        x, y = grid(2 * self.size)
        found = features(self.size)
        found[..., 2] = -1.0
        for part in parts:
            inverse = np.linalg.inv(part.pose)
            u, v = (inverse[k, 0] * x + inverse[k, 1] * y + inverse[k, 3] for k in (0, 1))
            if part.height is None:
                continue
            rows, columns = part.at(u, v)
            height = part.height[rows, columns] * part.scale + part.pose[2, 3]
            above = height > found[..., 2]
            if part.floor is not None:
                above &= part.height[rows, columns] > part.floor
            found[..., 2] = np.where(above, height, found[..., 2])
            found[..., 6:9] = np.where(above[..., None], part.albedo[rows, columns], found[..., 6:9])
        down, across = np.gradient(found[..., 2], 1 / self.size)
        normal = np.stack([-across, -down, np.ones_like(down)], -1)
        found[..., 3:6] = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
        return found

    def radiance(self, parts, seed, window=None):
        found = twins._halved(self.features(parts))
        light = found[..., 6:9] * np.clip(found[..., 3:6] @ (0.4, 0.2, 0.89), 0.05, 1)[..., None]
        left, top, side = window or (0, 0, self.size)
        return light[top : top + side, left : left + side].astype(np.float32)


def test_twins_are_one_product_with_different_damages_and_exact_masks(monkeypatch):
    monkeypatch.setattr(twins, "Stage", FlatStage)
    seen = set()
    for seed in range(3):
        made = make_twins(seed, ["cork", "concrete"], size=96)
        assert len({twin.kind for twin in made}) == len(made)
        for twin in made:
            seen.add(twin.kind)
            difference = np.abs(twin.intact.astype(int) - twin.damaged).max(-1)
            assert twin.mask.any() and difference[twin.mask].mean() > 2 * difference[~twin.mask].mean()
            assert twin.kind in DAMAGE and twin.ground == "none" and twin.family in FAMILIES
    assert len(seen) >= 4


def test_the_same_seed_gives_the_same_pictures(monkeypatch):
    monkeypatch.setattr(twins, "Stage", FlatStage)
    first, second = (make_twins(11, ["concrete"], size=96) for _ in range(2))
    assert first and [twin.damage for twin in first] == [twin.damage for twin in second]
    assert all(np.array_equal(a.damaged, b.damaged) and np.array_equal(a.mask, b.mask) for a, b in zip(first, second))


@pytest.mark.parametrize("name", ["broken_apart", "cracked_through", "snapped_off"])
def test_of_a_broken_product_the_gap_and_the_faces_are_marked_and_not_what_has_moved(name, monkeypatch):
    def slab(making):
        making.material = "ceramic"
        x, y = grid(320)
        height = np.where(np.maximum(abs(x), abs(y)) < 0.6, 0.2, -0.1)
        return [Part((0.5, 0.02, 0.02), height=height, floor=0.0, inside=np.array([0.02, 0.02, 0.6]))]

    monkeypatch.setitem(FAMILIES, "slab", Family("slab", slab, False, 1.0, ()))
    monkeypatch.setattr(twins, "DAMAGES", {name: DAMAGES[name]})
    monkeypatch.setattr(twins, "Stage", FlatStage)
    plain = Look(1.0, 1 / 2.2, np.ones(3), np.ones((96, 96)), blur=0.0, grain=0.0)
    monkeypatch.setattr(Look, "draw", lambda *_: plain)
    made = [twin for seed in range(6) for twin in make_twins(seed, ["slab"], size=96, count=1)]
    assert len(made) >= 4
    for twin in made:
        was_red, red = (
            picture[..., 0] > 1.5 * picture[..., 1:].max(-1).astype(float) for picture in (twin.intact, twin.damaged)
        )
        bared = was_red & ~red  # the gap, the fresh faces and what is missing
        assert bared.sum() > 30 and (bared & ~twin.mask).sum() < 12
        assert (twin.mask & was_red & red).sum() < 0.08 * was_red.sum()
    if name == "broken_apart":
        arrived = red & ~was_red  # where there was ground
        assert (arrived & ~twin.mask).sum() > 0.6 * arrived.sum() > 60


def test_a_window_of_the_picture_is_seen_through_a_narrower_view_off_the_axis(monkeypatch):
    asked = {}
    transform = SimpleNamespace(look_at=lambda **_: None)
    fake = SimpleNamespace(load_dict=asked.update, ScalarTransform4f=lambda: transform)
    monkeypatch.setattr(scene, "renderer", lambda: fake)
    camera = scene.Camera((0, 0, 5), (0, 0, 0), (0, 1, 0), view=90.0)
    camera.sensor(256, (40, 100, 64))  # measured once against the full picture: only these signs fit
    assert np.isclose(asked["fov"], np.degrees(2 * np.arctan(0.25)))
    assert np.isclose(asked["principal_point_offset_x"], (72 - 128) / 64)
    assert np.isclose(asked["principal_point_offset_y"], (132 - 128) / 64)
    assert asked["film"]["width"] == asked["film"]["height"] == 64


# ---- the folder


def twin(seed):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)
    told = "gear", "dent", "deformed", "gear", "steel", "grey", "dark"
    return Twin(*pictures, np.eye(16, dtype=bool), *told)


def test_a_pair_is_written_as_training_reads_it(tmp_path):
    rows = write_pictures(tmp_path, 12, [twin(0), twin(1)])
    index = Index(tmp_path)
    index.add(12, rows)
    assert [row["pair"] for row in rows] == ["gear/000012_0", "gear/000012_1"]
    mask = np.asarray(Image.open(tmp_path / "gear/000012_1_mask.png"))
    assert np.array_equal(mask > 127, np.eye(16, dtype=bool))
    last = (tmp_path / "index.csv").read_text().splitlines()[-1]
    assert last == "gear/000012_1,gear,dent,12,1,gear,deformed,steel,grey,dark"


def test_an_index_that_was_cut_short_goes_on_where_it_was(tmp_path):
    index = Index(tmp_path)
    index.add(1, write_pictures(tmp_path, 1, [twin(1)]))
    index.add(2, write_pictures(tmp_path, 2, [twin(2)]))
    text = index.path.read_text()
    index.path.write_text(text[:-9])  # killed while the last line was written
    again = Index(tmp_path)
    assert again.seeds == {1} and again.pairs == 1
    again.add(2, write_pictures(tmp_path, 2, [twin(2)]))
    assert again.path.read_text() == text


def test_an_index_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "index.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not an index of this factory"):
        Index(tmp_path)
    assert (tmp_path / "index.csv").read_text() == "a,b\n1,2\n"


def test_a_run_fills_the_folder_and_does_no_seed_twice(tmp_path, monkeypatch):
    asked = []

    class Now:
        """A pool that renders at once, in this process."""

        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def shutdown(self, **_):
            pass

        def submit(self, _, folder, seed, families, size):
            asked.append(seed)
            done = production.Future()
            problem = "ValueError: no such thing" if seed == 3 else None
            done.set_result((seed, write_pictures(folder, seed, [twin(seed)] * (seed % 3)), problem))
            return done

    monkeypatch.setattr(production, "ProcessPoolExecutor", Now)
    said = []
    production.fill(tmp_path, 4, report=lambda line, **_: said.append(line))
    first = Index(tmp_path)
    assert any("seed 3 left out, ValueError" in line for line in said)
    production.fill(tmp_path, 12, report=lambda *_, **__: None)
    assert first.pairs >= 4 and Index(tmp_path).pairs >= 12
    with_pairs = [seed for seed in asked if seed % 3]
    assert len(with_pairs) == len(set(with_pairs))


def test_samples_are_single_products_with_an_index_of_what_they_show(tmp_path, monkeypatch):
    monkeypatch.setattr(twins, "Stage", FlatStage)
    production.samples(tmp_path, ["concrete", "cork"], size=96, report=lambda *_, **__: None)
    entries = json.loads((tmp_path / "index.json").read_text())
    assert [entry["folder"] for entry in entries] == ["concrete", "cork"]
    for entry in entries:
        intact, damaged = (
            np.asarray(Image.open(tmp_path / entry["folder"] / f"{name}.jpg"), float) for name in ("intact", "damaged")
        )
        mask = np.asarray(Image.open(tmp_path / entry["folder"] / "mask.png")) > 127
        difference = np.abs(intact - damaged).mean(-1)
        assert 0.004 < mask.mean() < 0.06 and difference[mask].mean() > max(12, 2 * difference[~mask].mean())


# ---- what a person is told


def test_without_the_renderer_the_command_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    monkeypatch.setitem(sys.modules, "drjit", None)
    scene.renderer.cache_clear()
    assert main([str(tmp_path / "renders")]) == 1
    assert "pip install -r training/factory/requirements.txt" in capsys.readouterr().err


def test_an_unknown_family_is_named(tmp_path, capsys):
    assert main([str(tmp_path / "renders"), "--families", "gear", "unicorn"]) == 1
    assert "unicorn" in capsys.readouterr().err
