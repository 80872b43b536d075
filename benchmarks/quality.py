"""How good a checkpoint that was trained on MNIST or CIFAR-10 is.

    python -m benchmarks.quality checkpoints/mnist --data-dir data
    python -m benchmarks.quality checkpoints/mnist --data-dir data --only recognised,frechet
    python -m benchmarks.quality checkpoints/cifar10 --device cuda --num-samples 10000 --guidance 1.5

Prints a Markdown table for each part, writes the figures into the checkpoint's metrics.json and curves.json
(others stay there) and renews its model card. All is kept as soon as it is measured: the same command with
--skip-known continues where an interrupted one stopped. The parts:

    recognised   the share of class-conditional samples that the classifier recognises as their class
    frechet      Fréchet distance in the classifier's features from samples to the test set, beside that of
                 as many training images; with --reference train, the two sets of images change places
    bits         the variational bound on test images, in bits/dim
    steps        quality against the number of steps of each sampler, without guidance
    guidance     quality against the guidance scale
    copies       how far samples, and test images, are from the nearest training image

Samples are drawn in bf16 where the hardware has it; all else is computed in float32.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.classifier import classify, data_of, load_or_train
from benchmarks.common import markdown_table, names_in
from benchmarks.curves import REFERENCE, Curves, Row, enough_steps, share_of
from benchmarks.figures import Figure, binomial, keep, percent
from benchmarks.metrics import frechet_distance, nearest_neighbours
from benchmarks.samples import BATCH_SIZES, HEADLINE, SEED, Sampling, draw, for_sampling
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.images import to_signed
from diffusion.data.sources import load_data
from diffusion.likelihood import bits_per_dim
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model

REAL_DRAWS = 10  # sets of real images whose Fréchet distances are averaged
STEPS = {sampler: (5, 10, 20, 50, 100) for sampler in ("ddpm", "ddim", "dpm++2m")}
LONG, MAX_LONG_SAMPLES = ("ddpm", 1000), 1000
GUIDANCE_SCALES = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
NUM_COPIES = 64
SETS = {"test": "test", "train": "training"}
MIN_SAMPLES = 10  # one of each class


@dataclass
class Bench:
    """What the parts share: the model, the judge, the data, and the samples, which are drawn once.

    Args:
        model: what is measured.
        drawer: the same model, as samples are drawn from it.
        classifier: of the data set that it was trained on.
        training, test: the two parts of that data set.
        options: of the command line.
    """

    model: Model
    drawer: Model
    classifier: nn.Module
    training: ImageData
    test: ImageData
    options: argparse.Namespace

    def draw(self, num_images: int, sampling: Sampling) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) uint8 pictures of the classes evenly, and their labels (N,), both on the CPU."""
        labels = torch.arange(num_images) % len(self.model.classes)
        return draw(self.drawer, num_images, sampling, labels), labels

    @cached_property
    def samples(self) -> tuple[Tensor, Tensor]:
        """Pictures and labels."""
        sampling = HEADLINE._replace(guidance_scale=self.options.guidance)
        return self.draw(self.options.num_samples, sampling)

    @cached_property
    def judged(self) -> tuple[Tensor, Tensor]:
        """Features of the samples, and the classes recognised."""
        return classify(self.classifier, self.samples[0])

    @cached_property
    def judged_test(self) -> tuple[Tensor, Tensor]:
        """Features of the test images, and the classes recognised."""
        return classify(self.classifier, self.test.images)

    @cached_property
    def accuracy(self) -> float:
        """The share of the test images that the classifier recognises."""
        return binomial(self.judged_test[1] == self.test.labels)[0]

    @cached_property
    def curves(self) -> Curves:
        """What curves.json holds so far; steps and guidance add to it."""
        return Curves(self.options.checkpoint, self.about_curves, self.options.skip_known)

    def about_curves(self) -> dict[str, Any]:
        """What holds for all of them."""
        setting = {
            "data": self.test.title,
            "reference": f"{len(self.test.images)} test images",
            "seed": SEED,
            "precision": "float32" if self.drawer is self.model else "bfloat16",
            "steps": {"guidance_scale": 1.0},
            "guidance": {"sampler": HEADLINE.sampler, "num_steps": HEADLINE.num_steps},
        }
        return {"classifier_accuracy": self.accuracy, "setting": setting}


