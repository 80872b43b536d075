import json
import os
import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import randomised
from model_folders import assert_same_model, changed_config, refused, same_weights
from test_run_state import training

from diffusion import UNet
from diffusion.models import weights
from diffusion.models.folder import CheckpointError, load_folder, save_model
from diffusion.training.run_state import load_run


@pytest.fixture
def saved(tiny_model, tmp_path) -> Path:
    save_model(tmp_path / "tiny", tiny_model)
    return tmp_path / "tiny"


@pytest.fixture
def sharded(tiny_model, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(weights, "MAX_SHARD_BYTES", 300_000)
    save_model(tmp_path / "tiny", tiny_model)
    return tmp_path / "tiny"


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*.safetensors"))


def test_shards_come_back_bitwise(tiny_model, sharded):
    assert_same_model(load_folder(sharded), tiny_model)


def test_large_weights_are_laid_out_as_on_the_hub(tiny_model, sharded):
    files = shards_of(sharded)
    names = [f"model-{i:05}-of-{len(files):05}.safetensors" for i in range(1, len(files) + 1)]
    assert len(files) > 2 and [file.name for file in files] == names
    assert set(os.listdir(sharded)) == {*names, "config.json", "model.safetensors.index.json"}
    index = json.loads((sharded / "model.safetensors.index.json").read_text())
    tensors = {name: safetensors.torch.load_file(sharded / name) for name in names}
    assert index["weight_map"] == {key: name for name in names for key in tensors[name]}
    sizes = [sum(tensor.nbytes for tensor in shard.values()) for shard in tensors.values()]
    whole = sum(tensor.nbytes for tensor in tiny_model.net.state_dict().values())
    assert index["metadata"] == {"total_size": whole} and sum(sizes) == whole
    assert all(s <= 300_000 or len(shard) == 1 for s, shard in zip(sizes, tensors.values()))


@pytest.mark.parametrize("spare, shards", [(0, 0), (-1, 2)])
def test_only_what_is_too_large_is_split(tiny_model, tmp_path, monkeypatch, spare, shards):
    whole = sum(tensor.nbytes for tensor in tiny_model.net.state_dict().values())
    monkeypatch.setattr(weights, "MAX_SHARD_BYTES", whole + spare)
    save_model(tmp_path, tiny_model)
    assert len(shards_of(tmp_path)) == shards and (tmp_path / "model.safetensors").exists() == (shards == 0)


class Crash(BaseException):
    """The process ends here."""


def crashing_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Let this many files be replaced or deleted, and then nothing happen any more."""
    left = iter(range(steps))

    def counted(step):
        def wrapper(*arguments, **options):
            if next(left, None) is None:
                raise Crash
            return step(*arguments, **options)

        return wrapper

    patch.setattr(os, "replace", counted(os.replace))
    patch.setattr(Path, "unlink", counted(Path.unlink))


LAYOUTS = {"one file": 10**9, "shards": 300_000, "other shards": 400_000}


@pytest.mark.parametrize("before", LAYOUTS)
@pytest.mark.parametrize("after", LAYOUTS)
def test_a_crash_while_saving_leaves_the_old_model_or_the_new(tiny_model, tmp_path, before, after):
    other = replace(tiny_model, net=randomised(UNet(tiny_model.net.config)))
    seen = []
    for steps in range(1000):
        folder = tmp_path / str(steps)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(weights, "MAX_SHARD_BYTES", LAYOUTS[before])
            save_model(folder, tiny_model)
            patch.setattr(weights, "MAX_SHARD_BYTES", LAYOUTS[after])
            crashing_after(patch, steps)
            with suppress(Crash):
                save_model(folder, other)
                break
        loaded = load_folder(folder)
        seen.append(same_weights(loaded, other))
        assert seen[-1] or same_weights(loaded, tiny_model)
    assert seen == sorted(seen) and set(seen) == {False, True}  # the new model stays, once it is there
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "MAX_SHARD_BYTES", LAYOUTS[after])
        for crashed in (tmp_path / str(steps) for steps in range(len(seen))):
            save_model(crashed, other)  # the next time, nothing of the former layout is left
            assert contents(crashed) == contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """All but the temporary files that a crash leaves."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".tmp"}


# What is refused, and by which name


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_truncated_weights(saved, length):
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    refused(saved, naming="model.safetensors", saying="truncated")


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {k: v for k, v in w.items() if k != "conv_in.weight"},
        lambda w: w | {"another.weight": torch.zeros(3)},
        lambda w: w | {"conv_in.weight": torch.zeros(1)},
        lambda w: {"weight": torch.zeros(4, 4)},
        lambda w: {},
    ],
)
def test_foreign_weights(saved, change):
    weights = safetensors.torch.load_file(saved / "model.safetensors")
    safetensors.torch.save_file(change(weights), saved / "model.safetensors")
    refused(saved, naming="model.safetensors", saying="another network")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(saved, value):
    weights = safetensors.torch.load_file(saved / "model.safetensors")
    weights["conv_in.weight"][0, 0, 0, 0] = value
    safetensors.torch.save_file(weights, saved / "model.safetensors")
    refused(saved, naming="model.safetensors", saying="not finite")


