"""What all visitors share: the backbone, the samples, the detectors trained beforehand, the latest encodings."""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from zsad_core.backbone import Backbone
from zsad_core.baselines import METHODS, Fitted, ImageBatch, method_named
from zsad_core.baselines.ours import FittedDetector
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt_all
from zsad_core.detector import Detector, Inspection, Training
from zsad_core.errors import InputError
from zsad_core.figures import data_address
from zsad_core.images import read_image
from zsad_core.prompts import clean_product_name
from zsad_core.recipe import Recipe

LONGEST = 1024  # pixels; a larger image is reduced to this before anything else happens to it
FIRST = "metal nut"  # the product on the first screen
KEPT_BATCHES = 12  # images with their encodings, about 4 MB each
KEPT_DETECTORS = 16
KEPT_FITTED = 64  # other methods by product: two vectors each, or an FNN


@dataclass(frozen=True)
class Sample:
    """An image that comes with the page: `name` is "metal-nut/damaged", `description` "metal nut, damaged: crack"."""

    name: str
    product: str
    description: str
    pixels: np.ndarray

    @cached_property
    def thumbnail(self) -> str:
        return data_address(self.pixels, 96)


class SharedState:
    """Thread-safe; everything visitors ask for goes through here, so that an image is encoded once.

    Attributes:
        backbone: the one backbone of this page.
        samples: by name, the damaged one of each product before the intact one.
        shipped: detectors trained beforehand, by product; at least one.
        methods: by name, ours first, then in the order of the poster's table.
        missing: by name, why a method cannot run here; None where it can.
    """

    def __init__(self, backbone: Backbone, assets: Path, training: Callable[..., Training] | None = None):
        """`training` makes what visitors ask for in place of `Detector.training`."""
        self.backbone, self._training = backbone, training
        self.samples = read_samples(assets / "samples")
        self.methods = {"ours": METHODS["ours"](backbone), **{name: made(backbone) for name, made in METHODS.items()}}
        self.missing = {name: method.missing() for name, method in self.methods.items()}
        self._batches, self._fitted = LruCache(KEPT_BATCHES), LruCache(KEPT_FITTED)
        self._detectors = LruCache(KEPT_DETECTORS)
        self.shipped = self._read_shipped(assets / "detectors")

    def _read_shipped(self, folder: Path) -> dict[str, Detector]:
        detectors = [_if_it_fits(path, self.backbone) for path in sorted(folder.glob("*.safetensors"))]
        shipped = {detector.product: detector for detector in detectors if detector is not None}
        first = next(iter(self.samples.values())).product
        if first not in shipped:  # another backbone than the embedded one: the first screen still needs a detector
            shipped = {first: Detector.fit(self.backbone, first), **shipped}
        return {first: shipped.pop(first), **shipped}

    def detector_from(self, data: bytes) -> Detector:
        """The detector of which these are the bytes. Raises InputError."""
        key = hashlib.sha256(data).digest()
        return self._detectors.get(key, lambda: Detector.from_bytes(data, self.backbone))

    def detector_for(self, product: str) -> Detector:
        """The shipped detector of a product, or else one trained now with the quick recipe. Raises InputError."""
        product = clean_product_name(product)
        if product in self.shipped:
            return self.shipped[product]
        return self._detectors.get(product, lambda: self._trained(product))

    def training(self, product: str, recipe: Recipe, seed: int = 0) -> Training:
        """A training to iterate over. Raises InputError, at once or on the way."""
        return (self._training or Detector.training)(self.backbone, product, recipe, seed)

    def _trained(self, product: str) -> Detector:
        training = self.training(product, Recipe.quick())
        for _ in training:
            pass
        return training.detector

    def runnable(self, method: str) -> str:
        """The name of a method, unchanged. Raises InputError where there is none of that name, or it cannot run."""
        if why := self.missing[method_named(method).name]:
            raise InputError(why)
        return method

    def fitted(self, method: str, detector: Detector) -> Fitted:
        """A method for the product of a detector; ours is that detector. Raises InputError where it cannot run."""
        if self.methods[self.runnable(method)].is_ours:
            return FittedDetector(detector)
        return self._fitted.get((method, detector.product), lambda: self.methods[method].fit(detector.product))

    def look(
        self,
        detector: Detector,
        pixels: np.ndarray,
        severities: Mapping[str, int] | None = None,
        seed: int = 0,
        method: str = "ours",
    ) -> tuple[np.ndarray, Inspection]:
        """The image under these corruptions, and what the detector, or another method in its place, says about it.

        Raises:
            InputError: a severity or seed that cannot be used, or a method that cannot run.
        """
        fitted = self.fitted(method, detector)
        batch = self.image_batch(pixels, severities, seed)
        return batch.images[0], fitted.inspect(batch)[0]

    def image_batch(self, pixels: np.ndarray, severities: Mapping[str, int] | None = None, seed: int = 0) -> ImageBatch:
        """The image under these corruptions, with what has been computed of it so far. Raises InputError as `look`."""
        severities = {kind: severity for kind, severity in (severities or {}).items() if severity != 0}
        # What cannot be hashed is no severity, and is refused by corrupt_all.
        levels = tuple(repr(severities.get(kind, 0)) for kind in POSTER_CORRUPTIONS)
        key = (hashlib.sha256(pixels).digest(), pixels.shape, levels, repr(seed))
        return self._batches.get(key, lambda: ImageBatch(self.backbone, [corrupt_all(pixels, severities, seed)]))


class LruCache:
    """The latest results of costly functions, by key."""

    def __init__(self, limit: int):
        self._limit, self._results, self._lock = limit, OrderedDict(), threading.Lock()

    def get(self, key, make: Callable):
        """What is kept under the key; made, outside the lock, and kept if there is nothing."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = make()
        with self._lock:
            self._results[key] = result
            while len(self._results) > self._limit:
                self._results.popitem(last=False)
        return result


def read_photo(source) -> np.ndarray:
    """An image as the page works on it: (H, W, 3) uint8, its longer side at most LONGEST pixels. Raises InputError."""
    pixels = read_image(source)
    if max(pixels.shape) <= LONGEST:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def read_samples(folder: Path) -> dict[str, Sample]:
    """The samples that index.json in a folder names, two a product, those of FIRST first. Raises InputError."""
    try:
        entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        entries.sort(key=lambda entry: entry["product"] != FIRST)
        samples = [
            Sample(f"{entry['folder']}/{state}", entry["product"], f"{entry['product']}, {state}{detail}", pixels)
            for entry in entries
            for state, detail in (("damaged", f": {entry['damage']}"), ("intact", ""))
            for pixels in [read_photo(folder / entry["folder"] / f"{state}.jpg")]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The sample images in {folder.name} cannot be read ({error}): restore the folder from the "
                         "repository.") from error  # fmt: skip
    return {sample.name: sample for sample in samples}


def _if_it_fits(path: Path, backbone: Backbone) -> Detector | None:
    """The detector in a file, or None where it was trained on another backbone or cannot be read."""
    try:
        return Detector.load(path, backbone)
    except InputError:
        return None
