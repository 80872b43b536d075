"""Whether a text model draws what its prompt says: the drawings, and the whole script."""

import json
from dataclasses import dataclass, replace

import pytest
import torch

from benchmarks import drawing, gallery, prompts
from benchmarks.figures import binomial, percent
from benchmarks.gallery import Gallery, emoji_of
from benchmarks.samples import Sampling
from diffusion import LatentModel, save_model
from diffusion.data.emoji import LANGUAGES
from diffusion.data.images import to_signed, to_uint8
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.film import run_sampler
from diffusion.films.quality_curves import load_curves
from diffusion.models.folder import CheckpointError


@dataclass(frozen=True, eq=False, kw_only=True)
class Perfect(LatentModel):
    """Draws from each name the latent of the picture that `answers` has for it."""

    answers: dict

    def denoiser(self, *, prompts, **_):
        latents = torch.stack([self.answers[prompt] for prompt in prompts])
        return lambda x_t, t: latents


def perfect(model: LatentModel, emoji, shift: int = 0, language: str = "en") -> Perfect:
    """With the latent of the emoji itself, or of the one `shift` places further on."""
    latents = model.encode(to_signed(emoji.images)).roll(-shift, 0)
    own = {name: getattr(model, name) for name in LatentModel.__dataclass_fields__}
    return Perfect(**own, answers=dict(zip(emoji.names[language], latents)))


def script(folder, *flags: str) -> tuple[dict, dict]:
    """Run it with few names; what metrics.json and curves.json hold then."""
    few_names = ["--num", "6", "--num-per-point", "3", "--steps", "2"]
    prompts.main(prompts.parse_arguments([str(folder), *few_names, *flags]))
    return json.loads((folder / "metrics.json").read_text("utf-8")), load_curves(folder)


# What is drawn


def near(one, other) -> bool:
    """The same picture, up to the rounding of a batch of another size."""
    return (one.int() - other.int()).abs().max() <= 1


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
def test_each_name_is_drawn_from_the_noise_of_its_own_number(few, emoji_model, sampler):
    how = Sampling(sampler, 2, 3.0)
    pair = prompts.draw(emoji_model, few, torch.tensor([9, 4]), "ko", how)
    assert near(prompts.draw(emoji_model, few, torch.tensor([4]), "ko", how)[0], pair[1])
    settings = {"num_steps": 2, "sampler": sampler, "prompts": [few.names["ko"][9]], "guidance_scale": 3.0}
    for step, _ in run_sampler(emoji_model, seed=9, num_images=1, **settings):  # noqa: B007
        pass
    assert near(to_uint8(emoji_model.decode(step.x_s))[0], pair[0])
    assert not near(prompts.draw(emoji_model, few, torch.tensor([9]), "en", how)[0], pair[0])


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)], ids=["perfect", "always the next one"])
def test_a_network_that_always_draws_the_right_one_is_recognised_and_another_is_not(
    few, emoji_model, shift, expected
):
    drawer, known = perfect(emoji_model, few, shift), Gallery(emoji_model, few)
    chosen = torch.arange(len(few.characters))
    found = known.find(prompts.draw(drawer, few, chosen, "en", Sampling("ddim", 2, 1.0)))
    for space in gallery.SPACES:
        hits = prompts.hits_of(known.alike("en", True), chosen, found, space)
        assert hits.float().mean().item() == pytest.approx(expected, abs=0.04)
    options = prompts.parse_arguments(["x", "--steps", "2"])
    bench = prompts.Bench(drawer, known, options)
    text = prompts.shares(bench, chosen, "en", skin_tone=True)
    assert text.startswith(percent(*binomial(hits))) or expected == 0 and text.startswith("0.0%")


# The script


@pytest.fixture
def folder(emoji_model, tmp_path):
    save_model(tmp_path / "em", emoji_model)
    return tmp_path / "em"


