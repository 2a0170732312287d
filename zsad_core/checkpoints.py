"""Where weights come from: open_clip's models, the hub, and local checkpoint files.

Everything here ends in an open_clip model with its weights, or in a sentence that says what to do.
"""

import contextlib
import copy
import dataclasses
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import open_clip
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from huggingface_hub.utils import get_session
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.convert import convert_state_dict
from open_clip.model import CLIP, CustomTextCLIP, convert_to_custom_text_state_dict
from tqdm.auto import tqdm

from .backbone_table import RECOMMENDED, WEIGHT_FILES, backbone_table, cached_file
from .errors import InputError
from .weight_names import config_of_transformers
from .weights_file import read_weights

PROBE_SECONDS = 5  # for one connection to the hub, before a download is begun


@dataclass(frozen=True)
class FetchProgress:
    """How far a download is; printing it gives one readable line. `step` and `steps` are megabytes."""

    name: str
    step: float
    steps: float
    phase: str = "weights"

    def __str__(self) -> str:
        return f"Fetching {self.name}: {self.step:.0f} of {self.steps:.0f} MB"


@dataclass(frozen=True)
class Source:
    """Where an open_clip backbone comes from.

    Attributes:
        name: shown to a person.
        architecture: open_clip's name of it, or the configuration itself as JSON.
        config: dict with embed_dim, vision_cfg and text_cfg.
        mean, std: of the pixels, per channel, as fractions of 255.
        path: the weights file, or None for random weights.
    """

    name: str
    architecture: str
    config: dict
    mean: tuple = OPENAI_DATASET_MEAN
    std: tuple = OPENAI_DATASET_STD
    path: Path | None = None


