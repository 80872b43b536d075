"""Train a diffusion model.

    python train.py mnist                                     # a laptop's CPU, about an hour
    python train.py cifar10 --compile blocks                  # one GPU
    python train.py folder --data-dir my-photos --out my-run  # your own pictures, sub-folders as classes
    python train.py folder --dataset user/name --out my-run   # pictures of the Hub
    torchrun --nproc-per-node 8 train.py cifar10              # several GPUs

A run is counted in images seen. Data order and noise are functions of (seed, images seen), so the same
command continues a run that was stopped, in whatever way, exactly where its last state was written.
"""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports: no traceback

import math
import sys
import time
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from diffusion.console import lenient_output
from diffusion.data.image_sets import DataError, step_generator
from diffusion.devices import peak_flops, use_tensor_cores
from diffusion.films.samples import SHEETS_FOLDER
from diffusion.films.training_history import Recorder
from diffusion.hub import HubError, load_hub_pictures, load_model, push_to_hub, why_not_pushable
from diffusion.models.card import load_metrics
from diffusion.models.folder import CheckpointError
from diffusion.models.model import Model
from diffusion.nets.ema import EMA, ema_beta
from diffusion.training.command_line import parse_config
from diffusion.training.config import (
    FolderData,
    PixelDiffusionSettings,
    StudentSettings,
    TrainConfig,
    default_settings,
    with_settings,
)
from diffusion.training.data import Data, load_training_data
from diffusion.training.distributed import (
    Stop,
    join_processes,
    leader_first,
    leave_processes,
    min_over_processes,
    rank,
    world_size,
    wrap_for_training,
)
from diffusion.training.progress import LOG_FILE, Progress
from diffusion.training.reports import reporting
from diffusion.training.run_folder import check_place, own_folder
from diffusion.training.run_state import load_run, save_run, saved_data, saved_settings
from diffusion.training.stages import build_stage

FIRST_SAVE_SECONDS, SAVE_SECONDS = 10, 45  # what is lost at most if a run dies, early and later
MAX_SAVING = 0.02  # share of the time that saving may take; where it takes long, it is done less often
# Between sheets of samples, each of which costs as much as 850 images of training, if there are many classes.
MIN_IMAGES_PER_GRID, MAX_GRIDS = 30_000, 20
WARM_UP_STEPS = 3  # until convolutions have chosen their algorithms, and what is compiled is compiled
SPEED_SECONDS = 8  # over which the speed is measured: single slow steps make no difference then
# Share of --minutes for steps: saving takes up to 2 %, samples 3, the history 2, and the end a little.
STEPPING = 0.92
UNKNOWN_DATA = "What this run began with it did not note: whether the data are the same cannot be told."


def learning_rate(images_seen: int, config: TrainConfig) -> float:
    """Up over the warm-up, constant, then linearly to 0 at the end of the run."""
    progress = images_seen / config.total_images
    up = progress / config.warmup
    down = (1 - progress) / config.decay
    return config.learning_rate * max(0.0, min(1.0, up, down))


