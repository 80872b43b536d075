"""Pipelines of the Hub: what is loaded, what is refused, and films of a tiny Stable Diffusion."""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from diffusers import (
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DModel,
)
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from hub_server import HubServer, Repo
from tiny_pipeline import CHANNELS, FACTOR, SCHEDULE, SIDE, tiny_pipeline
from training import environment
from transformers import CLIPConfig, CLIPImageProcessor

from diffusion import CheckpointError
from diffusion.data.images import to_uint8
from diffusion.pipelines import filming as pipeline_film
from diffusion.pipelines.filming import PipelineRequest, expected_latents, film
from diffusion.pipelines.loading import PipelineCache, PipelineError, load_pipeline

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 4
RED = PipelineRequest("red cat", num_steps=STEPS, guidance_scale=3.0, seed=5)
SCHEDULERS = {
    "ddim": DDIMScheduler(**SCHEDULE, clip_sample=False),
    "pndm": PNDMScheduler(**SCHEDULE, skip_prk_steps=True),
    "euler": EulerDiscreteScheduler(**SCHEDULE),
    "dpm++": DPMSolverMultistepScheduler(**SCHEDULE),
}
ASK = """
import json, sys, time
from diffusion.hub import HubError
from diffusion.pipelines.loading import PipelineError, load_pipeline
answers = []
for name in sys.argv[1:]:
    started = time.monotonic()
    try:
        pipeline = load_pipeline(name)
        answers.append([type(pipeline).__name__, sum(p.sum().item() for p in pipeline.unet.parameters())])
    except (HubError, PipelineError) as error:
        answers.append([type(error).__name__, str(error)])
    answers[-1].append(time.monotonic() - started)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    tiny_pipeline(path)
    return path


@pytest.fixture(scope="module")
def pipeline(folder):
    return load_pipeline(str(folder))


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    """A folder of the pipeline that a test may change."""
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def own_run(folder, request=RED):
    """What diffusers itself makes of it: the picture, and after each step latents and the solver's x̂_0."""
    reference = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    reference.set_progress_bar_config(disable=True)
    steps = []

    def remember(pipe, k, t, tensors):
        expected = getattr(pipe.scheduler, "model_outputs", [None])[-1]
        steps.append((float(t), tensors["latents"].clone(), expected))
        return {}

    made = reference(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        num_inference_steps=request.num_steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator().manual_seed(request.seed),
        callback_on_step_end=remember,
    )
    return np.asarray(made.images[0]), steps, reference


def decoded(pipeline, latents) -> np.ndarray:
    with torch.no_grad():
        image = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return to_uint8(image)[0].permute(1, 2, 0).numpy()


def close(one, other) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 1 < one.std()


# ---- the film --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULERS)
def test_film_is_what_the_pipeline_does(name, tmp_path):
    tiny_pipeline(tmp_path, SCHEDULERS[name])
    picture, steps, reference = own_run(tmp_path)
    frames = list(film(load_pipeline(str(tmp_path)), RED))
    calls = STEPS + (name == "pndm")  # which looks twice at its second timestep
    assert [m.k for m in frames] == list(range(calls + 1)) and {m.num_steps for m in frames} == {calls}
    assert [m.t for m in frames] == [*(t for t, _, _ in steps), 0]
    side = SIDE // FACTOR
    assert {m.latents.shape for m in frames} == {(CHANNELS, side, side)}
    assert {m.picture.shape for m in frames} == {(SIDE, SIDE, 3)}
    assert close(frames[-1].picture, picture)
    assert close(decoded(reference, steps[-1][1]), picture)
    assert close(frames[-1].latents, to_uint8(steps[-1][1][0], 3.0).numpy())
    assert all(m.seconds > 0 for m in frames[:-1]) and all(m.predicted for m in frames)
    if name != "euler":  # whose latents are scaled before the network sees them
        for frame, (_, latents, _) in zip(frames[1:], steps):
            assert close(frame.latents, to_uint8(latents[0], 3.0).numpy())
    if name == "dpm++":
        for frame, (_, _, x_0_hat) in zip(frames, steps):
            assert close(frame.picture, decoded(reference, x_0_hat))


