"""Films of prompts, kept for what the page asks about them later: what is seldom seen is decoded then."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from diffusion.models.model import LatentModel
from diffusion.ui.parts.gpu import Work, on_gpu
from diffusion.ui.parts.inputs import whole_number
from diffusion.ui.parts.kept_films import KeptFilms, secret_name
from diffusion.ui.parts.line import LONGEST
from diffusion.ui.parts.prompt_film import PromptFrame, decoded, prompt_frames
from diffusion.ui.parts.prompt_request import PromptRequest
from diffusion.ui.parts.streaming import encode
from diffusion.ui.parts.watched import PREDICTIONS


@dataclass(eq=False)
class PromptFilm:
    """A film of a prompt, or of two, as far as it is drawn.

    Attributes:
        model, request: what draws it, and what is drawn.
        predictions: for each step, and in it for each variant, see `PromptFrame`.
        pictures: for each variant (B, H, W, channels) uint8: what is expected so far, in the end the result.
        whole: that is the result.
    """

    model: LatentModel
    request: PromptRequest
    predictions: list[list[np.ndarray | None]] = field(default_factory=list)
    pictures: list[np.ndarray] = field(default_factory=list)
    whole: bool = False

    def frames(self) -> Iterator[tuple[PromptFrame, ...]]:
        """Draw it: every step of all variants."""
        for together in prompt_frames(self.model, self.request):
            self.pictures = [frame.planes["decoded"] for frame in together]
            self.whole = together[0].row is None
            if not self.whole:
                self.predictions.append([frame.predictions for frame in together])
            yield together

    def guided(self, variant: int, picture: int) -> np.ndarray | None:
        """(2, K, C, h, w) float16: of one picture x̂_0 of all steps, by PREDICTIONS; None without guidance."""
        found = [step[variant] for step in self.predictions]
        steps = [each[:, picture] for each in found if each is not None]
        return np.stack(steps, axis=1) if steps else None


class PromptFilms(KeptFilms[PromptFilm]):
    """The last films of prompts."""

    def __init__(self, most: int = LONGEST) -> None:
        super().__init__("prompt_film_forgotten", most)

    def begin(self, model: LatentModel, request: PromptRequest) -> tuple[str, PromptFilm]:
        """A film to be drawn, and its name."""
        name, film = secret_name(), PromptFilm(model, request)
        self.keep(name, film)
        return name, film


PROMPT_FILMS = PromptFilms()


def guided_pictures(request: dict[str, Any]) -> dict[str, str | None]:
    """Asked by the page, in line: of a "film" a "variant" and of that one "picture", by their numbers.

    Returns:
        For each of PREDICTIONS x̂_0 of all steps decoded, (K, H, W, channels) uint8 in base64; None where
        there was nothing to combine.

    Raises:
        InputError: the film is not known any more, or has no such picture.
    """
    film = PROMPT_FILMS.named(request.get("film"))
    variant = whole_number(request.get("variant"), "variant", 0, len(film.request.variants) - 1)
    picture = whole_number(request.get("picture"), "picture", 0, film.request.num_images - 1)
    predictions = film.guided(variant, picture)
    if predictions is None:
        return dict.fromkeys(PREDICTIONS)
    return {name: encode(decoded_steps(film.model, steps)) for name, steps in zip(PREDICTIONS, predictions)}


@on_gpu(lambda model, steps: Work(1, len(steps)))
def decoded_steps(model: LatentModel, steps: np.ndarray) -> np.ndarray:
    """(K, C, h, w) float16 → (K, H, W, channels) uint8."""
    return decoded(model, torch.from_numpy(steps).float().to(model.device))
