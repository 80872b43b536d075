"""The page's handlers and texts, without a browser."""

import base64
import io
import json
import re
import time
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest
import torch
from conftest import record
from PIL import Image

from diffusion import linear_schedule, make_film
from diffusion.films.film import final_frame
from diffusion.ui.parts import streaming
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.inputs import PREVIEW_SECONDS, InputError, choice, real_number, whole_number
from diffusion.ui.parts.scrubber import STATIC, fill, static
from diffusion.ui.tabs import forward, reverse, schedules, training
from diffusion.ui.text import FOLDER, labels


def decode(pixels: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(pixels), np.uint8)


def test_presets_are_pictures_of_their_own():
    pictures = [np.asarray(picture) for picture in preset_pictures().values()]
    assert all(picture.shape == (256, 256, 3) and picture.std() > 20 for picture in pictures)
    assert all((one != other).any() for i, one in enumerate(pictures) for other in pictures[:i])


def test_noise_travels_exactly():
    jump, step = (np.frombuffer(base64.b64decode(text), np.float16) for text in forward.noise({"seed": 9}))
    expected = forward.picture_noise(9).numpy()
    assert np.array_equal(jump.reshape(256, 256, 3), expected[0])
    assert np.array_equal(step.reshape(256, 256, 3), expected[1])
    assert abs(np.corrcoef(jump.astype(float), step.astype(float))[0, 1]) < 0.01


def test_tables_are_the_schedules():
    tables = forward.tables({"num_timesteps": 40})
    assert tables["T"] == 40 and tables["linear"] == linear_schedule(40).alphas_cumprod.tolist()
    for bad in ({}, {"num_timesteps": 19}, {"num_timesteps": 10**9}, {"num_timesteps": "x"}):
        with pytest.raises(InputError, match="20 to 1,000"):
            forward.tables(bad)


def test_upload_is_cropped_or_shown_whole(tmp_path):
    wide = Image.new("RGB", (400, 200), "red")
    wide.paste("blue", (0, 0, 100, 200))
    wide.save(tmp_path / "wide.png")

    def shown(fit):
        message, problem, _ = forward.fit_picture(str(tmp_path / "wide.png"), fit)
        assert problem == ""
        content = base64.b64decode(message["picture"].removeprefix("data:image/png;base64,"))
        return np.asarray(Image.open(io.BytesIO(content)))

    assert (shown("crop")[:, 5:] == (255, 0, 0)).all()
    letterboxed = shown("letterbox")
    assert (letterboxed[0] == 128).all() and (letterboxed[128, 10] == (0, 0, 255)).all()


def test_refused_upload_is_deleted_and_explained(tmp_path):
    path = tmp_path / "no.png"
    path.write_text("no picture")
    _, problem, kept = forward.fit_picture(str(path), "crop")
    assert kept is None and "not a readable picture" in problem
    time.sleep(PREVIEW_SECONDS + 0.5)
    assert not path.exists() and forward.new_picture(str(path), "crop")[1] == gr.skip()
    _, problem, _ = forward.fit_picture(str(path), "crop")
    assert "choose the file again" in problem


def test_checks_of_values():
    assert whole_number(5, "t", 0, 9) == 5 and whole_number(5.0, "t", 0, 9) == 5
    assert real_number(0.5, "eta", 0, 1) == 0.5
    for bad in (-1, 10, 2.5, float("nan"), float("inf"), "5", None, True, 10**400, [5]):
        with pytest.raises(InputError, match="t must be a whole number from 0 to 9"):
            whole_number(bad, "t", 0, 9)
    for bad in ("z", None, 3, ["a"]):
        with pytest.raises(InputError, match="one of: a, empty"):
            choice(bad, "model", ["a", ""])


def request(tiny_model, **changes):
    values = {
        "model": "tiny", "seed": 1, "sampler": "ddim", "num_steps": 3, "schedule": "",
        "class_label": "b", "guidance_scale": 1.5, "num_images": 2, "eta": 0.5,
    } | changes  # fmt: skip
    return reverse.checked_settings({"tiny": tiny_model}, **values)


