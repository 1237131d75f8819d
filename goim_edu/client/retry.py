"""Whether connecting again may help, and how long a server asks us to wait."""

from __future__ import annotations

import ssl as tls
from email.utils import parsedate_to_datetime
from time import time
from typing import Final

from goim_edu.errors import HandshakeError

__all__ = ["asked_pause", "is_passing", "reason_of"]

_CUT_OFF: Final = (tls.SSLEOFError, tls.SSLZeroReturnError, tls.SSLSyscallError)


def is_passing(error: Exception) -> bool:
    """Whether the same attempt may succeed later, without a change on our side.

    Passing are a network or a server that is down (``OSError``), a connection that was cut off, and
    the statuses 408, 425, 429 and 500 to 599. Every other refusal stays what it is: a redirect, a
    web page, another protocol, a 101 that is not valid, a certificate that is not trusted.

    Args:
        error: what ``connect`` raised.

    >>> is_passing(ConnectionRefusedError()), is_passing(HandshakeError("moved", status=301))
    (True, False)
    """
    if isinstance(error, HandshakeError):
        return error.passing
    if isinstance(error, tls.SSLError):  # an OSError: it must be looked at first
        return isinstance(error, _CUT_OFF)
    return isinstance(error, OSError)


def asked_pause(error: Exception) -> float:
    """Seconds for which a refusal asks us to wait by ``Retry-After`` (RFC 9110 §10.2.3), or 0.

    Args:
        error: what ``connect`` raised.

    >>> asked_pause(HandshakeError("too many", status=429, headers=[("Retry-After", "7")]))
    7.0
    """
    headers = error.headers if isinstance(error, HandshakeError) else ()
    value = next((text for name, text in headers if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        return 0.0  # it asks for nothing that we understand


def reason_of(error: Exception) -> str:
    """What to say of an attempt that failed, in one line.

    >>> reason_of(TimeoutError()), reason_of(ConnectionRefusedError(111, "Connection refused"))
    ('the server does not answer', 'Connection refused')
    """
    if isinstance(error, OSError) and not isinstance(error, tls.SSLError):
        return error.strerror or str(error) or "the server does not answer"
    return str(error)
