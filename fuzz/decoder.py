"""Frames and messages: no octets may raise, and how the network cuts them may change nothing.

The first octet says which endpoint is tried, the second how the rest is cut.
"""

from __future__ import annotations

from goim_edu.errors import IncompleteFrame, RemoteProtocolError
from goim_edu.protocol import (
    BinaryMessage,
    Closed,
    Endpoint,
    Event,
    Failed,
    Limits,
    Ping,
    Pong,
    Side,
    State,
    TextMessage,
)
from goim_edu.websocket.decoder import FrameDecoder
from goim_edu.websocket.deflate import DeflateConfig, offer_client
from goim_edu.websocket.explain import explain_stream
from goim_edu.websocket.frames import Frame, build_frame, parse_frame
from goim_edu.websocket.handshake import (
    ExtensionOffer,
    accept_response,
    build_request,
    parse_request,
)

CONFIG = DeflateConfig(max_members=8)
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
REQUEST = build_request("localhost", "/", KEY, extensions=offer_client(CONFIG))


def answer(*extensions: ExtensionOffer) -> bytes:
    """The server's 101 to that request."""
    parsed = parse_request(REQUEST)
    if parsed is None:
        raise AssertionError("our own request is not complete")
    return accept_response(parsed[0], extensions=extensions).to_bytes()


ANSWER = answer()
COMPRESSED_ANSWER = answer(ExtensionOffer("permessage-deflate"))
LIMITS = Limits(max_frame_size=4_096, max_message_size=8_192, max_fragments=64)


def open_endpoint(side: Side, compressed: bool) -> Endpoint:
    """An endpoint after its opening handshake."""
    config = CONFIG if compressed else None
    endpoint = Endpoint(side, limits=LIMITS, compression=config, mask_source=bytes)
    if side is Side.SERVER:
        endpoint.receive_data(REQUEST)
        endpoint.accept()
    else:
        endpoint.connect("localhost", key=KEY)
        endpoint.receive_data(COMPRESSED_ANSWER if compressed else ANSWER)
    return endpoint


def run(
    endpoint: Endpoint, pieces: list[bytes], lend: bool = False
) -> tuple[list[Event], list[Frame]]:
    """All events and all frames that we answer with, piece after piece.

    Pieces that are only lent are gone as soon as the endpoint has seen them.
    """
    events: list[Event] = []
    answers = b""
    for piece in pieces:
        lent = bytearray(piece)
        events += endpoint.receive_data(memoryview(lent) if lend else piece)
        lent[:] = bytes(len(lent))
        answers += endpoint.data_to_send()
    events += endpoint.receive_eof()
    answers += endpoint.data_to_send()
    frames = []
    while answers:  # they must be such as the other side takes
        frame, used = parse_frame(answers, masked=endpoint.side is Side.CLIENT)
        frames.append(frame)
        answers = answers[used:]
    return events, frames


def comparable(events: list[Event], frames: list[Frame]) -> tuple[list[Event], list[Frame], bool]:
    """All but what exactly was wrong: of two faults of one frame, another may be met first."""
    failed = isinstance(events[-1], Failed)
    return (events[:-1], frames[:-1], True) if failed else (events, frames, False)


def check(data: bytes) -> None:
    """Try one input; any exception is a find."""
    if len(data) < 2:
        return
    side = Side.SERVER if data[0] & 1 else Side.CLIENT
    compressed = bool(data[0] & 2)
    size, stream = data[1] % 64 + 1, data[2:]
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    whole = run(open_endpoint(side, compressed), [stream])
    lent = run(open_endpoint(side, compressed), [stream], lend=True)
    if comparable(*lent) != comparable(*whole):
        raise AssertionError(f"lent: {lent} instead of {whole}")
    endpoint = open_endpoint(side, compressed)
    cut = run(endpoint, pieces)
    if comparable(*cut) != comparable(*whole):
        raise AssertionError(f"cut into {size}: {cut} instead of {whole}")
    if endpoint.state is not State.CLOSED:
        raise AssertionError(f"{endpoint.state} after the end of TCP")
    check_events(whole[0])
    check_decoder(stream, side is Side.SERVER, compressed)
    explain_stream(stream, sender="client" if side is Side.SERVER else "server")


def check_events(events: list[Event]) -> None:
    """One last event, and nothing beyond the bounds."""
    if sum(isinstance(event, Closed | Failed) for event in events) != 1:
        raise AssertionError(f"not one last event: {events}")
    for event in events:
        if isinstance(event, TextMessage) and len(event.data.encode()) > LIMITS.max_message_size:
            raise AssertionError("a text message beyond the bound")
        if isinstance(event, BinaryMessage) and len(event.data) > LIMITS.max_message_size:
            raise AssertionError("a binary message beyond the bound")
        if isinstance(event, Ping | Pong) and len(event.payload) > 125:
            raise AssertionError("a control frame beyond 125 octets")


def check_decoder(stream: bytes, masked: bool, rsv1: bool) -> None:
    """The decoder of streams and the parser of one frame say the same."""
    decoder = FrameDecoder(masked=masked, max_frame_size=4_096, allow_rsv1=rsv1)
    try:
        frames = decoder.feed(stream)
    except RemoteProtocolError:
        frames = []
    position = 0
    for frame in frames:
        again, used = parse_frame(
            stream[position:], masked=masked, allow_rsv1=rsv1, max_frame_size=4_096
        )
        if again != frame:
            raise AssertionError(f"{again} instead of {frame}")
        position += used
    try:
        parse_frame(stream[position:], masked=masked, allow_rsv1=rsv1, max_frame_size=4_096)
    except IncompleteFrame:
        if decoder.error is not None:
            raise AssertionError("cut or wrong?") from None
    except RemoteProtocolError as error:
        if str(decoder.error) != str(error):
            raise AssertionError(f"{decoder.error} instead of {error}") from None
    else:
        raise AssertionError("a frame was missed")


SEEDS = [
    b"\x01\x03" + bytes.fromhex("818537fa213d7f9f4d5158"),
    b"\x01\x02" + bytes.fromhex("018100000000c3898100000000 61808100000000a9".replace(" ", "")),
    b"\x00\x01" + bytes.fromhex("8103616263 0203010203 8900 8000 880503e8627965".replace(" ", "")),
    b"\x02\x05" + bytes.fromhex("c107f248cdc9c90700 c105f200110000".replace(" ", "")),
    b"\x03\x05" + bytes.fromhex("c18700000000f248cdc9c90700"),
    b"\x00\x07" + bytes.fromhex("827e0100") + bytes(256),
    b"\x01\x3f" + build_frame("x" * 799 + "é", mask_key=b"abcd") * 2,
    b"\x01\x3f" + build_frame(b"x" * 800 + b"\xe9", mask_key=b"abcd"),
]
