"""What learns and what teaches: text tower, head and the trunk's upper stages on one side, the trunk as ImageNet left
it and its classifier on the other; and one training of the former, a step at a time, wherever the features come from.
"""

import copy
import math
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import nn

from zsad_core import embedded
from zsad_core.errors import InputError
from zsad_core.grain import grain, without_grain

from . import weights
from .captions import CONDITIONS, imagenet_names, product_names
from .objective import SHARPEST, TAUGHT_NAMES, WEIGHTS, losses, say
from .text_space import condition_vectors, short_axis

LEARNING_RATE = 1e-3
TRUNK_RATE = 0.1  # of it for the trunk's upper stages, which have learned from a million photographs
WARM_UP = 100  # steps
LEAN = 0.4  # of a dense vector's length for a rarity of 1
AXIS_THINGS = 50  # product names whose mean is the axis from normal to damaged
NOISY = 0.5  # of an image vector's length for a picture whose grain was taken out
AVERAGE_DECAY = 0.998  # of the running mean of the weights, which is what ships


def mixed_precision(device):
    """Autocast to bfloat16 where the device computes in it; a CPU that emulates it is 20 times slower than in fp32."""
    told = getattr(torch.cpu, "get_capabilities", dict)()  # older releases do not tell
    native = device.type != "cpu" or told.get("avx512_bf16", False)
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


