"""Text to image: prompts, the walk, the endpoint, and the tab in a real browser."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from conftest import needs_browser, text_tabs
from gradio_client import Client
from PIL import Image
from playwright.sync_api import expect
from test_api import raw
from test_browser import frames, pixels
from text_models import few_emoji

from diffusion.data.images import to_uint8
from diffusion.films.film import EPS_RANGE, run_sampler
from diffusion.nets.attention_maps import recorded_attention
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.prompt_film import checked_drawing, nearest, trajectory
from diffusion.ui.parts.prompts import MAX_CHARACTERS, clean, reader
from diffusion.ui.tabs.text_to_image import film_messages

SETTINGS = {"negative": "", "seed": 3, "steps": 4, "guidance": 3.0, "sampler": "dpm++2m"}


def drawing(model, prompt="red heart", **changes):
    values = {**SETTINGS, **changes}
    sent = [values[key] for key in ("negative", "seed", "steps", "guidance", "sampler")]
    return checked_drawing(model, prompt, *sent, *changes.get("second", ()))


def drawn_steps(model, request):
    return [[moment[i] for moment in trajectory(model, request)] for i in range(len(request.variants))]


# ---- prompts ---------------------------------------------------------------------------------------------


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


# ---- the walk --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
@pytest.mark.parametrize("scale", [1.0, 3.0, 0.0])
def test_walk_is_run_sampler(model, sampler, scale):
    request = drawing(model, sampler=sampler, guidance=scale)
    (moments,) = drawn_steps(model, request)
    how = {"num_images": 1, "num_steps": 4, "prompts": ["red heart"], "guidance_scale": scale}
    steps = [step for step, _ in run_sampler(model, seed=3, sampler=sampler, **how)]
    assert [m.row["t"] for m in moments[:-1]] == [step.t for step in steps] and moments[-1].row is None
    for moment, step in zip(moments, steps):
        assert_close(moment.latent, to_uint8(step.x_t[0], EPS_RANGE))
        assert_close(moment.pictures[0], to_uint8(model.decode(step.x_0_hat))[0].permute(1, 2, 0))
    assert_close(moments[-1].pictures[0], to_uint8(model.decode(steps[-1].x_s))[0].permute(1, 2, 0))


def assert_close(shown, expected):
    assert shown.shape == tuple(expected.shape) and np.std(shown) > 1
    assert np.abs(shown.astype(int) - expected.numpy().astype(int)).max() <= 1


def test_predictions_are_with_and_without_the_prompt(model):
    (moments,) = drawn_steps(model, drawing(model, negative="pizza"))
    x_t = next(run_sampler(model, seed=3, num_images=1, num_steps=4))[0].x_t
    t = torch.tensor([model.schedule.num_timesteps])
    for picture, prompt in zip(moments[0].pictures[1:3], ("red heart", "pizza")):
        alone = model.denoiser(prompts=[prompt])(x_t, t)
        assert_close(picture, to_uint8(model.decode(alone))[0].permute(1, 2, 0))
    told = model.context(["red heart"])[0, 0]
    sketch = (model.net.sketch.linear.weight @ told + model.net.sketch.linear.bias).view(1, 4, 8, 8)
    for moment in moments:
        assert_close(moment.pictures[3], to_uint8(model.decode(sketch))[0].permute(1, 2, 0))


def test_the_network_is_called_once_a_step_and_with_one_row_at_guidance_1(model, monkeypatch):
    rows, forward = [], type(model.net).forward
    monkeypatch.setattr(
        type(model.net), "forward", lambda net, x, *a, **k: rows.append(len(x)) or forward(net, x, *a, **k)
    )
    (moments,) = drawn_steps(model, drawing(model, guidance=1))
    assert rows == [1] * 4 and len(moments[0].pictures) == 2
    rows.clear()
    (moments,) = drawn_steps(model, drawing(model, guidance=2))
    assert rows == [2] * 4 and len(moments[0].pictures) == 4


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
def test_two_are_drawn_from_the_same_noise_and_each_as_if_alone(model, sampler):
    both = drawn_steps(model, drawing(model, sampler=sampler, second=("pizza", 5)))
    assert np.array_equal(both[0][0].latent, both[1][0].latent)
    alone = [drawing(model, sampler=sampler), drawing(model, "pizza", sampler=sampler, guidance=5)]
    for together, request in zip(both, alone):
        (moments,) = drawn_steps(model, request)
        assert all(np.array_equal(a.pictures, b.pictures) for a, b in zip(together, moments))
        assert all(np.array_equal(a.attention, b.attention) for a, b in zip(together, moments))


def test_attention_is_the_networks_to_each_token(model):
    request = drawing(model, guidance=1)
    (moments,) = drawn_steps(model, request)
    x_t = next(run_sampler(model, seed=3, num_images=1, num_steps=4))[0].x_t
    t = torch.tensor([model.schedule.num_timesteps])
    with recorded_attention(model.net) as maps:
        model.denoiser(prompts=["red heart"])(x_t, t)
    means = torch.stack([each[0].mean((1, 2)) for each in maps]).mean(0)  # resizing keeps a mean
    tokens = request.variants[0].prompt.tokens
    shares = moments[0].attention.reshape(len(tokens), -1).mean(1) / 255 * moments[0].attention_max
    assert moments[0].attention.max() == 255
    assert shares == pytest.approx(means[[token.position for token in tokens]].numpy(), rel=0.02)
    assert not model.net.training and all(
        m.record is None for m in model.net.modules() if hasattr(m, "record")
    )


def test_an_empty_prompt_has_no_attention_to_show(model):
    (moments,) = drawn_steps(model, drawing(model, ""))
    assert moments[0].attention.shape == (0, 8, 8) and moments[0].attention_max == 0
    assert np.abs(moments[0].pictures[1].astype(int) - moments[0].pictures[2]).max() <= 1


def test_the_nearest_emoji_of_an_emoji_is_itself(model):
    atlas = reader(model).atlas
    picture = few_emoji().images[5].permute(1, 2, 0).numpy()
    found = nearest(atlas, picture)
    assert found["nearest"][0]["character"] == atlas.characters[5]
    assert found["nearest"][0]["distance"] == 0 < found["median_distance"]
    held_out = {atlas.characters[i]: bool(atlas.held_out[i]) for i in range(found["number"])}
    assert all(each["held_out"] == held_out[each["character"]] for each in found["nearest"])
    assert held_out["💚"] and held_out["😿"] and not held_out["🍕"]


# ---- messages --------------------------------------------------------------------------------------------


def test_the_film_arrives_whole_and_the_tokens_before_the_first_step(model):
    request = drawing(model, second=("하트", 1))
    first, *rest = list(film_messages(model, request))
    assert first["frames"] == []
    variants = first["info"]["variants"]
    assert [v["text"] for v in variants] == ["red heart", "하트"]
    arrived = {frame["k"]: frame for message in rest for frame in message["frames"]}
    assert sorted(arrived) == [0, 1, 2, 3, 4]
    picture = [32, 32, 3]
    shapes = {"0.latent": [4, 8, 8], "0.decoded": picture, "0.with": picture, "0.without": picture}
    shapes |= {"0.sketch": picture, "0.attention": [len(variants[0]["tokens"]), 8, 8]}
    shapes |= {"1.latent": [4, 8, 8], "1.decoded": picture, "1.sketch": picture}
    shapes |= {"1.attention": [len(variants[1]["tokens"]), 8, 8]}
    planes = [{"name": name, "shape": shape} for name, shape in shapes.items()]
    assert all(message["info"]["planes"] == planes for message in (first, *rest))
    size = sum(math.prod(shape) for shape in shapes.values())
    assert {len(base64.b64decode(frame["pixels"])) for frame in arrived.values()} == {size}
    assert arrived[4]["row"] is None and len(arrived[0]["row"]["attention_max"]) == 2
    assert len(rest[-1]["nearest"]) == 2 and all(len(f["nearest"]) == 3 for f in rest[-1]["nearest"])
    json.dumps(rest)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"prompt": None}, "must be text"),
        ({"prompt": ["red heart"]}, "must be text"),
        ({"negative": 7}, "must be text"),
        ({"seed": -1}, "0 to 4,294,967,295"),
        ({"steps": 0}, "1 to 100"),
        ({"steps": 101}, "1 to 100"),
        ({"steps": 2.5}, "whole number"),
        ({"guidance": float("nan")}, "0 to 20"),
        ({"guidance": "3"}, "0 to 20"),
        ({"sampler": "euler"}, "ddpm, ddim, dpm++2m"),
        ({"second": (None, None)}, "must be text"),
        ({"second": ("", 21)}, "second guidance must be a number from 0 to 20"),
    ],
)
def test_refused_values_are_named(model, change, told):
    with pytest.raises(InputError) as refused:
        drawing(model, **change)
    assert told in refused.value.message


# ---- the running program ---------------------------------------------------------------------------------


def test_endpoint_returns_the_picture_and_all_about_it(model, text_server):
    client = Client(text_server.url, verbose=False)
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    parameters = [p["parameter_name"] for p in endpoints["/text_to_image"]["parameters"]]
    assert parameters == ["prompt", "negative_prompt", "seed", "num_steps", "guidance_scale", "sampler"]
    picture, about = client.predict("green heart", "", 3, 4, 3.0, "ddim", api_name="/text_to_image")
    (moments,) = drawn_steps(model, drawing(model, "green heart", sampler="ddim"))
    assert_close(np.asarray(Image.open(picture)), torch.from_numpy(moments[-1].pictures[0]))
    assert [step["t"] for step in about["steps"]] == [1000, 750, 500, 250]
    assert "".join(token["text"] for token in about["tokens"]) == "greenheart"
    assert [token["position"] for token in about["tokens"]] == list(range(1, len(about["tokens"]) + 1))
    assert {token["word"] for token in about["tokens"]} == {0, 1}
    assert all(token["known"] for token in about["tokens"])
    assert "Held out" in about["notes"][0] and len(about["nearest"]["nearest"]) == 3


@pytest.mark.parametrize("prompt", ["", "x" * 10_000, "𓀀𓀁", "\x00\x1b\u202e", "قلب red 하트 🏠", "\ud800"])
def test_endpoint_draws_odd_prompts(text_server, prompt):
    answer = raw(text_server, "text_to_image", json.dumps({"data": [prompt, "", 0, 1, 3, "ddim"]}))
    assert "event: complete" in answer and not text_server.logged_traceback()


@pytest.mark.parametrize(
    "data, told",
    [
        ([{"a": 1}, "", 0, 1, 3, "ddim"], "must be text"),
        (["pizza", "", 0, 10**9, 3, "ddim"], "from 1 to 100"),
        (["pizza", "", 2**70, 1, 3, "ddim"], "0 to 4,294,967,295"),
        (["pizza", "", 0, 1, -1, "ddim"], "from 0 to 20"),
    ],
)
def test_endpoint_refuses_with_a_sentence(text_server, data, told):
    answer = raw(text_server, "text_to_image", json.dumps({"data": data}))
    assert "event: error" in answer and told in answer and not text_server.logged_traceback()


@pytest.fixture
def opened(browser, text_server):
    """A function that opens the tab at a width; it draws its first prompt by itself."""
    with text_tabs(browser, text_server) as open_tab:

        def open_and_wait(width=1280):
            page = open_tab(width)
            finished(page)
            return page

        yield open_and_wait


def finished(page):
    expect(page.locator(".lab.text_to_image .neighbour").first).to_be_visible(timeout=20_000)
    frames(page)


def scrub(page, k):
    page.locator(".lab.text_to_image [data-role=number]").fill(str(k))
    page.locator(".lab.text_to_image [data-role=number]").press("Enter")
    frames(page)


@needs_browser
def test_the_film_is_what_the_network_did_and_scrubs_without_the_server(opened, model):
    page = opened()
    (moments,) = drawn_steps(model, drawing(model, seed=0, steps=20))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    for k in (20, 0, 7):
        scrub(page, k)
        for name, shown in zip(("decoded", "with", "without", "sketch"), moments[k].pictures):
            assert_close(pixels(page, f".lab.text_to_image [data-c={name}]"), torch.from_numpy(shown))
    chips = page.locator(".lab.text_to_image .chip")
    assert chips.count() == len(moments[7].attention)
    chips.last.click()
    frames(page)
    alpha = page.locator("[data-c=heat]").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 == 3)"
    )
    looked_at = moments[7].attention[-1].ravel() / moments[7].attention[-1].max()
    assert np.abs(np.array(alpha) - 0.82 * 255 * (1 - looked_at)).max() <= 1.5
    expect(page.locator(".lab.text_to_image [data-role=attention]")).to_contain_text("% of all attention")
    chips.last.click()
    frames(page)
    expect(page.locator("[data-c=heat]")).to_be_hidden()
    assert requests == []


@needs_browser
def test_examples_comparison_and_refusals(opened, model):
    page = opened()
    page.get_by_role("button", name="green heart ✦").click()
    expect(page.locator(".lab.text_to_image [data-role=notes]")).to_contain_text("Held out")
    finished(page)
    page.get_by_text("Compare with").first.click()
    page.get_by_label("Second prompt").fill("zzz 하트")
    page.get_by_label("Second guidance").fill("1")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".lab.text_to_image .variant")).to_have_count(2)
    finished(page)
    expect(page.locator(".lab.text_to_image .word.never")).to_have_count(2)  # green, zzz
    expect(page.get_by_text("there is nothing to combine").last).to_be_visible()
    for number, prompt in enumerate(("green heart", "zzz 하트")):
        sketch = to_uint8(model.decode(model.net.sketch(model.context([prompt]))))[0].permute(1, 2, 0)
        assert_close(pixels(page, f".variant:nth-of-type({number + 1}) [data-c=sketch]"), sketch)
    before = page.locator(".lab.text_to_image").get_attribute("data-film")
    page.get_by_label("Second guidance").fill("99")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("The second guidance must be a number from 0 to 20.")).to_be_visible()
    assert page.locator(".lab.text_to_image").get_attribute("data-film") == before


@needs_browser
def test_five_tabs_fit_a_phone(opened):
    page = opened(360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("Forward", "Schedules", "Reverse", "Training", "Text to image"):
        expect(page.get_by_role("tab", name=name)).to_be_visible()
