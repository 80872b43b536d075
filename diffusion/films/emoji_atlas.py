"""The pictures that a text model was trained on, and those held out, small, with all their names.

They travel with the checkpoint, as atlas.png and atlas.json, so that what it draws can be held against what
it has seen.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.data.emoji import EmojiSet
from diffusion.data.grids import UNREADABLE, image_grid, png_bytes, read_grid
from diffusion.files import to_json, write_atomically

PICTURES_FILE, NAMES_FILE = "atlas.png", "atlas.json"
ATLAS_FILES = (PICTURES_FILE, NAMES_FILE)
SIDE, COLUMNS = 32, 48  # pixels, enough to tell emoji apart; pictures in a row of the sheet


@dataclass(frozen=True, eq=False)
class Atlas:
    """A data set of captioned pictures, in miniature.

    Args:
        characters: N emoji.
        names: by language, N names each.
        held_out: (N,) whether each was kept from training.
        pictures: (N, SIDE, SIDE, 3) uint8.
    """

    characters: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    held_out: np.ndarray
    pictures: np.ndarray

    def distances(self, image: Tensor) -> Tensor:
        """(3, H, W) in [−1, 1] → (N,): root mean square distance to each picture, both SIDE × SIDE."""
        small = F.interpolate(image[None].clamp(-1, 1).float().cpu(), (SIDE, SIDE), mode="area")[0]
        known = torch.from_numpy(self.pictures).permute(0, 3, 1, 2) / 127.5 - 1
        return (known - small).square().flatten(1).mean(1).sqrt()

    def words(self) -> frozenset[str]:
        """Every word of every name, in lower case."""
        texts = (name for names in self.names.values() for name in names)
        return frozenset(word for text in texts for word in text.lower().split())


def save_atlas(folder: Path, emoji: EmojiSet) -> None:
    """Write the two files into a model's folder."""
    small = F.interpolate(emoji.images.float(), (SIDE, SIDE), mode="area").round().to(torch.uint8)
    pictures = small.permute(0, 2, 3, 1).cpu().numpy()
    about = {"characters": emoji.characters, "names": emoji.names, "held_out": emoji.held_out.int().tolist()}
    write_atomically(folder / PICTURES_FILE, png_bytes(image_grid(pictures, COLUMNS)))
    write_atomically(folder / NAMES_FILE, to_json(about, ensure_ascii=False).encode())


def load_atlas(folder: Path) -> Atlas | None:
    """Read what `save_atlas` wrote; None if the folder has no atlas, or a broken one."""
    try:
        about = json.loads((folder / NAMES_FILE).read_text("utf-8"))
        characters = tuple(map(str, about["characters"]))
        names = {str(language): tuple(map(str, all_)) for language, all_ in about["names"].items()}
        held_out = np.array(about["held_out"], bool)
        number = len(characters)
        if not number or {*map(len, names.values()), len(held_out)} != {number}:
            return None
        rows = -(-number // COLUMNS)
        cells = read_grid(folder / PICTURES_FILE, 3, (COLUMNS * SIDE, rows * SIDE))
        cells = cells.reshape(rows, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)
        return Atlas(characters, names, held_out, np.ascontiguousarray(cells[:number]))
    except UNREADABLE:
        return None
