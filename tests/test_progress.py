"""The progress bar and the log of a run."""

import json
import math
import time

import pytest
import torch
from tiny_runs import rows

from diffusion.training.progress import Progress


def test_without_a_terminal_progress_is_a_line_now_and_then(tmp_path, capfd):
    with Progress(tmp_path / "log", 8000, 0, 8) as progress:
        for _ in range(1000):
            progress.step(torch.tensor(0.25), 1e-3)
        progress.log()
    lines = capfd.readouterr().err.split("\n")
    assert len(lines) < 8 and any("loss=0.2500" in line and "img/s" in line for line in lines)
    assert len((tmp_path / "log").read_text().splitlines()) == 2  # after the first step and at the end


@pytest.mark.parametrize(("peak", "share"), [(1e9, "peak=100%"), (0.99e9, None)])
def test_a_share_above_the_peak_is_not_told(tmp_path, capfd, monkeypatch, peak, share):
    """Ten images a second of 10⁸ operations each."""
    with Progress(tmp_path / "log", 80, 0, 10, flops_per_image=1e8, peak=peak) as progress:
        progress.last, progress.next_log = (0.0, 0), math.inf
        progress.step(torch.tensor(1.0), 0.0)
        monkeypatch.setattr(time, "monotonic", lambda: 1.0)
        progress.log()
    assert rows(tmp_path, "log")[0]["share_of_peak"] == (1 if share else None)
    shown = capfd.readouterr().err
    assert share in shown if share else "peak" not in shown


def test_the_log_of_a_killed_run_is_cut_where_it_resumes(tmp_path):
    written = [{"images_seen": seen} for seen in (8, 16, 24)]
    log = tmp_path / "log"
    log.write_text("\n".join(map(json.dumps, written)) + '\n{"images_se')
    with Progress(log, 80, 16, 8):
        pass
    assert [json.loads(row) for row in log.read_text().splitlines()] == written[:2]


def test_a_silent_process_checks_its_losses_too(tmp_path, capfd):
    with Progress(tmp_path / "log", 80, 40, 8, silent=True) as progress:
        progress.step(torch.tensor(1.0), 0.0)
        progress.next_log = float("inf")
        progress.step(torch.tensor(float("nan")), 0.0)
        with pytest.raises(FloatingPointError, match="at step 7"):
            progress.log()
    assert not (tmp_path / "log").exists() and capfd.readouterr().err == ""
