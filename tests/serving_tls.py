"""A server with TLS, and what a client needs to trust it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme

from goim_edu.server import ChatServer, ServerConfig
from goim_edu.store import open_store

__all__ = ["tls_server"]


@asynccontextmanager
async def tls_server(**settings: Any) -> AsyncIterator[tuple[ChatServer, ssl.SSLContext]]:
    """A server on a free port of 127.0.0.1, its messages in memory, and the TLS of its clients."""
    authority = trustme.CA()
    own, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(own)
    authority.configure_trust(trusting)
    with open_store("memory") as store:
        async with ChatServer(ServerConfig.of(port=0, **settings), store, ssl=own) as server:
            yield server, trusting
