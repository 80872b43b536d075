"""A run's folder is one run's: a second one is refused, a killed one leaves nothing in the way."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from test_resume import start, wait_for
from tiny_runs import images_seen
from training import environment

from diffusion import CheckpointError
from diffusion.training.run_folder import own_folder

HOLD = """
import os, sys
from pathlib import Path
from diffusion.training.run_folder import own_folder
with own_folder(Path(sys.argv[1])):
    if sys.argv[2:] and os.fork() == 0:  # a child that outlives its parent
        print("held", flush=True)
        sys.stdin.read()
        os._exit(0)
    if not sys.argv[2:]:
        print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder, *more: str) -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), *more], cwd=ROOT, **pipes)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_is_one_runs_and_free_again_afterwards(tmp_path):
    process = holder(tmp_path / "run")
    try:
        said = rf"in use by another run \(process {process.pid} on "
        with pytest.raises(CheckpointError, match=said), own_folder(tmp_path / "run"):
            pass
    finally:
        process.communicate()
    with own_folder(tmp_path / "run"):
        assert os.listdir(tmp_path / "run") == [".lock"]
    assert os.listdir(tmp_path / "run") == []


@pytest.mark.parametrize("more", [(), ("child",)])
def test_a_killed_run_holds_nothing(tmp_path, more):
    process = holder(tmp_path, *more)
    process.kill()
    process.wait(20)
    assert os.listdir(tmp_path) == [".lock"]
    with own_folder(tmp_path):
        pass
    process.stdin.close()
    process.stdout.close()
    assert os.listdir(tmp_path) == []


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in (
        ".state.safetensors.4711.tmp",
        "samples/.000000512.png.4711.tmp",
        ".mine.tmp",
        "other.4711.tmp",
    ):
        (tmp_path / name).write_bytes(b"half")
    with own_folder(tmp_path):
        assert sorted(os.listdir(tmp_path)) == [".lock", ".mine.tmp", "other.4711.tmp", "samples"]
    assert os.listdir(tmp_path / "samples") == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file/run"), own_folder(tmp_path / "file/run"):
        pass


def test_a_second_run_in_one_folder_is_refused(data_dir, tmp_path):
    """While the first goes on, undisturbed."""
    out = tmp_path / "run"
    first = start(data_dir, out, PAUSE_AT="48")
    wait_for(first, "paused")
    second = start(data_dir, out)
    _, said = second.communicate(timeout=300)
    assert second.returncode == 1 and said.startswith(
        f"train.py: {out} is in use by another run (process {first.pid}"
    )
    assert "Traceback" not in said
    (out / "go").touch()
    assert first.wait(300) == 0 and images_seen(out) == 160 and not (out / ".lock").exists()
    first.communicate()


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def test_a_run_of_several_processes_holds_its_folder_too(data_dir, tmp_path):
    out = tmp_path / "run"
    first = start(data_dir, out, PAUSE_AT="48")
    wait_for(first, "paused")
    flags = ["mnist", "--data-dir", str(data_dir), "--out", str(out), "--device", "cpu"]
    script = str(ROOT / "tests/training.py")
    done = subprocess.run(
        [*TORCHRUN, script, *flags], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0 and "is in use by another run" in done.stderr
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = subprocess.run(
        [*TORCHRUN, script, *flags], env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and images_seen(out) == 160, done.stderr
