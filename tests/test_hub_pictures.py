"""Data sets of the Hub to train on: files in class folders and parquet files, on a Hub of our own."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from hub_server import TOKEN, HubServer, Repo, commit_of
from pictures import encoded, photo
from test_hub import closed_address, says
from training import environment

from diffusion import load_model
from diffusion.data.sources import load_image_folder
from diffusion.ui.parts.credit import credit_of_drawn

ASK = """
import json, sys
import diffusion.hub.pictures as pictures
from diffusion import CheckpointError, HubError
from diffusion.data.image_sets import DataError
limits, *names = json.loads(sys.argv[1])
for name, value in limits.items():
    setattr(pictures, name, value)
answers = []
for name in names:
    try:
        data, pinned = pictures.load_hub_pictures(name, 16)
        labels = None if data.labels is None else data.labels.tolist()
        told = [data.title, pinned, data.licence, data.classes, labels, data.found]
        answers.append([*told, data.images.tolist(), data.files])
    except (CheckpointError, DataError, HubError) as error:
        answers.append([type(error).__name__, str(error)])
print(json.dumps(answers))
"""
CARD = b"---\nlicense: cc-by-4.0\n---\n# Pets\n"


def ask(env: dict[str, str], *names: str, **limits: int) -> list:
    """What there is to train on in each data set; or what is said of it."""
    command = [sys.executable, "-c", ASK, json.dumps([limits, *names])]
    env = environment(**env)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def png(seed: int) -> bytes:
    return encoded(photo(seed=seed), "PNG")


def pets(below: str = "") -> dict[str, bytes]:
    """Two cats and three dogs, in class folders below one of this name."""
    names = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    return {f"{below}{name}": png(i) for i, name in enumerate(names)}


def table_of(columns: dict[str, list], **kinds) -> bytes:
    """As `datasets` writes them, with its notes of what the columns are."""
    import datasets
    import pyarrow
    from pyarrow import parquet

    features = datasets.Features({name: kinds.get(name) or datasets.Value("string") for name in columns})
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pydict(columns, schema=features.arrow_schema), buffer)
    return buffer.getvalue()


def table_of_pets(**changes) -> bytes:
    import datasets

    columns = {"image": [{"bytes": content, "path": None} for content in pets().values()]}
    columns |= {"label": [1, 1, 0, 0, 0]} | changes
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])}
    return table_of(columns, **kinds)


def hub_with(**repos: dict[str, bytes]) -> HubServer:
    hub = HubServer()
    hub.repos |= {f"datasets/user/{name}": Repo(files) for name, files in repos.items()}
    return hub


def folder_with(files: dict[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_files_in_class_folders_are_what_a_folder_of_them_is(tmp_path):
    local = load_image_folder(folder_with(pets(), tmp_path / "pets"), 16)
    shapes = {
        "plain": pets(),
        "below": pets("data/"),
        "parts": pets("data/train/") | {"data/test/cat/9.png": png(9), "data/val/x/y.jpg": b"no picture"},
    }
    with hub_with(**{name: files | {"README.md": CARD} for name, files in shapes.items()}) as hub:
        answers = ask(hub.environment(tmp_path / "cache", None), *(f"user/{name}" for name in shapes))
        assert not any("test" in request for request in hub.requests if "resolve" in request)
    for name, answer in zip(shapes, answers):
        title, pinned, licence, classes, labels, found, images, files = answer
        assert title == f"the data set user/{name}" and licence == "cc-by-4.0"
        assert pinned == f"user/{name}@{commit_of(shapes[name] | {'README.md': CARD})}"
        assert classes == ["cat", "dog"] and labels == local.labels.tolist()
        assert images == local.images.tolist() and files == list(local.files)
        assert found[0] == local.found[0] and "README" not in "".join(found)
        assert str(tmp_path) not in "".join(found)


def test_a_column_of_pictures_with_a_column_of_classes(tmp_path):
    local = load_image_folder(folder_with(pets(), tmp_path / "pets"), 16)
    table = {"README.md": CARD, "data/train-00000-of-00001.parquet": table_of_pets()}
    table |= {"data/test-00000-of-00001.parquet": b"never fetched", "run.py": b"raise SystemExit('run')"}
    with hub_with(table=table) as hub:
        env = hub.environment(tmp_path / "cache", None)
        ((title, pinned, licence, classes, labels, found, images, files),) = ask(env, "user/table")
        fetched = {r.rpartition("/")[2] for r in hub.requests if "/resolve/" in r}
    assert title == "the data set user/table" and pinned == f"user/table@{commit_of(table)}"
    assert licence == "cc-by-4.0" and classes == ["cat", "dog"] and labels == local.labels.tolist()
    assert images == local.images.tolist() and len(set(files)) == 5
    assert found[0] == "5 pictures, 2 classes: cat, dog"
    assert fetched == {"README.md", "train-00000-of-00001.parquet"}


def test_rows_that_are_no_pictures_are_left_out_and_said(tmp_path):
    import datasets

    secret = folder_with({"secret.png": png(7)}, tmp_path) / "secret.png"
    rows = [png(0), png(0), b"no picture", None, png(4)]
    columns = {"image": [{"bytes": each, "path": str(secret)} for each in rows], "label": [0, 0, 1, 1, None]}
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    names = "        names:\n          '0': zero\n          '1': one\n"
    named = f"---\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n{names}---\n"
    files = {
        "odd": {"data/train.parquet": table_of(columns, **kinds)},
        "plain": {
            "a.parquet": table_of(
                {"picture": columns["image"][:2], "label": [0, 1]},
                picture={"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                label=datasets.Value("int64"),
            ),
            "README.md": named.encode(),
        },
        "bare": {"a.parquet": table_of({"image": columns["image"][:2]}, image=datasets.Image())},
    }
    with hub_with(**files) as hub:
        odd, plain, bare = ask(hub.environment(tmp_path / "cache", None), *(f"user/{name}" for name in files))
    assert len(odd) == 8, odd
    assert odd[3:5] == [["a"], [0, 0]] and len(odd[6]) == 2 and odd[2] == "its card names no licence"
    said = "\n".join(odd[5])
    assert "Left out: row 2 of user/odd: This file is not a readable picture" in said
    assert "row 3 of user/odd: It is not in the data set, which only says where it lies." in said
    assert "row 4 of user/odd: It has no label that is a class." in said
    assert "1 picture is a copy of another one, such as row 1 of user/odd of row 0 of user/odd." in said
    assert plain[3:5] == [["one", "zero"], [1, 0]]
    assert bare[3:5] == [None, None] and bare[5][0] == "2 pictures, no classes"


def test_a_data_set_that_is_too_large_is_not_fetched(tmp_path):
    with hub_with(pets=pets(), table={"a.parquet": table_of_pets()}) as hub:
        env = hub.environment(tmp_path / "cache", None)
        (many,) = ask(env, "user/pets", MAX_PICTURES=4)
        (large, also) = ask(env, "user/pets", "user/table", MAX_BYTES=1000)
        assert not any("/resolve/" in request for request in hub.requests)
        (rows,) = ask(env, "user/table", MAX_PICTURES=4)
    bounds = "at most 100,000 pictures of 50,000,000 pixels each are read, of at most 5 GB of files."
    assert says(many, "DataError", "user/pets has 5 pictures: ", bounds)
    assert says(large, "DataError", "user/pets has 0.0 GB of files: ", bounds)
    assert says(also, "DataError", "user/table has 0.0 GB of files: ", bounds)
    assert says(rows, "DataError", "user/table has more pictures: ", bounds)


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path):
    import datasets

    texts = table_of({"text": ["a"], "label": [0]}, label=datasets.Value("int64"))
    broken = {
        "texts": {"a.parquet": texts},
        "broken": {"a.parquet": b"PAR1 no more"},
        "script": {"script.py": b"raise SystemExit", "data.zip": b"PK"},
        "several": {"one/train-0.parquet": texts, "two/train-0.parquet": texts},
        "unreadable": {"cat/0.png": b"no picture"},
    }
    with hub_with(**broken) as hub:
        hub.repos["datasets/user/mine"] = private = Repo(pets())
        hub.repos["datasets/user/gated"] = gated = Repo(pets())
        private.private = gated.gated = True
        names = [*(f"user/{name}" for name in broken), "user/mine", "user/gated", "user/no", "a/b/c"]
        names += ["user/texts@v1", "https://huggingface.co/user/model"]
        answers = dict(zip(names, ask(hub.environment(tmp_path / "cache", None), *names)))
        (open_now,) = ask(hub.environment(tmp_path / "cache", TOKEN), "user/mine")
    expected = {
        "user/texts": ("DataError", "holds no pictures: its columns are text, label."),
        "user/broken": ("DataError", "The parquet files of user/broken cannot be read: "),
        "user/script": ("DataError", "neither parquet files nor pictures in class folders."),
        "user/several": ("DataError", "user/several has several tables (one, two)"),
        "user/unreadable": ("DataError", "user/unreadable holds no readable picture"),
        "user/mine": ("HubError", "it is private, or there is no such repo; to use a private one run"),
        "user/gated": ("HubError", "/datasets/user/gated, then run `hf auth login` or set HF_TOKEN."),
        "user/no": ("HubError", "there is no such repo"),
        "a/b/c": ("DataError", "a/b/c is no data set of the Hub: name one like user/name."),
        "user/texts@v1": ("HubError", "The data set user/texts@v1 could not", "has no such revision."),
        "https://huggingface.co/user/model": ("DataError", "is no data set of the Hub"),
    }
    for name, (kind, *words) in expected.items():
        assert says(answers[name], kind, *words), answers[name]
        assert str(tmp_path) not in answers[name][1]
    assert open_now[3] == ["cat", "dog"]


def test_without_the_package_parquet_files_are_refused_and_folders_read(tmp_path):
    blocked = tmp_path / "blocked/datasets.py"
    folder_with({"datasets.py": b"raise ImportError"}, blocked.parent)
    with hub_with(pets=pets(), table={"a.parquet": table_of_pets()}) as hub:
        env = hub.environment(tmp_path / "cache", None) | {"PYTHONPATH": f"{blocked.parent}:{ROOT}"}
        folder, table = ask(env, "user/pets", "user/table")
    assert folder[3] == ["cat", "dog"]
    assert says(table, "HubError", "user/table holds parquet files: run `pip install datasets` first")


def test_the_page_credits_them_where_their_licence_asks_for_it(tiny_model):
    for licence, said in (("cc-by-4.0", "user/pets, cc-by-4.0"), ("mit", ""), ("cc0-1.0", "")):
        about = {"data": "the data set user/pets", "licence": licence}
        credit = credit_of_drawn(replace(tiny_model, about=about))
        assert said in credit and bool(credit) == bool(said)


# Training


def train(env: dict[str, str], out: Path, *flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tests/training.py"), "folder", "--image-size", "32"]
    command += ["--out", str(out), "--total-images", "32", *flags]
    return subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=400)


def test_a_run_keeps_to_the_state_of_the_data_that_it_began_with(tmp_path):
    """The data set goes on meanwhile; the run does not notice, with a Hub or without."""
    out, stop = tmp_path / "out", ("--time-limit", "1e-9")
    with hub_with(pets=pets() | {"README.md": CARD}) as hub:
        env = hub.environment(tmp_path / "cache", None)
        repo = hub.repos["datasets/user/pets"]
        first = commit_of(repo.files)
        whole = train(env, tmp_path / "whole", "--dataset", "user/pets")
        begun = train(env, out, "--dataset", f"{hub.address}/datasets/user/pets", *stop)
        assert begun.returncode == 0, begun.stderr
        repo.others["before"] = dict(repo.files)
        repo.files["bird/0.png"] = png(11)
        other = train(env, out, "--dataset", "user/pets@main")
        elsewhere = train(env, out, "--data-dir", str(folder_with(pets(), tmp_path / "pets")))
        again = train(env, out, "--dataset", "user/pets", *stop)
        unnamed = train(env, out, *stop)
    done = train(env | {"HF_ENDPOINT": closed_address()}, out, "--dataset", "user/pets")
    for refused in (other, elsewhere):
        assert refused.returncode == 1 and "holds a run with another dataset" in refused.stderr
    for run in (whole, again, unnamed, done):
        assert run.returncode == 0, run.stderr
    assert "5 pictures, 2 classes: cat, dog" in begun.stdout
    name = "model.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    about = load_model(out).about
    assert about["settings"]["dataset"] == f"user/pets@{first}" and about["licence"] == "cc-by-4.0"
    card = (out / "README.md").read_text("utf-8")
    assert "Data: the data set user/pets (cc-by-4.0)." in card and f"| dataset | user/pets@{first} |" in card


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (("--dataset", "user/pets", "--data-dir", "x"), "--dataset and --data-dir name two sources"),
        (("--dataset", "pets"), "--dataset must name a data set of the Hub"),
        (("--dataset", "https://huggingface.co/user/pets"), "--dataset must name a data set of the Hub"),
    ],
)
def test_a_source_is_named_once_and_as_a_data_set(tmp_path, flags, sentence):
    done = train({}, tmp_path / "out", *flags)
    assert done.returncode == 2 and sentence in done.stderr
