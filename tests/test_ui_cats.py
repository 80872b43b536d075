"""The page over a model of cats: what it shows of them, and whose drawings they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_browser, open_page, running_app
from layout import measure, open_tab
from pages import drag, frames, pixels, until
from playwright.sync_api import expect

from diffusion import make_film, save_film, save_model
from diffusion.films.samples import every_class
from diffusion.films.training_history import HELD_OUT, Recorder
from diffusion.ui.parts.credit import credit_of_drawn, credit_of_examples, source

REMARK = "This is a shorter run of the same network."
DRAWN, EXAMPLES = "Trained on cats by David Revoy, CC BY 4.0.", "Pictures: cats by David Revoy, CC BY 4.0."
WINDOWS = {"small": (360, 844), "phone": (390, 844), "tablet": (820, 1180), "laptop": (1280, 800)}
WINDOWS |= {"desktop": (1920, 1080)}


def save_history(folder: Path, model) -> None:
    """Of two moments, with a remark."""
    recorder = Recorder(folder, model.cats.held_out(), HELD_OUT, lambda *_: model, 64, 64, 0)
    recorder.info["remark"] = REMARK
    for images_seen in (0, 64):
        recorder.record(images_seen, {})


@pytest.fixture(scope="module")
def server(tiny_cats, tmp_path_factory):
    """The real program with a model of cats that has its film and its history."""
    folder = tmp_path_factory.mktemp("cats")
    save_model(folder / "few-cats", tiny_cats)
    save_film(folder / "few-cats", make_film(tiny_cats, **every_class(tiny_cats, 1) | {"num_steps": 4}))
    save_history(folder / "few-cats", tiny_cats)
    with running_app(folder, folder / "few-cats") as running:
        yield running


@pytest.mark.parametrize(
    "about, named",
    [
        ({"data": "cats by A", "licence": "CC BY 4.0"}, "cats by A, CC BY 4.0"),
        ({"data": "MNIST", "licence": "CC BY-SA 3.0"}, "MNIST, CC BY-SA 3.0"),
        ({"data": "the folder mine", "licence": "see the data's own source"}, None),
        ({"data": "mine", "licence": None}, None),
        ({"licence": "CC BY 4.0"}, None),
        ({}, None),
    ],
)
def test_authors_are_named_where_the_licence_asks_for_it(tiny_model, about, named):
    model = replace(tiny_model, about=about)
    assert source(model) == (named or about.get("data", ""))
    assert credit_of_drawn(model) == (f"Trained on {named}." if named else "")
    assert credit_of_examples(model) == (f"Pictures: {named}." if named else "")


def test_authors_are_named_whose_pictures_the_weights_were_trained_on_that_a_model_began_with(tiny_model):
    cats = {"name": "cats", "data": "cats by A", "licence": "CC BY 4.0"}
    began_with = [{"name": "b", "data": "the folder b", "licence": "other"}, cats]
    begun = "Begun with weights trained on cats by A, CC BY 4.0."
    mine = replace(tiny_model, about={"data": "the folder mine", "began_with": began_with})
    assert credit_of_drawn(mine) == begun and credit_of_examples(mine) == ""
    more = replace(tiny_model, about={"data": "B", "licence": "CC BY 4.0", "began_with": began_with})
    assert credit_of_drawn(more) == f"Trained on B, CC BY 4.0. {begun}"
    same = replace(tiny_model, about=cats | {"began_with": began_with})
    assert credit_of_drawn(same) == "Trained on cats by A, CC BY 4.0."


@needs_browser
def test_whose_drawings_they_are_stands_beside_them(page):
    expect(page.locator(".hero .credit")).to_have_text(DRAWN)
    of_row = page.locator(".lab.forward .picture-row .credit")
    expect(of_row).to_be_hidden()  # a picture drawn here
    page.get_by_role("button", name="A cat that the network was never trained on").click()
    expect(of_row).to_have_text(EXAMPLES)
    page.get_by_role("button", name="Drawn by the network").click()
    expect(of_row).to_have_text(f"Drawn by the network. {DRAWN}")
    open_tab(page, "Reverse")
    expect(page.locator(".lab.reverse .made")).to_contain_text(DRAWN)
    open_tab(page, "Training")
    expect(page.locator(".lab.objective .credit")).to_have_text(EXAMPLES)
    page.locator(".lab.objective .preset.mine").click()  # the picture of the Forward tab
    expect(page.locator(".lab.objective .credit")).to_have_text(f"Drawn by the network. {DRAWN}")
    expect(page.locator(".lab.training .made")).to_contain_text("cats by David Revoy, CC BY 4.0, cosine")


@needs_browser
def test_forward_has_a_cat_that_the_network_was_never_trained_on(page, tiny_cats):
    page.get_by_role("button", name="A cat that the network was never trained on").click()
    [cat] = tiny_cats.cats.never_trained_on(8)[:1]
    enlarged = tiny_cats.cats.render(cat).permute(1, 2, 0).numpy().repeat(16, 0).repeat(16, 1)
    page.locator(".lab.forward input[data-role=number]").fill("0")
    page.keyboard.press("Enter")
    shown = lambda: pixels(page, ".lab.forward canvas[data-c=x_0]")  # noqa: E731
    until(page, lambda: np.array_equal(shown(), enlarged))
    assert not tiny_cats.cats.is_trained_on(cat)


@needs_browser
def test_the_objective_is_tried_on_cats_that_are_never_trained_on(page, tiny_cats):
    open_tab(page, "Training")
    held_out = tiny_cats.cats.held_out()
    tiles = page.locator(".lab.objective .preset[data-key]:not(.mine)")
    expect(tiles).to_have_count(16)
    note = page.locator(".lab.objective [data-role=note]")
    for label in (0, 15):
        tiles.nth(label).click()
        expect(tiles.nth(label)).to_have_attribute("aria-label", tiny_cats.classes[label])
        expect(tiles.nth(label)).to_have_attribute("aria-pressed", "true")
        first = held_out.images[held_out.labels.tolist().index(label)].permute(1, 2, 0).numpy()
        assert np.array_equal(pixels(page, f".lab.objective [data-key='{label}'] canvas"), first)
        expect(note).to_have_text("The network was never trained on this picture.")
    page.locator(".lab.objective .preset.mine").click()
    expect(note).to_contain_text("has only ever seen cats by David Revoy")
    expect(page.locator(".lab.objective .credit")).to_be_hidden()


@needs_browser
def test_the_time_machine_draws_every_class_and_has_its_remark(page):
    open_tab(page, "Training")
    expect(page.locator(".lab.training .lead")).to_contain_text(REMARK)
    drag(page, "training", 0)
    assert pixels(page, ".lab.training canvas").shape == (64, 64, 3)  # four rows of four


@needs_browser
@pytest.mark.parametrize("window", WINDOWS)
def test_sixteen_pictures_have_their_room(browser, server, window):
    width, height = WINDOWS[window]
    options = {"viewport": {"width": width, "height": height}, "reduced_motion": "reduce"}
    page = open_page(browser, server, **options)
    problems = {}
    for tab in ("Forward", "Reverse", "Training"):
        open_tab(page, tab)
        frames(page)
        seen = measure(page)
        small = [box for box in seen["pictures"] if box["width"] < 120]
        largest = max(seen["pictures"], key=lambda box: box["width"] * box["height"])
        needed = [largest, *seen["transport"]]
        above = seen["top"] if width < 400 else 0  # a phone's page is scrolled to its tabs
        below = [box for box in needed if box["y"] + box["height"] - above > height + 1]
        wide = [seen["page"]] if seen["page"] > width else []
        if found := [*small, *below, *seen["cut"], *wide]:
            problems[tab] = found
    assert problems == {} and page.errors == []
    page.close()


@needs_browser
def test_the_lanes_of_a_race_are_judged(page):
    open_tab(page, "Race")
    verdicts = page.locator(".lab.race .lane:not(.off) [data-role=verdict]")
    expect(verdicts).to_have_text(["not a possible cat"] * 5)  # of an untrained network
    assert verdicts.evaluate_all("all => all.map(({ dataset }) => dataset.mark)") == ["bad"] * 5
