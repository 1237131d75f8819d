"""Plain HTTP: the files of the chat page, the health of the server, and its metrics."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from goim_edu.errors import HandshakeError, StoreError
from goim_edu.serving.metrics import ServerMetrics
from goim_edu.serving.ports import ObservedServer
from goim_edu.transport import Connection, ConnectionState
from goim_edu.websocket.handshake import (
    Headers,
    Request,
    Response,
    check_host,
    error_response,
)
from goim_edu.websocket.http11 import REASONS

__all__ = ["Pages", "page_files"]


_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


_PAGE_HEADERS: Final = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the chat page by path, each with its content type; ``/`` is index.html.

    >>> page_files()["/"][1]
    'text/html; charset=utf-8'
    """
    files = {}
    for file in resources.files("goim_edu.serving").joinpath("page").iterdir():
        kind = _KINDS.get(Path(file.name).suffix)
        if kind is not None:
            files["/" if file.name == "index.html" else f"/{file.name}"] = file.read_bytes(), kind
    return files


class Pages:
    """What the server answers to requests that are not for a WebSocket.

    Args:
        server: the one whose health and metrics are told.
    """

    def __init__(self, server: ObservedServer) -> None:
        self._server = server
        self._metrics = ServerMetrics(server)

    def serve(self, connection: Connection, request: Request) -> None:
        """Answer a request; then the connection ends."""
        head = request.method == "HEAD"
        try:
            check_host(request)
            if request.method not in ("GET", "HEAD"):
                raise HandshakeError(
                    "only GET and HEAD are served",
                    status=405,
                    section="RFC 9110 §15.5.6",
                    headers=[("Allow", "GET, HEAD")],
                )
            if request.path == "/healthz":  # the answer is written when the store has one
                self._server.start_task(self._serve_health(connection, head))
            elif request.path == "/metrics":
                connection.reject(_response(*self._metrics.text(), head=head))
            elif request.path in page_files():
                connection.reject(_response(*page_files()[request.path], head=head))
            else:
                raise HandshakeError("there is no such page", status=404, section="RFC 9110 §15.5")
        except HandshakeError as error:
            response = error_response(error)
            connection.reject(response._replace(body=b"") if head else response)

    async def _serve_health(self, connection: Connection, head: bool) -> None:
        health = await self._health()
        body = json.dumps(health, indent=1).encode() + b"\n"
        if connection.state is ConnectionState.CONNECTING:
            status = 200 if health["status"] == "ok" else 503
            connection.reject(_response(body, "application/json", status, head))

    async def _health(self) -> dict[str, Any]:
        server = self._server
        health: dict[str, Any] = {
            "status": "draining" if server.draining else "ok",
            "store": server.store.description,
            "connections": len(server.connections()),
            "sessions": len(server.hub.sessions),
            "rooms": len(server.hub.rooms),
            "uptime": round(server.uptime, 3),
        }
        try:
            seconds = await asyncio.wait_for(
                asyncio.wrap_future(server.store.run(server.store.ping)),
                server.config.open_timeout,
            )
            health["store_ping_ms"] = round(1000 * seconds, 3)
        except (StoreError, TimeoutError) as error:
            health["status"] = "store down"
            health["why"] = str(error) or "no answer in time"
        return health


def _response(body: bytes, kind: str, status: int = 200, head: bool = False) -> Response:
    """A response over plain HTTP that ends the connection."""
    headers = Headers(
        [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *_PAGE_HEADERS,
        ]
    )
    return Response(status, REASONS[status], headers, b"" if head else body)
