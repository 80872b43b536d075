"""A small convolutional classifier for MNIST, the judge of the samples.

    python -m benchmarks.classifier --data-dir data

Trains it on the 60,000 training digits (a few minutes on two CPU cores), keeps it in runs/benchmarks and
prints its accuracy on the 10,000 test digits. Where that file exists it is used instead of training again.
"""

import argparse
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from diffusion.checkpoint import write_atomically
from diffusion.data import ImageData, load_mnist, step_generator
from diffusion.pictures import to_signed

CACHE = Path("runs/benchmarks/classifier.safetensors")
EPOCHS, BATCH_SIZE, MAX_LEARNING_RATE, WEIGHT_DECAY, MAX_SHIFT = 3, 128, 4e-3, 1e-2, 2
NUM_FEATURES = 128


def _stage(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
    """A convolution that keeps the size, then half the resolution."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU(), nn.MaxPool2d(2)]


class Classifier(nn.Module):
    """Three convolutions and a layer of features; (B, 1, 28, 28) in [−1, 1] → (B, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_stage(1, 32, 5),  # 28 → 14
            *_stage(32, 64, 3),  # 14 → 7
            *_stage(64, 128, 3),  # 7 → 3
            nn.Flatten(),
            nn.Linear(128 * 3 * 3, NUM_FEATURES, bias=False),
            nn.BatchNorm1d(NUM_FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(NUM_FEATURES, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def train(data: ImageData, epochs: int = EPOCHS, seed: int = 0) -> Classifier:
    """Train a classifier: AdamW, one cycle of the learning rate, digits shifted by up to two pixels.

    Args:
        data: labelled pictures of 1×28×28; the incomplete last batch of an epoch is left out.
        epochs: passes over the data.
        seed: of the weights, the order and the shifts.
    """
    torch.manual_seed(seed)
    net = Classifier()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=WEIGHT_DECAY)
    steps_per_epoch = len(data.images) // BATCH_SIZE
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, MAX_LEARNING_RATE, epochs * steps_per_epoch)
    for step in tqdm(range(epochs * steps_per_epoch), desc="classifier"):
        epoch, batch = divmod(step, steps_per_epoch)
        start = epoch * len(data.images) + batch * BATCH_SIZE
        generator = step_generator(seed, start, "cpu")
        x, labels = data.batch(range(start, start + BATCH_SIZE), seed, generator)
        shift = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (2,), generator=generator).tolist()
        loss = F.cross_entropy(net(x.roll(shift, (2, 3))), labels)  # the digits' margin is 4 pixels
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        cycle.step()
    return net.eval().requires_grad_(False)


def load_or_train(data_dir: Path, file: Path = CACHE) -> Classifier:
    """The classifier in `file`, which is trained and written first if it is not there."""
    if file.exists():
        net = Classifier().eval().requires_grad_(False)
        net.load_state_dict(safetensors.torch.load_file(file))
        return net
    net = train(load_mnist(data_dir))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, safetensors.torch.save(net.state_dict()))
    return net


@torch.no_grad()
def classify(net: Classifier, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
    """(N, 1, 28, 28) uint8 → features (N, 128) and the classes recognised (N,)."""
    features = torch.cat([net.features(to_signed(part)) for part in images.split(batch_size)])
    return features, net.head(features).argmax(1)


def accuracy(net: Classifier, data: ImageData) -> float:
    """The share of `data` that is recognised."""
    return (classify(net, data.images)[1] == data.labels).float().mean().item()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is, or will be")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    data_dir = parse_arguments().data_dir
    share = accuracy(load_or_train(data_dir), load_mnist(data_dir, train=False))
    print(f"{CACHE} recognises {share:.2%} of the MNIST test set.")
