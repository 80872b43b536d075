"""A small text-to-image model with random weights, real captions and an atlas, for what needs no skill."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from cat_models import shipped_cats, text_model_of
from conftest import randomised

from diffusion import UNet, UNetConfig, cosine_schedule, save_model
from diffusion.data.emoji import EmojiSet, captions, load_emoji
from diffusion.films.emoji_atlas import save_atlas
from diffusion.models.model import LatentModel
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer

SIDE, NUM_TOKENS = 32, 12
CHOSEN = "❤💚😀🍕🏠🚗🐶😿🔥🌈🚀🍎"  # the green heart and the crying cat are held out


@lru_cache(maxsize=1)
def few_emoji() -> EmojiSet:
    """A dozen emoji, SIDE × SIDE, with their names in all languages."""
    emoji = load_emoji(SIDE, skin_tones=False)
    return emoji.subset(torch.tensor([c.rstrip("\ufe0f") in CHOSEN for c in emoji.characters]))


def text_model() -> LatentModel:
    """A model that is told by text: 4 × 8 × 8 latents of 32 × 32 pictures."""
    emoji = few_emoji()
    spoken = [text for language in emoji.names for all_ in captions(emoji, language) for text in all_]
    tokenizer = train_tokenizer(spoken, 600, NUM_TOKENS)
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, NUM_TOKENS))
    net = UNet(UNetConfig(4, 32, (1, 2), 1, (0, 1), context_dim=64, sketch_side=8))
    autoencoder = Autoencoder(AutoencoderConfig(3, 4, 32, (1, 1), 1))
    parts = {"text": text, "autoencoder": autoencoder}
    return LatentModel(
        "tiny-text",
        randomised(net),
        "cosine",
        cosine_schedule(),
        "v",
        (4, 8, 8),
        tokenizer=tokenizer,
        **{name: randomised(part) for name, part in parts.items()},
    )


def cat_text_model() -> LatentModel:
    """A model of the shipped cats, a quarter as large, told by text; it sees no sketch."""
    model = text_model_of(shipped_cats())
    for part in model.parts().values():
        randomised(part)
    return replace(model, name="tiny-cats")


def save_text_model(folder: Path) -> LatentModel:
    """The model in a folder with an atlas, as training leaves it."""
    model = text_model()
    save_model(folder, model)
    save_atlas(folder, few_emoji())
    return replace(model, folder=folder)
