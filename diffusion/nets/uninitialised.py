"""Networks whose weights nobody will use: to load others in their place, or to count what they would do."""

from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode


class Uninitialised(TorchFunctionMode):
    """Inside, a new network's weights are not filled with numbers; its memory is never touched.

    On "meta", where there is none, torch would import its compiler, a second and 60 MB, to find that out.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", "") == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)
