"""How a network learned: at a few moments of a run, its samples from fixed noise and its loss.

Kept in a model's folder as training.png (a row per sample, a column per moment), training.json (the
numbers) and examples.png (held-out pictures to try the network on); training.webp is the first in a fifth of
the bytes, for folders that are shipped.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.data.grids import UNREADABLE, image_grid, png_bytes, read_grid, webp_bytes
from diffusion.data.image_sets import ImageData
from diffusion.data.images import to_signed
from diffusion.files import to_json, write_atomically
from diffusion.films.film import make_film
from diffusion.films.samples import GRID_ROWS, every_class
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.models.model import Model

SPRITE_FILE, NUMBERS_FILE, EXAMPLES_FILE = "training.png", "training.json", "examples.png"
LIGHT_FILE = "training.webp"  # in the place of the sprite in a folder that is shipped
HISTORY_FILES = (SPRITE_FILE, LIGHT_FILE, NUMBERS_FILE, EXAMPLES_FILE)
QUARTILES = 4
HELD_OUT, TRAINED_ON = "held-out images", "training images"  # what a network is judged on
# Shares of a run after which it is looked at: most is learned early, yet a look costs the same at any time,
# so the first ones double, and from a quarter on they are even.
SHARES = (0, *(2**-k for k in range(8, 2, -1)), *(k / 8 for k in range(2, 9)))
LOOK_STEPS, NUM_JUDGED = 10, 128  # of a look's samples; pictures for its loss

BROKEN: tuple[type[Exception], ...] = (*UNREADABLE, StopIteration)  # the last where there is no sprite


@dataclass(frozen=True, eq=False)
class History:
    """A recorded run.

    Args:
        frames: (K, B, H, W, C) uint8: at each moment, B samples of the averaged weights, always from the
            same noise.
        examples: (E, H, W, C) uint8 pictures, held out of the training where the data has such.
        info: num_timesteps, the samples' settings, "judged_on", what the loss is measured on in words, and
            whether that is "held_out", the examples' classes, "planned", when a look is due in images seen,
            and "moments", one dictionary for each look:
            images_seen and, for the last and the averaged weights, the loss ‖ε − ε̂‖² in each quarter of 1..T.
            "remark", if somebody has written one, is a sentence for the page: say, that the weights beside it
            are another run's.
        light: a WebP file's content, a row for each sample and a column for each moment.
    """

    frames: np.ndarray
    examples: np.ndarray
    info: dict[str, Any]
    light: bytes

    @property
    def held_out(self) -> bool:
        """Whether the examples were kept from training."""
        return bool(self.info.get("held_out"))


def moments(total_images: int, batch_size: int) -> list[int]:
    """When to look, in images seen: whole steps, from none to the last."""
    last = -(-total_images // batch_size)
    return sorted({round(share * last) * batch_size for share in SHARES})


@torch.no_grad()
def loss_by_quartile(model: Model, images: Tensor, labels: Tensor | None) -> list[float]:
    """The training objective ‖ε − ε̂‖² of a model, its mean over each quarter of the timesteps.

    Args:
        model: its network is called without dropout or dropped labels.
        images: (B, C, H, W) uint8, B a multiple of four; the same t and noise at every call.
        labels: (B,) int64 or None.
    """
    generator = torch.Generator(images.device).manual_seed(0)
    t = stratified_timesteps(len(images), model.schedule.num_timesteps, generator)
    x_0 = to_signed(images)
    noise = torch.randn(x_0.shape, generator=generator, device=x_0.device)
    loss = diffusion_loss(
        model.net, model.schedule, x_0, t, noise, prediction=model.prediction, class_labels=labels
    )
    return [round(part.mean().item(), 6) for part in loss.chunk(QUARTILES)]


def judged_pictures(data: ImageData) -> tuple[Tensor, Tensor | None]:
    """The first pictures and their labels, as many for each quarter of t; a few pictures come repeatedly."""
    number = max(QUARTILES, min(NUM_JUDGED, len(data.images)) // QUARTILES * QUARTILES)
    chosen = torch.arange(number, device=data.images.device) % len(data.images)
    return data.images[chosen], None if data.labels is None else data.labels[chosen]


class Looks:
    """Keeps what is seen of a run at its moments: pictures in training.png, numbers in training.json.

    Args:
        folder: of the run. What it holds of a later moment than `images_seen` is dropped.
        planned: when to look, in images seen; a run once begun keeps its own.
        images_seen: so far.
    """

    def __init__(self, folder: Path, planned: list[int], images_seen: int) -> None:
        self.folder = folder
        self.info: dict[str, Any] = {"planned": planned, "moments": []}
        self.frames: list[np.ndarray] = []
        known = load_looks(folder)
        if known:
            frames, info, _ = known
            kept = [row for row in info["moments"] if row["images_seen"] <= images_seen]
            self.info |= {"planned": info.get("planned", planned), "moments": kept}
            self.frames = list(frames[: len(kept)])

    def due(self, images_seen: int) -> bool:
        """Whether this is a moment that is not recorded yet."""
        rows = self.info["moments"]
        return images_seen in self.info["planned"] and (not rows or rows[-1]["images_seen"] < images_seen)

    def add(self, frame: np.ndarray, row: dict[str, Any]) -> None:
        """Write down a moment: its pictures, (B, H, W, C) uint8, and its numbers, with "images_seen"."""
        self.frames.append(frame)
        self.info["moments"].append(row)
        self._save()

    def _save(self) -> None:
        frames = np.stack(self.frames, axis=1)  # (B, K, H, W, C)
        shape = frames.shape[2:]
        info = self.info | {"image_shape": shape, "num_images": len(frames)}
        sprite = image_grid(frames.reshape(-1, *shape), len(self.frames))
        write_atomically(self.folder / SPRITE_FILE, png_bytes(sprite))
        write_atomically(self.folder / NUMBERS_FILE, to_json(info, indent=1).encode())


class Recorder(Looks):
    """Writes a run's history while the run lasts.

    Args:
        folder, images_seen: as for Looks.
        data: pictures to judge the network by and to choose examples from.
        judged_on: what they are, HELD_OUT or TRAINED_ON.
        model: what the run's network is after so many images, with the given parameters, or (None) as it is.
        total_images, batch_size: of the run.
    """

    def __init__(
        self,
        folder: Path,
        data: ImageData,
        judged_on: str,
        model: Callable[[dict[str, Tensor] | None, int], Model],
        total_images: int,
        batch_size: int,
        images_seen: int,
    ) -> None:
        super().__init__(folder, moments(total_images, batch_size), images_seen)
        self.data, self.model = data, model
        self.judged = judged_pictures(data)
        number = min(len(self.judged[0]), len(data.images))
        told = f"{number} {judged_on if number > 1 else judged_on.removesuffix('s')}"
        self.info |= {"judged_on": told, "held_out": judged_on == HELD_OUT}

    def record(self, images_seen: int, averages: dict[str, Tensor]) -> None:
        """Add the moment: the loss of the last and of the averaged weights, samples of the averaged ones."""
        last, average = self.model(None, images_seen), self.model(averages, images_seen)
        settings = every_class(average, per_class=1)
        settings["num_steps"] = min(LOOK_STEPS, settings["num_steps"])
        film = make_film(average, **settings)
        row = {
            "images_seen": images_seen,
            "loss": loss_by_quartile(last, *self.judged),
            "loss_of_average": loss_by_quartile(average, *self.judged),
        }
        kept = ("num_timesteps", "seed", "sampler", "num_steps", "guidance_scale", "class_labels")
        self.info |= {key: film.info[key] for key in kept if key in film.info}
        self.add(film.frames[-1, 0], row)

    def _save(self) -> None:
        chosen = _examples(self.data)
        examples = self.data.images[chosen].permute(0, 2, 3, 1).cpu().numpy()
        labels = None if self.data.labels is None else self.data.labels[chosen].tolist()
        self.info |= {"num_examples": len(examples), "example_labels": labels}
        write_atomically(self.folder / EXAMPLES_FILE, png_bytes(image_grid(examples, len(examples))))
        super()._save()


def _examples(data: ImageData) -> list[int]:
    """The first picture of every class that is drawn, or the first pictures."""
    if data.labels is None:
        return list(range(min(GRID_ROWS, len(data.images))))
    labels = data.labels.tolist()
    return [labels.index(label) for label in sorted(set(labels))[:GRID_ROWS]]


def load_looks(folder: Path) -> tuple[np.ndarray, dict[str, Any], bytes] | None:
    """Read what `Looks` wrote, as `frames`, `info` and `light` of a History; None if there is none, or if it
    is broken."""
    try:
        info = json.loads((folder / NUMBERS_FILE).read_text("utf-8"))
        height, width, channels = info["image_shape"]
        num_images, num_moments = info["num_images"], len(info["moments"])
        if not num_moments or not all(int(row["images_seen"]) >= 0 for row in info["moments"]):
            return None
        file = next(path for name in (SPRITE_FILE, LIGHT_FILE) if (path := folder / name).exists())
        cells = read_grid(file, channels, (num_moments * width, num_images * height))
        light = file.read_bytes() if file.name == LIGHT_FILE else light_sprite(file)
        frames = cells.reshape(num_images, height, num_moments, width, channels).transpose(2, 0, 1, 3, 4)
        return np.ascontiguousarray(frames), info, light
    except BROKEN:
        return None


def load_history(folder: Path) -> History | None:
    """Read what a `Recorder` wrote; None if the folder has no history, or a broken one."""
    looks = load_looks(folder)
    try:
        if looks is None or not all(_has_losses(row) for row in looks[1]["moments"]):
            return None
        frames, info, light = looks
        height, width, channels = info["image_shape"]
        if not (folder / EXAMPLES_FILE).exists():  # as in a repo, if the pictures are somebody's own
            info |= {"num_examples": 0, "example_labels": None}
            examples = np.zeros((0, height, width, channels), np.uint8)
        else:
            num_examples = info["num_examples"]
            row = read_grid(folder / EXAMPLES_FILE, channels, (num_examples * width, height))
            examples = row.reshape(height, num_examples, width, channels).swapaxes(0, 1)
        return History(frames, np.ascontiguousarray(examples), info, light)
    except BROKEN:
        return None


def light_sprite(file: Path) -> bytes:
    """The content of training.webp, of that of training.png."""
    with Image.open(file, formats=["PNG"]) as picture:
        return webp_bytes(picture)


def _has_losses(row: dict[str, Any]) -> bool:
    losses = [row["loss"], row["loss_of_average"]]
    return all(len(x) == QUARTILES and min(x) > 0 for x in losses)
