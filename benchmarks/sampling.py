"""Sampling speed: ours against diffusers' DDIMPipeline with a network of equal size.

    python -m benchmarks.sampling checkpoints/mnist --steps 15
    python -m benchmarks.sampling --preset cifar10 --steps 10   # the shape of a preset, not trained

Prints the parameters of both networks (whether they are trained makes no difference to their speed; where
ours works on patches, as that of cats does, theirs works on pixels),
then the seconds of one network call; of ours in other number formats, layouts and runtimes (onnxruntime and
OpenVINO if they and onnxscript are installed), and how long compiling takes before the first; of a batch of
4 pictures: 50 DDIM steps of either, and ours with as many DPM-Solver++(2M) steps as `benchmarks.quality`
found to be as good; and of the page's own film of 4 pictures under guidance against its network calls alone.
Ratios are medians over rounds in which all take turns. About a minute on two CPU cores, six for cifar10.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from torch import Tensor, nn

from benchmarks.common import in_turns, markdown_table, ratio_table
from diffusion.devices import has_bf16, in_bf16
from diffusion.films.film import run_sampler
from diffusion.models.folder import load_folder
from diffusion.models.model import Model
from diffusion.nets.step_cost import num_parameters, timed
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.schedules import named_schedule
from diffusion.training.distributed import compile_blocks
from diffusion.training.presets import PRESETS
from diffusion.ui.parts.class_film import EACH, checked_class_request, class_frames

CPU = torch.device("cpu")
SEED, BATCH_SIZE, NUM_STEPS, CALLS_PER_REPEAT = 0, 4, 50, 10
GUIDANCE = 1.5
NORM_GROUPS, HEAD_DIM = 8, 64  # as ours
BETA_SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
PREDICTION_TYPES = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}


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


def seconds_per_call(call: Callable[[], Tensor]) -> float:
    """Averaged over a few in a row."""
    return timed(lambda: [call() for _ in range(CALLS_PER_REPEAT)], CPU) / CALLS_PER_REPEAT


def untrained(preset: str) -> Model:
    """A model in the shape of a preset of train.py, for data that has ten classes."""
    config = PRESETS[preset].stage
    in_channels, side = (1, 28) if preset == "mnist" else (3, 32)
    net = UNet(config.unet(in_channels, num_classes=10)).eval().requires_grad_(False)
    for parameter in net.parameters():
        if not parameter.any():  # what training starts from; then nothing would come out
            nn.init.normal_(parameter, std=0.02)
    schedule = named_schedule(config.schedule, config.num_timesteps)
    return Model(preset, net, config.schedule, schedule, config.prediction, (in_channels, side, side))


def other_calls(net: UNet, folder: Path, x: Tensor, t: Tensor) -> dict[str, Callable[[], Tensor] | str]:
    """Ways to call our network that might be faster than the plain one; a sentence where there is none.

    A runtime is worth its dependency if it at least halves the time.
    """
    apart = deepcopy(net).to(memory_format=torch.channels_last)
    calls: dict[str, Callable[[], Tensor] | str] = {"channels_last": partial(apart, x, t)}
    for name, each in (("bf16", net), ("bf16, channels_last", apart)):
        native = has_bf16(x.device)
        calls[name] = partial(in_bf16(each, x.device), x, t) if native else "no native bf16 here"
    fused = deepcopy(net)
    compile_blocks(fused)
    calls["compiled blocks"] = partial(fused, x, t)
    calls["bf16, compiled blocks"] = (
        partial(in_bf16(fused, x.device), x, t) if native else "no native bf16 here"
    )
    for name, build in RUNTIMES.items():
        missing = [package for package in (*EXPORT_NEEDS, name) if find_spec(package) is None]
        calls[name] = f"not installed: {', '.join(missing)}" if missing else build(net, folder, x, t)
    return calls


def exported(net: UNet, folder: Path, x: Tensor, t: Tensor) -> Path:
    """The network as an ONNX file for pictures of this shape; written if it is not there yet."""
    file = folder / "net.onnx"
    if not file.exists():
        torch.onnx.export(net, (x, t), file, dynamo=True, input_names=["x", "t"], verbose=False)
    return file


def onnxruntime_call(net: UNet, folder: Path, x: Tensor, t: Tensor) -> Callable[[], Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    file = exported(net, folder, x, t)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda: torch.from_numpy(session.run(None, {"x": x.numpy(), "t": t.numpy()})[0])


def openvino_call(net: UNet, folder: Path, x: Tensor, t: Tensor) -> Callable[[], Tensor]:
    import openvino

    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(exported(net, folder, x, t), "CPU", options)
    return lambda: torch.from_numpy(compiled([x.numpy(), t.numpy()])[0])


EXPORT_NEEDS = ("onnx", "onnxscript")
RUNTIMES = {"onnxruntime": onnxruntime_call, "openvino": openvino_call}


@torch.no_grad()
def compare_calls(model: Model, theirs: UNet2DModel, repeats: int) -> str:
    """Two tables of the seconds of a network call: theirs against ours, and ours in all its ways."""
    x = torch.randn(BATCH_SIZE, *model.sample_shape, generator=torch.Generator().manual_seed(SEED))
    t = torch.full((BATCH_SIZE,), model.schedule.num_timesteps / 2)
    eager = partial(model.net, x, t)
    both = {"diffusers, UNet2DModel": lambda: theirs(x, t).sample, "ours, UNet": eager}
    with TemporaryDirectory() as folder:
        others = other_calls(model.net, Path(folder), x, t)
        absent = [f"| {name} | {why} | | |" for name, why in others.items() if isinstance(why, str)]
        ways = {"eager, fp32": eager} | {k: call for k, call in others.items() if not isinstance(call, str)}
        cold = ", ".join(f"{name} {timed(call, CPU):.1f} s" for name, call in ways.items())
        tables = []
        for title, calls in (("one call", both), ("one call of ours", ways)):
            runs = {name: partial(seconds_per_call, call) for name, call in calls.items()}
            tables.append(ratio_table(f"{title}, batch {BATCH_SIZE}", in_turns(runs, repeats)))
        far = ", ".join(f"{name} {(call() - eager()).abs().max():.0e}" for name, call in ways.items())
    notes = (f"The first call of each: {cold}.", f"Largest difference from eager, fp32: {far}")
    return "\n".join([tables[0], "", tables[1], *absent, "", *notes])


def compare_pictures(model: Model, theirs: UNet2DModel, steps: int, repeats: int) -> str:
    """A table of the seconds of a batch of pictures."""
    pipeline = pipeline_of(theirs, model)

    def ours(sampler: str, num_steps: int) -> Callable[[], float]:
        settings = {"seed": SEED, "num_images": BATCH_SIZE, "sampler": sampler, "num_steps": num_steps}
        return partial(timed, lambda: list(run_sampler(model, **settings)), CPU)

    def pictures_of_theirs() -> object:
        return pipeline(BATCH_SIZE, num_inference_steps=NUM_STEPS, output_type="np")

    runs = {
        f"diffusers, DDIMPipeline, {NUM_STEPS} steps": partial(timed, pictures_of_theirs, CPU),
        f"ours, ddim, {NUM_STEPS} steps": ours("ddim", NUM_STEPS),
        f"ours, dpm++2m, {steps} steps": ours("dpm++2m", steps),
    }
    return ratio_table(f"{BATCH_SIZE} pictures", in_turns(runs, repeats))


def compare_film(model: Model, steps: int, repeats: int) -> str:
    """A table of the seconds of a film as the page makes it, and of the network calls that it needs."""
    labels = torch.arange(BATCH_SIZE) % len(model.classes or (0,))
    x = torch.randn(2 * BATCH_SIZE, *model.sample_shape, generator=torch.Generator().manual_seed(SEED))
    t = torch.full((2 * BATCH_SIZE,), model.schedule.num_timesteps / 2)
    both = torch.cat([labels, torch.full_like(labels, model.net.null_class or 0)])
    request = checked_class_request(
        {model.name: model}, EACH, BATCH_SIZE, steps, "dpm++2m", SEED, model.name, "", GUIDANCE
    )

    def calls_alone() -> list[Tensor]:
        return [model.net(x, t, class_labels=both) for _ in range(steps)]

    runs = {
        f"{steps} network calls alone": partial(timed, calls_alone, CPU),
        f"the page's film, {steps} steps": partial(timed, lambda: list(class_frames(model, request)), CPU),
    }
    return ratio_table(f"{BATCH_SIZE} pictures under guidance", in_turns(runs, repeats))


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
    print(compare_calls(model, theirs, options.repeats), "\n")
    print(compare_pictures(model, theirs, options.steps, options.repeats))
    if model.net.null_class is not None and model.classes:
        with torch.no_grad():
            print("\n" + compare_film(model, options.steps, options.repeats))
    print(f"\n{torch.get_num_threads()} threads, {options.repeats} rounds")


if __name__ == "__main__":
    main(parse_arguments())
