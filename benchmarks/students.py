"""Whether a student draws in a few calls what its teacher needs many for.

    python -m benchmarks.students checkpoints/mnist-student checkpoints/mnist --data-dir data
    python -m benchmarks.students checkpoints/cats-student checkpoints/cats

Both draw at 1, 2 and 4 network calls, the teacher with each of the samplers and with DPM-Solver++(2M) at 20
calls too; each figure is the mean of --sets sets of --num samples, with the standard error of that mean. Of
digits: the Fréchet distance to the test set in the classifier's features, the share recognised, how far each
sample is from the nearest other one of its class, and how often each class is drawn where none was asked for,
--num × --sets times. Of cats: the shares that are possible and sharp cats, as in benchmarks.cats, and of the
sharp ones, if any are, the share never trained on. Prints tables, writes the figures into the student's
metrics.json and renews its card.
"""

import argparse
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.classifier import classify, shipped_classifier
from benchmarks.common import markdown_table
from benchmarks.metrics import frechet_distance, nearest_of_class
from benchmarks.samples import HEADLINE, Sampling, draw, for_sampling
from diffusion.data.cat_judge import judge
from diffusion.data.cats import Cats
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_signed
from diffusion.data.sources import load_data
from diffusion.models.card import load_metrics, save_metrics
from diffusion.models.digit_judge import DIGITS
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import STUDENT_CALLS, Model
from diffusion.samplers import SAMPLERS

BEST = {"Fréchet distance": min, "possible": max}  # what decides, and which is better


class Value(NamedTuple):
    """A figure, and the standard error of it."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.error:.3f}"


class Judge(ABC):
    """Who tells how good sets of samples are."""

    decides: str  # the name of the figure by which a student is better than its teacher

    @abstractmethod
    def of_set(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """The figures of one set, (N, C, H, W) uint8, and the classes that were asked for, (N,)."""


class DigitJudge(Judge):
    """By the classifier that is shipped with models of digits."""

    decides = "Fréchet distance"

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.classifier = shipped_classifier(folder)
        test = load_data("mnist", data_dir, train=False)
        self.reference, self.of_test_set = classify(self.classifier, test.images)

    def of_set(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        features, classes = classify(self.classifier, images)
        return {
            self.decides: frechet_distance(features, self.reference),
            "recognised": (classes == labels).float().mean().item(),
            "nearest pair": nearest_of_class(images, labels),
        }


class CatJudge(Judge):
    """By the parts of which cats are made."""

    decides = "possible"

    def __init__(self, cats: Cats) -> None:
        self.cats = cats

    def of_set(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        seen = judge(self.cats, to_signed(images))
        new = ~self.cats.is_trained_on(seen.cats[seen.sharp])
        shares = {"possible": seen.possible, "sharp": seen.sharp, "new": new}
        told = {name: share.float().mean().item() for name, share in shares.items()}
        return told | {"nearest pair": nearest_of_class(images, labels)}


def measured(judge: Judge, model: Model, sampling: Sampling, options: argparse.Namespace) -> dict[str, Value]:
    """The figures of several sets of a model's samples, every class as often."""
    labels = torch.arange(options.sets * options.num) % len(model.classes or ())
    images = draw(model, len(labels), sampling, labels)
    sets = zip(images.split(options.num), labels.split(options.num))
    of_sets = [judge.of_set(*each) for each in sets]
    values = {name: torch.tensor([each[name] for each in of_sets]).double() for name in of_sets[0]}
    return {name: Value(x.mean().item(), (x.std() / len(x) ** 0.5).item()) for name, x in values.items()}


def calls(number: int) -> str:
    """So many calls, in words."""
    return f"{number} call{'s' * (number > 1)}"


def class_shares(classes: Tensor) -> list[float]:
    """Of (N,) digits, how often each is among them."""
    return (classes.bincount(minlength=len(DIGITS)) / len(classes)).tolist()


