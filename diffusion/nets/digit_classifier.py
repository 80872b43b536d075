"""A small network that recognises digits: the judge of what others draw."""

from torch import Tensor, nn


def convolution(in_channels: int, out_channels: int, kernel_size: int = 3) -> list[nn.Module]:
    """A convolution that keeps the size."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
    return [layer, nn.BatchNorm2d(out_channels), nn.ReLU()]


def stage(in_channels: int, out_channels: int, kernel_size: int) -> list[nn.Module]:
    """A convolution that keeps the size, then half the resolution."""
    return [*convolution(in_channels, out_channels, kernel_size), nn.MaxPool2d(2)]


class DigitClassifier(nn.Module):
    """Three convolutions and a layer of features; (B, 1, 28, 28) in [−1, 1] → (B, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *stage(1, 32, 5),  # 28 → 14
            *stage(32, 64, 3),  # 14 → 7
            *stage(64, 128, 3),  # 7 → 3
            nn.Flatten(),
            nn.Linear(128 * 3 * 3, 128, bias=False),
            nn.BatchNorm1d(128),
            nn.ReLU(),
        )
        self.head = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
