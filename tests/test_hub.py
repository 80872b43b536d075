import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cat_models import few_cats, model_of, text_model_of
from conftest import ROOT, randomised, record
from hub_server import HubServer, Repo
from training import environment, write_mnist

from diffusion import CheckpointError, UNet, load_model, make_film, save_film, save_model
from diffusion.data.cats import Rule
from diffusion.data.grids import image_grid, png_bytes
from diffusion.films.samples import every_class
from diffusion.films.training_history import light_sprite, load_history
from diffusion.hub import HUB_FILES
from diffusion.models import weights
from diffusion.models.card import save_metrics
from diffusion.models.digit_judge import CLASSIFIER_FILE, save_classifier
from diffusion.models.typical import TYPICAL_FILE, measured, save_typical
from diffusion.nets.digit_classifier import DigitClassifier

ASK = """
import json, sys
from pathlib import Path
from diffusion import CheckpointError, HubError, load_model, push_to_hub, save_model
answers = []
for verb, *arguments in json.loads(sys.argv[1]):
    try:
        if verb == "push":
            answers.append(push_to_hub(*arguments))
        elif verb == "told":
            push_to_hub(*arguments, tell=(lines := []).append)
            answers.append(lines)
        else:
            model = load_model(arguments[0])
            save_model(Path(arguments[1]), model)
            answers.append(model.name)
    except (CheckpointError, HubError) as error:
        answers.append([type(error).__name__, str(error)])
print(json.dumps(answers))
"""


def ask(env: dict[str, str], *requests: tuple) -> list:
    """Answers to requests, from one process with this environment.

    ("push", folder, repo): its address; ("told", folder, repo, "public" or ""): what was said of the push;
    ("load", repo, where to save it): the model's name.
    """
    command = [sys.executable, "-c", ASK, json.dumps([[str(x) for x in request] for request in requests])]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**env), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def says(answer: list, kind: str, *words: str) -> bool:
    """Whether an answer is one sentence of an error, with these words."""
    name, message = answer
    one_sentence = message.endswith(".") and "\n" not in message and "http 4" not in message.lower()
    return name == kind and one_sentence and all(word in message for word in words)


@pytest.fixture
def folder(tiny_model, tmp_path) -> Path:
    """A checkpoint with all that belongs to it, and with a run's state and other files beside it."""
    path = tmp_path / "tiny"
    model = replace(tiny_model, about={"data": "MNIST", "licence": "CC BY-SA 3.0", "images_seen": 5})
    save_model(path, model)
    save_film(path, film := make_film(model, **every_class(model, 1) | {"num_steps": 2}))
    (path / "samples.png").write_bytes(png_bytes(image_grid(film.frames[-1, 0], 1)))
    save_metrics(path, model, {"bits/dim": "2.5"})
    (path / "log.jsonl").write_text('{"images_seen": 5}\n')
    (path / "samples").mkdir()
    for private in ("state.safetensors", "notes.txt", "samples/000005.png", ".token"):
        (path / private).write_bytes(b"private")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_pushed_model_comes_back_bitwise(folder, tmp_path):
    before = contents(folder)
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        address, name, again = ask(
            env,
            ("push", folder, "user/digits"),
            ("load", "user/digits", tmp_path / "pulled"),
            ("push", folder, "user/digits"),
        )
        uploaded = hub.repos["user/digits"].files
        assert address == again == f"{hub.address}/user/digits" and name == "digits"
        assert sum(request.startswith("PUT") for request in hub.requests) == 3  # nothing is sent twice
    assert uploaded == {name: before[name] for name in HUB_FILES if name in before}
    assert contents(folder) == before
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "pulled" / name).read_bytes() == before[name]
    assert ask(env, ("load", "user/digits", tmp_path / "cached")) == ["digits"]  # the Hub is gone by now
    weights, original = (load_model(f).net.state_dict() for f in (tmp_path / "cached", folder))
    assert all(torch.equal(weights[k], original[k]) for k in original)


