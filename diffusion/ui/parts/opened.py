"""Checkpoints that visitors have opened: in memory by name, for all of them, as many as there is room for."""

import os
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from diffusion.hub import HubError
from diffusion.hub.downloads import kept, read_address, touch
from diffusion.models.folder import CheckpointError
from diffusion.models.model import Model
from diffusion.names import on_disk
from diffusion.nets.step_cost import num_parameters
from diffusion.pipelines.loading import PipelineError
from diffusion.pipelines.opening import Fetched, describe, fetch_repo
from diffusion.ui.parts.inputs import choice, refusal
from diffusion.ui.parts.line import LINE

MAX_NAME = 300  # characters
MAX_DESCRIBED = 100  # models, most of them without their weights
MAX_LOADED = 4  # of them with weights
MAX_LOADED_BYTES = 2_000_000_000
FLOAT = 4  # bytes of a weight


def on_a_space() -> bool:
    """Whether visitors are anybody, and the machine's token and folders are not theirs."""
    return "SPACE_ID" in os.environ


class Opened:
    """Models by name; beyond the limits those go first that were used longest ago, or just their weights."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}  # the last used one is the last
        self.lock = RLock()

    def get(self, name: str) -> Model | None:
        """A model that was opened before, perhaps to read its weights again; None if it is gone."""
        with self.lock:
            model = self.models.pop(name, None) or _described_again(name)
            if model is None or (_is_empty(model) and not _is_there(model)):
                return None
            self._add(name, model)
        return model

    def add(self, name: str, model: Model) -> None:
        with self.lock:
            self.models.pop(name, None)
            self._add(name, model)

    def _add(self, name: str, model: Model) -> None:
        self.models[name] = model
        while len(self.models) > MAX_DESCRIBED:
            del self.models[next(iter(self.models))]
        count, size = 1, weight_bytes(model)  # it will be used
        for other, each in list(reversed(self.models.items()))[1:]:
            if _is_empty(each):
                continue
            count, size = count + 1, size + weight_bytes(each)
            if count > MAX_LOADED or size > MAX_LOADED_BYTES:
                self._let_go(other, each)

    def _let_go(self, name: str, model: Model) -> None:
        """Of the weights; whoever is at work with them keeps them until then."""
        try:
            self.models[name] = describe(model.folder or Path(), name)
        except (PipelineError, CheckpointError):  # its folder is gone
            del self.models[name]


def weight_bytes(model: Model) -> int:
    return FLOAT * num_parameters(model.net)


def _is_empty(model: Model) -> bool:
    return model.device.type == "meta"


def _is_there(model: Model) -> bool:
    return model.folder is not None and model.folder.is_dir()


def _described_again(name: str) -> Model | None:
    """A model of which the files are here, from before the server was started anew."""
    address = read_address(name)
    folder = kept(address) if address else None
    if folder is None:
        return None
    try:
        touch(folder)
        return describe(folder, name)
    except (PipelineError, CheckpointError, HubError):
        return None


OPENED = Opened()


class PixelModels(Mapping[str, Model]):
    """Models of pixels by name: those of the page, which are listed, and whatever visitors have opened."""

    def __init__(self, own: Mapping[str, Model]) -> None:
        self.own = own

    def __getitem__(self, name: str) -> Model:
        model = self.own.get(name) or OPENED.get(name)
        if model is None:
            raise KeyError(name)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(self.own)

    def __len__(self) -> int:
        return len(self.own)


def model_named(models: Mapping[str, Model], name: Any) -> Model:
    """The model that a control says. Raises InputError: there is none, or it is no longer here."""
    if isinstance(models, PixelModels) and isinstance(name, str) and name not in models.own and "/" in name:
        if (model := models.get(name)) is None:
            raise refusal("opened_gone", name=name[:MAX_NAME])
        return model
    return models[choice(name, "model", models)]


# ---- opening ---------------------------------------------------------------------------------------------


def checked_name(text: Any) -> str:
    """What a visitor has typed, as the name of a repo's page or of a folder.

    Raises:
        InputError: it is neither, or folders are not for visitors.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_NAME:
        raise refusal("opening_missing")
    if not on_a_space() and os.path.isdir(on_disk(os.path.expanduser(text.strip()))):
        return str(on_disk(os.path.expanduser(text.strip())).resolve())
    if address := read_address(text):
        return str(address)
    raise refusal("opening_no_repo" if on_a_space() else "opening_no_place", name=text.strip())


def opened(name: str) -> Generator[Fetched, None, Model]:
    """Fetch a checkpoint and read its weights, telling how far it is; returns the model.

    Args:
        name: of `checked_name`.

    Raises:
        PipelineError, CheckpointError, HubError: it cannot be used; says why.
    """
    address = None if os.path.isabs(name) else read_address(name)
    folder = Path(name)
    if address is not None:
        folder = yield from fetch_repo(address, False if on_a_space() else None)
    before = OPENED.models.get(name)
    if before is not None and before.folder == folder and not _is_empty(before):
        return before
    model = describe(folder, name)
    # In the networks' thread, between two of its steps: then nothing else asks for memory.
    LINE.worker.submit(model.to, "cpu").result()
    OPENED.add(name, model)
    return model
