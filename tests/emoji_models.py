"""A text-to-image model of a few emoji; its autoencoder can tell them apart, its U-Net is not trained."""

from functools import lru_cache

import torch
from conftest import randomised
from training import few_emoji

import diffusion.data.emoji
from diffusion import LatentModel, UNet, UNetConfig, cosine_schedule
from diffusion.data.emoji import EmojiSet
from diffusion.data.images import to_signed
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig, reconstruction_loss
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer

SIDE = 16
ALL_NAMES = diffusion.data.emoji.emoji_names


def few_names() -> dict[str, dict[str, str]]:
    """The names of 64 emoji, some of them held out."""
    return few_emoji(ALL_NAMES)


@lru_cache(maxsize=1)
def trained_autoencoder(emoji: EmojiSet) -> Autoencoder:
    """Trained until it can tell them apart."""
    torch.manual_seed(0)
    net = Autoencoder(AutoencoderConfig(latent_channels=8, channel_mult=(1,)))
    images = to_signed(emoji.images)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(150):
        reconstruction_loss(net, images, torch.randn(len(images), *net.latent_shape(SIDE))).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    net.measure_latents([images])
    return net.eval().requires_grad_(False)


def model_of(emoji: EmojiSet) -> LatentModel:
    """A model as if it had been trained on them."""
    autoencoder = trained_autoencoder(emoji)
    tokenizer = train_tokenizer([name for names in emoji.names.values() for name in names], 400, 12)
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12)).eval().requires_grad_(False)
    shape = autoencoder.latent_shape(SIDE)
    net = randomised(UNet(UNetConfig(8, 64, (1,), 1, (0,), context_dim=64, sketch_side=shape[1])))
    settings = {"image_size": SIDE, "skin_tones": False}
    about = {"data": emoji.title, "licence": emoji.licence, "images_seen": 0, "settings": settings}
    parts = {"text": text, "tokenizer": tokenizer, "autoencoder": autoencoder}
    return LatentModel("em", net, "cosine", cosine_schedule(), "v", shape, about=about, **parts)
