"""What the parts of cats are called, and captions that call them so."""

import re
import unicodedata
from collections import Counter
from random import Random

import pytest
from cat_models import shipped_cats

from diffusion.data.cat_words import (
    ARTICLES,
    BARE,
    JOINED,
    LANGUAGES,
    LISTED,
    UNSPACED,
    caption,
    cat_names,
    names_of,
    without_article,
)
from diffusion.data.cats import KINDS

COUNTS = shipped_cats().counts
NUMBER = 2_000  # of captions: shares of them are known to 0.03, with some three standard errors


def all_of(language, name):
    return (*name.things[language], *name.traits[language])


def some_captions(language, seed=0, number=NUMBER):
    """Captions that name one to five parts, with the names."""
    random = Random(seed)
    for _ in range(number):
        kinds = random.sample(range(len(KINDS)), random.randint(1, len(KINDS)))
        names = [random.choice(names_of(kind, random.randrange(COUNTS[kind]))) for kind in kinds]
        yield caption(names, language, random), names


def share(language, holds):
    return sum(holds(text) for text, _ in some_captions(language)) / NUMBER


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_has_a_name_in_each_language(language, kind):
    for part in range(COUNTS[kind]):
        names = names_of(kind, part)
        assert any(all_of(language, name) for name in names), part
        assert all(name.kind == kind and part in name.parts for name in names)
    for name in cat_names():
        assert len(set(name.parts)) == len(name.parts) and max(name.parts) < COUNTS[name.kind]


