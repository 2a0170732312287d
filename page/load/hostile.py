"""A hostile visitor: sends what no page of ours sends, hangs up, and expects a sentence for everything."""

import io
import json
import re
import socket
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

LARGEST = {"product": "chain", "prompts": 24, "words": 8, "steps": 1000}  # that the page allows
LIMIT = 120  # seconds for an answer, after which something is broken
UPLOADED = {"_type": "gradio.FileData"}
PROGRAM = re.compile(r"Traceback|\.py\b|show_error|Errno|Exception|went wrong|\n")


def is_sentence(answer: str) -> bool:
    """Whether this is written for a person, and is not a program talking to itself."""
    return len(answer) > 20 and answer.endswith(".") and not PROGRAM.search(answer)


def rubbish(folder: Path) -> Iterator[tuple[str, str, dict]]:
    """What is wrong, the endpoint it is sent to, and the values."""
    encoded = io.BytesIO()
    Image.linear_gradient("L").save(encoded, "PNG")
    png = encoded.getvalue()

    def file(name, data):
        (folder / name).write_bytes(data)
        return handle_file(folder / name)

    good = file("good.png", png)
    for name, data in {
        "empty.png": b"",
        "cut.png": png[: len(png) // 2],
        "words.jpg": b"this is no picture",
        "script.svg": b"<svg onload='alert(1)'/>",
        "vast.png": _vast_png(60_000),
    }.items():
        yield name, "/inspect", {"image": file(name, data)}
    yield "a zip of nothing", "/batch", {"images": [file("rubbish.zip", b"PK\3\4" + bytes(99))]}
    yield "a pickle as detector", "/inspect", {"image": good, "detector": file("pickle.safetensors", b"\x80\4c.")}
    for what, values in {
        "a name with markup": {"product": "<script>alert(1)</script>"},
        "a name without letters": {"product": "🔩"},
        "no name": {"product": None},
        "a very long name": {"product": "nut " * 5000},
        "a severity too high": {"blur": 99},
        "a severity in words": {"noise": "much"},
        "a list of severities": {"contrast": [1, 2]},
        "a seed in words": {"seed": "x"},
        "a seed as a list": {"seed": [1]},
        "a path as image": {"image": "../../../etc/hostname"},
        "a number as image": {"image": 7},
        "an address as image": {"image": {"url": "http://127.0.0.1:1/", "meta": UPLOADED}},
    }.items():
        yield what, "/inspect", {"image": good, **values}
    for what, values in {
        "steps below zero": {"steps": -1},
        "steps without end": {"steps": 1e9},
        "prompts as a list": {"prompts": [4]},
        "the work of hours": {"prompts": 256, "steps": 1000, "adjectives": "a, b, c, d, e, f, g, h"},
        "another preset": {"preset": "gigantic"},
        "too long an adjective": {"adjectives": "x" * 1000},
        "a seed that is no number": {"seed": "nan"},
    }.items():
        yield what, "/train", {"product": "chain", **values}
    yield "another corruption", "/sweep", {"image": good, "product": "chain", "corruptions": "fog"}
    yield "another method", "/sweep", {"image": good, "product": "chain", "method": "../ours"}


def _vast_png(side: int) -> bytes:
    """A few bytes that claim to be a picture of `side` pixels squared."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def attack(address: str) -> list[tuple[str, str]]:
    """Sends everything once.

    Returns:
        What got no sentence, and what it got instead; empty where all is well.
    """
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        client = Client(address, verbose=False, download_files=folder)
        try:
            for what, endpoint, values in rubbish(Path(folder)):
                try:
                    answer = f"no error: {client.predict(**values, api_name=endpoint)}"
                except AppError as error:
                    answer = str(error)
                if not is_sentence(answer):
                    faults.append((what, answer))
        finally:
            client.close()
    for path in (__file__, "/etc/hostname"):
        answer = read_on_the_server(address, path)
        if not is_sentence(answer):
            faults.append((f"{path} on the server", answer))
    faults += [(what, answer) for what, answer in raw_requests(address) if not is_sentence(answer)]
    unfinished_request(address)
    leave_while_training(address)
    return faults


def read_on_the_server(address: str, path: str) -> str:
    """Asks for the score of a file that was not uploaded; gives what the page says."""
    data = [{"path": path, "meta": UPLOADED}, "chain", None, 0, 0, 0, 0, 0]
    with httpx.Client(base_url=f"{address}gradio_api/", timeout=LIMIT) as client:
        return _answer_to(client, "inspect", data)


def raw_requests(address: str) -> Iterator[tuple[str, str]]:
    """Requests that no client of gradio sends: what each one is, and the page's answer."""
    with httpx.Client(base_url=f"{address}gradio_api/", timeout=LIMIT) as client:
        for way in ("run/inspect", "api/inspect", "run/train", "api/sweep/", "run/batch"):
            yield f"{way} around the queue", client.post(way, json={"data": []}).text.removesuffix('"}')
        for way in ("stream/1", "process_recording", "component_server", "deep_link?session_hash=1"):
            yield way, client.request("GET" if "?" in way else "POST", way).text
        one = {"path": "none.png", "meta": UPLOADED}
        yield "12,000 references", _answer_to(client, "batch", [[one] * 12_000, "chain", None, None])
        yield "20 MB in a call", client.post("call/train", content=bytes(20 << 20)).text
        join = {"data": [], "fn_index": 10_000, "session_hash": "1"}
        yield "an endpoint that is not there", client.post("queue/join", json=join).text.removesuffix('"}')


def fill(address: str, session: str, count: int) -> list[str]:
    """Asks for so many trainings as one visitor, and hangs up; gives the answers to those that were refused."""
    refused: list[str] = []
    with httpx.Client(base_url=f"{address}gradio_api/", timeout=LIMIT) as client:
        train = next(one["id"] for one in client.get("../config").json()["dependencies"] if one["api_name"] == "train")
        values = [LARGEST["product"], "quick", "damaged", LARGEST["prompts"], 1, LARGEST["steps"], 0]
        body = {"data": values, "fn_index": train, "session_hash": session}
        left = {client.post("queue/join", json=body).json()["event_id"] for _ in range(count)}
        with client.stream("GET", "queue/data", params={"session_hash": session}) as answers:
            for line in answers.iter_lines():
                told = json.loads(line.removeprefix("data: ") or "{}")
                if told.get("msg") == "process_completed":
                    refused.append(told["output"]["error"])
                left.discard(told.get("event_id") if told.get("msg") in ("process_completed", "estimation") else None)
                if not left:
                    return refused
    return refused


def _answer_to(client: httpx.Client, endpoint: str, data: list) -> str:
    """The error that a call of an endpoint is answered with, or else all of the answer."""
    call = client.post(f"call/{endpoint}", json={"data": data}).json()["event_id"]
    answer = client.get(f"call/{endpoint}/{call}").text
    found = re.search(r'event: error\ndata: .*?"error": "(.*?)(?<!\\)"', answer)
    return found.group(1).encode().decode("unicode_escape") if found else answer


def unfinished_request(address: str) -> None:
    """Promises a body, sends half of it, and hangs up."""
    to = urlsplit(address)
    with socket.create_connection((to.hostname, to.port), timeout=LIMIT) as line:
        head = "POST /gradio_api/call/train HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(f'{head}Content-Length: 1000\r\n\r\n{{"data": ["chain", '.encode())


def leave_while_training(address: str, **recipe) -> None:
    """Starts the largest training there is, or another one, and hangs up at its first sign of life."""
    with httpx.Client(base_url=f"{address}gradio_api/", timeout=LIMIT) as client:
        call = client.post("call/v2/train", json={**LARGEST, **recipe}).json()["event_id"]
        with client.stream("GET", f"call/train/{call}") as answer:
            next(line for line in answer.iter_lines() if "generating" in line)
