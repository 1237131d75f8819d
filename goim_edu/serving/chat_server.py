"""The chat server: the chat, its page, an echo and the figures for the operator, on one port.

``/`` is the chat page, ``/chat`` and ``/echo`` speak WebSocket, ``/healthz`` and ``/metrics`` are
for the operator. Further paths can be served by coroutines that are given a ``WebSocket``.

On a MongoDB that is a replica set, a server is one of several: it follows what the others store
and tell (``goim_edu.cluster``), and a room spreads over all of them.

At its end (``drain``) the server refuses new connections and tells every client ``draining``. It
waits until the store has stored everything, and acknowledges and hands it on. Then it closes every
connection with 1001, and cuts off those that do not answer in time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl as tls
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from goim_edu.chat.alone import NO_PEERS
from goim_edu.chat.auth import Authenticate
from goim_edu.chat.hooks import ServerHooks
from goim_edu.chat.hub import Hub
from goim_edu.chat.session import Session
from goim_edu.chat.vocabulary import SUBPROTOCOLS
from goim_edu.cluster.addresses import bus_servers
from goim_edu.errors import HandshakeError, StoreError
from goim_edu.serving.base import BaseServer
from goim_edu.serving.config import ServerConfig, make_authenticate, read_metrics_token
from goim_edu.serving.echo import Echo
from goim_edu.serving.pages import HEALTH, METRICS, Pages, page_files
from goim_edu.serving.ports import ServerStore
from goim_edu.serving.routes import Route, Routes, WebSocketHandler, no_such_path
from goim_edu.serving.visitor import Visitor
from goim_edu.transport import Connection, Handler, Tap
from goim_edu.websocket.handshake import Request, select_subprotocol

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from goim_edu.cluster.keeper import LeaseKeeper
    from goim_edu.cluster.node import Node
    from goim_edu.cluster.ports import SharedStore
    from goim_edu.serving.metrics import ServerMetrics

__all__ = ["ChatServer", "ConnectionInfo"]

log = logging.getLogger("goim_edu.server")

_CHAT: Final = "/chat"
_ECHO: Final = "/echo"
_HANDSHAKES: Final = 500.0  # a second, where there are other servers: their clients may come


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


class ChatServer(BaseServer):
    """The chat server.

    It is started once, by ``start``, ``async with`` or ``serve_forever``; a second start, also
    after ``drain``, is a ``RuntimeError``. ``drain`` may be called twice, and before the start it
    does nothing. ``serve_forever`` and the end of ``async with`` drain, also when they are
    cancelled; what is cancelled while it drains cuts off at once what is left. A server belongs to
    the event loop in which it was started: call it from there only.

    Args:
        config: its settings.
        store: where messages are kept; it is neither opened nor closed here.
        authenticate: checks the name of a user, in place of ``config.auth``: a function or a
            coroutine function that takes the ``user_id`` and ``token`` of a hello, and gives an
            ``Identity`` or raises ``Unauthenticated``. What else it raises is logged, and that
            client is told ``internal``.
        ssl: how to speak TLS, in place of ``tls_cert`` and ``tls_key``.
        sock: the socket to listen on, in place of ``host`` and ``port``: bound, of TCP or a Unix
            socket. It is closed with the server.
        registry: where the metrics are registered while the server runs; default: one of their
            own, shown at ``/metrics`` only.
        hooks: is told of users and messages.
        routes: more paths, each with a ``Route``, or a coroutine function that is given a
            ``WebSocket``.
        tap: called for each new connection; what it returns is given every octet of it
            (``Capture.tap`` fits behind ``lambda connection: capture.tap(connection.id)``).
        page_key: a secret that a page of any origin may offer as a subprotocol to be let in.

    Attributes:
        routes: the paths that were added; more can be added at any time.
        handlers: the sync handlers by path; each connection gets one of its own.
        hub: the sessions and rooms, known after ``start``.
        node: this server as one of several; None if it is alone.
        pages: what it answers to requests that are not for a WebSocket, known after ``start``.
        ask_all: asks all workers of this machine for their ``metrics`` or ``health``; None if
            there are no others.
        engine: what all connections share, known after ``start``.
        admission: counts the connections, in all and from each host, and has the bounds.
        certificate: the certificate of the settings, which can be renewed.
        port: where it listens, known after ``start``.

    Raises:
        TypeError: an argument is not what it must be.
        ValueError: arguments and settings do not go together.
        UnsafeConfig: strangers could come in.
        OSError: a file of the settings cannot be read.

    >>> async def main() -> str:
    ...     from goim_edu.store import open_store
    ...     with open_store("memory") as store:
    ...         async with ChatServer(ServerConfig(port=0), store) as server:
    ...             return server.url
    >>> asyncio.run(main())
    'ws://127.0.0.1:.../chat'
    """

    def __init__(
        self,
        config: ServerConfig,
        store: ServerStore,
        *,
        authenticate: Authenticate | None = None,
        ssl: tls.SSLContext | None = None,
        sock: socket.socket | None = None,
        registry: CollectorRegistry | None = None,
        hooks: ServerHooks | None = None,
        routes: Mapping[str, Route | WebSocketHandler] | None = None,
        tap: Callable[[Connection], Tap | None] | None = None,
        page_key: str = "",
    ) -> None:
        super().__init__(config, ssl=ssl, sock=sock, tap=tap, page_key=page_key)
        config = self.config
        _check(store, authenticate, registry, hooks)
        if authenticate is not None and config.auth != "none":
            raise ValueError("give either authenticate, or auth='jwt' in the config")
        self.store = store
        # A hello proves who is there, and the echo has none: so it is not for a server with tokens.
        open_to_all = config.auth == "none" and authenticate is None
        self.handlers: dict[str, Callable[[], Handler]] = (
            {_ECHO: partial(Echo, config.echo_rate)} if open_to_all else {}
        )
        pages = [path for path, on in ((HEALTH, config.health), (METRICS, config.metrics)) if on]
        self.routes = Routes(routes, taken=(_CHAT, *self.handlers, *pages, *page_files()))
        self.hub: Hub
        self.node: Node | None = None
        self._keeper: LeaseKeeper | None = None
        self._ending: asyncio.Task[None] | None = None
        self.ask_all: Callable[[str], Awaitable[Any]] | None = None
        self._authenticate = authenticate or make_authenticate(config)
        self._hooks = hooks
        self._registry = registry
        self._metrics_token = read_metrics_token(config)
        self._metrics: ServerMetrics | None = None
        self.pages: Pages
        self._warning = config.warning(
            authenticated=authenticate is not None, encrypted=self._tls is not None
        )

    # ------------------------------------------------------------------ life

    def _prepare(self) -> None:
        if self._warning:
            log.warning("insecure why=%r", self._warning)
        config = self.config
        self.node = self._make_node()
        self.hub = Hub(
            *(self.store, self.engine, config.limits, self._authenticate, self._hooks),
            self.node or NO_PEERS,
        )
        if config.metrics or self._registry is not None:
            from goim_edu.serving.metrics import ServerMetrics  # slow to import

            self._metrics = ServerMetrics(self, self._registry)
        shown = self._metrics if config.metrics else None
        self.pages = Pages(
            *(self, self._policy.hosts, shown.text if shown else None, self._metrics_token)
        )

    def _make_node(self) -> Node | None:
        """This server as one of several, if the store can be shared."""
        if not getattr(self.store, "is_shared", False):  # a store of one's own need not know
            if self.config.bus:
                raise ValueError("bus needs a store in a MongoDB that is a replica set")
            return None
        from goim_edu.cluster.bus_node import BusNode  # slow to import
        from goim_edu.cluster.node import Node

        store = cast("SharedStore", self.store)
        return BusNode(store, bus_servers(self.config.bus)) if self.config.bus else Node(store)

    async def start(self) -> None:
        """Start to listen, and to follow the other servers; once.

        Raises:
            OSError: it cannot listen on this address; it may be tried again.
            RuntimeError: it was started before.
            StoreConfigError: another server serves this MongoDB, which is no replica set.
        """
        if self._life == "new" and getattr(self.store, "is_exclusive", False):
            from goim_edu.cluster.keeper import LeaseKeeper

            self._keeper = LeaseKeeper(cast("SharedStore", self.store).database, self._lose)
            await self._keeper.take(self.url)
        try:
            await super().start()
        except BaseException:
            await self._give_back()
            raise
        if self.node is not None:
            self.node.start(self.hub, self.url)
        if self._keeper is not None:
            await self._keeper.tell(self.url)  # with the port

    async def _give_back(self) -> None:
        """Let another server have our place."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.give_back()

    def _lose(self, first: str) -> None:
        """Another server has taken our place: end."""
        log.error("closing why=%r", first)
        # Not among the tasks of the server, since draining waits for those.
        self._ending = asyncio.get_running_loop().create_task(self.drain())

    def _details(self) -> str:
        return f" store={self.store.description!r}"

    @property
    def url(self) -> str:
        """The address of the chat, ``ws://host:port/chat``."""
        return self.base_url + _CHAT

    async def drain(self, timeout: float | None = None) -> None:
        """Close in good order; return when every connection is gone.

        The clients of the chat are told ``draining``, and what they have sent is stored and
        acknowledged, before they are closed with 1001. ``close`` does the same.

        Args:
            timeout: seconds until the remaining connections are cut off; default:
                ``drain_timeout``.
        """
        await self.close(timeout)

    async def _say_goodbye(self, end: float) -> None:
        """Tell all sessions; wait until the store has stored everything and has answered."""
        if self.node is not None:
            self.node.drain()
        self.hub.drain(self._reconnect_after())
        left = max(0.0, end - monotonic())
        try:
            # Not by a reader of the store: what waits for those must not hold this up.
            flushed = await asyncio.to_thread(self.store.flush, left)
        except StoreError as error:
            log.warning("flush failed why=%r", str(error))
            return
        except Exception:
            log.exception("the store failed")
            return
        if not flushed:
            log.warning("flush was not complete after %.1f s", left)
        await asyncio.sleep(0)  # answers were called into this loop before flush returned
        await asyncio.sleep(0)

    def _reconnect_after(self) -> Callable[[], int]:
        """Says to each client when to come back, in milliseconds."""
        if self.node is None:
            return lambda: 1000
        rooms = sum(len(room) for room in self.hub.rooms.values())
        return self.node.reconnect_after(rooms)

    async def _close(self, end: float) -> None:
        await super()._close(end)
        if self.node is not None:
            await self.node.stop()
        await self._give_back()

    def _clean_up(self) -> None:
        if self.node is not None:
            self.node.abort()
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None

    # ------------------------------------------------------------------ requests

    def _answer(self, connection: Connection, request: Request, visitor: Visitor) -> None:
        path = connection.path
        if not (request.wants_upgrade or self._is_websocket(path)):
            self.pages.serve(connection, request, visitor)
            return
        self._check_upgrade(request, visitor)
        if path == _CHAT:
            self._open_chat(connection, request)
        elif path in self.handlers:
            connection.accept(self.handlers[path](), heartbeat=self._heartbeat())
        elif path in self.routes:
            self._open_route(connection, request, self.routes[path])
        else:
            raise no_such_path()

    def _check_upgrade(self, request: Request, visitor: Visitor) -> None:
        if self.node is not None and not self.config.handshake_rate:
            self.handshakes.rate = _HANDSHAKES if len(self.node.peers) else 0.0
        super()._check_upgrade(request, visitor)

    def _is_websocket(self, path: str) -> bool:
        return path == _CHAT or path in self.handlers or path in self.routes

    def _open_chat(self, connection: Connection, request: Request) -> None:
        subprotocol = select_subprotocol(request, tuple(SUBPROTOCOLS))
        if subprotocol is None and request.wants_upgrade:
            names = " or ".join(SUBPROTOCOLS)
            raise HandshakeError(
                f"the chat speaks {names}: offer one of them in Sec-WebSocket-Protocol",
                section="RFC 6455 §4.2.2",
            )
        session = Session(self.hub, connection, subprotocol or "goim.v1.json")
        connection.accept(session, subprotocol, heartbeat=self._heartbeat())

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


def _check(store: object, authenticate: object, registry: object, hooks: object) -> None:
    """Refuse what would fail only when the first client comes."""
    if not hasattr(store, "submit_async"):
        raise TypeError(f"store must be a store, such as open_store('memory') gives, not {store!r}")
    if not (authenticate is None or callable(authenticate)):
        raise TypeError(f"authenticate must be a function, not {authenticate!r}")
    if not (registry is None or hasattr(registry, "register")):
        raise TypeError(f"registry must be a prometheus_client.CollectorRegistry, not {registry!r}")
    if not (hooks is None or isinstance(hooks, ServerHooks)):
        raise TypeError(f"hooks must be an object of a subclass of ServerHooks, not {hooks!r}")
