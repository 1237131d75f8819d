"""Reaching a server with asyncio: by TCP, a Unix socket or a proxy, with TLS or without."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl as tls
from asyncio import BaseEventLoop
from typing import Any, Final, cast

from goim_edu.client.attempt import Attempt
from goim_edu.client.proxy import Proxy, Tunnel
from goim_edu.client.socks import ask_socks
from goim_edu.transport import Connection
from goim_edu.transport.memory_network import running_loop

__all__ = ["reach"]

_NEXT_ADDRESS: Final = 0.25  # seconds until the next address of a name is tried, RFC 8305 §5


async def reach(connection: Connection, attempt: Attempt) -> None:
    """Connect to where an attempt leads.

    Args:
        connection: is given the socket.
        attempt: says how to get there.

    Raises:
        OSError: nothing listens there, or TLS failed.
        ProxyError: the proxy did not let us through.
    """
    loop, options, proxy = running_loop(), attempt.options, attempt.proxy
    secure: dict[str, Any] = {"ssl": attempt.tls, "server_hostname": attempt.server_hostname}
    if options.unix is not None:
        path = os.fspath(options.unix)
        await loop.create_unix_connection(lambda: connection, path, **secure)
    elif options.sock is not None:
        options.sock.setblocking(False)
        await loop.create_connection(lambda: connection, sock=options.sock, **secure)
    elif proxy is None:
        where = _where(attempt.uri.host, attempt.uri.port, attempt)
        await loop.create_connection(lambda: connection, **where, **secure)
    elif proxy.socks:
        sock = await ask_socks(proxy, attempt.uri, options.local_addr)
        try:
            await loop.create_connection(lambda: connection, sock=sock, **secure)
        except BaseException:
            sock.close()
            raise
    else:
        await _through(proxy, attempt, connection)


def _where(host: str, port: int, attempt: Attempt) -> dict[str, Any]:
    """A host for ``create_connection``: whichever address of the name answers first."""
    where: dict[str, Any] = {"host": host, "port": port}
    where["local_addr"] = attempt.options.local_addr
    # uvloop tries one address after the other, and does not know the argument. An address by
    # itself needs no race, and asyncio leaves a socket open whose race is cancelled as it wins.
    if isinstance(asyncio.get_running_loop(), BaseEventLoop) and not _is_address(host):
        where["happy_eyeballs_delay"] = _NEXT_ADDRESS
    return where


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------------- through an HTTP proxy


class _Asking(asyncio.Protocol):
    """Asks a proxy for a tunnel, and says when there is one."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a way to the proxy."""
        cast("asyncio.Transport", transport).write(self._tunnel.request)

    def data_received(self, data: bytes) -> None:
        """The proxy answers."""
        if self.opened.done():
            return
        try:
            if self._tunnel.receive(data):
                self.opened.set_result(None)
        except Exception as error:  # noqa: BLE001 (it is raised where the caller waits)
            self.opened.set_exception(error)
            self.opened.exception()  # no warning if nothing waits for it

    def eof_received(self) -> None:
        """The proxy has closed, which may end its refusal."""
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Likewise: a reset is an end, too."""
        self.data_received(b"")


async def _through(proxy: Proxy, attempt: Attempt, connection: Connection) -> None:
    """Connect through an HTTP proxy, and do TLS with the server behind it."""
    loop = asyncio.get_running_loop()
    options, secure = attempt.options, proxy.scheme == "https"
    asking = _Asking(Tunnel(proxy, attempt.uri))
    transport, _ = await loop.create_connection(
        lambda: asking,
        **_where(proxy.host, proxy.port, attempt),
        ssl=(options.proxy_ssl or tls.create_default_context()) if secure else None,
    )
    try:
        await asking.opened
        within: asyncio.Transport | None = transport
        if attempt.tls is not None:
            within = await _start_tls(transport, asking, attempt.tls, attempt.server_hostname)
        if within is None or within.is_closing():
            raise ConnectionResetError("the connection was lost as the proxy had opened the way")
        within.set_protocol(connection)  # only now: it must not hear of an end before its beginning
        connection.connection_made(within)
    except BaseException:
        transport.abort()
        raise


async def _start_tls(
    transport: asyncio.Transport, asking: _Asking, context: tls.SSLContext, name: str | None
) -> asyncio.Transport | None:
    loop = asyncio.get_running_loop()
    try:
        return await loop.start_tls(transport, asking, context, server_hostname=name)
    except TypeError as error:
        # Where TLS within TLS fails, asyncio of Python 3.11 fails as it reports that.
        if isinstance(error.__context__, tls.SSLError):
            raise error.__context__ from None
        raise
