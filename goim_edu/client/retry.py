"""Connecting again: whether it may help, after which pause, and what is told of it."""

from __future__ import annotations

import itertools
import logging
import random
import ssl as tls
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final

from goim_edu.errors import HandshakeError

__all__ = ["Attempts", "Backoff", "asked_pause", "is_passing", "reason_of"]

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


class Backoff:
    """How long to wait before the next attempt: doubled each time, half of it random.

    Args:
        first: the most seconds before the first attempt.
        longest: seconds that the pause may grow to.
        steady: seconds; after a connection that lived so long the pauses start anew.
        most_asked: seconds that a server may ask us to wait, on top of our own pause.
        chance: gives a random number from 0 to 1.

    >>> backoff = Backoff(first=1, longest=8, chance=lambda: 1.0)
    >>> [backoff.next() for _ in range(5)]
    [1.0, 2.0, 4.0, 8.0, 8.0]
    """

    def __init__(
        self,
        first: float = 0.5,
        longest: float = 30.0,
        steady: float = 5.0,
        chance: Callable[[], float] = random.random,
        most_asked: float = 120.0,
    ) -> None:
        self.first = first
        self.longest = longest
        self.steady = steady
        self.most_asked = most_asked
        self._chance = chance
        self._attempts = 0

    def next(self, asked: float = 0.0) -> float:
        """Seconds to wait now.

        Args:
            asked: seconds for which the server asks us to wait; at most ``most_asked`` of them.
        """
        ceiling = min(self.longest, self.first * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return min(asked, self.most_asked) + ceiling * (0.5 + self._chance() / 2)

    def lived(self, seconds: float) -> None:
        """A connection has lived so long."""
        if seconds >= self.steady:
            self._attempts = 0


class Attempts:
    """The attempts of one loop that connects again and again: the pause after each of them.

    Args:
        where: what the log calls the server.
        backoff: how long to wait.
        retry: whether an error is one to try again after.
        log: is told of each pause; the first of several failures is a warning.
        others: further servers, of which each attempt takes the next one.

    Attributes:
        why: what the last attempt failed of, or the last connection ended with.
    """

    def __init__(
        self,
        where: str,
        backoff: Backoff,
        retry: Callable[[Exception], bool],
        log: logging.Logger | logging.LoggerAdapter[Any],
        others: Sequence[str] = (),
    ) -> None:
        self._turns = itertools.cycle([where, *others])
        self._where = next(self._turns)
        self._backoff = backoff
        self._retry = retry
        self._log = log
        self._failures = 0  # since the last connection
        self.why = ""

    def failed(self, error: Exception) -> float:
        """Seconds to wait after an attempt that failed.

        Raises:
            Exception: the error, if trying again will not help.
        """
        if not self._retry(error):
            raise error
        self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.INFO
        return self._pause(asked_pause(error), reason_of(error), level)

    def ended(self, lived: float, code: int | None) -> float:
        """Seconds to wait after a connection.

        Args:
            lived: seconds that it lived.
            code: the peer's close code.
        """
        self._backoff.lived(lived)
        self._failures = 0
        return self._pause(0.0, f"the connection ended with {code}", logging.INFO)

    def closing(self, timeout: float | None) -> None:
        """The next attempt has to wait until the connection is closed.

        Args:
            timeout: seconds that it may take; None for as long as the peer takes.
        """
        most = "as long as it takes" if timeout is None else f"{timeout:g} s"
        self._log.info("closing to=%s before the next attempt at_most=%r", self._where, most)

    def _pause(self, asked: float, why: str, level: int) -> float:
        self.why = why
        self._where = next(self._turns)
        pause = self._backoff.next(asked)
        self._log.log(level, "connecting again to=%s in=%.2f why=%r", self._where, pause, why)
        return pause
