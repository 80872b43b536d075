"""What CI decides about known vulnerabilities, by the real pip-audit against a server of the test's own."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT

# In the process of pip-audit: what it asks PyPI is asked of the test's server.
ELSEWHERE = """
import requests
original = requests.Session.request
def request(self, method, url, *arguments, **options):
    return original(self, method, url.replace("https://pypi.org", "%s"), *arguments, **options)
requests.Session.request = request
"""
HOLE = {
    "id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "A hole.", "details": "A hole.", "fixed_in": ["99"],
    "link": "", "withdrawn": None, "source": "osv",
}  # fmt: skip


@contextmanager
def advisories(holes: set[str], status: int = 200, known: bool = True) -> Iterator[str]:
    """The address of a PyPI at which these packages, as "name/version", are vulnerable."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            package = self.path.removeprefix("/pypi/").removesuffix("/json")
            told = {"info": {}} | ({"vulnerabilities": [HOLE] if package in holes else []} if known else {})
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def audit(tmp_path: Path, url: str, requirements: str = "tqdm>=4\n") -> tuple[int, str]:
    """Exit code and the one line that is printed."""
    (tmp_path / "sitecustomize.py").write_text(ELSEWHERE % url)
    (tmp_path / "requirements.txt").write_text(requirements)
    own = {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), str(tmp_path / "requirements.txt")]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
    (line,) = (done.stdout + done.stderr).splitlines()
    return done.returncode, line


def version_of(name: str) -> str:
    from importlib.metadata import version

    return version(name)


CANARY = "jinja2/2.4.1"


def test_without_a_vulnerability_it_passes(tmp_path):
    with advisories({CANARY}) as url:
        code, line = audit(tmp_path, url, "tqdm>=4\nhttpx\n")
    assert code == 0 and line.startswith("audit: no known vulnerability in ")
    assert int(line.split()[5]) > 5  # httpx needs several


def test_a_known_vulnerability_fails(tmp_path):
    with advisories({CANARY, f"tqdm/{version_of('tqdm')}"}) as url:
        code, line = audit(tmp_path, url)
    assert code == 1 and line == f"audit: known vulnerabilities: tqdm {version_of('tqdm')} (PYSEC-1)"


def test_one_in_what_is_only_needed_by_others_fails_as_well(tmp_path):
    with advisories({CANARY, f"h11/{version_of('h11')}"}) as url:
        code, line = audit(tmp_path, url, "httpx\n")
    assert code == 1 and "h11" in line


@pytest.mark.parametrize("options", [{"status": 404}, {"status": 503}, {"known": False}], ids=str)
def test_a_server_without_advisories_is_one_that_could_not_be_reached(tmp_path, options):
    """A mirror may have all packages and no advisories: pip-audit itself finds nothing wrong then."""
    with advisories({CANARY, f"tqdm/{version_of('tqdm')}"}, **options) as url:
        code, line = audit(tmp_path, url)
    assert code == 0 and line.startswith(
        "audit: the advisories could not be reached, and nothing was audited: "
    )


def test_no_server_at_all(tmp_path):
    code, line = audit(tmp_path, "http://127.0.0.1:9")
    assert code == 0 and "could not be reached" in line


def test_ci_runs_it():
    assert ".ci/audit.py requirements.txt" in (ROOT / ".ci" / "run").read_text()
    assert "pip-audit" in (ROOT / "requirements-dev.txt").read_text()
