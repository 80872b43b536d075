"""The rows of benchmarks.throughput, measured for an instant on a tiny network; and what it makes of them."""

import json
from itertools import product

import pytest
import safetensors.torch
import torch
from torch import nn
from training import shrink

from benchmarks import loading, peer, peer_steps, throughput, variants
from benchmarks.samples import Sampling
from diffusion import Model, UNet, UNetConfig, cosine_schedule, save_model
from diffusion.data.image_sets import ImageData
from diffusion.data.sources import load_mnist
from diffusion.training import presets
from diffusion.training.distributed import COMPILED

EAGER = [name for name, variant in variants.VARIANTS.items() if variant.compile is None]
OFFERED = {(v.compile, v.channels_last): name for name, v in variants.VARIANTS.items() if v.offered}
CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch, data_dir, tmp_path):
    """Run the benchmark with a tiny network: call it with further flags; returns the JSON."""
    shrink(monkeypatch.setattr)
    monkeypatch.setattr(torch, "compile", lambda net, **_: net)
    monkeypatch.setattr(nn.Module, "compile", lambda self, **_: None)
    monkeypatch.setattr(throughput, "peak_flops", lambda device: 1e12)
    for name in ("WARM_UP_STEPS", "PROBE_STEPS"):
        monkeypatch.setattr(throughput, name, 1)

    def run(*flags: str) -> dict:
        out = tmp_path / "new" / "throughput.json"
        always = ["mnist", "--data-dir", str(data_dir), "--device", "cpu", "--seconds", "0"]
        throughput.main(throughput.parse_arguments([*always, "--batch-size", "2", "--out", str(out), *flags]))
        return json.loads(out.read_text("utf-8"))

    return run


def test_every_variant_is_measured_and_the_best_is_offered_by_train(measured, capsys):
    result = measured()
    assert [row["name"] for row in result["rows"]] == list(variants.VARIANTS)
    for row in result["rows"]:
        assert "error" not in row and row["images_per_second"] > 0 and row["warm_up_seconds"] > 0
        assert row["teraflops"] > 0 and row["share_of_peak"] > 0 and row["syncs_per_step"] is None
    out = capsys.readouterr().out
    assert all(f"| {variant.title} |" in out for variant in variants.VARIANTS.values())
    speed = {row["name"]: row["images_per_second"] for row in result["rows"]}
    best = result["best"]
    assert best["images_per_second"] == speed[OFFERED[best["compile"], best["channels_last"]]]
    assert best["images_per_second"] == max(speed[name] for name in OFFERED.values())


def test_a_share_above_the_peak_is_not_shown():
    numbers = {"title": "fast", "images_per_second": 5.0, "warm_up_seconds": 1.0, "syncs_per_step": None}
    row = numbers | {"teraflops": 2.0, "share_of_peak": None}
    assert "| fast | 5 | 1.00 | 2 | – | 1.0 | – |" in throughput.table([row])


def test_all_that_train_offers_is_compared():
    assert set(OFFERED) == set(product((None, *COMPILED), (False, True)))


