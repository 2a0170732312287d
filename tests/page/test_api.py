"""The named endpoints as a program uses them, through gradio_client."""

import zipfile

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import ASSETS
from zsad_core.corruptions import corrupt_all
from zsad_core.detector import Detector
from zsad_core.ignored import Ignored

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
    summary, path = job.result()
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


def test_inspect_without_a_part_gives_what_the_library_gives_and_draws_regions(client, image, pixels, embedded):
    asked = {"image": image, "product": "metal nut", "noise": 1, "seed": 7, "api_name": "/inspect"}
    clean, noisy, *_, plain, _ = client.predict(**asked, ignore="0,0,60,90; 100,0,120,20")
    detector = Detector.load(ASSETS / "detectors/metal-nut.safetensors", embedded)
    ignore = Ignored(((0, 0, 60, 90), (100, 0, 120, 20)))
    seen = [detector.inspect(corrupt_all(pixels, {"noise": level}, 7), ignore=ignore) for level in (0, 1)]
    assert (clean, noisy) == pytest.approx([one.score for one in seen], abs=1e-5)
    *_, drawn, _ = client.predict(**asked, ignore="0,0,60,90; 100,0,120,20", regions=True)
    changed = (np.asarray(Image.open(plain)) != np.asarray(Image.open(drawn))).any()
    assert changed == bool(seen[0].regions)


def test_inspect_by_the_name_of_a_shipped_product(client, image):
    scores = client.predict(image, "metal nut", api_name="/inspect")[:2]
    assert scores[0] == scores[1] and 0 <= scores[0] <= 1


def test_sweep_gives_the_scores_of_every_severity_and_a_chart(client, image, pixels, embedded):
    job = client.submit(image, "metal nut", corruptions="noise, blur", seed=5, api_name="/sweep")
    summary, chart = job.result()
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


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Paths of photos of a disc on a table, each in another place and with other stains."""
    folder, rows_columns = tmp_path_factory.mktemp("parts"), np.mgrid[:120, :120]
    for number in range(17):
        random = np.random.default_rng(number)
        distance = np.hypot(*(rows_columns - random.uniform(45, 75, (2, 1, 1))))
        stains = np.kron(random.normal(0, 8, (6, 6)), np.ones((20, 20)))
        pixels = np.where(distance < 40, 170, 60) + stains + random.normal(0, 4, (120, 120))
        Image.fromarray(np.repeat(pixels.astype(np.uint8)[..., None], 3, 2)).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


def test_inspect_with_good_parts_gives_what_the_library_gives_and_says_so(client, parts, embedded):
    good = [handle_file(path) for path in parts[:4]]
    clean, noisy, verdict, *_ = client.predict(
        handle_file(parts[5]), "metal nut", noise=2, good_parts=good, api_name="/inspect"
    )
    detector = Detector.load(ASSETS / "detectors/metal-nut.safetensors", embedded).with_good_parts(parts[:4])
    seen = detector.inspect(parts[5])
    assert clean == pytest.approx(seen.score, abs=1e-4) and noisy < 0.5
    assert verdict.startswith(f"{seen.verdict}, by words and 4 good parts (by words alone {seen.by_words:.2f})")


def test_sweep_with_good_parts_says_what_words_alone_say(client, parts):
    asked = {"image": handle_file(parts[5]), "product": "metal nut", "corruptions": "noise", "api_name": "/sweep"}
    good = [handle_file(path) for path in parts[:2]]
    alone, _ = client.predict(**asked)
    both, _ = client.predict(**asked, good_parts=good)
    memory, _ = client.predict(**asked, method="memory", good_parts=good)
    assert [summary["good_parts"] for summary in (alone, both, memory)] == [0, 2, 2]
    assert both["by_words"]["scores"]["noise"] == pytest.approx(alone["scores"]["noise"], abs=1e-6)
    assert both["scores"]["noise"] != alone["scores"]["noise"] and "by_words" not in {**alone, **memory}
    memory, both = memory["scores"]["noise"], both["scores"]["noise"]
    assert memory[5] > max(0.5, both[5]) and both[3] < 0.5


def test_a_part_of_another_product_is_doubted_in_the_answer(client, parts, tmp_path):
    Image.fromarray((np.indices((120, 120)).sum(0) % 23 * 11).astype(np.uint8)).save(tmp_path / "stripes.png")
    good = [handle_file(path) for path in (*parts[1:4], tmp_path / "stripes.png")]
    verdict = client.predict(handle_file(parts[5]), "metal nut", good_parts=good, api_name="/inspect")[2]
    assert "Good part 4 looks unlike the others" in verdict


def test_good_parts_that_cannot_be_used_get_a_sentence(client, parts, tmp_path):
    (tmp_path / "rubbish.png").write_bytes(b"rubbish")
    (tmp_path / "note.txt").write_text("no photo")
    with zipfile.ZipFile(tmp_path / "parts.zip", "w") as archive:
        for path in parts:
            archive.write(path, path.name)
    for files, sentence in (
        ([parts[0], tmp_path / "rubbish.png"], "good part 'rubbish.png' cannot be used"),
        ([parts[0], tmp_path / "note.txt"], "good part 'note.txt' cannot be used"),
        ([parts[0], parts[0]], "Good part 1 and good part 2 are the same photo"),
        (parts, "17 good parts were given"),
        ([tmp_path / "parts.zip"], "17 good parts were given"),
    ):
        with pytest.raises(AppError, match=sentence):
            good = [handle_file(path) for path in files]
            client.predict(handle_file(parts[5]), "metal nut", good_parts=good, api_name="/inspect")
    with pytest.raises(AppError, match="needs 1 to 16 photos of good parts"):
        client.predict(handle_file(parts[5]), "metal nut", method="memory", api_name="/sweep")


def test_a_call_by_position_that_knows_no_good_parts_still_gets_its_answer(client, image):
    with open(image["path"], "rb") as file:
        (path,) = httpx.post(f"{client.src}gradio_api/upload", files={"files": file}).json()
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "metal nut", None, 0, 0, 0, 0, 0]
    begun = httpx.post(f"{client.src}gradio_api/call/inspect", json={"data": data})
    answer = httpx.get(f"{client.src}gradio_api/call/inspect/{begun.json()['event_id']}").text
    assert "event: complete" in answer


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"corruptions": "fog"}, "corruption 'fog' is not known"),
        ({"corruptions": " , "}, "no corruption"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"method": "memory"}, "needs 1 to 16 photos"),
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
        ({"ignore": "1,2,3"}, "'1,2,3' is no place to leave out"),
        ({"ignore": "/etc/hostname"}, "'/etc/hostname' is no place to leave out"),
        ({"ignore": "0,0,999,999"}, "whole picture is left out"),
        ({"product": "x" * 10_000}, "10000 characters"),
        ({"product": "<script>"}, "'<script>' contains markup"),
        ({"image": None}, "no image"),
        ({"image": 7}, "of the wrong type"),
        ({"mode": "finest"}, 'mode must be "fast" or "fine"'),
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
        ({"product": "nut", "steps": 1e9}, "Steps must be"),
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
    answer = httpx.get(f"{client.src}gradio_api/call/inspect/{begun.json()['event_id']}").text
    assert "event: error" in answer and "must be uploaded first" in answer and "event: complete" not in answer


def test_only_the_named_endpoints_are_public_and_they_are_documented(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {"/train", "/inspect", "/looks", "/sweep", "/batch"}
    assert [entry["parameter_name"] for entry in endpoints["/inspect"]["parameters"]][:3] == [
        "image",
        "product",
        "detector",
    ]
    for endpoint in endpoints.values():
        assert endpoint["description"]