@pytest.mark.parametrize("pause", [0, 60])
def test_messages_are_the_film(tiny_model, monkeypatch, pause):
    """What is streamed is what `make_film` makes with the same settings, frame for frame, however batched."""
    monkeypatch.setattr(streaming, "MESSAGE_SECONDS", pause)
    messages = list(reverse.film_messages(tiny_model, request(tiny_model)))
    assert len(messages) == (4 if pause == 0 else 2)
    assert len({message["film"] for message in messages}) == 1
    film = make_film(
        tiny_model, seed=1, sampler="ddim", eta=0.5, num_steps=3, num_images=2, guidance_scale=1.5,
        class_labels=torch.tensor([1, 1]),
    )  # fmt: skip
    sent = {frame["k"]: frame for message in messages for frame in message["frames"]}
    assert sorted(sent) == [0, 1, 2, 3]
    for k, frame in enumerate(film.frames):
        assert np.array_equal(decode(sent[k]["pixels"]), frame.ravel())
    assert sent[3]["row"] is None and [sent[k]["row"]["t"] for k in range(3)] == [1000, 667, 333]
    json.dumps(messages)


def test_every_message_repeats_the_one_before(tiny_model, monkeypatch):
    monkeypatch.setattr(streaming, "MESSAGE_SECONDS", 0)
    messages = list(reverse.film_messages(tiny_model, request(tiny_model)))
    for before, message in zip(messages, messages[1:]):
        assert message["frames"][0] == before["frames"][-1]


def test_other_schedule_changes_the_walk_but_not_its_length(tiny_model):
    settings = request(tiny_model, schedule="linear", num_steps=5)
    rows = [row for _, row in reverse.trajectory(tiny_model, settings)]
    expected = linear_schedule().alphas_cumprod[[1000, 800, 600, 400, 200]].tolist()
    assert [row["alphas_cumprod_t"] for row in rows[:-1]] == pytest.approx(expected)


def test_shipped_film_is_whole(tiny_model):
    film = make_film(tiny_model, seed=0, num_images=3, num_steps=4, sampler="dpm++2m")
    message = reverse.shipped_message(tiny_model, film)
    assert len(message["frames"]) == 5
    names = ("x_t", "eps_hat", "x_0_hat")
    assert message["info"]["planes"] == [{"name": name, "shape": [3, 16, 16, 1]} for name in names]
    assert np.array_equal(decode(message["frames"][2]["pixels"]), film.frames[2].ravel())
    assert reverse.shipped_message(tiny_model, None) is None


def test_final_frame_has_nothing_left_to_predict():
    frame = final_frame(torch.zeros(2, 1, 4, 4) + 1)
    assert (frame[0] == 255).all() and (frame[1] == 128).all() and (frame[2] == 255).all()


def test_every_text_that_the_markup_names_exists():
    parts = {"transport", "panels", "fact", "name", "title"}
    for path in STATIC.glob("*.html"):
        names = set(re.findall(r"\[\[(\w+)\]\]", path.read_text("utf-8")))
        assert names - parts <= set(labels()), path.name
    for path in STATIC.glob("*.js"):
        used = set(re.findall(r"strings\.(\w+)", path.read_text("utf-8")))
        assert used <= set(labels()), path.name


def test_templates_hold_nothing_that_gradio_would_fill_in():
    for path in STATIC.glob("*.html"):
        assert "${" not in static(path.name) and "{{" not in static(path.name)
    assert fill("<p>[[seed]] [[other]]</p>", {"other": "[[stop]]"}) == "<p>Seed Stop</p>"


def test_every_language_has_the_same_texts():
    english = FOLDER / "en"
    for language in (p for p in FOLDER.iterdir() if p.is_dir() and p.name != "__pycache__"):
        assert set(labels(language.name)) == set(labels())
        assert {p.name for p in language.iterdir()} == {p.name for p in english.iterdir()}


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
    assert training.history_of(model) is not None and training.history_of(tiny_model) is None
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert training.history_of(model) is None


def test_a_pair_is_trained_alike_in_all_but_the_schedule(tiny_model):
    def model(schedule, **about):
        settings = {"schedule": schedule, "seed": 0}
        about = {"settings": settings, "data": "d", "images_seen": 8} | about
        return replace(tiny_model, schedule_name=schedule, about=about)

    cosine, linear = model("cosine"), model("linear")
    assert list(schedules.trained_pair({"a": cosine, "b": linear})) == ["linear", "cosine"]
    assert schedules.trained_pair({"a": cosine, "b": model("linear", images_seen=9)}) is None
    assert schedules.trained_pair({"a": cosine, "b": model("cosine")}) is None
    assert schedules.trained_pair({"a": tiny_model, "b": tiny_model}) is None
