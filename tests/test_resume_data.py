"""A run goes on with the data that it began with, and with no other."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from pictures import write_photos
from tiny_runs import images_seen, said_by
from training import write_mnist

import train
from diffusion.training.run_state import saved_data


@pytest.fixture
def begun(tiny, pets, tmp_path, capfd):
    """A run on them, stopped at once; a function that goes on with a folder, and returns what is printed."""

    def go_on(folder: Path, *flags: str) -> str:
        train.main(
            [
                "folder",
                "--data-dir",
                str(folder),
                "--out",
                str(tmp_path / "run"),
                "--total-images",
                "16",
                *flags,
            ]
        )
        return capfd.readouterr().out

    go_on(pets, "--time-limit", "1e-9")
    return go_on


def refused(begun, folder: Path) -> str:
    said = said_by(lambda: begun(folder))
    assert "holds a run on other data (" in said and "choose another --out" in said
    return said


def test_a_class_that_was_renamed_is_named_and_refused(begun, pets, tmp_path):
    before = (tmp_path / "run/state.safetensors").read_bytes()
    (pets / "dog").rename(pets / "zebra")
    assert "(the class dog is called zebra)" in refused(begun, pets)
    assert (tmp_path / "run/state.safetensors").read_bytes() == before


def test_what_came_what_went_and_what_changed_is_named_and_refused(begun, pets):
    write_photos(pets / "dog", 1, first=2)
    assert "(3 pictures of dog instead of 2; 5 pictures instead of 4)" in refused(begun, pets)
    (pets / "dog/0.png").unlink()
    assert "(some pictures of dog are others, or have other names)" in refused(begun, pets)
    shutil.rmtree(pets / "dog")
    assert "(1 class is missing: dog; 2 pictures instead of 4)" in refused(begun, pets)


def test_the_same_data_elsewhere_go_on(begun, pets, tmp_path):
    (tmp_path / "disk").mkdir()
    printed = begun(Path(shutil.move(pets, tmp_path / "disk/animals")))
    assert printed.startswith("4 pictures, 2 classes: cat, dog\nfolder: 16 images → ")
    assert images_seen(tmp_path / "run") == 16


def test_a_state_that_does_not_know_its_data_goes_on_and_learns_it(tiny, tmp_path, capfd):
    shutil.copytree(ROOT / "tests/fixtures/run-pixels", tmp_path / "run")
    write_mnist(tmp_path / "data")
    printed = []
    for limit in ("1e-9", "1000"):
        train.main(["mnist", "--data-dir", str(tmp_path / "data"), "--out", str(tmp_path / "run"),
                    "--total-images", "64", "--time-limit", limit])  # fmt: skip
        printed.append(capfd.readouterr().out)
    assert "Resuming at 32 images\n" + train.UNKNOWN_DATA in printed[0]
    assert train.UNKNOWN_DATA not in printed[1] and images_seen(tmp_path / "run") == 64
    assert sum(part.pictures for part in saved_data(tmp_path / "run").values()) == 60


def test_a_picture_or_two_leave_a_whole_run(tiny, tmp_path, capfd):
    """Whose every file is read back: nothing in it is NaN."""
    write_photos(tmp_path / "one", 1)
    train.main(
        [
            "folder",
            "--data-dir",
            str(tmp_path / "one"),
            "--out",
            str(tmp_path / "run"),
            "--total-images",
            "16",
        ]
    )
    assert capfd.readouterr().out.startswith("1 picture, no classes\n")
    texts = [file.read_text("utf-8") for file in (tmp_path / "run").glob("*.json*")]
    assert len(texts) == 5 and not any("NaN" in text or "Infinity" in text for text in texts)


def test_what_cannot_be_a_runs_folder_is_refused(pets, capsys):
    for out in (pets, pets / "../pets"):
        with pytest.raises(SystemExit):
            train.main(["folder", "--data-dir", str(pets), "--out", str(out)])
        assert "error: --out must be another folder than --data-dir" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main(["mnist", "--out", "runs/\udcb0"])
    assert "error: --out has a name that is no text in UTF-8" in capsys.readouterr().err


def test_a_push_without_a_token_is_refused_at_the_start(pets, tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    flags = ["--data-dir", str(pets), "--out", str(tmp_path / "run"), "--push-to-hub", "a/b"]
    assert "there is no Hugging Face token" in said_by(lambda: train.main(["folder", *flags]))
    assert not (tmp_path / "run").exists()