def resolve(name: str) -> tuple[str, str | None]:
    """Architecture and tag of open_clip for a name of the table, "ARCHITECTURE:TAG", or an architecture.

    Returns:
        (architecture, tag); tag is None for an architecture that open_clip has several weights for, or none.
    Raises:
        InputError: there is no such name.
    """
    for row in backbone_table():
        if row["name"] == name and row["architecture"]:
            return row["architecture"], row["tag"]
    architecture, _, tag = name.partition(":")
    if open_clip.get_model_config(architecture) is None:
        known = ", ".join(row["name"] for row in backbone_table())
        raise InputError(
            f"There is no backbone {name[:80]!r}: choose one of {known}, another model of open_clip as "
            "ARCHITECTURE:TAG, or the path of a checkpoint."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag and not open_clip.get_pretrained_cfg(architecture, tag):
        raise InputError(f"open_clip has no weights {tag[:80]!r} for {architecture}: choose one of {', '.join(tags)}.")
    return architecture, tag or (tags[0] if len(tags) == 1 else None)


def hub_source(name: str, on_progress: Callable[[FetchProgress], None] | None = None) -> Source:
    """The source of a backbone whose weights are on the hub, or in its local cache; fetched if they are not there.

    Raises:
        InputError: there is no such name, the hub cannot be reached, or the download failed.
    """
    architecture, tag = resolve(name)
    if tag is None:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        choices = ", ".join(f"{architecture}:{tag}" for tag in tags)
        raise InputError(
            f"Say which weights of {architecture}: "
            + (choices or "open_clip has none, so give a local checkpoint with --weights PATH")
            + "."
        )
    path = cached_weights(architecture, tag) or _fetch(name, architecture, tag, on_progress)
    return Source(name, architecture, _config(architecture), *_normalisation(architecture, tag), path)


def local_source(path: str | Path, name: str | None = None) -> Source:
    """The source of a backbone from a local checkpoint.

    Args:
        path: a .safetensors, or a .bin, .pt or .pth of plain tensors.
        name: its architecture, in a form that `resolve` accepts. If not given it is read from an
            `open_clip_config.json` or a transformers' `config.json` beside the file, or else recognised by the tensors'
            names and shapes.
    Raises:
        InputError: no such file, or its architecture cannot be told.
    """
    path = Path(path)
    sidecar = path.with_name("open_clip_config.json")
    if name is None and path.is_file() and sidecar.is_file():
        try:
            description = json.loads(sidecar.read_text(encoding="utf-8"))
            pixels = description.get("preprocess_cfg", {})
            source = described(description["model_cfg"])
            return dataclasses.replace(
                source,
                name=f"{source.name} ({path.name})",
                mean=tuple(pixels.get("mean", source.mean)),
                std=tuple(pixels.get("std", source.std)),
                path=path,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{sidecar.name} beside {path.name} is not open_clip's description of a model "
                f"({error!r}): name the architecture with --backbone."
            ) from error
    if name is None and (config := _described_by_transformers(path)):
        source = described(config)
        return dataclasses.replace(source, name=f"{source.name} ({path.name})", path=path)
    name = name or _recognise(path)
    architecture, tag = resolve(name)
    normalisation = _normalisation(architecture, tag)
    return Source(f"{name} ({path.name})", architecture, _config(architecture), *normalisation, path)


def _described_by_transformers(path: Path) -> str | dict | None:
    """What a `config.json` of a CLIPModel beside a file says: an architecture of open_clip, or its configuration.

    Raises:
        InputError: it is one of a CLIP, and cannot be used.
    """
    place = path.with_name("config.json")
    if not (path.is_file() and place.is_file()):
        return None
    try:
        config = config_of_transformers(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(
            f"The config.json beside {path.name} is not that of a CLIPModel ({error!r:.120}): name the architecture "
            "with --backbone."
        ) from error
    if config is None:
        return None
    names = [row["architecture"] for row in backbone_table() if row["architecture"]] + open_clip.list_models()
    for name in names:
        known = open_clip.get_model_config(name)
        if _sizes_of(known) == _sizes_of(config) and known.get("quick_gelu", False) == config["quick_gelu"]:
            return name
    return config


def described(architecture: str | dict) -> Source:
    """The source, without weights, of an open_clip architecture or of a model configuration (dict)."""
    if isinstance(architecture, str):
        name, (architecture, tag) = architecture, resolve(architecture)
        return Source(name, architecture, _config(architecture), *_normalisation(architecture, tag))
    known = (name for name in open_clip.list_models() if open_clip.get_model_config(name) == architecture)
    found = next(known, None)
    config = _checked(architecture, found or "this model")
    return Source(found or "custom", found or json.dumps(config, sort_keys=True), config)


def build(config: dict) -> CLIP | CustomTextCLIP:
    """A randomly initialised open_clip model from its configuration: dict with embed_dim, vision_cfg and text_cfg.

    Raises:
        InputError: the configuration is not one of open_clip.
    """
    config = copy.deepcopy(config)
    try:
        config["vision_cfg"]["timm_model_pretrained"] = False  # never fetch weights on the side
        return (CustomTextCLIP if config.pop("custom_text", False) else CLIP)(**config)
    except (KeyError, TypeError, AttributeError, AssertionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"open_clip cannot build a model from this configuration ({error!r}): name an architecture with --backbone."
        ) from error


def load_model(source: Source) -> CLIP | CustomTextCLIP:
    """The open_clip model of a source that has a path, with its weights, fp32, on the CPU.

    Raises:
        InputError: the file is missing, damaged, not a plain weights file, or of another architecture.
    """
    assert source.path is not None
    state = read_weights(source.path)
    with torch.device("meta"):  # no memory and no random initialisation: every weight comes from the file
        model = build(source.config)
    persistent = model.state_dict().keys()
    if any(key not in persistent and not key.endswith("attn_mask") for key, _ in model.named_buffers()):
        model = build(source.config)  # buffers that no file holds; the attention mask is made by our own text tower
    state = _as_open_clip(model, state)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        first = str(error).split("\n")[1:2]
        raise InputError(
            f"{source.path.name} does not fit {source.name} ({''.join(first).strip()[:160]}). {_advice(state)}"
        ) from error
    return model


def cached_weights(architecture: str, tag: str) -> Path | None:
    """The weights file in the hub's local cache, or None."""
    return cached_file(*_hub_files(architecture, tag))


def _hub_files(architecture: str, tag: str) -> tuple[str, tuple[str, ...]]:
    """Repository and the file names to try, best first, from open_clip's table of pretrained models."""
    repository, name = os.path.split(open_clip.get_pretrained_cfg(architecture, tag)["hf_hub"])
    return repository, (name,) if name else WEIGHT_FILES


def _fetch(name: str, architecture: str, tag: str, on_progress: Callable | None) -> Path:
    """Download the weights file into the hub's cache, once, without retries of our own."""
    otherwise = "Connect and run again, give a local checkpoint with --weights PATH, or use --backbone embedded."
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise InputError(
            f"The weights of {name} are not in the local cache, and HF_HUB_OFFLINE forbids fetching them. "
            "Unset it and run again, give a local checkpoint with --weights PATH, or use "
            "--backbone embedded."
        )
    if not hub_reachable():
        raise InputError(
            f"The weights of {name} are not in the local cache, and the model hub cannot be reached. " + otherwise
        )
    repository, names = _hub_files(architecture, tag)
    for file in names:
        try:
            bar = _progress_bar(name, on_progress) if on_progress else None
            return Path(huggingface_hub.hf_hub_download(repository, file, etag_timeout=PROBE_SECONDS, tqdm_class=bar))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):
                raise InputError(
                    f"The weights of {name} could not be fetched: the connection to the hub broke off. " + otherwise
                ) from error
        except Exception as error:  # whatever the network, the disk or the hub may answer
            reason = str(error).strip().split("\n")[0][:160]
            raise InputError(f"The weights of {name} could not be fetched ({reason}). " + otherwise) from error
    raise InputError(f"The hub's repository {repository} holds no weights of {name}. " + otherwise)


def hub_reachable() -> bool:
    """Whether the hub answers within 8 seconds. In a thread, because no time limit covers the look-up of its name."""
    answers = []

    def ask():
        with contextlib.suppress(Exception):  # each version of the hub's client raises its own kinds
            answers.append(get_session().head(huggingface_hub.constants.ENDPOINT, timeout=PROBE_SECONDS))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 3)
    return bool(answers) and answers[0].status_code < 500


