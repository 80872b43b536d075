"""Quality beside another library's: denoising-diffusion-pytorch, trained on CIFAR-10 for the same time.

    pip install denoising-diffusion-pytorch
    python -m benchmarks.peer --data-dir data --minutes 20 --out runs/peer
    python -m benchmarks.peer --data-dir data --out runs/peer --judge runs/cifar10

The first command trains it exactly as its README shows, only at 32×32: Unet and Trainer with the README's
values, fp16 on a GPU, its DataLoader on a folder of PNGs; the time runs from the making of the Trainer.
Its averaged weights then draw samples with its sampler, 250 DDIM steps, into OUT/samples.safetensors: as
many as --sample-minutes allow, on a GPU in fp16, which its flash attention there cannot do without. The
second compares them with as many samples of one of our checkpoints, drawn without a class, by their
Fréchet distance to the test set in the features of our classifier.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from benchmarks.classifier import classify, load_or_train
from benchmarks.common import markdown_table
from benchmarks.metrics import frechet_distance
from benchmarks.peer_steps import need, quiet, use_device, write_pngs
from benchmarks.samples import HEADLINE, SEED, draw, for_sampling
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_uint8
from diffusion.data.sources import load_data
from diffusion.files import to_json, write_atomically
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.training.distributed import join_processes

DATA, SIDE, SAMPLING_STEPS, NEVER = "cifar10", 32, 250, 10**9
ACCUMULATE = 2  # batches to a step, as in its README
SAMPLES_FILE = "samples.safetensors"


def make_trainer(folder: Path, options: argparse.Namespace, device: torch.device) -> Any:
    """Its README's example; what it would write, and its FID, which needs a download, are off."""
    need("It", "denoising-diffusion-pytorch", "accelerate")
    from denoising_diffusion_pytorch import GaussianDiffusion, Trainer, Unet

    use_device(device)
    gpu = device.type == "cuda"
    net = Unet(dim=options.dim, dim_mults=(1, 2, 4, 8), flash_attn=gpu)
    diffusion = GaussianDiffusion(net, image_size=SIDE, timesteps=1000, sampling_timesteps=SAMPLING_STEPS)
    return Trainer(
        diffusion.to(device),
        str(folder / "pictures"),
        train_batch_size=options.batch_size,
        train_lr=8e-5,
        train_num_steps=NEVER,
        gradient_accumulate_every=ACCUMULATE,
        ema_decay=0.995,
        amp=gpu,
        calculate_fid=False,
        save_and_sample_every=NEVER,
        results_folder=str(folder / "results"),
    )


class OutOfTime(Exception):
    """The training time is over."""


def until(deadline: float, batches: Iterator[Tensor]) -> Iterator[Tensor]:
    """The batches that are asked for before the deadline, in seconds of `time.monotonic`; then OutOfTime."""
    while time.monotonic() < deadline:
        yield next(batches)
    raise OutOfTime


def train(options: argparse.Namespace, device: torch.device) -> tuple[Any, dict[str, str]]:
    """The trainer after its time, and what is to be told of it."""
    started = time.monotonic()
    trainer = make_trainer(options.out, options, device)
    trainer.dl = until(started + 60 * options.minutes, trainer.dl)
    with suppress(OutOfTime), quiet():
        trainer.train()
    seconds = time.monotonic() - started  # no device is left to be waited for: each step reads its loss
    images = trainer.step * options.batch_size * ACCUMULATE
    return trainer, {
        "images_seen": str(images),
        "images_per_second": f"{images / seconds:.4g}",
        "minutes": f"{seconds / 60:.2f}",
    }


def draw_theirs(net: nn.Module, number: int, batch_size: int, minutes: float) -> Tensor:
    """Unconditional samples (N, C, H, W) uint8: as many of `number` as the time allows, at least a batch."""
    torch.manual_seed(SEED)
    net.eval()
    pictures, longest, deadline = [], 0.0, time.monotonic() + 60 * minutes
    while len(pictures) * batch_size < number and (not pictures or time.monotonic() + longest < deadline):
        started = time.monotonic()
        with quiet(), torch.autocast("cuda", torch.float16, enabled=next(net.parameters()).is_cuda):
            x_0 = net.sample(batch_size=batch_size).float()  # in [0, 1]
        pictures.append(to_uint8(2 * x_0 - 1).cpu())
        longest = max(longest, time.monotonic() - started)
    return torch.cat(pictures)[:number]


