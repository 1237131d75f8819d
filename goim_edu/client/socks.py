"""Reaching a server through a SOCKS proxy, with the package python-socks (extra ``proxy``)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from goim_edu.client.proxy import Proxy, ProxyError
from goim_edu.errors import needs_extra
from goim_edu.websocket.uri import WebSocketURI

__all__ = ["ask_socks", "ask_socks_sync"]

_KINDS = {"socks4": "SOCKS4", "socks4a": "SOCKS4", "socks5": "SOCKS5", "socks5h": "SOCKS5"}


def _settings(proxy: Proxy) -> dict[str, Any]:
    """The proxy in the words of python-socks.

    Raises:
        MissingExtra: that package is missing; the text names the command that installs it.
    """
    with needs_extra("proxy"):
        from python_socks import ProxyType
    user, password = proxy.credentials or (None, None)
    return {
        "proxy_type": ProxyType[_KINDS[proxy.scheme]],
        "host": proxy.host,
        "port": proxy.port,
        "username": user,
        "password": password,
        "rdns": proxy.scheme in ("socks4a", "socks5h"),
    }


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Its errors as ours: what the proxy says is a ``ProxyError``, the rest an ``OSError``."""
    import python_socks

    try:
        yield
    except python_socks.ProxyError as error:
        why = f"the SOCKS proxy refused: {error}"
        # It says what the network said to it, and that may change.
        raise ProxyError(why, status=502, section="RFC 1928 §6", passing=True) from None
    except python_socks.ProxyTimeoutError:
        raise TimeoutError("the SOCKS proxy does not answer") from None
    except python_socks.ProxyConnectionError as error:
        raise OSError(error.errno, error.strerror) from None


async def ask_socks(
    proxy: Proxy, uri: WebSocketURI, local_addr: tuple[str, int] | None
) -> socket.socket:
    """A socket that leads through a SOCKS proxy; the time-out is the caller's.

    Args:
        proxy: which one.
        uri: where to.
        local_addr: host and port to connect from, or None.

    Raises:
        ProxyError: the proxy refused.
        OSError: the proxy cannot be reached.
        MissingExtra: the extra ``proxy`` is not installed.
    """
    settings = _settings(proxy)
    from python_socks.async_.asyncio import Proxy as Asking

    with _in_our_words():
        asking = Asking(**settings)
        return await asking.connect(uri.host, uri.port, _FOR_EVER, local_addr=local_addr)


def ask_socks_sync(
    proxy: Proxy, uri: WebSocketURI, local_addr: tuple[str, int] | None, timeout: float | None
) -> socket.socket:
    """As ``ask_socks``, for a thread that waits.

    Args:
        proxy: which one.
        uri: where to.
        local_addr: host and port to connect from, or None.
        timeout: seconds for each step, or None for no limit.
    """
    settings = _settings(proxy)
    from python_socks.sync import Proxy as Asking

    with _in_our_words():
        timeout = _FOR_EVER if timeout is None else timeout
        return Asking(**settings).connect(uri.host, uri.port, timeout, local_addr=local_addr)


_FOR_EVER = 1e6  # seconds; python-socks takes None for a minute
