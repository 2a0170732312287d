"""ACR: a small network meta-trained on other products, whose batch normalisation makes a batch its own reference."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ..detector import Inspection
from ..errors import InputError
from ..maps import smoothed
from ..prompts import clean_product_name
from ..scale import Scale
from . import auxiliary, shipped
from .method import ImageBatch, Method, inspections
from .owned_cache import OwnedCache

OUTPUT = 32  # width of the representation
ITERATIONS = 50
TASKS = 32  # of one iteration: a normal product each
SHOTS = 30  # normal vectors of a task, and as many abnormal ones
LEARNING_RATE = 3e-4
SIDE, SIGMA = 224, 4.0  # pixels of the map that is smoothed, and of the Gaussian
LEAST = 16  # images; fewer are no batch that normal ones could be told from
PLACES_AT_ONCE = 64  # of the grid; the activations of all would take too much memory
SHIPPED = shipped.FOLDER / "acr.safetensors"
_TRAINED = OwnedCache(limit=64)  # networks of some 50,000 weights


class CentredNetwork(nn.Module):
    """Linear layers with batch normalisation and ReLU, the last without ReLU; and a learned centre.

    `forward`: vectors (B, N, d) in B batches of N -> squared distance to the centre (B, N). Every batch is normalised
    by its own mean and deviation, in training and afterwards alike: that is how the network adapts to a new product.
    """

    def __init__(self, dim: int, generator: torch.Generator):
        super().__init__()
        widths = [dim]
        while widths[-1] // 2 >= OUTPUT:
            widths.append(widths[-1] // 2)
        widths.append(OUTPUT)

        def uniform(*shape, low=0.0, high=1.0):
            return nn.Parameter(low + (high - low) * torch.rand(*shape, generator=generator))

        self.weights = nn.ParameterList(  # PyTorch's initialisation; a bias would be taken out again at once
            uniform(after, before, low=-(before**-0.5), high=before**-0.5) for before, after in zip(widths, widths[1:])
        )
        self.gains = nn.ParameterList([nn.Parameter(torch.ones(width)) for width in widths[1:-1]] + [uniform(OUTPUT)])
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths[1:])
        self.centre = nn.Parameter(torch.randn(OUTPUT, generator=generator))
        self.register_buffer("neutral", torch.ones(()))  # the distance at which normal and abnormal vectors part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, (weight, gain, shift) in enumerate(zip(self.weights, self.gains, self.shifts)):
            x = F.linear(x if number == 0 else F.relu(x), weight)  # (B, N, width)
            centred = x - x.mean(dim=1, keepdim=True)
            x = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt() * gain + shift
        return (x - self.centre).square().sum(dim=-1)


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """The meta-trained network."""

    network: CentredNetwork
    scale: Scale

    @torch.no_grad()
    def evidence(self, batch: ImageBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """How abnormal the images are, (N,), and the places of their maps, (N, SIDE, SIDE), both in [0, 1].

        LEAST images or more are judged by each other: among others, an image may get another score.
        """
        dense = batch.encoded.dense  # (N, rows, columns, d)
        if len(dense) >= LEAST:
            places = dense.flatten(1, 2).transpose(0, 1)  # (P, N, d): the images at one place are a batch
            distances = torch.cat([self.network(batches) for batches in places.split(PLACES_AT_ONCE)]).T  # (N, P)
        else:
            distances = self.network(dense.flatten(1, 2))  # the patches of an image are a batch
        maps = smoothed(distances.unflatten(1, dense.shape[1:3]), SIDE, SIGMA)  # (N, SIDE, SIDE)
        maps = maps / (maps + self.network.neutral)
        return maps.flatten(1).amax(dim=1), maps

    def inspect(self, batch: ImageBatch) -> list[Inspection]:
        return inspections(*self.scale(*self.evidence(batch)), batch.sizes)


class Acr(Method):
    name, title = "acr", "ACR"
    source = "Li et al., NeurIPS 2023 (arXiv 2302.07849)"
    faithful = (
        "Network, loss, batch statistics place by place and image score are those of the authors' code for MVTec, on "
        "the backbone's dense vectors instead of a WideResNet's; the anomalies it learns from are vectors of other "
        "products, the paper's meta outlier exposure, where that code adds noise. d / (d + c) brings distances into "
        f"[0, 1], which moves no AUROC. Fewer than {LEAST} images are no batch; then the patches of each are one. The "
        "network that comes with `embedded` learned on our renders, other units of the sample products among them."
    )
    remedy = "Give labelled images of other products, in MVTec's, VisA's or the factory's layout, with --auxiliary DIR."

    def missing(self) -> str | None:
        if self.resources.auxiliary is not None:
            return auxiliary.missing(self.resources.auxiliary, self.title)
        return shipped.missing(SHIPPED, self.backbone.image_fingerprint, self.title)

    def fit(self, product: str, seed: int = 0) -> FittedNetwork:
        """A network trained on other products: those of `product` are left out of the auxiliary images.

        Where none are given, the shipped one, which knows no seed.
        """
        product = clean_product_name(product)
        self._check()
        if self.resources.auxiliary is None:
            return FittedNetwork(_TRAINED.get(self.backbone, SHIPPED, lambda: _shipped(self.backbone.dim)), self.scale)
        images = auxiliary.encoded(self.backbone, self.resources.auxiliary)
        left_out = images.left_out(product)
        network = _TRAINED.get(images, (left_out, seed), lambda: meta_trained(images, left_out, seed))
        return FittedNetwork(network, self.scale)


def _shipped(dim: int) -> CentredNetwork:
    network = CentredNetwork(dim, torch.Generator())
    shipped.fill(network, SHIPPED)
    return network.requires_grad_(False)


@torch.inference_mode(False)
def meta_trained(images: auxiliary.Auxiliary, left_out: str | None = None, seed: int = 0) -> CentredNetwork:
    """A network trained to bring the normal vectors of every task to the centre and the others away from it."""
    generator = torch.Generator().manual_seed(seed)
    tasks = Tasks(images, left_out, generator)
    network = CentredNetwork(images.dense.shape[-1], generator)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for _ in range(ITERATIONS):
        vectors = tasks.draw()
        with torch.enable_grad():
            normal, abnormal = network(vectors).split(SHOTS, dim=1)  # (TASKS, SHOTS) each
            loss = torch.cat([normal, 1 / abnormal]).mean()
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
    with torch.no_grad():
        normal, abnormal = network.requires_grad_(False)(tasks.draw()).split(SHOTS, dim=1)
        network.neutral.copy_((normal.median() * abnormal.median()).sqrt())
    return network


class Tasks:
    """Meta-training tasks: vectors at one place of intact images, of one product and of the others."""

    def __init__(self, images: auxiliary.Auxiliary, left_out: str | None, generator: torch.Generator):
        self.dense, self.generator = images.dense.flatten(1, 2), generator  # (N, P, d)
        intact = [number for number in images.others(left_out) if not images.damaged[number]]
        names = [images.products[number] for number in intact]
        self.products = [
            [number for number, name in zip(intact, names) if name == product] for product in dict.fromkeys(names)
        ]
        if len(self.products) < 2:
            raise InputError("ACR learns on intact images of at least two products: give another folder of them.")

    def draw(self) -> torch.Tensor:
        """(TASKS, 2 * SHOTS, d): the normal vectors of every task, then the abnormal ones."""
        return torch.stack([self._task() for _ in range(TASKS)])

    def _task(self) -> torch.Tensor:
        normal = self._below(len(self.products))
        others = [number for index, product in enumerate(self.products) if index != normal for number in product]
        chosen = self._some(self.products[normal]) + self._some(others)
        return self.dense[chosen, self._below(self.dense.shape[1])].float()  # (2 * SHOTS, d)

    def _some(self, numbers: list[int]) -> list[int]:
        """SHOTS of them, each as often as any other as far as that goes."""
        rounds = -(-SHOTS // len(numbers))
        order = torch.cat([torch.randperm(len(numbers), generator=self.generator) for _ in range(rounds)])
        return [numbers[index] for index in order[:SHOTS]]

    def _below(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self.generator))
