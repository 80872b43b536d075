"""The stages of the emoji model as `train.py` runs them, with next to no weights and 64 emoji."""

import json
from dataclasses import replace

import pytest
import torch
import training
from cat_models import shipped_cats

import train
from diffusion.data.image_sets import ImageData, step_generator
from diffusion.films.emoji_atlas import load_atlas
from diffusion.films.film import run_sampler
from diffusion.hub import load_model
from diffusion.models.folder import CheckpointError
from diffusion.models.model import Model
from diffusion.models.trained_parts import load_autoencoder, load_text_encoder, save_autoencoder
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.text_encoder import PAD_ID, encode_prompts
from diffusion.nets.unet import UNet
from diffusion.schedules import cosine_schedule
from diffusion.training.autoencoder_stage import AutoencoderTraining, shifted
from diffusion.training.command_line import parse_config
from diffusion.training.config import MatchingSettings, with_settings
from diffusion.training.data import held_out_emoji_of, load_training_data
from diffusion.training.latent_stage import TextDiffusion
from diffusion.training.matching_stages import PartMatching, TextMatching
from diffusion.training.pixel_stage import PixelDiffusion
from diffusion.training.presets import PRESETS
from diffusion.training.stages import build_stage
from diffusion.training.student_stage import Distillation

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder in which the three stages of emoji-mini were trained."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        training.shrink(patch.setattr)
        common = ["--device", "cpu", "--total-images", "48"]
        train.main(["emoji-mini-autoencoder", "--out", str(folder / "ae"), *common])
        told = ["--autoencoder", str(folder / "ae")]
        train.main(["emoji-mini-text", "--out", str(folder / "text"), *common, *told])
        told += ["--text-encoder", str(folder / "text")]
        train.main(["emoji-mini", "--out", str(folder / "emoji"), *common, *told])
    return folder


@pytest.fixture
def tiny(monkeypatch, runs):
    """The config of the tiny run."""
    training.shrink(monkeypatch.setattr)
    there = {"autoencoder": runs / "ae", "text_encoder": runs / "text", "out": runs / "again"}
    return with_settings(parse_config(["emoji-mini"]), there)


def stage_of(config):
    """A stage of a run, on its data."""
    return build_stage(config, load_training_data(config), CPU)


def test_the_first_stage_leaves_an_autoencoder_with_latents_of_unit_variance(runs, tiny):
    autoencoder = load_autoencoder(runs / "ae")
    assert isinstance(autoencoder, Autoencoder) and (runs / "ae/samples.png").exists()
    latents = stage_of(tiny).latents
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(latents.shape[1]), atol=1e-3)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(latents.shape[1]), atol=1e-2)


def test_the_last_stage_leaves_a_model_that_draws_what_it_is_told(runs):
    model = load_model(runs / "emoji")
    settings = {"seed": 0, "num_images": 2, "num_steps": 2, "guidance_scale": 3.0}
    last = [step for step, _ in run_sampler(model, prompts=["red heart", "고양이 얼굴"], **settings)][-1]
    assert last.x_s.shape == (2, *model.sample_shape)
    images = model.decode(last.x_s)
    assert images.shape == (2, 3, 16, 16) and images.isfinite().all()
    assert (model.encode(images).shape) == last.x_s.shape
    assert load_atlas(runs / "emoji").held_out.sum() == training.NUM_HELD_OUT
    card = (runs / "emoji/README.md").read_text("utf-8")
    assert "pipeline_tag: text-to-image" in card and "prompts=" in card
    assert model.about["settings"]["preset"] == "emoji-mini"


def test_a_text_model_draws_without_a_prompt_as_with_an_empty_one(runs):
    model = load_model(runs / "emoji")
    settings = {"seed": 0, "num_images": 3, "num_steps": 2}
    told, untold = (
        [step for step, _ in run_sampler(model, prompts=prompts, **settings)][-1].x_s
        for prompts in ([""] * 3, None)
    )
    assert torch.allclose(told, untold, atol=1e-5)


