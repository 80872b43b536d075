"""A class-conditional DCGAN for digits: generator, discriminator, and how the two are trained.

As Radford et al. 2016 have it, in what fits pictures of 28×28: strided convolutions instead of pooling, batch
norm in all layers but the generator's last and the discriminator's first, ReLU and tanh in the one, LeakyReLU
of slope 0.2 in the other, weights from N(0, 0.02²), Adam with a rate of 2e-4 and β₁ = 0.5. The class is told
to both as by Mirza & Osindero 2014: beside z, and as planes beside the picture. Both losses are those of
Goodfellow et al. 2014, the generator's the one that does not saturate, −log D(G(z)). No other tricks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.samples import BATCH_SIZES, SEED
from diffusion.data.image_sets import ImageData, step_generator
from diffusion.data.images import to_uint8
from diffusion.devices import has_bf16, in_bf16
from diffusion.nets.ema import EMA
from diffusion.training.run_state import load_run, save_run

CPU = torch.device("cpu")
Z_SIZE, CHANNELS, SIDE = 100, 64, 7  # numbers in z; of the widest pictures; of the smallest ones, 28 / 4
BATCH_SIZE, LEARNING_RATE, BETAS = 128, 2e-4, (0.5, 0.999)
WEIGHT_SCALE, SLOPE = 0.02, 0.2


class Generator(nn.Module):
    """z (B, Z_SIZE) and classes (B,) → pictures (B, 1, 28, 28) in [−1, 1]."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        wide = 2 * CHANNELS
        self.project = nn.Linear(Z_SIZE + num_classes, wide * SIDE * SIDE, bias=False)
        self.grow = nn.Sequential(
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.ConvTranspose2d(wide, CHANNELS, 4, 2, 1, bias=False),  # 7 → 14
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
            nn.ConvTranspose2d(CHANNELS, 1, 4, 2, 1),  # 14 → 28
            nn.Tanh(),
        )

    def forward(self, z: Tensor, class_labels: Tensor) -> Tensor:
        told = F.one_hot(class_labels, self.num_classes).to(z)
        x = self.project(torch.cat((z, told), 1))
        return self.grow(x.view(len(x), -1, SIDE, SIDE))


class Discriminator(nn.Module):
    """Pictures (B, 1, 28, 28) and classes (B,) → logits (B,) of being real."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        wide = 2 * CHANNELS
        self.judge = nn.Sequential(
            nn.Conv2d(1 + num_classes, CHANNELS, 4, 2, 1),  # 28 → 14
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(CHANNELS, wide, 4, 2, 1, bias=False),  # 14 → 7
            nn.BatchNorm2d(wide),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(wide * SIDE * SIDE, 1),
        )

    def forward(self, x: Tensor, class_labels: Tensor) -> Tensor:
        told = F.one_hot(class_labels, self.num_classes).to(x)[:, :, None, None]
        planes = told.expand(-1, -1, *x.shape[2:])
        return self.judge(torch.cat((x, planes), 1)).squeeze(1)


class Gan(nn.Module):
    """Generator and discriminator, as one module that is saved and trained together.

    Args:
        data: what it is trained on, with its classes.
        folder: of the run.
        seed: of the weights, the data order and z.
        total_images: of the run.
    """

    def __init__(self, data: ImageData, folder: Path, seed: int, total_images: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.data, self.folder, self.seed = data, folder, seed
        self.total_images, self.images_seen = total_images, 0
        self.generator = Generator(len(data.classes or ()))
        self.discriminator = Discriminator(len(data.classes or ()))
        self.apply(initialise)
        # Adam keeps its moments for each weight and passes over those without a gradient: it is both
        # networks' optimiser, of which each step uses one.
        self.optimizer = torch.optim.Adam(self.parameters(), LEARNING_RATE, betas=BETAS, fused=True)
        self.average = EMA(nn.Identity())  # of nothing: a DCGAN is sampled as it is

    def step(self) -> dict[str, Tensor]:
        """A step of the discriminator, then one of the generator, on the same batch; their losses."""
        positions = range(self.images_seen, self.images_seen + BATCH_SIZE)
        random = step_generator(self.seed, self.images_seen, "cpu")
        real, classes = self.data.batch(positions, self.seed, random)
        assert classes is not None
        fake = computed(self.generator)(torch.randn(len(real), Z_SIZE, generator=random), classes).float()
        judge = computed(self.discriminator)
        says_real = F.softplus(-judge(real, classes).float()).mean()  # −log D(x)
        says_fake = F.softplus(judge(fake.detach(), classes).float()).mean()  # −log(1 − D(G(z)))
        self._descend(says_real + says_fake, self.generator)
        deceived = F.softplus(-judge(fake, classes).float()).mean()  # −log D(G(z))
        self._descend(deceived, self.discriminator)
        self.images_seen += BATCH_SIZE
        return {"discriminator": (says_real + says_fake).detach(), "generator": deceived.detach()}

    def _descend(self, loss: Tensor, resting: nn.Module) -> None:
        """A step of the optimiser, in which one of the two networks stays as it is."""
        loss.backward()
        resting.zero_grad()
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def draw(self, class_labels: Tensor) -> Tensor:
        """Pictures of these classes (N,), always from the same z: (N, 1, 28, 28) uint8."""
        self.generator.eval()
        parts = []
        for batch, labels in enumerate(class_labels.split(BATCH_SIZES["cpu"])):
            z = torch.randn(len(labels), Z_SIZE, generator=torch.Generator().manual_seed(SEED + batch))
            parts.append(to_uint8(computed(self.generator)(z, labels).float()))
        self.generator.train()
        return torch.cat(parts)

    @property
    def settings(self) -> dict[str, Any]:
        """What may not change while a run lasts."""
        fixed = {"method": "gan", "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}
        return fixed | {"seed": self.seed, "total_images": self.total_images}

    def save(self) -> None:
        """Write the state from which `resume` goes on. Raises as `save_run`."""
        parts = (self, self.average, self.optimizer)
        save_run(self.folder, *parts, self.images_seen, self.settings, self.data.contents)

    def resume(self) -> None:
        """Continue from the state in the folder, if there is one. Raises as `load_run`."""
        parts = (self, self.average, self.optimizer)
        self.images_seen = load_run(self.folder, *parts, self.settings, {}, self.data.contents)


def computed(net: nn.Module) -> Callable[..., Tensor]:
    """The network in bf16 where the hardware has it, as the diffusion network is trained."""
    return in_bf16(net, CPU) if has_bf16(CPU) else net


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02²), those of batch norm around 1; no biases."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
        mean = 1.0 if isinstance(module, nn.BatchNorm2d) else 0.0
        nn.init.normal_(module.weight, mean, WEIGHT_SCALE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
