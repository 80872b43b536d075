"""Prompts drawn: checked requests, and the walk with all that is shown of it."""

import base64
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import randomised
from text_models import few_emoji

from diffusion import UNet
from diffusion.data.images import to_uint8
from diffusion.films.film import EPS_RANGE, run_sampler, walk
from diffusion.nets.attention_maps import last_finest, recorded_attention
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.nearest_emoji import nearest
from diffusion.ui.parts.prompt_film import empty_planes, prompt_frames
from diffusion.ui.parts.prompt_films import PROMPT_FILMS, PromptFilms, decoded_steps, guided_pictures
from diffusion.ui.parts.prompt_request import checked_prompt_request
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.watched import PREDICTIONS
from diffusion.ui.tabs.text_to_image import film_info

SETTINGS = {"negative": "", "seed": 3, "steps": 4, "guidance": 3.0, "sampler": "dpm++2m"}


def prompt_request(model, prompt="red heart", **changes):
    values = {**SETTINGS, **changes}
    sent = [values[key] for key in ("negative", "seed", "steps", "guidance", "sampler")]
    images = changes.get("images", 1)
    return checked_prompt_request(model, prompt, *sent, *changes.get("second", ()), num_images=images)


def variants_of(model, request):
    """The frames of each variant."""
    return [list(frames) for frames in zip(*prompt_frames(model, request))]


def assert_close(shown, expected):
    assert shown.shape == tuple(expected.shape) and np.std(shown) > 1
    assert np.abs(shown.astype(int) - expected.numpy().astype(int)).max() <= 1


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
@pytest.mark.parametrize("scale", [1.0, 3.0, 0.0])
def test_walk_is_run_sampler(model, sampler, scale):
    request = prompt_request(model, sampler=sampler, guidance=scale)
    (film,) = variants_of(model, request)
    how = {"num_images": 1, "num_steps": 4, "prompts": ["red heart"], "guidance_scale": scale}
    steps = [step for step, _ in run_sampler(model, seed=3, sampler=sampler, **how)]
    assert [m.row["t"] for m in film[:-1]] == [step.t for step in steps] and film[-1].row is None
    for frame, step in zip(film, steps):
        assert_close(frame.planes["latent"], to_uint8(step.x_t, EPS_RANGE))
        assert_close(frame.planes["decoded"], to_uint8(model.decode(step.x_0_hat)).permute(0, 2, 3, 1))
    assert_close(film[-1].planes["decoded"], to_uint8(model.decode(steps[-1].x_s)).permute(0, 2, 3, 1))


def test_predictions_are_with_and_without_the_prompt(model):
    (film,) = variants_of(model, prompt_request(model, negative="pizza"))
    x_t = next(run_sampler(model, seed=3, num_images=1, num_steps=4))[0].x_t
    t = torch.tensor([model.schedule.num_timesteps])
    for name, prompt in (("with", "red heart"), ("without", "pizza")):
        alone = model.denoiser(prompts=[prompt])(x_t, t)
        shown = decoded_steps(model, film[0].predictions[PREDICTIONS.index(name)])
        assert_close(shown, to_uint8(model.decode(alone)).permute(0, 2, 3, 1))
    told = model.context(["red heart"])[0, 0]
    sketch = (model.net.sketch.linear.weight @ told + model.net.sketch.linear.bias).view(1, 4, 8, 8)
    for frame in film:
        assert_close(frame.planes["sketch"], to_uint8(model.decode(sketch))[0].permute(1, 2, 0))


def test_the_network_is_called_once_a_step_and_with_one_row_at_guidance_1(model, monkeypatch):
    rows, forward = [], type(model.net).forward
    monkeypatch.setattr(
        type(model.net), "forward", lambda net, x, *a, **k: rows.append(len(x)) or forward(net, x, *a, **k)
    )
    (film,) = variants_of(model, prompt_request(model, guidance=1))
    assert rows == [1] * 4 and film[0].predictions is None
    rows.clear()
    (film,) = variants_of(model, prompt_request(model, guidance=2, images=3))
    assert rows == [6] * 4 and film[0].predictions.shape == (2, 3, 4, 8, 8)
    assert set(film[0].planes) == {"latent", "decoded", "sketch", "attention"}


