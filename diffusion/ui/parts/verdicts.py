"""Was this cat ever drawn? What the judge says of a film's cats, for the page, which asks when it has all.

A film waits here for that question: as many films as may stand in line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from diffusion.data.cat_judge import Judged, judge, nearest_cats, nearest_trained_on
from diffusion.data.cats import ACCESSORY, KINDS, MOUTH, Cats
from diffusion.data.grids import image_grid, png_bytes
from diffusion.data.images import to_signed
from diffusion.models.model import Model
from diffusion.ui.parts.credit import credit_of_examples
from diffusion.ui.parts.inputs import choice
from diffusion.ui.parts.kept_films import KeptFilms, secret_name
from diffusion.ui.parts.line import LONGEST
from diffusion.ui.parts.scrubber import data_url
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.text import in_each_language, labels, language, shown_name

MAX_CHARTED = 4  # cats whose x̂_0 is judged on the way
MAX_JUDGED_STEPS = 20  # evenly spread ones
OPENING = "opening"  # the name of the film that came with the checkpoint

Frames = Iterator[tuple[Planes, Row]]


@dataclass(frozen=True, eq=False)
class DrawnCats:
    """What is judged of a film. Pictures are (…, H, W, 3) uint8.

    Args:
        cats: all that there can be.
        x_0_hat: what was predicted of the first cats, by step: (≤ MAX_CHARTED, H, W, 3) each.
        result: all cats in the end, (B, H, W, 3).
        num_steps: of the film.
    """

    cats: Cats
    x_0_hat: dict[int, np.ndarray]
    result: np.ndarray
    num_steps: int

    @cached_property
    def judged(self) -> Judged:
        """Of the result."""
        return judge(self.cats, _as_tensor(self.result))

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """For each cat the "outcome" and whether the mouth is "hidden", as `_verdict` tells them."""
        hidden = [self._is_hidden(cat) for cat in self.judged.cats]
        return [{"outcome": self._outcome(i), "hidden": each} for i, each in enumerate(hidden)]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """For each cat what `_verdict` tells, in the language that is spoken."""
        if language() not in self._told:
            self._told[language()] = [self._verdict(i) for i in range(len(self.result))]
        return self._told[language()]

    @cached_property
    def _told(self) -> dict[str, list[dict[str, Any]]]:
        """Verdicts by language: visitors share the opening film."""
        return {}

    def _verdict(self, i: int) -> dict[str, Any]:
        """Of cat i: the "outcome"; its "parts" in words; pictures of the "nearest" possible cat, and of the
        nearest one that was "trained_on"; in what that one "differs"; whether the mouth is "hidden"; and a
        name for what was "drawn", the same for the same cat."""
        cat = self.judged.cats[i]
        trained_on = nearest_trained_on(self.cats, cat)
        return {
            "outcome": self._outcome(i),
            "parts": self._parts(i),
            "nearest": self._picture(cat),
            "trained_on": self._picture(trained_on),
            "differs": self._differences(cat, trained_on),
            "hidden": self._is_hidden(cat),
            "drawn": self._name(i),
        }

    def _name(self, i: int) -> str:
        """Of what is no cat, its pixels decide."""
        outcome, cat = self._outcome(i), self.judged.cats[i].clone()
        if outcome == "cat_impossible":
            return f"{outcome} {crc32(self.result[i].tobytes())}"
        cat[MOUTH] *= not self._is_hidden(cat)
        return f"{outcome} {cat.tolist()}"

    def _outcome(self, i: int) -> str:
        """A key of the page's texts: what is neither possible nor sharp is neither known nor new."""
        if not self.judged.possible[i]:
            return "cat_impossible"
        if not self.judged.sharp[i]:
            return "cat_unsharp" if self.judged.clear[i] else "cat_unclear"
        return "cat_known" if self.cats.is_trained_on(self.judged.cats[i]) else "cat_new"

    def _parts(self, i: int) -> list[str]:
        """In words, for each kind."""
        text, cat = labels(), self.judged.cats[i].tolist()
        words = []
        for names, part, rival in zip(self.cats.names, cat, self.judged.rivals[i].tolist()):
            one, other = shown_name(names[part]), shown_name(names[rival])
            words.append(text["cat_between"].format(one=one, other=other) if rival >= 0 else one)
        if self._is_hidden(self.judged.cats[i]):
            words[MOUTH] = text["cat_hidden"].format(accessory=shown_name(self.cats.classes[cat[ACCESSORY]]))
        return words

    def _differences(self, cat: Tensor, other: Tensor) -> list[str]:
        """In words, what another cat has instead; a mouth that is hidden anyway is no difference."""
        text, hidden = labels(), self._is_hidden(cat)
        return [
            text["cat_differs"].format(kind=text[f"part_{kind}"], name=shown_name(names[there]))
            for kind, names, here, there in zip(KINDS, self.cats.names, cat.tolist(), other.tolist())
            if here != there and not (hidden and kind == KINDS[MOUTH])
        ]

    def _is_hidden(self, cat: Tensor) -> bool:
        return bool(self.cats.hides_mouth[cat[ACCESSORY]])

    def _picture(self, cat: Tensor) -> str:
        return data_url(png_bytes(image_grid(self.cats.render(cat).permute(1, 2, 0)[None].numpy(), 1)))

    @cached_property
    def decided(self) -> list[list[int | None]]:
        """For each of the first cats and each kind the step from which on the judge's answer stays what it
        becomes; None where it becomes nothing that is certain, or cannot be seen."""
        steps, predicted = list(self.x_0_hat), np.stack(list(self.x_0_hat.values()))
        number, count = predicted.shape[:2]
        seen = (_as_tensor(predicted.reshape(-1, *predicted.shape[2:])) + 1) / 2
        final = self.judged.cats[:count]
        answers = nearest_cats(self.cats, seen, start=final.repeat(number, 1))
        stays = (answers.reshape(number, count, len(KINDS)) == final).flip(0).cumprod(0).sum(0)
        first = torch.tensor([*steps, self.num_steps])[number - stays]
        certain = self.judged.possible[:count, None] & (self.judged.rivals[:count] < 0)
        certain[:, MOUTH] &= ~self.cats.hides_mouth[final[:, ACCESSORY]]
        return [
            [step if sure else None for step, sure in zip(*cat)]
            for cat in zip(first.tolist(), certain.tolist())
        ]


