"""What is chosen in the view Inspect, and the one place where the handlers of all views get it from the components.

A handler that wants it is marked with `takes_selection`, and `InspectView.chosen` are the last of its inputs.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from page.shared import Sample, SharedState
from zsad_core.corruptions import POSTER_CORRUPTIONS
from zsad_core.detector import Detector, Inspection
from zsad_core.errors import InputError

SLIDERS = POSTER_CORRUPTIONS  # the corruptions that have a slider, in the order on the page
OURS = "ours"  # the name of our own method


@dataclass(frozen=True, eq=False)
class Photo:
    """An image of the visitor's own."""

    pixels: np.ndarray  # (H, W, 3) uint8
    description: str


@dataclass(frozen=True, eq=False)
class Selection:
    """What is chosen, and what that comes to.

    Attributes:
        shared: what holds the detectors, samples and methods to choose from.
        key: of the detector, among the shipped ones or in `own`.
        own: the visitor's own detectors as bytes, by key.
        photo: the name of a sample, or a Photo.
        method: the name of a method.
        severities: by corruption, 0 to 5, for all of SLIDERS.
    """

    shared: SharedState
    key: str
    own: Mapping[str, bytes]
    photo: str | Photo
    method: str
    severities: Mapping[str, int]

    @classmethod
    def of(cls, shared: SharedState, key, own, photo, method, *severities) -> "Selection":
        """The selection that the values of `InspectView.chosen` make."""
        return cls(shared, key, own, photo, method, dict(zip(SLIDERS, severities, strict=True)))

    @property
    def subject(self) -> tuple[str, str | Photo]:
        """Which image is looked at, and by which detector."""
        return self.key, self.photo

    @property
    def detector(self) -> Detector:
        """Raises InputError where it is no longer kept."""
        if self.key in self.own:
            return self.shared.detector_from(self.own[self.key])
        if self.key in self.shared.shipped:
            return self.shared.shipped[self.key]
        raise InputError(f"The detector {self.key!r:.80} is no longer kept here: choose another one or train it again.")

    @property
    def picture(self) -> Sample | Photo:
        return self.photo if isinstance(self.photo, Photo) else self.shared.samples[self.photo]

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
        return self.shared.look(self.detector, self.picture.pixels, method=self.method)

    def corrupted(self) -> tuple[np.ndarray, Inspection]:
        """The corrupted image (H, W, 3), and what the method says about it. Raises InputError."""
        return self.shared.look(self.detector, self.picture.pixels, self.severities, method=self.method)


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
