"""Train a diffusion model.

    python train.py mnist                                     # a laptop's CPU, about an hour
    python train.py cifar10 --compile blocks                  # one GPU
    python train.py folder --data-dir my-photos --out my-run  # your own pictures, sub-folders as classes
    torchrun --nproc-per-node 8 train.py cifar10              # several GPUs

A run is counted in images seen. Data order and noise are functions of (seed, images seen), so the same
command continues a run that was stopped, in whatever way, exactly where its last state was written.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no traceback

import json
import math
import sys
import time
from copy import deepcopy
from dataclasses import asdict, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.checkpoint import CheckpointError, Model, load_run, save_model, save_run, saved_settings
from diffusion.config import FREE_TO_CHANGE, TrainConfig, parse_config
from diffusion.data import DataError, ImageData, load_data, step_generator
from diffusion.ema import EMA, ema_beta
from diffusion.film import class_rows, make_film, save_film, save_samples
from diffusion.history import Recorder
from diffusion.hub import HubError, load_metrics, push_to_hub, save_metrics
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.machine import (
    Stop,
    join_processes,
    leader_first,
    leave_processes,
    peak_flops,
    prepare,
    rank,
    smallest,
    training_flops,
    use_tensor_cores,
    world_size,
)
from diffusion.pictures import to_signed
from diffusion.progress import Progress
from diffusion.schedules import SCHEDULES
from diffusion.unet import UNet, UNetConfig

FIRST_SAVE_SECONDS, SAVE_SECONDS = 10, 45
MIN_IMAGES_PER_GRID, MAX_GRIDS, HELD_OUT_IMAGES, MAX_LISTED = 20_000, 20, 500, 20
WARM_UP_STEPS, SPEED_SECONDS, STEPPING = 3, 8, 0.92  # minutes → images; the rest is saving and sampling


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
        self.config, self.data, self.device = config, data, device
        self.schedule = SCHEDULES[config.schedule](config.num_timesteps).to(device)
        shape = {f.name: getattr(config, f.name) for f in fields(UNetConfig) if hasattr(config, f.name)}
        num_classes = len(data.classes) if data.classes else None
        self.net = UNet(UNetConfig(data.images.shape[1], num_classes=num_classes, **shape)).to(device)
        self.ema = EMA(self.net)
        adam = {"betas": (0.9, 0.99), "weight_decay": 0.0, "fused": True}
        self.optimizer = torch.optim.AdamW(self.net.parameters(), config.learning_rate, **adam)
        self.images_seen = 0
        self.forward = prepare(self.net, device, config.compile, config.channels_last)

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

    def flops_per_image(self) -> float:
        """Floating-point operations of one image's forward and backward pass."""
        x_0, _ = self.data.batch(range(2), 0, step_generator(0, 0, self.device))
        return training_flops(self.net, x_0, torch.ones(2, device=self.device)) / 2

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

    def model(self, average: bool = True) -> Model:
        """The averaged weights, or the last ones, as a model."""
        net = deepcopy(self.net).eval().requires_grad_(False)
        if average:
            net.load_state_dict(self.ema.weights)
        config, data, shape = self.config, self.data, tuple(self.data.images.shape[1:])
        about = {"data": data.title, "licence": data.licence, "images_seen": self.images_seen}
        about["settings"] = self.fixed_settings()
        what = (config.schedule, self.schedule.to("cpu"), config.prediction, shape, data.classes, about)
        return Model(config.out.resolve().name, net, *what)


