"""How fast training is: what each trick of train.py gives, and other people's trainers beside it.

    python -m benchmarks.throughput cifar10 --data-dir data
    python -m benchmarks.throughput cifar10 --data-dir data --only fused,blocks --peers

The first row is a plain loop; each further row adds one thing, down to what train.py does without flags
(`fused`), and then its flags. Every row is a fresh run: some steps to warm up, among them all compiling,
and then as many as fit into --seconds, with the device waited for only before and after them; rows fed by
a DataLoader take twice the time, the first half to use up what it has loaded ahead. A row that cannot be
run says why. The first row has PyTorch's defaults, which let convolutions use TF32 but not matrix
products. Rows that compile the whole network take a minute or two each; --only leaves rows out. The table
is also written to a JSON file, with the flags of the fastest row that train.py offers as `best`.
"""

import argparse
import gc
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import markdown_table, names_in
from benchmarks.peer_steps import PEERS, Advance, Task, describe
from benchmarks.variants import VARIANTS, build, number_formats
from diffusion.data.image_sets import ImageData
from diffusion.data.sources import load_data
from diffusion.devices import has_bf16, peak_flops, share_of_peak
from diffusion.files import to_json, write_atomically
from diffusion.nets.step_cost import num_parameters, timed
from diffusion.training import presets
from diffusion.training.distributed import join_processes
from train import Run

WARM_UP_STEPS, PROBE_STEPS, WATCHED_STEPS = 3, 3, 10
Row = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """A row to be measured.

    Args:
        name: as --only has it.
        title: of the row.
        flops: of training on one image; 0 where it is not known.
        tensor_cores: whether it may use TF32 and choose convolutions by trial.
        prefetches: whether batches may have been loaded before it is measured.
        make: builds it anew.
        library: whose it is, if not ours.
    """

    name: str
    title: str
    flops: float
    tensor_cores: bool
    prefetches: bool
    make: Callable[[], Advance]
    library: str | None = None


def synchronisations(advance: Advance, device: torch.device) -> float | None:
    """How often a step makes the CPU wait for the GPU; None without a GPU."""
    if device.type != "cuda":
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            advance(WATCHED_STEPS)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing" in str(warning.message) for warning in caught) / WATCHED_STEPS


def steps_within(advance: Advance, seconds: float, device: torch.device, settle: float) -> int:
    """How many steps fit into a time, judging by a few, or by those of `settle` seconds."""
    num_steps, started = 0, time.perf_counter()
    while num_steps == 0 or time.perf_counter() - started < settle:
        timed(partial(advance, PROBE_STEPS), device)
        num_steps += PROBE_STEPS
    return max(1, int(seconds * num_steps / (time.perf_counter() - started)))


def measure(contestant: Contestant, batch_size: int, device: torch.device, seconds: float) -> Row:
    """The speed of one contestant, or why it has none.

    Args:
        contestant: it is built here, and gone afterwards.
        batch_size: images per step.
        device: what to wait for.
        seconds: how long to measure, after the warm-up.
    """
    torch._dynamo.reset()
    started = time.perf_counter()
    try:
        advance = contestant.make()
        timed(partial(advance, WARM_UP_STEPS), device)
        warm_up = time.perf_counter() - started
        settle = seconds if contestant.prefetches else 0  # first use up what was loaded meanwhile
        num_steps = steps_within(advance, seconds, device, settle)
        speed = num_steps * batch_size / timed(partial(advance, num_steps), device)
        row = {"images_per_second": speed, "warm_up_seconds": warm_up}
        row["syncs_per_step"] = synchronisations(advance, device)
    except Exception as error:  # whatever it is, the other rows are wanted
        reason = str(error).strip().partition("\n")[0]
        row = {"error": f"{type(error).__name__}: {reason}" if reason else type(error).__name__}
    advance = None
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return row


def table(rows: list[Row]) -> str:
    """Finished rows as Markdown; ratios are to the first of them that has a speed."""
    header = ("training", "images/s", "ratio", "TFLOP/s", "of peak", "warm-up s", "syncs/step")
    first = next((row["images_per_second"] for row in rows if "error" not in row), None)
    lines = []
    for row in rows:
        if "error" in row:
            lines.append((row["title"], row["error"], *["–"] * 5))
            continue
        speed, syncs = row["images_per_second"], row["syncs_per_step"]
        numbers = [f"{speed:,.0f}" if speed >= 100 else f"{speed:.3g}", f"{speed / first:.2f}"]
        share = "–" if row["share_of_peak"] is None else f"{row['share_of_peak']:.1%}"
        numbers += [f"{row['teraflops']:.3g}", share, f"{row['warm_up_seconds']:.1f}"]
        lines.append((row["title"], *numbers, "–" if syncs is None else f"{syncs:.1f}"))
    return markdown_table(header, lines)


