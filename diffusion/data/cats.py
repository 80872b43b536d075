"""Cats put together from drawn parts: every picture that there can be is known, and a tenth is trained on.

So of each cat that a network draws one can say which it is, and whether it was ever drawn before. The parts
are by David Revoy (CC BY 4.0), as the package robohash has them.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.checks import check_whole
from diffusion.data.contents import Contents, Part, counted, fingerprint
from diffusion.data.grids import UNREADABLE, image_grid, png_bytes, read_grid
from diffusion.data.image_sets import DataError, ImageData, shuffled
from diffusion.data.images import to_signed
from diffusion.files import to_json, write_atomically

AUTHOR = "David Revoy"
SOURCE = "https://www.peppercarrot.com/extras/html/2016_cat-generator/"
DRAWINGS = "f034b690e3053545"  # the fingerprint of the package's files
KINDS = ("body", "fur", "eyes", "mouth", "accessory")  # from below
BODY, FUR, EYES, MOUTH, ACCESSORY = range(len(KINDS))
NAMES = Path(__file__).parent / "cat_names.json"  # by language and kind, in the order of the files
NOTHING_TWICE = {"fur": 6}  # of two empty files, the one that is left out
PARTS_SHEET, PARTS_TABLE = "parts.png", "parts.json"
PARTS_FILES = (PARTS_SHEET, PARTS_TABLE)
BLOCKS = 8  # along a side of a picture, in which it is judged, each by itself
VISIBLE = 8  # grey levels of 255 by which two pictures differ at least where they look different
MAX_PARTS, MAX_SIDE = 32, 128  # of a kind, and of the sheet's pictures, which may be a stranger's
MAX_COMBINATIONS = 2**20  # of which each is listed
MAX_NAME, MAX_TABLE = 60, 2**20  # characters of a name, bytes of the table
HELD_OUT = 2_000  # cats, of all that are not trained on
RENDERED_AT_ONCE = 250


class Rule(NamedTuple):
    """Which combinations are trained on: those with number · multiplier mod modulus < below.

    Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4) spreads them evenly: of any two kinds
    every pair of parts occurs.
    """

    multiplier: int = 2654435761
    modulus: int = 2**32
    below: int = 2**32 // 10  # a tenth


def over(part: Tensor, below: Tensor) -> Tensor:
    """(..., 4, S, S) with colours times alpha, laid on (..., 3, S, S) or one number (Porter & Duff 1984)."""
    return part[..., :3, :, :] + below * (1 - part[..., 3:, :, :])


@dataclass(frozen=True, eq=False)
class Cats:
    """All cats of some parts. A cat is a number for each kind in KINDS, (5,) int64.

    Args:
        layers: for each kind its parts, (K, 4, S, S) uint8: red, green, blue times alpha, and alpha.
        names: for each kind what its parts are called, K each.
        rule: which combinations are trained on.
    """

    layers: tuple[Tensor, ...]
    names: tuple[tuple[str, ...], ...]
    rule: Rule = Rule()
    title: ClassVar[str] = f"cats by {AUTHOR}"
    licence: ClassVar[str] = "CC BY 4.0"

    def to(self, device: torch.device | str) -> "Cats":
        """The same on another device."""
        return replace(self, layers=tuple(layer.to(device) for layer in self.layers))

    @property
    def classes(self) -> tuple[str, ...]:
        """The accessories' names."""
        return self.names[-1]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures."""
        return (3, *self.layers[0].shape[2:])

    @property
    def counts(self) -> tuple[int, ...]:
        """How many parts there are of each kind."""
        return tuple(len(layer) for layer in self.layers)

    @cached_property
    def colours(self) -> tuple[Tensor, ...]:
        """The layers as float32 in [0, 1]."""
        return tuple(layer.float() / 255 for layer in self.layers)

    def render(self, cats: Tensor) -> Tensor:
        """(..., 5) cats, or fewer kinds, from below → their pictures on white, (..., 3, S, S) uint8."""
        picture = torch.ones((), device=cats.device)
        for layer, chosen in zip(self.colours, cats.unbind(-1)):
            picture = over(layer[chosen], picture)
        return (255 * picture).round().clamp(0, 255).to(torch.uint8)

    def numbered(self, numbers: Tensor) -> Tensor:
        """(N,) numbers from 0 to the product of `counts` → (N, 5) cats: the last kind changes fastest."""
        places = np.unravel_index(numbers.cpu().numpy(), self.counts)  # torch's own imports sympy
        return torch.from_numpy(np.stack(places, axis=-1)).to(numbers.device)

    @cached_property
    def hides_mouth(self) -> Tensor:
        """(K,) for each accessory whether it covers every mouth: all mouths are one picture then."""
        mouths = torch.arange(self.counts[-2], device=self.layers[0].device)
        faces = self.render(torch.stack([*[torch.zeros_like(mouths)] * 3, mouths], dim=-1)).short()
        differences = (faces - faces[:1]).abs().amax((0, 1))  # (S, S)
        transparency = 1 - self.colours[-1][:, 3]
        return (transparency * differences <= VISIBLE).flatten(1).all(1)

    @cached_property
    def _is_chosen(self) -> Tensor:
        """(counts) bool: which combinations are trained on."""
        numbers = torch.arange(prod(self.counts), device=self.layers[0].device)
        chosen = numbers * self.rule.multiplier % self.rule.modulus < self.rule.below
        return chosen.reshape(self.counts)

    @cached_property
    def _is_drawn(self) -> Tensor:
        """(counts) bool: of which combinations the pictures are trained on; of a hidden mouth, with any."""
        return torch.where(self.hides_mouth, self._is_chosen.any(-2, keepdim=True), self._is_chosen)

    def is_trained_on(self, cats: Tensor) -> Tensor:
        """(..., 5) cats → (...) whether their pictures are trained on: of a hidden mouth, with any mouth."""
        return self._is_drawn[cats.unbind(-1)]

    @cached_property
    def trained_on(self) -> Tensor:
        """(N, 5) all combinations that are trained on, in the order of their numbers."""
        return self._is_chosen.nonzero()

    def __len__(self) -> int:
        return len(self.trained_on)

    def pictures(self, index: Tensor) -> Tensor:
        """(B,) of those that are trained on → (B, 3, S, S) uint8, put together here."""
        return self.render(self.trained_on[index])

    def never_trained_on(self, number: int, seed: int = 0) -> Tensor:
        """(number, 5) cats of which no picture is trained on, at random; all, if there are not so many."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(prod(self.counts), generator=generator).to(self.layers[0].device)
        return self.numbered(order[~self._is_drawn.flatten()[order]][:number])

    def held_out(self) -> ImageData:
        """Some pictures that are never trained on, in random order."""
        cats = self.never_trained_on(HELD_OUT)
        images = torch.cat([self.render(some) for some in cats.split(RENDERED_AT_ONCE)])
        return ImageData(self.title, images, cats[:, -1], self.classes, licence=self.licence)

    @cached_property
    def contents(self) -> Contents:
        """What it is made of, wherever it lies."""
        parts = fingerprint(layer.cpu().numpy().tobytes() for layer in self.layers)
        numbers = self.trained_on[:, -1].bincount(minlength=self.counts[-1]).tolist()
        return {name: Part(number, parts) for name, number in zip(self.classes, numbers)}

    @property
    def found(self) -> list[str]:
        """What a run's first line says."""
        possible = counted(prod(self.counts), "combination")
        parts = counted(sum(self.counts), "part")
        return [f"{counted(len(self.trained_on), 'cat')} of {possible} of {parts}"]

    def batch(self, positions: range, seed: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The examples at these positions of an endless stream of shuffled epochs, put together here.

        Args:
            positions: B positions, counted in images seen.
            seed: of the order.
            generator: as of every data set; cats need none.

        Returns:
            x_0 (B, 3, S, S) float32 in [−1, 1] and class labels (B,).
        """
        cats = self.trained_on[shuffled(len(self.trained_on), positions, seed, self.layers[0].device)]
        return to_signed(self.render(cats)), cats[:, -1]


@lru_cache(maxsize=1)  # a run asks for what it trains on and for what is held out
def load_cats(size: int) -> Cats:
    """The cats of the package robohash.

    Args:
        size: S, of the pictures' sides.

    Raises:
        DataError: the package is missing, or holds other drawings.
    """
    package = find_spec("robohash")
    if package is None or package.origin is None:
        raise DataError("the cats' parts are in the package robohash: `pip install robohash==2.0`.")
    folders = sorted((Path(package.origin).parent / "sets" / "set4").glob("*"))
    files = dict(zip(KINDS, (sorted(folder.glob("*.png")) for folder in folders)))
    if fingerprint(file.read_bytes() for of_kind in files.values() for file in of_kind) != DRAWINGS:
        raise DataError("the package robohash has other drawings of cats: `pip install robohash==2.0`.")
    for kind, index in NOTHING_TWICE.items():
        del files[kind][index]
    layers = (torch.stack([_scaled(file, size) for file in of_kind]) for of_kind in files.values())
    names = json.loads(NAMES.read_text("utf-8"))["en"]
    return Cats(tuple(layers), tuple(tuple(names[kind]) for kind in KINDS))


def _scaled(file: Path, size: int) -> Tensor:
    """(4, size, size) uint8: colours times alpha, so that what is transparent lends no colour to its edge."""
    with Image.open(file) as picture:
        rgba = np.asarray(picture.convert("RGBA"), np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    channels = [
        Image.fromarray(np.ascontiguousarray(channel)).resize((size, size), Image.Resampling.LANCZOS)
        for channel in np.moveaxis(rgba, 2, 0)
    ]
    scaled = torch.from_numpy(np.stack([np.asarray(channel) for channel in channels]))
    return (255 * scaled.clamp(0, 1)).round().to(torch.uint8)


def save_cats(folder: Path, cats: Cats) -> None:
    """Write the parts into a folder: as parts.png, a row for each kind, and their names as parts.json."""
    columns, side = max(cats.counts), cats.image_shape[-1]
    cells = np.zeros((len(KINDS), columns, side, side, 4), np.uint8)
    for row, layer in zip(cells, cats.layers):
        row[: len(layer)] = layer.permute(0, 2, 3, 1).cpu().numpy()
    sheet = image_grid(cells.reshape(-1, *cells.shape[2:]), columns)
    table = {
        "author": AUTHOR,
        "licence": cats.licence,
        "source": SOURCE,
        "side": side,
        "names": dict(zip(KINDS, cats.names)),
        "trained_on": cats.rule._asdict(),
    }
    write_atomically(folder / PARTS_SHEET, png_bytes(sheet))
    write_atomically(folder / PARTS_TABLE, to_json(table, indent=1, ensure_ascii=False).encode())


def read_cats(folder: Path) -> Cats | None:
    """Read what `save_cats` wrote, which may be a stranger's; None if the folder has no parts.

    Raises:
        DataError: they are broken, or others than there can be.
    """
    file = folder / PARTS_TABLE
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > MAX_TABLE:
            raise ValueError("too long")
        names, side, rule = _checked(json.loads(file.read_text("utf-8")))
        columns = max(map(len, names))
        sheet = read_grid(folder / PARTS_SHEET, 4, (columns * side, len(KINDS) * side))
    except UNREADABLE:
        raise DataError(f"The parts in {folder} are broken, or not those of cats.") from None
    cells = torch.from_numpy(sheet.reshape(len(KINDS), side, columns, side, 4).copy()).permute(0, 2, 4, 1, 3)
    cats = Cats(tuple(row[: len(kind)].contiguous() for row, kind in zip(cells, names)), names, rule)
    if not len(cats.never_trained_on(1)):
        raise DataError(f"The parts in {folder} have no cat that is not trained on.")
    return cats


def _checked(table: Any) -> tuple[tuple[tuple[str, ...], ...], int, Rule]:
    """The names, S and the rule in a table that may hold anything. Raises one of UNREADABLE."""
    side, rule = table["side"], Rule(**table["trained_on"])
    check_whole("side", side, BLOCKS, MAX_SIDE)
    if side % BLOCKS:
        raise ValueError(f"side must be a multiple of {BLOCKS}")
    for name, value in rule._asdict().items():
        check_whole(name, value, 1, 2**32)
    names = tuple(_checked_names(table["names"][kind]) for kind in KINDS)
    check_whole("the number of combinations", prod(map(len, names)), 1, MAX_COMBINATIONS)
    return names, side, rule


def _checked_names(names: Any) -> tuple[str, ...]:
    """What the parts of a kind are called: each by a line of its own, and the only one to be called so."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list of texts")
    check_whole("the number of parts", len(names), 1, MAX_PARTS)
    if len(set(names)) != len(names):
        raise ValueError("two parts have one name")
    if not all(name.strip() and name.isprintable() and len(name) <= MAX_NAME for name in names):
        raise ValueError("a name must be a short line of text")
    return tuple(names)