class Learner(nn.Module):
    """All that is learned: text tower, head, logit scale, the matrix that brings ImageNet's class weights along, and a
    copy of the trunk's upper stages where they are given.

    Args:
        depthwise: are the upper stages' depthwise filters learned too? They are few weights and most of the cost.
    """

    def __init__(self, architecture, class_width, upper=None, depthwise=False):
        super().__init__()
        self.upper = copy.deepcopy(upper)
        for module in self.upper.modules() if upper else ():
            if isinstance(module, nn.Conv2d):
                module.requires_grad_(depthwise or module.groups == 1)
        self.text = embedded.build_text_tower(architecture)
        self.head = embedded.Head(architecture.dim, architecture.head_width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.class_directions = nn.Linear(class_width, architecture.dim, bias=False)

    def features(self, features):
        """Trunk features with those from the learned upper stages in place of the teacher's."""
        if self.upper is None:
            return features
        return features[0], *(feature.float() for feature in embedded.upper_features(self.upper, features[0]))

    def encode_text(self, tokens):
        """(N, L) token ids -> (N, d) unit vectors; causal, so columns behind the last end of text are cut off."""
        longest = int(tokens.argmax(dim=1).max()) + 1
        tokens = tokens[:, :longest]
        x = self.text.token_embedding(tokens) + self.text.positional_embedding[:longest]  # (N, L, w)
        x = self.text.transformer(x, attn_mask=self.text.attn_mask[:longest, :longest])
        x = self.text.ln_final(x)[torch.arange(len(x), device=x.device), tokens.argmax(dim=1)]  # (N, w)
        return F.normalize(x.float() @ self.text.text_projection, dim=1)


class Teacher:
    """The frozen trunk and the ImageNet classifier it belongs to.

    Attributes:
        classes: (1000, 1280) unit vectors, the classifier's centred weights.
    """

    def __init__(self, device):
        trunk, classifier = weights.load_imagenet_trunk()
        self.trunk = trunk.to(device, memory_format=torch.channels_last)
        self.classifier = classifier.to(device)
        self.mean = torch.tensor(embedded.ImageTower.mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(embedded.ImageTower.std, device=device).view(3, 1, 1)
        weight = classifier.classifier.weight.detach()
        self.classes = F.normalize(weight - weight.mean(dim=0), dim=1)

    @torch.no_grad()
    def __call__(self, images):
        """uint8 (N, 3, S, S) -> features at three strides, class probabilities (N, 1000)."""
        pixels = images.to(self.mean.device).float() / 255
        pixels = (without_grain(pixels, grain(pixels), embedded.GRAIN_LEFT) - self.mean) / self.std
        with mixed_precision(pixels.device):
            features = self.trunk(pixels)
            wide = self.classifier.bn2(self.classifier.conv_head(features[-1]))  # (N, 1280, S/32, S/32)
            logits = self.classifier.classifier(self.classifier.global_pool(wide))
        return [feature.float() for feature in features], logits.float().softmax(dim=1)


class Training:
    """One training from pictures' trunk features on; deterministic under a seed.

    Args:
        classes: (1000, width), as `Teacher.classes`. tokenizer: as `embedded.build_tokenizer` gives it.
        steps: length of the schedule. weights: of the terms of the objective; a term that is missing is left out.
        upper: the trunk's upper stages, to be learned too; None takes all features as they come.
    Attributes:
        average: the running mean of the learner, which is what ships.
        shown: recent mean of each term and each watched share, tensors, so that no step waits for the device.
    """

    def __init__(self, architecture, classes, tokenizer, steps, seed, weights=WEIGHTS, upper=None):
        torch.manual_seed(seed)
        self.random, self.seed = random.Random(seed), seed
        self.classes, self.tokenizer, self.steps, self.weights = classes, tokenizer, steps, weights
        self.upper = upper  # as ImageNet left it
        self.things, self.taught_names = product_names(), imagenet_names()
        self.device = classes.device
        depthwise = self.device.type != "cpu"
        self.learner = Learner(architecture, classes.shape[1], upper, depthwise).to(self.device)
        self.average = copy.deepcopy(self.learner).requires_grad_(False)
        learned = [(name, weight) for name, weight in self.learner.named_parameters() if weight.requires_grad]
        known = [weight for name, weight in learned if name.startswith("upper.")]
        fresh = [weight for name, weight in learned if not name.startswith("upper.")]
        groups = [
            {"params": [weight for weight in fresh if weight.ndim > 1], "weight_decay": 0.03, "share": 1.0},
            {"params": [weight for weight in fresh if weight.ndim <= 1], "weight_decay": 0.0, "share": 1.0},
            {"params": known, "weight_decay": 0.0, "share": TRUNK_RATE},
        ]
        self.optimiser = torch.optim.AdamW([group for group in groups if group["params"]])
        self.done, self.shown = 0, {}

    def standardise(self, batches):
        """Set the head's mean and deviation per channel from a few batches of trunk features."""
        for level, features in enumerate(zip(*batches)):
            channels = torch.cat([feature.transpose(0, 1).flatten(1) for feature in features], dim=1)  # (C, N)
            for head in (self.learner.head, self.average.head):
                getattr(head, f"mean_{level}").copy_(channels.mean(dim=1))
                getattr(head, f"deviation_{level}").copy_(channels.std(dim=1) + 1e-3)

    def start_from(self, path):
        """Take over weights, with a fresh schedule: from a checkpoint, or from a folder that `weights.save` wrote.

        Returns:
            names of the learner's tensors that the file does not have, or has in another shape; they start afresh.
        Raises:
            InputError: it is neither.
        """
        own, fitting = self.learner.state_dict(), self._fitting(path)
        self.learner.load_state_dict(fitting, strict=False)
        if "class_directions.weight" not in fitting:
            self._fit_class_directions()
        self.average.load_state_dict(self.learner.state_dict())
        return [name for name in own if name not in fitting]

    @torch.no_grad()
    def mix(self, path, share):
        """Keep `share` (0 to 1) of the average, and take the rest from the weights that the training started from: what
        was learned last does not push out what was known (WiSE-FT, arXiv 2109.01903, equation 1). Upper stages of the
        trunk that those weights do not have are ImageNet's."""
        own = self.average.state_dict()
        untrained = {f"upper.{name}": tensor for name, tensor in self.upper.state_dict().items()} if self.upper else {}
        for name, tensor in (untrained | self._fitting(path)).items():
            own[name].lerp_(tensor.to(own[name]), 1 - share)

    def _fitting(self, path):
        """The tensors of a checkpoint, or of a folder of weights, that the learner has in the same shape."""
        path, own = Path(path), self.learner.state_dict()
        try:
            if path.is_dir():
                found = weights.read_trained(path)
            else:
                found = torch.load(path, map_location=self.device, weights_only=True)["average"]
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{path.name!r} is neither a checkpoint of the training nor a folder with its weights ({error!r:.80})."
            ) from error
        return {name: tensor for name, tensor in found.items() if name in own and own[name].shape == tensor.shape}

    @torch.no_grad()
    def lean(self, batches):
        """Let a place that is unlike the rest of its picture lean towards the damaged states.

        Renders teach the head little of this, because their grounds are more restless than those of an inspection. How
        far it leans is what ranked held-out twins best, by image and by map.

        Args:
            batches: a few batches of trunk features, which fix the length of a dense vector and the mean rarity; a
                place of mean rarity does not lean at all.
        """
        head, length, rarity = self.average.head, [], []
        for features in map(self.average.features, batches):
            length.append(head(*features)[1].norm(dim=1).mean())
            fine, sixteen = (head.standardise(feature, level) for level, feature in enumerate(features[:2]))
            rarity.append(head.compare(fine, sixteen)[1].mean())
        lean = LEAN * torch.stack(length).mean() * self._damage_axis()
        head.patch.bias -= torch.stack(rarity).mean() * (lean - head.lean)
        head.lean.copy_(lean)

    @torch.no_grad()
    def name_noise(self, batches):
        """Let the vectors of a picture whose grain was taken out say that it was noisy, and nothing about its state.

        The trunk cannot see it any more (of noisy held-out renders 2 % were still called noisy; all are with this).

        Args:
            batches: a few batches of trunk features, which fix the length of an image vector.
        """
        length = torch.stack([self.average.head(*self.average.features(one))[0].norm(dim=1).mean() for one in batches])
        vectors = condition_vectors(self._text_vectors)  # (6, d)
        noisy = list(CONDITIONS).index("noisy")
        towards = vectors[noisy] - (vectors.sum(dim=0) - vectors[noisy]) / (len(vectors) - 1)  # (d,)
        damage = self._damage_axis()
        self.average.head.noisy.copy_(NOISY * length.mean() * F.normalize(towards - (towards @ damage) * damage, dim=0))

    def _damage_axis(self):
        """(d,) unit vector from the normal to the abnormal state, whatever the product."""
        things = self.things[:: max(1, len(self.things) // AXIS_THINGS)]
        return F.normalize(torch.stack([short_axis(self._text_vectors, thing) for thing in things]).mean(dim=0), dim=0)

    def _text_vectors(self, sentences):
        return self.encode_text(self.average, sentences)

    @torch.no_grad()
    def _fit_class_directions(self):
        """The matrix that was not shipped: the one that takes ImageNet's classes closest to those of their names."""
        names = [f"a photo of a {name}." for name in self.taught_names]
        vectors = torch.cat([self.encode_text(self.learner, names[i : i + 100]) for i in range(0, len(names), 100)])
        ridge = 0.1 * torch.eye(self.classes.shape[1], device=self.device)
        solved = torch.linalg.solve(self.classes.T @ self.classes + ridge, self.classes.T @ vectors)  # (1280, d)
        self.learner.class_directions.weight.copy_(solved.T)

    def encode_text(self, learner, sentences):
        """(N, d) unit vectors of sentences."""
        return learner.encode_text(self.tokenizer(sentences).to(self.device))

    def step(self, batch, features, labels):
        """Learn from one batch.

        Args:
            batch: as `pairs.collate` gives it; images are not needed.
            features: of the 2B pictures, as the teacher gives them. labels: (2B, 1000) the classifier's probabilities.
        Returns:
            the logit scale, a tensor.
        """
        likeliest = labels.topk(1, dim=1).indices.flatten().tolist()
        taught = list(dict.fromkeys(likeliest + self.random.sample(range(1000), TAUGHT_NAMES)))[:TAUGHT_NAMES]
        words = say(batch, self.things, [self.taught_names[index] for index in taught], self.random)
        with mixed_precision(self.device):
            image, dense = self.learner.head(*self.learner.features(features))
            text = self.encode_text(self.learner, words.sentences)
        scale = self.learner.log_scale.exp().clamp(max=SHARPEST)
        directions = F.normalize(self.learner.class_directions(self.classes[taught]), dim=1)
        image, dense, text = F.normalize(image.float(), dim=1), dense.float(), text.float()
        terms, watched = losses(image, dense, text, words, batch, scale, labels[:, taught], directions)
        loss = sum(weight * terms[name] for name, weight in self.weights.items())
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * group["share"] * rate(self.done, self.steps)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), 2.0)
        self.optimiser.step()
        self.done += 1
        decay = min(AVERAGE_DECAY, self.done / (self.done + 9))
        with torch.no_grad():
            for mean, weight in zip(self.average.parameters(), self.learner.parameters()):
                mean.lerp_(weight, 1 - decay)
            for name, value in [*terms.items(), *((f"{name} right", share) for name, share in watched.items())]:
                self.shown[name] = value.detach().lerp(self.shown.get(name, value), 0.98)
        return scale.detach()

    def state(self):
        """Everything that `load_state` needs to go on."""
        parts = {name: getattr(self, name).state_dict() for name in ("learner", "average", "optimiser")}
        return {**parts, "step": self.done}

    def load_state(self, saved):
        """Go on where `state` was taken."""
        for name in ("learner", "average", "optimiser"):
            getattr(self, name).load_state_dict(saved[name])
        self.done = saved["step"]
        self.random.seed(f"{self.seed} {self.done}")


def rate(step, steps):
    """Share of the learning rate: linear warm-up (a quarter of a short training), then half a cosine down to 2 %."""
    return min(1.0, (step + 1) / min(WARM_UP, steps / 4)) * (0.51 + 0.49 * math.cos(math.pi * step / steps))