def test_the_script_writes_figures_curves_and_the_card(folder, few, capsys, monkeypatch):
    points = {"ddpm": (4,), "ddim": (4, 50), "dpm++2m": (4, 8)}
    monkeypatch.setattr(prompts, "STEPS", points)
    metrics, curves = script(folder, "--languages", "en", "ko", "fa")
    held_out = int(few.held_out.sum())
    all_, trained = len(few.characters), len(few.characters) - held_out
    for language in ("en", "ko", "fa"):
        figure = metrics[f"trained names recognised ({language})"]
        assert f"; 6 random ones of {trained} names, nearest of {all_} emoji, dpm++2m, 2 steps" in figure
        assert f"6 random ones of {held_out} names" in metrics[f"held-out names recognised ({language})"]
    assert metrics["PSNR of the autoencoder"].endswith(f" dB; {held_out} held-out pictures")
    assert [row["guidance_scale"] for row in curves["guidance"]] == list(prompts.GUIDANCE_SCALES)
    assert [(row["sampler"], row["num_steps"]) for row in curves["steps"]] == [
        (sampler, number) for sampler in sorted(points) for number in points[sampler]
    ]
    for row in curves["guidance"] + curves["steps"]:
        assert row["num_samples"] == 3 and 0 <= row["recognised"] <= 1
    card = (folder / "README.md").read_text("utf-8")
    assert all(f"- {name}: {figure}" in card for name, figure in metrics.items())
    out = capsys.readouterr().out
    assert "| fa, pixels | 6 |" in out and "| guidance scale | recognised |" in out


def test_what_is_known_is_not_measured_again(folder, monkeypatch):
    only = ("--only", "trained,guidance", "--languages", "en", "--skip-known")
    monkeypatch.setattr(prompts, "GUIDANCE_SCALES", (1.0, 2.0))
    (folder / "metrics.json").write_text('{"bits/dim": "2"}')
    drawn, draw = [], prompts.draw
    monkeypatch.setattr(prompts, "draw", lambda *args: drawn.append(args[-1]) or draw(*args))
    first = script(folder, *only)
    assert len(drawn) == 3 and first[0]["bits/dim"] == "2"
    assert script(folder, *only) == first and len(drawn) == 3
    script(folder, *only, "--num", "5")
    assert len(drawn) == 4 and drawn[-1] == Sampling("dpm++2m", 2, 3.0)
    monkeypatch.setattr(prompts, "GUIDANCE_SCALES", (1.0, 2.0, 4.0))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    metrics.pop("least guidance within an error of the best")
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert len(script(folder, *only, "--num", "5")[1]["guidance"]) == 3 and len(drawn) == 5


def test_other_models_are_refused(tiny_model, emoji_model, tmp_path, few):
    save_model(tmp_path / "tiny", tiny_model)
    with pytest.raises(CheckpointError, match="tiny is not a text model that was trained on emoji"):
        script(tmp_path / "tiny")
    with pytest.raises(CheckpointError, match="em is not a text model that was trained on emoji"):
        emoji_of(replace(emoji_model, about={}), None)


def test_drawing_is_timed(few, emoji_model, tmp_path, capsys):
    save_model(tmp_path, emoji_model)
    save_atlas(tmp_path, few)
    drawing.main(drawing.parse_arguments([str(tmp_path), "--steps", "2", "--repeats", "1"]))
    out = capsys.readouterr().out
    assert "| the film, 2 steps, guidance 3 |" in out and "| its first frame |" in out
    assert "| the picture alone, 2 steps, guidance 3 |" in out and "| the same in bf16 |" in out
    for wrong in (["--steps", "0"], ["--steps", "101"], ["--repeats", "0"]):
        with pytest.raises(SystemExit):
            drawing.parse_arguments(["x", *wrong])


def test_arguments(capsys):
    options = prompts.parse_arguments(["x"])
    assert (options.num, options.num_per_point, options.languages) == (256, 64, ["en", "ko"])
    assert prompts.parse_arguments(["x", "--device", "cuda"]).num is None
    assert set(prompts.parse_arguments(["x", "--languages", *LANGUAGES]).languages) == set(LANGUAGES)
    for wrong in (
        ["--only", "speed"],
        ["--languages", "xx"],
        ["--num", "-1"],
        ["--num", "0"],
        ["--num-per-point", "0"],
        ["--steps", "0"],
    ):
        with pytest.raises(SystemExit):
            prompts.parse_arguments(["x", *wrong])
