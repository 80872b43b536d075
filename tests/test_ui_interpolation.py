"""The panel Interpolation: the way, the frames on it, and the film in a real browser."""

import base64
import json

import numpy as np
import pytest
import torch
from conftest import needs_browser, text_tabs
from pages import frames, pixels
from playwright.sync_api import expect
from test_prompt_film import assert_close

from diffusion.data.images import to_uint8
from diffusion.films.film import EPS_RANGE, run_sampler
from diffusion.samplers import sample, timesteps
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.tabs import interpolation as panel


def journey(model, mode="both", **changes):
    asked = {
        "start_prompt": "red heart",
        "end_prompt": "pizza",
        "start_seed": 3,
        "end_seed": 8,
        "num_frames": 6,
        "num_steps": 3,
        "guidance_scale": 3.0,
    }
    return panel.checked_journey(model, mode, *{**asked, **changes}.values())


def finished(model, request):
    """The finished pictures, (K, H, W, channels)."""
    return np.concatenate([part.pictures for part in panel.drawn_frames(model, request) if part.finished])


def drawn_alone(model, prompt, seed):
    how = {"num_images": 1, "num_steps": 3, "prompts": [prompt], "guidance_scale": 3.0}
    *_, (step, _) = run_sampler(model, seed=seed, **how)
    return to_uint8(model.decode(step.x_s))[0].permute(1, 2, 0)


# ---- the way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, ends",
    [
        ("prompts", [("red heart", 3), ("pizza", 3)]),
        ("noises", [("red heart", 3), ("red heart", 8)]),
        ("both", [("red heart", 3), ("pizza", 8)]),
    ],
)
def test_the_ends_are_what_the_tab_draws_from_these_prompts_and_seeds(model, mode, ends):
    pictures = finished(model, journey(model, mode))
    assert pictures.shape == (6, 32, 32, 3)
    for picture, (prompt, seed) in zip((pictures[0], pictures[-1]), ends):
        assert_close(picture, drawn_alone(model, prompt, seed))
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(pictures, pictures[1:])]
    assert min(steps) > 0, "every frame differs from its neighbour"


def test_a_frame_is_drawn_from_its_own_mixture(model):
    request = journey(model, num_frames=5)
    a, b = (torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(s)).half().float() for s in (3, 8))
    omega = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    x_T = (torch.sin(0.75 * omega) * a + torch.sin(0.25 * omega) * b) / torch.sin(omega)
    contexts = model.context(["red heart", "pizza"])
    context = 0.75 * contexts[:1] + 0.25 * contexts[1:]
    calls = {
        told: lambda x, t, vectors=vectors: model.net(x, t.float(), context=vectors)
        for told, vectors in (("with", context), ("without", model.context([""])))
    }

    def denoise(x_t, t):  # the network predicts v
        alpha, sigma = model.schedule.alpha_sigma(t, x_t)
        with_text, without = (alpha * x_t - sigma * call(x_t, t) for call in calls.values())
        return without + 3 * (with_text - without)

    path = timesteps(model.schedule, 3)
    *_, step = sample(denoise, model.schedule, x_T[None], path, sampler="dpm++2m")
    assert_close(finished(model, request)[1], to_uint8(model.decode(step.x_s))[0].permute(1, 2, 0))


def test_the_network_is_called_for_several_frames_at_once(model, monkeypatch):
    rows, forward = [], type(model.net).forward
    monkeypatch.setattr(
        type(model.net), "forward", lambda net, x, *a, **k: rows.append(len(x)) or forward(net, x, *a, **k)
    )
    finished(model, journey(model, guidance_scale=1))
    assert rows == [4] * 3 + [2] * 3


def test_pictures_are_seen_while_they_are_made(model, monkeypatch):
    monkeypatch.setattr(panel, "PREVIEW_SECONDS", 0.0)
    parts = list(panel.drawn_frames(model, journey(model)))
    assert [(part.first, part.finished) for part in parts] == [
        *[(0, False)] * 3, (0, True), *[(4, False)] * 3, (4, True)
    ]  # fmt: skip
    assert not np.array_equal(parts[0].pictures, parts[3].pictures)


# ---- messages --------------------------------------------------------------------------------------------


