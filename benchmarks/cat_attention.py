"""Where a network looks that is told by text: do the pixels of a cat's hat look at the word hat?"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from benchmarks.cat_answers import as_asked, read
from benchmarks.cat_prompt_sets import all_five, texts
from benchmarks.cat_samples import Bench
from benchmarks.common import markdown_table
from benchmarks.figures import Figure
from benchmarks.samples import SEED
from diffusion.data.cat_judge import visible
from diffusion.data.cat_prompts import asked
from diffusion.data.cat_words import LANGUAGES, Name
from diffusion.data.cats import ACCESSORY, EYES, KINDS, MOUTH
from diffusion.data.images import to_uint8
from diffusion.films.film import walk
from diffusion.nets.attention_maps import last_finest, recorded_attention

NUM_LOOKED_AT = 128  # drawn together
LOOKED_AT = [EYES, MOUTH, ACCESSORY]
RESAMPLED = 1000


def attention(bench: Bench) -> Iterator[Figure]:
    """The attention to the nouns of parts, inside and outside of these."""
    what = f"{NUM_LOOKED_AT} prompts that name all five parts, those drawn as asked, {bench.sampling}"
    for language in LANGUAGES:
        name = f"attention to a noun inside its part ÷ outside, median and quartiles ({language})"
        yield Figure(name, what, partial(inside_and_outside, bench, language))


def inside_and_outside(bench: Bench, language: str) -> str:
    """Draw, print; of each kind the median ratio, its error, and the quartiles."""
    named = all_five(bench.cats, NUM_LOOKED_AT)
    ratios = ratios_of(bench, named, texts(named, [language]))
    rows = []
    for kind, of_kind in zip(LOOKED_AT, ratios.unbind(1)):
        counted = of_kind[of_kind.isfinite()]
        if len(counted):
            rows.append((KINDS[kind], *quartiles(counted), len(counted)))
    print(markdown_table((language, "median", "quartiles", "pictures"), rows))
    return "; ".join(f"{kind} {median} ({ends})" for kind, median, ends, _ in rows) or "none drawn as asked"


def quartiles(values: Tensor) -> tuple[str, str]:
    """(N,) → their median with its error, by resampling them, and the quartiles."""
    low, median, high = values.quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    number, generator = len(values), torch.Generator().manual_seed(SEED)
    draws = torch.randint(number, (RESAMPLED, number), generator=generator)
    error = values[draws].quantile(0.5, dim=1).std().item()
    return f"{median:.2f} ± {error:.2f}", f"{low:.2f} – {high:.2f}"


def ratios_of(bench: Bench, named: Sequence[Sequence[Name]], prompts: Sequence[str]) -> Tensor:
    """Draw; how many times as much the pixels of a part look at its noun as all others do.

    Returns:
        (N, 3) by LOOKED_AT; NaN where the prompt has no noun for it, another part was drawn, or nothing of it
        can be seen.
    """
    nouns = torch.stack([noun_tokens(bench.model.tokenizer, text) for text in prompts])
    images, looks = looks_at(bench, prompts, nouns)
    found = read(bench, images)
    drawn = as_asked(bench, named, found)[:, LOOKED_AT] & nouns.any(2)
    masks = torch.stack([visible(bench.cats, found, kind) for kind in LOOKED_AT], dim=1).float()
    ratios = inside_over_outside(looks, F.adaptive_avg_pool2d(masks, looks.shape[2:]))
    return torch.where(drawn, ratios, torch.nan)


def inside_over_outside(looks: Tensor, masks: Tensor) -> Tensor:
    """Of (..., h, w) the mean where masks in 0..1 of this shape are, over that elsewhere; NaN if nowhere."""
    inside, outside = ((looks * part).sum((-2, -1)) / part.sum((-2, -1)) for part in (masks, 1 - masks))
    return inside / outside


def looks_at(bench: Bench, prompts: Sequence[str], nouns: Tensor) -> tuple[Tensor, Tensor]:
    """Draw, and record the last attention of the finest level that has any, in the middle third of the steps.

    Args:
        bench: with the model.
        prompts: B of them.
        nouns: (B, K, L) bool, tokens of each whose attention is summed.

    Returns:
        The pictures, (B, 3, S, S) uint8, and (B, K, h, w), mean over steps and heads.
    """
    model, sampling = bench.drawer, bench.sampling
    denoise = model.denoiser(prompts=prompts, guidance_scale=sampling.guidance_scale)
    third = sampling.num_steps // 3
    how = {"sampler": sampling.sampler, "num_steps": sampling.num_steps}
    steps = walk(model, denoise, seed=SEED, num_images=len(prompts), **how)
    looks = []
    with recorded_attention(model.net) as maps:
        for number, step in enumerate(steps):
            if third <= number < sampling.num_steps - third:
                # Under guidance the prompts are the first half of the network's batch.
                looks.append(last_finest(maps)[: len(prompts)].float())
            maps.clear()
            x_0 = step.x_s
    shares = torch.stack(looks).mean(0)
    images = to_uint8(model.decode(x_0)).cpu()
    return images, torch.einsum("bkl,blhw->bkhw", nouns.float(), shares.cpu())


def noun_tokens(tokenizer: Tokenizer, text: str) -> Tensor:
    """(3, L) bool, by LOOKED_AT: the tokens of a prompt that have something of the noun for a part."""
    nouns = {each.name.kind: each.noun for each in asked(text).named}
    offsets = tokenizer.encode(text).offsets
    spans = [nouns.get(kind) or (0, 0) for kind in LOOKED_AT]
    return torch.tensor([[first < end and start < last for first, last in offsets] for start, end in spans])
