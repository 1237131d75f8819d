"""``connect``: a WebSocket client for scripts, tests and notebooks.

    async with connect("ws://127.0.0.1:8765/echo") as ws:
        await ws.send("Hello")
        print(await ws.recv())

It can also be awaited, and iterated over. Then it connects again and again, after pauses that grow
and are partly random, so that a thousand clients do not come back at once after a crash:

    async for ws in connect("ws://127.0.0.1:8765/echo"):
        with suppress(ConnectionClosed):
            async for message in ws:
                ...

A refusal that will not change by itself is raised instead; what passes is waited for, with a line
in the log ``goim_edu.client`` for each attempt.

``ChatClient`` does that for the chat: it joins its rooms again, and loses and repeats nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, Generator
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Unpack
from weakref import WeakValueDictionary

from goim_edu.client.attempt import Attempt
from goim_edu.client.dial import reach
from goim_edu.client.options import ConnectOptions, Options, URIs, each_of, shows_options
from goim_edu.client.proxy import ProxyError
from goim_edu.client.retry import Backoff
from goim_edu.errors import HandshakeError
from goim_edu.transport import Connection, ConnectionState, Engine, WebSocket
from goim_edu.transport.misuse import UsedWithAsync
from goim_edu.websocket.uri import without_secrets

__all__ = ["Backoff", "Connect", "ConnectOptions", "ProxyError", "connect"]

_NO_LIMIT: Final = 1 << 62  # ``send`` waits while the peer reads too slowly, so nothing piles up

# An engine refers to its loop, so a weak key would never go. Only connections keep an engine, and
# the loop with it; the next connection gets a new engine, which goes on counting.
_engines: WeakValueDictionary[asyncio.AbstractEventLoop, Engine] = WeakValueDictionary()
_ids: Final = itertools.count(1)


def _engine() -> Engine:
    """What all clients of this loop share."""
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine(granularity=0.005, queue_limit=_NO_LIMIT)
        engine.ids = _ids
    return engine


class Connect(UsedWithAsync):
    """A connection that is not yet made: await it, use ``async with``, or iterate over it."""

    def __init__(self, uri: URIs, options: Options) -> None:
        self._shown = ", ".join(map(without_secrets, each_of(uri)))
        self._attempt, *self._others = first_attempts = Attempt.to_each(uri, options)
        self._turns = itertools.cycle(first_attempts)
        self._backoff = options.backoff or Backoff()
        self._ws: WebSocket | None = None

    def __repr__(self) -> str:
        return f"<Connect to {self._shown}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            hint = ": there is no connection yet; use `async with connect(...) as ws`, or await it"
            raise AttributeError(
                f"Connect has no {name!r}{hint if hasattr(WebSocket, name) else ''}"
            )

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._open().__await__()

    async def __aenter__(self) -> WebSocket:
        self._ws = await self._open()
        return self._ws

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ws is not None:
            await self._ws.__aexit__(kind, error, trace)

    async def __aiter__(self) -> AsyncGenerator[WebSocket, None]:
        """Connect, and each time that the loop comes round connect again.

        Raises:
            Exception: of an attempt, if ``retry`` says that trying again will not help.
            ValueError: there is a ``sock``, which is for one connection only.
        """
        attempts = self._attempt.attempts(self._backoff, self._others)
        while True:
            began = monotonic()
            try:
                ws = await self._open()
            except Exception as error:  # noqa: BLE001 (raised again unless it passes)
                pause = attempts.failed(error)
            else:
                try:
                    yield ws
                finally:
                    if ws.state is ConnectionState.OPEN:
                        attempts.closing(self._attempt.options.close_timeout)
                    await ws.close()
                pause = attempts.ended(monotonic() - began, ws.close_code)
            await asyncio.sleep(pause)

    async def _open(self) -> WebSocket:
        attempt = next(self._turns)
        async with asyncio.timeout(attempt.options.open_timeout):
            while True:
                try:
                    return await _try(attempt)
                except HandshakeError as error:
                    attempt = attempt.redirected(error)


async def _try(attempt: Attempt) -> WebSocket:
    """One opening handshake."""
    options = attempt.options
    endpoint, greeting = attempt.endpoint()
    ws = WebSocket(options.max_waiting)
    connection = Connection(
        _engine(),
        endpoint,
        ws,
        open_timeout=math.inf,  # there is one around all attempts
        close_timeout=math.inf if options.close_timeout is None else options.close_timeout,
        greeting=greeting,
        heartbeat=attempt.heartbeat(),
        tap=options.tap,
    )
    try:
        await reach(connection, attempt)
        await ws.wait_open()
    except BaseException:
        connection.abort()
        raise
    return ws


@shows_options
def connect(uri: URIs, **options: Unpack[ConnectOptions]) -> Connect:
    """Open a WebSocket.

    Args:
        uri: ``ws://host:port/path`` or ``wss://...``; a user and a password before the host,
            percent-encoded, are sent as ``Authorization``. Of several addresses, which lead to
            servers of the same chat, each attempt takes the next one.
        subprotocols: those that we speak, the preferred one first.
        compression: whether to offer permessage-deflate, or how.
        headers: more header fields, such as ``Authorization``: a mapping, or pairs.
        origin: the Origin to send, as browsers do.
        ssl: how to check the server's certificate; by default as the system does.
        server_hostname: the name that the certificate must have; default: the host of ``uri``.
        proxy: the address of a proxy, ``http://``, ``https://`` or ``socks5h://`` (needs the extra
            ``proxy``) and so on; None for none. True, the default, takes the one that the
            environment names (``https_proxy``, ``http_proxy``, ``all_proxy``; not for what
            ``no_proxy`` lists, and never for this machine itself).
        proxy_ssl: how to check the certificate of an ``https://`` proxy.
        sock: a socket that is connected already; the WebSocket closes it.
        unix: the path of a Unix socket to connect to; ``uri`` then only says what to ask for.
        local_addr: host and port to connect from; port 0 for any.
        max_redirects: how many redirects to follow; by default one is a refusal. Another origin is
            told neither ``headers`` nor a password, and from ``wss`` none leads to ``ws``.
        open_timeout: seconds for proxy, TCP, TLS and handshake together; None for no limit.
        close_timeout: seconds for the closing handshake; None for no limit.
        heartbeat_interval: seconds between our pings; 0 or None for none.
        heartbeat_timeout: seconds until we give up a silent server.
        max_message_size: the most octets of a message that we accept.
        max_waiting: messages that may wait to be received, at least 1; then we stop reading.
        tap: is given every read and write.
        mask_source: returns as many unpredictable octets as it is asked for; only a lesson needs
            another one.
        backoff: how long to wait before each new attempt, when iterated over.
        retry: whether to try again after an error, when iterated over; default:
            ``goim_edu.client.retry.is_passing``.
        logger: where lines go; default: the logger ``goim_edu.client``.

    Returns:
        Something to ``await`` (gives a ``WebSocket``), to use in ``async with``, or to iterate
        over with ``async for``, which connects again after each end.

    Raises:
        ValueError: ``uri`` is not the address of a WebSocket, or an option is out of its range, or
            does not fit another.
        TypeError: an option has the wrong type, or there is none of that name.
        HandshakeError: (when awaited) the server refused; ``status``, ``headers`` and ``body`` say
            how, and the text has the first words of its answer.
        ProxyError: (when awaited) the proxy did.
        TimeoutError: (when awaited) it took longer than ``open_timeout``.
        OSError: (when awaited) nothing listens there.

    >>> connect("http://127.0.0.1")
    Traceback (most recent call last):
    ...
    ValueError: 'http://127.0.0.1' is ...
    """
    return Connect(uri, Options.of(options))
