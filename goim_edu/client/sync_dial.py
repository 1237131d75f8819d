"""Reaching a server with a thread that waits: by TCP, a Unix socket or a proxy."""

from __future__ import annotations

import os
import socket
import ssl as tls
from typing import Any

from goim_edu.client.attempt import Attempt
from goim_edu.client.proxy import Proxy, Tunnel
from goim_edu.client.socks import ask_socks_sync
from goim_edu.client.wire import Wire, seconds_left

__all__ = ["reach_sync"]


def reach_sync(attempt: Attempt, deadline: float | None) -> Wire:
    """Connect to where an attempt leads.

    Args:
        attempt: says how to get there.
        deadline: monotonic time in seconds, or None.

    Raises:
        OSError: nothing listens there, or TLS failed.
        ProxyError: the proxy did not let us through.
        TimeoutError: the deadline passed.
    """
    options, proxy, uri = attempt.options, attempt.proxy, attempt.uri
    if options.sock is not None:
        wire = Wire(options.sock)
    elif options.unix is not None:
        wire = Wire(_unix(os.fspath(options.unix), deadline))
    elif proxy is None:
        wire = Wire(_tcp(uri.host, uri.port, options.local_addr, deadline))
    elif proxy.socks:
        wire = Wire(ask_socks_sync(proxy, uri, options.local_addr, seconds_left(deadline)))
    else:
        wire = Wire(_tcp(proxy.host, proxy.port, options.local_addr, deadline))
    try:
        if proxy is not None and not proxy.socks:
            _open_tunnel(wire, proxy, attempt, deadline)
        context = attempt.tls
        if context is not None:
            wire.start_tls(context, attempt.server_hostname, deadline)
    except BaseException:
        wire.close()
        raise
    return wire


def _unix(path: str, deadline: float | None) -> socket.socket:
    return _connected(socket.socket(socket.AF_UNIX), path, None, seconds_left(deadline))


def _tcp(
    host: str, port: int, local: tuple[str, int] | None, deadline: float | None
) -> socket.socket:
    """Try one address of the name after the other; each gets its share of the time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failures: list[OSError] = []
    for number, (family, kind, protocol, _, address) in enumerate(found):
        left = seconds_left(deadline)
        share = None if left is None else left / (len(found) - number)
        try:
            return _connected(socket.socket(family, kind, protocol), address, local, share)
        except OSError as error:
            failures.append(error)
    raise failures[0]


def _connected(
    sock: socket.socket, address: Any, local: tuple[str, int] | None, timeout: float | None
) -> socket.socket:
    """The socket, once it is connected; closed if that fails."""
    try:
        sock.settimeout(timeout)
        if local is not None:
            sock.bind(local)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _open_tunnel(wire: Wire, proxy: Proxy, attempt: Attempt, deadline: float | None) -> None:
    if proxy.scheme == "https":
        context = attempt.options.proxy_ssl or tls.create_default_context()
        wire.start_tls(context, proxy.host, deadline)
    tunnel = Tunnel(proxy, attempt.uri)
    wire.write(tunnel.request)
    while not tunnel.receive(wire.read_before(deadline)):
        pass
