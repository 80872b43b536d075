"""Printing never ends a program: not for the output's encoding, nor because nobody reads it any more."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT
from training import environment

LENIENT = """
import sys
from diffusion.console import lenient_output
with lenient_output():
    print("→ 고양이", chr(0xDCB0), flush=True)
    sys.stdin.read()
    for _ in range(3):
        print("one more line", flush=True)
        print("one more line", file=sys.stderr, flush=True)
open(sys.argv[1], "w").write("done")
"""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "ascii:strict"])
def test_what_the_encoding_lacks_is_escaped(tmp_path, encoding):
    command = [sys.executable, "-c", LENIENT, str(tmp_path / "end")]
    env = environment(PYTHONIOENCODING=encoding)
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=300
    )
    shown = "→ 고양이" if encoding == "utf-8" else r"\u2192 \uace0\uc591\uc774"
    assert done.returncode == 0 and done.stdout.decode("utf-8").startswith(shown + " \\udcb0\n")


def test_a_pipe_that_nobody_reads_any_more_ends_nothing(tmp_path):
    command = [sys.executable, "-c", LENIENT, str(tmp_path / "end")]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), **pipes)
    process.stdout.readline()
    for pipe in (process.stdout, process.stderr, process.stdin):
        pipe.close()
    assert process.wait(300) == 0 and (tmp_path / "end").read_text() == "done"


def test_a_terminal_that_is_closed_ends_nothing(tmp_path):
    leader, follower = os.openpty()
    command = [sys.executable, "-c", LENIENT, str(tmp_path / "end")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=follower, stderr=follower
    )
    os.close(follower)
    while b"\n" not in os.read(leader, 1000):  # it may come in pieces
        pass
    os.close(leader)
    process.stdin.close()
    assert process.wait(300) == 0 and (tmp_path / "end").read_text() == "done"


CLOSED = """
import os, subprocess, sys
from diffusion.console import lenient_output
with lenient_output():
    file = open(sys.argv[1], "w")
    print("one line", file=sys.stderr)
    print("one line", chr(0xDCB0), sys.stdin.read())
    subprocess.run([sys.executable, "-c", "print('another', flush=True)"], check=True)
    file.write(f"done {file.fileno() > 2}")
"""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">&- 2>/dev/full"])
def test_streams_that_were_closed_from_the_start_end_nothing(tmp_path, closed):
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", CLOSED, str(tmp_path / "end")]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 0 and (tmp_path / "end").read_text() == "done True"


@pytest.mark.parametrize("program", ["tools.decode", "benchmarks.quality"])
def test_programs_print_whatever_the_encoding(program):
    code = f"import {program}; print('→')"
    env = environment(PYTHONIOENCODING="cp1252")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, timeout=300)
    assert done.stdout.rstrip() == rb"\u2192", done.stderr
