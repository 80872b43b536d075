"""Train a diffusion model.

    python train.py mnist                                     # a laptop's CPU, about an hour and a half
    python train.py cifar10 --compile                         # one GPU
    python train.py folder --data-dir my-photos --out my-run  # your own pictures, sub-folders as classes
    torchrun --nproc-per-node 8 train.py cifar10              # several GPUs

A run is counted in images seen. Data order and noise are functions of (seed, images seen), so the same
command continues a run that was stopped, in whatever way, exactly where its last state was written.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from diffusion.checkpoint import (
    CheckpointError,
    Model,
    load_state,
    save_model,
    save_state,
    write_atomically,
)
from diffusion.data import (
    ImageData,
    load_cifar10,
    load_folder,
    load_mnist,
    step_generator,
    to_signed,
)
from diffusion.ema import EMA, ema_beta
from diffusion.film import image_grid, make_film, png_bytes, save_film
from diffusion.hub import HubError, push_to_hub, write_model_card
from diffusion.likelihood import bits_per_dim
from diffusion.losses import diffusion_loss, stratified_timesteps
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
    total_images: int = flag(1_200_000, "images to train on, counting repeats")
    time_limit: float | None = flag(None, "stop after this many seconds, to be continued")
    batch_size: int = flag(128, "images per step, over all processes")
    learning_rate: float = 1.5e-3
    warmup: float = 0.02  # share of the run in which the learning rate rises
    decay: float = 0.5  # share of the run, at its end, in which it falls to 0
    gradient_clip: float = 1.0
    ema_width: float = 0.08  # σ_rel of the average, see diffusion/ema.py
    # machine
    seed: int = flag(0, "of the weights, the data order and the noise")
    device: str | None = flag(None, "cuda, mps or cpu; default: the best there is")
    compile: bool = flag(False, "compile the network: slower to start, then faster")
    push_to_hub: str | None = flag(None, "afterwards, upload to this Hub repo, user/name")


PRESETS = {
    "mnist": TrainConfig("mnist"),
    "cifar10": TrainConfig(
        "cifar10",
        channels=64,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        attention_levels=(1, 2),
        dropout=0.1,
        total_images=14_000_000,
        batch_size=512,
        learning_rate=6e-4,
        decay=0.4,
    ),
    "folder": TrainConfig(
        "folder", channels=64, attention_levels=(1, 2), dropout=0.1, total_images=4_000_000
    ),
}
FREE_TO_CHANGE = {
    "data_dir",
    "out",
    "time_limit",
    "device",
    "compile",
    "push_to_hub",
}  # when resuming
LOG_SECONDS, FIRST_SAVE_SECONDS, SAVE_SECONDS = 5, 10, 45
MIN_IMAGES_PER_GRID, GRID_STEPS, HELD_OUT_IMAGES = 20_000, 20, 500


def parse_config(arguments: list[str] | None = None) -> TrainConfig:
    """The preset named on the command line, with the flags' values in place of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", choices=PRESETS)
    types = {
        "data_dir": Path,
        "out": Path,
        "total_images": int,
        "batch_size": int,
        "seed": int,
        "time_limit": float,
    }
    for f in fields(TrainConfig):
        if "help" in f.metadata:
            kind = {"action": "store_true"} if f.type is bool else {"type": types.get(f.name, str)}
            name = "--" + f.name.replace("_", "-")
            parser.add_argument(name, default=argparse.SUPPRESS, help=f.metadata["help"], **kind)
    given = vars(parser.parse_args(arguments))
    config = replace(PRESETS[given["preset"]], **given)
    if config.total_images < 1 or config.batch_size < 1 or not 0 <= config.seed < 2**32:
        parser.error("--total-images and --batch-size must be at least 1, --seed from 0 to 2^32 − 1")
    return replace(config, out=config.out or Path("runs") / config.preset)


def learning_rate(images_seen: int, config: TrainConfig) -> float:
    """Up over the warm-up, constant, then linearly to 0 at the end of the run."""
    progress = images_seen / config.total_images
    up = progress / config.warmup
    down = (1 - progress) / config.decay
    return config.learning_rate * max(0.0, min(1.0, up, down))


def load_data(config: TrainConfig, train: bool = True) -> ImageData | None:
    """The preset's data on the CPU; None where there is no held-out part."""
    if config.preset == "mnist":
        return load_mnist(config.data_dir, train)
    if config.preset == "cifar10":
        return load_cifar10(config.data_dir, train)
    return load_folder(config.data_dir, config.image_size) if train else None


