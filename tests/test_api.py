"""The public endpoints of the running program, through gradio_client and as raw requests."""

import json
import urllib.request
from io import BytesIO

import numpy as np
import pytest
import torch
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from pictures import heic, photo, turned
from PIL import Image
from test_prompt_film import assert_close, prompt_request, variants_of
from web import client_of

from diffusion import cosine_schedule, linear_schedule, q_sample
from diffusion.data.images import centre_crop, open_image, to_signed, to_uint8
from diffusion.ui.parts.noised_picture import picture_noise


@pytest.fixture(scope="module")
def client(server):
    return client_of(server.url)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def raw(server, endpoint: str, body: str) -> str:
    """POST a body as it is and return what the event stream says."""
    address = f"{server.url}/gradio_api/call/{endpoint}"
    request = urllib.request.Request(address, body.encode(), {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request))["event_id"]
    return urllib.request.urlopen(f"{address}/{event}").read().decode()


def test_exactly_three_endpoints_are_public_and_documented(client):
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/corrupt", "/schedule_table", "/denoise"}
    names = {
        name: [p["parameter_name"] for p in endpoint["parameters"]] for name, endpoint in endpoints.items()
    }
    assert names["/corrupt"] == ["image", "t", "schedule", "seed"]
    assert names["/schedule_table"] == ["schedule", "num_timesteps"]
    assert names["/denoise"] == [
        "model", "seed", "sampler", "num_steps", "schedule", "class_label", "guidance_scale", "num_images",
    ]  # fmt: skip
    assert all(endpoint["description"] for endpoint in endpoints.values())


@pytest.mark.parametrize("schedule", [linear_schedule(), cosine_schedule()], ids=["linear", "cosine"])
@pytest.mark.parametrize("t", [0, 1, 500, 1000])
def test_corrupt_is_q_sample(client, picture, schedule, t, request):
    name = request.node.callspec.id.split("-")[-1]
    answer = client.predict(handle_file(str(picture)), t, name, 7, api_name="/corrupt")
    x_0 = to_signed(torch.from_numpy(np.asarray(Image.open(picture)).copy()))[None]
    x_t = q_sample(schedule, x_0, torch.tensor([t]), picture_noise(7)[:1])
    assert np.array_equal(np.asarray(Image.open(answer)), to_uint8(x_t)[0].numpy())


def test_corrupt_takes_a_phones_picture(client, tmp_path):
    content = heic(photo(300, 200), exif=turned(8).tobytes())
    (tmp_path / "IMG_0001.HEIC").write_bytes(content)
    answer = client.predict(handle_file(tmp_path / "IMG_0001.HEIC"), 0, "linear", 7, api_name="/corrupt")
    assert np.array_equal(np.asarray(Image.open(answer)), np.asarray(centre_crop(open_image(content), 256)))


def test_schedule_table(client):
    table = client.predict("cosine", 50, api_name="/schedule_table")
    assert {key: len(values) for key, values in table.items()} == dict.fromkeys(
        ("t", "betas", "alphas_cumprod", "snr"), 51
    )
    assert table["betas"][0] is None and table["snr"][0] is None and table["alphas_cumprod"][0] == 1
    assert table["alphas_cumprod"] == pytest.approx(cosine_schedule(50).alphas_cumprod.tolist())


def test_denoise_returns_a_grid_and_its_steps(client):
    arguments = ("tiny", 3, "ddpm", 4, "linear", "b", 2.0, 5)
    grid, record = client.predict(*arguments, api_name="/denoise")
    assert Image.open(grid).size == (3 * 16, 2 * 16)
    assert [step["t"] for step in record["steps"]] == [1000, 750, 500, 250]
    assert record["steps"][-1]["s"] == 0 and record["class_label"] == "b"
    again, _ = client.predict(*arguments, api_name="/denoise")
    assert np.array_equal(np.asarray(Image.open(grid)), np.asarray(Image.open(again)))
    other, _ = client.predict("tiny", 4, *arguments[2:], api_name="/denoise")
    assert not np.array_equal(np.asarray(Image.open(grid)), np.asarray(Image.open(other)))


def test_the_first_picture_of_a_seed_does_not_depend_on_how_many_are_asked_for(client):
    first = []
    for num_images in (1, 4):
        grid, _ = client.predict("tiny", 3, "ddpm", 4, "", "b", 2.0, num_images, api_name="/denoise")
        first.append(np.asarray(Image.open(grid))[:16, :16].astype(int))
    assert np.abs(first[0] - first[1]).max() <= 1  # the rounding of another batch


