"""Prompts for a network: a byte-pair vocabulary over the captions, and a small transformer.

The tokenizer is the library `tokenizers`'. As in Stable Diffusion the transformer is trained first, by
matching captions with pictures, and then stays as it is. Nothing comes from elsewhere: it knows what the
captions say.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from tokenizers import (
    Encoding,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import Tensor, nn

from diffusion.checks import check_whole
from diffusion.nets.blocks import HEAD_DIM

PAD, START, END, UNKNOWN = SPECIAL = ("[pad]", "[start]", "[end]", "[unknown]")
PAD_ID, START_ID, END_ID, UNKNOWN_ID = range(len(SPECIAL))
FIRST_SCALE = 14.0  # of cosines before the softmax, from which it is learnt; CLIP's 1 / 0.07
PICTURE_WEIGHT = 10.0  # its error is below 1, the variance of a latent, and the choice's begins at some nats
TOKEN_STD, POSITION_STD = 0.3, 0.1  # at first: what a word is counts for more than where it stands
FEED_FORWARD = 4  # the width of a layer's hidden part, in units of its own (Vaswani et al. 2017)
# What a config may ask for: more than any encoder here has, and no more than can be built.
MAX_VOCABULARY, MAX_TEXT_WIDTH, MAX_LAYERS = 100_000, 1024, 24
MIN_TOKENS, MAX_TOKENS = 3, 256  # the least: start, end, and one between them


@dataclass(frozen=True)
class TextConfig:
    """The shape of a TextEncoder.

    Args:
        vocabulary_size: of the tokenizer.
        width: of a token's vector, a multiple of 64.
        num_layers: of the transformer.
        num_tokens: L, to which every prompt is cut or padded.

    Raises:
        ValueError: no encoder has this shape; says what is out of range.
    """

    vocabulary_size: int
    width: int = 192
    num_layers: int = 3
    num_tokens: int = 24

    def __post_init__(self) -> None:
        check_whole("vocabulary_size", self.vocabulary_size, len(SPECIAL), MAX_VOCABULARY)
        check_whole("width", self.width, HEAD_DIM, MAX_TEXT_WIDTH)
        check_whole("num_layers", self.num_layers, 1, MAX_LAYERS)
        check_whole("num_tokens", self.num_tokens, MIN_TOKENS, MAX_TOKENS)
        if self.width % HEAD_DIM:
            raise ValueError(f"width must be a multiple of {HEAD_DIM}, not {self.width}")


class TextEncoder(nn.Module):
    """A transformer that reads a prompt in both directions; nothing looks at padding.

    The first vector, the start token's, is the mean of all: it stands for the whole prompt.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.tokens = nn.Embedding(config.vocabulary_size, width)
        nn.init.normal_(self.tokens.weight, std=TOKEN_STD)
        self.positions = nn.Parameter(torch.empty(config.num_tokens, width))
        nn.init.normal_(self.positions, std=POSITION_STD)
        layers = (
            nn.TransformerEncoderLayer(
                width,
                width // HEAD_DIM,
                FEED_FORWARD * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.num_layers)
        )
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:  # (B, L) int64 → (B, L, width)
        x, padding = self.tokens(tokens) + self.positions, tokens == PAD_ID
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        written = ~padding[:, :, None]
        mean = (x * written).sum(1, keepdim=True) / written.sum(1, keepdim=True)
        return self.norm(torch.cat([mean, x[:, 1:]], dim=1))


class Matcher(nn.Module):
    """What teaches a text encoder: which picture does a caption belong to, and what does that look like?

    The first is the question of CLIP (Radford et al. 2021), asked of a whole, small data set at once. The
    second is what a denoiser has to answer where there is nothing but noise: E[x_0 | caption]. The pictures
    are latents, and both answers are one linear map away from the encoder's first vector. So what pictures
    share, the vectors of their captions share too, and the denoiser need not learn each pair by heart: its
    sketch is the second map, fitted once more to the encoder as it stays.

    Args:
        text: the encoder.
        picture_dim: D, numbers in a latent.
    """

    def __init__(self, text: TextEncoder, picture_dim: int) -> None:
        super().__init__()
        self.text = text
        self.pictures = nn.Linear(picture_dim, text.config.width)
        self.expected = nn.Linear(text.config.width, picture_dim)
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def forward(self, tokens: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L) captions, (N, D) pictures → (B, N) logits of each being the caption's; (B, D) expected."""
        vector = self.text(tokens)[:, 0]
        cosines = F.normalize(vector, dim=1) @ F.normalize(self.pictures(pictures), dim=1).mT
        return self.log_scale.exp() * cosines, self.expected(vector)

    def residual_blocks(self) -> list[nn.Module]:
        """The transformer's layers, where most of the time goes."""
        return list(self.text.layers)


