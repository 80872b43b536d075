"""Deploying as README says: its command, given to a Hub, and the page opened from what arrived there."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import ROOT, needs_browser, open_page, running_app
from hub_server import TOKEN, HubServer, Repo
from huggingface_hub import RepoCard
from playwright.sync_api import expect

from diffusion.models.deploy import HARDWARE

README = (ROOT / "README.md").read_text("utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # that the Hub knows
PRIVATE = (
    ".env",
    "runs/x/README.md",
    "data/MNIST/raw/t",
    "my-photos/cat/1.png",
    "diffusion/__pycache__/a.pyc",
    "diffusion/ui/page.pyi",
    "diffusion/.notes/a.py",
    "checkpoints/cats/state.safetensors",
    "checkpoints/mnist/.token",
    "checkpoints/mnist/samples/000005.png",
    "docs/draft.md",
)


def deployed(hub: HubServer, checkout: Path, *options: str, token: str | None = TOKEN):
    """What README's command says and returns, given in this folder, with options added."""
    (command,) = re.findall(
        r"^\.venv/bin/python -m diffusion\.models\.deploy user/space$", README, re.MULTILINE
    )
    env = os.environ | hub.environment(checkout.parent / "cache", token)
    command = " ".join([command, *options])
    return subprocess.run(command, shell=True, cwd=checkout, env=env, capture_output=True, text=True)


def refusal(done) -> str:
    """The one sentence by which it ends."""
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("deploy: user/space was not deployed: ") and done.stderr.endswith(".\n")
    return done.stderr


def copy_of_program(folder: Path) -> Path:
    """A folder with all that a user's may hold."""
    for name in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT).decode().strip("\0").split("\0"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name in PRIVATE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("private")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def checkout(tmp_path) -> Path:
    return copy_of_program(tmp_path / "checkout")


@pytest.fixture(scope="module")
def arrived(tmp_path_factory) -> Path:
    """A folder with what the command uploads."""
    checkout, space = copy_of_program(tmp_path_factory.mktemp("checkout")), tmp_path_factory.mktemp("space")
    with HubServer() as hub:
        done = deployed(hub, checkout)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"{hub.address}/spaces/user/space"
        repo = hub.repos["user/space"]
        assert (repo.sdk, repo.private, repo.hardware) == ("gradio", True, "zero-a10g")
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
    assert {name for name in names if name.endswith((".gif", ".png")) and name.startswith("docs/")} == {
        *("docs/film.gif", "docs/screenshot.png", "docs/text_to_image.png")
    }
    assert sum(path.stat().st_size for path in arrived.rglob("*") if path.is_file()) <= 100_000_000


@needs_browser
def test_the_page_opens_from_what_arrived(arrived, browser, tmp_path):
    with running_app(tmp_path, root=arrived) as running:
        config = urllib.request.urlopen(f"{running.url}/config").read().decode()
        page = open_page(browser, running)
        assert page.title() == "Diffusion, step by step"
        page.get_by_role("tab", name="Reverse", exact=True).click()
        page.get_by_role("button", name="Sample", exact=True).click()
        expect(page.locator(".lab.reverse .made")).to_contain_text("drawn by the model “cats”")
        assert page.errors == []
        page.close()
    assert "mnist-cosine" in config and "text_to_image" in config and not running.logged_traceback()


def test_again_it_uploads_what_changed_and_deletes_what_went_away(checkout):
    with HubServer() as hub:
        for _ in range(2):
            done = deployed(hub, checkout, "--public")
            assert done.returncode == 0, done.stderr
        assert "To user/space: 0 of " in done.stdout and "runs on" not in done.stdout
        repo = hub.repos["user/space"]
        assert repo.commits == 1 and not repo.private
        assert sum(request.endswith("/hardware") for request in hub.requests) == 1
        repo.files["packages.txt"] = b"theirs"
        before, sent = dict(repo.files), len(hub.requests)
        with open(checkout / "diffusion/noise.py", "a") as file:
            file.write("# changed\n")
        (checkout / "diffusion/data/new.txt").write_text("new")
        (checkout / "checkpoints/mnist/log.jsonl").unlink()
        config = json.loads((checkout / "checkpoints/cats/config.json").read_text())
        config["about"]["data"] = "my photos"  # of which nobody is to see any
        (checkout / "checkpoints/cats/config.json").write_text(json.dumps(config))
        done = deployed(hub, checkout)
        assert "To user/space: 3 of " in done.stdout and "2 to delete there." in done.stdout
        gone = {"checkpoints/mnist/log.jsonl", "checkpoints/cats/examples.png"}
        assert set(before) - set(repo.files) == gone and set(repo.files) - set(before) == {
            "diffusion/data/new.txt"
        }
        assert {name for name in repo.files if before.get(name) != repo.files[name]} == {
            *("diffusion/noise.py", "diffusion/data/new.txt", "checkpoints/cats/config.json")
        }
        assert not any(request.startswith("PUT") for request in hub.requests[sent:])  # no large file again
        assert repo.commits == 2 and not repo.private


def test_hardware_that_is_refused_is_told_and_no_more(checkout):
    with HubServer(no_hardware="Subscribe to PRO to use ZeroGPU.") as hub:
        done = deployed(hub, checkout)
        assert done.returncode == 0 and hub.repos["user/space"].hardware == "cpu-basic"
        told = done.stdout.splitlines()[-2]
        assert told.startswith("It stays on the hardware that it has, since zero-a10g was refused: ")
        assert told.endswith("Subscribe to PRO to use ZeroGPU.")


def test_what_cannot_be_deployed_is_a_sentence_and_changes_nothing(checkout, tmp_path):
    with HubServer() as hub:
        assert "there is no Hugging Face token" in refusal(deployed(hub, checkout, token=None))
        hub.repos["user/space"] = repo = Repo()
        repo.files = {"app.py": b"theirs", "README.md": b"theirs"}
        assert "the Space has another program" in refusal(deployed(hub, checkout))
        assert repo.files == {"app.py": b"theirs", "README.md": b"theirs"}
        del hub.repos["user/space"]
        with open(checkout / "checkpoints/mnist/model.safetensors", "r+b") as file:
            file.truncate(60_000_000)
        said = refusal(deployed(hub, checkout))
        assert "at most 100 MB are allowed; the largest file is checkpoints/mnist/model.safetensors" in said
        (checkout / "LICENSE").unlink()
        assert "there is no LICENSE" in refusal(deployed(hub, checkout))
        assert hub.repos == {}
    with HubServer(failing=403) as hub:
        assert "does not accept the token" in refusal(deployed(hub, copy_of_program(tmp_path / "b")))


def test_the_front_matter_is_that_of_a_space():
    matter = RepoCard(README).data.to_dict()
    requirement = (ROOT / "requirements.txt").read_text().splitlines()[0]
    assert (
        matter["sdk"] == "gradio" and requirement == f"gradio=={matter['sdk_version'].rpartition('.')[0]}.*"
    )
    assert matter["app_file"] == "app.py" and matter["python_version"] == "3.12"
    assert {matter["colorFrom"], matter["colorTo"]} <= COLOURS
    assert matter["suggested_hardware"] == HARDWARE
    assert matter["title"] and matter["emoji"] and matter["license"] == "apache-2.0"
    assert len(matter["short_description"]) <= 60
