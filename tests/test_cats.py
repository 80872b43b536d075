"""Cats of drawn parts: which there are, which are trained on, and parts that are a stranger's."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from cat_models import COUNTS, few_cats, model_of, text_model_of
from conftest import ROOT
from model_folders import refused
from PIL import Image
from training import environment, shrink

import diffusion.data.cats
import train
from diffusion import LatentModel, load_model, save_model
from diffusion.data.cats import KINDS, NAMES, PARTS_FILES, Cats, Rule, load_cats, read_cats, save_cats
from diffusion.data.image_sets import DataError
from tools import ship

SHIPPED = ROOT / "checkpoints/cats"
MOUTH = KINDS.index("mouth")


@pytest.fixture(scope="module")
def cats() -> Cats:
    """Of the package."""
    return load_cats(64)


# All that there are


def test_the_shipped_parts_are_those_of_the_package(cats):
    shipped = read_cats(SHIPPED)
    assert shipped.names == cats.names and shipped.rule == cats.rule == Rule()
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(shipped.layers, cats.layers))
    some = cats.numbered(torch.arange(0, 324_000, 3_001))
    assert torch.equal(shipped.render(some), cats.render(some))


def test_how_many_cats_there_are(cats):
    assert cats.counts == (15, 9, 15, 10, 16) and prod(cats.counts) == 324_000
    assert cats.image_shape == (3, 64, 64) and len(cats.trained_on) == 32_400
    hidden = [cats.classes[i] for i in cats.hides_mouth.nonzero().flatten()]
    assert hidden == ["red scarf", "blue scarf"]
    bodies_furs_eyes = prod(cats.counts[:3])
    assert bodies_furs_eyes * (14 * 10 + 2) == 287_550  # different pictures
    assert cats.found == ["32,400 cats of 324,000 combinations of 65 parts"]
    assert sum(part.pictures for part in cats.contents.values()) == 32_400


def test_a_hidden_mouth_is_seen_on_no_cat(cats):
    for accessory in cats.hides_mouth.nonzero().flatten().tolist():
        mouths = torch.tensor([[8, 3, 5, mouth, accessory] for mouth in range(10)])
        pictures = cats.render(mouths).short()
        assert (pictures - pictures[:1]).abs().max() <= diffusion.data.cats.VISIBLE
    others = torch.tensor([[8, 3, 5, mouth, accessory] for mouth in (2, 6) for accessory in range(16)])
    pictures = cats.render(others).short()
    differences = (pictures[:16] - pictures[16:]).abs().flatten(1).amax(1)
    assert (differences[~cats.hides_mouth] > 50).all()


def test_no_two_parts_look_alike(cats):
    """Neither in the picture nor by name."""
    for kind, count in enumerate(cats.counts):
        some = torch.tensor([[11, 2, 0, 2, 15]]).repeat(count, 1)
        some[:, kind] = torch.arange(count)
        pictures = cats.render(some).flatten(1).float()
        assert (torch.cdist(pictures, pictures) + 1e6 * torch.eye(count)).min() > 50
    for of_kind in cats.names:
        assert len({name.lower() for name in of_kind}) == len(of_kind)
        assert not any(character.isdigit() for name in of_kind for character in name)
        words = [set(name.removeprefix("a ").removeprefix("an ").split()) for name in of_kind]
        assert not any(one < other or other < one for one, other in combinations(words, 2))


def test_names_stand_by_language_and_kind(cats):
    for language in json.loads(NAMES.read_text("utf-8")).values():
        assert list(language) == list(KINDS)
        assert [len(names) for names in language.values()] == list(cats.counts)


def test_each_is_on_white_and_opaque(cats):
    pictures = cats.render(cats.trained_on[::501])
    assert (pictures[:, :, 0, 63] == 255).all() and pictures.dtype == torch.uint8
    assert (pictures.flatten(1).min(1).values < 60).all()  # each has pupils


def test_numbers_count_the_last_kind_fastest(cats):
    numbers = torch.tensor([0, 15, 16, 160, 323_999])
    expected = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 15], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0], [14, 8, 14, 9, 15]]
    assert cats.numbered(numbers).tolist() == expected


def test_what_is_transparent_lends_no_colour(tmp_path):
    """A white disc whose transparent surroundings are black stays white on its edge."""
    rgba = np.zeros((256, 256, 4), np.uint8)
    rows, columns = np.mgrid[:256, :256]
    rgba[np.hypot(rows - 128, columns - 128) < 90] = 255
    Image.fromarray(rgba).save(tmp_path / "disc.png")
    part = diffusion.data.cats._scaled(tmp_path / "disc.png", 16)
    assert 0 < part[3, 8, 2] < 255  # an edge that is half transparent
    assert (part[:3].short() - part[3].short()).abs().max() <= 1
    layers = tuple(part[None] if kind == "body" else torch.zeros_like(part)[None] for kind in KINDS)
    picture = Cats(layers, tuple((kind,) for kind in KINDS)).render(torch.zeros(5, dtype=torch.int64))
    assert picture.min() >= 254  # on white


# What is trained on


def test_the_rule_is_the_one_of_the_documentation(cats):
    """Written once more, without tensors."""
    expected = [n for n in range(324_000) if n * 2654435761 % 2**32 < 2**32 // 10]
    assert torch.equal(cats.numbered(torch.tensor(expected)), cats.trained_on)
    assert cats.is_trained_on(cats.trained_on).all()


def test_every_pair_of_parts_is_trained_on(cats):
    for one, other in combinations(range(len(KINDS)), 2):
        pairs = cats.trained_on[:, one] * 100 + cats.trained_on[:, other]
        assert len(pairs.unique()) == cats.counts[one] * cats.counts[other]


def test_under_a_scarf_any_mouth_counts():
    cats = few_cats(Rule(below=2**32 // 4))
    every = cats.numbered(torch.arange(prod(COUNTS)))
    chosen = {tuple(cat) for cat in cats.trained_on.tolist()}
    assert cats.hides_mouth.tolist() == [False, True, False, False, False] and 60 < len(chosen) < 120
    for cat, is_trained_on in zip(every.tolist(), cats.is_trained_on(every).tolist()):
        mouths = range(COUNTS[MOUTH]) if cat[-1] == 1 else [cat[MOUTH]]
        assert is_trained_on == any((*cat[:MOUTH], mouth, cat[-1]) in chosen for mouth in mouths)


def test_held_out_cats_are_never_trained_on_and_in_random_order(cats):
    held_out = cats.held_out()
    assert len(held_out.images) == 2_000 and held_out.classes == cats.classes
    never = cats.never_trained_on(2_000)
    assert torch.equal(held_out.images[:9], cats.render(never[:9])) and not cats.is_trained_on(never).any()
    assert torch.equal(held_out.labels, never[:, -1]) and len(never.unique(dim=0)) == 2_000
    assert all(len(never[:100, kind].unique()) > 0.8 * cats.counts[kind] for kind in range(len(KINDS)))
    assert torch.equal(never[:7], cats.never_trained_on(7))
    assert not torch.equal(never[:7], cats.never_trained_on(7, seed=1))


def test_of_few_cats_all_that_are_never_trained_on_are_found():
    cats = few_cats(Rule(below=2**32 // 10 * 9))
    every = cats.numbered(torch.arange(prod(COUNTS)))
    never = cats.never_trained_on(1_000)
    assert len(never) == (~cats.is_trained_on(every)).sum() > 0


def test_a_batch_is_a_function_of_seed_and_position(cats):
    generator = torch.Generator()
    x_0, labels = cats.batch(range(32_390, 32_410), 3, generator)
    assert x_0.shape == (20, 3, 64, 64) and x_0.dtype == torch.float32 and x_0.abs().max() <= 1
    again, _ = cats.batch(range(32_395, 32_400), 3, generator.manual_seed(9))
    assert torch.equal(x_0[5:10], again)
    other, _ = cats.batch(range(32_390, 32_410), 4, generator)
    assert not torch.equal(x_0, other)
    small = few_cats()
    _, labels = small.batch(range(len(small.trained_on)), 0, generator)
    assert torch.equal(labels.sort().values, small.trained_on[:, -1].sort().values)  # an epoch has each once


def test_batches_are_put_together_where_the_parts_are():
    """On the device that has no numbers, only shapes: whatever came from elsewhere would be refused."""
    cats = few_cats().to("meta")
    assert all(layer.device.type == "meta" for layer in cats.layers)
    picture = cats.render(torch.zeros(6, 5, dtype=torch.int64, device="meta"))
    assert picture.device.type == "meta" and picture.shape == (6, 3, 16, 16)


def test_the_documentation_says_so_and_its_examples_run(cats, monkeypatch, capsys):
    text = (ROOT / "docs/cats.md").read_text("utf-8")
    first, second = (block.split("```")[0] for block in text.split("```python\n")[1:])
    monkeypatch.chdir(ROOT)
    exec(first, names := {})
    assert "['grey', 'tiger stripes', 'glasses'" in capsys.readouterr().out
    names["images"] = cats.render(cats.trained_on[:3]) / 127.5 - 1
    exec(second, names)
    assert names["picture"].shape == (3, 64, 64)
    same = names["found"].cats == cats.trained_on[:3]
    same[:, MOUTH] |= cats.hides_mouth[cats.trained_on[:3, KINDS.index("accessory")]]
    assert same.all()
    rows = re.findall(rf"^\| ({'|'.join(KINDS)}) \| (\d+) \| (.*) \|$", text, re.MULTILINE)
    assert [(kind, int(count)) for kind, count, _ in rows] == list(zip(KINDS, cats.counts))
    for (_, _, named), of_kind in zip(rows, cats.names):
        assert set(re.split(", | … and | …", named.strip())) <= {*of_kind, ""}


# The package


def package(folder: Path, *drawings: str) -> None:
    """A package robohash with these files of cats."""
    (folder / "robohash").mkdir(parents=True)
    (folder / "robohash/__init__.py").write_text("raise ImportError('nobody imports this')")
    for drawing in drawings:
        file = folder / "robohash/sets/set4" / drawing
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (8, 8), "red").save(file)


@pytest.mark.parametrize("drawings", [(), ("0body/0.png", "1fur/0.png"), ("0body/0.png",)])
def test_a_package_with_other_drawings_is_refused(tmp_path, monkeypatch, drawings):
    package(tmp_path, *drawings)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match="other drawings of cats: `pip install robohash==2.0`"):
        load_cats.__wrapped__(64)


def without_package(folder: Path) -> dict[str, str]:
    """An environment whose processes find no robohash."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'robohash' else found(name, *rest)\n"
        "sys.modules['robohash'] = None\n"
    )
    return environment(PYTHONPATH=f"{folder}:{ROOT}")


