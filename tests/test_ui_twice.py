"""Two of each tab on one page: each finds its own parts, and none moves what is the other's."""

import gradio as gr
import pytest
from conftest import DRAWN, needs_browser
from pages import drag, frames, in_module, pixels, until
from playwright.sync_api import expect

from diffusion import load_model
from diffusion.films.folder import load_film
from diffusion.ui import page as whole_page
from diffusion.ui import tabs
from diffusion.ui.parts.files import in_a_file, words
from diffusion.ui.parts.opened import PixelModels
from diffusion.ui.parts.requests import Page
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.text_models import choose_model

pytestmark = needs_browser
WAIT = 120_000  # milliseconds at most
COPIES = ("one", "two")
OTHER = {"one": "two", "two": "one"}
both = pytest.mark.parametrize("copy", COPIES)


def build(models, text_model) -> None:
    first = next(iter(models.values()))
    film = load_film(first.folder)
    languages = {"languages": whole_page.other_languages()}
    shown = {"film": in_a_file(tabs.reverse.shipped_message(first, film))["file"]}
    Scrubber("hero", shown, parts=languages, words=words(), space="")
    tabs.forward.build(first, film)
    tabs.schedules.build(models)
    tabs.training.build(models, tabs.reverse.build(models, film))
    text_models = choose_model({text_model.name: text_model})
    tabs.text_to_image.build(text_models)
    tabs.latent.build(text_models)
    tabs.interpolation.build(text_models)
    tabs.pipeline.build()


@pytest.fixture(scope="module")
def address(trained_pair, model):
    models = PixelModels({model.name: model for model in map(load_model, trained_pair)})
    with Page() as page:
        for copy in COPIES:
            with gr.Column(elem_id=copy):
                build(models, model)
    _, url, _ = page.queue().launch(prevent_thread_lock=True, quiet=True, **whole_page.launch_options())
    yield url
    page.close()


