"""Whether a network of cats invents or remembers: every sample's parts are found among all that there are.

    python -m benchmarks.cats checkpoints/cats
    python -m benchmarks.cats checkpoints/cats-words --prompts
    python -m benchmarks.cats checkpoints/cats --only samples --num 500 --guidance 1.5
    python -m benchmarks.cats user/my-cats --device cuda

Works for any checkpoint that has its parts with it, a folder or a Hub repo. Prints Markdown tables, writes
the figures into a folder's metrics.json and curves.json (others stay there) and renews its model card; what
is measured is kept at once, and the same command with --skip-known continues. The parts:

    judge      how often the judge finds the parts of real cats that were never trained on, as they are and
               disturbed as samples are; and how many trained-on cats it takes for new ones then
    samples    of --num samples, each accessory as often: how many are possible cats (RMS to the nearest
               below 0.05), how many are sharp (each part told from all others, nothing else there), have the
               accessory that was asked for; how many of the sharp ones were never trained on; which parts
               are drawn too often or too rarely
    guidance   the same in small against the guidance scale
    steps      the same in small against the number of steps of each sampler
    bits       the variational bound on cats that were never trained on

With --prompts, of a network that is told by text, how often it draws what was asked for: see cat_prompts.py.

New are counted among the sharp ones whose accessory hides nothing. A cat whose mouth is hidden was trained
on if it was with any mouth; those are counted apart.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks import cat_prompts
from benchmarks.cat_samples import Bench, disturbed, expected_new, shares
from benchmarks.common import markdown_table, names_in
from benchmarks.curves import Row
from benchmarks.figures import Figure, binomial, keep, percent
from benchmarks.samples import HEADLINE, SEED, Sampling, for_sampling
from diffusion.data.cat_judge import judge
from diffusion.data.cats import ACCESSORY, KINDS, MOUTH
from diffusion.data.images import to_signed
from diffusion.films.samples import CAT_PROMPT_GUIDANCE
from diffusion.hub import HubError, load_model, model_folder
from diffusion.likelihood import describe_bits
from diffusion.models.folder import CheckpointError
from diffusion.models.model import LatentModel

STEPS = {sampler: (5, 10, 20, 50) for sampler in ("ddpm", "ddim", "dpm++2m")}
GUIDANCE_SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
NUM_REAL, NUM_FOR_BITS = 500, 200
OF_POINTS = ("possible", "sharp", "as asked", "new")  # the shares that a curve has


def judged_reals(bench: Bench) -> Iterator[Figure]:
    """How far the judge can be trusted, if any sample is near enough to a cat to have errors."""
    if not bench.any_possible:
        return
    yield Figure(
        "parts of real cats found by the judge",
        f"{NUM_REAL} cats never trained on, disturbed by the errors of samples",
        partial(found_of_reals, bench),
    )
    yield Figure(
        "trained-on cats that the judge takes for new",
        f"{NUM_REAL} of them disturbed as samples are",
        partial(mistaken, bench),
    )


def found_of_reals(bench: Bench) -> str:
    """Judge real cats, print; the share of those whose every part is found."""
    real = bench.cats.never_trained_on(NUM_REAL)
    texts = {}
    rows = []
    for name, images in {
        "as they are": to_signed(bench.cats.render(real)),
        "disturbed": disturbed(bench, real),
    }.items():
        judged = judge(bench.cats, images)
        right = judged.cats == real
        right[:, MOUTH] |= bench.cats.hides_mouth[real[:, ACCESSORY]]
        texts[name] = percent(*binomial(right.all(1)))
        of_kinds = (f"{share:.1%}" for share in right.double().mean(0).tolist())
        rows.append((name, texts[name], *of_kinds, percent(*binomial(judged.sharp))))
    print(markdown_table(("real cats", "all parts found", *KINDS, "sharp"), rows))
    return f"{texts['as they are']} as they are, {texts['disturbed']} disturbed"


def mistaken(bench: Bench) -> str:
    """Judge trained-on cats; the share of the sharp ones that are taken for new."""
    known = bench.cats.trained_on
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(SEED))
    known = known[order[:NUM_REAL]]
    shown = known[~bench.cats.hides_mouth[known[:, ACCESSORY]]]
    judged = judge(bench.cats, disturbed(bench, shown))
    new = ~bench.cats.is_trained_on(judged.cats)
    text = f"{percent(*binomial(new[judged.sharp]))} of the {int(judged.sharp.sum())} sharp ones"
    print(f"Trained-on cats taken for new: {text}")
    return text


def sampled(bench: Bench) -> Iterator[Figure]:
    """What samples are."""
    setting = f"{bench.options.num:,} samples, {bench.sampling}"
    figures = {
        "possible cats": "possible",
        "sharp cats": "sharp",
        "accessory as asked": "as asked",
        "never trained on": "new",
        "never trained on, with a scarf": "new behind a scarf",
    }
    for name, key in figures.items():
        yield Figure(name, setting, partial(one_share, bench, key))
    if bench.any_possible:
        yield Figure("parts drawn least and most", setting, partial(frequencies, bench))


def one_share(bench: Bench, key: str) -> str:
    """One of the shares, as text; prints the whole row with the first."""
    found = shares(bench.cats, bench.samples)
    if key == "possible":
        judged = bench.samples.judged
        print(f"RMS to the nearest cat: median {judged.distance.median():.4f}")
        print(markdown_table(list(found), [[percent(*share) for share in found.values()]]))
    share = percent(*found[key]) if key in found else "none"
    if key == "new":
        return f"{share} of the sharp ones that show their mouth ({expected_new(bench.cats):.1%} of all cats)"
    return share


def frequencies(bench: Bench) -> str:
    """How often each part is drawn; print all, return the extremes of each kind but the accessory."""
    judged, texts = bench.samples.judged, []
    found = judged.cats[judged.possible]
    shown = ~bench.cats.hides_mouth[found[:, ACCESSORY]]
    for kind, name in enumerate(KINDS[:ACCESSORY]):
        parts = found[shown if kind == MOUTH else slice(None), kind]
        times = parts.bincount(minlength=bench.cats.counts[kind])
        even = len(parts) / len(times)
        error = even**0.5
        names = bench.cats.names[kind]
        rows = [
            (names[i], n, f"{n / even:.2f}", f"{(n - even) / error:+.1f}")
            for i, n in enumerate(times.tolist())
        ]
        print(markdown_table((name, "drawn", "of what is even", "standard errors"), rows), "\n")
        least, most = times.argmin().item(), times.argmax().item()
        ends = f"{names[least]} {times[least] / even:.2f}, {names[most]} {times[most] / even:.2f}"
        texts.append(f"{name} {ends}")
    return f"{'; '.join(texts)} (1 is as often as all others)"


def point(bench: Bench, curve: str, names: tuple[str, ...], sampling: Sampling) -> Row:
    """A point of a curve, in which the keys `names` differ from point to point."""

    def measure() -> Row:
        found = shares(bench.cats, bench.drawn(bench.options.num_per_point, sampling))
        known = {name: found[name] for name in OF_POINTS if name in found}
        return {name: share for name, (share, _) in known.items()} | {
            f"{name}_error": error for name, (_, error) in known.items()
        }

    at = sampling._asdict() | {"num_samples": bench.options.num_per_point}
    return bench.curves.point(curve, names, at, measure)


def table_of_points(titles: tuple[str, ...], names: tuple[str, ...], rows: list[Row]) -> str:
    """Points as a table."""
    cells = [
        (
            *(row[name] for name in names),
            *(percent(row[k], row[f"{k}_error"]) if k in row else "" for k in OF_POINTS),
        )
        for row in rows
    ]
    return markdown_table((*titles, *OF_POINTS), cells)


def guidance(bench: Bench) -> Iterator[Figure]:
    """Against the guidance scale."""
    yield Figure(
        "guidance with the most sharp cats",
        f"{bench.options.num_per_point} samples each, {HEADLINE.sampler}, {bench.options.steps} steps",
        partial(best_guidance, bench),
    )


def best_guidance(bench: Bench) -> str:
    """Draw with every scale, print; the one with the most sharp ones."""
    rows = [
        point(bench, "guidance", ("guidance_scale",), bench.sampling._replace(guidance_scale=scale))
        for scale in GUIDANCE_SCALES
    ]
    print(table_of_points(("guidance scale",), ("guidance_scale",), rows))
    best = max(rows, key=lambda row: row["sharp"])
    return f"{best['guidance_scale']:g} ({percent(best['sharp'], best['sharp_error'])} sharp)"


def steps(bench: Bench) -> Iterator[Figure]:
    """Against the number of steps."""
    yield Figure(
        "fewest steps with as many possible cats as ddim 50",
        f"{bench.options.num_per_point} samples each, guidance {bench.options.guidance:g}",
        partial(fewest_steps, bench),
    )


def fewest_steps(bench: Bench) -> str:
    """Draw with every sampler and number of steps, print; the fewest that are within two errors."""
    rows = [
        point(bench, "steps", ("sampler", "num_steps"), Sampling(sampler, number, bench.options.guidance))
        for sampler, numbers in STEPS.items()
        for number in numbers
    ]
    print(table_of_points(("sampler", "steps"), ("sampler", "num_steps"), rows))
    [reference] = [row for row in rows if (row["sampler"], row["num_steps"]) == ("ddim", 50)]
    enough = reference["possible"] - 2 * max(reference["possible_error"], 1 / reference["num_samples"])
    good = {
        sampler: [row["num_steps"] for row in rows if row["sampler"] == sampler and row["possible"] >= enough]
        for sampler in STEPS
    }
    return ", ".join(f"{sampler} {min(found, default='over 50')}" for sampler, found in good.items())


def bits(bench: Bench) -> Iterator[Figure]:
    """The variational bound."""
    yield Figure("bits/dim", f"{NUM_FOR_BITS} cats never trained on", partial(bound, bench))


def bound(bench: Bench) -> str:
    """The mean over real cats, in float32."""
    real = bench.cats.never_trained_on(NUM_FOR_BITS)
    x_0 = to_signed(bench.cats.render(real)).to(bench.model.device)
    denoise = bench.model.denoiser(class_labels=real[:, ACCESSORY].to(bench.model.device))
    text = describe_bits(denoise, bench.model.schedule, x_0)
    print(f"bits/dim: {text}")
    return text


PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "samples": sampled,
    "judge": judged_reals,
    "guidance": guidance,
    "steps": steps,
    "bits": bits,
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="a folder or a Hub repo")
    parser.add_argument("--prompts", action="store_true", help="of a network that is told by text")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--num", type=int, help="samples, or prompts of all parts; default: 2000, or 500")
    parser.add_argument("--num-per-point", type=int, default=256, help="of a curve; default: %(default)s")
    of_prompts = f"scale; default: 1, of prompts {CAT_PROMPT_GUIDANCE:g}"
    parser.add_argument("--guidance", type=float, help=of_prompts)
    of_sampler = f"of {HEADLINE.sampler}; default: %(default)s"
    parser.add_argument("--steps", type=int, default=HEADLINE.num_steps, help=of_sampler)
    parser.add_argument("--only", help="parts to run, with commas; default: all")
    parser.add_argument("--skip-known", action="store_true", help="leave out what is measured already")
    options = parser.parse_args(arguments)
    options.parts = cat_prompts.PARTS if options.prompts else PARTS
    options.only = names_in(parser, options.only or ",".join(options.parts), options.parts)
    num, scale = (500, CAT_PROMPT_GUIDANCE) if options.prompts else (2000, 1.0)
    options.num = num if options.num is None else options.num
    options.guidance = scale if options.guidance is None else options.guidance
    if min(options.num, options.num_per_point, options.steps) < 1:
        parser.error("--num, --num-per-point and --steps must be at least 1")
    return options


def make_bench(options: argparse.Namespace) -> Bench:
    """Load the model and its parts. Raises CheckpointError if it has none."""
    model = load_model(options.checkpoint, options.device)
    if model.cats is None:
        raise CheckpointError(f"{options.checkpoint} is not of cats: it has no parts.json.")
    if isinstance(model, LatentModel) != options.prompts:
        raise CheckpointError(f"{options.checkpoint} is measured with{'out' * options.prompts} --prompts.")
    options.folder = Path(model_folder(options.checkpoint))
    return Bench(model, for_sampling(model), model.cats, options)


def main(options: argparse.Namespace) -> None:
    bench = make_bench(options)
    figures = (figure for part in options.only for figure in options.parts[part](bench))
    keep(options.folder, bench.model, figures, options.skip_known)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, HubError) as error:
        sys.exit(str(error))