def test_without_the_package_training_says_what_to_install(tmp_path):
    command = [sys.executable, "train.py", "cats", "--out", str(tmp_path / "run")]
    env = without_package(tmp_path / "site")
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and not done.stdout and not (tmp_path / "run").exists()
    sentence = "the cats' parts are in the package robohash: `pip install robohash==2.0`."
    assert done.stderr.splitlines()[-1] == f"train.py: {sentence}" and "Traceback" not in done.stderr


def test_a_model_of_cats_needs_no_package(tmp_path):
    save_model(tmp_path / "cats", model_of(few_cats()))
    code = "from diffusion import load_model; print(load_model('cats').cats.held_out().images.shape[1:])"
    command = [sys.executable, "-c", code]
    env = without_package(tmp_path / "site")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert done.stdout == "torch.Size([3, 16, 16])\n", done.stderr
    sources = [path.read_text("utf-8") for path in (ROOT / "diffusion").rglob("*.py")]
    assert not any("import robohash" in source or "from robohash" in source for source in sources)


def test_a_run_leaves_the_parts_and_is_shipped_with_them(cats, tmp_path, monkeypatch):
    shrink(monkeypatch.setattr)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test's own process keeps its handlers
    monkeypatch.setattr(diffusion.data.cats, "HELD_OUT", 16)
    train.main(["cats", "--out", str(tmp_path / "run"), "--total-images", "8"])
    ship.main(ship.parse_arguments([str(tmp_path / "run"), str(tmp_path / "shipped")]))
    for folder in ("run", "shipped"):
        model = load_model(tmp_path / folder)
        assert model.cats.names == cats.names and model.cats.rule == cats.rule
        assert model.about["data"] == "cats by David Revoy" and model.classes == cats.classes
        assert all(torch.equal(one, other) for one, other in zip(model.cats.layers, cats.layers))
        assert "license: cc-by-4.0" in (tmp_path / folder / "README.md").read_text("utf-8")
    assert not (tmp_path / "shipped/state.safetensors").exists()


