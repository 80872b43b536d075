"""Deploying as README says: its command, given to a Hub, and the page opened from what arrived there."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import ROOT, running_app
from hub_server import HubServer
from huggingface_hub import RepoCard, SpaceHardware

README = (ROOT / "README.md").read_text("utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # that the Hub knows
PRIVATE = (
    ".env",
    "runs/x/README.md",
    "data/MNIST/raw/t",
    "my-photos/cat/1.png",
    "diffusion/__pycache__/a.pyc",
)


@pytest.fixture(scope="module")
def arrived(tmp_path_factory) -> Path:
    """A folder with what the command uploads from one that holds all that a user's may hold."""
    checkout, space = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("space")
    for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT).decode().strip("\0").split("\0"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, checkout / name)
    for name in PRIVATE:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("private")
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/hf").symlink_to(Path(sys.executable).with_name("hf"))
    (command,) = re.findall(r"^\.venv/bin/hf upload user/space .*$", README, re.MULTILINE)
    with HubServer() as hub:
        env = os.environ | hub.environment(checkout.parent / "cache")
        done = subprocess.run(command, shell=True, cwd=checkout, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert hub.repos["user/space"].sdk == "gradio"
        repo = hub.repos["user/space"]
    for name, content in repo.files.items():
        (space / name).parent.mkdir(parents=True, exist_ok=True)
        (space / name).write_bytes(content)
    binary = {name for name, content in repo.files.items() if b"\0" in content}
    assert binary and binary <= repo.large  # which a Hub takes in no other way
    return space


def test_what_is_needed_arrives_and_nothing_private(arrived):
    names = {str(path.relative_to(arrived)) for path in arrived.rglob("*") if path.is_file()}
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "README.md",
        "README.ko.md",
        "LICENSE",
        "requirements.txt",
        "app.py",
        "diffusion",
        "checkpoints",
        "docs",
    }
    assert not names & set(PRIVATE) and not any(name.endswith((".pyc", ".pyi")) for name in names)


def test_the_page_opens_from_what_arrived(arrived, tmp_path):
    with running_app(tmp_path, root=arrived) as running:
        page = urllib.request.urlopen(running.url).read().decode()
        config = urllib.request.urlopen(f"{running.url}/config").read().decode()
    assert "Diffusion, step by step" in page and "gradio_config" in page
    assert "mnist-cosine" in config and "text_to_image" in config and not running.logged_traceback()


def test_the_front_matter_is_that_of_a_space():
    matter = RepoCard(README).data.to_dict()
    requirement = (ROOT / "requirements.txt").read_text().splitlines()[0]
    assert (
        matter["sdk"] == "gradio" and requirement == f"gradio=={matter['sdk_version'].rpartition('.')[0]}.*"
    )
    assert matter["app_file"] == "app.py" and matter["python_version"] == "3.12"
    assert {matter["colorFrom"], matter["colorTo"]} <= COLOURS
    assert matter["suggested_hardware"] in {hardware.value for hardware in SpaceHardware}
    assert matter["title"] and matter["emoji"] and matter["license"] == "apache-2.0"
    assert len(matter["short_description"]) <= 60
