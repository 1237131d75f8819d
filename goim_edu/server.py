"""The chat server: it listens, admits connections, routes requests, and closes in good order.

One port serves all: ``/`` is the chat page, ``/chat`` and ``/echo`` speak WebSocket, ``/healthz``
and ``/metrics`` are for the operator. Further paths can be served by coroutines that are given a
``WebSocket``.

At its end (``drain``) the server refuses new connections and tells every client ``draining``. It
waits until the store has stored everything, and acknowledges and hands it on. Then it closes every
connection with 1001, and cuts off those that do not answer in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple, Self, cast

from goim_edu.chat.hub import Hub
from goim_edu.chat.session import Session
from goim_edu.chat.vocabulary import SUBPROTOCOLS
from goim_edu.errors import HandshakeError, StoreError
from goim_edu.protocol import Endpoint, Limits, Side
from goim_edu.serving.accepting import Acceptor, Admission, Newcomer, too_busy
from goim_edu.serving.config import (
    ServerConfig,
    UnsafeConfig,
    make_authenticate,
    read_metrics_token,
)
from goim_edu.serving.echo import Echo
from goim_edu.serving.gate import Gate
from goim_edu.serving.listening import listen
from goim_edu.serving.pages import Pages
from goim_edu.serving.ports import ServerStore
from goim_edu.serving.tls import Certificate
from goim_edu.serving.visitor import Visitor
from goim_edu.transport import (
    Connection,
    ConnectionClosed,
    ConnectionState,
    Engine,
    Handler,
    Tap,
    WebSocket,
)
from goim_edu.transport.allocator import keep_freed_memory
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.handshake import (
    HandshakeLimits,
    Request,
    select_subprotocol,
)
from goim_edu.websocket.heartbeat import Heartbeat

__all__ = ["ChatServer", "ConnectionInfo", "ServerConfig", "ServerStore", "UnsafeConfig"]

log = logging.getLogger("goim_edu.server")

WebSocketHandler = Callable[[WebSocket], Awaitable[None]]


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


_NO_HANDLER: Final = Handler()


class ChatServer:
    """The chat server.

    Args:
        config: its settings.
        store: where messages are kept; it is neither opened nor closed here.
        tap: called for each new connection; what it returns is given every octet of it
            (``Capture.tap`` fits behind ``lambda connection: capture.tap(connection.id)``).
        routes: more paths, each with a coroutine that is given a ``WebSocket``.
        page_key: a secret that a page of any origin may offer as a subprotocol to be let in.

    Attributes:
        handlers: the sync handlers by path; each connection gets one of its own.
        hub: the sessions and rooms.
        engine: what all connections share.
        admission: counts the connections, in all and from each host, and has the bounds.
        certificate: the certificate for TLS, which can be renewed.
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
        page_key: str = "",
    ) -> None:
        self.config = config
        self.store = store
        self.routes = dict(routes or {})
        # A hello proves who is there, and the echo has none: so it is not for a server with tokens.
        self.handlers: dict[str, Callable[[], Handler]] = (
            {"/echo": partial(Echo, config.echo_rate)} if config.auth == "none" else {}
        )
        self.port = 0
        self.engine: Engine
        self.hub: Hub
        self.tap = tap
        self._pages: Pages
        self._warning = config.warning()
        self.certificate = Certificate(config.tls_cert, config.tls_key)
        self._tls = self.certificate.context
        self._authenticate = make_authenticate(config)
        self._gate = Gate(config, page_key)
        self._metrics_token = read_metrics_token(config)
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
        self.admission = Admission(
            config.max_connections, config.max_per_ip, unlimited=self._gate.proxies
        )
        self._acceptor: Acceptor | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_gone: asyncio.Event
        self._draining = False
        self._started = 0.0

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Start to listen; once, since a server that was drained is over.

        Raises:
            OSError: it cannot listen on this address.
            RuntimeError: it was started before.
        """
        if self._acceptor is not None or self._draining:
            raise RuntimeError("this server was started before: make a new one")
        config = self.config
        if self._warning:
            log.warning("insecure why=%r", self._warning)
        self.certificate.warn_of_dates()
        granularity = 0.05
        if config.heartbeat_interval:
            shortest = min(config.heartbeat_interval, config.heartbeat_timeout)
            granularity = max(0.002, min(granularity, shortest / 40))
        keep_freed_memory()
        self.engine = Engine(
            granularity=granularity,
            queue_limit=config.queue_limit,
            close_timeout=config.close_timeout,
            message_timeout=config.message_timeout,
            memory_limit=config.memory_limit,
            control_rate=config.control_rate,
        )
        self.hub = Hub(self.store, self.engine, config.limits, self._authenticate)
        self._pages = Pages(self, self._gate.hosts, self._metrics_token)
        self._all_gone = asyncio.Event()
        self._started = monotonic()
        link = listen(config.host, config.port)
        self.port = link.getsockname()[1]
        self._acceptor = Acceptor(
            *(link, self.admission, self._make_connection, self.engine.stats),
            *(self._tls, config.tls_timeout),
        )
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

    @property
    def uptime(self) -> float:
        """Seconds since it started to listen."""
        return monotonic() - self._started

    async def drain(self, timeout: float | None = None) -> None:
        """Close in good order; return when every connection is gone.

        Args:
            timeout: seconds until the remaining connections are cut off; default:
                ``drain_timeout``.
        """
        acceptor = self._acceptor
        if acceptor is None:
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
        await acceptor.close()
        for connection in tuple(self._connections):
            connection.abort()
        await self._wait_until_empty(monotonic() + 1)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=1)
        self.engine.wheel.stop()
        self._acceptor = None
        log.info("drained")

    async def _flush_store(self, end: float) -> None:
        """Wait until the store has stored everything and its answers are on their way."""
        left = max(0.0, end - monotonic())
        try:
            # Not by a reader of the store: what waits for those must not hold this up.
            flushed = await asyncio.to_thread(self.store.flush, left)
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
                self._all_gone.clear()
                await asyncio.wait_for(self._all_gone.wait(), max(0.0, end - monotonic()))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.drain()

    # ------------------------------------------------------------------ admit

    def _make_connection(self) -> ServerConnection:
        endpoint = Endpoint(Side.SERVER, limits=self._limits, compression=self._deflate)
        return ServerConnection(self, endpoint)

    def welcome(self, connection: Connection) -> None:
        """A connection that was let in is ready."""
        self._connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    @property
    def starting(self) -> int:
        """How many connections are in their TLS handshake, or about to be ready."""
        return self.admission.total - len(self._connections)

    # ------------------------------------------------------------------ route

    def on_request(self, connection: Connection, request: Request) -> None:
        """Answer a request: a page, or a WebSocket."""
        path = connection.path = request.path
        visitor = self._gate.identify(connection.remote, request)
        if connection.remote in self._gate.proxies:  # it is counted for its client
            why = self.admission.rename(cast("Newcomer", connection), visitor.address)
            connection.remote = visitor.address
            if why is not None:
                connection.reject(too_busy(why))
                return
        if not (request.wants_upgrade or self._is_websocket(path)):
            self._pages.serve(connection, request, visitor)
            return
        try:
            self._check_upgrade(request, visitor)
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
            connection.reject(
                HandshakeError(
                    "there is no WebSocket at this path", status=404, section="RFC 6455 §4.2.2"
                )
            )

    def _is_websocket(self, path: str) -> bool:
        return path == "/chat" or path in self.handlers or path in self.routes

    def _check_upgrade(self, request: Request, visitor: Visitor) -> None:
        if self._draining:
            raise HandshakeError(
                "the server is closing",
                status=503,
                section="RFC 9110 §15.6.4",
                headers=[("Retry-After", "1")],
            )
        self._gate.check_page(request, visitor)

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
            self.start_task(self._run_route(ws, handler))

    async def _run_route(self, ws: WebSocket, handler: WebSocketHandler) -> None:
        code = 1000
        try:
            await handler(ws)
        except Exception as error:
            # A connection of its own, such as to a database, may have failed while this one lives.
            if isinstance(error, ConnectionClosed) and ws.state is not ConnectionState.OPEN:
                log.debug("the peer left connection=%d", ws.id)
            else:
                log.exception("handler failed connection=%d", ws.id)
                code = 1011
        await ws.close(code)

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the rest, until the server closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _heartbeat(self) -> Heartbeat | None:
        interval = self.config.heartbeat_interval
        return Heartbeat(interval, self.config.heartbeat_timeout) if interval else None

    # ------------------------------------------------------------------ to be shown

    def connections(self) -> list[ConnectionInfo]:
        """Return every connection as it is now, by number."""
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


class ServerConnection(Newcomer):
    """A connection of a server."""

    __slots__ = ("_server",)

    def __init__(self, server: ChatServer, endpoint: Endpoint) -> None:
        super().__init__(
            server.engine,
            endpoint,
            _NO_HANDLER,
            on_request=server.on_request,
            open_timeout=server.config.open_timeout,
        )
        self._server = server
        self.counted_as = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is ready."""
        super().connection_made(transport)
        if self._server.tap is not None:
            self.tap = self._server.tap(self)
        self._server.welcome(self)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(error)
        if self.counted_as:
            self._server.admission.leave(self.counted_as)
        self._server.forget(self)
