"""Good parts of a product: a memory of what they look like, held against a picture together with the words.

Every place of a picture has its nearest remembered place. It is suspicious as far as it looks unlike that one (the
distance of PatchCore, arXiv 2106.08265), and as far as words call it damaged. The memory also holds the parts as a
shift of brightness, contrast, focus or noise would show them, so that a shift is nothing unlike. The verdict turns a
little above what the parts score themselves, each looked for among the others. What words alone say of the picture
counts as much as one part: the fewer the parts, the more.

Every constant was chosen on the renders of `training.yardstick`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .cores import side_by_side
from .corruptions import POSTER_CORRUPTIONS, corrupt
from .elongated import cut, squares_in
from .errors import InputError, quoted
from .images import read_image_with_notes
from .maps import enlarged
from .scale import log_odds

MOST = 16  # good parts
SEVERITIES = 2, 4  # of the corrupted looks that are remembered
LARGEST = 1.25  # sides of what the tower reads, to which a larger photo is brought before it is corrupted
PLACES = 12288  # remembered at most: all that five parts show `embedded`
SQUARES = 64  # of elongated parts, all together, that are remembered; more would take minutes
MEMORY_BYTES = 12_000_000  # at most, in half precision: a detector's file has 20 MB
HOTTEST = 0.01  # share of the picture whose mean decides
WORDS_WEIGHT = 2.5  # of what words say against the distance, each in deviations over places of good parts
MARGIN = 1.5  # deviations of the parts' own scores above their mean at which the verdict turns
SOFTNESS = 1.5  # deviations that the score needs from .5 to .73
STRANGE = 1.6  # times the distance that most of any other clean photo has to the rest, at which a part is doubted
STANDS_OUT = 15.0  # deviations above the hottest of the other clean photos at which it is doubted too
THUMBNAIL = 32  # pixels, on which photos are compared
SAME_PHOTO = 1.5, 12  # levels of 255 by which two copies of a photo differ at most: on average, and anywhere
ALARMING = 0.9  # score by words alone over which a part is doubted: 1 % of the yardstick's intact, 33 % of its damaged
LEAST_APART = 0.1, 0.03  # distance and deviation at least: three alike by chance must not cast doubt on a fourth
LEAST_SPREAD = 0.2  # parts that are all but the same picture say little of how good parts differ
LEAST_DEVIATION = torch.finfo(torch.float16).eps  # of distances and of what words say
MOST_SCALE = 1e5  # of the numbers in `Memory.scale`; at LEAST_DEVIATION a heat may come to some thousands
UNIT = 0.02  # by which the length of a remembered place may differ from 1, in half precision
NAMES = "memory.places", "memory.scale"  # of the tensors in a detector's file


@dataclass(frozen=True, eq=False)
class Memory:
    """Remembered places of good parts, and the scale on which a picture is unlike them.

    Attributes:
        parts: how many it was made of, 1 to 16.
        places: (M, C) features, half precision, of unit length.
        scale: float32 (4,): deviation of distances and of words over places of good parts, the value at which the
            verdict turns, and the deviation of the parts' own values.
        doubts: a sentence for each part that stands out among the others, or that words alone call damaged.
        notes: sentences on how the photos were read, such as that of several pages the first one is.
    """

    parts: int
    places: torch.Tensor
    scale: torch.Tensor
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def inspect(
        self, features: torch.Tensor, words: torch.Tensor, by_words: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of N pictures, (N,), and their maps, (N, rows, columns), both in [0, 1]: .5 where the verdict turns.

        Args:
            features: (N, h, w, C), as `Encoded.features`. words: (N, rows, columns), what words say of each place.
            by_words: (N,) scores by words alone, which count as much as one good part; none counts, if not given.
        """
        *scale, neutral, spread = self.scale.tolist()
        heat = _heat(_distances(features, self.places.float()), words, scale)
        evidence = [(each - neutral) / (SOFTNESS * spread) for each in (_values(heat), heat)]
        if by_words is not None:
            alone = log_odds(by_words)
            evidence = [each + (said - each) / (1 + self.parts)
                        for each, said in zip(evidence, (alone, alone[:, None, None]))]  # fmt: skip
        return tuple(each.sigmoid() for each in evidence)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a file keeps of it, by name."""
        return dict(zip(NAMES, (self.places, self.scale)))

    @classmethod
    def from_tensors(cls, parts, tensors: dict[str, torch.Tensor], width: int) -> "Memory":
        """The memory that a file keeps, checked.

        Args:
            parts: number of good parts, as the file says. width: C of the backbone's features.

        Raises:
            InputError: something is missing, of another shape or type, too large, or not finite.
        """
        if "memory.words" in tensors:
            raise InputError(
                "The good parts in the detector file were remembered by an earlier version of this program, which "
                "weighed them otherwise: train the detector again and give it the photos."
            )
        whole = isinstance(parts, int) and not isinstance(parts, bool) and 1 <= parts <= MOST
        found = [tensors[name] for name in NAMES if name in tensors]
        if not whole or len(found) < len(NAMES):
            raise InputError("The memory of good parts in the detector file is not complete; save the detector again.")
        places, scale = found
        shapes = [(len(places) if places.ndim else 0, width), (4,)]
        types = [torch.float16, torch.float32]
        if [tuple(tensor.shape) for tensor in found] != shapes or [tensor.dtype for tensor in found] != types:
            raise InputError(
                "The memory of good parts in the detector file has tensors of another shape or type than this backbone "
                "makes; save the detector again."
            )
        if not 1 <= len(places) <= PLACES or not all(torch.isfinite(tensor).all() for tensor in found):
            raise InputError(
                f"The memory of good parts in the detector file is empty, has over {PLACES} places or values that are "
                "not finite; save the detector again."
            )
        if not ((places.float().norm(dim=1) - 1).abs() < UNIT).all():
            raise InputError(
                "The memory of good parts in the detector file has places that are not of unit length; save the "
                "detector again."
            )
        deviations, least = scale[[0, 1, 3]], torch.tensor([LEAST_DEVIATION, LEAST_DEVIATION, LEAST_SPREAD])
        if not (deviations >= 0.99 * least).all() or not scale.abs().max() < MOST_SCALE:
            raise InputError(
                f"The scale of the good parts in the detector file is {[float(f'{value:.3g}') for value in scale]}, "
                "which no photos give; save the detector again."
            )
        return cls(parts, places, scale)


def _distances(features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Of every place of pictures (N, h, w, C) to the nearest of (M, C): (N, h, w)."""
    return torch.stack([1 - (picture @ places.T).amax(dim=2) for picture in features])


