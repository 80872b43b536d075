"""Anybody's checkpoint of pixels, from the Hub or a folder: in our layout, or in that of diffusers.

It is judged from its small files before any weights are fetched.
"""

from collections.abc import Generator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import torch

from diffusion.addresses import RepoAddress
from diffusion.files import CONFIG_FILE, WEIGHTS_FILE
from diffusion.films.training_history import HISTORY_FILES
from diffusion.hub.downloads import (
    MAX_REPO_BYTES,
    Listing,
    UnreachableError,
    fetch,
    keep,
    kept,
    look_up,
    make_room,
    new_folder,
    read_address,
    touch,
)
from diffusion.models.digit_judge import CLASSIFIER_FILE
from diffusion.models.folder import MODEL_FILES, load_folder
from diffusion.models.model import LatentModel, Model
from diffusion.models.typical import TYPICAL_FILE
from diffusion.models.weights import INDEX_FILE, PICKLE_SUFFIXES, CheckpointError, read_object
from diffusion.names import on_disk
from diffusion.nets.step_cost import num_parameters
from diffusion.pipelines.betas import SCHEDULER
from diffusion.pipelines.loading import PipelineError
from diffusion.pipelines.pixels import CONFIG, INDEX, MAX_SIDE, check_size, describe_pipeline, weights_in

DESCRIPTIONS = (INDEX, CONFIG, SCHEDULER, f"unet/{CONFIG}", f"scheduler/{SCHEDULER}")
MAX_DESCRIPTION_BYTES = 1_000_000


def open_checkpoint(path_or_repo_id: str, device: torch.device | str = "cpu") -> Model:
    """Load a model of pixels from a folder, or from the Hub ("user/name", "user/name@revision").

    Raises:
        PipelineError, CheckpointError: there is no usable model there; says what is wrong.
        HubError: the Hub could not be reached, or has no such repo.
    """
    folder, address = on_disk(path_or_repo_id), read_address(path_or_repo_id)
    if not folder.is_dir():
        if address is None:
            raise CheckpointError(f"{path_or_repo_id} is neither a folder nor a Hub repo like user/name.")
        steps = fetch_repo(address)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            folder = end.value
    return describe(folder, path_or_repo_id).to(device)


class Fetched(NamedTuple):
    """How many bytes are there, of how many."""

    done: int
    total: int


def fetch_repo(address: RepoAddress, token: bool | None = None) -> Generator[Fetched, None, Path]:
    """Fetch what is needed of a repo, telling how far it is; returns its folder.

    What is here is not fetched again, and serves while the Hub cannot be reached.

    Raises:
        PipelineError, CheckpointError: it cannot be used; says why.
        HubError: it could not be fetched; says why.
    """
    try:
        listing = look_up(address, token)
    except UnreachableError:
        if (before := kept(address)) is None:
            raise
        return before
    if listing.place.is_dir():
        touch(listing.place)
        return listing.place
    with new_folder() as folder:
        described = [file for file in DESCRIPTIONS if file in listing.sizes]
        if any(listing.sizes[file] > MAX_DESCRIPTION_BYTES for file in described):
            raise PipelineError(f"{address} describes itself in files that are too large to be read.")
        for _ in fetch(listing, described, folder, token):
            yield Fetched(0, 0)
        files = sorted({*needed_files(folder, listing)} - {*described})
        total = sum(listing.sizes[file] for file in files)
        if total > MAX_REPO_BYTES:
            raise PipelineError(
                f"{address} is too large: {total / 1e6:,.0f} MB would have to be fetched, and here at"
                f" most {MAX_REPO_BYTES / 1e6:,.0f} MB are."
            )
        make_room(total)
        for done in fetch(listing, files, folder, token):
            yield Fetched(done, total)
        return keep(folder, listing)


def needed_files(folder: Path, listing: Listing) -> list[str]:
    """The files of a repo that have to be there, by its descriptions in a folder.

    Raises:
        PipelineError, CheckpointError: it cannot be used; says why.
    """
    name, names = str(listing.address), set(listing.sizes)
    if not is_ours(folder):
        describe_pipeline(folder, name)
        return [weights_in(names, name)]
    check_ours(folder, name)
    if not names & {WEIGHTS_FILE, INDEX_FILE}:
        pickles = sorted(file for file in names if Path(file).suffix in PICKLE_SUFFIXES)
        hint = f": {pickles[0]} is a pickle, which is never opened" if pickles else ""
        raise PipelineError(f"{name} has no {WEIGHTS_FILE}{hint}.")
    patterns = (*MODEL_FILES, *HISTORY_FILES, CLASSIFIER_FILE, TYPICAL_FILE)
    return [file for file in names if any(fnmatch(file, each) for each in patterns) and "/" not in file]


def is_ours(folder: Path) -> bool:
    """Whether a folder is laid out as ours are."""
    if not (folder / CONFIG_FILE).is_file() or (folder / INDEX).is_file():
        return False
    config = read_object(folder / CONFIG_FILE)
    return isinstance(config.get("unet"), dict) and isinstance(config.get("schedule"), dict)


def check_ours(folder: Path, name: str) -> None:
    """Raises PipelineError if a config of ours is of a model that does not work on pixels."""
    if read_object(folder / CONFIG_FILE).keys() & {"text", "autoencoder"}:
        raise PipelineError(f"{name} works on latents and is told by text, and this tab is for pixels.")


def describe(folder: Path, name: str) -> Model:
    """The model in a folder, which reads its weights when it is moved to a device.

    Args:
        name: of the model, and of what is refused.

    Raises:
        PipelineError, CheckpointError: it cannot be used; says why.
    """
    if not is_ours(folder):
        return describe_pipeline(folder, name)
    check_ours(folder, name)
    try:
        model = load_folder(folder, "meta", name)
    except CheckpointError as error:  # names the repo, not its place on this machine
        raise CheckpointError(str(error).replace(str(folder), name)) from None
    if isinstance(model, LatentModel) or max(model.sample_shape[1:]) > MAX_SIDE:
        _, height, width = model.sample_shape
        raise PipelineError(
            f"{name} draws {width}×{height} pixels, and here at most {MAX_SIDE}×{MAX_SIDE} are."
        )
    check_size(num_parameters(model.net), name)
    return model