def _progress_bar(name: str, on_progress: Callable[[FetchProgress], None]) -> type[tqdm]:
    """A tqdm class that tells `on_progress` instead of drawing."""

    class Bar(tqdm):
        def __init__(self, *args, **options):
            options.pop("name", None)  # of the hub's own bars
            super().__init__(*args, **{**options, "disable": True})
            self.total, self.n = options.get("total") or 0, options.get("initial") or 0

        def update(self, n=1):
            self.n += n
            on_progress(FetchProgress(name, self.n / 1e6, max(self.n, self.total) / 1e6))

    return Bar


def _config(architecture: str) -> dict:
    return _checked(open_clip.get_model_config(architecture), architecture)


def _checked(config: dict, name: str) -> dict:
    """The configuration, refused before anything is fetched or built if its text tower is not CLIP's own."""
    text = config.get("text_cfg", {})
    if "multimodal_cfg" in config or text.get("hf_model_name") or text.get("hf_tokenizer_name"):
        raise InputError(
            f"The text tower of {name} is not CLIP's own, so no words can be injected into it: "
            f"choose another backbone, such as {RECOMMENDED}."
        )
    return config


def _normalisation(architecture: str, tag: str | None) -> tuple[tuple, tuple]:
    """Mean and standard deviation of the pixels, as open_clip's table gives them for these weights."""
    tag = tag or next(iter(open_clip.list_pretrained_tags_by_model(architecture)), None)
    row = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    return tuple(row.get("mean", OPENAI_DATASET_MEAN)), tuple(row.get("std", OPENAI_DATASET_STD))


def _as_open_clip(model, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors under the names that `model` has for them."""
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    if "logit_scale" in state and state["logit_scale"].numel() == 1:
        state["logit_scale"] = state["logit_scale"].reshape(model.logit_scale.shape)
    return state


def _advice(state: dict[str, torch.Tensor]) -> str:
    """What to do with weights that were not recognised, or do not fit what they were taken for, as a sentence."""
    sizes = _sizes(state)
    if sizes is None:
        return (
            f"Its tensors, such as {next(iter(state))!r:.80}, are not called as those of a CLIP with a ViT: if it is "
            "another model of open_clip, name it with --backbone; else give the weights of a CLIP."
        )
    fitting = [name for name in open_clip.list_models() if _sizes_of(open_clip.get_model_config(name)) == sizes]
    if fitting:
        return f"It has the sizes of {' and '.join(fitting[:4])}: name it with --backbone, or fetch it again."
    said = ", ".join(f"{name.replace('_', ' ')} {size}" for name, size in sizes.items())
    return (
        f"It is a CLIP of sizes that open_clip has no name for ({said}), so no --backbone fits: put an "
        "open_clip_config.json that says them beside it."
    )


def _sizes(state: dict[str, torch.Tensor]) -> dict[str, int] | None:
    """What the tensors of a ViT's CLIP tell of its configuration; None for any other model."""
    needed = "visual.positional_embedding", "positional_embedding", "visual.conv1.weight", "text_projection"
    if any(name not in state or state[name].ndim < 2 for name in needed):
        return None
    image_places, text_places, patch, projection = (state[name] for name in needed)
    return {
        "embed_dim": projection.shape[1],
        "image_size": round((image_places.shape[0] - 1) ** 0.5) * patch.shape[-1],
        "patch_size": patch.shape[-1],
        "image_width": image_places.shape[1],
        "image_layers": _layers(state, "visual.transformer.resblocks."),
        "context_length": text_places.shape[0],
        "text_width": text_places.shape[1],
        "text_layers": _layers(state, "transformer.resblocks."),
    }


def _layers(state: dict[str, torch.Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in state if name.startswith(prefix)})


def _sizes_of(config: dict) -> dict | None:
    """The same of a configuration of open_clip."""
    image, text = config["vision_cfg"], config["text_cfg"]
    return {
        "embed_dim": config["embed_dim"],
        "image_size": image.get("image_size", 224),
        "patch_size": image.get("patch_size"),
        "image_width": image.get("width", 768),
        "image_layers": image.get("layers", 12),
        "context_length": text.get("context_length", 77),
        "text_width": text.get("width", 512),
        "text_layers": text.get("layers", 12),
    }


def _recognise(path: Path) -> str:
    """The name of the table's backbone that has exactly the tensors of this file."""
    state = read_weights(path)
    shapes = {key: value.shape for key, value in state.items()}
    for row in backbone_table():
        if not row["architecture"]:
            continue
        with torch.device("meta"):
            model = build(_config(row["architecture"]))
        if {key: value.shape for key, value in model.state_dict().items()} == shapes:
            plain = row["architecture"].removesuffix("-quickgelu")
            if plain != row["architecture"]:
                raise InputError(
                    f"{path.name} fits {plain} with either of two activations. Name it: --backbone "
                    f"{row['name']} for OpenAI's weights, or --backbone {plain}:TAG for weights of "
                    "open_clip."
                )
            return row["name"]
    raise InputError(f"{path.name} is no backbone of the table. {_advice(state)}")
