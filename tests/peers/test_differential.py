"""The same octets for us, for ``websockets`` and ``wsproto``; and who is right where they differ.

Each disagreement has a row in ``DISAGREEMENTS``: octets that show it, what each says, and the rule
that decides, in our words. Streams that hypothesis draws must give the same everywhere, or differ
in a way that has a row.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
import wsproto.events as peer_events
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate as WebsocketsDeflate
from websockets.frames import Opcode as PeerOpcode
from websockets.server import ServerProtocol
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate

from goim_edu.protocol import (
    BinaryMessage,
    Closed,
    CloseReceived,
    DeflateConfig,
    Endpoint,
    Failed,
    Opcode,
    Ping,
    Pong,
    Side,
    TextMessage,
    build_close,
    build_frame,
)
from goim_edu.websocket.deflate import DeflateParams, PerMessageDeflate
from tests.strategies import CUTS, cut, damaged, streams

KEY = bytes(4)
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
LIMIT = 1 << 20
Told = tuple[str, object]  # kind and content


# ---------------------------------------------------------------------- what each one tells


def tell_ours(pieces: list[bytes], *, deflate: bool = False) -> tuple[list[Told], str]:
    """What we make of it, and what we say is wrong."""
    endpoint = Endpoint(Side.SERVER, compression=DeflateConfig() if deflate else None)
    endpoint.receive_data(REQUEST)
    endpoint.accept()
    told: list[Told] = []
    for event in (event for piece in pieces for event in endpoint.receive_data(piece)):
        match event:
            case TextMessage(data):
                told.append(("text", data))
            case BinaryMessage(data):
                told.append(("binary", data))
            case Ping(data):
                told.append(("ping", data))
            case Pong(data):
                told.append(("pong", data))
            case CloseReceived(code, reason):
                told.append(("close", (code, reason)))
            case Failed(error):
                return [*told, ("fail", error.close_code)], str(error)
            case _:
                assert type(event) is Closed
    return told, ""


def tell_websockets(pieces: list[bytes], *, deflate: bool = False) -> list[Told]:
    """Its sans-I/O layer hands out frames; to put them together is left to its caller."""
    protocol = ServerProtocol(max_size=LIMIT)
    protocol.receive_data(REQUEST)
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
    protocol.data_to_send()
    protocol.extensions = [WebsocketsDeflate(False, False, 15, 15, {})] if deflate else []
    for piece in pieces:
        protocol.receive_data(piece)
    told: list[Told] = []
    parts: list[bytes] = []
    kind = PeerOpcode.BINARY
    for frame in protocol.events_received():
        opcode, data = frame.opcode, bytes(frame.data)  # type: ignore[union-attr]
        if opcode in (PeerOpcode.PING, PeerOpcode.PONG):
            told.append((opcode.name.lower(), data))
        elif opcode is not PeerOpcode.CLOSE:
            kind = kind if opcode is PeerOpcode.CONT else opcode
            parts.append(data)
            if frame.fin:  # type: ignore[union-attr]
                octets = b"".join(parts)
                parts.clear()
                if kind is PeerOpcode.BINARY:
                    told.append(("binary", octets))
                    continue
                try:
                    told.append(("text", octets.decode()))
                except UnicodeDecodeError:
                    return [*told, ("fail", 1007)]
    if protocol.parser_exc is not None and protocol.close_sent is not None:
        told.append(("fail", int(protocol.close_sent.code)))
    elif protocol.close_rcvd is not None:
        told.append(("close", (int(protocol.close_rcvd.code), protocol.close_rcvd.reason)))
    return told


def tell_wsproto(pieces: list[bytes], *, deflate: bool = False) -> list[Told]:  # noqa: C901
    connection = WSConnection(ConnectionType.SERVER)
    connection.receive_data(REQUEST)
    list(connection.events())
    extensions = [WsprotoDeflate()] if deflate else []
    connection.send(peer_events.AcceptConnection(extensions=list(extensions)))
    told: list[Told] = []
    texts: list[str] = []
    octets: list[bytes] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            match event:
                case peer_events.TextMessage(data, _, finished):
                    texts.append(data)
                    if finished:
                        told.append(("text", "".join(texts)))
                        texts.clear()
                case peer_events.BytesMessage(data, _, finished):
                    octets.append(bytes(data))
                    if finished:
                        told.append(("binary", b"".join(octets)))
                        octets.clear()
                case peer_events.Ping(payload):
                    told.append(("ping", bytes(payload)))
                case peer_events.Pong(payload):
                    told.append(("pong", bytes(payload)))
                case peer_events.CloseConnection(code, reason):
                    if connection.state is ConnectionState.REMOTE_CLOSING:
                        return [*told, ("close", (int(code), reason or ""))]
                    return [*told, ("fail", int(code))]
    return told


TELL = {"websockets": tell_websockets, "wsproto": tell_wsproto}


# ---------------------------------------------------------------------- where they differ


class Disagreement(NamedTuple):
    """One difference.

    Args:
        name: what it is about.
        octets: a stream that shows it.
        ours: what we tell.
        theirs: what the others tell; who is not named tells the same as we do.
        rule: the sentence that decides, in our words, and its place.
        word: a pattern of what our error says in such a case; "" if we see no error.
    """

    name: str
    octets: bytes
    ours: list[Told]
    theirs: dict[str, list[Told]]
    rule: str
    word: str


def said(payload: bytes, opcode: int = 1, fin: bool = True, rsv1: bool = False) -> bytes:
    return build_frame(payload, opcode, fin, KEY, rsv1)


DISAGREEMENTS = [
    Disagreement(
        "a length in more octets than need be",
        b"\x81\xfe\x00\x05" + KEY + b"Hello",
        [("fail", 1002)],
        {"websockets": [("text", "Hello")]},
        "RFC 6455 §5.2: the shortest form that can hold the length must be used",
        "is written with",
    ),
    Disagreement(
        "a 64-bit length whose highest bit is set",
        b"\x82\xff" + (1 << 63).to_bytes(8) + KEY,
        [("fail", 1002)],
        {"websockets": [("fail", 1009)]},
        "RFC 6455 §5.2: that bit must be 0; the frame is not too long, it is wrong",
        "highest bit",
    ),
    Disagreement(
        "a Close between the fragments of a message",
        said(b"Hel", fin=False) + said(build_close(1000, "bye"), Opcode.CLOSE),
        [("close", (1000, "bye"))],
        {"websockets": [("fail", 1002)]},
        "RFC 6455 §5.4: control frames may stand within a message; §5.5 counts Close among them",
        "",
    ),
    Disagreement(
        "text that went bad before its message ended",
        said(b"\xff", fin=False),
        [("fail", 1007)],
        {"websockets": []},
        "RFC 6455 §8.1: octets that are not valid UTF-8 must fail the connection; "
        "nothing that is still to come can mend it",
        "a text message is not valid UTF-8",
    ),
    Disagreement(
        "half of a surrogate pair, seen at its second octet",
        said(b"\xed\xa0", fin=False),
        [("fail", 1007)],
        {"websockets": [], "wsproto": []},
        "RFC 3629 §4: behind ED only 80 to 9F can stand, so this is not valid UTF-8 already",
        "a text message is not valid UTF-8",
    ),
    Disagreement(
        "a control frame that is fragmented, seen at its first octet",
        said(b"", Opcode.PING)[:2].replace(b"\x89", b"\x09"),
        [("fail", 1002)],
        {"websockets": []},
        "RFC 6455 §5.5: control frames must not be fragmented; FIN stands in the first octet",
        "is fragmented",
    ),
    Disagreement(
        "first octets that are wrong, while a longer length is still to come",
        b"\x81\x7e",
        [("fail", 1002)],
        {"wsproto": []},
        "RFC 6455 §5.1, §5.2: such a frame fails the connection, and its length cannot mend it",
        "did not mask|RSV|is reserved|is fragmented",
    ),
    Disagreement(
        "a control frame that is too long, seen at its second octet",
        b"\x89\xfe",
        [("fail", 1002)],
        {"websockets": []},
        "RFC 6455 §5.5: at most 125 octets; that more are to come stands in the second octet",
        "is longer than 125",
    ),
    Disagreement(
        "a frame that is wrong by its header, while its payload is still to come",
        said(b"Hello", Opcode.CONTINUATION)[:-1],
        [("fail", 1002)],
        {"websockets": []},
        "RFC 6455 §5.2, §5.4: bits that nobody agreed on, nothing to continue: the header tells",
        "no message is under way|before the last one was complete|RSV",
    ),
    Disagreement(
        "a Close whose code and whose reason are both wrong",
        said(b"\x03\xed\xff", Opcode.CLOSE),
        [("fail", 1002)],
        {"websockets": [("fail", 1007)]},
        "RFC 6455 §7.4 and §5.5.1 are both broken; we judge them in the order of the octets",
        "may not be sent",
    ),
    Disagreement(
        "close code 1014",
        said(build_close(1014), Opcode.CLOSE),
        [("close", (1014, ""))],
        {"wsproto": [("fail", 1002)]},
        "RFC 6455 §7.4.2 leaves 1000 to 2999 to the registry of §11.7, which has 1014, Bad Gateway",
        "",
    ),
    Disagreement(
        "a frame beyond the limit",
        b"\x82\xff" + (LIMIT + 1).to_bytes(8) + KEY,
        [("fail", 1009)],
        {"wsproto": []},
        "RFC 6455 §10.4: an endpoint should bound what others can make it keep; wsproto does not",
        "we take",
    ),
]

_params = DeflateParams()
_first = PerMessageDeflate(_params, False).compress(b"first")
FINAL_BLOCK = bytes.fromhex("f3 48 cd c9 c9 07 00 00")  # "Hello" with BFINAL=1 (RFC 7692 §7.2.3.4)
DEFLATED = Disagreement(
    "a message that ends with a final block, and one behind it",
    said(FINAL_BLOCK, rsv1=True) + said(_first, rsv1=True),
    [("text", "Hello"), ("text", "first")],
    {
        "websockets": [("text", "Hello"), ("text", "")],
        "wsproto": [("text", "Hello"), ("fail", 1007)],
    },
    "RFC 7692 §7.2.3.4: BFINAL may be 1; the example there is this message",
    "",
)


@pytest.mark.parametrize("row", [*DISAGREEMENTS, DEFLATED], ids=lambda row: row.name)
def test_each_disagreement_is_as_described(row: Disagreement) -> None:
    """If a peer has changed its mind, its entry in the table has to go."""
    deflate = row is DEFLATED
    told, error = tell_ours([row.octets], deflate=deflate)
    assert told == row.ours
    assert re.search(row.word, error)
    assert row.theirs
    for peer, tell in TELL.items():
        assert tell([row.octets], deflate=deflate) == row.theirs.get(peer, row.ours), peer


def first_difference(ours: list[Told], theirs: list[Told]) -> tuple[Told | None, Told | None]:
    for index in range(max(len(ours), len(theirs))):
        one = ours[index] if index < len(ours) else None
        other = theirs[index] if index < len(theirs) else None
        if one != other:
            return one, other
    return None, None


GOES_ON = ("a text message is not valid UTF-8", "we take")


def is_explained(peer: str, one: Told | None, other: Told | None, error: str) -> bool:
    """Whether some row tells of such a difference.

    A library that waits for more of a frame tells nothing of it (None), or of another rule that it
    breaks. One that does not look at text, or at a bound, goes on with what is behind it.
    """
    for row in DISAGREEMENTS:
        if peer not in row.theirs:
            continue
        if one is not None and one[0] == "fail":
            late = other is None or other[0] == "fail"
            fits = late or row.theirs[peer] or row.word in GOES_ON
            if row.word and re.search(row.word, error) and fits:
                return True
        elif not row.word and one is not None and one[0] == row.ours[-1][0]:
            return other == row.theirs[peer][-1]
    return False


@settings(max_examples=60)
@given(streams() | damaged(), CUTS)
def test_all_say_the_same_or_the_difference_is_explained(stream: bytes, places: list[int]) -> None:
    pieces = cut(stream, places)
    ours, error = tell_ours(pieces)
    for peer, tell in TELL.items():
        theirs = tell(pieces)
        if theirs != ours:
            one, other = first_difference(ours, theirs)
            assert is_explained(peer, one, other, error), (peer, one, other, error)


@settings(max_examples=40)
@given(streams(with_close=False), st.booleans())
def test_all_say_the_same_of_good_streams(stream: bytes, at_once: bool) -> None:
    pieces = [stream] if at_once else [stream[i : i + 1] for i in range(len(stream))]
    ours, error = tell_ours(pieces)
    assert not error
    for tell in TELL.values():
        assert tell(pieces) == ours