def test_empty_schedule_and_class_mean_the_checkpoints_own_and_none(client):
    _, record = client.predict("tiny", 0, "dpm++2m", 2, "", "", 1.0, 1, api_name="/denoise")
    assert record["schedule"] == "cosine" and record["class_label"] == ""


def test_the_record_has_what_was_applied_and_says_what_was_not(client):
    _, record = client.predict("tiny", 0, "ddim", 2, "", "", 5.0, 1, api_name="/denoise")
    assert record["guidance_scale"] == 1 and "no effect without a class" in record["notes"][0]
    _, record = client.predict("tiny", 0, "ddim", 2, "", "b", 5.0, 1, api_name="/denoise")
    assert record["guidance_scale"] == 5 and record["notes"] == []


def test_a_star_is_all_classes_in_turn(client):
    grid, record = client.predict("tiny", 0, "ddim", 2, "", "*", 5.0, 4, api_name="/denoise")
    assert record["class_label"] == "*"
    together = np.asarray(Image.open(grid))
    alone, _ = client.predict("tiny", 0, "ddim", 2, "", "c", 5.0, 4, api_name="/denoise")
    same = (np.asarray(Image.open(alone)) == together).reshape(2, 16, 2, 16).all((1, 3))
    assert same.tolist() == [[False, False], [True, False]]  # of classes a, b, c, a the third


DENOISE = {
    "model": "tiny", "seed": 0, "sampler": "ddim", "num_steps": 2, "schedule": "", "class_label": "",
    "guidance_scale": 1.0, "num_images": 1,
}  # fmt: skip
REFUSED_DENOISE = [
    ({"num_steps": 0}, "from 1 to 1,000"),
    ({"num_steps": 10**9}, "from 1 to 1,000"),
    ({"num_steps": 2.5}, "whole number"),
    ({"num_images": 10**9}, "from 1 to 16"),
    ({"num_images": 16, "num_steps": 1000}, "at most 4,000"),
    ({"seed": -1}, "0 to 4,294,967,295"),
    ({"seed": 2**70}, "0 to 4,294,967,295"),
    ({"seed": "word"}, "0 to 4,294,967,295"),
    ({"seed": True}, "0 to 4,294,967,295"),
    ({"seed": None}, "0 to 4,294,967,295"),
    ({"sampler": "euler"}, "ddpm, ddim, dpm++2m"),
    ({"schedule": "sigmoid"}, "linear, cosine"),
    ({"model": "other"}, "tiny"),
    ({"model": ["tiny"]}, "tiny"),
    ({"class_label": "z"}, "a, b, c"),
    ({"guidance_scale": float("inf")}, "0 to 20"),
    ({"guidance_scale": float("nan")}, "0 to 20"),
    ({"guidance_scale": -1}, "0 to 20"),
]


@pytest.mark.parametrize("change, told", REFUSED_DENOISE, ids=lambda v: str(v)[:40])
def test_denoise_refuses_with_the_allowed_range(server, change, told):
    answer = raw(server, "denoise", json.dumps({"data": list((DENOISE | change).values())}))
    assert "event: error" in answer and told in answer
    assert not server.logged_traceback()


@pytest.mark.parametrize("t", [-1, 1001, float("nan"), "word", 1.5, 2**70])
def test_corrupt_refuses_t(server, t):
    answer = raw(server, "corrupt", json.dumps({"data": [None, t, "linear", 0]}))
    assert "t must be a whole number from 0 to 1,000" in answer
    assert not server.logged_traceback()


@pytest.mark.parametrize(
    "data, told",
    [
        (["linear", 10**9], "20 to 1,000"),
        (["linear", 19], "20 to 1,000"),
        (["linear", "x"], "20 to 1,000"),
        (["x", 100], "linear, cosine"),
        ([None, 100], "linear, cosine"),
    ],
)
def test_schedule_table_refuses(server, data, told):
    assert told in raw(server, "schedule_table", json.dumps({"data": data}))
    assert not server.logged_traceback()


def png(size, mode="RGB"):
    buffer = BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content, told",
    [
        (b"hello", "not a readable picture"),
        (b"", "not a readable picture"),
        (png((64, 64))[:60], "not a readable picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a readable picture"),
        (png((1, 1)), "at least 8 pixels"),
        (png((1, 5000)), "at least 8 pixels"),
    ],
    ids=["text", "empty", "truncated", "svg", "1x1", "1x5000"],
)
def test_corrupt_refuses_a_bad_file(server, client, tmp_path, content, told):
    path = tmp_path / "upload.png"
    path.write_bytes(content)
    with pytest.raises(AppError, match=told):
        client.predict(handle_file(str(path)), 5, "linear", 0, api_name="/corrupt")
    assert not server.logged_traceback()


