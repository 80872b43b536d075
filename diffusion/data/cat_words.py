"""What the parts of cats are called in English and Korean, and captions that call them so.

A name stands for one part or for a set of parts ("a hat" is either hat), so that a word is a distribution.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from diffusion.data.cats import ACCESSORY, BODY, KINDS

LANGUAGES = ("en", "ko")
WORDS = Path(__file__).parent / "cat_words.json"
ARTICLES = ("a ", "an ")
ENGLISH_FRAMES = ("{}", "{}", "{}", "a picture of {}", "a drawing of {}")
KOREAN_FRAMES = ("{}", "{}", "{}", "{} 그림")
# A verb that a thing is had with, before a cat, and before another such: 모자를 쓴, 모자를 쓰고.
JOINED = {
    "쓴": "쓰고", "두른": "두르고", "단": "달고", "한": "하고", "낀": "끼고", "띤": "띠고",
    "가진": "가지고", "있는": "있고",
}  # fmt: skip
# How often a caption is a mere list, leaves an article or a particle out, or the spaces.
LISTED, BARE, UNSPACED = 0.3, 0.2, 0.15


@dataclass(frozen=True)
class Name:
    """What some parts of one kind are called.

    Args:
        kind: a number of KINDS.
        parts: those that it stands for.
        things: by language, what such a cat has: "a red hat", "빨간 모자".
        traits: by language, what such a cat is: "striped", "웃는".
        verb: a key of JOINED, with which Korean has the things.
    """

    kind: int
    parts: tuple[int, ...]
    things: dict[str, tuple[str, ...]]
    traits: dict[str, tuple[str, ...]]
    verb: str


@lru_cache(maxsize=1)
def cat_names() -> tuple[Name, ...]:
    """All names that there are, in the order of KINDS."""
    rows = json.loads(WORDS.read_text("utf-8"))
    return tuple(
        Name(
            KINDS.index(row["kind"]),
            tuple(row["parts"]),
            {language: tuple(row[language]) for language in LANGUAGES},
            {language: tuple(row.get(f"{language}_traits", ())) for language in LANGUAGES},
            row.get("verb", ""),
        )
        for row in rows
    )


@cache
def names_of(kind: int, part: int) -> tuple[Name, ...]:
    """All names that a part can be called by."""
    return tuple(name for name in cat_names() if name.kind == kind and part in name.parts)


def caption(names: Sequence[Name], language: str, random: Random) -> str:
    """Any way to say in a language that a cat has these: at most one name of a kind, in any order."""
    chosen = [_chosen(name, language, random) for name in random.sample(names, len(names))]
    chosen.sort(key=lambda each: each.name.kind == BODY)  # the colour stands last, next to the cat
    return (_english if language == "en" else _korean)(chosen, random)


class _Chosen(NamedTuple):
    """A name, one of the ways to say it, and whether that is a trait."""

    name: Name
    text: str
    is_trait: bool


def _chosen(name: Name, language: str, random: Random) -> _Chosen:
    things, traits = name.things[language], name.traits[language]
    number = random.randrange(len(things) + len(traits))
    return _Chosen(name, (*things, *traits)[number], number >= len(things))


def _cat(chosen: Sequence[_Chosen], noun: str) -> str:
    """The noun for a cat, behind all that it is."""
    return " ".join([*(each.text for each in chosen if each.is_trait), noun])


def _list(parts: Sequence[str], random: Random) -> str:
    """In any order, with commas or without."""
    return random.choice((", ", " ")).join(random.sample(parts, len(parts)))


def _english(chosen: Sequence[_Chosen], random: Random) -> str:
    """A striped grey cat with green eyes, wearing a red hat; or: red hat, grey cat, green eyes, striped."""
    cat, things = _cat(chosen, "cat"), [each for each in chosen if not each.is_trait]
    if random.random() < LISTED:
        text = _list([cat, *(without_article(each.text) for each in things)], random)
        return text.removesuffix(" cat").removesuffix(",") if random.random() < BARE else text
    apart = random.random() >= 0.5  # what is worn is said to be
    worn = [each.text for each in things if apart and each.name.kind == ACCESSORY]
    had = [each.text for each in things if each.text not in worn]
    phrases = [f"with {_and(had)}"] * bool(had) + [f"wearing {_and(worn)}"] * bool(worn)
    article = "an" if cat[0] in "aeiou" else "a"
    text = f"{article} {cat} {random.choice((' ', ', ')).join(random.sample(phrases, len(phrases)))}".strip()
    text = random.choice(ENGLISH_FRAMES).format(text)
    return " ".join(w for w in text.split() if w not in ("a", "an")) if random.random() < BARE else text


def _and(texts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def without_article(text: str) -> str:
    """a hat → hat."""
    for article in ARTICLES:
        text = text.removeprefix(article)
    return text


def _korean(chosen: Sequence[_Chosen], random: Random) -> str:
    """초록 눈을 가지고 빨간 모자를 쓴 회색 고양이; or: 빨간 모자, 회색 고양이, 초록 눈."""
    things = [each for each in chosen if not each.is_trait]
    if random.random() < LISTED:
        text = _list([_cat(chosen, "고양이"), *(each.text for each in things)], random)
    else:
        bare = random.random() < BARE
        words = []
        for each in chosen:
            joined = not each.is_trait and each is not things[-1] and random.random() < 0.5
            words.append(each.text if each.is_trait else _had(each.text, each.name.verb, joined, bare))
        text = random.choice(KOREAN_FRAMES).format(" ".join([*words, "고양이"]))
    return text.replace(" ", "") if random.random() < UNSPACED else text


def _had(thing: str, verb: str, joined: bool, bare: bool) -> str:
    """모자, 쓴 → 모자를 쓴: with the particle that the last syllable asks for, or without one."""
    closed = (ord(thing[-1]) - ord("가")) % 28 > 0  # it ends in a consonant
    particle = ("이" if closed else "가") if verb == "있는" else ("을" if closed else "를")
    return f"{thing}{'' if bare else particle} {JOINED[verb] if joined else verb}"