def test_the_network_sees_unit_variance_from_the_first_step(folder, tmp_path):
    """Whatever the scheduler calls its latents: the same seed gives the same first picture of noise."""
    tiny_pipeline(tmp_path, SCHEDULERS["euler"])
    euler, ddim = (next(film(load_pipeline(str(path)), RED)).latents for path in (tmp_path, folder))
    noise = torch.randn(1, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(RED.seed))
    assert close(ddim, to_uint8(noise[0], 3.0).numpy())
    assert np.abs(euler.astype(int) - ddim).mean() < 2  # Euler starts a little short of pure noise


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_expected_latents_are_the_schedulers_own(prediction):
    scheduler = DDPMScheduler(
        **{**SCHEDULE, "steps_offset": 0}, prediction_type=prediction, clip_sample=False
    )
    output, x_t = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for t in (999, 400, 3):
        own = scheduler.step(output, t, x_t).pred_original_sample
        assert torch.allclose(expected_latents(scheduler, output, t, x_t), own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 0.6, 0.02])
def test_expected_latents_of_a_flow_are_where_one_step_to_the_end_leads(sigma):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[sigma])
    output, x_t = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    (t,) = scheduler.timesteps
    end = scheduler.step(output, t, x_t).prev_sample
    assert torch.allclose(expected_latents(scheduler, output, t, x_t), end, atol=1e-5)


def test_without_x_0_hat_the_latents_after_the_step_are_shown(tmp_path):
    flow = DPMSolverMultistepScheduler(**SCHEDULE, prediction_type="flow_prediction", use_flow_sigmas=True)
    tiny_pipeline(tmp_path, flow)
    picture, steps, reference = own_run(tmp_path)
    frames = list(film(load_pipeline(str(tmp_path)), RED))
    assert [m.predicted for m in frames] == [False] * STEPS + [True]
    for frame, (_, latents, _) in zip(frames, steps):
        assert close(frame.picture, decoded(reference, latents))
    assert close(frames[-1].picture, picture)


def test_every_setting_has_its_effect(pipeline, folder):
    def result(**changes):
        return list(film(pipeline, PipelineRequest(**{**vars(RED), **changes})))[-1].picture

    changed = [{"prompt": "dog"}, {"negative_prompt": "dog"}, {"guidance_scale": 6.0}, {"seed": 6}]
    pictures = [result(), *(result(**change) for change in changed)]
    assert np.array_equal(pictures[0], result())
    for i, one in enumerate(pictures):
        assert all(np.abs(one.astype(int) - other).max() > 2 for other in pictures[:i])
    negative = PipelineRequest(**{**vars(RED), "negative_prompt": "dog"})
    assert close(pictures[2], own_run(folder, negative)[0])


@pytest.mark.parametrize("after", [1, 2])
def test_closing_early_stops_the_pipeline(pipeline, after):
    calls = []
    hook = pipeline.unet.register_forward_hook(lambda *_: calls.append(1))
    steps = film(pipeline, PipelineRequest("red", num_steps=100))
    for _ in range(after):
        next(steps)
    steps.close()
    seen = len(calls)
    hook.remove()
    assert after <= seen < 50
    assert not [thread for thread in threading.enumerate() if thread.name == "pipeline"]
    assert "step" not in vars(pipeline.scheduler)
    time.sleep(0.2)
    assert len(calls) == seen
    assert len(list(film(pipeline, RED))) == STEPS + 1  # and it can be used again


