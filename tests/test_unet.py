from dataclasses import replace

import pytest
import torch
from conftest import randomised

from diffusion import UNet, UNetConfig
from diffusion.nets.unet import timestep_embedding

TOLD = UNetConfig(1, 32, (1, 2), 1, (1,), context_dim=8, sketch_side=8)


@pytest.mark.parametrize(
    "config, side",
    [
        (UNetConfig(1), 28),
        (UNetConfig(3, 32, (1, 2, 4), 2, (1, 2), 0.1, 10), 32),
        (UNetConfig(4, 32, (1, 2), 1, (0, 1), context_dim=24, sketch_side=16), 16),
    ],
)
def test_output_has_the_input_shape_and_starts_at_zero(config, side):
    x_t = torch.randn(2, config.in_channels, side, side)
    context = config.context_dim and torch.randn(2, 5, config.context_dim)
    output = UNet(config)(x_t, torch.tensor([1.0, 999.5]), context=context)
    assert output.shape == x_t.shape and output.abs().max() == 0


def test_every_condition_has_an_effect():
    net = randomised(UNet(replace(TOLD, num_classes=3)))
    x_t, t, labels, context = (
        torch.randn(2, 1, 8, 8),
        torch.ones(2),
        torch.tensor([0, 1]),
        torch.randn(2, 5, 8),
    )
    outputs = [
        net(x_t, t, labels, context),
        net(x_t, t + 500, labels, context),
        net(x_t, t, labels.flip(0), context),
        net(x_t, t, None, context),
        net(x_t, t, labels, context + 1),
        net(x_t, t, labels, None),
    ]
    with torch.no_grad():
        net.sketch.linear.bias += 1
    outputs.append(net(x_t, t, labels, context))
    for i, one in enumerate(outputs):
        assert all(not torch.allclose(one, other, atol=1e-4) for other in outputs[:i])


def test_no_class_is_the_null_class():
    net = randomised(UNet(UNetConfig(1, 32, (1,), 1, (), num_classes=3)))
    x_t, t = torch.randn(2, 1, 8, 8), torch.tensor([10.0, 20.0])
    assert torch.equal(net(x_t, t), net(x_t, t, torch.tensor([3, 3])))


def test_examples_do_not_mix():
    net = randomised(UNet(UNetConfig(1, 32, (1, 2), 1, (1,))))
    x_t, t = torch.randn(3, 1, 8, 8), torch.tensor([1.0, 500.0, 1000.0])
    assert torch.allclose(net(x_t, t)[1], net(x_t[1:2], t[1:2])[0], atol=1e-4)


def test_every_parameter_learns():
    net = randomised(UNet(replace(TOLD, num_classes=2))).requires_grad_()
    labels, context = torch.tensor([0, 2]), torch.randn(2, 3, 8)
    net(torch.randn(2, 1, 8, 8), torch.ones(2), labels, context).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_timestep_embedding_tells_neighbours_apart():
    rows = timestep_embedding(torch.tensor([1.0, 2.0, 2.5, 1000.0]), 32)
    assert rows.shape == (4, 32) and torch.pdist(rows).min() > 0.1