def distances_to_test_set(sets: list[Tensor], data_dir: Path, device: torch.device) -> list[float]:
    """The Fréchet distance of each set of pictures in the features of our classifier."""
    classifier = load_or_train(DATA, data_dir, device)
    test = classify(classifier, load_data(DATA, data_dir, train=False).images)[0]
    return [frechet_distance(classify(classifier, images)[0], test) for images in sets]


def make(options: argparse.Namespace, device: torch.device) -> None:
    """Train the other library, draw its samples and write them."""
    write_pngs(load_data(DATA, options.data_dir).images, options.out / "pictures")
    trainer, about = train(options, device)
    net = trainer.ema.ema_model
    samples = draw_theirs(net, options.num_samples, options.sample_batch, options.sample_minutes)
    content = safetensors.torch.save({"samples": samples.contiguous()}, about)
    write_atomically(options.out / SAMPLES_FILE, content)
    header = ("denoising-diffusion-pytorch", "minutes", "images seen", "images/s", "samples")
    numbers = (about["minutes"], f"{int(about['images_seen']):,}", about["images_per_second"])
    wanted = "" if len(samples) == options.num_samples else f" of {options.num_samples:,}: out of time"
    print(markdown_table(header, [(f"dim {options.dim}", *numbers, f"{len(samples):,}{wanted}")]), flush=True)


def judge(options: argparse.Namespace, device: torch.device) -> None:
    """Compare the samples in the output folder with as many of a checkpoint of ours."""
    with safe_open(options.out / SAMPLES_FILE, "pt") as file:
        theirs, about = file.get_tensor("samples"), file.metadata()
    model = load_folder(options.judge, device)
    if model.sample_shape != theirs.shape[1:]:
        raise CheckpointError(f"{options.judge} was not trained on CIFAR-10.")
    sets = [theirs, draw(for_sampling(model), len(theirs), HEADLINE)]
    distances = distances_to_test_set(sets, options.data_dir, device)
    about_ours = (model.about.get("images_seen", 0), f"{HEADLINE.sampler}, {HEADLINE.num_steps} steps")
    about_theirs = (int(about["images_seen"]), f"ddim, {SAMPLING_STEPS} steps")
    rows = [
        (name, f"{seen:,}", sampler, f"{len(theirs):,}", f"{distance:.3f}")
        for name, (seen, sampler), distance in zip(
            ("denoising-diffusion-pytorch", f"ours, {model.name}"), (about_theirs, about_ours), distances
        )
    ]
    header = ("without a class", "images seen", "sampler", "samples", "Fréchet distance to the test set")
    print(markdown_table(header, rows))
    result = {"distances": dict(zip(("theirs", "ours"), distances)), "samples": len(theirs), "theirs": about}
    write_atomically(options.out / "judged.json", to_json(result, indent=1).encode())


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where CIFAR-10 is, or will be")
    parser.add_argument("--out", type=Path, default=Path("runs/peer"), help="the folder to write")
    parser.add_argument("--minutes", type=float, help="train it for this long, and draw samples")
    parser.add_argument("--judge", type=Path, help="compare the samples with this checkpoint of ours")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: the best there is")
    parser.add_argument("--num-samples", type=int, default=10_000, help="to draw")
    parser.add_argument("--sample-minutes", type=float, default=10, help="at most, and at least one batch")
    parser.add_argument("--sample-batch", type=int, default=1000, help="pictures drawn at once")
    parser.add_argument("--batch-size", type=int, default=32, help="its README's; two to a step")
    parser.add_argument("--dim", type=int, default=64, help="its README's width; less for a rehearsal")
    options = parser.parse_args(arguments)
    if options.minutes is None and options.judge is None:
        parser.error("one of --minutes and --judge is needed")
    return options


def main(options: argparse.Namespace) -> None:
    device = join_processes(options.device)
    if options.minutes is not None:
        make(options, device)
    if options.judge:
        judge(options, device)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError, ImportError) as error:
        sys.exit(f"benchmarks.peer: {error}")
    except FileNotFoundError as error:
        sys.exit(
            f"benchmarks.peer: there is no {error.filename or SAMPLES_FILE}; run it with --minutes first."
        )
