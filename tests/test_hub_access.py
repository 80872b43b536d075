"""Private and gated repos, mirrors, the cache without a network, revisions, and pasted addresses."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import ROOT
from hub_server import GUEST_TOKEN, TOKEN, HubServer, Repo, commit_of
from test_hub import ask, closed_address, contents, says
from training import environment, write_mnist

from diffusion import CheckpointError, load_model, save_model
from diffusion.addresses import RepoAddress, repo_address
from diffusion.hub import repo_of
from diffusion.models.folder import load_folder


@pytest.fixture(scope="module")
def states(tiny_model, tmp_path_factory) -> dict[str, dict[str, bytes]]:
    """Three states of a model, which differ in what they say of themselves; by revision."""
    folder = tmp_path_factory.mktemp("states")
    for i, name in enumerate(("main", "v1", "refs/pr/3")):
        save_model(folder / str(i), replace(tiny_model, about={"data": name, "images_seen": i}))
    return {name: contents(folder / str(i)) for i, name in enumerate(("main", "v1", "refs/pr/3"))}


def repo_with(states, **attributes) -> Repo:
    repo = Repo(states["main"])
    repo.others = {name: files for name, files in states.items() if name != "main"}
    for name, value in attributes.items():
        setattr(repo, name, value)
    return repo


def state_in(folder: Path) -> str:
    return load_folder(folder).about["data"]


# Who may read what


@pytest.mark.parametrize(
    "kind, token, words",
    [
        ("private", None, ("it is private, or there is no such repo", "`hf auth login` or set HF_TOKEN.")),
        ("private", GUEST_TOKEN, ("no such repo, or it is private and this token may not read it.",)),
        ("private", "hf_nobody", ("the Hub does not accept the token",)),
        ("private", TOKEN, None),
        ("gated", None, ("it is gated: ask for access at http://", "/user/model, then run `hf auth login`")),
        ("gated", GUEST_TOKEN, ("it is gated, and this token's owner was not let in: ask for access at",)),
        ("gated", TOKEN, None),
        ("public", None, None),
    ],
)
def test_a_repo_is_read_by_whom_it_is_open_to(states, tmp_path, kind, token, words):
    with HubServer() as hub:
        hub.repos["user/model"] = repo_with(states, **({} if kind == "public" else {kind: True}))
        env = hub.environment(tmp_path / "cache", token)
        (answer,) = ask(env, ("load", "user/model", tmp_path / "pulled"))
    if words is None:
        assert answer == "model" and state_in(tmp_path / "pulled") == "main"
    else:
        assert says(answer, "HubError", "user/model is no folder here", *words)


# Where it is read from


def test_another_address_of_the_hub_is_a_mirror_of_it(states, tmp_path):
    """What is pasted from the Hub itself is loaded from the mirror, which alone can be reached here."""
    with HubServer() as hub:
        hub.repos["user/model"] = repo_with(states)
        env = hub.environment(tmp_path / "cache", None)
        places = ("https://huggingface.co/user/model/tree/v1", f"{hub.address}/user/model/tree/v1")
        answers = ask(env, *(("load", place, tmp_path / str(i)) for i, place in enumerate(places)))
        assert any("resolve" in request for request in hub.requests)
    assert answers == ["model", "model"] and {state_in(tmp_path / str(i)) for i in range(2)} == {"v1"}


def test_a_filled_cache_needs_no_hub_and_an_empty_one_says_so(states, tmp_path):
    names = ("user/model", "user/model@v1", "user/model@" + commit_of(states["v1"]))
    with HubServer() as hub:
        hub.repos["user/model"] = repo_with(states)
        env = hub.environment(tmp_path / "cache", None)
        filled = ask(env, *(("load", name, tmp_path / f"online{i}") for i, name in enumerate(names)))
        offline = env | {"HF_HUB_OFFLINE": "1"}
        before = len(hub.requests)
        again = ask(offline, *(("load", name, tmp_path / f"offline{i}") for i, name in enumerate(names)))
        (other,) = ask(offline, ("load", "user/model@refs/pr/3", tmp_path / "other"))
        (empty,) = ask(offline | {"HF_HOME": str(tmp_path / "new")}, ("load", "user/model", tmp_path / "no"))
        assert len(hub.requests) == before
    assert filled == again == ["model"] * 3
    for i, state in enumerate(("main", "v1", "v1")):
        assert state_in(tmp_path / f"online{i}") == state_in(tmp_path / f"offline{i}") == state
    (gone,) = ask(env | {"HF_ENDPOINT": closed_address()}, ("load", "user/model@v1", tmp_path / "gone"))
    assert gone == "model" and state_in(tmp_path / "gone") == "v1"
    for answer, name in ((other, "user/model@refs/pr/3"), (empty, "user/model")):
        assert says(
            answer, "HubError", f"{name} is no folder here", "not in the cache, and HF_HUB_OFFLINE is set"
        )


# How it is named


def test_every_way_to_name_a_state_leads_to_it(states, tmp_path):
    with HubServer() as hub:
        hub.repos["user/model"] = repo_with(states)
        commit = commit_of(states["v1"])
        asked = {
            "user/model@main": "main",
            "user/model@v1": "v1",
            f"user/model@{commit}": "v1",
            "user/model@refs/pr/3": "refs/pr/3",
            f"{hub.address}/user/model": "main",
            f"{hub.address}/user/model/": "main",
            f"huggingface.co/user/model/tree/{commit}": "v1",
            f"https://hf.co/user/model/tree/{quote('refs/pr/3', safe='')}": "refs/pr/3",
        }
        env = hub.environment(tmp_path / "cache")
        requests = [("load", name, tmp_path / str(i)) for i, name in enumerate(asked)]
        requests += [("load", name, tmp_path / "no") for name in ("user/model@v9", "user/nothing@v1")]
        *names, unknown, nothing = ask(env, *requests)
    assert names == ["model"] * len(asked)
    assert [state_in(tmp_path / str(i)) for i in range(len(asked))] == list(asked.values())
    assert says(unknown, "HubError", "user/model@v9 is no folder here", "the repo has no such revision.")
    assert says(nothing, "HubError", "user/nothing@v1 is no folder here", "there is no such repo")


@pytest.mark.parametrize(
    "text, repo",
    [
        ("a/b", RepoAddress("a/b")),
        (" a/b \n", RepoAddress("a/b")),
        ("a/b@v1", RepoAddress("a/b", "v1")),
        ("a/b@refs/pr/3", RepoAddress("a/b", "refs/pr/3")),
        ("https://huggingface.co/a/b", RepoAddress("a/b")),
        ("http://huggingface.co/a/b/", RepoAddress("a/b")),
        ("https://huggingface.co/a/b?library=pytorch#use", RepoAddress("a/b")),
        ("huggingface.co/a/b/tree/main", RepoAddress("a/b", "main")),
        ("https://huggingface.co/datasets/a/b", RepoAddress("a/b", None, "dataset")),
        ("https://huggingface.co/spaces/a/b/tree/x", RepoAddress("a/b", "x", "space")),
        ("https://hf.co/a/b/tree/refs/pr/3", RepoAddress("a/b", "refs/pr/3")),
        ("https://mirror.example/hub/a/b/tree/v1", RepoAddress("a/b", "v1")),
        *[
            (text, None)
            for text in ("", "a", "a/", "/b", "a/b/c", "../b", "a/..", "./b", "a/b@", "/a/b", "@a/b")
        ],
        *[
            (text, None)
            for text in (
                "https://huggingface.co/a",
                "https://huggingface.co/a/b/blob/main/config.json",
                "https://huggingface.co/a/b/tree/main/unet",
                "https://huggingface.co/a/b/tree",
                "https://example.com/a/b",
                "ftp://huggingface.co/a/b",
                "https://huggingface.co.example.com/a/b",
            )
        ],
    ],
)
def test_what_a_text_names(monkeypatch, text, repo):
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub")
    assert repo_address(text) == repo
    if repo is not None and repo.kind == "model":
        assert repo_address(str(repo)) == repo


def test_a_data_set_is_no_model():
    with pytest.raises(CheckpointError) as refusal:
        load_model("https://huggingface.co/datasets/user/faces")
    assert str(refusal.value).endswith("faces is one of the Hub's data sets, not of its models.")


def test_a_folder_comes_before_a_repo_of_its_name(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(Path("user/model@v1"), tiny_model)
    assert load_model("user/model@v1").name == "model@v1"


def test_a_copy_knows_its_repo_and_its_state(tmp_path):
    copies = tmp_path / "models--user--model"
    for commit in ("new", "old"):
        (copies / "snapshots" / commit).mkdir(parents=True)
    assert repo_of(copies / "snapshots/old") == "user/model"
    (copies / "refs").mkdir()
    (copies / "refs/main").write_text("new")
    assert repo_of(copies / "snapshots/new") == "user/model"
    assert repo_of(copies / "snapshots/old") == "user/model@old" and repo_of(copies) is None


# Wherever a repo is named

SHOWN = """
import json, sys
from diffusion.hub import load_models
print(json.dumps({name: model.about["data"] for name, model in load_models(sys.argv[1:]).items()}))
"""


def test_the_page_shows_states_side_by_side(states, tmp_path):
    """As MODEL names them, with commas; the same one, named twice, is one."""
    with HubServer() as hub:
        hub.repos["user/model"] = repo_with(states)
        env = environment(**hub.environment(tmp_path / "cache"))
        named = ["user/model", "https://huggingface.co/user/model/tree/v1", "user/model@v1"]
        command = [sys.executable, "-c", SHOWN, *named]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '{"user/model": "main", "user/model@v1": "v1"}'


def test_a_run_begins_with_a_state_however_it_is_named(tmp_path):
    """And goes on with it under its other name; another state is another beginning."""
    write_mnist(tmp_path / "data")

    with HubServer() as hub:
        hub.repos["user/start"] = repo = Repo({"README.md": b"nothing yet"})
        env = environment(**hub.environment(tmp_path / "cache"))

        def train(*flags: str, out: str = "out") -> subprocess.CompletedProcess:
            command = [
                sys.executable,
                str(ROOT / "tests/training.py"),
                "mnist",
                "--total-images",
                "32",
                *flags,
            ]
            command += ["--data-dir", str(tmp_path / "data"), "--out", str(tmp_path / out)]
            return subprocess.run(command, env=env, capture_output=True, text=True, timeout=400)

        assert train(out="start").returncode == 0
        repo.others["v1"] = {
            name: (tmp_path / "start" / name).read_bytes() for name in ("config.json", "model.safetensors")
        }
        begun = train("--init", "https://huggingface.co/user/start/tree/v1", "--time-limit", "1e-9")
        assert begun.returncode == 0, begun.stderr
        other, done = (train("--init", init) for init in ("user/start", "user/start@v1"))
    assert other.returncode == 1 and "holds a run with another init" in other.stderr
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "out/README.md").read_text("utf-8")
    assert "begun with the weights of user/start@v1" in card
    assert load_model(tmp_path / "out").about["began_with"][0]["name"] == "user/start@v1"
