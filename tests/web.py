"""A web server in a thread of its own, and a proxy that shows another server below a path."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


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
