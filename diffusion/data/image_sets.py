"""Pictures as uint8 tensors on the device, in an order that depends on (seed, images_seen) alone."""

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffusion.data.contents import Contents, Part, described, fingerprint, left_out, oddities
from diffusion.data.images import to_signed
from diffusion.files import to_json, write_atomically


class DataError(ValueError):
    """A data set that cannot be used; the message is one plain sentence naming it."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set in memory.

    Args:
        title: what it is, for titles and model cards.
        images: (N, C, H, W) uint8.
        labels: (N,) int64, or None.
        classes: the name of each label, or None.
        flip: whether a mirrored picture is as good as the original.
        licence: of the pictures, for model cards.
        skipped: files and folders that were left out, each with its reason.
        notes: what else its owner should know, a sentence each.
        files: of pictures from one's own files, N fingerprints of name and content: pixels depend on the
            machine's decoders too.
    """

    title: str
    images: Tensor
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    flip: bool = False
    licence: str = "see the data's own source"
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def to(self, device: torch.device | str) -> "ImageData":
        """The same data on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, images=self.images.to(device), labels=labels)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures."""
        return tuple(self.images.shape[1:])

    @cached_property
    def contents(self) -> Contents:
        """What it is made of, wherever it lies."""
        labels = torch.zeros(len(self.images)) if self.labels is None else self.labels.cpu()
        parts = {}
        for label, name in enumerate(self.classes or ("",)):
            chosen = (labels == label).nonzero().flatten()
            files = (self.files[i].encode() for i in chosen.tolist())
            pixels = (
                () if self.files else (self.images[chosen.to(self.images.device)].cpu().numpy().tobytes(),)
            )
            parts[name] = Part(len(chosen), fingerprint(files if self.files else pixels))
        return parts

    @property
    def found(self) -> list[str]:
        """What a run's first lines say: what it is made of, what was left out and why, what is odd."""
        return [described(self.contents), *left_out(self.skipped), *self.notes, *oddities(self.contents)]

    def batch(self, positions: range, seed: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The examples at these positions of an endless stream of shuffled epochs.

        Args:
            positions: B positions, counted in images seen.
            seed: of the order.
            generator: on the images' device, for the flips.

        Returns:
            x_0 (B, C, H, W) float32 in [−1, 1] and class labels (B,) or None.
        """
        index = shuffled(len(self.images), positions, seed, self.images.device)
        x_0 = to_signed(self.images[index])
        if self.flip:
            mirrored = torch.rand(len(x_0), 1, 1, 1, generator=generator, device=x_0.device) < 0.5
            x_0 = torch.where(mirrored, x_0.flip(-1), x_0)
        return x_0, None if self.labels is None else self.labels[index]


def save_images(file: Path, data: ImageData) -> None:
    """Write a data set as it is in memory into one file; its folder is made if need be.

    Raises:
        OSError: it cannot be written.
    """
    about = {name: getattr(data, name) for name in ("title", "classes", "flip", "licence", "skipped")}
    tensors = {"images": data.images} | ({} if data.labels is None else {"labels": data.labels})
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, safetensors.torch.save(tensors, {"about": to_json(about)}))


def load_images(file: Path) -> ImageData:
    """Read what `save_images` wrote.

    Raises:
        DataError: it is broken, or something else.
    """
    try:
        with safe_open(file, "pt") as held:
            about = json.loads(held.metadata()["about"])
            # Copies: a view of a file that is replaced or cut off meanwhile ends the process.
            tensors = {name: held.get_tensor(name).clone() for name in held.keys()}  # noqa: SIM118
        classes, skipped = about["classes"], tuple(about["skipped"])
        return ImageData(**tensors, **about | {"classes": classes and tuple(classes), "skipped": skipped})
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        raise DataError(f"{file} is broken, or not a data set.") from None


def shuffled(size: int, positions: range, seed: int, device: torch.device) -> Tensor:
    """Which of `size` examples stand at these positions of an endless stream of epochs: (B,) indices."""
    epochs = range(positions.start // size, (positions.stop - 1) // size + 1)
    orders = torch.cat([_epoch_order(size, seed, epoch, device) for epoch in epochs])
    first = positions.start - epochs.start * size
    return orders[first : first + len(positions)]


@lru_cache(maxsize=2)
def _epoch_order(size: int, seed: int, epoch: int, device: torch.device) -> Tensor:
    """A permutation of 0..size − 1 that only (seed, epoch) decides."""
    return torch.randperm(size, generator=step_generator(seed, epoch, "cpu")).to(device)


def step_generator(seed: int, position: int, device: torch.device | str) -> torch.Generator:
    """Randomness that depends on (seed, position) alone, so that a resumed run continues the same stream."""
    mixed = np.random.SeedSequence([seed, position]).generate_state(1)[0]
    return torch.Generator(device).manual_seed(int(mixed))
