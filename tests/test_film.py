import io
import json
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion import (
    Model,
    UNet,
    UNetConfig,
    draw_noise,
    linear_schedule,
    load_film,
    make_film,
    sample,
    save_film,
)
from diffusion.data.grids import image_grid, png_bytes
from diffusion.films import folder
from diffusion.films.film import draw, final_frame, run_sampler, step_frame, walk
from diffusion.films.samples import every_class, save_samples
from diffusion.noise import fresh_noise


@pytest.fixture
def film(tiny_model):
    labels = torch.tensor([0, 2])
    return make_film(tiny_model, seed=5, num_images=2, num_steps=4, class_labels=labels)


def test_a_film_has_a_frame_for_each_step_and_one_for_the_result(film):
    assert film.frames.shape == (5, 3, 2, 16, 16, 1) and film.frames.dtype == np.uint8
    x_t, eps_hat, x_0_hat = film.frames[-1]
    assert np.array_equal(x_t, x_0_hat) and (eps_hat == 128).all()


def test_its_table_tells_how_it_was_made(film, tiny_model):
    rows, alphas_cumprod = film.info["steps"], tiny_model.schedule.alphas_cumprod
    assert [(row["t"], row["s"]) for row in rows] == [(1000, 750), (750, 500), (500, 250), (250, 0)]
    assert [row["alphas_cumprod_t"] for row in rows] == [alphas_cumprod[row["t"]] for row in rows]
    assert all(
        row["snr"] == pytest.approx(row["alphas_cumprod_t"] / (1 - row["alphas_cumprod_t"])) for row in rows
    )
    told = {"model": "tiny", "schedule": "cosine", "sampler": "dpm++2m", "seed": 5, "class_labels": [0, 2]}
    assert told.items() <= film.info.items()


