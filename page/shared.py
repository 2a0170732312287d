"""What all visitors share: the backbone, the samples, the detectors trained beforehand, the latest encodings."""

import hashlib
import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from page.parts import Part
from zsad_core import detector_file
from zsad_core.archives import ImageFiles
from zsad_core.backbone import Backbone
from zsad_core.baselines import METHODS, Fitted, ImageBatch, Resources, method_named
from zsad_core.baselines.memory import GoodPartsMemory
from zsad_core.baselines.ours import FittedDetector
from zsad_core.cascade import closest_side
from zsad_core.comparison import first_product, read_figures
from zsad_core.corruptions import corrupt_all
from zsad_core.detector import Detector, Inspection, Training
from zsad_core.elongated import squares_in
from zsad_core.errors import InputError
from zsad_core.figures import data_address
from zsad_core.good_parts import MOST, reduced
from zsad_core.ignored import Box, Ignored
from zsad_core.images import Page, image_size, read_image_with_notes, read_pages
from zsad_core.names import Names
from zsad_core.prompts import clean_product_name
from zsad_core.recipe import Recipe

MOST_DECODED = 25_000_000  # pixels of an image; a JPEG is decoded at a reduced size, so a phone's 48 million pass
LONGEST = 1024  # pixels; a larger image is reduced to this before anything else happens to it
FINEST = 4096  # the same where it is looked at closely
MOST_PASSES = 72_000  # through the text encoder in one training: the preset poster-scale with eight adjectives
KEPT_BATCHES = 12  # images with their encodings, about 4 MB each
KEPT_STRIPS = 2  # the same of elongated images, up to 80 MB each
KEPT_CLOSER = 4  # pictures and maps of closer looks, as they are shown: up to 8 MB each
KEPT_DETECTORS = 16
KEPT_FITTED = 192  # other methods by product: two vectors each, or an FNN
KEPT_MEMORIES = 16  # of good parts, 12 MB each at most
OURS, MEMORY = "ours", GoodPartsMemory.name  # names of methods


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
        compared: the figures of all methods on the samples, made beforehand; None where there are none.
        missing: by name, why a method cannot run here; None where it can. MEMORY can where there are good parts.
        names: holds product names against pictures.
    """

    def __init__(self, backbone: Backbone, assets: Path, training: Callable[..., Training] | None = None):
        """`training` makes what visitors ask for in place of `Detector.training`."""
        self.backbone, self._training, self.names = backbone, training, Names(backbone)
        self.samples = read_samples(assets / "samples", first_product(assets / "comparison.json"))
        named = {OURS: METHODS[OURS], **METHODS, MEMORY: GoodPartsMemory}
        self.methods = {name: made(backbone) for name, made in named.items()}
        self.missing = {name: method.missing() for name, method in self.methods.items()}
        self._batches, self._strips = LruCache(KEPT_BATCHES), LruCache(KEPT_STRIPS)
        self._fitted, self._closer = LruCache(KEPT_FITTED), LruCache(KEPT_CLOSER)
        self._detectors, self._memories = LruCache(KEPT_DETECTORS), LruCache(KEPT_MEMORIES)
        self.shipped = self._read_shipped(assets / "detectors")
        self.compared = read_figures(assets / "comparison.json", backbone)

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

    def detector_in(self, path: str) -> Detector:
        """The detector in a file. Raises InputError."""
        return self.detector_from(detector_file.read(path))

    def part(self, pixels: np.ndarray, name: str) -> Part:
        """A photo (H, W, 3) uint8 as a part, no larger than it is remembered."""
        return Part(reduced(pixels, self.backbone.image_size), name)

    def parts_in(
        self, paths: Sequence[str] | None, tell: Callable[[str], None] = lambda said: None
    ) -> tuple[Part, ...]:
        """The photos in files and zips, none labelled damaged. Raises InputError: too many, or one cannot be read.

        Args:
            tell: gets a sentence on each file that is left out, and on how a photo was read.
        """
        if not paths:
            return ()
        files = ImageFiles(paths, lambda source: [Page(*read_photo_with_notes(source))], intact_only=True)
        if len(files) > MOST:
            raise InputError(f"{len(files)} good parts were given: give 1 to {MOST} photos.")
        for left_out in files.skipped:
            if not left_out.by_place:
                raise InputError(f"The good part {left_out.name!r} cannot be used: {left_out.reason}")
            tell(f"{left_out.name!r} is left out: {left_out.reason}")
        parts = []
        for entry, photo in files:
            if isinstance(photo, InputError):
                raise InputError(f"The good part {entry.name!r} cannot be used: {photo}") from photo
            for note in photo[0].notes:
                tell(f"{entry.name!r}: {note}")
            parts.append(self.part(photo[0].pixels, entry.name))
        return tuple(parts)

    def with_good_parts(self, detector: Detector, parts: Sequence[Part]) -> Detector:
        """The detector that knows good parts too, in place of those it knew; itself where there are none.

        Raises:
            InputError: too many, or one twice.
        """
        if not parts:
            return detector
        return self._memories.get(
            (detector, *(part.digest for part in parts)),
            lambda: detector.with_good_parts([part.pixels for part in parts]),
        )

    def detector_for(self, product: str) -> Detector:
        """The shipped detector of a product, or else one trained now with the quick recipe. Raises InputError."""
        product = clean_product_name(product)
        if product in self.shipped:
            return self.shipped[product]
        return self._detectors.get(product, lambda: self._trained(product))

    def training(self, product: str, recipe: Recipe, seed: int = 0) -> Training:
        """A training to iterate over. Raises InputError: where it is more than a visitor's, at once or on the way."""
        check_visitors_recipe(recipe)
        return (self._training or Detector.training)(self.backbone, product, recipe, seed)

    def _trained(self, product: str) -> Detector:
        training = self.training(product, Recipe.quick())
        for _ in training:
            pass
        return training.detector

    def runnable(self, method: str) -> str:
        """The name of a method, unchanged. Raises InputError where there is none of that name, or it cannot run."""
        if why := self.missing[method if method in self.missing else method_named(method).name]:
            raise InputError(why)
        return method

    def fitted(self, method: str, detector: Detector, parts: Sequence[Part] = ()) -> Fitted:
        """A method for the product of a detector; ours is that detector. Raises InputError where it cannot run.

        Args:
            parts: good parts for MEMORY, which nothing else is made of.
        """
        if method == MEMORY and parts:
            return self._memories.get((MEMORY, *(part.digest for part in parts)), lambda: self._memory(parts, detector))
        if self.methods[self.runnable(method)].is_ours:
            return FittedDetector(detector)
        return self._fitted.get((method, detector.product), lambda: self.methods[method].fit(detector.product))

    def _memory(self, parts: Sequence[Part], detector: Detector) -> Fitted:
        resources = Resources(good_parts=[part.pixels for part in parts])
        return GoodPartsMemory(self.backbone, resources).fit(detector.product)

    def forget_unasked(self, seconds: float) -> None:
        """Forgets the photos, and what was computed of them, that nobody has asked for in so many seconds."""
        for cache in (self._batches, self._strips, self._closer, self._detectors, self._fitted, self._memories):
            cache.forget_unasked(seconds)

    def look(
        self,
        detector: Detector,
        pixels: np.ndarray,
        severities: Mapping[str, int] | None = None,
        seed: int = 0,
        method: str = OURS,
        parts: Sequence[Part] = (),
        mode: str = "fast",
    ) -> tuple[np.ndarray, Inspection]:
        """The image under these corruptions, and what the detector, or another method in its place, says about it.

        Args:
            parts: as for `fitted`.
            mode: "fine" looks closer, by ours only, and keeps nothing of it.

        Raises:
            InputError: a severity or seed that cannot be used, or a method that cannot run.
        """
        if mode == "fine":
            shown = corrupt_all(pixels, severities or {}, seed)
            return shown, detector.inspect(shown, mode=mode)
        fitted = self.fitted(method, detector, parts)
        batch = self.image_batch(pixels, severities, seed)
        return batch.images[0], fitted.inspect(batch)[0]

    def gains_by_closer_look(self, file: str) -> bool:
        """Whether a photo has so many pixels that a closer look sees more than one look. Raises InputError."""
        width, height = image_size(file)
        scale = min(1, FINEST / max(width, height))
        return closest_side(int(height * scale), int(width * scale), self.backbone.image_size) is not None

    def look_closer(
        self,
        detector: Detector,
        file: str,
        shown: tuple[int, int],
        severities: Mapping[str, int],
        ignored: Box | None = None,
    ) -> tuple[np.ndarray, Inspection]:
        """As `look` in the mode "fine" at the photo in a file; picture and map are given as large as it is shown.

        Args:
            shown: its height and width on the page. ignored: what of it is left out, in pixels of the page.

        Raises:
            InputError: as `look`, or the file is gone.
        """
        key = (detector, file, shown, tuple(sorted(severities.items())), ignored)
        return self._closer.get(key, lambda: self._looked_closer(detector, file, shown, severities, ignored))

    def _looked_closer(self, detector, file, shown, severities, ignored) -> tuple[np.ndarray, Inspection]:
        if not Path(file).is_file():
            raise InputError("The file of the photo is no longer kept here: upload it again to look closer.")
        large = corrupt_all(read_photo_with_notes(file, FINEST)[0], severities)
        left_out = Ignored((_scaled(ignored, shown, large.shape[:2]),)) if ignored else None
        seen = detector.inspect(large, "fine", left_out)
        size = shown[::-1]
        anomaly_map = np.asarray(Image.fromarray(seen.map).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
        picture = np.asarray(Image.fromarray(large).resize(size, Image.Resampling.BICUBIC))
        return picture, replace(seen, map=anomaly_map)

    def image_batch(self, pixels: np.ndarray, severities: Mapping[str, int] | None = None, seed: int = 0) -> ImageBatch:
        """The image under these corruptions, with what has been computed of it so far. Raises InputError as `look`."""
        severities = {kind: severity for kind, severity in (severities or {}).items() if severity != 0}
        # What cannot be hashed is no severity, and is refused by corrupt_all.
        levels = tuple(sorted((str(kind), repr(severity)) for kind, severity in severities.items()))
        key = (hashlib.sha256(pixels).digest(), pixels.shape, levels, repr(seed))
        kept = self._strips if squares_in(*pixels.shape[:2]) > 1 else self._batches
        return kept.get(key, lambda: ImageBatch(self.backbone, [corrupt_all(pixels, severities, seed)]))


class LruCache:
    """The latest results of costly functions, by key; each is made once, however many ask for it meanwhile."""

    def __init__(self, limit: int):
        self._limit, self._lock = limit, threading.Lock()
        self._results: OrderedDict[object, _Result] = OrderedDict()

    def get(self, key, make: Callable):
        """What is kept under the key; made, outside the lock, and kept if there is nothing.

        What `make` raises is raised for all who wait for it, and not kept.
        """
        with self._lock:
            result = self._results.get(key)
            mine = result is None
            if mine:
                result = self._results[key] = _Result()
                while len(self._results) > self._limit:
                    self._results.popitem(last=False)
            self._results.move_to_end(key)
            result.asked = time.monotonic()
        if mine:
            try:
                result.future.set_result(make())
            except BaseException as error:
                with self._lock:
                    if self._results.get(key) is result:
                        del self._results[key]
                result.future.set_exception(error)
        return result.future.result()

    def forget_unasked(self, seconds: float) -> None:
        """Forgets what nobody has asked for in so many seconds."""
        before = time.monotonic() - seconds
        with self._lock:
            for key in [key for key, result in self._results.items() if result.asked < before]:
                del self._results[key]


@dataclass
class _Result:
    future: Future = field(default_factory=Future)
    asked: float = 0.0


def check_visitors_recipe(recipe: Recipe) -> None:
    """Raises InputError where a training is longer than one visitor may have it on a page shared by many."""
    states = 1 + len(recipe.adjectives)
    asked = recipe.prompts * recipe.steps * states
    if asked > MOST_PASSES:
        raise InputError(
            f"{recipe.prompts} prompts x {recipe.steps:,} steps x {states} states (normal and {states - 1} adjectives) "
            f"are {asked:,} passes through the text encoder, and a visitor may have {MOST_PASSES:,}: take fewer "
            "prompts, steps or adjectives."
        )


def read_photo(source) -> np.ndarray:
    """An image as the page works on it: (H, W, 3) uint8, its longer side at most LONGEST pixels. Raises InputError."""
    return read_photo_with_notes(source)[0]


def read_photo_with_notes(source, longest: int = LONGEST) -> tuple[np.ndarray, list[str]]:
    """As `read_photo`, and what its visitor should know of how it was read, a sentence each."""
    return read_image_with_notes(source, longest=_longest(source, longest), most_pixels=MOST_DECODED)


def read_photo_pages(source) -> list[Page]:
    """As `read_photo`, every page of a TIFF and every frame of a GIF, with the notes of each. Raises InputError."""
    return read_pages(source, longest=_longest(source, LONGEST), most_pixels=MOST_DECODED)


def _longest(source, longest: int) -> int:
    """The pixels that the longer side of an image may have, where one that is not elongated may have `longest`.

    An elongated image may have as many pixels as a square one, up to 16:1: its squares would be too small else.
    """
    if not isinstance(source, (str, Path, bytes)):
        return longest
    width, height = image_size(source)
    if squares_in(height, width) == 1:
        return longest
    return max(longest, round(LONGEST * min(4, math.sqrt(max(width, height) / min(width, height)))))


def read_samples(folder: Path, first: str | None = None) -> dict[str, Sample]:
    """The samples that index.json in a folder names, two a product, those of `first` first. Raises InputError."""
    try:
        entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        entries.sort(key=lambda entry: entry["product"] != first)
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


def _scaled(box: Box, size: tuple[int, int], other: tuple[int, int]) -> Box:
    """A rectangle in a picture of a size (height, width), in one of another size; no smaller for being rounded."""
    down, across = other[0] / size[0], other[1] / size[1]
    x0, y0, x1, y1 = box
    return math.floor(x0 * across), math.floor(y0 * down), math.ceil(x1 * across), math.ceil(y1 * down)


def _if_it_fits(path: Path, backbone: Backbone) -> Detector | None:
    """The detector in a file, or None where it was trained on another backbone or cannot be read."""
    try:
        return Detector.load(path, backbone)
    except InputError:
        return None
