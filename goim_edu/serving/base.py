"""What every server does: it listens, lets connections in, keeps them, and closes in good order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl as tls
from collections.abc import Callable, Coroutine
from dataclasses import replace
from time import monotonic
from typing import Final, Literal, Self, cast

from goim_edu.errors import HandshakeError
from goim_edu.protocol import Endpoint, Limits, Side
from goim_edu.serving.accepting import Acceptor, Admission, Newcomer, too_busy
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.handshakes import HandshakeRate, come_later
from goim_edu.serving.listening import address_of, host_in_url, listen
from goim_edu.serving.policy import AccessPolicy
from goim_edu.serving.routes import Route, run_handler
from goim_edu.serving.tls import Certificate
from goim_edu.serving.visitor import Visitor
from goim_edu.transport import Connection, ConnectionState, Engine, Handler, Tap, WebSocket
from goim_edu.transport.allocator import keep_freed_memory
from goim_edu.transport.misuse import EnteredNotAwaited
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.handshake import HandshakeLimits, Request
from goim_edu.websocket.heartbeat import Heartbeat
from goim_edu.websocket.masking import have_numpy

__all__ = ["BaseServer", "ServerConnection"]

log = logging.getLogger("goim_edu.server")

_NO_HANDLER: Final = Handler()
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_GRACE: Final = 1.0  # seconds for what is only a courtesy at the end

# Nothing of a message is kept for the next: what one member gets, all can get, and a connection
# that is idle holds no window.
_DEFLATE: Final = DeflateConfig(server_no_context_takeover=True, client_no_context_takeover=True)

_TapMaker = Callable[[Connection], Tap | None]


class BaseServer(EnteredNotAwaited):
    """A server without an answer: a subclass says what is served.

    It is started once, by ``start``, ``async with`` or ``serve_forever``. To close it twice, or
    before it was started, does no harm; then it cannot be started again. All of it belongs to the
    event loop in which it was started: call it from there only.

    Args:
        config: the settings; those of the chat are not looked at.
        ssl: how to speak TLS, in place of ``tls_cert`` and ``tls_key``.
        sock: the socket to listen on, in place of ``host`` and ``port``: bound, of TCP or a Unix
            socket. It is closed with the server.
        tap: called for each new connection; what it returns is given every octet of it.
        page_key: a secret that a page of any origin may offer as a subprotocol to be let in.

    Attributes:
        config: the settings.
        port: where it listens, known after ``start``; 0 for a Unix socket.
        engine: what all connections share, known after ``start``.
        admission: counts the connections, in all and from each host, and has the bounds.
        handshakes: how many a second it takes.
        certificate: the certificate of the settings, which can be renewed.
        tap: called for each new connection; what it returns is given every octet of it.

    Raises:
        TypeError: ``ssl`` or ``sock`` is something else.
        ValueError: they do not go together with the settings, or cannot serve.
        OSError: a file of the settings cannot be read.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        ssl: tls.SSLContext | None = None,
        sock: socket.socket | None = None,
        tap: _TapMaker | None = None,
        page_key: str = "",
    ) -> None:
        self._sock = sock
        self._unix = False
        if sock is not None:
            host, port = address_of(sock)
            self._unix = not port
            config = replace(config, host=host, port=port)
        self.config = config
        self.port = 0
        self.engine: Engine
        self.tap = tap
        self.certificate = Certificate(config.tls_cert, config.tls_key)
        self._tls = _server_context(ssl, self.certificate)
        self._policy = AccessPolicy(config, page_key, tls=self._tls is not None)
        self._limits = Limits(
            max_frame_size=config.max_message_size,
            max_message_size=config.max_message_size,
            handshake=HandshakeLimits(),
        )
        compression = config.compression
        self._deflate = _DEFLATE if compression is True else compression or None
        most = config.max_connections
        self.admission = Admission(
            *(most, most if self._unix else config.max_per_ip), unlimited=self._policy.proxies
        )
        self.handshakes = HandshakeRate(config.handshake_rate)
        self._life: Literal["new", "listening", "closing", "closed"] = "new"
        self._acceptor: Acceptor | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_gone = asyncio.Event()
        self._closed = asyncio.Event()
        self._started = 0.0

    # ------------------------------------------------------------------ left to the subclass

    def _answer(self, connection: Connection, request: Request, visitor: Visitor) -> None:
        """Answer a request: ``accept`` or ``reject`` it, now or later."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Make what needs the event loop, before the first connection comes."""

    async def _say_goodbye(self, end: float) -> None:
        """Tell the clients that the server is about to close, and finish what is under way.

        Args:
            end: when that must be done, by ``monotonic()``.
        """

    def _details(self) -> str:
        """What the log says of it beside its address."""
        return ""

    def _clean_up(self) -> None:
        """Give back what was taken, since the server is closed."""

    # ------------------------------------------------------------------ where it is

    @property
    def base_url(self) -> str:
        """The address, ``ws://host:port``, to which a path is appended.

        A Unix socket has no address; what this gives is what a client may say in its Host.
        """
        scheme = "wss" if self._tls is not None else "ws"
        if self._unix:
            return f"{scheme}://localhost"
        return f"{scheme}://{host_in_url(self.config.host)}:{self.port or self.config.port}"

    @property
    def url(self) -> str:
        """The address to connect to."""
        return self.base_url

    @property
    def draining(self) -> bool:
        """Whether it is about to close."""
        return self._life not in ("new", "listening")

    @property
    def uptime(self) -> float:
        """Seconds since it started to listen."""
        return monotonic() - self._started

    @property
    def starting(self) -> int:
        """How many connections are in their TLS handshake, or about to be ready."""
        return self.admission.total - len(self._connections)

    def __repr__(self) -> str:
        number = len(self._connections)
        many = f"{number} connection{'' if number == 1 else 's'}"
        what = {"new": "not started", "closed": "closed"}.get(self._life, f"{self._life}, {many}")
        return f"<{type(self).__name__} {self.url} {what}>"

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Start to listen; once, since a server that was closed is over.

        Raises:
            OSError: it cannot listen on this address; it may be tried again.
            RuntimeError: it was started before.
        """
        if self._life != "new":
            raise RuntimeError("this server was started before: make a new one")
        config = self.config
        link = listen(config.host, config.port, self._sock)
        try:
            self.certificate.warn_of_dates()
            keep_freed_memory()
            have_numpy()  # imported now: later that would hold up every client for 50 ms
            self.engine = self._make_engine()
            self._prepare()
            self._acceptor = Acceptor(
                *(link, self.admission, self._make_connection, self.engine.stats),
                *(self._tls, config.tls_timeout),
            )
        except BaseException:
            link.close()
            raise
        self.port = 0 if self._unix else link.getsockname()[1]
        self._started = monotonic()
        self._life = "listening"
        log.info("listening url=%s%s", self.base_url, self._details())

    def _make_engine(self) -> Engine:
        config = self.config
        granularity = 0.05
        if config.heartbeat_interval:
            shortest = min(config.heartbeat_interval, config.heartbeat_timeout)
            granularity = max(0.002, min(granularity, shortest / 40))
        return Engine(
            granularity=granularity,
            queue_limit=config.queue_limit,
            close_timeout=config.close_timeout,
            message_timeout=config.message_timeout,
            memory_limit=config.memory_limit,
            control_rate=config.control_rate,
        )

    async def serve_forever(self) -> None:
        """Serve until the server is closed; start it if that was not done.

        Cancelled (also by Ctrl-C under ``asyncio.run``), it closes in good order first.

        Raises:
            OSError: it cannot listen on this address.
            RuntimeError: it is closed.
        """
        if self._life in ("new", "closed"):
            await self.start()
        try:
            await self._closed.wait()
        finally:
            await self.close()

    async def wait_closed(self) -> None:
        """Wait until the server is closed, here or elsewhere."""
        await self._closed.wait()

    async def serve_until_signal(self) -> None:
        """Serve until Ctrl-C or SIGTERM, and close in good order; a second one cuts off the rest.

        Raises:
            OSError: it cannot listen on this address.
            RuntimeError: it is closed, or this is not the main thread.
        """
        loop = asyncio.get_running_loop()
        serving = loop.create_task(self.serve_forever())
        try:
            for number in _SIGNALS:
                with contextlib.suppress(NotImplementedError):  # of the loop of Windows
                    loop.add_signal_handler(number, serving.cancel)
            await asyncio.wait({serving})
        finally:
            for number in _SIGNALS:
                with contextlib.suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
            serving.cancel()
            await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()

    def run(self) -> None:
        """The same in an event loop of its own, for a program that only serves."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self.serve_until_signal())

    async def close(self, timeout: float | None = None) -> None:
        """Close in good order; return when every connection is gone.

        New connections are refused. Every client is told 1001, and cut off if it does not answer in
        time. Handlers have a second more to come to their end, and are then cancelled.

        To close twice does no harm: the second call waits for the first. Before the start there is
        nothing to close. Cancelled, it cuts off at once what is left.

        Args:
            timeout: seconds until the remaining connections are cut off; default:
                ``drain_timeout``.
        """
        if self._life == "new":
            return
        if self._life != "listening":
            await self._closed.wait()
            return
        end = monotonic() + (self.config.drain_timeout if timeout is None else timeout)
        self._life = "closing"
        log.info("draining connections=%d", len(self._connections))
        try:
            await self._close(end)
        finally:
            self._cut_off()
            self._life = "closed"
            self._closed.set()
            log.info("drained")

    async def _close(self, end: float) -> None:
        await self._say_goodbye(end)
        for connection in tuple(self._connections):
            connection.close(1001, "the server is closing")
        await self._wait_until_empty(min(end, monotonic() + self.config.close_timeout + 1))
        if self._acceptor is not None:
            await self._acceptor.close()
        for connection in tuple(self._connections):
            connection.abort()
        await self._wait_until_empty(monotonic() + _GRACE)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=_GRACE)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=_GRACE)

    def _cut_off(self) -> None:
        """Leave nothing behind, also where closing was broken off."""
        if self._acceptor is not None:
            self._acceptor.stop()
            self._acceptor = None
        for connection in tuple(self._connections):
            connection.abort()
        for task in tuple(self._tasks):
            task.cancel()
        self.engine.wheel.stop()
        self._clean_up()

    async def _wait_until_empty(self, end: float) -> None:
        with contextlib.suppress(TimeoutError):
            while self._connections:
                self._all_gone.clear()
                await asyncio.wait_for(self._all_gone.wait(), max(0.0, end - monotonic()))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ connections

    def _make_connection(self) -> ServerConnection:
        endpoint = Endpoint(Side.SERVER, limits=self._limits, compression=self._deflate)
        return ServerConnection(self, endpoint)

    def _welcome(self, connection: Connection) -> None:
        """A connection that was let in is ready."""
        self._connections.add(connection)

    def _forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    def start_task(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine beside the rest, until the server closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------ requests

    def on_request(self, connection: Connection, request: Request) -> None:
        """Find out where a request comes from, and answer it."""
        connection.path = request.path
        visitor = self._policy.identify(connection.remote, request)
        if connection.remote in self._policy.proxies:  # it is counted for its client
            why = self.admission.rename(cast("Newcomer", connection), visitor.address)
            connection.remote = visitor.address
            if why is not None:
                connection.reject(too_busy(why))
                return
        try:
            self._answer(connection, request, visitor)
        except HandshakeError as error:
            connection.reject(error)

    def _check_upgrade(self, request: Request, visitor: Visitor) -> None:
        """Refuse a WebSocket while the server closes, and to the page of a stranger."""
        if self.draining:
            raise come_later("the server is closing", 1)
        self._policy.check_page(request, visitor)
        if request.wants_upgrade:
            self.handshakes.check()

    def _open_route(self, connection: Connection, request: Request, route: Route) -> None:
        """Agree to a WebSocket, and start its handler."""
        ws = WebSocket()
        # What does not ask for a WebSocket is refused as that, before anything is chosen.
        chosen = route.choose(request) if request.wants_upgrade else None
        connection.accept(ws, chosen, heartbeat=self._heartbeat())
        if connection.state is ConnectionState.OPEN:
            self.start_task(run_handler(route.handler, ws))

    def _heartbeat(self) -> Heartbeat | None:
        interval = self.config.heartbeat_interval
        return Heartbeat(interval, self.config.heartbeat_timeout) if interval else None


class ServerConnection(Newcomer):
    """A connection of a server."""

    __slots__ = ("_server",)

    def __init__(self, server: BaseServer, endpoint: Endpoint) -> None:
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
        self._server._welcome(self)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(error)
        if self.counted_as:
            self._server.admission.leave(self.counted_as)
        self._server._forget(self)


def _server_context(given: tls.SSLContext | None, own: Certificate) -> tls.SSLContext | None:
    """The TLS of a server: the caller's, or that of its settings."""
    if given is None:
        return own.context
    if not isinstance(given, tls.SSLContext):
        raise TypeError(f"ssl must be an ssl.SSLContext, not {given!r}")
    if own.context is not None:
        raise ValueError("give either ssl, or tls_cert and tls_key")
    if given.protocol is tls.PROTOCOL_TLS_CLIENT:
        raise ValueError("ssl is a context for clients: make it with ssl.Purpose.CLIENT_AUTH")
    return given
