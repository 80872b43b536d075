"""The tab Reverse: the films that it sends."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import CHECKPOINTS, needs_browser
from pages import distance, drag, pixels
from playwright.sync_api import expect
from test_class_film import class_request
from test_streaming import decode

from diffusion import make_film, save_film
from diffusion.data.images import to_uint8
from diffusion.films.coding import Coding
from diffusion.models.folder import load_folder
from diffusion.ui.page import build_page
from diffusion.ui.parts import streaming
from diffusion.ui.parts.another_model import what_it_is
from diffusion.ui.parts.class_film import class_frames, shipped_film
from diffusion.ui.tabs import reverse


@pytest.mark.parametrize("pause", [0, 60])
def test_messages_are_the_film(tiny_model, monkeypatch, pause):
    """What is streamed is what `make_film` makes with the same settings, frame for frame, however batched."""
    monkeypatch.setattr(streaming, "MESSAGE_SECONDS", pause)
    messages = list(reverse.film_messages(tiny_model, class_request(tiny_model)))
    assert len(messages) == (4 if pause == 0 else 2)
    assert len({message["film"] for message in messages}) == 1
    film = make_film(
        tiny_model, seed=1, sampler="ddim", eta=0.5, num_steps=3, num_images=2, guidance_scale=1.5,
        class_labels=torch.tensor([1, 1]),
    )  # fmt: skip
    sent = {frame["k"]: frame for message in messages for frame in message["frames"]}
    assert sorted(sent) == [0, 1, 2, 3]
    assert messages[0]["info"]["walk"] == {"seed": 1, "shape": [2, 16, 16, 1], "sent": "without"}
    coding = Coding((2, 2, 16, 16, 1))  # x̂_0, and its difference to the prediction without the class
    for k, frame in enumerate(film.frames[:-1]):
        x_0_hat, _ = coding.decode(decode(sent[k]["pixels"]).tobytes())
        shown = to_uint8(torch.from_numpy(x_0_hat)).numpy().astype(int)
        assert np.abs(shown - frame[2]).max() <= 2
    assert sent[3]["pixels"] == ""  # the result follows
    assert sent[3]["row"] is None and [sent[k]["row"]["t"] for k in range(3)] == [1000, 667, 333]
    json.dumps(messages)


def test_every_message_repeats_the_one_before(tiny_model, monkeypatch):
    monkeypatch.setattr(streaming, "MESSAGE_SECONDS", 0)
    messages = list(reverse.film_messages(tiny_model, class_request(tiny_model)))
    for before, message in zip(messages, messages[1:]):
        assert message["frames"][0] == before["frames"][-1]


def test_shipped_film_is_whole(tiny_model):
    film = make_film(tiny_model, seed=0, num_images=3, num_steps=4, sampler="dpm++2m")
    message = reverse.shipped_message(tiny_model, film)
    assert message["info"]["walk"] == {"seed": 0, "shape": [3, 16, 16, 1], "sent": None}
    sent = [decode(frame["pixels"]).tobytes() for frame in message["frames"]]
    assert sent == [*film.codes, b""]


def test_a_film_of_other_pictures_is_not_the_models(tiny_model, tmp_path):
    model = replace(tiny_model, folder=tmp_path)
    assert shipped_film(model) is None and shipped_film(replace(model, folder=None)) is None
    save_film(tmp_path, make_film(tiny_model, seed=0, num_images=3, num_steps=2))
    model = replace(model)  # loaded anew
    assert shipped_film(model).info["num_images"] == 3
    assert all(shipped_film(replace(model, sample_shape=s)) is None for s in [(3, 16, 16), (1, 8, 16)])
    build_page({"digits": model})
    for change in ({"num_steps": "2"}, {"sampler": 1}, {"class_labels": [1.0]}, {"image_shape": [8, 32, 1]}):
        save_film(tmp_path, make_film(tiny_model, seed=0, num_images=3, num_steps=2))
        info = json.loads((tmp_path / "film.json").read_text())
        (tmp_path / "film.json").write_text(json.dumps(info | change))
        model = replace(model)
        assert shipped_film(model) is None
        build_page({"digits": model})


@pytest.mark.parametrize("folder, steps, sampler", [("mnist", 20, "dpm++2m"), ("mnist-student", 4, "ddpm")])
def test_the_tab_opens_with_the_walk_that_suits_the_model(folder, steps, sampler):
    """A student that is shown alone has learned a few t: what it says elsewhere is noise."""
    blocks = build_page({folder: load_folder(CHECKPOINTS / folder)}).blocks.values()
    told = {name: getattr(block, "value", None) for block in blocks if (name := in_reverse(block))}
    assert (told["steps"], told["sampler"]) == (steps, sampler)


def in_reverse(block) -> str | None:
    """What the address calls a control of this tab."""
    about = getattr(block, "in_link", None)
    return about["name"].removeprefix("reverse.") if about and about["name"].startswith("reverse.") else None


def test_an_opened_student_is_said_to_know_a_few_walks():
    student = load_folder(CHECKPOINTS / "mnist-student")
    assert what_it_is(student).endswith(
        "from mnist to draw in 1, 2, 4 steps of ddpm alone: choose these in Reverse, or noise is left."
    )
    assert "ddpm" not in what_it_is(load_folder(CHECKPOINTS / "mnist"))


# ---- in a browser ----------------------------------------------------------------------------------------


def sample(page, **choices):
    """Press Sample with these settings and wait for the whole film."""
    for label, value in choices.items():
        page.locator(".side:visible").get_by_label(label).first.fill(str(value))
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Sample", exact=True).click()


@needs_browser
def test_sampling_streams_a_film_that_can_be_scrubbed(page, tiny_model):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Seed=5)
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text("4 images drawn by the model “tiny”, seed 5", timeout=20_000)
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute(
        "data-made", "20", timeout=20_000
    )
    how = {"class_labels": torch.tensor([0, 1, 2, 0]), "guidance_scale": 1.5}
    film = make_film(tiny_model, seed=5, num_images=4, num_steps=20, **how)
    for k in (20, 0, 7, 19):
        drag(page, "reverse", k)
        told = "from the last step, t = 50" if k == 20 else "the noise it predicts"
        expect(page.locator(".lab.reverse figure.eps figcaption")).to_contain_text(told)
        for kind, name in enumerate(("x_t", "eps_hat", "x_0_hat")):
            of = min(k, 19) if name == "eps_hat" else k  # in the end the last prediction stays
            grid = film.frames[of, kind].reshape(2, 2, 16, 16).swapaxes(1, 2).reshape(32, 32)
            assert distance(pixels(page, f".lab.reverse [data-c={name}]")[..., 0], grid) <= 2, (k, name)
    assert page.locator(".lab.reverse [data-n=t]").first.inner_text() == "50"


@needs_browser
def test_under_guidance_both_predictions_are_shown_and_where_they_differ_most(page, tiny_model):
    page.get_by_role("tab", name="Reverse").click()
    guided = page.locator(".lab.reverse [data-role=guided]")
    slider = page.locator(".lab.reverse [data-role=t]")
    expect(guided).to_be_hidden()  # the opening film keeps no two predictions
    sample(page, Seed=5)
    expect(slider).to_have_attribute("data-made", "20", timeout=20_000)
    asked = class_request(
        tiny_model, class_label="*", seed=5, num_steps=20, num_images=4, sampler="dpm++2m", guidance_scale=1.5
    )
    steps = [
        {name: to_uint8(torch.from_numpy(x)).numpy() for name, x in arrays.items()}
        for arrays, _ in class_frames(tiny_model, asked)
    ][:-1]
    differ = [np.square(each["with"].astype(int) - each["without"]).mean() for each in steps]
    most = int(np.argmax(differ))
    told = guided.locator("[data-role=apart]")
    says = {20: "At the last step, 19, they differ by"}
    for k, shown in ((20, 19), (0, 0), (13, 13)):  # in the end the last predictions stay
        drag(page, "reverse", k)
        expect(told).to_contain_text(says.get(k, f"At step {k} they differ by"))
        for name in ("with", "without"):
            grid = steps[shown][name].reshape(2, 2, 16, 16).swapaxes(1, 2).reshape(32, 32)
            assert distance(pixels(page, f".lab.reverse [data-c={name}]")[..., 0], grid) <= 4, (k, name)
    curve = guided.locator("svg")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + box["height"] / 2)
    expect(page.locator(".lab.reverse [data-role=number]")).to_have_value("19")
    guided.get_by_role("button", name=f"most at step {most}", exact=True).click()
    expect(page.locator(".lab.reverse [data-role=number]")).to_have_value(str(most))
    choose(page, "Class", "none")
    sample(page, Seed=6)
    expect(guided).to_be_hidden()


@needs_browser
def test_of_one_step_the_curve_is_a_dot_and_words_count_one(page):
    page.get_by_role("tab", name="Reverse").click()
    sample(page, Seed=5, Steps=1, Images=1)
    told = "1 image drawn by the model “tiny”, seed 5, dpm++2m, 1 step, "
    expect(page.locator(".lab.reverse .made")).to_contain_text(told)
    expect(page.locator(".lab.reverse .progress")).to_contain_text("1 step in ")
    dot = page.locator(".lab.reverse path.apart")
    expect(dot).to_have_class("line apart dot")
    assert dot.evaluate("dot => getComputedStyle(dot).strokeLinecap") == "round"
    expect(page.locator(".lab.reverse [data-role=apart]")).to_contain_text(
        "At the last step, 0, they differ by"
    )


@needs_browser
def test_stop_keeps_what_was_made(page):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Steps=1000)
    expect(page.locator(".lab.reverse .made")).to_contain_text("1000 steps", timeout=20_000)
    page.wait_for_function(
        "Number(document.querySelector('.lab.reverse input[data-role=t]').dataset.made) > 3"
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_timeout(1500)
    kept = int(page.locator(".lab.reverse input[data-role=t]").get_attribute("data-made"))
    page.wait_for_timeout(700)
    assert int(page.locator(".lab.reverse input[data-role=t]").get_attribute("data-made")) == kept < 1000
    drag(page, "reverse", 3)
    expect(page.locator(".lab.reverse [data-n=k]").first).to_have_text("3")


def choose(page, label, option):
    page.locator(".side:visible").get_by_label(label).first.click()
    page.get_by_role("option", name=option, exact=True).click()


@needs_browser
def test_the_caption_tells_what_was_applied_and_controls_without_effect_say_why(page):
    """At once, without asking the server."""
    page.get_by_role("tab", name="Reverse").click()
    side, made = page.locator(".side:visible"), page.locator(".lab.reverse .made")
    cosine, linear = ", 20 steps, cosine schedule, ", ", 20 steps, linear schedule, "
    side.get_by_text("More", exact=True).click()
    no_class, no_eta = side.get_by_text("no effect without a class"), side.get_by_text("only ddim has an eta")
    expect(no_class).to_have_count(0)
    expect(no_eta).to_be_visible()
    sample(page, Seed=1)
    expect(made).to_contain_text(f"seed 1, dpm++2m{cosine}all classes in turn, guidance 1.5.")
    page.context.set_offline(True)
    choose(page, "Class", "none")
    expect(no_class).to_be_visible()
    choose(page, "Sampler", "ddim")
    expect(no_eta).to_have_count(0)
    page.context.set_offline(False)
    side.locator("input[type=number][aria-label*=Guidance]").fill("5")
    side.locator("input[type=number][aria-label*=eta]").fill("0.5")
    sample(page, Seed=2)
    expect(made).to_contain_text(f"seed 2, ddim with eta 0.5{cosine}no class, no guidance.")
    choose(page, "Class", "b")
    side.locator("input[type=number][aria-label*=Guidance]").fill("0")
    expect(side.get_by_text("Guidance 0 leaves the class out")).to_be_visible()
    choose(page, "Checkpoint", "linear")
    expect(side.get_by_text("the film on show stays until then")).to_be_visible()
    expect(made).to_contain_text("The film on show: 4 images drawn by the model “tiny”, seed 2")
    expect(side.get_by_label("Schedule")).to_have_value("its own, linear")
    expect(side.get_by_label("Class").first).to_have_value("b")  # which this one has too
    sample(page, Seed=3)
    expect(made).to_contain_text(
        f"by the model “linear”, seed 3, ddim with eta 0.5{linear}class b, guidance 0"
    )


@needs_browser
def test_the_opening_film_can_be_had_again(page):
    """While another one is made, too."""
    page.get_by_role("tab", name="Reverse").click()
    lab, made = page.locator(".lab.reverse"), page.locator(".lab.reverse .made")
    expect(made).to_contain_text("3 images drawn by the model “tiny”")
    opening = lab.get_attribute("data-film")
    sample(page, Steps=1000)
    expect(made).to_contain_text("1000 steps", timeout=20_000)
    page.wait_for_function(
        "Number(document.querySelector('.lab.reverse input[data-role=t]').dataset.made) > 3"
    )
    page.get_by_role("button", name="Show the opening film again").click()
    expect(made).to_contain_text("3 images drawn by the model “tiny”")
    page.wait_for_timeout(1500)
    assert lab.get_attribute("data-film") == opening
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("data-made", "6")


@needs_browser
def test_refused_settings_are_explained_beside_the_button(page):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Steps=1000, Images=16)
    expect(page.get_by_text("Steps times images must be at most 4,000").first).to_be_visible(timeout=10_000)
