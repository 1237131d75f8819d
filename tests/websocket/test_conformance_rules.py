"""The rules that the Autobahn TestSuite asks about, section by section, without that suite.

An echo server is asked, as a client would; what it answers is written as a short list: the
messages, ``Pong`` and ``Close`` with their content, in their order. The numbers are those of the
suite's sections, so that a case that fails there can be found here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from goim_edu.lab import LiveServer, serve_with, take_cases
from goim_edu.lab.conformance import (
    BAD_TEXTS,
    CASES,
    GOOD_TEXTS,
    Case,
    Said,
    describe,
    frame,
    say_close,
)
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
from goim_edu.websocket.deflate import DeflateConfig
from goim_edu.websocket.extensions import ExtensionOffer, format_extensions


class Echo:
    """A server that sends each message back."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.endpoint = Endpoint(Side.SERVER, already_open=True, limits=limits or Limits())
        self.decoder = FrameDecoder(masked=False)
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


def hear(octets: bytes, chop: int = 0) -> list[Said]:
    return Echo().hear(octets, chop)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{one.number}" for i, one in enumerate(CASES)])
def test_every_case_of_the_table(case: Case) -> None:
    """The table that learners put to their own servers: here at once, and in small pieces."""
    assert hear(case.sent) == case.wanted
    assert hear(case.sent, 997 if len(case.sent) > 5000 else 1) == case.wanted


def test_a_live_server_passes_them_all() -> None:
    with LiveServer("memory", name="cases") as live:
        card = take_cases(live)
    assert card, str(card)
    assert card.title == f"✓ {len(CASES)} of {len(CASES)} cases passed"


def test_a_failure_is_told() -> None:
    class Mute:
        def ask(self, data: bytes, path: str = "/echo") -> list[Frame]:
            return []

    card = take_cases(Mute(), "5")
    assert card.passed is False
    assert "it said nothing; it should say ('close', 1002)" in str(card)


def test_help_from_the_package_is_no_success() -> None:
    def no_pong(payload: bytes, opcode: int, fin: bool, mask_key: bytes | None) -> bytes:
        return build_frame(payload, Opcode.TEXT, fin, mask_key)

    with serve_with(build_frame=no_pong, name="cases") as live:
        card = take_cases(live, "2")
    assert card.passed is False
    assert "the package had to step in for `build_frame`\n" in str(card)


def test_the_card_says_what_a_function_raised() -> None:
    def unfinished(payload: bytes, opcode: int, fin: bool, mask_key: bytes | None) -> bytes:
        raise NotImplementedError("later")

    with serve_with(build_frame=unfinished, name="cases") as live:
        card = take_cases(live, "2")
        assert live.faults["build_frame"].startswith("it raised NotImplementedError: later")
    assert "`build_frame`: it raised NotImplementedError: later" in str(card)


def test_a_long_fault_is_cut() -> None:
    def wrong(payload: bytes, opcode: int, fin: bool, mask_key: bytes | None) -> bytes:
        raise ValueError("x" * 500)

    with serve_with(build_frame=wrong, name="cases") as live:
        card = take_cases(live, "2")
    assert max(map(len, str(card).splitlines())) < 300
    assert "xxx..." in str(card)


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


def test_7_1_6_a_close_behind_much() -> None:
    octets = frame("*" * 262_144) + frame("Hello") + say_close() + frame(b"", 9)
    assert hear(octets, 1 << 16) == ["*" * 262_144, "Hello", ("close", 1000)]


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
    client = Endpoint(Side.CLIENT, compression=client_config)
    server = Endpoint(Side.SERVER, compression=server_config)
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
