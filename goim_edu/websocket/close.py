"""The payload of a Close frame: code and reason (RFC 6455 §5.5.1, §7.4)."""

from __future__ import annotations

from typing import Final, NamedTuple

from goim_edu.errors import LocalProtocolError, RemoteProtocolError
from goim_edu.websocket.frames import MAX_CONTROL_PAYLOAD, encode_text
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["CLOSE_CODES", "Close", "build_close", "parse_close"]

CLOSE_CODES: Final = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status received",  # 1005, 1006 and 1015 only stand in reports, never in a frame
    1006: "abnormal closure",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failed",
}
"""The registered codes and what they mean (RFC 6455 §7.4.1 and the registry of §11.7)."""

_REPORT_ONLY: Final = frozenset((1005, 1006, 1015))


class Close(NamedTuple):
    """What one side's Close frame said (RFC 6455 §5.5.1).

    Args:
        code: the close code, 1005 if the frame gave none.
        reason: at most 123 octets of UTF-8.

    >>> str(Close(1001, "lunch")), str(Close(1000, ""))
    ('1001 (going away): lunch', '1000 (normal closure)')
    """

    code: int
    reason: str

    def __str__(self) -> str:
        meaning = f" ({CLOSE_CODES[self.code]})" if self.code in CLOSE_CODES else ""
        return f"{self.code}{meaning}" + (f": {self.reason}" if self.reason else "")


def _may_be_sent(code: int) -> bool:
    """§7.4: the registered codes, 3000-3999 for frameworks, 4000-4999 for applications."""
    return (code in CLOSE_CODES and code not in _REPORT_ONLY) or 3000 <= code <= 4999


def parse_close(payload: Octets) -> tuple[int, str]:
    r"""Read the body of a Close frame (RFC 6455 §5.5.1, §7.4).

    Args:
        payload: 0 to 125 octets.

    Returns:
        Code and reason; 1005 and "" if the body is empty (§7.1.5).

    Raises:
        RemoteProtocolError: 1002 for a body of one octet or a code that may not be sent, 1007
            for a reason that is not valid UTF-8.

    >>> parse_close(b"\x03\xe8bye"), parse_close(b"")
    ((1000, 'bye'), (1005, ''))
    """
    payload = as_octets(payload)
    if not payload:
        return 1005, ""
    if len(payload) == 1:
        raise RemoteProtocolError("a Close body of one octet", section="RFC 6455 §5.5.1")
    code = int.from_bytes(payload[:2])
    if not _may_be_sent(code):
        raise RemoteProtocolError(f"close code {code} may not be sent", section="RFC 6455 §7.4")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(
            f"the reason of a Close is not valid UTF-8: {error.reason}",
            close_code=1007,
            section="RFC 6455 §5.5.1",
        ) from None


def build_close(code: int = 1000, reason: str = "") -> bytes:
    r"""Write the body of a Close frame (RFC 6455 §5.5.1, §7.4).

    Args:
        code: 1000 to 1003, 1007 to 1014, 3000 to 4999; or 1005 for an empty body.
        reason: at most 123 octets of UTF-8.

    Raises:
        LocalProtocolError: the code may not be sent, or the reason is too long.
        TypeError: the code is not an ``int``, or the reason not a ``str``.

    >>> build_close(1001, "lunch")
    b'\x03\xe9lunch'
    """
    if not isinstance(code, int):
        raise TypeError(f"a close code is an int, not {type(code).__name__}")
    text = encode_text(reason)
    if code == 1005:
        if text:
            raise LocalProtocolError("a reason needs a code before it (RFC 6455 §5.5.1)")
        return b""
    if not _may_be_sent(code):
        raise LocalProtocolError(f"close code {code} may not be sent (RFC 6455 §7.4)")
    if len(text) > MAX_CONTROL_PAYLOAD - 2:
        raise LocalProtocolError(f"a reason holds at most 123 octets, not {len(text)} (§5.5)")
    return code.to_bytes(2) + text
