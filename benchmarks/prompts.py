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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import markdown_table
from benchmarks.gallery import BATCH_SIZE, SEED, SPACES, Found, Gallery, emoji_of, reconstructions, subset
from benchmarks.quality import (
    REFERENCE,
    binomial,
    fewest_steps,
    for_sampling,
    with_row,
)
from diffusion.data.emoji import LANGUAGES, EmojiSet
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_signed, to_uint8
from diffusion.films.quality_curves import load_curves, save_curves
from diffusion.films.samples import PROMPT_GUIDANCE
from diffusion.models.card import load_metrics, save_metrics
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.nets.autoencoder import psnr
from diffusion.process import draw_noise
from diffusion.samplers import sample, timesteps

NUM_DRAWN = {"cpu": 256, "cuda": None}  # of each set; None is all
NUM_PER_POINT = {"cpu": 64, "cuda": 512}  # of a curve
SAMPLER, NUM_STEPS = "dpm++2m", 20
STEPS = {sampler: (4, 8, 12, 20, 50) for sampler in ("ddpm", "ddim", "dpm++2m")}
GUIDANCE_SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)


class How(NamedTuple):
    """How pictures are drawn."""

    sampler: str
    num_steps: int
    guidance_scale: float

    def __str__(self) -> str:
        return f"{self.sampler}, {self.num_steps} steps, guidance {self.guidance_scale:g}"


@torch.no_grad()
def draw(model: Model, emoji: EmojiSet, chosen: Tensor, language: str, how: How) -> Tensor:
    """Draw emoji by their names, the i-th of the set from the noise of seed i (what DDPM adds: by batch).

    Args:
        model: a text model.
        emoji: the set.
        chosen: (B,) int64, which of them.
        language: of the names.
        how: sampler, steps, guidance.

    Returns:
        (B, C, H, W) uint8 pictures as they are shown, on the CPU.
    """
    pictures, steps = [], timesteps(model.schedule, how.num_steps)
    for batch, part in enumerate(tqdm(chosen.split(BATCH_SIZE), desc=f"{language}, {how}")):
        seeds = part.tolist()
        noise = [draw_noise((1, *model.sample_shape), torch.Generator().manual_seed(i)) for i in seeds]
        prompts = [emoji.names[language][i] for i in seeds]
        denoise = model.denoiser(prompts=prompts, guidance_scale=how.guidance_scale)
        walk = {"sampler": how.sampler, "generator": torch.Generator().manual_seed(SEED + batch)}
        for step in sample(denoise, model.schedule, torch.cat(noise).to(model.device), steps, **walk):
            x_0 = step.x_s
        pictures.append(to_uint8(model.decode(x_0)).cpu())
    return torch.cat(pictures)


@dataclass
class Bench:
    """What the parts share.

    Args:
        sampling: the model as pictures are drawn from it.
        gallery: the model measured, and the real emoji.
        options: of the command line.
        curves: what curves.json holds so far; steps and guidance add to it.
    """

    sampling: Model
    gallery: Gallery
    options: argparse.Namespace
    curves: dict[str, Any]

    @property
    def how(self) -> How:
        return How(SAMPLER, self.options.steps, self.options.guidance)

    @cached_property
    def few(self) -> Tensor:
        """Emoji that were trained on, for the points of a curve."""
        return subset(~self.gallery.emoji.held_out, self.options.num_per_point)

    def drawn(self, chosen: Tensor, language: str, how: How) -> Found:
        """The nearest real emoji to drawings of those at (B,) `chosen`."""
        return self.gallery.find(draw(self.sampling, self.gallery.emoji, chosen, language, how))

    def save_curves(self) -> None:
        """Write curves.json, with what holds for all of it."""
        self.curves["setting"] = {
            "data": self.gallery.emoji.title,
            "recognised": f"the nearest of {len(self.gallery.emoji.characters):,} emoji in the {SPACES[0]}",
            "language": "en",
            "seed": SEED,
            "precision": "float32" if self.sampling is self.gallery.model else "bfloat16",
            "steps": {"guidance_scale": self.options.guidance},
            "guidance": {"sampler": SAMPLER, "num_steps": self.options.steps},
        }
        save_curves(self.options.checkpoint, self.curves)


class Figure(NamedTuple):
    """One entry of metrics.json: its name, the setting that follows it there, and how it is found."""

    name: str
    setting: str
    measure: Callable[[], str]


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
        setting = f"{names}, {among}, {bench.how}, each from its own seed"
        name = f"{what} names recognised ({language})"
        yield Figure(name, setting, lambda language=language: shares(bench, chosen, language, skin_tone))


def shares(bench: Bench, chosen: Tensor, language: str, skin_tone: bool) -> str:
    """Draw, count, print; `skin_tone`: whether it counts in the figure that comes first."""
    gallery, found = bench.gallery, bench.drawn(chosen, language, bench.how)
    rows, texts = [], {}
    for space in SPACES:
        hits = {tone: hits_of(gallery.alike(language, tone), chosen, found, space) for tone in (True, False)}
        copied = gallery.copies(found, space)
        counted = [percent(hits[skin_tone]), percent(hits[not skin_tone]), percent(copied)]
        texts[space] = counted
        rows.append((f"{language}, {space}", len(chosen), *counted))
    other = "with its skin tone" if not skin_tone else "but for its skin tone"
    print(markdown_table(("nearest by", "names", "recognised", other, "copies of training pictures"), rows))
    (share, others, copies), (in_pixels, *_) = texts.values()
    return f"{share} in the {SPACES[0]}, {in_pixels} in pixels ({others} {other}, {copies} copied)"


