"""Measuring what a network costs: memory counted exactly, rounds in turns, and what is too slow left out."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import randomised
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from diffusion import UNet, UNetConfig
from diffusion.nets import step_cost as cost
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig

CPU = torch.device("cpu")
CONFIG = UNetConfig(4, 32, (1, 2), 1, (1,), context_dim=64)
MEBI = 2**20


def test_memory_is_that_of_the_tensors_that_live_together():
    def call():
        a = torch.zeros(MEBI)  # 4 MiB
        b = torch.ones(MEBI)
        del a
        c = b.view(2, -1).add_(1).mT  # nothing new
        huge = torch.zeros(1).expand(10**12)  # four bytes
        return c, huge, torch.zeros(MEBI // 2)

    assert cost.peak_bytes(call, CPU) == 8 * MEBI
    weights = torch.zeros(8 * MEBI)
    assert cost.peak_bytes(lambda: weights.view(8, -1)[:4], CPU) == 0


def test_memory_of_a_step_grows_with_its_pixels_and_with_its_batch():
    net = randomised(UNet(CONFIG))
    small, large = (cost.peak_bytes(cost.step_call(net, side, 12), CPU) for side in (8, 16))
    activation = 4 * 32 * 16 * 16  # of the first level
    assert large > 3 * small and large > 3 * activation


def test_operations_are_those_of_the_network():
    net = randomised(UNet(CONFIG))
    # The counter does not see into the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        cost.step_call(net, 16, 12)()
    assert cost.step_operations(CONFIG, 16, 12) == counter.get_total_flops() > 10**6


def test_patches_save_what_the_network_would_do_at_every_pixel():
    whole = UNetConfig(3, 32, (1, 2), 1, ())
    patches = replace(whole, patch_size=2)
    small, large = (cost.step_operations(whole, side, 0) for side in (16, 32))
    at_ends = 2 * 9 * (4 - 1) * (3 + 3) * 32 * 16 * 16  # of the first and the last convolution, at 16×16
    assert cost.step_operations(patches, 32, 0) == small + at_ends < 0.3 * large
    x_t, t = torch.randn(2, 3, 32, 32), torch.ones(2)
    assert cost.training_flops(UNet(patches), x_t, t) > 2.5 * 2 * cost.step_operations(patches, 32, 0)


def test_the_smallest_side_that_is_measured_is_one_that_patches_allow():
    assert cost.affordable_side(UNetConfig(3, 32, (1, 2), 1, (), patch_size=2), 64, 0, 1.0) == 4
    assert cost.affordable_side(UNetConfig(3, 32, (1, 2), 1, (), patch_size=3), 96, 0, 1.0) == 6


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when told to: `clock.seconds += …`."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: clock.seconds))
    return clock


def test_rounds_are_in_turns_and_the_median_ignores_one_slow_call(monkeypatch, clock):
    monkeypatch.setattr(cost, "MAX_ROUNDS", 5)
    monkeypatch.setattr(cost, "SECONDS", 60)
    order = []

    def call(name, seconds):
        order.append(name)
        clock.seconds += seconds + (1.0 if len(order) == 3 else 0.0)

    calls = {"a": lambda: call("a", 0.25), "b": lambda: call("b", 0.125)}
    seconds, rounds = cost.medians(calls, CPU)
    assert rounds == 5 and order == ["a", "b"] * 5
    assert seconds == {"a": 0.25, "b": 0.125}


def test_time_is_bounded_by_rounds_that_stop(monkeypatch, clock):
    monkeypatch.setattr(cost, "SECONDS", 1.0)

    def slow():
        clock.seconds += 0.6

    assert cost.medians({"slow": slow}, CPU)[1] == 2


def test_what_would_take_too_long_is_measured_smaller():
    at = {side: cost.step_operations(CONFIG, side, 12) for side in (16, 32, 64)}
    assert at[16] < at[32] < at[64]
    for side, operations in at.items():
        enough = operations / cost.AFFORDABLE
        assert cost.affordable_side(CONFIG, 64, 12, 1.01 * enough) == side
    assert cost.affordable_side(CONFIG, 64, 12, 1.0) == 2  # never smaller than the network can take


@pytest.mark.parametrize("affordable, side", [(60.0, 64), (1e-9, 2)])
def test_comparison_is_of_one_network_on_pixels_and_latents(monkeypatch, affordable, side):
    monkeypatch.setattr(cost, "SECONDS", 0.5)
    monkeypatch.setattr(cost, "AFFORDABLE", affordable)
    net = randomised(UNet(replace(CONFIG, sketch_side=16)))
    autoencoder = randomised(Autoencoder(AutoencoderConfig(3, 4, 32, (1, 1), 1)))
    found = cost.compare(net, autoencoder, 64, 12)
    assert (found.latents.side, found.pixels.side, found.decode.side) == (16, side, 64)
    assert found.rounds >= 1 and min(found.encode.seconds, found.decode.seconds) > 0
    twin = randomised(UNet(replace(CONFIG, in_channels=3)))
    with torch.no_grad():
        assert found.pixels.bytes == cost.peak_bytes(cost.step_call(twin, side, 12), CPU)
    assert (found.pixels.bytes > found.latents.bytes) == (side == 64)
    if side == 64:
        assert min(found.pixels.seconds, found.latents.seconds) > 0  # a busy machine may turn them round


def test_parameters_are_counted_over_all_modules():
    one, other = torch.nn.Linear(3, 4), torch.nn.Conv2d(2, 5, 3)
    assert cost.num_parameters() == 0
    assert cost.num_parameters(one, torch.nn.Sequential(other, torch.nn.SiLU())) == 16 + 95


def test_a_step_of_a_network_without_text_can_be_called():
    net = randomised(UNet(UNetConfig(2, 32, (1, 1), 1, ())))
    assert cost.step_call(net, 8, 12)().shape == (1, 2, 8, 8)
