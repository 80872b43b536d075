"""Training in a slot: it is resumed after what stopped it, ends in time, and is used as far as it came."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from test_background import statuses
from test_gpu_slot import a_slot, value
from training import write_mnist

from benchmarks import background, gpu_slot
from benchmarks.background import Background, Slot, log_of
from benchmarks.gpu_slot import REHEARSAL, SWEEP, Size, best_flags, complete

pytestmark = pytest.mark.usefixtures("elsewhere")
SMALL = ("--total-images", "160", "--batch-size", "8")
TINY = replace(REHEARSAL, trainer=str(ROOT / "tests/training.py"), training=SMALL)
COMPLETE = "{'about': {'images_seen': 1, 'settings': {'total_images': 1}}}"
RUN = ("train mnist", Path("runs/mnist"))


def commands(log: str) -> list[list[str]]:
    """The command lines that are printed when a part starts."""
    return [line.split() for line in re.findall(r"^== .*?: (\S+ .*)$", log, re.MULTILINE)]


def train_mnist(slot: Slot, size: Size, seconds: float = 500) -> None:
    flags = ("mnist", "--data-dir", "data", *size.training)
    gpu_slot.train(slot, size, "mnist", *flags, seconds=seconds, fast=best_flags())


def test_a_rehearsal_stops_training_and_resumes_it_with_channels_last(monkeypatch, capsys):
    write_mnist(Path("data"))
    task, out = RUN
    interrupt = Background.interrupt

    def and_go(process: Background, *number: int) -> None:
        interrupt(process, *number)
        (out / "go").touch()  # for which the trainer waits after 16 images

    monkeypatch.setattr(Background, "interrupt", and_go)
    monkeypatch.setenv("PAUSE_AT", "16")
    train_mnist(a_slot(), TINY)
    assert complete(out) and a_slot().state["parts"][task]["starts"] == 2
    assert re.search("Resuming at (8|16) images", log_of(task).read_text())
    assert statuses(task) == ["exit status 0"] * 2
    started = commands(capsys.readouterr().out)
    assert all("--channels-last" in command for command in started) and len(started) == 2
    assert int(value(started[1], "--time-limit")) <= int(value(started[0], "--time-limit")) <= 500


def test_what_is_there_in_the_end_is_shipped_complete_or_not():
    write_mnist(Path("data"))
    task, out = RUN
    slot = a_slot()
    train_mnist(slot, replace(TINY, interrupted=False), seconds=0.6)  # the trainer's own limit ends it
    assert statuses(task) == ["exit status 0"] and not complete(out)
    slot.end = time.time()
    gpu_slot.evaluate(slot, "mnist", ["--data-dir", "data"])
    assert statuses("ship mnist") == ["exit status 0"] and not log_of("quality mnist").exists()
    assert Path("checkpoints/mnist/model.safetensors").exists()


def trainer(body: str) -> Size:
    """A size whose trainer is a script."""
    head = "import sys\nfrom pathlib import Path\nout = Path('runs/mnist')\n"
    Path("trainer.py").write_text(f"{head}out.mkdir(parents=True, exist_ok=True)\n{body}")
    return replace(REHEARSAL, trainer="trainer.py", interrupted=False)


def test_fast_flags_that_fail_at_once_are_left_out(capsys):
    SWEEP.parent.mkdir(parents=True)
    SWEEP.write_text(json.dumps({"best": {"compile": "blocks", "channels_last": True}}))
    body = "if '--compile' in sys.argv: raise SystemExit(1)\nimport json\n"
    train_mnist(a_slot(), trainer(body + f"(out / 'config.json').write_text(json.dumps({COMPLETE}))"))
    assert complete(RUN[1]) and statuses(RUN[0]) == ["exit status 1", "exit status 0"]
    assert ["--compile" in command for command in commands(capsys.readouterr().out)] == [True, False]


def test_fast_flags_are_kept_by_a_run_that_has_begun(capsys):
    SWEEP.parent.mkdir(parents=True)
    SWEEP.write_text(json.dumps({"best": {"compile": "blocks", "channels_last": True}}))
    train_mnist(a_slot(), trainer("(out / 'state.safetensors').touch(); raise SystemExit(1)"))
    assert all("--compile" in command for command in commands(capsys.readouterr().out))
    assert statuses(RUN[0]) == ["exit status 1"] * gpu_slot.MAX_STARTS  # and then it is given up


def test_training_that_goes_on_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(gpu_slot, "EXPORTING", 0)
    hangs = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(60)"
    train_mnist(a_slot(), trainer(hangs), seconds=1)
    assert statuses(RUN[0]) in (["exit status 0"], ["exit status 143"])  # before or after it was ready
    assert a_slot().state["parts"][RUN[0]]["done"]


def test_training_may_last_until_the_rest_has_to_begin():
    slot = a_slot()
    left = gpu_slot.until_evaluation(slot)
    assert left == pytest.approx(1590 - background.PACKING - gpu_slot.AFTER_TRAINING, abs=5)
    minutes = float(value(gpu_slot.that_fits(Size(), left), "--minutes"))
    assert 60 * minutes == pytest.approx(left - gpu_slot.STARTING, abs=1)


def test_the_sweep_decides_the_flags():
    assert best_flags() == ["--channels-last"]
    SWEEP.parent.mkdir(parents=True)
    for compiled, channels_last, flags in (
        ("blocks", True, ["--compile", "blocks", "--channels-last"]),
        (None, False, []),
    ):
        SWEEP.write_text(json.dumps({"best": {"compile": compiled, "channels_last": channels_last}}))
        assert best_flags() == flags
    SWEEP.write_text(json.dumps({"best": None}))
    assert best_flags() == ["--channels-last"]


def test_a_run_is_complete_when_it_has_seen_its_images(tmp_path):
    assert not complete(tmp_path)
    for seen, expected in ((99, False), (100, True)):
        about = {"images_seen": seen, "settings": {"total_images": 100}}
        (tmp_path / "config.json").write_text(json.dumps({"about": about}))
        assert complete(tmp_path) is expected
