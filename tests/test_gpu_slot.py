"""The command that is repeated on a borrowed GPU: what it remembers, how it keeps to its time."""

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import gpu_slot, prompts
from benchmarks.gpu_slot import FONT, REHEARSAL, Size, Slot, best_flags, complete, install, pack
from diffusion.training.command_line import parse_config
from tools import ship


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_part_that_is_done_is_not_done_again(capfd):
    slot = Slot("first", 60, 600)
    slot.once("hello", "-c", "print('hello')")
    slot.once("hello", "-c", "print('again')")
    Slot("first", 60, 600).once("hello", "-c", "print('again')")
    assert "again" not in capfd.readouterr().out.replace("print('again')", "")
    assert Slot("first", 60, 600).state["done"] == ["hello"]
    assert Slot("second", 60, 600).state["done"] == []


def test_a_part_that_hangs_is_given_up_and_the_rest_goes_on():
    slot = Slot("first", 60, 600)
    slot.once("hangs", "-c", "import time; time.sleep(30)", at_most=0.5)
    assert slot.state["done"] == ["hangs"]


def test_a_part_that_the_call_has_no_time_for_waits_for_the_next():
    slot = Slot("first", gpu_slot.PACKING, 600)
    slot.once("late", "-c", "raise SystemExit")
    assert slot.state["done"] == [] and slot.left() <= 0


def test_a_part_in_the_background_outlives_the_call():
    wait = "import time; time.sleep(1.5); open('made', 'w')"
    slot = Slot("second", gpu_slot.PACKING + 0.3, 600)
    slot.in_background("peer", "-c", wait)
    assert slot.state["done"] == [] and not Path("made").exists()
    later = Slot("second", 60, 600)
    later.in_background("peer", "-c", "raise SystemExit")
    assert later.state["done"] == ["peer"] and Path("made").exists()


def test_the_slot_ends_on_time_however_long_a_call_may_be():
    slot = Slot("first", 500, 600)
    slot.state["started"] -= 400
    slot.save()
    assert Slot("first", 500, 600).left() < 200


def test_training_gets_what_is_left_and_keeps_it(monkeypatch):
    slot = Slot("first", 570, 1590)
    minutes = slot.training_minutes()
    assert 60 * minutes == pytest.approx(1590 - gpu_slot.AFTER_TRAINING - 2 * gpu_slot.RESTART, abs=2)
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + 500)
    assert Slot("first", 570, 1590).training_minutes() == minutes


def test_the_sweep_decides_the_flags():
    assert best_flags() == []
    gpu_slot.SLOT.mkdir(parents=True)
    gpu_slot.SWEEP.write_text(json.dumps({"best": {"compile": "blocks", "channels_last": True}}))
    assert best_flags() == ["--compile", "blocks", "--channels-last"]
    gpu_slot.SWEEP.write_text(json.dumps({"best": {"compile": None, "channels_last": False}}))
    assert best_flags() == []


def test_a_run_is_complete_when_it_has_seen_its_images(tmp_path):
    assert not complete(tmp_path)
    for seen, expected in ((99, False), (100, True)):
        about = {"images_seen": seen, "settings": {"total_images": 100}}
        (tmp_path / "config.json").write_text(json.dumps({"about": about}))
        assert complete(tmp_path) is expected


class Obliging(Slot):
    """Notes the commands instead of running them; a run of training is complete at once."""

    def run(self, name: str, *command: str, at_most: float = 1e9) -> bool:
        if name in self.state["done"]:
            return True
        self.commands = [*getattr(self, "commands", []), command]
        if name.startswith("train "):
            out = Path(command[command.index("--out") + 1])
            out.mkdir(parents=True)
            about = {"images_seen": 1, "settings": {"total_images": 1}}
            (out / "config.json").write_text(json.dumps({"about": about}))
        return True


def commands_of(size: Size, data_dir: Path) -> list[tuple[str, ...]]:
    slot = Obliging("emoji", 570, 1590)
    assert all(gpu_slot.emoji(slot, size, ["--data-dir", str(data_dir)]))
    assert slot.state["done"] == ["prompts emoji", "ship emoji"]
    return slot.commands


def test_the_emoji_slot_trains_three_stages_then_ships_and_measures(tmp_path):
    size = replace(Size(), device=("--device", "cpu"))
    *trained, shipping, measuring = commands_of(size, tmp_path)
    first, text, second = (parse_config(list(command[1:])) for command in trained)
    assert (first.preset, first.minutes, first.out) == (
        "emoji-autoencoder",
        4,
        Path("runs/emoji-autoencoder"),
    )
    assert (text.preset, text.minutes, text.out) == ("emoji-text", 3, Path("runs/emoji-text"))
    assert text.autoencoder == first.out and second.text_encoder == text.out
    assert (second.preset, second.compile, second.out) == ("emoji", "blocks", Path("runs/emoji"))
    assert 15 < second.minutes < 1590 / 60 and second.autoencoder == first.out
    assert shipping[:2] == ("-m", "tools.ship") and measuring[:2] == ("-m", "benchmarks.prompts")
    shipped = ship.parse_arguments(list(shipping[2:]))
    measured = prompts.parse_arguments(list(measuring[2:]))
    assert shipped.run == second.out and shipped.target == measured.checkpoint == Path("checkpoints/emoji")
    assert measured.skip_known and shipped.emoji_font is measured.emoji_font is None


def test_a_carried_font_is_used_by_all(tmp_path):
    (tmp_path / FONT).touch()
    for command in commands_of(REHEARSAL, tmp_path):
        assert command[command.index("--emoji-font") + 1] == str(tmp_path / FONT)


def test_shared_libraries_are_looked_for_among_the_wheels(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    slot = Slot("emoji", 60, 600)
    install(slot)
    slot.run("show", "-c", "import os; print(os.environ['LD_LIBRARY_PATH'])")
    assert f"{tmp_path / 'wheels'}:/elsewhere\n" in capfd.readouterr().out


def test_results_travel_in_pieces_and_come_together_again(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_slot, "PIECE_BYTES", 4096)
    (tmp_path / "checkpoints/cifar10").mkdir(parents=True)
    (tmp_path / "checkpoints/cifar10/config.json").write_text("x" * 10_000)
    pack("first", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) > 2
    subprocess.run("mkdir there && cat out/result.tar.* | tar x -C there", shell=True, check=True)
    assert (tmp_path / "there/checkpoints/cifar10/config.json").stat().st_size == 10_000
