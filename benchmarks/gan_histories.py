"""What became of a GAN and a diffusion network: the runs of `benchmarks.gan` in tables, and for the page.

    python -m benchmarks.gan_histories --data-dir data
    python -m benchmarks.gan_histories --data-dir data --into diffusion/films/gan

The table judges the networks as they are in the end, by so many pictures of each run (--num); a value after ±
is the standard error of the mean over the seeds. Before it stands what a picture costs: seconds of one core
for 100, measured in turns. With --into, the histories are written for the page to show, less than 1 MB in
all.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.common import in_turns, markdown_table
from benchmarks.gan import KINDS, LOG_FILE, NUM_LOOK, Contestant, Judge, load_judge
from benchmarks.gan_networks import Gan
from benchmarks.samples import HEADLINE
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.sources import load_data
from diffusion.files import to_json, write_atomically
from diffusion.films.beside import METHODS, NUMBERS_FILE, file_of
from diffusion.films.training_history import load_looks
from diffusion.models.digit_judge import DIGITS
from diffusion.models.folder import CheckpointError
from diffusion.nets.step_cost import num_parameters

CALLS = {"gan": 1, "diffusion": HEADLINE.num_steps}
TIMED, ROUNDS = 100, 3  # pictures; how often both are timed
FIGURES = {"recognised": ".1%", "frechet": ".2f", "nearest": ".3f"}


def finished(method: str, seed: int, data: ImageData, out: Path) -> Contestant:
    """A run at its end.

    Raises:
        CheckpointError: it has not come so far.
    """
    folder = out / f"{method}-{seed}"
    plan = out / f"{method}.json"
    if not plan.exists():
        raise CheckpointError(f"{out} has no runs: python -m benchmarks.gan makes them.")
    total_images = json.loads(plan.read_text("utf-8"))["total_images"]
    run = KINDS[method](data, folder, seed, total_images)
    run.resume()
    if run.images_seen < total_images:
        raise CheckpointError(f"{folder} is not finished: python -m benchmarks.gan goes on with it.")
    return run


def network(run: Contestant) -> torch.nn.Module:
    """What is trained."""
    return run if isinstance(run, Gan) else run.run.net


def real_pictures(judge: Judge, data: ImageData, number: int) -> dict[str, Any]:
    """The figures of the first training pictures of each class, as many of each."""
    labels = torch.arange(number) % len(DIGITS)
    rank = torch.arange(number) // len(DIGITS)
    chosen = [(data.labels == label).nonzero()[i].item() for label, i in zip(labels.tolist(), rank.tolist())]
    return judge.row(data.images[chosen], labels)


def seconds_for_pictures(runs: dict[str, Contestant]) -> dict[str, float]:
    """Seconds of one core that TIMED pictures take, by method: the least of ROUNDS, in turns."""
    labels = torch.arange(TIMED) % len(DIGITS)

    def timed(run: Contestant) -> float:
        started = time.process_time()
        run.draw(labels)
        return time.process_time() - started

    taken = in_turns({name: lambda run=run: timed(run) for name, run in runs.items()}, ROUNDS)
    return {name: round(min(seconds), 4) for name, seconds in taken.items()}


def over_seeds(values: list[float], form: str) -> str:
    """Their mean, with its standard error."""
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{mean(values):{form}} ± {error:{form}}"


def table(found: dict[str, list[dict[str, Any]]], real: dict[str, Any]) -> str:
    """A row for each method and one of real pictures."""
    rows = [
        (name, len(each), *(over_seeds([row[f] for row in each], form) for f, form in FIGURES.items()))
        for name, each in found.items()
    ]
    rows.append(("training pictures", 1, *(f"{real[f]:{form}}" for f, form in FIGURES.items())))
    title = f"{real['num_samples']:,} pictures of each run"
    return markdown_table((title, "runs", "recognised", "Fréchet distance", "nearest of the class"), rows)


def history(method: str, seed: int, out: Path) -> tuple[dict[str, Any], bytes, dict[str, Any]]:
    """A run's numbers for the page, its samples as a WebP, and what they are.

    Raises:
        CheckpointError: it is broken.
    """
    folder = out / f"{method}-{seed}"
    looks = load_looks(folder)
    if looks is None:
        raise CheckpointError(f"{folder} has no history that can be read.")
    _, info, light = looks
    log = [json.loads(row) for row in (folder / LOG_FILE).read_text("utf-8").splitlines()]
    for row in log:
        row["losses"] = {name: round(value, 4) for name, value in row["losses"].items()}
    shape = {name: info[name] for name in ("image_shape", "num_images")}
    return {"method": method, "seed": seed, "moments": info["moments"], "log": log}, light, shape


def ship(into: Path, out: Path, seeds: list[int], about: dict[str, Any]) -> int:
    """Write the histories of all runs, with what holds for all; how many bytes they are together."""
    files, runs = {}, []
    for method in METHODS:
        for seed in seeds:
            run, light, shape = history(method, seed, out)
            runs.append(run)
            files[file_of(run)] = light
    files[NUMBERS_FILE] = to_json(about | shape | {"runs": runs}).encode()
    into.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(into / name, content)
    return sum(map(len, files.values()))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is, or will be")
    parser.add_argument("--out", type=Path, default=Path("runs/gan"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs; default: 0 1 2")
    parser.add_argument("--num", type=int, default=1000, help="pictures of each run for the table")
    parser.add_argument("--into", type=Path, help="write the histories there")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    data = load_data("mnist", options.data_dir)
    judge = load_judge(load_data("mnist", options.data_dir, train=False))
    runs = {m: [finished(m, seed, data, options.out) for seed in options.seeds] for m in METHODS}
    first = {method: each[0] for method, each in runs.items()}
    seconds = seconds_for_pictures(first)
    about = {
        "minutes": json.loads((options.out / "gan.json").read_text("utf-8"))["minutes"],
        "num_samples": NUM_LOOK,
        "parameters": {method: num_parameters(network(run)) for method, run in first.items()},
        "calls": CALLS,
        "seconds": seconds,
        "real": real_pictures(judge, data, NUM_LOOK),
    }
    print(to_json({name: about[name] for name in ("minutes", "parameters", "seconds")}), end="\n\n")
    if options.into:
        print(f"{options.into}: {ship(options.into, options.out, options.seeds, about):,} bytes", flush=True)
    labels = torch.arange(options.num) % len(DIGITS)
    found = {m: [judge.row(run.draw(labels), labels) for run in each] for m, each in runs.items()}
    print(table(found, real_pictures(judge, data, options.num)), flush=True)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
