"""The endpoint: its life by the tables, what it says to bad octets, and any cut of a stream."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim_edu.protocol import (
    COMMANDS,
    TRANSITIONS,
    BinaryMessage,
    Closed,
    CloseReceived,
    DeflateConfig,
    Endpoint,
    Event,
    Failed,
    FrameDecoder,
    HandshakeError,
    Headers,
    Limits,
    LocalProtocolError,
    Opcode,
    Opened,
    Ping,
    Pong,
    RemoteProtocolError,
    RequestReceived,
    Response,
    Side,
    State,
    TextMessage,
    build_close,
    build_frame,
    parse_close,
    parse_frame,
    state_diagram,
)
from tests.strategies import CUTS, cut, damaged, messages, streams

KEY = bytes(4)  # masks nothing, so the octets in a test are those that one reads
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


def opened(side: Side = Side.SERVER, **options: Any) -> Endpoint:
    return Endpoint(side, already_open=True, **options)


def pair(**options: Any) -> tuple[Endpoint, Endpoint]:
    """A client and a server that have gone through the handshake."""
    client, server = Endpoint(Side.CLIENT, **options), Endpoint(Side.SERVER, **options)
    (request,) = server.receive_data(client.connect("example.com", "/chat"))
    assert type(request) is RequestReceived
    (answer,) = client.receive_data(server.accept())
    assert type(answer) is Opened
    assert server.receive_data(b"") == []
    return client, server


def said(payload: bytes = b"", opcode: int = Opcode.TEXT, fin: bool = True) -> bytes:
    """A frame of a client."""
    return build_frame(payload, opcode, fin, KEY)


def closing_code(octets: bytes) -> int:
    """The code of the Close that these octets are."""
    frame, consumed = parse_frame(octets)
    assert consumed == len(octets)
    assert frame.opcode is Opcode.CLOSE
    return parse_close(frame.payload)[0]


# ---------------------------------------------------------------------- the opening handshake


def test_a_client_and_a_server_open() -> None:
    client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
    request = client.connect(
        "example.com", "/chat", subprotocols=["a", "b"], headers=[("X-A", "1")], origin="http://a"
    )
    events = [event for octet in request for event in server.receive_data(bytes([octet]))]
    assert server.request is not None
    assert events == [RequestReceived(server.request)]
    assert server.request.headers["origin"] == "http://a"
    response = server.accept("b", headers=[("Set-Cookie", "c=1")])
    events = [event for octet in response for event in client.receive_data(bytes([octet]))]
    assert client.response is not None
    assert events == [Opened(client.response, "b", ())]
    assert (client.state, server.state) == (State.OPEN, State.OPEN)
    assert (client.subprotocol, server.subprotocol) == ("b", "b")
    assert client.response == server.response


def test_frames_may_come_right_behind_the_heads() -> None:
    client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER)
    early = said(b"early")
    assert len(server.receive_data(client.connect("example.com") + early[:3])) == 1
    assert server.receive_data(early[3:5]) == []
    answer = server.accept()
    assert server.receive_data(b"") == []
    assert server.receive_data(early[5:]) == [TextMessage("early")]
    events = client.receive_data(answer + server.send_text("first"))
    assert events[1:] == [TextMessage("first")]


def test_a_server_may_forget_to_ask_for_the_early_frames() -> None:
    server = Endpoint(Side.SERVER)
    server.receive_data(REQUEST + b"\r\n" + said(b"1"))
    server.accept()
    assert server.receive_data(said(b"2")) == [TextMessage("1"), TextMessage("2")]


def test_too_much_before_the_101() -> None:
    server = Endpoint(Side.SERVER)
    server.receive_data(REQUEST + b"\r\n")
    (failed,) = server.receive_data(bytes(40_000))
    assert type(failed) is Failed
    assert server.data_to_send().startswith(b"HTTP/1.1 400 ")
    assert server.close_transport


def test_a_bad_request_is_answered() -> None:
    server = Endpoint(Side.SERVER)
    (failed,) = server.receive_data(b"\x16\x03\x01")
    assert type(failed) is Failed
    assert isinstance(failed.error, HandshakeError)
    assert server.response is not None
    assert server.data_to_send() == server.response.to_bytes()
    assert server.state is State.CLOSED
    assert server.close_transport
    assert server.receive_data(REQUEST) == []
    assert server.receive_eof() == []


def test_a_request_that_is_no_upgrade_may_be_answered_as_any() -> None:
    server = Endpoint(Side.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    with pytest.raises(HandshakeError) as caught:
        server.accept()
    assert server.state is State.CONNECTING
    assert server.reject(caught.value).startswith(b"HTTP/1.1 426 ")
    assert server.close_transport

    server = Endpoint(Side.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    page = Response(200, "OK", Headers([("Content-Length", "2")]), b"hi")
    assert server.reject(page).endswith(b"\r\n\r\nhi")
    assert server.response is page


def test_a_wrong_version_is_told_the_right_one() -> None:
    server = Endpoint(Side.SERVER)
    server.receive_data(REQUEST.replace(b"13", b"25") + b"\r\n")
    with pytest.raises(HandshakeError) as caught:
        server.accept()
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in server.reject(caught.value)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 502),
    ],
)
def test_a_client_is_refused(answer: bytes, status: int) -> None:
    client = Endpoint(Side.CLIENT)
    client.connect("example.com")
    (failed,) = client.receive_data(answer)
    assert type(failed) is Failed
    assert isinstance(failed.error, HandshakeError)
    assert failed.error.status == status
    assert client.close_transport
    assert client.data_to_send() == b""
    assert (client.response is not None) == answer.startswith(b"HTTP")


def test_a_server_that_speaks_first() -> None:
    (failed,) = Endpoint(Side.CLIENT).receive_data(b"220 mail.example.com\r\n")
    assert type(failed) is Failed
    assert "before it was asked" in str(failed.error)


def test_tcp_ends_within_the_handshake() -> None:
    client = Endpoint(Side.CLIENT)
    client.connect("example.com")
    assert client.receive_data(b"HTTP/1.1 101 ") == []
    (failed,) = client.receive_eof()
    assert type(failed) is Failed

    client = Endpoint(Side.CLIENT)
    client.connect("example.com")
    assert client.receive_data(b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nlat") == []
    (failed,) = client.receive_eof()
    assert client.response is not None
    assert client.response.body == b"lat"

    server = Endpoint(Side.SERVER)
    assert server.receive_data(b"GET / HT") == []
    assert server.receive_eof() == [Closed(1006, "", clean=False)]


def test_a_known_key_makes_a_known_handshake() -> None:
    client = Endpoint(Side.CLIENT)
    assert b"dGhlIHNhbXBsZSBub25jZQ==" in client.connect("a", key="dGhlIHNhbXBsZSBub25jZQ==")
    with pytest.raises(LocalProtocolError, match="already"):
        client.connect("a")


def test_an_answer_that_cannot_be_written_changes_nothing() -> None:
    server = Endpoint(Side.SERVER)
    server.receive_data(REQUEST + b"\r\n")
    with pytest.raises(LocalProtocolError):
        server.accept(headers=[("X", "a\r\nb")])
    with pytest.raises(LocalProtocolError):
        server.reject(Response(200, "OK", Headers([("X", "a\r\nb")])))
    server.accept()
    assert server.state is State.OPEN


# ---------------------------------------------------------------------- the tables


def reach(state: State, side: Side = Side.SERVER) -> Endpoint:
    endpoint = Endpoint(side) if state is State.CONNECTING else opened(side)
    if state is State.CLOSING:
        endpoint.close()
    elif state is State.ENDING:
        key = KEY if side is Side.SERVER else None
        endpoint.receive_data(build_frame(build_close(), Opcode.CLOSE, mask_key=key))
    elif state is State.CLOSED:
        endpoint.receive_eof()
    assert endpoint.state is state
    return endpoint


CALLS: dict[str, list[Callable[[Endpoint], bytes]]] = {
    "connect": [lambda endpoint: endpoint.connect("example.com")],
    "accept": [lambda endpoint: endpoint.accept()],
    "reject": [lambda endpoint: endpoint.reject(HandshakeError("no"))],
    "send": [
        lambda endpoint: endpoint.send_text("x"),
        lambda endpoint: endpoint.send_binary(b"x"),
        lambda endpoint: endpoint.send_many(["x"]),
        lambda endpoint: endpoint.continue_message("x"),
    ],
    "ping": [lambda endpoint: endpoint.ping()],
    "pong": [lambda endpoint: endpoint.pong()],
    "close": [lambda endpoint: endpoint.close()],
}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("command", CALLS)
def test_what_may_be_done_in_each_state(command: str, state: State, side: Side) -> None:
    for call in CALLS[command]:
        endpoint = reach(state, side)
        if command in COMMANDS[state]:
            if command == "send":
                endpoint.send_text("begin", fin=call is not CALLS[command][3])
            if command in ("accept", "reject") and side is Side.SERVER:
                endpoint.receive_data(REQUEST + b"\r\n")
            if (command == "connect") == (side is Side.CLIENT) or state is not State.CONNECTING:
                assert call(endpoint)
                continue
        with pytest.raises(LocalProtocolError):
            call(endpoint)
        assert endpoint.state is state


def test_a_server_cannot_answer_before_it_was_asked() -> None:
    for call in (CALLS["accept"][0], CALLS["reject"][0]):
        with pytest.raises(LocalProtocolError, match="no request"):
            call(Endpoint(Side.SERVER))


def test_the_diagram_shows_each_step() -> None:
    diagram = state_diagram()
    steps = [(a, step, b) for a, row in TRANSITIONS.items() for step, b in row.items()]
    for before, step, after in steps:
        assert re.search(f"    {before.value} --> {after.value}: .*{step.value}.*\n", diagram)
    arrows = {(before, after) for before, _, after in steps}  # one for all steps that it stands for
    assert diagram.count("-->") == len(arrows) + 2
    assert diagram.count(", or ") == len(steps) - len(arrows)


# ---------------------------------------------------------------------- the closing handshake


def test_the_peer_says_close() -> None:
    client, server = pair()
    events = server.receive_data(client.close(1001, "bye"))
    assert events == [CloseReceived(1001, "bye"), Closed(1001, "bye", clean=True)]
    assert server.state.value == "ending"
    assert (server.ending, server.close_transport) == (True, False)
    assert server.receive_data(said(b"too late")) == []
    answer = server.data_to_send()
    assert closing_code(answer) == 1001
    assert (server.ending, server.close_transport) == (False, True)
    assert COMMANDS[server.state] == frozenset()
    assert server.data_to_send() == b""
    assert (server.close_code, server.close_reason) == (1001, "bye")

    assert client.receive_data(answer)[-1] == Closed(1001, "", clean=True)
    assert client.state is State.CLOSED
    assert not client.close_transport  # the server goes first
    assert client.data_to_send() == b""
    assert client.receive_eof() == []


def test_what_came_before_a_close_may_be_answered() -> None:
    server = opened()
    events = server.receive_data(said(b"one") + said(b"two") + said(build_close(), Opcode.CLOSE))
    assert [type(event) for event in events] == [TextMessage] * 2 + [CloseReceived, Closed]
    octets = b"".join(server.send_text(e.data) for e in events if type(e) is TextMessage)
    octets += server.data_to_send()
    assert octets == b"\x81\x03one\x81\x03two\x88\x02\x03\xe8"
    with pytest.raises(LocalProtocolError):
        server.send_text("three")


def test_a_close_without_code_is_answered_without_code() -> None:
    server = opened()
    assert server.receive_data(said(b"", Opcode.CLOSE))[-1] == Closed(1005, "", clean=True)
    assert server.data_to_send() == b"\x88\x00"


def test_a_close_within_a_message_is_answered() -> None:
    server = opened()
    server.receive_data(said(b"Hel", fin=False))
    assert server.receive_data(said(build_close(), Opcode.CLOSE))[-1] == Closed(1000, "", True)
    assert closing_code(server.data_to_send()) == 1000


def test_who_said_close_goes_on_listening() -> None:
    client, server = pair()
    client.close()
    octets = server.send_text("last") + server.ping(b"?")
    assert client.receive_data(octets) == [TextMessage("last"), Ping(b"?")]
    assert client.data_to_send() == b""  # after our Close we send nothing, no Pong either
    assert client.receive_eof() == [Closed(1006, "", clean=False)]
    assert client.close_transport


def test_both_say_close_at_once() -> None:
    client, server = pair()
    one, other = client.close(3000), server.close(3001)
    assert client.receive_data(other)[-1] == Closed(3001, "", clean=True)
    assert server.receive_data(one)[-1] == Closed(3000, "", clean=True)
    assert (client.data_to_send(), server.data_to_send()) == (b"", b"")


def test_tcp_ends_without_a_close() -> None:
    server = opened()
    assert server.receive_data(said(b"Hel", fin=False)) == []
    assert server.receive_eof() == [Closed(1006, "", clean=False)]
    assert server.close_code == 1006
    assert server.receive_eof() == []


def test_tcp_ends_right_behind_a_close() -> None:
    server = opened()
    server.receive_data(said(build_close(), Opcode.CLOSE))
    assert server.receive_eof() == []
    assert closing_code(server.data_to_send()) == 1000
    assert server.state is State.CLOSED


def test_a_broken_rule_after_our_close_is_not_answered() -> None:
    server = opened()
    server.close()
    (failed,) = server.receive_data(b"\x83\x80")
    assert type(failed) is Failed
    assert server.data_to_send() == b""
    assert server.state is State.CLOSED


# ---------------------------------------------------------------------- what the peer does wrong

BAD: list[tuple[str, bytes, int, str]] = [
    ("reserved opcode", b"\x83\x80" + KEY, 1002, "RFC 6455 §5.2"),
    ("RSV1", b"\xc1\x80" + KEY, 1002, "RFC 6455 §5.2"),
    ("not masked", b"\x81\x00", 1002, "RFC 6455 §5.1"),
    ("fragmented ping", b"\x09\x80" + KEY, 1002, "RFC 6455 §5.5"),
    ("continuation of nothing", said(b"x", Opcode.CONTINUATION), 1002, "RFC 6455 §5.4"),
    ("message in a message", said(b"a", fin=False) + said(b"b"), 1002, "RFC 6455 §5.4"),
    ("not valid UTF-8", said(b"caf\xe9"), 1007, "RFC 6455 §8.1"),
    ("cut character", said("é".encode()[:1]), 1007, "RFC 6455 §8.1"),
    ("half a surrogate pair", said(b"\xed\xa0\x80"), 1007, "RFC 6455 §8.1"),
    ("overlong", said(b"\xc0\xaf"), 1007, "RFC 6455 §8.1"),
    ("bad in the first fragment", said(b"\xff", fin=False), 1007, "RFC 6455 §8.1"),
    ("bad in the middle of a frame", said(b"abc\xf4\x90\x80\x80def")[:-4], 1007, "RFC 6455 §8.1"),
    ("close of one octet", said(b"\x03", Opcode.CLOSE), 1002, "RFC 6455 §5.5.1"),
    ("close code 1005", said(b"\x03\xed", Opcode.CLOSE), 1002, "RFC 6455 §7.4"),
    ("close reason", said(b"\x03\xe8\xff", Opcode.CLOSE), 1007, "RFC 6455 §5.5.1"),
    ("frame too long", b"\x82\xff" + (2001).to_bytes(8) + KEY, 1002, "RFC 6455 §5.2"),
    ("frame beyond the limit", b"\x82\xfe\x07\xd1" + KEY, 1009, "RFC 6455 §7.4.1"),
    ("message beyond the limit", said(bytes(1200), 2, False) + said(bytes(900), 0), 1009, "RFC"),
    ("too many fragments", said(b"", fin=False) + said(b"", 0, False) * 5, 1008, "RFC 6455 §10.4"),
]


@pytest.mark.parametrize(
    ("octets", "code", "section"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
@pytest.mark.parametrize("before", [0, 1, 20])
def test_bad_octets_fail_the_connection(
    octets: bytes, code: int, section: str, before: int
) -> None:
    server = opened(limits=Limits(2000, 2000, max_fragments=5))
    *good, failed = server.receive_data(said(b"good") * before + octets + said(b"not seen"))
    assert good == [TextMessage("good")] * before
    assert type(failed) is Failed
    assert failed.error.close_code == code
    assert failed.error.section.startswith(section)
    assert server.receive_data(said(b"not seen")) == []
    assert server.receive_eof() == []
    assert closing_code(server.data_to_send()) == code
    assert server.close_transport
    assert server.close_code == 1006
    assert server.receive_data(said(b"not seen")) == []


def test_bad_octets_fail_as_soon_as_they_are_seen() -> None:
    """The last octet of each is the one that cannot be right."""
    for octets in (b"\x83\x80", b"\x81\x00", said(b"ok\xf4\x90"), said(b"\xed\xa0", fin=False)):
        server = opened()
        for octet in octets[:-1]:
            assert server.receive_data(bytes([octet])) == []
        assert type(server.receive_data(octets[-1:])[-1]) is Failed


def test_a_long_error_still_fits_a_close() -> None:
    client = opened(Side.CLIENT)
    client.receive_data(b"\xc0\x00" + b"x" * 10)
    frame, _ = parse_frame(client.data_to_send())
    assert len(frame.payload) <= 125
    assert frame.masked


# ---------------------------------------------------------------------- ping and pong


def test_a_ping_is_answered_with_its_octets() -> None:
    client, server = pair()
    assert server.receive_data(client.ping(b"now")) == [Ping(b"now")]
    assert client.receive_data(server.data_to_send()) == [Pong(b"now")]
    assert server.receive_data(client.pong(b"unasked")) == [Pong(b"unasked")]


def test_the_answer_goes_before_our_own_frames() -> None:
    for call in (CALLS["send"][0], CALLS["send"][1], CALLS["send"][2], CALLS["ping"][0]):
        server = opened()
        server.receive_data(said(b"?", Opcode.PING))
        assert call(server).startswith(b"\x8a\x01?")
        assert server.data_to_send() == b""


def test_of_too_many_pings_the_latest_is_answered() -> None:
    server = opened(limits=Limits(max_pending_control=3))
    events = server.receive_data(b"".join(said(b"%d" % n, Opcode.PING) for n in range(10)))
    assert len(events) == 10
    assert [frame.payload for frame in FrameDecoder().feed(server.data_to_send())] == [
        b"0",
        b"1",
        b"9",
    ]
    server.receive_data(said(b"again", Opcode.PING))
    assert server.data_to_send() == b"\x8a\x05again"


# ---------------------------------------------------------------------- messages both ways


@given(st.lists(messages(), max_size=20), st.booleans(), CUTS)
def test_messages_arrive(sent: list[str | bytes], deflated: bool, places: list[int]) -> None:
    client, server = pair(compression=DeflateConfig() if deflated else None)
    expected = [TextMessage(m) if isinstance(m, str) else BinaryMessage(m) for m in sent]
    for sender, receiver in ((client, server), (server, client)):
        octets = sender.send_many(sent)
        octets += b"".join(
            sender.send_text(m) if isinstance(m, str) else sender.send_binary(m) for m in sent
        )
        events = [e for piece in cut(octets, places) for e in receiver.receive_data(piece)]
        assert events == expected * 2


def test_fragments_of_ours() -> None:
    client, server = pair()
    octets = client.send_text("one ", fin=False) + client.ping(b"p")
    with pytest.raises(LocalProtocolError, match="not complete"):
        client.send_binary(b"no")
    octets += client.continue_message("two ", fin=False) + client.continue_message("three")
    assert server.receive_data(octets) == [Ping(b"p"), TextMessage("one two three")]


def test_compression_is_for_each_message() -> None:
    client, server = pair(compression=DeflateConfig())
    assert server.deflate is not None
    assert [extension.name for extension in client.extensions] == ["permessage-deflate"]
    assert server.send_text("x" * 99, compress=False)[:2] == b"\x81\x63"
    assert server.send_text("x" * 99, compress=True)[0] == 0xC1
    octets = client.send_text("y" * 500)
    assert len(octets) < 100
    assert server.receive_data(octets) == [TextMessage("y" * 500)]


@pytest.mark.parametrize("times", [1, 20])
def test_inflating_ends_at_the_limit(times: int) -> None:
    client, _ = pair(compression=DeflateConfig())
    _, server = pair(compression=DeflateConfig(), limits=Limits(max_message_size=10_000))
    good = b"".join(client.send_text("small") for _ in range(times))
    *events, failed = server.receive_data(good + client.send_binary(bytes(10_001)))
    assert events == [TextMessage("small")] * times
    assert type(failed) is Failed
    assert failed.error.close_code == 1009


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("payload", [b"\xff\xff", b"\x9a\x09\x00"])  # not DEFLATE; not UTF-8
def test_what_cannot_be_inflated(payload: bytes, opcode: Opcode) -> None:
    _, server = pair(compression=DeflateConfig())
    events = server.receive_data(build_frame(payload, opcode, True, KEY, rsv1=True))
    if opcode is Opcode.BINARY and payload[0] != 0xFF:
        assert events == [BinaryMessage(b"\x99")]
        return
    (failed,) = events
    assert type(failed) is Failed
    assert failed.error.close_code == 1007
    assert closing_code(server.data_to_send()) == 1007


@pytest.mark.parametrize("compression", [True, False, None, DeflateConfig(level=1)])
def test_compression_is_a_choice_or_a_config(compression: Any) -> None:
    for side in pair(compression=compression):
        assert (side.deflate is not None) == bool(compression)


@pytest.mark.parametrize("compression", ["deflate", 0, 1, {"level": 1}])
def test_another_compression_is_refused(compression: Any) -> None:
    for side in Side:
        with pytest.raises(TypeError, match="compression is True, False or a DeflateConfig, not"):
            Endpoint(side, compression=compression)


def test_a_server_offers_no_compression_by_itself() -> None:
    client, server = Endpoint(Side.CLIENT), Endpoint(Side.SERVER, compression=DeflateConfig())
    server.receive_data(client.connect("example.com"))
    client.receive_data(server.accept())
    assert server.deflate is None
    with pytest.raises(LocalProtocolError, match="no compression"):
        server.send_text("x", compress=True)


def test_a_client_masks_with_the_source_it_is_given() -> None:
    client = opened(Side.CLIENT, mask_source=lambda size: b"\x37\xfa\x21\x3d"[:size])
    assert client.send_text("Hello").hex(" ") == "81 85 37 fa 21 3d 7f 9f 4d 51 58"
    keys = {Endpoint(Side.CLIENT, already_open=True).send_text("")[2:] for _ in range(20)}
    assert len(keys) == 20


# ---------------------------------------------------------------------- any cut, any damage


def run(octets: list[bytes], side: Side) -> tuple[list[Event], bytes, State]:
    endpoint = opened(side, limits=Limits(4000, 4000, max_fragments=50), mask_source=bytes)
    events = [event for piece in octets for event in endpoint.receive_data(piece)]
    return events, endpoint.data_to_send(), endpoint.state


@given(st.data(), st.sampled_from(Side), CUTS)
def test_any_cut_gives_the_same(data: st.DataObject, side: Side, places: list[int]) -> None:
    masked = side is Side.SERVER
    stream = data.draw(streams(masked) | damaged(masked))
    assert run(cut(stream, places), side) == run([stream], side) or _alike(stream, places, side)


def _alike(stream: bytes, places: list[int], side: Side) -> bool:
    """Errors are no values that compare: look at what they say."""
    results = []
    for octets in (cut(stream, places), [stream]):
        events, answer, state = run(octets, side)
        shown = [str(e.error) if type(e) is Failed else e for e in events]
        results.append((shown, answer, state))
    return results[0] == results[1]


@given(damaged() | st.binary(max_size=200), CUTS, st.booleans())
def test_damage_never_raises(stream: bytes, places: list[int], opening: bool) -> None:
    server = Endpoint(Side.SERVER) if opening else opened()
    events: list[Event] = []
    for piece in [*cut(stream, places), b"more"]:
        events += server.receive_data(piece)
    events += server.receive_eof()
    last = [event for event in events if type(event) in (Failed, Closed)]
    assert last == events[-1:] or type(events[0]) is RequestReceived
    for event in last:
        if type(event) is Failed:
            assert isinstance(event.error, RemoteProtocolError)


def test_no_more_is_kept_than_the_limits_say() -> None:
    """Frames that announce much and bring little, for ever: what stays is bounded."""
    import tracemalloc

    server = opened(limits=Limits(1 << 16, 1 << 16, max_fragments=1 << 30))
    server.receive_data(said(b"", fin=False))
    piece = said(b"", Opcode.CONTINUATION, False) * 1000
    server.receive_data(piece)
    tracemalloc.start()
    try:
        for _ in range(10):
            server.receive_data(piece)
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


def test_numpy_is_not_imported_for_small_things() -> None:
    code = (
        "import sys; from goim_edu.protocol import *\n"
        "e = Endpoint(Side.SERVER, already_open=True)\n"
        "e.receive_data(build_frame('Hello', mask_key=b'abcd') * 3)\n"
        "print('numpy' in sys.modules)\n"
        "e.receive_data(build_frame('Hello', mask_key=b'abcd') * 30)\n"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
