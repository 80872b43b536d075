"""Every real emoji, to find again what a text model drew: which is the nearest, and which count as one.

A drawing is looked for in two spaces: among the latents of the real pictures (it is encoded as it is shown,
in 8 bits), and among their pixels.
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.metrics import nearest_neighbours
from diffusion.data.emoji import EmojiSet, load_emoji
from diffusion.data.images import to_signed, to_uint8
from diffusion.models.folder import CheckpointError
from diffusion.models.model import LatentModel, Model

SEED = 0
BATCH_SIZE = 64
COPY_FACTOR, NUM_RECONSTRUCTED = 2.0, 256
SKIN_TONE = re.compile(  # where a couple has two, it is "person person" too
    r"( person person)?,? (light|medium-light|medium|medium-dark|dark) skin tone"
)
SPACES = ("latent", "pixels")
Found = dict[str, tuple[Tensor, Tensor]]  # by space: distances (B,) and indices (B,) of the nearest


def emoji_of(model: Model, font: Path | None) -> EmojiSet:
    """Render the emoji that a model was trained on, and those held out.

    Raises:
        CheckpointError: it is no text model that was trained on emoji.
        DataError: the emoji cannot be rendered.
    """
    settings = model.about.get("settings", {})
    if not isinstance(model, LatentModel) or not {"image_size", "skin_tones"} <= settings.keys():
        raise CheckpointError(f"{model.folder or model.name} is not a text model that was trained on emoji.")
    return load_emoji(settings["image_size"], settings["skin_tones"], font)


def subset(mask: Tensor, number: int | None = None) -> Tensor:
    """Indices at which the mask (N,) is true, in an order that is random but fixed; the first `number`."""
    order = torch.randperm(len(mask), generator=torch.Generator().manual_seed(SEED))
    return order[mask[order]][:number]


def groups(*labels: Iterable[Hashable]) -> Tensor:
    """(N,) int64: the same number for items that have one of their labels in common, directly or in a chain.

    Args:
        labels: sequences of N labels each, compared within the sequence.
    """
    parent: list[int] = []

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for sequence in labels:
        first: dict[Hashable, int] = {}
        for i, label in enumerate(sequence):
            if i == len(parent):
                parent.append(i)
            parent[root(i)] = root(first.setdefault(label, i))
    return torch.tensor([root(i) for i in range(len(parent))])


def without_skin_tone(name: str) -> str:
    """An emoji's English name without the tones in it."""
    return SKIN_TONE.sub("", name)


@torch.no_grad()
def in_spaces(model: Model, images: Tensor) -> dict[str, Tensor]:
    """(B, C, H, W) uint8 → by space (B, D), on the model's device."""
    signed = [to_signed(part.to(model.device)) for part in images.split(BATCH_SIZE)]
    latents = torch.cat([model.encode(part).flatten(1) for part in signed])
    return {"latent": latents, "pixels": torch.cat(signed).flatten(1)}


def reconstructions(model: Model, images: Tensor) -> Tensor:
    """(B, C, H, W) uint8 pictures, there and back through the autoencoder."""
    parts = (to_signed(part.to(model.device)) for part in images.split(BATCH_SIZE))
    return torch.cat([to_uint8(model.decode(model.encode(part))).cpu() for part in parts])


@dataclass(frozen=True, eq=False)
class Gallery:
    """Every real emoji in both spaces, to find the nearest one to a drawing.

    Args:
        model: the one measured, which has the autoencoder.
        emoji: N of them, as the model's training saw them, or would have.
    """

    model: Model
    emoji: EmojiSet

    @cached_property
    def known(self) -> dict[str, Tensor]:
        """By space, (N, D)."""
        return in_spaces(self.model, self.emoji.images)

    @cached_property
    def pictures(self) -> list[bytes]:
        """N pictures as something that can be compared."""
        return [image.numpy().tobytes() for image in self.emoji.images]

    @cached_property
    def held_out(self) -> Tensor:
        """(N,) which were kept from training, not counting those whose picture was not."""
        trained = {picture for picture, out in zip(self.pictures, self.emoji.held_out) if not out}
        return self.emoji.held_out & torch.tensor([picture not in trained for picture in self.pictures])

    @cached_property
    def copy_limits(self) -> dict[str, float]:
        """By space: how far from a training picture a copy of it may be."""
        chosen = subset(~self.emoji.held_out, NUM_RECONSTRUCTED)
        again = in_spaces(self.model, reconstructions(self.model, self.emoji.images[chosen]))
        errors = {space: again[space] - self.known[space][chosen.to(self.model.device)] for space in SPACES}
        typical = {space: error.square().mean(1).sqrt().median().item() for space, error in errors.items()}
        return {space: COPY_FACTOR * distance for space, distance in typical.items()}

    def alike(self, language: str, skin_tone: bool) -> Tensor:
        """(N,) int64: the same number for emoji that count as one, if `skin_tone` only with the same tone."""
        names = [name.lower() for name in self.emoji.names[language]]
        same = [self.pictures, names]
        if not skin_tone:
            same.append([without_skin_tone(name) for name in self.emoji.names["en"]])
        return groups(*same)

    def find(self, pictures: Tensor) -> Found:
        """The nearest real emoji to (B, C, H, W) uint8 pictures."""
        parts = [in_spaces(self.model, part) for part in pictures.split(BATCH_SIZE)]
        found: Found = {}
        for space in SPACES:
            nearest = [nearest_neighbours(part[space], self.known[space]) for part in parts]
            distances, indices = (torch.cat(column).cpu() for column in zip(*nearest))
            found[space] = (distances, indices)
        return found

    def copies(self, found: Found, space: str) -> Tensor:
        """(B,) which drawings are copies of a training picture."""
        distances, indices = found[space]
        return ~self.held_out[indices] & (distances < self.copy_limits[space])
