"""What an earlier version wrote, in tests/fixtures: it loads, draws the same, and a begun run goes on.

`classes`, `plain` and `text` (in shards) are models in float16, `autoencoder` and `text-encoder` the parts of
a latent model, `run-pixels` and `run-autoencoder` the states of runs after 32 of 64 images, without bf16.
What they gave then is in outputs.safetensors and runs.json; settings.json holds what the state of each
preset's run held.
"""

import json

import pytest
import safetensors.torch
import torch
import training
from conftest import ROOT

import train
from diffusion import draw_noise, linear_schedule, load_model, sample, timesteps
from diffusion.films.film import run_sampler
from diffusion.models.trained_parts import load_autoencoder, load_text_encoder
from diffusion.nets.text_encoder import encode_prompts
from diffusion.training.command_line import parse_config
from diffusion.training.config import default_settings, fixed_settings
from diffusion.training.data import load_training_data
from diffusion.training.presets import PRESETS
from diffusion.training.run_state import other_settings

FIXTURES = ROOT / "tests/fixtures"
EXPECTED = safetensors.torch.load_file(FIXTURES / "outputs.safetensors")
DIGITS = torch.tensor([3, 8])
PROMPTS = ["red heart", "고양이"]


def drawn(name: str, **how) -> torch.Tensor:
    model = load_model(FIXTURES / name)
    steps = run_sampler(model, seed=3, num_images=2, num_steps=4, **how)
    return model.decode([step for step, _ in steps][-1].x_s)


@pytest.mark.parametrize(
    ("key", "how"),
    [
        ("classes", {"class_labels": DIGITS}),
        ("classes cosine to linear", {"class_labels": DIGITS, "schedule": linear_schedule()}),
        ("plain", {"sampler": "ddim"}),
        ("text", {"prompts": PROMPTS, "guidance_scale": 3.0}),
        ("text without a prompt", {}),
    ],
)
def test_a_model_draws_what_it_drew(key, how):
    assert torch.allclose(drawn(key.split()[0], **how), EXPECTED[key], atol=1e-3)


def test_a_guided_model_draws_what_it_drew_of_the_same_noise():
    """DDPM's z went on with the generator of x_T then; now it has streams of its own."""
    model, generator = load_model(FIXTURES / "classes"), torch.Generator().manual_seed(3)
    x_T = draw_noise((2, *model.sample_shape), generator)
    denoise = model.denoiser(class_labels=DIGITS, guidance_scale=2.0)

    def z(_: int) -> torch.Tensor:
        return draw_noise(x_T.shape, generator)

    steps = timesteps(model.schedule, 4)
    *_, last = sample(denoise, model.schedule, x_T, steps, sampler="ddpm", noise=z)
    assert torch.allclose(model.decode(last.x_s), EXPECTED["classes guided"], atol=1e-3)


def test_the_parts_of_a_latent_model_answer_as_they_did():
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(7)) * 2 - 1
    latents = load_autoencoder(FIXTURES / "autoencoder").encode(images)
    assert torch.allclose(latents, EXPECTED["autoencoder"], atol=1e-3)
    encoder, tokenizer = load_text_encoder(FIXTURES / "text-encoder")
    vectors = encoder(encode_prompts(tokenizer, PROMPTS))
    assert torch.allclose(vectors, EXPECTED["text-encoder"], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "preset"), [("run-pixels", "mnist"), ("run-autoencoder", "emoji-mini-autoencoder")]
)
def test_a_begun_run_goes_on(name, preset, tmp_path, monkeypatch):
    training.shrink(monkeypatch.setattr)
    training.write_mnist(tmp_path / "data")
    data = ["--data-dir", str(tmp_path / "data")] if preset == "mnist" else []
    flags = [*data, "--out", str(FIXTURES / name), "--total-images", "64", "--device", "cpu"]
    config = parse_config([preset, *flags])
    run = train.Run(config, load_training_data(config), torch.device("cpu"))
    run.forward = run.net
    run.resume()
    then = json.loads((FIXTURES / "runs.json").read_text())[name]
    assert run.images_seen == then["images_seen"]
    losses = [run.step().item() for _ in then["losses_after"]]
    assert losses == pytest.approx(then["losses_after"], rel=1e-3)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_begun_run_of_every_preset_would_go_on(preset, tmp_path):
    held = json.loads((FIXTURES / "settings.json").read_text())[preset]
    meta = {"meta": json.dumps({"config": held})}
    safetensors.torch.save_file({}, tmp_path / "state.safetensors", meta)
    config = parse_config([preset, "--out", str(tmp_path)])
    assert other_settings(held, fixed_settings(config), default_settings(config)) == []
