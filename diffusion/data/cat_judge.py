"""Which cat is this? Of all that there can be the nearest one, part by part, and whether it is told surely.

A network that only remembered would draw trained-on cats alone; one that has learned their distribution draws
as many new ones as there are. This tells them apart, in numbers.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from diffusion.data.cats import ACCESSORY, BLOCKS, BODY, EYES, FUR, KINDS, MOUTH, VISIBLE, Cats, over

MAX_DISTANCE = 0.05  # RMS, of 0..1, from a picture to the cat that it can be called
MAX_RATIO = 0.5  # of the distances to the chosen part and to another, where the two look different
MAX_BLOCK_DISTANCE = 0.15  # RMS within any of the BLOCKS, such as an ear that is missing
ORDER = (BODY, ACCESSORY, FUR, EYES, MOUTH)  # the largest first
STARTS = (0, 1 / 3, 2 / 3)  # how far into each kind's parts
MAX_SWEEPS = 8
CHUNK = 2**20  # numbers of the pictures that are judged at a time: some ten times as many are needed for it


@dataclass(frozen=True, eq=False)
class Judged:
    """What N pictures show.

    Args:
        cats: (N, 5) the nearest cats; where an accessory hides the mouth, any mouth.
        distance: (N,) RMS to them, in units of black to white.
        rivals: (N, 5) the part of each kind that a picture may show as well, more than half as near
            as the chosen one where the two look different; −1 where there is none.
        clear: (N,) whether nothing else is there: no part of the picture, an eighth wide, is far off.
    """

    cats: Tensor
    distance: Tensor
    rivals: Tensor
    clear: Tensor

    @property
    def possible(self) -> Tensor:
        """(N,) whether it is near enough to be called a cat that can be."""
        return self.distance < MAX_DISTANCE

    @property
    def sharp(self) -> Tensor:
        """(N,) whether it is surely this cat: possible, clear, and each part told from all others."""
        return self.possible & self.clear & (self.rivals < 0).all(-1)


@torch.no_grad()
def judge(cats: Cats, images: Tensor) -> Judged:
    """Find the nearest cat of each picture, by coordinate descent over the parts from several starts.

    Args:
        cats: all that there can be.
        images: (N, 3, S, S) in [−1, 1], values beyond it cut off, as they are shown.
    """
    device = cats.layers[0].device
    seen = ((images.to(device).float() + 1) / 2).clamp(0, 1)
    found = [_judged(cats, chunk) for chunk in seen.split(max(1, CHUNK // seen[0].numel()))]
    return Judged(*(torch.cat([getattr(part, each.name) for part in found]) for each in fields(Judged)))


def _judged(cats: Cats, seen: Tensor) -> Judged:
    found = nearest_cats(cats, seen)
    error = seen - cats.render(found).float() / 255
    blocks = error.square().mean(1).unflatten(1, (BLOCKS, -1)).unflatten(3, (BLOCKS, -1)).mean((2, 4))
    rivals = torch.stack([_rivals(cats, seen, found, kind) for kind in range(len(KINDS))], dim=1)
    return Judged(found, _rms(error), rivals, (blocks.sqrt() <= MAX_BLOCK_DISTANCE).flatten(1).all(1))


def nearest_cats(cats: Cats, seen: Tensor, start: Tensor | None = None) -> Tensor:
    """(N, 3, S, S) pictures in [0, 1] → (N, 5) cats that no change of a single part brings nearer.

    `start`: (N, 5) cats near which to look; without it the best is taken that several starts lead to.
    """
    options = [_option_maps(layer) for layer in cats.colours]
    if start is not None:
        return _descended(cats, seen, start, options)
    starts = [torch.tensor([int(share * number) for number in cats.counts]) for share in STARTS]
    found = [_descended(cats, seen, each.expand(len(seen), -1).to(seen.device), options) for each in starts]
    distances = torch.stack([_rms(seen - cats.render(each).float() / 255) for each in found])
    return torch.stack(found)[distances.argmin(0), torch.arange(len(seen))]


def _descended(cats: Cats, seen: Tensor, start: Tensor, options: list[Tensor]) -> Tensor:
    """(N, 5) cats, each kind's part chosen in turn, until in a whole sweep nothing changes."""
    found, left = start.clone(), torch.arange(len(seen), device=seen.device)
    for _ in range(MAX_SWEEPS):
        chosen = found[left]
        for kind in ORDER:
            chosen[:, kind] = (_picture_maps(cats, seen[left], chosen, kind) @ options[kind]).argmin(1)
        changed = (chosen != found[left]).any(1)
        found[left] = chosen
        left = left[changed]
        if not len(left):
            break
    return found


