"""Samples of cats, judged: what share of them is as it should be."""

import argparse
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor

from benchmarks.curves import Curves
from benchmarks.figures import binomial
from benchmarks.samples import HEADLINE, SEED, Sampling, draw
from diffusion.data.cat_judge import Judged, judge
from diffusion.data.cats import ACCESSORY, KINDS, Cats
from diffusion.data.images import to_signed
from diffusion.models.model import Model


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples, what they show, and the accessories that were asked for."""

    images: Tensor  # (N, 3, S, S) uint8
    judged: Judged
    labels: Tensor  # (N,)


@dataclass
class Bench:
    """What the parts share.

    Args:
        model: that is measured.
        drawer: the model as samples are drawn from it.
        cats: all that there can be.
        options: of the command line.
    """

    model: Model
    drawer: Model
    cats: Cats
    options: argparse.Namespace

    def drawn(self, number: int, sampling: Sampling) -> Drawn:
        """Samples of each class in turn, judged."""
        labels = torch.arange(number) % len(self.cats.classes)
        images = draw(self.drawer, number, sampling, labels)
        return Drawn(images, judge(self.cats, to_signed(images)), labels)

    @property
    def sampling(self) -> Sampling:
        return Sampling(HEADLINE.sampler, self.options.steps, self.options.guidance)

    @cached_property
    def samples(self) -> Drawn:
        """Those of the figures that come first."""
        return self.drawn(self.options.num, self.sampling)

    @property
    def any_possible(self) -> bool:
        """Whether any of them is near enough to a cat."""
        return bool(self.samples.judged.possible.any())

    @cached_property
    def curves(self) -> Curves:
        """What curves.json holds so far; steps and guidance add to it."""
        return Curves(self.options.folder, self.about_curves, self.options.skip_known)

    def about_curves(self) -> dict[str, Any]:
        """What holds for all of them."""
        setting = {
            "data": self.cats.title,
            "seed": SEED,
            "precision": "float32" if self.drawer is self.model else "bfloat16",
            "steps": {"guidance_scale": self.options.guidance},
            "guidance": {"sampler": HEADLINE.sampler, "num_steps": self.options.steps},
        }
        return {"setting": setting}


def shares(cats: Cats, drawn: Drawn) -> dict[str, tuple[float, float]]:
    """How many are what they should be, with errors.

    Returns:
        By name: of all, "possible", "sharp" and (the accessory) "as asked"; "sharp" and a kind, how many of
        the possible ones have a part of it that is told from all others; of the sharp ones, "new" and, with
        a hidden mouth, "new behind a scarf".
    """
    judged = drawn.judged
    found = judged.cats
    counted = {
        "possible": judged.possible,
        "sharp": judged.sharp,
        "as asked": found[:, ACCESSORY] == drawn.labels,
    }
    counted |= {f"sharp {kind}": (judged.rivals[judged.possible] < 0)[:, i] for i, kind in enumerate(KINDS)}
    new, hidden = ~cats.is_trained_on(found), cats.hides_mouth[found[:, ACCESSORY]]
    counted |= {"new": new[judged.sharp & ~hidden], "new behind a scarf": new[judged.sharp & hidden]}
    return {name: binomial(hits) for name, hits in counted.items() if len(hits)}


def expected_new(cats: Cats) -> float:
    """The share of all cats which show their mouth that is never trained on."""
    trained = (~cats.hides_mouth[cats.trained_on[:, ACCESSORY]]).sum().item()
    shown = (~cats.hides_mouth).double().mean().item()
    return 1 - trained / (shown * prod(cats.counts))


def disturbed(bench: Bench, cats: Tensor) -> Tensor:
    """(N, 5) cats → (N, 3, S, S) in [−1, 1]: their pictures with the errors that samples have."""
    samples = bench.samples
    possible = samples.judged.possible
    nearest = bench.cats.render(samples.judged.cats[possible]).float()
    errors = (samples.images[possible].float() - nearest) / 127.5
    which = torch.arange(len(cats)) % len(errors)
    return (to_signed(bench.cats.render(cats)) + errors[which]).clamp(-1, 1)
