"""Captions of emoji as tokens on the device, and a random one for each picture of a batch."""

import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffusion.data.emoji import LANGUAGE_SHARES, EmojiSet, captions
from diffusion.nets.text_encoder import drop_words, encode_words


class Captions:
    """Every caption of every emoji: a language, a template, sometimes with words left out.

    Args:
        data: N emoji.
        tokenizer: what turns captions into tokens.
        device: where the tokens live.
    """

    def __init__(self, data: EmojiSet, tokenizer: Tokenizer, device: torch.device) -> None:
        tokens, words = encode_words(tokenizer, all_captions(data))
        shape = (len(data.names), len(data.characters), -1, tokens.shape[1])  # language, emoji, template
        self.tokens, self.words = tokens.view(shape).to(device), words.view(shape).to(device)
        self.names = self.tokens[:, :, 0]  # the first template is the bare name
        self.nothing = encode_words(tokenizer, [""])[0].to(device)
        shares = [LANGUAGE_SHARES.get(language, LANGUAGE_SHARES["else"]) for language in data.names]
        self.shares = torch.tensor(shares, device=device)

    def draw(self, index: Tensor, word_dropout: float, generator: torch.Generator) -> Tensor:
        """(B,) which emoji → (B, L) tokens of one caption each, every word left out with this probability."""
        device, how_many = self.tokens.device, self.tokens.shape[2]
        language = self.shares.multinomial(len(index), replacement=True, generator=generator)
        template = torch.randint(how_many, (len(index),), generator=generator, device=device)
        tokens, words = self.tokens[language, index, template], self.words[language, index, template]
        return drop_words(tokens, words, word_dropout, generator)


def all_captions(data: EmojiSet) -> list[str]:
    """What the emoji are called: for each language, then each emoji, its name in every template."""
    return [text for language in data.names for each in captions(data, language) for text in each]
