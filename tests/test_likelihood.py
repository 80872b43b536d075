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
        num_strata=200,
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


def test_every_image_gets_an_unbiased_estimate(schedule):
    """A denoiser off by 0.05 costs ½ d 0.05² (SNR(1) − SNR(T)), wherever in the batch the image stands."""
    x_0, generator = torch.zeros(64, 16) + 1 / 255, torch.Generator().manual_seed(0)

    def cost(offset, strata):
        return bits_per_dim(lambda x, t: x_0 + offset, schedule, x_0, generator, strata)

    ends = schedule.snr(torch.tensor([1, schedule.num_timesteps]))
    expected = 0.5 * 0.05**2 * (ends[0] - ends[1]).item() / math.log(2)
    decoder = -torch.log2(decoder_mass(schedule, 0.05) / decoder_mass(schedule, 0.0))
    drawn = torch.stack([cost(0.05, 333) for _ in range(24)]).mean(0) - cost(0.0, 1) - decoder
    for part in (drawn[:8], drawn[-8:]):
        assert part.mean().item() == pytest.approx(expected, rel=0.15)


def decoder_mass(schedule, offset):
    """What the last step's Gaussian, off by `offset`, gives to the right grey level."""
    normal = torch.distributions.Normal(torch.tensor(offset, dtype=torch.float64), schedule.betas[0].sqrt())
    return (normal.cdf(torch.tensor(1 / 255)) - normal.cdf(torch.tensor(-1 / 255))).clamp(min=1e-12)
