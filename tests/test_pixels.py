"""diffusers' pipelines of pixels as models: the same pictures as there, and what is refused."""

import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from tiny_pixels import SIDE, change, save_as_the_first_ones, save_pixels

from diffusion import sample
from diffusion.pipelines.betas import schedule_of
from diffusion.pipelines.loading import PipelineError
from diffusion.pipelines.pixels import describe_pipeline
from diffusion.samplers import timesteps

CLIPPED_TOO = {"eta": 0.0, "use_clipped_model_output": True}
SCHEDULES_OF_DIFFUSERS = ["linear", "scaled_linear", "squaredcos_cap_v2"]


def drawn_by_us(model, x_T, steps, eta=0.0, clipped=False):
    """(B, C, H, W), along these steps."""
    predict = model.denoiser()
    denoise = (lambda x_t, t: predict(x_t, t).clamp(-1, 1)) if clipped else predict
    with torch.no_grad():
        return list(sample(denoise, model.schedule, x_T, steps, sampler="ddim", eta=eta))[-1].x_s


def drawn_by_diffusers(pipeline, x_T, num_steps):
    """The same of its own loop, from the same x_T, before it makes pictures of it; what it has clipped also
    says which way it goes on, as here."""
    scheduler, x = pipeline.scheduler, x_T
    scheduler.set_timesteps(num_steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(pipeline.unet(x, t).sample, t, x, **CLIPPED_TOO).prev_sample
    return x


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("predicted", ["epsilon", "v_prediction", "sample"])
def test_the_same_pictures_as_diffusers(tmp_path, flat, clipped, predicted):
    """DDIM's steps go 1000, 980, … 20 here, and 999, 979, … there with "trailing" spacing."""
    scheduler = DDIMScheduler(
        clip_sample=clipped, set_alpha_to_one=True, timestep_spacing="trailing", prediction_type=predicted
    )
    pipeline = save_pixels(tmp_path / "tiny", scheduler, flat=flat)
    model = describe_pipeline(tmp_path / "tiny", "tiny").to("cpu")
    x_T = torch.randn(2, 3, SIDE, SIDE, generator=torch.manual_seed(3))
    ours = drawn_by_us(model, x_T, timesteps(model.schedule, 50), clipped=clipped)
    theirs = drawn_by_diffusers(pipeline, x_T, 50)
    assert (ours - theirs).abs().max() < 1e-4 * max(1, theirs.abs().max())
    assert ours.std() > 0.1


def test_the_same_pictures_as_the_pipeline_itself(tmp_path):
    """By its own call, which clips and rounds to 8 bits at the end."""
    scheduler = DDIMScheduler(clip_sample=True, timestep_spacing="trailing")
    pipeline = save_pixels(tmp_path / "tiny", scheduler)
    model = describe_pipeline(tmp_path / "tiny", "tiny").to("cpu")
    settings = {"num_inference_steps": 20, "output_type": "np", **CLIPPED_TOO}
    theirs = pipeline(2, generator=torch.manual_seed(7), **settings).images
    x_T = torch.randn(2, 3, SIDE, SIDE, generator=torch.manual_seed(7))
    ours = drawn_by_us(model, x_T, timesteps(model.schedule, 20), clipped=True)
    ours = (ours / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4 and theirs.std() > 0.05


def test_the_layout_of_the_first_pipelines(tmp_path):
    pipeline = save_as_the_first_ones(tmp_path)
    names = safetensors.torch.load_file(tmp_path / "diffusion_pytorch_model.safetensors").keys()
    assert any(".proj_attn." in name for name in names)
    model = describe_pipeline(tmp_path, "tiny").to("cpu")
    x_t, t = torch.randn(2, 3, SIDE, SIDE, generator=torch.manual_seed(3)), torch.tensor([1, 700])
    with torch.no_grad():
        assert torch.equal(model.net(x_t, t), pipeline.unet(x_t, t - 1).sample)


@pytest.mark.parametrize("kind", SCHEDULES_OF_DIFFUSERS)
@pytest.mark.parametrize("scheduler", [DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler])
def test_schedules_are_those_of_diffusers(kind, scheduler):
    made = scheduler(beta_schedule=kind, num_train_timesteps=500)
    name, schedule = schedule_of(dict(made.config), "tiny")
    assert schedule.alphas_cumprod.dtype == torch.float64 and schedule.alphas_cumprod[0] == 1
    assert schedule.num_timesteps == 500
    assert torch.allclose(schedule.alphas_cumprod[1:].float(), made.alphas_cumprod, atol=2e-6)
    assert name == {"squaredcos_cap_v2": "cosine"}.get(kind, kind)


def test_trained_betas_are_taken_as_they_are_and_known_schedules_by_their_names():
    betas = torch.linspace(0.001, 0.03, 40)
    name, schedule = schedule_of(dict(DDPMScheduler(trained_betas=betas.tolist()).config), "tiny")
    assert name == "trained_betas" and torch.allclose(schedule.betas.float(), betas)
    assert schedule_of(dict(DDPMScheduler().config), "tiny")[0] == "linear"
    assert schedule_of(dict(DDPMScheduler(beta_schedule="squaredcos_cap_v2").config), "tiny")[0] == "cosine"


def test_weights_are_read_when_the_model_is_moved(tmp_path):
    save_pixels(tmp_path)
    model = describe_pipeline(tmp_path, "user/tiny")
    assert model.device.type == "meta" and model.sample_shape == (3, SIDE, SIDE)
    assert model.to("cpu") is model and model.device.type == "cpu"
    assert not any(p.requires_grad for p in model.net.parameters())


def refused(folder, *said):
    with pytest.raises(PipelineError) as caught:
        describe_pipeline(folder, "user/tiny").to("cpu")
    message = str(caught.value)
    assert all(each in message for each in said), message
    assert "user/tiny" in message and "\n" not in message and message.endswith(".")


@pytest.mark.parametrize(
    "file, changes, said",
    [
        ("model_index.json", {"vae": ["diffusers", "AutoencoderKL"]}, "works on latents (it has a vae)"),
        ("model_index.json", {"unet": ["own_code", "Net"]}, "brings code of its own (unet)"),
        ("model_index.json", {"_class_name": ["pipeline", "Own"]}, "brings code of its own"),
        (
            "model_index.json",
            {"_class_name": "ConsistencyModelPipeline"},
            "a ConsistencyModelPipeline, is none",
        ),
        ("unet/config.json", {"_class_name": "UNet2DConditionModel"}, "is a UNet2DConditionModel"),
        ("unet/config.json", {"num_class_embeds": 10}, "is told a class"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "is told a class"),
        ("unet/config.json", {"time_embedding_type": "fourier"}, "timesteps of the kind 'fourier'"),
        ("unet/config.json", {"quantization_config": {"load_in_8bit": True}}, "quantised weights"),
        ("unet/config.json", {"out_channels": 6}, "makes 6 channels of 3"),
        ("unet/config.json", {"in_channels": 4, "out_channels": 4}, "makes 4 channels of 4"),
        ("unet/config.json", {"sample_size": None}, "does not say how large"),
        ("unet/config.json", {"sample_size": 512}, "draws 512×512 pixels"),
        ("unet/config.json", {"sample_size": 15}, "does not come out even"),
        ("unet/config.json", {"layers_per_block": 10**9}, "too large, or unreadable"),
        ("unet/config.json", {"block_out_channels": [32] * 99}, "too large, or unreadable"),
        ("unet/config.json", {"block_out_channels": [2048, 2048]}, "million parameters"),
        (
            "unet/config.json",
            {"down_block_types": ["DownBlock2D", "MyBlock"]},
            "cannot be built: MyBlock does not exist",
        ),
        ("unet/config.json", {"block_out_channels": [32, 64]}, "another network|could not be loaded"),
        (
            "scheduler/scheduler_config.json",
            {"_class_name": "ScoreSdeVeScheduler"},
            "has a ScoreSdeVeScheduler",
        ),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}, "predicts 'flow'"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "own"}, "has a schedule 'own'"),
        ("scheduler/scheduler_config.json", {"beta_start": -1}, "a schedule that is none"),
        ("scheduler/scheduler_config.json", {"beta_start": "0"}, "a schedule that is none"),
        ("scheduler/scheduler_config.json", {"trained_betas": [None, 1]}, "a schedule that is none"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**9}, "2 to 10,000"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "ends in pure noise"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, file, changes, said):
    save_pixels(tmp_path)
    change(tmp_path / file, **changes)
    with pytest.raises(PipelineError) as caught:
        describe_pipeline(tmp_path, "user/tiny").to("cpu")
    message = str(caught.value)
    assert any(each in message for each in said.split("|")), message
    assert message.startswith("user/tiny") and "\n" not in message and message.endswith(".")


