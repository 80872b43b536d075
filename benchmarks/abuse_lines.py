"""Clients that crawl, break off or lie about the length of what they send, on bare connections."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlparse

FORM = "Content-Type: multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nabc\r\n'
WHOLE = PART + b"--x--\r\n"
MEGABYTE = 2**20
PATIENCE = 30  # seconds for an answer


class Line:
    """A connection to the server."""

    def __init__(self, url: str) -> None:
        self.host = urlparse(url)
        self.socket = socket.create_connection((self.host.hostname, self.host.port), timeout=PATIENCE)

    def head(self, *headers: str, path: str = "/gradio_api/upload") -> None:
        lines = (f"POST {path} HTTP/1.1", f"Host: {self.host.netloc}", *headers, "", "")
        self.socket.sendall("\r\n".join(lines).encode())

    def answer(self) -> bytes:
        """All that comes; nothing if the server hangs up."""
        came = b""
        with suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                came += piece
        return came


def crawling(line: Line, seconds: int) -> None:
    """A byte now and then, for longer than anyone waits."""
    line.head(FORM, f"Content-Length: {len(WHOLE)}")
    for byte in WHOLE[: 2 * seconds + 2]:
        line.socket.sendall(bytes([byte]))
        time.sleep(0.5)


def promising_more(line: Line, seconds: int) -> None:
    line.head(FORM, "Content-Length: 1000000000")
    line.socket.sendall(WHOLE)


def promising_less(line: Line, seconds: int) -> None:
    line.head(FORM, "Content-Length: 20", "Connection: close")
    line.socket.sendall(WHOLE)


def chunks_without_end(line: Line, seconds: int) -> None:
    """Far more than is taken; the server hangs up."""
    line.head(FORM, "Transfer-Encoding: chunked")
    for _ in range(300):
        line.socket.sendall(b"100000\r\n" + bytes(MEGABYTE) + b"\r\n")


def broken_chunks(line: Line, seconds: int) -> None:
    line.head(FORM, "Transfer-Encoding: chunked")
    line.socket.sendall(b"zz\r\nabc\r\n0\r\n\r\n")


def both_lengths(line: Line, seconds: int) -> None:
    line.head(FORM, "Transfer-Encoding: chunked", f"Content-Length: {len(WHOLE)}", "Connection: close")
    line.socket.sendall(b"%x\r\n" % len(WHOLE) + WHOLE + b"\r\n0\r\n\r\n")


def odd_length(line: Line, seconds: int) -> None:
    line.head(FORM, "Content-Length: -5", "Connection: close")
    line.socket.sendall(WHOLE)


def hanging_up(line: Line, seconds: int) -> None:
    """In the midst of a file."""
    line.head(FORM, "Content-Length: 10000000")
    line.socket.sendall(PART[:-5] + bytes(MEGABYTE))
    line.socket.shutdown(socket.SHUT_RDWR)


def many_parts(line: Line, seconds: int) -> None:
    body = PART * 5000 + b"--x--\r\n"
    line.head(FORM, f"Content-Length: {len(body)}", "Connection: close")
    line.socket.sendall(body)


def slow_json(line: Line, seconds: int) -> None:
    line.head("Content-Type: application/json", "Content-Length: 1000", path="/gradio_api/run/denoise")
    line.socket.sendall(b'{"data": [')


def many_headers(line: Line, seconds: int) -> None:
    line.head(*(f"X-{number}: {'y' * 500}" for number in range(300)), "Connection: close")


CLIENTS: dict[str, Callable[[Line, int], None]] = {
    client.__name__.replace("_", " "): client
    for client in (
        crawling, promising_more, promising_less, chunks_without_end, broken_chunks, both_lengths, odd_length,
        hanging_up, many_parts, slow_json, many_headers,
    )
}  # fmt: skip


def tried(url: str, name: str, seconds: int) -> tuple[int | None, bytes]:
    """What such a client gets: status and body, or (None, b"") where the server hangs up.

    Args:
        url: of the server.
        name: of one of CLIENTS.
        seconds: how long the server waits for a body.

    Raises:
        TimeoutError: there is no answer.
    """
    line = Line(url)
    with suppress(ConnectionError):  # the server hangs up
        CLIENTS[name](line, seconds)
    came = line.answer()
    line.socket.close()
    head, _, body = came.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (None, b"")
