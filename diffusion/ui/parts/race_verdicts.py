"""What judges say of what the lanes of a race have drawn: which digit it is, whether it is a cat."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.data.cats import Cats
from diffusion.data.images import to_signed
from diffusion.models.digit_judge import DIGITS, draws_digits, load_classifier, recognise
from diffusion.models.folder import CheckpointError
from diffusion.models.model import Model
from diffusion.nets.digit_classifier import DigitClassifier
from diffusion.ui.parts.kept_films import KeptFilms, secret_name
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.parts.verdicts import DrawnCats

Frames = Iterator[tuple[Planes, Row]]
CATS, DIGIT, NOBODY, NO_CLASSIFIER = "cats", "digits", "nobody", "no_classifier"  # who judges


@dataclass(frozen=True, eq=False)
class Arrived:
    """The results of a race, (L, B, H, W, C) uint8, in the order of `lanes`, and who can judge them."""

    lanes: tuple[str, ...]
    results: np.ndarray
    cats: Cats | None
    classifier: DigitClassifier | None

    def verdicts(self) -> dict[str, list[dict[str, Any]]]:
        """For each lane of each picture: of a cat its "outcome" and whether its mouth is "hidden"; of a digit
        which "digit" it is, and the "certainty" of that."""
        number, count, *shape = self.results.shape
        pictures = self.results.reshape(number * count, *shape)
        said = DrawnCats(self.cats, {}, pictures, 0).outcomes if self.cats else self._digits(pictures)
        return {name: said[i * count : (i + 1) * count] for i, name in enumerate(self.lanes)}

    def _digits(self, pictures: np.ndarray) -> list[dict[str, Any]]:
        if self.classifier is None:
            return [{} for _ in pictures]
        seen = recognise(self.classifier, to_signed(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        pairs = zip(seen.digits.tolist(), seen.certainty.tolist())
        return [{"digit": DIGITS[digit], "certainty": certainty} for digit, certainty in pairs]


RACES: KeptFilms[Arrived] = KeptFilms("film_forgotten")


@lru_cache(maxsize=8)
def classifier_in(folder: Path) -> DigitClassifier | None:
    """The classifier beside a model of digits; None if there is none that can be used."""
    try:
        return load_classifier(folder)
    except CheckpointError:
        return None


def judge_of(model: Model) -> str:
    """Who can tell what this model draws."""
    if model.cats is not None:
        return CATS
    if not draws_digits(model):
        return NOBODY
    return DIGIT if model.folder and classifier_in(model.folder) else NO_CLASSIFIER


def judged_when_asked(
    model: Model, lanes: tuple[str, ...], info: dict[str, Any], frames: Frames
) -> tuple[dict[str, Any], Frames]:
    """A race's info and frames, so that the page can ask about its results, which are not sent: "judge" is
    added, and "race", by what name to ask."""
    who, name = judge_of(model), secret_name()
    classifier = classifier_in(model.folder) if who == DIGIT and model.folder else None

    def passed_on() -> Frames:
        for planes, row in frames:
            if row is None:
                RACES.keep(name, Arrived(lanes, planes["results"], model.cats, classifier))
            yield {"code": planes["code"]}, row

    return info | {"judge": who, "race": name}, passed_on()


def judged_race(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page, in line: of a "race" the "verdicts".

    Raises:
        InputError: the race is not known any more.
    """
    return {"verdicts": RACES.named(request.get("race")).verdicts()}