def test_a_pickle_is_refused_by_its_name(tmp_path):
    pipeline = save_pixels(tmp_path)
    (tmp_path / "unet/diffusion_pytorch_model.safetensors").unlink()
    torch.save(pipeline.unet.state_dict(), tmp_path / "unet/diffusion_pytorch_model.bin")
    refused(tmp_path, "diffusion_pytorch_model.bin, a pickle, which is never opened")


def test_weights_that_are_cut_off_missing_or_not_finite_are_refused(tmp_path):
    save_pixels(tmp_path)
    file = tmp_path / "unet/diffusion_pytorch_model.safetensors"
    weights = safetensors.torch.load_file(file)
    first = next(iter(weights))
    safetensors.torch.save_file(weights | {first: weights[first] * float("nan")}, file, {"format": "pt"})
    refused(tmp_path, "not finite")
    safetensors.torch.save_file({k: v for k, v in weights.items() if k != first}, file, {"format": "pt"})
    refused(tmp_path, "another network")
    file.write_bytes(file.read_bytes()[:1000])
    refused(tmp_path, "could not be loaded")


def test_without_diffusers_a_sentence_names_the_package(tmp_path, monkeypatch):
    save_pixels(tmp_path)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(PipelineError, match="pip install diffusers"):
        describe_pipeline(tmp_path, "user/tiny")
