"""The folder of a run, for one run alone."""

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diffusion.files import remove_leftovers
from diffusion.films.samples import SHEETS_FOLDER
from diffusion.models.weights import CheckpointError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_FILE = ".lock"
LOCKED_BYTE = 1 << 20  # beyond what the file says, so that others can read that on Windows too


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """A block in which no other run writes into this folder, which is made if need be.

    What a killed run left half-written is removed. The lock ends with its process, in whatever way.

    Raises:
        CheckpointError: another run has it.
        OSError: it cannot be written; names the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = _locked(folder)
    try:
        for place in (folder, folder / SHEETS_FOLDER):
            remove_leftovers(place)
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK_FILE).unlink()
        os.close(lock)


def check_place(folder: Path) -> None:
    """Find out early whether there can be such a folder; nothing is written.

    Raises:
        OSError: it cannot be made, or not be written to; names it.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _locked(folder: Path) -> int:
    """The open lock file, which says whose it is. Raises as `own_folder` does."""
    file = folder / LOCK_FILE
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    try:
        _lock(lock)
    except (BlockingIOError, PermissionError):
        os.close(lock)
        raise CheckpointError(
            f"{folder} is in use by another run ({_owner(file)}): wait for its end, or choose another --out."
        ) from None
    except OSError:  # the drive knows no locks
        return lock
    if not _is_still(file, lock):  # its owner ended just now, and took the file along
        os.close(lock)
        return _locked(folder)
    with suppress(OSError):  # a full disk
        os.truncate(lock, 0)
        os.write(lock, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return lock


def _lock(lock: int) -> None:
    """Lock an open file, or raise BlockingIOError or PermissionError at once."""
    if sys.platform == "win32":
        os.lseek(lock, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        os.lseek(lock, 0, os.SEEK_SET)
    else:  # for the process, not for the open file, which children that outlive it may have too
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LOCKED_BYTE)


def _is_still(file: Path, lock: int) -> bool:
    """Whether the open file is the one of this name."""
    try:
        return os.path.samestat(os.stat(file), os.fstat(lock))
    except FileNotFoundError:
        return False


def _owner(file: Path) -> str:
    """What the lock file says."""
    with suppress(OSError, ValueError):
        return file.read_text("utf-8") or "just begun"
    return "unknown"
