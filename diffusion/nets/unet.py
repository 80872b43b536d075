"""The network: a U-Net that is told the noise level, and optionally a class and a text.

The shape of Ho et al. 2020, with the noise level as a scale and shift of each block's normalisation
(Dhariwal & Nichol 2021) and zero-initialised outputs, so that every block starts as the identity.
"""

from dataclasses import dataclass
from math import gcd, log, prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.checks import check_whole

MAX_WIDTH = 4096  # of a level, in channels
HEAD_DIM = 64  # of attention
MAX_SKETCH = 256  # pixels along a side


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

    def __post_init__(self) -> None:
        check_whole("in_channels", self.in_channels, 1, 64)
        check_whole("channels", self.channels, 32, MAX_WIDTH)
        check_whole("blocks_per_level", self.blocks_per_level, 1, 16)
        for name in ("channel_mult", "attention_levels"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(f"{name} must be a tuple, not {getattr(self, name)!r}")
        check_whole("the number of levels", len(self.channel_mult), 1, 8)
        for mult in self.channel_mult:
            check_whole("channel_mult", mult, 1, MAX_WIDTH // self.channels)
        for level in self.attention_levels:
            check_whole("attention_levels", level, 0, len(self.channel_mult) - 1)
            width = self.channels * self.channel_mult[level]
            if width % min(width, HEAD_DIM):
                raise ValueError(f"attention over {width} channels needs a multiple of {HEAD_DIM}")
        if self.channels % 32:
            raise ValueError(f"channels must be a multiple of 32, not {self.channels}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, not {self.dropout!r}")
        for name in ("num_classes", "context_dim"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1, 100_000)
        if self.sketch_side is not None:
            check_whole("sketch_side", self.sketch_side, 1, MAX_SKETCH)
            if self.context_dim is None:
                raise ValueError("a sketch needs a context_dim")


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """(B,) timesteps → (B, dim) sines and cosines of wavelengths from 2π to 20,000π."""
    frequencies = torch.exp(-log(10_000) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(gcd(32, channels // 4), channels)


def zero(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResBlock(nn.Module):
    """Two convolutions around a residual; the embedding scales and shifts the second normalisation."""

    def __init__(self, in_channels: int, out_channels: int, emb_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.scale_shift = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = group_norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # (B, C, H, W), (B, E) → (B, C', H, W)
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.scale_shift(emb)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        return self.skip(x) + self.conv2(self.dropout(F.silu(h)))


class Attention(nn.Module):
    """Every pixel looks at every other; given a context, at each of its vectors too."""

    def __init__(self, channels: int, context_dim: int | None) -> None:
        super().__init__()
        self.head_dim = min(HEAD_DIM, channels)
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.context_kv = nn.Linear(context_dim, 2 * channels) if context_dim else None
        self.out = zero(nn.Conv2d(channels, channels, 1))
        self.record: list[Tensor] | None = None  # see `recorded_attention`

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:  # (B, C, H, W), (B, L, D) → x's shape
        rows = self.qkv(self.norm(x)).flatten(2).mT.contiguous()  # (B, HW, 3C); fast kernels want it so
        q, k, v = rows.chunk(3, dim=2)
        if self.context_kv is not None and context is not None:
            context_k, context_v = self.context_kv(context).chunk(2, dim=2)
            k, v = torch.cat([k, context_k], dim=1), torch.cat([v, context_v], dim=1)
        q, k, v = (a.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for a in (q, k, v))
        if self.record is not None and context is not None:
            weights = (q @ k.mT / self.head_dim**0.5).softmax(-1).mean(1)  # (B, HW, HW + L)
            self.record.append(weights[..., -context.shape[1] :].mT.unflatten(2, x.shape[2:]))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # (B, HW, C)
        return x + self.out(h.mT.unflatten(2, x.shape[2:]))


class Block(nn.Module):
    """A residual block, followed by attention on the levels that have it."""

    def __init__(self, residual: ResBlock, attention: Attention | None) -> None:
        super().__init__()
        self.residual, self.attention = residual, attention

    def forward(self, x: Tensor, emb: Tensor, context: Tensor | None) -> Tensor:
        x = self.residual(x, emb)
        return x if self.attention is None else self.attention(x, context)


class Level(nn.Module):
    """The blocks at one resolution, and the way to the next one, if there is one."""

    def __init__(self, blocks: list[Block], resample: nn.Module | None) -> None:
        super().__init__()
        self.blocks, self.resample = nn.ModuleList(blocks), resample


class Upsample(nn.Module):
    """Twice the resolution: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) → (B, C, 2H, 2W)
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Sketch(nn.Module):
    """What the text alone says about the picture, as one linear map of its first vector.

    The map is fitted and frozen before training (`TextDiffusion.fit_sketch`); the convolution is trained.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.shape = (config.in_channels, config.sketch_side, config.sketch_side)
        self.linear = nn.Linear(config.context_dim, prod(self.shape))
        self.conv = nn.Conv2d(config.in_channels, config.channels, 3, padding=1)  # beside conv_in

    def forward(self, context: Tensor) -> Tensor:  # (B, L, D) → (B, C, H, W)
        return self.linear(context[:, 0]).unflatten(1, self.shape)


class UNet(nn.Module):
    """The denoising network.

    Args:
        config: its shape. The sides of pictures must be divisible by 2^(levels − 1); with a sketch there
            is but one size.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        c, emb_dim = config.channels, 4 * config.channels
        self.time_mlp = nn.Sequential(nn.Linear(c, emb_dim), nn.SiLU(), nn.Linear(emb_dim, emb_dim))
        labelled = config.num_classes is not None
        self.class_embedding = nn.Embedding(config.num_classes + 1, emb_dim) if labelled else None
        told = config.context_dim is not None
        self.context_embedding = nn.Linear(config.context_dim, emb_dim) if told else None
        self.conv_in = nn.Conv2d(config.in_channels, c, 3, padding=1)
        self.sketch = Sketch(config) if config.sketch_side is not None else None
        self._build_levels(emb_dim)
        self.out = nn.Sequential(
            group_norm(c), nn.SiLU(), zero(nn.Conv2d(c, config.in_channels, 3, padding=1))
        )

    def _build_levels(self, emb_dim: int) -> None:
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
            self.down.append(Level([block(i, in_width, width) for in_width in ins], halve))
            skips += [x := width] * (len(ins) + (i < last))
        self.middle = block(last, x, x)
        for i, width in reversed(list(enumerate(widths))):
            ins = [x] + [width] * config.blocks_per_level
            blocks = [block(i, in_width + skips.pop(), width) for in_width in ins]
            self.up.append(Level(blocks, Upsample(width) if i > 0 else None))
            x = width

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
                class_labels = torch.full_like(t, self.null_class, dtype=torch.long)
            emb = emb + self.class_embedding(class_labels)
        if self.context_embedding is not None and context is not None:
            emb = emb + self.context_embedding(context[:, 0])
        emb = F.silu(emb)
        x = self.conv_in(x_t)
        if self.sketch is not None and context is not None:
            x = x + self.sketch.conv(self.sketch(context))
        skips = [x]
        for level in self.down:
            for block in level.blocks:
                skips.append(x := block(x, emb, context))
            if level.resample is not None:
                skips.append(x := level.resample(x))
        x = self.middle(x, emb, context)
        for level in self.up:
            for block in level.blocks:
                x = block(torch.cat([x, skips.pop()], dim=1), emb, context)
            if level.resample is not None:
                x = level.resample(x)
        return self.out(x)
