"""Good parts of a product: a memory of what they look like, held against a picture together with the words.

Every place of a picture has its nearest remembered place. It is suspicious as far as it looks unlike that one (the
distance of PatchCore, arXiv 2106.08265), and as far as words call it more damaged than that one. The memory also holds
the parts as a shift of brightness, contrast, focus or noise would show them, so that a shift is nothing unlike. The
verdict turns a little above what the parts score themselves, each looked for among the others.

Every constant was chosen on the renders of `training.yardstick`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .cores import side_by_side
from .corruptions import POSTER_CORRUPTIONS, corrupt
from .elongated import cut, squares_in
from .errors import InputError
from .images import read_image

MOST = 16  # good parts
SEVERITIES = 2, 4  # of the corrupted looks that are remembered
LARGEST = 1.25  # sides of what the tower reads, to which a larger photo is brought before it is corrupted
PLACES = 4096  # remembered at most
SQUARES = 64  # of elongated parts, all together, that are remembered; more would take minutes
MEMORY_BYTES = 12_000_000  # at most, in half precision: a detector's file has 20 MB
ROUND = 64  # places that the thinning takes at a time
HOTTEST = 0.03  # share of the picture whose mean decides
WORDS_WEIGHT = 1.5  # of what words say more, against the distance, each in deviations over places of good parts
COMMON = 0.5  # share of the picture's median distance that counts as a shift of the whole picture
MARGIN = 1.7  # deviations of the parts' own scores above their mean at which the verdict turns
MARGIN_OF_ONE = 4.3  # the same for a single part, which can only be compared with other looks of itself
SOFTNESS = 1.5  # deviations that the score needs from .5 to .73
STANDS_OUT = 5.0  # deviations above the other clean photos at which a part is doubted; a stranger is, a small mark not
THUMBNAIL = 32  # pixels, on which photos are compared
SAME_PHOTO = 1.5, 12  # levels of 255 by which two copies of a photo differ at most: on average, and anywhere
LEAST_APART = 0.5  # the same where parts are compared: three that are alike by chance must not cast doubt on a fourth
LEAST_SPREAD = 0.2  # parts that are all but the same picture say little of how good parts differ
NAMES = "memory.places", "memory.words", "memory.scale"  # of the tensors in a detector's file
TURNED = range(1, 5)  # which of the looks are the clean photo turned over or by quarters


@dataclass(frozen=True, eq=False)
class Memory:
    """Remembered places of good parts, and the scale on which a picture is unlike them.

    Attributes:
        parts: how many it was made of, 1 to 16.
        places: (M, C) features, half precision, of unit length.
        words: (M,) what words said there, half precision; zeros where no words are used.
        scale: float32 (4,): deviation of distances and of words over places of good parts, the value at which the
            verdict turns, and the deviation of the parts' own values.
        doubts: a sentence for each part that stands out among the others.
    """

    parts: int
    places: torch.Tensor
    words: torch.Tensor
    scale: torch.Tensor
    doubts: tuple[str, ...] = ()

    def inspect(self, features: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of N pictures, (N,), and their maps, (N, rows, columns), both in [0, 1]: .5 where the verdict turns.

        Args:
            features: (N, rows, columns, C), as `Encoded.features`. words: (N, rows, columns), as `places_of`.
        """
        *scale, neutral, spread = self.scale.tolist()
        places = self.places.float()
        distance, where = map(torch.stack, zip(*(_nearest(picture, places) for picture in features)))
        heat = _heat(distance, words, self.words.float()[where], scale)
        return tuple(((each - neutral) / (SOFTNESS * spread)).sigmoid() for each in (_values(heat), heat))

    def tensors(self) -> dict[str, torch.Tensor]:
        """What a file keeps of it, by name."""
        return dict(zip(NAMES, (self.places, self.words, self.scale)))

    @classmethod
    def from_tensors(cls, parts, tensors: dict[str, torch.Tensor], width: int) -> "Memory":
        """The memory that a file keeps, checked.

        Args:
            parts: number of good parts, as the file says. width: C of the backbone's features.

        Raises:
            InputError: something is missing, of another shape or type, too large, or not finite.
        """
        whole = isinstance(parts, int) and not isinstance(parts, bool) and 1 <= parts <= MOST
        found = [tensors[name] for name in NAMES if name in tensors]
        if not whole or len(found) < len(NAMES):
            raise InputError("The memory of good parts in the detector file is not complete; save the detector again.")
        places, words, scale = found
        shapes = (len(places) if places.ndim else 0, width), (len(places) if places.ndim else 0,), (4,)
        types = torch.float16, torch.float16, torch.float32
        if [tuple(tensor.shape) for tensor in found] != list(shapes) or tuple(one.dtype for one in found) != types:
            raise InputError(
                "The memory of good parts in the detector file has tensors of another shape or type than this backbone "
                "makes; save the detector again."
            )
        if not 1 <= len(places) <= PLACES or not all(torch.isfinite(tensor).all() for tensor in found):
            raise InputError(
                f"The memory of good parts in the detector file is empty, has over {PLACES} places or values that are "
                "not finite; save the detector again."
            )
        if not (scale[[0, 1, 3]] > 0).all():
            raise InputError(
                "The scale of the good parts in the detector file is not positive; save the detector again."
            )
        return cls(parts, places, words, scale)