@pytest.mark.parametrize("data", [{"num_timesteps": 10**9}, "x", None, {}])
def test_what_the_page_asks_is_checked_too(server, data):
    config = json.load(urllib.request.urlopen(f"{server.url}/config"))
    component = next(
        c["id"] for c in config["components"] if "tables" in (c["props"].get("server_fns") or ())
    )
    body = {"session_hash": "s", "component_id": component, "fn_name": "tables", "data": data}
    request = urllib.request.Request(
        f"{server.url}/gradio_api/component_server",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    assert "must be a whole number" in json.load(urllib.request.urlopen(request))["problem"]
    assert not server.logged_traceback()


def test_endpoint_returns_the_picture_and_all_about_it(model, text_server):
    client = client_of(text_server.url)
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    parameters = [p["parameter_name"] for p in endpoints["/text_to_image"]["parameters"]]
    assert parameters == [
        "prompt", "negative_prompt", "seed", "num_steps", "guidance_scale", "sampler", "model", "num_images",
    ]  # fmt: skip
    picture, about = client.predict("green heart", "", 3, 4, 3.0, "ddim", api_name="/text_to_image")
    (film,) = variants_of(model, prompt_request(model, "green heart", sampler="ddim"))
    assert_close(np.asarray(Image.open(picture)), torch.from_numpy(film[-1].planes["decoded"][0]))
    assert [step["t"] for step in about["steps"]] == [1000, 750, 500, 250]
    assert "".join(token["text"] for token in about["tokens"]) == "greenheart"
    assert [token["position"] for token in about["tokens"]] == list(range(1, len(about["tokens"]) + 1))
    assert {token["word"] for token in about["tokens"]} == {0, 1}
    assert all(token["known"] for token in about["tokens"])
    assert "Held out" in about["notes"][-1] and len(about["nearest"]["nearest"]) == 3


def test_endpoint_reads_an_emoji_as_its_name_and_names_what_it_does_not_know(text_server):
    client = client_of(text_server.url)
    asked = ("🍕 xylop", "zzz 🍕", 3, 1, 3.0, "ddim")
    _, about = client.predict(*asked, api_name="/text_to_image")
    assert (about["prompt"], about["negative_prompt"]) == ("pizza xylop", "zzz pizza")
    assert about["notes"] == [
        "🍕 read as “pizza”.",
        "Not in any training caption: “xylop”.",
        "Negative prompt: 🍕 read as “pizza”.",
        "Negative prompt: Not in any training caption: “zzz”.",
    ]


@pytest.mark.parametrize("prompt", ["", "x" * 10_000, "𓀀𓀁", "\x00\x1b\u202e", "قلب red 하트 🏠", "\ud800"])
def test_endpoint_draws_odd_prompts(text_server, prompt):
    answer = raw(text_server, "text_to_image", json.dumps({"data": [prompt, "", 0, 1, 3, "ddim"]}))
    assert "event: complete" in answer and not text_server.logged_traceback()


@pytest.mark.parametrize(
    "data, told",
    [
        ([{"a": 1}, "", 0, 1, 3, "ddim"], "must be text"),
        (["pizza", "", 0, 10**9, 3, "ddim"], "from 1 to 100"),
        (["pizza", "", 2**70, 1, 3, "ddim"], "0 to 4,294,967,295"),
        (["pizza", "", 0, 1, -1, "ddim"], "from 0 to 20"),
        (["pizza", "", 0, 1, 3, "ddim", "tiny"], "The model must be one of: tiny-text"),
        (["pizza", "", 0, 1, 3, "ddim", None], "The model must be one of: tiny-text"),
        (
            ["pizza", "", 0, 1, 3, "ddim", "tiny-text", 5],
            "The number of images must be a whole number from 1 to 4",
        ),
        (["pizza", "", 0, 1, 3], "text_to_image takes 8 arguments, not 5"),
        (["pizza", "", 0, 1, 3, "ddim", "tiny-text", 1, 1], "text_to_image takes 8 arguments, not 9"),
    ],
)
def test_endpoint_refuses_with_a_sentence(text_server, data, told):
    answer = raw(text_server, "text_to_image", json.dumps({"data": data}))
    assert "event: error" in answer and told in answer and not text_server.logged_traceback()


def test_server_still_serves(client):
    assert client.predict("linear", 20, api_name="/schedule_table")["t"] == list(range(21))