@pytest.mark.parametrize("sampler", ["dpm++2m", "ddpm"])
def test_two_are_drawn_from_the_same_noise_and_each_as_if_alone(model, sampler):
    both = variants_of(
        model, prompt_request(model, sampler=sampler, second=(["prompt", "guidance"], "pizza", 5))
    )
    assert np.array_equal(both[0][0].planes["latent"], both[1][0].planes["latent"])
    for together, (prompt, scale) in zip(both, (("red heart", 3), ("pizza", 5))):
        (film,) = variants_of(model, prompt_request(model, prompt, sampler=sampler, guidance=scale))
        for one, other in zip(together, film, strict=True):
            assert all(np.array_equal(one.planes[name], plane) for name, plane in other.planes.items())


def test_pictures_of_a_prompt_are_each_as_if_alone_up_to_rounding(model):
    four, first = (variants_of(model, prompt_request(model, images=n))[0] for n in (4, 1))
    for together, alone in zip(four, first, strict=True):
        for name in ("latent", "decoded"):
            assert_close(together.planes[name][:1], torch.from_numpy(alone.planes[name]))
    latents = four[0].planes["latent"]
    assert all(not np.array_equal(latents[0], latents[i]) for i in (1, 2, 3))


def test_what_guidance_combines_is_decoded_when_it_is_asked_for(model, monkeypatch):
    request = prompt_request(model, images=2, second=(["guidance"], "", 1))
    name, film = PROMPT_FILMS.begin(model, request)
    decoded, decode = [], type(model).decode
    monkeypatch.setattr(type(model), "decode", lambda self, x: decoded.append(len(x)) or decode(self, x))
    (*steps, last) = film.frames()
    assert film.whole and sorted(decoded) == [1, 1, *[2] * 2 * 5]  # of two variants a sketch, and pictures
    assert all(np.array_equal(a, b.planes["decoded"]) for a, b in zip(film.pictures, last))
    decoded.clear()
    answer = guided_pictures({"film": name, "variant": 0, "picture": 1})
    assert decoded == [4, 4]
    shown = np.frombuffer(base64.b64decode(answer["with"]), np.uint8).reshape(4, 32, 32, 3)
    for k, (frame, _) in enumerate(steps):
        wanted = model.decode(torch.from_numpy(frame.predictions[0, 1:]).float())
        assert_close(shown[k], to_uint8(wanted)[0].permute(1, 2, 0))
    assert guided_pictures({"film": name, "variant": 1, "picture": 0}) == {"with": None, "without": None}


@pytest.mark.parametrize(
    "change, told",
    [
        ({"film": "unknown"}, "keeps only the last few films"),
        ({"film": None}, "keeps only the last few films"),
        ({"variant": 1}, "The number of the prompt must be a whole number from 0 to 0"),
        ({"picture": 2}, "The picture must be a whole number from 0 to 1"),
    ],
)
def test_what_was_never_drawn_is_not_shown(model, change, told):
    name, _ = PROMPT_FILMS.begin(model, prompt_request(model, images=2))
    with pytest.raises(InputError) as refused:
        guided_pictures({"film": name, "variant": 0, "picture": 0} | change)
    assert told in refused.value.message


def test_the_last_films_are_kept(model):
    films = PromptFilms(most=2)
    names = [films.begin(model, prompt_request(model))[0] for _ in range(3)]
    assert [films.named(name).model for name in names[1:]] == [model, model]
    with pytest.raises(InputError):
        films.named(names[0])


def test_a_network_without_a_sketch_shows_none(model):
    config = replace(model.net.config, sketch_side=None)
    plain = replace(model, net=randomised(UNet(config)))
    request = prompt_request(plain, images=2)
    (film,) = variants_of(plain, request)
    assert (
        set(film[0].planes)
        == {"latent", "decoded", "attention"}
        == set(empty_planes(plain, request.variants[0], 2))
    )


def test_attention_is_the_networks_to_each_token(model):
    request = prompt_request(model, guidance=1)
    (film,) = variants_of(model, request)
    x_t = next(run_sampler(model, seed=3, num_images=1, num_steps=4))[0].x_t
    t = torch.tensor([model.schedule.num_timesteps])
    with recorded_attention(model.net) as maps:
        model.denoiser(prompts=["red heart"])(x_t, t)
    means = last_finest(maps)[0].mean((1, 2))  # resizing keeps a mean
    tokens = request.variants[0].prompt.tokens
    (attention,) = film[0].planes["attention"]
    shares = attention.reshape(len(tokens), -1).mean(1) / 255 * film[0].attention_max
    assert attention.max() == 255
    assert shares == pytest.approx(means[[token.position for token in tokens]].numpy(), rel=0.02)
    assert not model.net.training and all(
        m.record is None for m in model.net.modules() if hasattr(m, "record")
    )