def hits_of(alike: Tensor, chosen: Tensor, found: Found, space: str) -> Tensor:
    """(B,) whether the nearest emoji counts as the one that was named."""
    return alike[chosen] == alike[found[space][1]]


def percent(hits: Tensor) -> str:
    share, error = binomial(hits)
    return f"{share:.1%} ± {error:.1%}"


def point(bench: Bench, curve: str, names: tuple[str, ...], how: How) -> dict[str, Any]:
    """A point of a curve, which is written to curves.json at once; with --skip-known it may be there already.

    Args:
        bench: what is measured.
        curve: "steps" or "guidance".
        names: what differs from point to point.
        how: how its pictures are drawn.
    """
    chosen = bench.few
    rows, sought = bench.curves.get(curve, []), how._asdict() | {"num_samples": len(chosen)}
    known = [row for row in rows if row.items() >= sought.items()]
    if known and bench.options.skip_known:
        return known[0]
    found, alike = bench.drawn(chosen, "en", how), bench.gallery.alike("en", skin_tone=False)
    share, error = binomial(hits_of(alike, chosen, found, SPACES[0]))
    measured = sought | {"recognised": share, "recognised_error": error}
    bench.curves[curve] = with_row(rows, measured, names)
    bench.save_curves()
    return measured


def shown(row: dict[str, Any]) -> str:
    """A point's recognised share."""
    return f"{row['recognised']:.1%} ± {row['recognised_error']:.1%}"


def guidance(bench: Bench) -> Iterator[Figure]:
    """The recognised share against the guidance scale."""

    def measure() -> str:
        rows = []
        for scale in GUIDANCE_SCALES:
            how = bench.how._replace(guidance_scale=scale)
            rows.append(point(bench, "guidance", ("guidance_scale",), how))
        table = [(f"{row['guidance_scale']:g}", shown(row)) for row in rows]
        print(markdown_table(("guidance scale", "recognised"), table))
        best = max(rows, key=lambda row: row["recognised"])
        enough = best["recognised"] - best["recognised_error"]
        least = next(row for row in rows if row["recognised"] >= enough)
        return f"{least['guidance_scale']:g} ({shown(least)} recognised)"

    how = f"{SAMPLER}, {bench.options.steps} steps"
    yield Figure("least guidance within an error of the best", f"{len(bench.few)} names each, {how}", measure)


def steps(bench: Bench) -> Iterator[Figure]:
    """The recognised share against the number of steps, and the fewest that are as good as the reference."""

    def measure() -> str:
        points = [(sampler, number) for sampler in STEPS for number in STEPS[sampler]]
        rows = []
        for sampler, number in points:
            how = How(sampler, number, bench.options.guidance)
            rows.append(point(bench, "steps", ("sampler", "num_steps"), how))
        table = [(sampler, number, shown(row)) for (sampler, number), row in zip(points, rows)]
        print(markdown_table(("sampler", "steps", "recognised"), table), "\n")
        quality = {at: (row["recognised"], row["recognised_error"], 0.0) for at, row in zip(points, rows)}
        enough = {
            sampler: fewest_steps(quality, sampler) or f"over {STEPS[sampler][-1]}" for sampler in STEPS
        }
        return ", ".join(f"{sampler} {number}" for sampler, number in enough.items())

    setting = f"{len(bench.few)} names each, guidance {bench.options.guidance:g}"
    yield Figure(f"steps for as many recognised as {' '.join(map(str, REFERENCE))}", setting, measure)


def pictures(bench: Bench) -> Iterator[Figure]:
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
    part.__name__: part for part in (trained, held_out, guidance, steps, pictures)
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
    parser.add_argument("--guidance", type=float, default=PROMPT_GUIDANCE, help="scale; default: %(default)g")
    parser.add_argument("--steps", type=int, default=NUM_STEPS, help=f"of {SAMPLER}; default: %(default)s")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run, with commas; default: all")
    parser.add_argument("--skip-known", action="store_true", help="leave out what is measured already")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := sorted(set(options.only) - set(PARTS)):
        parser.error(f"--only knows {', '.join(PARTS)}, not {', '.join(unknown)}")
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
    curves = load_curves(options.checkpoint)
    return Bench(for_sampling(model), Gallery(model, emoji), options, curves)


def main(options: argparse.Namespace) -> None:
    bench = make_bench(options)
    for part in options.only:
        for name, setting, measure in PARTS[part](bench):
            known = load_metrics(options.checkpoint)
            if options.skip_known and str(known.get(name, "")).endswith(f"; {setting}"):
                continue
            figure = f"{measure()}; {setting}"
            save_metrics(options.checkpoint, bench.gallery.model, known | {name: figure})
            print(flush=True)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
