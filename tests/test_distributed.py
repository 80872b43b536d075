"""The machine that a run is on: signals, compiling, memory formats, several processes."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from tiny_runs import EXPORTED, images_seen, state
from training import environment, shrink

import train
from diffusion import load_model
from diffusion.training.command_line import parse_config
from diffusion.training.data import load_training_data
from diffusion.training.distributed import Stop


def test_signals_and_deadlines_stop_once_they_are_looked_at():
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        with Stop(time.monotonic() + 1000) as stop:
            assert not stop.wanted()
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)  # impatience breaks nothing
            assert stop.wanted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers):
            signal.signal(number, handler)
    assert Stop(time.monotonic() - 1).wanted()


def test_blocks_compiled_by_themselves_and_channels_last_learn_the_same(tiny, tmp_path):
    plain = state(tiny("--total-images", "24"))
    fast = state(
        tiny("--total-images", "24", "--compile", "blocks", "--channels-last", out=tmp_path / "fast")
    )
    assert plain.keys() == fast.keys()
    for name in plain:
        if name.startswith("net."):
            torch.testing.assert_close(fast[name].contiguous(), plain[name], atol=2e-3, rtol=0.05)


def test_averages_and_moments_are_laid_out_as_their_weights(data_dir, monkeypatch):
    shrink(monkeypatch.setattr)
    config = parse_config(["mnist", "--data-dir", str(data_dir), "--channels-last", "--device", "cpu"])
    run = train.Run(config, load_training_data(config), torch.device("cpu"))
    run.step()
    weights = dict(run.net.named_parameters())
    assert any(not weight.is_contiguous() for weight in weights.values())
    for name, weight in weights.items():
        assert run.ema.weights[name].stride() == weight.stride()
        assert run.optimizer.state[weight]["exp_avg"].stride() == weight.stride()


TWO_PROCESSES = """
import os, sys, torch, train
from pathlib import Path
from training import shrink
shrink(setattr)
loop = train.training_loop
def loop_and_keep(run, *others):
    loop(run, *others)
    torch.save(dict(run.net.state_dict()), Path(sys.argv[0]).parent / f"{os.environ['RANK']}.weights")
train.training_loop = loop_and_keep
train.main()
"""


def test_two_processes_train_one_network(data_dir, tmp_path):
    """Each process keeps the weights that it ends with: the same, bit for bit, and what is exported."""
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    flags = ["mnist", "--data-dir", str(data_dir), "--out", str(tmp_path / "run"), "--device", "cpu"]
    env = environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    done = subprocess.run(
        [*launch, str(script), *flags], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.weights", weights_only=True) for rank in (0, 1))
    assert first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
    assert images_seen(tmp_path / "run") == 160
    assert all(torch.equal(first[k], state(tmp_path / "run")[f"net.{k}"]) for k in first)
    assert done.stdout.count("mnist: 160 images") == 1  # only the leader speaks
    assert {p.name for p in (tmp_path / "run").iterdir()} == EXPORTED
    assert load_model(tmp_path / "run").about["images_seen"] == 160