@pytest.mark.parametrize("refuses", [True, False])
def test_what_the_safety_checker_refuses_is_black_in_every_frame(refuses, tmp_path):
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 1}
    vision = {**size, "image_size": SIDE, "patch_size": 8}
    checker = StableDiffusionSafetyChecker(CLIPConfig(text_config=size, vision_config=vision))
    checker.concept_embeds_weights.data.fill_(-2.0 if refuses else 2.0)  # of cosines: all or none
    checker.special_care_embeds_weights.data.fill_(2.0)
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    tiny_pipeline(tmp_path, safety_checker=checker, feature_extractor=processor)
    frames = list(film(load_pipeline(str(tmp_path)), RED))
    assert len(frames) == STEPS + 1
    assert [m.withheld for m in frames] == [refuses] * (STEPS + 1)
    assert all((m.picture.max() == 0) == refuses for m in frames)


def test_half_precision_that_would_overflow_is_decoded_in_full(pipeline, monkeypatch):
    """As Stable Diffusion XL asks for: its autoencoder is in fp32 for the call alone."""
    latents = torch.randn(1, CHANNELS, 16, 16, generator=torch.Generator().manual_seed(0))
    whole, _ = pipeline_film.decode(pipeline, latents)
    monkeypatch.setattr(StableDiffusionPipeline, "upcast_vae", lambda self: None, raising=False)
    seen = []
    hook = pipeline.vae.decoder.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    pipeline.vae.half()
    try:
        with torch.no_grad():
            picture, _ = pipeline_film.decode(pipeline, latents.half())
        assert seen == [torch.float32] and pipeline.vae.dtype == torch.float16
    finally:
        hook.remove()
        pipeline.vae.float()
    assert np.abs(picture.astype(int) - whole).max() <= 3


def test_a_failing_pipeline_says_so(copied):
    config = json.loads((copied / "scheduler/scheduler_config.json").read_text())
    (copied / "scheduler/scheduler_config.json").write_text(json.dumps({**config, "prediction_type": "odd"}))
    with pytest.raises(PipelineError, match=r"^The pipeline failed: .*prediction_type.*\.$"):
        list(film(load_pipeline(str(copied)), RED))


def test_one_pipeline_is_kept(folder, copied):
    cache = PipelineCache()
    first = cache.get(str(folder))
    assert cache.get(str(folder)) is first
    gone = weakref.ref(first.unet)
    del first
    second = cache.get(str(copied))
    gc.collect()
    assert gone() is None and cache.get(str(copied)) is second
    with pytest.raises(PipelineError):
        cache.get(str(copied / "unet"))
    assert cache.pipeline is None and cache.get(str(copied)) is not second


# ---- what is refused -------------------------------------------------------------------------------------


