"""What names say before a file is read: which are images, and which are the litter of file managers."""

import os.path

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif", ".pgm",
    ".ppm", ".pnm", ".heic", ".heif",
)  # fmt: skip
_LITTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "#recycle", "$recycle.bin", "system volume information"}


def is_image(name: str) -> bool:
    """Whether a file of this name should be an image; what it is, only its content tells."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def stem(name: str) -> str:
    """The name of a file without its suffix."""
    return os.path.splitext(name)[0]


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name was put there by a machine: hidden ones, and what macOS, Windows and
    network disks leave behind."""
    return name.lower() in _LITTER or (name.startswith(".") and name not in (".", ".."))
