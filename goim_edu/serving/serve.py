"""``serve``: a WebSocket server for a handler of your own.

async def shout(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(str(message).upper())

async with serve(shout, port=8765) as server:
    await server.serve_forever()
"""

from __future__ import annotations

import logging
import socket
import ssl as tls
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

from goim_edu.errors import HandshakeError
from goim_edu.serving.base import BaseServer
from goim_edu.serving.config import ServerConfig
from goim_edu.serving.routes import Route, SelectSubprotocol, WebSocketHandler
from goim_edu.serving.visitor import Visitor
from goim_edu.transport import Connection, ConnectionState, Tap, WebSocket
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.handshake import Request, Response

__all__ = ["ProcessRequest", "Server", "serve"]

log = logging.getLogger("goim_edu.server")

ProcessRequest = Callable[[Request], Response | Awaitable[Response | None] | None]
"""Takes a request, and gives the response to it, or None to go on with the WebSocket.

To refuse the request it may also raise ``HandshakeError``.
"""

_CONNECTING = ConnectionState.CONNECTING
_OPEN = ConnectionState.OPEN


class Server(BaseServer):
    """A WebSocket server for one handler; ``serve`` makes it.

    It is started once, by ``async with``, ``start`` or ``serve_forever``, and closed by ``close``
    or at the end of ``async with``; ``serve_forever`` closes it when it is cancelled. To close it
    twice does no harm. It belongs to the event loop in which it was started: call it from there
    only.

    Attributes:
        port: where it listens, known after the start; 0 for a Unix socket.
        config: the settings.
    """

    def __init__(
        self,
        route: Route,
        config: ServerConfig,
        *,
        ssl: tls.SSLContext | None = None,
        sock: socket.socket | None = None,
        process_request: ProcessRequest | None = None,
        tap: Callable[[Connection], Tap | None] | None = None,
    ) -> None:
        super().__init__(config, ssl=ssl, sock=sock, tap=tap)
        if not (process_request is None or callable(process_request)):
            raise TypeError(f"process_request must be a function, not {process_request!r}")
        self._route = route
        self._process_request = process_request

    def connections(self) -> list[WebSocket]:
        """Return every WebSocket that is open, in the order in which they came."""
        handlers = [one.handler for one in sorted(self._connections, key=lambda one: one.id)]
        return [one for one in handlers if isinstance(one, WebSocket) and one.state is _OPEN]

    def _answer(self, connection: Connection, request: Request, visitor: Visitor) -> None:
        if request.wants_upgrade:
            self._check_upgrade(request, visitor)
        given = None if self._process_request is None else self._process_request(request)
        if isawaitable(given):
            self.start_task(self._go_on_later(connection, request, given))
        else:
            self._go_on(connection, request, given)

    def _go_on(self, connection: Connection, request: Request, given: object) -> None:
        if given is None:
            self._open_route(connection, request, self._route)
        elif isinstance(given, Response):
            connection.reject(given)
        else:
            raise TypeError(f"process_request must give a Response or None, not {given!r}")

    async def _go_on_later(
        self, connection: Connection, request: Request, given: Awaitable[Response | None]
    ) -> None:
        """The same when it has been decided; the client may be gone by then."""
        answer: Response | HandshakeError | None
        try:
            answer = await given
            if connection.state is _CONNECTING:
                self._go_on(connection, request, answer)
        except HandshakeError as error:
            if connection.state is _CONNECTING:
                connection.reject(error)
        except Exception:
            log.exception("request failed connection=%d", connection.id)
            if connection.state is _CONNECTING:
                connection.reject(
                    HandshakeError("our mistake", status=500, section="RFC 9110 §15.6.1")
                )


