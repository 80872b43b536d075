"""Cats small enough for tests: a few parts of plain colours, and untrained models of them."""

from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d

from diffusion import LatentModel, Model, UNet, UNetConfig, cosine_schedule
from diffusion.data.cats import Cats, Rule, read_cats
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer

COUNTS = (3, 2, 3, 4, 5)
SIDE = 16


def few_cats(rule: Rule = Rule()) -> Cats:
    """360 cats of 16×16: each part a half-transparent rectangle, and accessory 1 hides mouths."""
    random = torch.Generator().manual_seed(0)
    layers = []
    for kind, count in enumerate(COUNTS):
        part = torch.zeros(count, 4, SIDE, SIDE, dtype=torch.uint8)
        colour = torch.randint(0, 200, (count, 3, 1, 1), generator=random, dtype=torch.uint8)
        part[:, :3, 3 * kind : 3 * kind + 3, 2:14] = colour
        part[:, 3, 3 * kind : 3 * kind + 3, 2:14] = 200
        layers.append(part)
    layers[-1][1, :3, 9:12], layers[-1][1, 3, 9:12] = 40, 255
    names = tuple(tuple(f"{kind} {i}" for i in range(count)) for kind, count in zip("abcde", COUNTS))
    return Cats(tuple(layers), names, rule)


def shipped_cats() -> Cats:
    """Those that come along, a quarter as large."""
    shipped = read_cats(Path(__file__).parent.parent / "checkpoints/cats")
    layers = (avg_pool2d(layer.float(), 4).round().to(torch.uint8) for layer in shipped.layers)
    return replace(shipped, layers=tuple(layers))


def model_of(cats: Cats) -> Model:
    """An untrained model of them."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(3, 32, (1,), 1, (), num_classes=cats.counts[-1])).eval().requires_grad_(False)
    about = {"data": cats.title, "licence": cats.licence, "images_seen": 0, "settings": {}}
    schedule = cosine_schedule()
    return Model("few-cats", net, "cosine", schedule, "v", cats.image_shape, cats.classes, about, cats=cats)


def text_model_of(cats: Cats) -> LatentModel:
    """One that is told by text, without a sketch: 4 × 4 × 4 latents of 16 × 16 pictures."""
    texts = ["a grey cat, a red hat", "빨간 모자를 쓴 회색 고양이"] * 2
    tokenizer = train_tokenizer(texts, 200, 12, split_punctuation=True)
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12))
    autoencoder = Autoencoder(AutoencoderConfig(3, 4, 32, (1, 1), 1))
    net = UNet(UNetConfig(4, 32, (1, 2), 1, (1,), context_dim=64))
    for part in (text, autoencoder, net):
        part.eval().requires_grad_(False)
    shape, schedule = autoencoder.latent_shape(cats.image_shape[-1]), cosine_schedule()
    about = {"data": cats.title, "licence": cats.licence, "images_seen": 0, "settings": {}}
    parts = {"text": text, "tokenizer": tokenizer, "autoencoder": autoencoder}
    return LatentModel("few-words", net, "cosine", schedule, "v", shape, about=about, cats=cats, **parts)