def test_shards_replace_one_file_and_the_other_way_round(tiny_model, tmp_path, monkeypatch):
    """Four models, one after the other in the same repo: of the former layout nothing stays there."""
    requests, pushed = [], []
    for i, size in enumerate((10**9, 300_000, 400_000, 10**9)):
        model = replace(tiny_model, net=randomised(UNet(tiny_model.net.config)))
        next(model.net.parameters()).fill_(i)
        monkeypatch.setattr(weights, "MAX_SHARD_BYTES", size)
        pushed.append(tmp_path / f"pushed{i}")
        save_model(pushed[i], model)
        requests += [("push", pushed[i], "user/digits"), ("load", "user/digits", tmp_path / f"pulled{i}")]
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        hub.repos["user/digits"] = repo = Repo()
        theirs = {".gitattributes": b"theirs", "notes.md": b"theirs"}
        repo.files = dict(theirs)
        for last in (1, 3):
            assert ask(env, *requests[2 * last - 2 : 2 * last + 2])[1::2] == ["digits"] * 2
            assert repo.files == theirs | contents(pushed[last])
            assert any(name.startswith("model-0") for name in repo.files) == (last == 1)
    for i in range(4):
        loaded, original = (
            load_model(tmp_path / f"{way}{i}").net.state_dict() for way in ("pulled", "pushed")
        )
        assert all(torch.equal(loaded[k], original[k]) for k in original)


def test_a_repo_is_private_unless_it_is_asked_to_be_public_or_is_there(folder, tmp_path):
    with HubServer() as hub:
        hub.repos["user/there"] = Repo()
        told = ask(
            hub.environment(tmp_path / "cache"),
            *(
                ("told", folder, repo, public)
                for repo in ("user/mine", "user/there")
                for public in ("", "public")
            ),
            ("told", folder, "user/ours", "public"),
        )
        private = {name: repo.private for name, repo in hub.repos.items()}
        size = len(hub.repos["user/mine"].files["model.safetensors"])
    assert private == {"user/there": False, "user/mine": True, "user/ours": False}
    assert [lines[0] for lines in told] == [
        "To user/mine, a new repo, private:",
        "To user/mine, which is there, private, and stays so:",
        "To user/there, which is there, public, and stays so:",
        "To user/there, which is there, public, and stays so:",
        "To user/ours, a new repo, public:",
    ]
    assert f"  model.safetensors, {size:,} bytes" in told[0] and len(told[0]) == 9
    assert not any(name in "".join(told[0]) for name in ("state", "notes", "token", "samples/"))


def test_no_picture_of_somebodys_own_is_uploaded(folder, tiny_model, tmp_path):
    record(folder, tiny_model)
    own = shutil.copytree(folder, tmp_path / "own")
    save_metrics(own, model := replace(tiny_model, about={"data": "the folder MNIST", "images_seen": 5}), {})
    save_model(own, model)
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        (of_mnist, of_own) = ask(env, ("told", folder, "user/mnist"), ("told", own, "user/own"))
        ask(env, ("load", "user/own", tmp_path / "pulled"))
        mnist, pulled = (set(hub.repos[f"user/{name}"].files) for name in ("mnist", "own"))
    assert mnist - pulled == {"examples.png"} and not any("stays here" in line for line in of_mnist)
    assert of_own[0] == "examples.png stays here: it shows pictures that were trained on."
    (snapshot,) = (tmp_path / "cache").rglob("snapshots/*/training.json")
    history = load_history(snapshot.parent)
    assert len(history.frames) == 3 and len(history.examples) == 0
    card = (own / "README.md").read_text("utf-8")
    assert all((snapshot.parent / name).exists() for name in re.findall(r"\w+\.(?:png|jsonl?)", card))


def test_cats_travel_with_their_parts_and_leave_none_to_another_model(folder, tmp_path):
    model = model_of(few_cats(Rule(7, 1000, 300)))
    save_model(tmp_path / "few-cats", model)
    save_metrics(tmp_path / "few-cats", model, {})
    (tmp_path / "few-cats/examples.png").write_bytes(b"of drawings that everybody may have")
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        hub.repos["user/notes"] = notes = Repo()
        notes.files = dict.fromkeys(theirs := ("parts.json", "parts.png"), b"of a clock")
        answers = ask(
            env,
            ("told", tmp_path / "few-cats", "user/cats"),
            ("load", "user/cats", tmp_path / "pulled"),
            ("push", folder, "user/notes"),
            ("load", "user/notes", tmp_path / "with-notes"),
        )
        assert hub.repos["user/cats"].files == contents(tmp_path / "few-cats")
        ask(env, ("push", folder, "user/cats"))
        assert not {*theirs} & hub.repos["user/cats"].files.keys()
        assert all(notes.files[name] == b"of a clock" for name in theirs)
    assert any(line.startswith("  parts.png, ") for line in answers[0])
    assert answers[1] == "cats" and answers[3] == "notes"
    pulled = load_model(tmp_path / "pulled").cats
    assert pulled.rule == model.cats.rule and pulled.names == model.cats.names
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(pulled.layers, model.cats.layers))
    assert load_model(tmp_path / "with-notes").cats is None


