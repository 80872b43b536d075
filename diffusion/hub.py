"""Models on the Hugging Face Hub: load and push.

`huggingface_hub` is imported where it is used, so that everything else works without it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from diffusion.films.emoji_atlas import ATLAS_FILES
from diffusion.films.film import FILM_FILES
from diffusion.films.quality_curves import CURVES_FILE
from diffusion.films.samples import SAMPLES_FILE
from diffusion.films.training_history import HISTORY_FILES
from diffusion.models.card import CARD_FILE, METRICS_FILE
from diffusion.models.folder import MODEL_FILES, CheckpointError, load_folder
from diffusion.models.model import Model
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
    LOG_FILE,
)
CONNECT_SECONDS = 10


class HubError(RuntimeError):
    """The Hub could not be used; the message is one plain sentence saying why."""


def load_model(path_or_repo_id: str | Path, device: torch.device | str = "cpu") -> Model:
    """Load a model from a folder, or from the Hub ("user/name").

    Raises:
        CheckpointError: there is no usable model there; says what is wrong.
        HubError: the Hub could not be reached, or has no such repo.
    """
    folder = model_folder(path_or_repo_id)
    if folder == on_disk(path_or_repo_id):
        return load_folder(folder, device)
    try:
        return load_folder(folder, device, str(path_or_repo_id).partition("/")[2])
    except CheckpointError as error:  # names the repo, not its place in the cache
        raise CheckpointError(str(error).replace(str(folder), str(path_or_repo_id))) from None


def model_folder(path_or_repo_id: str | Path) -> Path:
    """The folder itself, or the local copy of a Hub repo ("user/name"). Raises as `load_model` does."""
    return local_copy(path_or_repo_id, HUB_FILES)


def local_copy(path_or_repo_id: str | Path, files: Iterable[str]) -> Path:
    """As `model_folder`, for a repo of any kind, of which it fetches only these files (globs)."""
    path = on_disk(path_or_repo_id)
    if path.is_dir():
        return path
    if len(path.parts) != 2 or path.is_absolute() or ".." in path.parts:
        raise CheckpointError(f"{path_or_repo_id} is neither a folder nor a Hub repo like user/name.")
    hub = _client()
    unreachable = why_unreachable()
    try:
        options = {"allow_patterns": list(files), "local_files_only": bool(unreachable)}
        return Path(hub.snapshot_download(path.as_posix(), **options))
    except hub.errors.HFValidationError:
        raise CheckpointError(f"{path} is neither a folder nor the name of a Hub repo.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        reason = unreachable or _reason(error)
        raise HubError(f"{path} is no folder here, and could not be loaded from the Hub: {reason}") from None


def push_to_hub(path: str | Path, repo_id: str) -> str:
    """Create the model repo if need be, and upload a model's folder (not a run's state).

    Args:
        path: a folder that `load_model` can read.
        repo_id: "user/name".

    Returns:
        The address of the model's page.

    Raises:
        CheckpointError: the folder holds no usable model.
        HubError: no token, no network, or the Hub refused; the folder is untouched.
    """
    load_folder(Path(path))
    hub = _client()
    failed = f"{path} was not uploaded to {repo_id}"
    if reason := why_not_pushable(repo_id) or why_unreachable():
        raise HubError(f"{failed}: {reason}")
    try:
        api = hub.HfApi()
        address = api.create_repo(repo_id, repo_type="model", exist_ok=True)
        # In one commit: weights that the folder does not have, in one file or in shards, go from the repo.
        patterns = {"allow_patterns": list(HUB_FILES), "delete_patterns": list(MODEL_FILES)}
        api.upload_folder(repo_id=repo_id, folder_path=path, **patterns)
    except hub.errors.HFValidationError:
        raise HubError(f"{failed}: that cannot be a repo's name, use user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(f"{failed}: {_reason(error)}") from None
    return str(address)


def why_not_pushable(repo_id: str) -> str | None:
    """None, or what a push to this repo lacks, as far as it is known without asking the Hub."""
    if repo_id.count("/") != 1:
        return "that cannot be a repo's name, use user/name."
    if not _client().get_token():
        return "there is no Hugging Face token, run `hf auth login` or set HF_TOKEN."
    return None


def _client() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise HubError("The Hub needs the package huggingface_hub, which is not installed.") from None
    return huggingface_hub


def why_unreachable() -> str | None:
    """None, or within seconds why there is no connection: the client itself would try for minutes."""
    hub = _client()
    try:
        hub.get_session().head(hub.constants.ENDPOINT, timeout=CONNECT_SECONDS)
    except hub.errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set."
    except Exception:  # of whatever HTTP library this version of the client uses
        return f"{hub.constants.ENDPOINT} cannot be reached; check the network."
    return None


def _reason(error: BaseException) -> str:
    """What went wrong, in half a sentence."""
    while getattr(error, "response", None) is None and error.__cause__ is not None:
        error = error.__cause__
    response = getattr(error, "response", None)
    if response is None:
        return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
    if response.status_code in (401, 403):
        return "the Hub does not accept the token for this repo, or there is no such repo."
    if response.status_code == 404:
        return "there is no such repo."
    return f"the Hub answered with status {response.status_code}."
