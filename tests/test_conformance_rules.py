"""The rules that the Autobahn TestSuite asks about, section by section, without that suite.

An echo server is asked, as a client would; what it answers is written as a short list: the
messages, ``Pong`` and ``Close`` with their content, in their order. The numbers are those of the
suite's sections, so that a case that fails there can be found here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from goim_edu.deflate import DeflateConfig
from goim_edu.handshake import ExtensionOffer, format_extensions
from goim_edu.protocol import (
    BinaryMessage,
    Endpoint,
    Frame,
    FrameDecoder,
    Limits,
    Opcode,
    Opened,
    RequestReceived,
    Side,
    State,
    TextMessage,
    build_close,
    build_frame,
    parse_close,
)

KEY = b"\x37\xfa\x21\x3d"
Said = str | bytes | tuple[str, object]  # a text, a binary, ("pong", octets) or ("close", code)


def frame(payload: bytes | str = b"", opcode: int = 1, fin: bool = True, rsv: int = 0) -> bytes:
    """A frame of a client, right or wrong: so no ``build_frame``, which builds no wrong ones."""
    octets = payload.encode() if isinstance(payload, str) else payload
    plain = build_frame(octets, Opcode.BINARY, fin, KEY)
    return bytes([fin << 7 | rsv << 4 | opcode]) + plain[1:]


def say_close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else code.to_bytes(2) + reason, Opcode.CLOSE)


class Echo:
    """A server that sends each message back."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.endpoint = Endpoint(Side.SERVER, already_open=True, limits=limits or Limits())
        self.decoder = FrameDecoder(expect_masked=False)
        self.frames: list[Frame] = []

    def hear(self, octets: bytes, chop: int = 0) -> list[Said]:
        """Everything that it said up to now, when it has heard this in pieces of ``chop``."""
        size = chop or len(octets) or 1
        for start in range(0, len(octets), size):
            for event in self.endpoint.receive_data(octets[start : start + size]):
                if type(event) is TextMessage:
                    self.frames += self.decoder.feed(self.endpoint.send_text(event.data))
                elif type(event) is BinaryMessage:
                    self.frames += self.decoder.feed(self.endpoint.send_binary(event.data))
            self.frames += self.decoder.feed(self.endpoint.data_to_send())
        return [describe(frame) for frame in self.frames]


def describe(said: Frame) -> Said:
    match said:
        case Frame(Opcode.TEXT, payload):
            return payload.decode()
        case Frame(Opcode.BINARY, payload):
            return payload
        case Frame(Opcode.CLOSE, payload):
            return "close", parse_close(payload)[0]
        case Frame(opcode, payload):
            return opcode.name.lower(), payload


def hear(octets: bytes, chop: int = 0) -> list[Said]:
    return Echo().hear(octets, chop)


CHOPS = pytest.mark.parametrize("chop", [0, 1], ids=["at once", "octet by octet"])


# ---------------------------------------------------------------------- 1 framing


@pytest.mark.parametrize("size", [0, 125, 126, 127, 128, 65_535, 65_536])
@pytest.mark.parametrize("chop", [0, 997])
def test_1_messages_of_any_length(size: int, chop: int) -> None:
    assert hear(frame("*" * size), chop) == ["*" * size]
    assert hear(frame(b"\xfe" * size, 2), chop) == [b"\xfe" * size]


# ---------------------------------------------------------------------- 2 pings and pongs


@CHOPS
@pytest.mark.parametrize("payload", [b"", b"Hello", b"\x00\xff\xfe", b"\xfe" * 125])
def test_2_a_ping_is_answered(payload: bytes, chop: int) -> None:
    assert hear(frame(payload, 9), chop) == [("pong", payload)]


def test_2_5_a_ping_too_long() -> None:
    assert hear(frame(bytes(126), 9)) == [("close", 1002)]


@pytest.mark.parametrize("payload", [b"", b"unsolicited"])
def test_2_7_a_pong_that_nobody_asked_for(payload: bytes) -> None:
    assert hear(frame(payload, 10) + frame(b"?", 9)) == [("pong", b"?")]


@CHOPS
def test_2_10_each_ping_is_answered_in_order(chop: int) -> None:
    pings = b"".join(frame(b"payload-%d" % number, 9) for number in range(10))
    assert hear(pings, chop) == [("pong", b"payload-%d" % number) for number in range(10)]


# ---------------------------------------------------------------------- 3 reserved bits


