"""What is set in the environment: the page opens, or one sentence says what cannot be."""

import json
import os
import socket
import subprocess
import sys
import urllib.request

import pytest
from conftest import ROOT, running_app
from gradio_client import handle_file
from PIL import Image
from training import environment
from web import client_of

from diffusion import CheckpointError, save_model
from diffusion.hub import load_models
from diffusion.ui.parts.environment import SettingError, prepare_environment

VARIABLES = ("GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME", "GRADIO_TEMP_DIR", "NO_PROXY", "GRADIO_DEBUG")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in (*VARIABLES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.setenv(name, "")  # so that what is written is undone
        monkeypatch.delenv(name)


@pytest.fixture
def taken():
    """A port on which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def refused() -> str:
    with pytest.raises(SettingError) as caught:
        prepare_environment()
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS", "GRADIO_DEBUG"])
@pytest.mark.parametrize("value", ["abc", "-1", "78.5", "0x50", "7860 7861", "true"])
def test_numbers_that_are_words(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert refused() == f"{name} must be a whole number, and is {value!r}."


@pytest.mark.parametrize("port", ["0", "65536", "99999999999"])
def test_ports_that_do_not_exist(monkeypatch, port):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    assert refused() == f"GRADIO_SERVER_PORT must be from 1 to 65535, and is {port}."


def test_a_port_that_is_taken(monkeypatch, taken):
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(taken))
    assert refused().startswith(f"port {taken} of 127.0.0.1 cannot be used (Address already in use)")


@pytest.mark.parametrize("name", ["no.such.name.invalid", "203.0.113.1", "a" * 300, "exa mple"])
def test_an_address_that_is_not_this_machines(monkeypatch, name):
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    assert refused().startswith(f"the address {name} cannot be used (")


@pytest.mark.parametrize("name", ["0.0.0.0", "localhost", "127.0.0.1", "", " "])
def test_addresses_that_are(monkeypatch, name):
    monkeypatch.setenv("GRADIO_SERVER_NAME", name)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "")
    prepare_environment()
    assert "GRADIO_SERVER_PORT" not in os.environ  # for Gradio cannot read an empty one
    assert os.environ.get("GRADIO_SERVER_NAME") == (name.strip() or None)


@pytest.mark.parametrize("known", [{}, {"no_proxy": "intra.example"}, {"NO_PROXY": "intra.example"}])
def test_no_proxy_stands_between_the_program_and_itself(monkeypatch, known):
    for name, value in ({"HTTPS_PROXY": NOWHERE, "all_proxy": "socks4://127.0.0.1:9"} | known).items():
        monkeypatch.setenv(name, value)
    prepare_environment()
    assert {"localhost", "127.0.0.1", "::1", *known.values()} <= set(os.environ["no_proxy"].split(","))
    assert os.environ["HTTPS_PROXY"] == NOWHERE and "all_proxy" not in os.environ


def test_without_proxies_nothing_is_said_of_them():
    prepare_environment()
    assert "no_proxy" not in os.environ and "GRADIO_TEMP_DIR" not in os.environ


def test_a_folder_for_uploads_that_cannot_be_written_to(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file"))
    assert refused().startswith("GRADIO_TEMP_DIR cannot be written to (")


# The program


def test_the_page_opens_whatever_is_in_the_way(tiny_model, tmp_path):
    """A proxy that leads nowhere, one of an unknown kind, somebody's /tmp/gradio, two models called alike."""
    for user in ("a", "b"):
        save_model(tmp_path / user / "digits", tiny_model)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/gradio").touch()
    Image.new("RGB", (64, 64)).save(tmp_path / "picture.png")
    proxies = {"http_proxy": NOWHERE, "HTTP_PROXY": NOWHERE, "ALL_PROXY": "socks5://127.0.0.1:9"}
    models = (tmp_path / "a/digits", tmp_path / "b/digits", tmp_path / "a/digits", "")
    with running_app(
        tmp_path, *models, GRADIO_TEMP_DIR="", TMPDIR=str(tmp_path / "tmp"), **proxies
    ) as running:
        config = json.load(urllib.request.urlopen(f"{running.url}/config"))
        client = client_of(running.url)
        picture = handle_file(str(tmp_path / "picture.png"))
        assert client.predict(picture, 5, "linear", 0, api_name="/corrupt").endswith(".png")
        for name in ("a/digits", "b/digits"):
            request = (name, 0, "ddim", 1, "", "", 1.0, 1)
            _, record = client.predict(*request, api_name="/denoise")
            assert record["model"] == name and json.dumps(config).count(f'"{name}"')
        assert not running.logged_traceback()
    assert not list((tmp_path / "tmp").rglob("picture.png"))


def test_the_program_says_what_is_wrong_and_ends(tmp_path, taken):
    def ended(**variables: str) -> str:
        command, env = [sys.executable, "app.py"], environment(**variables)
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and line.startswith("app.py: ") and line.endswith(".")
        return line

    assert "'http'" in ended(GRADIO_SERVER_PORT="http")
    assert "Address already in use" in ended(GRADIO_SERVER_PORT=str(taken))
    for model in (f"{tmp_path},", str(tmp_path / "nowhere"), "a/b/c", "x" * 5000):
        ended(MODEL=model, HF_HUB_OFFLINE="1")


def test_names_of_models(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("a/x/digits", "b/x/digits", "b/y/digits", "other"):
        save_model(tmp_path / place, tiny_model)
    places = ["a/x/digits", "./b/x/digits/", "b/x/digits", str(tmp_path / "b/y/digits"), "other"]
    models = load_models(places)
    assert list(models) == ["a/x/digits", "b/x/digits", "y/digits", "other"]
    assert all(model.name == name for name, model in models.items())
    (tmp_path / "link").symlink_to("a/x")
    same = ["a/x/digits", str(tmp_path / "a/x/digits"), "b/../a/x/digits", "link/digits"]
    assert list(load_models(same)) == ["digits"]
    with pytest.raises(CheckpointError):
        load_models(["other", "nowhere"])