def matching_loss(
    net: Callable[..., tuple[Tensor, Tensor]], tokens: Tensor, pictures: Tensor, index: Tensor
) -> Tensor:
    """What a Matcher is trained on, (B,): cross-entropy of the choice, and ‖x_0 − E[x_0 | caption]‖².

    Args:
        net: called as `Matcher.forward`.
        tokens, pictures: as there.
        index: (B,) int64, the picture that each caption belongs to.
    """
    logits, expected = (x.float() for x in net(tokens, pictures))
    error = (expected - pictures[index]).square().mean(1)
    return F.cross_entropy(logits, index, reduction="none") + PICTURE_WEIGHT * error


class PartMatcher(nn.Module):
    """What teaches a text encoder about pictures that are made of parts: which of them does a caption name?

    A caption of two parts fits a hundred pictures of cats, so that there is no picture to choose. The answer
    is one linear map away from the encoder's first vector, as of a Matcher.

    Args:
        text: the encoder.
        num_kinds: of parts.
        num_choices: for each kind: the parts, and that none of them is named.
    """

    def __init__(self, text: TextEncoder, num_kinds: int, num_choices: int) -> None:
        super().__init__()
        self.text, self.shape = text, (num_kinds, num_choices)
        self.choices = nn.Linear(text.config.width, num_kinds * num_choices)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) captions → (B, kinds, choices) logits."""
        return self.choices(self.text(tokens)[:, 0]).unflatten(1, self.shape)

    def residual_blocks(self) -> list[nn.Module]:
        """The transformer's layers, where most of the time goes."""
        return list(self.text.layers)


def part_matching_loss(net: Callable[..., Tensor], tokens: Tensor, named: Tensor) -> Tensor:
    """What a PartMatcher is trained on, (B,): cross-entropy, summed over the kinds.

    Args:
        net: called as `PartMatcher.forward`.
        tokens: as there.
        named: (B, kinds, choices) each part's share of what the caption calls it.
    """
    return -(net(tokens).float().log_softmax(-1) * named).sum((1, 2))


def train_tokenizer(
    captions: Iterable[str], vocabulary_size: int, num_tokens: int, split_punctuation: bool = False
) -> Tokenizer:
    """A byte-pair vocabulary for these captions.

    A space is part of the word after it (▁), letters are lower case, control characters are spaces,
    and a character that no caption has is the token [unknown].

    Args:
        captions: what to learn from; the order does not matter.
        vocabulary_size: at most; characters alone can be some thousands.
        num_tokens: to which the tokenizer cuts or pads.
        split_punctuation: whether a comma or hyphen is a word of its own, or part of the one that it is at.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"\p{Cc}+"), " "),
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(" +"), " "),
            normalizers.Strip(),
        ]
    )
    at_spaces = pre_tokenizers.Metaspace()
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([at_spaces, pre_tokenizers.Punctuation()]) if split_punctuation else at_spaces
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=list(SPECIAL), show_progress=False, min_frequency=2
    )
    tokenizer.train_from_iterator(sorted(captions), trainer)
    ends = [(START, START_ID), (END, END_ID)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    tokenizer.enable_truncation(num_tokens)
    tokenizer.enable_padding(length=num_tokens, pad_id=PAD_ID, pad_token=PAD)
    return tokenizer


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[str]) -> Tensor:
    """(B,) prompts → (B, L) int64 tokens."""
    return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(list(prompts))])


def encode_words(tokenizer: Tokenizer, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokens, and the word that each belongs to.

    Returns:
        (B, L) int64 tokens and (B, L) int64 numbers of words from 0; −1 for start, end and padding.
    """
    encodings: list[Encoding] = tokenizer.encode_batch(list(prompts))
    words = [[-1 if w is None else w for w in encoding.word_ids] for encoding in encodings]
    return torch.tensor([encoding.ids for encoding in encodings]), torch.tensor(words)


def drop_words(tokens: Tensor, words: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Leave out whole words at random, so that parts of a caption come to mean something by themselves.

    Args:
        tokens, words: (B, L) from `encode_words`.
        rate: the probability of each word; a caption that would lose all of them keeps all.
        generator: on their device.

    Returns:
        (B, L) tokens, closed up and padded.
    """
    gone = torch.rand(tokens.shape, generator=generator, device=tokens.device) < rate
    dropped = gone.gather(1, words.clamp(min=0)) & (words >= 0)
    spared = (words >= 0) & ~dropped
    dropped &= spared.any(1, keepdim=True)
    moved, order = dropped.to(torch.uint8).sort(dim=1, stable=True)
    return torch.where(moved > 0, PAD_ID, tokens.gather(1, order))
