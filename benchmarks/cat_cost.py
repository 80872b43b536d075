"""What the page needs to draw a prompt beside the network's calls and the decodings that it shows."""

from collections.abc import Iterator
from functools import partial
from statistics import median

import torch

from benchmarks.cat_samples import Bench
from benchmarks.common import in_turns, ratio_table
from benchmarks.figures import Figure
from benchmarks.samples import SEED
from diffusion.nets.step_cost import timed
from diffusion.ui.parts.prompt_film import prompt_frames
from diffusion.ui.parts.prompt_request import PromptRequest, checked_prompt_request

PROMPT, NUM_PICTURES, ROUNDS = "a grey cat with green eyes and a red hat", 4, 5


def cost(bench: Bench) -> Iterator[Figure]:
    """The page's time in proportion to that of what it cannot do without."""
    what = f"{NUM_PICTURES} pictures, {bench.sampling}, median of {ROUNDS}"
    yield Figure("time of the page ÷ its network calls and decodings shown", what, partial(ratio, bench))


def ratio(bench: Bench) -> str:
    """Both in turns, print; the median ratio and its range."""
    model, sampling = bench.model, bench.sampling
    how = (sampling.num_steps, sampling.guidance_scale, sampling.sampler)
    request = checked_prompt_request(model, PROMPT, "", SEED, *how, num_images=NUM_PICTURES)
    work = {
        "network calls and decodings": partial(bare, bench, request),
        "the page": lambda: list(prompt_frames(model, request)),
    }
    seconds = in_turns({name: partial(timed, run, model.device) for name, run in work.items()}, ROUNDS)
    print(ratio_table(f"{NUM_PICTURES} pictures", seconds))
    ratios = [page / alone for alone, page in zip(*seconds.values())]
    return f"{median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"


def bare(bench: Bench, request: PromptRequest) -> None:
    """A call of the network and a decoding for each step, and the last decoding, of whatever numbers."""
    model, number = bench.model, request.num_images
    [variant] = request.variants
    both = [variant.prompt.text] * number + [variant.negative.text] * number
    told = both if variant.guidance_scale != 1 else both[:number]
    context = model.context(told)
    x = torch.randn(len(told), *model.sample_shape, device=model.device)
    t = torch.full((len(told),), model.schedule.num_timesteps // 2.0, device=model.device)
    for _ in range(request.num_steps):
        model.net(x, t, context=context)
        model.decode(x[:number])
    model.decode(x[:number])
