"""Whether a text model draws what its prompt says: the emoji whose names it is given, found again.

    python -m benchmarks.prompts checkpoints/emoji-mini
    python -m benchmarks.prompts checkpoints/emoji-mini --num 2000 --languages en ko ja
    python -m benchmarks.prompts checkpoints/emoji --device cuda --emoji-font data/NotoColorEmoji.ttf

Each name is drawn from a noise of its own, and of all real emoji, trained on or held out, the nearest one
is looked for: among their latents (the picture as it is shown, 8 bits, is encoded again) and among their
pixels. It should be the one that was named. Emoji with the same picture, or the same name, count as one.
Prints a Markdown table for each part, writes the figures into the model's metrics.json and curves.json
(others stay there) and renews its model card. All is kept as soon as it is measured: the same command with
--skip-known continues where an interrupted one stopped. The parts:

    trained    names of emoji that were trained on; which skin tone was drawn does not matter
    held_out   names of combinations that were kept from training; here the skin tone does matter, for
               many of them are a tone that is new to a known emoji. And whether a picture of the training
               was drawn instead
    guidance   the recognised share against the guidance scale
    steps      the recognised share against the number of steps of each sampler
    pictures   how well held-out emoji come back through the autoencoder alone, which bounds all of this

A drawing is a copy if the nearest real emoji was trained on and is no further than twice as far
as the autoencoder's own reconstructions are from their originals, in the median: as near as a picture that
the network knows by heart comes back. The same share of the trained names tells how often that finds one.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import markdown_table, names_in
from benchmarks.curves import REFERENCE, Curves, Row, enough_steps, share_of
from benchmarks.figures import Figure, binomial, keep, percent
from benchmarks.gallery import BATCH_SIZE, SPACES, Found, Gallery, emoji_of, reconstructions, subset
from benchmarks.samples import HEADLINE, SEED, Sampling, for_sampling, pictures
from diffusion.data.emoji import LANGUAGES, EmojiSet
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_signed
from diffusion.films.samples import EMOJI_GUIDANCE
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import LatentModel
from diffusion.nets.autoencoder import psnr
from diffusion.noise import draw_noise, fresh_noise

NUM_DRAWN = {"cpu": 256, "cuda": None}  # of each set; None is all
NUM_PER_POINT = {"cpu": 64, "cuda": 512}  # of a curve
STEPS = {sampler: (4, 8, 12, 20, 50) for sampler in ("ddpm", "ddim", "dpm++2m")}
GUIDANCE_SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


def draw(model: LatentModel, emoji: EmojiSet, chosen: Tensor, language: str, sampling: Sampling) -> Tensor:
    """Draw emoji by their names, the i-th of the set as it is drawn alone, from seed i.

    Args:
        model: to draw with.
        emoji: the set.
        chosen: (B,) int64, which of them.
        language: of the names.
        sampling: sampler, steps, guidance.

    Returns:
        (B, C, H, W) uint8 pictures as they are shown, on the CPU.
    """
    parts, alone = [], (1, *model.sample_shape)
    for part in tqdm(chosen.split(BATCH_SIZE), desc=f"{language}, {sampling}"):
        seeds = part.tolist()
        x_T = torch.cat([draw_noise(alone, torch.Generator().manual_seed(i)) for i in seeds])
        prompts = [emoji.names[language][i] for i in seeds]
        denoise = model.denoiser(prompts=prompts, guidance_scale=sampling.guidance_scale)
        noise = partial(_noise_of_each, seeds, alone)
        parts.append(pictures(model, denoise, sampling, x_T=x_T, noise=noise))
    return torch.cat(parts)


def _noise_of_each(seeds: list[int], shape: Sequence[int], t: int) -> Tensor:
    """`fresh_noise` of several seeds, one after the other."""
    return torch.cat([fresh_noise(seed, shape, t) for seed in seeds])


@dataclass
class Bench:
    """What the parts share.

    Args:
        drawer: the model as pictures are drawn from it.
        gallery: the model measured, and the real emoji.
        options: of the command line.
    """

    drawer: LatentModel
    gallery: Gallery
    options: argparse.Namespace

    @property
    def sampling(self) -> Sampling:
        return Sampling(HEADLINE.sampler, self.options.steps, self.options.guidance)

    @cached_property
    def few(self) -> Tensor:
        """Emoji that were trained on, for the points of a curve."""
        return subset(~self.gallery.emoji.held_out, self.options.num_per_point)

    def drawn(self, chosen: Tensor, language: str, sampling: Sampling) -> Found:
        """The nearest real emoji to drawings of those at (B,) `chosen`."""
        return self.gallery.find(draw(self.drawer, self.gallery.emoji, chosen, language, sampling))

    @cached_property
    def curves(self) -> Curves:
        """What curves.json holds so far; steps and guidance add to it."""
        return Curves(self.options.checkpoint, self.about_curves, self.options.skip_known)

    def about_curves(self) -> dict[str, Any]:
        """What holds for all of them."""
        setting = {
            "data": self.gallery.emoji.title,
            "recognised": f"the nearest of {len(self.gallery.emoji.characters):,} emoji in the {SPACES[0]}",
            "language": "en",
            "seed": SEED,
            "precision": "float32" if self.drawer is self.gallery.model else "bfloat16",
            "steps": {"guidance_scale": self.options.guidance},
            "guidance": {"sampler": HEADLINE.sampler, "num_steps": self.options.steps},
        }
        return {"setting": setting}


def trained(bench: Bench) -> Iterator[Figure]:
    """Names that were trained on."""
    return recognised(bench, "trained", ~bench.gallery.emoji.held_out, skin_tone=False)


def held_out(bench: Bench) -> Iterator[Figure]:
    """Names of combinations that were not."""
    return recognised(bench, "held-out", bench.gallery.held_out, skin_tone=True)


def recognised(bench: Bench, what: str, mask: Tensor, skin_tone: bool) -> Iterator[Figure]:
    """For each language, how many of the names at (N,) `mask` are drawn so that they are found again."""
    chosen = subset(mask, bench.options.num)
    if not len(chosen):
        return
    total = int(mask.sum())
    names = f"{total:,} names" if len(chosen) == total else f"{len(chosen):,} random ones of {total:,} names"
    among = f"nearest of {len(mask):,} emoji"
    for language in bench.options.languages:
        setting = f"{names}, {among}, {bench.sampling}, each from its own seed"
        name = f"{what} names recognised ({language})"
        yield Figure(name, setting, partial(shares, bench, chosen, language, skin_tone))


def shares(bench: Bench, chosen: Tensor, language: str, skin_tone: bool) -> str:
    """Draw, count, print; `skin_tone`: whether it counts in the figure that comes first."""
    gallery, found = bench.gallery, bench.drawn(chosen, language, bench.sampling)
    rows, texts = [], {}
    for space in SPACES:
        hits = {tone: hits_of(gallery.alike(language, tone), chosen, found, space) for tone in (True, False)}
        copied = gallery.copies(found, space)
        counted = [percent(*binomial(each)) for each in (hits[skin_tone], hits[not skin_tone], copied)]
        texts[space] = counted
        rows.append((f"{language}, {space}", len(chosen), *counted))
    other = "with its skin tone" if not skin_tone else "but for its skin tone"
    print(markdown_table(("nearest by", "names", "recognised", other, "copies of training pictures"), rows))
    (share, others, copies), (in_pixels, *_) = texts.values()
    return f"{share} in the {SPACES[0]}, {in_pixels} in pixels ({others} {other}, {copies} copied)"


def hits_of(alike: Tensor, chosen: Tensor, found: Found, space: str) -> Tensor:
    """(B,) whether the nearest emoji counts as the one that was named."""
    return alike[chosen] == alike[found[space][1]]


def point(bench: Bench, curve: str, names: tuple[str, ...], sampling: Sampling) -> Row:
    """A point of a curve, in which the keys `names` differ from point to point."""

    def measure() -> Row:
        found, alike = bench.drawn(bench.few, "en", sampling), bench.gallery.alike("en", skin_tone=False)
        share, error = binomial(hits_of(alike, bench.few, found, SPACES[0]))
        return {"recognised": share, "recognised_error": error}

    return bench.curves.point(curve, names, sampling._asdict() | {"num_samples": len(bench.few)}, measure)


def guidance(bench: Bench) -> Iterator[Figure]:
    """The recognised share against the guidance scale."""
    setting = f"{len(bench.few)} names each, {HEADLINE.sampler}, {bench.options.steps} steps"
    yield Figure("least guidance within an error of the best", setting, partial(least_guidance, bench))


def least_guidance(bench: Bench) -> str:
    """Draw with every scale, print; the least that is not worse than the best by more than an error."""
    rows = []
    for scale in GUIDANCE_SCALES:
        sampling = bench.sampling._replace(guidance_scale=scale)
        rows.append(point(bench, "guidance", ("guidance_scale",), sampling))
    table = [(f"{row['guidance_scale']:g}", share_of(row)) for row in rows]
    print(markdown_table(("guidance scale", "recognised"), table))
    best = max(rows, key=lambda row: row["recognised"])
    enough = best["recognised"] - best["recognised_error"]
    least = next(row for row in rows if row["recognised"] >= enough)
    return f"{least['guidance_scale']:g} ({share_of(least)} recognised)"


def steps(bench: Bench) -> Iterator[Figure]:
    """The recognised share against the number of steps, and the fewest that are as good as the reference."""
    setting = f"{len(bench.few)} names each, guidance {bench.options.guidance:g}"
    name = f"steps for as many recognised as {' '.join(map(str, REFERENCE))}"
    yield Figure(name, setting, partial(fewest, bench))


def fewest(bench: Bench) -> str:
    """Draw with every sampler and number of steps, print; the fewest of each that are enough."""
    rows = []
    for sampler in STEPS:
        for number in STEPS[sampler]:
            sampling = Sampling(sampler, number, bench.options.guidance)
            rows.append(point(bench, "steps", ("sampler", "num_steps"), sampling))
    table = [(row["sampler"], row["num_steps"], share_of(row)) for row in rows]
    print(markdown_table(("sampler", "steps", "recognised"), table), "\n")
    return ", ".join(f"{sampler} {number}" for sampler, number in enough_steps(rows).items())


def reconstructed(bench: Bench) -> Iterator[Figure]:
    """How well the autoencoder brings back held-out pictures."""
    gallery, chosen = bench.gallery, subset(bench.gallery.held_out)

    def measure() -> str:
        images = gallery.emoji.images[chosen]
        values = psnr(to_signed(images), to_signed(reconstructions(gallery.model, images)))
        figure = f"{values.mean():.2f} ± {values.std() / len(values) ** 0.5:.2f} dB"
        print(markdown_table(("held-out pictures", "PSNR"), [(len(chosen), figure)]))
        return figure

    if len(chosen):
        yield Figure("PSNR of the autoencoder", f"{len(chosen)} held-out pictures", measure)


PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "trained": trained,
    "held_out": held_out,
    "guidance": guidance,
    "steps": steps,
    "pictures": reconstructed,
}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, help="the folder of a text model")
    parser.add_argument("--emoji-font", type=Path, help="NotoColorEmoji.ttf, where it is not installed")
    parser.add_argument("--device", choices=NUM_DRAWN, default="cpu", help="default: cpu")
    parser.add_argument("--num", type=int, help="names per set and language; default: 256, with cuda all")
    parser.add_argument("--num-per-point", type=int, help="of a curve; default: 64 names, with cuda 512")
    spoken = {"choices": LANGUAGES, "default": ["en", "ko"]}
    parser.add_argument("--languages", nargs="+", **spoken, help="of the names; default: en ko")
    parser.add_argument("--guidance", type=float, default=EMOJI_GUIDANCE, help="scale; default: %(default)g")
    of_sampler = f"of {HEADLINE.sampler}; default: %(default)s"
    parser.add_argument("--steps", type=int, default=HEADLINE.num_steps, help=of_sampler)
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, with commas; default: all")
    parser.add_argument("--skip-known", action="store_true", help="leave out what is measured already")
    options = parser.parse_args(arguments)
    options.only = names_in(parser, options.only, PARTS)
    if options.num is None:
        options.num = NUM_DRAWN[options.device]
    if options.num_per_point is None:
        options.num_per_point = NUM_PER_POINT[options.device]
    if min(1 if options.num is None else options.num, options.num_per_point, options.steps) < 1:
        parser.error("--num, --num-per-point and --steps must be at least 1")
    return options


def make_bench(options: argparse.Namespace) -> Bench:
    """Load the model and its emoji. Raises as `emoji_of` does."""
    model = load_folder(options.checkpoint, options.device)
    emoji = emoji_of(model, options.emoji_font)
    return Bench(for_sampling(model), Gallery(model, emoji), options)


def main(options: argparse.Namespace) -> None:
    bench = make_bench(options)
    figures = (figure for part in options.only for figure in PARTS[part](bench))
    keep(options.checkpoint, bench.gallery.model, figures, options.skip_known)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