def test_all_parts_but_those_that_look_much_alike_have_a_name_of_their_own():
    shared = {
        (KINDS[kind], part)
        for kind, count in enumerate(COUNTS)
        for part in range(count)
        if all(len(name.parts) > 1 for name in names_of(kind, part))
    }
    assert shared == {("eyes", 3), ("eyes", 7), ("mouth", 0), ("mouth", 4), ("mouth", 7)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_names_two_different_sets(language):
    """Also without its article, and without spaces."""
    meant = {}
    for name in cat_names():
        for text in all_of(language, name):
            bare = without_article(text)
            for said in {text, bare, bare.replace(" ", "")}:
                assert meant.setdefault(said, (name.kind, name.parts)) == (name.kind, name.parts), said
    assert len({(name.kind, name.parts) for name in cat_names()}) == len(cat_names())


def test_both_languages_name_the_same_sets_and_korean_has_a_verb_for_all_that_is_had():
    for name in cat_names():
        assert all(all_of(language, name) for language in LANGUAGES), name
        assert (name.verb in JOINED) == bool(name.things["ko"]), name
        assert all(thing == thing.strip() for language in LANGUAGES for thing in all_of(language, name))


def test_a_body_is_told_by_its_colour_alone():
    for name in cat_names():
        assert (name.kind == 0) == (not name.things["en"]) and (name.kind != 0 or name.traits["en"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_holds_one_of_the_texts_of_each_name_and_is_tidy(language):
    for text, names in some_captions(language):
        solid = without_spaces(text)
        for name in names:
            said = (without_spaces(without_article(way)) for way in all_of(language, name))
            assert any(way in solid for way in said), (text, name)
        assert not re.search(r"^[\s,]|[\s,]$|\s\s|\s,|,,|\ba an?\b", text), text


def without_spaces(text: str) -> str:
    """Without articles, too, which a caption may leave out."""
    return "".join(word for word in text.split() if f"{word} " not in ARTICLES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_way_to_say_each_name_occurs(language):
    random = Random(0)
    for name in cat_names():
        texts = [without_spaces(caption([name], language, random)) for _ in range(60)]
        for way in all_of(language, name):
            assert any(without_spaces(without_article(way)) in text for text in texts), way


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_follow_from_the_seed_and_put_names_in_any_order(language):
    first = [text for text, _ in some_captions(language, 1, 100)]
    assert first == [text for text, _ in some_captions(language, 1, 100)]
    assert first != [text for text, _ in some_captions(language, 2, 100)]
    names, random = [names_of(1, 8)[0], names_of(2, 12)[0], names_of(4, 13)[0]], Random(0)
    texts = [without_spaces(caption(names, language, random)) for _ in range(200)]
    words = {"en": ("dots", "glasses", "hat"), "ko": ("물방울무늬", "안경", "모자")}[language]
    orders = {tuple(sorted(words, key=text.index)) for text in texts if all(word in text for word in words)}
    assert len(orders) == 6


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_named_is_a_cat(language):
    texts = Counter(caption([], language, random) for random in map(Random, range(300)))
    pictures = {f"{a}{what} of {a}cat" for what in ("picture", "drawing") for a in ("a ", "")}
    known = {"en": {"cat", "a cat"} | pictures, "ko": {"고양이", "고양이 그림", "고양이그림"}}
    assert texts.keys() == known[language]


# English


def test_an_english_article_suits_its_word():
    texts = [text for text, _ in some_captions("en")]
    pairs = {pair for text in texts for pair in re.findall(r"\b(an?) (\w)", text)}
    assert all((article == "an") == (letter in "aeiou") for article, letter in pairs)
    assert {article for article, _ in pairs} == {"a", "an"}


def test_english_captions_are_sentences_lists_or_without_articles():
    assert share("en", lambda text: text.startswith("a ") or text.startswith("an ")) > 0.4
    had = share("en", lambda text: " with " in text or " wearing " in text)
    assert had == pytest.approx((1 - LISTED) * 0.93, abs=0.06)
    assert share("en", lambda text: "wearing" in text) > 0.1
    assert share("en", lambda text: text.count(",") > 1) > 0.05
    assert share("en", lambda text: "cat" not in re.findall(r"\w+", text)) == pytest.approx(0.02, abs=0.02)
    bare = share("en", lambda text: " with " in text and not re.search(r"\ban?\b", text))
    assert bare == pytest.approx((1 - LISTED) * BARE * 0.8, abs=0.05)


@pytest.mark.parametrize(
    "text",
    ["hat, cat", "cat, hat", "hat cat", "cat hat", "hat", "a cat with a hat", "a cat wearing a hat"],
)
def test_what_a_cat_with_a_hat_may_be_called(text):
    (hat,) = (name for name in cat_names() if name.things["en"] == ("a hat",))
    random = Random(0)
    assert text in {caption([hat], "en", random) for _ in range(600)}


# Korean


def closed(syllable: str) -> bool:
    """Whether a syllable ends in a consonant: its third letter."""
    return len(unicodedata.normalize("NFD", syllable)) == 3


def test_a_korean_particle_suits_the_syllable_before_it_and_the_verb_after_it():
    verbs = {form: verb for verb, other in JOINED.items() for form in (verb, other)}
    nouns = {thing.split()[-1] for name in cat_names() for thing in name.things["ko"]}
    pattern = re.compile(rf"(\w+)([이가을를]) ({'|'.join(verbs)})(?!\w)")
    found = [each for text, _ in some_captions("ko") for each in pattern.findall(text) if each[0] in nouns]
    for noun, particle, verb in found:
        pair = ("이", "가") if verbs[verb] == "있는" else ("을", "를")
        assert particle == pair[not closed(noun[-1])], (noun, particle, verb)
    assert {particle for _, particle, _ in found} == {*"이가을를"} and len(found) > NUMBER / 2
    assert {verb for _, _, verb in found} >= {*JOINED}


@pytest.mark.parametrize(
    "part, text",
    [
        ((4, 13), "빨간 모자를 쓴 고양이"),
        ((4, 4), "분홍 리본을 단 고양이"),
        ((1, 0), "옅은 줄무늬가 있는 고양이"),
        ((1, 4), "짙은 눈가 얼룩이 있는 고양이"),
        ((3, 6), "작은 미소를 띤 고양이"),
        ((2, 6), "자는 고양이"),
        ((0, 11), "회색 고양이"),
        ((4, 13), "빨간모자쓴고양이"),
        ((4, 13), "고양이, 빨간 모자"),
    ],
)
def test_what_a_cat_may_be_called_in_korean(part, text):
    (name,) = (name for name in names_of(*part) if len(name.parts) == 1)
    random = Random(0)
    assert text in {caption([name], "ko", random) for _ in range(2_000)}


def test_korean_sentences_end_in_the_cat_and_join_what_comes_before_the_last():
    names, random = [names_of(2, 9)[0], names_of(4, 13)[0]], Random(0)
    texts = {caption(names, "ko", random) for _ in range(2_000)}
    assert {"초록 눈을 가지고 빨간 모자를 쓴 고양이", "빨간 모자를 쓰고 초록 눈을 가진 고양이"} <= texts
    sentences = [text for text in texts if re.search("[쓴진]", text)]
    assert all(re.search("[쓴진] ?고양이( ?그림)?$", text) for text in sentences)


def test_korean_captions_are_unspaced_or_without_particles_as_often_as_is_said():
    assert share("ko", lambda text: " " not in text) == pytest.approx(UNSPACED, abs=0.04)
    verbs = "|".join(JOINED)
    had = [text for text, _ in some_captions("ko") if re.search(rf" ({verbs})(?!\w)", text)]
    told = rf"[이가을를] ({verbs}|{'|'.join(JOINED.values())})(?!\w)"
    bare = sum(not re.search(told, text) for text in had)
    assert bare / len(had) == pytest.approx(BARE, abs=0.05)
