r"""What each bit of a frame, and each line of a handshake, says: in words, with its section.

Pictures, the dissector and the exercises all use this. It decides nothing by itself: the layout
of a frame comes from ``frames.parse_header``, and the verdict from the decoder that every
connection uses. A broken or cut frame is explained, too, as far as it goes.

>>> print(explain(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")))
bits   name            raw             meaning
0       FIN             1               the message ends with this frame; it is its only one [RFC 6455 §5.4]
1       RSV1            0               no extension uses this bit [RFC 6455 §5.2]
2       RSV2            0               no extension uses this bit [RFC 6455 §5.2]
3       RSV3            0               no extension uses this bit [RFC 6455 §5.2]
4-7     opcode          0001            text: the whole message is UTF-8 [RFC 6455 §5.6]
8       MASK            1               masked, as every frame from a client is [RFC 6455 §5.1]
9-15    Payload length  0000101         5 octets of payload [RFC 6455 §5.2]
16-47   Masking-key     37 fa 21 3d     octet i of the payload is XORed with octet i mod 4 of this [RFC 6455 §5.3]
48-87   Payload data    7f 9f 4d 51 58  'Hello' [RFC 6455 §5.6]
verdict: a good frame
"""  # noqa: E501 (the table as it is printed)

from __future__ import annotations

import re
from typing import Final

from goim_edu.websocket.assembler import MessageAssembler
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from goim_edu.websocket.explain_frame import FrameRules, explain_frame
from goim_edu.websocket.explain_handshake import explain_request, explain_response
from goim_edu.websocket.explanation import Explanation, Field, Kind, Sender
from goim_edu.websocket.octets import Octets, as_octets

__all__ = ["Explanation", "Field", "Kind", "Sender", "explain", "explain_stream"]

_MAX_FRAGMENTS: Final = 1 << 20


def explain(
    data: Octets,
    *,
    kind: Kind | None = None,
    sender: Sender | None = None,
    compression: bool = False,
    max_frame_size: int | None = None,
    key: str | None = None,
) -> Explanation:
    r"""Explain the frame or the handshake with which the octets start.

    Args:
        data: the octets; those behind the first frame or head are left alone.
        kind: what they are; None finds out.
        sender: the side that sent them, so that the masking is judged, too; or None.
        compression: permessage-deflate was agreed on, so RSV1 may be set.
        max_frame_size: the longest payload that the decoder takes, in octets.
        key: the key of the request, to judge a response by.

    Raises:
        TypeError: ``data`` is not octets.
        ValueError: ``kind`` or ``sender`` is none of the words that are known.

    >>> explain(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\n")["Host"].value
    'example.com'
    """
    data = as_octets(data)
    if kind not in (None, "frame", "request", "response"):
        raise ValueError(f"kind is 'frame', 'request', 'response' or None, not {kind!r}")
    kind = kind or _guess_kind(data)
    if kind == "request":
        return explain_request(data)
    if kind == "response":
        return explain_response(data, key)
    masked = _masked(sender)
    return explain_frame(data, FrameRules(masked, compression, max_frame_size))


def explain_stream(
    data: Octets,
    *,
    sender: Sender | None = None,
    compression: DeflateParams | None = None,
    max_frame_size: int | None = None,
    max_message_size: int = 1 << 24,
) -> list[Explanation]:
    """Explain all that one side of a connection sent, up to the first error or cut.

    Unlike ``explain``, it knows what came before: whether a continuation continues something,
    whether a text is UTF-8 over all its fragments, and what compressed messages refer back to.

    Args:
        data: the octets from the start, with or without the handshake.
        sender: the side that sent them, or None.
        compression: the agreed parameters of permessage-deflate, or None.
        max_frame_size: the longest payload that the decoder takes, in octets.
        max_message_size: the longest message that the decoder takes, in octets.

    Raises:
        TypeError: ``data`` is not octets.
        ValueError: ``sender`` is neither "client" nor "server".

    >>> [explained.kind for explained in explain_stream(bytes.fromhex("01 01 61 89 00 80 01 62"))]
    ['frame', 'frame', 'frame']
    """
    inflater = PerMessageDeflate(compression, sender != "server") if compression else None
    messages = MessageAssembler(
        max_message_size=max_message_size, max_fragments=_MAX_FRAGMENTS, deflate=inflater
    )
    data, masked = as_octets(data), _masked(sender)
    rules = FrameRules(masked, compression is not None, max_frame_size, messages)
    explained: list[Explanation] = []
    position = 0
    while position < len(data) and (not explained or explained[-1].ok):
        rest = data[position:]
        framed = bool(explained) and explained[-1].kind == "frame"
        if not framed and _guess_kind(rest) != "frame":
            explained.append(explain(rest))
        else:
            explained.append(explain_frame(rest, rules))
        position += len(explained[-1].data)
    return explained


def _masked(sender: Sender | None) -> bool | None:
    """Whether its frames must be masked (RFC 6455 §5.1)."""
    if sender not in (None, "client", "server"):
        raise ValueError(f"sender is 'client', 'server' or None, not {sender!r}")
    return None if sender is None else sender == "client"


# No good frame starts like a method of HTTP: its letters would be reserved opcodes or fragmented
# control frames.
_HTTP_START = re.compile(rb"[CDGHOPT](?:[A-Z]|\Z)")


def _guess_kind(data: bytes) -> Kind:
    if not _HTTP_START.match(data):
        return "frame"
    return "response" if data.startswith(b"HTTP"[: len(data)]) else "request"