def _nearest(picture: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance (rows, columns) of every place of a picture (rows, columns, C) to the nearest of (M, C), and which."""
    cosine, where = (picture.flatten(0, 1) @ places.T).max(dim=1)
    return (1 - cosine).view(picture.shape[:2]), where.view(picture.shape[:2])


def _heat(distance: torch.Tensor, words: torch.Tensor, remembered: torch.Tensor, scale: Sequence[float]):
    """How suspicious every place is, all (N, rows, columns)."""
    common = distance.flatten(1).median(dim=1).values[:, None, None]
    return (distance - COMMON * common) / scale[0] + WORDS_WEIGHT * (words - remembered) / scale[1]


def _values(heat: torch.Tensor) -> torch.Tensor:
    """(N, rows, columns) -> (N,), the mean of the hottest places."""
    places = heat.flatten(1)
    return places.topk(max(1, int(places.shape[1] * HOTTEST)), dim=1).values.mean(dim=1)


def places_of(patches: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """What words say of patches, (N, h, w), at the places of features (N, rows, columns, C): (N, rows, columns)."""
    return F.adaptive_avg_pool2d(patches[:, None], features.shape[1:3])[:, 0]


def no_words(encoded) -> torch.Tensor:
    """In place of words, for a memory that does without them: they say 0 everywhere."""
    return encoded.features.new_zeros(encoded.features.shape[:3])


def remember(
    backbone,
    images: Sequence,
    words: Callable = no_words,
    corrupted: bool = True,
) -> Memory:
    """The memory of good parts.

    Args:
        backbone: a `Backbone`.
        images: 1 to 16 photos, each anything that `read_image` accepts, of any size.
        words: `Encoded` of N images -> (N, rows, columns), what words say at the places of its features.
        corrupted: remember corrupted looks too.

    Raises:
        InputError: no part, too many, one that cannot be read, or a photo that is there twice.
    """
    pictures = _read(images, backbone.image_size)
    count = len(pictures)
    squares = [(part, square) for part, picture in enumerate(pictures) for square in _squares(picture, count)]
    shown = side_by_side(lambda numbered: _looks(numbered[1], corrupted, numbered[0]), squares)
    looks = [look for square in shown for look in square]
    each = len(looks) // len(squares)
    encoded = backbone.encode(looks)
    features, said = encoded.features.half().float(), words(encoded).half().float()
    most = min(PLACES, MEMORY_BYTES // (2 * features.shape[-1])) // len(squares)
    kept = [
        first * features[0, ..., 0].numel() + _spread_out(features[first : first + each].flatten(0, 2), most)
        for first in range(0, len(looks), each)
    ]
    kept = torch.cat(kept)  # numbers of the remembered places among all places of all looks
    memory = Memory(count, features.flatten(0, 2)[kept].half(), said.flatten()[kept].half(), torch.ones(4))
    # A part is looked for among the other parts; a single one among its other looks.
    part_of = torch.tensor([part for part, _ in squares])
    look_of = kept // features[0, ..., 0].numel()
    owner = part_of[look_of // each] if count > 1 else look_of
    asked = [look for look in range(each) if not (corrupted and look in TURNED)]  # the corrupted looks suffice
    own_looks = [first + look for first in range(0, len(looks), each) for look in asked]
    mine = [part_of[look // each].item() if count > 1 else look for look in own_looks]
    return _scaled(memory, features[own_looks], said[own_looks], owner, mine, part_of, _names(images))


def _scaled(memory: Memory, features, words, owner, own, part_of: torch.Tensor, names: Sequence[str]) -> Memory:
    """The memory with the scale that the parts give it.

    Args:
        features, words: of the own looks of the parts' squares, square by square, the clean one first.
        owner: (M,) the part (or the look) that a remembered place is of. own: that of each look.
        part_of: which part each square is of.
    """
    found = [_nearest(picture, memory.places.float()[owner != mine]) for picture, mine in zip(features, own)]
    distance = torch.stack([near for near, _ in found])
    there = [memory.words.float()[owner != mine][where] for (_, where), mine in zip(found, own)]
    remembered = torch.stack(there)
    least = torch.finfo(torch.float16).eps
    scale = [distance.std().clamp(min=least).item(), (words - remembered).std().clamp(min=least).item()]
    by_square = _values(_heat(distance, words, remembered, scale)).view(len(part_of), -1)
    values = torch.stack([by_square[part_of == part].amax(dim=0) for part in range(memory.parts)])  # (parts, looks)
    margin = MARGIN if memory.parts > 1 else MARGIN_OF_ONE
    deviation = values.std() if values.numel() > 1 else values.new_zeros(())  # one clean look has none
    spread = deviation.clamp(min=LEAST_SPREAD).item()
    neutral = values.mean().item() + margin * spread
    return replace(memory, scale=torch.tensor([*scale, neutral, spread]), doubts=tuple(_doubts(values, names)))


def _squares(picture: np.ndarray, parts: int) -> list[np.ndarray]:
    """What is remembered of one of so many parts: the picture, or squares of an elongated one, evenly spread."""
    squares = cut(picture)
    most = max(1, SQUARES // parts)
    return [squares[index] for index in np.linspace(0, len(squares) - 1, min(most, len(squares))).round().astype(int)]


def _looks(picture: np.ndarray, corrupted: bool, seed: int = 0) -> list[np.ndarray]:
    """A part as it is, turned, and under each corruption; parts under the same noise would be too much alike."""
    turned = [picture[:, ::-1], *(np.rot90(picture, quarters) for quarters in (1, 2, 3))]
    shifts = [(kind, severity) for kind in POSTER_CORRUPTIONS for severity in SEVERITIES] if corrupted else []
    return [picture, *map(np.ascontiguousarray, turned), *(corrupt(picture, *shift, seed) for shift in shifts)]


def _spread_out(places: torch.Tensor, most: int) -> torch.Tensor:
    """Numbers of `most` of the places (M, C), each round taking those that are farthest from all taken before."""
    if len(places) <= most:
        return torch.arange(len(places))
    taken = torch.arange(0, len(places), -(-len(places) // ROUND))
    farthest = 1 - (places @ places[taken].T).amax(dim=1)
    while len(taken) < most:
        fresh = farthest.topk(min(ROUND, most - len(taken))).indices
        taken = torch.cat([taken, fresh])
        farthest = torch.minimum(farthest, 1 - (places @ places[fresh].T).amax(dim=1))
        farthest[taken] = -1
    return taken[:most]


def _read(images: Sequence, side: int) -> list[np.ndarray]:
    """The photos, checked, none wider or higher than LARGEST times the `side` of what the tower reads.

    They are corrupted at about the size that they came in: noise on a small photo is coarser when the tower reads it.
    """
    images = list(images)
    if not 1 <= len(images) <= MOST:
        raise InputError(f"{len(images)} good parts were given: give 1 to {MOST} photos.")
    pictures = []
    for number, image in enumerate(images, 1):
        try:
            pixels = read_image(image)
        except InputError as error:
            raise InputError(f"Good part {number} cannot be used: {error}") from error
        pictures.append(reduced(pixels, side))
    small = [np.asarray(Image.fromarray(picture).resize((THUMBNAIL,) * 2)).astype(int) for picture in pictures]
    for number, one in enumerate(small):
        for earlier in range(number):
            if any(_are_copies(one, turned) for turned in _looks(small[earlier], False)):
                first, second = (_names(images)[index] for index in (earlier, number))
                raise InputError(f"{first} and {second[0].lower() + second[1:]} are the same photo: give it once.")
    return pictures


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


def _doubts(values: torch.Tensor, names: Sequence[str]) -> list[str]:
    """A sentence for each part whose clean look stands out among those of the others: values (parts, looks)."""
    if len(values) < 3:
        return []
    found = []
    for number, name in enumerate(names):
        others = values[[other for other in range(len(values)) if other != number], 0]
        if values[number, 0] > others.mean() + STANDS_OUT * others.std().clamp(min=LEAST_APART):
            found.append(f"{name} looks unlike the others: take it out if it is damaged or another product.")
    return found
