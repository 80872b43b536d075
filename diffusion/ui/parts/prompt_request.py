"""A prompt to be drawn, perhaps beside another, with every value checked."""

from dataclasses import dataclass
from typing import Any

from diffusion.models.model import LatentModel
from diffusion.samplers import SAMPLERS
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, choices, real_number, whole_number
from diffusion.ui.parts.prompts import Prompt, reader
from diffusion.ui.text import labels

MAX_PROMPT_STEPS = 100
DEFAULT_STEPS = 20
MAX_PICTURES = 4  # of one prompt
COMPARED = ("prompt", "guidance")  # what may be another in the second variant


@dataclass(frozen=True)
class Variant:
    """What pictures are drawn of.

    Args:
        prompt: what to draw.
        negative: what guidance leads away from.
        wished_guidance: between both.
    """

    prompt: Prompt
    negative: Prompt
    wished_guidance: float

    @property
    def guidance_scale(self) -> float:
        """The guidance that is applied: 1, which is off, if both prompts say the same."""
        same = self.prompt.text.casefold() == self.negative.text.casefold()
        return 1.0 if same else self.wished_guidance

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about its prompts, and about what was asked for and has no effect."""
        text, idle = labels(), self.guidance_scale != self.wished_guidance
        needed = "guidance_needs_difference" if self.prompt.text else "guidance_needs_prompt"
        unused = self.negative.text and self.guidance_scale == 1 and not idle
        found = {needed: idle, "guidance_drops_prompt": self.guidance_scale == 0, "negative_unused": unused}
        negative = [note for note in self.negative.notes if note != text["note_empty"]]
        return (
            *self.prompt.notes,
            *(f"{text['negative_prompt']}: {note}" for note in negative),
            *(text[key] for key, holds in found.items() if holds),
        )


@dataclass(frozen=True)
class PromptRequest:
    """What to draw, and how, with every value checked.

    Args:
        variants: one, or two to be compared: their pictures with the same number start from the same noise.
        num_images: of each variant, 1..MAX_PICTURES.
    """

    variants: tuple[Variant, ...]
    seed: int
    num_steps: int
    sampler: str
    num_images: int


def checked_prompt_request(
    model: LatentModel,
    prompt: Any,
    negative_prompt: Any,
    seed: Any,
    num_steps: Any,
    guidance_scale: Any,
    sampler: Any,
    compared: Any = (),
    second_prompt: Any = "",
    second_guidance: Any = 1.0,
    num_images: Any = 1,
) -> PromptRequest:
    """A request with every value checked.

    Args:
        model: that draws it.
        prompt, …: as sent. `compared`, some of COMPARED, asks for a second variant, with another prompt,
            another guidance, or both; what is not compared is as in the first.

    Raises:
        InputError: names the value and its allowed range.
    """
    read = reader(model).read
    scale = real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE)
    variants = [first := Variant(read(prompt), read(negative_prompt), scale)]
    if others := choices(compared, "compared", COMPARED):
        prompt = read(second_prompt) if "prompt" in others else first.prompt
        if "guidance" in others:
            scale = real_number(second_guidance, "second_guidance", 0, MAX_GUIDANCE)
        variants.append(Variant(prompt, first.negative, scale))
    most = min(MAX_PROMPT_STEPS, model.schedule.num_timesteps)
    return PromptRequest(
        tuple(variants),
        whole_number(seed, "seed", 0, MAX_SEED),
        whole_number(num_steps, "num_steps", 1, most),
        choice(sampler, "sampler", SAMPLERS),
        whole_number(num_images, "num_images", 1, MAX_PICTURES),
    )
