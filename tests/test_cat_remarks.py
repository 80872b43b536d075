"""Prompts for a model of cats: what the page says of their words."""

import unicodedata
from dataclasses import replace
from random import Random

import pytest
from cat_models import few_cats

from diffusion.data.captions import some_names
from diffusion.data.cat_prompts import asked
from diffusion.data.cat_words import LANGUAGES, caption, cat_names
from diffusion.data.cats import KINDS
from diffusion.nets.text_encoder import train_tokenizer
from diffusion.ui.parts.cat_remarks import CatWords
from diffusion.ui.parts.prompts import PromptReader, known_to_other, reader
from diffusion.ui.text import labels

COUNTS = [
    1 + max(part for name in cat_names() if name.kind == kind for part in name.parts)
    for kind in range(len(KINDS))
]


def captions(number):
    random = Random(0)
    for _ in range(number):
        cat = [random.randrange(count) for count in COUNTS]
        yield caption(some_names(cat, random), random.choice(LANGUAGES), random)


@pytest.fixture(scope="module")
def cats():
    """A reader with a vocabulary of cats."""
    return PromptReader(train_tokenizer(list(captions(2000)), 600, 40, split_punctuation=True), CatWords())


def test_captions_get_no_note_and_all_their_tokens_are_seen(cats):
    for text in captions(500):
        prompt = cats.read(text)
        assert prompt.notes == () and prompt.unknown == (), text
        assert all(token.seen for token in prompt.tokens)


@pytest.mark.parametrize(
    "text",
    [
        "Red HATS, green eye",
        "검은 모자를 쓴 회색 고양이",
        unicodedata.normalize("NFD", "빨간 모자를 쓴 고양이"),
        "a red hat, a hat",
        "초록 고양이가 모자를 쓰고 있다.",
    ],
)
def test_what_is_understood_gets_no_note(cats, text):
    prompt = cats.read(text)
    assert prompt.notes == () and all(token.seen for token in prompt.tokens)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "The prompt is empty: the network draws whatever it likes."),
        ("cat with glases", "Not in any training caption: “glases” (perhaps “glasses”?)."),
        ("a cute cat, a glases", "Not in any training caption: “cute”, “glases” (perhaps “glasses”?)."),
        ("헬멧을 쓴 고양이", "Not in any training caption: “헬멧”."),
        ("모저를 쓴 고양이", "Not in any training caption: “모저” (perhaps “모자”?)."),
        (
            "a cat without a hat",
            "“without a hat”: captions never say what is not there. "
            "Name it in the negative prompt instead, alone.",
        ),
        (
            "no glasses, 모자 없는 고양이",
            "“no glasses”, “모자 없는”: captions never say what is not there. "
            "Name it in the negative prompt instead, alone.",
        ),
        ("a hat and a bow", "“hat”, “bow”: no cat has these together."),
        ("a green hat", "No part is called “green hat”; there are “a black hat”, “a red hat”."),
        ("a light cat", "No part is called “light”; there are “light purple”."),
        ("초록 머리띠를 한 고양이", "No part is called “초록 머리띠”; there are “빨간 머리띠”."),
        ("a cat with a hat 🎩", "The network knows no 🎩: left out."),
    ],
)
def test_a_sentence_tells_what_cannot_be_asked_for(cats, text, told):
    assert cats.read(text).notes == (told,)


def test_of_nothing_but_unknown_words_that_is_said(cats):
    first, second = cats.read("pizza").notes
    assert first == "Not in any training caption: “pizza”."
    assert second.startswith("No word of this prompt is in any caption")


def test_unknown_words_are_marked_as_never_seen_and_others_are_not(cats):
    prompt = cats.read("a cute cat with glases, white")
    unseen = "".join(token.text for token in prompt.tokens if not token.seen)
    assert unseen.replace("▁", "") == "cuteglases"
    assert prompt.unknown == ("cute", "glases")


def test_the_name_of_every_kind_can_be_denied(cats):
    for words in ("grey", "stripes", "green eyes", "a smile", "a hat"):
        assert len(cats.read(f"a cat, not {words}").notes) == 1


@pytest.mark.parametrize(
    "typed", ["a c", "gla", "a gree", "big", "a red", "witho", "without a", "모", "몾", "ㅁ", "모자르"]
)
def test_what_is_being_typed_is_not_judged_yet(cats, typed):
    assert cats.read(typed, unfinished=True).notes == ()


@pytest.mark.parametrize("typed", ["glx", "gla ", "a green hat", "without a hat", "blue eyes", "초록모자"])
def test_what_cannot_become_right_is_told_while_typing(cats, typed):
    assert cats.read(typed, unfinished=True).notes


def test_the_model_of_cats_has_their_reader(model):
    assert isinstance(reader(replace(model, cats=few_cats())).words, CatWords)
    assert reader(model).atlas is not None and reader(replace(model, cats=few_cats())).atlas is None


@pytest.mark.parametrize(
    "typed, words",
    [
        ("pizza", ("pizza",)),
        ("a red Pizza, please", ("Pizza",)),
        ("a cat with a hat", ()),
        ("xylophone", ()),
        ("고양이와 피자", ("피자",)),
        ("cat 🍕 🦖", ("🍕",)),
        ("", ()),
    ],
)
def test_words_that_only_emoji_know_can_be_offered_to_them(model, typed, words):
    assert known_to_other(replace(model, cats=few_cats()), model, typed) == words


def test_words_that_only_cats_know_can_be_offered_to_them(model):
    cats = replace(model, cats=few_cats())
    assert known_to_other(model, cats, "red heart with headphones, xylophone") == ("headphones",)


def test_examples_name_one_part_to_five_and_one_that_there_is_not(cats):
    examples = labels()["prompt_examples_cats"].split("|")
    assert {len(asked(text).named) for text in examples} == {1, 2, 3, 5}
    assert [text for text in examples if cats.read(text).notes] == ["a cat with a green hat"]
    assert any(not text.isascii() for text in examples)
    assert any(len(each.name.parts) > 1 for text in examples for each in asked(text).named)