class Run:
    """A training run: network, optimiser, averaged weights, images seen."""

    def __init__(
        self, config: TrainConfig, data: Data, device: torch.device, start: Model | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.stage = build_stage(config, data, device, start)
        self.net = self.stage.net
        # This lays out the weights, and what is kept beside each of them is laid out alike.
        self.forward = wrap_for_training(self.net, device, config.compile, config.channels_last)
        self.ema = EMA(self.net)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.images_seen = 0

    def step(self) -> Tensor:
        """One step of the optimiser on this process's share of the batch; returns its mean loss."""
        config, share = self.config, self.config.batch_size // world_size()
        start = self.images_seen + rank() * share
        generator = step_generator(config.seed, start, self.device)
        torch.manual_seed(generator.initial_seed())  # dropout inside the network
        loss = self.stage.loss(self.forward, range(start, start + share), generator)
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
        settings = self.stage.fixed_settings() | {"began_with": self.stage.began_with}
        save_run(self.config.out, *parts, self.images_seen, settings, self.stage.data.contents)

    def resume(self) -> None:
        """Continue from the state in the output folder, if there is one."""
        parts = (self.net, self.ema, self.optimizer)
        settings, defaults = self.stage.fixed_settings(), default_settings(self.config)
        contents = self.stage.data.contents
        self.images_seen = load_run(self.config.out, *parts, settings, defaults, contents)


def save_in_time(run: Run, seconds: float) -> float:
    """Save; returns when to save again: in so many seconds, or later if saving takes long."""
    started = time.monotonic()
    run.save()
    ended = time.monotonic()
    return ended + max(seconds, (ended - started) / MAX_SAVING)


def training_loop(run: Run, recorder: Recorder | None, stop: Stop) -> None:
    """Step until the run is complete or has to stop, logging, saving and sampling on the way."""
    config, leads = run.config, rank() == 0
    next_save = save_in_time(run, FIRST_SAVE_SECONDS) if leads else math.inf  # or fails here, not in an hour
    grid_every = max(MIN_IMAGES_PER_GRID, config.total_images // MAX_GRIDS)
    with (
        reporting(config.report_to if leads else None, config.out, config.preset) as begin_report,
        Progress(
            config.out / LOG_FILE,
            config.total_images,
            run.images_seen,
            config.batch_size,
            silent=not leads,
            flops_per_image=run.stage.flops_per_image(),
            peak=peak_flops(run.device) * world_size(),
            begin_report=begin_report,
        ) as progress,
    ):
        while True:
            if recorder and recorder.due(run.images_seen):
                progress.log()  # refuses what should not be shown or saved
                recorder.record(run.images_seen, run.ema.weights)
            if time.monotonic() >= next_save:
                progress.log()
                next_save = save_in_time(run, SAVE_SECONDS)
            if leads and run.images_seen > 0 and run.images_seen % grid_every < config.batch_size:
                progress.log()
                file = config.out / SHEETS_FOLDER / f"{run.images_seen:09d}.png"
                run.stage.save_samples(file, run.ema.weights, run.images_seen)
            if run.complete or stop.wanted():
                break
            progress.step(run.step(), learning_rate(run.images_seen, config))
        progress.log()
    if leads:
        run.save()


def measured_length(
    config: TrainConfig, minutes: float, data: Data, device: torch.device, start: Model | None
) -> TrainConfig:
    """With as many images as fit into the time at the speed measured now; a run once begun keeps its own."""
    if begun := saved_settings(config.out):
        return replace(config, total_images=begun["total_images"])
    started = time.monotonic()
    run = Run(replace(config, total_images=sys.maxsize), data, device, start)

    def seconds(num_steps: int) -> float:
        before = time.monotonic()
        for _ in range(num_steps):
            loss = run.step()
        loss.item()  # waits for the device
        return time.monotonic() - before

    seconds(WARM_UP_STEPS)
    num_steps = min_over_processes(1 + int(SPEED_SECONDS / seconds(1)))
    images_per_second = num_steps * config.batch_size / seconds(num_steps)
    left = 60 * minutes - (time.monotonic() - started)
    total_images = min_over_processes(max(1, int(STEPPING * images_per_second * left)))
    return replace(config, total_images=total_images)


def train(config: TrainConfig) -> None:
    """Load the data, and train on it in a folder of the run's own."""
    deadline = time.monotonic() + (config.time_limit or math.inf)
    if config.push_to_hub and (reason := why_not_pushable(config.push_to_hub)):
        raise HubError(f"{config.push_to_hub} could not be uploaded to: {reason}")
    device = join_processes(config.device)
    leads = rank() == 0
    if leads:
        check_place(config.out)
    use_tensor_cores()
    with leader_first():  # it fetches what is missing
        start = initial_model(config)
        config, data = with_data(config)
        data = data.to(device)
    if leads:
        print(*data.found, sep="\n", flush=True)
    with own_folder(config.out) if leads else nullcontext():
        if config.minutes:
            config = measured_length(config, config.minutes, data, device, start)
        if leads:
            print(f"{config.preset}: {config.total_images:,} images → {config.out}", flush=True)
        run_to_its_end(Run(config, data, device, start), deadline)
    leave_processes()


def with_data(config: TrainConfig) -> tuple[TrainConfig, Data]:
    """What a run trains on; of a data set of the Hub the settings then say which state of it that is."""
    source = config.stage.data
    if not isinstance(source, FolderData) or source.dataset is None:
        return config, load_training_data(config)
    pictures, dataset = load_hub_pictures(source.dataset, source.image_size)
    return with_settings(config, {"dataset": dataset}), pictures


def initial_model(config: TrainConfig) -> Model | None:
    """The model that a run begins with, if there is one; once it is begun, only a student needs it."""
    stage = config.stage
    if not isinstance(stage, PixelDiffusionSettings) or not stage.init:
        return None
    needed = isinstance(stage, StudentSettings) or not saved_settings(config.out)
    return load_model(stage.init) if needed else None


def run_to_its_end(run: Run, deadline: float) -> None:
    """Resume, train, export, and upload if asked to; or as much of it as the deadline allows."""
    config, leads = run.config, rank() == 0
    run.resume()
    if leads and run.images_seen:
        print(f"Resuming at {run.images_seen:,} images", flush=True)
        if saved_data(config.out) is None:
            print(UNKNOWN_DATA, flush=True)
    known = load_metrics(config.out) if run.complete else {}  # of the same weights
    if not run.complete:
        recorder = run.stage.recorder(run.images_seen) if leads else None
        with Stop(deadline) as stop:
            training_loop(run, recorder, stop)
    if leads:
        run.stage.export(run.ema.weights, run.images_seen, known or (None if run.complete else {}))
        again = "" if run.complete else "; the same command continues"
        print(f"{run.images_seen:,} images, {config.out}{again}", flush=True)
        if config.push_to_hub and run.complete:
            print(push_to_hub(config.out, config.push_to_hub, config.public, print), flush=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line: what its user can put right is answered by one sentence and exit status 1."""
    try:
        with lenient_output():
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