@CHOPS
@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [1, 2, 8, 9, 10])
def test_3_reserved_bits(opcode: int, rsv: int, chop: int) -> None:
    octets = frame("before") + frame(b"", opcode, rsv=rsv) + frame(b"", 9)
    assert hear(octets, chop) == ["before", ("close", 1002)]


# ---------------------------------------------------------------------- 4 opcodes


@CHOPS
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"payload"])
def test_4_reserved_opcodes(opcode: int, payload: bytes, chop: int) -> None:
    octets = frame("before") + frame(payload, opcode) + frame(b"", 9)
    assert hear(octets, chop) == ["before", ("close", 1002)]


# ---------------------------------------------------------------------- 5 fragmentation

FIRST, MIDDLE, LAST = (1, False), (0, False), (0, True)


def pieces(*shapes: tuple[int, bool]) -> bytes:
    return b"".join(frame(f"fragment{i}", op, fin) for i, (op, fin) in enumerate(shapes))


@CHOPS
@pytest.mark.parametrize("opcode", [9, 10])
def test_5_1_control_frames_are_not_fragmented(opcode: int, chop: int) -> None:
    octets = frame(b"one", opcode, fin=False) + frame(b"two", 0)
    assert hear(octets, chop) == [("close", 1002)]


@CHOPS
def test_5_3_fragments_make_one_message(chop: int) -> None:
    assert hear(pieces(FIRST, LAST), chop) == ["fragment0fragment1"]


@CHOPS
def test_5_6_a_ping_between_fragments(chop: int) -> None:
    octets = frame("one", 1, False) + frame(b"ping", 9) + frame("two", 0)
    assert hear(octets, chop) == [("pong", b"ping"), "onetwo"]


@CHOPS
@pytest.mark.parametrize("fin", [True, False])
def test_5_9_a_continuation_of_nothing(fin: bool, chop: int) -> None:
    octets = frame("none", 0, fin) + frame("text")
    assert hear(octets, chop) == [("close", 1002)]
    assert hear(pieces(FIRST, LAST) + octets, chop) == ["fragment0fragment1", ("close", 1002)]


@CHOPS
@pytest.mark.parametrize("opcode", [1, 2])
def test_5_18_a_message_within_a_message(opcode: int, chop: int) -> None:
    assert hear(frame("one", 1, False) + frame("two", opcode), chop) == [("close", 1002)]


def test_5_19_pings_between_many_fragments() -> None:
    octets = frame("f1", 1, False) + frame("f2", 0, False) + frame(b"1", 9)
    octets += frame("f3", 0, False) + frame("f4", 0, False) + frame(b"2", 9) + frame("f5", 0)
    assert hear(octets) == [("pong", b"1"), ("pong", b"2"), "f1f2f3f4f5"]


# ---------------------------------------------------------------------- 6 UTF-8

GOOD_TEXTS = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "消息",
    "𝄞😀",
    *map(chr, [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF]),
    *map(chr, [0x10000, 0x10FFFF, *(plane << 16 | 0xFFFF for plane in range(1, 17))]),
]
BAD_TEXTS = [
    b"\x80",  # a continuation octet alone
    b"\xbf",
    b"\x80\xbf" * 3,
    *(bytes([lead, 0x20]) for lead in (0xC2, 0xDF, 0xE0, 0xEF, 0xF0, 0xF4)),  # a start alone
    b"\xc2",  # cut
    b"\xe6\xb6",
    b"\xf0\x9f\x98",
    b"\xe6\xb6\x20",
    b"\xfe",  # no octets of UTF-8 at all
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xc0\xaf",  # longer than need be
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xfc\x83\xbf\xbf\xbf\xbf",
    b"\xed\xa0\x80",  # halves of surrogate pairs
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
]


@pytest.mark.parametrize("text", GOOD_TEXTS, ids=ascii)
def test_6_good_texts(text: str) -> None:
    octets = text.encode()
    assert hear(frame(octets)) == [text]
    assert hear(frame(octets), 1) == [text]
    assert hear(frame(octets) * 15) == [text] * 15
    fragments = [frame(bytes([octet]), 0, False) for octet in octets]
    assert hear(frame(b"", 1, False) + b"".join(fragments) + frame(b"", 0)) == [text]


