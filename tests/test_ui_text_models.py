"""Two models on the tab Text to image: one of cats, which it opens with, and one of emoji."""

import json

import numpy as np
import pytest
import torch
from conftest import needs_browser, running_app, text_tabs
from layout import measure
from pages import frames, pixels, until
from PIL import Image
from playwright.sync_api import expect
from test_api import raw
from test_prompt_film import assert_close, prompt_request, variants_of
from text_models import cat_text_model
from web import client_of

from diffusion import save_model
from diffusion.data.cat_words import cat_names
from diffusion.films.samples import prompt_guidance
from diffusion.ui.parts.text_models import cats_first
from diffusion.ui.tabs import latent
from diffusion.ui.tabs.text_to_image import film_messages, prompts_to_try


@pytest.fixture(scope="module")
def cats():
    return cat_text_model()


@pytest.fixture(scope="module")
def server(model, cats, tmp_path_factory):
    """The real program with both, emoji named first."""
    folder = tmp_path_factory.mktemp("two-models")
    save_model(folder / "tiny-cats", cats)
    with running_app(folder, model.folder, folder / "tiny-cats") as running:
        yield running


# ---- messages and endpoint -------------------------------------------------------------------------------


def test_cats_come_first(model, cats):
    assert list(cats_first({"tiny-text": model, "tiny-cats": cats})) == ["tiny-cats", "tiny-text"]
    assert list(cats_first({"b": model, "a": model})) == ["b", "a"]


def test_a_film_of_cats_has_its_credit_no_sketch_and_no_nearest_emoji(cats):
    first, *rest = film_messages(cats, prompt_request(cats, "a cat with a hat", images=4))
    planes = {plane["name"]: plane["shape"] for plane in first["info"]["planes"]}
    tokens = len(first["info"]["variants"][0]["tokens"])
    assert planes == {"0.latent": [4, 4, 4, 4], "0.decoded": [4, 16, 16, 3], "0.attention": [4, tokens, 4, 4]}
    made = first["info"]["made"]["en"]
    assert "cats by David Revoy, CC BY 4.0" in made and "emoji" not in made
    assert not any("nearest" in message for message in rest)


def test_the_endpoint_draws_emoji_unless_told_otherwise(server, model, cats):
    client = client_of(server.url)
    asked = ("pizza", "", 3, 4, 3.0, "ddim")
    for more in ((), ("tiny-text",), ("tiny-text", 1)):
        picture, about = client.predict(*asked, *more, api_name="/text_to_image")
        (film,) = variants_of(model, prompt_request(model, "pizza", sampler="ddim"))
        assert_close(np.asarray(Image.open(picture)), torch.from_numpy(film[-1].planes["decoded"][0]))
        assert (about["model"], len(about["nearest"]["nearest"])) == ("tiny-text", 3)
    assert "event: complete" in raw(server, "text_to_image", json.dumps({"data": list(asked)}))
    grid, about = client.predict(*asked, "tiny-cats", 4, api_name="/text_to_image")
    (film,) = variants_of(cats, prompt_request(cats, "pizza", sampler="ddim", images=4))
    pictures = film[-1].planes["decoded"].reshape(2, 2, 16, 16, 3).swapaxes(1, 2).reshape(32, 32, 3)
    assert_close(np.asarray(Image.open(grid)), torch.from_numpy(pictures))
    assert (about["model"], about["num_images"], about["nearest"]) == ("tiny-cats", 4, None)


def test_why_latent_has_the_model_s_own_pictures(model, cats):
    shown = latent.opening_message(cats)
    names = [each["name"] for each in shown["examples"]]
    assert len(names) == 9 and [name.endswith("✦") for name in names[:6]] == [False] * 4 + [True] * 2
    assert shown["shown"]["is_own"] and not latent.chosen_picture(cats, {"name": "sunset"})["is_own"]
    assert [each["name"] for each in latent.opening_message(model)["examples"]][0] == "🍕 pizza"
    assert latent.known_costs(cats)["shapes"] != latent.known_costs(model)["shapes"]


