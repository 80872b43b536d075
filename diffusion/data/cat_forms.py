"""All ways to write the names of cats' parts, in English and Korean: hat, hats; grey, gray; 초록, 초록색."""

import difflib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from diffusion.data.cat_words import JOINED, LANGUAGES, Name, cat_names, without_article
from diffusion.data.cats import BODY

# How else some words are written; of Korean verbs how they go on.
SPELT = {
    "grey": ("gray",), "gray": ("grey",), "sand-coloured": ("sand-colored",), "sceptical": ("skeptical",),
    "make-up": ("makeup",), "no": ("without", "without an", "without any"), "scarf": ("scarves", "scarfs"),
    "accessory": ("accessories",), "eyes": ("eye", "eyed"), "eyelashes": ("eyelash",), "glasses": (),
    "fur": (), "on": (), "eye": (), "patch": ("patches",),
    "빨간": ("빨강",), "파란": ("파랑",), "노란": ("노랑",), "검은": ("검정",), "초록": ("녹색",),
    "하얀": ("흰",), "눈을": ("눈",), "이를": ("이",), "무늬": ("무늬가",), "감은": ("감고", "감지"),
    "웃는": ("웃고", "웃지"), "자는": ("자고", "자지"), "소리치는": ("소리치고", "소리치지"),
}  # fmt: skip
PLAIN_FUR = "무늬 없는 털"  # whose last word can be left out
WHITE = ("하얀", "흰")  # a colour of things, of no cat
BOTH = ("와", "과", "랑", "이랑", "나", "이나")  # join two things, as particles do behind the first
PARTICLES = ("을", "를", "이", "가", "의", "에", "은", "는", "도", "만", "로", "으로")
HANGUL = "[가-힣]"
NEAR = 0.7  # of difflib's ratio, from which a word is a slip of another
SUGGESTED = ("cat", "picture", "drawing", "wearing", "고양이", "그림")  # beside the words of names
# What each word of grammar does. "before" and "after" deny what comes next, and what came last.
GRAMMAR = {
    "cat": "cat cats fur 고양이 털",
    "filler": "a an the this that its it he she his her is are has have having in of at on any some one s "
    "wearing wears wear worn coloured colored colour color picture pictures drawing drawings "
    "그림 그리고 마리 쓰는 쓰지 두르지 달지 하지 끼지 띠지 가지지 갖지 걸치고 걸친 착용한 있다 인 이고 이며 "
    "된 찬 맨 매고 갖고 " + " ".join([*JOINED, *JOINED.values()]),
    "and": "and & plus",
    "or": "or nor",
    "break": "with but who which",
    "before": "without no not never isn't aren't doesn't don't hasn't isnt doesnt w/o",
    "after": "없는 없이 없고 없다 안 않은 않는 않고 않다 말고 빼고 아닌",
}


def spellings(word: str) -> tuple[str, ...]:
    """All ways to write a word of a name."""
    also = [word, *SPELT.get(word, ())]
    if re.match(HANGUL, word):
        stem = word.removesuffix("색")
        also += [stem, *SPELT.get(stem, ())] if len(stem) > 1 else []
        if word in _colours():
            also += [f"{each}색" for each in also if not each.endswith("색")]
    return tuple(dict.fromkeys(also))


def _numbers(noun: str) -> tuple[str, ...]:
    """The spellings of a noun, one and many."""
    if noun in SPELT or re.match(HANGUL, noun):
        return spellings(noun)
    return (noun, noun[:-1] if noun.endswith("s") else f"{noun}s")


@lru_cache(maxsize=1)
def _colours() -> frozenset[str]:
    """Korean words for colours that can do without 색, or with it."""
    traits = [trait for name in cat_names() if name.kind == BODY for trait in name.traits["ko"]]
    stems = [trait.removesuffix("색") for trait in traits]
    return frozenset([*(stem for stem in stems if len(stem) > 1), *WHITE])


class Written(NamedTuple):
    """A way to write a name.

    Args:
        words: its words.
        is_thing: whether the last one is a noun.
        text: what it is a spelling of, as captions have it; "" if it mixes languages.
    """

    words: tuple[str, ...]
    is_thing: bool
    text: str


def written(name: Name) -> Iterator[Written]:
    """Each way to write a name."""
    for heads, nouns in product(LANGUAGES, repeat=2):
        for thing, other in product(name.things[heads], name.things[nouns]):
            head, noun = (without_article(each).split() for each in (thing, other))
            if thing == other or (heads != nouns and (len(head) > 1) == (len(noun) > 1)):
                spelt = product(*map(spellings, head[:-1]), _numbers(noun[-1]))
                yield from (Written(words, True, thing if thing == other else "") for words in spelt)
    for language in LANGUAGES:
        for trait in name.traits[language]:
            spelt = product(*map(spellings, trait.split()))
            yield from (Written(words, False, trait) for words in spelt)
    if PLAIN_FUR in name.things["ko"]:
        spelt = product(*map(spellings, PLAIN_FUR.split()[:-1]))
        yield from (Written(words, False, PLAIN_FUR) for words in spelt)


@lru_cache(maxsize=1)
def texts_by_word() -> dict[str, dict[str, tuple[int, ...]]]:
    """All words of names, and what captions call parts with them: "hat" is in "a red hat" and others; for
    each text the parts, after the number of their kind."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    grammar = {word for words in GRAMMAR.values() for word in words.split()}
    for name in cat_names():
        for each in written(name):
            for word in " ".join(each.words).split():
                if each.text and word not in grammar:
                    found.setdefault(word, {})[each.text] = (name.kind, *name.parts)
    return found


@lru_cache(maxsize=1)
def nouns() -> frozenset[str]:
    """The last words of all things."""
    return frozenset(each.words[-1] for each in _all_written() if each.is_thing)


@lru_cache(maxsize=1)
def colours() -> frozenset[str]:
    """All first words of colours that cats have."""
    return frozenset(each.words[0] for name in cat_names() if name.kind == BODY for each in written(name))


def _all_written() -> Iterator[Written]:
    return (each for name in cat_names() for each in written(name))


def nearest_word(word: str) -> str | None:
    """The known word that this one may be a slip of; letter by letter, in Korean too."""
    known = {_letters(each): each for each in (*texts_by_word(), *SUGGESTED)}
    near = difflib.get_close_matches(_letters(word), known, 1, NEAR)
    return known[near[0]] if near else None


def may_become_known(word: str) -> bool:
    """Whether a known word begins like this; in Korean while a syllable is being put together, too."""
    grammar = (each for words in GRAMMAR.values() for each in words.split())
    known = (*texts_by_word(), *grammar, *PARTICLES, *BOTH)
    return any(_letters(each).startswith(_letters(word)) for each in known)


def _letters(word: str) -> str:
    """In lower case and, in Korean, letter by letter: ㅁ, 모, 몾 and 모자 begin alike."""
    return "".join(map(_at_the_start, unicodedata.normalize("NFKD", word.lower())))


@lru_cache(maxsize=256)
def _at_the_start(letter: str) -> str:
    """A Korean letter as it is at the start of a syllable."""
    name = unicodedata.name(letter, "").replace("JONGSEONG", "CHOSEONG")
    try:
        return unicodedata.lookup(name)
    except KeyError:
        return letter
