"""The program in a world of its own, with files beside it that nobody may read, and what becomes of these."""

import base64
import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmarks.common import OFFLINE, START_SECONDS

ROOT = Path(__file__).parent.parent
EVERY, AFTER, BODY = 2, 6, 2  # seconds: as benchmarks.impatient_app takes them
SLACK = 10  # seconds that a busy machine may be late


@dataclass(frozen=True)
class Server:
    """A running program.

    Args:
        url: its address.
        world: all that it may see of a file system besides the code: folders called cwd, home, tmp, cache and
            outside, of which the last holds `secret`.
        log: what it prints.
        secret: a word that stands in files which are not for anyone.
    """

    url: str
    world: Path
    log: Path
    secret: str

    @property
    def forbidden(self) -> list[Path]:
        """What must not be read: files outside, links to them, and ways around."""
        outside = self.world / "outside"
        around = [self.world / "cache" / ".." / "outside" / "secret.txt", Path("../outside/secret.txt")]
        return [*sorted(outside.iterdir()), *around, self.world / "home" / "secret.txt", self.log]

    def has_leaked_into(self, content: bytes) -> bool:
        """Whether an answer has the secret, as it is or in base64."""
        core = self.secret.encode()
        shifted = (base64.b64encode(b"x" * shift + core)[4:-4] for shift in range(3))
        return core in content or any(piece in content for piece in shifted)

    def files(self, *folders: str) -> dict[str, tuple[int, int]]:
        """Size and time of every file in these folders of the world."""
        paths = (path for folder in folders for path in (self.world / folder).rglob("*"))
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()}

    def left_over(self) -> list[str]:
        """Files of visitors that are still there when the time is up at which they are to be deleted."""
        deadline = time.monotonic() + AFTER + 2 * EVERY + SLACK
        while (left := [*self.files("cache")]) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left


def _furnished(world: Path, secret: str) -> None:
    for name in ("cwd", "home", "tmp", "cache", "outside"):
        (world / name).mkdir(parents=True)
    for place in ("outside", "home"):
        (world / place / "secret.txt").write_text(secret * 50)
    Image.new("RGB", (64, 64), "red").save(world / "outside" / "secret.png")
    for name in ("secret.txt", "secret.png"):
        (world / "outside" / f"link-to-{name}").symlink_to(world / "outside" / name)
    (world / "outside" / "link-to-home").symlink_to(world / "home")


@contextmanager
def abused(world: Path, models: str) -> Iterator[Server]:
    """The program in a new folder, until the block ends.

    Args:
        world: the folder.
        models: as the environment variable MODEL names them, with absolute paths.

    Raises:
        RuntimeError: it ended, or does not answer.
    """
    secret = secrets.token_hex(20)
    _furnished(world, secret)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    own = {"HOME": "home", "XDG_CACHE_HOME": "home", "TMPDIR": "tmp", "GRADIO_TEMP_DIR": "cache"}
    environment = os.environ | OFFLINE | {name: str(world / folder) for name, folder in own.items()}
    environment |= {"MODEL": models, "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.impatient_app", *map(str, (EVERY, AFTER, BODY))]
    log = world / "log"
    with open(log, "w") as file:
        app = subprocess.Popen(command, cwd=world / "cwd", env=environment, stdout=file, stderr=file)
    try:
        _wait_for(port, app)
        yield Server(f"http://127.0.0.1:{port}", world, log, secret)
    finally:
        app.terminate()
        app.wait(20)


def _wait_for(port: int, app: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while app.poll() is None and time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise RuntimeError(f"The program does not answer (exit code {app.poll()}).")