def recognised(bench: Bench) -> str:
    """The share of samples that are recognised as their class."""
    hits = bench.judged[1] == bench.samples[1]
    share, error = binomial(hits)
    rows = []
    for label, name in enumerate(bench.model.classes):
        of_class = hits[bench.samples[1] == label]
        rows.append((name, len(of_class), percent(*binomial(of_class))))
    rows.append(("**all**", len(hits), f"**{share:.2%} ± {error:.2%}**"))
    print(markdown_table(("class", "samples", "recognised"), rows))
    real = f"the {bench.accuracy:.2%} of real test images"
    return f"{share:.2%} ± {error:.2%}, {share / bench.accuracy:.3f} times {real}"


def frechet(bench: Bench) -> str:
    """The samples' Fréchet distance to one part of the data, beside that of as many images of the other."""
    reference = SETS[bench.options.reference]
    parts = {"test": bench.test, "training": bench.training}
    features = classify(bench.classifier, parts.pop(reference).images)[0]
    [(name, other)] = parts.items()
    distance = frechet_distance(bench.judged[0], features)
    number = min(bench.options.num_samples, len(other.images))
    num_draws = min(REAL_DRAWS, len(other.images) // number)
    order = torch.randperm(len(other.images), generator=torch.Generator().manual_seed(SEED))
    drawn = classify(bench.classifier, other.images[order[: num_draws * number]])[0]
    real = mean(frechet_distance(part, features) for part in drawn.split(number))
    rows = [
        (f"{bench.options.num_samples:,} samples", f"{distance:.3f}", f"{distance / real:.2f}"),
        (f"{number:,} {name} images, mean of {num_draws} draws", f"{real:.3f}", "1"),
    ]
    print(markdown_table(("of", f"Fréchet distance to the {reference} set", "ratio"), rows))
    return f"{distance:.3f}, {distance / real:.2f} times the {real:.3f} of {number:,} {name} images"


def bits(bench: Bench) -> str:
    """The variational bound on test images, each with its class."""
    device = bench.model.device
    generator = torch.Generator(device).manual_seed(SEED)
    order = torch.randperm(len(bench.test.images), generator=generator, device=device)
    values = []
    for part in tqdm(order[: bench.options.num_bits].cpu().split(BATCH_SIZES[device.type]), desc="bits/dim"):
        denoise = bench.model.denoiser(class_labels=bench.test.labels[part].to(device))
        x_0 = to_signed(bench.test.images[part].to(device))
        values.append(bits_per_dim(denoise, bench.model.schedule, x_0, generator).cpu())
    per_image = torch.cat(values)
    figure = f"{per_image.mean():.3f} ± {per_image.std() / len(per_image) ** 0.5:.3f}"
    print(markdown_table(("test images", "bits/dim"), [(len(per_image), figure)]))
    return figure


def measure_row(bench: Bench, curve: str, sampling: Sampling, number: int, names: tuple[str, ...]) -> Row:
    """A point of a curve: of `number` pictures; the keys `names` tell it from the others."""

    def measure() -> Row:
        images, labels = bench.draw(number, sampling)
        features, classes = classify(bench.classifier, images)
        share, error = binomial(classes == labels)
        distance = frechet_distance(features, bench.judged_test[0])
        return {"recognised": share, "recognised_error": error, "frechet": distance}

    at = {name: sampling._asdict()[name] for name in names} | {"num_samples": number}
    return bench.curves.point(curve, names, at, measure)


def shown(row: Row) -> tuple[str, str]:
    """A row's recognised share and Fréchet distance."""
    return share_of(row), f"{row['frechet']:.3f}"


def steps(bench: Bench) -> str:
    """Quality against the number of steps, and the fewest that are as good as the reference."""
    number = bench.options.num_steps_samples
    points = [(sampler, num_steps, number) for sampler in STEPS for num_steps in STEPS[sampler]]
    if bench.options.long:
        points.append((*LONG, min(number, MAX_LONG_SAMPLES)))
    rows, names = [], ("sampler", "num_steps")
    for sampler, num_steps, num_images in points:
        rows.append(measure_row(bench, "steps", Sampling(sampler, num_steps), num_images, names))
    table = [(row["sampler"], row["num_steps"], *shown(row)) for row in rows]
    print(markdown_table(("sampler", "steps", "recognised", "Fréchet distance"), table), "\n")
    enough, reference = enough_steps(rows), " ".join(map(str, REFERENCE))
    print(markdown_table(("sampler", f"steps as good as {reference}"), list(enough.items())))
    return ", ".join(f"{sampler} {number}" for sampler, number in enough.items())


def guidance(bench: Bench) -> str:
    """Quality against the guidance scale, and the scale whose samples are nearest to the test set."""
    rows = []
    for scale in GUIDANCE_SCALES:
        sampling, number = HEADLINE._replace(guidance_scale=scale), bench.options.num_steps_samples
        rows.append(measure_row(bench, "guidance", sampling, number, ("guidance_scale",)))
    table = [(f"{row['guidance_scale']:g}", *shown(row)) for row in rows]
    print(markdown_table(("guidance scale", "recognised", "Fréchet distance"), table))
    best = min(rows, key=lambda row: row["frechet"])
    share, distance = shown(best)
    return f"{best['guidance_scale']:g} (distance {distance}, {share} recognised)"


def copies(bench: Bench) -> str:
    """Root mean square distance to the nearest training image, in units of [−1, 1]."""
    number = min(NUM_COPIES, bench.options.num_samples)
    chosen = torch.randperm(len(bench.test.images), generator=torch.Generator().manual_seed(SEED))
    sets = {"samples": bench.samples[0], "test images": bench.test.images[chosen]}
    training, rows, medians = to_signed(bench.training.images), [], []
    for name, images in sets.items():
        distances, _ = nearest_neighbours(to_signed(images[:number]), training)
        medians.append(f"{distances.median():.3f}")
        rows.append((name, medians[-1], f"{distances.min():.3f}"))
    print(markdown_table((f"nearest training image to {number}", "median distance", "smallest"), rows))
    return f"median {medians[0]}, of test images {medians[1]} (root mean square, {number} of each)"


PARTS: dict[str, Callable[[Bench], str]] = {
    part.__name__: part for part in (recognised, frechet, bits, steps, guidance, copies)
}


def figure(part: str, bench: Bench) -> Figure:
    """What a part finds: its name in metrics.json, the setting that follows it there, and how."""
    options, seed = bench.options, f"seed {SEED}"
    plain = f"{HEADLINE.sampler}, {HEADLINE.num_steps} steps"
    headline = f"{plain}, guidance {options.guidance}, {seed}"
    samples, each = f"{options.num_samples:,} samples", f"{options.num_steps_samples:,} samples each"
    reference, long = (" ".join(map(str, point)) for point in (REFERENCE, LONG))
    each_step = f"{each}, guidance 1.0, {seed}" + f", {long} too" * options.long
    name, setting = {
        "recognised": ("samples recognised by the classifier", f"{samples}, {headline}"),
        "frechet": (f"Fréchet distance to the {SETS[options.reference]} set", f"{samples}, {headline}"),
        "bits": ("bits/dim", f"{options.num_bits:,} random test images, {seed}"),
        "steps": (f"steps for the quality of {reference}", each_step),
        "guidance": ("guidance scale nearest to the test set", f"{each}, {plain}, {seed}"),
        "copies": ("distance to the nearest training image", headline),
    }[part]
    return Figure(name, setting, partial(PARTS[part], bench))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="the folder of a checkpoint")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where its data is, or will be")
    parser.add_argument("--device", choices=BATCH_SIZES, default="cpu", help="default: cpu")
    parser.add_argument("--num-samples", type=int, default=2000, help="for recognised and frechet")
    parser.add_argument("--num-bits", type=int, default=500, help="test images for bits")
    parser.add_argument("--num-steps-samples", type=int, default=1000, help="per row of steps and guidance")
    parser.add_argument("--guidance", type=float, default=1.0, help="scale for recognised, frechet, copies")
    parser.add_argument("--reference", choices=SETS, default="test", help="for frechet")
    parser.add_argument("--long", action="store_true", help=f"steps: {LONG[0]} with {LONG[1]} steps too")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, with commas; default: all")
    parser.add_argument("--skip-known", action="store_true", help="leave out what is measured already")
    options = parser.parse_args(arguments)
    options.only = names_in(parser, options.only, PARTS)
    if min(options.num_samples, options.num_bits, options.num_steps_samples) < MIN_SAMPLES:
        parser.error(f"numbers of samples must be at least {MIN_SAMPLES}")
    return options


def make_bench(options: argparse.Namespace) -> Bench:
    """Load the checkpoint, its data and their classifier."""
    model = load_folder(options.checkpoint, options.device)
    name = data_of(model)
    return Bench(
        model,
        for_sampling(model),
        load_or_train(name, options.data_dir, options.device),
        load_data(name, options.data_dir),
        load_data(name, options.data_dir, train=False),
        options,
    )


def main(options: argparse.Namespace) -> None:
    bench = make_bench(options)
    figures = [figure(part, bench) for part in options.only]
    keep(options.checkpoint, bench.model, figures, options.skip_known)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
