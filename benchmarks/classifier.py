"""Small classifiers for MNIST and CIFAR-10, the judges of the samples.

    python -m benchmarks.classifier --data-dir data
    python -m benchmarks.classifier cifar10 --data-dir data --device cuda
    python -m benchmarks.classifier --data-dir data --into checkpoints/mnist

Trains one on the training images, keeps it in runs/benchmarks and prints its accuracy on the test images.
Where that file exists it is used instead of training again. The one for MNIST takes a few minutes on two
CPU cores; the one for CIFAR-10 needs a GPU. With --into, that for MNIST goes into models' folders, in
float16, for the page to tell which digits they have drawn; their cards say so.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from diffusion.data.cats import Cats
from diffusion.data.image_sets import DataError, ImageData, step_generator
from diffusion.data.images import to_signed
from diffusion.data.sources import CIFAR10_CLASSES, load_data
from diffusion.devices import in_bf16
from diffusion.files import write_atomically
from diffusion.models.card import load_metrics, write_model_card
from diffusion.models.digit_judge import DIGITS, load_classifier, save_classifier
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.nets.digit_classifier import DigitClassifier, convolution, stage

CACHE = Path("runs/benchmarks")
HEAD_SCALE = 1 / 8  # keeps the first logits of the wide features small


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(*convolution(channels, channels), *convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class PhotoClassifier(nn.Module):
    """A ResNet of eleven layers, much like David Page's; (B, 3, 32, 32) in [−1, 1] → (B, 10) logits."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(3, width),
            *stage(width, 2 * width, 3),  # 32 → 16
            Residual(2 * width),
            *stage(2 * width, 4 * width, 3),  # 16 → 8
            Residual(4 * width),
            *stage(4 * width, 4 * width, 3),  # 8 → 4
            Residual(4 * width),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(4 * width, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return HEAD_SCALE * self.head(self.features(x))


def rolled(x: Tensor, generator: torch.Generator, by: int = 2) -> Tensor:
    """The whole batch moved by up to two pixels; the digits' empty margin is 4 pixels wide."""
    shift = torch.randint(-by, by + 1, (2,), generator=generator, device=generator.device).tolist()
    return x.roll(shift, (2, 3))


def shifted(x: Tensor, generator: torch.Generator, by: int = 4) -> Tensor:
    """Each picture moved by itself, by up to four pixels; what comes in is mirrored at the edge."""
    number, _, height, width = x.shape
    offsets = torch.randint(0, 2 * by + 1, (2, number, 1), generator=generator, device=x.device)
    rows = offsets[0] + torch.arange(height, device=x.device)  # (B, H)
    columns = offsets[1] + torch.arange(width, device=x.device)  # (B, W)
    picture = torch.arange(number, device=x.device)[:, None, None]
    padded = F.pad(x, (by, by, by, by), mode="reflect")
    return padded[picture, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """How the classifier of a data set is built and trained.

    Args:
        title: how the data's own titles begin.
        sample_shape, classes: of the data.
        net: makes the untrained network.
        optimizer: of its parameters; its learning rate goes through one cycle up to `learning_rate`.
        augment: moves the pictures of a batch; those of photos are mirrored too, by the data.
        epochs, batch_size, label_smoothing: of the training.
    """

    title: str
    sample_shape: tuple[int, ...]
    classes: tuple[str, ...]
    net: Callable[[], nn.Module]
    optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer]
    learning_rate: float
    augment: Callable[[Tensor, torch.Generator], Tensor]
    epochs: int
    batch_size: int
    label_smoothing: float = 0.0


MOMENTUM = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
RECIPES = {
    "mnist": Recipe(
        "MNIST", (1, 28, 28), DIGITS, DigitClassifier, partial(torch.optim.AdamW, weight_decay=1e-2), 4e-3,
        rolled, epochs=3, batch_size=128,
    ),
    "cifar10": Recipe(
        "CIFAR-10", (3, 32, 32), CIFAR10_CLASSES, PhotoClassifier, partial(torch.optim.SGD, **MOMENTUM), 0.4,
        shifted, epochs=40, batch_size=512, label_smoothing=0.1,
    ),
}  # fmt: skip


def data_of(model: Model) -> str:
    """The name of the data set that a model was trained on: a key of RECIPES.

    Raises:
        CheckpointError: it is none of them, or was learned without its classes.
    """
    title, place = str(model.about.get("data", "")), model.folder or model.name
    if title == Cats.title:
        raise CheckpointError(
            f"{place} draws cats, judged by benchmarks.cats with their parts, not by a classifier."
        )
    for name, recipe in RECIPES.items():
        alike = (model.sample_shape, model.classes) == (recipe.sample_shape, recipe.classes)
        if alike and title.startswith(recipe.title):
            return name
    known = " or ".join(recipe.title for recipe in RECIPES.values())
    raise CheckpointError(f"{place} was not trained on {known} with its classes.")


def train(data: ImageData, recipe: Recipe, device: torch.device | str = "cpu", seed: int = 0) -> nn.Module:
    """Train a classifier; on a GPU its network computes in bf16, in the layout that is fastest there.

    Args:
        data: labelled pictures; the incomplete last batch of an epoch is left out.
        recipe: what to train and how.
        device: where.
        seed: of the weights, the order, the flips and the shifts.
    """
    torch.manual_seed(seed)
    device, data = torch.device(device), data.to(device)
    net = recipe.net().to(device)
    optimizer = recipe.optimizer(net.parameters())
    steps_per_epoch = len(data.images) // recipe.batch_size
    total_steps = recipe.epochs * steps_per_epoch
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps)
    forward = net
    if device.type == "cuda":
        forward = in_bf16(net.to(memory_format=torch.channels_last), device)
    for step in tqdm(range(total_steps), desc="classifier"):
        epoch, batch = divmod(step, steps_per_epoch)
        start = epoch * len(data.images) + batch * recipe.batch_size
        generator = step_generator(seed, start, device)
        x, labels = data.batch(range(start, start + recipe.batch_size), seed, generator)
        logits = forward(recipe.augment(x, generator)).float()
        F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing).backward()
        optimizer.step()
        optimizer.zero_grad()
        cycle.step()
    return net.eval().requires_grad_(False)


