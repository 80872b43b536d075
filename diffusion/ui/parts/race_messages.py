"""A race as messages for the page, the one that the tab opens with too."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from torch import Tensor

from diffusion.data.images import to_uint8
from diffusion.films.race import REFERENCE_STEPS
from diffusion.models.model import Model
from diffusion.ui.parts.class_choice import class_words, opening_class, opening_guidance
from diffusion.ui.parts.class_film import walk_info
from diffusion.ui.parts.credit import credit_of_drawn
from diffusion.ui.parts.effects import guidance_words
from diffusion.ui.parts.race_film import race_frames, reference_of
from diffusion.ui.parts.race_presets import EQUAL_CALLS, own_error
from diffusion.ui.parts.race_request import WITH_ETA, RaceRequest, checked_race_request
from diffusion.ui.parts.race_verdicts import judged_when_asked
from diffusion.ui.parts.room_code import race_values
from diffusion.ui.parts.streaming import Message, encode, film_id, per_step, stream_frames
from diffusion.ui.text import in_each_language, labels, shown_name

ETA = 0.5  # at first, of the lane that has one
OPENING, ON_SHOW = "opening", "on_show"  # captions: a race that nobody has asked for, and others


def race_messages(model: Model, request: RaceRequest, caption: str = ON_SHOW) -> Iterator[Message]:
    """Walk the reference, if need be, then race; yield messages for the page."""
    for k, pictures in reference_of(model, request):
        if pictures is None:
            yield {"reference": {"k": k, "N": REFERENCE_STEPS, "calls": k, "predictions": k}}
    assert pictures is not None
    info, frames = judged_when_asked(
        model,
        tuple(request.lanes),
        race_info(model, request, pictures) | {"caption": caption},
        race_frames(model, request, pictures),
    )
    yield from stream_frames(film_id(f"race-{model.name}"), info, frames)


def race_info(model: Model, request: RaceRequest, reference: Tensor) -> dict[str, Any]:
    """What the page must know of a race before its first frame."""
    walk = request.any
    channels, height, width = model.sample_shape
    classes = model.classes or ()
    digits = [classes[i] for i in walk.classes_in(classes) or ()]
    words = ["race", model.name, f"seed{walk.seed}", f"{request.num_calls}calls"]
    return {
        "lanes": {name: {"num_steps": lane.num_steps} for name, lane in request.lanes.items()},
        "num_calls": request.num_calls,
        "reference": encode(to_uint8(reference).permute(0, 2, 3, 1).contiguous().numpy()),
        "own_error": in_each_language(lambda: own_error(model)),
        "digits": digits,
        "made": in_each_language(lambda: made(model, request)),
        "per_step": per_step([walk.guidance_scale]),
        "file": words,
        "code": race_values(model, request),
        **walk_info(walk.seed, (walk.num_images, height, width, channels)),
    }


def made(model: Model, request: RaceRequest) -> str:
    """How a race was run, in a sentence."""
    text, walk = labels(), request.any
    eta = request.lanes[WITH_ETA].eta if WITH_ETA in request.lanes else None
    return text["race_made"].format(
        count=walk.num_images,
        model=shown_name(model.name),
        seed=walk.seed,
        classes=class_words(model, walk.classes_in(model.classes or ())),
        guidance=guidance_words(walk.guidance_scale),
        eta="" if eta is None else text["race_made_eta"].format(eta=f"{eta:g}"),
        student=text["race_made_student"].format(name=shown_name(request.student.name))
        if request.student
        else "",
        credit=credit_of_drawn(model),
    )


def opening_request(models: Mapping[str, Model]) -> RaceRequest:
    """The race that the tab opens with, as its controls stand at first."""
    model = next(iter(models.values()))
    label, guidance = opening_class(model), opening_guidance(model)
    return checked_race_request(models, EQUAL_CALLS, label, 0, 1, model.name, guidance, ETA)


def opening_messages(models: Mapping[str, Model]) -> Iterator[Message]:
    """The race that the tab opens with: run for the first who comes, and kept for all others."""
    model, request = next(iter(models.values())), opening_request(models)
    kept = _opening_of(model)
    if kept:
        yield kept[0]
        return
    first: Message = {}
    frames: dict[int, Any] = {}
    for message in race_messages(model, request, OPENING):
        if "film" in message:
            first = first or message
            frames |= {frame["k"]: frame for frame in message["frames"]}
        yield message
    kept.append(first | {"frames": list(frames.values())})


@lru_cache(maxsize=8)
def _opening_of(model: Model) -> list[Message]:
    """The message of a whole race, once there is one."""
    return []