# ---- the page --------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, server):
    """A function that opens the tab, or one of those in it, at a width."""
    with text_tabs(browser, server, reduced_motion="reduce") as open_tab:
        yield open_tab


LAB = ".lab.text_to_image"


def drawn(page, model):
    """Wait until a film of this model has ended."""
    expect(page.locator(f"{LAB} .made")).to_contain_text(f"{model}: ")
    expect(page.locator(f"{LAB} [data-role=progress]")).to_contain_text("calls")
    frames(page)


def opening_film(cats):
    """What the tab draws by itself."""
    how = {"seed": 0, "steps": 20, "guidance": prompt_guidance(cats), "images": 4}
    (film,) = variants_of(cats, prompt_request(cats, prompts_to_try(cats)[0], **how))
    return film


def choose(page, model):
    page.get_by_role("radio", name=model, exact=True).check()


@needs_browser
def test_the_tab_opens_with_four_cats_and_nothing_about_emoji(opened, cats):
    page = opened()
    drawn(page, "tiny-cats")
    film = opening_film(cats)
    canvases = page.locator(f"{LAB} canvas[data-c=decoded]")
    expect(canvases).to_have_count(4)
    for i, picture in enumerate(film[-1].planes["decoded"]):
        shown = pixels(page, f"{LAB} .picture:nth-child({i + 1}) [data-c=decoded]")
        assert_close(shown, torch.from_numpy(picture))
    for absent in (".sketch", "[data-role=sketched]", "[data-role=memorised]"):
        expect(page.locator(f"{LAB} {absent}")).to_be_hidden()
    assert "emoji" not in page.locator(LAB).inner_text()
    expect(page.get_by_text("Describe a cat")).to_be_visible()


@needs_browser
def test_another_model_brings_its_prompts_and_draws_and_nothing_typed_is_lost(opened, model):
    page = opened()
    drawn(page, "tiny-cats")
    prompt = page.get_by_label("Prompt", exact=True).first
    prompt.fill("a cat with a bell")
    choose(page, "tiny-text")
    expect(prompt).to_have_value("red heart")
    drawn(page, "tiny-text")
    expect(page.get_by_text("Ask for an emoji")).to_be_visible()
    expect(page.get_by_role("button", name="green heart ✦", exact=True)).to_be_visible()
    expect(page.locator(f"{LAB} .neighbour")).to_have_count(3)
    expect(page.locator(f"{LAB} .sketch")).to_be_visible()
    page.get_by_role("tab", name="Interpolation").click()
    expect(page.get_by_label("Prompt A")).to_have_value("red heart")
    page.get_by_role("tab", name="Draw").click()
    choose(page, "tiny-cats")
    expect(prompt).to_have_value("a cat with a bell")
    drawn(page, "tiny-cats")
    expect(page.locator(f"{LAB} [data-role=memorised]")).to_be_hidden()
    page.get_by_role("button", name="a striped cat", exact=True).click()
    expect(prompt).to_have_value("a striped cat")


@needs_browser
def test_a_word_that_only_emoji_knows_offers_their_model_and_nothing_is_lost(opened):
    page = opened()
    drawn(page, "tiny-cats")
    prompt, offer = (
        page.get_by_label("Prompt", exact=True).first,
        page.locator(".remarks [data-role=offer]:visible"),
    )
    prompt.fill("a cat with a hat and an xylophon")
    expect(page.get_by_text("Not in any training caption: “xylophon”.")).to_be_visible()
    expect(offer).to_have_count(0)
    prompt.fill("pizza with a hat")
    expect(offer).to_contain_text("The model tiny-text knows “pizza”:")
    page.get_by_role("button", name="draw this prompt with tiny-text").click()
    expect(page.get_by_role("radio", name="tiny-text", exact=True)).to_be_checked()
    drawn(page, "tiny-text")
    expect(prompt).to_have_value("pizza with a hat")
    expect(page.locator(f"{LAB} .made")).to_contain_text("guidance 3")
    choose(page, "tiny-cats")
    expect(prompt).to_have_value("pizza with a hat")


