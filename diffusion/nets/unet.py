"""The network: a U-Net that is told the noise level, and optionally a class and a text.

The shape of Ho et al. 2020, with the noise level as a scale and shift of each block's normalisation
(Dhariwal & Nichol 2021) and zero-initialised outputs, so that every block starts as the identity.
"""

from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.checks import check_whole
from diffusion.nets.blocks import (
    HEAD_DIM,
    MAX_CHANNELS,
    Attention,
    Block,
    ResBlock,
    Upsample,
    check_levels,
    group_norm,
    timestep_embedding,
    zero,
)

MAX_CONDITIONS = 100_000  # classes, or numbers in a text's vector
MAX_SKETCH, MAX_PATCH = 256, 16  # pixels along a side


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a UNet.

    Args:
        in_channels: of the pictures (or latents), and of the output.
        channels: width at full resolution, a multiple of 32.
        channel_mult: width of each level in units of `channels`; the resolution halves between levels.
        blocks_per_level: residual blocks on each level of the way down; one more on the way up.
        attention_levels: levels, counted from 0 at full resolution, that attend over their pixels.
        dropout: inside the residual blocks.
        num_classes: of class labels, or None; label `num_classes` is the null class.
        context_dim: width of a text's vectors, or None.
        patch_size: pixels along a side that the network sees as channels of one: 64×64 pixels cost what 32×32
            do with 2, and four times the channels in and out.
        sketch_side: of the square pictures, for which a linear layer turns the text's first vector into a
            sketch of x_0 that the network sees beside x_t; or None.

    Raises:
        ValueError: no network has this shape; says what is out of range.
    """

    in_channels: int
    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2, 2)
    blocks_per_level: int = 1
    attention_levels: tuple[int, ...] = (2,)
    dropout: float = 0.0
    num_classes: int | None = None
    context_dim: int | None = None
    sketch_side: int | None = None
    patch_size: int = 1

    def __post_init__(self) -> None:
        check_whole("in_channels", self.in_channels, 1, MAX_CHANNELS)
        check_levels(self.channels, self.channel_mult, self.blocks_per_level)
        if not isinstance(self.attention_levels, tuple):
            raise ValueError(f"attention_levels must be a tuple, not {self.attention_levels!r}")
        for level in self.attention_levels:
            check_whole("attention_levels", level, 0, len(self.channel_mult) - 1)
            width = self.channels * self.channel_mult[level]
            if width % min(width, HEAD_DIM):
                raise ValueError(f"attention over {width} channels needs a multiple of {HEAD_DIM}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, not {self.dropout!r}")
        if self.num_classes is not None:
            check_whole("num_classes", self.num_classes, 1, MAX_CONDITIONS)
        if self.context_dim is not None:
            check_whole("context_dim", self.context_dim, 1, MAX_CONDITIONS)
        check_whole("patch_size", self.patch_size, 1, MAX_PATCH)
        if self.sketch_side is not None:
            if self.patch_size > 1:
                raise ValueError("a sketch goes with a patch_size of 1")
            check_whole("sketch_side", self.sketch_side, 1, MAX_SKETCH)
            if self.sketch_side % self.factor:
                raise ValueError(f"sketch_side must be a multiple of {self.factor}, not {self.sketch_side}")
            if self.context_dim is None:
                raise ValueError("a sketch needs a context_dim")

    @property
    def factor(self) -> int:
        """By what the sides of pictures must be divisible."""
        return self.patch_size * 2 ** (len(self.channel_mult) - 1)


class DownLevel(nn.Module):
    """The blocks at one resolution, and the way down to the next one, if there is one."""

    def __init__(self, blocks: list[Block], resample: nn.Module | None) -> None:
        super().__init__()
        self.blocks, self.resample = nn.ModuleList(blocks), resample

    def forward(self, x: Tensor, emb: Tensor, context: Tensor | None) -> list[Tensor]:
        """What each of its layers gives: the way up will want them all, the next level the last one."""
        outputs = []
        for block in self.blocks:
            outputs.append(x := block(x, emb, context))
        if self.resample is not None:
            outputs.append(self.resample(x))
        return outputs


class UpLevel(nn.Module):
    """The blocks at one resolution on the way up, each of which also sees one output of the way down."""

    def __init__(self, blocks: list[Block], resample: nn.Module | None) -> None:
        super().__init__()
        self.blocks, self.resample = nn.ModuleList(blocks), resample

    def forward(self, x: Tensor, emb: Tensor, context: Tensor | None, skips: list[Tensor]) -> Tensor:
        """`skips` are the way down's outputs; those that are used are taken off its end."""
        for block in self.blocks:
            x = block(torch.cat([x, skips.pop()], dim=1), emb, context)
        return x if self.resample is None else self.resample(x)


