"""The stages of cats from words as `train.py` runs them, with next to no weights and 324 cats."""

import signal
from dataclasses import replace

import pytest
import torch
import training
from cat_models import shipped_cats
from tiny_runs import images_seen, said_by, state

import diffusion.data.captions
import diffusion.data.cats
import diffusion.training.data
import diffusion.training.matching_stages
import train
from diffusion import LatentModel, load_model
from diffusion.data.cat_prompts import asked
from diffusion.data.cats import PARTS_FILES, Rule
from diffusion.data.image_sets import step_generator
from diffusion.films.samples import CAT_PROMPTS
from diffusion.models.card import load_metrics
from diffusion.models.trained_parts import load_autoencoder, load_text_encoder, save_autoencoder
from diffusion.training.command_line import parse_config
from diffusion.training.config import with_settings
from diffusion.training.data import load_training_data
from diffusion.training.distributed import Stop
from diffusion.training.stages import build_stage

CPU = torch.device("cpu")
STAGES = ("cats-words-autoencoder", "cats-words-text", "cats-words")
LENGTH = ("--device", "cpu", "--total-images", "32")


def shrink(patch: pytest.MonkeyPatch) -> None:
    """All parts, 16×16, whose cats are few; and next to no captions."""
    training.shrink(patch.setattr)
    cats = replace(shipped_cats(), rule=Rule(below=2**32 // 1000))
    patch.setattr(diffusion.training.data, "load_cats", lambda size: cats)
    patch.setattr(diffusion.data.cats, "HELD_OUT", 16)
    patch.setattr(diffusion.data.captions, "CAPTIONS_READ", 1_000)
    patch.setattr(diffusion.training.matching_stages, "MEASURED", 64)
    patch.setattr(signal, "signal", lambda *_: None)  # the test's own process keeps its handlers


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder in which the three stages were trained, by one thread, as all that is compared with them."""
    folder, threads = tmp_path_factory.mktemp("runs"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        for preset in STAGES:
            train.main([preset, "--out", str(folder / preset), *LENGTH, *told(folder, preset)])
    torch.set_num_threads(threads)
    return folder


def told(runs, preset) -> list[str]:
    """Where a stage finds those before it."""
    parts = zip(("--autoencoder", "--text-encoder"), STAGES) if preset == STAGES[-1] else ()
    return [word for flag, name in parts for word in (flag, str(runs / name))]


@pytest.fixture
def few(monkeypatch):
    shrink(monkeypatch)


def stage_of(runs, preset, **settings):
    config = with_settings(parse_config([preset, *told(runs, preset)]), settings)
    return build_stage(config, load_training_data(config), CPU)


def test_the_first_stage_leaves_an_autoencoder_of_all_cats(runs, few):
    latents = stage_of(runs, "cats-words").latents
    assert latents.shape[0] == 324
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(latents.shape[1]), atol=1e-3)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(latents.shape[1]), atol=1e-2)
    assert load_metrics(runs / STAGES[0])["PSNR"].endswith("16 held-out pictures")
    assert (runs / STAGES[0] / "samples.png").exists()


def test_the_second_stage_leaves_a_text_encoder_and_says_what_it_reads(runs):
    text, tokenizer = load_text_encoder(runs / STAGES[1])
    assert tokenizer.get_vocab_size() == text.config.vocabulary_size <= 800
    assert "of 64" in load_metrics(runs / STAGES[1])["captions read"]


def test_the_last_stage_leaves_a_model_that_is_told_and_knows_its_cats(runs):
    model = load_model(runs / "cats-words")
    assert isinstance(model, LatentModel) and model.net.sketch is None and model.classes is None
    assert len(model.cats) == 324 and model.about["data"] == "cats by David Revoy"
    x_t, t = torch.randn(2, *model.sample_shape), torch.tensor([900, 10])
    x_0 = model.denoiser(prompts=["a grey cat with a red hat", "고양이"], guidance_scale=2.0)(x_t, t)
    assert model.decode(x_0).shape == (2, 3, 16, 16) and model.decode(x_0).isfinite().all()
    card = (runs / "cats-words/README.md").read_text("utf-8")
    assert "pipeline_tag: text-to-image" in card and "license: cc-by-4.0" in card
    names = {file.name for file in (runs / "cats-words").iterdir()}
    assert {*PARTS_FILES, "tokenizer.json", "samples.png", "state.safetensors"} <= names
    assert not {"atlas.json", "atlas.png"} & names
    text, _ = load_text_encoder(runs / STAGES[1])
    assert all(torch.equal(w, model.text.state_dict()[name]) for name, w in text.state_dict().items())


@pytest.mark.parametrize("preset", STAGES)
def test_a_stage_that_was_stopped_ends_bitwise_as_if_it_had_not_been(
    runs, few, preset, tmp_path, monkeypatch
):
    arguments = [preset, "--out", str(tmp_path), *LENGTH, *told(runs, preset)]
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "wanted", lambda _: images_seen(tmp_path) >= 16)
        train.main(arguments)
    assert images_seen(tmp_path) == 16
    train.main(arguments)
    resumed, whole = state(tmp_path), state(runs / preset)
    assert images_seen(tmp_path) == 32 and resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_a_run_goes_on_only_with_the_parts_that_it_began_with(runs, few, tmp_path):
    other = load_autoencoder(runs / STAGES[0])
    with torch.no_grad():
        other.latent_std += 0.1
    save_autoencoder(tmp_path, other, {})
    flags = [*told(runs, "cats-words"), "--autoencoder", str(tmp_path)]
    arguments = ["cats-words", "--out", str(runs / "cats-words"), *LENGTH, *flags]
    assert "holds a run with another autoencoder:" in said_by(lambda: train.main(arguments))


def test_batches_depend_on_seed_and_position_alone(runs, few):
    stage = stage_of(runs, "cats-words")
    x_0, given = stage.batch(range(300), step_generator(0, 0, CPU))
    again, same = stage.batch(range(300), step_generator(0, 0, CPU))
    assert torch.equal(x_0, again) and torch.equal(given["context"], same["context"])
    other, others = stage.batch(range(300), step_generator(0, 300, CPU))
    assert torch.equal(x_0, other) and not torch.equal(given["context"], others["context"])


def test_captions_that_are_read_right_are_counted_over_cats_of_all_kinds(runs, few):
    stage, drawn = stage_of(runs, "cats-words-text"), []
    draw = stage.captions.draw_named
    stage.captions.draw_named = lambda *how: drawn.append(draw(*how)) or drawn[-1]
    assert stage.measure(lambda _: drawn[-1][1])["captions read"].startswith("100.0% of 64:")
    assert stage.measure(lambda _: -drawn[-1][1])["captions read"].startswith("0.0% of 64:")
    assert (drawn[0][1][:, 0, :-1].sum(0) > 0).sum() > 5  # bodies


def test_a_sketch_of_cats_is_fitted_to_all_that_their_captions_can_say(runs, few):
    stage = stage_of(runs, "cats-words", sketch=True)
    linear = stage.net.sketch.linear
    assert not any(parameter.requires_grad for parameter in linear.parameters())
    with torch.no_grad():
        guess = torch.stack([linear(stage.text(tokens)[:, 0]) for tokens in stage.captions.names])
    latents = stage.latents.flatten(1)
    assert (guess - latents).square().mean() < 0.9 * latents.var(0).mean()


def test_the_sheet_of_samples_asks_for_what_there_is():
    for prompt in CAT_PROMPTS:
        read = asked(prompt)
        assert read.named and not (read.denied or read.rivals or read.no_part or read.unknown), prompt