def test_messages_bring_the_numbers_first_and_lose_no_frame(model):
    request = journey(model, "noises", num_frames=5)
    first, *rest = json.loads(json.dumps(list(panel.film_messages(model, request))))
    assert first["frames"] == [] and len({message["film"] for message in rest} | {first["film"]}) == 1
    info = first["info"]
    assert all(m["info"]["planes"] == [{"name": "picture", "shape": [32, 32, 3]}] for m in (first, *rest))
    a, b = panel.end_noises(model, request)
    middle = info["frames"][2]
    assert middle["w"] == 0.5 and middle["weights"][0] == pytest.approx(middle["weights"][1])
    mixture = middle["weights"][0] * (a + b)
    assert middle["variance"] == pytest.approx(mixture.var().item(), rel=1e-4)
    assert middle["straight_variance"] == pytest.approx(((a + b) / 2).var().item(), rel=1e-4)
    assert middle["straight_variance"] < 0.65 < 0.85 < middle["variance"]
    noise = np.frombuffer(base64.b64decode(middle["noise"]), np.uint8).reshape(4, 8, 8)
    assert np.abs(noise.astype(int) - to_uint8(mixture, EPS_RANGE).numpy()).max() <= 1
    last = {frame["k"]: frame for message in rest for frame in message["frames"]}
    assert sorted(last) == [0, 1, 2, 3, 4] and all(frame["row"]["finished"] for frame in last.values())
    shown = [np.frombuffer(base64.b64decode(last[k]["pixels"]), np.uint8) for k in range(5)]
    assert np.array_equal(np.stack(shown).reshape(5, 32, 32, 3), finished(model, request))
    kept = [{frame["k"] for frame in message["frames"] if frame["row"]["finished"]} for message in rest]
    done = [k for k in kept if k]
    assert all(before & after for before, after in zip(done, done[1:])), "each repeats the one before"


@pytest.mark.parametrize(
    "mode, change, told",
    [
        ("noises", {"end_seed": 3}, "Both ends are the same"),
        ("noises", {"end_prompt": "xylophone zzz"}, None),  # not used
        ("prompts", {"end_prompt": "red heart"}, "Both ends are the same"),
        ("prompts", {"end_prompt": "xylophone zzz"}, "“xylophone zzz”: No word of this prompt"),
        ("prompts", {"start_prompt": ""}, "The prompt is empty"),
        ("both", {"end_prompt": "red heart", "end_seed": 3}, "Both ends are the same"),
        ("both", {"end_prompt": "red heart"}, None),
    ],
)
def test_notes_say_what_is_odd_about_the_ends(model, mode, change, told):
    notes = panel.notes(journey(model, mode, **change))
    assert notes == [] if told is None else told in " ".join(notes)
    if told and "Both ends" in told:
        pictures = finished(model, journey(model, mode, num_frames=3, **change)).astype(int)
        assert np.abs(pictures - pictures[0]).max() <= 1


@pytest.mark.parametrize(
    "change, told",
    [
        ({"mode": "slerp"}, "What changes must be one of: prompts, noises, both"),
        ({"start_prompt": None}, "must be text"),
        ({"end_prompt": 7}, "must be text"),
        ({"start_seed": -1}, "Seed a must be a whole number from 0 to 4,294,967,295"),
        ({"end_seed": 0.5}, "Seed b must be a whole number"),
        ({"num_frames": 2}, "The number of pictures must be a whole number from 3 to 17"),
        ({"num_frames": 18}, "from 3 to 17"),
        ({"num_steps": 51}, "from 1 to 50"),
        ({"guidance_scale": float("nan")}, "from 0 to 20"),
    ],
)
def test_refused_values_are_named(model, change, told):
    with pytest.raises(InputError) as refused:
        journey(model, **change)
    assert told in refused.value.message


# ---- the panel -------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, text_server):
    """A function that opens the tab with the panel at a width."""
    with text_tabs(browser, text_server, reduced_motion="reduce") as open_tab:

        def open_and_wait(width=1280):
            page = open_tab(width, "Interpolation")
            expect(page.locator(".lab.interpolation [data-role=idle]")).to_be_visible()
            page.wait_for_selector(".lab.text_to_image .neighbour", state="attached", timeout=20_000)  # idle
            return page

        yield open_and_wait


