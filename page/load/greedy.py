"""A greedy visitor: fills slots and queue under ever new sessions, sends large pictures, and goes round the queue."""

import io
import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
from PIL import Image

from page.load.hostile import LARGEST, LIMIT, UPLOADED

PAUSE = 0.05  # seconds between two requests of one hand
LARGE = 5000  # pixels, the side of the pictures


@contextmanager
def greedy(address: str, whence: str) -> Iterator[Counter]:
    """Meanwhile the greedy visitor is at work; counts the answers by what was asked and the status.

    Args:
        whence: the address that it seems to come from, as a proxy on this machine would say.
    """
    answers, enough = Counter(), threading.Event()
    headers = {"X-Forwarded-For": whence}
    with httpx.Client(base_url=f"{address}gradio_api/", headers=headers, timeout=LIMIT) as client:
        picture = _upload_large(client)
        endpoints = {entry["api_name"]: entry["id"] for entry in client.get("../config").json()["dependencies"]}
        largest = [LARGEST["prompts"], LARGEST["words"], LARGEST["steps"]]
        asked = {
            "train": [LARGEST["product"], "quick", "damaged, broken", *largest, 0],
            "sweep": [picture, "metal nut", None, "noise, blur", "ours", 0],
            "inspect": [picture, "metal nut", None, 0, 0, 0, 5, 0],
            "batch": [[picture] * 50, "metal nut", None, None],
        }

        def ask(endpoint, values):
            for number in itertools.count():
                if enough.is_set():
                    return
                if number % 3 == 0:
                    answer = client.post(f"run/{endpoint}", json={"data": values})
                elif number % 3 == 1:
                    answer = client.post(f"call/{endpoint}", json={"data": values})
                else:
                    body = {"data": values, "fn_index": endpoints[endpoint], "session_hash": uuid.uuid4().hex}
                    answer = client.post("queue/join", json=body)
                answers[answer.request.url.path.split("/")[2], answer.status_code] += 1
                time.sleep(PAUSE)

        hands = [threading.Thread(target=ask, args=item, daemon=True) for item in asked.items()]
        for hand in hands:
            hand.start()
        try:
            yield answers
        finally:
            enough.set()
            for hand in hands:
                hand.join()


def _upload_large(client: httpx.Client) -> dict:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8).repeat(LARGE // 50, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.repeat(LARGE // 50, 1)).save(file, "PNG", compress_level=1)
    (path,) = client.post("upload", files={"files": ("large.png", file.getvalue())}).json()
    return {"path": path, "meta": UPLOADED}
