"""What a typed prompt asks of a cat: the parts that it names, and what in it cannot be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias

from diffusion.data.cat_forms import colours, nearest_word, nouns, texts_by_word
from diffusion.data.cat_pieces import SOFT, Piece, Span, pieces
from diffusion.data.cat_words import Name, without_article
from diffusion.data.cats import FUR, KINDS


@dataclass(frozen=True)
class Named:
    """A name in a prompt.

    Args:
        name: what is named.
        span: where it stands.
        noun: where the last word of a thing stands, "hat" of "a red hat"; None for traits.
    """

    name: Name
    span: Span
    noun: Span | None


@dataclass(frozen=True)
class Denied:
    """Something that shall not be: "without a hat", "모자 없는".

    Args:
        span: where it stands, with the word that denies.
        text: as it was typed.
        names: those that are denied.
    """

    span: Span
    text: str
    names: tuple[Name, ...]


@dataclass(frozen=True)
class Rivals:
    """Names of one kind that no cat has together: "a hat and a bow".

    Args:
        kind: a number of KINDS.
        named: the names; none of them is asked for.
    """

    kind: int
    named: tuple[Named, ...]


@dataclass(frozen=True)
class NoPart:
    """Words of names which together name no part: "a green hat", "white", "eyes".

    Args:
        span: where they stand.
        text: as they were typed.
        alike: what captions have with the same noun, or the same word: "a black hat", "a red hat".
    """

    span: Span
    text: str
    alike: tuple[str, ...]


@dataclass(frozen=True)
class Unknown:
    """A word of no name and no grammar.

    Args:
        span: where it stands.
        text: as it was typed.
        nearest: the known word that it may be a slip of; None if there is none.
    """

    span: Span
    text: str
    nearest: str | None


@dataclass(frozen=True)
class Asked:
    """What a prompt asks for. Spans are of the characters of `text`; all in its order.

    Args:
        text: the prompt.
        named: what can be looked for in a picture, at most one set of parts of a kind: if a kind is named
            more than once ("a red hat", "a hat"), the narrowest name.
        denied, rivals, no_part, unknown: what cannot.
    """

    text: str
    named: tuple[Named, ...]
    denied: tuple[Denied, ...]
    rivals: tuple[Rivals, ...]
    no_part: tuple[NoPart, ...]
    unknown: tuple[Unknown, ...]


Record: TypeAlias = Named | NoPart | Unknown


class _Phrase(NamedTuple):
    """A piece of a text, or a thing together with what is said of it.

    Args:
        piece: the piece, or the thing.
        span: of all.
        records: what it asks for.
    """

    piece: Piece
    span: Span
    records: tuple[Record, ...]


@lru_cache(maxsize=1024)
def asked(text: str) -> Asked:
    """What a prompt, in English, Korean or both, asks of a cat."""
    phrases = _phrases(text, pieces(text))
    denied, rest = _denied(text, phrases)
    records = [record for phrase in rest for record in phrase.records]
    named, rivals = _settled([record for record in records if isinstance(record, Named)])
    return Asked(
        text,
        named,
        denied,
        rivals,
        tuple(record for record in records if isinstance(record, NoPart)),
        tuple(record for record in records if isinstance(record, Unknown)),
    )


def _phrases(text: str, found: Sequence[Piece]) -> list[_Phrase]:
    """Pieces, each thing together with the words before it that are no names of the cat's own."""
    phrases: list[_Phrase] = []
    for last, piece in enumerate(found):
        records = _records(text, piece)
        first = _first(text, found, last)
        if first < last:
            taken = phrases[first - last :]
            del phrases[first - last :]
            span = taken[0].span[0], piece.span[1]
            no_part = NoPart(span, text[slice(*span)], _alike(piece.noun_text))
            unknown = (r for phrase in taken for r in phrase.records if isinstance(r, Unknown))
            thing = (r for r in records if isinstance(r, Named))
            phrases.append(_Phrase(piece, span, (no_part, *unknown, *thing)))
        else:
            phrases.append(_Phrase(piece, piece.span, records))
    return phrases


def _records(text: str, piece: Piece) -> tuple[Record, ...]:
    """What a piece asks for by itself."""
    typed = text[slice(*piece.span)]
    if piece.name is not None:
        return (Named(piece.name, piece.span, piece.noun),)
    if piece.role == "word":
        return (NoPart(piece.span, typed, _alike(piece.text)),)
    return (Unknown(piece.span, typed, nearest_word(typed)),) if piece.role == "unknown" else ()


# ---- words before a thing ---------------------------------------------------------------------------------


def _first(text: str, found: Sequence[Piece], last: int) -> int:
    """Where begins what is said of a thing: at "green" of "a green hat", which is no body then."""
    thing = found[last]
    if thing.noun_text not in nouns() or _is_trait(text, found, last):
        return last
    first = last
    while first and _adjacent(text, *found[first - 1 : first + 1]) and _describes(found, first - 1, thing):
        first -= 1
    while first < last and found[first].role in ("unknown", "and"):
        first += 1
    return first


