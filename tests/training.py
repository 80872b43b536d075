"""Training small enough for tests: an MNIST of a few digits, and `train.py` with a network of a few weights.

    python tests/training.py mnist --data-dir DIR --out DIR …

takes train.py's arguments. With PAUSE_AT=N in its environment it stops inside the step that reaches N
images until the file `go` stands in the output folder.
"""

import gzip
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
TINY = {"channel_mult": (1,), "attention_levels": (), "batch_size": 8, "total_images": 160}
TINY_EMOJI = {"image_size": 16, "skin_tones": False, "text_width": 64, "text_layers": 1}
TINY_EMOJI |= {"attention_levels": (0,)}  # of diffusion: what is conditioned on text attends to it
NUM_EMOJI, NUM_HELD_OUT = 64, 8


def write_idx(file: Path, values: np.ndarray) -> None:
    """(…,) uint8 as a gzipped IDX file."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    file.write_bytes(gzip.compress(header + values.tobytes()))


def write_mnist(data_dir: Path, num_train: int = 60, num_test: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """An MNIST of blots as torchvision leaves it; returns the training images and labels."""
    folder = data_dir / "MNIST/raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, number in (("t10k", num_test), ("train", num_train)):
        images = np.zeros((number, 28, 28), np.uint8)
        images[:, 8:20, 8:20] = random.integers(0, 256, (number, 12, 12))
        labels = (np.arange(number) % 10).astype(np.uint8)
        write_idx(folder / f"{split}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte.gz", labels)
    return images, labels


def few_emoji(all_names: Callable[[], dict[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """The names of NUM_EMOJI emoji, NUM_HELD_OUT of them held out, in the form of `emoji_names`."""
    from diffusion.data.emoji import SKIN_TONES, held_out_emoji

    names = all_names()
    plain = [character for character in names["en"] if not set(character) & set(SKIN_TONES)]
    held_out = [character for character in plain if character in held_out_emoji()][:NUM_HELD_OUT]
    trained = [character for character in plain if character not in held_out_emoji()]
    chosen = held_out + trained[:: len(trained) // NUM_EMOJI][: NUM_EMOJI - NUM_HELD_OUT]
    return {language: {c: known[c] for c in chosen} for language, known in names.items()}


def tiny(preset):
    """The preset with next to no weights, images and steps."""
    from diffusion.training.config import PixelDiffusionSettings, with_settings

    small = with_settings(preset, TINY)
    return small if isinstance(preset.stage, PixelDiffusionSettings) else with_settings(small, TINY_EMOJI)


def shrink(patch) -> None:
    """Make train.py's presets tiny and its saves frequent; `patch` is setattr, or undoes itself."""
    import diffusion.data.emoji
    import diffusion.films.samples
    import diffusion.models.model
    import diffusion.training.command_line
    import diffusion.training.presets
    import train

    presets = {k: tiny(preset) for k, preset in diffusion.training.presets.PRESETS.items()}
    all_names = diffusion.data.emoji.emoji_names
    patch(diffusion.data.emoji, "emoji_names", lambda: few_emoji(all_names))
    for module in (diffusion.training.presets, diffusion.training.command_line):
        patch(module, "PRESETS", presets)
    patch(train, "FIRST_SAVE_SECONDS", 0)
    patch(train, "SAVE_SECONDS", 0)
    patch(train, "MAX_SAVING", float("inf"))
    patch(train, "SPEED_SECONDS", 0.2)
    patch(diffusion.models.model, "USUAL_STEPS", 2)
    for name in ("GRID_ROWS", "GRID_COLUMNS"):
        patch(diffusion.films.samples, name, 2)


def environment(**extra: str) -> dict[str, str]:
    """For a subprocess: one thread, so that sums do not depend on the machine, and no Hub of the user's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | extra


def pause_at(images_seen: int, go: Path) -> None:
    """Let the step that reaches this many images wait for a file."""
    import train

    step = train.Run.step

    def step_and_wait(run: train.Run):
        loss = step(run)
        if run.images_seen == images_seen:
            print("paused", flush=True)
            while not go.exists():
                time.sleep(0.02)
        return loss

    train.Run.step = step_and_wait


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import train

    shrink(setattr)
    if "PAUSE_AT" in os.environ:
        pause_at(int(os.environ["PAUSE_AT"]), train.parse_config().out / "go")
    sys.exit(train.main())
