import pytest
import torch

from diffusion import (
    cosine_schedule,
    guide,
    ideal_denoiser,
    linear_schedule,
    network_denoiser,
    q_sample,
)
from diffusion.process import training_target


def test_guidance_of_one_is_the_conditional_denoiser_bit_for_bit(tiny_model):
    labels, t = torch.tensor([0, 2]), torch.tensor([700, 700])
    x_t = torch.randn(2, 1, 16, 16)
    plain = network_denoiser(tiny_model.net, tiny_model.schedule, "v", class_labels=labels)
    guided = tiny_model.denoiser(class_labels=labels, guidance_scale=1.0)
    assert torch.equal(plain(x_t, t), guided(x_t, t))


def test_guidance_extrapolates(tiny_model):
    labels, t, x_t = torch.tensor([1]), torch.tensor([500]), torch.randn(1, 1, 16, 16)
    cond = tiny_model.denoiser(class_labels=labels)(x_t, t)
    uncond = tiny_model.denoiser()(x_t, t)
    guided = tiny_model.denoiser(class_labels=labels, guidance_scale=3.0)(x_t, t)
    assert not torch.allclose(cond, uncond)
    assert torch.allclose(guided, uncond + 3 * (cond - uncond), atol=1e-5)
    assert torch.equal(guide(lambda *_: cond, lambda *_: uncond, 0.0)(x_t, t), uncond)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "sample"])
def test_no_denoiser_clamps(schedule, prediction):
    """A network that knows the answer gives back x_0 far outside [−1, 1], whatever it predicts."""
    x_0, noise = (
        torch.full((1, 4), 7.0, dtype=torch.float64),
        torch.randn(1, 4, dtype=torch.float64),
    )
    for t in (1, 400, 1000):
        t = torch.tensor([t])
        alpha, sigma = schedule.alpha_sigma(t, x_0)
        answer = training_target(prediction, x_0, noise, alpha, sigma)
        denoise = network_denoiser(lambda *_, answer=answer, **__: answer, schedule, prediction)
        assert torch.allclose(denoise(q_sample(schedule, x_0, t, noise), t), x_0, atol=1e-6)
    assert ideal_denoiser(x_0, schedule)(noise, t).max() == 7


def test_ideal_denoiser_is_the_posterior_mean(schedule):
    data = torch.tensor([[-1.0], [0.5], [2.0]], dtype=torch.float64)
    t, x_t = torch.tensor([300, 300]), torch.tensor([[0.2], [-0.9]], dtype=torch.float64)
    a = schedule.alphas_cumprod[300]
    likelihood = torch.exp(-((x_t - a.sqrt() * data.T) ** 2) / (2 * (1 - a)))
    expected = (likelihood @ data) / likelihood.sum(1, keepdim=True)
    assert torch.allclose(ideal_denoiser(data, schedule)(x_t, t), expected)


def test_ideal_denoiser_takes_a_different_t_for_each_example(schedule):
    data, x_t = torch.randn(5, 3), torch.randn(2, 3)
    denoise, t = ideal_denoiser(data, schedule), torch.tensor([100, 900])
    together = denoise(x_t, t)
    for i in range(2):
        assert torch.allclose(together[i], denoise(x_t[i : i + 1], t[i : i + 1])[0], atol=1e-6)


def test_other_schedule_reaches_the_network_at_its_own_noise_level():
    """The network is asked at the t of its own schedule that is equally noisy, also between two t."""
    linear, cosine = linear_schedule(), cosine_schedule()
    asked = []

    def net(x_t, t, **_):
        asked.append(t)
        return torch.zeros_like(x_t)

    denoise = network_denoiser(net, cosine, "v", trained_on=linear)
    t = torch.tensor([50, 497, 950, 1000])
    x_0_hat = denoise(torch.ones(4, 2, dtype=torch.float64), t)
    own = linear.half_log_snr(asked[0].floor().long()), linear.half_log_snr(asked[0].ceil().long())
    inside = cosine.half_log_snr(t)[:3]
    assert (own[1][:3] <= inside + 1e-9).all() and (inside <= own[0][:3] + 1e-9).all()
    assert asked[0][3] == 1000  # cosine is noisier than linear ever gets: held at the end
    alpha = cosine.alpha_sigma(t, x_0_hat)[0]
    assert torch.allclose(x_0_hat[:3], alpha[:3].expand(3, 2), atol=1e-9)  # v = 0 means x̂_0 = α x_t
    assert x_0_hat[3, 0] == pytest.approx(linear.alphas_cumprod[1000].sqrt().item())


def test_own_schedule_needs_no_mapping(tiny_model):
    x_t, t = torch.randn(2, 1, 16, 16), torch.tensor([3, 900])
    same = tiny_model.denoiser(schedule=cosine_schedule())(x_t, t)
    assert torch.allclose(same, tiny_model.denoiser()(x_t, t), atol=1e-4)
