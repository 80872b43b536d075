"""A web server in a thread of its own, proxies that show another server below a path, and clients."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from gradio_client import Client
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

PATIENCE = 300  # seconds that a busy machine may take for an answer
HOSTING = Path(__file__).parent.parent / "docs/hosting.md"
AROUND = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; events {{}}
http {{
    log_format by "$upstream_addr $request_method $status $uri"; access_log {folder}/access.log by;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {shown}
}}"""


def client_of(address: str) -> Client:
    """A client of the app at this address."""
    return Client(address, verbose=False, httpx_kwargs={"timeout": PATIENCE})


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The address at which the application answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def proxy(address: str, prefix: str) -> Starlette:
    """Shows the server at `address` below `prefix`, which that server never sees; streams what it sends."""
    client = httpx.AsyncClient(base_url=address, timeout=None)

    async def pass_on(request: Request) -> Response:
        path = request.url.path.removeprefix(prefix) or "/"
        asked = client.build_request(
            request.method,
            httpx.URL(path=path, query=request.url.query.encode()),
            headers=request.headers.raw,  # Host too, as usual for a proxy
            content=await request.body(),
        )
        answer = await client.send(asked, stream=True)
        passed = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        passed.raw_headers = [pair for pair in answer.headers.raw if pair[0].lower() != b"transfer-encoding"]
        return passed

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE"]
    return Starlette(routes=[Route(prefix + "{path:path}", pass_on, methods=methods)])


@contextmanager
def nginx(folder: Path, number: int, *servers: str) -> Iterator[str]:
    """The address of nginx as docs/hosting.md configures it, the how-manieth block of it, for these servers.

    `folder` gets a log that has the server that answered at the beginning of each line.
    """
    shown = HOSTING.read_text("utf-8").split("```nginx\n")[1 + number].split("```")[0]
    port = free_port()
    for known, server in zip(re.findall(r"127\.0\.0\.1:\d+", shown), servers, strict=True):
        shown = shown.replace(known, server.removeprefix("http://"))
    shown = shown.replace("listen 80;", f"listen 127.0.0.1:{port};")
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, shown=shown))
    command = shutil.which("nginx") or "nginx"
    process = subprocess.Popen([command, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        while process.poll() is None and not listens(port):
            time.sleep(0.05)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