def best_of(rows: list[Row]) -> Row | None:
    """The fastest row that train.py offers: name, flags and speed; None if there is no such row."""
    offered = [row for row in rows if "error" not in row and row["name"] in VARIANTS]
    offered = [row for row in offered if VARIANTS[row["name"]].offered]
    if not offered:
        return None
    fastest = max(offered, key=lambda row: row["images_per_second"])
    variant = VARIANTS[fastest["name"]]
    flags = {"compile": variant.compile, "channels_last": variant.channels_last}
    return {name: fastest[name] for name in ("name", "images_per_second")} | flags


def ours(run: Run, data: ImageData) -> list[Contestant]:
    """The variants of train.py; `run` tells configuration, device and size."""
    flops = run.stage.flops_per_image()
    rows = []
    for name, variant in VARIANTS.items():
        make = partial(build, variant, run.config, data, run.device)
        prefetches = not variant.on_device
        rows.append(Contestant(name, variant.title, flops, variant.tensor_cores, prefetches, make))
    return rows


def theirs(run: Run, data: ImageData) -> list[Contestant]:
    """Other libraries' trainers on the same data; prints how large their networks are."""
    task = Task(run.net.config, num_parameters(run.net), data, run.config.batch_size, run.device)
    networks = {"train.py": (task.parameters, run.stage.flops_per_image()), **describe(task)}
    sizes = [(name, f"{size:,}", f"{flops / 1e9:.3g}") for name, (size, flops) in networks.items()]
    print(markdown_table(("network", "parameters", "GFLOP per image"), sizes), "\n", flush=True)
    rows = []
    for name, peer in PEERS.items():
        flops = networks.get(peer.library, (0, 0.0))[1]
        title, make = peer.library + peer.change, partial(peer.build, task)
        rows.append(Contestant(name, title, flops, True, not peer.change, make, peer.library))
    return rows


def compare(contestants: list[Contestant], batch_size: int, device: torch.device, seconds: float) -> Iterator:
    """Measure one after the other, yielding each row as soon as it is there."""
    peak = peak_flops(device)
    for contestant in contestants:
        print(contestant.title, "…", file=sys.stderr, flush=True)
        with number_formats(contestant.tensor_cores):
            row = measure(contestant, batch_size, device, seconds)
        if "error" not in row:
            rate = row["images_per_second"] * contestant.flops
            row |= {"teraflops": rate / 1e12, "share_of_peak": share_of_peak(rate, peak)}
        yield {"name": contestant.name, "title": contestant.title, "library": contestant.library} | row


def print_ratios(rows: list[Row], best: Row) -> None:
    """How many times as fast as each of the others our best row is."""
    measured = [row for row in rows if row["library"] and "error" not in row]
    ratios = [
        (row["title"], f"{best['images_per_second'] / row['images_per_second']:.2f}") for row in measured
    ]
    if ratios:
        print("\n" + markdown_table(("our best ÷", "ratio"), ratios))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", choices=("mnist", "cifar10"), help="of train.py")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data"), help="where the data set is, or will be"
    )
    parser.add_argument("--seconds", type=float, default=5, help="to measure each row for")
    parser.add_argument("--only", help=f"rows to run, with commas: {', '.join([*VARIANTS, *PEERS])}")
    parser.add_argument("--peers", action="store_true", help="other libraries' trainers too")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: the best there is")
    parser.add_argument("--batch-size", type=int, help="default: the preset's")
    parser.add_argument("--out", type=Path, default=Path("runs/throughput.json"), help="the JSON file")
    options = parser.parse_args(arguments)
    known = [*VARIANTS, *(PEERS if options.peers else ())]
    options.only = names_in(parser, options.only, known) if options.only else known
    return options


def main(options: argparse.Namespace) -> None:
    device = join_processes(options.device)
    config = presets.PRESETS[options.preset]
    config = replace(config, batch_size=options.batch_size or config.batch_size)
    data = load_data(options.preset, options.data_dir)
    run = Run(config, data.to(device), device)
    contestants = ours(run, data) + (theirs(run, data) if options.peers else [])
    contestants = [contestant for contestant in contestants if contestant.name in options.only]
    del run
    rows: list[Row] = []
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for row in compare(contestants, config.batch_size, device, options.seconds):
        rows.append(row)  # what is measured is kept, should a later row end the program
        result = {"rows": rows, "best": best_of(rows)}
        write_atomically(options.out, to_json(result, indent=1, ensure_ascii=False).encode())
    print(table(rows))
    if best := best_of(rows):
        print_ratios(rows, best)
    bf16 = "bf16" if has_bf16(device) else "no bf16 here"
    print(f"\n{options.preset}, batch {config.batch_size}, {options.seconds:g} s a row, {device}, {bf16}")


if __name__ == "__main__":
    main(parse_arguments())
