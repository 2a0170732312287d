"""What is chosen in the view Inspect, and the one place where the handlers of all views get it from the components.

A handler that wants it is marked with `takes_selection`, and `InspectView.chosen` are the last of its inputs.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from page.draw import Stroke
from page.parts import Part, words_alone
from page.regions import look_without
from page.shared import MEMORY, OURS, Sample, SharedState
from zsad_core.corruptions import POSTER_CORRUPTIONS, corrupt_all
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError
from zsad_core.ignored import Box
from zsad_core.verdict import NEUTRAL

SLIDERS = POSTER_CORRUPTIONS  # the corruptions that have a slider, in the order on the page


@dataclass(frozen=True, eq=False)
class Photo:
    """An image of the visitor's own, or a sample of which a part is left out, or that something is drawn on.

    Attributes:
        pixels: (H, W, 3) uint8, as it is shown.
        ignored: what is left out, in pixels.
        file: the path of what was uploaded, which may be larger; empty where there is no file.
        closer: whether it is looked at closely, in the pixels of its file.
        undrawn: the name of the sample, or the Photo, that `strokes` are drawn on; None where there are none.
    """

    pixels: np.ndarray
    description: str
    ignored: Box | None = None
    file: str = ""
    closer: bool = False
    undrawn: "str | Photo | None" = None
    strokes: tuple[Stroke, ...] = ()


@dataclass(frozen=True, eq=False)
class Selection:
    """What is chosen, and what that comes to.

    Attributes:
        shared: what holds the detectors, samples and methods to choose from.
        key: of the detector, among the shipped ones or in `own`.
        own: the visitor's own detectors as bytes, by key.
        photo: the name of a sample, or a Photo.
        method: the name of a method; of ours where the parts that it needs are no longer there.
        good: the visitor's good parts, by product.
        words_only: no good part has a say.
        thresholds: where the verdict turns for the visitor, by `scale`; the neutral point where there is none.
        severities: by corruption, 0 to 5, for all of SLIDERS.
    """

    shared: SharedState
    key: str
    own: Mapping[str, bytes]
    photo: str | Photo
    method: str
    good: Mapping[str, tuple[Part, ...]]
    words_only: bool
    severities: Mapping[str, int]
    thresholds: Mapping[tuple, float] = field(default_factory=dict)

    @classmethod
    def of(cls, shared: SharedState, key, own, photo, method, good, words_only, thresholds, *severities) -> "Selection":
        """The selection that the values of `InspectView.chosen` make."""
        levels = dict(zip(SLIDERS, severities, strict=True))
        selection = cls(shared, key, own, photo, method, good, words_only, levels, thresholds)
        return replace(selection, method=OURS) if method == MEMORY and not selection.parts else selection

    @property
    def subject(self) -> tuple:
        """Which image is looked at, and by which detector."""
        digests = tuple(part.digest for parts in self.good.values() for part in parts)
        return self.key, self.photo, self.words_only, digests

    @property
    def parts(self) -> tuple[Part, ...]:
        """The good parts of the detector's product. Raises InputError as `kept`."""
        return self.good.get(self.kept.product, ()) if self.good else ()

    @property
    def scale(self) -> tuple:
        """What a score means depends on: the detector, and the good parts that have a say. Raises InputError."""
        return self.key, () if self.words_only else tuple(part.digest for part in self.parts)

    @property
    def threshold(self) -> float:
        """The score at which the verdict of ours turns. Raises InputError as `kept`."""
        return self.thresholds.get(self.scale, NEUTRAL)

    @property
    def methods(self) -> list[str]:
        """Names of the methods that can run."""
        return [name for name, why in self.shared.missing.items() if not why or name == MEMORY and self.parts]

    @property
    def detector(self) -> Detector:
        """The detector with what it is to know of good parts. Raises InputError as `kept`."""
        return words_alone(self.kept) if self.words_only else self.shared.with_good_parts(self.kept, self.parts)

    @property
    def kept(self) -> Detector:
        """The detector as it was trained or loaded. Raises InputError where it is no longer kept."""
        if self.key in self.own:
            return self.shared.detector_from(self.own[self.key])
        if self.key in self.shared.shipped:
            return self.shared.shipped[self.key]
        raise InputError(f"The detector {self.key!r:.80} is no longer kept here: choose another one or train it again.")

    @property
    def picture(self) -> Sample | Photo:
        return self.photo if isinstance(self.photo, Photo) else self.shared.samples[self.photo]

    @property
    def ignored(self) -> Box | None:
        """What of the image has no say."""
        return self.photo.ignored if isinstance(self.photo, Photo) else None

    @property
    def closer(self) -> bool:
        """Whether the image is looked at closely, which ours alone can."""
        return self.by_ours and isinstance(self.photo, Photo) and self.photo.closer

    @property
    def method_title(self) -> str:
        return self.shared.methods[self.method].title

    @property
    def by_ours(self) -> bool:
        return self.method == OURS

    @property
    def corruptions(self) -> str:
        """The corruptions in words, such as "blur 2, noise 1"; empty where the image stays clean."""
        moved = (f"{kind} {severity}" for kind, severity in self.severities.items() if severity)
        return ", ".join(moved).replace("_", " ")

    def clean(self) -> tuple[np.ndarray, Inspection]:
        """The image (H, W, 3) as it is, and what the method says about it. Raises InputError."""
        return self._look({})

    def corrupted(self) -> tuple[np.ndarray, Inspection]:
        """The corrupted image (H, W, 3), and what the method says about it. Raises InputError."""
        return self._look(self.severities)

    def _look(self, severities: Mapping[str, int]) -> tuple[np.ndarray, Inspection]:
        pixels, method = self.picture.pixels, self.method
        if self.closer:
            return self.shared.look_closer(self.detector, self.photo.file, pixels.shape[:2], severities, self.ignored)
        if self.ignored:
            fitted, pixels = self.shared.fitted(method, self.detector, self.parts), corrupt_all(pixels, severities)
            return pixels, look_without(fitted, self.shared.backbone, pixels, self.ignored)
        return self.shared.look(self.detector, pixels, severities, method=method, parts=self.parts)


def takes_selection(handler: Callable) -> Callable:
    """Makes a view's handler, whose last parameter is a Selection, take the values of `InspectView.chosen` there."""
    *others, _ = inspect.signature(handler).parameters.values()  # self first

    @functools.wraps(handler)
    def with_values(self, *values):
        place = len(others) - 1
        return handler(self, *values[:place], Selection.of(self.shared, *values[place:]))

    # Gradio counts a handler's parameters, and looks among them for the request and the event.
    chosen = inspect.Parameter("chosen", inspect.Parameter.VAR_POSITIONAL)
    with_values.__signature__ = inspect.Signature([*others, chosen])  # type: ignore[attr-defined]
    return with_values
