"""A run that was killed or stopped goes on as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from tiny_runs import images_seen, rows, state
from training import environment, shrink

import train
from diffusion import load_model
from diffusion.training.distributed import Stop

TINY = [sys.executable, str(ROOT / "tests/training.py"), "mnist"]
REAL = [sys.executable, str(ROOT / "train.py")]


def start(data_dir: Path, out: Path, **extra: str) -> subprocess.Popen:
    command = [*TINY, "--data-dir", str(data_dir), "--out", str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment(**extra), **pipes)


def wait_for(process: subprocess.Popen, line: str) -> None:
    while (read := process.stdout.readline()) and read.strip() != line:
        pass
    assert read, process.stderr.read()


def stop_at(images: int, number: signal.Signals, data_dir: Path, out: Path) -> tuple[int, str]:
    """Run until it is inside the step that reaches so many images, signal it; returns status and output."""
    (out / "go").unlink(missing_ok=True)
    process = start(data_dir, out, PAUSE_AT=str(images))
    wait_for(process, "paused")
    process.send_signal(number)
    time.sleep(0.1)
    (out / "go").touch()
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def test_a_run_that_was_stopped_in_every_way_ends_bitwise_equal(data_dir, tmp_path):
    whole_run, out = start(data_dir, tmp_path / "whole"), tmp_path / "stopped"
    assert stop_at(48, signal.SIGKILL, data_dir, out)[0] == -signal.SIGKILL
    assert images_seen(out) == 40  # the step that it was killed in is lost
    for images, number in ((80, signal.SIGTERM), (120, signal.SIGINT)):
        status, printed = stop_at(images, number, data_dir, out)
        assert status == 0 and printed.endswith(f"{images} images, {out}; the same command continues\n")
        assert images_seen(out) == load_model(out).about["images_seen"] == images
    last = start(data_dir, out)
    printed = last.communicate(timeout=60)
    assert last.returncode == 0 and "Resuming at 120 images" in printed[0], printed
    assert whole_run.wait(60) == 0, whole_run.communicate()
    resumed, whole = state(out), state(tmp_path / "whole")
    assert resumed.keys() == whole.keys() and all(torch.equal(resumed[k], whole[k]) for k in whole)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]
    seen = [row["images_seen"] for row in rows(out)]
    assert seen == sorted(set(seen)) and seen[-1] == 160


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no hang-ups here")
def test_a_closed_terminal_ends_a_run_in_a_checkpoint(data_dir, tmp_path):
    """The terminal is a real one, and is gone when the run prints its last lines."""
    out, (leader, follower) = tmp_path / "run", os.openpty()
    terminal = os.ttyname(follower)
    on_terminal = f'exec "$@" <{terminal} >{terminal} 2>&1'  # the first that a new session opens is its own
    command = ["sh", "-c", on_terminal, "sh", *TINY, "--data-dir", str(data_dir), "--out", str(out)]
    hearing = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # should these tests run under nohup
    process = subprocess.Popen(
        command, env=environment(PAUSE_AT="48"), start_new_session=True, preexec_fn=hearing
    )
    shown = b""
    while b"paused" not in shown:
        shown += os.read(leader, 1000)
    os.close(follower)
    os.close(leader)
    time.sleep(0.1)
    (out / "go").touch()
    assert process.wait(300) == 0
    assert images_seen(out) == load_model(out).about["images_seen"] == 48


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no hang-ups here")
def test_a_hang_up_that_is_ignored_from_the_start_stays_so(data_dir, tmp_path):
    command = ["nohup", *TINY, "--data-dir", str(data_dir), "--out", str(tmp_path)]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    process = subprocess.Popen(command, env=environment(PAUSE_AT="48"), text=True, **pipes)
    wait_for(process, "paused")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    (tmp_path / "go").touch()
    process.communicate(timeout=300)
    assert process.returncode == 0 and images_seen(tmp_path) == 160


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_run_whose_output_is_redirected_goes_on_whatever_its_encoding(data_dir, tmp_path, encoding):
    flags = ["--data-dir", str(data_dir), "--out", str(tmp_path), "--total-images", "16"]
    env = environment(PYTHONIOENCODING=encoding)
    process = subprocess.run([*TINY, *flags], env=env, capture_output=True, text=True, timeout=300)
    printed, said = process.stdout, process.stderr
    assert process.returncode == 0 and f"mnist: 16 images \\u2192 {tmp_path}" in printed, said


@pytest.mark.parametrize("resumed_so", [(), ("--channels-last",)])
def test_a_run_with_channels_last_goes_on_bitwise_and_without_it_too(tiny, tmp_path, monkeypatch, resumed_so):
    """A run that is stopped equals one that ran through, and may go on in another memory format."""
    flags = ("--total-images", "48", "--channels-last")
    whole = state(tiny(*flags, out=tmp_path / "whole"))
    monkeypatch.setattr(Stop, "wanted", lambda _: images_seen(tmp_path / "stopped") >= 24)
    stopped = tiny(*flags, out=tmp_path / "stopped")
    assert images_seen(stopped) == 24
    monkeypatch.undo()
    shrink(monkeypatch.setattr)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    resumed = state(tiny("--total-images", "48", *resumed_so, out=stopped))
    assert images_seen(stopped) == 48 and resumed.keys() == whole.keys()
    if resumed_so:
        assert all(torch.equal(resumed[k], whole[k]) for k in whole)
    else:
        for name in (name for name in whole if name.startswith("net.")):
            torch.testing.assert_close(resumed[name], whole[name], atol=2e-3, rtol=0.05)


def test_a_time_limit_ends_in_a_state_that_the_same_command_continues(tiny, capfd):
    out = tiny("--time-limit", "1e-9")
    assert images_seen(out) == 0 and "the same command continues" in capfd.readouterr().out
    assert load_model(out).about["images_seen"] == 0
    tiny()
    assert images_seen(out) == 160


def test_a_finished_run_is_exported_again_and_nothing_else(tiny, capfd, monkeypatch):
    out = tiny()
    weights, figures = (
        (out / "model.safetensors").read_bytes(),
        json.loads((out / "metrics.json").read_text()),
    )
    (out / "metrics.json").write_text(json.dumps(figures | {"another figure": "1"}))
    (out / "model.safetensors").unlink()
    monkeypatch.setattr(train.Run, "step", None)
    capfd.readouterr()
    tiny()
    assert "Resuming at 160 images" in capfd.readouterr().out
    assert (out / "model.safetensors").read_bytes() == weights
    assert json.loads((out / "metrics.json").read_text()) == figures | {"another figure": "1"}


def test_states_are_written_often_enough():
    assert train.FIRST_SAVE_SECONDS < 20 and train.SAVE_SECONDS < 60


@pytest.mark.parametrize(("takes", "wait"), [(0.1, 45), (0.9, 45), (3, 150)])
def test_saving_takes_a_fiftieth_of_the_time_at_most(monkeypatch, takes, wait):
    clock = iter([1000, 1000 + takes])
    monkeypatch.setattr(train.time, "monotonic", lambda: next(clock))
    run = object.__new__(train.Run)
    run.save = lambda: None
    assert train.save_in_time(run, 45) == pytest.approx(1000 + takes + wait)


def test_a_sheet_of_samples_saves_no_state(tiny, monkeypatch):
    monkeypatch.setattr(train, "MIN_IMAGES_PER_GRID", 8)
    for name in ("FIRST_SAVE_SECONDS", "SAVE_SECONDS"):
        monkeypatch.setattr(train, name, 1000)
    saves, save = [], train.Run.save
    monkeypatch.setattr(train.Run, "save", lambda run: saves.append(run.images_seen) or save(run))
    out = tiny("--total-images", "32")
    assert saves == [0, 32] and len(list((out / "samples").iterdir())) == 4


def test_ctrl_c_while_the_libraries_load_is_quiet(tmp_path):
    command = [sys.executable, "-X", "importtime", str(ROOT / "train.py"), "mnist"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, text=True)
    while "torch" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert all(line.startswith("import time:") for line in rest.splitlines()[:-1])


def test_the_first_loss_comes_soon(data_dir, tmp_path):
    """The real preset, in time that this process uses, so that other work on the machine does not count."""
    command = [*REAL, "mnist", "--data-dir", str(data_dir), "--out", str(tmp_path), "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), text=True)
    while "loss=" not in (line := process.stderr.readline()):
        assert line
    process.kill()
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stderr.close()
    assert used.ru_utime + used.ru_stime < 10
    assert images_seen(tmp_path) == 0  # a state is there from the start
