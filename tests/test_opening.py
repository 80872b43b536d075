"""Other people's checkpoints: their addresses, what is fetched, what is kept on disk and in memory."""

import os
import shutil
import time

import huggingface_hub
import pytest
import torch
from hub_server import TOKEN, HubServer
from test_ui_another_model import put
from tiny_pixels import change, save_as_the_first_ones, save_pixels

from diffusion import save_model
from diffusion.addresses import RepoAddress
from diffusion.hub import downloads
from diffusion.hub.downloads import HubError, kept, read_address
from diffusion.pipelines import opening
from diffusion.pipelines.loading import PipelineError
from diffusion.pipelines.opening import fetch_repo, open_checkpoint
from diffusion.ui.parts import opened
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.opened import Opened, PixelModels, checked_name, model_named, weight_bytes


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub for this process, which has a token for it."""
    with HubServer() as server:
        constants = huggingface_hub.constants
        template = "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + template)
        monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def three(hub, tmp_path):
    """Three repos; returns how many bytes are kept of each."""
    save_pixels(tmp_path / "tiny")
    for name in ("user/a", "user/b", "user/c"):
        put(hub, name, tmp_path / "tiny")
    return downloads.folder_bytes(fetched("user/a"))


def fetched(name, token=None):
    """The folder of a repo."""
    steps = fetch_repo(read_address(name), token)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize(
    "typed, repo_id, revision",
    [
        ("user/name", "user/name", None),
        (" user/na.me_1 ", "user/na.me_1", None),
        ("user/name@v1.0", "user/name", "v1.0"),
        ("https://huggingface.co/user/name", "user/name", None),
        ("https://huggingface.co/user/name/", "user/name", None),
        ("https://huggingface.co/user/name?library=diffusers", "user/name", None),
        ("https://huggingface.co/user/name/tree/main", "user/name", "main"),
        ("https://hf.co/user/name", "user/name", None),
    ],
)
def test_addresses(typed, repo_id, revision):
    assert read_address(typed) == RepoAddress(repo_id, revision)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "name",
        "a/b/c",
        "../name",
        "user/..",
        "/etc/passwd",
        "user/na me",
        "user--x/name",
        "https://example.org/user/name",
        "https://huggingface.co/spaces/user/name",
        "https://huggingface.co/datasets/user/name",
        "https://huggingface.co/user/name/tree/v1/unet",
        "user/name@refs/pr/1",
        "user/name@",
        "user/name@a/../b",
        "user/name\nuser/other",
        "사용자/이름",
    ],
)
def test_what_is_no_address(typed):
    assert read_address(typed) is None


def test_the_library_opens_both_layouts(hub, tiny_model, tmp_path):
    save_model(tmp_path / "ours", tiny_model)
    pipeline = save_as_the_first_ones(tmp_path / "theirs")
    for name in ("ours", "theirs"):
        put(hub, f"user/{name}", tmp_path / name)
    ours, theirs = open_checkpoint("user/ours"), open_checkpoint("user/theirs@main")
    assert (ours.name, theirs.name) == ("user/ours", "user/theirs@main")
    assert all(map(torch.equal, ours.net.state_dict().values(), tiny_model.net.state_dict().values()))
    assert theirs.net.unet.config.sample_size == pipeline.unet.config.sample_size
    assert open_checkpoint(str(tmp_path / "theirs")).sample_shape == theirs.sample_shape


def test_weights_are_fetched_only_of_what_can_be_used(hub, tmp_path, monkeypatch):
    save_pixels(tmp_path / "latent")
    change(tmp_path / "latent/model_index.json", vae=["diffusers", "AutoencoderKL"])
    save_pixels(tmp_path / "heavy")
    for name in ("latent", "heavy"):
        put(hub, f"user/{name}", tmp_path / name)
    monkeypatch.setattr(opening, "MAX_REPO_BYTES", 10_000)
    for name, said in (("user/latent", "works on latents"), ("user/heavy", "would have to be fetched")):
        with pytest.raises(PipelineError, match=said):
            fetched(name)
    assert not [request for request in hub.requests if "safetensors" in request]
    assert not list((tmp_path / "home" / downloads.FOLDER).iterdir())


def test_what_is_here_is_not_fetched_again_and_serves_offline(hub, three, monkeypatch):
    before = len(hub.requests)
    assert fetched("user/a") == kept(RepoAddress("user/a"))
    assert not [request for request in hub.requests[before:] if "resolve" in request]
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:1")
    assert fetched("user/a") == kept(RepoAddress("user/a"))
    with pytest.raises(HubError, match="cannot be reached"):
        fetched("user/b")


def test_private_repos_are_for_those_whose_machine_it_is(hub, three):
    hub.repos["user/b"].private = True
    with pytest.raises(HubError, match="There is no repo user/b on the Hub, or it is private."):
        fetched("user/b", token=False)
    assert fetched("user/b").is_dir()
    with pytest.raises(HubError, match="private"):  # though it is here
        fetched("user/b", token=False)


def test_a_file_that_is_not_what_was_listed_is_refused(hub, three, tmp_path):
    listing = downloads.look_up(RepoAddress("user/b"), None)
    file = "unet/diffusion_pytorch_model.safetensors"
    repo = hub.repos["user/b"]
    repo.files[file] += b"more"
    repo.others[listing.commit] = repo.files
    with pytest.raises(HubError, match="not what the Hub has listed"):
        list(downloads.fetch(listing, [file], tmp_path / "new", None))


def test_the_one_that_was_used_longest_ago_makes_room_on_disk(hub, three, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_DISK_BYTES", int(2.5 * three))
    fetched("user/b")
    left, new = (kept(RepoAddress("user/a")).parent / name for name in (".left", ".new"))
    for folder, age in ((left, 10**5), (new, 10)):
        folder.mkdir()
        os.utime(folder, (time.time() - age,) * 2)
    for age, name in enumerate(("user/b", "user/a")):
        os.utime(kept(RepoAddress(name)), (time.time() - 100 * (age + 1),) * 2)
    fetched("user/a")  # which counts as a use
    fetched("user/c")
    assert kept(RepoAddress("user/b")) is None and (left.exists(), new.exists()) == (False, True)
    assert kept(RepoAddress("user/a")) and kept(RepoAddress("user/c"))


def test_memory_keeps_the_weights_of_those_that_were_used_last(hub, three, monkeypatch):
    monkeypatch.setattr(opened, "OPENED", Opened())
    monkeypatch.setattr(opened, "MAX_LOADED", 2)
    models = PixelModels({})
    for name in ("user/a", "user/b", "user/c"):
        run(opened.opened(name))
    devices = {name: model.device.type for name, model in opened.OPENED.models.items()}
    assert devices == {"user/a": "meta", "user/b": "cpu", "user/c": "cpu"}
    assert models["user/a"].to("cpu").device.type == "cpu"  # read again when it is asked for
    devices = {name: model.device.type for name, model in opened.OPENED.models.items()}
    assert devices == {"user/b": "meta", "user/c": "cpu", "user/a": "cpu"}
    monkeypatch.setattr(opened, "MAX_LOADED_BYTES", weight_bytes(models["user/a"]) // 2)
    assert models["user/c"].device.type == "cpu"  # the one that is asked for has room
    assert models["user/a"].device.type == "meta"


def test_what_is_gone_from_disk_too_says_so(hub, three, monkeypatch):
    monkeypatch.setattr(opened, "OPENED", Opened())
    models = PixelModels({})
    assert model_named(models, "user/a").name == "user/a"  # from before the server was started anew
    shutil.rmtree(kept(RepoAddress("user/a")))
    with pytest.raises(InputError, match="user/a is no longer kept here"):
        model_named(models, "user/a")
    with pytest.raises(InputError, match="user/never is no longer kept here"):
        model_named(models, "user/never")
    assert list(models) == []


def test_folders_are_for_those_whose_machine_it_is(tmp_path, monkeypatch):
    save_pixels(tmp_path / "tiny")
    assert checked_name(f" {tmp_path}/tiny ") == str((tmp_path / "tiny").resolve())
    assert checked_name("https://huggingface.co/user/name/tree/v1") == "user/name@v1"
    monkeypatch.setattr(opened, "OPENED", Opened())
    assert run(opened.opened(str(tmp_path / "tiny"))).device.type == "cpu"
    monkeypatch.setenv("SPACE_ID", "user/space")
    for typed in (str(tmp_path / "tiny"), str(tmp_path), ".", "~"):
        with pytest.raises(InputError, match="is not the name of a repo"):
            checked_name(typed)
    for typed in ("", None, 7, "x" * 301, ["user/name"]):
        with pytest.raises(InputError, match="Name a repo"):
            checked_name(typed)


def run(steps):
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
