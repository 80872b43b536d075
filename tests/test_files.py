import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from diffusion.files import remove_leftovers, to_json, write_atomically


def test_a_failing_replacement_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "file"
    write_atomically(file, b"old")

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        write_atomically(file, b"new")
    assert caught.value.filename == str(file)
    assert file.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from diffusion.files import remove_leftovers, to_json, write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_atomically(Path(sys.argv[1]), bytes(10_000))
except OSError as error:
    print(error.errno, error.filename)
"""


def test_no_room_leaves_the_old_file(tmp_path):
    """The kernel refuses to let a file grow beyond 4 kB, in the middle of writing."""
    file = tmp_path / "file"
    write_atomically(file, b"old")
    command = [sys.executable, "-c", FULL_DISK, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["27", str(file)]  # EFBIG
    assert file.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file/inside") as caught:
        write_atomically(tmp_path / "file/inside", b"new")
    assert isinstance(caught.value, NotADirectoryError)


def test_json_has_no_numbers_that_are_none():
    value = {"a": [1.5, float("nan"), (float("-inf"), 2)], "b": {"c": float("inf")}, "d": "é"}
    text = to_json(value, ensure_ascii=False)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": [1.5, None, [None, 2]],
        "b": {"c": None},
        "d": "é",
    }


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    for name in (".state.4711.tmp", ".mine.tmp", "x.4711.tmp", ".4711.tmp"):
        (tmp_path / name).write_bytes(b"")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "nowhere")
    assert sorted(os.listdir(tmp_path)) == [".4711.tmp", ".mine.tmp", "x.4711.tmp"]


def test_everything_that_is_written_as_json_goes_through_it():
    """So that no file of ours has NaN in it, which most programs refuse to read."""
    sources = [*(ROOT / "diffusion").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    known = {"files.py", "config.py"}  # its home; settings that are compared, not written
    assert {path.name for path in sources if "json.dump" in path.read_text("utf-8")} <= known
