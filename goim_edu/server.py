"""The chat server: listen, route, admit, watch over it, and close in good order.

One port serves all: ``/`` the chat page, ``/chat`` and ``/echo`` WebSocket, ``/healthz`` and
``/metrics`` for those who run it. Further paths may be served by coroutines that are given a
``WebSocket``.

The end (``drain``): new connections are refused, every client is told ``draining``, what the store
has been given is stored, acknowledged and handed on, every connection is closed with 1001, and
what does not answer within its time is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, Self

from goim_edu.chat.hub import Hub
from goim_edu.chat.ports import Store
from goim_edu.chat.session import Session
from goim_edu.chat.vocabulary import SUBPROTOCOLS
from goim_edu.errors import HandshakeError, StoreError
from goim_edu.protocol import Endpoint, Limits, Side
from goim_edu.serving.config import (
    AllowedOrigins,
    ServerConfig,
    UnsafeConfig,
    host_of,
    is_loopback,
    make_authenticate,
    make_tls,
)
from goim_edu.serving.listening import BACKLOG, listen
from goim_edu.serving.metrics import ServerMetrics
from goim_edu.serving.pages import page_files, page_response
from goim_edu.transport import Connection, ConnectionState, Engine, Handler, Tap, WebSocket
from goim_edu.transport.allocator import keep_freed_memory
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.events import BinaryMessage, Event, TextMessage
from goim_edu.websocket.handshake import (
    HandshakeLimits,
    Request,
    check_host,
    check_origin,
    error_response,
    select_subprotocol,
)
from goim_edu.websocket.heartbeat import Heartbeat

__all__ = ["ChatServer", "ConnectionInfo", "ServerConfig", "ServerStore", "UnsafeConfig"]

log = logging.getLogger("goim_edu.server")

WebSocketHandler = Callable[[WebSocket], Awaitable[None]]


class ServerStore(Store, Protocol):
    """What the server itself needs of the store beyond the chat."""

    @property
    def description(self) -> str:
        """Where messages live, in words."""
        ...

    def ping(self) -> float:
        """Seconds that it took to answer; StoreUnavailable if it did not."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all is stored."""
        ...


class ConnectionInfo(NamedTuple):
    """One connection as it is now, to be shown."""

    id: int
    remote: str
    port: int
    path: str
    user_id: str
    rooms: tuple[str, ...]
    queued: int
    latency: float | None


class Echo(Handler):
    """Sends every message back as it came."""

    __slots__ = ()

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        """Answer all messages of one read in one write."""
        messages = [
            event.data
            for event in events
            if type(event) is TextMessage or type(event) is BinaryMessage
        ]
        if messages:
            connection.send_many(messages)


_NOBODY: Final = Handler()
_ACCEPTS_PER_TURN: Final = 8  # of these, so that a crowd at the door holds up nobody inside