@pytest.mark.parametrize("octets", BAD_TEXTS, ids=bytes.hex)
def test_6_bad_texts(octets: bytes) -> None:
    for text in (octets, b"before" + octets, octets + b"after"):
        assert hear(frame("good") + frame(text)) == ["good", ("close", 1007)]
        assert hear(frame("good") * 15 + frame(text)) == ["good"] * 15 + [("close", 1007)]
        assert hear(frame(text), 1) == [("close", 1007)]
        fragments = [frame(bytes([octet]), 0, False) for octet in text]
        octet_wise = frame(b"", 1, False) + b"".join(fragments) + frame(b"", 0)
        assert hear(octet_wise) == [("close", 1007)]


def test_6_4_bad_text_fails_before_its_message_ends() -> None:
    good, bad, rest = "κόσμε".encode(), b"\xf4\x90", b"\x80\x80edited"
    echo = Echo()  # in fragments
    assert echo.hear(frame(good, 1, False)) == []
    assert echo.hear(frame(bad, 0, False)) == [("close", 1007)]
    whole = frame(good + bad + rest)  # in pieces of one frame
    echo = Echo()
    assert echo.hear(whole[: 6 + len(good)]) == []
    assert echo.hear(whole[6 + len(good) : 6 + len(good) + 1]) == []
    assert echo.hear(whole[6 + len(good) + 1 : 6 + len(good) + 2]) == [("close", 1007)]


# ---------------------------------------------------------------------- 7 closing


def test_7_1_after_a_close_nothing_counts() -> None:
    assert hear(frame("Hello") + say_close()) == ["Hello", ("close", 1000)]
    assert hear(say_close() + say_close()) == [("close", 1000)]
    assert hear(say_close() + frame(b"", 9)) == [("close", 1000)]
    assert hear(say_close() + frame("text")) == [("close", 1000)]


def test_7_1_5_a_close_within_a_message() -> None:
    octets = frame("fragment1", 1, False) + say_close() + frame("fragment2", 0)
    assert hear(octets) == [("close", 1000)]


def test_7_1_6_a_close_behind_much() -> None:
    octets = frame("*" * 262_144) + frame("Hello") + say_close() + frame(b"", 9)
    assert hear(octets, 1 << 16) == ["*" * 262_144, "Hello", ("close", 1000)]


@CHOPS
@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (say_close(None), 1005),  # 7.3.1: an empty one is answered with an empty one
        (frame(b"a", 8), 1002),  # 7.3.2
        (say_close(1000), 1000),
        (say_close(1000, b"Hello World!"), 1000),
        (say_close(1000, b"*" * 123), 1000),
        (say_close(1000, b"*" * 124), 1002),  # 7.3.6: 126 octets in all
        (say_close(1000, b"\xce\xba\xed\xa0\x80"), 1007),  # 7.5.1
    ],
)
def test_7_3_the_body_of_a_close(octets: bytes, code: int, chop: int) -> None:
    assert hear(octets, chop) == [("close", code)]


@pytest.mark.parametrize(
    "code",
    [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999],
)
def test_7_7_codes_that_may_be_sent(code: int) -> None:
    assert hear(say_close(code)) == [("close", code)]


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]
)
def test_7_9_codes_that_may_not(code: int) -> None:
    assert hear(say_close(code)) == [("close", 1002)]


def test_7_the_server_closes_tcp() -> None:
    echo = Echo()
    echo.hear(say_close())
    assert echo.endpoint.state is State.CLOSED
    assert echo.endpoint.close_transport


# ---------------------------------------------------------------------- 9, 10 limits, cutting

LARGE = Limits(1 << 24, 1 << 24)


