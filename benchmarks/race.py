"""The Race tab, measured: what shared calls cost, how good its reference is, which steps are equally good.

    python -m benchmarks.race checkpoints/mnist
    python -m benchmarks.race checkpoints/cats --only speed,reference

- speed: five lanes in shared network calls against the same five one by one, in turns.
- reference: how far 100 steps of DPM-Solver++(2M) are from 1,000, in root mean square over pixels from −1 to
  1, for several seeds.
- quality: of each lane and number of steps the share of pictures that their judge accepts: digits that are
  recognised as the class asked for, cats that are sharp.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.common import in_turns, markdown_table, names_in, ratio_table
from diffusion.data.cat_judge import judge
from diffusion.data.images import to_signed, to_uint8
from diffusion.films.race import REFERENCE_STEPS, Lane, Start, distance, race, reference
from diffusion.models.digit_judge import load_classifier, recognise
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.ui.parts.race_messages import ETA
from diffusion.ui.parts.race_request import LANES, STUDENT, WITH_ETA
from diffusion.ui.parts.variants import WITHOUT_Z

MANY_STEPS = 1000
ROUNDS = 5
STEPS = (5, 10, 20, 50)
SAMPLERS = {name: how for name, how in LANES.items() if name != STUDENT}  # lanes of the model itself


def lanes_of(num_steps: int) -> dict[str, Lane]:
    """All lanes of the page but the student, which is another network, with as many steps each."""
    return {
        name: Lane(sampler, num_steps, ETA if name == WITH_ETA else 0.0, adds_z=variant != WITHOUT_Z)
        for name, (sampler, variant) in SAMPLERS.items()
    }


def start_of(model: Model, num_images: int, seed: int = 0) -> Start:
    """Images of each class in turn, without guidance."""
    number = len(model.classes or ())
    labels = torch.arange(num_images) % number if number else None
    return Start(model, seed, num_images, labels)


def last_pictures(start: Start, lanes: Mapping[str, Lane]) -> dict[str, Tensor]:
    """What each lane arrives at, (B, C, H, W)."""
    results: dict[str, Tensor] = {}
    for made in race(start, lanes):
        results |= {name: lane_step.step.x_s for name, lane_step in made.items()}
    return results


# ---- what is measured ------------------------------------------------------------------------------------


def speed(model: Model, num_steps: int = 20, num_images: int = 1) -> str:
    """The same five walks one by one and together, as a table of seconds and ratios."""
    start, lanes = start_of(model, num_images), lanes_of(num_steps)

    def timed(walk: Callable[[], None]) -> float:
        started = time.perf_counter()
        walk()
        return time.perf_counter() - started

    def one_by_one() -> None:
        for name, lane in lanes.items():
            last_pictures(start, {name: lane})

    contestants = {
        "five walks, one by one": lambda: timed(one_by_one),
        "five lanes together": lambda: timed(lambda: last_pictures(start, lanes)),
    }
    return ratio_table(f"{num_steps} steps, {num_images} image each", in_turns(contestants, ROUNDS))


def own_errors(model: Model, num_seeds: int) -> list[float]:
    """Of each of so many noises, how far the reference is from MANY_STEPS."""
    start = start_of(model, num_seeds)
    for step in reference(start):
        few = step.x_s
    for step in reference(start, MANY_STEPS):
        many = step.x_s
    return [distance(one, other) for one, other in zip(few, many)]


def reference_table(model: Model, num_seeds: int) -> str:
    errors = own_errors(model, num_seeds)
    row = (f"{num_seeds} seeds", *(f"{value:.4f}" for value in (median(errors), min(errors), max(errors))))
    title = f"{model.name}: {REFERENCE_STEPS} steps from {MANY_STEPS:,}"
    return markdown_table((title, "median", "least", "most"), [row])


def accepted(model: Model, pictures: Tensor, labels: Tensor | None) -> float:
    """The share of (N, C, H, W) pictures that their judge accepts, as they are shown.

    Raises:
        CheckpointError: nobody can judge them.
    """
    shown = to_signed(to_uint8(pictures).cpu())
    if model.cats is not None:
        return judge(model.cats, shown).sharp.float().mean().item()
    net = load_classifier(model.folder) if model.folder else None
    if net is None or labels is None:
        raise CheckpointError(f"{model.name} has no judge: neither cats' parts nor a classifier of digits.")
    return (recognise(net, shown).digits == labels).float().mean().item()


def quality_table(model: Model, number: int, batch: int = 50) -> str:
    """For each number of steps a column, for each lane a row of accepted shares."""
    shares: dict[str, list[str]] = {name: [] for name in SAMPLERS}
    for num_steps in STEPS:
        found: dict[str, list[Tensor]] = {name: [] for name in SAMPLERS}
        for seed in range(-(-number // batch)):
            start = start_of(model, min(batch, number - seed * batch), seed)
            for name, pictures in last_pictures(start, lanes_of(num_steps)).items():
                labels = start.class_labels
                found[name].append(torch.tensor([accepted(model, pictures, labels)] * len(pictures)))
        for name, parts in found.items():
            share = torch.cat(parts).mean().item()
            error = (share * (1 - share) / number) ** 0.5
            shares[name].append(f"{share:.1%} ± {error:.1%}")
    header = (f"{model.name}, {number} samples a cell", *(f"{steps} steps" for steps in STEPS))
    return markdown_table(header, [(name, *cells) for name, cells in shares.items()])


# ---- the command -----------------------------------------------------------------------------------------

SECTIONS: dict[str, Callable[[Model, argparse.Namespace], str]] = {
    "speed": lambda model, options: speed(model, num_images=options.images),
    "reference": lambda model, options: reference_table(model, options.seeds),
    "quality": lambda model, options: quality_table(model, options.num),
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="a checkpoint's folder")
    parser.add_argument("--only", default=",".join(SECTIONS), help="some of: speed, reference, quality")
    parser.add_argument("--images", type=int, default=1, help="of each lane, for speed; default: 1")
    parser.add_argument("--seeds", type=int, default=16, help="for reference; default: 16")
    parser.add_argument("--num", type=int, default=200, help="samples a cell, for quality; default: 200")
    options = parser.parse_args(arguments)
    options.only = names_in(parser, options.only, SECTIONS)
    return options


def main(options: argparse.Namespace) -> None:
    model = load_folder(options.model)
    for name in options.only:
        print(SECTIONS[name](model, options), end="\n\n", flush=True)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except CheckpointError as error:
        sys.exit(str(error))