@pytest.mark.parametrize("sampler, eta", [("ddpm", 0.0), ("ddim", 0.0), ("ddim", 0.7), ("dpm++2m", 0.0)])
def test_the_same_seed_gives_the_same_film(tiny_model, sampler, eta):
    settings = {"num_images": 2, "num_steps": 3, "sampler": sampler, "eta": eta}
    one, again, other = (make_film(tiny_model, seed=seed, **settings).frames for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_the_sampler_can_walk_another_schedule(tiny_model):
    settings = {"seed": 0, "num_images": 1, "num_steps": 3}
    rows = [row for _, row in run_sampler(tiny_model, schedule=linear_schedule(), **settings)]
    assert rows[0]["alphas_cumprod_t"] == linear_schedule().alphas_cumprod[-1]


def test_frames_show_values_as_pixels(tiny_model):
    *_, (step, _) = run_sampler(tiny_model, seed=0, num_images=1, num_steps=2)
    frame = step_frame(step)
    assert frame.shape == (3, 1, 16, 16, 1)
    shown = (127.5 * (step.x_t.clamp(-1, 1) + 1)).round()[0, 0].numpy()
    noise = (127.5 * (step.eps_hat.clamp(-3, 3) / 3 + 1)).round()[0, 0].numpy()
    assert np.array_equal(frame[0, 0, ..., 0], shown) and np.array_equal(frame[1, 0, ..., 0], noise)
    assert final_frame(torch.tensor([[[[-2.0, 0.0, 2.0]]]]))[0].flatten().tolist() == [0, 128, 255]


def test_a_walk_is_decided_by_its_seed(tiny_model):
    settings = {"num_steps": 3, "sampler": "ddpm", "num_images": 2}
    denoise = tiny_model.denoiser()
    one, again, other = (list(walk(tiny_model, denoise, seed=s, **settings)) for s in (1, 1, 2))
    assert all(torch.equal(a.x_s, b.x_s) for a, b in zip(one, again))
    assert not torch.equal(one[-1].x_s, other[-1].x_s)
    assert torch.equal(one[0].x_t, draw_noise((2, 1, 16, 16), torch.Generator().manual_seed(1)))
    rows = run_sampler(tiny_model, seed=1, **settings)
    assert all(torch.equal(mine.x_s, theirs.x_s) for mine, (theirs, _) in zip(one, rows))


@pytest.mark.parametrize("sampler, eta", [("ddpm", 0.0), ("ddim", 0.7), ("dpm++2m", 0.0)])
def test_a_picture_is_the_same_however_many_are_drawn(tiny_model, sampler, eta):
    def steps(num_images):
        settings = {"seed": 3, "num_images": num_images, "num_steps": 4, "sampler": sampler, "eta": eta}
        return [step.x_s for step, _ in run_sampler(tiny_model, **settings)]

    many = steps(16)
    for number in (1, 2, 5):
        for few, all_of_them in zip(steps(number), many):
            assert torch.allclose(few, all_of_them[:number], atol=1e-4)


def test_what_a_step_adds_is_the_stream_of_seed_and_picture(tiny_model):
    denoise = tiny_model.denoiser()
    for step in walk(tiny_model, denoise, num_steps=3, seed=8, num_images=2, sampler="ddpm"):
        update = step.update
        mean = update.x_0_weight * step.x_0_hat + update.eps_weight * step.eps_hat
        z = fresh_noise(8, (2, 1, 16, 16), step.t)
        assert torch.allclose(step.x_s, mean + update.noise_weight * z, atol=1e-5)


def test_a_walk_may_begin_anywhere_and_go_by_another_schedule(tiny_model):
    x_T, schedule = torch.randn(3, 1, 16, 16), linear_schedule(50)
    denoise = tiny_model.denoiser(schedule=schedule)
    steps = list(walk(tiny_model, denoise, num_steps=2, x_T=x_T, schedule=schedule, sampler="ddim"))
    assert torch.equal(steps[0].x_t, x_T) and [(s.t, s.s) for s in steps] == [(50, 25), (25, 0)]
    theirs = list(sample(denoise, schedule, x_T, [50, 25, 0]))
    assert all(torch.equal(a.x_s, b.x_s) for a, b in zip(steps, theirs))
    assert len(next(walk(tiny_model, tiny_model.denoiser(), num_steps=1)).x_s) == 1


def test_drawing_is_where_the_sampler_ends(tiny_model):
    settings = {"seed": 3, "num_images": 2, "num_steps": 3}
    *_, (last, _) = run_sampler(tiny_model, **settings)
    assert torch.equal(draw(tiny_model, **settings), last.x_s)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_survives_the_disk(tmp_path, channels):
    torch.manual_seed(0)
    net = UNet(UNetConfig(channels, 32, (1,), 1, ())).eval()
    model = Model("plain", net, "linear", linear_schedule(), "epsilon", (channels, 8, 8))
    film = make_film(model, seed=0, num_images=3, num_steps=2)
    save_film(tmp_path, film)
    loaded = load_film(tmp_path)
    assert np.abs(loaded.frames.astype(int) - film.frames).max() <= 2
    assert loaded.codes == film.codes and film.info.items() <= loaded.info.items()


def without(key):
    return lambda info: {k: v for k, v in info.items() if k != key}


def with_value(key, value):
    return lambda info: info | {key: value}


def in_rows(key, value):
    return lambda info: info | {"steps": [row | {key: value} for row in info["steps"]]}


@pytest.mark.parametrize(
    "change",
    [
        *(in_rows(key, 10**400) for key in ("alphas_cumprod_t", "x_0_weight", "snr")),
        *(in_rows(key, "1") for key in ("t", "s", "snr", "alphas_cumprod_s", "noise_weight")),
        in_rows("x_0_weight", float("nan")),
        in_rows("t", 0.5),
        *(with_value("num_steps", value) for value in ("4", None, -1, 4.0, 5, True)),
        *(with_value("guidance_scale", value) for value in ("x", None, float("inf"), 10**400)),
        *(with_value("sampler", value) for value in (1, None)),
        with_value("schedule", ["cosine"]),
        with_value("model", None),
        with_value("eta", "x"),
        *(with_value("class_labels", value) for value in ([1.0, 2.0], "02", 3, [[0], [2]])),
        *(with_value("seed", value) for value in (0.5, 10**400)),
        with_value("image_shape", [16, 16, True]),
        *map(without, ("steps", "image_shape", "num_images", "num_steps", "seed", "schedule")),
        lambda info: info | {"steps": info["steps"][1:]},
        lambda info: info | {"steps": 4},
        lambda info: info | {"steps": [1, 2, 3, 4]},
        lambda info: info | {"steps": [{"t": 1}] * 4},
        lambda info: info | {"image_shape": [16, 16]},
        lambda info: info | {"image_shape": [-16, -16, 1]},
        lambda info: info | {"num_images": 0},
        lambda info: info | {"num_images": 10**12},
        lambda info: info | {"seed": "0"},
        lambda info: info | {"code_lengths": info["code_lengths"][1:]},
        lambda info: info | {"code_lengths": [2 * info["code_lengths"][0], -1, *info["code_lengths"][2:]]},
        without("code_lengths"),  # as of a film in another format
        lambda info: [info],
    ],
)
def test_a_broken_table_is_no_film(film, tmp_path, change):
    save_film(tmp_path, film)
    info = json.loads((tmp_path / "film.json").read_text())
    (tmp_path / "film.json").write_text(json.dumps(change(info)))
    assert load_film(tmp_path) is None


@pytest.mark.parametrize("steps, side", [(1001, 16), (22, 1024)])
def test_no_film_is_larger_than_the_memory_that_one_may_take(film, tmp_path, steps, side, monkeypatch):
    codes = tuple(islice(cycle(film.codes), steps))
    rows = list(islice(cycle(film.info["steps"]), steps))
    save_film(tmp_path, replace(film, info=film.info | {"steps": rows, "num_steps": steps}, codes=codes))
    info = json.loads((tmp_path / "film.json").read_text()) | {
        "num_images": 1,
        "image_shape": [side, side, 3],
    }
    (tmp_path / "film.json").write_text(json.dumps(info | {"class_labels": None}))
    monkeypatch.setattr(folder, "Coding", None)  # nothing is made of it
    assert load_film(tmp_path) is None
    with pytest.raises(ValueError, match="no film"):
        folder.replay(info, codes)


@pytest.mark.parametrize("change", [lambda codes: b"", lambda codes: codes[:-1], lambda codes: codes[::-1]])
def test_broken_codes_are_no_film(film, tmp_path, change):
    save_film(tmp_path, film)
    codes = (tmp_path / "film.dat").read_bytes()
    (tmp_path / "film.dat").write_bytes(change(codes))
    assert load_film(tmp_path) is None


def test_no_film(tmp_path):
    assert load_film(tmp_path) is None


def test_a_film_of_another_format_is_none():
    other = Path(__file__).parent / "fixtures/classes"
    assert (other / "film.json").exists() and load_film(other) is None


def test_a_grid_fills_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(3, 2)
    grid = np.asarray(image_grid(images, 3))
    assert grid.shape == (4, 9)
    assert grid[::2, ::3].tolist() == [[0, 1, 2], [3, 4, 0]]


def test_a_png_is_lossless():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8))
    assert np.array_equal(Image.open(io.BytesIO(png_bytes(picture))), picture)


def test_every_class_has_a_row_of_samples(tiny_model, tmp_path):
    settings = every_class(tiny_model, 8)
    assert settings["class_labels"].view(3, 8)[:, 0].tolist() == [0, 1, 2] and settings["num_images"] == 24
    save_samples(tmp_path / "new/samples.png", tiny_model)
    assert Image.open(tmp_path / "new/samples.png").size == (8 * 16, 3 * 16)


def test_many_classes_do_not_make_an_endless_grid(tiny_model):
    many = Model("many", tiny_model.net, "cosine", tiny_model.schedule, "v", (1, 16, 16), ("x",) * 1000)
    assert every_class(many, 8)["num_images"] == 8 * 16


def test_final_frame_has_nothing_left_to_predict():
    frame = final_frame(torch.zeros(2, 1, 4, 4) + 1)
    assert (frame[0] == 255).all() and (frame[1] == 128).all() and (frame[2] == 255).all()
