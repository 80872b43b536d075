"""Train a diffusion model.

    python train.py mnist                                     # a laptop's CPU, about an hour
    python train.py cifar10 --compile                         # one GPU
    python train.py folder --data-dir my-photos --out my-run  # your own pictures, sub-folders as classes
    torchrun --nproc-per-node 8 train.py cifar10              # several GPUs

A run is counted in images seen. Data order and noise are functions of (seed, images seen), so the same
command continues a run that was stopped, in whatever way, exactly where its last state was written.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no traceback

import argparse
import json
import math
import sys
import time
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from diffusion.checkpoint import CheckpointError, Model, load_run, save_model, save_run
from diffusion.data import DataError, ImageData, load_data, step_generator
from diffusion.ema import EMA, ema_beta
from diffusion.film import class_rows, make_film, save_film, save_samples
from diffusion.hub import HubError, load_metrics, push_to_hub, save_metrics
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.machine import Stop, join_processes, leader_first, leave_processes, prepare, rank, world_size
from diffusion.pictures import to_signed
from diffusion.progress import Progress
from diffusion.schedules import SCHEDULES
from diffusion.unet import UNet, UNetConfig


def flag(default: Any, text: str) -> Any:
    """A field that is also a command-line flag."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class TrainConfig:
    # data and where things go
    preset: str
    data_dir: Path = flag(Path("data"), "where the data set is, or is downloaded to")
    out: Path | None = flag(None, "the folder to write; default runs/PRESET")
    image_size: int = 32  # of the `folder` preset
    # model
    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2, 2)
    blocks_per_level: int = 1
    attention_levels: tuple[int, ...] = (2,)
    dropout: float = 0.0
    # objective
    schedule: str = "cosine"
    num_timesteps: int = 1000
    prediction: str = "v"
    weighting: str = "epsilon"  # ‖ε − ε_θ‖², whatever the network outputs
    class_dropout: float = 0.1  # share of labels replaced by the null class, for guidance
    # budget and optimiser; AdamW with betas (0.9, 0.99) and no weight decay
    total_images: int = flag(700_000, "images to train on, counting repeats")
    time_limit: float | None = flag(None, "stop after this many seconds, to be continued")
    batch_size: int = flag(128, "images per step, over all processes")
    learning_rate: float = 1.5e-3
    warmup: float = 0.02  # share of the run in which the learning rate rises
    decay: float = 0.5  # share of the run, at its end, in which it falls to 0
    gradient_clip: float = 1.0
    ema_width: float = 0.08  # σ_rel of the average, see diffusion/ema.py
    # machine
    seed: int = flag(0, "of the weights, the data order and the noise")
    device: str | None = flag(None, "cuda or cpu; default: the best there is")
    compile: bool = flag(False, "compile the network: slower to start, then faster")
    push_to_hub: str | None = flag(None, "afterwards, upload to this Hub repo, user/name")


LARGER = {"channels": 64, "attention_levels": (1, 2), "dropout": 0.1}  # for colour at 32×32
PRESETS = {
    "mnist": TrainConfig("mnist"),
    "cifar10": TrainConfig(
        "cifar10",
        **LARGER,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        total_images=14_000_000,
        batch_size=512,
        learning_rate=6e-4,
        decay=0.4,
    ),
    "folder": TrainConfig("folder", **LARGER, total_images=4_000_000),
}
FREE_TO_CHANGE = {"data_dir", "out", "time_limit", "device", "compile", "push_to_hub"}  # when resuming
FIRST_SAVE_SECONDS, SAVE_SECONDS = 10, 45
MIN_IMAGES_PER_GRID, MAX_GRIDS, HELD_OUT_IMAGES, MAX_LISTED = 20_000, 20, 500, 20


