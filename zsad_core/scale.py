"""The scale of scores and maps: .5 where a picture is as likely good as damaged, and both in one unit.

One relation holds on every scale: the score is the value of the map at its hottest places. So a picture that scores
over .5 has a place over .5, and a picture without one scores less.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import torch

from .errors import InputError

LEAST_PROBABILITY = 1e-6  # nearer to 0 or 1 a probability in float32 says no more
STEEPEST = 1000.0  # a weight of log-odds; fitted ones are under 10


@dataclass(frozen=True)
class Scale:
    """How the log-odds of a method become a score and a map.

    score = sigmoid(whole * log-odds of the image + places * mean log-odds of the hottest places + offset)

    Attributes:
        whole, places: weights, 0 or more and not both 0, so that more evidence of damage never lowers the score.
        offset: brings the picture that is as likely good as damaged to .5.
        hottest: share of the map whose mean counts, over 0 to 1; at least one place.
        contrast: over 0, weight of the log-odds by which a place differs from the hottest ones, in the map.
    """

    whole: float = 1.0
    places: float = 0.0
    offset: float = 0.0
    hottest: float = 0.05
    contrast: float = 1.0

    def __call__(self, whole: torch.Tensor, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N,) and maps (N, rows, columns) of N images.

        Args:
            whole: (N,) probability that the image is abnormal. patches: (N, rows, columns) that each place is.
        """
        places = log_odds(patches)
        hottest = hottest_mean(places, self.hottest)  # (N,)
        evidence = self.whole * log_odds(whole) + self.places * hottest + self.offset  # (N,)
        maps = evidence[:, None, None] + self.contrast * (places - hottest[:, None, None])
        return evidence.sigmoid(), maps.sigmoid()

    def to_dict(self) -> dict[str, float]:
        """As plain values for a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> "Scale":
        """The scale in a file of a stranger.

        Raises:
            InputError: a value is missing, unknown, no finite number, or such that the scale is not monotone.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping) or sorted(map(str, values)) != sorted(names):
            raise InputError(f"A scale must give exactly {', '.join(names)}.")
        for name in names:
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"The {name} of a scale is {value!r:.40}, and must be a number.")
            if not abs(value) <= STEEPEST:  # also catches NaN
                raise InputError(f"The {name} of a scale is {value!r:.40}, and must be within {STEEPEST:.0f}.")
        scale = cls(**{name: float(values[name]) for name in names})
        if min(scale.whole, scale.places) < 0 or scale.whole + scale.places <= 0 or scale.contrast <= 0:
            raise InputError("A scale is not monotone: its weights must be 0 or more, not both 0, its contrast over 0.")
        if not 0 < scale.hottest <= 1:
            raise InputError(f"The hottest share of a scale is {scale.hottest!r:.40}, and must be over 0, at most 1.")
        return scale


# Where nothing was measured: what a method's paper says, the image vector alone, and for ours AnoVL's rule (arXiv
# 2308.15939), the image vector and the map's peak in equal parts.
PAPERS = Scale()
LITERATURE = Scale(whole=0.5, places=0.5, hottest=1e-6)


def log_odds(probability: torch.Tensor) -> torch.Tensor:
    """The log-odds of probabilities of any shape, finite for those that are finite."""
    return probability.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY).logit()


def hottest_mean(places: torch.Tensor, share: float) -> torch.Tensor:
    """The mean over this share of the places, one at least, that are hottest: (N, rows, columns) -> (N,)."""
    flat = places.flatten(1)
    return flat.topk(max(1, round(flat.shape[1] * share)), dim=1).values.mean(dim=1)
