"""All that a borrowed GPU is to do: what it asks of the other programs, what they find, what travels."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from test_background import statuses
from test_sources import write_cifar10

from benchmarks import background, cats, classifier, gpu_slot, peer, prompts, quality, throughput
from benchmarks.background import Slot, log_of
from benchmarks.gpu_slot import FONT, REHEARSAL, SLOTS, SWEEP, Size, install, pack
from diffusion.data.sources import load_data
from diffusion.training.command_line import parse_config
from diffusion.training.config import TrainConfig
from tools import decode, ship

pytestmark = pytest.mark.usefixtures("elsewhere")


def a_slot(name: str = "first") -> Slot:
    return Slot(name, 570, 1590)


def value(command: list[str] | tuple[str, ...], flag: str) -> str:
    return command[command.index(flag) + 1]


# What is asked of the other programs


class Obliging(Slot):
    """Notes the commands instead of running them; a run of training is complete at once."""

    def start(self, name: str, *command: str) -> None:
        self.commands = getattr(self, "commands", {}) | {name: command}
        if name.startswith("train "):
            out = Path(value(command, "--out"))
            out.mkdir(parents=True)
            about = {"images_seen": 1, "settings": {"total_images": 1}}
            (out / "config.json").write_text(json.dumps({"about": about}))
        self.state["parts"][name]["starts"] = 1


PARSERS = {
    "benchmarks.throughput": throughput.parse_arguments,
    "benchmarks.cats": cats.parse_arguments,
    "benchmarks.classifier": classifier.parse_arguments,
    "benchmarks.quality": quality.parse_arguments,
    "benchmarks.prompts": prompts.parse_arguments,
    "benchmarks.peer": peer.parse_arguments,
    "tools.decode": decode.parse_arguments,
    "tools.ship": ship.parse_arguments,
}


def asked(name: str, size: Size, data_dir: Path = Path("data")) -> dict[str, object]:
    """What each part of a slot is told, as the program that it starts understands it."""
    slot = Obliging(name, 570, 1590)
    SLOTS[name](slot, size, data_dir)
    parsed = {}
    for part, (program, *arguments) in slot.commands.items():
        parse = PARSERS[arguments.pop(0)] if program == "-m" else parse_config
        parsed[part] = parse(arguments)
    return parsed


ON_CPU = replace(Size(), device=("--device", "cpu"))
SIZES = pytest.mark.parametrize("size", [ON_CPU, REHEARSAL], ids=["full", "rehearsal"])


@SIZES
def test_the_first_slot_asks_for_what_the_programs_know(size):
    parts = asked("first", size)
    assert list(parts) == [
        "train cats-large", "ship cats-large", "cats cats-large", "cats cats",
        "decode cifar10", "sweep", "classifier", "train cifar10", "ship cifar10", "quality cifar10", "table",
    ]  # fmt: skip
    assert parts["train cifar10"].out == parts["ship cifar10"].run == Path("runs/cifar10")
    assert parts["ship cifar10"].target == parts["quality cifar10"].checkpoint == Path("checkpoints/cifar10")
    assert parts["train cats-large"].out == parts["ship cats-large"].run == Path("runs/cats-large")
    assert parts["ship cats-large"].target == Path(parts["cats cats-large"].checkpoint)
    assert parts["cats cats-large"].num == parts["cats cats"].num and parts["cats cats"].skip_known
    assert parts["quality cifar10"].long and parts["sweep"].out == SWEEP != parts["table"].out


def test_only_what_can_win_is_timed_before_training_and_the_rest_after_it():
    parts = asked("first", ON_CPU)
    assert parts["sweep"].only == ["blocks", "network"]
    assert all(throughput.VARIANTS[name].channels_last for name in parts["sweep"].only)
    assert parts["table"].only == list(throughput.VARIANTS)
    assert 15 < parts["train cifar10"].minutes < 1590 / 60
    assert parts["train cats-large"].minutes == 5 and parts["train cats-large"].compile == "blocks"


FIGURES = {"sharp cats": "80.1% ± 0.9%; 2,000 samples", "never trained on": "88.0% ± 0.8% of the sharp ones"}


@pytest.mark.parametrize(
    ("larger", "smaller", "stays"),
    [
        (FIGURES, {"sharp cats": "73.0% ± 1.0%; 2,000 samples"}, True),
        (FIGURES, {"sharp cats": "80.2% ± 0.9%; 2,000 samples"}, False),
        (FIGURES | {"never trained on": "60.0% ± 1.1% of the sharp ones"}, {"sharp cats": "73.0%"}, False),
        (FIGURES, None, True),  # it was not sent
        (FIGURES, {}, False),  # it could not be measured
        ({}, {"sharp cats": "73.0%"}, False),
        ({}, None, False),
    ],
)
def test_a_larger_network_of_cats_stays_only_if_it_draws_better_ones(larger, smaller, stays):
    for name, figures in (("cats-large", larger), ("cats", smaller)):
        if figures is not None:
            (Path("checkpoints") / name).mkdir(parents=True)
            (Path("checkpoints") / name / "metrics.json").write_text(json.dumps(figures))

    class Shipped(Obliging):
        """Where what is there is what was shipped."""

        def start(self, name: str, *command: str) -> None:
            super().start(name, *command)
            if name == "ship cats-large":
                shutil.copytree("made", "checkpoints/cats-large")

    shutil.copytree("checkpoints/cats-large", "made")
    slot = Shipped("first", 570, 1590)
    gpu_slot.cats(slot, ON_CPU)
    assert Path("checkpoints/cats-large").exists() is stays
    if smaller is not None:
        Path("checkpoints/cats/metrics.json").write_text("{}")  # as it is sent again by the next call
    gpu_slot.cats(Slot("first", 570, 1590), ON_CPU)
    assert Path("checkpoints/cats-large").exists() is stays


@SIZES
def test_the_second_slot_trains_two_schedules_and_compares_the_peers(size):
    parts = asked("second", size)
    for name in ("cosine", "linear"):
        assert parts[f"train mnist-{name}"].stage.schedule == name
    assert parts["train mnist-cosine"].total_images == parts["train mnist-linear"].total_images
    assert parts["judge"].judge == Path("checkpoints/cifar10") and parts["judge"].out == parts["peer"].out
    assert parts["peer"].minutes > 0 and not parts["quality mnist-linear"].long


def test_the_peers_are_measured_beside_our_best_row_alone():
    ours = [name for name in asked("second", ON_CPU)["peers"].only if name in throughput.VARIANTS]
    assert ours == ["blocks", "network"]
    SWEEP.write_text(json.dumps({"best": {"name": "network", "compile": "network", "channels_last": True}}))
    (background.STATE).unlink()
    for run in Path("runs").glob("mnist-*/config.json"):
        run.unlink()
        run.parent.rmdir()
    only = asked("second", ON_CPU)["peers"].only
    assert only[0] == "network" and set(only[1:]) == set(throughput.PEERS)


def font_of(part: object) -> Path | None:
    """The font that a part is told to use."""
    return part.stage.data.emoji_font if isinstance(part, TrainConfig) else part.emoji_font


@SIZES
def test_the_emoji_slot_trains_three_stages_then_ships_and_measures(size):
    parts = asked("emoji", size)
    stages = [parts[f"train {name}"] for name in ("emoji-autoencoder", "emoji-text", "emoji")]
    assert [stage.preset for stage in stages] == ["emoji-autoencoder", "emoji-text", "emoji"]
    autoencoder, text, last = stages
    assert text.stage.autoencoder == last.stage.autoencoder == autoencoder.out
    assert last.stage.text_encoder == text.out
    assert last.channels_last and parts["ship emoji"].run == last.out == Path("runs/emoji")
    assert parts["ship emoji"].target == parts["prompts emoji"].checkpoint == Path("checkpoints/emoji")
    assert all(font_of(part) is None for part in parts.values())
    if size is ON_CPU:
        assert (autoencoder.minutes, text.minutes, last.compile) == (4, 3, "blocks")
        assert 15 < last.minutes < 1590 / 60


def test_a_carried_font_is_used_by_all(tmp_path):
    (tmp_path / FONT).touch()
    assert all(font_of(part) == tmp_path / FONT for part in asked("emoji", REHEARSAL, tmp_path).values())


# What all parts find


def test_data_is_decoded_once_and_found_by_all():
    write_cifar10(Path("data"))
    flags = gpu_slot.decoded(a_slot(), replace(REHEARSAL, decode=()), "cifar10", Path("data"))
    assert flags == ["--data-dir", "runs/data"]
    assert len(load_data("cifar10", Path(flags[1])).images) == 20
    again = gpu_slot.decoded(a_slot(), REHEARSAL, "cifar10", Path("no longer there"))
    assert again == flags and statuses("decode cifar10") == ["exit status 0"]


def test_data_that_cannot_be_decoded_is_read_where_it_is():
    Path("data/train/airplane").mkdir(parents=True)
    assert gpu_slot.decoded(a_slot(), REHEARSAL, "cifar10", Path("data")) == ["--data-dir", "data"]
    assert statuses("decode cifar10") == ["exit status 1"]


def write_wheel(folder: Path, name: str) -> None:
    """A package of one empty module."""
    folder.mkdir()
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def test_wheels_are_installed_beside_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    write_wheel(Path("wheels"), "only_in_a_wheel")
    slot = a_slot()
    install(slot)
    assert statuses("packages") == ["exit status 0"]
    show = "import os, only_in_a_wheel as wheel; print(wheel.__file__, os.environ['LD_LIBRARY_PATH'])"
    slot.run("show", "-c", show)
    place = tmp_path / "runs/site/only_in_a_wheel.py"
    assert log_of("show").read_text() == f"{place} {tmp_path}/wheels:/elsewhere\nexit status 0\n"
    monkeypatch.undo()
    outside = subprocess.run([sys.executable, "-c", "import only_in_a_wheel"])
    assert outside.returncode == 1


# What travels


def unpacked(out: Path) -> Path:
    subprocess.run("mkdir there && cat out/result.tar.* | tar x -C there", shell=True, check=True)
    return out.parent / "there"


def test_results_travel_in_pieces_and_come_together_again(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_slot, "PIECE_BYTES", 4096)
    folder = Path("checkpoints/cifar10")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("x" * 10_000)
    pack("first", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) > 2
    there = unpacked(tmp_path / "out")
    assert (there / folder / "config.json").stat().st_size == 10_000


def test_a_log_that_grows_is_packed_as_it_was_read(tmp_path, monkeypatch):
    log = a_slot() and log_of("train cifar10")
    log.write_bytes(b"row\n" * 1000)
    describe = tarfile.TarFile.gettarinfo

    def meanwhile(tar: tarfile.TarFile, name: Path) -> tarfile.TarInfo:
        with open(name, "ab") as file:
            file.write(b"another row\n" * 1000)
        return describe(tar, name)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", meanwhile)
    pack("first", tmp_path / "out")
    assert (unpacked(tmp_path / "out") / log).read_bytes() == b"row\n" * 1000


def test_files_that_come_and_go_meanwhile_do_no_harm(tmp_path):
    folder = Path(a_slot() and "runs/slot")
    kept, over = folder / "kept.json", threading.Event()
    kept.write_text("{}")

    def busy() -> None:
        while not over.is_set():
            (folder / ".kept.json.tmp").write_text("{}")
            (folder / ".kept.json.tmp").unlink()

    writer = threading.Thread(target=busy)
    writer.start()
    try:
        for _ in range(30):
            pack("first", tmp_path / "out")
    finally:
        over.set()
        writer.join()
    assert (unpacked(tmp_path / "out") / kept).read_text() == "{}"


def test_what_is_sent_is_small():
    [command] = re.findall(r"git sparse-checkout set ([\w ]+?) +#", gpu_slot.__doc__)
    promised = float(re.search(r"pictures and tests, (\d) MB", gpu_slot.__doc__)[1])
    files = [file for file in ROOT.iterdir() if file.is_file()]
    files += [file for folder in command.split() for file in (ROOT / folder).rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files if "__pycache__" not in file.parts)
    assert (promised - 0.5) * 1e6 < size < (promised + 0.5) * 1e6
    assert {"train.py", "emoji_held_out.txt", "gpu_slot.py", "ship.py"} <= {file.name for file in files}


def test_a_call_packs_what_there_is_and_says_whether_to_call_again(tmp_path, capsys):
    arguments = ["first", "--out", str(tmp_path / "out"), "--rehearse"]
    gpu_slot.main(gpu_slot.parse_arguments([*arguments, "--seconds", "0"]))
    assert capsys.readouterr().out.endswith("Not finished: call again.\n")
    assert (tmp_path / "out/result.tar.00").exists()
    gpu_slot.main(gpu_slot.parse_arguments([*arguments, "--slot-seconds", "0", "--seconds", "60"]))
    assert capsys.readouterr().out.endswith("The slot is finished.\n")
