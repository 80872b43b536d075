import pytest
import torch

from diffusion import Model, NoiseSchedule, cosine_schedule, linear_schedule
from diffusion.schedules import named_schedule


def test_published_end_points():
    linear, cosine = linear_schedule(), cosine_schedule()
    assert linear.alphas_cumprod[0] == cosine.alphas_cumprod[0] == 1
    assert linear.alphas_cumprod[-1].item() == pytest.approx(4.04e-5, rel=2e-3)
    assert cosine.alphas_cumprod[-1].item() == pytest.approx(2.43e-9, rel=2e-3)
    assert linear.alphas_cumprod.dtype == torch.float64


def test_snr_crosses_one_where_it_should():
    for schedule, crossing in ((linear_schedule(), 260), (cosine_schedule(), 497)):
        snr = schedule.snr(torch.arange(1, 1001))
        assert (snr > 1).sum().item() == pytest.approx(crossing, abs=2)


def test_share_of_steps_that_are_nearly_noise():
    below = [
        (s.snr(torch.arange(1, 1001)) < 0.01).double().mean().item()
        for s in (linear_schedule(), cosine_schedule())
    ]
    assert below[0] == pytest.approx(0.33, abs=0.01)
    assert below[1] == pytest.approx(0.06, abs=0.01)


@pytest.mark.parametrize("num_timesteps", [20, 50, 250, 1000])
def test_short_chains_end_in_noise_too(num_timesteps):
    for make in (linear_schedule, cosine_schedule):
        schedule = make(num_timesteps)
        assert schedule.num_timesteps == num_timesteps
        assert schedule.betas.max() <= 0.999 + 1e-12
        assert schedule.alphas_cumprod[-1] < 2e-4


def test_betas_rebuild_alphas_cumprod(schedule):
    rebuilt = (1 - schedule.betas).cumprod(0)
    assert torch.allclose(rebuilt, schedule.alphas_cumprod[1:], rtol=1e-12, atol=0)


def test_timestep_at_inverts_half_log_snr(schedule):
    t = torch.arange(1, 1001)
    assert torch.allclose(schedule.timestep_at(schedule.half_log_snr(t)), t.double(), atol=1e-9)
    between = schedule.half_log_snr(torch.tensor([400, 401])).mean().view(1)
    assert schedule.timestep_at(between).item() == pytest.approx(400.5)


def test_timestep_at_is_held_at_the_ends(schedule):
    out_of_reach = torch.tensor([-1e3, 1e3, float("inf")], dtype=torch.float64)
    assert schedule.timestep_at(out_of_reach).tolist() == [1000, 1, 1]


@pytest.mark.parametrize("values", [[1.0], [0.9, 0.5], [1.0, 0.5, 0.6], [1.0, 0.5, 0.0]])
def test_what_is_no_schedule_is_refused(values):
    with pytest.raises(ValueError):
        NoiseSchedule(torch.tensor(values, dtype=torch.float64))


def test_length_is_checked():
    with pytest.raises(ValueError, match="at least 2"):
        linear_schedule(1)


def test_a_schedule_is_found_by_its_name():
    assert torch.equal(named_schedule("cosine", 50).alphas_cumprod, cosine_schedule(50).alphas_cumprod)
    assert named_schedule("linear").num_timesteps == 1000
    for make in (named_schedule, lambda name: Model("odd", None, name, cosine_schedule(), "v", (1, 8, 8))):
        for name in ("quadratic", "", None, ["cosine"]):
            with pytest.raises(ValueError, match="schedule must be one of linear, cosine, not "):
                make(name)
