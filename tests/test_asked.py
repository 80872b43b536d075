"""Asked and drawn: each part that a prompt names is ticked or crossed, or it is said why it cannot be."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_cats import DRAWN, PROMPT, cat_model, shipped_parts

from diffusion.data.cat_judge import visible
from diffusion.data.cat_prompts import asked
from diffusion.data.cats import KINDS
from diffusion.ui.parts.asked import DrawnPrompt, asked_for, judged_prompts, remark
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.prompt_films import PROMPT_FILMS
from diffusion.ui.parts.prompt_request import checked_prompt_request
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.verdicts import DrawnCats

EYES, MOUTH, ACCESSORY = (KINDS.index(kind) for kind in ("eyes", "mouth", "accessory"))


@pytest.fixture(scope="module")
def cats():
    return shipped_parts()


def drawn(cats, prompt: str, chosen: torch.Tensor = DRAWN) -> DrawnPrompt:
    """As if these cats had been drawn of the prompt."""
    pictures = cats.render(chosen).permute(0, 2, 3, 1).numpy()
    return DrawnPrompt(asked(prompt), DrawnCats(cats, {}, pictures, 1))


def ticks(prompt: DrawnPrompt) -> list[dict[str, tuple[bool | None, str]]]:
    """For each picture what is said of the parts, by the words that name them."""
    words = [prompt.asked.text[slice(*named.span)] for named in prompt.asked.named]
    return [
        {word: (part["as_asked"], part["drawn"]) for word, part in zip(words, picture["asked"], strict=True)}
        for picture in prompt.pictures
    ]


def test_a_part_is_as_asked_if_it_is_any_of_its_name(cats):
    """What was drawn is told where the name does not say it."""
    first, second, third, fourth = ticks(drawn(cats, PROMPT))
    assert first == {"grey": (True, ""), "smile": (True, "a wide smile"), "hat": (True, "red hat")}
    assert second == {"grey": (True, ""), "smile": (True, "a small smile"), "hat": (True, "black hat")}
    assert third == {
        "grey": (False, cats.names[0][14]), "smile": (False, cats.names[MOUTH][5]), "hat": (True, "red hat")
    }  # fmt: skip
    assert fourth == {
        "grey": (True, ""), "smile": (None, "hidden by the red scarf"), "hat": (False, "red scarf")
    }  # fmt: skip
    json.dumps(drawn(cats, PROMPT).pictures)


def test_prompts_in_korean_are_ticked_by_their_own_words(cats):
    first, *_ = ticks(drawn(cats, "초록 눈에 검은 모자를 쓴 회색 고양이"))
    assert first == {"초록 눈": (True, ""), "검은 모자": (False, "red hat"), "회색": (True, "")}


def test_of_a_picture_that_is_no_cat_nothing_is_told(cats):
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    [picture] = DrawnPrompt(asked(PROMPT), DrawnCats(cats, {}, noise, 1)).pictures
    assert picture["outcome"] == "cat_impossible"
    assert all(part["as_asked"] is None and not part["drawn"] + part["seen"] for part in picture["asked"])


def test_a_part_between_two_is_told_so(cats):
    both = cats.render(torch.stack([DRAWN[0], DRAWN[1]])).permute(0, 2, 3, 1).numpy().astype(int)
    halfway = both.mean(0, keepdims=True).astype(np.uint8)
    [picture] = DrawnPrompt(asked("a red hat"), DrawnCats(cats, {}, halfway, 1)).pictures
    assert picture["asked"][0]["drawn"] in (
        "between red hat and black hat",
        "between black hat and red hat",
    )


def test_a_picture_between_two_cats_is_new_or_known_if_both_are(cats):
    """Of one part a little more than of the other."""
    showing = (~cats.hides_mouth).nonzero().flatten()
    some = cats.never_trained_on(2000)
    some = torch.stack([some, some.clone()])  # with pointed eyes and with oval ones
    some[..., ACCESSORY] = showing[some[..., ACCESSORY] % len(showing)]
    some[0, :, EYES], some[1, :, EYES] = 3, 11
    known = cats.is_trained_on(some)
    for told, outcome in ((~known).all(0), "cat_new"), (known.all(0), "cat_known"), (known[0] > known[1], ""):
        one, other = some[:, told][:, 0]
        both = 0.58 * cats.render(one) + 0.42 * cats.render(other)
        between = both.permute(1, 2, 0)[None].to(torch.uint8).numpy()
        [picture] = DrawnPrompt(asked("a cat"), DrawnCats(cats, {}, between, 1)).pictures
        assert (picture["outcome"], picture["either_way"]) == ("cat_unsharp", outcome)


def not_ticked(*words: str) -> str:
    return f"Not ticked: {', '.join(f'“{each}”' for each in words)}. Why is said above the pictures."


@pytest.mark.parametrize(
    "prompt, told",
    [
        (PROMPT, ""),
        ("a cat", "The prompt names no part, so nothing is ticked."),
        ("a grey cat without a hat", not_ticked("without a hat")),
        ("a grey cat with a hat and a bow", not_ticked("hat", "bow")),
        (
            "a grey cat with a green hat",
            "Of “green hat” only “hat” is ticked: any one that there is will do.",
        ),
        ("a grey cat with xylophones", not_ticked("xylophones")),
        ("xylophones, a grey cat without a hat", not_ticked("xylophones", "without a hat")),
        (
            "a cat without a hat",
            f"The prompt names no part, so nothing is ticked. {not_ticked('without a hat')}",
        ),
    ],
)
def test_what_cannot_be_ticked_has_a_sentence(prompt, told):
    assert remark(asked(prompt)) == told


def test_a_picture_has_the_same_name_when_it_is_drawn_again_and_another_one_another(cats):
    names = [picture["name"] for picture in drawn(cats, PROMPT).pictures]
    assert names == [picture["name"] for picture in drawn(cats, "a cat").pictures] and len(set(names)) == 4


def test_where_a_part_is_seen_travels_as_bits(cats):
    first, *_, fourth = drawn(cats, PROMPT).pictures
    for part, kind in zip(first["asked"], (0, MOUTH, ACCESSORY)):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(part["seen"]), np.uint8)).reshape(64, 64)
        assert np.array_equal(bits.astype(bool), visible(cats, DRAWN[:1], kind)[0].numpy())
    assert fourth["asked"][1]["seen"] == ""  # under the scarf
    [nothing, *_] = drawn(cats, "a cat with plain fur").pictures
    assert nothing["asked"][0]["as_asked"] and nothing["asked"][0]["seen"] == ""


@pytest.fixture(scope="module")
def model():
    return cat_model()


def test_a_prompt_tells_before_it_is_drawn_what_will_be_ticked(model):
    """And to which part each token belongs."""
    prompt = reader(model).read("a cat with a red hat and 초록 눈")
    found = asked_for(model, prompt)
    assert found["parts"] == [
        {"kind": "accessory", "words": "red hat"},
        {"kind": "eyes", "words": "초록 눈"},
    ]
    words = [[], [], []]
    for token, number in zip(prompt.tokens, found["tokens"], strict=True):
        words[2 if number is None else number].append(token.text.replace("▁", ""))
    assert ["".join(each) for each in words] == ["redhat", "초록눈", "acatwithaand"]
    assert asked_for(replace(model, cats=None), prompt) is None


def test_the_page_asks_about_a_film_when_it_is_whole(model):
    request = checked_prompt_request(model, PROMPT, "", 0, 2, 1.0, "ddim", ["prompt"], "a cat", num_images=3)
    name, film = PROMPT_FILMS.begin(model, request)
    assert judged_prompts({"film": name}) == {"judged": []}  # so far
    for _ in film.frames():
        pass
    first, second = judged_prompts({"film": name})["judged"]
    assert first == drawn(model.cats, PROMPT).pictures[:3]
    assert len(second) == 3 and second[0]["asked"] == [] and second[0]["outcome"] == first[0]["outcome"]
    json.dumps([first, second])
    with pytest.raises(InputError):
        judged_prompts({"film": "another"})
    name, film = PROMPT_FILMS.begin(replace(model, cats=None), request)
    film.pictures = [np.zeros((3, 64, 64, 3), np.uint8)]
    assert judged_prompts({"film": name}) == {"judged": []}
