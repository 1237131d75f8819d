"""Plain HTTP: the files of the chat page, the health of the server, and its metrics."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from functools import cache
from hmac import compare_digest
from importlib import resources
from pathlib import Path
from typing import Any, Final

from goim_edu.errors import HandshakeError, StoreError
from goim_edu.serving.access import AllowedHosts, is_loopback
from goim_edu.serving.ports import ObservedServer
from goim_edu.serving.responses import make_response
from goim_edu.serving.visitor import Visitor
from goim_edu.transport import Connection, ConnectionState
from goim_edu.websocket.handshake import (
    Request,
    Response,
    check_host,
    check_target,
    error_response,
)
from goim_edu.websocket.origin import host_of

__all__ = ["HEALTH", "METRICS", "Pages", "page_files"]

log = logging.getLogger("goim_edu.server")

HEALTH: Final = "/healthz"
METRICS: Final = "/metrics"

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


_PATIENCE: Final = 2.0  # seconds that a health check waits for the store: load balancers ask so
_LESS_PATIENCE: Final = 1.5  # of a worker, so that its parent, which waits for 2 s, hears of it


_NO_PARENT: Final = "the parent of the workers does not answer"
_POLICY: Final = (
    "default-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


_PAGE_HEADERS: Final = (
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
)


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the chat page by path, each with its content type; ``/`` is index.html.

    >>> page_files()["/"][1]
    'text/html; charset=utf-8'
    """
    files = {}
    package = resources.files("goim_edu")
    page = package.joinpath("serving", "page")
    for file in (*page.iterdir(), package.joinpath("printable.js")):
        kind = _KINDS.get(Path(file.name).suffix)
        if kind is not None:
            files["/" if file.name == "index.html" else f"/{file.name}"] = file.read_bytes(), kind
    return files