@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("size", [64, 256, 1024, 16_384])
def test_9_3_messages_in_many_fragments(opcode: int, size: int) -> None:
    total = size * 65_536 if size == 64 else 1 << 18
    fragments = [frame(b"*" * size, opcode, False)]
    fragments += [frame(b"*" * size, 0, False)] * (total // size - 1)
    said = Echo(LARGE).hear(b"".join(fragments) + frame(b"", 0), 1 << 16)
    assert said == ["*" * total if opcode == 1 else b"*" * total]


@pytest.mark.parametrize("chop", [64, 128, 256, 512, 1024, 2048])
def test_9_5_a_message_in_small_reads(chop: int) -> None:
    assert hear(frame("*" * (1 << 16)), chop) == ["*" * (1 << 16)]


def test_9_1_a_message_of_16_mib() -> None:
    assert Echo(LARGE).hear(frame(bytes(1 << 24), 2), 1 << 18) == [bytes(1 << 24)]


def test_10_1_text_cut_by_1300() -> None:
    cut = ["*" * 1300] * 50 + ["*" * 536]
    octets = frame(cut[0], 1, False) + b"".join(frame(piece, 0, False) for piece in cut[1:-1])
    assert hear(octets + frame(cut[-1], 0)) == ["*" * 65_536]


# ---------------------------------------------------------------------- 12, 13 compression


def agreed(
    offers: Iterable[ExtensionOffer], server_config: DeflateConfig, client_config: DeflateConfig
) -> tuple[Endpoint, Endpoint]:
    """A client with these offers, and a server."""
    client = Endpoint(Side.CLIENT, deflate=client_config)
    server = Endpoint(Side.SERVER, deflate=server_config)
    head, _, _ = client.connect("example.com").partition(b"\r\nSec-WebSocket-Extensions")
    field = f"\r\nSec-WebSocket-Extensions: {format_extensions(offers)}\r\n\r\n"
    (event,) = server.receive_data(head + field.encode())
    assert type(event) is RequestReceived
    (event,) = client.receive_data(server.accept())
    assert type(event) is Opened
    return client, server


def through(sender: Endpoint, receiver: Endpoint, texts: list[str], chop: int) -> None:
    """Each text, compressed and in fragments of ``chop`` octets, arrives as it was."""
    for text in texts:
        parts = [text[start : start + chop] for start in range(0, len(text), chop)] or [""]
        octets = sender.send_text(parts[0], compress=True, fin=len(parts) == 1)
        for number, part in enumerate(parts[1:], 2):
            octets += sender.continue_message(part, fin=number == len(parts))
        assert octets[0] & 0x40
        assert receiver.receive_data(octets) == [TextMessage(text)]


@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096, 16_384])
@pytest.mark.parametrize("chop", [1 << 20, 256])
def test_12_compressed_messages(size: int, chop: int) -> None:
    texts = [(f"The quick brown fox, number {i}. " * (size // 20 + 1))[:size] for i in range(20)]
    config = DeflateConfig()
    offer = ExtensionOffer("permessage-deflate", (("client_max_window_bits", None),))
    client, server = agreed([offer], config, config)
    assert client.deflate is not None
    through(client, server, texts, chop)
    through(server, client, texts, chop)


def offer_of(server_bits: int, client_bits: int, no_context: bool) -> ExtensionOffer:
    params: list[tuple[str, str | None]] = []
    if no_context:
        params += [("server_no_context_takeover", None), ("client_no_context_takeover", None)]
    if server_bits:
        params.append(("server_max_window_bits", str(server_bits)))
    if client_bits:
        params.append(("client_max_window_bits", str(client_bits)))
    return ExtensionOffer("permessage-deflate", tuple(params))


@pytest.mark.parametrize(
    ("server_bits", "client_bits", "no_context"),
    list(itertools.product([0, 9, 15], [0, 9, 15], [False, True])),
)
def test_13_the_parameters(server_bits: int, client_bits: int, no_context: bool) -> None:
    config = DeflateConfig(server_max_window_bits=15, client_max_window_bits=15)
    offer = offer_of(server_bits, client_bits, no_context)
    client, server = agreed([offer], config, config)
    assert client.deflate is not None
    assert server.deflate is not None
    assert client.deflate.params == server.deflate.params
    assert client.deflate.params.server_max_window_bits == (server_bits or 15)
    texts = [f"message {number} ".ljust(2000, "-") for number in range(5)]
    through(client, server, texts, 256)
    through(server, client, texts, 256)


def test_13_the_first_good_offer_of_three_is_taken() -> None:
    config = DeflateConfig(server_max_window_bits=15, client_max_window_bits=15)
    offers = [
        ExtensionOffer("permessage-deflate", (("no_such_parameter", None),)),
        offer_of(8, 0, True),  # no zlib compresses for a window of 2**8
        offer_of(0, 0, False),
    ]
    client, server = agreed(offers, config, config)
    assert client.deflate is not None
    assert client.deflate.params.server_max_window_bits == 15
    through(server, client, ["the third"], 256)


def test_12_a_compressed_close_is_no_close() -> None:
    config = DeflateConfig()
    _, server = agreed([offer_of(0, 0, False)], config, config)
    server.receive_data(frame(build_close(), Opcode.CLOSE, rsv=4))
    assert parse_close(server.data_to_send()[2:])[0] == 1002
