"""Sheets of samples: what a network draws from fixed noise, what an autoencoder makes of pictures."""

import math
from pathlib import Path

import torch
from torch import Tensor

from diffusion.data.grids import image_grid, png_bytes
from diffusion.data.images import to_pixels, to_signed
from diffusion.files import write_atomically
from diffusion.films.film import SamplerSettings, draw
from diffusion.models.model import LatentModel, Model
from diffusion.nets.autoencoder import Autoencoder

SAMPLES_FILE, SHEETS_FOLDER = "samples.png", "samples"  # in the end, and on the way
EMOJI_PROMPTS = (
    "red heart", "grinning face", "crying cat", "dog face", "pizza", "blue car", "house", "sun",
    "하트", "웃는 얼굴", "고양이 얼굴", "강아지 얼굴", "피자", "자동차", "집", "해",
    "woman astronaut", "man astronaut", "green heart", "purple square", "fire", "rocket", "apple", "tree",
)  # fmt: skip
CAT_PROMPTS = (  # a row each of one part, of several in English, of several in Korean
    "a grey cat", "a striped cat", "a cat with green eyes", "a smiling cat", "a cat with a hat",
    "주황색 고양이", "리본을 단 고양이", "놀란 고양이",
    "a grey cat with green eyes and a red hat", "a striped orange cat with glasses",
    "a black cat with closed eyes, wearing a bandana", "a laughing pink cat with polka dots",
    "a sandy cat wearing a diamond", "a blue cat with a monocle and a toothy grin",
    "a lilac cat with an eye patch and a pink bow", "a smiling green cat with swirls and headphones",
    "빨간 모자를 쓴 회색 고양이", "안경을 쓴 줄무늬 파란색 고양이", "초록 눈을 가진 까만 고양이",
    "웃는 분홍색 고양이", "다이아몬드를 단 하늘색 고양이", "눈을 감은 크림색 고양이",
    "타자기를 가진 놀란 갈색 고양이", "방울을 단 점박이 노란색 고양이",
)  # fmt: skip
EMOJI_GUIDANCE = 3.0  # of prompts, wherever nobody chose: `benchmarks.prompts` shows what it does
CAT_PROMPT_GUIDANCE = 2.0  # `benchmarks.cats --prompts` shows what it does
GRID_ROWS, GRID_COLUMNS = 16, 8  # classes, samples of each
RECONSTRUCTED = GRID_COLUMNS * GRID_ROWS // 2  # pictures through an autoencoder, on a sheet
FILM_VALUES = 50_000  # in a frame of a film: four pictures of 64×64 in colour, coded in 0.3 MB


def every_class(model: Model, per_class: int) -> SamplerSettings:
    """Settings that draw every class (or the first few) `per_class` times, from seed 0, a row for each."""
    rows = min(len(model.classes), GRID_ROWS) if model.classes else GRID_ROWS
    labels = torch.arange(rows, device=model.device).repeat_interleave(per_class) if model.classes else None
    sampler, num_steps = model.usual_walk
    return {
        "seed": 0,
        "num_images": rows * per_class,
        "sampler": sampler,
        "num_steps": num_steps,
        "class_labels": labels,
    }


def each_another(number: int, num_classes: int) -> list[int]:
    """Of which class each picture is: all in turn, or of fewer pictures evenly spread ones."""
    if number >= num_classes:
        return [i % num_classes for i in range(number)]
    return [i * num_classes // number for i in range(number)]


def film_settings(model: Model) -> SamplerSettings:
    """Settings of the film in a model's folder: one picture of each class, as long as that is light."""
    settings = every_class(model, per_class=1)
    number = max(1, min(settings["num_images"], FILM_VALUES // math.prod(model.sample_shape)))
    if model.classes:
        settings["class_labels"] = torch.tensor(each_another(number, len(model.classes)), device=model.device)
    settings["num_images"] = number
    return settings


def prompt_guidance(model: LatentModel) -> float:
    """The guidance scale of prompts, wherever nobody chose."""
    return CAT_PROMPT_GUIDANCE if model.cats else EMOJI_GUIDANCE


def fixed_prompts(model: LatentModel) -> SamplerSettings:
    """Settings that draw some prompts for what the model knows, from seed 0."""
    prompts = CAT_PROMPTS if model.cats else EMOJI_PROMPTS
    sampler, num_steps = model.usual_walk
    return {
        "seed": 0,
        "num_images": len(prompts),
        "sampler": sampler,
        "num_steps": num_steps,
        "prompts": prompts,
        "guidance_scale": prompt_guidance(model),
    }


def save_samples(file: Path, model: Model) -> None:
    """Sample from fixed noise and write the results as one picture, a row for each class or some prompts."""
    settings = fixed_prompts(model) if isinstance(model, LatentModel) else every_class(model, GRID_COLUMNS)
    _save_grid(file, model.decode(draw(model, **settings)))


@torch.no_grad()
def save_reconstructions(file: Path, autoencoder: Autoencoder, images: Tensor) -> None:
    """Write pictures, (N, C, H, W) uint8, and under each what the autoencoder makes of it: rows in turn."""
    x = to_signed(images)
    rows = zip(x.split(GRID_COLUMNS), autoencoder.decode(autoencoder.encode(x)).split(GRID_COLUMNS))
    _save_grid(file, torch.cat([part for row in rows for part in row]))


def _save_grid(file: Path, x: Tensor) -> None:
    """Write (B, C, H, W) pictures in [−1, 1] as one."""
    images = to_pixels(x)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, png_bytes(image_grid(images, GRID_COLUMNS)))
