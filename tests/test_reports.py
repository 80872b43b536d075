"""Trackers get what the log has: read back from what they wrote, without a network."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from tiny_runs import rows
from training import environment

import train
from diffusion.training.reports import BOARD_FOLDER, STEP, TRACKERS, why_no_reports

NOWHERE = "http://127.0.0.1:1"
READ = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage
runs = SQLiteStorage.get_runs("mnist")
print(json.dumps({run: SQLiteStorage.get_logs("mnist", run) for run in runs}, default=str))
"""


@pytest.fixture
def settings(tmp_path) -> dict[str, str]:
    """Of processes that can reach nothing, and keep what they have in this test's folder."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HF_ENDPOINT"), NOWHERE)
    return environment(TRACKIO_DIR=str(tmp_path / "trackio"), **nowhere)


def trackio_rows(folder: Path, settings: dict[str, str]) -> list[dict]:
    told = subprocess.check_output([sys.executable, "-c", READ], env=settings, text=True, cwd=ROOT)
    runs = json.loads(told.splitlines()[-1])
    assert list(runs) == [str(folder)]  # one, however often it was resumed
    kept = [{k: v for k, v in row.items() if k != "timestamp"} for row in runs[str(folder)]]
    return [{STEP: row.pop("step")} | row for row in kept]


def tensorboard_rows(folder: Path, _: dict[str, str]) -> list[dict]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / BOARD_FOLDER), size_guidance={"scalars": 0}).Reload()
    found: dict[int, dict] = {}
    for name in board.Tags()["scalars"]:
        for event in board.Scalars(name):
            row = found.setdefault(event.step, {STEP: event.step})
            assert name not in row
            row[name] = event.value
    return list(found.values())


@pytest.mark.parametrize("tracker, read", [("trackio", trackio_rows), ("tensorboard", tensorboard_rows)])
def test_a_tracker_has_the_rows_of_the_log_after_a_crash_too(tracker, read, data_dir, tmp_path, settings):
    folder = tmp_path / "run"
    command = [sys.executable, "tests/training.py", "mnist", "--data-dir", str(data_dir)]
    command += ["--out", str(folder), "--report-to", tracker]
    killed = subprocess.Popen(
        command, cwd=ROOT, env=settings | {"PAUSE_AT": "80"}, stdout=subprocess.PIPE, text=True
    )
    while killed.stdout.readline() != "paused\n":
        assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    with open(folder / "log.jsonl", "a") as log:  # of a step that is taken again
        log.write(json.dumps(rows(folder)[-1] | {STEP: 10**6, "loss": 99}) + "\n")
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    logged = [{k: v for k, v in row.items() if v is not None} for row in rows(folder)]
    assert len(logged) > 3 and logged[-1][STEP] == 160
    reported = read(folder, settings)
    assert [list(row) for row in reported] == [list(row) for row in logged]
    for one, other in zip(reported, logged, strict=True):
        assert one == pytest.approx(other, rel=1e-6)  # TensorBoard's are float32


@pytest.mark.parametrize("tracker", TRACKERS)
def test_without_its_package_a_run_is_refused_with_a_sentence(tracker, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(SystemExit):
        train.main(["mnist", "--out", str(tmp_path / "run"), "--report-to", tracker])
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        f"--report-to {tracker} needs a package that is not installed: pip install {tracker}"
    )
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused():
    assert why_no_reports("wandb") == "--report-to can be trackio or tensorboard"
    assert why_no_reports(None) is None
