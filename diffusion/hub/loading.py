"""Models from folders, or from repos of the Hub."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch

from diffusion.addresses import RepoAddress, repo_address
from diffusion.films.emoji_atlas import ATLAS_FILES
from diffusion.films.folder import FILM_FILES
from diffusion.films.quality_curves import CURVES_FILE
from diffusion.films.samples import SAMPLES_FILE
from diffusion.films.training_history import HISTORY_FILES
from diffusion.hub.client import HubError, client, reason_of, why_unreachable
from diffusion.models.card import CARD_FILE, METRICS_FILE
from diffusion.models.digit_judge import CLASSIFIER_FILE
from diffusion.models.folder import MODEL_FILES, CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.models.typical import TYPICAL_FILE
from diffusion.names import on_disk
from diffusion.training.progress import LOG_FILE

HUB_FILES = (  # of a model's folder, as globs: all but a run's state
    *MODEL_FILES,
    CARD_FILE,
    METRICS_FILE,
    SAMPLES_FILE,
    *FILM_FILES,
    *HISTORY_FILES,
    *ATLAS_FILES,
    CURVES_FILE,
    CLASSIFIER_FILE,
    TYPICAL_FILE,
    LOG_FILE,
)
CALLED = {"model": "models", "dataset": "data sets", "space": "Spaces"}


def load_model(path_or_repo_id: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a model from a folder, or from the Hub.

    Args:
        path_or_repo_id: a folder; or a repo, "user/name" or "user/name@revision", or its page's address.
        device: where its networks go.

    Raises:
        CheckpointError: there is no usable model there; says what is wrong.
        HubError: the Hub could not be reached, or has no such repo.
    """
    folder = model_folder(path_or_repo_id)
    if folder == on_disk(path_or_repo_id):
        return load_folder(folder, device)
    repo = address_of(path_or_repo_id)
    try:
        return load_folder(folder, device, repo.name)
    except CheckpointError as error:  # names the repo, not its place in the cache
        raise CheckpointError(str(error).replace(str(folder), str(repo))) from None


def load_models(sources: Iterable[str], device: torch.device | str = "cpu") -> dict[str, Model]:
    """Load several models, by name: a/digits and b/digits where two would be called digits.

    Args:
        device: as for `load_folder`: "meta" leaves the weights where they are.

    Raises as `load_model` does.
    """
    models = {place: load_model(place, device) for place in dict.fromkeys(map(_resolved, sources))}
    alike = Counter(model.name for model in models.values())
    named = (
        (model.name if alike[model.name] == 1 else _end(place, models), model)
        for place, model in models.items()
    )
    return {name: replace(model, name=name) for name, model in named}


def _resolved(source: str) -> Path:
    """The one path of a folder, however it is written, or the one name of a repo."""
    path = on_disk(source)
    if os.path.isdir(path):
        return path.resolve()
    repo = repo_address(source)
    return path if repo is None or repo.kind != "model" else Path(str(repo))


def _end(place: Path, places: Iterable[Path]) -> str:
    """As much of the end of a path as no other one ends in."""
    others = [other.parts for other in places if other != place]
    lengths = range(2, len(place.parts) + 1)
    tails = (place.parts[-length:] for length in lengths)
    return next(
        ("/".join(tail) for tail in tails if all(o[-len(tail) :] != tail for o in others)), str(place)
    )


def model_folder(path_or_repo_id: str | Path) -> Path:
    """The folder itself, or the local copy of a repo. Takes and raises what `load_model` does."""
    return local_copy(path_or_repo_id, HUB_FILES)


def local_copy(path_or_repo_id: str | Path, files: Iterable[str]) -> Path:
    """As `model_folder`, for a repo of any kind of model, of which it fetches only these files (globs)."""
    path = on_disk(path_or_repo_id)
    if os.path.isdir(path):  # which a name too long is not, either
        return path
    return fetched(address_of(path_or_repo_id), files)


def address_of(name: str | Path, kind: str = "model") -> RepoAddress:
    """The repo of this name. Raises CheckpointError: it can be none, or is one of another kind."""
    text = name.as_posix() if isinstance(name, Path) else name
    repo = repo_address(text, kind)
    if repo is None:
        raise CheckpointError(f"{text} is neither a folder nor a Hub repo like user/name.")
    if repo.kind != kind:
        raise CheckpointError(f"{text} is one of the Hub's {CALLED[repo.kind]}, not of its {CALLED[kind]}.")
    return repo


def fetched(repo: RepoAddress, files: Iterable[str], but: Iterable[str] = ()) -> Path:
    """The local copy of a repo, whose name is its commit; of what is not here yet, these files (globs).

    Args:
        repo: which, and in which state.
        files: to fetch.
        but: of these, the ones to leave out (globs).

    Raises:
        CheckpointError: there can be no repo of this name.
        HubError: the Hub could not be reached, or has no such repo, or does not give it.
    """
    hub = client()
    unreachable = why_unreachable()
    state = {"revision": repo.revision, "repo_type": repo.kind}
    chosen = {"allow_patterns": list(files), "ignore_patterns": list(but)}
    try:
        folder = hub.snapshot_download(repo.repo_id, local_files_only=bool(unreachable), **state, **chosen)
    except hub.errors.HFValidationError:
        raise CheckpointError(f"{repo} is neither a folder nor the name of a Hub repo.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        reason = f"it is not in the cache, and {unreachable}" if unreachable else reason_of(error, page(repo))
        which = f"{repo} is no folder here, and" if repo.kind == "model" else f"The data set {repo}"
        raise HubError(f"{which} could not be loaded from the Hub: {reason}") from None
    return Path(folder)


def page(repo: RepoAddress) -> str:
    """The address at which a browser shows it."""
    beside = "" if repo.kind == "model" else f"/{repo.kind}s"
    return f"{client().constants.ENDPOINT}{beside}/{repo.repo_id}"


def repo_of(folder: Path) -> str | None:
    """The repo of which a folder is the local copy, as `load_model` takes it; None if it is none.

    A state that is not the newest one known here has its commit, "user/name@commit".
    """
    found = re.fullmatch(r"models--(.+?)--(.+)", folder.parent.parent.name)
    if found is None or folder.parent.name != "snapshots":
        return None
    newest = None
    with suppress(OSError):
        newest = (folder.parent.parent / "refs" / "main").read_text("utf-8").strip()
    repo = f"{found[1]}/{found[2]}"
    return repo if newest in (None, folder.name) else f"{repo}@{folder.name}"
