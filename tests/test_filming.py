"""Films of a tiny Stable Diffusion: what it does itself, step by step."""

import json
import threading
import time

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
)
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tiny_pipeline import CHANNELS, FACTOR, SCHEDULE, SIDE, tiny_pipeline
from transformers import CLIPConfig, CLIPImageProcessor

from diffusion.data.images import to_uint8
from diffusion.pipelines import filming
from diffusion.pipelines.filming import PipelineRequest, StepRecorder, expected_latents, film
from diffusion.pipelines.loading import PipelineError, load_pipeline

STEPS = 4
RED = PipelineRequest("red cat", num_steps=STEPS, guidance_scale=3.0, seed=5)
SCHEDULERS = {
    "ddim": DDIMScheduler(**SCHEDULE, clip_sample=False),
    "pndm": PNDMScheduler(**SCHEDULE, skip_prk_steps=True),
    "euler": EulerDiscreteScheduler(**SCHEDULE),
    "dpm++": DPMSolverMultistepScheduler(**SCHEDULE),
}


@pytest.fixture(scope="module")
def pipeline(pipeline_folder):
    return load_pipeline(str(pipeline_folder))


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


def test_the_network_sees_unit_variance_from_the_first_step(pipeline_folder, tmp_path):
    """Whatever the scheduler calls its latents: the same seed gives the same first picture of noise."""
    tiny_pipeline(tmp_path, SCHEDULERS["euler"])
    euler, ddim = (next(film(load_pipeline(str(path)), RED)).latents for path in (tmp_path, pipeline_folder))
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


def test_every_setting_has_its_effect(pipeline, pipeline_folder):
    def result(**changes):
        return list(film(pipeline, PipelineRequest(**{**vars(RED), **changes})))[-1].picture

    changed = [{"prompt": "dog"}, {"negative_prompt": "dog"}, {"guidance_scale": 6.0}, {"seed": 6}]
    pictures = [result(), *(result(**change) for change in changed)]
    assert np.array_equal(pictures[0], result())
    for i, one in enumerate(pictures):
        assert all(np.abs(one.astype(int) - other).max() > 2 for other in pictures[:i])
    negative = PipelineRequest(**{**vars(RED), "negative_prompt": "dog"})
    assert close(pictures[2], own_run(pipeline_folder, negative)[0])


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
    whole, _ = filming.decode(pipeline, latents)
    monkeypatch.setattr(StableDiffusionPipeline, "upcast_vae", lambda self: None, raising=False)
    seen = []
    hook = pipeline.vae.decoder.register_forward_hook(lambda *a: seen.append(a[2].dtype))
    pipeline.vae.half()
    try:
        with torch.no_grad():
            picture, _ = filming.decode(pipeline, latents.half())
        assert seen == [torch.float32] and pipeline.vae.dtype == torch.float16
    finally:
        hook.remove()
        pipeline.vae.float()
    assert np.abs(picture.astype(int) - whole).max() <= 3


def test_a_failing_pipeline_says_so(copied_pipeline):
    config = json.loads((copied_pipeline / "scheduler/scheduler_config.json").read_text())
    (copied_pipeline / "scheduler/scheduler_config.json").write_text(
        json.dumps({**config, "prediction_type": "odd"})
    )
    with pytest.raises(PipelineError, match=r"^The pipeline failed: .*prediction_type.*\.$"):
        list(film(load_pipeline(str(copied_pipeline)), RED))


def test_a_pipeline_that_shows_no_step_says_so(pipeline):
    """Its callback is called, or it ends, and its scheduler was never asked."""
    recorder = StepRecorder(pipeline, pytest.fail)
    with pytest.raises(PipelineError, match="StableDiffusionPipeline makes its steps without its scheduler"):
        recorder.on_step_end(pipeline, 0, 999, {"latents": torch.zeros(1, CHANNELS, 16, 16)})
    with pytest.raises(PipelineError, match="StableDiffusionPipeline made no steps"):
        recorder.on_result(np.zeros((SIDE, SIDE, 3), np.uint8), withheld=False)
