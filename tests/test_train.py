import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import ROOT
from PIL import Image
from training import environment, shrink, write_mnist

import train
from diffusion import load_film, load_model
from diffusion.training.command_line import flags, parse_config
from diffusion.training.config import fixed_settings
from diffusion.training.data import load_training_data
from diffusion.training.distributed import Stop
from diffusion.training.presets import PRESETS
from diffusion.training.progress import Progress
from train import learning_rate

TINY = [sys.executable, str(ROOT / "tests/training.py"), "mnist"]
REAL = [sys.executable, str(ROOT / "train.py")]
EXPORTED = {
    "README.md",
    "config.json",
    "examples.png",
    "film.json",
    "film.png",
    "log.jsonl",
    "metrics.json",
    "model.safetensors",
    "samples.png",
    "state.safetensors",
    "training.json",
    "training.png",
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    return folder


@pytest.fixture
def tiny(monkeypatch, data_dir, tmp_path, one_thread):
    """`train.py mnist` with a tiny network in this process: call it with further flags."""
    shrink(monkeypatch.setattr)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test's own process keeps its handlers

    def run(*flags: str, out: Path = tmp_path / "run") -> Path:
        train.main(["mnist", "--data-dir", str(data_dir), "--out", str(out), *flags])
        return out

    return run


def state(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "state.safetensors")


def images_seen(folder: Path) -> int:
    with safetensors.safe_open(folder / "state.safetensors", "pt") as file:
        return json.loads(file.metadata()["meta"])["images_seen"]


def rows(folder: Path, name: str = "log.jsonl") -> list[dict]:
    return [json.loads(row) for row in (folder / name).read_text().splitlines()]


# The command line and the learning rate


def test_there_are_few_flags():
    assert len(flags()) <= 15
    help_text = subprocess.run([*REAL, "--help"], capture_output=True, text=True, timeout=60).stdout
    assert all(f"{name} " in help_text for name in flags()) and "--time-limit SECONDS" in help_text


@pytest.mark.parametrize("preset", PRESETS)
def test_without_flags_the_preset_is_taken_as_it_is(preset):
    config = parse_config([preset])
    assert config.out == Path("runs") / preset and config == PRESETS[preset]


def test_flags_replace_values_of_the_preset():
    given = "--data-dir d --out o --total-images 5 --time-limit 1.5 --batch-size 2 --seed 7"
    given += " --device cpu --compile blocks --channels-last --schedule linear --push-to-hub user/name"
    config = parse_config(["folder", *given.split()])
    assert (config.stage.data.data_dir, config.out) == (Path("d"), Path("o"))
    assert (config.total_images, config.time_limit, config.batch_size, config.seed) == (5, 1.5, 2, 7)
    assert (config.device, config.compile, config.push_to_hub) == ("cpu", "blocks", "user/name")
    assert (config.channels_last, config.stage.schedule) == (True, "linear")
    assert config.stage.channels == PRESETS["folder"].stage.channels
    config = parse_config(["emoji", "--emoji-font", "f", "--autoencoder", "a", "--text-encoder", "t"])
    assert (config.stage.autoencoder, config.stage.text_encoder) == (Path("a"), Path("t"))
    assert config.stage.data == replace(PRESETS["emoji"].stage.data, emoji_font=Path("f"))


@pytest.mark.parametrize(
    "flags",
    [
        "unknown",
        "",
        "mnist --total-images 0",
        "mnist --total-images many",
        "mnist --batch-size 0",
        "mnist --seed -1",
        f"mnist --seed {2**32}",
        "mnist --time-limit 0",
        "mnist --time-limit nan",
        "mnist --minutes 0",
        "mnist --schedule cubic",
        "mnist --compile everything",
        "mnist --device quantum",
        "mnist --channels 3",
        "emoji-mini-text --push-to-hub user/name",
        "emoji-autoencoder --push-to-hub user/name",
    ],
)
def test_wrong_flags_are_refused(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_config(flags.split())
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("preset", "flag", "value"),
    [
        ("mnist", "--emoji-font", "f"),
        ("folder", "--autoencoder", "a"),
        ("emoji", "--data-dir", "d"),
        ("emoji-autoencoder", "--schedule", "linear"),
        ("emoji-mini-text", "--text-encoder", "t"),
    ],
)
def test_a_flag_that_means_nothing_to_a_preset_is_refused(preset, flag, value, capsys):
    with pytest.raises(SystemExit):
        parse_config([preset, flag, value])
    assert f"error: {flag} means nothing to the preset {preset}\n" in capsys.readouterr().err


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_card_tells_of_a_run_is_true_of_it(preset):
    """No setting of another stage: only fields of what the config itself holds, by names known before."""
    config = PRESETS[preset]
    settings = fixed_settings(config)
    before = json.loads((ROOT / "tests/fixtures/settings.json").read_text())[preset]
    assert settings.items() <= before.items()
    assert settings["preset"] == preset and settings["stage"] == before["stage"]
    text = {"text_width", "text_layers", "num_tokens", "vocabulary_size"}
    assert (text <= settings.keys()) is (settings["stage"] == "matching")
    assert ("schedule" in settings) is (settings["stage"] in ("diffusion", "text"))
    assert ("latent_channels" in settings) is (settings["stage"] == "autoencoder")
    assert ("image_size" in settings) is (preset not in ("mnist", "cifar10"))


@pytest.mark.parametrize("folder", sorted((ROOT / "checkpoints").iterdir()), ids=lambda folder: folder.name)
def test_what_shipped_cards_tell_is_true_too(folder):
    settings = json.loads((folder / "config.json").read_text("utf-8"))["about"]["settings"]
    parts = {"autoencoder", "text_encoder"} if settings.get("stage") == "text" else set()
    assert settings.keys() <= fixed_settings(PRESETS[settings["preset"]]).keys() | parts
    if (folder / "README.md").exists():
        table = (folder / "README.md").read_text("utf-8").split("| --- | --- |\n")[1]
        assert table.splitlines() == [f"| {name} | {value} |" for name, value in settings.items()]


def test_the_batch_is_shared_evenly_between_processes(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SystemExit):
        parse_config(["mnist"])
    assert "--batch-size must be a multiple of the 3 processes" in capsys.readouterr().err
    assert parse_config(["mnist", "--batch-size", "126"]).batch_size == 126


@pytest.mark.parametrize("preset", PRESETS)
def test_the_learning_rate_rises_stays_and_ends_at_zero(preset):
    config = PRESETS[preset]
    rates = [learning_rate(round(config.total_images * i / 1000), config) for i in range(1001)]
    assert rates[0] == rates[-1] == 0 and max(rates) == config.learning_rate
    top = [i for i, rate in enumerate(rates) if rate == config.learning_rate]
    assert top[0] == pytest.approx(1000 * config.warmup, abs=1)
    assert top[-1] == pytest.approx(1000 * (1 - config.decay), abs=1)
    assert rates[: top[0]] == sorted(rates[: top[0]])
    assert rates[top[-1] :] == sorted(rates[top[-1] :], reverse=True)
    assert learning_rate(config.total_images + 1, config) == 0


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


# What a run leaves


def test_a_run_leaves_a_model_in_the_layout_of_the_hub(tiny, capfd, monkeypatch):
    monkeypatch.setattr(train, "MIN_IMAGES_PER_GRID", 80)
    out = tiny()
    printed = capfd.readouterr()
    assert printed.out.splitlines()[0] == f"mnist: 160 images → {out}"
    assert printed.out.splitlines()[-1] == f"160 images, {out}"
    assert {p.name for p in out.iterdir()} == EXPORTED | {"samples"}
    assert sorted(p.name for p in (out / "samples").iterdir()) == ["000000080.png", "000000160.png"]
    model = load_model(out)
    assert model.name == "run" and model.sample_shape == (1, 28, 28) and model.classes == tuple("0123456789")
    averages = {k[4:]: v for k, v in state(out).items() if k.startswith("ema.")}
    assert all(torch.equal(v, averages[k]) for k, v in model.net.state_dict().items())
    film = load_film(out)
    assert film.frames.shape == (3, 3, 2, 28, 28, 1) and film.info["model"] == "run"
    assert Image.open(out / "samples.png").size == (2 * 28, 2 * 28)
    assert rows(out)[-1]["images_seen"] == 160 and rows(out)[-1]["learning_rate"] == 0
    assert rows(out)[0].keys() == {
        "images_seen",
        "loss",
        "learning_rate",
        "images_per_second",
        "tflops",
        "share_of_peak",
    }


def test_the_model_card_is_filled_in(tiny):
    card = (tiny() / "README.md").read_text("utf-8")
    metrics = json.loads((tiny() / "metrics.json").read_text("utf-8"))
    assert "the first 6 test images of MNIST" in metrics["bits/dim"] and metrics["bits/dim"] in card
    for told in ("CC BY-SA 3.0", "160 images", "samples.png", "film.png", "load_model", "| seed | 0 |"):
        assert told in card
    assert "{" not in card.replace("{name}", "")


def test_a_length_that_is_no_multiple_of_the_batch(tiny):
    out = tiny("--total-images", "21")
    assert images_seen(out) == 24 and load_model(out).about["images_seen"] == 24
    assert rows(out)[-1]["learning_rate"] == 0


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


def test_a_time_limit_ends_in_a_state_that_the_same_command_continues(tiny, capfd):
    out = tiny("--time-limit", "1e-9")
    assert images_seen(out) == 0 and "the same command continues" in capfd.readouterr().out
    assert load_model(out).about["images_seen"] == 0
    tiny()
    assert images_seen(out) == 160


def test_a_folder_without_classes_trains_an_unconditional_model(tiny, tmp_path, capfd):
    for i in range(4):
        Image.new("RGB", (40, 30), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"broken")
    out = tmp_path / "folder-run"
    flags = ["--data-dir", str(tmp_path), "--out", str(out), "--total-images", "16"]
    train.main(["folder", *flags])
    printed = capfd.readouterr().out
    assert "broken.png: This file is not a readable picture" in printed and "Files skipped: 1\n" in printed
    model = load_model(out)
    assert model.classes is None and model.sample_shape == (3, 32, 32)
    assert json.loads((out / "metrics.json").read_text()) == {}


# What goes wrong is told in one sentence


def fails(*command: str, run=None) -> str:
    with pytest.raises(SystemExit) as caught:
        run(*command) if run else train.main(list(command))
    message = caught.value.code
    assert message.startswith("train.py: ") and message.endswith(".") and "\n" not in message
    return message


def test_a_place_that_cannot_be_written(tiny):
    assert "/dev/null/x cannot be used: Not a directory" in fails(run=lambda: tiny(out=Path("/dev/null/x")))


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    flags = ["--out", str(tmp_path / "out"), "--data-dir"]
    assert "nowhere is not a folder" in fails("folder", *flags, str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert "holds no readable picture" in fails("folder", *flags, str(tmp_path / "empty"))


@pytest.mark.parametrize("flags", [["--seed", "1"], ["--batch-size", "16"], ["--total-images", "161"]])
def test_a_run_with_other_settings_is_left_alone(tiny, flags):
    out = tiny("--time-limit", "1e-9")
    before = (out / "state.safetensors").read_bytes()
    name = flags[0][2:].replace("-", "_")
    assert f"holds a run with another {name}: choose another --out" in fails(run=lambda: tiny(*flags))
    assert (out / "state.safetensors").read_bytes() == before


def test_a_broken_state_is_named(tiny):
    out = tiny("--time-limit", "1e-9")
    (out / "state.safetensors").write_bytes(b"broken")
    assert "state.safetensors is broken" in fails(run=tiny)


@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_state(tiny, monkeypatch, tmp_path, part):
    step, clip = train.Run.step, torch.nn.utils.clip_grad_norm_

    def broken_step(run):
        if run.images_seen == 40:
            with torch.no_grad():
                run.net.conv_in.weight.fill_(float("nan"))
        return step(run)

    def broken_gradient(parameters, limit):
        return clip(parameters, limit) * (float("inf") if images_seen(tmp_path / "run") == 40 else 1)

    if part == "loss":
        monkeypatch.setattr(train.Run, "step", broken_step)
    else:
        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", broken_gradient)
    assert "not finite at step 6; what was saved is from before" in fails(run=tiny)
    assert images_seen(tmp_path / "run") == 40
    assert all(value.isfinite().all() for value in state(tmp_path / "run").values())


FULL_DISK = """
import resource, signal, sys
import train
from training import shrink
shrink(setattr)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
step = train.Run.step
def step_and_fill(run):
    if run.images_seen == 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return step(run)
train.Run.step = step_and_fill
train.main()
"""


def test_a_disk_that_fills_up_stops_the_run_and_keeps_the_state(data_dir, tmp_path):
    """The kernel refuses to let any file grow beyond 100 kB, from the sixth step on."""
    flags = ["mnist", "--data-dir", str(data_dir), "--out", str(tmp_path / "run")]
    env = environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *flags], capture_output=True, text=True, env=env, timeout=60
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"train.py: {tmp_path / 'run/state.safetensors'} cannot be used: File too large." in done.stderr
    assert images_seen(tmp_path / "run") == 40
    assert EXPORTED > set(os.listdir(tmp_path / "run")) >= {"state.safetensors", "log.jsonl"}


# Killed, stopped, resumed


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


# Speed


def test_minutes_become_images_once(tiny, capsys):
    out = tiny("--minutes", "0.05", "--time-limit", "1")
    total = settings(out)["total_images"]
    assert 8 <= total < 100_000 and f"mnist: {total:,} images" in capsys.readouterr().out
    tiny("--minutes", "0.05")
    assert settings(out)["total_images"] == total and images_seen(out) >= total
    assert rows(out)[-1]["learning_rate"] < 0.05 * PRESETS["mnist"].learning_rate


def settings(folder: Path) -> dict:
    return load_model(folder).about["settings"]


def test_the_log_tells_the_share_of_the_peak(tiny):
    row = rows(tiny())[-1]
    assert row["share_of_peak"] is None or 0 < row["share_of_peak"] <= 1
    per_image = row["tflops"] * 1e12 / row["images_per_second"]
    assert per_image == pytest.approx(3 * 2 * macs(), rel=0.6)  # backward costs twice the forward pass


def macs() -> float:
    """Multiplications of the tiny network's 3×3 convolutions, by hand: all are at full resolution."""
    channels = [(1, 32), *[(32, 32)] * 4, (64, 32), (32, 32), (64, 32), (32, 32), (32, 1)]
    return sum(28 * 28 * 9 * a * b for a, b in channels)


def test_blocks_compiled_by_themselves_and_channels_last_learn_the_same(tiny, tmp_path):
    plain = state(tiny("--total-images", "24"))
    fast = state(
        tiny("--total-images", "24", "--compile", "blocks", "--channels-last", out=tmp_path / "fast")
    )
    assert plain.keys() == fast.keys()
    for name in plain:
        if name.startswith("net."):
            torch.testing.assert_close(fast[name].contiguous(), plain[name], atol=2e-3, rtol=0.05)


# Several processes

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


# Progress


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