class Run:
    """The state of a training run: network, optimiser, averaged weights, images seen."""

    def __init__(self, config: TrainConfig, data: ImageData, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        num_classes = len(data.classes) if data.classes else None
        shape = {f.name: getattr(config, f.name) for f in fields(UNetConfig) if hasattr(config, f.name)}
        unet = UNetConfig(in_channels=data.images.shape[1], num_classes=num_classes, **shape)
        self.config, self.data, self.device = config, data, device
        self.schedule = SCHEDULES[config.schedule](config.num_timesteps)
        self.net = UNet(unet).to(device)
        self.ema = EMA(self.net)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=0.0,
            fused=True,
        )
        self.images_seen = 0
        self.forward = self._forward()

    def _forward(self) -> Callable[..., Tensor]:
        """The network as the loss calls it: bf16 where the hardware has it, compiled, data parallel."""
        net: nn.Module = self.net
        if dist.is_initialized():
            net = nn.parallel.DistributedDataParallel(net)
        if self.config.compile:
            net = torch.compile(net)
        bf16 = has_bf16(self.device)

        def forward(*args: Tensor, **cond: Tensor | None) -> Tensor:
            with torch.autocast(self.device.type, torch.bfloat16) if bf16 else nullcontext():
                return net(*args, **cond)

        return forward

    def step(self) -> Tensor:
        """One step of DDPM's Algorithm 1 on this process's share of the batch; returns its mean loss."""
        config, (rank, world_size) = self.config, rank_and_world_size()
        share = config.batch_size // world_size
        start = self.images_seen + rank * share
        generator = step_generator(config.seed, start, self.device)
        torch.manual_seed(generator.initial_seed())  # dropout inside the network
        x_0, labels = self.data.batch(range(start, start + share), config.seed, generator)
        if labels is not None:
            dropped = torch.rand(share, generator=generator, device=self.device) < config.class_dropout
            labels = torch.where(dropped, len(self.data.classes), labels)
        t = stratified_timesteps(share, config.num_timesteps, generator, rank, world_size)
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        objective = {"prediction": config.prediction, "weighting": config.weighting}
        loss = diffusion_loss(
            self.forward, self.schedule, x_0, t, noise, **objective, class_labels=labels
        ).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), config.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.images_seen, config)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.images_seen += config.batch_size
        self.ema.update(ema_beta(self.images_seen, config.batch_size, config.ema_width))
        return loss.detach()

    def save(self) -> None:
        """Write the state from which the same command resumes."""
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.weights.items()}
        for i, slot in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in slot.items()}
        meta = {"images_seen": self.images_seen, "config": self.fixed_settings()}
        save_state(self.config.out / "state.safetensors", tensors, meta)

    def resume(self) -> None:
        """Continue from the state in the output folder, if there is one."""
        file = self.config.out / "state.safetensors"
        if not file.exists():
            return
        tensors, meta = load_state(file, self.device)
        mine = self.fixed_settings()
        other = sorted(k for k in mine if meta["config"].get(k) != mine[k])
        if other:
            raise CheckpointError(
                f"{self.config.out} holds a run with another {', '.join(other)}: choose another --out."
            )
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "ema": {}, "optimizer": {}}
        for key, value in tensors.items():
            part, name = key.split(".", 1)
            parts[part][name] = value
        self.net.load_state_dict(parts["net"])
        self.ema.weights = {k: parts["ema"][k] for k in self.ema.weights}
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in parts["optimizer"].items():
            index, name = key.split(".")
            slots.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.images_seen = meta["images_seen"]

    def fixed_settings(self) -> dict[str, Any]:
        """What may not change while a run lasts, as JSON has it."""
        settings = {k: v for k, v in asdict(self.config).items() if k not in FREE_TO_CHANGE}
        return json.loads(json.dumps(settings))

    def model(self) -> Model:
        """The averaged weights as a model."""
        net = deepcopy(self.net)
        net.load_state_dict(self.ema.weights)
        about = {
            "data": self.data.title,
            "licence": self.data.licence,
            "images_seen": self.images_seen,
            "settings": self.fixed_settings(),
        }
        return Model(
            self.config.out.resolve().name,
            net.eval().requires_grad_(False),
            self.config.schedule,
            self.schedule,
            self.config.prediction,
            tuple(self.data.images.shape[1:]),
            self.data.classes,
            about,
        )


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16 itself, rather than slowly imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16"))


def rank_and_world_size() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


class Stop:
    """Whether to stop after this step: SIGTERM, Ctrl-C or the time limit, agreed on by all processes."""

    def __init__(self, time_limit: float | None) -> None:
        self.deadline = time.monotonic() + (time_limit or float("inf"))
        self.signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, *_: Any) -> None:
        self.signalled = True

    def wanted(self) -> bool:
        stop = self.signalled or time.monotonic() > self.deadline
        if dist.is_initialized():
            flag = torch.tensor(int(stop), device="cuda" if dist.get_backend() == "nccl" else "cpu")
            dist.all_reduce(flag, dist.ReduceOp.MAX)
            stop = bool(flag)
        return stop