def _as_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 → (N, 3, H, W) in [−1, 1]."""
    return to_signed(torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))))


class DrawnFilms(KeptFilms[DrawnCats]):
    """The last films of cats, and the one that came with the checkpoint."""

    def __init__(self, most: int = LONGEST) -> None:
        super().__init__("film_forgotten", most, spared=OPENING)

    def kept(self, name: str, cats: Cats, num_steps: int, frames: Frames) -> Frames:
        """The frames, passed on as they are made; the film has its name when it is whole."""
        steps, x_0_hat = judged_steps(num_steps), {}
        for k, (planes, row) in enumerate(frames):
            if k in steps:
                x_0_hat[k] = planes["x_0_hat"][:MAX_CHARTED]
            if row is None:
                self.keep(name, DrawnCats(cats, x_0_hat, planes["x_0_hat"], num_steps))
            yield planes, row

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Asked by the page: of a "film" the "verdicts", or the steps at which all was "decided": "what".

        Raises:
            InputError: the film is not known any more.
        """
        what = choice(request.get("what"), "what", ("verdicts", "decided"))
        return {what: getattr(self.named(request.get("film")), what)}


FILMS = DrawnFilms()


def judged_steps(num_steps: int) -> set[int]:
    """The steps whose x̂_0 is judged."""
    return set(np.linspace(0, num_steps - 1, min(num_steps, MAX_JUDGED_STEPS)).round().astype(int).tolist())


def judged_later(
    model: Model, info: dict[str, Any], frames: Frames, name: str | None = None
) -> tuple[dict[str, Any], Frames]:
    """A film's info and frames, so that the page can ask about its cats; as they are if it is not of cats.

    Args:
        info: what the page knows of the film; "cats" is added: how to ask, what is said of all cats, and
            whether a visitor has sampled it.
        name: of the film; None for one that nobody else knows.
    """
    cats = model.cats
    if cats is None:
        return info, frames
    film = name or secret_name()
    about = about_cats(model, cats, film) | {"sampled": name is None}
    return info | {"cats": about}, FILMS.kept(film, cats, info["num_steps"], frames)


def about_cats(model: Model, cats: Cats, film: str) -> dict[str, Any]:
    """What the page must know of all cats, and by what name to ask about those of a film."""
    return {
        "model": model.name,
        "film": film,
        "kinds": KINDS,
        "combinations": prod(cats.counts),
        "trained_on": len(cats.trained_on),
        "credit": in_each_language(lambda: credit_of_examples(model)),
    }


def judged_film(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page, in line; see `DrawnFilms.answer`."""
    return FILMS.answer(request)
