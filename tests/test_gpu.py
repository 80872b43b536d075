"""A function of a model runs on the best device, and borrows a Space's GPU as what it is."""

import inspect

import pytest

from diffusion.devices import best_device
from diffusion.ui.parts import gpu


def where(model, factor):
    """The device's name, so many times."""
    return factor * model.device.type


def several(model, number):
    for _ in range(number):
        yield model.device.type


def test_the_model_is_moved_to_the_best_device(tiny_model):
    assert gpu.on_gpu(where)(tiny_model, 2) == 2 * best_device()
    assert list(gpu.on_gpu(several)(tiny_model, 3)) == 3 * [best_device()]


@pytest.mark.parametrize("function", [where, several])
def test_what_a_space_borrows_its_gpu_for_keeps_its_kind_and_name(function, monkeypatch):
    borrowed = []
    monkeypatch.setattr(gpu, "borrow_gpu", lambda moved: borrowed.append(moved) or moved)
    decorated = gpu.on_gpu(function)
    assert borrowed == [decorated] and decorated.__name__ == function.__name__
    assert inspect.isgeneratorfunction(decorated) == inspect.isgeneratorfunction(function)
