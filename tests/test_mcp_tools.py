"""The endpoints as MCP tools of the running program, through the protocol's own client."""

import asyncio
import base64
import http.client
import inspect
import json
import urllib.error
import urllib.request
from io import BytesIO

import numpy as np
import pytest
from conftest import ROOT, running_app
from gradio_client import handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from test_api import png
from web import client_of, proxy, serving

from diffusion.schedules import SCHEDULES
from diffusion.ui import api
from diffusion.ui.parts.class_film import MAX_CLASS_STEPS, MAX_IMAGES
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED
from diffusion.ui.parts.prompt_request import MAX_PICTURES, MAX_PROMPT_STEPS
from diffusion.ui.text import labels

PLACE = "/gradio_api/mcp/"
PREFIX = "/lessons/diffusion"
WISH = {"model": "tiny", "seed": 3, "sampler": "ddim", "num_steps": 2, "class_label": "b", "num_images": 4}


def asked(url: str, ask):
    """What `ask`, a coroutine function of a session with the server at this address, returns."""

    async def run():
        async with (
            streamable_http_client(url.rstrip("/") + PLACE) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await ask(session)

    return asyncio.run(run())


def called(url: str, tool: str, arguments: dict, **options):
    return asked(url, lambda session: session.call_tool(tool, arguments, **options))


def refused(server, tool: str, arguments: dict) -> str:
    """The one sentence by which a call is refused."""
    answer = called(server.url, tool, arguments)
    assert answer.isError and len(answer.content) == 1 and not server.logged_traceback()
    said = answer.content[0].text
    assert "\n" not in said
    return said


def picture_in(answer) -> np.ndarray:
    image = answer.content[0]
    assert (image.type, image.mimeType) == ("image", "image/png") and not answer.isError
    return np.asarray(Image.open(BytesIO(base64.b64decode(image.data))))


def tools_of(url: str) -> dict:
    return {tool.name: tool for tool in asked(url, lambda session: session.list_tools()).tools}


def test_the_tools_are_the_public_endpoints(text_server):
    tools = tools_of(text_server.url)
    endpoints = client_of(text_server.url).view_api(print_info=False, return_format="dict")
    assert set(tools) == {"corrupt", "schedule_table", "denoise", "text_to_image"}
    assert {f"/{name}" for name in tools} == set(endpoints["named_endpoints"])
    for name, tool in tools.items():
        parameters = endpoints["named_endpoints"][f"/{name}"]["parameters"]
        properties = tool.inputSchema["properties"]
        assert list(properties) == [each["parameter_name"] for each in parameters]
        assert [each["description"] for each in properties.values()] == [e["label"] for e in parameters]
        assert all(each["description"] for each in properties.values()) and len(tool.description) > 40
        assert "Args" not in tool.description
    kinds = {name: each["type"] for name, each in tools["denoise"].inputSchema["properties"].items()}
    assert kinds == {
        "model": "string", "seed": "integer", "sampler": "string", "num_steps": "integer",
        "schedule": "string", "class_label": "string", "guidance_scale": "number", "num_images": "integer",
    }  # fmt: skip
    assert tools["denoise"].inputSchema["properties"]["model"]["description"] == "one of tiny"
    assert "required" not in tools["denoise"].inputSchema


def test_what_is_described_is_what_is_checked():
    told = {
        "denoise": api.DENOISE,
        "text_to_image": api.TEXT_TO_IMAGE,
        "corrupt": inspect.getdoc(api.corrupt),
    }
    assert f"num_steps: 1 to {MAX_CLASS_STEPS}\n" in told["denoise"]
    assert f"num_images: 1 to {MAX_IMAGES};" in told["denoise"]
    assert f"num_steps: 1 to {MAX_PROMPT_STEPS}\n" in told["text_to_image"]
    assert f"num_images: 1 to {MAX_PICTURES}\n" in told["text_to_image"]
    assert all(f"seed: whole number, 0 to {MAX_SEED}" in text for text in told.values())
    assert all(f"guidance_scale: 0 to {MAX_GUIDANCE}, 1" in told[n] for n in ("denoise", "text_to_image"))
    assert f"schedule: {' or '.join(SCHEDULES)}\n" in told["corrupt"]


@pytest.mark.parametrize("watched", [False, True])
def test_a_tool_answers_with_the_picture_and_json(server, watched):
    heard = []

    async def hear(*progress):
        heard.append(progress)

    answer = called(server.url, "denoise", WISH, progress_callback=hear if watched else None)
    grid, record = client_of(server.url).predict(**WISH, api_name="/denoise")
    assert np.array_equal(picture_in(answer), np.asarray(Image.open(grid)))
    about = json.loads(answer.content[-1].text)
    assert [step["t"] for step in about["steps"]] == [step["t"] for step in record["steps"]] == [1000, 500]
    assert bool(heard) == watched and not server.logged_traceback()


def test_a_table_is_json(server):
    answer = called(server.url, "schedule_table", {"schedule": "cosine", "num_timesteps": 50})
    table = json.loads(answer.content[0].text)
    assert table["betas"][0] is None and len(table["snr"]) == 51


def test_a_prompt_is_drawn(text_server):
    answer = called(text_server.url, "text_to_image", {"prompt": "green heart", "num_steps": 2})
    assert picture_in(answer).shape == (32, 32, 3)
    assert json.loads(answer.content[-1].text)["prompt"] == "green heart"


def test_pictures_come_as_data_urls_or_as_addresses_of_uploads(server, tmp_path):
    path = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 256, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    settings = {"t": 300, "schedule": "cosine", "seed": 7}
    client = client_of(server.url)
    expected = client.predict(handle_file(str(path)), *settings.values(), api_name="/corrupt")
    data = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    uploaded = handle_file(str(path))
    client.predict(uploaded, 0, "linear", 0, api_name="/corrupt")
    (kept,) = [each for each in server.cache.rglob("picture.png") if each.read_bytes() == path.read_bytes()]
    for image in (data, f"{server.url}/gradio_api/file={kept}"):
        answer = called(server.url, "corrupt", {"image": image, **settings})
        assert np.array_equal(picture_in(answer), np.asarray(Image.open(expected)))


@pytest.mark.parametrize(
    "image, told",
    [
        ("x", labels()["picture_not_sent"]),
        ("http://127.0.0.1:1/picture.png", labels()["picture_not_sent"]),
        ("http://127.0.0.1:1/gradio_api/file=/etc/hostname", labels()["picture_not_sent"]),
        ("/etc/hostname", labels()["picture_not_sent"]),
        ("data:image/png;base64,AAAA", "not a readable picture"),
        ("data:image/png;base64," + base64.b64encode(png((64, 64))[:60]).decode(), "not a readable picture"),
        (None, "not of type 'string'"),
        ({"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}, "not of type 'string'"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_picture(server, image, told):
    assert told in refused(server, "corrupt", {"image": image})


def test_a_message_has_a_most(server):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection.request("POST", PLACE, b" " * (5 * 2**20), headers)
    assert connection.getresponse().status == 413 and not server.logged_traceback()
    connection.close()


@pytest.mark.parametrize(
    "change, told",
    [
        ({"num_steps": 0}, "from 1 to 1,000"),
        ({"num_steps": "word"}, "not of type 'integer'"),
        ({"sampler": "euler"}, "ddpm, ddim, dpm++2m"),
        ({"model": "other"}, "tiny"),
        ({"model": {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}}, "not of type 'string'"),
        ({"step": 3}, "`step` is not a valid"),
    ],
)
def test_bad_arguments_get_a_sentence(server, change, told):
    assert told in refused(server, "denoise", WISH | change)


def test_no_event_of_the_page_is_a_tool(server):
    for name in ("handle", "remember", "tables", "lambda", "nothing"):
        assert refused(server, name, {}) == f"Unknown tool for this Gradio app: {name}"


def test_below_a_prefix_and_nothing_of_a_picture_stays(trained_pair, tmp_path):
    with (
        running_app(tmp_path, *trained_pair, GRADIO_ROOT_PATH=PREFIX) as running,
        serving(proxy(running.url, PREFIX)) as address,
    ):
        url = address + PREFIX
        assert set(tools_of(url)) == {"corrupt", "schedule_table", "denoise"}
        data = "data:image/png;base64," + base64.b64encode(png((64, 64))).decode()
        noised = called(url, "corrupt", {"image": data})
        assert (
            picture_in(noised).shape == (256, 256, 3) and f"{url}/gradio_api/file=" in noised.content[1].text
        )
        shown = urllib.request.urlopen(noised.content[1].text.removeprefix("Image URL: ")).read()
        assert np.array_equal(np.asarray(Image.open(BytesIO(shown))), picture_in(noised))
        assert picture_in(called(url, "denoise", WISH)).shape[:2] == (32, 32)
        landing = urllib.request.urlopen(url + PLACE).read().decode()
        assert "Model Context Protocol" in landing and "modulepreload" not in landing
        assert any(path.is_file() for path in running.cache.rglob("*"))
        assert not running.logged_traceback()
    assert not any(path.is_file() for path in running.cache.rglob("*"))


def offers_tools(url: str) -> bool:
    try:
        return "Model Context Protocol" in urllib.request.urlopen(url + PLACE).read().decode()
    except urllib.error.HTTPError as error:
        assert error.code == 404
        return False


def test_gradios_own_setting_turns_it_off(trained_pair, tmp_path):
    with running_app(tmp_path, *trained_pair, GRADIO_MCP_SERVER="False") as running:
        assert not offers_tools(running.url) and "MCP" not in running.log.read_text()


def test_without_the_package_the_page_is_as_ever(trained_pair, tmp_path):
    start = f"import runpy, sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.modules['mcp'] = None\n"
    (tmp_path / "app.py").write_text(start + f"runpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')")
    with running_app(tmp_path, *trained_pair, root=tmp_path) as running:
        assert not offers_tools(running.url) and "MCP" not in running.log.read_text()
        assert client_of(running.url).predict("linear", 20, api_name="/schedule_table")["t"]
        assert not running.logged_traceback()
