"""Dockerfile and .dockerignore, followed by hand: what would be in the image, and whether it works there."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from conftest import ROOT, needs_browser, open_page, running_app
from test_space import PRIVATE, copy_of_program

from diffusion.models.deploy import program_files


def instructions() -> list[tuple[str, str]]:
    """Name and text of each, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines()]


def of(name: str) -> list[str]:
    return [text for each, text in instructions() if each == name]


def settings() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in of("ENV") for pair in shlex.split(text))


def is_ignored(name: str) -> bool:
    """Whether .dockerignore leaves a path out: the last line that fits it, or a folder it is in, decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            parts = name.split("/")
            tops = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
            anywhere = pattern.startswith("**/") and any(fnmatch(part, pattern[3:]) for part in parts)
            if anywhere or any(
                top.count("/") == pattern.count("/") and fnmatch(top, pattern) for top in tops
            ):
                ignored = not line.startswith("!")
    return ignored


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """A folder with all that a user's may have."""
    return copy_of_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def image(program, tmp_path_factory) -> Path:
    """A folder with what of it is copied into the image."""
    folder = tmp_path_factory.mktemp("image") / "page"
    shutil.copytree(program, folder, ignore=shutil.ignore_patterns(".venv"))
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and is_ignored(path.relative_to(folder).as_posix()):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return folder


def test_the_image_has_what_a_space_has_but_no_documents(program, image):
    names = {path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()}
    assert not names & set(PRIVATE)
    needed = {name for name in program_files(program) if not name.startswith("docs/")} - {"README.ko.md"}
    assert names == needed


def test_it_is_of_the_right_python_and_a_user_without_rights():
    matter = (ROOT / "README.md").read_text("utf-8")
    version = re.search(r'^python_version: "(.+)"$', matter, re.MULTILINE)[1]
    assert of("FROM") == [f"python:{version}-slim"]
    (user,) = of("USER")
    assert re.search(rf"useradd .*--uid [1-9]\d+ {user}$", of("RUN")[0])
    order = [name for name, _ in instructions()]
    assert order.index("USER") > len(order) - 1 - order[::-1].index("COPY")  # files stay root's
    assert of("CMD") == ['["python", "app.py"]']
    assert of("EXPOSE") == [settings()["GRADIO_SERVER_PORT"]] == ["7860"]
    assert settings()["GRADIO_SERVER_NAME"] == "0.0.0.0" and of("VOLUME") == ["/models"]


def test_torch_comes_from_the_index_without_cuda():
    (install,) = [text for text in of("RUN") if "pip install" in text]
    first, rest = install.split(" && ")
    shown = subprocess.check_output(["bash", "-c", first.replace("pip", "echo pip", 1)], cwd=ROOT, text=True)
    asked = shown.split()
    assert asked[asked.index("--index-url") + 1] == "https://download.pytorch.org/whl/cpu"
    wanted = [line for line in (ROOT / "requirements.txt").read_text().split() if line.startswith("torch")]
    assert [word for word in asked if word.startswith("torch")] == wanted and len(wanted) == 2
    assert rest.split()[-2:] == ["-r", "requirements.txt"]


def healthy(port: int, **environment: str) -> bool:
    """What Docker would take the page for, which is to answer at this port."""
    (check,) = of("HEALTHCHECK")
    command = check.split("CMD ", 1)[1]
    env = os.environ | {"GRADIO_SERVER_PORT": str(port)} | environment
    return subprocess.run(["sh", "-c", command], env=env, capture_output=True).returncode == 0


@needs_browser
def test_the_page_runs_as_in_the_image_and_is_found_healthy(image, browser, tmp_path):
    told = {name: value for name, value in settings().items() if name != "HF_HOME"}
    with running_app(tmp_path, root=image, **told) as running:
        page = open_page(browser, running)
        assert page.errors == []
        page.close()
        port = int(running.url.rpartition(":")[2])
        assert healthy(port) and healthy(port, http_proxy="http://127.0.0.1:1")
        assert not running.logged_traceback()
    assert not healthy(port)
    with socket.socket() as silent:  # which takes a connection, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not healthy(silent.getsockname()[1])


def test_the_first_process_of_a_container_ends_when_it_is_asked_to():
    """Such a process is not ended by a signal that it does not handle; nor is one that blocks it."""
    code = """if True:
        import signal
        import gradio as gr
        from diffusion.ui.page import leave_no_upload_behind
        with gr.Blocks() as page:
            leave_no_upload_behind(page)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        print("still there")"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGTERM and done.stdout == ""
