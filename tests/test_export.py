"""What diffusers draws with an exported folder is what is drawn here."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cat_models import few_cats, text_model_of
from conftest import ROOT, randomised
from hub_server import HubServer, Repo
from huggingface_hub import ModelCard
from training import environment

from diffusion import Model, UNet, UNetConfig, load_model, sample, save_model, timesteps
from diffusion.models.diffusers_format import unet_config, unet_weights, why_not_expressible
from diffusion.models.export import export, main, of_one_class, parse_arguments
from diffusion.models.weights import CheckpointError
from diffusion.schedules import SCHEDULES

SIDES = (8, 12)


def wide_model(prediction: str = "v", schedule: str = "cosine", classes=None, **shape) -> Model:
    """Random weights in a shape that diffusers has: two levels, of which the second attends."""
    shape = {"channels": 128, "channel_mult": (1, 2), "attention_levels": (1,)} | shape
    torch.manual_seed(0)
    config = UNetConfig(3, num_classes=len(classes) if classes else None, **shape)
    net = randomised(UNet(config))
    return Model("wide", net, schedule, SCHEDULES[schedule](), prediction, (3, *SIDES), classes)


def pipeline_of(folder: Path):
    from diffusers import DDIMPipeline

    pipeline = DDIMPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn_by_diffusers(folder: Path, num_steps: int) -> torch.Tensor:
    """(2, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(3)
    pipeline = pipeline_of(folder)
    return pipeline(2, generator, num_inference_steps=num_steps, output_type="pt").images


def drawn_here(model: Model, num_steps: int, **conditions) -> torch.Tensor:
    x_T = torch.randn(2, 3, *SIDES, generator=torch.Generator().manual_seed(3))
    steps = timesteps(model.schedule, num_steps)
    *_, last = sample(model.denoiser(**conditions), model.schedule, x_T, steps)
    return (last.x_s / 2 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("num_steps", [1, 10, 50])
@pytest.mark.parametrize("prediction, schedule", [("v", "cosine"), ("v", "linear"), ("sample", "cosine")])
def test_diffusers_draws_the_same_pictures(tmp_path, prediction, schedule, num_steps):
    model = wide_model(prediction, schedule)
    export(model, tmp_path / "out")
    theirs, ours = drawn_by_diffusers(tmp_path / "out", num_steps), drawn_here(model, num_steps)
    assert (theirs - ours).abs().max() < 1e-4
    assert ((ours > 0) & (ours < 1)).float().mean() > 0.3  # not all of it is cut off


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_network_of_noise_takes_the_same_steps(tmp_path, schedule):
    """From t = 500 on: at T an untrained ε̂ leads to an x̂_0 that is cut off everywhere."""
    model = wide_model("epsilon", schedule)
    export(model, tmp_path / "out")
    pipeline = pipeline_of(tmp_path / "out")
    pipeline.scheduler.set_timesteps(10)
    x_t = torch.randn(2, 3, *SIDES, generator=torch.Generator().manual_seed(3))
    for step in sample(model.denoiser(), model.schedule, x_t, range(500, -1, -100)):
        output = pipeline.unet(step.x_t, step.t - 1).sample
        theirs = pipeline.scheduler.step(output, step.t - 1, step.x_t).prev_sample
        assert (theirs - step.x_s).abs().max() < 1e-4 * step.x_s.abs().max()


def test_the_folder_says_whose_it_is(tmp_path):
    about = {"data": "MNIST", "licence": "CC BY-SA 3.0"}
    export(replace(wide_model(), about=about), tmp_path / "out")
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.license == "apache-2.0" and card.data.library_name == "diffusers"
    assert "Data: MNIST (CC BY-SA 3.0). Weights: Apache-2.0." in card.text


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"channel_mult": (1,), "attention_levels": ()},
        {"channel_mult": (1, 1, 3), "attention_levels": (0, 2), "blocks_per_level": 2},
        {"channels": 256, "channel_mult": (1, 1), "attention_levels": (0,)},
    ],
)
def test_the_network_is_the_same_function(tmp_path, shape):
    model = wide_model(**shape)
    export(model, tmp_path / "out")
    unet = pipeline_of(tmp_path / "out").unet
    x_t = torch.randn(2, 3, *SIDES)
    for t in (1, 2, 317, 1000):
        with torch.no_grad():
            theirs, ours = unet(x_t, t - 1).sample, model.net(x_t, torch.full((2,), float(t)))
        assert (theirs - ours).abs().max() < 1e-4 and ours.abs().mean() > 0.1


def test_every_weight_has_its_name_there(tmp_path):
    from diffusers import UNet2DModel

    model = wide_model(channel_mult=(1, 2, 2), attention_levels=(1, 2), blocks_per_level=2)
    with torch.device("meta"):
        expected = UNet2DModel.from_config(unet_config(model)).state_dict()
    weights = unet_weights(model.net)
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in expected.items()}


