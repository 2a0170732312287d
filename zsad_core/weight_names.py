"""What tensors of a CLIP are called: wrappers' prefixes are taken off, and transformers' names become open_clip's."""

import re

import torch

from .errors import InputError

PREFIXES = "module.", "_orig_mod.", "model.", "clip."  # of DDP, torch.compile, Lightning and training scripts
NOT_WEIGHTS = "input_resolution", "context_length", "vocab_size"  # numbers in OpenAI's files

_TOWERS = {"text_model.": "", "vision_model.": "visual."}
_PARTS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.": "ln_pre.",
    "post_layernorm.": "ln_post.",
    "final_layer_norm.": "ln_final.",
    "encoder.layers.": "transformer.resblocks.",
}
_IN_A_LAYER = {
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}
_PROJECTIONS = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
_DEFAULTS = {  # of transformers, which leaves them out of a config.json
    "text": {
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "max_position_embeddings": 77,
        "vocab_size": 49408,
        "hidden_act": "quick_gelu",
    },
    "vision": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 224,
        "patch_size": 32,
        "hidden_act": "quick_gelu",
    },
}
_QUERY = re.compile(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)")


def as_open_clip_names(state: dict[str, torch.Tensor], file: str) -> dict[str, torch.Tensor]:
    """The tensors under the names that open_clip has for them.

    Raises:
        InputError: two tensors come to one name, or a model of transformers is not a whole CLIP.
    """
    named: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        name = _without_prefixes(key)
        if name in named:
            raise InputError(f"{file} holds {name!r} twice, as of two models: save the weights of one.")
        if name not in NOT_WEIGHTS:
            named[name] = value
    if not any(name.startswith(tuple(_TOWERS)) for name in named):
        return named
    return _from_transformers(named, file)


def config_of_transformers(description: dict) -> dict | None:
    """The configuration for open_clip of the config.json of a CLIPModel; None where it is another model's.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError: it says what no CLIPModel can be.
    """
    if description.get("model_type") != "clip":
        return None
    text, image = ({**default, **(description.get(f"{tower}_config") or {})} for tower, default in _DEFAULTS.items())
    activations = {text["hidden_act"], image["hidden_act"]}
    if activations not in ({"gelu"}, {"quick_gelu"}):
        raise ValueError(f"its activations are {sorted(activations)}")
    width = image["hidden_size"]
    return {
        "embed_dim": description.get("projection_dim", 512),
        "quick_gelu": activations == {"quick_gelu"},
        "vision_cfg": {
            "image_size": image["image_size"],
            "layers": image["num_hidden_layers"],
            "width": width,
            "head_width": width // image["num_attention_heads"],
            "patch_size": image["patch_size"],
            "mlp_ratio": image["intermediate_size"] / width,
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        },
    }


def _without_prefixes(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _from_transformers(state: dict[str, torch.Tensor], file: str) -> dict[str, torch.Tensor]:
    lacking = [name for name in (*_PROJECTIONS, *_TOWERS) if not any(key.startswith(name) for key in state)]
    if lacking:
        raise InputError(
            f"{file} is in the layout of transformers and lacks {lacking[0].rstrip('.')!r}: give the weights of a "
            "whole CLIPModel; a single tower, SigLIP and others are not read."
        )
    named: dict[str, torch.Tensor] = {}
    attention: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        part = _QUERY.fullmatch(key)
        if key.endswith(".position_ids"):
            continue
        if key in _PROJECTIONS:
            named[_PROJECTIONS[key]] = value.T.contiguous()
        elif part:
            attention.setdefault((part[1], part[3]), {})[part[2]] = value
        else:
            named[_open_clip_name(key)] = value
    for (layer, kind), parts in attention.items():
        if len(parts) < 3:
            raise InputError(f"{file} lacks a part of {layer}.self_attn: fetch it again.")
        name = _open_clip_name(f"{layer}.").removesuffix(".")
        named[f"{name}.attn.in_proj_{kind}"] = torch.cat([parts[each] for each in "qkv"])
    return named


def _open_clip_name(key: str) -> str:
    tower = next((tower for tower in _TOWERS if key.startswith(tower)), None)
    if tower is None:
        return key
    rest = key.removeprefix(tower)
    part = next((part for part in _PARTS if rest.startswith(part)), "")
    rest = _PARTS.get(part, "") + rest.removeprefix(part)
    for theirs, ours in _IN_A_LAYER.items():
        rest = rest.replace(theirs, ours)
    return _TOWERS[tower] + rest