def _describes(found: Sequence[Piece], number: int, thing: Piece) -> bool:
    """Whether a piece before a thing is an adjective of it."""
    piece, following = found[number], found[number + 1]
    if piece.role == "and":  # a red and blue scarf
        return number > 0 and found[number - 1].is_colour and following.first_word in colours()
    if piece.is_colour:  # not if it has one: a grey red hat is red
        return following is not thing or thing.name is None or thing.first_word not in colours()
    if piece.name is not None:  # a striped hat; in Korean what a cat is may come before what it has
        return piece.name.kind == FUR and piece.noun is None and piece.text.isascii()
    return piece.role == "unknown" or (piece.role == "word" and piece.text not in nouns())


def _is_trait(text: str, found: Sequence[Piece], number: int) -> bool:
    """Whether a thing describes the cat behind it: 회색 줄무늬 고양이, a grey green-eyed cat."""
    thing, *behind = found[number : number + 2]
    if thing.name is None or not behind or behind[0].role != "cat" or not _adjacent(text, thing, *behind):
        return False
    return thing.name.kind == FUR or thing.text.endswith("eyed")


def _adjacent(text: str, piece: Piece, following: Piece) -> bool:
    """Whether there is nothing between them but spaces and hyphens."""
    return all(SOFT.match(c) for c in text[piece.span[1] : following.span[0]])


def _alike(word: str) -> tuple[str, ...]:
    """What captions have with this word, and with others if there are such; of what means the same one."""
    texts = texts_by_word().get(word, {})
    longer = {text: parts for text, parts in texts.items() if " " in without_article(text)}
    first: dict[tuple[int, ...], str] = {}
    for text, parts in (longer or texts).items():
        first.setdefault(parts, text)
    return tuple(first.values())


# ---- what is denied ---------------------------------------------------------------------------------------


def _denied(text: str, phrases: list[_Phrase]) -> tuple[tuple[Denied, ...], list[_Phrase]]:
    """What is not to be, and the phrases without it."""
    denied, gone = [], set()
    for number, phrase in enumerate(phrases):
        if phrase.piece.role in ("before", "after"):
            taken = _behind(phrases, number) if phrase.piece.role == "before" else _ahead(phrases, number)
            verb = [number + 1] if phrase.piece.text == "안" and number + 1 < len(phrases) else []
            spans = [phrases[i].span for i in (number, *taken, *verb)]
            span = min(start for start, _ in spans), max(end for _, end in spans)
            records = chain.from_iterable(phrases[i].records for i in taken)
            names = tuple(record.name for record in records if isinstance(record, Named))
            denied.append(Denied(span, text[slice(*span)], names))
            gone.update(taken)
    kept = [
        phrase._replace(records=tuple(r for r in phrase.records if i not in gone or isinstance(r, Unknown)))
        for i, phrase in enumerate(phrases)
    ]
    return tuple(denied), kept


def _behind(phrases: Sequence[_Phrase], number: int) -> list[int]:
    """Which phrases it denies: no hat, without a hat and a bow, not striped or smiling."""
    taken: list[int] = []
    joins = ("or", "and") if phrases[number].piece.text in ("without", "w/o") else ("or",)
    joined = True
    for i in range(number + 1, len(phrases)):
        role = phrases[i].piece.role
        if phrases[i].records and joined:
            taken.append(i)
            joined = False
        elif role in joins:
            joined = True
        elif role != "filler":
            break
    return taken


def _ahead(phrases: Sequence[_Phrase], number: int) -> list[int]:
    """Which phrases it denies: 모자 없는, 모자와 리본을 안 한, 웃지 않는."""
    taken: list[int] = []
    joined = True
    for i in range(number - 1, -1, -1):
        role = phrases[i].piece.role
        if phrases[i].records and joined:
            taken.append(i)
            joined = False
        elif role in ("both", "or"):
            joined = True
        elif not (role in ("filler", "particle", "after") and joined):
            break
    return taken


# ---- kinds and words --------------------------------------------------------------------------------------


def _settled(named: Sequence[Named]) -> tuple[tuple[Named, ...], tuple[Rivals, ...]]:
    """Of each kind the narrowest name; or none, if there are names that no cat has together."""
    kept: list[Named] = []
    rivals = []
    for kind in range(len(KINDS)):
        same = [each for each in named if each.name.kind == kind]
        if not same:
            continue
        narrowest = min(same, key=lambda each: len(each.name.parts))
        if all(set(narrowest.name.parts) <= set(each.name.parts) for each in same):
            kept.append(narrowest)
        else:
            rivals.append(Rivals(kind, tuple(same)))
    return tuple(sorted(kept, key=lambda each: each.span)), tuple(rivals)