@pytest.mark.parametrize("name, label", [("b", 1), (None, 3)])
def test_a_class_or_none_becomes_part_of_the_network(tmp_path, name, label):
    model = wide_model(classes=("a", "b", "c"))
    before = {k: v.clone() for k, v in model.net.state_dict().items()}
    export(of_one_class(model, name), tmp_path / "out")
    theirs = drawn_by_diffusers(tmp_path / "out", 10)
    ours = drawn_here(model, 10, class_labels=torch.tensor([label, label]))
    other = drawn_here(model, 10, class_labels=torch.tensor([0, 0]))
    assert (theirs - ours).abs().max() < 1e-4 < (theirs - other).abs().max()
    assert all(torch.equal(before[k], v) for k, v in model.net.state_dict().items())


NARROW = {"channels": 64, "channel_mult": (1, 2)}


@pytest.mark.parametrize(
    "model, reason, instead",
    [
        (lambda: wide_model(classes=("a", "b")), "is told a class", "--class NAME"),
        (lambda: wide_model(classes=("a", "b"), patch_size=2), "is told a class", "load_model"),
        (lambda: wide_model(patch_size=2), "sees patches of 2×2 pixels", "load_model"),
        (lambda: wide_model(**NARROW), "its widths (64, 128) are not all multiples of 128", "load_model"),
        (lambda: wide_model(channel_mult=(2, 2)), "first level is wider", "load_model"),
        (lambda: text_model_of(few_cats()), "is told by text and", "load_model"),
        (
            lambda: wide_model(context_dim=8, sketch_side=8),
            "is told by text, with a sketch of what it says,",
            "load_model",
        ),
    ],
)
def test_what_diffusers_has_no_place_for_is_named(tmp_path, model, reason, instead):
    model = model()
    with pytest.raises(CheckpointError) as refusal:
        export(model, tmp_path / "out")
    sentence = str(refusal.value)
    assert sentence.startswith(f"{model.name} cannot be a pipeline of diffusers: ")
    assert reason in sentence and instead in sentence and sentence.count(".") <= 3
    assert not (tmp_path / "out").exists()


def test_none_of_the_shipped_checkpoints_is_of_such_a_shape():
    """Should one become so, the documents and its card have to say it."""
    for config in ROOT.glob("checkpoints/*/config.json"):
        if "unet" in json.loads(config.read_text("utf-8")):
            assert why_not_expressible(load_model(config.parent)), config


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wide") / "wide"
    save_model(folder, wide_model(classes=("a", "b")))
    return folder


def test_the_command_takes_folders_and_repos(wide_folder, tmp_path):
    command = [sys.executable, "-m", "diffusion.models.export"]
    with HubServer() as hub:
        hub.repos["user/wide"] = Repo()
        hub.repos["user/wide"].files = {
            f"{name}": (wide_folder / name).read_bytes() for name in ("config.json", *weights(wide_folder))
        }
        env = environment(**hub.environment(tmp_path / "cache"))
        for place, out in ((wide_folder, tmp_path / "a"), ("user/wide", tmp_path / "b")):
            asked = [*command, str(place), str(out), "--class", "b"]
            done = subprocess.run(asked, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            assert done.stdout == f"wide → {out}, for diffusers.DDIMPipeline.from_pretrained.\n"
    files = [
        sorted(str(f.relative_to(place)) for f in place.rglob("*.*"))
        for place in map(tmp_path.joinpath, "ab")
    ]
    assert files[0] == files[1] and "model_index.json" in files[0]
    for name in files[0]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def weights(folder: Path) -> list[str]:
    return [file.name for file in folder.glob("model*.safetensors*")]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "wide cannot be a pipeline of diffusers: it is told a class"),
        (["--class", "z"], "wide has no class z: it has a, b."),
        (["nowhere"], "nowhere is neither a folder nor a Hub repo like user/name."),
        (["full"], "is there and not empty: choose a new folder"),
        (["file"], "is there and not empty: choose a new folder"),
        (["below"], "cannot be written"),
    ],
)
def test_the_command_refuses_in_a_sentence(wide_folder, tmp_path, arguments, sentence):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    out = {"full": "full", "file": "file", "below": "file/below"}.get("".join(arguments), "new")
    place = "nowhere" if arguments == ["nowhere"] else str(wide_folder)
    flags = arguments if len(arguments) == 2 else ["--any-class"] if out != "new" else []
    with pytest.raises(SystemExit) as refusal:
        main([place, str(tmp_path / out), *flags])
    message = str(refusal.value)
    assert message.startswith("export: ") and sentence in message and "\n" not in message
    assert (tmp_path / "full/notes.txt").read_text() == (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_class_is_named_only_to_a_model_that_has_classes(tmp_path):
    with pytest.raises(CheckpointError, match="wide has no classes: export it without naming one."):
        of_one_class(replace(wide_model(), classes=None), "a")
    with pytest.raises(SystemExit):
        parse_arguments(["a", "b", "--class", "c", "--any-class"])
