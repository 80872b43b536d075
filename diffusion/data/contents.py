"""What a data set is made of: its classes, their numbers and fingerprints; what is odd, and what differs."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

MAX_NAMED = 20  # classes of a line
UNEQUAL = 20  # times as many pictures of one class as of another
# Folders with these words in their names, and some that say nothing, are parts of a data set.
TRAINING_PARTS = {"train", "training"}
OTHER_PARTS = {"val", "valid", "validation", "test", "testing", "dev", "eval", "holdout"}
FILLING = {"set", "data", "split", "image", "images", "img", "imgs", "picture", "pictures", "photos"}


@dataclass(frozen=True)
class Part:
    """The pictures of one class: how many, and a short text that only the same ones have."""

    pictures: int
    fingerprint: str


Contents: TypeAlias = Mapping[str, Part]  # by class, in the labels' order; of pictures without classes: by ""


def fingerprint(pieces: Iterable[bytes]) -> str:
    """A short text that only these pieces, in this order, have."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()[:16]


def described(contents: Contents) -> str:
    """As "8 pictures, 2 classes: cat, dog"."""
    total = counted(sum(part.pictures for part in contents.values()), "picture")
    if "" in contents:
        return f"{total}, no classes"
    return f"{total}, {counted(len(contents), 'class', 'classes')}: {listed(list(contents))}"


def oddities(contents: Contents) -> Iterator[str]:
    """What its owner may not have meant, a sentence each."""
    if "" in contents:
        return
    single = [name for name, part in contents.items() if part.pictures == 1]
    if single:
        one = f"The class {single[0]} has" if len(single) == 1 else f"The classes {listed(single)} have"
        yield f"{one} one picture: whatever is drawn of it will look like that."
    small, large = (choose(contents, key=lambda name: contents[name].pictures) for choose in (min, max))
    few, many = contents[small].pictures, contents[large].pictures
    if 1 < few <= many // UNEQUAL:
        yield f"The classes are very unequal: {many:,} of {large}, {few:,} of {small}."
    if parts := [name for name in contents if words_of_part(name)]:
        yield f"Named like a part of a data set, and yet read as a class: {listed(parts)}."


def words_of_part(folder: str) -> set[str]:
    """Which part of a data set a folder's name says it is, such as {"train"}; nothing for any other name."""
    words = set(re.findall(r"[^\W\d_]+", folder.lower()))
    return (
        words & (TRAINING_PARTS | OTHER_PARTS) if words <= TRAINING_PARTS | OTHER_PARTS | FILLING else set()
    )


def is_filling(folder: str) -> bool:
    """Whether a folder's name says nothing of what is in it, such as "data" or "images"."""
    words = set(re.findall(r"[^\W\d_]+", folder.lower()))
    return set() < words <= FILLING


def left_out(skipped: Iterable[str]) -> Iterator[str]:
    """How many for each reason, with an example; of lines "name: This …" or "name: It …"."""
    groups: dict[str, list[str]] = {}
    for line in skipped:
        reason = line[max(line.rfind(f": {word} ") for word in ("This", "It")) :]
        groups.setdefault(re.sub(r"[\d,]+", "", reason), []).append(line)
    for lines in groups.values():
        yield f"Left out: {f'{len(lines):,}, such as ' if len(lines) > 1 else ''}{lines[0]}"


def difference(then: Contents, now: Contents) -> str | None:
    """What is no longer as it was, in half a sentence; None if all is."""
    if then == now:
        return None
    before, after = (sum(part.pictures for part in each.values()) for each in (then, now))
    changes = list(_changes(then, now))
    if before != after:
        changes.append(f"{counted(after, 'picture')} instead of {before:,}")
    return "; ".join(changes)


def _changes(then: Contents, now: Contents) -> Iterator[str]:
    if ("" in then) != ("" in now):
        yield f"it had {_classes(then)}, and has {_classes(now)}"
        return
    gone, new = ([name for name in a if name not in b] for a, b in ((then, now), (now, then)))
    for name in list(gone):
        if renamed := next((other for other in new if now[other] == then[name]), None):
            yield f"the class {name} is called {renamed}"
            gone.remove(name)
            new.remove(renamed)
    for names, what in ((gone, "missing"), (new, "new")):
        if names:
            yield f"{counted(len(names), 'class is', 'classes are')} {what}: {listed(names)}"
    changed = [name for name in then if name in now and then[name] != now[name]]
    for name in changed[:MAX_NAMED]:
        before, after = then[name].pictures, now[name].pictures
        of = f" of {name}" if name else ""
        if before == after:
            yield f"some pictures{of} are others, or have other names"
        elif name:
            yield f"{counted(after, 'picture')}{of} instead of {before:,}"


def _classes(contents: Contents) -> str:
    return "no classes" if "" in contents else f"the classes {listed(list(contents))}"


def counted(number: int, one: str, several: str = "") -> str:
    """As "1 picture", "2,000 pictures"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """As "a, b, c", of many only the first."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")