def train(run: Run, stop: Stop) -> bool:
    """Step until the run is complete (True) or has to stop (False), logging and saving on the way."""
    config, leader = run.config, rank_and_world_size()[0] == 0
    bar = tqdm(
        total=config.total_images,
        initial=run.images_seen,
        unit="img",
        unit_scale=True,
        disable=not leader,
    )
    next_log, next_save = 0.0, time.monotonic() + FIRST_SAVE_SECONDS
    grid_every = max(MIN_IMAGES_PER_GRID, config.total_images // 20)
    losses: list[Tensor] = []
    while run.images_seen < config.total_images and not stop.wanted():
        losses.append(run.step())
        bar.update(config.batch_size)
        now = time.monotonic()
        if now >= next_log or now >= next_save:
            log_losses(run, losses, bar)
            next_log = now + LOG_SECONDS
        if leader and now >= next_save:
            run.save()
            next_save = now + SAVE_SECONDS
        if leader and run.images_seen // grid_every > (run.images_seen - config.batch_size) // grid_every:
            save_grid(run.model(), config.out / "samples" / f"{run.images_seen:09d}.png")
    log_losses(run, losses, bar)
    bar.close()
    if leader:
        run.save()
    return run.images_seen >= config.total_images


def log_losses(run: Run, losses: list[Tensor], bar: tqdm) -> None:
    """Write the mean loss since the last call, and stop at a loss that is not a number."""
    if not losses:
        return
    values = torch.stack(losses).tolist()
    losses.clear()
    first_step = run.images_seen // run.config.batch_size - len(values) + 1
    for step, value in enumerate(values, first_step):
        if not abs(value) < float("inf"):
            raise FloatingPointError(
                f"The loss is {value} at step {step}; the last saved state is from before."
            )
    rate = bar.format_dict["rate"] or 0.0
    row = {
        "images_seen": run.images_seen,
        "loss": round(sum(values) / len(values), 6),
        "learning_rate": learning_rate(run.images_seen, run.config),
        "images_per_second": round(rate, 1),
    }
    bar.set_postfix(loss=f"{row['loss']:.4f}")
    if not bar.disable:
        with open(run.config.out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")


def class_rows(model: Model, per_class: int) -> dict[str, Any]:
    """`make_film` settings for a grid with one row a class, or eight rows of none."""
    rows = len(model.classes) if model.classes else 8
    labels = torch.arange(rows, device=model.device).repeat_interleave(per_class) if model.classes else None
    return {
        "seed": 0,
        "num_images": rows * per_class,
        "num_steps": GRID_STEPS,
        "class_labels": labels,
    }


def save_grid(model: Model, file: Path) -> None:
    """Sample from fixed noise and write the results as one picture, a row for each class."""
    file.parent.mkdir(exist_ok=True)
    images = make_film(model, **class_rows(model, 8)).frames[-1, 0]
    write_atomically(file, png_bytes(image_grid(images, 8)))


def export(run: Run, complete: bool) -> None:
    """Write the folder in the layout of the Hub: weights, card, film, samples, metrics."""
    out, model = run.config.out, run.model()
    save_model(out, model)
    save_grid(model, out / "samples.png")
    save_film(out, make_film(model, **class_rows(model, 1)))
    metrics = {}
    held_out = load_data(run.config, train=False) if complete else None
    if held_out is not None:
        generator = torch.Generator(run.device).manual_seed(0)
        x_0 = to_signed(held_out.images[:HELD_OUT_IMAGES].to(run.device))
        labels = held_out.labels[:HELD_OUT_IMAGES].to(run.device)
        bits = bits_per_dim(model.denoiser(class_labels=labels), model.schedule, x_0, generator)
        error = bits.std().item() / len(bits) ** 0.5
        metrics[f"bits/dim of the first {len(bits)} test images"] = f"{bits.mean().item():.3f} ± {error:.3f}"
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False).encode())
    write_model_card(out, model, metrics)


def start_processes(config: TrainConfig) -> torch.device:
    """Join the other processes if torchrun started this one; returns this process's device."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(config.device or best)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        if config.batch_size % dist.get_world_size():
            raise ValueError(f"--batch-size must be a multiple of the {dist.get_world_size()} processes.")
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
    return device


def main(config: TrainConfig) -> None:
    device = start_processes(config)
    leader = rank_and_world_size()[0] == 0
    stop = Stop(config.time_limit)
    if leader:
        print(f"{config.preset}: {config.total_images:,} images → {config.out}", flush=True)
        config.out.mkdir(parents=True, exist_ok=True)
        write_atomically(config.out / "log.jsonl.check", b"")  # fails here rather than after an hour
        (config.out / "log.jsonl.check").unlink()
    data = load_data(config)
    if leader and data.skipped:
        print(*data.skipped, f"{len(data.skipped)} files skipped", sep="\n", flush=True)
    run = Run(config, data.to(device), device)
    run.resume()
    if leader and run.images_seen:
        print(f"Resuming at {run.images_seen:,} images", flush=True)
    complete = train(run, stop)
    if leader:
        export(run, complete)
        again = "" if complete else "; the same command continues"
        print(f"{run.images_seen:,} images, {config.out}{again}", flush=True)
        if config.push_to_hub:
            print(push_to_hub(config.out, config.push_to_hub), flush=True)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main(parse_config())
    except (CheckpointError, HubError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"train.py: {error}")
