"""How long the page takes to draw a prompt: until its first frame is made, and until the picture is.

    python -m benchmarks.drawing checkpoints/emoji

Prints the median seconds of rounds in which all take turns: the film of the tab Text to image, with every
step's picture decoded and its attention recorded; and the same picture without a film, with the network in
float32 and in bf16.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.common import in_turns, ratio_table
from benchmarks.samples import Sampling, in_bf16_copy, pictures
from diffusion.devices import best_device
from diffusion.films.samples import EMOJI_GUIDANCE
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import LatentModel
from diffusion.nets.step_cost import timed
from diffusion.ui.parts.prompt_film import PromptFrame, prompt_frames
from diffusion.ui.parts.prompt_request import DEFAULT_STEPS, MAX_PROMPT_STEPS, checked_prompt_request

SAMPLER, PROMPT = "dpm++2m", "a picture of red heart"


def contestants(model: LatentModel, num_steps: int) -> dict[str, Callable[[], float]]:
    def film(seed: int) -> Iterator[tuple[PromptFrame, ...]]:  # read and checked, as for a visitor
        request = checked_prompt_request(model, PROMPT, "", seed, num_steps, EMOJI_GUIDANCE, SAMPLER)
        return prompt_frames(model, request)

    def picture(model: LatentModel, seed: int) -> None:
        denoise = model.denoiser(prompts=[PROMPT], guidance_scale=EMOJI_GUIDANCE)
        pictures(model, denoise, Sampling(SAMPLER, num_steps), seed=seed)

    def with_new_seeds(work: Callable[[int], object]) -> Callable[[], float]:
        seeds = count()
        return lambda: timed(lambda: work(next(seeds)), model.device)

    title = f"{num_steps} steps, guidance {EMOJI_GUIDANCE:g}"
    work = {
        f"the film, {title}": lambda seed: list(film(seed)),
        "its first frame": lambda seed: next(film(seed)),
        f"the picture alone, {title}": partial(picture, model),
        "the same in bf16": partial(picture, in_bf16_copy(model)),
    }
    return {name: with_new_seeds(each) for name, each in work.items()}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="the folder of a text model")
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=7, help="rounds; default: %(default)s")
    options = parser.parse_args(arguments)
    if not 1 <= options.steps <= MAX_PROMPT_STEPS or options.repeats < 1:
        parser.error(f"--steps must be from 1 to {MAX_PROMPT_STEPS}, --repeats at least 1")
    return options


def main(options: argparse.Namespace) -> None:
    model = load_folder(options.checkpoint, best_device())
    if not isinstance(model, LatentModel):
        raise CheckpointError(f"{options.checkpoint} is not told by text.")
    print(ratio_table("drawing one prompt", in_turns(contestants(model, options.steps), options.repeats)))


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except CheckpointError as error:
        sys.exit(str(error))
