"""What comes back of a picture: rebuilt from several t, and through its own noise.

    python -m benchmarks.rebuild checkpoints/mnist checkpoints/cats --data-dir data

Prints two tables for each checkpoint, over held-out pictures: MNIST's test digits, or cats that were never
trained on. How far a rebuilt picture is from the one that was ruined up to t (SDEdit); and how far it is
after DDIM was run forwards to its code and back, over the number of steps, with what its code is like.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common import markdown_table
from benchmarks.typical import as_of, mixed
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_uint8
from diffusion.data.sources import load_data
from diffusion.devices import best_device
from diffusion.films.film import walk
from diffusion.inversion import invert, neighbour_correlation
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.noise import draw_noise
from diffusion.process import q_sample
from diffusion.samplers import timesteps

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of T
STEPS = 12  # of a walk back, as on the page
INVERSION_STEPS = (10, 20, 50, 100)
CORRECTIONS = (0, 1)  # of each step there
BATCH = 8


def grey_levels_off(x: Tensor, x_0: Tensor) -> Tensor:
    """(B, C, H, W) each → (B,) root mean square difference in grey levels of 255, as they are shown."""
    difference = to_uint8(x).double() - to_uint8(x_0).double()
    return difference.square().flatten(1).mean(1).sqrt().cpu()


def rebuilt(model: Model, x_0: Tensor, share: float) -> Tensor:
    """How far pictures are that were ruined up to this share of T and rebuilt, each with its own noise."""
    start = round(share * model.schedule.num_timesteps)
    noise = draw_noise(x_0.shape, torch.Generator().manual_seed(0)).to(x_0)
    x_t = q_sample(model.schedule, x_0, torch.full((len(x_0),), start, device=x_0.device), noise)
    *_, step = walk(model, model.denoiser(), x_T=x_t, start=start, num_steps=min(STEPS, start))
    return grey_levels_off(step.x_s, x_0)


def there_and_back(model: Model, x_0: Tensor, num_steps: int, corrections: int) -> dict[str, Tensor]:
    """Of each picture how far it is after its code was found and followed back, and what the code is like."""
    denoise = model.denoiser()
    steps = timesteps(model.schedule, num_steps)[::-1]
    *_, rise = invert(denoise, model.schedule, x_0, steps, corrections=corrections)
    code = rise.x_t
    *_, step = walk(model, denoise, x_T=code, num_steps=num_steps, sampler="ddim")
    return {
        "grey levels off": grey_levels_off(step.x_s, x_0),
        "mean of the code": code.flatten(1).mean(1).cpu(),
        "variance": code.flatten(1).var(1).cpu(),
        "correlation of neighbours": neighbour_correlation(code).cpu(),
    }


def said(values: Tensor) -> str:
    """A mean with its standard error."""
    return f"{values.mean():.3g} ± {values.std() / len(values) ** 0.5:.1g}"


def in_batches(x_0: Tensor, measure: Callable[[Tensor], Tensor]) -> str:
    return said(torch.cat([measure(batch) for batch in x_0.split(BATCH)]))


def report(model: Model, options: argparse.Namespace) -> None:
    """Print a checkpoint's tables."""
    data = model.cats.held_out() if model.cats else load_data("mnist", options.data_dir, train=False)
    x_0 = as_of(model, mixed(data.images, options.number)).to(model.device)
    shares = [f"{share:.0%} of T" for share in SHARES]
    row = [in_batches(x_0, lambda batch, share=share: rebuilt(model, batch, share)) for share in SHARES]
    print(f"\n{model.name}, {len(x_0)} held-out pictures\n")
    print(markdown_table(("ruined up to", *shares), [("grey levels off", *row)]), flush=True)
    rows = [row for corrections in CORRECTIONS for row in inversion_rows(model, x_0, corrections)]
    print()
    print(markdown_table(("steps there, and back", *INVERSION_STEPS), rows), flush=True)


def inversion_rows(model: Model, x_0: Tensor, corrections: int) -> list[tuple[str, ...]]:
    """Of the second table those with so many corrections of each step."""
    columns = []
    for num_steps in INVERSION_STEPS:
        parts = [there_and_back(model, batch, num_steps, corrections) for batch in x_0.split(BATCH)]
        columns.append({name: said(torch.cat([part[name] for part in parts])) for name in parts[0]})
    how = f", corrected {corrections}×" if corrections else ""
    return [(name + how, *(column[name] for column in columns)) for name in columns[0]]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="checkpoints of MNIST or of cats")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is")
    parser.add_argument("--number", type=int, default=32, help="pictures")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse_arguments()
    try:
        for folder in options.folders:
            report(load_folder(folder).to(best_device()), options)
    except (CheckpointError, DataError, OSError) as error:
        sys.exit(f"benchmarks.rebuild: {error}")


if __name__ == "__main__":
    main()
