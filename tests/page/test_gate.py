"""The gate before gradio, with a small application behind it."""

import errno

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient

from page import gate
from page.gate import Gate
from page.load.hostile import is_sentence


async def read(request):
    return PlainTextResponse(str(len(await request.body())))


async def fill_the_disk(_request):
    raise OSError(errno.ENOSPC, "No space left on device")


async def wrap(request):
    """As FastAPI does: an error on reading a body becomes an answer of its own."""
    try:
        await request.body()
    except Exception:
        return PlainTextResponse("There was an error parsing the body", 400)


@pytest.fixture
def client():
    paths = {"/gradio_api/upload": read, "/gradio_api/call/train": read, "/gradio_api/call/batch": wrap,
             "/gradio_api/file=monitoring.png": read, "/full": fill_the_disk}  # fmt: skip
    behind = Router([Route(path, to, methods=["GET", "POST"]) for path, to in paths.items()])
    return TestClient(Gate(behind, page=None))


@pytest.mark.parametrize("path", ["stream/1", "process_recording", "component_server/", "deep_link?session_hash=1",
                                  "file=https://example.org/x", "file/HTTP://example.org/x", "proxy=x"])  # fmt: skip
def test_ways_that_nobody_counts_are_closed(client, path):
    answer = client.get(f"/gradio_api/{path}")
    assert answer.status_code == 404 and is_sentence(answer.text)


def test_the_page_s_own_files_and_calls_pass(client):
    assert client.get("/gradio_api/file=monitoring.png").status_code == 200
    assert client.post("/gradio_api/call/train", content=bytes(1000)).text == "1000"


@pytest.mark.parametrize("endpoint", ["train", "batch"])
def test_a_call_that_is_too_large_gets_a_sentence(client, monkeypatch, endpoint):
    monkeypatch.setattr(gate, "MAX_CALL", gate.MEGABYTE)
    answer = client.post(f"/gradio_api/call/{endpoint}", content=bytes(gate.MEGABYTE + 1))
    assert answer.status_code == 413 and answer.text.startswith("The call is over 1 MB") and is_sentence(answer.text)


def test_an_address_has_a_quota_of_uploads_and_others_have_their_own(client, monkeypatch):
    monkeypatch.setattr(gate, "UPLOADS", gate.MEGABYTE)
    assert client.post("/gradio_api/upload", content=bytes(gate.MEGABYTE - 1)).status_code == 200
    refused = client.post("/gradio_api/upload", content=bytes(2))
    assert refused.status_code == 413 and is_sentence(refused.text)
    others = TestClient(client.app, client=("10.0.0.9", 1))
    assert others.post("/gradio_api/upload", content=bytes(2)).status_code == 200


def test_many_small_files_count_for_the_place_they_take(client, monkeypatch):
    monkeypatch.setattr(gate, "UPLOADS", gate.MEGABYTE)
    assert client.post("/gradio_api/upload", content=b"filename=" * 100).status_code == 413


def test_a_full_disk_gets_a_sentence(client):
    answer = client.post("/full")
    assert answer.status_code == 507 and "disk is full" in answer.text and is_sentence(answer.text)
