"""What is to race: a checked request, a walk for each lane."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusion.films.race import REFERENCE_STEPS, Lane, Start
from diffusion.models.model import STUDENT_CALLS, Model
from diffusion.ui.parts.class_film import (
    MAX_CLASS_STEPS,
    MAX_STEPS_TIMES_IMAGES,
    ClassRequest,
    checked_class_request,
)
from diffusion.ui.parts.inputs import refusal, whole_number
from diffusion.ui.parts.students import student_of
from diffusion.ui.parts.variants import WITHOUT_Z

# The lanes by name: which sampler, and how its walk is changed. The page lists them in this order.
LANES = {
    "ddpm": ("ddpm", ""),
    "ddpm_without_z": ("ddpm", WITHOUT_Z),
    "ddim": ("ddim", ""),
    "ddim_eta": ("ddim", ""),
    "dpm": ("dpm++2m", ""),
    "student": ("ddpm", ""),
}
STUDENT = "student"  # the lane of another network, which learned from the model
WITH_ETA = "ddim_eta"
MAX_RACE_IMAGES = 4  # in each lane


@dataclass(frozen=True)
class RaceRequest:
    """A walk for each lane that takes part, by the lane's name; at least one.

    They have the seed, class and guidance in common, and the model; but the lane STUDENT is its student's.
    """

    lanes: Mapping[str, ClassRequest]
    student: Model | None = None

    @property
    def any(self) -> ClassRequest:
        """A walk that tells what all have in common."""
        return next(iter(self.lanes.values()))

    @property
    def num_calls(self) -> int:
        """Of the network, each for all lanes that are still on their way."""
        return max(lane.num_steps for lane in self.lanes.values())

    def start(self, model: Model) -> Start:
        """What the lanes have in common, on the model's device."""
        walk = self.any
        labels = walk.labels_for(model)
        student = self.student and self.student.to(model.device)
        return Start(model, walk.seed, walk.num_images, labels, walk.guidance_scale, student)

    def walks(self) -> dict[str, Lane]:
        """How each lane is walked."""
        return {
            name: Lane(lane.sampler, lane.num_steps, lane.eta, lane.variant != WITHOUT_Z, name == STUDENT)
            for name, lane in self.lanes.items()
        }


def checked_race_request(
    models: Mapping[str, Model],
    steps: Any,
    class_label: Any,
    seed: Any,
    num_images: Any,
    model: Any,
    guidance_scale: Any,
    eta: Any,
) -> RaceRequest:
    """A request with every value checked.

    Args:
        models: by name.
        steps: for each of LANES how many; 0 leaves it out, and a student that there is none of is left out.
        class_label, …: as for `checked_class_request`; eta is that of WITH_ETA.

    Raises:
        InputError: names the value and its allowed range.
    """
    images = whole_number(num_images, "num_images", 1, MAX_RACE_IMAGES)
    student = student_of(models, model)
    chosen = _lanes(steps, student is not None)
    asked = sum(chosen.values())
    if (asked + REFERENCE_STEPS) * images > MAX_STEPS_TIMES_IMAGES:
        limit = f"{MAX_STEPS_TIMES_IMAGES // images - REFERENCE_STEPS:,}"
        raise refusal("race_too_long", limit=limit, images=str(images), asked=f"{asked:,}")
    common = (seed, model, "", guidance_scale)
    return RaceRequest(
        {
            name: checked_class_request(
                models, class_label, images, number, LANES[name][0], *common,
                eta if name == WITH_ETA else 0.0, LANES[name][1],
            )
            for name, number in chosen.items()
        },
        student if STUDENT in chosen else None,
    )  # fmt: skip


def _lanes(steps: Any, has_student: bool) -> dict[str, int]:
    """The steps of the lanes that run, at least one."""
    sent = steps if isinstance(steps, list) and len(steps) == len(LANES) else [None]
    numbers = [whole_number(each, "lane_steps", 0, MAX_CLASS_STEPS) for each in sent]
    chosen = {n: number for n, number in zip(LANES, numbers) if number and (has_student or n != STUDENT)}
    if not chosen:
        raise refusal("race_nobody")
    if chosen.get(STUDENT, 1) not in STUDENT_CALLS:
        raise refusal("race_student_steps", asked=str(chosen[STUDENT]))
    return chosen