def parse_config(arguments: list[str] | None = None) -> TrainConfig:
    """The preset named on the command line, with the flags' values in place of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", choices=PRESETS)
    for f in fields(TrainConfig):
        if "help" in f.metadata:
            kind = (get_args(f.type) or [f.type])[0]
            how = {"action": "store_true"} if kind is bool else {"type": kind}
            name = "--" + f.name.replace("_", "-")
            parser.add_argument(name, default=argparse.SUPPRESS, help=f.metadata["help"], **how)
    given = vars(parser.parse_args(arguments))
    config = replace(PRESETS[given["preset"]], **given)
    devices = (None, "cpu", "cuda") if torch.cuda.is_available() else (None, "cpu")
    refusals = {
        "--total-images and --batch-size must be at least 1": min(config.total_images, config.batch_size) < 1,
        f"--batch-size must be a multiple of the {world_size()} processes": config.batch_size % world_size(),
        "--time-limit must be above 0": config.time_limit is not None and not config.time_limit > 0,
        "--seed must be from 0 to 2^32 − 1": not 0 <= config.seed < 2**32,
        f"--device can be {' or '.join(devices[1:])} here": config.device not in devices,
    }
    for message, applies in refusals.items():
        if applies:
            parser.error(message)
    return replace(config, out=config.out or Path("runs") / config.preset)


def learning_rate(images_seen: int, config: TrainConfig) -> float:
    """Up over the warm-up, constant, then linearly to 0 at the end of the run."""
    progress = images_seen / config.total_images
    up = progress / config.warmup
    down = (1 - progress) / config.decay
    return config.learning_rate * max(0.0, min(1.0, up, down))


class Run:
    """A training run: network, optimiser, averaged weights, images seen."""

    def __init__(self, config: TrainConfig, data: ImageData, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.data, self.device = config, data.to(device), device
        self.schedule = SCHEDULES[config.schedule](config.num_timesteps)
        shape = {f.name: getattr(config, f.name) for f in fields(UNetConfig) if hasattr(config, f.name)}
        num_classes = len(data.classes) if data.classes else None
        self.net = UNet(UNetConfig(data.images.shape[1], num_classes=num_classes, **shape)).to(device)
        self.ema = EMA(self.net)
        adam = {"betas": (0.9, 0.99), "weight_decay": 0.0, "fused": True}
        self.optimizer = torch.optim.AdamW(self.net.parameters(), config.learning_rate, **adam)
        self.images_seen = 0
        self.forward = prepare(self.net, device, config.compile)

    def step(self) -> Tensor:
        """One step of DDPM's Algorithm 1 on this process's share of the batch; returns its mean loss."""
        config, share = self.config, self.config.batch_size // world_size()
        start = self.images_seen + rank() * share
        generator = step_generator(config.seed, start, self.device)
        torch.manual_seed(generator.initial_seed())  # dropout inside the network
        x_0, labels = self.data.batch(range(start, start + share), config.seed, generator)
        if labels is not None:
            dropped = torch.rand(share, generator=generator, device=self.device) < config.class_dropout
            labels = torch.where(dropped, len(self.data.classes), labels)
        t = stratified_timesteps(share, config.num_timesteps, generator, rank(), world_size())
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        how = {"prediction": config.prediction, "weighting": config.weighting, "class_labels": labels}
        loss = diffusion_loss(self.forward, self.schedule, x_0, t, noise, **how).mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), config.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.images_seen, config)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.images_seen += config.batch_size
        self.ema.update(ema_beta(self.images_seen, config.batch_size, config.ema_width))
        return torch.where(norm.isfinite(), loss.detach(), torch.nan)  # a broken gradient counts as one

    @property
    def complete(self) -> bool:
        return self.images_seen >= self.config.total_images

    def save(self) -> None:
        """Write the state from which the same command resumes."""
        parts = (self.net, self.ema, self.optimizer)
        save_run(self.config.out, *parts, self.images_seen, self.fixed_settings())

    def resume(self) -> None:
        """Continue from the state in the output folder, if there is one."""
        parts = (self.net, self.ema, self.optimizer)
        self.images_seen = load_run(self.config.out, *parts, self.fixed_settings())

    def fixed_settings(self) -> dict[str, Any]:
        """What may not change while a run lasts, as JSON has it."""
        settings = {k: v for k, v in asdict(self.config).items() if k not in FREE_TO_CHANGE}
        return json.loads(json.dumps(settings))

    def model(self) -> Model:
        """The averaged weights as a model."""
        net = deepcopy(self.net).eval().requires_grad_(False)
        net.load_state_dict(self.ema.weights)
        config, data, shape = self.config, self.data, tuple(self.data.images.shape[1:])
        about = {"data": data.title, "licence": data.licence, "images_seen": self.images_seen}
        about["settings"] = self.fixed_settings()
        what = (config.schedule, self.schedule, config.prediction, shape, data.classes, about)
        return Model(config.out.resolve().name, net, *what)


def training_loop(run: Run, stop: Stop) -> None:
    """Step until the run is complete or has to stop, logging, saving and sampling on the way."""
    config, leads = run.config, rank() == 0
    if leads:
        run.save()  # fails here, rather than after an hour, where nothing can be written
    grid_every = max(MIN_IMAGES_PER_GRID, config.total_images // MAX_GRIDS)
    next_save = time.monotonic() + FIRST_SAVE_SECONDS
    log = config.out / "log.jsonl"
    with Progress(log, config.total_images, run.images_seen, config.batch_size, silent=not leads) as progress:
        while not run.complete and not stop.wanted():
            progress.step(run.step(), learning_rate(run.images_seen, config))
            grid_due = run.images_seen % grid_every < config.batch_size
            if leads and (grid_due or time.monotonic() >= next_save):
                next_save = time.monotonic() + SAVE_SECONDS
                progress.log()  # refuses what should not be saved
                run.save()
            if leads and grid_due:
                save_samples(config.out / "samples" / f"{run.images_seen:09d}.png", run.model())
        progress.log()
    if leads:
        run.save()


def export(run: Run, known: dict[str, Any]) -> None:
    """Write the folder in the layout of the Hub: weights, samples, film, metrics (unless known), card."""
    out, model = run.config.out, run.model()
    save_model(out, model)
    save_samples(out / "samples.png", model)
    save_film(out, make_film(model, **class_rows(model, per_class=1)))
    save_metrics(out, model, known or (measure(run.config, model) if run.complete else {}))


def measure(config: TrainConfig, model: Model) -> dict[str, str]:
    """The variational bound on held-out images, where the data set has any."""
    try:
        held_out = load_data(config.preset, config.data_dir, config.image_size, train=False)
    except DataError as error:
        print(f"Not measured: {error}", flush=True)
        return {}
    if held_out is None:
        return {}
    images, labels = (x[:HELD_OUT_IMAGES].to(model.device) for x in (held_out.images, held_out.labels))
    bits = describe_bits(model.denoiser(class_labels=labels), model.schedule, to_signed(images))
    return {"bits/dim": f"{bits}; the first {len(images)} test images of {held_out.title}"}


def train(config: TrainConfig) -> None:
    """Load, resume, train, export, and upload if asked to."""
    deadline = time.monotonic() + (config.time_limit or math.inf)
    device = join_processes(config.device)
    leads = rank() == 0
    if leads:
        print(f"{config.preset}: {config.total_images:,} images → {config.out}", flush=True)
        config.out.mkdir(parents=True, exist_ok=True)
    with leader_first():  # it fetches what is missing
        data = load_data(config.preset, config.data_dir, config.image_size)
    run = Run(config, data, device)
    run.resume()
    if leads and data.skipped:
        print(*data.skipped[:MAX_LISTED], f"Files skipped: {len(data.skipped)}", sep="\n", flush=True)
    if leads and run.images_seen:
        print(f"Resuming at {run.images_seen:,} images", flush=True)
    known = load_metrics(config.out) if run.complete else {}  # of the same weights
    if not run.complete:
        with Stop(deadline) as stop:
            training_loop(run, stop)
    if leads:
        export(run, known)
        again = "" if run.complete else "; the same command continues"
        print(f"{run.images_seen:,} images, {config.out}{again}", flush=True)
        if config.push_to_hub and run.complete:
            print(push_to_hub(config.out, config.push_to_hub), flush=True)
    leave_processes()


def main(arguments: list[str] | None = None) -> None:
    """The command line: what its user can put right is answered by one sentence and exit status 1."""
    try:
        train(parse_config(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except (CheckpointError, DataError, HubError, FloatingPointError) as error:
        sys.exit(f"train.py: {error}")
    except torch.OutOfMemoryError:
        sys.exit("train.py: The GPU has too little memory for this --batch-size.")
    except OSError as error:
        sys.exit(f"train.py: {error.filename or 'a file'} cannot be used: {error.strerror or error}.")


if __name__ == "__main__":
    main()