def test_cats_told_by_text_travel_with_their_parts_and_vocabulary(folder, tmp_path):
    model = text_model_of(few_cats(Rule(7, 1000, 300)))
    save_model(tmp_path / "few-words", model)
    save_metrics(tmp_path / "few-words", model, {})
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        told, _ = ask(
            env,
            ("told", tmp_path / "few-words", "user/words"),
            ("load", "user/words", tmp_path / "pulled"),
        )
        files = hub.repos["user/words"].files
        assert files == contents(tmp_path / "few-words")
        ask(env, ("push", folder, "user/words"))
        assert not {"parts.json", "parts.png", "tokenizer.json"} & hub.repos["user/words"].files.keys()
    assert all(
        any(line.startswith(f"  {name}, ") for line in told) for name in ("parts.png", "tokenizer.json")
    )
    pulled = load_model(tmp_path / "pulled")
    assert pulled.cats.rule == model.cats.rule and pulled.tokenizer.to_str() == model.tokenizer.to_str()


def test_a_film_and_a_history_do_not_outlive_their_model(folder, tiny_model, tmp_path):
    plain = shutil.copytree(folder, tmp_path / "plain")
    for name in ("film.dat", "film.json"):
        (plain / name).unlink()
    record(folder, tiny_model)
    light = shutil.copytree(folder, tmp_path / "light")
    (light / "training.webp").write_bytes(light_sprite(light / "training.png"))
    (light / "training.png").unlink()
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        ask(env, ("push", folder, "user/digits"))
        repo = hub.repos["user/digits"]
        repo.files |= {"film.png": b"of another format", "training.md": b"theirs"}
        of_a_run = set(repo.files)
        ask(env, ("push", light, "user/digits"))
        assert repo.files.keys() == of_a_run - {"training.png", "film.png"} | {"training.webp"}
        ask(env, ("push", folder, "user/digits"), ("push", plain, "user/digits"))
        history = {"training.png", "training.json", "examples.png"}
        assert repo.files.keys() == of_a_run - history - {"film.png", "film.dat", "film.json"}
        repo.files |= (theirs := {"training.png": b"theirs", "film.png": b"theirs"})  # in an edited card, say
        ask(env, ("push", plain, "user/digits"))
        assert repo.files.items() >= theirs.items()


def test_what_judges_a_models_pictures_does_not_outlive_it(folder, tmp_path):
    judged = shutil.copytree(folder, tmp_path / "judged")
    save_classifier(judged, DigitClassifier(), 0.99)
    save_typical(judged, measured(torch.linspace(0.1, 0.3, 201)))
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        ask(env, ("push", judged, "user/digits"))
        pushed = hub.repos["user/digits"].files
        assert all(pushed[name] == contents(judged)[name] for name in (CLASSIFIER_FILE, TYPICAL_FILE))
        ask(env, ("push", folder, "user/digits"))
        assert not {CLASSIFIER_FILE, TYPICAL_FILE} & hub.repos["user/digits"].files.keys()