@pytest.mark.parametrize("scale", [1, 3])
def test_the_shapes_of_all_frames_are_known_before_the_first(model, scale):
    request = prompt_request(model, guidance=scale, images=2)
    (film,) = variants_of(model, request)
    known = empty_planes(model, request.variants[0], 2)
    shapes = [(name, plane.shape) for name, plane in known.items()]
    for frame in film:
        assert [(name, plane.shape) for name, plane in frame.planes.items()] == shapes


def test_an_empty_prompt_has_no_attention_to_show(model):
    (film,) = variants_of(model, prompt_request(model, ""))
    planes = film[0].planes
    assert planes["attention"].shape == (1, 0, 8, 8) and film[0].attention_max == 0


@pytest.mark.parametrize(
    "sent, applied, told",
    [
        ({"prompt": "", "guidance": 3}, 1, "no effect without a prompt"),
        ({"prompt": "", "negative": "pizza", "guidance": 3}, 3, None),
        ({"prompt": "Pizza", "negative": "pizza", "guidance": 3}, 1, "the negative prompt is the prompt"),
        ({"negative": "pizza", "guidance": 1}, 1, "negative prompt has no effect at guidance 1"),
        ({"negative": "pizza", "guidance": 3}, 3, None),
        ({"guidance": 0}, 0, "leaves the prompt out"),
        ({"guidance": 1}, 1, None),
        ({"negative": "xylop 🍕", "guidance": 3}, 3, "Negative prompt: 🍕 read as “pizza”"),
        ({"negative": "xylop", "guidance": 3}, 3, "Negative prompt: Not in any training caption"),
    ],
)
def test_guidance_is_told_as_it_is_applied(model, sent, applied, told):
    """A prediction less is made where it would be the same, and the picture is the same."""
    request = prompt_request(model, **sent)
    (variant,) = request.variants
    assert variant.guidance_scale == applied
    notes = [note for note in variant.notes if note not in variant.prompt.notes]
    assert told in notes[0] if told else notes == []
    info = film_info(*PROMPT_FILMS.begin(model, request))
    words = {0: "guidance 0", 1: "no guidance", 3: "guidance 3"}[applied]
    assert words in info["made"]["en"] and info["variants"][0]["guidance_scale"] == applied
    if sent["guidance"] == 3 and applied == 1:
        (film,) = variants_of(model, request)
        scales = model.denoiser(
            prompts=[variant.prompt.text], negative_prompts=[variant.negative.text], guidance_scale=3.0
        )
        *_, last = walk(model, scales, num_steps=4, seed=3)
        assert_close(film[-1].planes["latent"], to_uint8(last.x_s, EPS_RANGE))


def test_a_second_picture_has_what_is_ticked_of_its_own(model):
    def second(*sent):
        return prompt_request(model, guidance=3, second=sent).variants[1:]

    assert second([], "pizza", 5) == ()
    told = [(each.prompt.text, each.guidance_scale) for asked in (["prompt"], ["guidance"])
            for each in second(asked, "pizza", 1)]  # fmt: skip
    assert told == [("pizza", 3), ("red heart", 1)]
    assert [each.prompt.text for each in second(["prompt"], "", 0)] == [""]


def test_the_nearest_emoji_of_an_emoji_is_itself(model):
    atlas = reader(model).atlas
    picture = few_emoji().images[5].permute(1, 2, 0).numpy()
    found = nearest(atlas, picture)
    assert found["nearest"][0]["character"] == atlas.characters[5]
    assert found["nearest"][0]["distance"] == 0 < found["median_distance"]
    held_out = {atlas.characters[i]: bool(atlas.held_out[i]) for i in range(found["number"])}
    assert all(each["held_out"] == held_out[each["character"]] for each in found["nearest"])
    assert held_out["💚"] and held_out["😿"] and not held_out["🍕"]


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
        ({"second": (["prompt"], None, None)}, "must be text"),
        ({"second": (["seed"], "", 1)}, "What is compared must be one of: prompt, guidance"),
        ({"images": 0}, "number of images must be a whole number from 1 to 4"),
        ({"images": 5}, "from 1 to 4"),
        ({"images": 1.5}, "from 1 to 4"),
        ({"second": (None, "", 1)}, "What is compared must be one of"),
        ({"second": (["guidance"], "", None)}, "second guidance must be a number from 0 to 20"),
        ({"second": (["guidance"], "", 21)}, "second guidance must be a number from 0 to 20"),
    ],
)
def test_refused_values_are_named(model, change, told):
    with pytest.raises(InputError) as refused:
        prompt_request(model, **change)
    assert told in refused.value.message
