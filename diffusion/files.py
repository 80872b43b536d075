"""Files that are either the old one or the new one, never half of it; JSON that every program reads."""

import json
import math
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

STATE_FILE = "state.safetensors"  # in the folder of every run
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"  # in that of every model
TEMPORARY = re.compile(r"\..+\.\d+\.tmp")  # of a file and a process: what `write_atomically` replaces it by


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file's content as one step: after a crash or a full disk the old content is still whole.

    Raises:
        OSError: names `file`, which is as it was.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.replace(temporary, file)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; for whoever has it to himself."""
    for file in folder.glob(".*.tmp"):
        if TEMPORARY.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()


def to_json(value: Any, **layout: Any) -> str:
    """JSON as the standard has it: a number that is not finite is null.

    Args:
        value: of what JSON knows; tuples become lists.
        layout: of `json.dumps`.
    """
    return json.dumps(_finite(value), allow_nan=False, **layout)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