def test_what_others_put_into_the_repo_stays(folder, tiny_model, tmp_path):
    names = ("model-old/weights.safetensors", "model-old.safetensors", "old/model.safetensors")
    theirs = dict.fromkeys((*names, "tokenizer.json", "samples/a.png", "notes.md"), b"theirs")
    (folder / "model-mine").mkdir()
    (folder / "model-mine/weights.safetensors").write_bytes(b"private")
    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        hub.repos["user/digits"] = repo = Repo()
        repo.files = dict(theirs)
        ask(env, ("push", folder, "user/digits"))
        assert repo.files["README.md"] == (folder / "README.md").read_bytes()
        save_metrics(folder, tiny_model, {"bits/dim": "2.0"})
        (told,) = ask(env, ("told", folder, "user/digits"))
        assert b"bits/dim: 2.0" in repo.files["README.md"] and told[0].startswith("To user/digits")
        repo.files["README.md"] = edited = repo.files["README.md"].replace(b"## Use", b"## How to use")
        save_metrics(folder, tiny_model, {"bits/dim": "1.5"})
        told, again = ask(env, *[("told", folder, "user/digits")] * 2)
        assert repo.files["README.md"] == edited and b"1.5" in repo.files["metrics.json"]
        assert told[0] == "user/digits keeps its README.md, which somebody wrote or edited on the Hub."
        assert again == told and not any(line.startswith("  README.md") for line in told)
        assert repo.files.items() >= theirs.items() and "model-mine/weights.safetensors" not in repo.files


def test_another_programs_model_is_left_alone(folder, tmp_path):
    configs = [
        b'{"architectures": ["BertModel"]}',
        b"{}",
        b'{"unet": 1}',
        b'{"unet": {}}',
        b"[]",
        b"{",
        b"\xff",
    ]
    theirs = [{"config.json": config, "model.safetensors": b"theirs"} for config in configs]
    names = ["model.safetensors log.jsonl samples.png README.md", "model-00001-of-00002.safetensors"]
    names += ["model.safetensors.index.json", "samples.png", "model_index.json unet/config.json"]
    names += ["adapter_config.json adapter_model.safetensors"]
    theirs += [dict.fromkeys(several.split(), b"theirs") for several in names]
    with HubServer() as hub:
        for i, files in enumerate(theirs):
            hub.repos[f"user/{i}"] = Repo()
            hub.repos[f"user/{i}"].files = dict(files)
        env = hub.environment(tmp_path / "cache")
        answers = ask(env, *[("push", folder, f"user/{i}") for i in range(len(theirs))])
        left = [repo.files for repo in hub.repos.values()]
    assert left == theirs
    for i, answer in enumerate(answers):
        assert says(answer, "HubError", f"{folder} was not uploaded to user/{i}: ", "another model")
        assert str(tmp_path / "cache") not in answer[1]


def test_a_repo_without_a_model_takes_one(folder, tmp_path):
    theirs = dict.fromkeys((".gitattributes", "README.md", "LICENSE"), b"theirs")
    with HubServer() as hub:
        hub.repos["user/digits"] = repo = Repo()
        repo.files = dict(theirs)
        env = hub.environment(tmp_path / "cache")
        ask(env, ("push", folder, "user/digits"), ("load", "user/digits", tmp_path / "pulled"))
        assert repo.files.items() >= theirs.items() and "model.safetensors" in repo.files


def test_what_the_hub_does_not_have_or_allow(folder, tmp_path):
    with HubServer() as hub:
        (broken := tmp_path / "broken").mkdir()
        hub.repos["user/broken"] = Repo()
        hub.repos["user/broken"].files = contents(folder) | {"model.safetensors": b"no weights"}
        answers = ask(
            hub.environment(tmp_path / "cache"),
            ("load", "user/nothing", tmp_path),
            ("load", "user/not a name", tmp_path),
            ("push", folder, "stranger/digits"),
            ("push", folder, "user/not a name"),
            ("push", folder, "digits"),
            ("push", folder, "a/b/c"),
            ("push", broken, "user/digits"),
            ("load", "user/broken", tmp_path),
        )
        assert list(hub.repos) == ["user/broken"]
    assert says(answers[0], "HubError", "user/nothing", "there is no such repo")
    assert says(
        answers[1], "CheckpointError", "user/not a name is neither a folder nor the name of a Hub repo"
    )
    assert says(answers[2], "HubError", "stranger/digits", "does not accept the token for this repo")
    for answer in answers[3:6]:
        assert says(answer, "HubError", "that cannot be a repo's name, use user/name")
    assert says(answers[6], "CheckpointError", str(broken), "not a checkpoint")
    truncated = "user/broken/model.safetensors is truncated or not a safetensors file"
    assert says(answers[7], "CheckpointError", truncated)


def closed_address() -> str:
    with HubServer() as hub:
        return hub.address


