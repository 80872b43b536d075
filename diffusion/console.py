"""What a program prints: it never ends the program, whatever became of the terminal, the pipe or the disk."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast


def escape_output() -> None:
    """Print as escapes what the encoding lacks: that of redirected output is often ASCII or cp1252.

    What is printed to a closed stream is dropped.
    """
    _fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def lenient_output() -> Iterator[None]:
    """A block in which printing cannot fail: escaped as above, and dropped where it cannot be written."""
    escape_output()
    out, err = (cast(TextIO, _Lenient(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield


def _fill_closed_streams() -> None:
    """The null device in place of each standard stream that is closed, as by `>&-`: Python has None there.

    It takes their numbers too: a file with such a number would get what other programs print.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # each is the lowest that is free
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


class _Lenient:
    """A text stream that goes on when its terminal was closed or its reader left.

    Args:
        stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._lead_nowhere()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        """What is still buffered too: it would fail again when the program ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
