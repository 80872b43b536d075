"""Prompts as people type them: tokens, notes and cleaning."""

import pytest

from diffusion.ui.parts.prompts import MAX_CHARACTERS, clean, reader


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