def unasked(judge: DigitJudge, models: dict[str, Model], options: argparse.Namespace) -> dict[str, str]:
    """Print how often each class is drawn where none was asked for; a student's extremes, by their names."""
    ways = [("student", Sampling("ddpm", number)) for number in STUDENT_CALLS] + [("teacher", HEADLINE)]
    number, rows, extremes = options.sets * options.num, [], {}
    for who, sampling in ways:
        images = draw(for_sampling(models[who]), number, sampling)
        shares = class_shares(classify(judge.classifier, images)[1])
        rows.append((f"{who}, {calls(sampling.num_steps)}", *(f"{share:.1%}" for share in shares)))
        if who == "student":
            name = f"classes in {calls(sampling.num_steps)}, none asked for"
            extremes[name] = f"each is {min(shares):.1%} to {max(shares):.1%} of {number:,} samples"
    rows.append(("test set", *(f"{share:.1%}" for share in class_shares(judge.of_test_set))))
    print(markdown_table(("none asked for", *DIGITS), rows))
    return extremes


def walks() -> Iterator[tuple[str, Sampling]]:
    """Who draws how: a student's calls, then its teacher's."""
    for number in STUDENT_CALLS:
        yield "student", Sampling("ddpm", number)
        for sampler in SAMPLERS if number > 1 else SAMPLERS[-1:]:
            yield "teacher", Sampling(sampler, number)
    yield "teacher", HEADLINE


def main(options: argparse.Namespace) -> None:
    models = {"student": load_folder(options.student), "teacher": load_folder(options.teacher)}
    if models["student"].teacher != options.teacher.resolve().name:
        raise CheckpointError(f"{options.student} is no student of {options.teacher}.")
    cats = models["student"].cats
    judge = CatJudge(cats) if cats else DigitJudge(options.student, options.data_dir)
    found: dict[tuple[str, int], dict[str, Value]] = {}
    rows, names = [], []
    for who, sampling in walks():
        values = measured(judge, for_sampling(models[who]), sampling, options)
        names = list(values)
        rows.append((who, sampling.sampler, sampling.num_steps, *map(str, values.values())))
        print(*rows[-1], flush=True)
        key, best = (who, sampling.num_steps), BEST[judge.decides]
        before = found.get(key, values)
        found[key] = best((before, values), key=lambda each: each[judge.decides].mean)
    print(markdown_table(("who", "sampler", "calls", *names), rows))
    drawn = unasked(judge, models, options) if isinstance(judge, DigitJudge) else {}
    write(options, models["student"], judge, found, drawn)


def write(
    options: argparse.Namespace,
    student: Model,
    judge: Judge,
    found: dict[tuple[str, int], dict[str, Value]],
    drawn: dict[str, str],
) -> None:
    """The figures into the student's metrics and card; `drawn` as they are."""
    setting = f"{options.sets} × {options.num:,} samples, guidance 1"
    figures = dict(drawn)
    for number in STUDENT_CALLS:
        ours, theirs = (found[who, number] for who in ("student", "teacher"))
        known = {name: value for name, value in ours.items() if not isnan(value.mean)}
        others = ", ".join(f"{name} {value}" for name, value in known.items() if name != judge.decides)
        told = (
            f"{ours[judge.decides]}, its teacher’s best sampler {theirs[judge.decides]}; {others}; {setting}"
        )
        figures[f"{judge.decides} in {calls(number)}"] = told
    reference = found["teacher", HEADLINE.num_steps][judge.decides]
    figures[f"{judge.decides} of its teacher in {HEADLINE.num_steps} calls"] = f"{reference}; {setting}"
    save_metrics(options.student, student, load_metrics(options.student) | figures)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("student", type=Path, help="the folder of a student")
    parser.add_argument("teacher", type=Path, help="that of its teacher")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where digits are, or will be")
    parser.add_argument("--num", type=int, default=2000, help="samples in a set")
    parser.add_argument("--sets", type=int, default=3, help="of samples, at least 2")
    options = parser.parse_args(arguments)
    if options.sets < 2 or options.num < 20:
        parser.error("--sets must be at least 2, --num at least 20")
    return options


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
