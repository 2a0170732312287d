"""What was measured of a backbone on the yardstick: the scale of every method, in one small file by its fingerprint.

That of `embedded` is shipped, others lie in the user's cache; `zsad_core.doctor` makes them. A backbone without one
gets the values of the literature.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .embedded import ASSETS
from .errors import InputError
from .scale import LITERATURE, PAPERS, Scale

FORMAT_VERSION = 2  # goes up when a method changes (2: ours reads plain prompts too), so that no older scale is taken
MAX_BYTES = 65_536
MOST_ENTRIES = 200  # scales or figures of a profile
OURS = "ours"
WITH_MAP = "-map"  # ends the name of a method whose score is made as ours is, by the image vector and the map
SHIPPED = ASSETS / "profile.json"
AGAIN = "Measure the backbone again with `python -m zsad_core profile --backbone NAME`, or remove the file."


@dataclass(frozen=True)
class Profile:
    """What was measured of one backbone; without anything, what the literature says.

    Attributes:
        fingerprint, backbone: of which it speaks.
        scales: by name of the method, or of the method under the common rule.
        figures: what was measured, by name, each a finite number.
        wrong: sentences: why the backbone is not fit for use; none where it is.
    """

    fingerprint: str = ""
    backbone: str = ""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether it was measured, and is not the literature's."""
        return bool(self.scales)

    def scale(self, method: str) -> Scale:
        """The scale of a method by its name."""
        from_literature = LITERATURE if method == OURS or method.endswith(WITH_MAP) else PAPERS
        return self.scales.get(method, from_literature)

    def to_bytes(self) -> bytes:
        """The profile as the bytes of a file."""
        values = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "backbone": self.backbone,
            "scales": {name: _rounded(scale.to_dict()) for name, scale in self.scales.items()},
            "figures": _rounded(self.figures),
            "wrong": list(self.wrong),
        }
        return (json.dumps(values, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Profile":
        """The profile of which `to_bytes` gave these bytes.

        Raises:
            InputError: over 64 KB, no profile, of a newer format, or with values that no measurement gives.
        """
        if len(data) > MAX_BYTES:
            raise InputError(f"The profile has over {MAX_BYTES:,} bytes, and no profile has. {AGAIN}")
        try:
            values = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The profile is damaged ({str(error)[:80]}). {AGAIN}") from error
        if not isinstance(values, dict) or values.get("format_version") != FORMAT_VERSION:
            raise InputError(f"The profile is none of format {FORMAT_VERSION}. {AGAIN}")
        texts = [values.get("fingerprint"), values.get("backbone"), *_entries(values, "wrong", list)]
        if not all(isinstance(text, str) and len(text) <= 400 and text.isprintable() for text in texts):
            raise InputError(f"The profile holds a text that cannot be. {AGAIN}")
        try:
            scales = {name: Scale.from_dict(scale) for name, scale in _entries(values, "scales", dict).items()}
        except InputError as error:
            raise InputError(f"The profile cannot be used. {error} {AGAIN}") from error
        figures = _entries(values, "figures", dict)
        for name, value in figures.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e9:
                raise InputError(f"The profile says {name!r:.40} = {value!r:.40}, which cannot be. {AGAIN}")
        if any(len(name) > 80 or not name.isprintable() for name in (*scales, *figures)):
            raise InputError(f"The profile holds a name that cannot be. {AGAIN}")
        return cls(texts[0], texts[1], scales, figures, tuple(texts[2:]))


def profile_of(fingerprint: str) -> Profile:
    """The profile of the backbone with this fingerprint: the user's own, or the shipped one, or the literature's.

    Raises:
        InputError: there is one, and it cannot be used.
    """
    for path in (cached_file(fingerprint), SHIPPED):
        try:
            with open(path, "rb") as file:
                profile = Profile.from_bytes(file.read(MAX_BYTES + 1))
        except OSError:
            continue
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if profile.fingerprint == fingerprint:
            return profile
    return Profile()


def cached_file(fingerprint: str) -> Path:
    """Where the profile of a backbone lies in the user's cache."""
    return _cache() / f"{fingerprint}-{FORMAT_VERSION}.json"


def write(profile: Profile, path: Path) -> None:
    """Writes a profile as a whole, so that who reads meanwhile finds the old or the new one.

    Raises:
        InputError: the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(profile.to_bytes())
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"The profile cannot be saved as {str(path)!r}: {error.strerror}.") from error


def _cache() -> Path:
    """The folder of profiles in the user's cache, where the system keeps such things."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "zsad" / "profiles"


def _entries(values: dict, name: str, kind: type):
    """What a profile holds under a name, a list or a dict. Raises InputError."""
    found = values.get(name)
    if not isinstance(found, (list, dict)) or not isinstance(found, kind) or len(found) > MOST_ENTRIES:
        raise InputError(f"The profile lacks its {name}, or has more than {MOST_ENTRIES}. {AGAIN}")
    return found


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}
