import math
import random

import pytest
import torch

from diffusion.nets.attention_maps import recorded_attention
from diffusion.nets.text_encoder import (
    END_ID,
    MAX_LAYERS,
    MAX_TEXT_WIDTH,
    MAX_TOKENS,
    MAX_VOCABULARY,
    PAD_ID,
    PICTURE_WEIGHT,
    START_ID,
    UNKNOWN_ID,
    Matcher,
    PartMatcher,
    TextConfig,
    TextEncoder,
    drop_words,
    encode_prompts,
    encode_words,
    matching_loss,
    part_matching_loss,
    train_tokenizer,
)
from diffusion.nets.unet import UNet, UNetConfig

CAPTIONS = ["red heart", "blue heart", "grinning face", "빨간 하트", "고양이 얼굴", "قلب أحمر", "红心"] * 2


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(CAPTIONS, 200, 12)


def test_every_prompt_has_the_same_number_of_tokens(tokenizer):
    tokens = encode_prompts(tokenizer, ["", "red heart", "heart " * 500])
    assert tokens.shape == (3, 12) and tokens.dtype == torch.int64
    assert tokens[0].tolist() == [START_ID, END_ID] + [PAD_ID] * 10
    assert (tokens[:, 0] == START_ID).all() and tokens[2, -1] == END_ID  # cut, but closed


def test_case_width_and_control_characters_make_no_difference(tokenizer):
    plain, loud, wide, spaced = encode_prompts(
        tokenizer, ["red heart", "RED Heart", "ｒｅｄ heart", "  red\u0000 heart\u0007 "]
    )
    assert torch.equal(plain, loud) and torch.equal(plain, wide) and torch.equal(plain, spaced)


def test_characters_of_no_caption_are_unknown(tokenizer):
    assert UNKNOWN_ID in encode_prompts(tokenizer, ["heart ₿"])[0]
    for known in CAPTIONS:
        assert UNKNOWN_ID not in encode_prompts(tokenizer, [known])[0]


def test_learning_a_vocabulary_is_repeatable(tokenizer):
    again = train_tokenizer(reversed(CAPTIONS), 200, 12)
    assert again.to_str() == tokenizer.to_str()


def test_whole_words_are_dropped_and_the_rest_closes_up(tokenizer):
    tokens, words = encode_words(tokenizer, ["red heart", "grinning face", ""] * 200)
    short = drop_words(tokens, words, 0.5, torch.Generator().manual_seed(0))
    texts = {tokenizer.decode(row.tolist(), skip_special_tokens=True) for row in short}
    assert texts == {"red heart", "red", "heart", "grinning face", "grinning", "face", ""}
    for row in short.tolist():
        assert row[0] == START_ID and row.count(END_ID) == 1
        assert set(row[row.index(END_ID) + 1 :]) <= {PAD_ID}
    assert (short[2::3] == tokens[2::3]).all()
    assert torch.equal(drop_words(tokens, words, 0.0, torch.Generator()), tokens)


def test_the_encoder_reads_order_and_neighbours(tokenizer):
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 2, 12)).eval()
    tokens = encode_prompts(tokenizer, ["red heart", "heart red", "red face"])
    with torch.no_grad():
        context = text(tokens)
        again = text(tokens[:1])
    assert context.shape == (3, 12, 64)
    assert torch.allclose(context[:1], again, atol=1e-5)  # independent of the rest of the batch
    starts = context[:, 0]
    assert (starts[0] - starts[1]).abs().max() > 1e-3  # the start token has read the order
    assert (starts[0] - starts[2]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 100},
        {"width": 0},
        {"width": MAX_TEXT_WIDTH + 64},
        {"num_tokens": 2},
        {"num_tokens": MAX_TOKENS + 1},
        {"vocabulary_size": "9"},
        {"vocabulary_size": 3},
        {"vocabulary_size": MAX_VOCABULARY + 1},
        {"num_layers": 0},
        {"num_layers": 1.0},
    ],
)
def test_an_impossible_shape_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TextConfig(**({"vocabulary_size": 100} | wrong))


def test_captions_learn_to_find_their_pictures(tokenizer):
    torch.manual_seed(0)
    matcher = Matcher(TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12)), 30)
    pictures, tokens = torch.randn(7, 30), encode_prompts(tokenizer, CAPTIONS[:7])
    optimizer = torch.optim.AdamW(matcher.parameters(), 3e-3)
    first = None
    for _ in range(100):
        loss = matching_loss(matcher, tokens, pictures, torch.arange(7)).mean()
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logits, expected = matcher(tokens, pictures)
    assert loss.item() < 0.1 * first and torch.equal(logits.argmax(1), torch.arange(7))
    assert (expected - pictures).square().mean() < 0.1 * pictures.square().mean()
    scaled, same = matcher(tokens, 5 * pictures)
    assert (scaled.abs() <= matcher.log_scale.exp() * 1.001).all()  # cosines, times one number
    assert torch.equal(same, expected)  # from the caption alone