def test_a_missing_shard_is_named(sharded):
    missing = shards_of(sharded)[1]
    missing.unlink()
    refused(sharded, naming=missing.name, saying="which model.safetensors.index.json lists")


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_truncated_shard_is_named(sharded, length):
    file = shards_of(sharded)[-1]
    file.write_bytes(file.read_bytes()[:length])
    refused(sharded, naming=file.name, saying="truncated")


def test_a_shard_that_is_not_finite_is_named(sharded):
    file = shards_of(sharded)[-1]
    tensors = safetensors.torch.load_file(file)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    safetensors.torch.save_file(tensors, file)
    refused(sharded, naming=file.name, saying="not finite")


@pytest.mark.parametrize(
    "change",
    [
        lambda w, other: dict(list(w.items())[1:]),
        lambda w, other: w | {"another.weight": torch.zeros(3)},
        lambda w, other: w | dict(list(other.items())[:1]),  # twice: the other shard holds it too
        lambda w, other: {k: v[None].clone() for k, v in w.items()},
        lambda w, other: other,
    ],
)
def test_a_shard_with_other_tensors_is_named(sharded, change):
    files = shards_of(sharded)
    tensors, other = (safetensors.torch.load_file(file) for file in files[:2])
    safetensors.torch.save_file(change(tensors, other), files[0])
    refused(sharded, naming=files[0].name, saying="another network")


def test_nothing_is_read_before_all_shards_are_known_to_fit(sharded, monkeypatch):
    safetensors.torch.save_file({"another": torch.zeros(1)}, shards_of(sharded)[-1])
    monkeypatch.setattr(weights, "all_finite", None)  # would be called on what is read
    refused(sharded, naming=shards_of(sharded)[-1].name, saying="another network")


def changed_index(folder: Path, change) -> None:
    file = folder / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    change(index["weight_map"])
    file.write_text(json.dumps(index))


@pytest.mark.parametrize(
    "name",
    [
        "../model-00001-of-00002.safetensors",
        "/model-00001-of-00002.safetensors",
        "inside/model-00001-of-00002.safetensors",
        "model-00001-of-00002.safetensors\n",
        "model-1-of-2.safetensors",
        "model-*.safetensors",
        "state.safetensors",
        "",
        None,
        7,
        ["model-00001-of-00002.safetensors"],
    ],
)
def test_an_index_names_only_shards_in_its_folder(sharded, name):
    safetensors.torch.save_file(
        {"conv_in.bias": torch.zeros(32)}, sharded.parent / "model-00001-of-00002.safetensors"
    )
    changed_index(sharded, lambda weight_map: weight_map.update({"conv_in.bias": name}))
    refused(sharded, naming="model.safetensors.index.json", saying="not an index of shards")


def test_an_index_of_another_network(sharded):
    changed_index(sharded, lambda weight_map: weight_map.pop("conv_in.bias"))
    refused(sharded, naming="model.safetensors.index.json", saying="another network")
    changed_config(sharded, "unet", channels=64)
    refused(sharded, naming="model.safetensors.index.json", saying="another network")


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"\xff\xfe", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {}}']
)
def test_an_index_that_is_none(sharded, content):
    (sharded / "model.safetensors.index.json").write_bytes(content)
    refused(sharded, naming="model.safetensors.index.json", saying="")


def test_one_file_wins_over_shards(tiny_model, sharded, monkeypatch):
    monkeypatch.setattr(weights, "MAX_SHARD_BYTES", 10**9)
    other = replace(tiny_model, net=randomised(UNet(tiny_model.net.config)))
    save_model(sharded.parent / "other", other)
    os.replace(sharded.parent / "other/model.safetensors", sharded / "model.safetensors")
    assert same_weights(load_folder(sharded), other)


class Payload:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_the_payload_would_leave_its_mark(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "unpickled")))
    assert (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("names", [["model.safetensors"], ["pytorch_model.bin"], ["weights.pt", "x.ckpt"]])
def test_nothing_unpickles(saved, tmp_path, names):
    (saved / "model.safetensors").unlink()
    for name in names:
        (saved / name).write_bytes(pickle.dumps(Payload(tmp_path / "unpickled")))
    refused(saved, naming=sorted(names)[0], saying="")
    (saved / "state.safetensors").write_bytes(pickle.dumps(Payload(tmp_path / "unpickled")))
    with pytest.raises(CheckpointError, match="state.safetensors"):
        load_run(saved, *training(), {}, {}, {})
    assert not (tmp_path / "unpickled").exists()


def test_a_pickle_beside_is_called_one(saved):
    (saved / "model.safetensors").rename(saved / "model.bin")
    refused(saved, naming="model.bin", saying="a pickle, which is never opened")