def refused(name, *words):
    with pytest.raises((PipelineError, CheckpointError)) as error:
        load_pipeline(str(name))
    sentence = str(error.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_missing_packages(package, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    refused(folder, "pip install diffusers transformers")


@pytest.mark.parametrize("name", ["nothing", "/no/such/folder", "../x", "a/b/c", ""])
def test_names_that_cannot_be_pipelines(name):
    refused(name, "neither a folder nor" if name else "is no pipeline")


def test_a_large_denoiser_needs_a_gpu_and_no_weights_to_tell(copied, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = json.loads((copied / "unet/config.json").read_text())
    (copied / "unet/config.json").write_text(json.dumps({**config, "block_out_channels": [640, 1280]}))
    for weights in copied.rglob("*.safetensors"):
        weights.unlink()
    refused(copied, "needs a GPU", "at most 100 million")


def test_folders_without_a_pipeline(tmp_path):
    refused(tmp_path, "is no pipeline", "model_index.json")
    for content in ("[]", "{", '{"unet": 3}'):
        (tmp_path / "model_index.json").write_text(content)
        refused(tmp_path, "is no")


def test_a_pipeline_without_text(tmp_path):
    unet = UNet2DModel(
        16, block_out_channels=(32,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",)
    )
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path)
    refused(tmp_path, "is no text-to-image pipeline", "vae", "text_encoder")


def change_index(folder, **changes):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))


@pytest.mark.parametrize("library", ["my_unet", "os", "..pipelines", "a.b"])
def test_code_of_the_repos_own_is_not_run(library, copied):
    (copied / "unet/my_unet.py").write_text("raise SystemExit('run')")
    change_index(copied, unet=[library, "MyUNet"])
    refused(copied, "code of its own", "unet")


def test_a_pipeline_class_of_the_repos_own_is_not_run(copied):
    (copied / "mine.py").write_text("raise SystemExit('run')")
    change_index(copied, _class_name=["mine", "MyPipeline"])
    refused(copied, "code of its own")


@pytest.mark.parametrize(
    "class_name, told",
    [
        ("StableDiffusionControlNetXSPipeline", "another task"),
        ("PixArtSigmaPipeline", "does not show its steps"),
        ("AutoencoderKL", "does not have"),
        ("FluxPipeline", "packs its latents"),
        ("NoSuchPipeline", "does not have"),
        ("__name__", "does not have"),
    ],
)
def test_pipelines_of_other_kinds(class_name, told, copied):
    change_index(copied, _class_name=class_name)
    for weights in copied.rglob("*.safetensors"):
        weights.unlink()  # they are not looked at
    refused(copied, told)


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_nothing_is_unpickled(part, copied, tmp_path):
    (weights,) = (copied / part).glob("*.safetensors")
    name = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
    torch.save({"planted": Planted(tmp_path / "ran")}, copied / part / name)
    weights.unlink()
    refused(copied, "lacks safetensors")
    assert not (tmp_path / "ran").exists()


def test_broken_weights(copied):
    (weights,) = (copied / "unet").glob("*.safetensors")
    weights.write_bytes(b"broken" * 20)
    refused(copied, "could not be loaded")


def test_weights_of_another_shape(copied):
    config = json.loads((copied / "unet/config.json").read_text())
    (copied / "unet/config.json").write_text(json.dumps(config | {"block_out_channels": [32, 32]}))
    refused(copied, "could not be loaded", "UNet2DConditionModel.")


# ---- the Hub ---------------------------------------------------------------------------------------------


def ask(env, *names):
    """Load them one after the other in a process with this environment."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_repos_of_the_hub(folder, pipeline, tmp_path):
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with HubServer() as hub:
        for name in ("user/tiny", "user/large", "user/pickled"):
            hub.repos[name] = Repo()
            hub.repos[name].files = dict(files)
            hub.repos[name].large = {name for name in files if name.endswith(".safetensors")}
        config = json.loads(files["unet/config.json"]) | {"block_out_channels": [640, 1280]}
        hub.repos["user/large"].files["unet/config.json"] = json.dumps(config).encode()
        hub.repos["user/pickled"].files = {k.replace("safetensors", "bin"): v for k, v in files.items()}
        env = hub.environment(tmp_path / "cache") | {"CUDA_VISIBLE_DEVICES": ""}
        tiny, large, none, pickled = ask(env, "user/tiny", "user/large", "user/none", "user/pickled")
        fetched = [r for r in hub.requests if "user/large/resolve" in r and "safetensors" in r]
        fetched += [r for r in hub.requests if ".bin" in r]
    total = sum(p.sum().item() for p in pipeline.unet.parameters())
    assert tiny[:2] == ["StableDiffusionPipeline", pytest.approx(total)]
    assert large[0] == "PipelineError" and "needs a GPU" in large[1] and not fetched
    assert none[0] == "HubError" and "no such repo" in none[1]
    assert pickled[0] == "PipelineError" and "lacks safetensors" in pickled[1]
    kept, other = ask(env, "user/tiny", "user/other")  # the Hub is gone by now
    assert kept[:2] == tiny[:2]
    assert other[0] == "HubError" and "cannot be reached" in other[1] and other[2] < 15
