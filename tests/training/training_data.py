"""Small made-up pictures in the layouts that the embedded backbone is trained on; fixtures, imported by conftest."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory):
    """Two surfaces and one product on a transparent ground, with a caption beside it."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("wood_01.png", "brick-wall.png"):
        Image.fromarray(rng.integers(0, 255, (150, 150, 3), dtype=np.uint8)).save(folder / name)
    cutout = np.zeros((120, 120, 4), np.uint8)
    cutout[20:100, 20:100] = (200, 60, 40, 255)
    Image.fromarray(cutout).save(folder / "thing.png")
    (folder / "thing.txt").write_text("A red box. It is red.\n")
    (folder / "broken.png").write_text("not a picture")
    return folder


def write_renders(folder, families, columns="", values=""):
    """The factory's layout: of each family 12 intact pictures with two flat pairs each, a dark square as damage."""
    rows = [f"pair,product,damage,seed,part{columns}"]
    for family in families:
        (folder / family).mkdir(parents=True)
        for number in range(24):
            intact = np.full((96, 96, 3), 150, np.uint8)
            damaged, mask = intact.copy(), np.zeros((96, 96), np.uint8)
            damaged[30:60, 40:70], mask[30:60, 40:70] = 20, 255
            stem = folder / family / f"{number // 2:04d}_{number % 2}"
            Image.fromarray(intact).save(f"{stem}_intact.jpg")
            Image.fromarray(damaged).save(f"{stem}_damaged.jpg")
            Image.fromarray(mask).save(f"{stem}_mask.png")
            rows.append(f"{family}/{stem.name},{family},chunk,{number // 2},{number % 2}{values}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def render_folder(tmp_path_factory):
    """An index of the first kind: no names, no facts."""
    return write_renders(tmp_path_factory.mktemp("renders"), ("washer", "coin"))


@pytest.fixture(scope="session")
def named_folder(tmp_path_factory):
    """An index with all columns."""
    columns, values = ",name,kind,material,colour,ground", ",hex nut,cracked,brass,red,none"
    return write_renders(tmp_path_factory.mktemp("named"), ("six_sided", "ring"), columns, values)
