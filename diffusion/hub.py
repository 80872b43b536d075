"""Models on the Hugging Face Hub: load and push.

`huggingface_hub` is imported where it is used, so that everything else works without it.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from diffusion.data.cats import PARTS_FILES
from diffusion.files import CONFIG_FILE, WEIGHTS_FILE
from diffusion.films.emoji_atlas import ATLAS_FILES
from diffusion.films.folder import FILM_FILES, LOSSLESS_FILE, TABLE_FILE
from diffusion.films.quality_curves import CURVES_FILE
from diffusion.films.samples import SAMPLES_FILE
from diffusion.films.training_history import EXAMPLES_FILE, HISTORY_FILES, NUMBERS_FILE
from diffusion.models.card import CARD_FILE, METRICS_FILE, is_generated, published_data
from diffusion.models.folder import MODEL_FILES, CheckpointError, is_of_cats, load_folder
from diffusion.models.model import Model
from diffusion.models.stored import TOKENIZER_FILE
from diffusion.models.weights import INDEX_FILE, SHARD_NAME, read_object
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
OTHER_MODELS = {"model_index.json", "adapter_config.json"}  # other programs' models have one of these
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
    """The one path of a folder, however it is written; a Hub repo's name stays."""
    path = on_disk(source)
    return path.resolve() if os.path.isdir(path) else path


def _end(place: Path, places: Iterable[Path]) -> str:
    """As much of the end of a path as no other one ends in."""
    others = [other.parts for other in places if other != place]
    lengths = range(2, len(place.parts) + 1)
    tails = (place.parts[-length:] for length in lengths)
    return next(
        ("/".join(tail) for tail in tails if all(o[-len(tail) :] != tail for o in others)), str(place)
    )


def model_folder(path_or_repo_id: str | Path) -> Path:
    """The folder itself, or the local copy of a Hub repo ("user/name"). Raises as `load_model` does."""
    return local_copy(path_or_repo_id, HUB_FILES)