def serve(
    handler: WebSocketHandler,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ssl: tls.SSLContext | None = None,
    sock: socket.socket | None = None,
    subprotocols: Sequence[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = (),
    compression: bool | DeflateConfig = True,
    process_request: ProcessRequest | None = None,
    heartbeat_interval: float = 20.0,
    heartbeat_timeout: float = 20.0,
    max_message_size: int = 1 << 20,
    queue_limit: int = 1 << 20,
    max_connections: int = 10_000,
    max_per_ip: int = 2_000,
    open_timeout: float = 10.0,
    close_timeout: float = 5.0,
    drain_timeout: float = 10.0,
    tap: Callable[[Connection], Tap | None] | None = None,
) -> Server:
    """A WebSocket server for a handler of your own, on every path.

    The handler is given a ``WebSocket``: ``ws.request`` is what the client asked for (its ``path``,
    ``query`` and ``headers``), ``ws.subprotocol`` what was agreed on. When it returns, the
    connection is closed with 1000. If it raises, that is logged, and the connection is closed with
    1011; but ``ConnectionClosed`` of a client that has gone is its normal end.

    Args:
        handler: a coroutine function; called for each connection, in a task of its own.
        host: address to listen on; of a name with several it takes the first IPv4 one. Beyond
            this machine anybody may come, so let ``process_request`` check who it is.
        port: number of the TCP port; 0 picks a free one.
        ssl: how to speak TLS; default: plain TCP.
        sock: the socket to listen on, in place of ``host`` and ``port``: bound, of TCP or a Unix
            socket. It is closed with the server.
        subprotocols: what the handler speaks; of these the one is agreed on that the client wants
            most, and none if it offers none of them (RFC 6455 §4.2.2).
        select_subprotocol: chooses in another way: takes the request and ``subprotocols``, gives
            one of them or None, or raises ``HandshakeError``.
        origins: pages that may connect besides those that this server itself gave out:
            ``https://chat.example.com``, ``loopback`` for any page of this machine, ``*`` for
            every page. Programs that are not browsers send no Origin, and always may
            (RFC 6455 §10.2).
        hosts: names by which browsers may reach the server, so that no page of a stranger does by a
            name of its own ("DNS rebinding"). Those of this machine always may; if it listens
            beyond, so may all others unless some are given. ``*`` for every name.
        trusted_proxies: networks or addresses of proxies whose ``X-Forwarded-For``,
            ``X-Forwarded-Proto`` and ``Forwarded`` are believed.
        compression: whether to agree on permessage-deflate, or how; True keeps nothing of a message
            for the next.
        process_request: a function or a coroutine function; takes each request, also those that do
            not ask for a WebSocket, and gives None to go on, or the response to it
            (``make_response``). To refuse it may also raise ``HandshakeError``.
        heartbeat_interval: seconds between pings; 0 for none.
        heartbeat_timeout: seconds until a silent peer is given up.
        max_message_size: octets of a message; a longer one closes with 1009.
        queue_limit: octets that may wait for one slow reader before it is closed with 1013.
        max_connections: connections in all.
        max_per_ip: connections from one address.
        open_timeout: seconds for the opening handshake, absolute.
        close_timeout: seconds for the closing handshake, absolute.
        drain_timeout: seconds that ``close`` may take.
        tap: called for each new connection; what it returns is given every octet of it.

    Returns:
        The server, not started yet: use ``async with``, ``start`` or ``serve_forever``.

    Raises:
        TypeError: the handler or another argument is not what it must be.
        ValueError: a setting is out of its range; the text begins with its name.

    >>> import asyncio
    >>> from goim_edu.client import connect
    >>> async def echo(ws: WebSocket) -> None:
    ...     async for message in ws:
    ...         await ws.send(message)
    >>> async def main() -> str | bytes:
    ...     async with serve(echo) as server, connect(server.url) as ws:
    ...         await ws.send("Hello")
    ...         return await ws.recv()
    >>> asyncio.run(main())
    'Hello'
    """
    config = ServerConfig(
        host=host,
        port=port,
        origins=origins,
        hosts=hosts,
        trusted_proxies=trusted_proxies,
        compression=compression,
        heartbeat_interval=heartbeat_interval,
        heartbeat_timeout=heartbeat_timeout,
        max_message_size=max_message_size,
        queue_limit=queue_limit,
        max_connections=max_connections,
        max_per_ip=max_per_ip,
        open_timeout=open_timeout,
        close_timeout=close_timeout,
        drain_timeout=drain_timeout,
    )
    route = Route(handler, subprotocols, select_subprotocol)
    return Server(route, config, ssl=ssl, sock=sock, process_request=process_request, tap=tap)
