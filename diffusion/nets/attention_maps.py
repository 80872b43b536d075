"""What the attention layers of a network look at, recorded while it runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from diffusion.nets.blocks import Attention


@contextmanager
def recorded_attention(net: nn.Module) -> Iterator[list[Tensor]]:
    """Inside, every attention of `net` over a context appends to the list how much it looks at what.

    Yields:
        A list that grows, at each call of the network, by one (B, L, H, W) tensor for each attention, in
        their order: the share of its attention that a pixel gives to each of the context's vectors, mean
        over heads. What is missing to 1 went to other pixels.
    """
    attentions = [module for module in net.modules() if isinstance(module, Attention)]
    maps: list[Tensor] = []
    for attention in attentions:
        attention.record = maps
    try:
        yield maps
    finally:
        for attention in attentions:
            attention.record = None


def last_finest(maps: Sequence[Tensor]) -> Tensor:
    """Of what one call of the network recorded the last of the largest: (B, L, H, W).

    On the way down words say what there is to be; on the way up, at the finest level that attends, they say
    where.
    """
    largest = max(each.shape[-2:].numel() for each in maps)
    return [each for each in maps if each.shape[-2:].numel() == largest][-1]
