"""The device that networks run on: which there is, which number formats it computes in, how fast it is."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

PEAK_ROUNDS, PEAK_REPEATS = 4, 5


def best_device() -> str:
    """Where a network runs if nobody chose: "cuda" or "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def in_bf16(net: nn.Module, device: torch.device) -> Callable[..., Tensor]:
    """The network, computing in bf16: autocast surrounds it and nothing else."""

    def forward(*args: Tensor, **cond: Tensor | None) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return net(*args, **cond)

    return forward


def use_tensor_cores() -> None:
    """What is still multiplied in fp32 may use TF32, and convolutions choose their algorithm by trial."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


def peak_flops(device: torch.device) -> float:
    """FLOP/s of a large matrix product in the number format that training uses: what can be hoped for."""
    size = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if has_bf16(device) else torch.float32
    a = torch.ones(size, size, dtype=dtype, device=device)
    best = math.inf
    for _ in range(PEAK_ROUNDS):
        started = time.perf_counter()
        for _ in range(PEAK_REPEATS):
            product = a @ a
        product[0, 0].item()  # waits for all of them
        best = min(best, (time.perf_counter() - started) / PEAK_REPEATS)
    return 2 * size**3 / best


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16 itself, rather than slowly imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )
