"""The errors of goim_edu: whose fault it was, where the rule stands, and what to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "ChatRefused",
    "ConcurrencyError",
    "DuplicateMessage",
    "GoimError",
    "HandshakeError",
    "IncompleteFrame",
    "LocalProtocolError",
    "MissingExtra",
    "ProtocolError",
    "ProxyError",
    "RemoteProtocolError",
    "StoreConfigError",
    "StoreError",
    "StoreUnavailable",
    "Unauthenticated",
    "UnsafeConfig",
    "VocabularyError",
    "needs_extra",
]


class GoimError(Exception):
    """What all errors of this package have in common.

    They can be pickled, as for another process, and one that comes back equals the one that went.

    >>> import pickle
    >>> error = IncompleteFrame("the header is cut", missing=1)
    >>> pickle.loads(pickle.dumps(error)) == error
    True

    Args:
        message: what is wrong, in one sentence.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args, dict(self.__dict__))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GoimError) or type(other) is not type(self):
            return NotImplemented
        return self.args == other.args and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), str(self)))


def _again(kind: type[GoimError], args: tuple[Any, ...], state: dict[str, Any]) -> GoimError:
    """The error that was pickled, whatever its ``__init__`` would have wanted to know."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ProtocolError(GoimError):
    """A rule of the WebSocket protocol was broken; the subclass says by whom."""


class LocalProtocolError(ProtocolError):
    """Our own side asked for something that the protocol forbids; nothing was sent.

    A setting out of its range is a ``ValueError`` instead.

    >>> raise LocalProtocolError("cannot send after close")
    Traceback (most recent call last):
    ...
    goim_edu.errors.LocalProtocolError: cannot send after close
    """


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule.

    Args:
        message: what was wrong, in a sentence without the section.
        close_code: the status code to answer with (RFC 6455 §7.4.1), usually 1002.
        section: where the rule stands, for example ``"RFC 6455 §5.2"``. The package names it at
            every place; for code that names none it is §7.1.7, which lets any error end a
            connection.

    >>> error = RemoteProtocolError("opcode 3 is reserved", section="RFC 6455 §5.2")
    >>> str(error), error.close_code
    ('opcode 3 is reserved (RFC 6455 §5.2)', 1002)
    """

    def __init__(
        self, message: str, *, close_code: int = 1002, section: str = "RFC 6455 §7.1.7"
    ) -> None:
        super().__init__(f"{message} ({section})" if section else message)
        self.message = message
        self.close_code = close_code
        self.section = section


class IncompleteFrame(RemoteProtocolError):
    """The octets end inside a frame; at least ``missing`` more are needed to read on.

    Args:
        message: what is cut.
        missing: octets that are needed at least, 1 or more.
        section: where the layout is defined.

    >>> IncompleteFrame("the header is cut", missing=1).missing
    1
    """

    def __init__(self, message: str, *, missing: int, section: str = "RFC 6455 §5.2") -> None:
        super().__init__(message, section=section)
        self.missing = missing


class HandshakeError(RemoteProtocolError):
    """The opening handshake failed.

    Args:
        message: what was wrong.
        status: the HTTP status that a server answers with, 400 to 599.
        section: where the rule stands, which the text then names. The package gives it at every
            place; a program that refuses by a rule of its own gives none.
        headers: header fields that the answer must carry, such as ``Sec-WebSocket-Version``; on a
            client those of the answer that came.
        passing: on a client: whether the same request may be granted later.
        body: on a client: the beginning of the answer's content, at most 64 KiB.

    Attributes:
        message: what was wrong, without the section.
        status: the HTTP status: the one that we answer with, or that the server answered with.
        section: where the rule stands, or empty.
        headers: header fields, as pairs.
        passing: whether the same request may be granted later.
        body: the beginning of the answer's content.

    >>> HandshakeError("only GET may upgrade", status=405, headers=[("Allow", "GET")]).status
    405
    >>> str(HandshakeError("who are you?", status=401))
    'who are you?'
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        section: str = "",
        headers: Sequence[tuple[str, str]] = (),
        passing: bool = False,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, close_code=1002, section=section)
        self.status = status
        self.headers = tuple(headers)
        self.passing = passing
        self.body = body


class ProxyError(HandshakeError):
    """The proxy did not let us through; ``status`` and ``body`` are what it answered.

    >>> ProxyError("the proxy wants to know your name", status=407).status
    407
    """


class VocabularyError(ProtocolError):
    """What came is not a message of the chat; the text says why.

    A ``ChatClient`` raises it where something else than this chat answers.

    Args:
        reason: why.
        ref: the ``ref`` of the message, where one could be made out.
        kind: its ``type``, where one could be made out.
    """

    def __init__(self, reason: str, ref: str | None = None, kind: str | None = None) -> None:
        super().__init__(f"{kind}: {reason}" if kind else reason)
        self.ref = ref
        self.kind = kind


class ChatRefused(GoimError):
    """The server did not grant a request, and will not if it is asked again.

    Attributes:
        code: one of the error codes of the chat protocol.
        reason: why.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class ConcurrencyError(GoimError, RuntimeError):
    """Two tasks do at once what only one at a time can do; the second one is refused."""


class Unauthenticated(GoimError):
    """The client did not prove that it is this user; the text says why."""


class UnsafeConfig(GoimError, ValueError):
    """This configuration would let strangers in; the text says how to do it properly."""


class StoreError(GoimError):
    """The message store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The store did not take the message: nothing was saved, it may be sent again."""


class StoreConfigError(StoreError, ValueError):
    """The store cannot be opened as it was asked for; asking again in the same way does not help.

    >>> isinstance(StoreConfigError("'redis' names no store"), ValueError)
    True
    """


class DuplicateMessage(StoreError):
    """A message with this ``(user_id, client_msg_id)`` is stored already, under ``seq``.

    Args:
        user_id: the user who said it.
        client_msg_id: the number that the client gave it.
        seq: its number in its room.

    >>> DuplicateMessage("lisa", "m1", seq=7).seq
    7
    """

    def __init__(self, user_id: str, client_msg_id: str, *, seq: int) -> None:
        super().__init__(f"{user_id!r} has sent {client_msg_id!r} already, as seq {seq}")
        self.user_id = user_id
        self.client_msg_id = client_msg_id
        self.seq = seq


class MissingExtra(GoimError, ModuleNotFoundError):
    """A package is missing that only one part of goim_edu needs; the text says how to get it.

    Args:
        extra: the extra of ``goim-edu`` that brings it.
        missing: the package that was to be imported.

    >>> print(MissingExtra("plots", "matplotlib"))
    matplotlib is not installed: pip install 'goim-edu[plots]'
    """

    def __init__(self, extra: str, missing: str) -> None:
        super().__init__(f"{missing} is not installed: pip install 'goim-edu[{extra}]'")
        self.extra = extra
        self.missing = missing


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Say which extra is missing if an import in this block does not find its package.

    Args:
        extra: the extra of ``goim-edu`` that brings what the block imports.

    Raises:
        MissingExtra: a package is not there. One that is there and broken speaks for itself.

    >>> with needs_extra("plots"):
    ...     import no_such_package.pyplot
    Traceback (most recent call last):
    ...
    goim_edu.errors.MissingExtra: no_such_package is not installed: pip install 'goim-edu[plots]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "goim_edu"}:
            raise
        raise MissingExtra(extra, missing) from None
