"""The one layer that is not trained but fitted: what captions alone say about their pictures."""

import torch
from torch import Tensor, nn

from diffusion.data.captions import Captions
from diffusion.nets.text_encoder import TextEncoder

# On the diagonal, as a share of its sum: where there are fewer names than numbers in a vector, the smallest
# of the equally good maps. Small enough not to move the guess, large enough for float64 to solve.
RIDGE = 1e-7
AT_ONCE = 512  # captions through the encoder: more need more memory, and are no faster


@torch.no_grad()
def fit_sketch(
    linear: nn.Linear, text: TextEncoder, captions: Captions, latents: Tensor, silent: float
) -> None:
    """Set a layer, once and for good, to the least-squares guess of a latent from its names.

    Languages count as often as they are drawn, and for no text the guess is the mean of all latents, as
    often as captions are left out. Like the text encoder the layer is not trained: the network sees its
    answer beside x_t from the first step on.

    Args:
        linear: from a text's first vector to the numbers of a latent.
        text: the encoder, as it stays.
        captions: of N pictures.
        latents: (N, C, H, W).
        silent: the share of captions that are left out in training.
    """
    targets = latents.flatten(1).double()
    shares = (1 - silent) * captions.shares / captions.shares.sum()
    size = linear.in_features + 1  # with the bias
    gram = torch.zeros(size, size, dtype=torch.float64, device=targets.device)
    moments = torch.zeros(size, targets.shape[1], dtype=torch.float64, device=targets.device)
    no_text = captions.nothing.expand(len(targets), -1)
    for weight, tokens in zip([*shares, silent], [*captions.names, no_text]):
        vectors = torch.cat([text(part)[:, 0] for part in tokens.split(AT_ONCE)]).double()
        vectors = nn.functional.pad(vectors, (0, 1), value=1.0)  # for the bias
        gram += weight * vectors.mT @ vectors
        moments += weight * vectors.mT @ targets
    gram += RIDGE * gram.trace() * torch.eye(size, device=targets.device)
    weight, bias = torch.linalg.solve(gram, moments).split([size - 1, 1])
    linear.weight.copy_(weight.mT)
    linear.bias.copy_(bias[0])
    linear.requires_grad_(False)
