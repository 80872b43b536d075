"""A picture ruined and rebuilt, its codes, and whether it is like what a network knows: without a page."""

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from diffusion import draw_noise, q_sample
from diffusion.data.images import to_pixels, to_signed
from diffusion.films.film import walk
from diffusion.models.typical import (
    Typical,
    load_typical,
    measured,
    picture_losses,
    save_typical,
)
from diffusion.ui.parts import codes, rebuilding
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.tabs import rebuild

PIXELS = torch.randint(256, (16, 16, 1), generator=torch.manual_seed(3), dtype=torch.uint8)
X_0 = to_signed(PIXELS).permute(2, 0, 1)


def sent(start=600, **other):
    return {
        "pixels": base64.b64encode(PIXELS.numpy().tobytes()).decode(),
        "picture": 1,
        "start": start,
    } | other


def asked(model, start=600, label="", steps=5, sampler="ddim", seed=7):
    return rebuilding.checked_rebuild({"tiny": model}, sent(start), "tiny", label, steps, sampler, seed)


# ---- ruined and rebuilt ----------------------------------------------------------------------------------


def test_a_picture_is_ruined_by_the_noises_of_its_seed(tiny_model):
    noise = draw_noise((4, 1, 16, 16), torch.Generator().manual_seed(7))
    expected = q_sample(tiny_model.schedule, X_0.expand(4, -1, -1, -1), torch.full((4,), 600), noise)
    assert torch.equal(rebuilding.ruined(tiny_model, asked(tiny_model), 600), expected)


@pytest.mark.parametrize("start, steps", [(1, 1), (3, 3), (600, 5), (1000, 5)])
def test_a_walk_goes_from_the_chosen_t_to_0_and_has_no_more_steps_than_there_are(tiny_model, start, steps):
    frames = list(rebuilding.rebuilt_frames(tiny_model, asked(tiny_model, start)))
    rows = [row for _, row in frames[:-1]]
    assert [rows[0]["t"], rows[-1]["s"], len(rows)] == [start, 0, steps]
    assert frames[-1][1] is None and frames[-1][0]["code"].size == 0


def test_every_level_is_what_a_walk_from_there_gives(tiny_model):
    request = asked(tiny_model, label="b")
    looks = list(rebuilding.rebuilt_levels(tiny_model, request))
    finished = {k: pictures for k, pictures, is_finished, _ in looks if is_finished}
    assert list(finished) == [0, 1, 2, 3, 4] and looks[-1][3] == 5 * 5
    denoise = tiny_model.denoiser(class_labels=torch.tensor([1] * 4))
    x_t = rebuilding.ruined(tiny_model, request, 400)
    *_, step = walk(tiny_model, denoise, x_T=x_t, start=400, num_steps=5, seed=7, sampler="ddim")
    assert np.array_equal(finished[1], to_pixels(step.x_s))


def test_how_far_off_a_picture_is():
    original = PIXELS.numpy()
    assert rebuilding.grey_levels_off(original[None], X_0) == [0]
    other = np.where(original > 99, original - 10, original + 10)
    assert rebuilding.grey_levels_off(np.stack([original, other]), X_0) == [0, 10]


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"start": 0}, "t must be a whole number from 1 to 1,000."),
        ({"start": 1001}, "t must be a whole number from 1 to 1,000."),
        ({"start": "600"}, "t must be a whole number from 1 to 1,000."),
        ({"pixels": ""}, "Choose a picture first."),
        ({"pixels": "AAAA"}, "The picture does not fit this network."),
        ({"pixels": ["x"]}, "The picture does not fit this network."),
        ({"picture": -1}, "The number must be a whole number from 0 to 4,294,967,295."),
    ],
)
def test_what_is_sent_is_checked(tiny_model, change, sentence):
    with pytest.raises(InputError) as refused:
        rebuilding.checked_rebuild({"tiny": tiny_model}, sent(**change), "tiny", "", 5, "ddim", 0)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("change", [{"label": "z"}, {"steps": 201}, {"sampler": "euler"}, {"seed": -1}])
def test_settings_are_checked(tiny_model, change):
    with pytest.raises(InputError):
        asked(tiny_model, **change)
    for nothing in (None, [], "x", 5):
        with pytest.raises(InputError, match="Choose a picture"):
            rebuilding.checked_rebuild({"tiny": tiny_model}, nothing, "tiny", "", 5, "ddim", 0)


def test_a_model_without_examples_has_those_of_another_of_the_same_data(tiny_model, trained_pair):
    about = {"data": "noise"}
    recorded = replace(tiny_model, folder=trained_pair[0], about=about)
    models = {"new": replace(tiny_model, about=about), "tiny": recorded}
    assert rebuild.about(models, models["new"])["count"] == rebuild.about(models, recorded)["count"] > 0
    others = {"other": replace(tiny_model, about={"data": "else"}), "tiny": recorded}
    told = rebuild.about(others, others["other"])
    assert told["count"] == 0 and len(told["examples"]) >= 2 and told["alphas_cumprod"][0] == 1