class Sketch(nn.Module):
    """What the text alone says about the picture, as one linear map of its first vector.

    The map is fitted and frozen before training (`TextDiffusion.fit_sketch`); the convolution is trained.
    """

    def __init__(self, shape: tuple[int, int, int], context_dim: int, channels: int) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(context_dim, prod(shape))
        self.conv = nn.Conv2d(shape[0], channels, 3, padding=1)  # beside conv_in

    def forward(self, context: Tensor) -> Tensor:  # (B, L, D) → (B, C, H, W)
        return self.linear(context[:, 0]).unflatten(1, self.shape)


class UNet(nn.Module):
    """The denoising network.

    Args:
        config: its shape. The sides of pictures must be divisible by its `factor`; with a sketch there is but
            one size.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        c, context_dim, emb_dim = config.channels, config.context_dim, 4 * config.channels
        pixels = config.in_channels * config.patch_size**2  # of a patch
        self.time_mlp = nn.Sequential(nn.Linear(c, emb_dim), nn.SiLU(), nn.Linear(emb_dim, emb_dim))
        self.class_embedding = (
            None if config.num_classes is None else nn.Embedding(config.num_classes + 1, emb_dim)
        )
        self.context_embedding = None if context_dim is None else nn.Linear(context_dim, emb_dim)
        self.conv_in = nn.Conv2d(pixels, c, 3, padding=1)
        self.sketch: Sketch | None = None
        if config.sketch_side is not None and context_dim is not None:
            shape = (config.in_channels, config.sketch_side, config.sketch_side)
            self.sketch = Sketch(shape, context_dim, c)
        width = self._build_levels(emb_dim)
        self.out = nn.Sequential(group_norm(width), nn.SiLU(), zero(nn.Conv2d(width, pixels, 3, padding=1)))

    def _build_levels(self, emb_dim: int) -> int:
        """Make `down`, `middle` and `up`; returns the width in which they end."""
        config = self.config
        widths = [config.channels * m for m in config.channel_mult]
        last = len(widths) - 1

        def block(i: int, in_width: int, width: int) -> Block:
            attends = i in config.attention_levels
            attention = Attention(width, config.context_dim) if attends else None
            return Block(ResBlock(in_width, width, emb_dim, config.dropout), attention)

        x = config.channels
        skips = [x]  # widths of what the way up will find on the stack
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(widths):
            ins = [x] + [width] * (config.blocks_per_level - 1)
            halve = nn.Conv2d(width, width, 3, stride=2, padding=1) if i < last else None
            self.down.append(DownLevel([block(i, in_width, width) for in_width in ins], halve))
            skips += [x := width] * (len(ins) + (i < last))
        self.middle = block(last, x, x)
        for i, width in reversed(list(enumerate(widths))):
            ins = [x] + [width] * config.blocks_per_level
            blocks = [block(i, in_width + skips.pop(), width) for in_width in ins]
            self.up.append(UpLevel(blocks, Upsample(width) if i > 0 else None))
            x = width
        return x

    @property
    def null_class(self) -> int | None:
        """The label that stands for no class; None for a network without classes."""
        return self.config.num_classes

    def residual_blocks(self) -> list[ResBlock]:
        """All of them: where most of the time goes."""
        return [module for module in self.modules() if isinstance(module, ResBlock)]

    def forward(
        self,
        x_t: Tensor,  # (B, C, H, W)
        t: Tensor,  # (B,) in 1..T, may be fractional
        class_labels: Tensor | None = None,  # (B,) int64 in 0..num_classes; None is the null class
        context: Tensor | None = None,  # (B, L, context_dim); the first vector stands for the whole text
    ) -> Tensor:  # (B, C, H, W)
        emb = self.time_mlp(timestep_embedding(t, self.config.channels))
        if self.class_embedding is not None:
            if class_labels is None:
                null_class = self.class_embedding.num_embeddings - 1
                class_labels = torch.full_like(t, null_class, dtype=torch.long)
            emb = emb + self.class_embedding(class_labels)
        if self.context_embedding is not None and context is not None:
            emb = emb + self.context_embedding(context[:, 0])
        emb = F.silu(emb)
        patch = self.config.patch_size
        x = self.conv_in(F.pixel_unshuffle(x_t, patch))
        if self.sketch is not None and context is not None:
            x = x + self.sketch.conv(self.sketch(context))
        skips = [x]
        for level in self.down:
            skips += level(skips[-1], emb, context)
        x = self.middle(skips[-1], emb, context)
        for level in self.up:
            x = level(x, emb, context, skips)
        return F.pixel_shuffle(self.out(x), patch)
