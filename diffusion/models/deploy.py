"""This page as a Space of the Hugging Face Hub: python -m diffusion.models.deploy user/space-name

Again, it brings the Space up to date: what changed is uploaded, and what went away is deleted there.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffusion.addresses import RepoAddress
from diffusion.console import escape_output
from diffusion.files import CONFIG_FILE
from diffusion.films.training_history import EXAMPLES_FILE
from diffusion.hub.client import HubError, client, reason_of, why_not_pushable, why_unreachable
from diffusion.hub.loading import page
from diffusion.hub.pushing import is_of_a_model
from diffusion.models.folder import CheckpointError
from diffusion.models.terms import published
from diffusion.models.weights import read_object

PROGRAM = Path(__file__).parents[2]
READMES = ("README.md", "README.ko.md")
FILES = (*READMES, "LICENSE", "requirements.txt", "app.py")
CODE, CHECKPOINTS, DOCS = "diffusion", "checkpoints", "docs"
NOT_CODE = {".pyc", ".pyi"}
OURS = "diffusion/ui/page.py"  # a Space that has it is one of this page
MAX_BYTES = 100_000_000
HARDWARE = "zero-a10g"  # ZeroGPU
LINK = re.compile(r"\]\((docs/[^)#]+)")


def program_files(program: Path) -> dict[str, Path]:
    """What the page needs of its folder, by path: no tests, no runs, nothing that is made anew.

    Raises:
        HubError: something is missing, or it is too large for a Space.
    """
    texts = [(program / name).read_text("utf-8") for name in READMES if (program / name).is_file()]
    named = [*FILES, *dict.fromkeys(link for text in texts for link in LINK.findall(text))]
    found = {name: program / name for name in named}
    if missing := [name for name, path in found.items() if not path.is_file()]:
        raise HubError(f"there is no {missing[0]} in {program}.")
    for path in (*code_files(program / CODE), *checkpoint_files(program / CHECKPOINTS)):
        found[path.relative_to(program).as_posix()] = path
    if (size := sum(path.stat().st_size for path in found.values())) > MAX_BYTES:
        largest = max(found, key=lambda name: found[name].stat().st_size)
        allowed = f"at most {MAX_BYTES / 1e6:,.0f} MB are allowed"
        raise HubError(f"it is {size / 1e6:,.0f} MB and {allowed}; the largest file is {largest}.")
    return found


def code_files(folder: Path) -> Iterator[Path]:
    """The package, without what Python and Gradio write beside it."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix not in NOT_CODE:
            yield path


def checkpoint_files(folder: Path) -> Iterator[Path]:
    """Of each model that can be shown, what a push would upload: no state, no pictures of one's own."""
    for config in sorted(folder.glob(f"*/{CONFIG_FILE}")):
        about: dict[str, Any] = {}
        with suppress(CheckpointError):
            about = read_object(config)
        if not {"unet", "schedule"} <= about.keys():
            continue  # an autoencoder, for training alone
        secret = EXAMPLES_FILE if published(about.get("about") or {}) is None else None
        yield from (
            file for file in sorted(config.parent.iterdir()) if is_of_a_model(file) and file.name != secret
        )


def deploy(
    repo_id: str,
    public: bool = False,
    hardware: str = HARDWARE,
    tell: Callable[[str], None] = print,
    program: Path = PROGRAM,
) -> str:
    """Make the Space, or bring it up to date; files that are not of this page stay as they are.

    Args:
        repo_id: "user/name".
        public: whether a Space that is made now is for everybody to see; one that is there stays as it is.
        hardware: what it is to run on, as the Hub calls it; if the Hub refuses, that is told, no more.
        tell: gets what is done, line by line.
        program: the folder with app.py.

    Returns:
        The address of the Space.

    Raises:
        HubError: no token, no network, the Hub refused, another program is there, or the files are too
            large; nothing is changed.
    """
    failed = f"{repo_id} was not deployed"
    if why := why_not_pushable(repo_id) or why_unreachable():
        raise HubError(f"{failed}: {why}")
    hub, address = client(), page(RepoAddress(repo_id, kind="space"))
    try:
        update(repo_id, program_files(program), public, tell)
    except hub.errors.HFValidationError:
        raise HubError(f"{failed}: that cannot be a Space's name, use user/name.") from None
    except Exception as error:  # the client lets its HTTP library's errors through
        raise HubError(f"{failed}: {reason_of(error, address)}") from None
    request_hardware(repo_id, hardware, tell)
    return address


