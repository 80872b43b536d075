"""What a typed prompt asks of a cat: names in it, and what cannot be asked for."""

import unicodedata
from random import Random

import pytest

from diffusion.data.cat_prompts import asked
from diffusion.data.cat_words import LANGUAGES, caption, cat_names, names_of
from diffusion.data.cats import KINDS

CAPTIONS = 3000  # of each language


def shown(name):
    """The first way to say it."""
    return (*name.things["en"], *name.traits["en"])[0]


def named(text):
    return [shown(each.name) for each in asked(text).named]


def is_understood(text):
    read = asked(text)
    return not (read.denied or read.rivals or read.no_part or read.unknown)


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_any_caption_the_names_that_were_put_in_are_found(language):
    random = Random(language)
    by_kind = [[name for name in cat_names() if name.kind == kind] for kind in range(len(KINDS))]
    for _ in range(CAPTIONS):
        kinds = random.sample(range(len(KINDS)), random.randint(0, len(KINDS)))
        names = [random.choice(by_kind[kind]) for kind in kinds]
        text = caption(names, language, random)
        found = {each.name.kind: each.name.parts for each in asked(text).named}
        assert found == {name.kind: name.parts for name in names}, text
        assert is_understood(text), text


@pytest.mark.parametrize("name", cat_names(), ids=shown)
def test_each_way_to_say_a_name_is_that_name(name):
    for language in LANGUAGES:
        for text in (*name.things[language], *name.traits[language]):
            assert [each.name for each in asked(text).named] == [name]
            assert [each.name for each in asked(text.upper()).named] == [name]
            assert [each.name for each in asked(unicodedata.normalize("NFD", text)).named] == [name]


@pytest.mark.parametrize("part", range(16))
def test_every_accessory_can_be_asked_for(part):
    assert names_of(KINDS.index("accessory"), part)


@pytest.mark.parametrize(
    "text, names",
    [
        ("", []),
        ("a cat", []),
        ("red cat with a hat", ["red", "a hat"]),
        ("a red hat", ["a red hat"]),
        ("Red HATS; green eye; beige", ["a red hat", "green eyes", "sandy"]),
        ("a grey green-eyed cat", ["grey", "green eyes"]),
        ("grey fur and green eyes", ["grey", "green eyes"]),
        ("a gray cat's red-hat", ["grey", "a red hat"]),
        ("grey red hat", ["grey", "a red hat"]),
        ("CAT EYE MAKEUP, no accessories", ["winged eyeliner", "nothing on"]),
        ("a cat with no pattern, without any accessories", ["plain fur", "nothing on"]),
        ("검은 모자를 쓴 회색 고양이", ["a black hat", "grey"]),
        ("검은모자쓴회색고양이", ["a black hat", "grey"]),
        ("빨간색 모자, 검정색 고양이", ["a red hat", "black"]),
        ("초록 고양이가 모자를 쓰고 있다", ["green", "a hat"]),
        ("회색 줄무늬 고양이", ["grey", "stripes"]),
        ("갈색 털에 초록 눈", ["brown", "green eyes"]),
        ("눈 감은 고양이가 웃고 있는 그림", ["closed eyes", "a smile"]),
        ("무늬가 없는 고양이, 아무것도 안 걸친", ["plain fur", "nothing on"]),
        ("red 모자를 쓴 striped 고양이", ["a red hat", "stripes"]),
        ("고양이 with 안경, 빨간 hat", ["glasses", "a red hat"]),
        ("a red hat, a hat", ["a red hat"]),  # the narrower
    ],
)
def test_what_is_typed_is_found(text, names):
    assert named(text) == names
    assert is_understood(text)


@pytest.mark.parametrize(
    "text, span, noun",
    [
        ("a cat with a red hat", "red hat", "hat"),
        ("A CAT, RED  HATS", "RED  HATS", "HATS"),
        ("빨간모자를쓴고양이", "빨간모자", "모자"),
        (unicodedata.normalize("NFD", "모자를 쓴 고양이"), *[unicodedata.normalize("NFD", "모자")] * 2),
        ("a cat with dots for eyes", "dots for eyes", "eyes"),
        ("a striped cat", "striped", None),
        ("웃는 고양이", "웃는", None),
    ],
)
def test_where_names_and_their_nouns_stand(text, span, noun):
    (found,) = asked(text).named
    assert text[slice(*found.span)] == span
    assert (found.noun and text[slice(*found.noun)]) == noun