def training_loop(run: Run, recorder: Recorder, stop: Stop) -> None:
    """Step until the run is complete or has to stop, logging, saving and sampling on the way."""
    config, leads = run.config, rank() == 0
    if leads:
        run.save()  # fails here, rather than after an hour, where nothing can be written
    grid_every = max(MIN_IMAGES_PER_GRID, config.total_images // MAX_GRIDS)
    next_save = time.monotonic() + FIRST_SAVE_SECONDS
    speed = {"flops_per_image": run.flops_per_image(), "peak": peak_flops(run.device) * world_size()}
    done = (config.total_images, run.images_seen, config.batch_size)
    with Progress(config.out / "log.jsonl", *done, silent=not leads, **speed) as progress:
        while True:
            grid_due = run.images_seen > 0 and run.images_seen % grid_every < config.batch_size
            if leads and recorder.due(run.images_seen):
                progress.log()  # refuses what should not be shown or saved
                recorder.record(run.images_seen, run.model(average=False), run.model())
            if leads and (grid_due or time.monotonic() >= next_save):
                next_save = time.monotonic() + SAVE_SECONDS
                progress.log()
                run.save()
            if leads and grid_due:
                save_samples(config.out / "samples" / f"{run.images_seen:09d}.png", run.model())
            if run.complete or stop.wanted():
                break
            progress.step(run.step(), learning_rate(run.images_seen, config))
        progress.log()
    if leads:
        run.save()


def measured_length(config: TrainConfig, data: ImageData, device: torch.device) -> TrainConfig:
    """With as many images as `minutes` allow at the speed measured now; a run once begun keeps its own."""
    begun = saved_settings(config.out)
    if begun:
        return replace(config, total_images=begun["total_images"])
    started = time.monotonic()
    run = Run(replace(config, total_images=sys.maxsize), data, device)

    def seconds(num_steps: int) -> float:
        before = time.monotonic()
        for _ in range(num_steps):
            loss = run.step()
        loss.item()  # waits for the device
        return time.monotonic() - before

    seconds(WARM_UP_STEPS)
    num_steps = smallest(1 + int(SPEED_SECONDS / seconds(1)))
    images_per_second = num_steps * config.batch_size / seconds(num_steps)
    left = 60 * config.minutes - (time.monotonic() - started)
    return replace(config, total_images=smallest(max(1, int(STEPPING * images_per_second * left))))


def held_out(config: TrainConfig) -> ImageData | None:
    """Images that are not trained on, if the data set has any and they can be had."""
    try:
        return load_data(config.preset, config.data_dir, config.image_size, train=False)
    except DataError as error:
        print(f"Not measured: {error}", flush=True)
        return None


def export(run: Run, known: dict[str, Any], test: ImageData | None) -> None:
    """Write the folder in the layout of the Hub: weights, samples, film, metrics (unless known), card."""
    out, model = run.config.out, run.model()
    save_model(out, model)
    save_samples(out / "samples.png", model)
    save_film(out, make_film(model, **class_rows(model, per_class=1)))
    save_metrics(out, model, known or (measure(model, test) if run.complete and test else {}))


def measure(model: Model, test: ImageData) -> dict[str, str]:
    """The variational bound on held-out images."""
    images, labels = (x[:HELD_OUT_IMAGES].to(model.device) for x in (test.images, test.labels))
    bits = describe_bits(model.denoiser(class_labels=labels), model.schedule, to_signed(images))
    return {"bits/dim": f"{bits}; the first {len(images)} test images of {test.title}"}


def train(config: TrainConfig) -> None:
    """Load, resume, train, export, and upload if asked to."""
    deadline = time.monotonic() + (config.time_limit or math.inf)
    device = join_processes(config.device)
    leads = rank() == 0
    use_tensor_cores()
    with leader_first():  # it fetches what is missing
        data = load_data(config.preset, config.data_dir, config.image_size).to(device)
    if config.minutes:
        config = measured_length(config, data, device)
    if leads:
        print(f"{config.preset}: {config.total_images:,} images → {config.out}", flush=True)
        config.out.mkdir(parents=True, exist_ok=True)
    run = Run(config, data, device)
    run.resume()
    if leads and data.skipped:
        print(*data.skipped[:MAX_LISTED], f"Files skipped: {len(data.skipped)}", sep="\n", flush=True)
    if leads and run.images_seen:
        print(f"Resuming at {run.images_seen:,} images", flush=True)
    known = load_metrics(config.out) if run.complete else {}  # of the same weights
    test = held_out(config) if leads else None
    if not run.complete:
        judged = (test, "held-out images") if test else (data, "training images")
        length = (config.total_images, config.batch_size, run.images_seen)
        with Stop(deadline) as stop:
            training_loop(run, Recorder(config.out, judged[0].to(device), judged[1], *length), stop)
    if leads:
        export(run, known, test)
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
