"""A model's folder to a repo of the Hub."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from diffusion.addresses import RepoAddress
from diffusion.data.cats import PARTS_FILES
from diffusion.files import CONFIG_FILE, WEIGHTS_FILE
from diffusion.films.folder import FILM_FILES, LOSSLESS_FILE, TABLE_FILE
from diffusion.films.training_history import EXAMPLES_FILE, HISTORY_FILES, NUMBERS_FILE
from diffusion.hub.client import HubError, client, reason_of, why_not_pushable, why_unreachable
from diffusion.hub.loading import HUB_FILES, page
from diffusion.models.card import CARD_FILE, is_generated
from diffusion.models.digit_judge import CLASSIFIER_FILE
from diffusion.models.folder import CheckpointError, is_of_cats, load_folder
from diffusion.models.model import Model
from diffusion.models.stored import TOKENIZER_FILE
from diffusion.models.terms import published_data
from diffusion.models.typical import TYPICAL_FILE
from diffusion.models.weights import INDEX_FILE, SHARD_NAME, read_object

OTHER_MODELS = {"model_index.json", "adapter_config.json"}  # other programs' models have one of these


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
    hub, address = client(), page(RepoAddress(repo_id))
    try:
        _push(folder, model, repo_id, public, tell or partial(print, file=sys.stderr))
    except hub.errors.HFValidationError:
        raise HubError(f"{failed}: that cannot be a repo's name, use user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(f"{failed}: {reason_of(error, address)}") from None
    return address


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
        others = {*shards, *told_by_text, *parts, *film, *history}
        return self.names & {WEIGHTS_FILE, INDEX_FILE, CLASSIFIER_FILE, TYPICAL_FILE, *others}