@pytest.mark.parametrize(
    "state, pushing, loading",
    [
        (
            "no token",
            "no Hugging Face token",
            "it is private, or there is no such repo; to use",
        ),
        ("refused token", "the Hub does not accept the token", "the Hub does not accept the token"),
        ("offline", "HF_HUB_OFFLINE is set", "it is not in the cache, and HF_HUB_OFFLINE is set"),
        ("no network", "cannot be reached; check the network", "cannot be reached; check the network"),
        ("out of order", "the Hub answered with status 503", "the Hub answered with status 503"),
    ],
)
def test_without_a_usable_hub_there_is_a_sentence_soon(folder, tmp_path, state, pushing, loading):
    before = contents(folder)
    with HubServer(failing=503 if state == "out of order" else None) as hub:
        token = {"no token": None, "refused token": "hf_stranger"}.get(state, "hf_test")
        env = hub.environment(tmp_path / "cache", token)
        env |= {"HF_HUB_OFFLINE": "1"} if state == "offline" else {}
        env |= {"HF_ENDPOINT": closed_address()} if state == "no network" else {}
        started = time.monotonic()
        answers = ask(env, ("push", folder, "user/digits"), ("load", "user/nothing", tmp_path))
        assert time.monotonic() - started < 30
    assert says(answers[0], "HubError", f"{folder} was not uploaded to user/digits", pushing)
    assert says(answers[1], "HubError", "user/nothing is no folder here", loading)
    assert contents(folder) == before


def test_training_pushes_and_says_where(tmp_path):
    """First without a network: the model is trained all the same, and the same command then uploads it."""
    write_mnist(tmp_path / "data")
    out = tmp_path / "digits"
    command = [sys.executable, str(ROOT / "tests/training.py"), "mnist", "--data-dir", str(tmp_path / "data")]
    command += ["--out", str(out), "--total-images", "16", "--push-to-hub", "user/digits"]

    def train(env: dict[str, str]) -> subprocess.CompletedProcess:
        return subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=400)

    with HubServer() as hub:
        env = hub.environment(tmp_path / "cache")
        failed = train(env | {"HF_ENDPOINT": closed_address()})
        assert failed.returncode == 1 and "Traceback" not in failed.stderr
        last_line = failed.stderr.splitlines()[-1]
        assert last_line.startswith(f"train.py: {out} was not uploaded to user/digits: http://127.0.0.1")
        trained = load_model(out).net.state_dict()
        done = train(env)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[-1] == f"{hub.address}/user/digits" and hub.repos["user/digits"].private
        assert "To user/digits, a new repo, private:" in lines
        assert ask(env, ("load", "user/digits", tmp_path / "pulled")) == ["digits"]
        not_written = {"curves.json", "model-*.safetensors", "model.safetensors.index.json"}
        not_written |= {"tokenizer.json", "atlas.png", "atlas.json"}  # of a text model
        not_written |= {"parts.png", "parts.json"}  # of a model of cats
        not_written |= {"training.webp", "digit_classifier.safetensors", "typical.json"}  # of what is shipped
        assert set(hub.repos["user/digits"].files) == set(HUB_FILES) - not_written
    pulled = load_model(tmp_path / "pulled").net.state_dict()
    assert all(torch.equal(trained[k], pulled[k]) for k in trained)


# Without a Hub


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/absolute/path", "../up", "/nowhere", ""])
def test_what_is_neither_a_folder_nor_a_repo(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="neither a folder nor a Hub repo|not a checkpoint"):
        load_model(name)


def test_all_of_a_models_folder_goes_to_the_hub_but_a_runs_state():
    model = ["config.json", "model.safetensors", "model.safetensors.index.json", "model-*.safetensors"]
    pictures = ["samples.png", "film.dat", "training.png", "training.webp", "examples.png", "atlas.png"]
    numbers = ["film.json", "training.json", "atlas.json", "curves.json", "metrics.json", "log.jsonl"]
    of_one_kind = [
        "tokenizer.json",
        "parts.png",
        "parts.json",
        "digit_classifier.safetensors",
        "typical.json",
    ]
    assert sorted(HUB_FILES) == sorted([*model, *of_one_kind, *pictures, *numbers, "README.md"])
