"""Whether a network that is told by text draws the cat that was asked for: the parts of `cats --prompts`.

    python -m benchmarks.cats checkpoints/cats-words --prompts
    python -m benchmarks.cats checkpoints/cats-words --prompts --only five,two --num 100 --guidance 4

Some ten minutes on two CPU cores, more than half of them for the curve over guidance. The parts:

    autoencoder  how often the judge reads real cats right that went through the autoencoder
    five         --num prompts in each language that name all five parts, so that no cat that they allow was
                 trained on: each kind, and all at once; names of one part apart from names of a set
    two          prompts that name two parts, for each pair of kinds
    sets         prompts that name one set of parts, as "a hat" does: one of it, and which
    negative     "a cat with a hat" with the negative prompt "a red hat", and the like
    guidance     --num-per-point pictures for each of two prompts and each scale: the named parts that are as
                 asked, and the entropy of each kind that is not named
    attention    how many times as much the pixels of a part look at its noun as all others do: last
                 attention of the finest level, middle third of the steps, mean over heads, the noun's tokens
                 summed
    cost         how long the page takes for four pictures, by the network's calls and the decodings shown

A mouth that is named and that a scarf hides does not count; other accessories hide nothing.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.cat_answers import BATCH_SIZE, as_asked, read, shown, tellable
from benchmarks.cat_attention import attention
from benchmarks.cat_cost import cost
from benchmarks.cat_guidance import guidance, negative
from benchmarks.cat_prompt_sets import all_five, allowed, of_one_part, sets, texts, two
from benchmarks.cat_samples import Bench
from benchmarks.common import markdown_table
from benchmarks.figures import Figure, binomial, listed, mean, percent
from diffusion.data.cat_words import LANGUAGES
from diffusion.data.cats import ACCESSORY, KINDS, MOUTH
from diffusion.data.images import to_signed, to_uint8

NUM_REAL, NUM_OF_PAIR, NUM_OF_SET = 500, 24, 24


def reconstructed(bench: Bench) -> Iterator[Figure]:
    """What the autoencoder leaves to be seen, which bounds all of this."""
    name = "parts of real cats read right after the autoencoder"
    yield Figure(name, f"{NUM_REAL} cats never trained on that show their mouth", partial(read_right, bench))


def read_right(bench: Bench) -> str:
    """Encode and decode real cats, print; the share of each kind's parts that are found again."""
    real = bench.cats.never_trained_on(2 * NUM_REAL)
    real = real[~bench.cats.hides_mouth[real[:, ACCESSORY]]][:NUM_REAL]
    found = []
    for some in tqdm(real.split(BATCH_SIZE), desc="autoencoder"):
        x = to_signed(bench.cats.render(some)).to(bench.model.device)
        found.append(read(bench, to_uint8(bench.model.decode(bench.model.encode(x))).cpu()))
    right = (torch.cat(found) == real).unbind(1)
    shares = {kind: percent(*binomial(hits)) for kind, hits in zip(KINDS, right)}
    print(markdown_table(("after the autoencoder", "read right"), list(shares.items())))
    return listed(shares)


def five(bench: Bench) -> Iterator[Figure]:
    """Prompts that name all five parts."""
    what = f"{bench.options.num} prompts, no cat that they allow trained on, {bench.sampling}"
    for language in LANGUAGES:
        name = f"all five parts named, as asked ({language})"
        yield Figure(name, what, partial(all_as_asked, bench, language))


