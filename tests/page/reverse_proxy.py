"""A reverse proxy that serves a page under a path, which it strips, as nginx does for a site of many parts."""

import socket
import threading
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@contextmanager
def served_under(path: str, page: str):
    """The address under which a page is served at a path; everything outside of the path is not found."""
    client = httpx.AsyncClient(base_url=page, timeout=60, trust_env=False)

    async def forward(request: Request):
        headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
        inner = request.url.path.removeprefix(path) or "/"
        asked = client.build_request(
            request.method, inner, params=request.url.query, headers=headers, content=await request.body()
        )
        answer = await client.send(asked, stream=True)
        headers = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, headers)

    async def nothing(request: Request):
        return PlainTextResponse("outside of the path", 404)

    every = ["GET", "HEAD", "POST"]
    routes = [
        Mount(path, routes=[Route("/{rest:path}", forward, methods=every)]),
        Route("/{rest:path}", nothing, methods=every),
    ]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=routes), log_level="error", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}{path}/"
        finally:
            server.should_exit = True
            thread.join()
