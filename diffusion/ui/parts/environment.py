"""What the server reads from the environment, checked and completed before Gradio is imported."""

import atexit
import os
import shutil
import socket
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = ("localhost", "127.0.0.1", "::1")
PORT, NAME, TEMPORARY = "GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME", "GRADIO_TEMP_DIR"
MAX_PORT = 65535
# Gradio reads these as whole numbers.
NUMBERS = (
    PORT,
    "GRADIO_NUM_PORTS",
    "GRADIO_NUM_WORKERS",
    "GRADIO_DEBUG",
    "GRADIO_ANALYTICS_MAX_EVENTS",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY",
)


class SettingError(ValueError):
    """An environment variable that cannot be used; the message is one plain sentence naming it."""


def prepare_environment() -> None:
    """Check what is set; keep the way to this machine free of proxies; find room for uploads.

    Raises:
        SettingError: a variable cannot be used as it is set, or a port is taken.
    """
    for name in (*NUMBERS, NAME, TEMPORARY):
        if not os.environ.get(name, "set").strip():
            del os.environ[name]  # set to nothing
    for name in NUMBERS:
        if not os.environ.get(name, "0").strip().isdecimal():
            raise SettingError(f"{name} must be a whole number, and is {os.environ[name]!r}.")
    _check_address()
    _go_round_proxies()
    _find_room()


def _check_address() -> None:
    """Gradio would try other ports, and say that it found none where the name is wrong."""
    name, port = os.environ.get(NAME, HERE[1]).strip("[]"), int(os.environ.get(PORT, 0))
    if PORT in os.environ and not 1 <= port <= MAX_PORT:
        raise SettingError(f"{PORT} must be from 1 to {MAX_PORT}, and is {port}.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        asked = f"port {port} of {name}" if PORT in os.environ else f"the address {name}"
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"{asked} cannot be used ({reason}): set {NAME} or {PORT}.") from None


def _go_round_proxies() -> None:
    """Gradio asks itself whether it has started: no proxy can tell."""
    proxies = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    for name in proxies:
        scheme = os.environ[name].rpartition("://")[0].lower()
        if scheme not in ("", "http", "https") and not (scheme.startswith("socks5") and find_spec("socksio")):
            print(f"{name} is left aside: {scheme} proxies cannot be used here.", file=sys.stderr)
            del os.environ[name]
    if proxies:
        known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        name = os.environ.get(NAME, HERE[0]).strip("[]")
        os.environ["no_proxy"] = ",".join(filter(None, [known, *HERE, name]))


def _find_room() -> None:
    """A folder for uploads: Gradio's own belongs to whoever was first on this machine to need it."""
    folder = Path(os.environ.get(TEMPORARY) or Path(tempfile.gettempdir()) / "gradio")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if TEMPORARY in os.environ:
            raise SettingError(f"{TEMPORARY} cannot be written to ({error.strerror}): {folder}.") from None
        os.environ[TEMPORARY] = own = tempfile.mkdtemp(prefix="gradio-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