def all_as_asked(bench: Bench, language: str) -> str:
    """Draw, print: each kind and all five at once, apart for names of one part and names of a set."""
    named = all_five(bench.cats, bench.options.num)
    found = shown(bench, texts(named, [language]), bench.sampling)
    hits, alone = as_asked(bench, named, found), of_one_part(named)
    hits[:, MOUTH] &= tellable(bench, named, found)
    chances = allowed(bench.cats, named).sum(2) / torch.tensor(bench.cats.counts)
    columns = [*zip(KINDS, hits.unbind(1), alone.unbind(1), chances.unbind(1))]
    columns.append(("all five", hits.all(1), alone.all(1), chances.prod(1)))
    rows = []
    for name, right, own, chance in columns:
        shares = (percent(*binomial(right)), share_of(right[own]), share_of(right[~own]))
        rows.append((name, *shares, f"{100 * chance.mean().item():.2g}%"))
    header = (language, "as asked", "by a name of one part", "by a name of several", "by chance")
    print(markdown_table(header, rows))
    as_text = listed({name: share for name, share, *_ in rows})
    return f"{as_text}; all five by names of one part {rows[-1][2]}, by chance {rows[-1][-1]}"


def share_of(hits: Tensor) -> str:
    """The share of (N,) booleans with its error, as text, and N."""
    return f"{percent(*binomial(hits))} of {len(hits)}" if len(hits) else "none"


def pairs(bench: Bench) -> Iterator[Figure]:
    """Prompts that name two parts."""
    what = f"{NUM_OF_PAIR} prompts for each of ten pairs of kinds, en and ko in turn, {bench.sampling}"
    yield Figure("two parts named, both as asked", what, partial(both_as_asked, bench))


def both_as_asked(bench: Bench) -> str:
    """Draw, print; the mean over the pairs of kinds."""
    kinds = list(combinations(range(len(KINDS)), 2))
    named = [names for pair in kinds for names in two(bench.cats, pair, NUM_OF_PAIR)]
    found = shown(bench, texts(named), bench.sampling)
    hits, can_tell = as_asked(bench, named, found).all(1), tellable(bench, named, found)
    each = zip(hits.split(NUM_OF_PAIR), can_tell.split(NUM_OF_PAIR))
    counted = [right[counts] for right, counts in each]
    text = percent(*mean([binomial(right) for right in counted if len(right)]))
    names = [f"{KINDS[one]} and {KINDS[other]}" for one, other in kinds]
    rows = [*zip(names, map(share_of, counted)), ("mean", text)]
    print(markdown_table(("two parts named", "both as asked"), rows))
    return f"{text}, without {int((~can_tell).sum())} of {len(named)} whose mouth a scarf hides"


def of_sets(bench: Bench) -> Iterator[Figure]:
    """Prompts that name a set of parts."""
    what = f"{NUM_OF_SET} prompts for each of {len(sets())} names, en and ko in turn, {bench.sampling}"
    yield Figure("a set named, one of it drawn", what, partial(one_of_set, bench))


def one_of_set(bench: Bench) -> str:
    """Draw, print: how often one of the set is drawn, and which; the mean over the names."""
    named = [[name] for name in sets() for _ in range(NUM_OF_SET)]
    found = shown(bench, texts(named), bench.sampling)
    can_tell = tellable(bench, named, found)
    rows, shares, rarest = [], [], 1.0
    for name, cats, counts in zip(sets(), found.split(NUM_OF_SET), can_tell.split(NUM_OF_SET)):
        drawn = cats[counts, name.kind]
        if not len(drawn):
            continue
        each = {part: binomial(drawn == part) for part in name.parts}
        shares.append(binomial(torch.isin(drawn, torch.tensor(name.parts))))
        rarest = min(rarest, *(share for share, _ in each.values()))
        parts = {bench.cats.names[name.kind][part]: percent(*share) for part, share in each.items()}
        rows.append((name.things["en"][0], listed(parts), percent(*shares[-1])))
    text = percent(*mean(shares))
    print(markdown_table(("a set named", "each of it", "one of it"), [*rows, ("mean", "", text)]))
    return f"{text}; the rarest of any set {rarest:.1%}"


PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "autoencoder": reconstructed,
    "five": five,
    "two": pairs,
    "sets": of_sets,
    "negative": negative,
    "guidance": guidance,
    "attention": attention,
    "cost": cost,
}
