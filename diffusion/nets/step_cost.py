"""What a network costs, measured: the same U-Net on pixels and on an autoencoder's latents."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.nets.uninitialised import Uninitialised

# Somebody waits for a comparison: so many seconds of rounds (the one in which time runs out is finished) or
# so many rounds, enough for a median; and on pixels only the side whose call takes no longer, by estimate.
SECONDS, MAX_ROUNDS, AFFORDABLE = 2.5, 9, 1.2
Call = Callable[[], Tensor]


@dataclass(frozen=True)
class Cost:
    """Of one call for one picture.

    Args:
        side: of the square that it was measured on.
        seconds: the median.
        bytes: allocated at once, at most: activations and working memory, not the weights.
    """

    side: int
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Comparison:
    """One U-Net on latents and on pixels, and the autoencoder between them, measured in turns.

    Args:
        latents, pixels: one step. Pixels may be measured on a smaller square than the whole picture's.
        encode, decode: what it takes to go from pixels to latents, and back.
        rounds: how many times each was called.
    """

    latents: Cost
    pixels: Cost
    encode: Cost
    decode: Cost
    rounds: int


def num_parameters(*modules: nn.Module) -> int:
    """How many numbers the modules have to learn, all together."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def on_pixels(config: UNetConfig, channels: int) -> UNetConfig:
    """The same network for pictures of so many channels and any size: without the sketch, which has one."""
    return replace(config, in_channels=channels, sketch_side=None)


def step_call(net: UNet, side: int, num_tokens: int, batch: int = 1) -> Call:
    """One step's call of the network: noisy pictures, timesteps, and for what reads text so many tokens."""
    device, config = next(net.parameters()).device, net.config
    x_t = torch.randn(batch, config.in_channels, side, side, device=device)
    t = torch.ones(batch, device=device)
    width = config.context_dim
    context = None if width is None else torch.randn(batch, num_tokens, width, device=device)
    return lambda: net(x_t, t, context=context)


@lru_cache(maxsize=32)
def step_operations(config: UNetConfig, side: int, num_tokens: int) -> int:
    """Multiplications and additions of one step; counted, nothing is computed."""
    with Uninitialised():
        net = UNet(config)
    with torch.no_grad(), Operations() as counted:
        step_call(net, side, num_tokens, batch=0)()  # a batch of no pictures has all shapes and no work
    return counted.per_picture


class Operations(TorchFunctionMode):
    """Inside, the multiplications and additions of convolutions, linear maps and attention are counted.

    As torch's own FlopCounterMode does, which brings a compiler with it.

    Attributes:
        per_picture: their number, for one of a batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.per_picture = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in (F.conv2d, F.linear):  # each output from so many inputs
            self.per_picture += 2 * prod(args[1].shape[1:]) * prod(result.shape[1:])
        elif function is F.scaled_dot_product_attention:  # q·k, and what is made of v
            q, k, _ = args
            self.per_picture += 2 * k.shape[-2] * (prod(q.shape[1:]) + prod(result.shape[1:]))
        elif function is F.pixel_unshuffle and not len(result):  # which torch leaves as it is
            x, patch = args
            result = x.new_empty(0, x.shape[1] * patch**2, x.shape[2] // patch, x.shape[3] // patch)
        return result


class LiveTensors(TorchFunctionMode):
    """Inside, the new tensors of every operation are counted for as long as they live.

    Attributes:
        most: the largest number of bytes that they had together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._alive: dict[StorageWeakRef, int] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {ref for ref, _ in _storages((args, kwargs))}  # what a view or a change in place returns
        self._alive |= {ref: size for ref, size in _storages(result) if ref not in given}
        self._alive = {ref: size for ref, size in self._alive.items() if not ref.expired()}
        self.most = max(self.most, sum(self._alive.values()))
        return result


def _storages(tree: Any) -> list[tuple[StorageWeakRef, int]]:
    storages = [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
    return [(StorageWeakRef(storage), storage.nbytes()) for storage in storages]


def peak_bytes(call: Call, device: torch.device) -> int:
    """The most memory that its tensors take at once while it runs, on top of what was there before.

    A GPU's allocator keeps count itself, and includes what operations need inside.
    """
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with LiveTensors() as live:
        call()
    return live.most


def timed(call: Call, device: torch.device) -> float:
    """Seconds that it takes, until its result is there."""
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def medians(calls: dict[str, Call], device: torch.device) -> tuple[dict[str, float], int]:
    """Seconds of each call, in turns, so that a busy moment of the machine meets all; and the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    deadline, rounds = time.perf_counter() + SECONDS, 0
    while rounds == 0 or (rounds < MAX_ROUNDS and time.perf_counter() < deadline):
        for name, call in calls.items():
            taken[name].append(timed(call, device))
        rounds += 1
    return {name: median(values) for name, values in taken.items()}, rounds


def affordable_side(config: UNetConfig, side: int, num_tokens: int, operations_per_second: float) -> int:
    """The side, or the largest half, quarter, … of it, at which one step does not take too long."""
    while side % (2 * config.factor) == 0:
        if step_operations(config, side, num_tokens) <= AFFORDABLE * operations_per_second:
            break
        side //= 2
    return side


@torch.no_grad()
def compare(net: UNet, autoencoder: Autoencoder, side: int, num_tokens: int) -> Comparison:
    """Measure for a few seconds; both networks must be in evaluation mode, on one device.

    Args:
        net: that works on latents. On pixels its twin is measured (`on_pixels`), with weights as they come:
            what a network costs does not depend on their values.
        autoencoder: between latents and pixels.
        side: of the whole picture, in pixels.
        num_tokens: of the text.
    """
    device, factor = next(net.parameters()).device, autoencoder.config.factor
    channels = autoencoder.config.image_channels
    on_latents = step_call(net, side // factor, num_tokens)
    on_latents()  # the first call of all also finds its algorithms
    speed = step_operations(net.config, side // factor, num_tokens) / timed(on_latents, device)
    twin = UNet(on_pixels(net.config, channels)).to(device).eval().requires_grad_(False)
    twin_side = affordable_side(twin.config, side, num_tokens, speed)
    picture = torch.zeros(1, channels, side, side, device=device)
    latent = autoencoder.encode(picture)
    calls = {
        "latents": on_latents,
        "pixels": step_call(twin, twin_side, num_tokens),
        "encode": lambda: autoencoder.encode(picture),
        "decode": lambda: autoencoder.decode(latent),
    }
    most = {name: peak_bytes(call, device) for name, call in calls.items()}
    seconds, rounds = medians(calls, device)
    sides = {"latents": side // factor, "pixels": twin_side, "encode": side, "decode": side}
    costs = {name: Cost(sides[name], seconds[name], most[name]) for name in calls}
    return Comparison(**costs, rounds=rounds)


def training_flops(net: nn.Module, *inputs: Tensor, **conditioning: Tensor) -> int:
    """Floating-point operations of one forward and backward pass over a batch, the network's arguments."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        outputs = net(*inputs, **conditioning)  # one tensor, or several
        sum(part.sum() for part in (outputs if isinstance(outputs, tuple) else (outputs,))).backward()
    net.zero_grad()
    return counter.get_total_flops()
