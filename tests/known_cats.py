"""A model of cats that is told by text; untrained, but its decoder knows four cats by heart."""

from dataclasses import fields
from itertools import islice

import torch
from cat_models import text_model_of
from conftest import ROOT, randomised
from torch import Tensor

from diffusion.data.captions import cat_texts
from diffusion.data.cats import Cats, read_cats
from diffusion.data.images import to_signed
from diffusion.models.model import LatentModel
from diffusion.nets.text_encoder import TextConfig, TextEncoder, train_tokenizer

PROMPT = "a grey cat with a smile and a hat"
# body, fur, eyes, mouth, accessory: all as asked, with a red hat; another smile and the black hat; orange,
# without a smile; grey, with a scarf over its smile.
DRAWN = torch.tensor([[11, 2, 9, 1, 13], [11, 2, 9, 6, 5], [14, 2, 9, 5, 13], [11, 2, 9, 1, 0]])
NUM_TOKENS = 32


class ByHeart(LatentModel):
    """Picture i is cat i of DRAWN, whatever the latents."""

    def decode(self, x_0: Tensor) -> Tensor:
        assert self.cats is not None
        return to_signed(self.cats.render(DRAWN[torch.arange(len(x_0)) % len(DRAWN)]))


def shipped_parts() -> Cats:
    """The cats that come along, as large as they are."""
    found = read_cats(ROOT / "checkpoints/cats")
    assert found is not None
    return found


def cat_model() -> LatentModel:
    """The model of them: 4×16×16 latents of 3×64×64 pictures."""
    model = text_model_of(shipped_parts())
    tokenizer = train_tokenizer(islice(cat_texts(model.cats), 2000), 600, NUM_TOKENS, split_punctuation=True)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, NUM_TOKENS))
    own = {"name": "kittens", "tokenizer": tokenizer, "text": randomised(text), "net": randomised(model.net)}
    return ByHeart(**{field.name: getattr(model, field.name) for field in fields(model)} | own)
