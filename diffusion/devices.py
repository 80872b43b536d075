"""The device that networks run on: which there is, which number formats it computes in, how fast it is."""

import ctypes
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

PEAK_ROUNDS = 20  # of which the best counts: whatever else the machine does slows only some of them


def best_device() -> str:
    """Where a network runs if nobody chose: "cuda" or "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def return_freed_memory() -> None:
    """Let the C library give the system what was freed; of itself glibc keeps most of what networks used."""
    with suppress(AttributeError, OSError, TypeError):  # others have no such function, or no such library
        ctypes.CDLL(None).malloc_trim(0)


def in_bf16(net: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """The network, computing in bf16: autocast surrounds it and nothing else."""

    def forward(*args: Tensor, **cond: Tensor | None) -> Any:
        with torch.autocast(device.type, torch.bfloat16):
            return net(*args, **cond)

    return forward


def use_tensor_cores() -> None:
    """What is still multiplied in fp32 may use TF32, and convolutions choose their algorithm by trial.

    Attention does without cuDNN, whose backward pass can give NaN on Hopper GPUs, and which is no faster.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.enable_cudnn_sdp(False)


def peak_flops(device: torch.device) -> float:
    """FLOP/s of a large matrix product in the number format that training uses: what can be hoped for.

    The numbers are random, as a network's are: a GPU is faster at multiplying ones, which cost less power.
    """
    size = 8192 if device.type == "cuda" else 1024
    dtype = torch.bfloat16 if has_bf16(device) else torch.float32
    generator = torch.Generator(device).manual_seed(0)
    a = torch.randn(size, size, generator=generator, device=device).to(dtype)
    (a @ a)[0, 0].item()  # waits for what the device still had to do
    best = math.inf
    for _ in range(PEAK_ROUNDS):
        started = time.perf_counter()
        (a @ a)[0, 0].item()  # waits for it
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def share_of_peak(flops: float, peak: float) -> float | None:
    """What part of the machine's peak this many FLOP/s are.

    None if it would be more than all: then something else kept the machine busy while the peak was measured.
    """
    return flops / peak if flops <= peak else None


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16 itself, rather than slowly imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )
