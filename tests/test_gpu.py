"""A function of a model runs on the best device, borrows a Space's GPU for as long as it needs, and does
without one that is not to be had."""

import inspect
from dataclasses import asdict

import gradio as gr
import pytest

from diffusion.devices import best_device
from diffusion.ui.parts import gpu
from diffusion.ui.parts.class_film import checked_class_request, class_frames
from diffusion.ui.parts.gpu import LEAST, MOST, Work
from diffusion.ui.parts.inputs import InputError


def where(model, factor):
    """The device's name, so many times."""
    return factor * model.device.type


def several(model, number):
    for _ in range(number):
        yield model.device.type


some_work = gpu.on_gpu(lambda model, number: Work(number, number))


def test_the_model_is_moved_to_the_best_device(tiny_model):
    assert some_work(where)(tiny_model, 2) == 2 * best_device()
    assert list(some_work(several)(tiny_model, 3)) == 3 * [best_device()]


@pytest.fixture
def space(monkeypatch):
    """A Space that lends its GPU; what was borrowed, and for how many seconds."""
    borrowed = []

    def borrow(function, duration):
        borrowed.append((function, duration))
        return function

    monkeypatch.setattr(gpu, "borrow_gpu", borrow)
    return borrowed


@pytest.mark.parametrize("function", [where, several])
def test_what_a_space_borrows_its_gpu_for_keeps_its_kind_and_name(space, function, tiny_model):
    decorated = some_work(function)
    ((borrowed, _),) = space
    assert borrowed.__name__ == decorated.__name__ == function.__name__
    assert inspect.isgeneratorfunction(borrowed) == inspect.isgeneratorfunction(function)


def test_it_is_borrowed_for_the_seconds_that_the_work_takes(space, tiny_model, tiny_cats):
    some_work(where)
    ((_, seconds),) = space
    asked = [seconds(tiny_model, number) for number in (1, 100, 1000, 10**6)]
    assert asked == sorted(asked) and (asked[0], asked[-1]) == (LEAST, MOST) and asked[1] < asked[2]
    assert all(isinstance(each, int) for each in asked)
    work = Work(100, 100 * 16)
    assert gpu.seconds_for(tiny_cats, work) >= gpu.seconds_for(tiny_model, work)


def unwilling(function, duration):
    """A Space whose visitors have no quota left: nothing is lent."""

    def call(*_):
        raise gr.Error("You have exceeded your free ZeroGPU quota (5s requested vs. 0s left).")

    def generate(*_):
        call()
        yield

    return generate if inspect.isgeneratorfunction(function) else call


def taken_back(function, duration):
    """A Space that aborts a walk when it has made two steps."""

    def generate(*sent):
        for made, item in enumerate(function(*sent)):
            if made == 2:
                raise gr.Error("GPU task aborted")
            yield item

    return generate


@pytest.mark.parametrize("borrow", [unwilling, taken_back])
def test_without_a_gpu_the_cpu_draws_the_same_and_says_so(monkeypatch, borrow, tiny_model):
    warned = []
    monkeypatch.setattr(gpu.gr, "Warning", warned.append)
    request = checked_class_request({"tiny": tiny_model}, "", 2, 4, "ddim", 3, "tiny", "", 1.0)
    with_gpu = [arrays["x_0_hat"] for arrays, _ in class_frames(tiny_model, request)]
    monkeypatch.setattr(gpu, "borrow_gpu", borrow)
    work = gpu.on_gpu(lambda model, request: Work(4, 8))
    without = [arrays["x_0_hat"] for arrays, _ in work(class_frames.__wrapped__)(tiny_model, request)]
    assert len(with_gpu) == len(without) == 5
    assert all(abs(one - other).max() < 1e-5 for one, other in zip(with_gpu, without))
    (sentence,) = warned
    assert "CPU" in sentence and sentence.endswith(".") and asdict(request)


def test_a_refusal_is_no_reason_to_try_again(monkeypatch, tiny_model):
    monkeypatch.setattr(gpu, "borrow_gpu", lambda function, duration: function)
    calls = []

    @gpu.on_gpu(lambda model: Work(1, 1))
    def refuses(model):
        calls.append(model)
        raise InputError("No.")

    with pytest.raises(InputError, match="No."):
        refuses(tiny_model)
    assert len(calls) == 1
