"""Noise from a seed, exact in float16, so that every machine and the browser agree on it.

x_T is drawn at once, by torch. The z of a single step comes from Philox4x32-10 (Salmon et al. 2011, "Parallel
random numbers: as easy as 1, 2, 3"), which has no state: 128 random bits are a function of a key, the seed,
and of a counter: (which four of the picture's values, t, which picture, 0). So each picture has a stream of
its own, whatever is drawn beside it. The page's `lib/noise.js` draws the very same.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # of Weyl sequences: the golden ratio, √3 − 1
ROUNDS = 10
WORD = 0xFFFFFFFF  # 32 bits, in an int64
TORCH_BLOCK = 16  # torch draws normal numbers in blocks of so many, and a last shorter one in another way


def draw_noise(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Standard normal noise, whose first values do not depend on how many are drawn.

    Args:
        shape: the shape wanted.
        generator: a CPU generator; it advances.

    Returns:
        float32 tensor of `shape` whose values are exact in float16.
    """
    number = math.prod(shape)
    whole_blocks = -(-number // TORCH_BLOCK) * TORCH_BLOCK
    return torch.randn(whole_blocks, generator=generator)[:number].view(*shape).half().float()


def fresh_noise(seed: int, shape: Sequence[int], t: int, first: int = 0) -> Tensor:
    """The standard normal z that a step from t adds.

    Args:
        seed: 64 bits at most.
        shape: (B, *D); picture i is a function of seed, D, t and i alone.
        t: a timestep.
        first: the number i of the first picture; the last one's is below 2³².

    Returns:
        float32 tensor of `shape`, on the CPU, whose values are exact in float16.
    """
    num_pictures, *size = shape
    number = math.prod(size)
    fours, pictures = torch.arange(-(-number // 4)), torch.arange(first, first + num_pictures)[:, None]
    counter = torch.broadcast_tensors(fours, torch.tensor(t), pictures, torch.tensor(0))
    words = philox(torch.stack(counter), (seed & WORD, seed >> 32 & WORD))
    z = box_muller(words).movedim(0, -1).flatten(1)[:, :number]
    return z.reshape(tuple(shape)).float().half().float()  # from float64 by way of float32, as in JavaScript


def no_noise(shape: Sequence[int]) -> Callable[[int], Tensor]:
    """Zeros of this shape in the place of the z that a step adds, for `sample`."""
    return lambda t: torch.zeros(*shape)


def philox(counter: Tensor, key: tuple[int, int]) -> Tensor:
    """Philox4x32-10.

    Args:
        counter: (4, *D) int64, 32 bits each.
        key: two words of 32 bits.

    Returns:
        (4, *D) int64, 32 random bits each.
    """
    column = (2, *[1] * (counter.dim() - 1))
    multipliers, key_steps, keys = (torch.tensor(w).view(column) for w in (MULTIPLIERS, KEY_STEPS, key))
    even, odd = counter[0::2], counter[1::2]
    for _ in range(ROUNDS):
        products = (even * multipliers).flip(0)  # 64 bits; that the highest is taken for a sign is no harm
        even, odd = (products >> 32 & WORD) ^ odd ^ keys, products & WORD
        keys = keys + key_steps & WORD
    return torch.stack([even, odd], 1).flatten(0, 1)


def box_muller(words: Tensor) -> Tensor:
    """(4, *D) int64 of 32 random bits → (4, *D) float64, standard normal: Box and Muller 1958, two by two."""
    uniform = (words.double() + 0.5) * 2.0**-32  # never 0 or 1
    radius, angle = (-2 * uniform[0::2].log()).sqrt(), 2 * math.pi * uniform[1::2]
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1).flatten(0, 1)
