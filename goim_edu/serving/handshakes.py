"""How many opening handshakes a second a server takes: more of them are asked to come later."""

from __future__ import annotations

import random
from time import monotonic
from typing import Final

from goim_edu.errors import HandshakeError

__all__ = ["HandshakeRate", "come_later"]

_FIRST, _LAST = 1, 5  # seconds after which one that was refused may come again
_BURST: Final = 1.0  # seconds for which nobody has come


class HandshakeRate:
    """Refuses opening handshakes beyond a rate, so that a crowd comes in little by little.

    Args:
        rate: handshakes a second, in the long run; 0 for any number.

    Attributes:
        rate: as given; it may be changed.
        deferred: how many were refused so far.

    >>> handshakes = HandshakeRate(2)
    >>> handshakes.check(now=10.0), handshakes.check(now=10.0)
    (None, None)
    >>> handshakes.check(now=10.1)
    Traceback (most recent call last):
    ...
    goim_edu.errors.HandshakeError: too many are coming in at once (RFC 9110 §15.6.4)
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.deferred = 0
        self._tokens = rate * _BURST
        self._last = 0.0

    def check(self, now: float | None = None) -> None:
        """Take one more handshake.

        Args:
            now: by the clock ``time.monotonic``; default: now.

        Raises:
            HandshakeError: 503 with ``Retry-After``, for each one another time.
        """
        if not self.rate:
            return
        now = monotonic() if now is None else now
        most = max(1.0, self.rate * _BURST)
        self._tokens = min(most, self._tokens + (now - self._last) * self.rate)
        self._last = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return
        self.deferred += 1
        raise come_later("too many are coming in at once", random.randint(_FIRST, _LAST))


def come_later(why: str, seconds: int, section: str = "RFC 9110 §15.6.4") -> HandshakeError:
    """The refusal of a client that may come again.

    Args:
        why: what it is told.
        seconds: for which it is to wait at least (``Retry-After``).
        section: where that status is written of.

    >>> come_later("the server is closing", 1).headers
    (('Retry-After', '1'),)
    """
    retry = ("Retry-After", str(seconds))
    return HandshakeError(why, status=503, section=section, headers=[retry])
