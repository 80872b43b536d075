"""A data set behind a DataLoader, as training loops usually have it; train.py keeps it on the device."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from diffusion.data.image_sets import ImageData
from diffusion.data.images import to_signed


class Examples(Dataset):
    """One picture at a time, flipped and scaled on the CPU, with its label."""

    def __init__(self, data: ImageData) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x_0 = to_signed(self.data.images[index])
        mirrored = self.data.flip and torch.rand(()) < 0.5
        return x_0.flip(-1) if mirrored else x_0, self.data.labels[index]


def loader(data: ImageData, batch_size: int, device: torch.device) -> DataLoader:
    """Shuffled batches from a worker for each core; the workers stay from epoch to epoch.

    Raises:
        ValueError: there are fewer pictures than a batch has.
    """
    if len(data.images) < batch_size:
        raise ValueError(f"{data.title} has {len(data.images)} pictures, fewer than a batch of {batch_size}.")
    options = {"num_workers": len(os.sched_getaffinity(0)), "persistent_workers": True, "drop_last": True}
    return DataLoader(Examples(data), batch_size, shuffle=True, pin_memory=device.type == "cuda", **options)


def endless(batches: DataLoader) -> Iterator[Any]:
    """Epoch after epoch."""
    while True:
        yield from batches


@dataclass(frozen=True, eq=False)
class LoadedData(ImageData):
    """The same data, whose batches come from a `loader`, made by `loaded`."""

    batches: Iterator[Any] = iter(())
    device: torch.device = torch.device("cpu")

    def batch(self, *_: Any) -> tuple[Tensor, Tensor]:
        """The next batch, whatever its positions should be."""
        x_0, labels = next(self.batches)
        return x_0.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


def loaded(data: ImageData, batch_size: int, device: torch.device) -> LoadedData:
    """Data that stays where it is and comes to the device in batches. Raises ValueError as `loader` does."""
    own = {field.name: getattr(data, field.name) for field in fields(data)}
    return LoadedData(**own, batches=endless(loader(data, batch_size, device)), device=device)