def _heat(distances: torch.Tensor, words: torch.Tensor, scale: Sequence[float]) -> torch.Tensor:
    """How suspicious every place is: distances (N, h, w) and words (N, rows, columns) -> (N, rows, columns).

    A distance that most of the picture has is a shift of the whole of it, and does not count.
    """
    common = distances.flatten(1).median(dim=1).values[:, None, None]
    return enlarged((distances - common) / scale[0], words.shape[1:]) + WORDS_WEIGHT * words / scale[1]


def _values(heat: torch.Tensor) -> torch.Tensor:
    """(N, rows, columns) -> (N,), the mean of the hottest places."""
    places = heat.flatten(1)
    return places.topk(max(1, int(places.shape[1] * HOTTEST)), dim=1).values.mean(dim=1)


def no_words(encoded) -> torch.Tensor:
    """In place of words, for a memory that does without them: they say 0 everywhere."""
    return encoded.features.new_zeros(encoded.features.shape[:3])


def remember(
    backbone,
    images: Sequence,
    words: Callable = no_words,
    corrupted: bool = True,
    alone: Callable | None = None,
) -> Memory:
    """The memory of good parts.

    Args:
        backbone: a `Backbone`.
        images: 1 to 16 photos, or a single one, each anything that `read_image` accepts, of any size.
        words: `Encoded` of N images -> (N, rows, columns), what words say of each place.
        corrupted: remember corrupted looks, and not turned ones.
        alone: `Encoded` of N images -> (N,) scores by words alone, by which parts are doubted too.

    Raises:
        InputError: no part, too many, one that cannot be read, or a photo that is there twice.
    """
    images = _listed(images)
    pictures, notes = _read(images, backbone.image_size)
    count = len(pictures)
    squares = [_squares(picture, count) for picture in pictures]
    most = max(map(len, squares))  # a part that has fewer squares shows them again
    parts = [(part, of_one[number % len(of_one)]) for part, of_one in enumerate(squares) for number in range(most)]
    shown = side_by_side(lambda numbered: _looks(numbered[1], corrupted, numbered[0]), parts)
    encoded = backbone.encode([look for part in shown for look in part])
    features = encoded.features.half().float().unflatten(0, (count, -1))  # (parts, looks, h, w, C)
    places = features.flatten(2, 3)  # (parts, looks, h * w, C)
    most = min(PLACES, MEMORY_BYTES // (2 * places.shape[-1])) // (count * places.shape[1])
    places = places[:, :, _some(places.shape[2], most)]
    if count > 1:
        apart = _apart(features, places)
    else:  # a single part is looked for among its other looks
        apart = _apart(features.transpose(0, 1), places.transpose(0, 1))
    said, names = words(encoded), _names(images)
    scale = _scale(_from_others(apart), said)
    doubted = _doubted(apart[:, 0], said.unflatten(0, (count, -1))[:, 0]) if count > 2 else []
    doubts = {part: f"{names[part]} looks unlike the others: take it out if it is damaged or another product."
              for part in doubted}  # fmt: skip
    if alone is not None:
        scores = alone(encoded).unflatten(0, (count, len(parts) // count, -1))[:, :, 0].amax(dim=1)  # of clean looks
        doubts = {part: f"{names[part]} scores {score:.2f} by words alone, as if it were damaged: take it out if it is."
                  for part, score in enumerate(scores.tolist()) if score > ALARMING} | doubts  # fmt: skip
    return Memory(count, places.flatten(0, 2).half(), scale, tuple(doubts[part] for part in sorted(doubts)), notes)


def _listed(images) -> list:
    """Photos as a list, also where it is a single one. Raises InputError: it is neither."""
    single = isinstance(images, (str, Path, bytes, Image.Image)) or isinstance(images, np.ndarray) and images.ndim < 4
    try:
        return [images] if single else list(images)
    except TypeError as error:
        raise InputError(f"Good parts must be a list of photos, not {quoted(images)}.") from error


def _some(count: int, most: int) -> torch.Tensor:
    """Numbers of at most so many of `count` places, drawn at random: the farthest from each other do no better."""
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most]


def _apart(features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """How far every part's looks are from every part: (parts, looks, parts, h, w).

    Args:
        features: (parts, looks, h, w, C). places: (parts, looks, n, C), those that are remembered.
    """
    looks, remembered = features.flatten(0, 1), places.flatten(1, 2)
    found = side_by_side(lambda one: _distances(looks, one), remembered)
    return torch.stack(found, dim=1).unflatten(0, features.shape[:2])


def _from_others(apart: torch.Tensor) -> torch.Tensor:
    """How far looks are from the nearest of the other parts: (parts, looks, parts, h, w) -> (parts, looks, h, w)."""
    own = torch.eye(len(apart), dtype=torch.bool)[:, None, :, None, None]
    return apart.masked_fill(own, torch.inf).amin(dim=2)


def _scale(distances: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """The `Memory.scale` that good parts give it.

    Args:
        distances (..., h, w): of their looks from the other parts, or from the other looks of a single part.
        words (N, rows, columns): what words say of these looks.
    """
    distances = distances.flatten(0, 1)
    scale = [each.std().clamp(min=LEAST_DEVIATION).item() for each in (distances, words)]
    values = _values(_heat(distances, words, scale))
    spread = values.std().clamp(min=LEAST_SPREAD).item()
    return torch.tensor([*scale, values.mean().item() + MARGIN * spread, spread])


def _doubted(apart: torch.Tensor, words: torch.Tensor) -> list[int]:
    """Numbers of the parts that stand out among the others, each of these held against the rest without the doubted.

    Args:
        apart: (parts, parts, h, w), how far the clean photos of 3 or more are from each. words: (parts, rows, columns).
    """
    found = []
    for part in range(len(apart)):
        others = [other for other in range(len(apart)) if other != part]
        distances = _from_others(apart[others][:, None, others])[:, 0]
        own, common = apart[part, others].amin(dim=0)[None], distances.flatten(1).median(dim=1).values
        strange = own.median() > STRANGE * common.max().clamp(min=LEAST_APART[0])
        scale = distances.std().clamp(min=LEAST_APART[1]).item(), words[others].std().clamp(min=LEAST_APART[1]).item()
        hottest = _values(_heat(distances, words[others], scale)).max()
        if strange or _values(_heat(own, words[part][None], scale)) > hottest + STANDS_OUT:
            found.append(part)
    return found


def _squares(picture: np.ndarray, parts: int) -> list[np.ndarray]:
    """What is remembered of one of so many parts: the picture, or squares of an elongated one, evenly spread."""
    squares = cut(picture)
    most = max(1, SQUARES // parts)
    return [squares[index] for index in np.linspace(0, len(squares) - 1, min(most, len(squares))).round().astype(int)]


def _looks(picture: np.ndarray, corrupted: bool, seed: int = 0) -> list[np.ndarray]:
    """A part as it is, and under each corruption, or turned; parts under the same noise would be too much alike."""
    if corrupted:
        return [picture, *(corrupt(picture, *shift, seed) for shift in product(POSTER_CORRUPTIONS, SEVERITIES))]
    turned = [picture[:, ::-1], *(np.rot90(picture, quarters) for quarters in (1, 2, 3))]
    return [picture, *map(np.ascontiguousarray, turned)]


def _read(images: list, side: int) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The photos, checked, none wider or higher than LARGEST times the `side` of what the tower reads; and what is to
    be said of how they were read.

    They are corrupted at about the size that they came in: noise on a small photo is coarser when the tower reads it.
    """
    if not 1 <= len(images) <= MOST:
        raise InputError(f"{len(images)} good parts were given: give 1 to {MOST} photos.")
    pictures, said, names = [], [], _names(images)
    for number, (name, image) in enumerate(zip(names, images), 1):
        try:
            pixels, notes = read_image_with_notes(image)
        except InputError as error:
            raise InputError(f"Good part {number} cannot be used: {error}") from error
        pictures.append(reduced(pixels, side))
        said += [f"{name}: {note}" for note in notes]
    small = [np.asarray(Image.fromarray(picture).resize((THUMBNAIL,) * 2)).astype(int) for picture in pictures]
    for number, one in enumerate(small):
        for earlier in range(number):
            if any(_are_copies(one, turned) for turned in _turns(small[earlier])):
                first, second = names[earlier], names[number]
                raise InputError(f"{first} and {second[0].lower() + second[1:]} are the same photo: give it once.")
    return pictures, tuple(said)


def _turns(picture: np.ndarray) -> list[np.ndarray]:
    """A picture in all eight positions, turned and mirrored."""
    return [np.rot90(one, quarters) for one in (picture, picture[:, ::-1]) for quarters in range(4)]


def _are_copies(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two thumbnails show one photo, perhaps saved again; those of two parts in one place differ somewhere."""
    apart = np.abs(one - other)
    return apart.mean() < SAME_PHOTO[0] and apart.max() <= SAME_PHOTO[1]


def reduced(pixels: np.ndarray, side: int) -> np.ndarray:
    """A photo (H, W, 3) uint8 as it is remembered where the tower reads `side` pixels; it may be reduced before."""
    most, (height, width) = int(LARGEST * side), pixels.shape[:2]
    if squares_in(height, width) > 1:
        share = min(1, most / min(height, width))
        height, width = round(height * share), round(width * share)
    else:
        height, width = min(height, most), min(width, most)
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def _names(images: Sequence) -> list[str]:
    """What to call each part: its number, and its file where it has one."""
    files = [getattr(image, "name", image if isinstance(image, str) else "") for image in images]
    return [f"Good part {number}" + (f" ({_base(file)})" if file else "") for number, file in enumerate(files, 1)]


def _base(file) -> str:
    return repr(str(file).replace("\\", "/").rpartition("/")[2][-80:])
