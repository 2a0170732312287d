"""The backbones that we name, and whether their weights lie in the hub's cache; open_clip is not needed to tell."""

import json
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub

RECOMMENDED = "ViT-B-16-plus-240"
WEIGHT_FILES = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"  # as open_clip names them, best first
WEIGHT_SUFFIXES = ".safetensors", ".bin", ".pt", ".pth"  # of weights files that are read


def backbone_table() -> list[dict]:
    """One dict a backbone: name, architecture, tag, repository, image_size, download_mb, licence, best_for."""
    return json.loads(Path(__file__).with_name("backbones.json").read_text(encoding="utf-8"))


def cached_file(repository: str, names: Sequence[str] = WEIGHT_FILES) -> Path | None:
    """The first of these files of a hub's repository that lies in the local cache, or None."""
    for name in names:
        path = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(path, str):
            return Path(path)
    return None