def local_copy(path_or_repo_id: str | Path, files: Iterable[str]) -> Path:
    """As `model_folder`, for a repo of any kind, of which it fetches only these files (globs)."""
    path = on_disk(path_or_repo_id)
    if os.path.isdir(path):  # which a name too long is not, either
        return path
    if len(path.parts) != 2 or path.is_absolute() or ".." in path.parts:
        raise CheckpointError(f"{path_or_repo_id} is neither a folder nor a Hub repo like user/name.")
    hub = client()
    unreachable = why_unreachable()
    try:
        options = {"allow_patterns": list(files), "local_files_only": bool(unreachable)}
        return Path(hub.snapshot_download(path.as_posix(), **options))
    except hub.errors.HFValidationError:
        raise CheckpointError(f"{path} is neither a folder nor the name of a Hub repo.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        reason = unreachable or reason_of(error)
        raise HubError(f"{path} is no folder here, and could not be loaded from the Hub: {reason}") from None


def repo_of(folder: Path) -> str | None:
    """The repo, "user/name", of which a folder is the local copy; None if it is none."""
    found = re.fullmatch(r"models--(.+?)--(.+)", folder.parent.parent.name)
    return f"{found[1]}/{found[2]}" if found and folder.parent.name == "snapshots" else None


def push_to_hub(
    path: str | Path, repo_id: str, public: bool = False, tell: Callable[[str], None] | None = None
) -> str:
    """Upload a model's folder: neither a run's state nor pictures of data that are not published.

    In a repo that is there, a card that somebody wrote or edited stays, and so does all that no push made:
    where that is in the way, nothing is uploaded.

    Args:
        path: a folder that `load_model` can read.
        repo_id: "user/name"; a model repo of this name is made if need be.
        public: whether a repo that is made now is for everybody to see; one that is there stays as it is.
        tell: gets what will go where and what will not, line by line, before it goes; None prints to stderr.

    Returns:
        The address of the model's page.

    Raises:
        CheckpointError: the folder holds no usable model.
        HubError: no token, no network, the Hub refused, or another model is there; nothing is changed.
    """
    folder, failed = Path(path), f"{path} was not uploaded to {repo_id}"
    model = load_folder(folder)
    if reason := why_not_pushable(repo_id) or why_unreachable():
        raise HubError(f"{failed}: {reason}")
    hub = client()
    try:
        _push(folder, model, repo_id, public, tell or partial(print, file=sys.stderr))
    except hub.errors.HFValidationError:
        raise HubError(f"{failed}: that cannot be a repo's name, use user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(f"{failed}: {reason_of(error)}") from None
    return f"{hub.constants.ENDPOINT}/{repo_id}"


def _push(folder: Path, model: Model, repo_id: str, public: bool, tell: Callable[[str], None]) -> None:
    """`push_to_hub` once all that it needs is there. Raises whatever the client does."""
    hub = client()
    api, repo = hub.HfApi(), _Repo(repo_id)
    uploads = {file.name: file for file in sorted(folder.iterdir()) if is_of_a_model(file)}
    if theirs := repo.in_the_way(uploads.keys()):
        found = ", ".join(sorted(theirs))
        raise HubError(f"the repo holds files of another model, which stay ({found}): use a repo of its own.")
    if EXAMPLES_FILE in uploads and published_data(model) is None:
        del uploads[EXAMPLES_FILE]
        tell(f"{EXAMPLES_FILE} stays here: it shows pictures that were trained on.")
    if CARD_FILE in uploads and not repo.takes_card(uploads[CARD_FILE]):
        del uploads[CARD_FILE]
        tell(f"{repo_id} keeps its {CARD_FILE}, which somebody wrote or edited on the Hub.")
    api.create_repo(repo_id, private=not public, exist_ok=True)
    tell(f"To {repo_id}, {repo.described(public)}:")
    for name, file in uploads.items():
        tell(f"  {name}, {file.stat().st_size:,} bytes")
    # In one commit, so that there is always a whole model.
    added = [hub.CommitOperationAdd(name, file) for name, file in uploads.items()]
    deleted = [hub.CommitOperationDelete(name) for name in repo.replaced() - uploads.keys()]
    api.create_commit(repo_id, [*added, *deleted], commit_message=f"Upload {model.name}")


def is_of_a_model(file: Path) -> bool:
    """Whether a file of a model's folder goes with it: all but a run's state, and what is not ours."""
    return file.is_file() and (file.name in HUB_FILES or bool(SHARD_NAME.fullmatch(file.name)))


class _Repo:
    """What is at the root of a repo before a push; nothing, if there is no such repo yet."""

    def __init__(self, repo_id: str) -> None:
        hub = client()
        self.repo_id = repo_id
        self.private: bool | None = None
        self.names: set[str] = set()
        with suppress(hub.errors.RepositoryNotFoundError):
            info = hub.HfApi().model_info(repo_id)
            self.private = info.private
            self.names = {each.rfilename for each in info.siblings or () if "/" not in each.rfilename}
        self.config: dict[str, Any] = {}
        if config := self.file(CONFIG_FILE):
            with suppress(CheckpointError):  # what cannot be read is not ours
                self.config = read_object(config)

    def file(self, name: str) -> Path | None:
        """A local copy of a file, if the repo has it."""
        return Path(client().hf_hub_download(self.repo_id, name)) if name in self.names else None

    def described(self, public: bool) -> str:
        if self.private is None:
            return f"a new repo, {'public' if public else 'private'}"
        return f"which is there, {'private' if self.private else 'public'}, and stays so"

    def in_the_way(self, uploads: Iterable[str]) -> set[str]:
        """What is there of a model that no push made, where one with these files is to be."""
        if all(isinstance(self.config.get(key), dict) for key in ("unet", "schedule")):
            return set()
        return self.names & {*uploads, *self.replaced(), *OTHER_MODELS} - {CARD_FILE}

    def takes_card(self, card: Path) -> bool:
        """Whether this card may be written: there is none, or one that was generated and not edited."""
        there = self.file(CARD_FILE)
        return there is None or there.read_bytes() == card.read_bytes() or is_generated(there.read_bytes())

    def replaced(self) -> set[str]:
        """Files of the model that an earlier push left, which another model may do without."""
        told_by_text = {TOKENIZER_FILE} if "text" in self.config else set()
        parts = set(PARTS_FILES) if is_of_cats(self.config.get("about")) else set()
        shards = {name for name in self.names if SHARD_NAME.fullmatch(name)}
        # Only with its table is a picture of this name surely no one else's.
        film = {*FILM_FILES, LOSSLESS_FILE} if TABLE_FILE in self.names else set()
        history = set(HISTORY_FILES) if NUMBERS_FILE in self.names else set()
        return self.names & {WEIGHTS_FILE, INDEX_FILE, *shards, *told_by_text, *parts, *film, *history}


def why_not_pushable(repo_id: str) -> str | None:
    """None, or what a push to this repo lacks, as far as it is known without asking the Hub."""
    if repo_id.count("/") != 1:
        return "that cannot be a repo's name, use user/name."
    if not client().get_token():
        return "there is no Hugging Face token, run `hf auth login` or set HF_TOKEN."
    return None


def client() -> Any:
    """The package `huggingface_hub`. Raises a HubError if it is not there."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise HubError("The Hub needs the package huggingface_hub, which is not installed.") from None
    return huggingface_hub


def why_unreachable() -> str | None:
    """None, or within seconds why there is no connection: the client itself would try for minutes."""
    hub = client()
    try:
        hub.get_session().head(hub.constants.ENDPOINT, timeout=CONNECT_SECONDS)
    except hub.errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set."
    except Exception:  # of whatever HTTP library this version of the client uses
        return f"{hub.constants.ENDPOINT} cannot be reached; check the network."
    return None


def reason_of(error: BaseException) -> str:
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
