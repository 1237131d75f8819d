"""The list of extensions that an offer or an answer names, and its grammar (RFC 6455 §9.1)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from goim_edu.errors import HandshakeError
from goim_edu.websocket.http11 import TCHAR, TOKEN, VCHAR, quoted

__all__ = ["ExtensionOffer", "format_extensions", "parse_extensions"]

_LONGEST_CACHED = 256  # so that no peer can fill our memory with curious extension lists
_EXTENSION_PIECE = re.compile(
    rf'[ \t]*(?:([{TCHAR}]+)|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[{VCHAR}])*)"|([;,=]))[ \t]*'
)


class ExtensionOffer(NamedTuple):
    """One extension of an offer or an answer: its name and parameters (RFC 6455 §9.1).

    A parameter without a value has ``None``. Parameters are a tuple, since an offer may wrongly
    repeat one, and the extension has to see that.

    Args:
        name: a token, such as "permessage-deflate".
        params: its parameters in order, with their values.
    """

    name: str
    params: tuple[tuple[str, str | None], ...] = ()


def parse_extensions(value: str) -> tuple[ExtensionOffer, ...]:
    """Read a ``Sec-WebSocket-Extensions`` value by its grammar (RFC 6455 §9.1).

    A value in quotes must be a token once the quotes are gone. Empty list elements are skipped
    (RFC 9110 §5.6.1). Repeated and unknown parameters are kept: the extension judges them.

    Raises:
        HandshakeError: status 400: the value does not follow the grammar.

    >>> for offer in parse_extensions('permessage-deflate; client_max_window_bits, zip; level="9"'):
    ...     print(offer.name, offer.params)
    permessage-deflate (('client_max_window_bits', None),)
    zip (('level', '9'),)
    """
    if len(value) <= _LONGEST_CACHED:
        return _parse_cached(value)
    return _parse_extensions(value)


def _parse_extensions(value: str) -> tuple[ExtensionOffer, ...]:
    offers = []
    pieces = _extension_pieces(value)
    position = 0
    while pieces[position] != ("", "end"):
        if pieces[position] == ("", ","):
            position += 1
            continue
        offer, position = _parse_extension(value, pieces, position)
        offers.append(offer)
    if not offers:
        raise _bad_extensions(value, "it names none")
    return tuple(offers)


_parse_cached = lru_cache(maxsize=64)(_parse_extensions)


def _extension_pieces(value: str) -> list[tuple[str, str]]:
    """Words and separators: (word, kind) with kind "token", "quoted", ";", ",", "=" or "end"."""
    pieces = []
    position = 0
    while position < len(value):
        match = _EXTENSION_PIECE.match(value, position)
        if match is None:
            raise _bad_extensions(value, f"character {position} does not fit")
        token, string, separator = match.groups()
        if token is not None:
            pieces.append((token, "token"))
        elif separator is not None:
            pieces.append(("", separator))
        else:
            pieces.append((re.sub(r"\\(.)", r"\1", string), "quoted"))
        position = match.end()
    pieces.append(("", "end"))
    return pieces


def _parse_extension(
    value: str, pieces: list[tuple[str, str]], position: int
) -> tuple[ExtensionOffer, int]:
    """``token *( ";" token [ "=" ( token / quoted-string ) ] )`` from this position on."""
    name, kind = pieces[position]
    if kind != "token":
        raise _bad_extensions(value, "an extension starts with its name")
    position += 1
    params: list[tuple[str, str | None]] = []
    while pieces[position][1] == ";":
        param, kind = pieces[position + 1]
        if kind != "token":
            raise _bad_extensions(value, "a parameter has to follow each ';'")
        position += 2
        content = None
        if pieces[position][1] == "=":
            content, kind = pieces[position + 1]
            if kind not in ("token", "quoted") or not TOKEN.fullmatch(content):
                raise _bad_extensions(value, f"the value of {param} is not a token")
            position += 2
        params.append((param, content))
    if pieces[position][1] not in (",", "end"):
        raise _bad_extensions(value, "a ',' or ';' is missing")
    return ExtensionOffer(name, tuple(params)), position


def _bad_extensions(value: str, why: str) -> HandshakeError:
    return HandshakeError(
        f"Sec-WebSocket-Extensions {quoted(value)} does not follow the grammar: {why}",
        section="RFC 6455 §9.1",
    )


def format_extensions(extensions: Iterable[ExtensionOffer]) -> str:
    """The value of a ``Sec-WebSocket-Extensions`` field (RFC 6455 §9.1).

    >>> format_extensions([ExtensionOffer("bzip2", (("level", "9"), ("fast", None)))])
    'bzip2; level=9; fast'
    """
    return ", ".join(
        "; ".join([name, *(p if v is None else f"{p}={v}" for p, v in params)])
        for name, params in extensions
    )