class ChatServer:
    """The server.

    Args:
        config: what ``serve`` was told.
        store: where messages are kept; it is neither opened nor closed here.
        tap: called for each new connection; what it returns is given every octet of it
            (``Capture.tap`` fits behind ``lambda connection: capture.tap(connection.id)``).
        routes: more paths, each with a coroutine that is given a ``WebSocket``.

    Attributes:
        handlers: the sync handlers by path; each connection gets one of its own.
        hub: the sessions and rooms.
        engine: what all connections share.
        port: where it listens, known after ``start``.
        tap: called for each new connection; what it returns is given every octet of it.

    >>> async def main() -> int:
    ...     from goim_edu.store import open_store
    ...     with open_store("memory") as store:
    ...         server = ChatServer(ServerConfig(port=0), store)
    ...         await server.start()
    ...         await server.drain()
    ...         return server.port
    >>> asyncio.run(main()) > 0
    True
    """

    def __init__(
        self,
        config: ServerConfig,
        store: ServerStore,
        *,
        tap: Callable[[Connection], Tap | None] | None = None,
        routes: dict[str, WebSocketHandler] | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.routes = dict(routes or {})
        self.handlers: dict[str, Callable[[], Handler]] = {"/echo": Echo}
        self.port = 0
        self.engine: Engine
        self.hub: Hub
        self.tap = tap
        self._warning = config.warning()
        self._tls = make_tls(config)
        self._authenticate = make_authenticate(config)
        self._origins = AllowedOrigins(config.origins)
        self._limits = Limits(
            max_frame_size=config.max_message_size,
            max_message_size=config.max_message_size,
            handshake=HandshakeLimits(),
        )
        # Nothing of a message is kept for the next: what one member gets, all can get, and a
        # connection that is idle holds no window.
        self._deflate = (
            DeflateConfig(server_no_context_takeover=True, client_no_context_takeover=True)
            if config.compression
            else None
        )
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._per_ip: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._nobody_left: asyncio.Event
        self._draining = False
        self._started = 0.0

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        config = self.config
        if self._warning:
            log.warning("insecure why=%r", self._warning)
        granularity = 0.05
        if config.heartbeat_interval:
            shortest = min(config.heartbeat_interval, config.heartbeat_timeout)
            granularity = max(0.002, min(granularity, shortest / 40))
        keep_freed_memory()
        self.engine = Engine(
            granularity=granularity,
            queue_limit=config.queue_limit,
            close_timeout=config.close_timeout,
        )
        self.hub = Hub(self.store, self.engine, config.limits, self._authenticate)
        self.metrics = ServerMetrics(self)
        self._nobody_left = asyncio.Event()
        self._started = monotonic()
        loop = asyncio.get_running_loop()
        link = listen(config.host, config.port)
        try:
            self._listener = await loop.create_server(
                self._make_connection,
                sock=link,
                ssl=self._tls,
                backlog=_ACCEPTS_PER_TURN,
                ssl_handshake_timeout=config.open_timeout if self._tls else None,
            )
        except BaseException:
            link.close()
            raise
        link.listen(BACKLOG)  # asyncio has set it to as many as it is to accept in one turn
        self.port = link.getsockname()[1]
        log.info("listening url=%s store=%r", self.url, self.store.description)

    @property
    def url(self) -> str:
        """The address, ``ws://host:port``; the chat is at ``/chat`` of it."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"{self.config.url_scheme}://{host}:{self.port}"

    @property
    def draining(self) -> bool:
        """Whether it is about to close."""
        return self._draining

    async def drain(self, timeout: float | None = None) -> None:
        """Close in good order; returns when every connection is gone.

        Args:
            timeout: seconds after which what is left is cut off; default ``drain_timeout``.
        """
        if self._listener is None:
            return
        timeout = self.config.drain_timeout if timeout is None else timeout
        end = monotonic() + timeout
        self._draining = True
        log.info("draining connections=%d", len(self._connections))
        self.hub.drain(reconnect_after_ms=1000)
        await self._flush_store(end)
        for connection in tuple(self._connections):
            connection.close(1001, "the server is closing")
        await self._wait_until_empty(min(end, monotonic() + self.config.close_timeout + 1))
        self._listener.close()
        for connection in tuple(self._connections):
            connection.abort()
        await self._wait_until_empty(monotonic() + 1)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=1)
        self.engine.wheel.stop()
        self._listener = None
        log.info("drained")

    async def _flush_store(self, end: float) -> None:
        """What the store was given is stored, and its answers have gone out."""
        left = max(0.0, end - monotonic())
        try:
            flushed = await asyncio.wrap_future(self.store.run(self.store.flush, left))
        except StoreError as error:
            log.warning("flush failed why=%r", str(error))
            return
        if not flushed:
            log.warning("flush was not complete after %.1f s", left)
        await asyncio.sleep(0)  # answers were called into this loop before flush returned
        await asyncio.sleep(0)

    async def _wait_until_empty(self, end: float) -> None:
        with contextlib.suppress(TimeoutError):
            while self._connections:
                self._nobody_left.clear()
                await asyncio.wait_for(self._nobody_left.wait(), max(0.0, end - monotonic()))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.drain()

    # ------------------------------------------------------------------ admit

    def _make_connection(self) -> Connection:
        endpoint = Endpoint(Side.SERVER, limits=self._limits, deflate=self._deflate)
        return ServerConnection(self, endpoint)

    def admit(self, connection: Connection) -> HandshakeError | None:
        """Count a connection that was made; why it cannot stay, or None."""
        config = self.config
        full = len(self._connections) >= config.max_connections
        crowded = self._per_ip[connection.remote] >= config.max_per_ip
        self._connections.add(connection)
        self._per_ip[connection.remote] += 1
        if full or crowded:
            why = "the server is full" if full else "too many connections from your address"
            return HandshakeError(
                why, status=503, section="RFC 6455 §10.4", headers=[("Retry-After", "5")]
            )
        return None

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        left = self._per_ip[connection.remote] - 1
        if left > 0:
            self._per_ip[connection.remote] = left
        else:
            del self._per_ip[connection.remote]
        if not self._connections:
            self._nobody_left.set()

    # ------------------------------------------------------------------ route

    def on_request(self, connection: Connection, request: Request) -> None:
        """Answer a request: a page, or a WebSocket."""
        path = connection.path = request.path
        if not (request.wants_upgrade or self._is_websocket(path)):
            self._serve_page(connection, request)
            return
        try:
            self._check_upgrade(request)
        except HandshakeError as error:
            connection.reject(error)
            return
        if path == "/chat":
            self._open_chat(connection, request)
        elif path in self.handlers:
            connection.accept(self.handlers[path](), heartbeat=self._heartbeat())
        elif path in self.routes:
            self._open_route(connection, self.routes[path])
        else:
            connection.reject(HandshakeError("there is no WebSocket at this path", status=404))

    def _is_websocket(self, path: str) -> bool:
        return path == "/chat" or path in self.handlers or path in self.routes

    def _check_upgrade(self, request: Request) -> None:
        if self._draining:
            raise HandshakeError(
                "the server is closing", status=503, headers=[("Retry-After", "1")]
            )
        # A page's own server is trusted by its name. But a name that its owner lets point to
        # this machine ("DNS rebinding") proves nothing, so here the name must be ours.
        ours = not self.config.is_loopback or is_loopback(host_of(request.headers.get("host")))
        check_origin(request, self._origins, same_host=ours)

    def _open_chat(self, connection: Connection, request: Request) -> None:
        try:
            subprotocol = select_subprotocol(request, tuple(SUBPROTOCOLS))
        except HandshakeError as error:
            connection.reject(error)
            return
        if subprotocol is None and request.wants_upgrade:
            names = " or ".join(SUBPROTOCOLS)
            connection.reject(
                HandshakeError(
                    f"the chat speaks {names}: offer one of them in Sec-WebSocket-Protocol",
                    section="RFC 6455 §4.2.2",
                )
            )
            return
        session = Session(self.hub, connection, subprotocol or "goim.v1.json")
        connection.accept(session, subprotocol, heartbeat=self._heartbeat())

    def _open_route(self, connection: Connection, handler: WebSocketHandler) -> None:
        ws = WebSocket()
        connection.accept(ws, heartbeat=self._heartbeat())
        if connection.state is ConnectionState.OPEN:
            task = asyncio.get_running_loop().create_task(self._run_route(ws, handler))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_route(self, ws: WebSocket, handler: WebSocketHandler) -> None:
        code = 1000
        try:
            await handler(ws)
        except ConnectionError:
            log.debug("the peer left connection=%d", ws.id)
        except Exception:
            log.exception("handler failed connection=%d", ws.id)
            code = 1011
        await ws.close(code)

    def _heartbeat(self) -> Heartbeat | None:
        interval = self.config.heartbeat_interval
        return Heartbeat(interval, self.config.heartbeat_timeout) if interval else None

    # ------------------------------------------------------------------ pages

    def _serve_page(self, connection: Connection, request: Request) -> None:
        head = request.method == "HEAD"
        try:
            check_host(request)
            if request.method not in ("GET", "HEAD"):
                raise HandshakeError(
                    "only GET and HEAD are served", status=405, headers=[("Allow", "GET, HEAD")]
                )
            if request.path == "/healthz":
                self._serve_health(connection, head)
            elif request.path == "/metrics":
                body, kind = self.metrics.text()
                connection.reject(page_response(body, kind, head=head))
            elif request.path in page_files():
                connection.reject(page_response(*page_files()[request.path], head=head))
            else:
                raise HandshakeError("there is no such page", status=404, section="RFC 9110 §15.5")
        except HandshakeError as error:
            response = error_response(error)
            connection.reject(response._replace(body=b"") if head else response)

    def _serve_health(self, connection: Connection, head: bool) -> None:
        """Ask the store whether it lives; the answer is written when it has one."""
        task = asyncio.get_running_loop().create_task(self._check_health(connection, head))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check_health(self, connection: Connection, head: bool) -> None:
        health: dict[str, Any] = {
            "status": "draining" if self._draining else "ok",
            "store": self.store.description,
            "connections": len(self._connections),
            "sessions": len(self.hub.sessions),
            "rooms": len(self.hub.rooms),
            "uptime": round(monotonic() - self._started, 3),
        }
        try:
            seconds = await asyncio.wait_for(
                asyncio.wrap_future(self.store.run(self.store.ping)), self.config.open_timeout
            )
            health["store_ping_ms"] = round(1000 * seconds, 3)
        except (StoreError, TimeoutError) as error:
            health["status"] = "store down"
            health["why"] = str(error) or "no answer in time"
        body = json.dumps(health, indent=1).encode() + b"\n"
        if connection.state is ConnectionState.CONNECTING:
            status = 200 if health["status"] == "ok" else 503
            connection.reject(page_response(body, "application/json", status, head))

    # ------------------------------------------------------------------ to be shown

    def connections(self) -> list[ConnectionInfo]:
        """Every connection as it is now, by number."""
        infos = []
        for connection in sorted(self._connections, key=lambda one: one.id):
            handler = connection.handler
            infos.append(
                ConnectionInfo(
                    connection.id,
                    connection.remote,
                    connection.port,
                    connection.path,
                    getattr(handler, "user_id", ""),
                    tuple(getattr(handler, "rooms", ())),
                    connection.queued,
                    connection.latency,
                )
            )
        return infos


class ServerConnection(Connection):
    """A connection that its server counts."""

    __slots__ = ("_server",)

    def __init__(self, server: ChatServer, endpoint: Endpoint) -> None:
        super().__init__(
            server.engine,
            endpoint,
            _NOBODY,
            on_request=server.on_request,
            open_timeout=server.config.open_timeout,
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or tell it at once that there is no room."""
        super().connection_made(transport)
        if self._server.tap is not None:
            self.tap = self._server.tap(self)
        refusal = self._server.admit(self)
        if refusal is not None:
            self.turn_away(refusal)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(error)
        self._server.forget(self)
