"""Diffusion models, small enough to read in an afternoon and real enough to train."""

from diffusion.denoiser import Denoiser, guide, ideal_denoiser, network_denoiser
from diffusion.films.film import Film, make_film
from diffusion.films.folder import load_film, save_film
from diffusion.hub import HubError, load_model, push_to_hub
from diffusion.likelihood import bits_per_dim
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.models.folder import CheckpointError, save_model
from diffusion.models.model import LatentModel, Model
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.noise import draw_noise
from diffusion.process import q_posterior, q_sample, q_step
from diffusion.samplers import Step, sample, timesteps
from diffusion.schedules import NoiseSchedule, cosine_schedule, linear_schedule

__all__ = [
    "CheckpointError",
    "Denoiser",
    "Film",
    "HubError",
    "LatentModel",
    "Model",
    "NoiseSchedule",
    "Step",
    "UNet",
    "UNetConfig",
    "bits_per_dim",
    "cosine_schedule",
    "diffusion_loss",
    "draw_noise",
    "guide",
    "ideal_denoiser",
    "linear_schedule",
    "load_film",
    "load_model",
    "make_film",
    "network_denoiser",
    "push_to_hub",
    "q_posterior",
    "q_sample",
    "q_step",
    "sample",
    "save_film",
    "save_model",
    "stratified_timesteps",
    "timesteps",
]