@pytest.mark.parametrize(
    "text, denied, names, rest",
    [
        ("a cat without a hat", "without a hat", ["a hat"], []),
        ("no red hat, glasses", "no red hat", ["a red hat"], ["glasses"]),
        (
            "without a hat and a bow, green eyes",
            "without a hat and a bow",
            ["a hat", "a bow"],
            ["green eyes"],
        ),
        ("no hat and glasses", "no hat", ["a hat"], ["glasses"]),
        ("a cat that isn’t striped or smiling", "isn’t striped or smiling", ["stripes", "a smile"], []),
        ("without a green hat", "without a green hat", ["a hat"], []),
        ("a smile but not glasses", "not glasses", ["glasses"], ["a smile"]),
        ("모자 없는 회색 고양이", "모자 없는", ["a hat"], ["grey"]),
        ("모자를 안 쓴 고양이", "모자를 안 쓴", ["a hat"], []),
        ("모자 안쓴 고양이", "모자 안쓴", ["a hat"], []),
        ("안경을 쓰고 모자를 쓰지 않은 고양이", "모자를 쓰지 않은", ["a hat"], ["glasses"]),
        ("모자와 리본이 없는 고양이", "모자와 리본이 없는", ["a bow", "a hat"], []),
        ("웃지 않는 고양이", "웃지 않는", ["a smile"], []),
    ],
)
def test_what_is_denied_is_not_asked_for(text, denied, names, rest):
    (found,) = asked(text).denied
    assert (found.text, text[slice(*found.span)]) == (denied, denied)
    assert [shown(name) for name in found.names] == names
    assert named(text) == rest and not asked(text).no_part


@pytest.mark.parametrize(
    "text, words, names",
    [
        ("a green hat", "green hat", ["a hat"]),
        ("초록 모자를 쓴 회색 고양이", "초록 모자", ["a hat", "grey"]),
        ("a tiny red hat", "tiny red hat", ["a red hat"]),
        ("a striped hat", "striped hat", ["a hat"]),
        ("a red and blue scarf", "red and blue scarf", ["a blue scarf"]),
        ("a cat with big blue eyes", "big blue eyes", []),
        ("a white cat", "white", []),
    ],
)
def test_words_that_together_name_no_part_are_no_colour_of_the_cat(text, words, names):
    (found,) = asked(text).no_part
    assert (found.text, text[slice(*found.span)]) == (words, words)
    assert named(text) == names


def test_where_there_is_no_such_part_those_alike_are_told():
    assert asked("a green hat").no_part[0].alike == ("a black hat", "a red hat")
    assert asked("white cat").no_part[0].alike == ("a white eye patch", "a white muzzle", "white headphones")
    assert asked("초록 모자").no_part[0].alike == ("검은 모자", "빨간 모자")
    assert asked("green hats").no_part[0].alike == ("a black hat", "a red hat")
    assert asked(unicodedata.normalize("NFD", "초록 머리띠")).no_part[0].alike == ("빨간 머리띠",)
    assert asked("red glasses").no_part[0].alike == ("glasses",)
    assert "green eyes" in asked("blue eyes").no_part[0].alike


@pytest.mark.parametrize(
    "text, kind, spans",
    [
        ("a hat and a bow", "accessory", ["hat", "bow"]),
        ("a red hat, a black hat", "accessory", ["red hat", "black hat"]),
        ("웃는, 소리치는 고양이", "mouth", ["웃는", "소리치는"]),
        ("a red and blue cat", "body", ["red", "blue"]),
    ],
)
def test_two_of_a_kind_are_rivals(text, kind, spans):
    read = asked(text)
    (found,) = read.rivals
    assert KINDS[found.kind] == kind and read.named == ()
    assert [text[slice(*each.span)] for each in found.named] == spans


@pytest.mark.parametrize(
    "text, unknown",
    [
        ("cat with glases", {"glases": "glasses"}),
        ("Stripd cat, xylophone", {"Stripd": "striped", "xylophone": None}),
        ("모저를 쓴 고양이", {"모저": "모자"}),
        ("귀여운 고양이", {"귀여운": None}),
        ("귀여운회색고양이", {"귀여운": None}),
        ("의자에 앉은 고양이", {"의자": None, "앉은": None}),
        ("헬멧을 쓴 고양이", {"헬멧": None}),
        ("two cats", {"two": None}),
        ("pizza", {"pizza": None}),
        ("gato rojo, 猫", {"gato": None, "rojo": None, "猫": None}),
        ("a 🎩 … !", {}),
    ],
)
def test_words_that_are_not_known(text, unknown):
    found = asked(text).unknown
    assert {each.text: each.nearest for each in found} == unknown
    assert all(text[slice(*each.span)] == each.text for each in found)


def test_what_is_long_or_strange_is_read_too():
    for text in ("가" * 500, "모자" * 250, "\ud800\x00 hat", "a" * 500, "red nothing on", "ﬁ İ ǅ hat"):
        assert asked(text).text == text
    assert named("ﬁ İ ǅ hat") == ["a hat"]
