import math

import pytest
import torch

from diffusion import bits_per_dim, cosine_schedule, ideal_denoiser


def test_a_memorised_data_set_costs_its_index(schedule):
    """For the exact denoiser of 16 equally likely points the bound is near log₂ 16 bits per picture."""
    torch.manual_seed(0)
    points = torch.randint(0, 256, (16, 64)) / 127.5 - 1
    bits = bits_per_dim(
        ideal_denoiser(points, schedule),
        schedule,
        points.repeat(8, 1),
        torch.Generator().manual_seed(0),
        200,
    )
    # With all other terms known to the decoder, only the last step's finite width is left to pay for.
    decoder_std = schedule.betas[0].sqrt().item()
    per_pixel = -math.log2(math.erf(1 / 255 / decoder_std / math.sqrt(2)))
    assert bits.mean().item() == pytest.approx(math.log2(16) / 64 + per_pixel, rel=0.08)


def test_a_worse_denoiser_costs_more():
    schedule = cosine_schedule()
    points = torch.randint(0, 256, (8, 16), generator=torch.Generator().manual_seed(1)) / 127.5 - 1
    ideal = ideal_denoiser(points, schedule)
    costs = [
        bits_per_dim(denoise, schedule, points, torch.Generator().manual_seed(0)).mean().item()
        for denoise in (ideal, lambda x, t: ideal(x, t) + 0.01, lambda x, t: torch.zeros_like(x))
    ]
    assert costs[0] < costs[1] < costs[2]
