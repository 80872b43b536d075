import os
import subprocess
import sys

import pytest
from conftest import ROOT

from diffusion.files import write_atomically


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
from diffusion.files import write_atomically
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