# In a model's folder


def test_a_models_cats_come_back(tmp_path):
    cats = few_cats(Rule(7, 1000, 300))
    model = model_of(cats)
    save_model(tmp_path, replace(model, about={"images_seen": 3}))
    loaded = load_model(tmp_path)
    assert loaded.cats.names == cats.names and loaded.cats.rule == cats.rule
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(loaded.cats.layers, cats.layers))
    assert loaded.about == {"data": "cats by David Revoy", "licence": "CC BY 4.0", "images_seen": 3}
    table = json.loads((tmp_path / "parts.json").read_text("utf-8"))
    assert table["author"] == "David Revoy" and table["licence"] == "CC BY 4.0"


def test_parts_that_another_model_left_are_not_a_models(tmp_path, tiny_model):
    save_model(tmp_path, model_of(few_cats()))
    save_model(tmp_path, tiny_model)
    assert (tmp_path / "parts.json").exists() and load_model(tmp_path).cats is None
    (tmp_path / "parts.json").write_text("somebody's own")
    assert load_model(tmp_path).cats is None


def test_without_its_parts_a_model_of_cats_is_a_model(tmp_path):
    save_model(tmp_path, model_of(few_cats()))
    for name in PARTS_FILES:
        (tmp_path / name).unlink()
    assert load_model(tmp_path).cats is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "few-cats"
    save_model(folder, model_of(few_cats()))
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A model of cats whose parts may be spoilt."""
    return Path(shutil.copytree(saved, tmp_path / "few-cats"))


def spoil(folder: Path, **changes) -> None:
    file = folder / "parts.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"side": 16}',
        b'{"side": ' + b"9" * 5_000 + b"}",
        b" " * 2_000_000 + b"{}",
    ],
)
def test_a_broken_table_is_refused(folder, content):
    (folder / "parts.json").write_bytes(content)
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")


RULE = Rule()._asdict()


@pytest.mark.parametrize("side", [0, -1, 8, 15, 17, 257, 10**9, 10**30, 16.0, True, "16", None, [16]])
def test_another_side_is_refused(folder, side):
    spoil(folder, side=side)
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")


@pytest.mark.parametrize(
    "rule",
    [
        *(None, [], 3, "a tenth", {"modulus": 0}, {"below": -1}, {"multiplier": 0.5}, {"below": None}),
        *({"multiplier": 2**33}, {"modulus": 10**40}, {"below": True}, {"every": 10}),
    ],
)
def test_another_rule_is_refused(folder, rule):
    spoil(folder, trained_on=RULE | rule if isinstance(rule, dict) else rule)
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")


@pytest.mark.parametrize("rule", [{"below": 2**32}, {"modulus": 1}, {"multiplier": 2**32}])
def test_a_rule_that_leaves_nothing_out_is_refused(folder, rule):
    spoil(folder, trained_on=RULE | rule)
    refused(folder, naming=str(folder), saying="have no cat that is not trained on")


THREE = ["a", "b", "c"]


@pytest.mark.parametrize(
    "bodies",
    [
        *(None, {}, "abc", 3, [], ["a", "b", 3], ["a", "b", None], ["a", "b", ["c"]], ["a", "b", "b"]),
        *(["a", "b", ""], ["a", "b", " "], ["a", "b", "c\nd"], ["a", "b", "c" * 61], ["a", "b", "\u202ec"]),
        *(["a", "b", "c" * 500_000], [str(i) for i in range(65)], ["a", "b", "\ud800"]),
    ],
)
def test_other_names_are_refused(folder, bodies):
    names = json.loads((folder / "parts.json").read_text("utf-8"))["names"]
    spoil(folder, names=names | {"body": bodies})
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")


def test_too_many_combinations_are_refused_at_once(folder):
    spoil(folder, names={kind: [str(i) for i in range(64)] for kind in KINDS})
    started = time.monotonic()
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "spoilt", ["missing", "empty", "cut off", "no picture", "another size", "huge", "a folder"]
)
def test_a_broken_sheet_is_refused(folder, spoilt):
    file = folder / "parts.png"
    whole = file.read_bytes()
    file.unlink()
    if spoilt == "a folder":
        file.mkdir()
    elif spoilt in ("another size", "huge"):
        Image.new("1", (16, 16) if spoilt == "another size" else (30_000, 6_000)).save(file, "PNG")
    elif spoilt != "missing":
        file.write_bytes({"empty": b"", "cut off": whole[:-200], "no picture": b"GIF89a" + whole}[spoilt])
    refused(folder, naming=str(folder), saying="are broken, or not those of cats")


def test_parts_of_another_model_are_refused(folder, saved):
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    names = json.loads((folder / "parts.json").read_text("utf-8"))["names"]
    spoil(folder, names=names | {"accessory": ["a", "b", "c", "d", "e"]})
    refused(folder, naming=str(folder), saying="are not those of the model's classes and pictures")
    cats = few_cats()
    save_cats(folder, replace(cats, layers=tuple(layer[..., :8, :8] for layer in cats.layers)))
    refused(folder, naming=str(folder), saying="are not those of the model's classes and pictures")


# Told by text


@pytest.fixture
def worded(tmp_path) -> Path:
    """The folder of a model of latents whose parts may be spoilt."""
    save_model(tmp_path / "few-words", text_model_of(few_cats(Rule(7, 1000, 300))))
    return tmp_path / "few-words"


def test_a_model_told_by_text_comes_back_with_its_cats(worded):
    cats, model = few_cats(Rule(7, 1000, 300)), load_model(worded)
    assert isinstance(model, LatentModel) and model.classes is None and model.image_shape == cats.image_shape
    assert model.cats.names == cats.names and model.cats.rule == cats.rule
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(model.cats.layers, cats.layers))
    expected = text_model_of(cats)
    for prefix, part in expected.parts().items():
        weights = model.parts()[prefix].state_dict()
        assert all(torch.equal(weights[name], weight) for name, weight in part.state_dict().items())
    x_t, t = torch.randn(2, *model.sample_shape), torch.tensor([700, 3])
    prompts = ["a grey cat, a red hat", "고양이"]
    made = (each.denoiser(prompts=prompts, guidance_scale=2.0)(x_t, t) for each in (model, expected))
    assert torch.equal(*made)


def test_a_model_told_by_text_without_a_sketch_refuses_to_show_one(worded):
    model = load_model(worded)
    assert model.net.sketch is None and json.loads((worded / "config.json").read_text("utf-8"))["text"]
    with pytest.raises(ValueError, match="The network of few-words sees no sketch"):
        model.sketch(model.context(["a cat"]))


def test_wrong_parts_of_a_model_told_by_text_are_refused(worded):
    cats = few_cats()
    save_cats(worded, replace(cats, layers=tuple(layer[..., :8, :8] for layer in cats.layers)))
    refused(worded, naming=str(worded), saying="are not those of the model's classes and pictures")
    (worded / "parts.png").write_bytes(b"GIF89a")
    refused(worded, naming=str(worded), saying="are broken, or not those of cats")
    for name in PARTS_FILES:
        (worded / name).unlink()
    assert load_model(worded).cats is None
