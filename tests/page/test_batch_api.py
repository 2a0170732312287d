"""The endpoint /batch as a program uses it, through gradio_client and as curl does."""

import csv
import io
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import ASSETS
from zsad_core.detector import Detector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A zip of four images with labels and of a note, and its images as files."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    with zipfile.ZipFile(folder / "parts.zip", "w") as archive:
        for number in range(4):
            path = folder / f"{number}.png"
            Image.fromarray(random.integers(0, 256, (50, 70, 3), np.uint8)).save(path)
            archive.write(path, f"{'good' if number < 2 else 'bent'}/{number}.png")
        archive.writestr("=note.txt", "no image")
    return folder


def test_a_zip_gives_rows_a_table_and_overlays(client, folder, embedded):
    job = client.submit([handle_file(folder / "parts.zip")], "metal nut", api_name="/batch")
    summary, table, overlays = job.result()
    assert [output[0]["phase"] for output in job.outputs()][0] == "scoring"
    detector = Detector.load(ASSETS / "detectors/metal-nut.safetensors", embedded)
    alone = {f"{name}/{number}.png": detector.inspect(folder / f"{number}.png").score
             for number, name in enumerate(("good", "good", "bent", "bent"))}  # fmt: skip
    assert {row["file"]: row["score"] for row in summary["rows"]} == pytest.approx(alone, abs=1e-5)
    scores = [row["score"] for row in summary["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert {row["file"]: row["label"] for row in summary["rows"]}["bent/2.png"] == "damaged"
    assert (summary["threshold"], summary["threshold_from"]) == (0.5, "neutral")
    assert summary["over_threshold"] == sum(score > 0.5 for score in scores)
    assert 0 <= summary["auroc"] <= 1 and summary["product"] == "metal nut"
    assert [one["file"] for one in summary["skipped"]] == ["=note.txt"]
    rows = list(csv.DictReader(io.StringIO(Path(table).read_bytes().decode("utf-8-sig"))))
    with zipfile.ZipFile(overlays) as archive:
        assert sorted(archive.namelist()) == sorted(row["overlay"] for row in rows)


def test_files_a_detector_and_normal_images(client, folder, tmp_path):
    path = ASSETS / "detectors/metal-nut.safetensors"
    pages = [Image.fromarray(np.full((50, 70), white, np.uint16)) for white in (1000, 65535)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    files = [*(handle_file(folder / f"{number}.png") for number in range(4)), handle_file(tmp_path / "two.tif")]
    summary = client.predict(
        files, detector=handle_file(path), normal_images=[handle_file(folder / "parts.zip")], api_name="/batch"
    )[0]
    noted = {row["file"]: row["note"] for row in summary["rows"] if "note" in row}
    assert list(noted) == ["two.tif (page 1 of 2)"] and "read as 10 bits" in noted["two.tif (page 1 of 2)"]
    assert "two.tif (page 2 of 2)" in [row["file"] for row in summary["rows"]] and summary["images"] == 6
    assert summary["threshold_from"] == "95% of 2 normal images, 3 left out" and summary["auroc"] is None
    scores = {row["file"]: row["score"] for row in summary["rows"]}
    assert summary["threshold"] == max(scores["0.png"], scores["1.png"])  # the others lie in the folder "bent"
    assert summary["over_threshold"] == sum(score > summary["threshold"] for score in scores.values())


def test_good_parts_have_a_say_and_the_answer_says_so(client, folder, embedded):
    paths = [folder / f"{number}.png" for number in range(4)]
    summary, table, _ = client.predict(
        [handle_file(paths[3])], "metal nut", good_parts=[handle_file(path) for path in paths[:3]], api_name="/batch"
    )
    detector = Detector.load(ASSETS / "detectors/metal-nut.safetensors", embedded)
    seen = detector.with_good_parts(paths[:3]).inspect(paths[3])
    assert (summary["good_parts"], summary["threshold"], summary["threshold_from"]) == (3, 0.5, "3 good parts")
    (row,) = summary["rows"]
    assert (row["score"], row["by_words"]) == pytest.approx((seen.score, seen.by_words), abs=1e-4)
    assert summary["doubts"] == list(detector.with_good_parts(paths[:3]).memory.doubts)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": []}, "There is no image to score"),
        ({"images": b"no zip"}, "'broken.zip': The zip is damaged"),
        ({"product": "<script>"}, "'<script>' contains markup"),
        ({"normal_images": b"no zip"}, "'broken.zip': The zip is damaged"),
        ({"good_parts": b"no zip"}, "'broken.zip': The zip is damaged"),
        ({"detector": b"\x80\x04pickle"}, "Python pickle"),
    ],
)
def test_wrong_input_gets_a_sentence(client, folder, tmp_path, changes, sentence):
    for name, value in changes.items():
        if isinstance(value, bytes):
            (tmp_path / "broken.zip").write_bytes(value)
            file = handle_file(tmp_path / "broken.zip")
            changes = {name: file if name == "detector" else [file]}
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"images": [handle_file(folder / "0.png")], **changes}, api_name="/batch")


def test_curl_uploads_asks_and_reads_the_events(client, folder):
    root = f"{client.src}gradio_api"
    with open(folder / "parts.zip", "rb") as file:
        (path,) = httpx.post(f"{root}/upload", files={"files": file}).json()
    images = [{"path": path, "meta": {"_type": "gradio.FileData"}}]
    begun = httpx.post(f"{root}/call/batch", json={"data": [images, "metal nut", None, None]})
    answer = httpx.get(f"{root}/call/batch/{begun.json()['event_id']}").text
    assert "event: complete" in answer and '"file": "bent/3.png"' in answer


def test_a_path_on_the_server_is_not_opened(client):
    images = [{"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}]
    root = f"{client.src}gradio_api"
    begun = httpx.post(f"{root}/call/batch", json={"data": [images, "metal nut", None, None]})
    answer = httpx.get(f"{root}/call/batch/{begun.json()['event_id']}").text
    assert "event: error" in answer and "event: complete" not in answer
