"""The machine that a training run is on: its device, its processes, its number formats, its signals."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from diffusion.devices import has_bf16, in_bf16
from diffusion.training.stage import Forward, Network

COMPILED = ("blocks", "network")
HANG_UP: int | None = getattr(signal, "SIGHUP", None)  # that of a closed terminal; Windows has none
MAX_SHAPES = 64  # residual blocks of one code, each compiled for its own shape: PyTorch gives up after 8


def world_size() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this one is; 0 leads: it prints, logs and saves."""
    return int(os.environ.get("RANK", "0"))


def join_processes(device: str | None) -> torch.device:
    """Meet the other processes, if torchrun started this one.

    Args:
        device: "cuda" or "cpu"; None is the best there is.

    Returns:
        This process's own device.
    """
    gpu = torch.cuda.is_available() and device != "cpu"
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if world_size() > 1:  # flags travel between processes on the CPU
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    return torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")


def leave_processes() -> None:
    """The end of what `join_processes` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any of the processes; all have to ask."""
    if not dist.is_initialized():
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def min_over_processes(value: int) -> int:
    """The smallest value that any process has; all have to ask."""
    if not dist.is_initialized():
        return value
    values = torch.tensor(value)
    dist.all_reduce(values, dist.ReduceOp.MIN)
    return int(values)


@contextmanager
def leader_first() -> Iterator[None]:
    """A block that the leading process has passed before the others enter it."""
    if rank() > 0:
        any_process(False)
    yield
    if rank() == 0:
        any_process(False)


def compile_blocks(net: Network) -> None:
    """Have each residual block compiled, in place, when it is first called."""
    torch._dynamo.config.recompile_limit = MAX_SHAPES  # one block after the other, all the same code
    for block in net.residual_blocks():
        block.compile(dynamic=False)


def wrap_for_training(
    net: Network, device: torch.device, compiled: str | None, channels_last: bool
) -> Forward:
    """The network as a loss should call it: data parallel, and in bf16 where the hardware has it.

    Args:
        net: on `device`.
        device: of this process.
        compiled: None; "blocks", each residual block by itself, which starts fast; or "network".
        channels_last: lay the weights, and with them all activations, out as (B, H, W, C).
    """
    if channels_last:
        nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
    if compiled == "blocks":
        compile_blocks(net)
    forward: Forward = nn.parallel.DistributedDataParallel(net) if dist.is_initialized() else net
    if compiled == "network":
        forward = torch.compile(forward)
    return in_bf16(forward, device) if has_bf16(device) else forward


class Stop:
    """Whether to stop: SIGTERM, Ctrl-C, a closed terminal or the deadline.

    Inside its `with` block signals do nothing else. A hang-up that is ignored already stays so: that is what
    `nohup` asks for. One that came is ignored afterwards too, for it comes twice, from terminal and shell.

    Args:
        deadline: in seconds of `time.monotonic`.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline, self.signalled = deadline, False

    def __enter__(self) -> "Stop":
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)
        if HANG_UP and signal.getsignal(HANG_UP) != signal.SIG_IGN:
            signal.signal(HANG_UP, self._remember)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if HANG_UP and signal.getsignal(HANG_UP) != signal.SIG_IGN:
            signal.signal(HANG_UP, signal.SIG_DFL)

    def _remember(self, number: int, *_: Any) -> None:
        self.signalled = True
        if number == HANG_UP:
            signal.signal(number, signal.SIG_IGN)

    def wanted(self) -> bool:
        """Whether it is time to stop, agreed on by all processes."""
        return any_process(self.signalled or time.monotonic() > self.deadline)
