"""What lies in a folder of pictures: which files may be pictures, of which class, and what is left out."""

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from diffusion.data.contents import OTHER_PARTS, TRAINING_PARTS, listed, words_of_part
from diffusion.data.image_formats import looks_like_a_picture
from diffusion.data.image_sets import DataError
from diffusion.files import CONFIG_FILE, STATE_FILE, WEIGHTS_FILE
from diffusion.names import is_text, nfc, readable

# What systems, network drives and programs leave in folders, in lower case; besides what begins with a dot.
SYSTEM_NAMES = {
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "@sharesnap", "@__thumb", "@snapshot",
    "#recycle", "#snapshot", "~snapshot", "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db",
    "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r", "desktop db", "desktop df",
    "network trash folder", "temporary items", "thevolumesettingsfolder", "lost+found", "lost.dir",
    "$recycle.bin", "recycler", "recycled", "system volume information", "wpsettings.dat", "_gsdata_",
}  # fmt: skip
SYSTEM_PATTERN = re.compile(r"\.|~\$|@syno|found\.\d{3}$|.+@syno(eastream|resource)$")  # of its beginning
RUN_FILES = ((STATE_FILE,), (CONFIG_FILE, WEIGHTS_FILE))  # the one or the others show that it is a run's

SYSTEM = "It belongs to the system, or is hidden."
CIRCLE = "It is a link to a folder that is read already, or that this one lies in."
NOWHERE = "It is a link that leads nowhere."
A_RUN = "It is the folder of a run."
NO_FILE = "It is neither a file nor a folder."
BESIDE_PARTS = "It lies beside the parts of a data set."


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture.

    Args:
        path: where it is.
        parts: the folders and the name that lead to it from its class's folder, in NFC.
        class_name: of the folder that it lies in; "" in none.
    """

    path: Path
    parts: tuple[str, ...]
    class_name: str

    @property
    def name_in_class(self) -> bytes:
        """What identifies it there, on every machine."""
        return "/".join(self.parts).encode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Listing:
    """What `list_pictures` found.

    Args:
        root: the folder that was read: the one named, or in it the part to train on.
        files: in the order of their names in NFC, which is the same on every machine.
        classes: of its sub-folders, whatever lies in them.
        skipped: what was left out, each with its reason.
        notes: what its owner should know, a sentence each.
    """

    root: Path
    files: tuple[PictureFile, ...]
    classes: tuple[str, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def list_pictures(root: Path) -> Listing:
    """The files below a folder; its sub-folders are their classes.

    Links are followed. Of the parts of a data set, train beside val or test, the training part is listed; of
    train alone, unless pictures lie beside it.

    Raises:
        DataError: there is no such folder, or a class has a name that cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{readable(root)} is not a folder: name one that holds pictures with --data-dir.")
    names = _class_folders(root)
    training = [name for name in names if set() < words_of_part(name) <= TRAINING_PARTS]
    others = [name for name in names if set() < words_of_part(name) <= OTHER_PARTS]
    beside = dict(_beside_parts(root))
    loose = any(looks_like_a_picture(name) for name, reason in beside.items() if reason == BESIDE_PARTS)
    if len(training) != 1 or len(training) + len(others) < len(names) or (loose and not others):
        return _listing(root)
    listing = _listing(root / training[0])
    besides = f"; left out: {listed(others)}" if others else ""
    note = f"Read as the parts of a data set: trained on is what lies in {training[0]}{besides}."
    skipped = (f"{readable(root / name)}: {reason}" for name, reason in beside.items())
    return replace(listing, skipped=(*skipped, *listing.skipped), notes=(note, *listing.notes))


def _class_folders(root: Path) -> list[str]:
    return [entry.name for entry in _entries(root) if _is_folder(entry) and not _reason_against(entry)]


def _beside_parts(root: Path) -> Iterator[tuple[str, str]]:
    """What is left out of a folder whose sub-folders are the parts of a data set: names and reasons."""
    for entry in _entries(root):
        if reason := _reason_against(entry) or (None if _is_folder(entry) else BESIDE_PARTS):
            yield entry.name, reason


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    """By name. They know what they are without being asked, which matters on a network drive."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _listing(root: Path) -> Listing:
    classes = tuple(map(_class_name, _class_folders(root)))
    skipped: list[str] = []
    files = []
    for path in _walk(root, skipped):
        class_folder, *inside = path.relative_to(root).parts
        class_name = _class_name(class_folder) if inside else ""
        files.append(PictureFile(path, tuple(map(nfc, inside or [class_folder])), class_name))
    files.sort(key=lambda file: (file.class_name, file.parts))
    return Listing(root, tuple(files), classes, tuple(skipped), tuple(_notes(root, files)))


def _notes(root: Path, files: list[PictureFile]) -> Iterator[str]:
    spellings: dict[str, set[str]] = {}
    for file in files:
        if file.class_name:
            spellings.setdefault(file.class_name, set()).add(file.path.relative_to(root).parts[0])
    if several := [name for name, folders in spellings.items() if len(folders) > 1]:
        yield f"Folders whose names differ in spaces or Unicode forms alone are one class: {listed(several)}."


def _walk(root: Path, skipped: list[str]) -> Iterator[Path]:
    """Every file that is not the system's; what is left out is added to `skipped`, with its reason."""
    home = root.resolve()
    visited, folders = set(home.parents), deque([root])
    while folders:
        folder = folders.popleft()
        if (real := folder.resolve()) in visited:
            skipped.append(f"{readable(folder)}: {CIRCLE}")
            continue
        visited.add(real)
        try:
            entries = _entries(folder)
        except OSError as error:
            skipped.append(f"{readable(folder)}: It cannot be read: {error.strerror}.")
            continue
        for entry in entries:
            path = folder / entry.name
            if reason := _reason_against(entry):
                skipped.append(f"{readable(path)}: {reason}")
            elif not _is_folder(entry):
                yield path
            elif entry.is_symlink():
                folders.append(path)  # after all folders themselves, which it may lead to
            else:
                folders.appendleft(path)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _reason_against(entry: "os.DirEntry[str]") -> str | None:
    """Why a file or folder is left out unseen; None if it is not."""
    name = entry.name.lower().strip(" ")
    if name in SYSTEM_NAMES or SYSTEM_PATTERN.match(name):
        return SYSTEM
    if _is_folder(entry):
        return A_RUN if any(_holds(entry.path, names) for names in RUN_FILES) else None
    if entry.is_symlink():
        return None if os.path.isfile(entry.path) else NOWHERE
    return None if entry.is_file() else NO_FILE


def _holds(folder: str, names: tuple[str, ...]) -> bool:
    return all(os.path.isfile(os.path.join(folder, name)) for name in names)


def _class_name(folder: str) -> str:
    """The class that a folder's name says: in NFC, on one line. Raises as `list_pictures` does."""
    name = " ".join(nfc(folder).split())
    if not name or not is_text(name):
        raise DataError(
            f"The class folder “{readable(folder)}” has a name that is no text in UTF-8: rename it."
        )
    return name