def test_a_text_models_weights_survive_a_wrong_file_beside_them(runs, tmp_path):
    for file in (runs / "emoji").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="tokenizer.json is broken"):
        load_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer.json"):
        load_model(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((runs / "emoji/tokenizer.json").read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["text"]["width"] = 128
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="the text encoder does not fit the network"):
        load_model(tmp_path)
    config["text"]["width"] = 64
    for side, message in ((32, "sketch_side does not fit sample_shape"), (None, "holds another network")):
        wrong = config | {"unet": config["unet"] | {"sketch_side": side}}
        (tmp_path / "config.json").write_text(json.dumps(wrong))
        with pytest.raises(CheckpointError, match=message):
            load_model(tmp_path)
    del config["autoencoder"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="a text encoder and an autoencoder go together"):
        load_model(tmp_path)


def test_batches_depend_on_seed_and_position_alone_and_hold_what_they_should(tiny):
    stage = stage_of(tiny)
    x_0, told = stage.batch(range(400), step_generator(0, 0, CPU))
    again, same = stage.batch(range(400), step_generator(0, 0, CPU))
    assert torch.equal(x_0, again) and torch.equal(told["context"], same["context"])
    nothing = stage.text(stage.captions.nothing)[0]
    silent = [torch.allclose(context, nothing, atol=1e-5) for context in told["context"]]
    assert 0.04 < sum(silent) / len(silent) < 0.18  # a tenth of the captions is dropped
    tokens = stage.captions.draw(torch.arange(len(stage.latents)).repeat(8), step_generator(0, 0, CPU))
    assert (tokens != PAD_ID).sum(1).min() > 2 and len(tokens.unique(dim=0)) > 200
    text = stage.tokenizer.decode(stage.captions.tokens[0, 0, 0].tolist())
    assert text == stage.data.names["en"][0].lower()


def test_the_network_starts_with_the_best_linear_sketch_of_its_captions_and_keeps_it(tiny, runs):
    stage = stage_of(tiny)
    names, nothing = stage.captions.tokens[:, :, 0], stage.captions.nothing
    told = torch.cat([stage.text(tokens)[:, 0] for tokens in [*names, nothing]])
    latents = stage.latents.flatten(1)
    wanted = torch.cat([*[latents] * len(names), latents.mean(0, keepdim=True)])
    counts = [*stage.captions.shares.repeat_interleave(len(latents)) * 0.9, torch.tensor(0.1 * len(latents))]
    weights = torch.stack(counts).sqrt()[:, None]
    rows = torch.cat([told, torch.ones(len(told), 1)], dim=1)
    best = torch.linalg.lstsq(weights * rows, weights * wanted, driver="gelsd").solution
    linear = stage.net.sketch.linear
    error, least = ((weights * (x - wanted)).square().mean() for x in (linear(told), rows @ best))
    assert error <= 1.01 * least + 1e-4 < weights.square().mean() * latents.var()
    assert (linear(told[-1]) - wanted[-1]).square().mean() < 0.1 * latents.var()
    assert not any(parameter.requires_grad for parameter in linear.parameters())
    trained = load_model(runs / "emoji").net.sketch
    assert torch.allclose(trained.linear.weight, linear.weight, atol=1e-5)
    assert not torch.equal(trained.conv.weight, stage.net.sketch.conv.weight)


def test_a_text_stage_without_its_autoencoder_says_so(tiny, tmp_path):
    with pytest.raises(CheckpointError, match="holds no trained autoencoder: train it first"):
        stage_of(with_settings(tiny, {"autoencoder": tmp_path}))


def test_a_text_encoder_stays_as_it_was_trained(runs):
    text, tokenizer = load_text_encoder(runs / "text")
    drawn = load_model(runs / "emoji")
    for name, weight in text.state_dict().items():
        assert torch.equal(weight, drawn.text.state_dict()[name])
    assert tokenizer.to_str() == drawn.tokenizer.to_str()
    with pytest.raises(
        CheckpointError, match="no trained text encoder: train it first, or name --text-encoder"
    ):
        load_text_encoder(runs)
    with pytest.raises(CheckpointError, match="does not describe a model: 'text' is missing"):
        load_text_encoder(runs / "ae")


def test_a_matcher_is_measured_on_trained_and_on_held_out_names(tiny):
    settings = MatchingSettings(data=tiny.stage.data, autoencoder=tiny.stage.autoencoder, text_width=64)
    stage = stage_of(replace(tiny, stage=settings))
    test = held_out_emoji_of(settings.data)
    all_names = {language: [*stage.data.names[language], *test.names[language]] for language in test.names}

    class Knowing:
        """Finds every Korean name's own picture, and takes the first for all others."""

        def __call__(self, tokens, pictures):
            own = {tuple(row.tolist()): i for i, row in enumerate(encode_prompts(stage.tokenizer, korean))}
            index = torch.tensor([own.get(tuple(row.tolist()), 0) for row in tokens])
            return torch.eye(len(korean))[index, : len(pictures)], None

    korean = all_names["ko"]
    assert len(set(korean)) == len(korean)
    found = stage.measure(Knowing())
    assert found["names matched (ko)"] == f"100.0%; 100.0% of {training.NUM_HELD_OUT} held-out"
    assert found["names matched (ru)"] == f"1.8%; 0.0% of {training.NUM_HELD_OUT} held-out"


def test_a_run_continues_only_with_the_parts_that_it_began_with(runs, tiny, tmp_path):
    config = replace(tiny, out=tmp_path / "out")
    settings = stage_of(config).fixed_settings()
    other = load_autoencoder(runs / "ae")
    with torch.no_grad():
        other.latent_std += 0.1
    save_autoencoder(tmp_path / "ae", other, {})
    others = stage_of(with_settings(config, {"autoencoder": tmp_path / "ae"})).fixed_settings()
    assert {key for key in settings if settings[key] != others[key]} == {"autoencoder"}


def test_a_shift_moves_a_picture_and_lets_white_in():
    images = torch.zeros(200, 3, 6, 6, dtype=torch.uint8)
    images[:, :, 2, 3] = 200
    moved = shifted(images, 2, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    places = {tuple(place.tolist()) for one in moved[:, 0] for place in (one == 200).nonzero()}
    assert places == {(r, c) for r in range(5) for c in range(1, 6)}
    assert set(moved.unique().tolist()) == {0, 200, 255}
    assert torch.equal(shifted(images, 0, torch.Generator()), images)


def test_every_stage_is_named_in_states_as_it_was_and_trains_on_data_of_its_kind(runs, tiny):
    """Each on its own data, and none on the other kind."""
    pictures = ImageData("grey", torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    digits = ImageData("grey", torch.zeros(4, 1, 28, 28, dtype=torch.uint8))
    emoji, cats = load_training_data(tiny), shipped_cats()
    net = UNet(parse_config(["mnist-student"]).stage.unet(1))
    teachers = {"student": Model("grey", net, "cosine", cosine_schedule(), "v", (1, 28, 28))}
    stages = {
        "diffusion": ("folder", PixelDiffusion, pictures, emoji),
        "student": ("mnist-student", Distillation, digits, emoji),
        "autoencoder": ("emoji-mini-autoencoder", AutoencoderTraining, emoji, pictures),
        "matching": ("emoji-mini-text", TextMatching, emoji, cats),
        "parts": ("cats-words-text", PartMatching, cats, emoji),
        "text": ("emoji-mini", TextDiffusion, emoji, pictures),
    }
    assert {preset.stage.stage for preset in PRESETS.values()} == set(stages)
    parts = {"autoencoder": runs / "ae", "text_encoder": runs / "text"}
    for name, (preset, stage, data, other) in stages.items():
        config = with_settings(parse_config([preset]), parts)
        built = build_stage(config, data, CPU, teachers.get(name))
        assert type(built) is stage and built.fixed_settings()["stage"] == name
        with pytest.raises(TypeError, match=f"{preset} is not trained on {other.title}"):
            build_stage(config, other, CPU)
    with pytest.raises(TypeError, match="mnist-student learns from a model"):
        build_stage(parse_config(["mnist-student"]), digits, CPU)


def test_only_diffusion_has_a_schedule_of_noise(runs, tiny):
    settings = MatchingSettings(data=tiny.stage.data, autoencoder=runs / "ae", text_width=64)
    assert not hasattr(stage_of(replace(tiny, stage=settings)), "schedule")
    assert hasattr(stage_of(tiny), "schedule")
