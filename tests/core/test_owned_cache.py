"""What baselines keep goes with the backbone, and is made anew where a folder holds something else."""

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from test_learned_baselines import factory
from test_maeday import auto_encoder
from tiny_clip import TINY

from zsad_core.backbone import random_backbone
from zsad_core.baselines import METHODS, Resources, acr, anomalyclip
from zsad_core.baselines.owned_cache import OwnedCache, contents


class Owner:
    pass


def test_a_result_is_made_once_even_for_four_at_once():
    cache, owner, made, together = OwnedCache(2), Owner(), [], threading.Barrier(4)

    def ask(_):
        together.wait(180)
        return cache.get(owner, "key", lambda: made.append(1) or object())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert made == [1]


def test_only_the_latest_are_kept():
    cache, owner = OwnedCache(2), Owner()
    for key in "aba":
        cache.get(owner, key, lambda key=key: key)
    cache.get(owner, "c", lambda: "c")
    assert cache.get(owner, "a", lambda: "anew") == "a"
    assert cache.get(owner, "b", lambda: "anew") == "anew"


def test_a_failure_is_not_kept():
    cache, owner = OwnedCache(2), Owner()
    with pytest.raises(ZeroDivisionError):
        cache.get(owner, "key", lambda: 1 / 0)
    assert cache.get(owner, "key", lambda: 3) == 3


def test_contents_change_with_any_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"one")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    seen = [contents(tmp_path)]
    assert contents(tmp_path) == seen[0]
    (tmp_path / "a" / "2.png").write_bytes(b"two")
    seen.append(contents(tmp_path))
    (tmp_path / "a" / "2.png").write_bytes(b"other")
    seen.append(contents(tmp_path))
    os.utime(tmp_path / "a" / "2.png", (5, 5))
    seen.append(contents(tmp_path))
    (tmp_path / "a" / "1.png").unlink()
    seen.append(contents(tmp_path))
    assert len(set(seen)) == 5


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(anomalyclip, "STEPS", 3)
    monkeypatch.setattr(acr, "ITERATIONS", 2)


@pytest.mark.slow
def test_a_backbone_goes_when_nobody_needs_it_any_more(tmp_path, short):
    auto_encoder().save_pretrained(tmp_path / "maeday")
    pairs = factory(tmp_path / "pairs", ["tile", "felt"], pairs=2)
    backbone = random_backbone(TINY)
    for name in ("anomalyclip", "acr", "maeday"):
        METHODS[name](backbone, Resources(auxiliary=pairs, maeday=tmp_path / "maeday")).fit("metal nut")
    gone = weakref.ref(backbone)
    del backbone
    gc.collect()
    assert gone() is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anomalyclip", "acr"])
def test_new_auxiliary_images_are_learned_on(name, tmp_path, short, tiny_backbone):
    folder = factory(tmp_path / "pairs", ["tile", "felt"], pairs=2)

    def learned():
        fitted = METHODS[name](tiny_backbone, Resources(auxiliary=folder)).fit("metal nut")
        return fitted.states if name == "anomalyclip" else fitted.network.centre

    before, again = learned(), learned()
    assert torch.equal(before, again)
    more = factory(tmp_path / "more", ["wooden_board"], pairs=3)
    rows = (more / "index.csv").read_text().splitlines(keepends=True)[1:]
    with open(folder / "index.csv", "a") as index:
        index.writelines(rows)
    for file in more.glob("*.*g"):
        file.rename(folder / file.name)
    assert not torch.equal(before, learned())