def update(repo_id: str, files: dict[str, Path], public: bool, tell: Callable[[str], None]) -> None:
    """Upload what differs and delete what is gone, in one commit. Raises whatever the client does."""
    hub = client()
    there = files_there(repo_id)
    if there and OURS not in there and there.keys() & {"app.py", "Dockerfile", "index.html"}:
        raise HubError("the Space has another program, which stays: use a Space of its own.")
    hub.HfApi().create_repo(repo_id, repo_type="space", space_sdk="gradio", private=not public, exist_ok=True)
    changed = [name for name, path in files.items() if not (name in there and is_same(path, there[name]))]
    ours = (name for name in there if name.partition("/")[0] in (CODE, CHECKPOINTS, DOCS))
    gone = sorted(set(ours) - files.keys())
    size = sum(files[name].stat().st_size for name in changed)
    tell(f"To {repo_id}: {len(changed)} of {len(files)} files, {size:,} bytes; {len(gone)} to delete there.")
    if changed or gone:
        operations = [hub.CommitOperationAdd(name, files[name]) for name in changed]
        operations += [hub.CommitOperationDelete(name) for name in gone]
        hub.HfApi().create_commit(repo_id, operations, commit_message="Deploy", repo_type="space")


def files_there(repo_id: str) -> dict[str, Any]:
    """What the Hub tells of each file of a Space, by path; nothing if there is no such Space."""
    hub = client()
    try:
        tree = list(hub.HfApi().list_repo_tree(repo_id, recursive=True, repo_type="space"))
    except hub.errors.RepositoryNotFoundError:
        return {}
    return {each.path: each for each in tree if hasattr(each, "blob_id")}


def is_same(path: Path, there: Any) -> bool:
    """Whether a file is what the Hub has, by the name that Git or LFS gives to its content."""
    if path.stat().st_size != there.size:
        return False
    content = path.read_bytes()
    if there.lfs:
        return hashlib.sha256(content).hexdigest() == there.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == there.blob_id


def request_hardware(repo_id: str, hardware: str, tell: Callable[[str], None]) -> None:
    """Ask for it, unless the Space has it; a refusal is told."""
    api = client().HfApi()
    try:
        runtime = api.get_space_runtime(repo_id)
        if hardware not in (runtime.hardware, runtime.requested_hardware):
            api.request_space_hardware(repo_id, hardware)
            tell(f"It will run on {hardware}.")
    except Exception as error:  # the client lets its HTTP library's errors through
        said = str(getattr(error, "server_message", None) or "").partition("\n")[0]
        why = f"{said.rstrip('.')}." if said else reason_of(error, page(RepoAddress(repo_id, kind="space")))
        tell(f"It stays on the hardware that it has, since {hardware} was refused: {why}")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m diffusion.models.deploy", description=__doc__.split("\n")[0]
    )
    parser.add_argument("repo_id", help="the Space, user/name; it is made if need be")
    parser.add_argument("--public", action="store_true", help="for everybody to see; else it is private")
    parser.add_argument("--hardware", default=HARDWARE, help="as the Hub calls it (%(default)s)")
    return parser.parse_args(arguments)


def main() -> None:
    escape_output()
    options = parse_arguments()
    try:
        print(deploy(options.repo_id, options.public, options.hardware))
    except HubError as error:
        sys.exit(f"deploy: {error}")


if __name__ == "__main__":
    main()
