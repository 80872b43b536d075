import diffusion

# What the README, model cards and other people's code import: a name is never lost.
PUBLIC = {
    "CheckpointError", "Denoiser", "Film", "HubError", "LatentModel", "Model", "NoiseSchedule", "Step",
    "UNet", "UNetConfig", "bits_per_dim", "cosine_schedule", "diffusion_loss", "draw_noise", "guide",
    "ideal_denoiser", "linear_schedule", "load_film", "load_model", "make_film", "network_denoiser",
    "push_to_hub", "q_posterior", "q_sample", "q_step", "sample", "save_film", "save_model",
    "stratified_timesteps", "timesteps",
}  # fmt: skip


def test_every_public_name_is_there():
    assert set(diffusion.__all__) == PUBLIC and len(diffusion.__all__) == len(PUBLIC)
    assert all(hasattr(diffusion, name) for name in PUBLIC)
    assert diffusion.__all__ == sorted(diffusion.__all__)