# A picture with part p (colour c times alpha a, and a) between what is below and above it is
# above + through (c + below (1 − a)). Its squared distance to what is seen, without the term that is the
# same for all parts of the kind, is a sum over pixels of five products of something that depends on the
# picture alone with something that depends on the part alone: one matrix product for all pictures and parts.


def _picture_maps(cats: Cats, seen: Tensor, chosen: Tensor, kind: int) -> Tensor:
    below, above, through = _around(cats, chosen, kind)
    residual = (seen - above) * through
    squared = through.square()
    maps = (-2 * residual, -2 * residual * below, squared, 2 * squared * below, squared * below.square())
    return torch.cat([each.expand_as(seen).flatten(1) for each in maps], dim=1)


def _option_maps(layer: Tensor) -> Tensor:
    colour, clear = layer[:, :3], (1 - layer[:, 3:]).expand(-1, 3, -1, -1)
    maps = (colour, clear, colour.square(), colour * clear, clear.square())
    return torch.cat([each.flatten(1) for each in maps], dim=1).T


def _around(cats: Cats, chosen: Tensor, kind: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of these cats what is below one kind's part, what is above it, and how much of it that lets through."""
    layers = [layer[parts] for layer, parts in zip(cats.colours, chosen.unbind(1))]
    below = torch.ones((), device=chosen.device)
    for layer in layers[:kind]:
        below = over(layer, below)
    above, through = torch.zeros((), device=chosen.device), torch.ones((), device=chosen.device)
    for layer in layers[kind + 1 :]:
        above, through = over(layer, above), through * (1 - layer[:, 3:])
    return below, above, through


def _rivals(cats: Cats, seen: Tensor, found: Tensor, kind: int) -> Tensor:
    """(N,) the other part of a kind that is nearest in proportion, if that is too near; or −1."""
    below, above, through = _around(cats, found, kind)

    def with_part(part: Tensor) -> Tensor:  # (..., 4, S, S)
        return above + through * over(part, below)

    chosen = with_part(cats.colours[kind][found[:, kind]])
    to_chosen = (seen - chosen).square()
    ratios = []
    for other in map(with_part, cats.colours[kind]):
        differs = _looks_different(other, chosen)
        near, far = ((error * differs).sum((1, 2, 3)) for error in (to_chosen, (seen - other).square()))
        ratios.append(torch.where(near > 0, (near / far).sqrt(), 0))  # 0 where the two look alike
    largest, rival = torch.stack(ratios, dim=1).max(1)
    return torch.where(largest > MAX_RATIO, rival, -1)


def visible(cats: Cats, chosen: Tensor, kind: int) -> Tensor:
    """(N, 5) cats → (N, S, S) bool: where a cat looks different when its part of this kind is taken away."""
    below, above, through = _around(cats, chosen, kind)
    part = over(cats.colours[kind][chosen[:, kind]], below)
    with_it, without = ((above + through * each).clamp(0, 1) for each in (part, below))  # as they are shown
    return _looks_different(with_it, without).squeeze(1)


def _looks_different(one: Tensor, other: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] each → (N, 1, S, S) bool."""
    return ((one - other).abs() > (VISIBLE + 0.5) / 255).any(1, keepdim=True)


def _rms(error: Tensor) -> Tensor:
    """(N, 3, S, S) → (N,)."""
    return error.square().mean((1, 2, 3)).sqrt()


def nearest_trained_on(cats: Cats, cat: Tensor) -> Tensor:
    """(5,) cat → (5,) of all that are trained on the one with the fewest other parts, then in pixels.

    Mouths that are hidden do not count.
    """
    known = cats.trained_on
    differs = known != cat
    differs[:, -2] &= ~(cats.hides_mouth[known[:, -1]] & (known[:, -1] == cat[-1]))
    number = differs.sum(1)
    nearest = known[number == number.min()]
    errors = cats.render(nearest).float() - cats.render(cat).float()
    return nearest[errors.square().mean((1, 2, 3)).argmin()]
