"""The tab Text to image: its messages, and the tab in a real browser."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from conftest import needs_browser, text_tabs
from pages import frames, pixels
from playwright.sync_api import expect
from test_prompt_film import assert_close, prompt_request, variants_of

from diffusion.data.images import to_uint8
from diffusion.ui.parts.prompt_film import decoded
from diffusion.ui.parts.prompt_films import PROMPT_FILMS
from diffusion.ui.tabs.text_to_image import film_messages


def test_the_film_arrives_whole_and_the_tokens_before_the_first_step(model):
    request = prompt_request(model, images=2, second=(["prompt", "guidance"], "하트", 1))
    first, *rest = list(film_messages(model, request))
    assert first["frames"] == []
    variants = first["info"]["variants"]
    assert [v["text"] for v in variants] == ["red heart", "하트"]
    arrived = {frame["k"]: frame for message in rest for frame in message["frames"]}
    assert sorted(arrived) == [0, 1, 2, 3, 4]
    shapes = {}
    for i in (0, 1):
        shapes |= {f"{i}.latent": [2, 4, 8, 8], f"{i}.decoded": [2, 32, 32, 3], f"{i}.sketch": [32, 32, 3]}
        shapes[f"{i}.attention"] = [2, len(variants[i]["tokens"]), 8, 8]
    for message in (first, *rest):
        assert {plane["name"]: plane["shape"] for plane in message["info"]["planes"]} == shapes
    film = PROMPT_FILMS.named(first["info"]["kept"])
    assert film.whole and film.request is request
    size = sum(math.prod(shape) for shape in shapes.values())
    assert {len(base64.b64decode(frame["pixels"])) for frame in arrived.values()} == {size}
    assert arrived[4]["row"] is None and len(arrived[0]["row"]["attention_max"]) == 2
    assert [[len(found["nearest"]) for found in each] for each in rest[-1]["nearest"]] == [[3, 3], [3, 3]]
    json.dumps(rest)


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


def peak(model, film) -> int:
    """The step at which the predictions with and without the prompt differ most."""
    both = (guided(model, frame, 0).astype(int) for frame in film[:-1])
    return int(np.argmax([np.square(one - other).mean() for one, other in both]))


def guided(model, frame, i) -> np.ndarray:
    """With and without the prompt, of picture i, decoded: (2, H, W, 3)."""
    return decoded(model, torch.from_numpy(frame.predictions[:, i]).float())


def look_at_guidance(page):
    page.get_by_text("With and without the prompt").first.click()
    expect(page.locator(".lab.text_to_image [data-c=with]").first).to_be_visible()
    frames(page)


@needs_browser
def test_guidance_is_shown_where_it_matters_and_a_step_can_be_chosen_on_the_curve(opened, model):
    page = opened()
    look_at_guidance(page)
    (film,) = variants_of(model, prompt_request(model, seed=0, steps=20, images=4))
    told = page.locator(".lab.text_to_image [data-role=apart]")
    expect(told).to_contain_text("At the last step, 19, they differ by")
    expect(page.locator(".lab.text_to_image [data-role=number]")).to_have_value("20")
    curve = page.locator(".lab.text_to_image svg[data-chart=apart]")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
    expect(page.locator(".lab.text_to_image [data-role=number]")).to_have_value("19")
    expect(told).to_contain_text("At step 19 they differ by")
    page.get_by_role("button", name=f"most at step {peak(model, film)}", exact=True).click()
    expect(page.locator(".lab.text_to_image [data-role=number]")).to_have_value(str(peak(model, film)))
    assert len(curve.locator("path.apart").get_attribute("d").split("L")) == 20


@needs_browser
def test_the_film_is_what_the_network_did_and_scrubs_without_the_server(opened, model):
    page = opened()
    look_at_guidance(page)
    (film,) = variants_of(model, prompt_request(model, seed=0, steps=20, images=4))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    for k in (20, 0, 7):
        scrub(page, k)
        for i, picture in enumerate(film[k].planes["decoded"]):
            shown = pixels(page, f".lab.text_to_image .picture:nth-child({i + 1}) [data-c=decoded]")
            assert_close(shown, torch.from_numpy(picture))
        both = guided(model, film[min(k, 19)], 0)  # of the result no step is left
        for name, picture in zip(("sketch", "with", "without"), (film[k].planes["sketch"], *both)):
            assert_close(pixels(page, f".lab.text_to_image [data-c={name}]"), torch.from_numpy(picture))
    chips = page.locator(".lab.text_to_image .chip")
    attention = film[7].planes["attention"][0]
    assert chips.count() == len(attention)
    chips.last.click()
    frames(page)
    alpha = page.locator("[data-c=heat]").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 == 3)"
    )
    looked_at = attention[-1].ravel() / attention[-1].max()
    assert np.abs(np.array(alpha) - 0.82 * 255 * (1 - looked_at)).max() <= 1.5
    expect(page.locator(".lab.text_to_image [data-role=attention]")).to_contain_text("% of all attention")
    chips.last.click()
    frames(page)
    expect(page.locator("[data-c=heat]")).to_be_hidden()
    assert requests == []


@needs_browser
def test_examples_comparison_and_refusals(opened, model):
    page = opened()
    page.get_by_role("button", name="green heart ✦", exact=True).click()
    expect(page.locator(".lab.text_to_image [data-role=notes]")).to_contain_text("Held out")
    finished(page)
    page.get_by_label("another prompt").check()
    page.get_by_label("Second prompt").fill("zzz 하트")
    page.get_by_label("another guidance").check()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".lab.text_to_image .variant")).to_have_count(2)
    finished(page)
    expect(page.locator(".lab.text_to_image .word.never")).to_have_count(2)  # green, zzz
    expect(page.get_by_text("there is nothing to combine").last).to_be_visible()
    for number, prompt in enumerate(("green heart", "zzz 하트")):
        sketch = to_uint8(model.decode(model.net.sketch(model.context([prompt]))))[0].permute(1, 2, 0)
        assert_close(pixels(page, f".rest:nth-of-type({number + 1}) [data-c=sketch]"), sketch)
    before = page.locator(".lab.text_to_image").get_attribute("data-film")
    page.locator(".side:visible").get_by_label("Seed").first.fill("1.5")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_text("The seed must be a whole number from 0").first).to_be_visible()
    assert page.locator(".lab.text_to_image").get_attribute("data-film") == before


@needs_browser
def test_nothing_ticked_draws_one_picture_and_what_is_ticked_is_what_is_drawn(opened):
    page = opened()
    variants, made = page.locator(".lab.text_to_image .variant"), page.locator(".lab.text_to_image .made")
    drawn = page.locator(".lab.text_to_image")

    def draw():
        before = drawn.get_attribute("data-film")
        page.get_by_role("button", name="Draw", exact=True).click()
        expect(drawn).not_to_have_attribute("data-film", before, timeout=20_000)

    expect(made).to_contain_text("20 steps, guidance 3.")
    draw()
    expect(variants).to_have_count(1)
    for name in ("guidance", "prompt"):
        page.get_by_label(f"another {name}").check()
    draw()
    expect(variants).to_have_count(2)
    expect(made).to_contain_text("guidance 3 / no guidance")
    first, second = (variant.bounding_box() for variant in variants.all())
    assert first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]  # beside each other
    expect(variants.nth(1).locator(".chip")).to_have_text(["gr", "een", "heart"])
    page.get_by_label("Second prompt").fill(" red heart ")
    page.get_by_label("another guidance").uncheck()
    expect(page.get_by_text("both will be the same")).to_be_visible()
    page.get_by_label("another prompt").uncheck()
    draw()
    expect(variants).to_have_count(1)


@needs_browser
def test_a_comparison_on_a_phone_shows_both_predictions_and_their_difference(opened):
    page = opened(390)
    page.get_by_label("another prompt").check()
    page.get_by_label("Second prompt").fill("pizza")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".lab.text_to_image .variant")).to_have_count(2)
    finished(page)
    look_at_guidance(page)
    for name in ("with", "without", "difference"):
        shown = page.locator(f".guided [data-c={name}]")
        expect(shown).to_have_count(2)
        assert all(canvas.bounding_box()["width"] >= 60 for canvas in shown.all()), name
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@needs_browser
def test_controls_without_effect_say_why(opened):
    page = opened()
    page.context.set_offline(True)
    side = page.locator(".side:visible").first
    side.get_by_text("More", exact=True).click()
    unused = side.get_by_text("The negative prompt has no effect at guidance 1")
    expect(unused).to_have_count(0)
    guidance = side.locator("input[type=number][aria-label*=Guidance]").first
    guidance.fill("1")
    expect(unused).to_be_visible()
    page.get_by_label("another guidance").check()
    side.locator("input[type=number][aria-label*='Second guidance']").fill("2")
    expect(unused).to_have_count(0)
    guidance.fill("2")
    page.get_by_label("Prompt", exact=True).first.fill("")
    expect(side.get_by_text("no effect without a prompt")).to_be_visible()
    side.get_by_label("Negative prompt").fill("pizza")
    expect(side.get_by_text("no effect without a prompt")).to_have_count(0)
    page.get_by_label("Prompt", exact=True).first.fill("Pizza ")
    expect(side.get_by_text("the negative prompt is the prompt itself")).to_be_visible()
    page.context.set_offline(False)


@needs_browser
def test_below_a_prompt_stands_how_it_will_be_read(opened):
    page = opened()
    told = page.locator(".lab.remarks [role=status]")
    prompt = page.get_by_label("Prompt", exact=True).first
    expect(told.first).to_have_text("")
    prompt.fill("🍕 xylop")
    expect(told.first).to_have_text("🍕 read as “pizza”. Not in any training caption: “xylop”.")
    prompt.fill("🍕 re")  # on the way to red
    expect(told.first).to_have_text("🍕 read as “pizza”.")
    page.get_by_label("another prompt").check()
    page.get_by_label("Second prompt").fill("zzz ")
    expect(told.nth(1)).to_contain_text("Not in any training caption: “zzz”.")
    film = page.locator(".lab.text_to_image").get_attribute("data-film")
    page.get_by_role("button", name="green heart ✦", exact=True).click()  # not typed, but chosen
    expect(told.first).to_contain_text("Held out")
    expect(page.locator(".lab.text_to_image")).not_to_have_attribute("data-film", film)
    finished(page)  # a drawing that is cut off would have Gradio load the page again
    page.context.set_offline(True)
    prompt.fill("🏠")
    expect(page.get_by_text("The server does not answer").first).to_be_visible()
    expect(told.first).to_have_text("")
    page.context.set_offline(False)
    expect(told.first).to_have_text("🏠 read as “house”.", timeout=20_000)


@needs_browser
def test_an_emoji_is_drawn_as_its_name(opened, model):
    page = opened()
    page.get_by_label("Prompt", exact=True).first.fill("🍕🏠")
    page.get_by_label("Prompt", exact=True).first.press("Enter")
    notes = page.locator(".lab.text_to_image [data-role=notes]")
    expect(notes).to_have_text("🍕 read as “pizza”, 🏠 read as “house”.")
    finished(page)
    (film,) = variants_of(model, prompt_request(model, "pizza house", seed=0, steps=20, images=4))
    scrub(page, 20)
    for i, picture in enumerate(film[20].planes["decoded"]):
        shown = pixels(page, f".lab.text_to_image .picture:nth-child({i + 1}) [data-c=decoded]")
        assert_close(shown, torch.from_numpy(picture))


@needs_browser
def test_an_emptied_number_has_its_last_value_again(opened):
    """Every field for a number on the page: what is shown is what will be sent."""
    page, found = opened(), 0
    for tab in ("Forward", "Schedules", "Reverse", "Text to image"):
        page.get_by_role("tab", name=tab).click()
        for more in page.get_by_role("button", name="More", exact=True).all():
            if more.is_visible():
                more.click()
        for field in page.locator("input[type=number]:visible").all():
            before = field.input_value()
            for typed in ("", "abc", "-", "e"):
                field.fill("")
                field.press_sequentially(typed)
                field.press("Tab")
                expect(field).to_have_value(before)
            found += 1
    assert found >= 12


@needs_browser
def test_all_tabs_fit_a_phone(opened):
    page = opened(360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("Forward", "Schedules", "Reverse", "Training", "Text to image", "Race"):
        expect(page.get_by_role("tab", name=name)).to_be_visible()
