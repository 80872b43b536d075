"""What the networks are built of: residual blocks, attention, normalisation, the embedding of a timestep."""

from math import gcd, log
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.checks import check_whole

Layer = TypeVar("Layer", bound=nn.Module)
# What a config may ask for: more than any network here has, and no more than can be built.
MIN_WIDTH, MAX_WIDTH = 32, 4096  # of a layer, in channels; a multiple of the first
MAX_CHANNELS, MAX_LEVELS, MAX_BLOCKS = (
    64,
    8,
    16,
)  # of pictures or latents; resolutions; blocks at each of them
GROUPS = 32  # of a normalisation (Wu & He 2018)
HEAD_DIM = 64  # of attention: the best of those compared in Dhariwal & Nichol 2021, Table 2
MAX_PERIOD = 10_000  # of the timestep embedding (Vaswani et al. 2017)


def check_levels(channels: int, channel_mult: tuple[int, ...], blocks_per_level: int) -> None:
    """Raises ValueError unless a network can have levels of `channels` times each of `channel_mult`."""
    check_whole("blocks_per_level", blocks_per_level, 1, MAX_BLOCKS)
    check_whole("channels", channels, MIN_WIDTH, MAX_WIDTH)
    if channels % MIN_WIDTH:
        raise ValueError(f"channels must be a multiple of {MIN_WIDTH}, not {channels}")
    if not isinstance(channel_mult, tuple):
        raise ValueError(f"channel_mult must be a tuple, not {channel_mult!r}")
    check_whole("the number of levels", len(channel_mult), 1, MAX_LEVELS)
    for mult in channel_mult:
        check_whole("channel_mult", mult, 1, MAX_WIDTH // channels)


def timestep_embedding(t: Tensor, dim: int) -> Tensor:
    """(B,) timesteps → (B, dim) cosines and sines of wavelengths from 2π to 2π · 10,000^(1 − 2 / dim)."""
    frequencies = torch.exp(-log(MAX_PERIOD) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def group_norm(channels: int) -> nn.GroupNorm:
    """GROUPS groups, or fewer so that each has four channels: a single one of one pixel has no variance."""
    return nn.GroupNorm(gcd(GROUPS, channels // 4), channels)


def zero(layer: Layer) -> Layer:
    """The layer with all parameters 0, so that the block that ends in it starts as the identity."""
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


class Upsample(nn.Module):
    """Twice the resolution: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) → (B, C, 2H, 2W)
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
