"""The weights of the page's models: read when the first page is out, or when one is needed sooner."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from diffusion.models.model import Model
from diffusion.models.weights import CheckpointError
from diffusion.pipelines.loading import PipelineError
from diffusion.ui.parts.inputs import InputError, refusal
from diffusion.ui.parts.line import LINE


def need_weights(model: Model) -> None:
    """Read a model's weights, if that was not done; in the networks' thread alone.

    Raises:
        InputError: they cannot be used; why is told in the log, for it names folders.
    """
    if model.device.type != "meta":
        return
    try:
        model.to("cpu")
    except (CheckpointError, PipelineError) as error:
        print(error, file=sys.stderr, flush=True)
        raise refusal("checkpoint_unusable", name=model.name) from None


def read_weights_later(models: Iterable[Model]) -> None:
    """Read the weights of these models when nothing else is to be done; a broken one is told in the log."""
    LINE.prepare([partial(_read, model) for model in models if model.device.type == "meta"])


def _read(model: Model) -> None:
    with suppress(InputError):
        need_weights(model)
