"""The payload of a frame, explained: data, code and reason of a Close, compressed messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from goim_edu.errors import RemoteProtocolError
from goim_edu.websocket.close import CLOSE_CODES
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.explanation import Field, octets_field
from goim_edu.websocket.frames import Header, Opcode

__all__ = ["explain_payload"]

_MAX_INFLATED: Final = 65_536  # octets of a compressed payload that an explanation looks into
_MAX_SHOWN: Final = 32  # octets that stand in a sentence


def explain_payload(
    header: Header, data: bytes, payload: bytes, compression: bool, message: str | bytes | None
) -> Iterator[Field]:
    """The payload as one field, or code and reason of a Close.

    Args:
        header: the header of the frame.
        data: the octets of the frame.
        payload: those of its payload, unmasked.
        compression: permessage-deflate was agreed on.
        message: the message that the frame completes, if that is known.
    """
    if not payload:
        return
    start, end = header.size, header.size + len(payload)
    if header.opcode == Opcode.CLOSE and len(payload) > 1:
        code = int.from_bytes(payload[:2])
        meaning = _explain_close_code(code)
        yield octets_field("Close code", data, start, start + 2, code, meaning, "RFC 6455 §7.4")
        if len(payload) > 2:
            value, meaning = _show_payload(payload[2:], text=True)
            yield octets_field(
                "Close reason", data, start + 2, end, value, meaning, "RFC 6455 §7.1.6"
            )
        return
    value, meaning = _show_payload(payload, text=header.opcode != Opcode.BINARY)
    section = "RFC 6455 §5.5" if header.opcode >= Opcode.CLOSE else "RFC 6455 §5.6"
    if compression and header.rsv1:
        meaning, section = _explain_deflated(payload, header.fin, message), "RFC 7692 §7.2"
        value = payload
    if len(payload) < header.length:
        meaning = f"cut, {len(payload):,} of {header.length:,} octets are here: {meaning}"
    yield octets_field("Payload data", data, start, end, value, meaning, section)


def _explain_close_code(code: int) -> str:
    if code in CLOSE_CODES:
        return f"{code}: {CLOSE_CODES[code]}"
    if 3000 <= code <= 3999:
        return f"{code}: one of those that libraries and frameworks register"
    if 4000 <= code <= 4999:
        return f"{code}: private to this application"
    return f"{code}: not defined, it may not be sent"


def _show_payload(payload: bytes, *, text: bool) -> tuple[str | bytes, str]:
    """Value and meaning of unmasked octets: as text if they are text."""
    if text:
        try:
            words = payload.decode()
        except UnicodeDecodeError as error:
            return payload, f"{payload[:_MAX_SHOWN]!r}: not valid UTF-8 from octet {error.start} on"
        shown = words if len(words) <= 60 else words[:60] + "..."
        return words, repr(shown)
    dots = "..." if len(payload) > _MAX_SHOWN else ""
    return payload, payload[:_MAX_SHOWN].hex(" ") + dots


def _explain_deflated(payload: bytes, fin: bool, message: str | bytes | None) -> str:
    """What a compressed payload holds, as far as it can be inflated."""
    if message is None:
        try:
            alone = PerMessageDeflate(DeflateParams(), True)
            message = alone.decompress(payload, fin, _MAX_INFLATED)
        except RemoteProtocolError as error:
            if error.close_code == 1009:
                return f"compressed; it inflates to more than {_MAX_INFLATED:,} octets"
            return "compressed; it cannot be inflated without the messages before it"
    octets = message.encode() if isinstance(message, str) else message
    return f"compressed; it inflates to {_show_payload(octets, text=True)[1]}"