def load_or_train(
    name: str, data_dir: Path, device: torch.device | str = "cpu", epochs: int | None = None
) -> nn.Module:
    """The classifier that CACHE has for a data set; it is trained and written first if there is none.

    Args:
        name: a key of RECIPES.
        data_dir: where the data set is, or is fetched to.
        device: where the classifier is wanted.
        epochs: of the training, if not the recipe's.
    """
    file = cache_file(name)
    if file.exists():
        net = RECIPES[name].net().eval().requires_grad_(False)
        net.load_state_dict(safetensors.torch.load_file(file))
        return net.to(device)
    recipe = RECIPES[name] if epochs is None else replace(RECIPES[name], epochs=epochs)
    net = train(load_data(name, data_dir), recipe, device)
    weights = {key: value.cpu().contiguous() for key, value in net.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, safetensors.torch.save(weights))
    return net


def shipped_classifier(folder: Path) -> DigitClassifier:
    """The classifier in the folder of a model of digits. Raises CheckpointError: it has none."""
    net = load_classifier(folder)
    if net is None:
        raise CheckpointError(f"{folder} has no classifier of digits.")
    return net


def cache_file(name: str) -> Path:
    """Where a data set's classifier is kept."""
    return CACHE / f"classifier-{name}.safetensors"


@torch.no_grad()
def classify(net: nn.Module, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) uint8 → features (N, F) and the classes recognised (N,), both on the CPU."""
    device = next(net.parameters()).device
    parts = images.split(batch_size)
    features = torch.cat([net.features(to_signed(part.to(device))) for part in parts])
    return features.cpu(), net.head(features).argmax(1).cpu()


def accuracy(net: nn.Module, data: ImageData) -> float:
    """The share of `data` that is recognised."""
    return (classify(net, data.images)[1] == data.labels).float().mean().item()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", choices=RECIPES, default="mnist", help="default: mnist")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the data is, or will be")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--epochs", type=int, help="fewer for a rehearsal; default: enough")
    parser.add_argument("--into", type=Path, nargs="+", default=[], help="folders of models of digits")
    return parser.parse_args(arguments)


def put_into(folder: Path, net: DigitClassifier, test: ImageData) -> None:
    """Write the classifier into the folder of a model of digits, and tell of it in its card.

    Raises:
        CheckpointError: there is no such model.
    """
    model = load_folder(folder)
    if data_of(model) != "mnist":
        raise CheckpointError(f"{folder} draws no digits.")
    half = DigitClassifier().eval().requires_grad_(False)
    half.load_state_dict({name: value.half() for name, value in net.state_dict().items()})
    save_classifier(folder, net, accuracy(half, test))
    write_model_card(folder, model, load_metrics(folder))


def main(options: argparse.Namespace) -> None:
    net = load_or_train(options.data, options.data_dir, options.device, options.epochs)
    test = load_data(options.data, options.data_dir, train=False)
    share = accuracy(net, test)
    title = RECIPES[options.data].title
    print(f"{cache_file(options.data)} recognises {share:.2%} of the {title} test set.")
    for folder in options.into:
        put_into(folder, net, test)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (DataError, CheckpointError) as error:
        sys.exit(str(error))
