"""Parts that outlive a call: found again, waited for, ended in time. Everything here is real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import background
from benchmarks.background import Background, CallOver, Slot, birth, log_of, start

pytestmark = pytest.mark.usefixtures("elsewhere")
UNTIL_GO = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nopen('made', 'w')"
NAP = "import time; time.sleep(60)"


def wait_until(true, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(name: str) -> bool:
    """Whether another process has noted that it began a part; a `Slot` here would write over its notes."""
    noted = json.loads(background.STATE.read_text()) if background.STATE.exists() else {"parts": {}}
    return bool(noted["parts"].get(name, {}).get("starts"))


def statuses(name: str) -> list[str]:
    return [line for line in log_of(name).read_text().splitlines() if line.startswith("exit status")]


def test_a_part_outlives_the_call_and_is_found_by_the_next():
    call = f"from benchmarks.background import Slot\nSlot('first', 500, 600).run('long', '-c', {UNTIL_GO!r})"
    process = subprocess.Popen([sys.executable, "-c", call], start_new_session=True)
    wait_until(lambda: begun("long"))
    os.killpg(process.pid, signal.SIGKILL)  # all that belongs to the call
    process.wait()
    later = Slot("first", 500, 600)
    held = Background(**later.state["parts"]["long"]["process"])
    assert held.running and not Path("made").exists()
    Path("go").touch()
    later.run("long", "-c", "open('again', 'w')")
    assert Path("made").exists() and not Path("again").exists() and not held.running
    assert later.state["parts"]["long"]["done"] and statuses("long") == ["exit status 0"]


def test_a_call_ends_while_a_part_is_running(capsys):
    slot = Slot("first", 500, 600)
    slot.part("long", 500)
    slot.start("long", "-c", UNTIL_GO)
    slot.call_end = time.time()
    with pytest.raises(CallOver):
        slot.run("long", "-c", UNTIL_GO)
    assert "== long: still running" in capsys.readouterr().out and not Path("made").exists()
    Path("go").touch()
    Slot("first", 500, 600).run("long", "-c", UNTIL_GO)
    assert Path("made").exists()


def test_a_part_that_the_call_has_no_time_for_waits_for_the_next():
    slot = Slot("first", 0, 600)
    with pytest.raises(CallOver):
        slot.run("late", "-c", "raise SystemExit", at_most=5)
    assert slot.state["parts"] == {}  # its time has not begun


def test_a_part_that_is_done_is_not_done_again(capsys):
    for _ in range(2):
        Slot("first", 60, 600).run("hello", "-c", "print('hello'); raise SystemExit(3)")
    out = capsys.readouterr().out
    assert out.count("exit status 3") == 1 and out.count("== hello: over") == 1
    assert log_of("hello").read_text() == "hello\nexit status 3\n"
    assert Slot("second", 60, 600).state["parts"] == {}


def test_another_process_with_the_same_number_is_not_taken_for_it():
    assert not Background(os.getpid(), "0").running and Background(os.getpid(), birth(os.getpid())).running
    slot = Slot("first", 60, 600)
    slot.part("ended", 60).update(starts=1, process={"pid": os.getpid(), "born": "0"})
    slot.run("ended", "-c", "open('again', 'w')")
    assert not Path("again").exists()


def test_a_zombie_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    held = Background(process.pid, birth(process.pid))
    wait_until(lambda: not held.running)
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    assert stat.rpartition(")")[2].split()[0] == "Z"
    process.wait()


def test_a_part_that_hangs_is_ended_with_its_children(monkeypatch):
    monkeypatch.setattr(background, "STOPPING", 0.3)
    stubborn = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork();"
    stubborn += "open(f'pid-{os.getpid()}', 'w'); time.sleep(60)"
    slot = Slot("first", 60, 600)
    slot.part("hangs", 60)
    slot.start("hangs", "-c", stubborn)
    wait_until(lambda: len(list(Path().glob("pid-*"))) == 2)
    born = {file: birth(int(file.name[4:])) for file in Path().glob("pid-*")}
    slot.state["parts"]["hangs"]["end"] = time.time()
    slot.run("hangs", "-c", "pass")
    for file, when in born.items():
        wait_until(lambda file=file, when=when: birth(int(file.name[4:])) != when, 5)


def test_a_part_whose_time_is_over_may_save_what_it_has():
    saves = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    saves += "open('ready', 'w'); time.sleep(60)"
    slot = Slot("first", 60, 600)
    slot.part("saves", 60)
    slot.start("saves", "-c", saves)
    wait_until(Path("ready").exists)
    slot.state["parts"]["saves"]["end"] = time.time()
    slot.run("saves", "-c", "pass")
    assert statuses("saves") == ["exit status 0"]


def test_after_the_slots_end_only_what_is_late_is_done(capsys):
    slot = Slot("first", 60, 600)
    slot.state["started"] -= 600
    slot.save()
    slot = Slot("first", 60, 600)
    slot.run("table", "-c", "open('table', 'w')")
    slot.run("ship", "-c", "open('ship', 'w')", at_most=60, late=True)
    assert Path("ship").exists() and not Path("table").exists()
    assert "== table: left out, for lack of time" in capsys.readouterr().out


def test_the_end_of_a_part_is_decided_once_and_not_after_the_slots():
    slot = Slot("first", 60, 600)
    slot.part("long", 60)
    slot.start("long", "-c", NAP)
    end = slot.state["parts"]["long"]["end"]
    assert Slot("first", 60, 600).part("long", 999)["end"] == end
    Background(**slot.state["parts"]["long"]["process"]).stop(5)
    slot.run("short", "-c", "pass", at_most=1e6)
    assert slot.state["parts"]["short"]["end"] == pytest.approx(slot.end, abs=1)


def test_of_progress_bars_the_last_state_is_shown():
    held = start(["-c", r"print('a', end='\r'); print('b'); print('c')"], log := Path("log"))
    wait_until(lambda: not held.running)
    assert background.tail(log, 3) == ["b", "c", "exit status 0"]
    assert background.tail(Path("none"), 3) == [""]
