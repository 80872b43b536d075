"""Where a network runs: on the GPU if there is one, which a Space lends for the length of one call."""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from diffusion.devices import best_device
from diffusion.models.model import Model

try:
    from spaces import GPU as borrow_gpu  # ZeroGPU
except ImportError:
    borrow_gpu = None

M = TypeVar("M", bound=Model)
P = ParamSpec("P")
R = TypeVar("R")


def on_gpu(function: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
    """A function of a model that runs on the best device, where the model is moved.

    One call borrows a Space's GPU until it returns, or until its generator ends; what it returns or yields
    must not live there.
    """

    @wraps(function)
    def call(model: M, *args: P.args, **kwargs: P.kwargs) -> R:
        model.to(best_device())
        return function(model, *args, **kwargs)

    @wraps(function)
    def generate(model: M, *args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        model.to(best_device())
        yield from cast(Callable[..., Iterator[Any]], function)(model, *args, **kwargs)

    moved = cast(Callable[Concatenate[M, P], R], generate if isgeneratorfunction(function) else call)
    return moved if borrow_gpu is None else borrow_gpu(moved)
