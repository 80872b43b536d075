"""Repos of the Hugging Face Hub as people type and paste them."""

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}  # and that of HF_ENDPOINT, a mirror
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}  # by what an address begins with
OF_A_PULL_REQUEST = ["refs", "pr"]


@dataclass(frozen=True)
class RepoAddress:
    """A repo, and which state of it.

    Args:
        repo_id: "user/name".
        revision: a branch, a tag or a commit; None is the newest state.
        kind: "model", "dataset" or "space".
    """

    repo_id: str
    revision: str | None = None
    kind: str = "model"

    @property
    def name(self) -> str:
        """Without its user."""
        return self.repo_id.partition("/")[2]

    def __str__(self) -> str:
        """As it is typed: "user/name", "user/name@revision"."""
        return self.repo_id if self.revision is None else f"{self.repo_id}@{self.revision}"


def repo_address(text: str, kind: str = "model") -> RepoAddress | None:
    """What a text names: "user/name", "user/name@revision", or the address of a repo's page.

    Args:
        text: as it was typed or pasted.
        kind: of a repo whose kind the text does not say.

    Returns:
        None if it can be no repo. Whether there is one, only the Hub knows.
    """
    text = text.strip()
    if (pasted := _of_a_page(text)) is not None:
        return pasted
    repo_id, _, revision = text.partition("@")
    parts = repo_id.split("/")
    if "://" in text or len(parts) != 2 or not all(parts) or {".", ".."} & {*parts}:
        return None
    if text.endswith("@"):
        return None
    return RepoAddress(repo_id, revision or None, kind)


def _of_a_page(text: str) -> RepoAddress | None:
    """The repo of a page of the Hub or its mirror, as its address names it; None if it is none of theirs."""
    if "://" not in text and text.partition("/")[0] not in HOSTS:
        return None
    split = urlsplit(text if "://" in text else f"https://{text}")
    mirror = urlsplit(os.environ.get("HF_ENDPOINT", ""))
    if split.scheme not in ("http", "https") or split.netloc not in HOSTS | {mirror.netloc}:
        return None
    beside = mirror.path if split.netloc == mirror.netloc else ""  # a mirror may lie below a path
    parts = [unquote(part) for part in split.path.removeprefix(beside).split("/") if part]
    kind = KINDS[parts.pop(0)] if parts and parts[0] in KINDS else "model"
    repo, rest = parts[:2], parts[2:]
    if len(repo) != 2 or (rest and rest[0] != "tree") or len(rest) == 1:
        return None
    revision = rest[1:]
    if len(revision) > 1 and not (revision[:2] == OF_A_PULL_REQUEST and len(revision) == 3):
        return None  # a folder inside a repo
    return RepoAddress("/".join(repo), "/".join(revision) or None, kind)