def test_what_fails_is_a_row(measured, monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("no compiler here\nmore of it")

    monkeypatch.setattr(nn.Module, "compile", broken)
    fused, blocks = measured("--only", "fused,blocks")["rows"]
    assert fused["images_per_second"] > 0 and "images_per_second" not in blocks
    assert blocks["error"] == "RuntimeError: no compiler here"
    assert "| + --compile blocks | RuntimeError: no compiler here |" in capsys.readouterr().out


def test_nothing_offered_is_no_best(measured):
    assert measured("--only", "device,bf16")["best"] is None


def test_absent_packages_are_a_row(measured, monkeypatch):
    def absent(library, *packages):
        raise ImportError(f"{library} needs {packages[0]}: pip install {packages[0]}")

    monkeypatch.setattr(peer_steps, "need", absent)
    rows = measured("--peers", "--only", "fused,lucidrains,diffusers")["rows"]
    assert [("pip install" in row.get("error", "")) for row in rows] == [False, True, True]
    with pytest.raises(ImportError, match="It needs no-such-package: pip install torch no-such-package"):
        monkeypatch.undo()
        peer_steps.need("It", "torch", "no-such-package")


def test_variants_are_what_they_say(data_dir, monkeypatch):
    shrink(monkeypatch.setattr)
    made = []

    class Kept(variants.Run):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(variants, "Run", Kept)
    config, data = presets.PRESETS["mnist"], load_mnist(data_dir)
    for name in EAGER:
        variants.build(variants.VARIANTS[name], config, data, CPU)(1)
    assert len(made) == len(EAGER)
    for name, run in zip(EAGER, made):
        variant = variants.VARIANTS[name]
        assert bool(run.optimizer.defaults["fused"]) == variant.fused and run.images_seen == 8
        assert isinstance(run.stage.data, loading.LoadedData) != variant.on_device
        assert variant.bf16 or run.forward is run.net
        assert run.optimizer.defaults["betas"] == (0.9, 0.99)


def test_number_formats_are_put_back():
    def formats():
        cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        attention = torch.backends.cuda.cudnn_sdp_enabled()
        return cuda.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, attention

    before = formats()
    with variants.number_formats(True):
        assert formats() == (True, True, True, False)
    with variants.number_formats(False):
        assert formats() == (False, True, False, True)  # PyTorch's defaults
    assert formats() == before


def test_loader_gives_the_data(data_dir):
    data = load_mnist(data_dir)
    batches = loading.endless(loading.loader(data, 20, CPU))
    epoch = [next(batches) for _ in range(3)]
    x_0, labels = (torch.cat(part) for part in zip(*epoch))
    assert x_0.shape == (60, 1, 28, 28) and x_0.min() == -1 and labels.bincount().tolist() == [6] * 10
    assert next(batches)[0].shape == (20, 1, 28, 28)  # another epoch
    with pytest.raises(ValueError, match="MNIST has 60 pictures, fewer than a batch of 61"):
        loading.loader(data, 61, CPU)


def test_arguments(capsys):
    with pytest.raises(SystemExit):
        throughput.parse_arguments(["mnist", "--only", "lucidrains"])  # needs --peers
    assert "--only knows loader, device," in capsys.readouterr().err
    assert throughput.parse_arguments(["cifar10", "--peers"]).only[-1] == "diffusers_compile"
    with pytest.raises(SystemExit):
        peer.parse_arguments([])


# The other library's quality, without the library


def test_training_time_ends():
    assert list(zip(range(3), peer.until(float("inf"), iter("abc")))) == [(0, "a"), (1, "b"), (2, "c")]
    with pytest.raises(peer.OutOfTime):
        next(peer.until(0, iter("abc")))


@pytest.mark.parametrize(("minutes", "drawn"), [(1, 7), (0, 3)], ids=["all", "out of time"])
def test_their_samples_are_boxed(minutes, drawn):
    class Grey(nn.Linear):
        def sample(self, batch_size):
            return torch.full((batch_size, 3, 2, 2), 0.5)

    pictures = peer.draw_theirs(Grey(1, 1), 7, batch_size=3, minutes=minutes)
    assert (
        pictures.shape == (drawn, 3, 2, 2) and pictures.dtype == torch.uint8 and pictures[0, 0, 0, 0] == 128
    )


class Judge(nn.Module):
    """Stands in for a classifier; its features are the mean colour of each quarter."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(12, 10)


def test_both_are_judged(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    net = UNet(UNetConfig(3, 32, (1, 1), 1, (), num_classes=10)).eval()
    classes = tuple(map(str, range(10)))
    save_model(tmp_path / "ours", Model("ours", net, "cosine", cosine_schedule(), "v", (3, 32, 32), classes))
    test = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8)
    content = {"samples": test[:16].clone()}
    safetensors.torch.save_file(content, tmp_path / "samples.safetensors", {"images_seen": "12800"})
    monkeypatch.setattr(peer, "HEADLINE", Sampling("dpm++2m", 2))
    monkeypatch.setattr(peer, "load_or_train", lambda *_: Judge())
    monkeypatch.setattr(peer, "load_data", lambda *_, **__: ImageData("test", test))
    command = ["--out", str(tmp_path), "--judge", str(tmp_path / "ours"), "--device", "cpu"]
    peer.main(peer.parse_arguments(command))
    distances = json.loads((tmp_path / "judged.json").read_text())["distances"]
    assert 0 <= distances["theirs"] < distances["ours"]
    out = capsys.readouterr().out
    assert "| denoising-diffusion-pytorch | 12,800 | ddim, 250 steps | 16 |" in out
    assert "| ours, ours | 0 | dpm++2m, 2 steps | 16 |" in out
