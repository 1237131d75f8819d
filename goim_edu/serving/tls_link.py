"""TLS for a connection that was taken, with little memory: asyncio alone keeps 256 KiB for each.

``asyncio.sslproto`` gives each connection a buffer of its own for what comes from the socket
(CPython issue 109534). It is empty again before anything else happens in the event loop, so here
all connections of an acceptor share one, and it is smaller. Other servers and clients of the same
process are left as they are. An event loop of another maker, as uvloop, has a TLS of its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio import sslproto
from typing import Final

__all__ = ["BUFFER_SIZE", "LeanTLS", "begin_tls"]

BUFFER_SIZE: Final = 64 * 1024
"""Octets that one read takes from the socket, four TLS records (RFC 8446 §5.1) or more.

OpenSSL keeps as much for a connection that has sent so much at once. An echo of messages of 64 KiB
takes a fifth more processor time with half of it, and a quarter less with 256 KiB.
"""


class LeanTLS(sslproto.SSLProtocol):
    """The server's side of TLS, between a socket and its connection.

    Args:
        loop: the event loop.
        inner: the connection, which is told when the handshake is done.
        context: how to speak TLS.
        done: is set when the handshake is done, or has failed.
        timeout: seconds for the handshake.
        buffer: where to read to, shared with others; None for one of its own.
    """

    max_size = BUFFER_SIZE

    def __init__(
        self,
        loop: asyncio.BaseEventLoop,
        inner: asyncio.BufferedProtocol,
        context: ssl.SSLContext,
        done: asyncio.Future[None],
        timeout: float,
        buffer: bytearray | None = None,
    ) -> None:
        super().__init__(
            *(loop, inner, context, done),
            server_side=True,
            ssl_handshake_timeout=timeout,  # type: ignore[arg-type]  # typeshed wants whole seconds
        )
        if buffer is not None:
            self._ssl_buffer = buffer
            self._ssl_buffer_view = memoryview(buffer)


async def begin_tls(
    link: socket.socket,
    inner: asyncio.BufferedProtocol,
    context: ssl.SSLContext,
    timeout: float,
    buffer: bytearray,
) -> None:
    """Hand a socket to its connection when the TLS handshake is done.

    Args:
        link: a socket that was accepted; it does not block.
        inner: the connection.
        context: how to speak TLS.
        timeout: seconds for the handshake.
        buffer: ``BUFFER_SIZE`` octets, for all connections of this event loop.

    Raises:
        OSError: the handshake failed, or took too long.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        await loop.connect_accepted_socket(
            lambda: inner, link, ssl=context, ssl_handshake_timeout=timeout
        )
        return
    # The loop of Windows reads ahead, into a buffer that must stay the connection's own.
    shared = buffer if isinstance(loop, asyncio.SelectorEventLoop) else None
    done = loop.create_future()
    outer = LeanTLS(loop, inner, context, done, timeout, shared)
    transport: asyncio.Transport | None = None
    try:
        transport, _ = await loop.connect_accepted_socket(lambda: outer, link)
        await done
    except BaseException:
        done.cancel()  # so that a failure of which nobody wants to hear is not logged
        if transport is not None:
            transport.abort()
        raise
