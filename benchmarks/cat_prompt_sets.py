"""Prompts that name parts of cats, and which parts each of them allows.

Of accessories only those are named that hide no mouth, but where a set of accessories is asked for by itself.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from benchmarks.samples import SEED
from diffusion.data.cat_words import LANGUAGES, Name, caption, cat_names, names_of
from diffusion.data.cats import KINDS, Cats

Named = Sequence[Sequence[Name]]  # of each prompt the names in it, at most one of a kind


def texts(named: Named, languages: Sequence[str] = LANGUAGES) -> list[str]:
    """Any way to say each of them, in the languages in turn."""
    random = Random(SEED)
    return [caption(names, languages[i % len(languages)], random) for i, names in enumerate(named)]


def allowed(cats: Cats, named: Named) -> Tensor:
    """(N, 5, K) bool: which parts of each kind are as asked, K being the most parts of one; unnamed any."""
    parts = torch.arange(max(cats.counts)) < torch.tensor(cats.counts)[:, None]
    as_asked = parts.repeat(len(named), 1, 1)
    for row, names in zip(as_asked, named):
        for name in names:
            row[name.kind] = False
            row[name.kind, list(name.parts)] = True
    return as_asked


def of_one_part(named: Named) -> Tensor:
    """(N, 5) bool: of which kinds a prompt has a name that stands for one part alone."""
    found = torch.zeros(len(named), len(KINDS), dtype=torch.bool)
    for row, names in zip(found, named):
        row[[name.kind for name in names if len(name.parts) == 1]] = True
    return found


def any_names(cats: Cats, kinds: Sequence[int], random: Random) -> list[Name]:
    """For each of these kinds a name of any part, of accessories of those that hide no mouth."""
    choices = [range(number) for number in cats.counts]
    choices[-1] = [part for part in choices[-1] if not cats.hides_mouth[part]]
    return [random.choice(names_of(kind, random.choice(choices[kind]))) for kind in kinds]


def all_five(cats: Cats, number: int) -> list[list[Name]]:
    """Names of all five parts each, so that no combination that they allow was trained on."""
    random, found = Random(SEED), []
    while len(found) < number:
        names = any_names(cats, range(len(KINDS)), random)
        every = torch.cartesian_prod(*(torch.tensor(name.parts) for name in names))
        if not cats.is_trained_on(every).any():
            found.append(names)
    return found


def two(cats: Cats, kinds: Sequence[int], number: int) -> list[list[Name]]:
    """Names of two kinds' parts each."""
    random = Random(SEED)
    return [any_names(cats, kinds, random) for _ in range(number)]


def sets() -> list[Name]:
    """All names that stand for several parts."""
    return [name for name in cat_names() if len(name.parts) > 1]


def called(text: str) -> Name:
    """The name that one of its English texts is."""
    return next(name for name in cat_names() if text in (*name.things["en"], *name.traits["en"]))
