"""One network for several walks at once: what each would ask it alone is asked in one call.

A batch of eight takes a CPU less than half as long as eight pictures one by one.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Condition, Lock
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

PATIENCE = 0.1  # seconds that a call waits for those of other walks


class SharedNetwork:
    """A network that walks call, each in a thread of its own: as a denoiser's `net`."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.null_class = getattr(net, "null_class", None)
        self.walks = 0
        self.waiting: list[tuple[tuple[Tensor | None, ...], Future[Tensor]]] = []
        self.changed, self.computing = Condition(), Lock()

    @contextmanager
    def walk(self) -> Iterator[None]:
        """For as long as the calling thread goes on asking, others wait for it."""
        with self.changed:
            self.walks += 1
        try:
            yield
        finally:
            with self.changed:
                self.walks -= 1
                self.changed.notify_all()

    def __call__(
        self, x_t: Tensor, t: Tensor, class_labels: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """As the network itself: (B, *D) and (B,) → (B, *D)."""
        output: Future[Tensor] = Future()
        with self.changed:
            self.waiting.append(((x_t, t, class_labels, context), output))
            self.changed.notify_all()
            is_first = len(self.waiting) == 1
        if is_first:
            self._call_for_all()
        return output.result()

    def _call_for_all(self) -> None:
        """One call of the network for all that wait, or will within PATIENCE."""
        with self.computing:
            with self.changed:
                self.changed.wait_for(lambda: len(self.waiting) >= self.walks, PATIENCE)
                calls, self.waiting = self.waiting, []
            sent, outputs = zip(*calls)
            try:
                made = self.net(*map(_joined, zip(*sent)))
            except BaseException as error:
                for output in outputs:
                    output.set_exception(error)
                return
        for output, part in zip(outputs, made.split([len(x_t) for x_t, *_ in sent])):
            output.set_result(part)


def _joined(parts: tuple[Any, ...]) -> Tensor | None:
    """The arguments of several calls as that of one; all of them have it, or none."""
    return None if parts[0] is None else torch.cat(parts)


_shared: WeakValueDictionary[nn.Module, SharedNetwork] = WeakValueDictionary()  # while somebody walks
_lock = Lock()


def shared(net: nn.Module) -> SharedNetwork:
    """The one through which all walks call this network."""
    with _lock:
        return _shared.setdefault(net, SharedNetwork(net))