@pytest.fixture(scope="module")
def page(address, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    in_module(page, "link", "it.restored()")  # as the whole page says when its controls stand
    for copy in COPIES:
        page.wait_for_selector(f"#{copy} {DRAWN}")
        # Each has pressed its own Draw.
        expect(page.locator(f"#{copy} .lab.text_to_image .neighbour").first).to_be_visible(timeout=WAIT)
    yield page
    assert page.errors == []
    page.close()


def film(page, copy, view):
    return page.locator(f"#{copy} .lab.{view}").get_attribute("data-film")


def test_no_id_and_no_group_of_buttons_stands_twice(page):
    own = ", ".join(f"[id^={name}-]" for name in ("draw", "opening"))
    ids = page.evaluate(f"[...document.querySelectorAll('{own}, .lab [id]')].map(x => x.id)")
    assert len(ids) == len(set(ids)) == 8
    groups = page.evaluate("[...document.querySelectorAll('.lab [type=radio]:checked')].map(x => x.name)")
    assert len(groups) == len(set(groups)) == 2 * 7  # a group for each of seven choices


@both
def test_forward(page, copy):
    """Picture, noise and t are shared; schedule and view are not."""
    here, there = (f"#{name} .lab.forward" for name in (copy, OTHER[copy]))
    drag(page, "forward", 700, f"#{copy}")
    for place in (here, there):
        expect(page.locator(f"{place} [data-role=number]").first).to_have_value("700")
    before = pixels(page, f"{there} [data-c=x_t]")
    page.locator(f"{here} [value=cosine]").check()
    frames(page)
    expect(page.locator(f"{there} [value=linear]")).to_be_checked()
    assert (pixels(page, f"{there} [data-c=x_t]") == before).all()
    assert (pixels(page, f"{here} [data-c=x_t]") != before).any()
    page.locator(f"{here} [data-role=markov]").check()
    expect(page.locator(there)).not_to_have_class("lab forward markov")
    page.locator(f"{here} [data-role=markov]").uncheck()
    page.locator(f"{here} [value=linear]").check()
    seed = {"one": "11", "two": "12"}[copy]
    page.locator(f"{here} [data-role=seed]").fill(seed)
    page.locator(f"{here} [data-role=seed]").press("Enter")
    expect(page.locator(f"{there} [data-role=seed]")).to_have_value(seed)


@both
@pytest.mark.parametrize("tab", ["forward", "schedules", "objective", "reconstruction"])
def test_the_plus_tile_opens_its_own_upload(page, copy, tab):
    with page.expect_file_chooser() as chosen:
        page.locator(f"#{copy} .lab.{tab} [data-role=add]").click()
    assert chosen.value.element.evaluate("input => input.closest('#one, #two').id") == copy


@both
def test_schedules(page, copy):
    here, there = (f"#{name} .lab.schedules" for name in (copy, OTHER[copy]))
    page.locator(f"{here} [value=snr]").check()
    expect(page.locator(f"{here} [data-role=leader]")).to_be_visible()
    expect(page.locator(f"{there} [data-role=leader]")).to_be_hidden()
    expect(page.locator(f"{there} [data-role=lock] [value=t]")).to_be_checked()
    page.locator(f"{here} [data-role=lock] [value=t]").check()
    drag(page, "trained", 2, f"#{copy}")
    expect(page.locator(f"#{OTHER[copy]} .lab.trained [data-role=number]")).to_have_value("6")
    drag(page, "trained", 6, f"#{copy}")


@both
def test_reverse(page, copy):
    before = film(page, OTHER[copy], "reverse")
    assert before
    page.locator(f"#{copy}").get_by_role("button", name="Sample", exact=True).click()
    made = page.locator(f"#{copy} .lab.reverse .made")
    expect(made).to_contain_text("4 images drawn by the model “tiny”", timeout=WAIT)
    expect(page.locator(f"#{copy} .lab.reverse [data-role=t]")).to_have_attribute(
        "data-made", "20", timeout=WAIT
    )
    assert film(page, OTHER[copy], "reverse") == before


@both
def test_training(page, copy):
    here, there = (f"#{name} .lab.objective" for name in (copy, OTHER[copy]))
    mine, others = (page.locator(f"{place} b[data-n=loss]") for place in (here, there))
    for loss in (mine, others):
        expect(loss).not_to_have_text("–")
    before = others.inner_text()
    shown = mine.inner_text()
    page.locator(f"{here} .preset").nth(1).click()
    expect(mine).not_to_have_text(shown)
    drag(page, "training", 1, f"#{copy}")
    expect(page.locator(f"#{copy} .lab.training dd[data-n=seen]")).to_have_text("8")
    assert others.inner_text() == before
    expect(page.locator(f"#{OTHER[copy]} .lab.training [data-role=number]")).to_have_value("2")
    drag(page, "training", 2, f"#{copy}")


@both
def test_text_to_image(page, copy):
    here, there = (film(page, name, "text_to_image") for name in (copy, OTHER[copy]))
    assert here and there and here != there
    page.locator(f"#{copy} [id^=draw-]").click()
    expect(page.locator(f"#{copy} .lab.text_to_image")).not_to_have_attribute("data-film", here)
    expect(page.locator(f"#{copy} .lab.text_to_image .neighbour").first).to_be_visible(timeout=WAIT)
    assert film(page, OTHER[copy], "text_to_image") == there


@both
def test_why_latent(page, copy):
    here, there = (page.locator(f"#{name}") for name in (copy, OTHER[copy]))
    measured = ".lab.latent [data-role=arithmetic]"
    dog = there.get_by_label("🐶 dog face")
    before = there.locator(measured).is_visible(), dog.get_attribute("aria-pressed")
    here.get_by_role("button", name="Measure here and now").click()
    expect(here.locator(measured)).to_be_visible(timeout=WAIT)
    pixels_before = pixels(page, f"#{copy} .lab.reconstruction [data-c=original]")
    here.get_by_label("🐶 dog face").click()
    until(
        page, lambda: (pixels(page, f"#{copy} .lab.reconstruction [data-c=original]") != pixels_before).any()
    )
    assert (there.locator(measured).is_visible(), dog.get_attribute("aria-pressed")) == before


@both
def test_interpolation(page, copy):
    before = film(page, OTHER[copy], "interpolation")
    page.locator(f"#{copy}").get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.locator(f"#{copy} .lab.interpolation")).to_have_attribute("data-done", "true", timeout=WAIT)
    assert film(page, OTHER[copy], "interpolation") == before


@both
def test_pipeline(page, copy):
    here, there = (page.locator(f"#{name} .pipeline-panel") for name in (copy, OTHER[copy]))
    before = there.inner_text()
    expect(here.locator(".lab.pipeline .stage")).to_be_visible(timeout=WAIT)
    here.locator("label", has_text="Pipeline").locator("textarea, input").fill("")
    here.get_by_role("button", name="Draw", exact=True).click()
    expect(here.get_by_text("Name a pipeline: a repo id")).to_be_visible(timeout=WAIT)
    assert there.inner_text() == before
