"""Sampling speed: ours against diffusers' DDIMPipeline with a network of equal size.

    python -m benchmarks.sampling checkpoints/mnist --steps 15
    python -m benchmarks.sampling --preset cifar10 --steps 10   # the shape of a preset, not trained

Prints the parameters of both networks (whether they are trained makes no difference to their speed),
then the seconds of one network call and of a batch of 4 pictures: 50 DDIM steps of either, and ours with as
many DPM-Solver++(2M) steps as `benchmarks.quality` found to be as good. Ratios are medians over rounds in
which all take turns. About a minute on two CPU cores.
"""

import argparse
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields
from functools import partial
from itertools import count
from pathlib import Path

import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from torch import nn

from benchmarks.common import in_turns, markdown_table, ratio_table
from diffusion.checkpoint import Model, load_folder
from diffusion.config import PRESETS
from diffusion.film import run_sampler
from diffusion.machine import has_bf16, in_bf16
from diffusion.schedules import SCHEDULES
from diffusion.unet import UNet, UNetConfig

SEED, BATCH_SIZE, NUM_STEPS, CALLS_PER_REPEAT = 0, 4, 50, 10
NORM_GROUPS, HEAD_DIM = 8, 64  # as ours
BETA_SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
PREDICTION_TYPES = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}


def num_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def unet2d(config: UNetConfig, side: int, channels: int) -> UNet2DModel:
    """diffusers' network in the shape of ours, `channels` wide at full resolution."""
    widths = [channels * mult for mult in config.channel_mult]
    attends = [level in config.attention_levels for level in range(len(widths))]
    attending = [widths[-1], *(width for width, here in zip(widths, attends) if here)]  # the middle does too
    return UNet2DModel(
        sample_size=side,
        in_channels=config.in_channels,
        out_channels=config.in_channels,
        block_out_channels=tuple(widths),
        layers_per_block=config.blocks_per_level,
        down_block_types=tuple("AttnDownBlock2D" if here else "DownBlock2D" for here in attends),
        up_block_types=tuple("AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attends)),
        attention_head_dim=min(HEAD_DIM, *attending),
        norm_num_groups=NORM_GROUPS,
    )


def equal_unet2d(config: UNetConfig, side: int, parameters: int) -> UNet2DModel:
    """The `unet2d` whose number of parameters is nearest to `parameters`: only its width is chosen."""
    sizes: dict[int, int] = {}  # channels → parameters
    for channels in count(NORM_GROUPS, NORM_GROUPS):
        with torch.device("meta"):
            sizes[channels] = num_parameters(unet2d(config, side, channels))
        if sizes[channels] > parameters:
            break
    nearest = min(sizes, key=lambda channels: abs(sizes[channels] - parameters))
    return unet2d(config, side, nearest).eval().requires_grad_(False)


def pipeline_of(net: UNet2DModel, model: Model) -> DDIMPipeline:
    """diffusers' pipeline with our model's schedule and prediction."""
    scheduler = DDIMScheduler(
        num_train_timesteps=model.schedule.num_timesteps,
        beta_schedule=BETA_SCHEDULES[model.schedule_name],
        prediction_type=PREDICTION_TYPES[model.prediction],
        timestep_spacing="trailing",
        clip_sample=False,
    )
    pipeline = DDIMPipeline(net, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def timed(run: Callable[[], object], repeats: int = 1) -> Callable[[], float]:
    """A function that runs `run` and returns the seconds of one run, averaged over `repeats`."""

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - started) / repeats

    return measure


def untrained(preset: str) -> Model:
    """A model in the shape of a preset of train.py, for data that has ten classes."""
    config = PRESETS[preset]
    in_channels, side = (1, 28) if preset == "mnist" else (3, 32)
    shape = {f.name: getattr(config, f.name) for f in fields(UNetConfig) if hasattr(config, f.name)}
    net = UNet(UNetConfig(in_channels, num_classes=10, **shape)).eval().requires_grad_(False)
    schedule = SCHEDULES[config.schedule](config.num_timesteps)
    return Model(preset, net, config.schedule, schedule, config.prediction, (in_channels, side, side))


def call_variants(net: UNet) -> dict[str, Callable[..., torch.Tensor]]:
    """Our network as it is called on this machine, and the ways that could be faster."""
    apart = deepcopy(net).to(memory_format=torch.channels_last)
    variants = {"ours, UNet": net, "ours, channels_last": apart}
    if has_bf16(cpu := torch.device("cpu")):
        variants |= {"ours, bf16": in_bf16(net, cpu), "ours, bf16, channels_last": in_bf16(apart, cpu)}
    return variants


@torch.no_grad()
def compare(model: Model, theirs: UNet2DModel, steps: int, repeats: int) -> tuple[dict, dict]:
    """Seconds of a network call, and of a batch of pictures, by contestant; `in_turns` gives the shape."""
    x = torch.randn(BATCH_SIZE, *model.sample_shape, generator=torch.Generator().manual_seed(SEED))
    t = torch.full((BATCH_SIZE,), model.schedule.num_timesteps / 2)
    pipeline = pipeline_of(theirs, model)

    def ours(sampler: str, num_steps: int) -> Callable[[], float]:
        settings = {"seed": SEED, "num_images": BATCH_SIZE, "sampler": sampler, "num_steps": num_steps}
        return timed(lambda: list(run_sampler(model, **settings)))

    calls = {
        "diffusers, UNet2DModel": timed(lambda: theirs(x, t).sample, CALLS_PER_REPEAT),
    }
    for name, net in call_variants(model.net).items():
        calls[name] = timed(partial(net, x, t), CALLS_PER_REPEAT)
    runs = {
        f"diffusers, DDIMPipeline, {NUM_STEPS} steps": timed(
            lambda: pipeline(BATCH_SIZE, num_inference_steps=NUM_STEPS, output_type="np")
        ),
        f"ours, ddim, {NUM_STEPS} steps": ours("ddim", NUM_STEPS),
        f"ours, dpm++2m, {steps} steps": ours("dpm++2m", steps),
    }
    return in_turns(calls, repeats), in_turns(runs, repeats)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", default=Path("checkpoints/mnist"), help="ours")
    parser.add_argument("--preset", choices=("mnist", "cifar10"), help="instead: its shape, not trained")
    parser.add_argument("--steps", type=int, default=15, help="of DPM-Solver++(2M)")
    parser.add_argument("--repeats", type=int, default=9, help="rounds")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    model = untrained(options.preset) if options.preset else load_folder(options.checkpoint)
    parameters = num_parameters(model.net)
    theirs = equal_unet2d(model.net.config, model.sample_shape[-1], parameters)
    sizes = [("diffusers, UNet2DModel", num_parameters(theirs)), ("ours, UNet", parameters)]
    rows = [(name, f"{size:,}", f"{size / sizes[0][1]:.2f}") for name, size in sizes]
    print(markdown_table(("network", "parameters", "ratio"), rows), "\n")
    calls, runs = compare(model, theirs, options.steps, options.repeats)
    print(ratio_table(f"one call, batch {BATCH_SIZE}", calls), "\n")
    print(ratio_table(f"{BATCH_SIZE} pictures", runs))
    print(f"\n{torch.get_num_threads()} threads, {options.repeats} rounds")


if __name__ == "__main__":
    main(parse_arguments())
