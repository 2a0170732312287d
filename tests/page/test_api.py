"""The named endpoints as a program uses them, through gradio_client."""

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from zsad_core.corruptions import corrupt_all
from zsad_core.detector import Detector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(address):
    return Client(address, verbose=False)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.fixture(scope="module")
def image(pixels, tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "image.png"
    Image.fromarray(pixels).save(path)
    return handle_file(path)


@pytest.fixture(scope="module")
def trained(client):
    """A training of a few steps, with everything it said."""
    job = client.submit("glass bottle", steps=4, prompts=6, seed=3, api_name="/train")
    summary, path = job.result(timeout=60)
    return job.outputs(), summary, path


def test_train_streams_its_progress_and_gives_the_detector(trained, embedded):
    outputs, summary, path = trained
    steps = [progress["step"] for progress, _ in outputs if progress["phase"] == "prompts"]
    assert steps == sorted(steps) and steps[-1] == 4
    assert summary["product"] == "glass bottle" and 0 <= summary["held_back_accuracy"] <= 1
    detector = Detector.load(path, embedded)
    assert (detector.product, detector.seed, detector.recipe.prompts) == ("glass bottle", 3, 6)


def test_inspect_with_a_trained_detector_gives_what_the_library_gives(client, trained, image, pixels, embedded):
    path = trained[2]
    clean, corrupted, verdict, corrupted_verdict, overlay, corrupted_overlay = client.predict(
        image, detector=handle_file(path), contrast=2, noise=1, seed=7, api_name="/inspect"
    )
    detector = Detector.load(path, embedded)
    seen = detector.inspect(pixels)
    seen_corrupted = detector.inspect(corrupt_all(pixels, {"contrast": 2, "noise": 1}, seed=7))
    assert (clean, corrupted) == pytest.approx((seen.score, seen_corrupted.score), abs=1e-5)
    assert (verdict, corrupted_verdict) == (seen.verdict, seen_corrupted.verdict)
    for picture in (overlay, corrupted_overlay):
        assert Image.open(picture).size == (120, 90)


def test_inspect_by_the_name_of_a_shipped_product(client, image):
    scores = client.predict(image, "metal nut", api_name="/inspect")[:2]
    assert scores[0] == scores[1] and 0 <= scores[0] <= 1


def test_sweep_gives_the_scores_of_every_severity_and_a_chart(client, image, pixels, embedded):
    job = client.submit(image, "metal nut", corruptions="noise, blur", seed=5, api_name="/sweep")
    summary, chart = job.result(timeout=60)
    assert [progress["done"] for progress, _ in job.outputs() if progress["phase"] == "sweep"] == [7, 11]
    assert (summary["product"], summary["method"], summary["neutral"]) == ("metal nut", "ours", 0.5)
    assert list(summary["scores"]) == ["noise", "blur"]
    inspected = client.predict(image, "metal nut", noise=3, seed=5, api_name="/inspect")
    assert (summary["clean"], summary["scores"]["noise"][3]) == pytest.approx(inspected[:2], abs=1e-5)
    assert [row[0] for row in summary["scores"].values()] == [summary["clean"]] * 2
    assert summary["mean"] == pytest.approx(np.mean(list(summary["scores"].values()), axis=0))
    assert Image.open(chart).width > 800


def test_sweep_through_another_method_gives_other_scores(client, image):
    ours, clip = (
        client.predict(image, "metal nut", corruptions="blur", method=method, api_name="/sweep")[0]["scores"]["blur"]
        for method in ("ours", "clip-ac")
    )
    assert len(clip) == 6 and clip != ours


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"corruptions": "fog"}, "corruption 'fog' is not known"),
        ({"corruptions": " , "}, "no corruption"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "maeday"}, "MAEDAY needs the weights"),
        ({"method": ""}, "no method ''"),
        ({"image": None}, "no image"),
        ({"seed": 0.5}, "seed 0.5"),
    ],
)
def test_wrong_sweeps_get_a_sentence(client, image, changes, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"image": image, "product": "metal nut", **changes}, api_name="/sweep")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"blur": 99}, "severity 99 of blur"),
        ({"noise": -1}, "severity -1 of noise"),
        ({"contrast": None}, "severity None of contrast"),
        ({"brightness": 2.5}, "severity 2.5 of brightness"),
        ({"brightness": "nan"}, "severity 'nan' of brightness"),
        ({"seed": -3}, "seed -3"),
        ({"seed": "x"}, "seed 'x'"),
        ({"product": "x" * 10_000}, "10000 characters"),
        ({"product": "<script>"}, "'<script>' contains markup"),
        ({"image": None}, "no image"),
        ({"image": 7}, "of the wrong type"),
    ],
)
def test_wrong_values_get_a_sentence(client, image, changes, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"image": image, "product": "metal nut", **changes}, api_name="/inspect")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("image", b"", "empty|zero|no bytes"),
        ("image", b"this is no picture", "is not an image"),
        ("detector", b"\x80\x04pickle", "Python pickle"),
        ("detector", b"rubbish", "damaged or not a safetensors file"),
    ],
)
def test_wrong_files_get_a_sentence(client, image, tmp_path, name, data, sentence):
    file = tmp_path / "rubbish.png"
    file.write_bytes(data)
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"image": image, "product": "metal nut", name: handle_file(file)}, api_name="/inspect")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"product": ""}, "empty"),
        ({"product": "🔩🔩"}, "no letter or digit"),
        ({"product": "nut", "preset": "huge"}, "no preset 'huge'"),
        ({"product": "nut", "adjectives": " , "}, "0 adjectives"),
        ({"product": "nut", "steps": 1e9}, "Recipe.steps"),
        ({"product": "nut", "seed": None}, "seed"),
    ],
)
def test_wrong_recipes_get_a_sentence(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(**arguments, api_name="/train")


def test_a_path_on_the_server_is_not_opened(client):
    """Files are taken only from what was uploaded."""
    data = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    body = {"data": [data, "metal nut", None, 0, 0, 0, 0, 0]}
    begun = httpx.post(f"{client.src}gradio_api/call/inspect", json=body)
    answer = httpx.get(f"{client.src}gradio_api/call/inspect/{begun.json()['event_id']}", timeout=20).text
    assert "event: error" in answer and "must be uploaded first" in answer and "event: complete" not in answer


def test_only_the_named_endpoints_are_public_and_they_are_documented(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/train", "/inspect", "/sweep", "/batch"}
    assert [entry["parameter_name"] for entry in endpoints["/inspect"]["parameters"]][:3] == [
        "image",
        "product",
        "detector",
    ]
    for endpoint in endpoints.values():
        assert endpoint["description"]
