"""``connect`` for code without asyncio: a WebSocket that a thread sends and receives with.

    with connect("ws://127.0.0.1:8765/echo") as ws:
        ws.send("Hello")
        print(ws.recv(timeout=5))

The options and the errors are those of ``goim_edu.client.connect``. To connect again and again:

    for ws in reconnect("ws://127.0.0.1:8765/echo"):
        for message in ws:
            ...

Each connection has a thread of its own, which reads, answers Pings and Closes, and sends our own
Pings: nobody needs to be in ``recv`` for that. It stops reading when ``max_waiting`` messages wait.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from time import monotonic
from typing import Unpack

from goim_edu.client.attempt import Attempt
from goim_edu.client.options import ConnectOptions, Options, URIs, shows_options
from goim_edu.client.proxy import ProxyError
from goim_edu.client.retry import Backoff
from goim_edu.client.sync_dial import reach_sync
from goim_edu.client.sync_socket import WebSocket
from goim_edu.errors import HandshakeError
from goim_edu.protocol import State
from goim_edu.transport import ConcurrencyError, ConnectionClosed
from goim_edu.websocket.events import Event, Failed

__all__ = [
    "Backoff",
    "ConcurrencyError",
    "ConnectOptions",
    "ConnectionClosed",
    "HandshakeError",
    "ProxyError",
    "WebSocket",
    "connect",
    "reconnect",
]


# ---------------------------------------------------------------------- connecting


@shows_options
def connect(uri: str, **options: Unpack[ConnectOptions]) -> WebSocket:
    """Open a WebSocket, and wait until it is open.

    Args:
        uri: ``ws://host:port/path`` or ``wss://...``.
        **options: those of ``goim_edu.client.connect``, which says what each of them means.

    Raises:
        ValueError: ``uri`` is not the address of a WebSocket, or an option is out of its range, or
            does not fit another.
        TypeError: an option has the wrong type, or there is none of that name.
        HandshakeError: the server refused; ``status``, ``headers`` and ``body`` say how.
        ProxyError: the proxy did.
        TimeoutError: it took longer than ``open_timeout``.
        OSError: nothing listens there.

    >>> connect("ws://127.0.0.1", proxy="ftp://proxy")
    Traceback (most recent call last):
    ...
    ValueError: 'ftp://proxy' is not an address of a proxy such as http://host:port: ...
    """
    return _open(Attempt.to(uri, Options.of(options)))


@shows_options
def reconnect(uri: URIs, **options: Unpack[ConnectOptions]) -> Iterator[WebSocket]:
    """Connect, and each time that the loop comes round connect again, after a pause.

    Args:
        uri: ``ws://host:port/path`` or ``wss://...``. Of several addresses, which lead to servers
            of the same chat, each attempt takes the next one.
        **options: those of ``goim_edu.client.connect``; ``backoff`` and ``retry`` say after which
            pause, and after which errors.

    Yields:
        A WebSocket, which is closed when the loop goes on.

    Raises:
        Exception: what ``connect`` raises, if ``retry`` says that trying again will not help.
        ValueError: there is a ``sock``, which is for one connection only.
    """
    first_attempts = Attempt.to_each(uri, Options.of(options))
    backoff = first_attempts[0].options.backoff or Backoff()
    attempts = first_attempts[0].attempts(backoff, first_attempts[1:])
    for attempt in itertools.cycle(first_attempts):
        began = monotonic()
        try:
            ws = _open(attempt)
        except Exception as error:  # noqa: BLE001 (raised again unless it passes)
            pause = attempts.failed(error)
        else:
            with contextlib.closing(ws):
                yield ws
                if ws.state is State.OPEN:
                    attempts.closing(attempt.options.close_timeout)
            pause = attempts.ended(monotonic() - began, ws.close_code)
        time.sleep(pause)


def _open(attempt: Attempt) -> WebSocket:
    timeout = attempt.options.open_timeout
    deadline = None if timeout is None else monotonic() + timeout
    while True:
        try:
            return _try(attempt, deadline)
        except HandshakeError as error:
            attempt = attempt.redirected(error)


def _try(attempt: Attempt, deadline: float | None) -> WebSocket:
    """One opening handshake."""
    endpoint, greeting = attempt.endpoint()
    tap = attempt.options.tap
    wire = reach_sync(attempt, deadline)
    try:
        if tap is not None:
            tap("out", monotonic(), greeting)
        wire.write(greeting)
        events: list[Event] = []
        while not events:
            data = wire.read_before(deadline)
            if data and tap is not None:
                tap("in", monotonic(), data)
            events = endpoint.receive_data(data) if data else endpoint.receive_eof()
        if isinstance(events[0], Failed):
            raise events[0].error
        return WebSocket(wire, endpoint, attempt, events)
    except BaseException:
        wire.close()
        raise
