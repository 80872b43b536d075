"""Pipelines of the Hub: what is loaded, and what is refused."""

import gc
import json
import os
import subprocess
import sys
import weakref

import pytest
import torch
from conftest import ROOT
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from hub_server import HubServer, Repo
from training import environment

from diffusion import CheckpointError
from diffusion.pipelines.loading import PipelineCache, PipelineError, load_pipeline

ASK = """
import json, sys, time
from diffusion.hub import HubError
from diffusion.pipelines.loading import PipelineError, load_pipeline
answers = []
for name in sys.argv[1:]:
    started = time.monotonic()
    try:
        pipeline = load_pipeline(name)
        answers.append([type(pipeline).__name__, sum(p.sum().item() for p in pipeline.unet.parameters())])
    except (HubError, PipelineError) as error:
        answers.append([type(error).__name__, str(error)])
    answers[-1].append(time.monotonic() - started)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def pipeline(pipeline_folder):
    return load_pipeline(str(pipeline_folder))


def test_one_pipeline_is_kept(pipeline_folder, copied_pipeline):
    cache = PipelineCache()
    first = cache.get(str(pipeline_folder))
    assert cache.get(str(pipeline_folder)) is first
    gone = weakref.ref(first.unet)
    del first
    second = cache.get(str(copied_pipeline))
    gc.collect()
    assert gone() is None and cache.get(str(copied_pipeline)) is second
    with pytest.raises(PipelineError):
        cache.get(str(copied_pipeline / "unet"))
    assert cache.pipeline is None and cache.get(str(copied_pipeline)) is not second


# ---- what is refused -------------------------------------------------------------------------------------


def refused(name, *words):
    with pytest.raises((PipelineError, CheckpointError)) as error:
        load_pipeline(str(name))
    sentence = str(error.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_missing_packages(package, pipeline_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    refused(pipeline_folder, "pip install diffusers transformers")


@pytest.mark.parametrize("name", ["nothing", "/no/such/folder", "../x", "a/b/c", ""])
def test_names_that_cannot_be_pipelines(name):
    refused(name, "neither a folder nor" if name else "is no pipeline")


def test_a_large_denoiser_needs_a_gpu_and_no_weights_to_tell(copied_pipeline, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = json.loads((copied_pipeline / "unet/config.json").read_text())
    (copied_pipeline / "unet/config.json").write_text(
        json.dumps({**config, "block_out_channels": [640, 1280]})
    )
    for weights in copied_pipeline.rglob("*.safetensors"):
        weights.unlink()
    refused(copied_pipeline, "needs a GPU", "at most 100 million")


def test_folders_without_a_pipeline(tmp_path):
    refused(tmp_path, "is no pipeline", "model_index.json")
    for content in ("[]", "{", '{"unet": 3}'):
        (tmp_path / "model_index.json").write_text(content)
        refused(tmp_path, "is no")


def test_a_pipeline_without_text(tmp_path):
    unet = UNet2DModel(
        16, block_out_channels=(32,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",)
    )
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path)
    refused(tmp_path, "is no text-to-image pipeline", "vae", "text_encoder")


def change_index(folder, **changes):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | changes))


@pytest.mark.parametrize("library", ["my_unet", "os", "..pipelines", "a.b"])
def test_code_of_the_repos_own_is_not_run(library, copied_pipeline):
    (copied_pipeline / "unet/my_unet.py").write_text("raise SystemExit('run')")
    change_index(copied_pipeline, unet=[library, "MyUNet"])
    refused(copied_pipeline, "code of its own", "unet")


def test_a_pipeline_class_of_the_repos_own_is_not_run(copied_pipeline):
    (copied_pipeline / "mine.py").write_text("raise SystemExit('run')")
    change_index(copied_pipeline, _class_name=["mine", "MyPipeline"])
    refused(copied_pipeline, "code of its own")


@pytest.mark.parametrize(
    "class_name, told",
    [
        ("StableDiffusionControlNetXSPipeline", "another task"),
        ("PixArtSigmaPipeline", "does not show its steps"),
        ("AutoencoderKL", "does not have"),
        ("FluxPipeline", "packs its latents"),
        ("NoSuchPipeline", "does not have"),
        ("__name__", "does not have"),
    ],
)
def test_pipelines_of_other_kinds(class_name, told, copied_pipeline):
    change_index(copied_pipeline, _class_name=class_name)
    for weights in copied_pipeline.rglob("*.safetensors"):
        weights.unlink()  # they are not looked at
    refused(copied_pipeline, told)


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_nothing_is_unpickled(part, copied_pipeline, tmp_path):
    (weights,) = (copied_pipeline / part).glob("*.safetensors")
    name = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
    torch.save({"planted": Planted(tmp_path / "ran")}, copied_pipeline / part / name)
    weights.unlink()
    refused(copied_pipeline, "lacks safetensors")
    assert not (tmp_path / "ran").exists()


def test_broken_weights(copied_pipeline):
    (weights,) = (copied_pipeline / "unet").glob("*.safetensors")
    weights.write_bytes(b"broken" * 20)
    refused(copied_pipeline, "could not be loaded")


def test_weights_of_another_shape(copied_pipeline):
    config = json.loads((copied_pipeline / "unet/config.json").read_text())
    (copied_pipeline / "unet/config.json").write_text(json.dumps(config | {"block_out_channels": [32, 32]}))
    refused(copied_pipeline, "could not be loaded", "UNet2DConditionModel.")


# ---- the Hub ---------------------------------------------------------------------------------------------


def ask(env, *names):
    """Load them one after the other in a process with this environment."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_repos_of_the_hub(pipeline_folder, pipeline, tmp_path):
    files = {
        str(p.relative_to(pipeline_folder)): p.read_bytes() for p in pipeline_folder.rglob("*") if p.is_file()
    }
    with HubServer() as hub:
        for name in ("user/tiny", "user/large", "user/pickled"):
            hub.repos[name] = Repo()
            hub.repos[name].files = dict(files)
            hub.repos[name].large = {name for name in files if name.endswith(".safetensors")}
        config = json.loads(files["unet/config.json"]) | {"block_out_channels": [640, 1280]}
        hub.repos["user/large"].files["unet/config.json"] = json.dumps(config).encode()
        hub.repos["user/pickled"].files = {k.replace("safetensors", "bin"): v for k, v in files.items()}
        env = hub.environment(tmp_path / "cache") | {"CUDA_VISIBLE_DEVICES": ""}
        tiny, large, none, pickled = ask(env, "user/tiny", "user/large", "user/none", "user/pickled")
        fetched = [r for r in hub.requests if "user/large/resolve" in r and "safetensors" in r]
        fetched += [r for r in hub.requests if ".bin" in r]
    total = sum(p.sum().item() for p in pipeline.unet.parameters())
    assert tiny[:2] == ["StableDiffusionPipeline", pytest.approx(total)]
    assert large[0] == "PipelineError" and "needs a GPU" in large[1] and not fetched
    assert none[0] == "HubError" and "no such repo" in none[1]
    assert pickled[0] == "PipelineError" and "lacks safetensors" in pickled[1]
    kept, other = ask(env, "user/tiny", "user/other")  # the Hub is gone by now
    assert kept[:2] == tiny[:2]
    assert other[0] == "HubError" and "cannot be reached" in other[1] and other[2] < 15
