"""How good a checkpoint that was trained on MNIST is.

    python -m benchmarks.quality checkpoints/mnist --data-dir data
    python -m benchmarks.quality checkpoints/mnist --data-dir data --only recognised,frechet

Prints a Markdown table for each part, writes the figures into the checkpoint's metrics.json (others stay
there) and renews its model card. About half an hour on two CPU cores, most of it for `steps`:

    recognised   the share of class-conditional samples that the classifier recognises as their class
    frechet      Fréchet distance in the classifier's features from samples to the test set, and from as
                 many training images to the test set
    bits         the variational bound on test images, in bits/dim
    steps        how many steps each sampler needs for the quality of DDIM with 50 steps
    copies       how far samples, and test images, are from the nearest training image
"""

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.classifier import Classifier, classify, load_or_train
from benchmarks.common import markdown_table
from diffusion.checkpoint import CheckpointError, Model, load_folder, write_atomically
from diffusion.data import ImageData, load_mnist
from diffusion.film import run_sampler
from diffusion.hub import write_model_card
from diffusion.likelihood import bits_per_dim
from diffusion.metrics import frechet_distance, nearest_neighbours
from diffusion.pictures import to_signed, to_uint8

SEED, BATCH_SIZE = 0, 250
SAMPLER, NUM_STEPS = "dpm++2m", 20
REAL_DRAWS = 10  # sets of real images whose Fréchet distances are averaged
STEPS = {"ddpm": (10, 20, 50, 100), "ddim": (5, 10, 20, 30, 50), "dpm++2m": (5, 8, 10, 12, 15, 20, 30)}
REFERENCE = ("ddim", 50)
FRECHET_TOLERANCE = 1.05  # as good as the reference: at most 5 % further away
NUM_COPIES = 64
MIN_SAMPLES = 10  # one of each class


def draw(model: Model, num_images: int, sampler: str, num_steps: int) -> tuple[Tensor, Tensor]:
    """Class-conditional samples from SEED, the classes evenly, guidance 1.0.

    Returns:
        (N, C, H, W) uint8 pictures as they are shown, and their class labels (N,).
    """
    labels = torch.arange(num_images) % len(model.classes)
    pictures = []
    for batch, part in enumerate(tqdm(labels.split(BATCH_SIZE), desc=f"{sampler}, {num_steps} steps")):
        settings = {"num_images": len(part), "num_steps": num_steps, "sampler": sampler}
        for step, _ in run_sampler(model, seed=SEED + batch, class_labels=part, **settings):
            x_0 = step.x_s
        pictures.append(to_uint8(x_0))
    return torch.cat(pictures), labels


def binomial(hits: Tensor) -> tuple[float, float]:
    """(N,) booleans → their share and its standard error."""
    share = hits.double().mean().item()
    return share, (share * (1 - share) / len(hits)) ** 0.5


@dataclass
class Bench:
    """What the parts share: the model, the judge, the data, and the samples, which are drawn once."""

    model: Model
    classifier: Classifier
    training: ImageData
    test: ImageData
    num_samples: int
    num_bits: int
    num_steps_samples: int

    @cached_property
    def samples(self) -> tuple[Tensor, Tensor]:
        """Pictures and labels."""
        return draw(self.model, self.num_samples, SAMPLER, NUM_STEPS)

    @cached_property
    def judged(self) -> tuple[Tensor, Tensor]:
        """Features of the samples, and the classes recognised."""
        return classify(self.classifier, self.samples[0])

    @cached_property
    def test_features(self) -> Tensor:
        return classify(self.classifier, self.test.images)[0]

    @property
    def setting(self) -> str:
        return f"{self.num_samples:,} samples, {SAMPLER}, {NUM_STEPS} steps, guidance 1.0, seed {SEED}"


def recognised(bench: Bench) -> dict[str, str]:
    """The share of samples that are recognised as their class."""
    hits = bench.judged[1] == bench.samples[1]
    share, error = binomial(hits)
    rows = []
    for label, name in enumerate(bench.model.classes):
        of_class = hits[bench.samples[1] == label]
        class_share, class_error = binomial(of_class)
        rows.append((name, len(of_class), f"{class_share:.1%} ± {class_error:.1%}"))
    rows.append(("**all**", len(hits), f"**{share:.2%} ± {error:.2%}**"))
    print(markdown_table(("class", "samples", "recognised"), rows))
    return {"samples recognised by the classifier": f"{share:.2%} ± {error:.2%}; {bench.setting}"}


