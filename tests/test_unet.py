import math
import random
from dataclasses import replace

import pytest
import torch
from conftest import randomised

from diffusion import UNet, UNetConfig
from diffusion.nets.blocks import MAX_BLOCKS, MAX_CHANNELS, MAX_LEVELS, MAX_WIDTH, timestep_embedding
from diffusion.nets.unet import MAX_PATCH

TOLD = UNetConfig(1, 32, (1, 2), 1, (1,), context_dim=8, sketch_side=8)


@pytest.mark.parametrize(
    "config, side",
    [
        (UNetConfig(1), 28),
        (UNetConfig(3, 32, (1, 2, 4), 2, (1, 2), 0.1, 10), 32),
        (UNetConfig(4, 32, (1, 2), 1, (0, 1), context_dim=24, sketch_side=16), 16),
        (UNetConfig(3, 32, (1, 2), 1, (1,), patch_size=3), 24),
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


@pytest.mark.parametrize("dim", [32, 64, 256])
def test_wavelengths_reach_from_2_pi_to_just_below_20_000_pi(dim):
    """The first and the last pair return to where they began after their wavelength, and not before."""
    shortest, longest = 2 * math.pi, 2 * math.pi * 10_000 ** (1 - 2 / dim)
    assert longest < 20_000 * math.pi
    for pair, wavelength in ((0, shortest), (dim // 2 - 1, longest)):
        turns = torch.tensor([0, 0.25, 0.5, 1])
        cosine, sine = timestep_embedding(turns * wavelength, dim)[:, [pair, pair + dim // 2]].T
        assert torch.allclose(cosine, (2 * math.pi * turns).cos(), atol=1e-3)
        assert torch.allclose(sine, (2 * math.pi * turns).sin(), atol=1e-3)


def random_config(choose: random.Random) -> UNetConfig:
    """A small config of any kind that UNetConfig accepts."""
    while True:
        mults = tuple(choose.randint(1, 3) for _ in range(choose.randint(1, 3)))
        levels = range(len(mults))
        context_dim = choose.choice([None, 1, 7, 24])
        side = 2 ** (len(mults) - 1) * choose.randint(1, 3)
        try:
            return UNetConfig(
                in_channels=choose.randint(1, 5),
                channels=choose.choice([32, 64, 96]),
                channel_mult=mults,
                blocks_per_level=choose.randint(1, 2),
                attention_levels=tuple(choose.sample(levels, choose.randint(0, len(mults)))),
                dropout=choose.choice([0, 0.0, 0.3]),
                num_classes=choose.choice([None, 1, 5]),
                context_dim=context_dim,
                sketch_side=choose.choice([None, side]) if context_dim else None,
                patch_size=choose.choice([1, 1, 2, 3]),
            )
        except ValueError as error:  # attention over 96 channels, and the like
            assert "attention over" in str(error) or "a sketch goes with a patch_size of 1" in str(error)


@pytest.mark.parametrize("seed", range(24))
def test_a_config_that_is_accepted_runs(seed):
    choose = random.Random(seed)
    config = random_config(choose)
    side = config.sketch_side or config.factor * choose.randint(1, 2)
    torch.manual_seed(seed)
    net, t = UNet(config), torch.tensor([1.0, 999.5])
    x_t = torch.randn(2, config.in_channels, side, side)
    labels = None if config.num_classes is None else torch.tensor([0, config.num_classes])
    context = None if config.context_dim is None else torch.randn(2, 3, config.context_dim)
    for conditions in ((None, None), (labels, None), (None, context), (labels, context)):
        output = net(x_t, t, *conditions)
        assert output.shape == x_t.shape and output.isfinite().all()


@pytest.mark.parametrize("first", [1, 2, 3])
def test_the_first_level_may_have_any_width(first):
    net = randomised(UNet(UNetConfig(2, 32, (first, 1), 1, ())))
    assert net(torch.randn(1, 2, 4, 4), torch.ones(1)).shape == (1, 2, 4, 4)
    assert net.out[0].num_channels == 32 * first


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(MAX_CHANNELS, MAX_WIDTH, (1,), 1, (0,), num_classes=100_000, context_dim=100_000),
        UNetConfig(1, 32, (1,) * MAX_LEVELS, 1, (7,)),
        UNetConfig(1, 32, (1, 1), MAX_BLOCKS, (1,)),
        UNetConfig(1, 32, (MAX_WIDTH // 32, 1), 1, ()),
        UNetConfig(1, 32, (1,), 1, (), context_dim=1, sketch_side=256),
        UNetConfig(MAX_CHANNELS, 32, (1, 1), 1, (), patch_size=MAX_PATCH),
    ],
)
def test_the_largest_configs_that_are_accepted_run(config):
    """Without memory, as a foreign config's network is built."""
    side = config.sketch_side or config.factor
    with torch.device("meta"):
        context = config.context_dim and torch.ones(1, 2, config.context_dim)
        x_t = torch.ones(1, config.in_channels, side, side)
        assert UNet(config)(x_t, torch.ones(1), context=context).shape == x_t.shape


REFUSED = [
    {"in_channels": 0},
    {"in_channels": MAX_CHANNELS + 1},
    {"channels": 31},
    {"channels": 48},
    {"channels": MAX_WIDTH + 32},
    {"channels": 64.0},
    {"channel_mult": ()},
    {"channel_mult": [1, 2]},
    {"channel_mult": (1, 0)},
    {"channel_mult": (1,) * (MAX_LEVELS + 1)},
    {"channel_mult": (1, MAX_WIDTH // 32 + 1)},
    {"blocks_per_level": MAX_BLOCKS + 1},
    {"attention_levels": (3,)},
    {"attention_levels": [0]},
    {"channels": 96, "attention_levels": (0,)},
    {"dropout": 1},
    {"dropout": -0.1},
    {"dropout": math.nan},
    {"dropout": "0"},
    {"num_classes": 0},
    {"context_dim": 100_001},
    {"sketch_side": 8},
    {"context_dim": 8, "sketch_side": 257},
    {"context_dim": 8, "sketch_side": 6},
    {"context_dim": 8, "sketch_side": 8, "patch_size": 2},
    {"patch_size": 0},
    {"patch_size": MAX_PATCH + 1},
    {"patch_size": 2.0},
    {"patch_size": True},
    {"patch_size": None},
]


@pytest.mark.parametrize("changes", REFUSED, ids=map(str, REFUSED))
def test_a_config_of_no_network_is_refused(changes):
    with pytest.raises(ValueError, match="must be|needs a|goes with"):
        replace(UNetConfig(3, attention_levels=()), **changes)


def test_a_patch_is_pixels_as_channels_and_nothing_else():
    """Unfolded by hand, in the order that `pixel_unshuffle` documents, with the same weights."""
    config = UNetConfig(3, 32, (1, 2), 1, (1,), num_classes=2, patch_size=2)
    net, inner = randomised(UNet(config)), UNet(replace(config, in_channels=12, patch_size=1)).eval()
    inner.load_state_dict(net.state_dict())  # all names and shapes are those of a network of 12 channels
    x_t, t, labels = torch.randn(2, 3, 8, 12), torch.tensor([3.0, 700.0]), torch.tensor([0, 1])
    folded = torch.stack([x_t[:, :, i::2, j::2] for i in range(2) for j in range(2)], dim=2).flatten(1, 2)
    output = inner(folded, t, labels).unflatten(1, (3, 2, 2))
    expected = torch.empty_like(x_t)
    for i in range(2):
        for j in range(2):
            expected[:, :, i::2, j::2] = output[:, :, i, j]
    assert torch.equal(net(x_t, t, labels), expected)


@pytest.mark.parametrize(("patch", "sides"), [(1, 4), (2, 8), (3, 12)])
def test_sides_are_divisible_by_patches_and_levels(patch, sides):
    config = UNetConfig(1, 32, (1, 1, 1), 1, (), patch_size=patch)
    assert config.factor == sides
    assert UNet(config)(torch.ones(1, 1, sides, 2 * sides), torch.ones(1)).shape == (1, 1, sides, 2 * sides)
    with pytest.raises(RuntimeError):
        UNet(config)(torch.ones(1, 1, sides, sides + patch), torch.ones(1))
