"""Captions of emoji and of cats as tokens: which are drawn, and how often."""

import json
from dataclasses import replace
from random import Random

import pytest
import torch
from cat_models import shipped_cats
from conftest import ROOT

import diffusion.data.captions
from diffusion.data.captions import (
    NAMED_SHARES,
    CatCaptions,
    EmojiCaptions,
    captions_of,
    exact_names,
    some_names,
    vocabulary_of,
)
from diffusion.data.cat_prompts import asked
from diffusion.data.cat_words import cat_names
from diffusion.data.cats import KINDS, Rule
from diffusion.data.emoji import captions
from diffusion.nets.text_encoder import END_ID, PAD_ID, START_ID, UNKNOWN_ID, encode_prompts

CPU = torch.device("cpu")
NUMBER = 1_000  # of captions


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def texts_of(tokens, tokenizer) -> list[str]:
    return tokenizer.decode_batch(tokens.tolist())


# Cats


@pytest.fixture(scope="module")
def cats():
    """All parts that there are, of whose cats a thousandth is trained on."""
    return replace(shipped_cats(), rule=Rule(below=2**32 // 1000))


@pytest.fixture(scope="module")
def of_cats(cats):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion.data.captions, "CAPTIONS_READ", 3_000)
        return CatCaptions(cats, vocabulary_of(cats, 800, 32), CPU)


@pytest.fixture(scope="module")
def drawn(cats, of_cats):
    """Which cats, the tokens of their captions, which parts these name."""
    index = torch.randint(len(cats), (NUMBER,), generator=seeded(1))
    return index, *of_cats.draw_named(index, seeded())


def test_each_cat_gets_a_caption_that_names_some_of_its_parts_and_no_others(cats, of_cats, drawn):
    index, tokens, named = drawn
    assert tokens.shape == (NUMBER, 32) and tokens.dtype == torch.int64
    assert named.shape == (NUMBER, len(KINDS), 17) and named.dtype == torch.float32
    assert torch.allclose(named.sum(-1), torch.ones(NUMBER, len(KINDS)))
    own = named.gather(-1, cats.trained_on[index][..., None])[..., 0]
    silent = named[..., -1]
    assert ((own > 0) ^ (silent == 1)).all() and set(silent.unique().tolist()) == {0, 1}


def test_what_a_caption_names_can_be_read_in_its_tokens(of_cats, drawn):
    """They are read by what reads a prompt."""
    _, tokens, named = drawn
    assert (tokens != UNKNOWN_ID).all() and (tokens[:, 0] == START_ID).all()
    for text, row in zip(texts_of(tokens, of_cats.tokenizer), named):
        told = of_cats.named([[each.name for each in asked(text).named]])[0]
        assert torch.equal(told, row), text


def test_the_parts_of_a_set_share_what_its_name_says(of_cats):
    hat = next(name for name in cat_names() if name.things["en"] == ("a hat",))
    (told,) = of_cats.named([[hat]])
    assert told[hat.kind, [5, 13]].tolist() == [0.5, 0.5] and told[hat.kind].sum() == 1
    assert (told[:4, -1] == 1).all() and told[hat.kind, -1] == 0
    assert of_cats.named([[], [hat]])[0, :, -1].tolist() == [1] * len(KINDS)


def test_captions_follow_from_the_generator_alone(of_cats, drawn):
    index, tokens, named = drawn
    again, same = of_cats.draw_named(index, seeded())
    assert torch.equal(again, tokens) and torch.equal(same, named)
    assert torch.equal(of_cats.draw(index, seeded()), tokens)
    assert not torch.equal(of_cats.draw(index, seeded(1)), tokens)
    generator = seeded()
    first, second = (of_cats.draw(index[:9], generator) for _ in range(2))
    assert not torch.equal(first, second)


def test_none_to_five_parts_are_named_as_often_as_is_said(of_cats, drawn):
    number = (drawn[2][..., -1] == 0).sum(1).bincount(minlength=6) / NUMBER
    shares = torch.tensor(NAMED_SHARES) / sum(NAMED_SHARES)
    assert torch.allclose(number, shares, atol=0.05) and len(NAMED_SHARES) == 6
    korean = sum(not text.isascii() for text in texts_of(drawn[1], of_cats.tokenizer)) / NUMBER
    assert korean == pytest.approx(0.5, abs=0.05)


def test_every_name_of_a_part_is_drawn_whether_its_own_or_one_that_is_shared():
    cat, random = [11, 1, 0, 6, 13], Random(0)
    drawn = (name for _ in range(500) for name in some_names(cat, random))
    assert {(name.kind, name.parts) for name in drawn} == {
        *((0, (11,)), (1, (1,)), (1, (0, 1)), (2, (0,)), (2, (0, 11))),
        *((3, (6,)), (3, (1, 6)), (4, (13,)), (4, (5, 13))),
    }
    assert [name.parts for name in exact_names(cat)] == [(11,), (1,), (0,), (6,), (13,)]
    assert [name.parts for name in exact_names([0, 0, 3, 4, 0])][2:4] == [(3, 7), (0, 4, 7)]


def test_no_caption_is_cut_off(of_cats, drawn):
    assert (drawn[1][:, -1] == PAD_ID).all()
    tokens = of_cats.names.flatten(0, 1)
    assert (tokens[:, -1] == PAD_ID).all()  # of all five parts, in either language


def test_a_cats_longest_captions_name_all_its_parts_in_each_language(cats, of_cats):
    assert of_cats.names.shape == (2, len(cats), 32) and of_cats.shares.tolist() == [1, 1]
    for tokens, has_ascii in zip(of_cats.names, (True, False)):
        texts = texts_of(tokens[:50], of_cats.tokenizer)
        assert all(text.isascii() == has_ascii for text in texts)
        for text, cat in zip(texts, cats.trained_on.tolist()):
            names = sorted((each.name for each in asked(text).named), key=lambda name: name.kind)
            assert names == exact_names(cat), text


def test_the_empty_caption_is_nothing(of_cats):
    assert of_cats.nothing.tolist() == [[START_ID, END_ID, *[PAD_ID] * 30]]


def test_a_vocabulary_of_cats_is_repeatable_and_takes_commas_off_words(cats, of_cats, monkeypatch):
    monkeypatch.setattr(diffusion.data.captions, "CAPTIONS_READ", 3_000)
    assert vocabulary_of(cats, 800, 32).to_str() == of_cats.tokenizer.to_str()
    one, other = (of_cats.tokenizer.encode(text).tokens for text in ("grey cat, red hat", "grey cat red hat"))
    assert [token for token in one if token != ","] == other[: len(one) - 1] and "," in one


# Emoji


@pytest.fixture(scope="module")
def of_emoji(drawn_emoji):
    emoji, _ = drawn_emoji
    tokenizer = vocabulary_of(emoji, 400, 32)
    return EmojiCaptions(emoji, tokenizer, CPU, word_dropout=0.0)


def test_every_caption_of_an_emoji_is_drawn_and_none_of_another(drawn_emoji, of_emoji):
    emoji, _ = drawn_emoji
    tokens = of_emoji.draw(torch.full((NUMBER,), 5), seeded())
    own = {text for language in emoji.names for text in captions(emoji, language)[5]}
    known = {tuple(row) for row in encode_prompts(of_emoji.tokenizer, sorted(own)).tolist()}
    assert {tuple(row) for row in tokens.tolist()} == known


def test_a_fifth_of_emojis_captions_is_english_and_a_fifth_korean(drawn_emoji, of_emoji):
    emoji, _ = drawn_emoji
    index = torch.arange(NUMBER) % len(emoji)
    drawn = of_emoji.draw(index, seeded())
    for place, language in enumerate(emoji.names):
        if language in ("en", "ko"):
            own = (of_emoji.tokens[place, index] == drawn[:, None]).all(-1).any(-1)
            assert own.float().mean().item() == pytest.approx(0.2, abs=0.06)


def test_emojis_captions_follow_from_the_generator_alone_and_lose_words(drawn_emoji, of_emoji):
    emoji, _ = drawn_emoji
    index = torch.arange(NUMBER) % len(emoji)
    tokens = of_emoji.draw(index, seeded())
    assert torch.equal(tokens, of_emoji.draw(index, seeded()))
    assert not torch.equal(tokens, of_emoji.draw(index, seeded(1)))
    fewer = captions_of(emoji, of_emoji.tokenizer, CPU, word_dropout=0.5).draw(index, seeded())
    assert (fewer != PAD_ID).sum() < 0.9 * (tokens != PAD_ID).sum()


def test_an_emoji_is_named_in_each_language(drawn_emoji, of_emoji):
    emoji, _ = drawn_emoji
    assert of_emoji.names.shape == (len(emoji.names), len(emoji), 32)
    for names, tokens in zip(emoji.names.values(), of_emoji.names):
        assert torch.equal(tokens, encode_prompts(of_emoji.tokenizer, names))


def test_emojis_words_are_taken_apart_as_in_the_shipped_vocabulary(of_emoji):
    """A run that was begun makes its vocabulary anew, and goes on with the tokens that it knows."""
    shipped = json.loads((ROOT / "checkpoints/emoji/tokenizer.json").read_text("utf-8"))
    made = json.loads(of_emoji.tokenizer.to_str())
    for what in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        assert made[what] == shipped[what], what


def test_captions_are_those_of_the_set(cats, of_cats, drawn_emoji, of_emoji):
    assert type(captions_of(cats, of_cats.tokenizer, CPU, 0.1)) is CatCaptions
    made = captions_of(drawn_emoji[0], of_emoji.tokenizer, CPU, 0.1)
    assert type(made) is EmojiCaptions and made.word_dropout == 0.1
