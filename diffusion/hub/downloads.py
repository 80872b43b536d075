"""Repos of the Hub that visitors name: looked up, fetched within bounds, and kept on disk for a while.

`huggingface_hub` is imported where it is used, so that everything else works without it.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from diffusion.addresses import RepoAddress, repo_address
from diffusion.hub.client import HubError, client, why_unreachable

MAX_REPO_BYTES = 600_000_000  # of what is fetched of one repo
MAX_DISK_BYTES = 6_000_000_000  # of all that is kept
CHUNK = 2**18
PATIENCE = 20  # seconds without an answer
LEFT_SECONDS = 6 * 3600  # after which nobody is fetching into a folder any more
FOLDER = "named-by-visitors"  # in the Hub's own
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)  # that can be a folder's


class UnreachableError(HubError):
    """The Hub cannot be reached, or is not to be."""


@dataclass(frozen=True)
class Listing:
    """What a repo has at a commit.

    Args:
        address: as it was asked for.
        commit: which one that is.
        sizes: bytes of each file, by its path.
        digests: SHA-256 of those that are large.
    """

    address: RepoAddress
    commit: str
    sizes: dict[str, int]
    digests: dict[str, str]

    @property
    def place(self) -> Path:
        """The folder where its files are, or are to be."""
        return _root() / f"{self.address.repo_id.replace('/', '--')}@{self.commit}"


def read_address(text: str) -> RepoAddress | None:
    """A model's repo as `repo_address` reads it; None where its name or revision cannot be a folder's."""
    repo = repo_address(text)
    if repo is None or repo.kind != "model" or "--" in repo.repo_id or ".." in str(repo):
        return None
    fits = NAME.fullmatch(repo.repo_id) and NAME.fullmatch(repo.revision or "main")
    return repo if fits and "/" not in (repo.revision or "") else None


def look_up(address: RepoAddress, token: bool | None) -> Listing:
    """What the Hub says of a repo.

    Args:
        token: False shows what everybody may see; None what the token of this machine may, if it has one.

    Raises:
        UnreachableError: it cannot be reached.
        HubError: it does not show such a repo; says why.
    """
    if reason := why_unreachable():
        raise UnreachableError(f"{address} could not be looked up: {reason}")
    hub = client()
    try:
        info = hub.HfApi().model_info(
            address.repo_id,
            revision=address.revision,
            files_metadata=True,
            timeout=PATIENCE,
            token=token,
        )
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(_why_not(address, error)) from None
    files = info.siblings or []
    sizes = {file.rfilename: file.size or 0 for file in files}
    return Listing(address, info.sha, sizes, {file.rfilename: file.lfs.sha256 for file in files if file.lfs})


def _why_not(address: RepoAddress, error: Exception) -> str:
    """What the Hub's refusal means, as a sentence."""
    errors = client().errors
    if isinstance(error, errors.GatedRepoError):
        return f"{address} is gated: its owner asks who wants it, and this page is not let in."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{address.repo_id} has no revision {address.revision}."
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return f"There is no repo {address.repo_id} on the Hub, or it is private."
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = f"the Hub answered with status {status}" if status else type(error).__name__
    return f"{address} could not be fetched: {reason}."


# ---- fetching --------------------------------------------------------------------------------------------


def fetch(listing: Listing, files: Iterable[str], folder: Path, token: bool | None) -> Iterator[int]:
    """Fetch files into a folder, yielding how many bytes there are so far; to be closed at any time.

    Raises:
        HubError: the Hub does not give one, or something else than it has listed.
    """
    done = 0
    for file in files:
        place = folder / file
        place.parent.mkdir(parents=True, exist_ok=True)
        for received in _fetch_file(listing, file, place, token):
            yield done + received
        done += listing.sizes[file]


def _fetch_file(listing: Listing, file: str, place: Path, token: bool | None) -> Iterator[int]:
    hub, name = client(), str(listing.address)
    url = hub.hf_hub_url(listing.address.repo_id, file, revision=listing.commit)
    headers = hub.utils.build_hf_headers(token=token)
    size, digest = listing.sizes[file], hashlib.sha256()
    received = 0
    try:
        with hub.get_session().stream("GET", url, headers=headers, timeout=PATIENCE) as answer:
            hub.utils.hf_raise_for_status(answer)
            with open(place, "wb") as written:
                for chunk in answer.iter_bytes(CHUNK):
                    received += len(chunk)
                    if received > size:
                        break
                    digest.update(chunk)
                    written.write(chunk)
                    yield received
    except Exception as error:  # the client lets its HTTP library's errors through
        if isinstance(error, OSError) and error.strerror:  # of the disk
            raise HubError(f"{name} could not be kept: {error.strerror}.") from None
        raise HubError(_why_not(listing.address, error)) from None
    if received != size or listing.digests.get(file, digest.hexdigest()) != digest.hexdigest():
        raise HubError(f"{name} could not be fetched: {file} is not what the Hub has listed.")


# ---- what is kept ----------------------------------------------------------------------------------------


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder to fetch into, which is gone afterwards unless it was moved to where it is kept."""
    _root().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".", dir=_root()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(folder: Path, listing: Listing) -> Path:
    """Move a folder that has been fetched to where it is kept."""
    with suppress(OSError):  # another process may have been first
        os.rename(folder, listing.place)
    return listing.place


def kept(address: RepoAddress) -> Path | None:
    """The folder of a repo that was fetched before, the newest one; None if there is none."""
    found = [
        folder
        for folder in _root().glob(f"{address.repo_id.replace('/', '--')}@*")
        if folder.name.rpartition("@")[2].startswith(address.revision or "")
    ]
    return max(found, key=_last_use, default=None)


def is_kept(folder: Path) -> bool:
    """Whether a folder is one that was fetched here."""
    return folder.parent.name == FOLDER


def touch(folder: Path) -> None:
    """Note that a folder that is kept has been used."""
    with suppress(OSError):
        os.utime(folder)


def make_room(size: int) -> None:
    """Delete what was used longest ago, until so many more bytes are within MAX_DISK_BYTES; and what programs
    that were killed have left."""
    for left in _root().glob(".*"):
        if time.time() - _last_use(left) > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    folders = sorted(_root().glob("*@*"), key=_last_use)
    sizes = {folder: folder_bytes(folder) for folder in folders}
    for folder in folders:
        if sum(sizes.values()) + size <= MAX_DISK_BYTES:
            return
        shutil.rmtree(folder, ignore_errors=True)
        del sizes[folder]


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # deleted meanwhile
        return 0.0


def _root() -> Path:
    return Path(client().constants.HF_HOME) / FOLDER