@needs_browser
def test_words_are_clicked_together_one_of_a_kind_without_asking(opened):
    page = opened()
    drawn(page, "tiny-cats")
    prompt = page.get_by_label("Prompt", exact=True).first
    prompt.fill("a cat")
    page.get_by_text("Words it knows").click()
    chip = lambda name: page.locator(".words").get_by_role("button", name=name, exact=True)  # noqa: E731
    expect(page.locator(".words .chip")).to_have_count(len(cat_names()))
    for name, written in (
        ("grey", "a grey cat"),
        ("green eyes", "a grey cat with green eyes"),
        ("red hat", "a grey cat with green eyes and a red hat"),
        ("bow", "a grey cat with green eyes and a bow"),
        ("orange", "an orange cat with green eyes and a bow"),
        ("green eyes", "an orange cat with a bow"),
        ("orange", "a cat with a bow"),
    ):
        chip(name).click()
        expect(prompt).to_have_value(written)
        pressed = str(f" {name}" in written).lower()
        expect(chip(name)).to_have_attribute("aria-pressed", pressed)
    prompt.fill("two striped cat friends with a bell, at night")  # what is typed around them stays
    expect(chip("bell")).to_have_attribute("aria-pressed", "true")
    chip("bell").click()
    expect(prompt).to_have_value("two striped cat friends, at night")
    choose(page, "tiny-text")
    expect(page.get_by_text("Words it knows")).to_be_hidden()


@needs_browser
def test_the_picture_that_is_clicked_is_looked_at(opened, cats):
    page = opened()
    drawn(page, "tiny-cats")
    film = opening_film(cats)
    page.locator(f"{LAB} .chip").last.click()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for i in (2, 1):
        page.locator(f"{LAB} .picture").nth(i).click()
        frames(page)
        expect(page.locator(f"{LAB} .picture[aria-pressed=true]")).to_have_count(1)
        expect(page.locator(f"{LAB} .picture").nth(i).locator("[data-c=heat]")).to_be_visible()
        latents = film[-1].planes["latent"][i].reshape(2, 2, 4, 4).swapaxes(1, 2).reshape(8, 8)
        shown = pixels(page, f"{LAB} [data-c=latent]")
        assert np.abs(shown[..., 0].astype(int) - latents).max() <= 1
    assert asked == []


@needs_browser
def test_with_and_without_the_prompt_come_when_somebody_looks(opened, cats):
    page = opened()
    drawn(page, "tiny-cats")
    film = opening_film(cats)
    asked = []
    page.on("request", lambda r: asked.append(r.post_data_json) if "component_server" in r.url else None)
    expect(page.locator(f"{LAB} [data-c=with]")).to_be_hidden()
    assert asked == []
    page.get_by_text("With and without the prompt").click()
    expect(page.locator(f"{LAB} [data-c=with]")).to_be_visible()
    page.locator(f"{LAB} .picture").nth(3).click()
    expect(page.locator(f"{LAB} [data-c=with]")).to_be_visible()
    until(page, lambda: len([each for each in asked if "film" in each["data"]]) == 2)
    named = [(each["data"]["variant"], each["data"]["picture"]) for each in asked if "film" in each["data"]]
    assert named == [(0, 0), (0, 3)]
    page.locator(f"{LAB} [data-role=number]").fill("5")
    page.locator(f"{LAB} [data-role=number]").press("Enter")
    frames(page)
    for name, prediction in zip(("with", "without"), film[5].predictions[:, 3]):
        wanted = cats.decode(torch.from_numpy(prediction).float()[None])
        wanted = (127.5 * (wanted[0].permute(1, 2, 0) + 1)).clamp(0, 255).round()
        assert_close(pixels(page, f"{LAB} [data-c={name}]"), wanted)
    page.reload()
    expect(page.locator(f"{LAB} [data-c=with]")).to_be_visible()  # and is not asked for again
    assert [each for each in asked if "film" in each["data"]] == asked[:2]


