"""Networks whose weights nobody will use: to load others in their place, or to count what they would do."""

from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class Uninitialised(TorchFunctionMode):
    """Inside, a new network's weights are not filled with numbers; its memory is never touched.

    On "meta", where there is none, torch would import its compiler, a second and 60 MB, to find that out.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_):
            return args[0]
        return function(*args, **(kwargs or {}))
