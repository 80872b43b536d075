"""What guidance does to cats from words: it leads away from negative prompts, and costs variety."""

from collections.abc import Iterator
from functools import partial
from math import log, log2

from torch import Tensor

from benchmarks.cat_answers import as_asked, shown, tellable
from benchmarks.cat_prompt_sets import called, sets
from benchmarks.cat_samples import Bench
from benchmarks.common import markdown_table
from benchmarks.curves import Row
from benchmarks.figures import Figure, binomial, mean, percent
from benchmarks.samples import Sampling
from diffusion.data.cat_words import names_of
from diffusion.data.cats import ACCESSORY, KINDS

NUM_NEGATIVE = 24
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
PROMPTS = {  # what each names: all kinds once
    "a grey cat with a red hat": ("grey", "a red hat"),
    "a cat with tiger stripes, green eyes and a wide smile": ("tiger stripes", "green eyes", "a wide smile"),
}


def negative(bench: Bench) -> Iterator[Figure]:
    """Negative prompts that leave one of two."""
    what = f"{NUM_NEGATIVE} pictures for either of two hats, bows, headphones, scarves, {bench.sampling}"
    yield Figure("one of two by a negative prompt for the other", what, partial(by_negative, bench))


def by_negative(bench: Bench) -> str:
    """Draw a set of two with a negative prompt for either, and without; print, the mean."""
    twos = [name for name in sets() if name.kind == ACCESSORY]
    prompts = [f"a cat with {name.things['en'][0]}" for name in twos for _ in range(NUM_NEGATIVE)]
    plain = shown(bench, prompts, bench.sampling)[:, ACCESSORY].split(NUM_NEGATIVE)
    rows, with_it, without = [], [], []
    for wanted, unwanted in ((0, 1), (1, 0)):
        away = [thing_of(name.parts[unwanted]) for name in twos]
        negatives = [thing for thing in away for _ in range(NUM_NEGATIVE)]
        drawn = shown(bench, prompts, bench.sampling, negatives)[:, ACCESSORY].split(NUM_NEGATIVE)
        for name, thing, parts, plain_parts in zip(twos, away, drawn, plain):
            part = name.parts[wanted]
            with_it.append(binomial(parts == part))
            without.append(binomial(plain_parts == part))
            shares = (percent(*with_it[-1]), percent(*without[-1]))
            rows.append((f"a cat with {name.things['en'][0]}", thing, thing_of(part), *shares))
    shares = (percent(*mean(with_it)), percent(*mean(without)))
    header = ("prompt", "negative prompt", "the other one", "drawn", "drawn without the negative")
    print(markdown_table(header, [*sorted(rows), ("mean", "", "", *shares)]))
    return f"{shares[0]}, without it {shares[1]}"


def thing_of(accessory: int) -> str:
    """What an accessory alone is called in English."""
    return next(name.things["en"][0] for name in names_of(ACCESSORY, accessory) if len(name.parts) == 1)


def guidance(bench: Bench) -> Iterator[Figure]:
    """What guidance costs."""
    number, steps = bench.options.num_per_point, bench.options.steps
    what = f"{number} pictures for each of {len(PROMPTS)} prompts, {steps} steps"
    yield Figure("parts as asked and bits of the others by guidance", what, partial(price, bench))


def price(bench: Bench) -> str:
    """Draw with every scale, print; all points."""
    rows = [point(bench, bench.sampling._replace(guidance_scale=scale)) for scale in SCALES]
    cells = [
        (
            f"{row['guidance_scale']:g}",
            percent(row["obedience"], row["obedience_error"]),
            f"{row['variety']:.2f} ± {row['variety_error']:.2f} of {row['most_variety']:.2f}",
        )
        for row in rows
    ]
    print(markdown_table(("guidance scale", "named parts as asked", "bits of each other kind"), cells))
    return "; ".join(f"{scale}: {share}, {bits} bits" for scale, share, bits in cells)


def point(bench: Bench, sampling: Sampling) -> Row:
    """The named parts that are as asked, and the entropy of each kind that is not named; written at once."""
    number = bench.options.num_per_point

    def measure() -> Row:
        obeyed, entropies, most = [], [], []
        for prompt, names in PROMPTS.items():
            named = [[called(name) for name in names]] * number
            found = shown(bench, [prompt] * number, sampling)
            kinds = [name.kind for name in named[0]]
            shares = as_asked(bench, named, found)[tellable(bench, named, found)][:, kinds].double().mean(1)
            if len(shares):
                obeyed.append((shares.mean().item(), shares.std(correction=0).item() / len(shares) ** 0.5))
            free = [kind for kind in range(len(KINDS)) if kind not in kinds]
            entropies += [entropy(found[:, kind].bincount()) for kind in free]
            most += [log2(bench.cats.counts[kind]) for kind in free]
        names = ("obedience", "obedience_error", "variety", "variety_error", "most_variety")
        return dict(zip(names, (*mean(obeyed), *mean(entropies), sum(most) / len(most))))

    at = sampling._asdict() | {"num_samples": number * len(PROMPTS)}
    return bench.curves.point("guidance", ("guidance_scale",), at, measure)


def entropy(counts: Tensor) -> tuple[float, float]:
    """The entropy in bits of a distribution of which (K,) is a sample's histogram, and its standard error.

    A sample of N has fewer bits than what it is drawn from; (m − 1) / 2N nats are added for its m different
    values (Miller 1955).
    """
    counts = counts[counts > 0].double()
    number = counts.sum()
    shares = counts / number
    bits = -shares.log2()
    plain = (shares * bits).sum()
    error = ((shares * bits.square()).sum() - plain.square()).clamp(min=0).div(number).sqrt()
    return (plain + (len(counts) - 1) / (2 * number * log(2))).item(), error.item()
