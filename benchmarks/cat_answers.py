"""What a network that is told by text draws for prompts about cats, and whether that is as asked.

Of each picture the nearest cat is found. A part is as asked if it is one of those that the prompt's name of
its kind stands for; of a kind without a name every part is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.cat_prompt_sets import Named, allowed
from benchmarks.cat_samples import Bench
from benchmarks.samples import SEED, Sampling, pictures
from diffusion.data.cat_judge import nearest_cats
from diffusion.data.cats import ACCESSORY, MOUTH

BATCH_SIZE = 128  # each batch has a seed, so this decides the pictures too


def shown(bench: Bench, prompts: Sequence[str], sampling: Sampling, negatives: Sequence[str] = ()) -> Tensor:
    """The cats that are drawn for prompts, each batch from a seed of its own, counted from SEED.

    Args:
        bench: with the model.
        prompts: N of them.
        sampling: sampler, steps, guidance.
        negatives: N prompts that guidance leads away from; none are the empty prompt.

    Returns:
        (N, 5) the nearest cats.
    """
    found = []
    for first in tqdm(range(0, len(prompts), BATCH_SIZE), desc=str(sampling)):
        some = slice(first, first + BATCH_SIZE)
        denoise = bench.drawer.denoiser(
            prompts=prompts[some],
            negative_prompts=negatives[some],
            guidance_scale=sampling.guidance_scale,
        )
        start = {"seed": SEED + len(found), "num_images": len(prompts[some])}
        found.append(read(bench, pictures(bench.drawer, denoise, sampling, **start)))
    return torch.cat(found)


def read(bench: Bench, images: Tensor) -> Tensor:
    """(N, 3, S, S) uint8 → (N, 5) the nearest cats."""
    return nearest_cats(bench.cats, images.float() / 255)


def as_asked(bench: Bench, named: Named, found: Tensor) -> Tensor:
    """(N, 5) bool: which parts of the cats that were found are as asked."""
    return allowed(bench.cats, named).gather(2, found[:, :, None]).squeeze(2)


def tellable(bench: Bench, named: Named, found: Tensor) -> Tensor:
    """(N,) bool: all but those whose mouth was named and is hidden."""
    mouth = torch.tensor([any(name.kind == MOUTH for name in names) for names in named])
    return ~(mouth & bench.cats.hides_mouth[found[:, ACCESSORY]])
