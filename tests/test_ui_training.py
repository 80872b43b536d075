"""The tab Training: what the objective is asked, and histories that fit."""

import base64
import json
from dataclasses import replace

import pytest
import torch
from conftest import needs_browser, record
from pages import distance, drag, pixels
from playwright.sync_api import expect

from diffusion import cosine_schedule, draw_noise, q_sample
from diffusion.data.images import to_signed, to_uint8
from diffusion.losses import diffusion_loss
from diffusion.ui.parts import model_pictures
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.tabs import training


def test_a_request_for_the_objective_is_checked(tiny_model):
    picture = base64.b64encode(bytes(256)).decode()
    good = {"pixels": picture, "label": 1, "seed": 3}
    answer = training.answer_for(tiny_model, good)
    assert len(answer["loss"]) == 51 and all(value > 0 for value in answer["loss"])
    assert len(base64.b64decode(answer["eps_hat"])) == 51 * 256 * 2
    assert training.answer_for(tiny_model, good) == answer
    for bad in (
        {"pixels": picture[:-8]},
        {"pixels": None},
        {"pixels": "é"},
        {"pixels": 5},
        {"label": 3},
        {"label": "a"},
        {"seed": -1},
        {"seed": None},
    ):
        with pytest.raises(InputError):
            training.answer_for(tiny_model, good | bad)


@pytest.mark.parametrize("change", [{"example_labels": [0, 1, 7]}, {"example_labels": [0]}])
def test_a_history_that_does_not_fit_the_model_is_not_shown(tiny_model, tmp_path, change):
    record(tmp_path, tiny_model)
    model = replace(tiny_model, folder=tmp_path)
    assert model_pictures.history_of(model) is not None and model_pictures.history_of(tiny_model) is None
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert model_pictures.history_of(model) is None


# ---- in a browser ----------------------------------------------------------------------------------------


def open_training(page):
    page.get_by_role("tab", name="Training", exact=True).click()
    page.locator(".lab.objective b[data-n=loss]:not(:text-is('–'))").wait_for()


def loss(page) -> float:
    return float(page.locator(".lab.objective b[data-n=loss]").inner_text())


def changed(page, before):
    shown = "document.querySelector('.lab.objective b[data-n=loss]').textContent"
    page.wait_for_function(f"Number({shown}) !== {before}")


@needs_browser
def test_the_objective_is_the_loss_of_the_network(page, tiny_model):
    """The number on the page is mean (ε − ε̂)² at that t, and the canvas shows q_sample's x_t."""
    open_training(page)
    drag(page, "objective", 30)
    pressed = page.locator(".lab.objective .preset[aria-pressed=true] canvas")
    shown = pixels(page, ".lab.objective .preset[aria-pressed=true] canvas")[..., :1]
    assert pressed.count() == 1 and shown.shape == (16, 16, 1)
    x_0 = to_signed(torch.from_numpy(shown.copy()).permute(2, 0, 1))[None]
    noise = draw_noise((1, 1, 16, 16), torch.Generator().manual_seed(0))
    t = torch.tensor([600])
    x_t = q_sample(cosine_schedule(), x_0, t, noise)
    expected = diffusion_loss(
        tiny_model.net,
        tiny_model.schedule,
        x_0,
        t,
        noise,
        prediction="v",
        class_labels=torch.tensor([0]),
    )
    assert loss(page) == pytest.approx(expected.item(), rel=0.01)
    assert (
        distance(
            pixels(page, ".lab.objective canvas[data-c=x_t]")[..., :1],
            to_uint8(x_t)[0, 0, :, :, None].numpy(),
        )
        <= 1
    )
    mean = page.locator(".lab.objective dl div:has([data-n=typical])")
    for level, quarter in ((50, "751 … 1000"), (0, "1 … 250"), (30, "501 … 750")):
        drag(page, "objective", level)
        expect(mean).to_contain_text(f"mean of many pictures over t = {quarter}")
    before = loss(page)
    page.get_by_text("Other noise").click()
    changed(page, before)


@needs_browser
def test_own_picture_can_be_tried_on_the_objective(page):
    open_training(page)
    before = loss(page)
    page.locator(".lab.objective .preset.mine").click()
    page.wait_for_function(
        f"document.querySelector('.lab.objective b[data-n=loss]').textContent != '{before:.5f}'"
    )
    expect(page.locator(".lab.objective [data-role=note]")).to_contain_text("has only ever seen noise")


@needs_browser
def test_the_time_machine_shows_every_moment(page):
    open_training(page)
    for moment, seen in enumerate(("0", "8", "64")):
        drag(page, "training", moment)
        assert page.locator(".lab.training dd[data-n=seen]").inner_text() == seen
    assert pixels(page, ".lab.training canvas").std() > 5