@needs_browser
def test_the_choice_outlives_a_reload_with_what_belongs_to_it(opened):
    page = opened()
    drawn(page, "tiny-cats")
    choose(page, "tiny-text")
    drawn(page, "tiny-text")
    page.get_by_label("Prompt", exact=True).first.fill("house")
    page.reload()
    expect(page.get_by_role("radio", name="tiny-text", exact=True)).to_be_checked()
    expect(page.get_by_label("Prompt", exact=True).first).to_have_value("house")
    expect(page.get_by_role("button", name="green heart ✦", exact=True)).to_be_visible()
    expect(page.locator(f"{LAB} .made")).to_contain_text("tiny-text: ")
    page.get_by_role("tab", name="Why latent?").click()
    expect(page.get_by_label("🍕 pizza")).to_be_visible()


@needs_browser
def test_why_latent_and_interpolation_are_of_the_chosen_model(opened, cats):
    page = opened(inner="Why latent?")
    expect(page.get_by_label("sunset", exact=True)).to_be_visible()
    expect(page.get_by_label("🍕 pizza")).to_have_count(0)
    choose(page, "tiny-text")
    page.get_by_label("🍕 pizza").click()
    expect(page.locator(".lab.reconstruction [data-n=latents]")).to_contain_text("4 × 8 × 8")
    choose(page, "tiny-cats")
    expect(page.locator(".lab.reconstruction [data-n=latents]")).to_contain_text("4 × 4 × 4")
    page.get_by_role("tab", name="Interpolation").click()
    expect(page.get_by_label("Prompt A")).to_have_value("a blue cat")
    expect(page.get_by_label("Prompt B")).to_have_value("an orange cat with a hat")
    page.get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.locator(".lab.interpolation[data-done=true]")).to_be_visible()
    expect(page.locator(".lab.interpolation [data-role=made]")).to_contain_text("tiny-cats")


@needs_browser
@pytest.mark.parametrize("size", [(820, 1180), (1280, 800), (1920, 1080)], ids=str)
def test_four_pictures_and_their_slider_are_seen_at_once_below_the_choice(opened, size):
    page = opened()
    drawn(page, "tiny-cats")
    choose(page, "tiny-text")
    drawn(page, "tiny-text")
    page.set_viewport_size(dict(zip(("width", "height"), size)))
    frames(page)
    seen = measure(page)
    assert len(seen["pictures"]) == 4
    for box in (*seen["pictures"], *seen["transport"]):
        assert box["y"] + box["height"] <= size[1] + 1, box


@needs_browser
@pytest.mark.parametrize("width", [360, 390])
def test_the_choice_between_models_can_be_read_on_a_phone(opened, width):
    page = opened(width)
    choices = page.locator(".text-model").bounding_box()
    for radio in page.locator(".text-model label").all():
        box = radio.bounding_box()
        assert box["height"] >= 44 and box["y"] >= choices["y"]
        assert box["y"] + box["height"] <= choices["y"] + choices["height"]
        tabs = page.get_by_role("tablist").first.bounding_box()
        assert box["y"] >= tabs["y"] + tabs["height"]


@needs_browser
@pytest.mark.parametrize("width", [360, 390, 820])
def test_both_models_fit(opened, width):
    page = opened(width)
    drawn(page, "tiny-cats")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = page.locator(f"{LAB} .picture").first.bounding_box()
    assert first["width"] >= 120
    page.get_by_label("another prompt").check()
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(f"{LAB} .variant")).to_have_count(2)
    expect(page.locator(f"{LAB} canvas[data-c=decoded]")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
