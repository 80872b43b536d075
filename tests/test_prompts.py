"""Prompts as people type them: tokens, notes and cleaning."""

import pytest

from diffusion.ui.parts.emoji_names import EmojiNames
from diffusion.ui.parts.prompts import MAX_CHARACTERS, PromptReader, clean, reader


def test_tokens_are_the_tokenizers_in_the_words_that_were_typed(model):
    prompt = reader(model).read("  Red\tHEART  ")
    assert prompt.text == "Red HEART" and prompt.notes == ()
    encoding = model.tokenizer.encode(prompt.text)
    assert [token.position for token in prompt.tokens] == list(range(1, encoding.tokens.index("[end]")))
    assert "".join(token.text for token in prompt.tokens) == "RedHEART"
    assert {token.word for token in prompt.tokens} == {0, 1}
    assert all(token.known and token.seen for token in prompt.tokens)


@pytest.mark.parametrize("text", ["하트 그림", "赤いハート", "قلب أحمر", "a picture of pizza", "fire emoji"])
def test_what_captions_say_is_seen(model, text):
    assert all(token.known and token.seen for token in reader(model).read(text).tokens)


def test_words_of_no_caption_and_unknown_characters_are_marked_and_kept(model):
    tokens = reader(model).read("red xylop 𓀀").tokens
    by_word = {w: [t for t in tokens if t.word == w] for w in range(3)}
    assert all(t.seen for t in by_word[0])
    assert "".join(t.text for t in by_word[1]).strip("▁") == "xylop" and not any(t.seen for t in by_word[1])
    assert [t.text for t in by_word[2] if not t.known] == ["𓀀"]


@pytest.mark.parametrize(
    "typed, text, told",
    [
        ("🍕", "pizza", ["🍕 read as “pizza”"]),
        ("❤️🍕", "red heart pizza", ["❤️ read as “red heart”", "🍕 read as “pizza”"]),
        ("a big🍕, please", "a big pizza , please", ["🍕 read as “pizza”"]),
        ("❤", "red heart", ["❤ read as “red heart”"]),  # without the sign of its style
        ("❤\ufe0e", "red heart", ["read as “red heart”"]),
        ("💚", "green heart", ["💚 read as “green heart”", "Held out"]),
        ("🍕 " * 3, "pizza pizza pizza", ["🍕 read as “pizza”."]),
        ("cat 🦖", "cat", ["The network knows no 🦖: left out"]),
        ("🫩", "", ["knows no 🫩", "is empty"]),  # newer than some versions of Python
        ("🇰🇷🇽🇽", "", ["knows no 🇰🇷, 🇽🇽"]),
    ],
)
def test_an_emoji_is_read_as_its_name(model, typed, text, told):
    prompt = reader(model).read(typed)
    assert prompt.text == text
    assert all(any(sentence in note for note in prompt.notes) for sentence in told)


NAMES = {
    "👩": "woman", "🚀": "rocket", "👩\u200d🚀": "woman astronaut", "👍": "thumbs up", "🧑": "person",
    "❤️": "red heart", "🏳️": "white flag", "🌈": "rainbow", "🏳️\u200d🌈": "rainbow flag", "🏴": "black flag",
    "🇰🇷": "South Korea", "1️⃣": "keycap 1", "👨\u200d👩\u200d👧": "family", "👦": "boy",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f": "England",
    "👍🏿": "thumbs up dark skin tone",
}  # fmt: skip


@pytest.mark.parametrize(
    "typed, told",
    [
        ("👩🏽\u200d🚀", ["woman astronaut"]),
        ("👍🏽", ["thumbs up"]),
        ("👍🏿", ["thumbs up dark skin tone"]),
        ("🏳\u200d🌈", ["rainbow flag"]),
        ("🇰🇷", ["South Korea"]),
        ("1⃣", ["keycap 1"]),
        ("1 #", []),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f🏴", ["England", "black flag"]),
        ("🧑\u200d🚀", ["person", "rocket"]),  # joined, but not one that is known
        ("👨\u200d👩\u200d👧\u200d👦", ["family", "boy"]),
    ],
)
def test_how_an_emoji_is_spelt(typed, told):
    read = EmojiNames(NAMES).read(typed)
    assert [*read.names.values()] == told and not read.unknown
    assert read.text.split() == " ".join(told or typed.split()).split()


def test_without_an_atlas_there_are_no_names(model):
    assert PromptReader(model.tokenizer).read("🍕").text == "🍕"


@pytest.mark.parametrize(
    "text, words",
    [
        ("red xylop, heart", "“xylop”"),
        ("xylop zzz xylop", "“xylop”, “zzz”"),
        ("red – heart …", None),  # no words at all
        ("赤いハート、ピザ", None),
        ("红心鑫和披萨", "“鑫和”"),  # the characters that no caption has, not the whole sentence
        ("แมวpizza", "“แมว”"),
        ("하트를", "“하트를”"),
        (" ".join(f"x{i}" for i in range(10)), "“x0”, “x1”, “x2”, “x3”, “x4”, “x5”, “x6”, “x7”, …"),
    ],
)
def test_words_of_no_caption_are_named(model, text, words):
    notes = [note for note in reader(model).read(text).notes if "Not in any training caption" in note]
    assert [note.split(": ")[1] for note in notes] == ([] if words is None else [f"{words}."])


def test_a_word_that_is_being_typed_is_not_judged_yet(model):
    def notes(text):
        return reader(model).read(text, unfinished=True).notes

    assert notes("piz") == notes("red pi") == ()
    assert any("“piz”" in note for note in notes("piz "))
    assert any("“pizx”" in note for note in notes("pizx"))


def test_a_word_that_only_held_out_captions_have_was_not_seen(model):
    assert not any(token.seen for token in reader(model).read("green").tokens)
    assert all(token.seen for token in reader(model).read("red").tokens)


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("heart " * 60, "tokens were read"),
        ("x" * 10_000, f"first {MAX_CHARACTERS} characters"),
        ("xylophone zzz", "No word of this prompt"),
        ("𓀀𓀁", "No word of this prompt"),
        ("Green heart", "Held out"),
        ("초록색 하트", "Held out"),
    ],
)
def test_notes_say_what_was_done(model, text, told):
    notes = reader(model).read(text).notes
    assert any(told in note for note in notes)
    assert len(reader(model).read(text).tokens) <= model.text.config.num_tokens - 2


def test_cleaning_drops_what_does_not_write():
    assert clean("a\x00b\x1b[31m\u202ec\ud800\u200b d\r\ne") == "ab[31mc d e"
    assert clean("می\u200cشود 👩\u200d🚀") == "می\u200cشود 👩\u200d🚀"
    assert len(clean("é" * 10_000)) == MAX_CHARACTERS