class Pages:
    """What the server answers to requests that are not for a WebSocket.

    Args:
        server: the one whose health and metrics are told.
        hosts: the names by which browsers may ask for them.
        metrics: gives the metrics and their content type; None if the page is off.
        metrics_token: what a request for the metrics must show; None: only local ones are answered.
    """

    def __init__(
        self,
        server: ObservedServer,
        hosts: AllowedHosts,
        metrics: Callable[[], tuple[bytes, str]] | None = None,
        metrics_token: bytes | None = None,
    ) -> None:
        self._server = server
        self._hosts = hosts
        self._metrics = metrics
        self._metrics_token = metrics_token
        self._ping: asyncio.Future[float] | None = None

    def serve(self, connection: Connection, request: Request, visitor: Visitor) -> None:
        """Answer a request; then the connection ends."""
        path = request.path
        fields = self._fields(request, visitor)
        try:
            self._check(request)
            if path == HEALTH and self._server.config.health:
                # The answer is written when the store has one.
                health = self._serve_health(connection, visitor.local, fields)
                self._server.start_task(health)
            elif path == METRICS and self._metrics is not None:
                self._check_reader(request, visitor)
                self._serve_metrics(connection, fields)
            elif path in page_files():
                connection.reject(_response(*page_files()[path], fields=fields))
            else:
                raise HandshakeError("there is no such page", status=404, section="RFC 9110 §15.5")
        except HandshakeError as error:
            connection.reject(error_response(error, fields))

    def _fields(self, request: Request, visitor: Visitor) -> list[tuple[str, str]]:
        """A browser that came by TLS is told to come so from now on (RFC 6797 §7.1).

        A browser applies that to all ports of a name, so never to those of this machine.
        """
        seconds = self._server.config.hsts
        if not (seconds and visitor.secure) or is_loopback(host_of(request.authority)):
            return []
        return [("Strict-Transport-Security", f"max-age={seconds}")]

    def _check(self, request: Request) -> None:
        """Refuse what is not a proper request for a page of ours."""
        host = host_of(check_host(request))
        # A name without a dot leads nowhere in the public DNS: no stranger can let one point here.
        if "." in host and host not in self._hosts:
            raise HandshakeError(
                f"{host} is not a name of this server: its setting hosts can make it one "
                f"(on the command line --allow-host {host})",
                status=421,
                section="RFC 9110 §15.5.20",
            )
        if request.method not in ("GET", "HEAD"):
            raise HandshakeError(
                "only GET and HEAD are served",
                status=405,
                section="RFC 9110 §15.5.6",
                headers=[("Allow", "GET, HEAD")],
            )
        check_target(request)

    def _check_reader(self, request: Request, visitor: Visitor) -> None:
        """The metrics are for the operator: a program of this machine, or one with the token."""
        if self._metrics_token is None:
            if not visitor.local:
                raise HandshakeError(
                    "the metrics are for this machine only, unless its setting metrics_token "
                    "(on the command line --metrics-token) names a file with a token",
                    status=403,
                    section="RFC 9110 §15.5.4",
                )
            return
        scheme, _, token = request.headers.get("authorization").partition(" ")
        given = token.strip(" ").encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not compare_digest(given, self._metrics_token):
            raise HandshakeError(
                "the metrics want a token",
                status=401,
                section="RFC 6750 §3",
                headers=[("WWW-Authenticate", 'Bearer realm="metrics"')],
            )

    def _serve_metrics(self, connection: Connection, fields: list[tuple[str, str]]) -> None:
        """Of this server alone; or of all the workers of this machine, when they have answered."""
        figures, kind = self._metrics() if self._metrics is not None else (b"", "")
        ask_all = self._server.ask_all
        if ask_all is None:
            connection.reject(_response(figures, kind, fields=fields))
            return

        async def serve_all() -> None:
            found = await ask_all("metrics")
            if connection.state is not ConnectionState.CONNECTING:
                return
            if found is None:  # our own alone would pass for those of all
                connection.reject(_response(_NO_PARENT.encode(), "text/plain", 503, fields))
                return
            connection.reject(_response(str(found).encode(), kind, fields=fields))

        self._server.start_task(serve_all())

    async def answer(self, what: str) -> Any:
        """What the parent of the workers asks: the ``metrics`` or the ``health`` of this one."""
        if what == "metrics":
            return "" if self._metrics is None else self._metrics()[0].decode()
        return await self._health(_LESS_PATIENCE)

    async def _serve_health(
        self, connection: Connection, local: bool, fields: list[tuple[str, str]]
    ) -> None:
        ask_all = self._server.ask_all
        if ask_all is None:
            health = await self._health(_PATIENCE)
        else:
            health = await ask_all("health") or {"status": _NO_PARENT}
        status = 200 if health["status"] == "ok" else 503
        if not local:  # a load balancer needs no more, and a stranger may know no more
            health = {"status": health["status"]}
        body = json.dumps(health, indent=1).encode() + b"\n"
        if connection.state is ConnectionState.CONNECTING:
            connection.reject(_response(body, "application/json", status, fields))

    async def _health(self, patience: float) -> dict[str, Any]:
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
            seconds = await self._ping_store(patience)
            health["store_ping_ms"] = round(1000 * seconds, 3)
            if server.node is not None:
                health["peers"] = len(server.node.peers)
                health["status"] = server.node.trouble or health["status"]
        except (StoreError, TimeoutError) as error:
            health["status"] = "store down"
            health["why"] = str(error) or "no answer in time"
        except Exception as error:  # a store of the caller's own may raise anything
            log.exception("the store failed")
            health["status"] = "store down"
            health["why"] = f"the store failed: {type(error).__name__}"
        return health

    async def _ping_store(self, patience: float) -> float:
        """Seconds of a ping, which all that ask meanwhile share.

        Args:
            patience: seconds that it may take.

        Raises:
            StoreError: the store says that it is down.
            TimeoutError: it says nothing.
        """
        if self._ping is None or self._ping.done():
            question = self._server.store.run(self._server.store.ping, asker=self)
            self._ping = asyncio.wrap_future(question)
            self._ping.add_done_callback(lambda done: done.cancelled() or done.exception())
        most = min(patience, self._server.config.open_timeout)
        return await asyncio.wait_for(asyncio.shield(self._ping), most)


def _response(
    body: bytes, kind: str, status: int = 200, fields: Sequence[tuple[str, str]] = ()
) -> Response:
    """A page of ours, with what keeps a browser from misusing it."""
    return make_response(body, status, kind, [*_PAGE_HEADERS, *fields])
