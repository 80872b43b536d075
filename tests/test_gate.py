"""Requests that crawl, break off, lie about their size or are for nothing here: refused, nothing is left."""

import json
import socket
import time
from pathlib import Path
from urllib.parse import urlparse

import httpx
import pytest

from diffusion.ui import page as whole_page
from diffusion.ui.parts import gate
from diffusion.ui.parts.gate import MAX_BYTES, MAX_FILES
from diffusion.ui.text import labels

UPLOAD = "/gradio_api/upload"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
END = b"--x--\r\n"
FORM_TOLD = labels()["upload_form"].format(files=MAX_FILES)


def part(content: bytes = b"abc", field: str = "files", name: str | None = "a.png") -> bytes:
    file = "" if name is None else f'; filename="{name}"'
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


@pytest.fixture(scope="module")
def served(tiny_model, tmp_path_factory):
    """The real page, served from this process, so that it can be made impatient."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        page = whole_page.build_page({"tiny": tiny_model})
        page.launch(prevent_thread_lock=True, quiet=True, **whole_page.launch_options())
        page.url, page.cache = page.local_url.rstrip("/"), cache
        yield page
        page.close()


@pytest.fixture
def hasty(served, monkeypatch):
    monkeypatch.setattr(gate, "SECONDS", 1)
    return served


def files(served) -> list[Path]:
    return [path for path in served.cache.rglob("*") if path.is_file()]


def told(answer: httpx.Response) -> str:
    return answer.json()["detail"]


class Line:
    """A connection on which bytes are sent one by one."""

    def __init__(self, served, head: str) -> None:
        address = urlparse(served.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=20)
        self.send(f"POST {UPLOAD} HTTP/1.1\r\nHost: {address.netloc}\r\n{head}\r\n\r\n".encode())

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self) -> tuple[int, str]:
        """Its status and its sentence."""
        text = b""
        while piece := self.socket.recv(65536):
            text += piece
        head, _, body = text.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)["detail"]


HEAD = "Content-Type: multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "body",
    [
        part(), part()[:-2], part()[:30], b"", b"hello", END, part(field="other") + END,
        part(name=None) + END, part() + part(name=None) + END, part(name="..") + END, part(name="a/..") + END,
        part() * (MAX_FILES + 1) + END, b"--x\r\nA: b\r\n\r\nabc\r\n" + END, part(name="x" * 70_000) + END,
    ],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_what_is_no_proper_form_leaves_nothing(served, body):
    before = files(served)
    answer = httpx.post(served.url + UPLOAD, content=body, headers=FORM)
    assert (answer.status_code, told(answer)) == (400, FORM_TOLD) and files(served) == before


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "", "multipart/form-data; boundary="]
)
def test_another_kind_of_body(served, kind):
    answer = httpx.post(served.url + UPLOAD, content=part() + END, headers={"Content-Type": kind})
    assert (answer.status_code, told(answer)) == (400, FORM_TOLD)


@pytest.mark.parametrize("name", ["a.png", "?", ".", "", "名前.png", "a\0b", "a/../../b.png"])
def test_a_proper_upload_arrives(served, name):
    body = part(name.encode() + b"1", name=name) + part(name.encode() + b"2", name=name) + END
    answer = httpx.post(served.url + UPLOAD, content=body, headers=FORM)
    for number, place in enumerate(map(Path, answer.json()), start=1):
        assert place.is_relative_to(served.cache) and place.read_bytes() == name.encode() + b"%d" % number


def test_too_large_a_file(served):
    before = files(served)
    most = 20 * 2**20
    for body in (part(bytes(most + 1)) + END, part(bytes(most)) + part(bytes(most)) + END):
        answer = httpx.post(served.url + UPLOAD, content=body, headers=FORM, timeout=60)
        assert answer.status_code == 413 and "at most 20 MB" in told(answer)
    assert files(served) == before
    body = part(bytes(most)) + END
    assert httpx.post(served.url + UPLOAD, content=body, headers=FORM, timeout=60).status_code == 200


def test_chunks_beyond_the_bound(served):
    def chunks():
        for _ in range(MAX_BYTES // 2**20 + 2):
            yield bytes(2**20)

    for path in (UPLOAD, "/gradio_api/component_server", "/gradio_api/run/denoise"):
        answer = httpx.post(served.url + path, content=chunks(), timeout=60)
        assert answer.status_code == 413 and "at most 20 MB" in told(answer)


def test_who_never_ends_is_cut_off(served):
    line = Line(served, f"{HEAD}\r\nTransfer-Encoding: chunked")
    with pytest.raises(OSError):  # as soon as the server hangs up
        for _ in range(10 * MAX_BYTES // 2**20):
            line.send(b"100000\r\n" + bytes(2**20) + b"\r\n")


@pytest.mark.parametrize("length", [10**3, 10**9, 10**18])
def test_a_length_that_is_never_reached(hasty, length):
    before = files(hasty)
    line = Line(hasty, f"{HEAD}\r\nContent-Length: {length}")
    line.send(part())
    assert line.answer() == (408, "The request did not arrive whole within 1 seconds.")
    assert files(hasty) == before


def test_a_length_that_is_too_small(served):
    before = files(served)
    line = Line(served, f"{HEAD}\r\nContent-Length: 20\r\nConnection: close")
    line.send(part() + END)
    assert line.answer() == (400, FORM_TOLD) and files(served) == before


def test_a_byte_now_and_then(hasty):
    before, started = files(hasty), time.monotonic()
    line = Line(hasty, f"{HEAD}\r\nContent-Length: {len(part() + END)}")
    for byte in part()[:8]:
        line.send(bytes([byte]))
        time.sleep(0.1)
    assert line.answer()[0] == 408
    assert time.monotonic() - started < 10 and files(hasty) == before


def test_slow_and_yet_in_time(served):
    body = part(b"slow") + END
    line = Line(served, f"{HEAD}\r\nConnection: close\r\nContent-Length: {len(body)}")
    for start in range(0, len(body), 20):
        line.send(body[start : start + 20])
        time.sleep(0.02)
    text = line.socket.recv(65536)
    while piece := line.socket.recv(65536):
        text += piece
    assert b"200 OK" in text and files(served)


def test_who_hangs_up_leaves_nothing(served, capfd):
    before = files(served)
    for sent in (b"", part()[:40], part(bytes(10**6))):
        line = Line(served, f"{HEAD}\r\nContent-Length: {10**7}")
        line.send(sent)
        line.socket.close()
    assert httpx.get(served.url + "/config").status_code == 200
    time.sleep(0.2)
    assert files(served) == before and "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "path",
    [
        "/login", "/monitoring", "/monitoring/summary", "/pwa_icon/999999", "/assets/" + "a" * 5000,
        "/static/" + "é" * 200, "/?page=nothing", "/gradio_api/deep_link?session_hash=s",
        "/gradio_api/proxy=http://127.0.0.1:1", "/gradio_api/proxy=%00", "/gradio_api/process_recording",
        "/gradio_api/vibe-code", "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/custom_component/1/a/b/c",
    ],
    ids=lambda path: path[:40],
)  # fmt: skip
def test_addresses_that_are_not_of_this_page(served, path):
    before = files(served)
    for method in ("GET", "POST"):
        if method == "POST" and path.startswith("/?"):
            continue
        answer = httpx.request(method, served.url + path)
        assert (answer.status_code, told(answer)) == (404, labels()["unknown_address"])
    assert files(served) == before


@pytest.mark.parametrize(
    "range_", ["bytes=1-2-3", "bytes=x-y", "bytes=5-2", f"bytes=0-{'9' * 5000}", "lines=1-2", "bytes=-"]
)
def test_odd_ranges_of_a_file(served, range_, capfd):
    body = part(b"0123456789") + END
    (place,) = httpx.post(served.url + UPLOAD, content=body, headers=FORM).json()
    answer = httpx.get(f"{served.url}/gradio_api/file={place}", headers={"Range": range_})
    assert answer.status_code in (200, 206, 400, 416) and "Traceback" not in capfd.readouterr().err


def test_a_proper_range_is_honoured(served):
    (place,) = httpx.post(served.url + UPLOAD, content=part(b"0123456789") + END, headers=FORM).json()
    answer = httpx.get(f"{served.url}/gradio_api/file={place}", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.text) == (206, "234")
