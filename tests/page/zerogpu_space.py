"""A Space on ZeroGPU on a machine without one: the real `spaces` package with its forked workers, a scheduler of ours,
and the CPU in the GPU's place. Run by test_zerogpu.py in a process of its own, because the package changes torch."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = []


class Scheduler(BaseHTTPRequestHandler):
    """Grants every call a worker of its own."""

    def do_POST(self):
        asked.append(self.path.partition("?")[0])
        told = {"idle": False, "nvidiaIndex": len(asked), "nvidiaUUID": "none", "allowToken": str(len(asked))}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Scheduler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ.update(SPACES_ZERO_GPU="1", SPACES_ZERO_DEVICE_API_URL=f"http://127.0.0.1:{server.server_port}")

from page import zerogpu  # noqa: E402, I001

import numpy as np  # noqa: E402
import torch  # noqa: E402
from spaces.zero import torch as places  # noqa: E402
from spaces.zero import utils  # noqa: E402

for name in ("unpatch", "init", "move"):
    setattr(places, name, lambda *_, **__: None)
places.size = lambda: 0
utils.self_cgroup_device_path = lambda: "/"

from tiny_clip import TINY  # noqa: E402

from zsad_core.backbone import random_backbone  # noqa: E402
from zsad_core.detector import Detector  # noqa: E402
from zsad_core.errors import InputError  # noqa: E402
from zsad_core.recipe import Recipe  # noqa: E402


def main():
    torch.set_num_threads(1)
    assert zerogpu.runs_here()
    backbone = random_backbone(TINY)
    lent, training = zerogpu.use_loaned_gpu(backbone, device="cpu")
    told = {}

    images = list(np.random.default_rng(0).integers(0, 255, (3, 40, 30, 3), dtype=np.uint8))
    own, far = backbone.encode(images), lent.encode(images)
    told["encodings equal"] = torch.equal(own.image, far.image) and torch.equal(own.dense, far.dense)
    told["windows equal"] = torch.equal(*(one.dense_vectors(images, mode="windows") for one in (backbone, lent)))
    vectors, cover = zip(*(one.window_vectors(one.preprocess(images), 2) for one in (backbone, lent)))
    told["window vectors equal"] = torch.equal(*vectors) and torch.equal(*cover)
    told["workers for images"] = asked.count("/allow")

    recipe = Recipe(prompts=4, steps=6, classifier_steps=30)
    detector, run = Detector.fit(backbone, "nut", recipe, 3), training(lent, "nut", recipe, 3)
    phases = [progress.phase for progress in run]
    told["last phase"] = phases[-1]
    told["same detector"] = all(
        torch.equal(tensor, run.detector._tensors()[name]) for name, tensor in detector._tensors().items()
    )
    told["scores on the lent backbone"] = run.detector.inspect(images[0]).score == detector.inspect(images[0]).score
    told["trained in this process"] = asked.count("/allow") == told["workers for images"]

    long = Recipe(prompts=4, steps=1000, classifier_steps=30)
    first, second = (training(lent, "nut", recipe, 0) for recipe in (long, recipe))
    for count, _ in enumerate(first):
        if count == 3:
            first.stop()
            for _ in second:
                pass
    told["stopped early"] = first.detector.health["steps"] < 1000
    told["the other's steps"] = second.detector.health["steps"]
    left = training(lent, "nut", long, 0)
    next(iter(left))
    left._steps.close()
    third = training(lent, "nut", recipe, 0)
    third.stop()
    for _ in third:
        pass
    told["stopped before it began"] = third.detector.health["steps"]
    fourth = training(lent, "nut", recipe, 0)
    for _ in fourth:
        pass
    told["steps after all that"] = fourth.detector.health["steps"]
    try:
        list(training(lent, "", recipe, 0))
    except InputError as error:
        told["error"] = str(error)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
