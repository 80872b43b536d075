from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
from conftest import randomised

from diffusion import (
    UNet,
    UNetConfig,
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


@contextmanager
def counted_calls(net):
    """Inside, the batch size of every call of the network is appended to the list."""
    calls = []
    hook = net.register_forward_hook(lambda _, args, __: calls.append(len(args[0])))
    yield calls
    hook.remove()


@pytest.fixture(scope="module")
def text_net():
    """A small network that is told by text, and has classes too."""
    torch.manual_seed(0)
    config = UNetConfig(2, 32, (1, 1), 1, (1,), num_classes=3, context_dim=16, sketch_side=8)
    return randomised(UNet(config))


L, D = 5, 16
PAIRS = {  # what the conditional denoiser is told and what the unconditional one, and calls of the network
    "class and none": ({"class_labels": torch.tensor([2, 0])}, {}, 1),
    "none and class": ({}, {"class_labels": torch.tensor([2, 0])}, 1),
    "two classes": ({"class_labels": torch.tensor([2, 0])}, {"class_labels": torch.tensor([1, 1])}, 1),
    "text and one for all": ({"context": torch.randn(2, L, D)}, {"context": torch.randn(1, L, D)}, 1),
    "class and text": (
        {"context": torch.randn(2, L, D), "class_labels": torch.tensor([2, 0])},
        {"context": torch.randn(2, L, D)},
        1,
    ),
    "text and none": ({"context": torch.randn(2, L, D)}, {}, 2),
    "texts of two lengths": ({"context": torch.randn(2, L, D)}, {"context": torch.randn(2, L + 1, D)}, 2),
    "nothing": ({}, {}, 1),
}


@pytest.mark.parametrize(("conditional", "unconditional", "calls"), PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("sampled", [cosine_schedule(), linear_schedule()], ids=["own schedule", "another"])
def test_guidance_asks_one_network_once(text_net, conditional, unconditional, calls, sampled):
    trained_on = cosine_schedule()
    pair = [
        network_denoiser(text_net, sampled, "v", trained_on=trained_on, **told)
        for told in (conditional, unconditional)
    ]
    t, x_t = torch.tensor([700, 30]), torch.randn(2, 2, 8, 8)
    alone = [denoise(x_t, t) for denoise in pair]
    guided = guide(*pair, 3.0)
    with counted_calls(text_net) as counted:
        together = guided.predictions(x_t, t)
        result = guided(x_t, t)
    assert counted == 2 * ([4] if calls == 1 else [2, 2])
    for mine, theirs in zip(together, alone):
        assert torch.allclose(mine, theirs, atol=1e-5)
    assert torch.allclose(result, alone[1] + 3 * (alone[0] - alone[1]), atol=1e-4)


def test_guidance_pairs_any_two_denoisers(text_net, tiny_model):
    """Two networks, two schedules, two predictions or plain functions take two calls."""
    t, x_t, schedule = torch.tensor([700]), torch.randn(1, 2, 8, 8), cosine_schedule()
    one = network_denoiser(text_net, schedule, "v")
    others = [
        network_denoiser(deepcopy(text_net), schedule, "v"),
        network_denoiser(text_net, linear_schedule(), "v"),
        network_denoiser(text_net, schedule, "v", trained_on=linear_schedule()),
        network_denoiser(text_net, schedule, "epsilon"),
        ideal_denoiser(torch.randn(3, 2, 8, 8), schedule),
    ]
    for other in others:
        conditional, unconditional = guide(one, other, 2.0).predictions(x_t, t)
        assert torch.equal(conditional, one(x_t, t)) and torch.equal(unconditional, other(x_t, t))


def test_a_network_that_does_not_name_its_null_class_takes_two_calls(text_net):
    class Wrapped(torch.nn.Module):
        def forward(self, *args, **conditioning):
            return text_net(*args, **conditioning)

    t, x_t, schedule, net = torch.tensor([700]), torch.randn(1, 2, 8, 8), cosine_schedule(), Wrapped()
    pair = [network_denoiser(net, schedule, "v", class_labels=y) for y in (torch.tensor([1]), None)]
    with counted_calls(text_net) as counted:
        conditional, unconditional = guide(*pair, 2.0).predictions(x_t, t)
    assert counted == [1, 1]
    assert not torch.equal(conditional, unconditional)
    assert torch.equal(unconditional, network_denoiser(text_net, schedule, "v")(x_t, t))


def test_guidance_of_one_is_the_very_object():
    conditional, unconditional = ideal_denoiser(torch.randn(2, 3), cosine_schedule()), None
    assert guide(conditional, unconditional, 1.0) is conditional


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
