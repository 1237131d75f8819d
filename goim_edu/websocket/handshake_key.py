"""Key and accept: how a client knows that the server has read its handshake (RFC 6455 §1.3)."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable

from goim_edu.errors import HandshakeError
from goim_edu.websocket.http11 import quoted
from goim_edu.websocket.wanted import wanted

__all__ = ["GUID", "check_key", "generate_accept", "generate_key"]

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The fixed string that both sides append to the key (RFC 6455 §1.3)."""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")  # what 16 octets look like in Base64


def generate_key(random_source: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh ``Sec-WebSocket-Key``: 16 random octets in Base64 (RFC 6455 §4.1 item 7).

    >>> generate_key(lambda size: b"the sample nonce")
    'dGhlIHNhbXBsZSBub25jZQ=='
    """
    return base64.b64encode(random_source(16)).decode("ascii")


def check_key(key: str) -> None:
    """A key decodes to 16 octets (RFC 6455 §4.2.1 item 5).

    Raises:
        HandshakeError: status 400.
    """
    wanted(key, str, "a key is a str")
    if not _KEY.fullmatch(key):
        raise HandshakeError(
            f"Sec-WebSocket-Key {quoted(key)} is not the Base64 of 16 octets",
            section="RFC 6455 §4.2.1",
        )


def generate_accept(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers a key (RFC 6455 §4.2.2 item 5.4).

    It proves that the server read the handshake. It authenticates nobody.

    Args:
        key: the ``Sec-WebSocket-Key`` as sent: 24 characters that decode to 16 octets.

    Returns:
        28 characters: the Base64 of the SHA-1 of key and GUID.

    Raises:
        HandshakeError: the key is not the Base64 of 16 octets (RFC 6455 §4.2.1 item 5).

    >>> generate_accept("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    check_key(key)
    digest = hashlib.sha1((key + GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")