def test_the_matching_loss_is_of_each_captions_own_picture():
    pictures, index = torch.eye(3), torch.tensor([2, 0])
    logits = torch.tensor([[0.0, 0.0, 50.0], [50.0, 0.0, 0.0]])
    answers = (logits, pictures[index]), (logits.flip(0), pictures[index.flip(0)])
    right, wrong = (matching_loss(lambda *_, a=answer: a, None, pictures, index) for answer in answers)
    assert torch.allclose(right, torch.zeros(2), atol=1e-6)
    assert torch.allclose(wrong, torch.full((2,), 50 + PICTURE_WEIGHT * 2 / 3))


def test_an_encoder_learns_which_parts_captions_name(tokenizer):
    """Two kinds, of three parts and of two: the heart's colour, and heart or face; what is not named, too."""
    torch.manual_seed(0)
    matcher = PartMatcher(TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12)), 2, 4)
    tokens = encode_prompts(tokenizer, ["red heart", "blue heart", "grinning face", "빨간 하트", ""])
    said = torch.tensor([[0, 0], [1, 0], [3, 1], [0, 0], [3, 3]])
    named = torch.nn.functional.one_hot(said, 4).float()
    assert matcher(tokens).shape == (5, 2, 4)
    optimizer = torch.optim.AdamW(matcher.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        losses.append(part_matching_loss(matcher, tokens, named).mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0] and torch.equal(matcher(tokens).argmax(-1), said)
    assert matcher.residual_blocks() == list(matcher.text.layers)


def test_the_part_matching_loss_is_the_cross_entropy_summed_over_kinds():
    named = torch.tensor([[[1.0, 0, 0], [0, 0, 1]], [[0.5, 0.5, 0], [0, 1, 0]]])
    even = part_matching_loss(lambda _: torch.zeros(2, 2, 3), None, named)
    assert torch.allclose(even, torch.full((2,), 2 * math.log(3)))
    sure = part_matching_loss(lambda _: 50 * named, None, named)
    assert torch.allclose(sure, torch.tensor([0, math.log(2)]), atol=1e-5)  # either of two is as good
    wrong = part_matching_loss(lambda _: 50 * named.roll(1, -1), None, named)
    assert torch.allclose(wrong, torch.tensor([100, 12.5 + math.log(2) + 50]), atol=1e-3)


def test_punctuation_is_part_of_its_word_or_one_by_itself(tokenizer):
    texts = ["red heart, blue heart", "blue heart, red heart"] * 2
    whole, split = (train_tokenizer(texts, 200, 12, split_punctuation=s) for s in (False, True))
    assert "▁heart," in whole.encode("red heart, blue heart").tokens
    assert split.encode("red heart, blue heart").tokens[:6] == [
        *("[start]", "▁red", "▁heart", ",", "▁blue", "▁heart")
    ]


def test_a_prompt_reaches_the_picture(tokenizer):
    torch.manual_seed(0)
    net = UNet(UNetConfig(4, 32, (1, 2), attention_levels=(1,), context_dim=64))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    text = TextEncoder(TextConfig(tokenizer.get_vocab_size(), 64, 1, 12))
    tokens = encode_prompts(tokenizer, ["red heart", "grinning face"])
    x, t = torch.randn(1, 4, 8, 8).expand(2, -1, -1, -1), torch.tensor([500.0, 500.0])
    with torch.no_grad():
        out = net(x, t, context=text(tokens))
    assert (out[0] - out[1]).abs().max() > 1e-3


def test_recorded_attention_is_what_the_network_uses():
    torch.manual_seed(0)
    net = UNet(UNetConfig(4, 32, (1, 2), attention_levels=(0, 1), context_dim=64))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([10.0, 900.0]), torch.randn(2, 5, 64)
    with torch.no_grad():
        plain = net(x, t, context=context)
        with recorded_attention(net) as maps:
            recorded = net(x, t, context=context)
        assert torch.equal(plain, net(x, t, context=context)) and torch.equal(plain, recorded)
    assert [tuple(m.shape) for m in maps] == [
        (2, 5, 8, 8), (2, 5, 4, 4), (2, 5, 4, 4), (2, 5, 4, 4), (2, 5, 4, 4), (2, 5, 8, 8), (2, 5, 8, 8)
    ]  # fmt: skip
    for m in maps:
        assert (m >= 0).all() and (m.sum(1) < 1).all() and (m.sum(1) > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_config_that_is_accepted_runs(seed):
    choose = random.Random(seed)
    config = TextConfig(
        vocabulary_size=choose.choice([4, 5, 100]),
        width=choose.choice([64, 128, 192]),
        num_layers=choose.randint(1, 2),
        num_tokens=choose.choice([3, 4, 9]),
    )
    tokens = torch.randint(1, config.vocabulary_size, (2, config.num_tokens))
    tokens[1, 2:] = PAD_ID
    for net in (TextEncoder(config), TextEncoder(config).eval()):
        output = net(tokens)
        assert output.shape == (2, config.num_tokens, config.width) and output.isfinite().all()


def test_the_largest_config_that_is_accepted_runs():
    with torch.device("meta"):
        net = TextEncoder(TextConfig(MAX_VOCABULARY, MAX_TEXT_WIDTH, MAX_LAYERS, MAX_TOKENS))
        assert net(torch.ones(1, MAX_TOKENS, dtype=torch.long)).shape == (1, MAX_TOKENS, MAX_TEXT_WIDTH)