# ---- codes -----------------------------------------------------------------------------------------------


def test_a_picture_goes_to_its_code_and_back_in_each_number_of_steps(tiny_model):
    schedule = replace(tiny_model.schedule, alphas_cumprod=tiny_model.schedule.alphas_cumprod[::50].clone())
    short = replace(tiny_model, schedule=schedule)  # T = 20
    request = codes.checked_coding({"tiny": short}, "tiny", 1, sent())
    looks = [look for look in codes.there_and_back(short, request) if look.finished]
    assert [look.num_steps for look in looks] == [10, 20]
    assert looks[-1].calls == (10 + 20) * 3  # a step, its correction, and the way back
    told = codes.statistics(looks[0].code)
    assert told["variance"] == pytest.approx(looks[0].code.var().item()) and set(told) > {"mean"}


def test_between_two_codes_the_ends_are_the_codes(tiny_model):
    request = codes.checked_coding({"tiny": tiny_model}, "tiny", 1, sent(), sent(picture=2))
    *_, last = codes.between_codes(tiny_model, request)
    assert last.finished and last.codes.shape == last.pictures.shape == (7, 1, 16, 16)
    assert request.pictures == (1, 2) and last.angle == pytest.approx(0, abs=1e-3)  # one picture twice
    assert torch.allclose(last.codes[0], last.codes[-1], atol=1e-5)


@pytest.mark.parametrize("corrections", [-1, 4, 1.5, None])
def test_corrections_are_checked(tiny_model, corrections):
    with pytest.raises(InputError, match="corrections"):
        codes.checked_coding({"tiny": tiny_model}, "tiny", corrections, sent())
    with pytest.raises(InputError, match="two pictures"):
        codes.checked_coding({"tiny": tiny_model}, "tiny", 0, sent(), {"picture": 0})


# ---- is it like what the network knows? ------------------------------------------------------------------


def test_the_loss_of_a_picture_is_that_in_any_company(tiny_model):
    pictures = torch.stack([X_0, -X_0, torch.zeros_like(X_0)])
    alone = torch.cat([picture_losses(tiny_model, x_0[None]) for x_0 in pictures])
    assert torch.allclose(picture_losses(tiny_model, pictures), alone, atol=1e-5)


def test_a_network_that_expects_black_knows_black_alone(tiny_model):
    """A denoiser of one picture has no loss on it, and on others the more the further they are."""
    black = torch.full((1, 16, 16), -1.0)
    model = SimpleNamespace(
        sample_shape=tiny_model.sample_shape,
        schedule=tiny_model.schedule,
        device=torch.device("cpu"),
        denoiser=lambda: lambda x_t, t: black.expand_as(x_t),
    )
    losses = picture_losses(model, torch.stack([black, black + 0.1, -black]))
    assert losses[0] < 1e-9 and losses[0] < losses[1] < losses[2]


def test_what_is_outside_is_said_on_either_side(tmp_path):
    typical = measured(torch.linspace(0.1, 0.3, 201))
    assert typical == Typical(0.1, 0.2, 0.3, 201)
    found = [typical.likeness(loss) for loss in (0.05, 0.1, 0.2, 0.3, 0.31)]
    assert found == ["easy", "usual", "usual", "usual", "unlike"]
    save_typical(tmp_path, typical)
    assert load_typical(tmp_path) == typical


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"low": 1, "median": 1, "high": 0, "num_pictures": 3}',
     b'{"low": "a", "median": 1, "high": 2, "num_pictures": 3}',
     b'{"low": null, "median": 1, "high": 2, "num_pictures": 3}'],
)  # fmt: skip
def test_a_broken_file_says_nothing(tmp_path, content):
    assert load_typical(None) is None and load_typical(tmp_path) is None
    (tmp_path / "typical.json").write_bytes(content)
    assert load_typical(tmp_path) is None


def test_the_page_is_told_which_way_a_picture_differs(tiny_model, tmp_path):
    model = replace(tiny_model, folder=tmp_path)
    request = {"pixels": sent()["pixels"]}
    assert rebuilding.likeness(model, request) == {"likeness": None, "said": ""}
    loss = picture_losses(model, X_0[None]).item()
    for low, high, found in ((0, 2 * loss, "usual"), (0, loss / 2, "unlike"), (2 * loss, 3 * loss, "easy")):
        numbers = {"low": low, "median": (low + high) / 2, "high": high, "num_pictures": 9}
        (tmp_path / "typical.json").write_text(json.dumps(numbers))
        answer = rebuilding.likeness(model, request)
        assert answer["likeness"] == found and f"{loss:.3g}" in answer["said"] and "9" in answer["said"]
    with pytest.raises(InputError, match="does not fit"):
        rebuilding.likeness(model, {"pixels": "AAAA"})