def frechet(bench: Bench) -> dict[str, str]:
    """The samples' Fréchet distance to the test set, beside that of as many real images."""
    distance = frechet_distance(bench.judged[0], bench.test_features)
    order = torch.randperm(len(bench.training.images), generator=torch.Generator().manual_seed(SEED))
    num_draws = min(REAL_DRAWS, len(order) // bench.num_samples)
    drawn = bench.training.images[order[: num_draws * bench.num_samples]]
    features = classify(bench.classifier, drawn)[0].split(bench.num_samples)
    real = mean(frechet_distance(part, bench.test_features) for part in features)
    rows = [
        ("samples", f"{distance:.3f}", f"{distance / real:.2f}"),
        (f"training images, mean of {num_draws} draws", f"{real:.3f}", "1"),
    ]
    print(markdown_table((f"{bench.num_samples:,} of", "Fréchet distance to the test set", "ratio"), rows))
    summary = f"{distance:.3f}, {distance / real:.2f} times the {real:.3f} of as many training images"
    return {"Fréchet distance to the test set": f"{summary}; {bench.setting}"}


def bits(bench: Bench) -> dict[str, str]:
    """The variational bound on test images, each with its class."""
    generator = torch.Generator().manual_seed(SEED)
    chosen = torch.randperm(len(bench.test.images), generator=generator)[: bench.num_bits]
    values = []
    for part in tqdm(chosen.split(BATCH_SIZE), desc="bits/dim"):
        denoise = bench.model.denoiser(class_labels=bench.test.labels[part])
        x_0 = to_signed(bench.test.images[part])
        values.append(bits_per_dim(denoise, bench.model.schedule, x_0, generator))
    per_image = torch.cat(values)
    figure = f"{per_image.mean():.3f} ± {per_image.std() / len(per_image) ** 0.5:.3f}"
    print(markdown_table(("test images", "bits/dim"), [(len(per_image), figure)]))
    return {"bits/dim": f"{figure}; {len(per_image):,} random test images, seed {SEED}"}


def steps(bench: Bench) -> dict[str, str]:
    """Quality against the number of steps, and the fewest that are as good as the reference."""
    quality, rows = {}, []
    for sampler, numbers in STEPS.items():
        for num_steps in numbers:
            images, labels = draw(bench.model, bench.num_steps_samples, sampler, num_steps)
            features, classes = classify(bench.classifier, images)
            share, error = binomial(classes == labels)
            distance = frechet_distance(features, bench.test_features)
            quality[sampler, num_steps] = (share, error, distance)
            rows.append((sampler, num_steps, f"{share:.1%} ± {error:.1%}", f"{distance:.3f}"))
    print(markdown_table(("sampler", "steps", "recognised", "Fréchet distance"), rows), "\n")
    enough = {sampler: fewest_steps(quality, sampler) or f"over {STEPS[sampler][-1]}" for sampler in STEPS}
    reference = f"{REFERENCE[0]} {REFERENCE[1]}"
    print(markdown_table(("sampler", f"steps as good as {reference}"), list(enough.items())))
    summary = ", ".join(f"{sampler} {number}" for sampler, number in enough.items())
    setting = f"{bench.num_steps_samples:,} samples each, guidance 1.0, seed {SEED}"
    return {f"steps for the quality of {reference}": f"{summary}; {setting}"}


def fewest_steps(quality: dict[tuple[str, int], tuple[float, float, float]], sampler: str) -> int | None:
    """The fewest steps of `sampler` that are as good as the reference; None if none of them are.

    As good: the recognised share is not more than a standard error lower, and the Fréchet distance not
    more than FRECHET_TOLERANCE times as large.

    Args:
        quality: (sampler, number of steps) → recognised share, its standard error, Fréchet distance.
        sampler: one of those in `quality`.
    """
    share, error, distance = quality[REFERENCE]
    good = (
        number
        for (name, number), (its_share, _, its_distance) in quality.items()
        if name == sampler and its_share >= share - error and its_distance <= FRECHET_TOLERANCE * distance
    )
    return min(good, default=None)


def copies(bench: Bench) -> dict[str, str]:
    """Root mean square distance to the nearest training image, in units of [−1, 1]."""
    number = min(NUM_COPIES, bench.num_samples)
    chosen = torch.randperm(len(bench.test.images), generator=torch.Generator().manual_seed(SEED))
    sets = {"samples": bench.samples[0], "test images": bench.test.images[chosen]}
    training, rows, medians = to_signed(bench.training.images), [], []
    for name, images in sets.items():
        distances, _ = nearest_neighbours(to_signed(images[:number]), training)
        medians.append(f"{distances.median():.3f}")
        rows.append((name, medians[-1], f"{distances.min():.3f}"))
    print(markdown_table((f"nearest training image to {number}", "median distance", "smallest"), rows))
    summary = f"median {medians[0]}, of test images {medians[1]} (root mean square, {number} of each)"
    return {"distance to the nearest training image": f"{summary}; {SAMPLER}, {NUM_STEPS} steps, seed {SEED}"}


PARTS = {part.__name__: part for part in (recognised, frechet, bits, steps, copies)}


def merge_metrics(file: Path, measured: dict[str, str]) -> dict[str, str]:
    """Put figures into a checkpoint's metrics.json beside those already there; returns all of them."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    metrics = known | measured
    write_atomically(file, json.dumps(metrics, indent=1, ensure_ascii=False).encode())
    return metrics


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="the folder of a checkpoint")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is, or will be")
    parser.add_argument("--num-samples", type=int, default=2000, help="for recognised and frechet")
    parser.add_argument("--num-bits", type=int, default=500, help="test images for bits")
    parser.add_argument("--num-steps-samples", type=int, default=1000, help="for each row of steps")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, with commas; default: all")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    unknown = sorted(set(options.only) - set(PARTS))
    if unknown:
        parser.error(f"--only knows {', '.join(PARTS)}, not {', '.join(unknown)}")
    if min(options.num_samples, options.num_bits, options.num_steps_samples) < MIN_SAMPLES:
        parser.error(f"numbers of samples must be at least {MIN_SAMPLES}")
    return options


def main(options: argparse.Namespace) -> None:
    model = load_folder(options.checkpoint)
    test = load_mnist(options.data_dir, train=False)
    if model.sample_shape != test.images.shape[1:] or model.classes != test.classes:
        raise CheckpointError(f"{options.checkpoint} was not trained on MNIST with its classes.")
    bench = Bench(
        model,
        load_or_train(options.data_dir),
        load_mnist(options.data_dir),
        test,
        options.num_samples,
        options.num_bits,
        options.num_steps_samples,
    )
    for name in options.only:
        metrics = merge_metrics(options.checkpoint / "metrics.json", PARTS[name](bench))
        write_model_card(options.checkpoint, model, metrics)
        print(flush=True)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except CheckpointError as error:
        sys.exit(str(error))
