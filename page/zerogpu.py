"""ZeroGPU, a Space whose GPU is lent call by call: trainings and image encodings run on it, in the worker process that
the `spaces` package forks for each. All else, the page's memory too, stays in this process and on the CPU."""

try:
    import spaces  # before torch, which it prepares for this
except ImportError:  # such a Space brings it; nothing else needs it
    spaces = None

import copy
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import RawArray

import torch

from zsad_core.backbone import Backbone
from zsad_core.detector import Detector, Training
from zsad_core.errors import InputError
from zsad_core.progress import Progress
from zsad_core.recipe import Recipe

TRAINING, ENCODING = 120, 15  # seconds of the GPU that a call asks for; only what it takes is counted
TRAININGS = 16  # at once; a further one waits
ON_PIXELS = ("encode_pixels", "window_vectors", "dense_over_windows")  # what costs time in a backbone


def runs_here() -> bool:
    """Is this a Space on ZeroGPU?"""
    return spaces is not None and spaces.config.Config.zero_gpu


def use_loaned_gpu(backbone: Backbone, device: str = "cuda") -> tuple[Backbone, Callable[..., Training]]:
    """The backbone with its image tower on the lent GPU, and trainings there, in place of `Detector.training`.

    Args:
        backbone: on the CPU; a copy of it goes to `device`.

    A small backbone comes back as it is: on the CPU it takes less time than a loan, and no visitor's quota.
    """
    # An optimiser on the CPU asks for the state of the GPU that torch is made to believe in, and that is not there yet.
    torch.optim.Optimizer._accelerator_graph_capture_health_check = lambda optimiser: None
    there, stops = backbone.on(device), RawArray("b", TRAININGS)  # both are inherited by the workers

    @spaces.GPU(duration=ENCODING)
    def run(method, pixels, *arguments):
        found = getattr(there, method)(torch.from_numpy(pixels), *arguments)
        return [part.numpy(force=True) for part in (found if isinstance(found, tuple) else (found,))]

    @spaces.GPU(duration=TRAINING)
    def train(place, product, recipe, seed):
        try:
            training = Detector.training(there, product, recipe, seed)
            for progress in training:
                if stops[place]:
                    training.stop()
                if progress.phase == "done":
                    yield training.detector.to_bytes()
                yield progress
        except InputError as error:  # of other errors ZeroGPU tells nothing but the kind
            yield error

    if backbone.small:  # the two above stay unused, but such a Space must declare a GPU function to start
        return backbone, Detector.training
    places = queue.SimpleQueue()
    for place in range(TRAININGS):
        places.put(place)

    def remote(method):
        def call(pixels, *arguments):
            found = [torch.from_numpy(part) for part in run(method, pixels.numpy(), *arguments)]
            return tuple(found) if len(found) > 1 else found[0]

        return call

    here = copy.copy(backbone)
    for method in ON_PIXELS:
        setattr(here, method, remote(method))
    return here, lambda backbone, *asked: LentTraining(backbone, train, places, stops, *asked)


class LentTraining:
    """A `Training` that goes on in another process: iterate over it, `stop()` it from any thread, take its `detector`.

    Raises:
        InputError: as `Training`, all of it on the way.
    """

    def __init__(self, backbone: Backbone, train, places, stops, product: str, recipe: Recipe, seed: int = 0):
        self._lock, self._stopped, self._place, self._stops = threading.Lock(), False, None, stops
        self._detector: Detector | None = None
        self._steps = self._run(backbone, train, places, (product, recipe, seed))

    def __iter__(self) -> Iterator[Progress]:
        return self._steps

    def stop(self) -> None:
        with self._lock:  # the place may go to another training at any moment
            self._stopped = True
            if self._place is not None:
                self._stops[self._place] = True

    @property
    def detector(self) -> Detector:
        if self._detector is None:
            raise InputError("The training has not ended: iterate over it to its end (stop() makes that soon) first.")
        return self._detector

    def _run(self, backbone, train, places, asked) -> Iterator[Progress]:
        place = places.get()
        with self._lock:
            self._place, self._stops[place] = place, self._stopped
        steps = train(place, *asked)
        try:
            for made in steps:
                if isinstance(made, InputError):
                    raise made
                if isinstance(made, bytes):
                    self._detector = Detector.from_bytes(made, backbone)
                else:
                    yield made
        finally:  # also where the loop over this was left: the worker ends before another training gets its place
            self.stop()
            steps.close()
            with self._lock:
                self._place = None
            places.put(place)
