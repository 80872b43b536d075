"""Where a network runs: on the GPU if there is one, which a Space lends for the length of one call."""

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from inspect import isgeneratorfunction
from math import ceil
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import gradio as gr

from diffusion.devices import best_device
from diffusion.models.model import LatentModel, Model
from diffusion.nets.step_cost import num_parameters, step_operations
from diffusion.nets.unet import UNet
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.weights import need_weights
from diffusion.ui.text import labels

try:
    from spaces import GPU as borrow_gpu  # ZeroGPU
except ImportError:
    borrow_gpu = None

# What a call on a borrowed GPU takes, in seconds, on the safe side: until the network is there, for each of
# its calls however small, and for its operations.
ARRIVAL, PER_CALL, OPERATIONS_PER_SECOND = 4.0, 0.05, 1e12
LEAST, MOST = 5, 120  # seconds to ask for

M = TypeVar("M", bound=Model)
P = ParamSpec("P")
R = TypeVar("R")


class Work(NamedTuple):
    """How often a network is called, and for how many pictures in all."""

    calls: int
    pictures: int


def walking(num_steps: int, num_images: int, guidance_scales: Sequence[float], calls: int = 1) -> Work:
    """The work of walks with these scales of guidance, of which one that is not 1 takes two predictions.

    Args:
        num_images: of each walk.
        calls: of the network at each step.
    """
    predictions = sum(1 + (scale != 1) for scale in guidance_scales)
    return Work(num_steps * calls, num_steps * num_images * predictions)


def on_gpu(
    work: Callable[Concatenate[M, P], Work],
) -> Callable[[Callable[Concatenate[M, P], R]], Callable[Concatenate[M, P], R]]:
    """A decorator for a function of a model, which then runs on the best device, where the model is moved.

    One call borrows a Space's GPU until it returns, or until its generator ends; what it returns or yields
    must not live there. Where none is to be had, the CPU does it, and the page says so.

    Args:
        work: takes what the function does, and tells what it is about to do.
    """

    def decorate(function: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
        @wraps(function)
        def call(model: M, *args: P.args, **kwargs: P.kwargs) -> R:
            model.to(best_device())
            return function(model, *args, **kwargs)

        @wraps(function)
        def generate(model: M, *args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            model.to(best_device())
            yield from cast(Callable[..., Iterator[Any]], function)(model, *args, **kwargs)

        def seconds(model: M, *args: P.args, **kwargs: P.kwargs) -> int:
            return seconds_for(model, work(model, *args, **kwargs))

        if isgeneratorfunction(function):
            return cast(Any, _generating(_borrowed(generate, seconds), function))
        return cast(Any, _calling(_borrowed(call, seconds), function))

    return decorate


def seconds_for(model: Model, work: Work) -> int:
    """How long a GPU is to be borrowed for."""
    operations = work.pictures * _step_operations(model)
    seconds = ARRIVAL + PER_CALL * work.calls + operations / OPERATIONS_PER_SECOND
    return max(LEAST, min(MOST, ceil(seconds)))


def _step_operations(model: Model) -> int:
    """Multiplications and additions of a prediction for one picture; of others' networks about so many."""
    _, height, width = model.sample_shape
    if not isinstance(model.net, UNet):  # as if each weight saw a quarter of the pixels
        return num_parameters(model.net) * height * width // 2
    tokens = model.text.config.num_tokens if isinstance(model, LatentModel) else 0
    return step_operations(model.net.config, width, tokens)


def _borrowed(function: Callable[..., Any], seconds: Callable[..., int]) -> Callable[..., Any]:
    return function if borrow_gpu is None else borrow_gpu(function, duration=seconds)


def _calling(borrowed: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(model: Model, *args: Any, **kwargs: Any) -> Any:
        need_weights(model)
        try:
            return borrowed(model, *args, **kwargs)
        except Exception as error:
            _go_on_without_gpu(error)
        return function(model.to("cpu"), *args, **kwargs)

    return run


def _generating(borrowed: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(model: Model, *args: Any, **kwargs: Any) -> Iterator[Any]:
        need_weights(model)
        made = 0
        try:
            for item in borrowed(model, *args, **kwargs):
                made += 1
                yield item
            return
        except Exception as error:
            _go_on_without_gpu(error)
        for k, item in enumerate(function(model.to("cpu"), *args, **kwargs)):  # the same items once more
            if k >= made:
                yield item

    return run


def _go_on_without_gpu(error: Exception) -> None:
    """Say that the CPU takes over, unless the error is not about a borrowed GPU: then it is raised."""
    if borrow_gpu is None or isinstance(error, InputError):
        raise error
    gr.Warning(labels()["no_gpu"])