def fill(page, **values):
    labels = {"start": "Prompt A", "end": "Prompt B", "start_seed": "Seed a", "end_seed": "Seed b"}
    for name, value in values.items():
        page.get_by_label(labels[name], exact=True).fill(str(value))


def press(page):
    before = page.locator(".lab.interpolation").get_attribute("data-film")
    page.get_by_role("button", name="Interpolate", exact=True).click()
    page.wait_for_function(
        "before => { const { film, done } = document.querySelector('.lab.interpolation').dataset;"
        " return film && film !== before && done === 'true'; }",
        arg=before,
    )
    frames(page)


@needs_browser
def test_the_film_is_what_the_network_drew_and_scrubs_without_the_server(opened, model):
    page = opened()
    page.get_by_label("both", exact=True).check()
    fill(page, start="red heart", end="pizza", start_seed=3, end_seed=8)
    press(page)
    request = journey(model, num_frames=9, num_steps=15)
    expected = finished(model, request)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    reel = page.locator(".lab.interpolation .reel button")
    assert reel.count() == 9
    for k in (8, 0, 3):
        reel.nth(k).click()
        frames(page)
        assert_close(pixels(page, ".lab.interpolation [data-c=picture]"), torch.from_numpy(expected[k]))
        expect(reel.nth(k)).to_have_attribute("aria-pressed", "true")
    number = page.locator(".lab.interpolation [data-role=number]")
    number.fill("4")
    number.press("Enter")
    frames(page)
    middle = panel.film_info(model, request)["frames"][4]
    shown = {name: page.locator(f".lab.interpolation [data-n={name}]").first.inner_text() for name in SHOWN}
    assert shown == {
        "w": "0.500",
        "of_a": "0.500",
        "slerp_a": f"{middle['weights'][0]:.3f}",
        "slerp_b": f"{middle['weights'][1]:.3f}",
        "variance": f"{middle['variance']:.2f}",
        "straight": f"{middle['straight_variance']:.2f}",
    }
    expect(page.locator(".lab.interpolation [data-role=t]")).to_have_attribute(
        "aria-valuetext", "step 4 of 8, 50 % of the way"
    )
    assert requests == []


SHOWN = ("w", "of_a", "slerp_a", "slerp_b", "variance", "straight")


@needs_browser
def test_modes_refusals_and_the_film_that_stays(opened):
    page = opened()
    page.get_by_label("the noise", exact=True).check()
    press(page)
    expect(page.get_by_text("Why not a straight line between noises?")).to_be_visible()
    expect(page.get_by_text("Prompts are mixed as the vectors")).to_be_hidden()
    page.get_by_label("the prompt", exact=True).check()
    press(page)
    expect(page.get_by_text("Why not a straight line between noises?")).to_be_hidden()
    expect(page.get_by_text("always the same noise")).to_be_visible()
    film = page.locator(".lab.interpolation").get_attribute("data-film")
    fill(page, end_seed=1.5)
    page.get_by_role("button", name="Interpolate", exact=True).click()
    expect(page.get_by_text("Seed b must be a whole number from 0 to 4,294,967,295.")).to_be_visible()
    assert page.locator(".lab.interpolation").get_attribute("data-film") == film
    fill(page, end_seed=1)
    press(page)
    expect(page.get_by_text("Seed b must be a whole number")).to_have_count(0)


@needs_browser
def test_controls_without_effect_say_why_and_the_caption_tells_what_was_applied(opened):
    page = opened()
    side = page.locator(".workspace:visible")
    told = "No effect: the {} does not change."
    noise, prompt = (side.get_by_text(told.format(name)) for name in ("noise", "prompt"))
    expect(noise).to_be_visible()
    expect(prompt).to_have_count(0)
    page.get_by_label("the noise", exact=True).check()
    expect(prompt).to_be_visible()
    expect(noise).to_have_count(0)
    page.get_by_label("both", exact=True).check()
    expect(prompt.or_(noise)).to_have_count(0)
    fill(page, start="", end="")
    side.get_by_text("More", exact=True).click()
    expect(side.get_by_text("no effect without a prompt")).to_be_visible()
    press(page)
    expect(page.locator(".lab.interpolation .made")).to_contain_text("no guidance")


@needs_browser
@pytest.mark.parametrize("width", [360, 390])
def test_panel_fits_a_phone(opened, width):
    page = opened(width)
    press(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
