"""A GAN beside a diffusion network: both histories for the page, and in words what came out."""

from statistics import mean
from typing import Any

from diffusion.films.beside import METHODS, Beside, load_beside
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.files import address_of, in_a_file
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.text import labels

KEPT = 0.9  # of the best share of a run that is recognised: with as much in the end, nothing was lost
LEFT = 0.5  # of the pictures that were recognised as a class when a run was best: with fewer, it is lost


def of_all(beside: Beside, method: str, figure: str) -> float:
    """The mean of a method's runs, in the end."""
    return mean(run["moments"][-1][figure] for run in beside.info["runs"] if run["method"] == method)


def is_stable(run: dict[str, Any]) -> bool:
    """Whether a run has lost neither what it was once able to, nor a class."""
    rows, last = run["moments"], run["moments"][-1]
    best = max(rows, key=lambda row: row["recognised"])
    kept = all(now >= LEFT * then for now, then in zip(last["counts"], best["counts"]))
    return kept and last["recognised"] >= KEPT * best["recognised"]


def outcome(beside: Beside) -> str:
    """What came out: the figures of the end, and whether the GAN was stable."""
    info, text = beside.info, labels()
    figures = {
        f"{method}_{figure}": f"{of_all(beside, method, figure):{form}}"
        for method in METHODS
        for figure, form in (("recognised", ".0%"), ("frechet", ".1f"))
    }
    gans = [run for run in info["runs"] if run["method"] == "gan"]
    real = f"{info['real']['frechet']:.1f}"
    told = text["beside_outcome"].format(**figures, real=real, count=len(gans))
    lost = sum(not is_stable(run) for run in gans)
    stable = "beside_unstable" if lost else "beside_stable"
    return f"{told} {text[stable].format(lost=lost, count=len(gans))}"


def cost(beside: Beside) -> str:
    """What a picture costs either of them."""
    calls, seconds = beside.info["calls"], beside.info["seconds"]
    ratio = seconds["diffusion"] / seconds["gan"]
    return labels()["beside_cost"].format(
        gan=calls["gan"],
        diffusion=calls["diffusion"],
        gan_seconds=f"{seconds['gan']:.3g}",
        diffusion_seconds=f"{seconds['diffusion']:.3g}",
        ratio=f"{ratio:,.0f}",
    )


def beside_message(beside: Beside) -> dict[str, Any]:
    """All runs for the page, each with the address of its samples' picture."""
    info, text = beside.info, labels()
    said = {
        "minutes": f"{info['minutes']:g}",
        "seeds": len(info["runs"]) // len(METHODS),
        "samples": info["num_samples"],
        "images": f"{min(run['moments'][-1]['images_seen'] for run in info['runs']):,}",
        "error": f"{50 / info['num_samples'] ** 0.5:.1f}",  # of a half, the largest
        **{method: f"{round(info['parameters'][method], -4):,}" for method in METHODS},
    }
    sprites = [address_of(sprite, "webp") for sprite in beside.sprites]
    return {
        "lead": text["beside_lead"].format(**said),
        "outcome": outcome(beside),
        "cost": cost(beside),
        "note": text["beside_note"].format(**said),
        **{name: info[name] for name in ("minutes", "image_shape", "num_images", "num_samples", "real")},
        "runs": [run | {"sprite": sprite} for run, sprite in zip(info["runs"], sprites)],
    }


def build() -> None:
    """Lay it out inside the current gr.Blocks, if the histories are there."""
    beside = load_beside()
    if beside is None:
        return
    text = labels()
    seeds = sorted({run["seed"] for run in beside.info["runs"]})
    radio = '<label><input type="radio" name="[[id]]-seed" value="{}"{}> {}</label>'
    chosen = [radio.format(seed, " checked" if seed == seeds[0] else "", seed) for seed in seeds]
    parts = {
        "slider": text["beside_slider"],
        "position": text["moment"],
        "seeds": "\n".join(chosen),
    }
    Scrubber("beside", in_a_file(beside_message(beside)), [animation], parts)
